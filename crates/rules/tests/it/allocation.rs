//! Matching allocates nothing once its scratch has grown: we only care about the second run.

use trailloop_cloudtrail::{Record, RecordBuffer};
use trailloop_rules::{MatchScratch, RuleSet, load};

/// One rule for every kind of test; all of them match the records below or at least look at them.
const RULES: &[&str] = &[
    "s:\n  eventSource: iam.amazonaws.com\n  eventName: [CreateUser, DeleteUser]\ncondition: s",
    "s:\n  eventType: [a, b, c, d, e, f, g, h, AwsApiCall]\ncondition: s",
    "s:\n  eventName|startswith: create\ncondition: s",
    "s:\n  requestParameters|contains|all: ['suspended', '\"a\\\"b\":true']\ncondition: s",
    "s:\n  requestParameters.list.name|endswith: é\ncondition: s",
    "s:\n  userAgent: 'aws*cli?2*'\n  errorCode: null\ncondition: s",
    "s:\n  userAgent|re|i: 'CLI/[0-9]+'\ncondition: s",
    "s:\n  sourceIPAddress|cidr: [192.0.2.0/24, '2001:db8::/32']\ncondition: s",
    "s:\n  additionalEventData.count|gte: 1000\n  additionalEventData.count: 12345\ncondition: s",
    "s:\n  userIdentity.userName|fieldref: requestParameters.userName\ncondition: s",
    "s:\n  eventTime|hour|lt: 6\n  responseElements.id|exists: true\ncondition: s",
    "k:\n  - 'NOTHING*like?this'\n  - 12345\ncondition: k",
    "a:\n  eventName: x\nb:\n  eventSource: y\nc:\n  eventTime|contains: '2026'\ncondition: not 2 of them",
];

const RECORDS: &[&str] = &[
    r#"{"eventTime":"2026-01-02T03:04:05Z","eventSource":"iam.amazonaws.com","eventName":"CreateUser","eventType":"AWSAPICALL","userAgent":"aws-cli/2.1","sourceIPAddress":"192.0.2.7","userIdentity":{"userName":"backup-operator"},"requestParameters":{"userName":"Backup-Operator","list":[{"name":"CAFÉ"},{"name":[true]}]},"additionalEventData":{"count":12345,"x":2.5},"responseElements":{"id":null}}"#,
    r#"{"eventTime":"2026-01-02T03:04:05Z","eventSource":"S3.amazonaws.com","eventName":"PutBucketVersioning","userAgent":"[S3Console/0.4]","sourceIPAddress":"cloudformation.amazonaws.com","requestParameters":{"VersioningConfiguration":{"Status":"Suspended"},"text":{"a\"b":true}}}"#,
    r#"{"eventSource":"iam.amazonaws.com","eventName":"ÉVÉNEMENT","errorCode":"AccessDenied","x.y":1}"#,
    r#"{"eventName":["CreateUser"]}"#,
];

#[test]
fn the_second_run_allocates_nothing() {
    let texts: Vec<_> = (0..)
        .zip(RULES)
        .map(|(nth, detection)| {
            let detection: String = detection.lines().map(|line| format!("  {line}\n")).collect();
            format!("title: Rule {nth}\ndetection:\n{detection}")
        })
        .collect();
    let loaded = load("rules.yml", &texts.join("---\n"));
    assert_eq!(loaded.rules.len(), RULES.len(), "{:#?}", loaded.diagnostics);
    let rules = RuleSet::build(loaded.rules, &[], &mut Vec::new());
    let mut scratch = MatchScratch::new();
    let mut out = Vec::new();
    let mut hits = std::collections::BTreeSet::<u32>::new();
    for json in RECORDS {
        let mut buffer = RecordBuffer::new();
        let record = Record::parse(json.as_bytes(), &mut buffer).unwrap();
        rules.matches_into(&record, &mut scratch, &mut out);
        hits.extend(&out);
        let info =
            allocation_counter::measure(|| rules.matches_into(&record, &mut scratch, &mut out));
        assert_eq!(info.count_total, 0, "{json}");
    }
    assert!(hits.len() >= 9, "too few rules matched for this to mean much: {hits:?}");
}
