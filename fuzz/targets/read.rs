//! Any bytes as a log object: nothing panics, every record is valid by itself, and the size of blocks does not matter.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trailloop_cloudtrail::{Limits, LogKey, Record, RecordBuffer, Scratch, read_records};

fuzz_target!(|object: &[u8]| {
    let mut scratch = Scratch::new();
    let mut whole = Vec::new();
    let limits = Limits { raw_bytes_max: 1 << 20, ..Limits::default() };
    let summary = read_records(object, &limits, &mut scratch, |record| {
        let mut buffer = RecordBuffer::new();
        let again = Record::parse(record.raw(), &mut buffer).expect("a record parses by itself");
        let mut text = String::new();
        again.root().write_compact(&mut text);
        whole.push((record.index(), text));
    });
    assert_eq!(summary.records, whole.len() as u64);

    let limits = Limits { block_bytes_max: 64, record_bytes_max: 1 << 20, ..limits };
    let mut pieces = Vec::new();
    read_records(object, &limits, &mut scratch, |record| {
        let mut text = String::new();
        record.root().write_compact(&mut text);
        pieces.push((record.index(), text));
    });
    assert_eq!(pieces, whole, "the size of blocks does not matter");

    if let Ok(key) = std::str::from_utf8(object) {
        assert!(LogKey::parse(key).account.is_none_or(|account| account.len() == 12));
    }
});
