//! A finding allocates what it is made of, and nothing else.

use trailloop_cloudtrail::{Record, RecordBuffer};
use trailloop_finding::{FindingScratch, Findings, JsonLines};

use crate::{ORIGIN, analytic};

const PLAIN: &str = r#"{"eventTime":"2026-11-02T09:14:03Z","eventName":"StopLogging","eventSource":"cloudtrail.amazonaws.com",
"userIdentity":{"arn":"arn:aws:iam::111122223333:user/ci-deployer","accountId":"111122223333"},"sourceIPAddress":"203.0.113.77",
"requestParameters":{"policy":"{\"Statement\":[{\"Effect\":\"Allow\"}]}","tags":[{"key":"owner","value":"x"}]},"eventID":"e-1"}"#;

const SECRET: &str = r#"{"eventTime":"2026-11-02T09:14:03Z","eventName":"AssumeRole","eventID":"e-2","recipientAccountId":"111122223333",
"responseElements":{"credentials":{"sessionToken":"CANARY","accessKeyId":"ASIAIOSFODNN7EXAMPLE"}}}"#;

/// What a second record of the same shape allocates when so many rules match it.
fn allocations(json: &str, rules: u64) -> u64 {
    let mut buffer = RecordBuffer::new();
    let record = Record::parse(json.as_bytes(), &mut buffer).unwrap();
    let analytic = analytic("rule");
    let mut scratch = FindingScratch::default();
    let mut make = || {
        let mut findings = Findings::new(record, ORIGIN, &mut scratch);
        for _ in 0..rules {
            drop(findings.of(&analytic));
        }
    };
    make();
    allocation_counter::measure(make).count_total
}

#[test]
fn a_first_finding_allocates_its_account_and_each_its_line() {
    for json in [PLAIN, SECRET] {
        assert_eq!(allocations(json, 0), 0);
        assert_eq!(allocations(json, 1), 1 + 1);
        assert_eq!(allocations(json, 10), 1 + 10);
    }
}

#[test]
fn longer_records_allocate_no_more() {
    let members: String = (0..500).map(|nth| format!(r#""key{nth}":["value",{nth}],"#)).collect();
    let long = PLAIN.replace(r#""tags""#, &format!("{members}\"tags\""));
    assert_eq!(allocations(&long, 1), 1 + 1);
}

#[test]
fn lines_allocate_nothing() {
    for json in [PLAIN, SECRET] {
        let mut buffer = RecordBuffer::new();
        let record = Record::parse(json.as_bytes(), &mut buffer).unwrap();
        let (analytic, mut scratch) = (analytic("rule"), FindingScratch::default());
        let mut lines = JsonLines::default();
        let mut make = || {
            lines.clear();
            Findings::new(record, ORIGIN, &mut scratch).append_line(&analytic, &mut lines);
        };
        make();
        assert_eq!(allocation_counter::measure(make).count_total, 0);
        assert!(lines.as_bytes().ends_with(b"}\n"));
    }
}
