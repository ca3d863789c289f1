//! Buckets, KMS keys and functions.

use serde_json::{Value, json};

use super::{Drift, Ground, Scene};
use crate::emulator::aws::seen;
use crate::kit::ACCOUNT;

pub(in super::super) fn opened_bucket(ground: &Ground<'_>) -> Scene {
    let (aws, bucket) = (ground.aws(), ground.bucket());
    let record = ground.record(
        "s3.amazonaws.com",
        "DeleteBucketPublicAccessBlock",
        json!({"bucketName": bucket}),
    );
    let other = "<PublicAccessBlockConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
        <BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>false</IgnorePublicAcls>\
        <BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>false</RestrictPublicBuckets>\
        </PublicAccessBlockConfiguration>";
    let head = format!("/{bucket}?publicAccessBlock");
    let (looking, path) = (aws.clone(), head.clone());
    let look = move || seen(&looking.send("s3", &format!("GET {path}"), "", ""));
    let drift = move || {
        aws.ask("s3", &format!("PUT {head}"), "", other);
    };
    Scene {
        record,
        look: Box::new(look),
        drift: Drift::Refused(Box::new(drift), "\"IgnorePublicAcls\":false"),
    }
}

pub(in super::super) fn suspended_versions(ground: &Ground<'_>) -> Scene {
    let (aws, bucket) = (ground.aws(), ground.bucket());
    for status in ["Enabled", "Suspended"] {
        let body = format!(
            "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Status>{status}</Status></VersioningConfiguration>"
        );
        aws.ask("s3", &format!("PUT /{bucket}?versioning"), "", &body);
    }
    let parameters =
        json!({"bucketName": bucket, "VersioningConfiguration": {"Status": "Suspended"}});
    let record = ground.record("s3.amazonaws.com", "PutBucketVersioning", parameters);
    let (looking, path) = (aws.clone(), format!("/{bucket}?versioning"));
    let look = move || seen(&looking.send("s3", &format!("GET {path}"), "", ""));
    let drift = move || {
        aws.ask("s3", &format!("DELETE /{bucket}"), "", "");
    };
    Scene { record, look: Box::new(look), drift: Drift::Refused(Box::new(drift), "is absent") }
}

/// A KMS key, with its ARN.
fn kms_key(ground: &Ground<'_>) -> String {
    let made = ground.aws().json("kms", "TrentService.CreateKey", &json!({}));
    let id = made["KeyMetadata"]["KeyId"].as_str().unwrap();
    format!("arn:aws:kms:us-east-1:{ACCOUNT}:key/{id}")
}

fn look_at_kms_key(ground: &Ground<'_>, arn: &str) -> Box<dyn Fn() -> String> {
    let (aws, arn) = (ground.aws(), arn.to_owned());
    Box::new(move || {
        let shown = aws.json("kms", "TrentService.DescribeKey", &json!({"KeyId": arn}));
        shown["KeyMetadata"].to_string()
    })
}

fn of_kms_key(ground: &Ground<'_>, name: &str, arn: &str) -> Value {
    let mut record = ground.record("kms.amazonaws.com", name, json!({"keyId": arn}));
    record["resources"] = json!([{"ARN": arn, "accountId": ACCOUNT, "type": "AWS::KMS::Key"}]);
    record
}

pub(in super::super) fn doomed_key(ground: &Ground<'_>) -> Scene {
    let arn = kms_key(ground);
    let inputs = json!({"KeyId": arn, "PendingWindowInDays": 7});
    ground.aws().json("kms", "TrentService.ScheduleKeyDeletion", &inputs);
    let record = of_kms_key(ground, "ScheduleKeyDeletion", &arn);
    Scene { record, look: look_at_kms_key(ground, &arn), drift: Drift::None }
}

pub(in super::super) fn disabled_key(ground: &Ground<'_>) -> Scene {
    let (aws, arn) = (ground.aws(), kms_key(ground));
    aws.json("kms", "TrentService.DisableKey", &json!({"KeyId": arn}));
    let record = of_kms_key(ground, "DisableKey", &arn);
    let look = look_at_kms_key(ground, &arn);
    let drift = move || {
        let inputs = json!({"KeyId": arn, "PendingWindowInDays": 7});
        aws.json("kms", "TrentService.ScheduleKeyDeletion", &inputs);
    };
    let drift = Drift::Refused(Box::new(drift), "PendingDeletion");
    Scene { record, look, drift }
}

/// An archive of one empty file, which is all that a function needs to be there.
const ZIP: &str = "UEsDBBQAAAAAAAAAIQAAAAAAAAAAAAAAAAAEAAAAbS5weVBLAQIUAxQAAAAAAAAAIQAAAAAAAAAAAAAAAAAEAAAAAAAAAAAAAACAAQAAAABtLnB5UEsFBgAAAAABAAEAMgAAACIAAAAAAA==";

fn function(ground: &Ground<'_>) -> String {
    let name = ground.name("function");
    let body = json!({
        "FunctionName": name, "Runtime": "python3.12", "Handler": "m.run",
        "Role": format!("arn:aws:iam::{ACCOUNT}:role/function"), "Code": {"ZipFile": ZIP},
    });
    ground.aws().rest("lambda", "POST /2015-03-31/functions", &body.to_string());
    name
}

pub(in super::super) fn changed_function(ground: &Ground<'_>) -> Scene {
    let (aws, name) = (ground.aws(), function(ground));
    let record = ground.record(
        "lambda.amazonaws.com",
        "UpdateFunctionCode20150331v2",
        json!({"functionName": name}),
    );
    let (looking, of) = (aws.clone(), name.clone());
    let look = move || {
        let head = format!("GET /2019-09-30/functions/{of}/concurrency");
        seen(&looking.try_rest("lambda", &head, ""))
    };
    let drift = move || {
        let head = format!("PUT /2017-10-31/functions/{name}/concurrency");
        aws.rest("lambda", &head, r#"{"ReservedConcurrentExecutions":5}"#);
    };
    Scene { record, look: Box::new(look), drift: Drift::Refused(Box::new(drift), ":5") }
}

pub(in super::super) fn opened_function(ground: &Ground<'_>) -> Scene {
    let (aws, name) = (ground.aws(), function(ground));
    let head = format!("POST /2015-03-31/functions/{name}/policy");
    let permission = |principal: &str| {
        json!({"StatementId": "open", "Action": "lambda:InvokeFunction", "Principal": principal,
               "SourceAccount": "444455556666"})
        .to_string()
    };
    aws.rest("lambda", &head, &permission("s3.amazonaws.com"));
    let record = ground.record(
        "lambda.amazonaws.com",
        "AddPermission20150331v2",
        json!({"functionName": name, "statementId": "open", "action": "lambda:InvokeFunction",
               "principal": "s3.amazonaws.com"}),
    );
    let looking = aws.clone();
    let look = move || {
        let shown =
            looking.try_rest("lambda", &format!("GET /2015-03-31/functions/{name}/policy"), "");
        // The policy's revision is another after each change, also back.
        let body: Value = serde_json::from_str(&shown.body).unwrap_or_default();
        format!("{} {}", shown.status, body["Policy"])
    };
    let other = permission("sns.amazonaws.com");
    let drift = move || {
        aws.rest("lambda", &head, &other);
    };
    Scene {
        record,
        look: Box::new(look),
        drift: Drift::Refused(Box::new(drift), "sns.amazonaws.com"),
    }
}
