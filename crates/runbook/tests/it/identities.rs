//! All shapes of callers, one by one.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use trailloop_runbook::{Class, resolve, resource};

use crate::support::{assert_is_safe, call, repository};

fn cases() -> Vec<Value> {
    let path = repository().join("fixtures/respond/identities.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn record(name: &str) -> Value {
    cases().into_iter().find(|case| case["name"] == name).unwrap()["record"].clone()
}

#[test]
fn every_shape_is_who_it_is() {
    let mut seen = BTreeSet::new();
    for case in cases() {
        let target = resolve(&case["record"]);
        let found = target.to_json();
        for (name, expected) in case["expect"].as_object().unwrap() {
            assert_eq!(&found[name], expected, "{name} of {}: {target:?}", case["name"]);
        }
        assert_is_safe(&case["record"], &target);
        seen.insert(target.class);
    }
    assert_eq!(seen, BTreeSet::from(Class::ALL), "every class has its cases");
}

#[test]
fn the_smallest_call_is_named_or_refused_with_a_reason() {
    let mut said = String::new();
    let mut seen = BTreeSet::new();
    for case in cases() {
        let target = resolve(&case["record"]);
        if seen.insert(target.class) {
            let line = match target.identity_action() {
                Ok(action) => action.api.to_owned(),
                Err(refusal) => refusal.to_string(),
            };
            said.push_str(&format!("{}: {line}\n", target.class.name()));
        }
    }
    insta::assert_snapshot!(said);
}

#[test]
fn only_the_target_itself_may_be_changed() {
    let user = resolve(&record("3: a user by a long-term key"));
    let role = resolve(&record("10: a session of a role"));
    let person = resolve(&record("8: a person by id"));
    let deny = |who: &str, name: &str| {
        let api = format!("iam:Put{who}Policy");
        let mut inputs = json!({"PolicyName": "x", "PolicyDocument": "{}"});
        inputs[format!("{who}Name")] = json!(name);
        call(&api, inputs)
    };
    assert_eq!(user.forbids(&deny("User", "alice")), None);
    assert!(user.forbids(&deny("User", "bob")).is_some());
    assert!(user.forbids(&deny("User", "Alice")).is_some());
    assert!(user.forbids(&deny("Role", "alice")).is_some());
    assert!(user.forbids(&call("iam:PutUserPolicy", json!({"UserName": ["alice"]}))).is_some());
    assert_eq!(role.forbids(&deny("Role", "deploy")), None);
    assert!(role.forbids(&deny("User", "deploy")).is_some());
    let key = |user: &str, key: &str| {
        call("iam:UpdateAccessKey", json!({"UserName": user, "AccessKeyId": key}))
    };
    assert_eq!(user.forbids(&key("alice", "AKIAIOSFODNN7EXAMPLE")), None);
    assert!(user.forbids(&key("alice", "ASIAIOSFODNN7EXAMPLE")).is_some());
    let boundary = |account: &str| {
        let arn = format!("arn:aws:iam::{account}:policy/Deny");
        let inputs = json!({"UserName": "alice", "PermissionsBoundary": arn});
        call("iam:PutUserPermissionsBoundary", inputs)
    };
    assert_eq!(user.forbids(&boundary("aws")), None);
    assert_eq!(user.forbids(&boundary("111122223333")), None);
    assert!(user.forbids(&boundary("444455556666")).is_some());
    let id = person.identity_center_user.clone().unwrap();
    let remove = |id: &str| call("sso-admin:DeleteAccountAssignment", json!({"PrincipalId": id}));
    assert_eq!(person.forbids(&remove(&id)), None);
    assert!(person.forbids(&remove("1234abcd-12ab-34cd-56ef-1234567890ab")).is_some());
    let of_role = deny("Role", person.role_name.as_deref().unwrap());
    assert!(person.forbids(&of_role).is_some());
    // Reads and resources are no identity actions.
    let root = resolve(&record("2: the root user"));
    assert_eq!(root.forbids(&call("iam:ListAccessKeys", json!({"UserName": "alice"}))), None);
    assert_eq!(root.forbids(&call("cloudtrail:StartLogging", json!({"Name": "main"}))), None);
}

#[test]
fn what_was_made_in_the_incident_may_be_taken_back_whoever_did_it() {
    let mut made = record("2: the root user");
    made["eventSource"] = json!("iam.amazonaws.com");
    made["eventName"] = json!("CreateAccessKey");
    made["requestParameters"] = json!({"userName": "bob"});
    made["responseElements"] =
        json!({"accessKey": {"userName": "bob", "accessKeyId": "AKIAI44QH8DHBEXAMPLE"}});
    let (target, resource) = (resolve(&made), resource::of(&made).unwrap());
    let key = |user: &str, key: &str| {
        call("iam:UpdateAccessKey", json!({"UserName": user, "AccessKeyId": key}))
    };
    let its_key = key("bob", "AKIAI44QH8DHBEXAMPLE");
    assert_eq!(target.forbids_on(&its_key, Some(&resource)), None);
    assert!(target.forbids(&its_key).is_some());
    for other in [
        key("bob", "AKIAIOSFODNN7EXAMPLE"),
        key("alice", "AKIAI44QH8DHBEXAMPLE"),
        call("iam:PutUserPolicy", json!({"UserName": "bob", "PolicyName": "x"})),
        call("iam:DeleteUser", json!({"UserName": "bob"})),
    ] {
        assert!(target.forbids_on(&other, Some(&resource)).is_some(), "{other:?}");
    }
    // A key that somebody tried to make was not made.
    made["errorCode"] = json!("AccessDenied");
    made["responseElements"] = Value::Null;
    assert_eq!(resource::of(&made), None);
}

#[test]
fn a_policy_that_was_attached_may_be_taken_away_and_no_other() {
    let mut record = record("1: a call of AWS");
    record["eventSource"] = json!("iam.amazonaws.com");
    record["eventName"] = json!("AttachRolePolicy");
    let admin = "arn:aws:iam::aws:policy/AdministratorAccess";
    record["requestParameters"] = json!({"roleName": "deploy", "policyArn": admin});
    let (target, resource) = (resolve(&record), resource::of(&record).unwrap());
    let detach = |role: &str, arn: &str| {
        call("iam:DetachRolePolicy", json!({"RoleName": role, "PolicyArn": arn}))
    };
    let allowed = |call| target.forbids_on(&call, Some(&resource)).is_none();
    assert!(allowed(detach("deploy", admin)));
    assert!(!allowed(detach("other", admin)));
    assert!(!allowed(detach("deploy", "arn:aws:iam::aws:policy/ReadOnlyAccess")));
    assert!(!allowed(call("iam:UpdateAssumeRolePolicy", json!({"RoleName": "deploy"}))));
    assert!(!allowed(call("iam:DeleteRolePermissionsBoundary", json!({"RoleName": "deploy"}))));
}
