//! Derived fields in rules: tests, lists and conditions on them, and the index over them.

use trailloop_rules::{RuleSet, load};

use crate::cases::check;
use crate::support::{matches, rule_of};

/// A session of a role whose path only the issuer tells.
const ROLE: &str = r#"{"eventSource":"iam.amazonaws.com","eventName":"CreateAccessKey","userAgent":"aws-cli/2.22.4","sourceIPAddress":"198.51.100.7","userIdentity":{"type":"AssumedRole","principalId":"AROAEXAMPLE:session","arn":"arn:aws:sts::111122223333:assumed-role/ci-deployer/session","accountId":"111122223333","accessKeyId":"ASIAQNZGKIQY56JQ7WML","sessionContext":{"sessionIssuer":{"arn":"arn:aws:iam::111122223333:role/path/ci-deployer","accountId":"111122223333"}}},"requestParameters":{"userName":"backup-operator"},"responseElements":{"accessKey":{"accessKeyId":"AKIAIOSFODNN7EXAMPLE","userName":"backup-operator"}}}"#;

/// A failed sign-in, and parts that were left out.
const SIGN_IN: &str = r#"{"eventSource":"signin.amazonaws.com","eventName":"ConsoleLogin","userAgent":"Mozilla/5.0","sourceIPAddress":"AWS Internal","responseElements":{"ConsoleLogin":"Failure"},"requestParameters":{"omitted":true,"originalSize":200000},"additionalEventData":{"omitted":true},"userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/backup-operator","accountId":"111122223333"}}"#;

const NOTHING: &str = "{}";

#[test]
fn equality_and_parts_of_texts() {
    let actor = "s:\n  actor: arn:aws:iam::111122223333:role/path/CI-deployer\ncondition: s";
    check(&[
        (actor, ROLE, true),
        (actor, SIGN_IN, false),
        ("s:\n  actor|endswith: /ci-deployer\ncondition: s", ROLE, true),
        ("s:\n  actor|contains: ':role/*/ci-'\ncondition: s", ROLE, true),
        ("s:\n  actor|re: 'role/.*deployer$'\ncondition: s", ROLE, true),
        ("s:\n  actor|cased|contains: CI-deployer\ncondition: s", ROLE, false),
        ("s:\n  actor.account: '111122223333'\ncondition: s", ROLE, true),
        ("s:\n  actor.account: 111122223333\ncondition: s", ROLE, true),
        ("s:\n  actor.account|gt: 111122223332\ncondition: s", ROLE, true),
        ("s:\n  target.user: backup-operator\ncondition: s", ROLE, true),
        ("s:\n  target.key: AKIAIOSFODNN7EXAMPLE\ncondition: s", ROLE, true),
        ("s:\n  accessKey.prefix: ASIA\ncondition: s", ROLE, true),
        ("s:\n  ua.family: aws-cli\ncondition: s", ROLE, true),
        ("s:\n  ua.family: browser\ncondition: s", SIGN_IN, true),
        ("s:\n  ip.kind: public\ncondition: s", ROLE, true),
        ("s:\n  ip.kind: internal\ncondition: s", SIGN_IN, true),
        ("s:\n  outcome: failure\ncondition: s", SIGN_IN, true),
        ("s:\n  outcome: success\ncondition: s", ROLE, true),
        ("s:\n  outcome: success\ncondition: s", NOTHING, true),
        (
            "s:\n  target.role: ci-deployer\ncondition: s",
            r#"{"requestParameters":{"roleArn":"arn:aws:iam::111122223333:role/path/ci-deployer"}}"#,
            true,
        ),
        (
            "s:\n  target.bucket: trail\ncondition: s",
            r#"{"resources":[{"type":"AWS::S3::Object","ARN":"arn:aws:s3:::trail/key"}]}"#,
            true,
        ),
        (
            "s:\n  api: UpdateFunctionCode\ncondition: s",
            r#"{"eventName":"UpdateFunctionCode20150331v2"}"#,
            true,
        ),
        (
            "s:\n  api: UpdateFunctionCode20150331v2\ncondition: s",
            r#"{"eventName":"UpdateFunctionCode20150331v2"}"#,
            false,
        ),
        (
            "s:\n  api|startswith: createdist\ncondition: s",
            r#"{"eventName":"CreateDistribution2020_05_31"}"#,
            true,
        ),
    ]);
}

#[test]
fn no_value_is_no_value() {
    let names = [
        "actor",
        "actor.account",
        "actor.kind",
        "target.user",
        "target.role",
        "target.bucket",
        "target.key",
        "accessKey.prefix",
        "accessKey.account",
        "api",
        "ua.family",
        "ip.kind",
        "omitted",
        "request.otherAccounts",
    ];
    for name in names {
        check(&[
            (&format!("s:\n  {name}: null\ncondition: s"), NOTHING, true),
            (&format!("s:\n  {name}: []\ncondition: s"), NOTHING, true),
            (&format!("s:\n  {name}|exists: false\ncondition: s"), NOTHING, true),
            (&format!("s:\n  {name}|exists: true\ncondition: s"), NOTHING, false),
            (&format!("s:\n  {name}: '*'\ncondition: s"), NOTHING, false),
            (&format!("s:\n  {name}: ''\ncondition: s"), NOTHING, false),
            (&format!("s:\n  {name}|neq: x\ncondition: s"), NOTHING, true),
            (&format!("s:\n  {name}|fieldref: b\ncondition: s"), r#"{"b":""}"#, false),
            (&format!("s:\n  {name}|re: ''\ncondition: s"), NOTHING, false),
        ]);
    }
    check(&[
        ("s:\n  outcome: null\ncondition: s", NOTHING, false),
        ("s:\n  outcome|exists: true\ncondition: s", NOTHING, true),
        ("s:\n  target.user|exists: true\ncondition: s", ROLE, true),
        ("s:\n  target.user: '*'\ncondition: s", ROLE, true),
        ("s:\n  target.user: null\ncondition: s", ROLE, false),
        ("s:\n  target.user|neq: backup-operator\ncondition: s", ROLE, false),
        ("s:\n  target.bucket|neq: x\ncondition: s", ROLE, true),
        // A path below a derived field is one of the record.
        ("s:\n  outcome.x: y\ncondition: s", r#"{"outcome":{"x":"y"}}"#, true),
        ("s:\n  target.other: y\ncondition: s", r#"{"target":{"other":"y"}}"#, true),
        // A field of the record that bears the name does not stand in the way.
        ("s:\n  outcome: success\ncondition: s", r#"{"outcome":"failure"}"#, true),
        ("s:\n  outcome: failure\ncondition: s", r#"{"outcome":"failure"}"#, false),
        ("s:\n  target.user: x\ncondition: s", r#"{"target":{"user":"x"}}"#, false),
        ("s:\n  Outcome: success\ncondition: s", NOTHING, false),
    ]);
}

#[test]
fn other_fields_lists_and_several_values() {
    let itself = "s:\n  target.user|fieldref: userIdentity.userName\ncondition: s";
    let foreign = "s:\n  actor.account|exists: true\n  actor.account|fieldref|neq: recipientAccountId\ncondition: s";
    check(&[
        (
            itself,
            r#"{"requestParameters":{"userName":"Backup-Operator"},"userIdentity":{"userName":"backup-operator"}}"#,
            true,
        ),
        (
            itself,
            r#"{"requestParameters":{"userName":"ci-deployer"},"userIdentity":{"userName":"backup-operator"}}"#,
            false,
        ),
        (
            foreign,
            r#"{"recipientAccountId":"111122223333","userIdentity":{"accountId":"444455556666"}}"#,
            true,
        ),
        (
            foreign,
            r#"{"recipientAccountId":"111122223333","userIdentity":{"accountId":"111122223333"}}"#,
            false,
        ),
        (
            "s:\n  requestParameters.owner|fieldref: actor.account\ncondition: s",
            r#"{"requestParameters":{"owner":["x","111122223333"]},"userIdentity":{"accountId":"111122223333"}}"#,
            true,
        ),
        (
            "s:\n  actor|fieldref|contains: requestParameters.name\ncondition: s",
            r#"{"requestParameters":{"name":"CI-"},"userIdentity":{"arn":"arn:aws:iam::111122223333:user/ci-deployer"}}"#,
            true,
        ),
        (
            "s:\n  actor.account|fieldref: accessKey.account\ncondition: s",
            r#"{"userIdentity":{"accountId":"111122223333"}}"#,
            false,
        ),
        ("s:\n  ua.family: [curl, pacu, aws-cli]\ncondition: s", ROLE, true),
        ("s:\n  ua.family: [a, b, c, d, e, f, g, h, i, aws-cli]\ncondition: s", ROLE, true),
        ("s:\n  ua.family: [a, b, c, d, e, f, g, h, i, j]\ncondition: s", ROLE, false),
        ("s:\n  actor|contains|all: [role, deployer]\ncondition: s", ROLE, true),
        ("s:\n  actor|contains|all: [role, operator]\ncondition: s", ROLE, false),
        ("s:\n  omitted: requestParameters\ncondition: s", SIGN_IN, true),
        (
            "s:\n  omitted|all: [requestParameters, additionalEventData]\ncondition: s",
            SIGN_IN,
            true,
        ),
        ("s:\n  omitted|all: [requestParameters, responseElements]\ncondition: s", SIGN_IN, false),
        ("s:\n  omitted|neq: responseElements\ncondition: s", SIGN_IN, true),
        ("s:\n  omitted|neq: requestParameters\ncondition: s", SIGN_IN, false),
        ("s:\n  omitted|exists: true\ncondition: s", SIGN_IN, true),
        ("s:\n  omitted: [x, null]\ncondition: s", ROLE, true),
    ]);
}

#[test]
fn the_index_finds_rules_by_derived_fields() {
    let detections = [
        "s:\n  api: CreateAccessKey\ncondition: s",
        "s:\n  api|startswith: Console\n  outcome: failure\ncondition: s",
        "s:\n  eventSource: iam.amazonaws.com\n  api: [CreateAccessKey, CreateUser]\ncondition: s",
        "s:\n  outcome: failure\nt:\n  ua.family: aws-cli\ncondition: s or t",
        "s:\n  eventName: ConsoleLogin\nt:\n  outcome: success\ncondition: s and not t",
        "s:\n  target.user: backup-operator\n  userAgent|contains: aws-cli\ncondition: s",
        "s:\n  actor|endswith: operator\ncondition: s",
        "s:\n  api|re: '^Create'\n  api|neq: CreateUser\ncondition: s",
    ];
    let texts: Vec<_> = (10..)
        .zip(detections)
        .map(|(nth, detection)| rule_of(detection).replace("9a8d3f1c", &format!("9a8d3f{nth}")))
        .collect();
    let loaded = load("derived.yml", &texts.join("---\n"));
    let rules = RuleSet::build(loaded.rules, &[], &mut Vec::new());
    assert_eq!(rules.len(), detections.len(), "{:#?}", loaded.diagnostics);
    // `matches` compares the index with trying every rule.
    assert_eq!(matches(&rules, ROLE), [0, 2, 3, 5, 7]);
    assert_eq!(matches(&rules, SIGN_IN), [1, 3, 4, 6]);
    assert_eq!(matches(&rules, NOTHING), [0_u32; 0]);
    for name in [
        "CreateAccessKey20150331v2",
        "createaccesskey",
        "CreateAccessKey2020_05_31",
        "CreateAccessKeyv2",
    ] {
        matches(&rules, &ROLE.replace("CreateAccessKey\"", &format!("{name}\"")));
    }
}
