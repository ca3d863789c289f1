//! The same calls on the accounts in memory and on an emulator, which must answer alike.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};
use trailloop_cloud::{
    ActionOptions, Actions, Answer, Clock, CloudError, CloudErrorKind, FakeAccounts, ManualClock,
    Session,
};
use trailloop_runbook::Call;

use crate::aws_emulators::{endpoint_url, ministack, unique};

pub(crate) const ACCOUNT: &str = "111122223333";
pub(crate) const REGION: &str = "us-east-1";

pub(crate) fn session() -> Session {
    Session {
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
        run: "0f3a5c7e9b1d2f4a6c8e0a2b4c6d8e0f".to_owned(),
        policy: None,
    }
}

pub(crate) fn call(name: &str, inputs: Value) -> Call {
    let (service, api) = name.split_once(':').unwrap();
    let Value::Object(inputs) = inputs else { panic!("inputs are an object") };
    Call { service: service.to_owned(), api: api.to_owned(), inputs }
}

pub(crate) async fn made(actions: &dyn Actions, name: &str, inputs: Value) -> Answer {
    let made = actions.call(&session(), &call(name, inputs)).await;
    let answer = made.unwrap_or_else(|error| panic!("{error}"));
    assert!(answer.request_id.is_some(), "{name} has no request id");
    answer
}

async fn refused(actions: &dyn Actions, name: &str, inputs: Value) -> CloudError {
    actions.call(&session(), &call(name, inputs)).await.unwrap_err()
}

/// One request to an emulator as an account, whose signature it does not look at.
pub(crate) fn ask(
    url: &str,
    account: &str,
    service: &str,
    request: &str,
    headers: &str,
    body: &str,
) -> String {
    let address = url.trim_start_matches("http://").trim_end_matches('/');
    let mut server = TcpStream::connect(address).unwrap();
    write!(
        server,
        "{request} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential={account}/20260101/{REGION}/{service}/aws4_request, \
         SignedHeaders=host, Signature=0\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    server.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 2"), "{request} {body}: {answer}");
    answer
}

pub(crate) fn ask_query(url: &str, account: &str, service: &str, query: &str) -> String {
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    ask(url, account, service, "POST /", form, query)
}

pub(crate) fn ask_json(
    url: &str,
    account: &str,
    service: &str,
    target: &str,
    body: &Value,
) -> String {
    let headers = format!("Content-Type: application/x-amz-json-1.1\r\nX-Amz-Target: {target}\r\n");
    ask(url, account, service, "POST /", &headers, &body.to_string())
}

pub(crate) fn between<'t>(text: &'t str, open: &str, close: &str) -> &'t str {
    let rest = text.split_once(open).unwrap_or_else(|| panic!("{open} in {text}")).1;
    rest.split_once(close).unwrap().0
}

/// What the contract acts on.
struct Names {
    user: String,
    access_key: String,
    role: String,
    bucket: String,
    kms_key: String,
    trail: String,
    function: String,
}

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
const DENY: &str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"TrailloopContain","Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:userid":"AROAEXAMPLE:a+b@example.com"}}}]}"#;

async fn check_users(on: &dyn Actions, names: &Names) {
    let (user, key) = (&names.user, &names.access_key);
    let of_user = || json!({"UserName": user});
    let found = made(on, "iam:GetUser", of_user()).await.body;
    assert_eq!(found["User"]["UserName"], json!(user));
    assert_eq!(found["User"]["Arn"], json!(format!("arn:aws:iam::{ACCOUNT}:user/{user}")));

    let owner = made(on, "iam:GetAccessKeyLastUsed", json!({"AccessKeyId": key})).await.body;
    assert_eq!(owner["UserName"], json!(user));
    for status in ["Inactive", "Active"] {
        let inputs = json!({"UserName": user, "AccessKeyId": key, "Status": status});
        assert_eq!(made(on, "iam:UpdateAccessKey", inputs).await.body, json!({}));
        let keys = made(on, "iam:ListAccessKeys", of_user()).await.body;
        assert_eq!(keys["AccessKeyMetadata"][0]["AccessKeyId"], json!(key));
        assert_eq!(keys["AccessKeyMetadata"][0]["Status"], json!(status));
        assert!(keys["AccessKeyMetadata"][0]["CreateDate"].as_str().unwrap().ends_with('Z'));
        assert_eq!(keys["IsTruncated"], json!(false));
    }

    let mut policy = json!({"UserName": user, "PolicyName": "trailloop-contain-00000000"});
    let missing = refused(on, "iam:GetUserPolicy", policy.clone()).await;
    assert_eq!(
        (missing.kind(), missing.code()),
        (CloudErrorKind::NotFound, Some("NoSuchEntity")),
        "{missing}"
    );
    policy["PolicyDocument"] = json!(DENY);
    made(on, "iam:PutUserPolicy", policy.clone()).await;
    let listed = made(on, "iam:ListUserPolicies", of_user()).await.body;
    assert_eq!(listed["PolicyNames"], json!(["trailloop-contain-00000000"]));
    policy.as_object_mut().unwrap().remove("PolicyDocument");
    let found = made(on, "iam:GetUserPolicy", policy.clone()).await.body;
    assert_eq!(found["PolicyDocument"], json!(DENY), "byte for byte");
    made(on, "iam:DeleteUserPolicy", policy).await;
    let listed = made(on, "iam:ListUserPolicies", of_user()).await.body;
    assert_eq!(listed, json!({"PolicyNames": [], "IsTruncated": false}));

    let deny_all = json!({"UserName": user, "PolicyArn": "arn:aws:iam::aws:policy/AWSDenyAll"});
    made(on, "iam:AttachUserPolicy", deny_all.clone()).await;
    let attached = made(on, "iam:ListAttachedUserPolicies", of_user()).await.body;
    assert_eq!(attached["AttachedPolicies"][0]["PolicyArn"], deny_all["PolicyArn"]);
    assert_eq!(attached["AttachedPolicies"][0]["PolicyName"], json!("AWSDenyAll"));
    made(on, "iam:DetachUserPolicy", deny_all.clone()).await;
    assert_eq!(
        refused(on, "iam:DetachUserPolicy", deny_all).await.kind(),
        CloudErrorKind::NotFound
    );

    let boundary =
        json!({"UserName": user, "PermissionsBoundary": "arn:aws:iam::aws:policy/AWSDenyAll"});
    made(on, "iam:PutUserPermissionsBoundary", boundary.clone()).await;
    let found = made(on, "iam:GetUser", of_user()).await.body;
    let arn = &found["User"]["PermissionsBoundary"]["PermissionsBoundaryArn"];
    assert_eq!(*arn, boundary["PermissionsBoundary"]);
    made(on, "iam:DeleteUserPermissionsBoundary", of_user()).await;
    let found = made(on, "iam:GetUser", of_user()).await.body;
    assert_eq!(found["User"].get("PermissionsBoundary"), None);
}

async fn check_roles(on: &dyn Actions, names: &Names) {
    let role = &names.role;
    let of_role = || json!({"RoleName": role});
    let found = made(on, "iam:GetRole", of_role()).await.body;
    assert_eq!(found["Role"]["AssumeRolePolicyDocument"], json!(TRUST));
    let frozen = TRUST.replace("Allow", "Deny");
    let inputs = json!({"RoleName": role, "PolicyDocument": frozen});
    made(on, "iam:UpdateAssumeRolePolicy", inputs).await;
    let found = made(on, "iam:GetRole", of_role()).await.body;
    assert_eq!(found["Role"]["AssumeRolePolicyDocument"], json!(frozen));

    let name = "trailloop-contain-00000000";
    let mut policy = json!({"RoleName": role, "PolicyName": name, "PolicyDocument": DENY});
    made(on, "iam:PutRolePolicy", policy.clone()).await;
    policy.as_object_mut().unwrap().remove("PolicyDocument");
    let found = made(on, "iam:GetRolePolicy", policy.clone()).await.body;
    let expected = json!({"RoleName": role, "PolicyName": name, "PolicyDocument": DENY});
    assert_eq!(found, expected);
    assert_eq!(
        made(on, "iam:ListRolePolicies", of_role()).await.body["PolicyNames"],
        json!([name])
    );
    made(on, "iam:DeleteRolePolicy", policy.clone()).await;
    let missing = refused(on, "iam:DeleteRolePolicy", policy).await;
    assert_eq!(missing.kind(), CloudErrorKind::NotFound);

    let deny_all = json!({"RoleName": role, "PolicyArn": "arn:aws:iam::aws:policy/AWSDenyAll"});
    made(on, "iam:AttachRolePolicy", deny_all.clone()).await;
    let attached = made(on, "iam:ListAttachedRolePolicies", of_role()).await.body;
    assert_eq!(attached["AttachedPolicies"].as_array().unwrap().len(), 1);
    made(on, "iam:DetachRolePolicy", deny_all).await;
    let boundary =
        json!({"RoleName": role, "PermissionsBoundary": "arn:aws:iam::aws:policy/AWSDenyAll"});
    made(on, "iam:PutRolePermissionsBoundary", boundary).await;
    made(on, "iam:DeleteRolePermissionsBoundary", of_role()).await;
    let missing = refused(on, "iam:GetRole", json!({"RoleName": "imagined"})).await;
    assert_eq!(missing.kind(), CloudErrorKind::NotFound);
}

async fn check_bucket(on: &dyn Actions, names: &Names) {
    let of_bucket = || json!({"Bucket": names.bucket});
    let missing = refused(on, "s3:GetPublicAccessBlock", of_bucket()).await;
    assert_eq!(missing.kind(), CloudErrorKind::NotFound, "{missing}");
    let block = json!({"BlockPublicAcls": true, "IgnorePublicAcls": true, "BlockPublicPolicy": true,
        "RestrictPublicBuckets": true});
    let mut inputs = of_bucket();
    inputs["PublicAccessBlockConfiguration"] = block.clone();
    made(on, "s3:PutPublicAccessBlock", inputs).await;
    let found = made(on, "s3:GetPublicAccessBlock", of_bucket()).await.body;
    assert_eq!(found, json!({"PublicAccessBlockConfiguration": block}));
    made(on, "s3:DeletePublicAccessBlock", of_bucket()).await;
    let missing = refused(on, "s3:GetPublicAccessBlock", of_bucket()).await;
    assert_eq!(missing.kind(), CloudErrorKind::NotFound);

    assert_eq!(
        refused(on, "s3:GetBucketPolicy", of_bucket()).await.kind(),
        CloudErrorKind::NotFound
    );
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::{}/*"}}]}}"#,
        names.bucket
    );
    let inputs = json!({"Bucket": names.bucket, "Policy": policy});
    made(on, "s3:PutBucketPolicy", inputs).await;
    assert_eq!(made(on, "s3:GetBucketPolicy", of_bucket()).await.body, json!({"Policy": policy}));
    made(on, "s3:DeleteBucketPolicy", of_bucket()).await;

    assert_eq!(made(on, "s3:GetBucketVersioning", of_bucket()).await.body, json!({}));
    let mut inputs = of_bucket();
    inputs["VersioningConfiguration"] = json!({"Status": "Enabled"});
    made(on, "s3:PutBucketVersioning", inputs).await;
    let found = made(on, "s3:GetBucketVersioning", of_bucket()).await.body;
    assert_eq!(found, json!({"Status": "Enabled"}));
}

async fn check_key(on: &dyn Actions, names: &Names) {
    let of_key = || json!({"KeyId": names.kms_key});
    let state = async || made(on, "kms:DescribeKey", of_key()).await.body["KeyMetadata"].clone();
    assert_eq!(state().await["KeyState"], json!("Enabled"));
    let inputs = json!({"KeyId": names.kms_key, "PendingWindowInDays": 7});
    let scheduled = made(on, "kms:ScheduleKeyDeletion", inputs).await.body;
    assert_eq!(scheduled["KeyState"], json!("PendingDeletion"));
    let pending = state().await;
    assert_eq!(pending["KeyState"], json!("PendingDeletion"));
    assert!(pending["DeletionDate"].as_str().unwrap().contains('T'));
    made(on, "kms:CancelKeyDeletion", of_key()).await;
    let cancelled = state().await;
    assert_eq!(cancelled["KeyState"], json!("Disabled"));
    assert_eq!(cancelled.get("DeletionDate"), None);
    made(on, "kms:EnableKey", of_key()).await;
    made(on, "kms:DisableKey", of_key()).await;
    assert_eq!(state().await["Enabled"], json!(false));
    made(on, "kms:EnableKey", of_key()).await;

    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"}]}"#;
    let inputs = json!({"KeyId": names.kms_key, "PolicyName": "default", "Policy": policy});
    made(on, "kms:PutKeyPolicy", inputs).await;
    let found = made(on, "kms:GetKeyPolicy", of_key()).await.body;
    assert_eq!(found["Policy"], json!(policy));
    let missing =
        refused(on, "kms:DescribeKey", json!({"KeyId": "00000000-0000-0000-0000-000000000000"}))
            .await;
    assert_eq!(missing.kind(), CloudErrorKind::NotFound);
}

async fn check_trail(on: &dyn Actions, names: &Names) {
    let of_trail = || json!({"Name": names.trail});
    for (api, logging) in [("StopLogging", false), ("StartLogging", true)] {
        made(on, &format!("cloudtrail:{api}"), of_trail()).await;
        let status = made(on, "cloudtrail:GetTrailStatus", of_trail()).await.body;
        assert_eq!(status["IsLogging"], json!(logging));
    }
    let found = made(on, "cloudtrail:GetTrail", of_trail()).await.body;
    assert_eq!(found["Trail"]["S3BucketName"], json!(names.bucket));
    let given = json!([{"ReadWriteType": "WriteOnly", "IncludeManagementEvents": true,
        "DataResources": [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3"]}],
        "ExcludeManagementEventSources": []}]);
    let inputs = json!({"TrailName": names.trail, "EventSelectors": given});
    made(on, "cloudtrail:PutEventSelectors", inputs).await;
    let of_selectors = json!({"TrailName": names.trail});
    let found = made(on, "cloudtrail:GetEventSelectors", of_selectors.clone()).await.body;
    assert_eq!(found["EventSelectors"], given, "what is read can be put back");
    let given = json!([{"Name": "all", "FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]}]);
    let inputs = json!({"TrailName": names.trail, "AdvancedEventSelectors": given});
    made(on, "cloudtrail:PutEventSelectors", inputs).await;
    let found = made(on, "cloudtrail:GetEventSelectors", of_selectors).await.body;
    assert_eq!(found["AdvancedEventSelectors"], given);
    let missing = refused(on, "cloudtrail:GetTrailStatus", json!({"Name": "imagined"})).await;
    assert_eq!(missing.kind(), CloudErrorKind::NotFound);
}

async fn check_function(on: &dyn Actions, names: &Names) {
    let of_function = || json!({"FunctionName": names.function});
    let reserved = async || made(on, "lambda:GetFunctionConcurrency", of_function()).await.body;
    assert_eq!(reserved().await, json!({}));
    let mut inputs = of_function();
    inputs["ReservedConcurrentExecutions"] = json!(0);
    made(on, "lambda:PutFunctionConcurrency", inputs).await;
    assert_eq!(reserved().await, json!({"ReservedConcurrentExecutions": 0}));
    made(on, "lambda:DeleteFunctionConcurrency", of_function()).await;
    assert_eq!(reserved().await, json!({}));
    let missing = refused(on, "lambda:PutFunctionConcurrency", of_function()).await;
    assert_eq!(missing.kind(), CloudErrorKind::Invalid);
}

async fn check_refusals(on: &dyn Actions, names: &Names) {
    for (name, inputs) in [
        ("iam:ListAccessKeys", json!({"UserName": names.user, "Odd": 1})),
        ("iam:ListAccessKeys", json!({"UserName": 1})),
        ("iam:ListAccessKeys", json!({})),
        ("iam:DeleteEverything", json!({})),
        ("unknown:GetUser", json!({})),
    ] {
        let error = refused(on, name, inputs).await;
        assert_eq!(error.kind(), CloudErrorKind::Invalid, "{error}");
        assert_eq!(error.operation(), "call");
    }
}

async fn check(on: &dyn Actions, names: &Names) {
    check_users(on, names).await;
    check_roles(on, names).await;
    check_bucket(on, names).await;
    check_key(on, names).await;
    check_trail(on, names).await;
    check_function(on, names).await;
    check_refusals(on, names).await;
}

#[tokio::test]
async fn accounts_in_memory_keep_the_contract() {
    let accounts = FakeAccounts::new(Clock::Manual(ManualClock::new(1_767_225_600_000)));
    let names = Names {
        user: "bob".to_owned(),
        access_key: "AKIAIOSFODNN7EXAMPLE".to_owned(),
        role: "deploy".to_owned(),
        bucket: "example-bucket".to_owned(),
        kms_key: "1234abcd-12ab-34cd-56ef-1234567890ab".to_owned(),
        trail: "organization".to_owned(),
        function: "resize".to_owned(),
    };
    accounts.add_access_key(ACCOUNT, &names.user, &names.access_key);
    accounts.add_role(ACCOUNT, &names.role, TRUST);
    accounts.add_bucket(ACCOUNT, &names.bucket);
    accounts.add_kms_key(ACCOUNT, &names.kms_key);
    accounts.add_trail(ACCOUNT, REGION, &names.trail, &names.bucket);
    accounts.add_function(ACCOUNT, &names.function);
    check(&accounts, &names).await;
}

/// Makes the things of the contract in the emulator.
fn make_in_emulator(url: &str) -> Names {
    let iam = |query: &str| ask_query(url, ACCOUNT, "iam", &format!("{query}&Version=2010-05-08"));
    let (user, role, bucket, trail, function) =
        (unique("bob"), unique("deploy"), unique("contained"), unique("trail"), unique("resize"));
    iam(&format!("Action=CreateUser&UserName={user}"));
    let key = iam(&format!("Action=CreateAccessKey&UserName={user}"));
    let trust: String = TRUST.bytes().map(|byte| format!("%{byte:02X}")).collect();
    iam(&format!("Action=CreateRole&RoleName={role}&AssumeRolePolicyDocument={trust}"));
    ask(url, ACCOUNT, "s3", &format!("PUT /{bucket}"), "", "");
    let target = "TrentService.CreateKey";
    let kms_key = ask_json(url, ACCOUNT, "kms", target, &json!({}));
    let target = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.CreateTrail";
    let inputs = json!({"Name": trail, "S3BucketName": bucket});
    ask_json(url, ACCOUNT, "cloudtrail", target, &inputs);
    let code = json!({"FunctionName": function, "Runtime": "python3.12", "Handler": "a.b",
        "Role": format!("arn:aws:iam::{ACCOUNT}:role/{role}"),
        "Code": {"ZipFile": "UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA=="}});
    let json_type = "Content-Type: application/json\r\n";
    ask(url, ACCOUNT, "lambda", "POST /2015-03-31/functions", json_type, &code.to_string());
    Names {
        access_key: between(&key, "<AccessKeyId>", "</AccessKeyId>").to_owned(),
        kms_key: between(&kms_key.replace(": ", ":"), "\"KeyId\":\"", "\"").to_owned(),
        user,
        role,
        bucket,
        trail,
        function,
    }
}

#[tokio::test]
async fn ministack_keeps_the_contract_of_accounts() {
    let Some(aws) = ministack().await else { return };
    let names = make_in_emulator(&endpoint_url("TRAILLOOP_TEST_MINISTACK").unwrap());
    let actions = aws.actions(ActionOptions::default());
    let who = made(&actions, "sts:GetCallerIdentity", json!({})).await.body;
    assert_eq!(who["Account"], json!(ACCOUNT), "{who}");
    check(&actions, &names).await;
}
