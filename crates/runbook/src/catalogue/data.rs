//! S3, KMS and Lambda: who may read a bucket, whether a key works, whether a function runs.

use serde_json::{Value, json};

use super::Risk::{R1, R2, R3};
use super::common::{change, document, number, object, read, text};
use super::effect::Fill::Same;
use super::effect::{
    Custom, Effect, Property, Read, Shape, Switch, at, call_like, only, unreadable,
};
use super::{Api, Input, permission};
use crate::call::Call;

const BUCKET: &[&str] = &["arn:{partition}:s3:::{Bucket}"];
const KEY: &[&str] = &["arn:{partition}:kms:{region}:{account}:key/{KeyId}"];
const FUNCTION: &[&str] = &["arn:{partition}:lambda:{region}:{account}:function:{FunctionName}"];

const PUT_BLOCK: Effect = Effect {
    reads: &[Read { api: "GetPublicAccessBlock", inputs: &[("Bucket", Same)] }],
    inverses: &["PutPublicAccessBlock", "DeletePublicAccessBlock"],
    shape: Shape::Property(Property {
        item: None,
        path: &["PublicAccessBlockConfiguration"],
        may_lack: false,
        input: "PublicAccessBlockConfiguration",
        keys: &["Bucket"],
        put: "PutPublicAccessBlock",
        delete: Some("DeletePublicAccessBlock"),
        sets: true,
        then: None,
    }),
};

const DELETE_BLOCK: Effect = Effect {
    reads: &[Read { api: "GetPublicAccessBlock", inputs: &[("Bucket", Same)] }],
    inverses: &["PutPublicAccessBlock", "DeletePublicAccessBlock"],
    shape: Shape::Property(Property {
        item: None,
        path: &["PublicAccessBlockConfiguration"],
        may_lack: false,
        input: "PublicAccessBlockConfiguration",
        keys: &["Bucket"],
        put: "PutPublicAccessBlock",
        delete: Some("DeletePublicAccessBlock"),
        sets: false,
        then: None,
    }),
};

const ACCOUNT_BLOCK: Effect = Effect {
    reads: &[Read { api: "GetPublicAccessBlock", inputs: &[("AccountId", Same)] }],
    inverses: &["PutPublicAccessBlock"],
    shape: Shape::Property(Property {
        item: None,
        path: &["PublicAccessBlockConfiguration"],
        may_lack: false,
        input: "PublicAccessBlockConfiguration",
        keys: &["AccountId"],
        put: "PutPublicAccessBlock",
        delete: None,
        sets: true,
        then: None,
    }),
};

const PUT_BUCKET_POLICY: Effect = Effect {
    reads: &[Read { api: "GetBucketPolicy", inputs: &[("Bucket", Same)] }],
    inverses: &["PutBucketPolicy", "DeleteBucketPolicy"],
    shape: Shape::Property(Property {
        item: None,
        path: &["Policy"],
        may_lack: false,
        input: "Policy",
        keys: &["Bucket"],
        put: "PutBucketPolicy",
        delete: Some("DeleteBucketPolicy"),
        sets: true,
        then: None,
    }),
};

const DELETE_BUCKET_POLICY: Effect = Effect {
    reads: &[Read { api: "GetBucketPolicy", inputs: &[("Bucket", Same)] }],
    inverses: &["PutBucketPolicy", "DeleteBucketPolicy"],
    shape: Shape::Property(Property {
        item: None,
        path: &["Policy"],
        may_lack: false,
        input: "Policy",
        keys: &["Bucket"],
        put: "PutBucketPolicy",
        delete: Some("DeleteBucketPolicy"),
        sets: false,
        then: None,
    }),
};

const KEY_POLICY: Effect = Effect {
    reads: &[Read { api: "GetKeyPolicy", inputs: &[("KeyId", Same), ("PolicyName", Same)] }],
    inverses: &["PutKeyPolicy"],
    shape: Shape::Property(Property {
        item: None,
        path: &["Policy"],
        may_lack: false,
        input: "Policy",
        keys: &["KeyId", "PolicyName"],
        put: "PutKeyPolicy",
        delete: None,
        sets: true,
        then: None,
    }),
};

const PUT_CONCURRENCY: Effect = Effect {
    reads: &[Read { api: "GetFunctionConcurrency", inputs: &[("FunctionName", Same)] }],
    inverses: &["PutFunctionConcurrency", "DeleteFunctionConcurrency"],
    shape: Shape::Property(Property {
        item: None,
        path: &["ReservedConcurrentExecutions"],
        may_lack: true,
        input: "ReservedConcurrentExecutions",
        keys: &["FunctionName"],
        put: "PutFunctionConcurrency",
        delete: Some("DeleteFunctionConcurrency"),
        sets: true,
        then: None,
    }),
};

const DELETE_CONCURRENCY: Effect = Effect {
    reads: &[Read { api: "GetFunctionConcurrency", inputs: &[("FunctionName", Same)] }],
    inverses: &["PutFunctionConcurrency", "DeleteFunctionConcurrency"],
    shape: Shape::Property(Property {
        item: None,
        path: &["ReservedConcurrentExecutions"],
        may_lack: true,
        input: "ReservedConcurrentExecutions",
        keys: &["FunctionName"],
        put: "PutFunctionConcurrency",
        delete: Some("DeleteFunctionConcurrency"),
        sets: false,
        then: None,
    }),
};

/// A key is on, off, or on its way out; the state is kept as KMS says it, so that a key whose deletion was scheduled in between
/// does not pass for one that is merely off.
const fn works(is_achieved: fn(&Call, &Value) -> bool) -> Effect {
    Effect {
        reads: &[Read { api: "DescribeKey", inputs: &[("KeyId", Same)] }],
        inverses: &["EnableKey", "DisableKey"],
        shape: Shape::Custom(Custom {
            state: |_, answers| {
                let Some(answer) = only(answers) else { return Value::Null };
                at(answer, &["KeyMetadata", "KeyState"])
                    .map_or_else(|| unreadable("KeyState"), |state| json!({ "KeyState": state }))
            },
            is_achieved,
            restore: |call, before| {
                let api = match before.get("KeyState")?.as_str()? {
                    "Enabled" => "EnableKey",
                    "Disabled" => "DisableKey",
                    _ => return None,
                };
                Some(vec![call_like(call, api, &["KeyId"])])
            },
        }),
    }
}

const ENABLE: Effect =
    works(|_, state| state.get("KeyState").is_some_and(|state| state == "Enabled"));
const DISABLE: Effect =
    works(|_, state| state.get("KeyState").is_some_and(|state| state != "Enabled"));

/// Scheduling the deletion again is left to people.
const CANCEL_DELETION: Effect = Effect {
    reads: &[Read { api: "DescribeKey", inputs: &[("KeyId", Same)] }],
    inverses: &[],
    shape: Shape::Switch(Switch {
        list: None,
        path: &["KeyMetadata", "KeyState"],
        on: "PendingDeletion",
        name: "PendingDeletion",
        wants: Ok(false),
        keys: &["KeyId"],
        calls: [None, None],
    }),
};

const SCHEDULE_DELETION: Effect = Effect {
    reads: &[Read { api: "DescribeKey", inputs: &[("KeyId", Same)] }],
    inverses: &["CancelKeyDeletion"],
    shape: Shape::Switch(Switch {
        list: None,
        path: &["KeyMetadata", "KeyState"],
        on: "PendingDeletion",
        name: "PendingDeletion",
        wants: Ok(true),
        keys: &["KeyId"],
        calls: [None, Some("CancelKeyDeletion")],
    }),
};

/// A bucket that never had versions can't be made one again: versioning can only be suspended.
const VERSIONING: Effect = Effect {
    reads: &[Read { api: "GetBucketVersioning", inputs: &[("Bucket", Same)] }],
    inverses: &["PutBucketVersioning"],
    shape: Shape::Custom(Custom {
        state: |_, answers| {
            let status = only(answers).and_then(|answer| at(answer, &["Status"]));
            status.map_or(Value::Null, |status| json!({ "Status": status }))
        },
        is_achieved: |call, state| {
            let wanted = call.inputs.get("VersioningConfiguration");
            wanted.and_then(|wanted| wanted.get("Status")).is_some()
                && wanted.and_then(|wanted| wanted.get("Status")) == state.get("Status")
        },
        restore: |call, before| {
            let status = before.get("Status")?;
            let mut back = call_like(call, "PutBucketVersioning", &["Bucket"]);
            let configuration = json!({ "Status": status });
            back.inputs.insert("VersioningConfiguration".to_owned(), configuration);
            Some(vec![back])
        },
    }),
};

/// Only the canned ACL `private` is asked for; what was before is put back grant by grant.
const ACL: Effect = Effect {
    reads: &[Read { api: "GetBucketAcl", inputs: &[("Bucket", Same)] }],
    inverses: &["PutBucketAcl"],
    shape: Shape::Custom(Custom {
        state: |_, answers| {
            let Some(answer) = only(answers) else { return Value::Null };
            let owner = at(answer, &["Owner"]);
            let grants = answer.get("Grants").and_then(Value::as_array);
            let Some((owner, grants)) = owner.zip(grants) else { return unreadable("Grants") };
            let mut grants = grants.clone();
            grants.sort_by_cached_key(Value::to_string);
            json!({ "Owner": owner, "Grants": grants })
        },
        is_achieved: is_acl_achieved,
        restore: |call, before| {
            before.get("Grants")?;
            let mut back = call_like(call, "PutBucketAcl", &["Bucket"]);
            back.inputs.insert("AccessControlPolicy".to_owned(), before.clone());
            Some(vec![back])
        },
    }),
};

fn is_acl_achieved(call: &Call, state: &Value) -> bool {
    if let Some(policy) = call.inputs.get("AccessControlPolicy") {
        let sorted = |value: &Value| {
            let mut grants = value.get("Grants").and_then(Value::as_array).cloned();
            if let Some(grants) = &mut grants {
                grants.sort_by_cached_key(Value::to_string);
            }
            grants
        };
        return sorted(policy).is_some() && sorted(policy) == sorted(state);
    }
    let owner = at(state, &["Owner", "ID"]);
    let grants = state.get("Grants").and_then(Value::as_array);
    call.text("ACL") == Some("private")
        && grants.is_some_and(|grants| {
            grants.iter().all(|grant| owner.is_some() && at(grant, &["Grantee", "ID"]) == owner)
        })
}

/// A new URL is another URL, so nothing puts the old one back.
const FUNCTION_URL: Effect = Effect {
    reads: &[Read { api: "GetFunctionUrlConfig", inputs: &[("FunctionName", Same)] }],
    inverses: &[],
    shape: Shape::Custom(Custom {
        state: |_, answers| match only(answers) {
            None => Value::Null,
            Some(answer) => match at(answer, &["FunctionUrl"]) {
                None => unreadable("FunctionUrl"),
                Some(url) => json!({ "FunctionUrl": url }),
            },
        },
        is_achieved: |_, state| state.is_null(),
        restore: |_, _| None,
    }),
};

const BUCKET_NAME: &[Input] = &[text("Bucket")];
const KEY_ID: &[Input] = &[text("KeyId")];
const FUNCTION_NAME: &[Input] = &[text("FunctionName")];
const PERMISSION: &[Input] = &[
    text("FunctionName"),
    text("StatementId"),
    text("Action"),
    text("Principal"),
    text("SourceArn").optional(),
    text("SourceAccount").optional(),
    text("EventSourceToken").optional(),
    text("PrincipalOrgID").optional(),
    text("FunctionUrlAuthType").optional(),
];

/// S3, and S3 Control for a whole account.
pub(super) const S3: &[Api] = &[
    read("s3", "GetPublicAccessBlock", BUCKET_NAME, BUCKET).by("s3:GetBucketPublicAccessBlock"),
    read("s3", "GetBucketPolicy", BUCKET_NAME, BUCKET),
    read("s3", "GetBucketVersioning", BUCKET_NAME, BUCKET),
    read("s3", "GetBucketAcl", BUCKET_NAME, BUCKET),
    change(
        "s3",
        "PutPublicAccessBlock",
        R1,
        &[text("Bucket"), object("PublicAccessBlockConfiguration")],
        BUCKET,
        &PUT_BLOCK,
    )
    .by("s3:PutBucketPublicAccessBlock"),
    change("s3", "DeletePublicAccessBlock", R2, BUCKET_NAME, BUCKET, &DELETE_BLOCK)
        .by("s3:PutBucketPublicAccessBlock")
        .only_undoes(),
    change(
        "s3",
        "PutBucketPolicy",
        R2,
        &[text("Bucket"), document("Policy")],
        BUCKET,
        &PUT_BUCKET_POLICY,
    ),
    change("s3", "DeleteBucketPolicy", R2, BUCKET_NAME, BUCKET, &DELETE_BUCKET_POLICY),
    change(
        "s3",
        "PutBucketVersioning",
        R1,
        &[text("Bucket"), object("VersioningConfiguration")],
        BUCKET,
        &VERSIONING,
    ),
    change(
        "s3",
        "PutBucketAcl",
        R1,
        &[text("Bucket"), text("ACL").optional(), object("AccessControlPolicy").optional()],
        BUCKET,
        &ACL,
    ),
    read("s3control", "GetPublicAccessBlock", &[text("AccountId")], &[])
        .by("s3:GetAccountPublicAccessBlock")
        .planned(),
    change(
        "s3control",
        "PutPublicAccessBlock",
        R3,
        &[text("AccountId"), object("PublicAccessBlockConfiguration")],
        &[],
        &ACCOUNT_BLOCK,
    )
    .by("s3:PutAccountPublicAccessBlock"),
];

/// KMS.
pub(super) const KMS: &[Api] = &[
    read("kms", "DescribeKey", KEY_ID, KEY),
    read("kms", "GetKeyPolicy", &[text("KeyId"), text("PolicyName").optional()], KEY),
    change("kms", "CancelKeyDeletion", R1, KEY_ID, KEY, &CANCEL_DELETION),
    change("kms", "EnableKey", R1, KEY_ID, KEY, &ENABLE),
    change("kms", "DisableKey", R2, KEY_ID, KEY, &DISABLE),
    change(
        "kms",
        "ScheduleKeyDeletion",
        R3,
        &[text("KeyId"), number("PendingWindowInDays").optional()],
        KEY,
        &SCHEDULE_DELETION,
    )
    .only_undoes(),
    change(
        "kms",
        "PutKeyPolicy",
        R2,
        &[text("KeyId"), text("PolicyName").optional(), document("Policy")],
        KEY,
        &KEY_POLICY,
    ),
];

/// Lambda.
pub(super) const LAMBDA: &[Api] = &[
    read("lambda", "GetFunctionConcurrency", FUNCTION_NAME, FUNCTION),
    read("lambda", "GetPolicy", FUNCTION_NAME, FUNCTION),
    read("lambda", "GetFunctionUrlConfig", FUNCTION_NAME, FUNCTION),
    change(
        "lambda",
        "PutFunctionConcurrency",
        R2,
        &[text("FunctionName"), number("ReservedConcurrentExecutions")],
        FUNCTION,
        &PUT_CONCURRENCY,
    ),
    change("lambda", "DeleteFunctionConcurrency", R2, FUNCTION_NAME, FUNCTION, &DELETE_CONCURRENCY)
        .only_undoes(),
    change(
        "lambda",
        "RemovePermission",
        R1,
        &[text("FunctionName"), text("StatementId")],
        FUNCTION,
        &permission::REMOVE,
    ),
    change("lambda", "AddPermission", R2, PERMISSION, FUNCTION, &permission::ADD).only_undoes(),
    change("lambda", "DeleteFunctionUrlConfig", R3, FUNCTION_NAME, FUNCTION, &FUNCTION_URL),
];
