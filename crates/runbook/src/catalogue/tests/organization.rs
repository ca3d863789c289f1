//! Organizations and Identity Center.

use serde_json::json;

use super::cases::*;

pub(super) fn organization_cases() -> Vec<Case> {
    let mut cases = membership(
        "organizations",
        ["AttachPolicy", "DetachPolicy"],
        &json!({"PolicyId": "p-1", "TargetId": "111122223333"}),
        "Policies",
        &json!({"Id": "p-1"}),
    );
    let assignment = json!({"InstanceArn": "i", "TargetId": "111122223333", "TargetType": "AWS_ACCOUNT", "PermissionSetArn": "s", "PrincipalType": "USER", "PrincipalId": "u"});
    cases.extend(membership(
        "sso-admin",
        ["CreateAccountAssignment", "DeleteAccountAssignment"],
        &assignment,
        "AccountAssignments",
        &json!({"PrincipalType": "USER", "PrincipalId": "u"}),
    ));
    cases.extend(property(
        "organizations",
        &json!({"PolicyId": "p-1"}),
        ["UpdatePolicy", ""],
        "Content",
        |text| json!({"Policy": {"Content": text}}),
        [json!(OLD), json!(NEW)],
    ));
    cases.push(case(
        "organizations:CreatePolicy",
        json!({"Name": "n", "Description": "d", "Content": NEW, "Type": "SERVICE_CONTROL_POLICY"}),
        Some(json!({"Policies": [{"Name": "other", "Id": "p-2"}]})),
        Some(json!({"Policies": [{"Name": "n", "Id": "p-1"}]})),
        None,
    ));
    let set = json!({"InstanceArn": "i", "PermissionSetArn": "s"});
    let provision = || {
        (
            "ProvisionPermissionSet",
            json!({"InstanceArn": "i", "PermissionSetArn": "s", "TargetType": "ALL_PROVISIONED_ACCOUNTS"}),
        )
    };
    for mut one in property(
        "sso-admin",
        &set,
        ["PutInlinePolicyToPermissionSet", "DeleteInlinePolicyFromPermissionSet"],
        "InlinePolicy",
        |text| json!({"absent": "empty", "InlinePolicy": text}),
        [json!(OLD), json!(NEW)],
    ) {
        one.back.as_mut().unwrap().push(provision());
        cases.push(one);
    }
    cases.push(case(
        "sso-admin:ProvisionPermissionSet",
        provision().1,
        Some(json!({"AccountIds": ["222233334444", "111122223333"]})),
        Some(json!({"AccountIds": []})),
        None,
    ));
    cases
}
