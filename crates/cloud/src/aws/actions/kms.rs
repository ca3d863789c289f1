//! KMS: keys that are to be deleted, and who may use a key.

use aws_sdk_kms::Client;
use aws_sdk_kms::types::{KeyMetadata, KeyState, KeyUsageType, OriginType};
use serde_json::Value;

use super::apis;
use super::json::object;

apis! { |_: &super::Caller<'_>, config: &_| Client::new(config);
    "DescribeKey" describe_key (set_key_id name("KeyId"))
        answer => object! { "KeyMetadata": answer.key_metadata().map(metadata) };
    "CancelKeyDeletion" cancel_key_deletion (set_key_id name("KeyId"))
        answer => object! { "KeyId": answer.key_id() };
    "EnableKey" enable_key (set_key_id name("KeyId")) _ => object! {};
    "DisableKey" disable_key (set_key_id name("KeyId")) _ => object! {};
    "ScheduleKeyDeletion" schedule_key_deletion (
        set_key_id name("KeyId"), set_pending_window_in_days number("PendingWindowInDays"))
        answer => object! {
            "KeyId": answer.key_id(),
            "DeletionDate": answer.deletion_date(),
            "KeyState": answer.key_state().map(KeyState::as_str),
            "PendingWindowInDays": answer.pending_window_in_days(),
        };
    "GetKeyPolicy" get_key_policy (set_key_id name("KeyId"), set_policy_name text("PolicyName"))
        answer => object! { "Policy": answer.policy(), "PolicyName": answer.policy_name() };
    // There is no input for the bypass of the lock-out check: it is never to be set.
    "PutKeyPolicy" put_key_policy (
        set_key_id name("KeyId"), set_policy_name text("PolicyName"), set_policy name("Policy"))
        _ => object! {};
}

fn metadata(key: &KeyMetadata) -> Value {
    object! {
        "AWSAccountId": key.aws_account_id(),
        "KeyId": key.key_id(),
        "Arn": key.arn(),
        "CreationDate": key.creation_date(),
        "Enabled": key.enabled(),
        "Description": key.description(),
        "KeyUsage": key.key_usage().map(KeyUsageType::as_str),
        "KeyState": key.key_state().map(KeyState::as_str),
        "DeletionDate": key.deletion_date(),
        "PendingDeletionWindowInDays": key.pending_deletion_window_in_days(),
        "ValidTo": key.valid_to(),
        "Origin": key.origin().map(OriginType::as_str),
        "KeyManager": key.key_manager().map(|manager| manager.as_str()),
        "KeySpec": key.key_spec().map(|spec| spec.as_str()),
        "MultiRegion": key.multi_region(),
    }
}
