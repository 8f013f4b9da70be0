//! Tables that are made before anything is written to them: the same registration that a first write brings about.

use std::collections::HashSet;
use std::sync::Arc;

use super::Inner;
use crate::error::WriteError;
use crate::lake::{NewColumn, NewTable};
use crate::table::{BucketInfo, ColumnKind};

/// A measurement to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableDefinition {
    /// Its name.
    pub measurement: String,
    /// Its tags and fields by name. A tag and a field may have the same.
    pub columns: Vec<(String, ColumnKind)>,
}

/// Why a table was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateTableError {
    /// The bucket has a measurement of the name.
    #[error("the table exists already")]
    Exists,
    /// The definition makes no sense.
    #[error("the table cannot be made: {0}")]
    Invalid(&'static str),
    /// The bucket or the table would become too large.
    #[error("the table cannot be made: {0}")]
    Limit(&'static str),
    /// The registration failed as that of a write may.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Bytes of a name, as a write may have them in a key.
const NAME_BYTES: usize = 65_535;

impl Inner {
    pub(super) async fn create_table(
        &self,
        bucket: Arc<BucketInfo>,
        definition: TableDefinition,
    ) -> Result<(), CreateTableError> {
        check(&definition)?;
        self.check_accepting()?;
        let registry = &self.shared.registry;
        if registry.measurement(bucket.bucket, &definition.measurement).is_some() {
            return Err(CreateTableError::Exists);
        }
        let limits = self.options.schema_limits;
        if registry.table_count(bucket.bucket) >= limits.tables_per_bucket {
            return Err(CreateTableError::Limit("the bucket has as many measurements as it may"));
        }
        if definition.columns.len() > limits.columns_per_table {
            return Err(CreateTableError::Limit("it has more tags and fields than it may"));
        }
        let columns = definition.columns.into_iter().map(|(name, kind)| NewColumn { name, kind }).collect();
        let table = NewTable { bucket: bucket.bucket, measurement: definition.measurement, columns };
        self.register_tables(&bucket, vec![table]).await?;
        Ok(())
    }
}

/// What line protocol could not bring about is refused.
fn check(definition: &TableDefinition) -> Result<(), CreateTableError> {
    use CreateTableError::Invalid;
    let is_name = |name: &str| !name.is_empty() && name.len() <= NAME_BYTES;
    if !is_name(&definition.measurement) {
        return Err(Invalid("its name is empty or too long"));
    }
    let mut known = HashSet::new();
    for (name, kind) in &definition.columns {
        let is_tag = *kind == ColumnKind::Tag;
        if !is_name(name) {
            return Err(Invalid("the name of a tag or field is empty or too long"));
        }
        if name == "time" || (is_tag && matches!(name.as_str(), "_field" | "_measurement")) {
            return Err(Invalid("a tag or field has a reserved name: time, _field or _measurement"));
        }
        if !known.insert((name, is_tag)) {
            return Err(Invalid("a tag or field is named twice"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use line_protocol::FieldKind;

    use super::*;

    #[test]
    fn definitions() {
        let field = ColumnKind::Field(FieldKind::Float);
        let result = |measurement: &str, columns: &[(&str, ColumnKind)]| {
            let columns = columns.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
            check(&TableDefinition { measurement: measurement.to_owned(), columns })
        };
        assert!(result("m", &[("a", ColumnKind::Tag), ("a", field), ("_field", field)]).is_ok());
        assert!(result("m", &[]).is_ok());
        for (measurement, columns) in [
            ("", &[][..]),
            ("m", &[("", field)]),
            ("m", &[("time", field)]),
            ("m", &[("_measurement", ColumnKind::Tag)]),
            ("m", &[("a", field), ("a", ColumnKind::Field(FieldKind::Integer))]),
        ] {
            assert!(matches!(result(measurement, columns), Err(CreateTableError::Invalid(_))), "{columns:?}");
        }
    }
}
