//! Documents and labels: names, pages, changes, and what goes with them, over a catalog in a temporary directory.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::testing::{Fixture, NOW_NS, assert_refused};
use crate::{Class, MappedResource, OnboardingResult, Role};

fn draft(name: &str, body: &str) -> DocumentDraft {
    DocumentDraft { name: name.to_owned(), body: body.to_owned() }
}

async fn create(fixture: &Fixture, setup: &OnboardingResult, kind: DocumentKind, name: &str) -> Arc<Document> {
    let (organisation, user) = (setup.organisation.id, setup.user.id);
    fixture.catalog.create_document(kind, organisation, user, draft(name, r#"{"a":1}"#)).await.unwrap()
}

#[tokio::test]
async fn a_document_is_created_changed_and_deleted() {
    let (mut fixture, setup) = Fixture::onboarded().await;
    let made = create(&fixture, &setup, DocumentKind::Variable, "v").await;
    assert_eq!((made.body.as_str(), made.created_at_ns), (r#"{"a":1}"#, NOW_NS));
    fixture.reopen().await;
    assert_eq!(fixture.catalog.find_document(DocumentKind::Variable, made.id).unwrap(), made);
    let other_kind = fixture.catalog.find_document(DocumentKind::Label, made.id);
    assert_refused(other_kind, Class::NotFound, "label not found");
    let changed = fixture
        .catalog
        .update_document(DocumentKind::Variable, made.id, |before| {
            assert_eq!(before.name, "v");
            Ok::<_, CatalogError>(draft("w", r#"{"a":2}"#))
        })
        .await
        .unwrap();
    assert_eq!((changed.name.as_str(), changed.body.as_str()), ("w", r#"{"a":2}"#));
    let refused = fixture
        .catalog
        .update_document(DocumentKind::Variable, made.id, |_| Err::<DocumentDraft, _>(CatalogError::UserNotFound))
        .await;
    assert_refused(refused, Class::NotFound, "user not found");
    assert_eq!(fixture.catalog.find_document(DocumentKind::Variable, made.id).unwrap(), changed);
    fixture.reopen().await;
    fixture.catalog.delete_document(DocumentKind::Variable, made.id).await.unwrap();
    let again = fixture.catalog.delete_document(DocumentKind::Variable, made.id).await;
    assert_refused(again, Class::NotFound, "variable not found");
    fixture.reopen().await;
}

#[tokio::test]
async fn names_of_some_kinds_are_unique_in_an_organisation() {
    let (fixture, setup) = Fixture::onboarded().await;
    let (organisation, user) = (setup.organisation.id, setup.user.id);
    create(&fixture, &setup, DocumentKind::Label, "l").await;
    let same = fixture.catalog.create_document(DocumentKind::Label, organisation, user, draft(" L ", "{}")).await;
    assert_refused(same, Class::Conflict, "label with name  L  already exists");
    create(&fixture, &setup, DocumentKind::Variable, "l").await;
    let other = fixture.organisation("other").await;
    fixture.catalog.create_document(DocumentKind::Label, other.id, user, draft("l", "{}")).await.unwrap();
    create(&fixture, &setup, DocumentKind::Dashboard, "d").await;
    create(&fixture, &setup, DocumentKind::Dashboard, "d").await;
    let nameless = fixture.catalog.create_document(DocumentKind::Label, organisation, user, draft(" ", "{}")).await;
    assert_refused(nameless, Class::Invalid, "label name is empty");
    let long = "x".repeat(DOCUMENT_NAME_BYTES_MAX + 1);
    let long = fixture.catalog.create_document(DocumentKind::Label, organisation, user, draft(&long, "{}")).await;
    assert_refused(long, Class::Invalid, "label name is too long, at most 1024 bytes");
    let large = "x".repeat(DOCUMENT_BODY_BYTES_MAX + 1);
    let large = fixture.catalog.create_document(DocumentKind::Dashboard, organisation, user, draft("d", &large)).await;
    assert_refused(large, Class::Invalid, "dashboard is too large, at most 2097152 bytes");
    assert_eq!(fixture.catalog.count_documents(DocumentKind::Dashboard), 2);
}

#[tokio::test]
async fn lists_are_narrowed_and_paged() {
    let (fixture, setup) = Fixture::onboarded().await;
    for name in ["a", "b", "c"] {
        create(&fixture, &setup, DocumentKind::Dashboard, name).await;
    }
    create(&fixture, &setup, DocumentKind::Label, "l").await;
    let names = |filter: &DocumentFilter, page: &Page, hidden: &str| -> Vec<String> {
        let visible = |document: &Document| document.name != hidden;
        let found = fixture.catalog.list_documents(DocumentKind::Dashboard, filter, page, visible);
        found.iter().map(|document| document.name.clone()).collect()
    };
    let all = DocumentFilter::default();
    assert_eq!(names(&all, &Page::default(), ""), ["a", "b", "c"]);
    assert_eq!(names(&all, &Page::default(), "b"), ["a", "c"]);
    assert_eq!(names(&all, &Page { limit: 1, offset: 1, ..Page::default() }, ""), ["b"]);
    let named = DocumentFilter { name: Some("c".to_owned()), ..DocumentFilter::default() };
    assert_eq!(names(&named, &Page::default(), ""), ["c"]);
    let other = fixture.organisation("other").await;
    let elsewhere = DocumentFilter { organisation_id: Some(other.id), ..DocumentFilter::default() };
    assert!(names(&elsewhere, &Page::default(), "").is_empty());
}

#[tokio::test]
async fn labels_come_and_go_with_what_they_are_on() {
    let (mut fixture, setup) = Fixture::onboarded().await;
    let label = create(&fixture, &setup, DocumentKind::Label, "l").await;
    let dashboard = create(&fixture, &setup, DocumentKind::Dashboard, "d").await;
    let bucket = MappedResource::bucket(setup.bucket.id);
    for resource in [bucket, dashboard.resource()] {
        fixture.catalog.add_label(resource, label.id).await.unwrap();
        fixture.catalog.add_label(resource, label.id).await.unwrap();
        assert_eq!(fixture.catalog.list_labels(resource), std::slice::from_ref(&label));
    }
    fixture.reopen().await;
    fixture.catalog.remove_label(bucket, label.id).await.unwrap();
    assert_refused(fixture.catalog.remove_label(bucket, label.id).await, Class::NotFound, "label not found");
    let absent = fixture.catalog.add_label(bucket, dashboard.id).await;
    assert_refused(absent, Class::NotFound, "label not found");
    fixture.catalog.add_label(bucket, label.id).await.unwrap();
    fixture.catalog.add_mapping(dashboard.resource(), setup.user.id, Role::Owner).await.unwrap();
    fixture.catalog.delete_document(DocumentKind::Label, label.id).await.unwrap();
    assert!(fixture.catalog.list_labels(bucket).is_empty());
    fixture.reopen().await;
    fixture.catalog.delete_document(DocumentKind::Dashboard, dashboard.id).await.unwrap();
    let gone = fixture.catalog.list_mappings(dashboard.resource(), Role::Owner);
    assert_refused(gone, Class::NotFound, "dashboard not found");
    fixture.reopen().await;
}

#[tokio::test]
async fn documents_go_with_their_organisation() {
    let (mut fixture, setup) = Fixture::onboarded().await;
    let label = create(&fixture, &setup, DocumentKind::Label, "l").await;
    let dashboard = create(&fixture, &setup, DocumentKind::Dashboard, "d").await;
    fixture.catalog.add_label(dashboard.resource(), label.id).await.unwrap();
    fixture.catalog.add_label(MappedResource::bucket(setup.bucket.id), label.id).await.unwrap();
    fixture.catalog.delete_organisation(setup.organisation.id).await.unwrap();
    assert!(fixture.catalog.image().documents.is_empty());
    assert!(fixture.catalog.image().label_mappings.is_empty());
    fixture.reopen().await;
}
