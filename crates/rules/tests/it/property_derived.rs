//! Derived fields: the engine against the naive interpreter, on records put together from parts that the page is clear
//! about, and on real ones.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::about::{Draw, Node, draw, item_about, nodes};
use crate::naive::derived::values;
use crate::naive::json::Json;
use crate::property::{assert_both_outcomes, cases, compare, detection_of, drawn};
use crate::real::records;
use crate::sketch::{Detection, without_repeats};

const FIELDS: &[&str] = &[
    "outcome",
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
    "ip.kind",
    "omitted",
];

const EVENTS: &[&str] = &[
    r#""eventSource":"iam.amazonaws.com","eventName":"CreateUser","requestParameters":{"userName":"backup-operator"}"#,
    r#""eventSource":"iam.amazonaws.com","eventName":"CreateAccessKey","requestParameters":null,"responseElements":{"accessKey":{"accessKeyId":"AKIAY34FZKBOKMUTVV7A","userName":"ci-deployer","status":"Active"}}"#,
    r#""eventSource":"iam.amazonaws.com","eventName":"ListAccessKeys","requestParameters":null,"responseElements":null"#,
    r#""eventSource":"iam.amazonaws.com","eventName":"UpdateAccessKey","requestParameters":{"accessKeyId":"AKIAQYLPMN5HFIQR7XYA","userName":"ci-deployer"}"#,
    r#""eventSource":"iam.amazonaws.com","eventName":"AttachRolePolicy","requestParameters":{"roleName":"deploy","policyArn":"arn:aws:iam::aws:policy/AdministratorAccess"}"#,
    r#""eventSource":"iam.amazonaws.com","eventName":"ListUsers""#,
    r#""eventSource":"sts.amazonaws.com","eventName":"AssumeRole","requestParameters":{"roleArn":"arn:aws:iam::111122223333:role/teams/blue/deploy","roleSessionName":"build"}"#,
    r#""eventSource":"signin.amazonaws.com","eventName":"ConsoleLogin","responseElements":{"ConsoleLogin":"Failure"}"#,
    r#""eventSource":"signin.amazonaws.com","eventName":"ConsoleLogin","responseElements":{"ConsoleLogin":"Success"}"#,
    r#""eventSource":"signin.amazonaws.com","eventName":"SwitchRole","responseElements":{"SwitchRole":"Failure"}"#,
    r#""eventSource":"signin.amazonaws.com","eventName":"CheckMfa","responseElements":{"CheckMfa":"Failure"}"#,
    r#""eventSource":"s3.amazonaws.com","eventName":"GetObject","requestParameters":{"bucketName":"ledger","key":"2026/01.csv"}"#,
    r#""eventSource":"kms.amazonaws.com","eventName":"Decrypt","requestParameters":{"keyId":"arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"}"#,
    r#""eventSource":"kms.amazonaws.com","eventName":"DisableKey","requestParameters":{"keyId":"1234abcd-12ab-34cd-56ef-1234567890ab"}"#,
    r#""eventSource":"lambda.amazonaws.com","eventName":"UpdateFunctionCode20150331v2","requestParameters":{"omitted":true,"originalSize":123456}"#,
    r#""eventSource":"lambda.amazonaws.com","eventName":"ListFunctions20150331","responseElements":null,"additionalEventData":{"omitted":true}"#,
    r#""eventSource":"cloudfront.amazonaws.com","eventName":"CreateDistribution2020_05_31","requestParameters":{"omitted":false},"responseElements":{"omitted":true},"serviceEventDetails":{"omitted":true}"#,
    r#""eventSource":"s3.amazonaws.com","eventName":"ListObjectsV2","requestParameters":{"bucketName":"ledger"}"#,
];

const IDENTITIES: &[&str] = &[
    r#"{"type":"AssumedRole","principalId":"AROAY34FZKBOKMUTVV7A:build","arn":"arn:aws:sts::111122223333:assumed-role/deploy/build","accountId":"111122223333","accessKeyId":"ASIAY34FZKBOKMUTVV7A","sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROAY34FZKBOKMUTVV7A","arn":"arn:aws:iam::111122223333:role/teams/blue/deploy","accountId":"111122223333","userName":"deploy"}}}"#,
    r#"{"type":"AssumedRole","principalId":"AROAY34FZKBOKMUTVV7A:build","arn":"arn:aws-cn:sts::111122223333:assumed-role/deploy/build","accountId":"111122223333"}"#,
    r#"{"type":"AssumedRole","principalId":"AROAY34FZKBOKMUTVV7A:build","accountId":"111122223333","accessKeyId":"ASIAQYLPMN5HFIQR7XYA"}"#,
    r#"{"type":"IAMUser","principalId":"AIDAY34FZKBOKMUTVV7A","arn":"arn:aws:iam::444455556666:user/ci/ci-deployer","accountId":"444455556666","accessKeyId":"AKIAY34FZKBOKMUTVV7A","userName":"ci-deployer"}"#,
    r#"{"type":"IAMUser","accountId":"444455556666","accessKeyId":"","userName":"HIDDEN_DUE_TO_SECURITY_REASONS"}"#,
    r#"{"type":"Root","principalId":"444455556666","arn":"arn:aws:iam::444455556666:root","accountId":"444455556666"}"#,
    r#"{"type":"AWSService","invokedBy":"cloudformation.amazonaws.com"}"#,
    r#"{"type":"FederatedUser","principalId":"444455556666:guest","arn":"arn:aws:sts::444455556666:federated-user/guest","accountId":"444455556666","accessKeyId":"ASIAQYLPMN5HFIQR7XYA","sessionContext":{"sessionIssuer":{"type":"IAMUser","arn":"arn:aws:iam::444455556666:user/ci-deployer"}}}"#,
    r#"{"type":"AWSAccount","principalId":"AROAY34FZKBOKMUTVV7A:build","accountId":"111122223333"}"#,
    "null",
];

const ERRORS: &[&str] = &[
    "",
    "",
    r#","errorCode":null,"errorMessage":"""#,
    r#","errorCode":"AccessDenied""#,
    r#","errorMessage":"Failed authentication""#,
];

const ADDRESSES: &[&str] = &[
    "8.8.8.8",
    "10.1.2.3",
    "172.16.0.1",
    "172.32.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "127.0.0.1",
    "::1",
    "fd00::1",
    "fe80::1",
    "2a00:1450:4001::1",
    "::ffff:192.168.0.1",
    "cloudformation.amazonaws.com",
    "AWS Internal",
    "253.252.51.07",
    "",
];

/// Keys of the record that have the names of derived fields.
const SHADOWS: &[&str] = &[
    "",
    "",
    r#","outcome":"shadow","actor":{"account":"shadow"},"api":"shadow","omitted":"shadow""#,
    r#","actor":"shadow","target":{"user":"shadow","key":null},"target.bucket":"shadow","ip.kind":7"#,
];

fn record() -> impl Strategy<Value = Json> {
    let parts =
        (select(EVENTS), select(IDENTITIES), select(ERRORS), select(ADDRESSES), select(SHADOWS));
    parts.prop_map(|(event, identity, error, address, shadow)| {
        // The empty address stands for none.
        let address = match address {
            "" => String::new(),
            address => format!(r#","sourceIPAddress":"{address}""#),
        };
        let text = format!(r#"{{{event},"userIdentity":{identity}{error}{address}{shadow}}}"#);
        Json::parse(&text).unwrap()
    })
}

/// The derived fields of a record, those without a value too, and a few of its own.
fn derived_nodes(record: &Json) -> Vec<Node> {
    let mut found: Vec<Node> = nodes(record, false)
        .into_iter()
        .filter(|node| node.field().contains("Name") || node.field().contains("arn"))
        .collect();
    for field in FIELDS {
        let mut values = values(field, record).unwrap();
        let value = values.pop().map_or(Json::Null, Json::Text);
        let node = Node { keys: vec![(*field).to_owned()], value, strings: 0 };
        found.extend([node.clone(), node]);
    }
    found
}

/// A rule about the derived fields of one record, with values that may be another's.
fn rule_about(own: &Json, other: &Json) -> impl Strategy<Value = Detection> + use<> {
    let [own, other] = [own, other].map(derived_nodes);
    let map = vec(draw(), 1..4).prop_map(move |draws| {
        let item = |draw: &Draw| item_about(draw.node.get(&own), &other, draw);
        without_repeats(draws.iter().map(item).collect())
    });
    detection_of(map)
}

fn scene(
    records: impl Strategy<Value = Vec<Json>>,
) -> impl Strategy<Value = (Vec<Detection>, Vec<Json>)> {
    records.prop_flat_map(|records| {
        let rules: Vec<_> = records
            .iter()
            .zip(records.iter().rev())
            .map(|(own, other)| rule_about(own, other))
            .collect();
        rules.prop_map(move |rules| (rules, records.clone()))
    })
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn derived_fields_are_what_the_interpreter_says((rules, records) in scene(vec(record(), 1..4))) {
        compare(&rules, &records)?;
    }
}

#[test]
fn derived_fields_of_real_records_are_what_the_interpreter_says() {
    let Some(records) = records() else { return };
    let some = vec(0..records.len(), 1..4)
        .prop_map(|numbers| numbers.into_iter().map(|at| records[at].clone()).collect::<Vec<_>>());
    crate::real::check(100, scene(some));
}

#[test]
fn derived_fields_find_both_outcomes() {
    let drawn = drawn(&scene(vec(record(), 2)), 150);
    let pairs = drawn.into_iter().flat_map(|(rules, records)| rules.into_iter().zip(records));
    assert_both_outcomes(&pairs.collect::<Vec<_>>());
}

#[test]
fn every_derived_field_has_more_than_one_value() {
    let records = drawn(&record(), 500);
    for field in FIELDS {
        let found: std::collections::BTreeSet<Vec<String>> =
            records.iter().map(|record| values(field, record).unwrap()).collect();
        assert!(found.len() > 1, "{field}: {found:?}");
    }
}
