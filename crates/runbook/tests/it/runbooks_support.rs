//! What the tests share.

use std::path::{Path, PathBuf};

use serde_json::Value;
use trailloop_runbook::catalogue::Risk;
use trailloop_runbook::{Class, Known, Loaded, Refusal, Target, load_with};

/// The root of the repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

const RUNBOOKS: [(&str, &str); 3] = [
    ("contain-iam-user-key.yml", include_str!("runbooks/contain-iam-user-key.yml")),
    ("revoke-role-session.yml", include_str!("runbooks/revoke-role-session.yml")),
    ("restart-cloudtrail.yml", include_str!("runbooks/restart-cloudtrail.yml")),
];

/// A catalogue of a few APIs, so that these tests say nothing of the real one.
pub(crate) fn find(service: &str, api: &str) -> Option<Known> {
    let (risk, changes, inputs): (Risk, bool, &'static [&'static str]) = match (service, api) {
        ("iam", "GetAccessKeyLastUsed") => (Risk::R0, false, &["AccessKeyId"]),
        ("iam", "ListAccessKeys" | "ListUserPolicies") => (Risk::R0, false, &["UserName"]),
        ("iam", "UpdateAccessKey") => (Risk::R1, true, &["UserName", "AccessKeyId", "Status"]),
        ("iam", "PutUserPolicy") => (Risk::R1, true, &["UserName", "PolicyName", "PolicyDocument"]),
        ("iam", "PutRolePolicy") => (Risk::R1, true, &["RoleName", "PolicyName", "PolicyDocument"]),
        ("iam", "DeleteRolePolicy") => (Risk::R1, true, &["RoleName", "PolicyName"]),
        ("iam", "DeleteLoginProfile") => (Risk::R3, true, &["UserName"]),
        ("cloudtrail", "StartLogging") => (Risk::R1, true, &["Name"]),
        ("cloudtrail", "GetTrailStatus") => (Risk::R0, false, &["Name"]),
        ("organizations", "CreatePolicy") => {
            (Risk::R3, true, &["Content", "Description", "Name", "Type"])
        }
        _ => return None,
    };
    Some(Known { risk, changes, runs: true, inputs: Some(inputs.to_vec()) })
}

/// A file checked against [`find`].
pub(crate) fn load(path: &str, text: &str) -> Loaded {
    load_with(path, text, &find)
}

/// The example runbooks, by file.
pub(crate) fn examples() -> impl Iterator<Item = (&'static str, &'static str)> {
    RUNBOOKS.into_iter()
}

/// Whom a record shows, as far as these examples need it.
pub(crate) fn resolve(record: &Value) -> Result<Target, Refusal> {
    let identity = &record["userIdentity"];
    let text = |name: &str| identity[name].as_str().map(str::to_owned);
    let class = match identity["type"].as_str() {
        Some("IAMUser") => Class::IamUserKey,
        Some("Root") => return Err(Refusal::new("resolver", "nobody acts on the root user")),
        _ => Class::AwsService,
    };
    Ok(Target {
        class,
        partition: "aws".to_owned(),
        account: text("accountId"),
        recipient_account: None,
        principal_arn: text("arn"),
        user_name: text("userName"),
        role_name: None,
        principal_id: None,
        session_name: None,
        access_key_id: text("accessKeyId"),
        instance_id: None,
        identity_center_user: None,
        identity_store: None,
        permission_set: None,
        reason: None,
        invoked_by: None,
        from_console: false,
    })
}
