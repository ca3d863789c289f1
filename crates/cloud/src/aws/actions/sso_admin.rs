//! IAM Identity Center: permission sets, and who has them in which account.

use aws_sdk_ssoadmin::Client;
use aws_sdk_ssoadmin::types::{
    AccountAssignmentOperationStatus, PermissionSetProvisioningStatus, PrincipalType,
    ProvisionTargetType, ProvisioningStatus, StatusValues, TargetType,
};
use serde_json::Value;

use super::apis;
use super::json::{list, object};

apis! { |_: &super::Caller<'_>, config: &_| Client::new(config);
    "GetInlinePolicyForPermissionSet" get_inline_policy_for_permission_set (
        set_instance_arn name("InstanceArn"), set_permission_set_arn name("PermissionSetArn"))
        answer => object! { "InlinePolicy": answer.inline_policy() };
    "PutInlinePolicyToPermissionSet" put_inline_policy_to_permission_set (
        set_instance_arn name("InstanceArn"), set_permission_set_arn name("PermissionSetArn"),
        set_inline_policy name("InlinePolicy"))
        _ => object! {};
    "DeleteInlinePolicyFromPermissionSet" delete_inline_policy_from_permission_set (
        set_instance_arn name("InstanceArn"), set_permission_set_arn name("PermissionSetArn"))
        _ => object! {};
    "ProvisionPermissionSet" provision_permission_set (
        set_instance_arn name("InstanceArn"), set_permission_set_arn name("PermissionSetArn"),
        set_target_id text("TargetId"),
        set_target_type required_choice("TargetType", ProvisionTargetType::try_parse))
        answer => object! {
            "PermissionSetProvisioningStatus":
                answer.permission_set_provisioning_status().map(provisioning),
        };
    "ListAccountsForProvisionedPermissionSet" list_accounts_for_provisioned_permission_set (
        set_instance_arn name("InstanceArn"), set_permission_set_arn name("PermissionSetArn"),
        set_provisioning_status choice("ProvisioningStatus", ProvisioningStatus::try_parse),
        set_next_token text("NextToken"))
        answer => object! {
            "AccountIds": answer.account_ids(), "NextToken": answer.next_token(),
        };
    "ListAccountAssignments" list_account_assignments (
        set_instance_arn name("InstanceArn"), set_account_id name("AccountId"),
        set_permission_set_arn name("PermissionSetArn"), set_next_token text("NextToken"))
        answer => object! {
            "AccountAssignments": list(answer.account_assignments(), |one| object! {
                "AccountId": one.account_id(),
                "PermissionSetArn": one.permission_set_arn(),
                "PrincipalType": one.principal_type().map(PrincipalType::as_str),
                "PrincipalId": one.principal_id(),
            }),
            "NextToken": answer.next_token(),
        };
    "CreateAccountAssignment" create_account_assignment (
        set_instance_arn name("InstanceArn"), set_target_id name("TargetId"),
        set_target_type required_choice("TargetType", TargetType::try_parse),
        set_permission_set_arn name("PermissionSetArn"),
        set_principal_type required_choice("PrincipalType", PrincipalType::try_parse),
        set_principal_id name("PrincipalId"))
        answer => object! {
            "AccountAssignmentCreationStatus":
                answer.account_assignment_creation_status().map(assignment),
        };
    "DeleteAccountAssignment" delete_account_assignment (
        set_instance_arn name("InstanceArn"), set_target_id name("TargetId"),
        set_target_type required_choice("TargetType", TargetType::try_parse),
        set_permission_set_arn name("PermissionSetArn"),
        set_principal_type required_choice("PrincipalType", PrincipalType::try_parse),
        set_principal_id name("PrincipalId"))
        answer => object! {
            "AccountAssignmentDeletionStatus":
                answer.account_assignment_deletion_status().map(assignment),
        };
}

fn provisioning(status: &PermissionSetProvisioningStatus) -> Value {
    object! {
        "Status": status.status().map(StatusValues::as_str),
        "RequestId": status.request_id(),
        "AccountId": status.account_id(),
        "PermissionSetArn": status.permission_set_arn(),
        "FailureReason": status.failure_reason(),
        "CreatedDate": status.created_date(),
    }
}

fn assignment(status: &AccountAssignmentOperationStatus) -> Value {
    object! {
        "Status": status.status().map(StatusValues::as_str),
        "RequestId": status.request_id(),
        "FailureReason": status.failure_reason(),
        "TargetId": status.target_id(),
        "TargetType": status.target_type().map(TargetType::as_str),
        "PermissionSetArn": status.permission_set_arn(),
        "PrincipalType": status.principal_type().map(PrincipalType::as_str),
        "PrincipalId": status.principal_id(),
        "CreatedDate": status.created_date(),
    }
}
