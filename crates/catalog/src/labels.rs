//! Which resource has which label. A label is a document; resources are buckets and documents.

use std::sync::Arc;

use crate::catalog::Catalog;
use crate::documents::{Document, DocumentKind};
use crate::error::CatalogError;
use crate::id::DocumentId;
use crate::image::{Change, Image};
use crate::mappings::{MappedResource, check_exists};

impl Catalog {
    /// Gives a resource a label. One that it has already is no error, as in InfluxDB.
    ///
    /// # Errors
    /// The label or the resource does not exist, or SQL failed.
    pub async fn add_label(&self, resource: MappedResource, label: DocumentId) -> Result<Arc<Document>, CatalogError> {
        self.commit(|image| {
            let found = find(image, label)?;
            check_exists(image, resource)?;
            let is_new = !labels_of(image, resource).any(|present| present == label);
            let changes = is_new.then_some(Change::PutLabelMapping(resource, label)).into_iter().collect();
            Ok((changes, Arc::clone(found)))
        })
        .await
    }

    /// Takes a label from a resource.
    ///
    /// # Errors
    /// The resource does not have it, or SQL failed.
    pub async fn remove_label(&self, resource: MappedResource, label: DocumentId) -> Result<(), CatalogError> {
        self.commit(|image| {
            if !labels_of(image, resource).any(|present| present == label) {
                return Err(CatalogError::DocumentNotFound(DocumentKind::Label));
            }
            Ok((vec![Change::RemoveLabelMapping(resource, label)], ()))
        })
        .await
    }

    /// The labels of a resource, by id.
    #[must_use]
    pub fn list_labels(&self, resource: MappedResource) -> Vec<Arc<Document>> {
        let image = self.image();
        labels_of(&image, resource).filter_map(|id| find(&image, id).ok().cloned()).collect()
    }
}

fn find(image: &Image, id: DocumentId) -> Result<&Arc<Document>, CatalogError> {
    let found = image.documents.get(&(DocumentKind::Label, id));
    found.ok_or(CatalogError::DocumentNotFound(DocumentKind::Label))
}

fn labels_of(image: &Image, resource: MappedResource) -> impl Iterator<Item = DocumentId> {
    image.label_mappings.get(&resource).into_iter().flatten().copied()
}

/// The changes that take all labels from a resource.
pub(crate) fn removals(image: &Image, resource: MappedResource) -> Vec<Change> {
    labels_of(image, resource).map(|label| Change::RemoveLabelMapping(resource, label)).collect()
}

/// The changes that take a label from all resources.
pub(crate) fn removals_of_label(image: &Image, label: DocumentId) -> Vec<Change> {
    let with_it = image.label_mappings.iter().filter(|(_, labels)| labels.contains(&label));
    with_it.map(|(resource, _)| Change::RemoveLabelMapping(*resource, label)).collect()
}
