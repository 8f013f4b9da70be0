//! Tests of the payload: round trips, and bytes that are no payload.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use proptest::prelude::*;

use super::*;

fn round_trip(tables: &[TableRows]) {
    let mut bytes = Vec::new();
    let encoding = encode(tables, &mut bytes).unwrap();
    assert_eq!(decode(encoding, &bytes).unwrap(), tables);
}

fn integers() -> impl Strategy<Value = i64> {
    prop_oneof![-200_i64..200, Just(i64::MIN), Just(i64::MAX), any::<i64>()]
}

/// The columns of a table with `rows` rows, as line_protocol gives them: a row without a value holds the default.
fn column(rows: usize) -> impl Strategy<Value = FieldRows> {
    let one_in = |n: u32| prop::collection::vec((0..n).prop_map(|number| number == 0), rows).prop_map(Some);
    let bits = prop_oneof![Just(None), one_in(2), one_in(20)];
    let values = prop_oneof![
        prop::collection::vec(any::<f64>().prop_filter("finite", |value| value.is_finite()), rows)
            .prop_map(FieldValues::Float),
        prop::collection::vec(-50_i64..50, rows)
            .prop_map(|values| FieldValues::Float(values.iter().map(|value| *value as f64 / 4.0).collect())),
        prop::collection::vec(integers(), rows).prop_map(FieldValues::Integer),
        prop::collection::vec(0_i64..100, rows).prop_map(FieldValues::Integer),
        prop::collection::vec(integers(), rows)
            .prop_map(|values| FieldValues::Unsigned(values.into_iter().map(i64::cast_unsigned).collect())),
        prop::collection::vec(any::<bool>(), rows).prop_map(FieldValues::Boolean),
        prop::collection::vec(".{0,12}", rows).prop_map(|values| FieldValues::String(strings(&values))),
    ];
    (2_i64..i64::MAX, values, bits).prop_map(move |(column, values, present)| {
        let (values, presence) = match present {
            Some(present) => {
                let given: Vec<u32> =
                    (0_u32..).zip(&present).filter(|(_, given)| **given).map(|(row, _)| row).collect();
                match given.is_empty() || !Presence::is_sparse(given.len(), rows) {
                    true => (blank(values, &present), Presence::Bits(bitmap(&present))),
                    false => (picked(&values, &given), Presence::Rows(given)),
                }
            }
            None => (values, Presence::All),
        };
        FieldRows { column: ColumnId(column), values, presence }
    })
}

fn strings(values: &[String]) -> StringColumn {
    let mut column = StringColumn { offsets: vec![0], bytes: String::new() };
    for value in values {
        column.bytes.push_str(value);
        column.offsets.push(column.bytes.len() as u32);
    }
    column
}

fn bitmap(present: &[bool]) -> Vec<u8> {
    let byte = |bits: &[bool]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
    present.chunks(8).map(byte).collect()
}

fn picked(values: &FieldValues, given: &[u32]) -> FieldValues {
    fn pick<T: Copy>(values: &[T], given: &[u32]) -> Vec<T> {
        given.iter().map(|row| values[*row as usize]).collect()
    }
    match values {
        FieldValues::Float(values) => FieldValues::Float(pick(values, given)),
        FieldValues::Integer(values) => FieldValues::Integer(pick(values, given)),
        FieldValues::Unsigned(values) => FieldValues::Unsigned(pick(values, given)),
        FieldValues::Boolean(values) => FieldValues::Boolean(pick(values, given)),
        FieldValues::String(values) => {
            let kept = given.iter().map(|row| values.value(*row as usize).to_owned());
            FieldValues::String(strings(&kept.collect::<Vec<_>>()))
        }
    }
}

fn blank(values: FieldValues, present: &[bool]) -> FieldValues {
    fn keep<T: Default + Copy>(values: &[T], present: &[bool]) -> Vec<T> {
        values.iter().zip(present).map(|(value, present)| if *present { *value } else { T::default() }).collect()
    }
    match values {
        FieldValues::Float(values) => FieldValues::Float(keep(&values, present)),
        FieldValues::Integer(values) => FieldValues::Integer(keep(&values, present)),
        FieldValues::Unsigned(values) => FieldValues::Unsigned(keep(&values, present)),
        FieldValues::Boolean(values) => FieldValues::Boolean(keep(&values, present)),
        FieldValues::String(values) => {
            let kept =
                (0..values.len()).map(|row| if present[row] { values.value(row).to_owned() } else { String::new() });
            FieldValues::String(strings(&kept.collect::<Vec<_>>()))
        }
    }
}

fn table() -> impl Strategy<Value = TableRows> {
    let keys = prop::collection::vec(prop::collection::vec((1_i64..500, ".{0,9}"), 0..4), 1..20);
    (1_i64..i64::MAX, keys, 1_usize..300).prop_flat_map(|(table, keys, rows)| {
        let mut series = SeriesKeys::default();
        for tags in keys {
            let tags: std::collections::BTreeMap<i64, String> = tags.into_iter().collect();
            series.push(tags.iter().map(|(column, value)| (ColumnId(*column), value.as_str())));
        }
        let indexes = prop::collection::vec(0..series.len() as u32, rows);
        let times = prop_oneof![
            prop::collection::vec(integers(), rows),
            (integers(), -3_i64..3).prop_map(move |(start, step)| {
                (0..rows as i64).map(|row| start.wrapping_add(row * step)).collect()
            }),
        ];
        let columns = prop::collection::vec(column(rows), 0..4);
        (indexes, times, columns).prop_map(move |(row_series, times, columns)| TableRows {
            table: TableId(table),
            series: series.clone(),
            row_series,
            times,
            columns,
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rows_come_back_as_they_were(tables in prop::collection::vec(table(), 0..3)) {
        round_trip(&tables);
    }

    #[test]
    fn a_payload_that_was_cut_is_refused(table in table(), cut in any::<prop::sample::Index>()) {
        let mut bytes = Vec::new();
        let encoding = encode(&[table], &mut bytes).unwrap();
        prop_assert!(decode(encoding, &bytes[..cut.index(bytes.len())]).is_err());
        bytes.push(0);
        prop_assert!(decode(encoding, &bytes).is_err());
    }

    #[test]
    fn a_payload_that_was_changed_is_rows_or_an_error(
        table in table(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
    ) {
        let mut bytes = Vec::new();
        let encoding = encode(&[table], &mut bytes).unwrap();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        check_total(encoding, &bytes);
    }

    #[test]
    fn any_bytes_are_rows_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200), encoding in any::<u8>()) {
        check_total(encoding, &bytes);
        check_total(COLUMNAR, &bytes);
        check_total(SPARSE_COLUMNAR, &bytes);
    }
}

/// Decoding does not panic, and what it accepts is in order and can be encoded. Bytes are compared, not values: floats
/// may have become NaN, which equals nothing.
fn check_total(encoding: u8, bytes: &[u8]) {
    if let Ok(tables) = decode(encoding, bytes) {
        let (mut once, mut again) = (Vec::new(), Vec::new());
        let encoding = encode(&tables, &mut once).unwrap();
        encode(&decode(encoding, &once).unwrap(), &mut again).unwrap();
        assert_eq!(once, again);
    }
}

#[test]
fn a_float_that_is_no_number_any_more_does_no_harm() {
    let mut series = SeriesKeys::default();
    series.push([]);
    let values = FieldValues::Float(vec![0.5]);
    let columns = vec![FieldRows { column: ColumnId(3), values, presence: Presence::All }];
    let table = TableRows { table: TableId(1), series, row_series: vec![0], times: vec![0], columns };
    let mut bytes = Vec::new();
    let encoding = encode(&[table], &mut bytes).unwrap();
    let start = bytes.len() - 8;
    bytes[start..].copy_from_slice(&f64::NAN.to_bits().to_le_bytes());
    let FieldValues::Float(back) = &decode(encoding, &bytes).unwrap()[0].columns[0].values else { panic!() };
    assert!(back[0].is_nan());
    check_total(encoding, &bytes);
}

#[test]
fn a_payload_is_small() {
    let check = |table: TableRows, bytes_max: usize| {
        let mut bytes = Vec::new();
        let encoding = encode(std::slice::from_ref(&table), &mut bytes).unwrap();
        assert!(bytes.len() <= bytes_max, "{} bytes", bytes.len());
        assert_eq!(decode(encoding, &bytes).unwrap(), [table]);
    };
    let hosts = 100_usize;
    let rows = 10 * hosts;
    let mut series = SeriesKeys::default();
    for host in 0..hosts {
        series.push([(ColumnId(2), format!("host_{host}.example.org").as_str())]);
    }
    // Ten rounds of counters that differ between hosts and move a little; seconds as time.
    let counter = |row: usize| (row % hosts) as i64 * 1_000_000_007 + (row / hosts) as i64;
    let table = |values| TableRows {
        table: TableId(1),
        series: series.clone(),
        row_series: (0..rows).map(|row| (row % hosts) as u32).collect(),
        times: (0..rows).map(|row| (1_700_000_000 + 10 * (row / hosts) as i64) * 1_000_000_000).collect(),
        columns: vec![FieldRows { column: ColumnId(3), values, presence: Presence::All }],
    };
    let keys_and_first_round = 1_400 + 6 * hosts;
    check(table(FieldValues::Integer((0..rows).map(counter).collect())), 3 * rows + keys_and_first_round);
    let whole = (0..rows).map(|row| counter(row) as f64).collect();
    check(table(FieldValues::Float(whole)), 3 * rows + keys_and_first_round);
    let lines: Vec<String> = (0..rows).map(|row| format!("GET /index.html 200 {row}")).collect();
    check(table(FieldValues::String(strings(&lines))), 16 * rows);
}

#[test]
fn rows_that_do_not_fit_together_are_refused() {
    let good = || TableRows {
        table: TableId(1),
        series: {
            let mut keys = SeriesKeys::default();
            keys.push([]);
            keys
        },
        row_series: vec![0, 0],
        times: vec![1, 2],
        columns: vec![FieldRows {
            column: ColumnId(3),
            values: FieldValues::Integer(vec![1, 2]),
            presence: Presence::All,
        }],
    };
    let check = |change: fn(&mut TableRows)| {
        let mut table = good();
        change(&mut table);
        assert_eq!(encode(&[table], &mut Vec::new()), Err(EncodeError::Inconsistent));
    };
    assert_eq!(encode(&[good()], &mut Vec::new()), Ok(1));
    check(|table| table.times.clear());
    check(|table| table.row_series[1] = 1);
    check(|table| table.row_series.truncate(1));
    check(|table| table.columns[0].values = FieldValues::Float(vec![1.0]));
    check(|table| table.columns[0].presence = Presence::Bits(vec![1, 0]));
    for given in [vec![], vec![0], vec![1, 0], vec![0, 0], vec![0, 2]] {
        let mut table = good();
        table.columns[0].presence = Presence::Rows(given);
        assert_eq!(encode(&[table], &mut Vec::new()), Err(EncodeError::Inconsistent));
    }
}

#[test]
fn floats_keep_their_bits() {
    for value in [0.0, -0.0, 1.0, -1.5, 9e15, 1e300, f64::MIN_POSITIVE, i64::MAX as f64, i64::MIN as f64] {
        let mut bytes = Vec::new();
        let mut series = SeriesKeys::default();
        series.push([]);
        let values = FieldValues::Float(vec![value; 3]);
        let columns = vec![FieldRows { column: ColumnId(3), values, presence: Presence::All }];
        let table = TableRows { table: TableId(1), series, row_series: vec![0; 3], times: vec![0; 3], columns };
        let encoding = encode(&[table], &mut bytes).unwrap();
        let FieldValues::Float(back) = &decode(encoding, &bytes).unwrap()[0].columns[0].values else { panic!() };
        assert!(back.iter().all(|back| back.to_bits() == value.to_bits()), "{value}");
    }
}

#[test]
fn a_claim_of_much_text_in_few_bytes_is_refused_before_memory_is_taken() {
    // One table, one series, whose keys claim 2^60 bytes from a compressed text of one byte.
    let mut bytes = vec![1, 2, 1, 1];
    put_varint(&mut bytes, 1 << 60);
    bytes.extend([1, 0, 0, 0]);
    assert_eq!(decode(COLUMNAR, &bytes), Err(DecodeError::Invalid("length of a compressed text")));
}

/// What a batch costs follows the values that are given, not rows × columns.
#[test]
fn sparse_columns_take_the_bytes_of_their_values() {
    let rows = 5_000_u32;
    let mut series = SeriesKeys::default();
    series.push([]);
    let column = |row: u32| FieldRows {
        column: ColumnId(i64::from(row) + 2),
        values: FieldValues::Integer(vec![i64::from(row)]),
        presence: Presence::Rows(vec![row]),
    };
    let table = TableRows {
        table: TableId(1),
        series,
        row_series: vec![0; rows as usize],
        times: (0..i64::from(rows)).map(|row| row * 1_000_000_000).collect(),
        columns: (0..rows).map(column).collect(),
    };
    let mut bytes = Vec::new();
    let encoding = encode(std::slice::from_ref(&table), &mut bytes).unwrap();
    assert_eq!(encoding, SPARSE_COLUMNAR);
    assert!(bytes.len() < 14 * rows as usize, "{} bytes", bytes.len());
    assert_eq!(decode(encoding, &bytes).unwrap(), [table]);
    assert!(decode(COLUMNAR, &bytes).is_err(), "the older encoding has no such columns");
}
