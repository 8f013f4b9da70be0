//! Documents: resources that the server keeps for its clients and whose content is not looked at here, such as labels
//! and dashboards. One table and one set of rules for all kinds; what a body means is the server's.

use std::sync::Arc;

use crate::catalog::Catalog;
use crate::error::CatalogError;
use crate::id::{DocumentId, OrganisationId, UserId};
use crate::image::{Change, Image};
use crate::mappings::MappedResource;
use crate::organisations::unmap;
use crate::page::Page;
use crate::permission::ResourceType;
use crate::words::words;

/// Bytes of a name. InfluxDB has no limit; names stand in every list.
pub const DOCUMENT_NAME_BYTES_MAX: usize = 1024;

words! {
    /// The kinds of documents.
    pub enum DocumentKind, unknown is DocumentKind {
        /// Labels.
        Label = "labels",
        /// Variables of dashboards.
        Variable = "variables",
        /// Dashboards with their cells and views.
        Dashboard = "dashboards",
        /// Configurations of Telegraf.
        Telegraf = "telegrafs",
        /// Targets that are scraped for metrics.
        Scraper = "scrapers",
        /// Notebooks of the user interface.
        Notebook = "notebooks",
        /// Tasks; each has a job.
        Task = "tasks",
        /// Checks of points; each has a job.
        Check = "checks",
        /// Where notifications go.
        NotificationEndpoint = "notificationEndpoints",
        /// Which statuses are notified of; each has a job.
        NotificationRule = "notificationRules",
        /// What templates made.
        Stack = "stacks",
    }
}

impl DocumentKind {
    /// What permissions call it.
    #[must_use]
    pub fn resource_type(self) -> ResourceType {
        match self {
            Self::Label => ResourceType::Labels,
            Self::Variable => ResourceType::Variables,
            Self::Dashboard => ResourceType::Dashboards,
            Self::Telegraf => ResourceType::Telegrafs,
            Self::Scraper => ResourceType::Scrapers,
            Self::Notebook => ResourceType::Notebooks,
            Self::Task => ResourceType::Tasks,
            Self::Check => ResourceType::Checks,
            Self::NotificationEndpoint => ResourceType::NotificationEndpoints,
            Self::NotificationRule => ResourceType::NotificationRules,
            Self::Stack => ResourceType::Documents,
        }
    }

    /// The word for one of them in messages.
    #[must_use]
    pub fn singular(self) -> &'static str {
        match self {
            Self::Label => "label",
            Self::Variable => "variable",
            Self::Dashboard => "dashboard",
            Self::Telegraf => "telegraf configuration",
            Self::Scraper => "scraper target",
            Self::Notebook => "notebook",
            Self::Task => "task",
            Self::Check => "check",
            Self::NotificationEndpoint => "notification endpoint",
            Self::NotificationRule => "notification rule",
            Self::Stack => "stack",
        }
    }

    /// Whether an organisation has one of a name at most. Case and spaces around it make no difference, as in InfluxDB.
    fn has_unique_names(self) -> bool {
        matches!(self, Self::Label | Self::Variable | Self::Check | Self::NotificationEndpoint | Self::NotificationRule)
    }

    /// Whether one may be without a name.
    fn may_be_nameless(self) -> bool {
        matches!(self, Self::Dashboard | Self::Telegraf | Self::Scraper | Self::Notebook | Self::Stack)
    }
}

/// A document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its id.
    pub id: DocumentId,
    /// Its kind.
    pub kind: DocumentKind,
    /// The organisation that it belongs to.
    pub organisation_id: OrganisationId,
    /// Who made it; may be gone.
    pub owner_id: UserId,
    /// Its name.
    pub name: String,
    /// A JSON object.
    pub body: String,
    /// Nanoseconds since 1970.
    pub created_at_ns: i64,
    /// Nanoseconds since 1970.
    pub updated_at_ns: i64,
}

impl Document {
    /// What labels, members and owners refer to.
    #[must_use]
    pub fn resource(&self) -> MappedResource {
        MappedResource { resource_type: self.kind.resource_type(), id: self.id.get() }
    }
}

/// Bytes of a body. A request is smaller; what grows request by request, as a dashboard does, is bounded by this. All
/// bodies are in memory.
pub const DOCUMENT_BODY_BYTES_MAX: usize = 2 << 20;

/// What a document is to hold.
#[derive(Debug, Clone, Default)]
pub struct DocumentDraft {
    /// Its name.
    pub name: String,
    /// A JSON object.
    pub body: String,
}

/// Which documents to list; each part that is given narrows the list.
#[derive(Debug, Clone, Default)]
pub struct DocumentFilter {
    /// Those of an organisation.
    pub organisation_id: Option<OrganisationId>,
    /// Those that a user made.
    pub owner_id: Option<UserId>,
    /// Those of a name.
    pub name: Option<String>,
    /// These, if there are any.
    pub ids: Vec<DocumentId>,
}

impl DocumentFilter {
    fn matches(&self, document: &Document) -> bool {
        self.organisation_id.is_none_or(|id| id == document.organisation_id)
            && self.owner_id.is_none_or(|id| id == document.owner_id)
            && self.name.as_ref().is_none_or(|name| *name == document.name)
            && (self.ids.is_empty() || self.ids.contains(&document.id))
    }
}

impl Catalog {
    /// Creates a document.
    ///
    /// # Errors
    /// The organisation does not exist, the name is empty, too long or taken, or SQL failed.
    pub async fn create_document(
        &self,
        kind: DocumentKind,
        organisation_id: OrganisationId,
        owner_id: UserId,
        draft: DocumentDraft,
    ) -> Result<Arc<Document>, CatalogError> {
        self.commit(|image| {
            let id = self.ids().next();
            let document = new(image, id, kind, (organisation_id, owner_id), draft, self.now_ns())?;
            let changes = vec![Change::PutDocument(Arc::clone(&document))];
            Ok((changes, document))
        })
        .await
    }

    /// An id for a document that knows its own.
    #[must_use]
    pub fn next_document_id(&self) -> DocumentId {
        self.ids().next()
    }

    /// The document of an id.
    ///
    /// # Errors
    /// [`CatalogError::DocumentNotFound`].
    pub fn find_document(&self, kind: DocumentKind, id: DocumentId) -> Result<Arc<Document>, CatalogError> {
        self.image().documents.get(&(kind, id)).cloned().ok_or(CatalogError::DocumentNotFound(kind))
    }

    /// The documents of a kind that the filter and `visible` let through, one page of them by id.
    pub fn list_documents(
        &self,
        kind: DocumentKind,
        filter: &DocumentFilter,
        page: &Page,
        visible: impl Fn(&Document) -> bool,
    ) -> Vec<Arc<Document>> {
        let image = self.image();
        let matching = documents_of(&image, kind).filter(|document| filter.matches(document) && visible(document));
        page.cut(matching.cloned(), |document| document.id.get())
    }

    /// How many documents of a kind there are.
    #[must_use]
    pub fn count_documents(&self, kind: DocumentKind) -> usize {
        documents_of(&self.image(), kind).count()
    }

    /// Changes a document: `change` looks at it as it is and says what it is to hold.
    ///
    /// # Errors
    /// What `change` says; it does not exist, the name is empty, too long or taken, or SQL failed.
    pub async fn update_document<E: From<CatalogError> + Send>(
        &self,
        kind: DocumentKind,
        id: DocumentId,
        change: impl FnOnce(&Document) -> Result<DocumentDraft, E> + Send,
    ) -> Result<Arc<Document>, E> {
        let mut refusal = None;
        let updated = self
            .commit(|image| {
                let before = image.documents.get(&(kind, id)).ok_or(CatalogError::DocumentNotFound(kind))?;
                let draft = match change(before) {
                    Ok(draft) => draft,
                    Err(error) => {
                        refusal = Some(error);
                        return Ok((Vec::new(), Arc::clone(before)));
                    }
                };
                let after = changed(image, before, draft, self.now_ns())?;
                let changes = vec![Change::PutDocument(Arc::clone(&after))];
                Ok((changes, after))
            })
            .await?;
        refusal.map_or(Ok(updated), Err)
    }

    /// Deletes a document with all that hangs on it: labels, members and owners.
    ///
    /// # Errors
    /// It does not exist, or SQL failed.
    pub async fn delete_document(&self, kind: DocumentKind, id: DocumentId) -> Result<(), CatalogError> {
        self.commit(|image| {
            let document = image.documents.get(&(kind, id)).ok_or(CatalogError::DocumentNotFound(kind))?;
            Ok((removals(image, document), ()))
        })
        .await
    }
}

/// A new document, if it may be so.
pub(crate) fn new(
    image: &Image,
    id: DocumentId,
    kind: DocumentKind,
    (organisation_id, owner_id): (OrganisationId, UserId),
    draft: DocumentDraft,
    now_ns: i64,
) -> Result<Arc<Document>, CatalogError> {
    if !image.organisations.contains_key(&organisation_id) {
        return Err(CatalogError::OrganisationNotFound);
    }
    let document = Arc::new(Document {
        id,
        kind,
        organisation_id,
        owner_id,
        name: draft.name,
        body: draft.body,
        created_at_ns: now_ns,
        updated_at_ns: now_ns,
    });
    check(image, &document)?;
    Ok(document)
}

/// A document after a change, if it may be so.
pub(crate) fn changed(
    image: &Image,
    before: &Document,
    draft: DocumentDraft,
    now_ns: i64,
) -> Result<Arc<Document>, CatalogError> {
    let after = Document { name: draft.name, body: draft.body, updated_at_ns: now_ns, ..Document::clone(before) };
    check(image, &after)?;
    Ok(Arc::new(after))
}

/// All documents of a kind, by id.
pub(crate) fn documents_of(image: &Image, kind: DocumentKind) -> impl DoubleEndedIterator<Item = &Arc<Document>> {
    let first = DocumentId::FIRST;
    let last = DocumentId::LAST;
    image.documents.range((kind, first)..=(kind, last)).map(|(_, document)| document)
}

/// The changes that remove a document with all that hangs on it.
pub(crate) fn removals(image: &Image, document: &Document) -> Vec<Change> {
    let resource = document.resource();
    let mut changes = unmap(image, resource);
    changes.extend(crate::labels::removals(image, resource));
    if document.kind == DocumentKind::Label {
        changes.extend(crate::labels::removals_of_label(image, document.id));
    }
    changes.extend(crate::tasks::removals(image, document));
    changes.push(Change::RemoveDocument(document.kind, document.id));
    changes
}

/// The changes that remove all documents of an organisation.
pub(crate) fn removals_in(image: &Image, organisation: OrganisationId) -> Vec<Change> {
    let of_organisation = image.documents.values().filter(|document| document.organisation_id == organisation);
    // Labels last, as others refer to them.
    let (labels, others): (Vec<_>, Vec<_>) = of_organisation.partition(|document| document.kind == DocumentKind::Label);
    others.into_iter().chain(labels).flat_map(|document| removals(image, document)).collect()
}

fn check(image: &Image, document: &Document) -> Result<(), CatalogError> {
    let kind = document.kind;
    let key = document.name.trim().to_lowercase();
    if key.is_empty() && !kind.may_be_nameless() {
        return Err(CatalogError::DocumentNameEmpty(kind));
    }
    if document.name.len() > DOCUMENT_NAME_BYTES_MAX {
        return Err(CatalogError::DocumentNameLong(kind));
    }
    if document.body.len() > DOCUMENT_BODY_BYTES_MAX {
        return Err(CatalogError::DocumentLong(kind));
    }
    let is_taken = |other: &&Arc<Document>| {
        other.id != document.id
            && other.organisation_id == document.organisation_id
            && other.name.trim().to_lowercase() == key
    };
    if kind.has_unique_names() && documents_of(image, kind).find(is_taken).is_some() {
        return Err(CatalogError::DocumentExists { kind, name: document.name.clone() });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
