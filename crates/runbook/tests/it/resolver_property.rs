//! No record makes it panic, and the same record always says the same.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use trailloop_runbook::{Lineage, inverse, resolve, resource};

use crate::support::{assert_is_safe, repository};

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        proptest::sample::select(TEXTS.to_vec()).prop_map(Value::from),
    ]
}

/// Texts that lead further in than chance does.
const TEXTS: &[&str] = &[
    "",
    "IAMUser",
    "AssumedRole",
    "FederatedUser",
    "AWSAccount",
    "Root",
    "SAMLUser",
    "IdentityCenterUser",
    "Role",
    "arn:aws:iam::111122223333:user/alice",
    "arn:aws:iam::111122223333:role/deploy",
    "arn:aws:sts::111122223333:assumed-role/deploy/alice",
    "arn:aws:sts::111122223333:federated-user/alice",
    "arn:aws:iam::",
    "111122223333",
    "alice",
    "AKIAIOSFODNN7EXAMPLE",
    "ASIAIOSFODNN7EXAMPLE",
    "AROAEXAMPLEROLEID000:alice",
    "é",
    "i-0123456789abcdef0",
    "{{ x }}",
];

fn value() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((".{0,8}", inner), 0..4)
                .prop_map(|pairs| Value::Object(Map::from_iter(pairs))),
        ]
    })
}

/// All places of a record that hold a value, as pointers.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                places(field, &format!("{at}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                places(item, &format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
}

/// A record with an identity of the fixtures, an event whose resource is looked at, and one place holding anything.
fn broken() -> impl Strategy<Value = Value> {
    let path = repository().join("fixtures/respond/identities.json");
    let cases: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let records: Vec<Value> = cases.into_iter().map(|case| case["record"].clone()).collect();
    let place = any::<prop::sample::Index>();
    (prop::sample::select(records), prop::sample::select(events()), place, value()).prop_map(
        |(mut record, event, place, value)| {
            for (name, field) in event.as_object().unwrap() {
                record[name] = field.clone();
            }
            let mut all = Vec::new();
            places(&record, "", &mut all);
            let place: &String = place.get(&all);
            *record.pointer_mut(place).unwrap() = value;
            record
        },
    )
}

fn events() -> Vec<Value> {
    let event = |source: &str, name: &str, request: Value, response: Value| {
        json!({"eventSource": format!("{source}.amazonaws.com"), "eventName": name,
               "requestParameters": request, "responseElements": response})
    };
    vec![
        event("cloudtrail", "StopLogging", json!({"name": "main"}), Value::Null),
        event(
            "cloudtrail",
            "UpdateTrail",
            json!({"name": "main", "s3BucketName": "x"}),
            Value::Null,
        ),
        event("iam", "PutUserPolicy", json!({"userName": "bob", "policyName": "x"}), Value::Null),
        event("lambda", "AddPermission20150331v2", json!({"functionName": "é:x"}), Value::Null),
        event("s3", "PutBucketPolicy", json!({"bucketName": "logs"}), Value::Null),
        event(
            "sts",
            "AssumeRole",
            json!({"roleArn": "arn:aws:iam::111122223333:role/deploy", "roleSessionName": "alice"}),
            json!({"credentials": {"accessKeyId": "ASIAIOSFODNN7EXAMPLE"}}),
        ),
        event("signin", "ConsoleLogin", Value::Null, json!({"ConsoleLogin": "Success"})),
    ]
}

fn look_at(record: &Value) {
    let target = resolve(record);
    assert_eq!(target, resolve(&record.clone()));
    assert_is_safe(record, &target);
    let found = resource::of(record);
    assert_eq!(found, resource::of(&record.clone()));
    let history = [record.clone(), record.clone()];
    assert_eq!(inverse::of(record, &history), inverse::of(record, &history));
    let mut lineage = Lineage::new();
    lineage.feed(record);
    let chain = lineage.chain(record);
    assert_eq!(chain[0].target, target);
    assert!(lineage.contains(&chain, record) || chain[0].key.is_none());
}

proptest! {
    #[test]
    fn any_value_is_resolved(record in value()) {
        look_at(&record);
    }

    #[test]
    fn any_record_with_something_wrong_is_resolved(record in broken()) {
        look_at(&record);
    }
}
