//! The organization and its people: Organizations, Identity Center.

use serde_json::{Value, json};

use super::parts::{at, change, entry, other, planned, read, reading, undoing};
use super::{Api, Effect, Reading, Risk};
use crate::call::Call;

const SET: &str = "{PermissionSetArn}";

/// The table.
pub(super) const APIS: &[Api] = &[
    read(
        "organizations",
        "DescribeOrganization",
        (&[], &[]),
        &["organizations:DescribeOrganization"],
        "*",
    ),
    read(
        "organizations",
        "DescribeAccount",
        (&["AccountId"], &[]),
        &["organizations:DescribeAccount"],
        "*",
    ),
    read(
        "organizations",
        "DescribePolicy",
        (&["PolicyId"], &[]),
        &["organizations:DescribePolicy"],
        "*",
    ),
    read("organizations", "ListParents", (&["ChildId"], &[]), &["organizations:ListParents"], "*"),
    read(
        "organizations",
        "ListPoliciesForTarget",
        (&["TargetId", "Filter"], &[]),
        &["organizations:ListPoliciesForTarget"],
        "*",
    ),
    change(
        ("organizations", "AttachPolicy", Risk::R2),
        (&["PolicyId", "TargetId"], &[]),
        &["organizations:AttachPolicy"],
        "*",
        Effect {
            reads: &[ATTACHED],
            state: attached,
            achieved: |_, state| *state == true,
            restore: attachment,
        },
    ),
    change(
        ("organizations", "DetachPolicy", Risk::R2),
        (&["PolicyId", "TargetId"], &[]),
        &["organizations:DetachPolicy"],
        "*",
        Effect {
            reads: &[ATTACHED],
            state: attached,
            achieved: |_, state| *state == false,
            restore: attachment,
        },
    ),
    planned(
        "organizations",
        "CreatePolicy",
        (&["Name", "Content", "Type"], &["Description"]),
        &["organizations:CreatePolicy"],
        "*",
    ),
    planned(
        "organizations",
        "UpdatePolicy",
        (&["PolicyId", "Content"], &[]),
        &["organizations:UpdatePolicy"],
        "*",
    ),
    read(
        "sso-admin",
        "GetInlinePolicyForPermissionSet",
        (&["InstanceArn", "PermissionSetArn"], &[]),
        &["sso:GetInlinePolicyForPermissionSet"],
        SET,
    ),
    read(
        "sso-admin",
        "ListAccountAssignments",
        (&["InstanceArn", "AccountId", "PermissionSetArn"], &[]),
        &["sso:ListAccountAssignments"],
        SET,
    ),
    read(
        "identitystore",
        "DescribeUser",
        (&["IdentityStoreId", "UserId"], &[]),
        &["identitystore:DescribeUser"],
        "*",
    ),
    read(
        "identitystore",
        "ListUsers",
        (&["IdentityStoreId"], &["Filters"]),
        &["identitystore:ListUsers"],
        "*",
    ),
    change(
        ("sso-admin", "PutInlinePolicyToPermissionSet", Risk::R2),
        (&["InstanceArn", "PermissionSetArn", "InlinePolicy"], &[]),
        &["sso:PutInlinePolicyToPermissionSet"],
        SET,
        Effect {
            reads: &[reading(
                "GetInlinePolicyForPermissionSet",
                &[("InstanceArn", "InstanceArn"), ("PermissionSetArn", "PermissionSetArn")],
            )],
            state: |_, answers| match at(answers, "/InlinePolicy") {
                // A permission set without a policy of its own answers with an empty text.
                Value::String(text) if text.is_empty() => Value::Null,
                other => other,
            },
            achieved: |call, state| {
                let wanted = call.inputs.get("InlinePolicy");
                wanted.is_some_and(|wanted| super::parts::same_document(wanted, state))
            },
            restore: |call, before| {
                let kept = ["InstanceArn", "PermissionSetArn"];
                Some(vec![match before.as_str() {
                    Some(text) => other(
                        call,
                        "PutInlinePolicyToPermissionSet",
                        &kept,
                        &[("InlinePolicy", text.into())],
                    ),
                    None => other(call, "DeleteInlinePolicyFromPermissionSet", &kept, &[]),
                }])
            },
        },
    ),
    undoing(
        "sso-admin",
        "DeleteInlinePolicyFromPermissionSet",
        (&["InstanceArn", "PermissionSetArn"], &[]),
        &["sso:DeleteInlinePolicyFromPermissionSet"],
        SET,
    ),
    change(
        ("sso-admin", "DeleteAccountAssignment", Risk::R2),
        (ASSIGNMENT, &[]),
        &["sso:DeleteAccountAssignment"],
        SET,
        Effect {
            reads: &[reading(
                "ListAccountAssignments",
                &[
                    ("InstanceArn", "InstanceArn"),
                    ("AccountId", "TargetId"),
                    ("PermissionSetArn", "PermissionSetArn"),
                ],
            )],
            state: |call, answers| {
                let person = call.inputs.get("PrincipalId");
                json!(entry(answers, "AccountAssignments", "PrincipalId", person).is_some())
            },
            achieved: |_, state| *state == false,
            restore: |call, before| {
                let api = if *before == true {
                    "CreateAccountAssignment"
                } else {
                    "DeleteAccountAssignment"
                };
                Some(vec![other(call, api, ASSIGNMENT, &[])])
            },
        },
    ),
    undoing(
        "sso-admin",
        "CreateAccountAssignment",
        (ASSIGNMENT, &[]),
        &["sso:CreateAccountAssignment"],
        SET,
    ),
    planned(
        "sso-admin",
        "ProvisionPermissionSet",
        (&["InstanceArn", "PermissionSetArn", "TargetType"], &["TargetId"]),
        &["sso:ProvisionPermissionSet"],
        SET,
    ),
];

/// What names an assignment.
const ASSIGNMENT: &[&str] =
    &["InstanceArn", "TargetId", "TargetType", "PermissionSetArn", "PrincipalType", "PrincipalId"];

const ATTACHED: Reading = Reading {
    api: "ListPoliciesForTarget",
    inputs: &[("TargetId", "TargetId")],
    fixed: &[("Filter", "SERVICE_CONTROL_POLICY")],
};

fn attached(call: &Call, answers: &[Option<Value>]) -> Value {
    json!(entry(answers, "Policies", "Id", call.inputs.get("PolicyId")).is_some())
}

fn attachment(call: &Call, before: &Value) -> Option<Vec<Call>> {
    let api = if *before == true { "AttachPolicy" } else { "DetachPolicy" };
    Some(vec![other(call, api, &["PolicyId", "TargetId"], &[])])
}
