//! IAM: users, their keys and log-ins, roles, groups, and the policies of all of them.

use std::collections::HashMap;

use aws_sdk_iam::Client;
use aws_sdk_iam::types::{
    AccessKeyMetadata, AttachedPermissionsBoundary, AttachedPolicy, ContextEntry,
    ContextKeyTypeEnum, EvaluationResult, Group, MfaDevice, Policy, PolicyVersion, Role,
    ServiceSpecificCredentialMetadata, StatusType, SummaryKeyType, Tag, User,
};
use serde_json::Value;

use super::apis;
use super::inputs::Inputs;
use super::json::{document, list, object};
use crate::error::CloudError;

apis! { |_: &super::Caller<'_>, config: &_| Client::new(config);
    // Users and what they sign in with.
    "GetUser" get_user (set_user_name name("UserName"))
        answer => object! { "User": answer.user().map(user) };
    "UpdateAccessKey" update_access_key (
        set_user_name text("UserName"), set_access_key_id name("AccessKeyId"),
        set_status required_choice("Status", StatusType::try_parse))
        _ => object! {};
    "ListAccessKeys" list_access_keys (set_user_name name("UserName"), set_marker text("Marker"))
        answer => object! {
            "AccessKeyMetadata": list(answer.access_key_metadata(), access_key),
            "IsTruncated": answer.is_truncated(), "Marker": answer.marker(),
        };
    "GetAccessKeyLastUsed" get_access_key_last_used (set_access_key_id name("AccessKeyId"))
        answer => object! {
            "UserName": answer.user_name(),
            "AccessKeyLastUsed": answer.access_key_last_used().map(|used| object! {
                "LastUsedDate": used.last_used_date(),
                "ServiceName": used.service_name(),
                "Region": used.region(),
            }),
        };
    "GetLoginProfile" get_login_profile (set_user_name name("UserName"))
        answer => object! {
            "LoginProfile": answer.login_profile().map(|profile| object! {
                "UserName": profile.user_name(),
                "CreateDate": profile.create_date(),
                "PasswordResetRequired": profile.password_reset_required(),
            }),
        };
    "ListMFADevices" list_mfa_devices (set_user_name name("UserName"), set_marker text("Marker"))
        answer => object! {
            "MFADevices": list(answer.mfa_devices(), mfa_device),
            "IsTruncated": answer.is_truncated(), "Marker": answer.marker(),
        };
    "ListServiceSpecificCredentials" list_service_specific_credentials (
        set_user_name name("UserName"), set_service_name text("ServiceName"), set_marker text("Marker"))
        answer => object! {
            "ServiceSpecificCredentials": list(answer.service_specific_credentials(), service_credential),
            "IsTruncated": answer.is_truncated(), "Marker": answer.marker(),
        };
    "UpdateServiceSpecificCredential" update_service_specific_credential (
        set_user_name text("UserName"),
        set_service_specific_credential_id name("ServiceSpecificCredentialId"),
        set_status required_choice("Status", StatusType::try_parse))
        _ => object! {};

    // Policies of a user.
    "PutUserPolicy" put_user_policy (
        set_user_name name("UserName"), set_policy_name name("PolicyName"),
        set_policy_document name("PolicyDocument"))
        _ => object! {};
    "GetUserPolicy" get_user_policy (set_user_name name("UserName"), set_policy_name name("PolicyName"))
        answer => object! {
            "UserName": answer.user_name(), "PolicyName": answer.policy_name(),
            "PolicyDocument": document(answer.policy_document()),
        };
    "DeleteUserPolicy" delete_user_policy (
        set_user_name name("UserName"), set_policy_name name("PolicyName"))
        _ => object! {};
    "ListUserPolicies" list_user_policies (set_user_name name("UserName"), set_marker text("Marker"))
        answer => object! {
            "PolicyNames": answer.policy_names(),
            "IsTruncated": answer.is_truncated(), "Marker": answer.marker(),
        };
    "AttachUserPolicy" attach_user_policy (
        set_user_name name("UserName"), set_policy_arn name("PolicyArn"))
        _ => object! {};
    "DetachUserPolicy" detach_user_policy (
        set_user_name name("UserName"), set_policy_arn name("PolicyArn"))
        _ => object! {};
    "ListAttachedUserPolicies" list_attached_user_policies (
        set_user_name name("UserName"), set_path_prefix text("PathPrefix"), set_marker text("Marker"))
        answer => object! {
            "AttachedPolicies": list(answer.attached_policies(), attached),
            "IsTruncated": answer.is_truncated(), "Marker": answer.marker(),
        };
    "PutUserPermissionsBoundary" put_user_permissions_boundary (
        set_user_name name("UserName"), set_permissions_boundary name("PermissionsBoundary"))
        _ => object! {};
    "DeleteUserPermissionsBoundary" delete_user_permissions_boundary (set_user_name name("UserName"))
        _ => object! {};

    // Roles and their policies.
    "GetRole" get_role (set_role_name name("RoleName"))
        answer => object! { "Role": answer.role().map(role) };
    "UpdateAssumeRolePolicy" update_assume_role_policy (
        set_role_name name("RoleName"), set_policy_document name("PolicyDocument"))
        _ => object! {};
    "PutRolePolicy" put_role_policy (
        set_role_name name("RoleName"), set_policy_name name("PolicyName"),
        set_policy_document name("PolicyDocument"))
        _ => object! {};
    "GetRolePolicy" get_role_policy (set_role_name name("RoleName"), set_policy_name name("PolicyName"))
        answer => object! {
            "RoleName": answer.role_name(), "PolicyName": answer.policy_name(),
            "PolicyDocument": document(answer.policy_document()),
        };
    "DeleteRolePolicy" delete_role_policy (
        set_role_name name("RoleName"), set_policy_name name("PolicyName"))
        _ => object! {};
    "ListRolePolicies" list_role_policies (set_role_name name("RoleName"), set_marker text("Marker"))
        answer => object! {
            "PolicyNames": answer.policy_names(),
            "IsTruncated": answer.is_truncated(), "Marker": answer.marker(),
        };
    "AttachRolePolicy" attach_role_policy (
        set_role_name name("RoleName"), set_policy_arn name("PolicyArn"))
        _ => object! {};
    "DetachRolePolicy" detach_role_policy (
        set_role_name name("RoleName"), set_policy_arn name("PolicyArn"))
        _ => object! {};
    "ListAttachedRolePolicies" list_attached_role_policies (
        set_role_name name("RoleName"), set_path_prefix text("PathPrefix"), set_marker text("Marker"))
        answer => object! {
            "AttachedPolicies": list(answer.attached_policies(), attached),
            "IsTruncated": answer.is_truncated(), "Marker": answer.marker(),
        };
    "PutRolePermissionsBoundary" put_role_permissions_boundary (
        set_role_name name("RoleName"), set_permissions_boundary name("PermissionsBoundary"))
        _ => object! {};
    "DeleteRolePermissionsBoundary" delete_role_permissions_boundary (set_role_name name("RoleName"))
        _ => object! {};

    // Groups.
    "DetachGroupPolicy" detach_group_policy (
        set_group_name name("GroupName"), set_policy_arn name("PolicyArn"))
        _ => object! {};
    "AttachGroupPolicy" attach_group_policy (
        set_group_name name("GroupName"), set_policy_arn name("PolicyArn"))
        _ => object! {};
    "ListAttachedGroupPolicies" list_attached_group_policies (
        set_group_name name("GroupName"), set_path_prefix text("PathPrefix"), set_marker text("Marker"))
        answer => object! {
            "AttachedPolicies": list(answer.attached_policies(), attached),
            "IsTruncated": answer.is_truncated(), "Marker": answer.marker(),
        };
    "AddUserToGroup" add_user_to_group (
        set_group_name name("GroupName"), set_user_name name("UserName"))
        _ => object! {};
    "RemoveUserFromGroup" remove_user_from_group (
        set_group_name name("GroupName"), set_user_name name("UserName"))
        _ => object! {};
    "ListGroupsForUser" list_groups_for_user (set_user_name name("UserName"), set_marker text("Marker"))
        answer => object! {
            "Groups": list(answer.groups(), group),
            "IsTruncated": answer.is_truncated(), "Marker": answer.marker(),
        };

    // Managed policies.
    "GetPolicy" get_policy (set_policy_arn name("PolicyArn"))
        answer => object! { "Policy": answer.policy().map(policy) };
    "GetPolicyVersion" get_policy_version (
        set_policy_arn name("PolicyArn"), set_version_id name("VersionId"))
        answer => object! { "PolicyVersion": answer.policy_version().map(policy_version) };
    "ListPolicyVersions" list_policy_versions (
        set_policy_arn name("PolicyArn"), set_marker text("Marker"))
        answer => object! {
            "Versions": list(answer.versions(), policy_version),
            "IsTruncated": answer.is_truncated(), "Marker": answer.marker(),
        };
    "SetDefaultPolicyVersion" set_default_policy_version (
        set_policy_arn name("PolicyArn"), set_version_id name("VersionId"))
        _ => object! {};
    "GetAccountSummary" get_account_summary ()
        answer => object! { "SummaryMap": answer.summary_map().map(counts) };
    "SimulatePrincipalPolicy" simulate_principal_policy (
        set_policy_source_arn name("PolicySourceArn"), set_action_names names("ActionNames"),
        set_resource_arns texts("ResourceArns"), set_policy_input_list texts("PolicyInputList"),
        set_resource_policy text("ResourcePolicy"), set_caller_arn text("CallerArn"),
        set_context_entries structures("ContextEntries", context_entry), set_marker text("Marker"))
        answer => object! {
            "EvaluationResults": list(answer.evaluation_results(), evaluation),
            "IsTruncated": answer.is_truncated(), "Marker": answer.marker(),
        };
}

fn counts(counts: &HashMap<SummaryKeyType, i32>) -> Value {
    counts.iter().map(|(key, count)| (key.as_str().to_owned(), Value::from(*count))).collect()
}

fn tags(tags: &[Tag]) -> Option<Vec<Value>> {
    let made = list(tags, |tag| object! { "Key": tag.key(), "Value": tag.value() });
    (!made.is_empty()).then_some(made)
}

fn boundary(boundary: &AttachedPermissionsBoundary) -> Value {
    object! {
        "PermissionsBoundaryType":
            boundary.permissions_boundary_type().map(|kind| kind.as_str()),
        "PermissionsBoundaryArn": boundary.permissions_boundary_arn(),
    }
}

fn user(user: &User) -> Value {
    object! {
        "Path": user.path(),
        "UserName": user.user_name(),
        "UserId": user.user_id(),
        "Arn": user.arn(),
        "CreateDate": user.create_date(),
        "PasswordLastUsed": user.password_last_used(),
        "PermissionsBoundary": user.permissions_boundary().map(boundary),
        "Tags": tags(user.tags()),
    }
}

fn role(role: &Role) -> Value {
    object! {
        "Path": role.path(),
        "RoleName": role.role_name(),
        "RoleId": role.role_id(),
        "Arn": role.arn(),
        "CreateDate": role.create_date(),
        "AssumeRolePolicyDocument": role.assume_role_policy_document().map(document),
        "Description": role.description(),
        "MaxSessionDuration": role.max_session_duration(),
        "PermissionsBoundary": role.permissions_boundary().map(boundary),
        "Tags": tags(role.tags()),
        "RoleLastUsed": role.role_last_used().map(|used| object! {
            "LastUsedDate": used.last_used_date(),
            "Region": used.region(),
        }),
    }
}

fn access_key(key: &AccessKeyMetadata) -> Value {
    object! {
        "UserName": key.user_name(),
        "AccessKeyId": key.access_key_id(),
        "Status": key.status().map(StatusType::as_str),
        "CreateDate": key.create_date(),
    }
}

fn mfa_device(device: &MfaDevice) -> Value {
    object! {
        "UserName": device.user_name(),
        "SerialNumber": device.serial_number(),
        "EnableDate": device.enable_date(),
    }
}

fn service_credential(credential: &ServiceSpecificCredentialMetadata) -> Value {
    object! {
        "UserName": credential.user_name(),
        "Status": credential.status().as_str(),
        "ServiceUserName": credential.service_user_name(),
        "CreateDate": credential.create_date(),
        "ServiceSpecificCredentialId": credential.service_specific_credential_id(),
        "ServiceName": credential.service_name(),
    }
}

fn attached(policy: &AttachedPolicy) -> Value {
    object! { "PolicyName": policy.policy_name(), "PolicyArn": policy.policy_arn() }
}

fn group(group: &Group) -> Value {
    object! {
        "Path": group.path(),
        "GroupName": group.group_name(),
        "GroupId": group.group_id(),
        "Arn": group.arn(),
        "CreateDate": group.create_date(),
    }
}

fn policy(policy: &Policy) -> Value {
    object! {
        "PolicyName": policy.policy_name(),
        "PolicyId": policy.policy_id(),
        "Arn": policy.arn(),
        "Path": policy.path(),
        "DefaultVersionId": policy.default_version_id(),
        "AttachmentCount": policy.attachment_count(),
        "PermissionsBoundaryUsageCount": policy.permissions_boundary_usage_count(),
        "IsAttachable": policy.is_attachable(),
        "Description": policy.description(),
        "CreateDate": policy.create_date(),
        "UpdateDate": policy.update_date(),
        "Tags": tags(policy.tags()),
    }
}

fn policy_version(version: &PolicyVersion) -> Value {
    object! {
        "Document": version.document().map(document),
        "VersionId": version.version_id(),
        "IsDefaultVersion": version.is_default_version(),
        "CreateDate": version.create_date(),
    }
}

fn context_entry(from: &mut Inputs) -> Result<ContextEntry, CloudError> {
    Ok(ContextEntry::builder()
        .set_context_key_name(from.name("ContextKeyName")?)
        .set_context_key_values(from.texts("ContextKeyValues")?)
        .set_context_key_type(
            from.required_choice("ContextKeyType", ContextKeyTypeEnum::try_parse)?,
        )
        .build())
}

fn evaluation(result: &EvaluationResult) -> Value {
    object! {
        "EvalActionName": result.eval_action_name(),
        "EvalResourceName": result.eval_resource_name(),
        "EvalDecision": result.eval_decision().as_str(),
        "MatchedStatements": list(result.matched_statements(), |statement| object! {
            "SourcePolicyId": statement.source_policy_id(),
            "SourcePolicyType": statement.source_policy_type().map(|kind| kind.as_str()),
        }),
        "MissingContextValues": result.missing_context_values(),
    }
}
