//! A DuckLake delete file: the positions of the deleted rows of one data file, as Parquet.
//!
//! Column names and field ids are those that DuckDB 1.5 writes, which took them from Iceberg.

use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

const FILE_PATH_FIELD_ID: &str = "2147483646";
const POSITION_FIELD_ID: &str = "2147483645";

/// Positions of one batch, so that the path of each is not in memory many times at once.
const BATCH_ROWS: usize = 8192;

/// The bytes of a delete file. `data_file` is the whole path of the data file; positions count from 0 and ascend.
///
/// # Errors
/// What Parquet reports.
pub(crate) fn encode_delete_file(data_file: &str, positions: &[i64]) -> Result<Vec<u8>, ParquetError> {
    let field = |name: &str, kind, id: &str| {
        Field::new(name, kind, true).with_metadata([("PARQUET:field_id".to_owned(), id.to_owned())].into())
    };
    let schema = Arc::new(Schema::new(vec![
        field("file_path", DataType::Utf8, FILE_PATH_FIELD_ID),
        field("pos", DataType::Int64, POSITION_FIELD_ID),
    ]));
    let properties = WriterProperties::builder()
        .set_created_by(concat!("freshet ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), Arc::clone(&schema), Some(properties))?;
    for batch in positions.chunks(BATCH_ROWS) {
        let paths = Arc::new(StringArray::from_iter_values(batch.iter().map(|_| data_file)));
        let columns =
            RecordBatch::try_new(Arc::clone(&schema), vec![paths, Arc::new(Int64Array::from(batch.to_vec()))]);
        writer.write(&columns?)?;
    }
    writer.into_inner()
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::Int64Type;
    use bytes::Bytes;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::*;

    #[test]
    fn columns_have_the_names_and_ids_of_duckdbs() {
        let positions: Vec<i64> = (0..20_000).map(|position| position * 3).collect();
        let bytes = Bytes::from(encode_delete_file("/data/files/b/1/x.parquet", &positions).unwrap());
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
        let columns = reader.parquet_schema().columns().iter();
        let columns: Vec<(String, i32)> =
            columns.map(|column| (column.name().to_owned(), column.self_type().get_basic_info().id())).collect();
        assert_eq!(columns, [("file_path".to_owned(), 2_147_483_646), ("pos".to_owned(), 2_147_483_645)]);
        let mut found = Vec::new();
        for batch in reader.build().unwrap() {
            let batch = batch.unwrap();
            let paths = batch.column(0).as_string::<i32>();
            assert!(paths.iter().all(|path| path == Some("/data/files/b/1/x.parquet")));
            found.extend_from_slice(batch.column(1).as_primitive::<Int64Type>().values());
        }
        assert_eq!(found, positions);
    }
}
