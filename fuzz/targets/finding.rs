//! Any record as a finding: nothing panics, the line is bounded, any queue takes it, and no session token is in it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trailloop_cloudtrail::{Limits, Record, RecordBuffer, Scratch, read_records};
use trailloop_finding::{Analytic, FINDING_BYTES_MAX, Finding, Level, Origin, Place, Rendered, redact};

fuzz_target!(|json: &[u8]| {
    let mut buffer = RecordBuffer::new();
    let Ok(record) = Record::parse(json, &mut buffer) else { return };
    let redacted = redact(record);
    let mut again = RecordBuffer::new();
    let parsed = Record::parse(&redacted, &mut again).expect("a redacted record is still a record");
    assert_eq!(redact(parsed), redacted, "redacting twice changes nothing");

    let analytic = Analytic {
        uid: "3f1c6d0e-6f5e-4a53-9f0e-0d2f7a1c9b11".to_owned(),
        name: "fuzz".to_owned(),
        level: Level::Low,
        description: None,
        author: None,
        tags: Vec::new(),
        references: Vec::new(),
        falsepositives: Vec::new(),
        status: None,
        license: None,
        runbook: None,
        hash: String::new(),
        rendered: Rendered::default(),
    };
    let place = Place { source: "bucket/key", version: None };
    let origin = Origin { place, rule_set: "", enrichment: &[] };
    let finding = Finding::new(&analytic, record, origin);
    let check = |finding: &Finding| {
        assert!(finding.json.len() <= FINDING_BYTES_MAX);
        assert!(!finding.json.contains(['\u{fffe}', '\u{ffff}', '\n']));
    };
    check(&finding);
    // Of a record that is read in an object more is known.
    let object = [b"[", json, b"]"].concat();
    read_records(&object, &Limits::default(), &mut Scratch::new(), |record| {
        let in_object = Finding::new(&analytic, record, origin);
        check(&in_object);
        if record.raw() == json && record.index() == 0 {
            assert_eq!(in_object, finding, "the same however it was read");
        }
    });
});
