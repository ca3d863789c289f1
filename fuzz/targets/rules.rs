//! Any text as a rule file: nothing panics, and what loads runs the same with the index and without.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trailloop_cloudtrail::{Record, RecordBuffer};
use trailloop_rules::{MatchScratch, RuleSet, load};

const RECORD: &[u8] = br#"{"eventVersion":"1.11","eventSource":"iam.amazonaws.com","eventName":"CreateUser","a":[{"b":1.5},"x"],"errorCode":null}"#;

fuzz_target!(|text: &str| {
    let loaded = load("fuzz.yml", text);
    let rules = RuleSet::build(loaded.rules, &loaded.filters, &mut Vec::new());
    let mut buffer = RecordBuffer::new();
    let record = Record::parse(RECORD, &mut buffer).expect("the record is valid");
    let (mut scratch, mut indexed, mut plain) = (MatchScratch::default(), Vec::new(), Vec::new());
    rules.matches_into(&record, &mut scratch, &mut indexed);
    rules.matches_without_index_into(&record, &mut scratch, &mut plain);
    assert_eq!(indexed, plain);
});
