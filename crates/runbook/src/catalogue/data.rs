//! What holds data, keys and logs: S3, KMS, CloudTrail, Lambda.

use serde_json::{Value, json};

use super::parts::{at, change, other, planned, read, reading, same_document, undoing};
use super::{Api, Effect, Risk};
use crate::call::Call;

const BUCKET: &str = "arn:{partition}:s3:::{Bucket}";
const KEY: &str = "{KeyId}";
const TRAIL: &str = "{Name}";
const FUNCTION: &str = "arn:{partition}:lambda:{region}:{account}:function:{FunctionName}";

/// The table.
pub(super) const APIS: &[Api] = &[
    read(
        "s3",
        "GetPublicAccessBlock",
        (&["Bucket"], &[]),
        &["s3:GetBucketPublicAccessBlock"],
        BUCKET,
    ),
    read("s3", "GetBucketPolicy", (&["Bucket"], &[]), &["s3:GetBucketPolicy"], BUCKET),
    read("s3", "GetBucketVersioning", (&["Bucket"], &[]), &["s3:GetBucketVersioning"], BUCKET),
    read("s3", "GetBucketAcl", (&["Bucket"], &[]), &["s3:GetBucketAcl"], BUCKET),
    read("kms", "DescribeKey", (&["KeyId"], &[]), &["kms:DescribeKey"], KEY),
    read("kms", "GetKeyPolicy", (&["KeyId"], &["PolicyName"]), &["kms:GetKeyPolicy"], KEY),
    read("cloudtrail", "GetTrailStatus", (&["Name"], &[]), &["cloudtrail:GetTrailStatus"], TRAIL),
    read("cloudtrail", "GetTrail", (&["Name"], &[]), &["cloudtrail:GetTrail"], TRAIL),
    read(
        "cloudtrail",
        "GetEventSelectors",
        (&["TrailName"], &[]),
        &["cloudtrail:GetEventSelectors"],
        "{TrailName}",
    ),
    read(
        "lambda",
        "GetFunctionConcurrency",
        (&["FunctionName"], &[]),
        &["lambda:GetFunctionConcurrency"],
        FUNCTION,
    ),
    read("lambda", "GetPolicy", (&["FunctionName"], &[]), &["lambda:GetPolicy"], FUNCTION),
    read(
        "lambda",
        "GetFunctionUrlConfig",
        (&["FunctionName"], &[]),
        &["lambda:GetFunctionUrlConfig"],
        FUNCTION,
    ),
    change(
        ("s3", "PutPublicAccessBlock", Risk::R1),
        (&["Bucket", "PublicAccessBlockConfiguration"], &[]),
        &["s3:PutBucketPublicAccessBlock"],
        BUCKET,
        Effect {
            reads: &[reading("GetPublicAccessBlock", &[("Bucket", "Bucket")])],
            state: |_, answers| at(answers, "/PublicAccessBlockConfiguration"),
            achieved: |call, state| {
                let wanted =
                    call.inputs.get("PublicAccessBlockConfiguration").and_then(Value::as_object);
                wanted.is_some_and(|wanted| {
                    wanted.iter().all(|(name, value)| state.get(name) == Some(value))
                })
            },
            restore: |call, before| {
                Some(vec![match before {
                    Value::Null => other(call, "DeletePublicAccessBlock", &["Bucket"], &[]),
                    before => other(
                        call,
                        "PutPublicAccessBlock",
                        &["Bucket"],
                        &[("PublicAccessBlockConfiguration", before.clone())],
                    ),
                }])
            },
        },
    ),
    undoing(
        "s3",
        "DeletePublicAccessBlock",
        (&["Bucket"], &[]),
        &["s3:PutBucketPublicAccessBlock"],
        BUCKET,
    ),
    change(
        ("s3", "PutBucketPolicy", Risk::R2),
        (&["Bucket", "Policy"], &[]),
        &["s3:PutBucketPolicy"],
        BUCKET,
        Effect {
            reads: &[reading("GetBucketPolicy", &[("Bucket", "Bucket")])],
            state: |_, answers| at(answers, "/Policy"),
            achieved: |call, state| {
                call.inputs.get("Policy").is_some_and(|wanted| same_document(wanted, state))
            },
            restore: bucket_policy,
        },
    ),
    change(
        ("s3", "DeleteBucketPolicy", Risk::R2),
        (&["Bucket"], &[]),
        &["s3:DeleteBucketPolicy"],
        BUCKET,
        Effect {
            reads: &[reading("GetBucketPolicy", &[("Bucket", "Bucket")])],
            state: |_, answers| at(answers, "/Policy"),
            achieved: |_, state| state.is_null(),
            restore: bucket_policy,
        },
    ),
    change(
        ("s3", "PutBucketVersioning", Risk::R1),
        (&["Bucket", "VersioningConfiguration"], &[]),
        &["s3:PutBucketVersioning"],
        BUCKET,
        Effect {
            reads: &[reading("GetBucketVersioning", &[("Bucket", "Bucket")])],
            state: |_, answers| at(answers, "/Status"),
            achieved: |call, state| {
                call.inputs.get("VersioningConfiguration").and_then(|wanted| wanted.get("Status"))
                    == Some(state)
            },
            restore: |call, before| {
                let wanted = json!({ "Status": before.as_str()? });
                Some(vec![other(
                    call,
                    "PutBucketVersioning",
                    &["Bucket"],
                    &[("VersioningConfiguration", wanted)],
                )])
            },
        },
    ),
    planned("s3", "PutBucketAcl", (&["Bucket", "ACL"], &[]), &["s3:PutBucketAcl"], BUCKET),
    change(
        ("kms", "CancelKeyDeletion", Risk::R1),
        (&["KeyId"], &[]),
        &["kms:CancelKeyDeletion"],
        KEY,
        Effect {
            reads: &[reading("DescribeKey", &[("KeyId", "KeyId")])],
            state: key_state,
            achieved: |_, state| !state.is_null() && *state != "PendingDeletion",
            // When it was to be deleted is lost with the cancellation.
            restore: |_, _| None,
        },
    ),
    change(
        ("kms", "EnableKey", Risk::R1),
        (&["KeyId"], &[]),
        &["kms:EnableKey"],
        KEY,
        Effect {
            reads: &[reading("DescribeKey", &[("KeyId", "KeyId")])],
            state: key_state,
            achieved: |_, state| *state == "Enabled",
            restore: |call, before| {
                (*before == "Disabled").then(|| vec![other(call, "DisableKey", &["KeyId"], &[])])
            },
        },
    ),
    change(
        ("kms", "DisableKey", Risk::R2),
        (&["KeyId"], &[]),
        &["kms:DisableKey"],
        KEY,
        Effect {
            reads: &[reading("DescribeKey", &[("KeyId", "KeyId")])],
            state: key_state,
            achieved: |_, state| *state == "Disabled",
            restore: |call, before| {
                (*before == "Enabled").then(|| vec![other(call, "EnableKey", &["KeyId"], &[])])
            },
        },
    ),
    planned(
        "kms",
        "ScheduleKeyDeletion",
        (&["KeyId"], &["PendingWindowInDays"]),
        &["kms:ScheduleKeyDeletion"],
        KEY,
    ),
    change(
        ("kms", "PutKeyPolicy", Risk::R2),
        (&["KeyId", "Policy"], &["PolicyName", "BypassPolicyLockoutSafetyCheck"]),
        &["kms:PutKeyPolicy"],
        KEY,
        Effect {
            reads: &[super::Reading {
                api: "GetKeyPolicy",
                inputs: &[("KeyId", "KeyId")],
                fixed: &[("PolicyName", "default")],
            }],
            state: |_, answers| at(answers, "/Policy"),
            achieved: |call, state| {
                call.inputs.get("Policy").is_some_and(|wanted| same_document(wanted, state))
            },
            restore: |call, before| {
                let policy = before.as_str()?;
                Some(vec![other(
                    call,
                    "PutKeyPolicy",
                    &["KeyId", "PolicyName"],
                    &[("Policy", policy.into())],
                )])
            },
        },
    ),
    change(
        ("cloudtrail", "StartLogging", Risk::R1),
        (&["Name"], &[]),
        &["cloudtrail:StartLogging"],
        TRAIL,
        Effect {
            reads: &[reading("GetTrailStatus", &[("Name", "Name")])],
            state: |_, answers| at(answers, "/IsLogging"),
            achieved: |_, state| *state == true,
            restore: |call, before| {
                (*before == false).then(|| vec![other(call, "StopLogging", &["Name"], &[])])
            },
        },
    ),
    undoing("cloudtrail", "StopLogging", (&["Name"], &[]), &["cloudtrail:StopLogging"], TRAIL),
    change(
        ("cloudtrail", "PutEventSelectors", Risk::R1),
        (&["TrailName"], &["EventSelectors", "AdvancedEventSelectors"]),
        &["cloudtrail:PutEventSelectors"],
        "{TrailName}",
        Effect {
            reads: &[reading("GetEventSelectors", &[("TrailName", "TrailName")])],
            state: |_, answers| {
                json!({
                    "EventSelectors": at(answers, "/EventSelectors"),
                    "AdvancedEventSelectors": at(answers, "/AdvancedEventSelectors"),
                })
            },
            achieved: |call, state| {
                ["EventSelectors", "AdvancedEventSelectors"].iter().all(|name| {
                    call.inputs.get(*name).is_none_or(|wanted| state.get(*name) == Some(wanted))
                })
            },
            restore: |call, before| {
                let kinds = ["EventSelectors", "AdvancedEventSelectors"];
                let some = kinds.iter().find_map(|name| {
                    let list = before.get(*name)?.as_array()?;
                    (!list.is_empty()).then(|| (*name, before[*name].clone()))
                })?;
                Some(vec![other(call, "PutEventSelectors", &["TrailName"], &[some])])
            },
        },
    ),
    change(
        ("lambda", "PutFunctionConcurrency", Risk::R2),
        (&["FunctionName", "ReservedConcurrentExecutions"], &[]),
        &["lambda:PutFunctionConcurrency"],
        FUNCTION,
        Effect {
            reads: &[reading("GetFunctionConcurrency", &[("FunctionName", "FunctionName")])],
            state: |_, answers| at(answers, "/ReservedConcurrentExecutions"),
            achieved: |call, state| call.inputs.get("ReservedConcurrentExecutions") == Some(state),
            restore: |call, before| {
                Some(vec![match before {
                    Value::Null => other(call, "DeleteFunctionConcurrency", &["FunctionName"], &[]),
                    before => other(
                        call,
                        "PutFunctionConcurrency",
                        &["FunctionName"],
                        &[("ReservedConcurrentExecutions", before.clone())],
                    ),
                }])
            },
        },
    ),
    undoing(
        "lambda",
        "DeleteFunctionConcurrency",
        (&["FunctionName"], &[]),
        &["lambda:DeleteFunctionConcurrency"],
        FUNCTION,
    ),
    planned(
        "lambda",
        "RemovePermission",
        (&["FunctionName", "StatementId"], &["Qualifier"]),
        &["lambda:RemovePermission"],
        FUNCTION,
    ),
    planned(
        "lambda",
        "DeleteFunctionUrlConfig",
        (&["FunctionName"], &["Qualifier"]),
        &["lambda:DeleteFunctionUrlConfig"],
        FUNCTION,
    ),
];

fn key_state(_: &Call, answers: &[Option<Value>]) -> Value {
    at(answers, "/KeyMetadata/KeyState")
}

fn bucket_policy(call: &Call, before: &Value) -> Option<Vec<Call>> {
    Some(vec![match before.as_str() {
        Some(policy) => other(call, "PutBucketPolicy", &["Bucket"], &[("Policy", policy.into())]),
        None => other(call, "DeleteBucketPolicy", &["Bucket"], &[]),
    }])
}
