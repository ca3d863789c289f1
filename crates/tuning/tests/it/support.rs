//! What the tests share: a rule, records in the shape of CloudTrail, and evidence that lets a candidate pass.

use std::collections::BTreeMap;

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use trailloop_rules::{Rule, load};
use trailloop_tuning::{
    Archive, Attack, Audited, Candidate, Evidence, Hit, Judged, Label, Mine, Others, Prevention,
    entity_of, mine, prevent,
};

pub(crate) const RULE: &str = "title: Identities are listed\nid: 9a8d3f1c-0f0e-4b57-8f5e-0d7a5c1c8a01\ndescription: Somebody looks for identities.\nauthor: nobody\nlevel: medium\ntags: [attack.discovery, attack.t1087.004]\nlogsource: {product: aws, service: cloudtrail}\ndetection:\n  selection:\n    eventSource: iam.amazonaws.com\n    eventName: [ListUsers, ListRoles, GetAccountAuthorizationDetails]\n  condition: selection\ntrailloop:\n  tests:\n    - {name: a user, expect: true, event: {eventSource: iam.amazonaws.com, eventName: ListUsers, userIdentity: {type: IAMUser, arn: 'arn:aws:iam::111122223333:user/mallory'}}}\n    - {name: another, expect: false, event: {eventSource: iam.amazonaws.com, eventName: GetUser}}\n";

pub(crate) const RULE_ID: &str = "9a8d3f1c-0f0e-4b57-8f5e-0d7a5c1c8a01";

pub(crate) const TODAY: Date = date(2026, 6, 30);

pub(crate) const ROLE: &str = "arn:aws:iam::111122223333:role/ci-plan";

pub(crate) fn rule(level: &str) -> Rule {
    let loaded = load("rule.yml", &RULE.replace("level: medium", &format!("level: {level}")));
    assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
    loaded.rules.into_iter().next().unwrap()
}

/// A call of a role through a VPC endpoint; an endpoint of "" is none.
pub(crate) fn call(role: &str, event: &str, endpoint: &str, address: &str, agent: &str) -> Vec<u8> {
    let session = role.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/");
    let mut record = serde_json::json!({
        "eventVersion": "1.11",
        "eventTime": "2026-06-01T10:00:00Z",
        "eventSource": "iam.amazonaws.com",
        "eventName": event,
        "awsRegion": "us-east-1",
        "sourceIPAddress": address,
        "userAgent": agent,
        "recipientAccountId": "111122223333",
        "userIdentity": {
            "type": "AssumedRole",
            "arn": format!("{session}/session-1"),
            "accountId": "111122223333",
            "sessionContext": {"sessionIssuer": {"type": "Role", "arn": role, "accountId": "111122223333"}},
        },
    });
    if !endpoint.is_empty() {
        record["vpcEndpointId"] = endpoint.into();
    }
    serde_json::to_vec(&record).unwrap()
}

/// What the automation does.
pub(crate) fn benign(event: &str) -> Vec<u8> {
    call(ROLE, event, "vpce-0abc", "10.0.0.7", "APN/1.0 HashiCorp/1.0 Terraform/1.5.7")
}

/// What an attacker does with a user of his own.
pub(crate) fn attack(event: &str) -> Vec<u8> {
    let record =
        call("arn:aws:iam::111122223333:role/web", event, "", "203.0.113.9", "aws-cli/2.1");
    assert_eq!(entity_of(&record), "arn:aws:iam::111122223333:role/web");
    record
}

pub(crate) fn at(day: Date) -> Timestamp {
    TimeZone::UTC.to_timestamp(day.at(12, 0, 0, 0)).unwrap()
}

pub(crate) fn days_ago(days: i64) -> Date {
    TODAY.checked_sub(days.days()).unwrap()
}

pub(crate) fn judged(nth: i64, label: Label, record: Vec<u8>) -> Judged {
    Judged {
        uid: format!("judged-{nth}"),
        rule: RULE_ID.to_owned(),
        label,
        reason: "automation".to_owned(),
        reviewer: if nth % 2 == 0 { "ana" } else { "ben" }.to_owned(),
        at: at(days_ago(nth % 9)),
        seen: at(days_ago(30 - nth % 9)),
        entity: entity_of(&record),
        record,
        answers: BTreeMap::new(),
    }
}

pub(crate) fn hit(nth: i64, record: Vec<u8>, is_reviewed: bool) -> Hit {
    let entity = entity_of(&record);
    Hit { uid: format!("hit-{nth}"), day: days_ago(nth % 80), entity, is_reviewed, record }
}

const EVENTS: [&str; 2] = ["ListUsers", "ListRoles"];

/// Evidence by which the automation's filter passes: ten verdicts, 200 hits, sixty audited, an attack by somebody else.
pub(crate) fn evidence() -> Evidence {
    let event = |nth: i64| EVENTS[usize::try_from(nth % 2).unwrap()];
    let mut hits: Vec<Hit> = (0..200).map(|nth| hit(nth, benign(event(nth)), true)).collect();
    hits.extend((200..210).map(|nth| hit(nth, attack(event(nth)), true)));
    let audited = (0..60).map(|nth| Audited {
        uid: format!("hit-{nth}"),
        day: days_ago(nth % 10),
        is_attack: false,
        record: benign(event(nth)),
    });
    Evidence {
        judged: (0..10).map(|nth| judged(nth, Label::Benign, benign(event(nth)))).collect(),
        attacks: vec![Attack {
            name: "incident-1".to_owned(),
            entity: "arn:aws:iam::111122223333:role/web".to_owned(),
            judged: Some(days_ago(40)),
            records: vec![attack("ListUsers"), attack("CreateAccessKey")],
        }],
        corpora: vec![Attack {
            name: "stratus".to_owned(),
            entity: String::new(),
            judged: None,
            records: vec![attack("ListRoles")],
        }],
        archive: Archive { from: days_ago(100), to: TODAY, is_all: false, events: 1_000_000, hits },
        audited: audited.collect(),
        own_networks: vec!["198.51.100.0/24".to_owned()],
        today: TODAY,
    }
}

/// What is mined from evidence.
pub(crate) fn mined(rule: &Rule, evidence: &Evidence) -> Vec<Candidate> {
    let settings = Mine {
        own_networks: &evidence.own_networks,
        today: evidence.today,
        owner: "team-platform",
        proposer: "ana",
        lambda_tenths: 5,
    };
    mine(rule, &evidence.judged, &settings)
}

/// The one candidate that the evidence gives.
pub(crate) fn candidate() -> Candidate {
    let mut candidates = mined(&rule("medium"), &evidence());
    assert_eq!(candidates.len(), 1, "{candidates:#?}");
    candidates.remove(0)
}

/// Policies that would have prevented an attack, tested on these records.
pub(crate) fn prevented(attack: &Attack, archive: &[Vec<u8>]) -> Vec<Prevention> {
    let mut others = Others::beside(attack);
    archive.iter().for_each(|record| others.add(record));
    prevent(attack, &others)
}
