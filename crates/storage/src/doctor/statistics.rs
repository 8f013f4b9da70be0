//! The statistics of a file's columns from its Parquet footer: bounds that may be wider than the values, never
//! narrower, as the catalog wants them. Pure.

use line_protocol::FieldKind;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::statistics::Statistics;

use crate::ids::ColumnId;
use crate::table::{ColumnKind, ColumnStatistics, StatisticsValue};

type Range = (StatisticsValue, StatisticsValue);

/// Of all columns in the file; `kind` tells what a tag or field holds. Line protocol has no NaN, so no file has one.
pub(super) fn statistics(
    metadata: &ParquetMetaData,
    kind: impl Fn(ColumnId) -> Option<ColumnKind>,
) -> Vec<ColumnStatistics> {
    let schema = metadata.file_metadata().schema_descr();
    let mut all = Vec::with_capacity(schema.num_columns());
    for leaf in 0..schema.num_columns() {
        let column = schema.column(leaf);
        let info = column.self_type().get_basic_info();
        if !info.has_id() {
            continue;
        }
        let column = ColumnId(i64::from(info.id()));
        let (mut rows, mut nulls, mut size_bytes) = (0_u64, Some(0_u64), 0_u64);
        let mut range: Option<Range> = None;
        let mut is_known = true;
        for group in metadata.row_groups() {
            let chunk = group.column(leaf);
            let group_rows = u64::try_from(group.num_rows()).unwrap_or_default();
            let group_nulls = chunk.statistics().and_then(Statistics::null_count_opt);
            let group_nulls = if column == ColumnId::TIME { Some(0) } else { group_nulls };
            rows += group_rows;
            nulls = nulls.zip(group_nulls).map(|(all, of_group)| all + of_group);
            size_bytes += u64::try_from(chunk.compressed_size()).unwrap_or_default();
            if group_nulls == Some(group_rows) {
                continue;
            }
            match chunk.statistics().and_then(|statistics| range_of(statistics, column, &kind)) {
                Some(found) => range = Some(range.map_or(found.clone(), |known| wider(known, found))),
                None => is_known = false,
            }
        }
        let null_count = nulls.unwrap_or_default();
        all.push(ColumnStatistics {
            column,
            size_bytes,
            value_count: rows.saturating_sub(null_count),
            null_count,
            range: range.filter(|_| is_known),
            contains_nan: false,
        });
    }
    all
}

fn range_of(
    statistics: &Statistics,
    column: ColumnId,
    kind: &impl Fn(ColumnId) -> Option<ColumnKind>,
) -> Option<Range> {
    let kind = if column == ColumnId::TIME { None } else { Some(kind(column)?) };
    match (statistics, kind) {
        (Statistics::Int64(values), None) => {
            Some((StatisticsValue::Time(*values.min_opt()?), StatisticsValue::Time(*values.max_opt()?)))
        }
        (Statistics::Int64(values), Some(ColumnKind::Field(FieldKind::Integer))) => {
            Some((StatisticsValue::Integer(*values.min_opt()?), StatisticsValue::Integer(*values.max_opt()?)))
        }
        (Statistics::Int64(values), Some(ColumnKind::Field(FieldKind::Unsigned))) => Some((
            StatisticsValue::Unsigned(values.min_opt()?.cast_unsigned()),
            StatisticsValue::Unsigned(values.max_opt()?.cast_unsigned()),
        )),
        (Statistics::Double(values), _) => {
            Some((StatisticsValue::Float(*values.min_opt()?), StatisticsValue::Float(*values.max_opt()?)))
        }
        (Statistics::Boolean(values), _) => {
            Some((StatisticsValue::Boolean(*values.min_opt()?), StatisticsValue::Boolean(*values.max_opt()?)))
        }
        (Statistics::ByteArray(values), _) => {
            let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned).map(StatisticsValue::Text);
            Some((text(values.min_opt()?.data())?, text(values.max_opt()?.data())?))
        }
        _ => None,
    }
}

fn wider(known: Range, found: Range) -> Range {
    let least = if is_less(&found.0, &known.0) { found.0 } else { known.0 };
    let most = if is_less(&known.1, &found.1) { found.1 } else { known.1 };
    (least, most)
}

fn is_less(left: &StatisticsValue, right: &StatisticsValue) -> bool {
    use StatisticsValue::{Boolean, Float, Integer, Text, Time, Unsigned};
    match (left, right) {
        (Time(left), Time(right)) | (Integer(left), Integer(right)) => left < right,
        (Float(left), Float(right)) => left < right,
        (Unsigned(left), Unsigned(right)) => left < right,
        (Boolean(left), Boolean(right)) => !left & right,
        (Text(left), Text(right)) => left < right,
        _ => false,
    }
}
