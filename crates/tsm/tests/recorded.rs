//! A directory that a real server wrote, against what its own query API said of it; and the same files, damaged.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tsm::{BlockEntry, ReadError, Rows, SeriesKey, Shard, TsmFile, Value, ValueType, Values, codec};
use tsm::{Layout, Meta, ShardPlace};

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

fn expected() -> String {
    let file = fs::File::open(data().join("expected.txt.gz")).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    text
}

/// As JSON writes it, for the characters that occur.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            ' '..='~' => quoted.push(character),
            other => quoted.push_str(&format!("\\u{:04x}", other as u32)),
        }
    }
    quoted + "\""
}

fn line(policy: &str, series: &[u8], field: &[u8], time: i64, value: Value<'_>) -> String {
    let key = SeriesKey::parse(series).unwrap();
    let mut name = key.measurement;
    key.tags.iter().for_each(|(tag, value)| name.push_str(&format!(",{tag}={value}")));
    let value = match value {
        Value::Float(value) => format!("f {:016x}", value.to_bits()),
        Value::Integer(value) => format!("i {value}"),
        Value::Unsigned(value) => format!("u {value}"),
        Value::Boolean(value) => format!("b {value}"),
        Value::String(value) => format!("s {}", quoted(std::str::from_utf8(value).unwrap())),
    };
    let field = quoted(std::str::from_utf8(field).unwrap());
    format!("{policy} {} {field} {time} {value}", quoted(&name))
}

/// All values in order of reading; the last one of a place is the one that counts.
fn lines(place: &ShardPlace, mut rows: Rows, found: &mut Vec<String>) -> Vec<ReadError> {
    let mut errors = Vec::new();
    while let Some(row) = rows.next() {
        match row {
            Ok(row) => {
                let line = |(field, value)| line(&place.retention_policy, row.series, field, row.time, value);
                found.extend(row.fields().map(line));
            }
            Err(error) => errors.push(error),
        }
    }
    errors
}

#[test]
fn what_a_real_server_wrote_is_what_it_answers() {
    let layout = Layout::find(&data()).unwrap();
    assert!(!layout.is_version_2());
    let mut last = std::collections::BTreeMap::new();
    for place in &layout.shards {
        let mut found = Vec::new();
        let errors = lines(place, Shard::open(place).unwrap().rows(), &mut found);
        assert!(errors.is_empty(), "{errors:?}");
        for line in found {
            last.insert(key_of(&line), line);
        }
    }
    let mut found: Vec<String> = last.into_values().collect();
    found.sort();
    let expected = expected();
    let expected: Vec<&str> = expected.lines().collect();
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found, expected);
    }
}

/// Policy, series, field and time of a line: all before the type, which is one letter between spaces.
fn key_of(line: &str) -> String {
    let at = ["f", "i", "u", "b", "s"].iter().filter_map(|letter| {
        let mark = format!(" {letter} ");
        line.match_indices(&mark)
            .map(|(at, _)| at)
            .find(|at| line[..*at].rsplit_once(' ').is_some_and(|(_, time)| time.parse::<i64>().is_ok()))
    });
    line[..at.min().unwrap()].to_owned()
}

#[test]
fn files_give_each_place_once_and_in_order() {
    let layout = Layout::find(&data()).unwrap();
    let place = ShardPlace { wal: None, ..layout.shards[0].clone() };
    let mut rows = Shard::open(&place).unwrap().rows();
    let mut before: Option<(Vec<u8>, i64)> = None;
    let mut count = 0;
    while let Some(row) = rows.next() {
        let row = row.unwrap();
        let this = (row.series.to_vec(), row.time);
        assert!(before.as_ref().is_none_or(|before| *before < this), "{before:?} {this:?}");
        before = Some(this);
        count += row.fields().count();
    }
    assert!(count > 6_000, "{count}");
}

#[test]
fn fields_have_types() {
    let layout = Layout::find(&data()).unwrap();
    let mut fields = tsm::Fields::default();
    for place in &layout.shards {
        fields.merge(Shard::open(place).unwrap().fields());
    }
    let value_type = |field: &str| fields.value_type(b"types,t=whatever", field.as_bytes());
    assert_eq!(
        ["f", "i", "b", "s", "none"].map(value_type),
        [Some(ValueType::Float), Some(ValueType::Integer), Some(ValueType::Boolean), Some(ValueType::String), None,]
    );
    assert_eq!(fields.conflicts().count(), 0);
}

#[test]
fn databases_policies_queries_and_users() {
    let layout = Layout::find(&data()).unwrap();
    let meta = Meta::read(layout.meta.as_deref().unwrap()).unwrap();
    let database = &meta.databases[0];
    assert_eq!((database.name.as_str(), database.default_retention_policy.as_str()), ("fx", "autogen"));
    let week = 7 * 24 * 3_600_000_000_000;
    let policies: Vec<_> = database
        .retention_policies
        .iter()
        .map(|policy| (policy.name.as_str(), policy.duration_ns, policy.shard_duration_ns))
        .collect();
    assert_eq!(policies, [("autogen", 0, week), ("week", 52 * week, week)]);
    assert_eq!(database.continuous_queries[0].name, "cq");
    assert!(database.continuous_queries[0].query.starts_with("CREATE CONTINUOUS QUERY cq ON fx BEGIN SELECT mean(f)"));
    assert_eq!((meta.users[0].name.as_str(), meta.users[0].is_admin), ("reader", false));
    assert_eq!(meta.users[0].privileges, [("fx".to_owned(), true, false)]);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &target),
            false => fs::copy(entry.path(), target).map(drop).unwrap(),
        }
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false
                if path
                    .extension()
                    .is_some_and(|ending| ["tsm", "tombstone", "wal", "db"].iter().any(|e| ending == *e)) =>
            {
                found.push(path);
            }
            false => {}
        }
    }
    found.sort();
    found
}

/// Every block of the first file, without its checksum.
fn blocks() -> Vec<Vec<u8>> {
    let path = files(&data()).into_iter().find(|path| path.ends_with("000000001-000000001.tsm")).unwrap();
    let bytes = fs::read(&path).unwrap();
    let mut index = TsmFile::open(&path).unwrap().index();
    let mut found = Vec::new();
    while index.advance().unwrap() {
        let block = |entry: &BlockEntry| bytes[entry.offset as usize + 4..][..entry.size as usize - 4].to_vec();
        found.extend(index.entries().iter().map(block));
    }
    found
}

#[test]
fn damage_is_told_with_its_place_and_the_rest_is_read() {
    let folder = tempfile::tempdir().unwrap();
    copy(&data(), folder.path());
    let layout = Layout::find(folder.path()).unwrap();
    let place = &layout.shards[0];
    let whole = {
        let mut found = Vec::new();
        lines(place, Shard::open(place).unwrap().rows(), &mut found);
        found.len()
    };
    let path = place.data.join("000000001-000000001.tsm");
    let mut bytes = fs::read(&path).unwrap();
    bytes[20] ^= 1;
    fs::write(&path, bytes).unwrap();
    let mut found = Vec::new();
    let errors = lines(place, Shard::open(place).unwrap().rows(), &mut found);
    assert_eq!(errors.len(), 1, "{errors:?}");
    let message = errors[0].to_string();
    assert!(message.ends_with(".tsm is damaged at byte 5: the checksum of the block is wrong"), "{message}");
    assert!(found.len() < whole && found.len() + 1_000 >= whole, "{} of {whole}", found.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_files_never_panic(
        file in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let folder = tempfile::tempdir().unwrap();
        copy(&data(), folder.path());
        let files = files(folder.path());
        let path = file.get(&files);
        let mut bytes = fs::read(path).unwrap();
        if !bytes.is_empty() {
            for (place, byte) in changes {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
        }
        fs::write(path, bytes).unwrap();
        let layout = Layout::find(folder.path()).unwrap();
        for place in &layout.shards {
            let shard = Shard::open(place).unwrap();
            let _ = shard.fields();
            let mut rows = shard.rows();
            while let Some(row) = rows.next() {
                if let Ok(row) = row {
                    row.fields().for_each(drop);
                    // Damage may stand in a name too.
                    SeriesKey::parse(row.series).ok();
                }
            }
        }
        Meta::read(layout.meta.as_deref().unwrap()).ok();
    }

    #[test]
    fn damaged_blocks_never_panic(
        block in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut block = block.get(&blocks()).clone();
        for (place, byte) in changes {
            let place = place.index(block.len().min(64));
            block[place] = byte;
        }
        let (mut times, mut values) = (Vec::new(), Values::Float(Vec::new()));
        if codec::decode_block(&block, &mut times, &mut values).is_ok() {
            prop_assert_eq!(times.len(), values.len());
        }
    }
}
