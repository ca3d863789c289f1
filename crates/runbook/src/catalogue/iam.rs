//! IAM and the token service.

use serde_json::{Value, json};

use super::parts::{at, change, entry, other, planned, read, reading, same_document, undoing};
use super::{Api, Effect, Risk};
use crate::call::Call;

const USER: &str = "arn:{partition}:iam::{account}:user/{UserName}";
const ROLE: &str = "arn:{partition}:iam::{account}:role/{RoleName}";
const GROUP: &str = "arn:{partition}:iam::{account}:group/{GroupName}";
const POLICY: &str = "{PolicyArn}";

/// The table.
pub(super) const APIS: &[Api] = &[
    read(
        "iam",
        "GetAccessKeyLastUsed",
        (&["AccessKeyId"], &[]),
        &["iam:GetAccessKeyLastUsed"],
        "*",
    ),
    read("iam", "GetLoginProfile", (&["UserName"], &[]), &["iam:GetLoginProfile"], USER),
    read("iam", "GetPolicy", (&["PolicyArn"], &[]), &["iam:GetPolicy"], POLICY),
    read(
        "iam",
        "GetPolicyVersion",
        (&["PolicyArn", "VersionId"], &[]),
        &["iam:GetPolicyVersion"],
        POLICY,
    ),
    read("iam", "GetRole", (&["RoleName"], &[]), &["iam:GetRole"], ROLE),
    read("iam", "GetRolePolicy", (&["RoleName", "PolicyName"], &[]), &["iam:GetRolePolicy"], ROLE),
    read("iam", "GetUser", (&["UserName"], &[]), &["iam:GetUser"], USER),
    read("iam", "GetUserPolicy", (&["UserName", "PolicyName"], &[]), &["iam:GetUserPolicy"], USER),
    read("iam", "ListAccessKeys", (&["UserName"], &["MaxItems"]), &["iam:ListAccessKeys"], USER),
    read(
        "iam",
        "ListAttachedGroupPolicies",
        (&["GroupName"], &["MaxItems"]),
        &["iam:ListAttachedGroupPolicies"],
        GROUP,
    ),
    read(
        "iam",
        "ListAttachedRolePolicies",
        (&["RoleName"], &["MaxItems"]),
        &["iam:ListAttachedRolePolicies"],
        ROLE,
    ),
    read(
        "iam",
        "ListAttachedUserPolicies",
        (&["UserName"], &["MaxItems"]),
        &["iam:ListAttachedUserPolicies"],
        USER,
    ),
    read(
        "iam",
        "ListGroupsForUser",
        (&["UserName"], &["MaxItems"]),
        &["iam:ListGroupsForUser"],
        USER,
    ),
    read("iam", "ListMFADevices", (&["UserName"], &["MaxItems"]), &["iam:ListMFADevices"], USER),
    read(
        "iam",
        "ListPolicyVersions",
        (&["PolicyArn"], &["MaxItems"]),
        &["iam:ListPolicyVersions"],
        POLICY,
    ),
    read(
        "iam",
        "ListRolePolicies",
        (&["RoleName"], &["MaxItems"]),
        &["iam:ListRolePolicies"],
        ROLE,
    ),
    read(
        "iam",
        "ListServiceSpecificCredentials",
        (&["UserName"], &["ServiceName"]),
        &["iam:ListServiceSpecificCredentials"],
        USER,
    ),
    read(
        "iam",
        "ListUserPolicies",
        (&["UserName"], &["MaxItems"]),
        &["iam:ListUserPolicies"],
        USER,
    ),
    read(
        "iam",
        "SimulatePrincipalPolicy",
        (&["PolicySourceArn", "ActionNames"], &["ResourceArns"]),
        &["iam:SimulatePrincipalPolicy"],
        "{PolicySourceArn}",
    ),
    read("sts", "GetCallerIdentity", (&[], &[]), &["sts:GetCallerIdentity"], "*"),
    change(
        ("iam", "UpdateAccessKey", Risk::R1),
        (&["UserName", "AccessKeyId", "Status"], &[]),
        &["iam:UpdateAccessKey"],
        USER,
        Effect {
            reads: &[reading("ListAccessKeys", &[("UserName", "UserName")])],
            state: |call, answers| {
                let key = call.inputs.get("AccessKeyId");
                let found = entry(answers, "AccessKeyMetadata", "AccessKeyId", key);
                found.and_then(|key| key.get("Status").cloned()).unwrap_or(Value::Null)
            },
            achieved: |call, state| call.inputs.get("Status") == Some(state),
            restore: |call, before| {
                let status = before.as_str()?;
                Some(vec![other(
                    call,
                    "UpdateAccessKey",
                    &["UserName", "AccessKeyId"],
                    &[("Status", status.into())],
                )])
            },
        },
    ),
    change(
        ("iam", "UpdateServiceSpecificCredential", Risk::R1),
        (&["UserName", "ServiceSpecificCredentialId", "Status"], &[]),
        &["iam:UpdateServiceSpecificCredential"],
        USER,
        Effect {
            reads: &[reading("ListServiceSpecificCredentials", &[("UserName", "UserName")])],
            state: |call, answers| {
                let id = call.inputs.get("ServiceSpecificCredentialId");
                let list = "ServiceSpecificCredentials";
                let found = entry(answers, list, "ServiceSpecificCredentialId", id);
                found.and_then(|one| one.get("Status").cloned()).unwrap_or(Value::Null)
            },
            achieved: |call, state| call.inputs.get("Status") == Some(state),
            restore: |call, before| {
                let kept = ["UserName", "ServiceSpecificCredentialId"];
                let status = before.as_str()?;
                Some(vec![other(
                    call,
                    "UpdateServiceSpecificCredential",
                    &kept,
                    &[("Status", status.into())],
                )])
            },
        },
    ),
    change(
        ("iam", "PutUserPolicy", Risk::R1),
        (&["UserName", "PolicyName", "PolicyDocument"], &[]),
        &["iam:PutUserPolicy"],
        USER,
        Effect {
            reads: &[reading(
                "GetUserPolicy",
                &[("UserName", "UserName"), ("PolicyName", "PolicyName")],
            )],
            state: document,
            achieved: puts,
            restore: |call, before| Some(vec![inline(call, "User", before)]),
        },
    ),
    change(
        ("iam", "DeleteUserPolicy", Risk::R1),
        (&["UserName", "PolicyName"], &[]),
        &["iam:DeleteUserPolicy"],
        USER,
        Effect {
            reads: &[reading(
                "GetUserPolicy",
                &[("UserName", "UserName"), ("PolicyName", "PolicyName")],
            )],
            state: document,
            achieved: |_, state| state.is_null(),
            restore: |call, before| Some(vec![inline(call, "User", before)]),
        },
    ),
    change(
        ("iam", "PutRolePolicy", Risk::R1),
        (&["RoleName", "PolicyName", "PolicyDocument"], &[]),
        &["iam:PutRolePolicy"],
        ROLE,
        Effect {
            reads: &[reading(
                "GetRolePolicy",
                &[("RoleName", "RoleName"), ("PolicyName", "PolicyName")],
            )],
            state: document,
            achieved: puts,
            restore: |call, before| Some(vec![inline(call, "Role", before)]),
        },
    ),
    change(
        ("iam", "DeleteRolePolicy", Risk::R1),
        (&["RoleName", "PolicyName"], &[]),
        &["iam:DeleteRolePolicy"],
        ROLE,
        Effect {
            reads: &[reading(
                "GetRolePolicy",
                &[("RoleName", "RoleName"), ("PolicyName", "PolicyName")],
            )],
            state: document,
            achieved: |_, state| state.is_null(),
            restore: |call, before| Some(vec![inline(call, "Role", before)]),
        },
    ),
    change(
        ("iam", "AttachUserPolicy", Risk::R2),
        (&["UserName", "PolicyArn"], &[]),
        &["iam:AttachUserPolicy"],
        USER,
        Effect {
            reads: &[reading("ListAttachedUserPolicies", &[("UserName", "UserName")])],
            state: attached,
            achieved: |_, state| *state == true,
            restore: |call, before| Some(vec![attachment(call, "User", before)]),
        },
    ),
    change(
        ("iam", "DetachUserPolicy", Risk::R1),
        (&["UserName", "PolicyArn"], &[]),
        &["iam:DetachUserPolicy"],
        USER,
        Effect {
            reads: &[reading("ListAttachedUserPolicies", &[("UserName", "UserName")])],
            state: attached,
            achieved: |_, state| *state == false,
            restore: |call, before| Some(vec![attachment(call, "User", before)]),
        },
    ),
    change(
        ("iam", "AttachRolePolicy", Risk::R2),
        (&["RoleName", "PolicyArn"], &[]),
        &["iam:AttachRolePolicy"],
        ROLE,
        Effect {
            reads: &[reading("ListAttachedRolePolicies", &[("RoleName", "RoleName")])],
            state: attached,
            achieved: |_, state| *state == true,
            restore: |call, before| Some(vec![attachment(call, "Role", before)]),
        },
    ),
    change(
        ("iam", "DetachRolePolicy", Risk::R1),
        (&["RoleName", "PolicyArn"], &[]),
        &["iam:DetachRolePolicy"],
        ROLE,
        Effect {
            reads: &[reading("ListAttachedRolePolicies", &[("RoleName", "RoleName")])],
            state: attached,
            achieved: |_, state| *state == false,
            restore: |call, before| Some(vec![attachment(call, "Role", before)]),
        },
    ),
    change(
        ("iam", "UpdateAssumeRolePolicy", Risk::R2),
        (&["RoleName", "PolicyDocument"], &[]),
        &["iam:UpdateAssumeRolePolicy"],
        ROLE,
        Effect {
            reads: &[reading("GetRole", &[("RoleName", "RoleName")])],
            state: |_, answers| at(answers, "/Role/AssumeRolePolicyDocument"),
            achieved: puts,
            restore: |call, before| {
                let document = before.as_str()?;
                Some(vec![other(
                    call,
                    "UpdateAssumeRolePolicy",
                    &["RoleName"],
                    &[("PolicyDocument", document.into())],
                )])
            },
        },
    ),
    change(
        ("iam", "PutUserPermissionsBoundary", Risk::R2),
        (&["UserName", "PermissionsBoundary"], &[]),
        &["iam:PutUserPermissionsBoundary"],
        USER,
        Effect {
            reads: &[reading("GetUser", &[("UserName", "UserName")])],
            state: |_, answers| at(answers, "/User/PermissionsBoundary/PermissionsBoundaryArn"),
            achieved: |call, state| call.inputs.get("PermissionsBoundary") == Some(state),
            restore: |call, before| Some(vec![boundary(call, "User", before)]),
        },
    ),
    change(
        ("iam", "PutRolePermissionsBoundary", Risk::R2),
        (&["RoleName", "PermissionsBoundary"], &[]),
        &["iam:PutRolePermissionsBoundary"],
        ROLE,
        Effect {
            reads: &[reading("GetRole", &[("RoleName", "RoleName")])],
            state: |_, answers| at(answers, "/Role/PermissionsBoundary/PermissionsBoundaryArn"),
            achieved: |call, state| call.inputs.get("PermissionsBoundary") == Some(state),
            restore: |call, before| Some(vec![boundary(call, "Role", before)]),
        },
    ),
    change(
        ("iam", "RemoveUserFromGroup", Risk::R1),
        (&["UserName", "GroupName"], &[]),
        &["iam:RemoveUserFromGroup"],
        GROUP,
        Effect {
            reads: &[reading("ListGroupsForUser", &[("UserName", "UserName")])],
            state: |call, answers| {
                let group = call.inputs.get("GroupName");
                entry(answers, "Groups", "GroupName", group).is_some().into()
            },
            achieved: |_, state| *state == false,
            restore: |call, before| {
                let api = if *before == true { "AddUserToGroup" } else { "RemoveUserFromGroup" };
                Some(vec![other(call, api, &["UserName", "GroupName"], &[])])
            },
        },
    ),
    change(
        ("iam", "SetDefaultPolicyVersion", Risk::R2),
        (&["PolicyArn", "VersionId"], &[]),
        &["iam:SetDefaultPolicyVersion"],
        POLICY,
        Effect {
            reads: &[reading("GetPolicy", &[("PolicyArn", "PolicyArn")])],
            state: |_, answers| at(answers, "/Policy/DefaultVersionId"),
            achieved: |call, state| call.inputs.get("VersionId") == Some(state),
            restore: |call, before| {
                let version = before.as_str()?;
                Some(vec![other(
                    call,
                    "SetDefaultPolicyVersion",
                    &["PolicyArn"],
                    &[("VersionId", version.into())],
                )])
            },
        },
    ),
    planned("iam", "DeleteLoginProfile", (&["UserName"], &[]), &["iam:DeleteLoginProfile"], USER),
    planned(
        "iam",
        "UpdateLoginProfile",
        (&["UserName", "Password"], &["PasswordResetRequired"]),
        &["iam:UpdateLoginProfile"],
        USER,
    ),
    planned(
        "iam",
        "DeactivateMFADevice",
        (&["UserName", "SerialNumber"], &[]),
        &["iam:DeactivateMFADevice"],
        USER,
    ),
    undoing(
        "iam",
        "AddUserToGroup",
        (&["UserName", "GroupName"], &[]),
        &["iam:AddUserToGroup"],
        GROUP,
    ),
    undoing(
        "iam",
        "DeleteRolePermissionsBoundary",
        (&["RoleName"], &[]),
        &["iam:DeleteRolePermissionsBoundary"],
        ROLE,
    ),
    undoing(
        "iam",
        "DeleteUserPermissionsBoundary",
        (&["UserName"], &[]),
        &["iam:DeleteUserPermissionsBoundary"],
        USER,
    ),
];

/// The document of an inline policy, as text.
fn document(_: &Call, answers: &[Option<Value>]) -> Value {
    at(answers, "/PolicyDocument")
}

fn puts(call: &Call, state: &Value) -> bool {
    call.inputs.get("PolicyDocument").is_some_and(|wanted| same_document(wanted, state))
}

/// The call that makes an inline policy what it was.
fn inline(call: &Call, of: &str, before: &Value) -> Call {
    let name = format!("{of}Name");
    let kept = [name.as_str(), "PolicyName"];
    match before.as_str() {
        Some(text) => {
            other(call, &format!("Put{of}Policy"), &kept, &[("PolicyDocument", text.into())])
        }
        None => other(call, &format!("Delete{of}Policy"), &kept, &[]),
    }
}

/// Whether a managed policy is attached.
fn attached(call: &Call, answers: &[Option<Value>]) -> Value {
    let arn = call.inputs.get("PolicyArn");
    json!(entry(answers, "AttachedPolicies", "PolicyArn", arn).is_some())
}

fn attachment(call: &Call, of: &str, before: &Value) -> Call {
    let name = format!("{of}Name");
    let verb = if *before == true { "Attach" } else { "Detach" };
    other(call, &format!("{verb}{of}Policy"), &[name.as_str(), "PolicyArn"], &[])
}

fn boundary(call: &Call, of: &str, before: &Value) -> Call {
    let name = format!("{of}Name");
    match before.as_str() {
        Some(arn) => other(
            call,
            &format!("Put{of}PermissionsBoundary"),
            &[name.as_str()],
            &[("PermissionsBoundary", arn.into())],
        ),
        None => other(call, &format!("Delete{of}PermissionsBoundary"), &[name.as_str()], &[]),
    }
}
