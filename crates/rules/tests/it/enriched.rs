//! Enriched fields: what the operator's files say, as rules test it; with the files, without them, and in examples.

use std::sync::Arc;

use trailloop_cloudtrail::{Record, RecordBuffer};
use trailloop_enrichment::{Accounts, Enriched, Enrichment, Environment, Places, Principals};
use trailloop_rules::{MatchScratch, RuleSet, run_tests};

use crate::support::{lets_pass, load, repository, rule_of};

/// The files of `fixtures/enrichment`.
fn files() -> Enrichment {
    let read =
        |name: &str| std::fs::read(repository().join("fixtures/enrichment").join(name)).unwrap();
    let places = Places::from_bytes([("places.mmdb".to_owned(), read("places.mmdb"))]).unwrap();
    let accounts = Accounts::parse("accounts.csv", &read("accounts.csv")).unwrap();
    let principals = Principals::parse("principals.json", &read("principals.json")).unwrap();
    let environment = Environment::parse("environment.toml", &read("environment.toml")).unwrap();
    Enrichment {
        places: Some(Arc::new(places)),
        accounts: Some(Arc::new(accounts)),
        principals: Some(Arc::new(principals)),
        environment: Some(Arc::new(environment)),
    }
}

fn set(detection: &str, files: Enrichment) -> RuleSet {
    let loaded = load("case.yml", &rule_of(detection));
    assert_eq!(loaded.rules.len(), 1, "{:?}", loaded.diagnostics);
    RuleSet::build_with(loaded.rules, &[], Arc::new(files), &mut Vec::new())
}

fn matches(set: &RuleSet, json: &str) -> bool {
    let mut buffer = RecordBuffer::new();
    let record = Record::parse(json.as_bytes(), &mut buffer).unwrap();
    let (mut scratch, mut with, mut without) = (MatchScratch::new(), Vec::new(), Vec::new());
    set.matches_into(&record, &mut scratch, &mut with);
    set.matches_without_index_into(&record, &mut scratch, &mut without);
    assert_eq!(with, without, "the index must not matter: {json}");
    assert!(with.is_empty() || lets_pass(set, json), "nor the gate: {json}");
    !with.is_empty()
}

const INTRUDER: &str = r#"{"sourceIPAddress":"203.0.113.77","recipientAccountId":"111122223333","awsRegion":"sa-east-1",
    "userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/ci-deployer","accountId":"111122223333"}}"#;
const BUILD: &str = r#"{"sourceIPAddress":"192.0.2.9","recipientAccountId":"123456789012","awsRegion":"eu-west-1",
    "userIdentity":{"type":"AssumedRole","arn":"arn:aws:sts::123456789012:assumed-role/deployer/x","accountId":"123456789012"}}"#;
const STRANGER: &str = r#"{"sourceIPAddress":"2001:db8:2::1","recipientAccountId":"111122223333",
    "userIdentity":{"type":"AWSAccount","principalId":"AROAEXAMPLE:s","accountId":"777788889999"}}"#;
const SERVICE: &str = r#"{"sourceIPAddress":"ec2.amazonaws.com","recipientAccountId":"111122223333",
    "userIdentity":{"type":"AWSService","invokedBy":"ec2.amazonaws.com"}}"#;

/// A test of a field, and the records it is true of.
const CASES: &[(&str, [bool; 4])] = &[
    ("ip.country: NL", [true, false, false, false]),
    ("ip.country: US", [false, false, true, false]),
    ("ip.country: null", [false, false, false, true]),
    ("ip.city|contains: frankfurt", [false, true, false, false]),
    ("ip.asn|gte: 1", [true, true, false, false]),
    ("ip.organization|startswith: Example", [true, true, false, false]),
    ("ip.network: build", [false, true, false, false]),
    ("ip.network|exists: false", [true, false, true, true]),
    ("account.name: Workloads", [true, false, true, true]),
    ("account.ou|endswith: /live", [true, false, true, true]),
    ("account.environment: development", [false, true, false, false]),
    ("actor.owner: platform", [true, true, false, false]),
    ("actor.criticality: high", [true, true, false, false]),
    ("actor.standing: member", [true, false, false, false]),
    ("actor.standing: automation", [false, true, false, false]),
    ("actor.standing: outside", [false, false, true, false]),
    ("environment.country: unexpected", [true, false, false, false]),
    ("environment.country: expected", [false, true, true, false]),
    ("environment.region: unexpected", [true, false, false, false]),
    ("environment.network: unexpected", [true, false, true, false]),
];

#[test]
fn fields_are_what_the_files_say() {
    for (test, expected) in CASES {
        let set = set(&format!("s:\n  {test}\ncondition: s"), files());
        let found = [INTRUDER, BUILD, STRANGER, SERVICE].map(|record| matches(&set, record));
        assert_eq!(found, *expected, "{test}");
        assert!(set.unanswered().is_empty(), "{test}");
    }
    let named: Vec<&str> = CASES.iter().map(|(test, _)| *test).collect();
    for field in Enriched::ALL {
        assert!(named.iter().any(|test| test.starts_with(field.as_str())), "{field} has no case");
    }
}

#[test]
fn without_files_fields_are_missing_and_said_to_be() {
    for (test, _) in CASES {
        let set = set(&format!("s:\n  {test}\ncondition: s"), Enrichment::default());
        let is_about_absence = test.ends_with("null") || test.ends_with("false");
        for record in [INTRUDER, BUILD, STRANGER, SERVICE] {
            assert_eq!(matches(&set, record), is_about_absence, "{test}");
        }
        let unanswered = set.unanswered();
        let (field, rules) = unanswered.first_key_value().unwrap();
        assert!(test.starts_with(field.as_str()) && *rules == [0], "{test}: {unanswered:?}");
        assert!(!field.needs().is_empty());
    }
}

#[test]
fn a_key_of_the_record_does_not_stand_for_a_fact() {
    let set = set("s:\n  ip.country: DE\ncondition: s", files());
    assert!(!matches(
        &set,
        r#"{"ip":{"country":"DE"},"ip.country":"DE","sourceIPAddress":"203.0.113.77"}"#
    ));
}

#[test]
fn an_account_whose_records_we_are_given_is_ours() {
    let set = set("s:\n  actor.standing: outside\ncondition: s", files());
    let record = |actor: &str, from: &str| {
        format!(
            r#"{{"recipientAccountId":"{from}","userIdentity":{{"type":"IAMUser","arn":"arn:aws:iam::{actor}:user/x","accountId":"{actor}"}}}}"#
        )
    };
    assert!(matches(&set, &record("777788889999", "111122223333")));
    assert!(!matches(&set, &record("777788889999", "777788889999")), "the table forgot it");
    assert!(!matches(&set, &record("111122223333", "777788889999")));
}

#[test]
fn the_same_scratch_serves_many_records() {
    let set = set(
        "s:\n  environment.country: unexpected\n  actor.owner: platform\ncondition: s",
        files(),
    );
    let (mut scratch, mut hits, mut facts) = (MatchScratch::new(), Vec::new(), Vec::new());
    for nth in 0..10_000 {
        let record = [INTRUDER, BUILD, STRANGER, SERVICE][nth % 4];
        let mut buffer = RecordBuffer::new();
        let parsed = Record::parse(record.as_bytes(), &mut buffer).unwrap();
        set.matches_into(&parsed, &mut scratch, &mut hits);
        assert_eq!(hits.len(), usize::from(nth % 4 == 0));
        set.enrichment_into(&parsed, &mut scratch, &mut facts);
        let country = facts.iter().find(|(field, _)| *field == "ip.country");
        let expected = [Some("NL"), Some("DE"), Some("US"), None][nth % 4];
        assert_eq!(country.map(|(_, value)| value.as_str()), expected);
    }
}

#[test]
fn examples_say_what_the_files_would() {
    let rule = |given: &str| {
        let tests = format!(
            "trailloop:\n  tests:\n    - {{name: n, expect: true, event: {{eventName: X}}, enrichment: {given}}}\n"
        );
        load(
            "case.yml",
            &format!("{}{tests}", rule_of("s:\n  environment.country: unexpected\ncondition: s")),
        )
    };
    let outcome = |given: &str| {
        let loaded = rule(given);
        let outcomes = run_tests(&loaded.rules[0], &|_| Err("no file".to_owned()));
        outcomes[0].is_passed()
    };
    assert!(outcome("{environment.country: unexpected}"));
    assert!(!outcome("{environment.country: expected}"));
    assert!(!outcome("{}"));
    for (bad, said) in
        [("{ip.contry: DE}", "ip.contry"), ("7", "mapping"), ("{ip.country: [DE]}", "text")]
    {
        let loaded = rule(bad);
        let text: Vec<String> = loaded.diagnostics.iter().map(ToString::to_string).collect();
        assert!(loaded.rules.is_empty() && text.join("\n").contains(said), "{bad}: {text:?}");
    }
}
