//! S3, KMS and Lambda.

use serde_json::json;

use super::cases::*;
use crate::catalogue::*;

#[expect(clippy::too_many_lines, reason = "a table of cases, laid out by the formatter")]
pub(super) fn data_cases() -> Vec<Case> {
    let block = |on: bool| json!({"BlockPublicAcls": on, "IgnorePublicAcls": on, "BlockPublicPolicy": on, "RestrictPublicBuckets": on});
    let wrap = |value| json!({"PublicAccessBlockConfiguration": value});
    let bucket = json!({"Bucket": "example-bucket"});
    let mut cases = property(
        "s3",
        &bucket,
        ["PutPublicAccessBlock", "DeletePublicAccessBlock"],
        "PublicAccessBlockConfiguration",
        wrap,
        [block(false), block(true)],
    );
    cases.extend(property(
        "s3control",
        &json!({"AccountId": "111122223333"}),
        ["PutPublicAccessBlock", ""],
        "PublicAccessBlockConfiguration",
        wrap,
        [block(false), block(true)],
    ));
    cases.extend(property(
        "s3",
        &bucket,
        ["PutBucketPolicy", "DeleteBucketPolicy"],
        "Policy",
        |text| json!({"Policy": text}),
        [json!(OLD), json!(NEW)],
    ));
    cases.extend(property(
        "kms",
        &json!({"KeyId": "k", "PolicyName": "default"}),
        ["PutKeyPolicy", ""],
        "Policy",
        |text| json!({"Policy": text}),
        [json!(OLD), json!(NEW)],
    ));
    cases.extend(property(
        "lambda",
        &json!({"FunctionName": "f"}),
        ["PutFunctionConcurrency", "DeleteFunctionConcurrency"],
        "ReservedConcurrentExecutions",
        |number| json!({"absent": "empty", "ReservedConcurrentExecutions": number}),
        [json!(5), json!(0)],
    ));
    let version = |status: &str| json!({"Bucket": "example-bucket", "VersioningConfiguration": {"Status": status}});
    cases.push(case(
        "s3:PutBucketVersioning",
        version("Enabled"),
        Some(json!({"Status": "Suspended"})),
        Some(json!({"Status": "Enabled"})),
        Some(vec![("PutBucketVersioning", version("Suspended"))]),
    ));
    cases.push(case(
        "s3:PutBucketVersioning",
        version("Enabled"),
        Some(json!({})),
        Some(json!({"Status": "Enabled"})),
        None,
    ));
    let mine =
        json!({"Grantee": {"ID": "o", "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"});
    let all = json!({"Grantee": {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/global/AllUsers"}, "Permission": "READ"});
    let acl = |grants: Value| json!({"Owner": {"ID": "o"}, "Grants": grants});
    cases.push(case(
        "s3:PutBucketAcl",
        json!({"Bucket": "example-bucket", "ACL": "private"}),
        Some(acl(json!([all, mine]))),
        Some(acl(json!([mine]))),
        Some(vec![(
            "PutBucketAcl",
            json!({"Bucket": "example-bucket", "AccessControlPolicy": acl(json!([mine, all]))}),
        )]),
    ));
    let state = |name: &str| Some(json!({"KeyMetadata": {"KeyState": name}}));
    cases.extend(switch(
        "kms",
        ["EnableKey", "DisableKey"],
        &json!({"KeyId": "k"}),
        |on| json!({"KeyMetadata": {"KeyState": if on { "Enabled" } else { "Disabled" }}}),
    ));
    cases.push(case(
        "kms:CancelKeyDeletion",
        json!({"KeyId": "k"}),
        state("PendingDeletion"),
        state("Disabled"),
        None,
    ));
    cases.push(case(
        "kms:ScheduleKeyDeletion",
        json!({"KeyId": "k", "PendingWindowInDays": 7}),
        state("Enabled"),
        state("PendingDeletion"),
        Some(vec![("CancelKeyDeletion", json!({"KeyId": "k"}))]),
    ));
    let statement = json!({"Sid": "s", "Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "lambda:InvokeFunction", "Resource": "arn",
        "Condition": {"ArnLike": {"AWS:SourceArn": "arn:aws:s3:::example-bucket"}, "StringEquals": {"AWS:SourceAccount": "111122223333"}}});
    let policy = |statements: Value| {
        Some(
            json!({"Policy": json!({"Version": "2012-10-17", "Statement": statements}).to_string()}),
        )
    };
    let named = json!({"FunctionName": "f", "StatementId": "s"});
    let added = json!({"FunctionName": "f", "StatementId": "s", "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com", "SourceArn": "arn:aws:s3:::example-bucket", "SourceAccount": "111122223333"});
    cases.push(case(
        "lambda:RemovePermission",
        named.clone(),
        policy(json!([statement])),
        policy(json!([])),
        Some(vec![("AddPermission", added.clone())]),
    ));
    cases.push(case(
        "lambda:AddPermission",
        added,
        None,
        policy(json!([statement])),
        Some(vec![("RemovePermission", named)]),
    ));
    cases.push(case(
        "lambda:DeleteFunctionUrlConfig",
        json!({"FunctionName": "f"}),
        Some(json!({"FunctionUrl": "https://example.com"})),
        None,
        None,
    ));
    cases
}
