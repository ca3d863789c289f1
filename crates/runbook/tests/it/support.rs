//! What the tests share.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use trailloop_runbook::{Call, Class, Target};

/// The root of the repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Data beside the repository, if it is there; says so if it is not.
pub(crate) fn shared(name: &str) -> Option<PathBuf> {
    let path = repository().join("../shared/data").join(name);
    if path.exists() {
        return Some(path);
    }
    // Not by a print macro: what they write is captured.
    let said = format!("skipped: {} is not there\n", path.display());
    std::io::Write::write_all(&mut std::io::stderr(), said.as_bytes()).ok();
    None
}

/// A call.
pub(crate) fn call(name: &str, inputs: Value) -> Call {
    let (service, api) = name.split_once(':').unwrap();
    let Value::Object(inputs) = inputs else { panic!("inputs are an object") };
    Call { service: service.to_owned(), api: api.to_owned(), inputs }
}

/// Calls that change whom a target is or what it may do, with whatever names the target has.
pub(crate) fn identity_calls(target: &Target, key: &str) -> Vec<Call> {
    let name = |name: &Option<String>| name.clone().unwrap_or_else(|| "somebody".to_owned());
    let (user, role) = (name(&target.user_name), name(&target.role_name));
    let person = name(&target.identity_center_user);
    vec![
        call(
            "iam:UpdateAccessKey",
            json!({"UserName": user, "AccessKeyId": key, "Status": "Inactive"}),
        ),
        call("iam:UpdateAccessKey", json!({"AccessKeyId": key, "Status": "Inactive"})),
        call(
            "iam:PutUserPolicy",
            json!({"UserName": user, "PolicyName": "x", "PolicyDocument": "{}"}),
        ),
        call("iam:DeleteLoginProfile", json!({"UserName": user})),
        call(
            "iam:PutRolePolicy",
            json!({"RoleName": role, "PolicyName": "x", "PolicyDocument": "{}"}),
        ),
        call("iam:UpdateAssumeRolePolicy", json!({"RoleName": role, "PolicyDocument": "{}"})),
        call("sso-admin:DeleteAccountAssignment", json!({"PrincipalId": person})),
        call(
            "identitystore:UpdateUser",
            json!({"UserId": person, "IdentityStoreId": "d-1234567890"}),
        ),
    ]
}

/// Classes that nobody acts on.
pub(crate) const UNTOUCHABLE: [Class; 5] = [
    Class::AwsService,
    Class::Root,
    Class::ServiceLinkedRole,
    Class::ForeignPrincipal,
    Class::Unknown,
];

/// What has to hold of every target, from whatever record.
pub(crate) fn assert_is_safe(record: &Value, target: &Target) {
    let key = record["userIdentity"]["accessKeyId"].as_str().unwrap_or("ASIAIOSFODNN7EXAMPLE");
    for call in identity_calls(target, key) {
        let is_forbidden = target.forbids(&call).is_some();
        if UNTOUCHABLE.contains(&target.class) {
            assert!(is_forbidden, "{call:?} on {target:?}");
        }
        let is_key_call = call.inputs.contains_key("AccessKeyId");
        if is_key_call && (!key.starts_with("AKIA") || !call.inputs.contains_key("UserName")) {
            assert!(is_forbidden, "{call:?} on {target:?}");
        }
        let names_nobody = call.inputs.values().any(|value| value == "somebody");
        assert!(is_forbidden || !names_nobody, "{call:?} on {target:?}");
    }
    assert_eq!(target.may_act().is_err(), UNTOUCHABLE.contains(&target.class));
    assert_eq!(target.reason.is_some(), target.class == Class::Unknown);
    if target.may_act().is_err() {
        assert_eq!((&target.user_name, &target.identity_center_user), (&None, &None));
    }
}
