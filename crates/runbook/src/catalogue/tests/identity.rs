//! IAM: users, roles, groups and their policies.

use serde_json::json;

use super::cases::*;

#[expect(clippy::too_many_lines, reason = "a table of cases, laid out by the formatter")]
pub(super) fn identity_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let key = |status: &str| json!({"UserName": "bob", "AccessKeyId": "AKIAIOSFODNN7EXAMPLE", "Status": status});
    let keys = |status: &str| {
        Some(
            json!({"AccessKeyMetadata": [{"AccessKeyId": "AKIAI44QH8DHBEXAMPLE", "Status": "Active"}, key(status)]}),
        )
    };
    cases.push(case(
        "iam:UpdateAccessKey",
        key("Inactive"),
        keys("Active"),
        keys("Inactive"),
        Some(vec![("UpdateAccessKey", key("Active"))]),
    ));
    let credential = |status: &str| json!({"UserName": "bob", "ServiceSpecificCredentialId": "ACCA1", "Status": status});
    let credentials =
        |status: &str| Some(json!({"ServiceSpecificCredentials": [credential(status)]}));
    cases.push(case(
        "iam:UpdateServiceSpecificCredential",
        credential("Inactive"),
        credentials("Active"),
        credentials("Inactive"),
        Some(vec![("UpdateServiceSpecificCredential", credential("Active"))]),
    ));
    for (keys, put, delete) in [
        (json!({"UserName": "bob", "PolicyName": "p"}), "PutUserPolicy", "DeleteUserPolicy"),
        (json!({"RoleName": "r", "PolicyName": "p"}), "PutRolePolicy", "DeleteRolePolicy"),
    ] {
        cases.extend(property(
            "iam",
            &keys,
            [put, delete],
            "PolicyDocument",
            |text| json!({"PolicyDocument": text}),
            [json!(OLD), json!(NEW)],
        ));
    }
    let arns = [
        json!("arn:aws:iam::aws:policy/ReadOnlyAccess"),
        json!("arn:aws:iam::aws:policy/AWSDenyAll"),
    ];
    cases.extend(property("iam", &json!({"UserName": "bob"}), ["PutUserPermissionsBoundary", "DeleteUserPermissionsBoundary"], "PermissionsBoundary",
        |arn| json!({"absent": "empty", "User": {"PermissionsBoundary": {"PermissionsBoundaryArn": arn}}}), arns.clone()));
    cases.extend(property("iam", &json!({"RoleName": "r"}), ["PutRolePermissionsBoundary", "DeleteRolePermissionsBoundary"], "PermissionsBoundary",
        |arn| json!({"absent": "empty", "Role": {"PermissionsBoundary": {"PermissionsBoundaryArn": arn}}}), arns));
    cases.extend(property(
        "iam",
        &json!({"RoleName": "r"}),
        ["UpdateAssumeRolePolicy", ""],
        "PolicyDocument",
        |text| json!({"Role": {"AssumeRolePolicyDocument": text}}),
        [json!(OLD), json!(NEW)],
    ));
    cases.extend(property(
        "iam",
        &json!({"PolicyArn": "arn"}),
        ["SetDefaultPolicyVersion", ""],
        "VersionId",
        |text| json!({"Policy": {"DefaultVersionId": text}}),
        [json!("v2"), json!("v1")],
    ));
    for (who, name) in [("User", "UserName"), ("Role", "RoleName"), ("Group", "GroupName")] {
        let leak = |text: String| -> &'static str { text.leak() };
        let names = [leak(format!("Attach{who}Policy")), leak(format!("Detach{who}Policy"))];
        cases.extend(membership(
            "iam",
            names,
            &json!({name: "x", "PolicyArn": "arn"}),
            "AttachedPolicies",
            &json!({"PolicyArn": "arn"}),
        ));
    }
    cases.extend(membership(
        "iam",
        ["AddUserToGroup", "RemoveUserFromGroup"],
        &json!({"GroupName": "g", "UserName": "bob"}),
        "Groups",
        &json!({"GroupName": "g"}),
    ));
    let absent = Some(json!({"MFADevices": []}));
    cases.push(case(
        "iam:DeactivateMFADevice",
        json!({"UserName": "bob", "SerialNumber": "s"}),
        Some(json!({"MFADevices": [{"SerialNumber": "s"}]})),
        absent,
        None,
    ));
    let profile = Some(json!({"LoginProfile": {"CreateDate": "2026-01-01T00:00:00Z"}}));
    cases.push(case("iam:DeleteLoginProfile", json!({"UserName": "bob"}), profile, None, None));
    cases
}
