//! Data events.

use crate::synth::act::{Doing, Place, Who, get, in_order, put};

const ALL: Place = Place::Anywhere;

/// What S3 tells about each request besides.
const S3: &str = r#"{"SignatureVersion":"SigV4","CipherSuite":"TLS_AES_128_GCM_SHA256","bytesTransferredIn":0,"AuthenticationMethod":"AuthHeader","x-amz-id-2":"<text:56>=","bytesTransferredOut":<count:5>}"#;
const S3_IN: &str = r#"{"SignatureVersion":"SigV4","CipherSuite":"TLS_AES_128_GCM_SHA256","bytesTransferredIn":<count:5>,"SSEApplied":"SSE_KMS","AuthenticationMethod":"AuthHeader","x-amz-id-2":"<text:56>=","bytesTransferredOut":0}"#;
const OBJECT: &str = r#"[{"type":"AWS::S3::Object","ARN":"arn:aws:s3:::<app>-<env>-<zone>/data/<day>/<~part>.parquet"},{"accountId":"<account>","type":"AWS::S3::Bucket","ARN":"arn:aws:s3:::<app>-<env>-<zone>"}]"#;
const BUCKET: &str = r#"[{"type":"AWS::S3::Object","ARNPrefix":"arn:aws:s3:::<app>-<env>-<zone>/"},{"accountId":"<account>","type":"AWS::S3::Bucket","ARN":"arn:aws:s3:::<app>-<env>-<zone>"}]"#;
const GET: &str = r#"{"bucketName":"<app>-<env>-<zone>","Host":"<app>-<env>-<zone>.s3.<region>.amazonaws.com","key":"data/<day>/<~part>.parquet"}"#;
const PUT: &str = r#"{"bucketName":"<app>-<env>-<zone>","Host":"<app>-<env>-<zone>.s3.<region>.amazonaws.com","key":"data/<day>/<~part>.parquet","x-amz-server-side-encryption":"aws:kms"}"#;
const PUT_ANSWER: &str = r#"{"x-amz-server-side-encryption":"aws:kms","x-amz-server-side-encryption-aws-kms-key-id":"arn:aws:kms:<region>:<account>:key/<@key>","x-amz-server-side-encryption-bucket-key-enabled":"true"}"#;
const LIST: &str = r#"{"list-type":"2","bucketName":"<app>-<env>-<zone>","prefix":"data/<day>/","max-keys":"1000","encoding-type":"url","Host":"<app>-<env>-<zone>.s3.<region>.amazonaws.com"}"#;
const TABLE: &str = r#"[{"accountId":"<account>","type":"AWS::DynamoDB::Table","ARN":"arn:aws:dynamodb:<region>:<account>:table/<app>-<env>"}]"#;
const FUNCTION: &str = r#"[{"accountId":"<account>","type":"AWS::Lambda::Function","ARN":"arn:aws:lambda:<region>:<account>:function:<app>-handler"}]"#;
const INVOKE: &str =
    r#"{"functionName":"arn:aws:lambda:<region>:<account>:function:<app>-handler"}"#;

/// Half of all records. Shares: our assumption, after object stores, functions and tables leading among the services
/// that CloudTrail has data events of.
pub(super) const DATA: &[Doing] = &[
    in_order(108_000.0, Who::Workload, ALL, &[get("s3", "GetObject", GET).adds(S3).on(OBJECT)]),
    in_order(55_000.0, Who::Service("cloudfront.amazonaws.com"), ALL, &[
        get("s3", "GetObject", GET).adds(S3).on(OBJECT),
    ]),
    in_order(68_000.0, Who::Workload, ALL, &[
        put("s3", "PutObject", PUT, PUT_ANSWER).adds(S3_IN).on(OBJECT),
    ]),
    in_order(36_000.0, Who::Workload, ALL, &[get("s3", "ListObjects", LIST).adds(S3).on(BUCKET)]),
    in_order(24_000.0, Who::Workload, ALL, &[get("s3", "HeadObject", GET).adds(S3).on(OBJECT)]),
    in_order(9_000.0, Who::Workload, ALL, &[
        put("s3", "DeleteObject", GET, "null").adds(S3).on(OBJECT),
    ]),
    in_order(900.0, Who::Workload, ALL, &[
        put(
            "s3",
            "DeleteObjects",
            r#"{"bucketName":"<app>-<env>-<zone>","Host":"<app>-<env>-<zone>.s3.<region>.amazonaws.com","delete":""}"#,
            "null",
        )
        .adds(S3_IN)
        .on(BUCKET),
    ]),
    // Logs of services land in buckets.
    in_order(18_000.0, Who::Service("delivery.logs.amazonaws.com"), ALL, &[
        put(
            "s3",
            "PutObject",
            r#"{"bucketName":"example-access-logs-<env>-<region>","Host":"example-access-logs-<env>-<region>.s3.<region>.amazonaws.com","key":"AWSLogs/<account>/vpcflowlogs/<region>/<day>/<account>_vpcflowlogs_<region>_fl-<=flow>_<stamp>_<hex:8>.log.gz","x-amz-acl":"bucket-owner-full-control","x-amz-server-side-encryption":"AES256"}"#,
            r#"{"x-amz-server-side-encryption":"AES256"}"#,
        )
        .adds(S3_IN)
        .on(r#"[{"type":"AWS::S3::Object","ARN":"arn:aws:s3:::example-access-logs-<env>-<region>/AWSLogs/<account>/vpcflowlogs/<region>/<day>/<account>_vpcflowlogs_<region>_fl-<=flow>.log.gz"},{"accountId":"<account>","type":"AWS::S3::Bucket","ARN":"arn:aws:s3:::example-access-logs-<env>-<region>"}]"#),
    ]),
    in_order(70_000.0, Who::Service("apigateway.amazonaws.com"), ALL, &[
        put("lambda", "Invoke", INVOKE, "null")
            .adds(r#"{"functionVersion":"arn:aws:lambda:<region>:<account>:function:<app>-handler:$LATEST"}"#)
            .on(FUNCTION),
    ]),
    in_order(30_000.0, Who::Service("events.amazonaws.com"), ALL, &[
        put("lambda", "Invoke", INVOKE, "null")
            .adds(r#"{"functionVersion":"arn:aws:lambda:<region>:<account>:function:<app>-handler:$LATEST"}"#)
            .on(FUNCTION),
    ]),
    in_order(9_000.0, Who::Workload, ALL, &[
        put(
            "lambda",
            "Invoke",
            r#"{"functionName":"<app>-handler","invocationType":"RequestResponse"}"#,
            "null",
        )
        .on(FUNCTION),
    ]),
    in_order(26_000.0, Who::Workload, ALL, &[
        get(
            "dynamodb",
            "GetItem",
            r#"{"tableName":"<app>-<env>","key":["pk"],"consistentRead":false}"#,
        )
        .on(TABLE),
    ]),
    in_order(13_000.0, Who::Workload, ALL, &[
        get(
            "dynamodb",
            "Query",
            r#"{"tableName":"<app>-<env>","keyConditionExpression":"pk = :pk","limit":50,"scanIndexForward":true}"#,
        )
        .on(TABLE),
    ]),
    in_order(13_000.0, Who::Workload, ALL, &[
        put("dynamodb", "PutItem", r#"{"tableName":"<app>-<env>","key":["pk","sk"]}"#, "null")
            .on(TABLE),
    ]),
    in_order(6_000.0, Who::Workload, ALL, &[
        put(
            "dynamodb",
            "UpdateItem",
            r#"{"tableName":"<app>-<env>","key":["pk","sk"],"returnValues":"ALL_NEW"}"#,
            "null",
        )
        .on(TABLE),
    ]),
    in_order(8_000.0, Who::Workload, ALL, &[
        put(
            "sqs",
            "ReceiveMessage",
            r#"{"queueUrl":"https://sqs.<region>.amazonaws.com/<account>/<app>-jobs","maxNumberOfMessages":10,"waitTimeSeconds":20,"visibilityTimeout":60}"#,
            "null",
        )
        .on(r#"[{"accountId":"<account>","type":"AWS::SQS::Queue","ARN":"arn:aws:sqs:<region>:<account>:<app>-jobs"}]"#),
    ]),
    in_order(4_000.0, Who::Workload, ALL, &[
        put(
            "sns",
            "Publish",
            r#"{"topicArn":"arn:aws:sns:<region>:<account>:<app>-events","message":"HIDDEN_DUE_TO_SECURITY_REASONS","subject":"HIDDEN_DUE_TO_SECURITY_REASONS","messageAttributes":"HIDDEN_DUE_TO_SECURITY_REASONS"}"#,
            r#"{"messageId":"<uuid>"}"#,
        )
        .on(r#"[{"accountId":"<account>","type":"AWS::SNS::Topic","ARN":"arn:aws:sns:<region>:<account>:<app>-events"}]"#),
    ]),
    // The two users with long-lived keys that are left: one uploads, one sends mail.
    in_order(1_600.0, Who::User("legacy-exporter"), ALL, &[
        put(
            "s3",
            "PutObject",
            r#"{"bucketName":"<app>-<env>-<zone>","Host":"s3.<region>.amazonaws.com","key":"exports/<day>/export-<num:6>.csv"}"#,
            r#"{"x-amz-server-side-encryption":"AES256"}"#,
        )
        .adds(S3_IN)
        .on(OBJECT),
    ]),
    in_order(500.0, Who::User("legacy-mailer"), ALL, &[
        put(
            "ses",
            "SendEmail",
            r#"{"source":"HIDDEN_DUE_TO_SECURITY_REASONS","destination":"HIDDEN_DUE_TO_SECURITY_REASONS","message":"HIDDEN_DUE_TO_SECURITY_REASONS","configurationSetName":"transactional"}"#,
            r#"{"messageId":"<hex:16>-<uuid>-000000"}"#,
        )
        .on(r#"[{"accountId":"<account>","type":"AWS::SES::EmailIdentity","ARN":"arn:aws:ses:<region>:<account>:identity/example.com"}]"#),
    ]),
];
