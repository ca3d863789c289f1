//! Any text as a rule file: nothing panics, and what loads runs the same with the index and without, the second time, and
//! when it is explained; the gate hides nothing that matches.
#![no_main]

use std::ops::ControlFlow;

use libfuzzer_sys::fuzz_target;
use trailloop_cloudtrail::{
    Glance, Limits, Reader, Record, RecordBuffer, Scratch, Verdict, read_wanted,
};
use trailloop_rules::{Lists, MatchScratch, RuleSet, load_with};

/// Something for every construct: arrays of objects, JSON in strings, plain and encoded, repeated and dotted keys.
const RECORD: &[u8] = br#"{"eventVersion":"1.11","eventSource":"iam.amazonaws.com","eventName":"UpdateFunctionCode20150331v2","a":[{"b":1.5},"x"],"errorCode":null,"a.b":22,"x":1,"x":"two","userAgent":"aws-cli/2.1","sourceIPAddress":"192.0.2.7","userIdentity":{"type":"AssumedRole","arn":"arn:aws:sts::111122223333:assumed-role/deploy/s","accessKeyId":"ASIAQNZGKIQY56JQ7WML"},"requestParameters":{"policyDocument":"{\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"*\",\"n\":\"[1,2]\"}]}","items":[{"fromPort":22,"ranges":[{"cidrIp":"0.0.0.0/0"}]},{"fromPort":"443"},null,[]]},"responseElements":{"policy":"%7B%22Statement%22%3A%5B%5D%7D","omitted":true}}"#;

/// One without escapes, of which the gate can tell.
const PLAIN: &[u8] = br#"{"eventVersion":"1.11","eventSource":"iam.amazonaws.com","eventName":"UpdateFunctionCode20150331v2","a":[{"b":1.5},"x"],"errorCode":null,"a.b":22,"userAgent":"aws-cli/2.1","sourceIPAddress":"192.0.2.7","userIdentity":{"type":"AssumedRole","arn":"arn:aws:sts::111122223333:assumed-role/deploy/s","accessKeyId":"ASIAQNZGKIQY56JQ7WML"},"requestParameters":{"items":[{"fromPort":22}]},"recipientAccountId":"111122223333"}"#;

/// What the gate says of a record.
struct Gate<'r> {
    rules: &'r RuleSet,
    lets_pass: bool,
}

impl Reader for Gate<'_> {
    fn verdict(&mut self, glance: &Glance<'_>) -> Verdict {
        self.lets_pass = self.rules.may_match(glance, &mut MatchScratch::default());
        Verdict::Parse
    }

    fn take(&mut self, _record: Record<'_>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

fn lets_pass(rules: &RuleSet, record: &[u8]) -> bool {
    let object = [b"[", record, b"]"].concat();
    let mut gate = Gate { rules, lets_pass: true };
    read_wanted(&object, &Limits::default(), &mut Scratch::new(), &mut gate);
    gate.lets_pass
}

fuzz_target!(|text: &str| {
    let mut lists = Lists::new();
    assert_eq!(lists.add("list.txt", "a\n192.0.2.0/24\n"), None);
    let loaded = load_with("fuzz.yml", text, &lists);
    let rules = RuleSet::build(loaded.rules, &loaded.filters, &mut Vec::new());
    let mut buffer = RecordBuffer::new();
    let record = Record::parse(RECORD, &mut buffer).expect("the record is valid");
    let (mut scratch, mut indexed, mut plain) = (MatchScratch::default(), Vec::new(), Vec::new());
    rules.matches_into(&record, &mut scratch, &mut indexed);
    rules.matches_without_index_into(&record, &mut scratch, &mut plain);
    assert_eq!(indexed, plain);
    // What is remembered of texts and calls must not change what the same record comes to.
    rules.matches_into(&record, &mut scratch, &mut indexed);
    assert_eq!(indexed, plain);
    assert!(plain.is_empty() || lets_pass(&rules, RECORD), "the gate hides a record");
    let mut buffer = RecordBuffer::new();
    let record = Record::parse(PLAIN, &mut buffer).expect("the record is valid");
    rules.matches_into(&record, &mut scratch, &mut indexed);
    assert!(indexed.is_empty() || lets_pass(&rules, PLAIN), "the gate hides a record");
    for number in 0..u32::try_from(rules.len()).unwrap_or(0) {
        assert_eq!(rules.explain(number, &record).matched, plain.contains(&number));
        assert!(!rules.plan(number).to_string().is_empty());
    }
});
