//! The rows of documents, labels of resources and secrets: read once, and written change by change.

use std::sync::Arc;

use super::LoadError;
use super::load::sound;
use crate::database::{Statement, Transaction, statement as sql};
use crate::documents::Document;
use crate::id::{DocumentId, OrganisationId, UserId};
use crate::image::{Change, Image};
use crate::mappings::MappedResource;

/// Reads all of it.
pub(super) async fn load(transaction: &mut Transaction, image: &mut Image) -> Result<(), LoadError> {
    load_documents(transaction, image).await?;
    load_label_mappings(transaction, image).await?;
    load_secrets(transaction, image).await
}

async fn load_documents(transaction: &mut Transaction, image: &mut Image) -> Result<(), LoadError> {
    const TABLE: &str = "documents";
    type Row = (i64, String, i64, i64, String, String, i64, i64);
    let rows: Vec<Row> =
        sql("SELECT id, kind, organisation_id, owner_id, name, body, created_at_ns, updated_at_ns FROM documents")
            .rows(transaction)
            .await?;
    for (id, kind, organisation_id, owner_id, name, body, created_at_ns, updated_at_ns) in rows {
        let document = Document {
            id: sound(DocumentId::from_i64(id), TABLE, "id")?,
            kind: sound(kind.parse().ok(), TABLE, "kind")?,
            organisation_id: sound(OrganisationId::from_i64(organisation_id), TABLE, "organisation_id")?,
            owner_id: sound(UserId::from_i64(owner_id), TABLE, "owner_id")?,
            name,
            body,
            created_at_ns,
            updated_at_ns,
        };
        image.apply(Change::PutDocument(Arc::new(document)));
    }
    Ok(())
}

async fn load_label_mappings(transaction: &mut Transaction, image: &mut Image) -> Result<(), LoadError> {
    const TABLE: &str = "label_mappings";
    let rows: Vec<(i64, String, i64)> =
        sql("SELECT label_id, resource_type, resource_id FROM label_mappings").rows(transaction).await?;
    for (label_id, resource_type, resource_id) in rows {
        let resource = MappedResource {
            resource_type: sound(resource_type.parse().ok(), TABLE, "resource_type")?,
            id: resource_id.cast_unsigned(),
        };
        let label = sound(DocumentId::from_i64(label_id), TABLE, "label_id")?;
        image.apply(Change::PutLabelMapping(resource, label));
    }
    Ok(())
}

async fn load_secrets(transaction: &mut Transaction, image: &mut Image) -> Result<(), LoadError> {
    let rows: Vec<(i64, String, String)> =
        sql("SELECT organisation_id, name, ciphertext FROM secrets").rows(transaction).await?;
    for (organisation_id, name, ciphertext) in rows {
        let organisation_id = sound(OrganisationId::from_i64(organisation_id), "secrets", "organisation_id")?;
        image.apply(Change::PutSecret(organisation_id, name, ciphertext.into()));
    }
    Ok(())
}

/// What a change writes. All others are written elsewhere.
pub(super) fn statement(change: &Change) -> Result<Statement, sqlx::Error> {
    Ok(match change {
        Change::PutDocument(document) => put_document(document),
        Change::RemoveDocument(_, id) => sql("DELETE FROM documents WHERE id = $1").bind(id.to_i64()),
        Change::PutLabelMapping(resource, label) => {
            sql("INSERT INTO label_mappings (label_id, resource_type, resource_id) VALUES ($1, $2, $3) \
                 ON CONFLICT (label_id, resource_type, resource_id) DO NOTHING")
            .bind(label.to_i64())
            .bind(resource.resource_type.as_str())
            .bind(resource.id.cast_signed())
        }
        Change::RemoveLabelMapping(resource, label) => {
            sql("DELETE FROM label_mappings WHERE label_id = $1 AND resource_type = $2 AND resource_id = $3")
                .bind(label.to_i64())
                .bind(resource.resource_type.as_str())
                .bind(resource.id.cast_signed())
        }
        Change::PutSecret(organisation, name, ciphertext) => {
            sql("INSERT INTO secrets (organisation_id, name, ciphertext) VALUES ($1, $2, $3) \
                 ON CONFLICT (organisation_id, name) DO UPDATE SET ciphertext = excluded.ciphertext")
            .bind(organisation.to_i64())
            .bind(name)
            .bind(&**ciphertext)
        }
        Change::RemoveSecret(organisation, name) => {
            sql("DELETE FROM secrets WHERE organisation_id = $1 AND name = $2").bind(organisation.to_i64()).bind(name)
        }
        other => return Err(sqlx::Error::Protocol(format!("a change without a statement: {other:?}"))),
    })
}

fn put_document(document: &Document) -> Statement {
    sql("INSERT INTO documents (id, kind, organisation_id, owner_id, name, body, created_at_ns, updated_at_ns) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO UPDATE SET \
         name = excluded.name, body = excluded.body, updated_at_ns = excluded.updated_at_ns")
    .bind(document.id.to_i64())
    .bind(document.kind.as_str())
    .bind(document.organisation_id.to_i64())
    .bind(document.owner_id.to_i64())
    .bind(&document.name)
    .bind(&document.body)
    .bind(document.created_at_ns)
    .bind(document.updated_at_ns)
}
