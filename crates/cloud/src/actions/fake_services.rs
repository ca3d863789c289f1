//! S3, KMS, CloudTrail, Lambda, and what tells others, of the fake accounts.

use serde_json::{Map, Value, json};
use trailloop_runbook::Call;

use super::accounts::{Account, refused, rfc3339};
use super::inputs::Inputs;
use crate::error::{CloudError, CloudErrorKind};

#[derive(Clone, Debug, Default)]
pub(super) struct Bucket {
    block: Option<Value>,
    policy: Option<String>,
    versioning: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) struct KmsKey {
    state: &'static str,
    created_ms: i64,
    deletion_ms: Option<i64>,
    policy: String,
}

impl KmsKey {
    pub(super) fn new(created_ms: i64) -> Self {
        let policy = r#"{"Version":"2012-10-17","Statement":[]}"#.to_owned();
        Self { state: "Enabled", created_ms, deletion_ms: None, policy }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Trail {
    region: String,
    bucket: String,
    logging: bool,
    started_ms: i64,
    stopped_ms: Option<i64>,
    selectors: Value,
    advanced: Option<Value>,
}

impl Trail {
    pub(super) fn new(region: &str, bucket: &str, now_ms: i64) -> Self {
        Self {
            region: region.to_owned(),
            bucket: bucket.to_owned(),
            logging: true,
            started_ms: now_ms,
            stopped_ms: None,
            selectors: json!([{
                "ReadWriteType": "All",
                "IncludeManagementEvents": true,
                "DataResources": [],
                "ExcludeManagementEventSources": [],
            }]),
            advanced: None,
        }
    }
}

fn name(inputs: &mut Inputs, input: &str) -> Result<String, CloudError> {
    inputs.name(input).map(Option::unwrap_or_default)
}

fn missing(call: &Call, code: &str, what: impl std::fmt::Display) -> CloudError {
    refused(CloudErrorKind::NotFound, &call.name(), code, format!("{what} does not exist"))
}

/// Makes one call.
pub(super) fn call(
    account: &mut Account,
    region: &str,
    call: &Call,
    inputs: &mut Inputs,
    now_ms: i64,
) -> Result<Value, CloudError> {
    match call.service.as_str() {
        "s3" => s3(account, call, inputs),
        "kms" => kms(account, region, call, inputs, now_ms),
        "cloudtrail" => cloudtrail(account, call, inputs, now_ms),
        "lambda" => lambda(account, call, inputs),
        "sts" if call.api == "GetCallerIdentity" => {
            inputs.end()?;
            let arn =
                format!("arn:aws:sts::{}:assumed-role/trailloop-responder/trailloop", account.id);
            Ok(json!({"UserId": "AROAEXAMPLE:trailloop", "Account": account.id, "Arn": arn}))
        }
        // Told, and forgotten: the log of requests has it.
        "sns" if call.api == "Publish" => Ok(json!({"MessageId": format!("fake-{now_ms}")})),
        "sqs" if call.api == "SendMessage" => Ok(json!({"MessageId": format!("fake-{now_ms}")})),
        _ => Err(inputs.unknown_api()),
    }
}

fn s3(account: &mut Account, call: &Call, inputs: &mut Inputs) -> Result<Value, CloudError> {
    let bucket = name(inputs, "Bucket")?;
    let owner = inputs.text("ExpectedBucketOwner")?;
    if owner.is_some_and(|owner| owner != account.id) {
        let message = format!("bucket {bucket} is not of that account");
        return Err(refused(CloudErrorKind::Denied, &call.name(), "AccessDenied", message));
    }
    let found = account.buckets.get_mut(&bucket);
    let bucket =
        found.ok_or_else(|| missing(call, "NoSuchBucket", format_args!("bucket {bucket}")))?;
    match call.api.as_str() {
        "GetPublicAccessBlock" => {
            inputs.end()?;
            let code = "NoSuchPublicAccessBlockConfiguration";
            let block =
                bucket.block.clone().ok_or_else(|| missing(call, code, "a public access block"))?;
            Ok(json!({"PublicAccessBlockConfiguration": block}))
        }
        "PutPublicAccessBlock" => {
            let block = inputs.structure("PublicAccessBlockConfiguration", |given| {
                let mut block = Map::new();
                for name in [
                    "BlockPublicAcls",
                    "IgnorePublicAcls",
                    "BlockPublicPolicy",
                    "RestrictPublicBuckets",
                ] {
                    block.insert(name.to_owned(), json!(given.flag(name)?.unwrap_or(false)));
                }
                Ok(Value::Object(block))
            })?;
            inputs.end()?;
            bucket.block = block;
            Ok(json!({}))
        }
        "DeletePublicAccessBlock" => {
            inputs.end()?;
            bucket.block = None;
            Ok(json!({}))
        }
        _ => bucket_policy_and_versioning(bucket, call, inputs),
    }
}

fn bucket_policy_and_versioning(
    bucket: &mut Bucket,
    call: &Call,
    inputs: &mut Inputs,
) -> Result<Value, CloudError> {
    match call.api.as_str() {
        "GetBucketPolicy" => {
            inputs.end()?;
            let policy = bucket.policy.clone();
            Ok(
                json!({"Policy": policy.ok_or_else(|| missing(call, "NoSuchBucketPolicy", "a bucket policy"))?}),
            )
        }
        "PutBucketPolicy" => {
            let policy = name(inputs, "Policy")?;
            inputs.end()?;
            bucket.policy = Some(policy);
            Ok(json!({}))
        }
        "DeleteBucketPolicy" => {
            inputs.end()?;
            bucket.policy = None;
            Ok(json!({}))
        }
        "GetBucketVersioning" => {
            inputs.end()?;
            Ok(bucket
                .versioning
                .as_ref()
                .map_or_else(|| json!({}), |status| json!({"Status": status})))
        }
        "PutBucketVersioning" => {
            let status =
                inputs.structure("VersioningConfiguration", |given| name(given, "Status"))?;
            inputs.end()?;
            bucket.versioning = status;
            Ok(json!({}))
        }
        _ => Err(inputs.unknown_api()),
    }
}

fn kms(
    account: &mut Account,
    region: &str,
    call: &Call,
    inputs: &mut Inputs,
    now_ms: i64,
) -> Result<Value, CloudError> {
    const DAY_MS: i64 = 24 * 60 * 60 * 1000;
    let given = name(inputs, "KeyId")?;
    let id = given.rsplit("key/").next().unwrap_or_default().to_owned();
    let arn = format!("arn:aws:kms:{region}:{}:key/{id}", account.id);
    let found = account.kms_keys.get_mut(&id);
    let key = found.ok_or_else(|| missing(call, "NotFoundException", format_args!("key {id}")))?;
    let wrong_state = |key: &KmsKey| {
        let message = format!("{arn} is {}", key.state);
        refused(CloudErrorKind::Invalid, &call.name(), "KMSInvalidStateException", message)
    };
    let pending = key.state == "PendingDeletion";
    let days = inputs.number("PendingWindowInDays")?.unwrap_or(30);
    match call.api.as_str() {
        "DescribeKey" => {
            inputs.end()?;
            let mut metadata = json!({
                "AWSAccountId": account.id, "KeyId": id, "Arn": arn,
                "CreationDate": rfc3339(key.created_ms),
                "Enabled": key.state == "Enabled", "KeyState": key.state,
                "KeyUsage": "ENCRYPT_DECRYPT", "Origin": "AWS_KMS", "KeyManager": "CUSTOMER",
            });
            if let Some(deletion_ms) = key.deletion_ms {
                metadata["DeletionDate"] = json!(rfc3339(deletion_ms));
            }
            Ok(json!({"KeyMetadata": metadata}))
        }
        "CancelKeyDeletion" if pending => {
            inputs.end()?;
            (key.state, key.deletion_ms) = ("Disabled", None);
            Ok(json!({"KeyId": arn}))
        }
        "ScheduleKeyDeletion" if !pending => {
            inputs.end()?;
            key.state = "PendingDeletion";
            key.deletion_ms = Some(now_ms.saturating_add(i64::from(days) * DAY_MS));
            let date = rfc3339(key.deletion_ms.unwrap_or_default());
            Ok(
                json!({"KeyId": arn, "DeletionDate": date, "KeyState": key.state, "PendingWindowInDays": days}),
            )
        }
        "EnableKey" | "DisableKey" if !pending => {
            inputs.end()?;
            key.state = if call.api == "EnableKey" { "Enabled" } else { "Disabled" };
            Ok(json!({}))
        }
        "CancelKeyDeletion" | "ScheduleKeyDeletion" | "EnableKey" | "DisableKey" => {
            Err(wrong_state(key))
        }
        "GetKeyPolicy" => {
            let policy_name = inputs.text("PolicyName")?.unwrap_or_else(|| "default".to_owned());
            inputs.end()?;
            Ok(json!({"Policy": key.policy, "PolicyName": policy_name}))
        }
        "PutKeyPolicy" => {
            inputs.text("PolicyName")?;
            let policy = name(inputs, "Policy")?;
            inputs.end()?;
            key.policy = policy;
            Ok(json!({}))
        }
        _ => Err(inputs.unknown_api()),
    }
}

fn cloudtrail(
    account: &mut Account,
    call: &Call,
    inputs: &mut Inputs,
    now_ms: i64,
) -> Result<Value, CloudError> {
    let input = if call.api.ends_with("EventSelectors") { "TrailName" } else { "Name" };
    let given = name(inputs, input)?;
    let id = given.rsplit("trail/").next().unwrap_or_default().to_owned();
    let found = account.trails.get_mut(&id);
    let trail =
        found.ok_or_else(|| missing(call, "TrailNotFoundException", format_args!("trail {id}")))?;
    let arn = format!("arn:aws:cloudtrail:{}:{}:trail/{id}", trail.region, account.id);
    if call.api == "PutEventSelectors" {
        let as_given = |input: &str| call.inputs.get(input).cloned();
        if let Some(selectors) = as_given("EventSelectors") {
            (trail.selectors, trail.advanced) = (selectors, None);
        } else {
            trail.advanced = as_given("AdvancedEventSelectors");
        }
        return Ok(selectors(&arn, trail));
    }
    inputs.end()?;
    match call.api.as_str() {
        "GetTrailStatus" => {
            let mut status =
                json!({"IsLogging": trail.logging, "StartLoggingTime": rfc3339(trail.started_ms)});
            if let Some(stopped_ms) = trail.stopped_ms {
                status["StopLoggingTime"] = json!(rfc3339(stopped_ms));
            }
            Ok(status)
        }
        "StartLogging" => {
            (trail.logging, trail.started_ms) = (true, now_ms);
            Ok(json!({}))
        }
        "StopLogging" => {
            (trail.logging, trail.stopped_ms) = (false, Some(now_ms));
            Ok(json!({}))
        }
        "GetTrail" => Ok(json!({"Trail": {
            "Name": id, "S3BucketName": trail.bucket, "IsMultiRegionTrail": true,
            "HomeRegion": trail.region, "TrailARN": arn, "IsOrganizationTrail": false,
        }})),
        "GetEventSelectors" => Ok(selectors(&arn, trail)),
        _ => Err(inputs.unknown_api()),
    }
}

fn selectors(arn: &str, trail: &Trail) -> Value {
    match &trail.advanced {
        Some(advanced) => json!({"TrailARN": arn, "AdvancedEventSelectors": advanced}),
        None => json!({"TrailARN": arn, "EventSelectors": trail.selectors}),
    }
}

fn lambda(account: &mut Account, call: &Call, inputs: &mut Inputs) -> Result<Value, CloudError> {
    let given = name(inputs, "FunctionName")?;
    let id = given.rsplit("function:").next().unwrap_or_default().to_owned();
    let found = account.functions.get_mut(&id);
    let reserved = found
        .ok_or_else(|| missing(call, "ResourceNotFoundException", format_args!("function {id}")))?;
    match call.api.as_str() {
        "PutFunctionConcurrency" => {
            let number = inputs.required_number("ReservedConcurrentExecutions")?;
            inputs.end()?;
            *reserved = number;
        }
        "DeleteFunctionConcurrency" => {
            inputs.end()?;
            *reserved = None;
            return Ok(json!({}));
        }
        "GetFunctionConcurrency" => inputs.end()?,
        _ => return Err(inputs.unknown_api()),
    }
    Ok(reserved.map_or_else(|| json!({}), |number| json!({"ReservedConcurrentExecutions": number})))
}
