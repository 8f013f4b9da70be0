//! Blocks, log entries and `meta.db` of any bytes: no panic, and never more values than times. The first byte chooses.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tsm::{Meta, Values, WalEntry, codec, decode_entry};

fuzz_target!(|input: &[u8]| {
    let Some((choice, bytes)) = input.split_first() else { return };
    match choice % 3 {
        0 => {
            let (mut times, mut values) = (Vec::new(), Values::Float(Vec::new()));
            if codec::decode_block(bytes, &mut times, &mut values).is_ok() {
                assert_eq!(times.len(), values.len());
            }
        }
        1 => {
            if let Ok(WalEntry::Write { bytes, values }) = decode_entry(choice / 3 % 5, bytes.to_vec()) {
                for value in &values {
                    let _ = (value.key(&bytes), value.value(&bytes));
                }
            }
        }
        _ => {
            let _ = Meta::decode(bytes);
        }
    }
});
