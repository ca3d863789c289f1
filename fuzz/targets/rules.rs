//! Any text as a rule file: nothing panics, and what loads runs the same with the index and without, the second time, and
//! when it is explained.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trailloop_cloudtrail::{Record, RecordBuffer};
use trailloop_rules::{Lists, MatchScratch, RuleSet, load_with};

/// Something for every construct: arrays of objects, JSON in strings, plain and encoded, repeated and dotted keys.
const RECORD: &[u8] = br#"{"eventVersion":"1.11","eventSource":"iam.amazonaws.com","eventName":"UpdateFunctionCode20150331v2","a":[{"b":1.5},"x"],"errorCode":null,"a.b":22,"x":1,"x":"two","userAgent":"aws-cli/2.1","sourceIPAddress":"192.0.2.7","userIdentity":{"type":"AssumedRole","arn":"arn:aws:sts::111122223333:assumed-role/deploy/s","accessKeyId":"ASIAQNZGKIQY56JQ7WML"},"requestParameters":{"policyDocument":"{\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"*\",\"n\":\"[1,2]\"}]}","items":[{"fromPort":22,"ranges":[{"cidrIp":"0.0.0.0/0"}]},{"fromPort":"443"},null,[]]},"responseElements":{"policy":"%7B%22Statement%22%3A%5B%5D%7D","omitted":true}}"#;

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
    for number in 0..u32::try_from(rules.len()).unwrap_or(0) {
        assert_eq!(rules.explain(number, &record).matched, plain.contains(&number));
        assert!(!rules.plan(number).to_string().is_empty());
    }
});
