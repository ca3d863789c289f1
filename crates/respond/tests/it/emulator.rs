//! Shipped runbooks against an emulator of AWS over real HTTP: run, read back, undone to the byte.
//!
//! `TRAILLOOP_TEST_MINISTACK` says where the emulator is; without it the test says so and ends.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use serde_json::{Value, json};
use trailloop_cloud::{ActionOptions, AwsOptions, CloudErrorKind, Session, connect};
use trailloop_respond::voices::Judgement;
use trailloop_respond::{Change, Phase, Standing, rows};
use trailloop_runbook::catalogue;

use crate::kit::{ACCOUNT, Kit};

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}"#;

fn emulator() -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "tests learn here where the emulators are")]
    let found = std::env::var("TRAILLOOP_TEST_MINISTACK").ok();
    if found.is_none() {
        // Not by a print macro: what they write is captured.
        let said = "skipped: TRAILLOOP_TEST_MINISTACK does not say where the emulator is\n";
        std::io::stderr().write_all(said.as_bytes()).ok();
    }
    found
}

/// One request in the account of the tests; the emulator takes any signature.
fn ask(url: &str, service: &str, head: &str, headers: &str, body: &str) -> String {
    let address = url.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "{head} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\
         Authorization: AWS4-HMAC-SHA256 Credential={ACCOUNT}/20260101/us-east-1/{service}/aws4_request, \
         SignedHeaders=host, Signature=0\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 2"), "{head} {body}: {answer}");
    answer
}

fn iam(url: &str, query: &str) -> String {
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    ask(url, "iam", "POST /", form, &format!("{query}&Version=2010-05-08"))
}

fn json_call(url: &str, service: &str, target: &str, inputs: &Value) -> String {
    let headers = format!("Content-Type: application/x-amz-json-1.1\r\nX-Amz-Target: {target}\r\n");
    ask(url, service, "POST /", &headers, &inputs.to_string())
}

fn between<'t>(text: &'t str, open: &str, close: &str) -> &'t str {
    let rest = text.split_once(open).unwrap_or_else(|| panic!("{open} in {text}")).1;
    rest.split_once(close).unwrap().0
}

fn unique(name: &str) -> String {
    format!("{name}-{}", std::process::id())
}

/// A kit whose calls go to the emulator.
async fn kit(url: &str) -> Kit {
    let mut kit = Kit::new();
    let options = AwsOptions {
        region: Some("us-east-1".to_owned()),
        endpoint_url: Some(url.to_owned()),
        path_style: true,
    };
    let aws = connect(options).await.with_keys(ACCOUNT, "test");
    kit.actions = Arc::new(aws.actions(ActionOptions::default()));
    kit
}

/// The changing steps of a run.
async fn changes(kit: &Kit, run: &str) -> Vec<Change> {
    let rows = rows::all::<Value>(&*kit.table, &format!("run/{run}")).await.unwrap();
    let steps = rows.into_iter().filter(|(sort, _)| sort.starts_with("step/"));
    steps.map(|(_, row)| serde_json::from_value(row.value).unwrap()).collect()
}

/// The state that a change is about, as the emulator shows it now.
async fn state(kit: &Kit, change: &Change) -> Value {
    let call = change.call();
    let api = catalogue::find(&call.service, &call.api).unwrap();
    let session = Session {
        account: ACCOUNT.to_owned(),
        region: "us-east-1".to_owned(),
        run: "look".to_owned(),
        policy: None,
    };
    let mut answers = Vec::new();
    for read in api.state_reads(&call) {
        answers.push(match kit.actions.call(&session, &read).await {
            Ok(answer) => Some(answer.body),
            Err(error) if error.kind() == CloudErrorKind::NotFound => None,
            Err(error) => panic!("{error}"),
        });
    }
    api.state(&call, &answers)
}

/// Runs the runbook that answers a record, and takes it back; gives its changes as they stood before that.
async fn runs_and_is_undone(kit: &Kit, runbook: &str, record: Value) -> Vec<Change> {
    let responder = kit.responder();
    let runs = kit.respond(&responder, &kit.finding_of(record)).await.unwrap();
    let mut id = None;
    for run in &runs {
        if kit.run(run).await.runbook == runbook {
            id = Some(run.clone());
        }
    }
    let id = id.unwrap_or_else(|| panic!("{runbook} was not chosen"));
    if kit.run(&id).await.phase == Phase::AwaitingApproval {
        kit.approve(&id, "ana").await;
        kit.sweep(&responder).await;
    }
    let run = kit.run(&id).await;
    assert_eq!(run.phase, Phase::Verifying, "{runbook}: {:?}", run.reasons);
    let made = changes(kit, &id).await;
    for change in &made {
        assert_eq!(change.standing, Standing::Done, "{runbook}: {change:?}");
        let api = catalogue::find(&change.service, &change.api).unwrap();
        let read = state(kit, change).await;
        assert!(api.is_achieved(&change.call(), &read), "{runbook}: {} reads {read}", change.api);
    }
    kit.judge(&run.finding, Judgement::FalsePositive).await;
    kit.sweep(&responder).await;
    let run = kit.run(&id).await;
    assert_eq!(run.phase, Phase::Undone, "{runbook}: {:?}", run.reasons);
    for change in changes(kit, &id).await {
        if change.standing == Standing::Undone {
            assert_eq!(state(kit, &change).await, change.before, "{runbook}: {}", change.api);
        }
    }
    made
}

#[tokio::test]
async fn a_users_key_is_contained_and_given_back() {
    let Some(url) = emulator() else { return };
    let kit = kit(&url).await;
    let user = unique("bob");
    iam(&url, &format!("Action=CreateUser&UserName={user}"));
    let made = iam(&url, &format!("Action=CreateAccessKey&UserName={user}"));
    let key = between(&made, "<AccessKeyId>", "</AccessKeyId>");
    let mut record = kit.record("iam.amazonaws.com", "GetAccountAuthorizationDetails", json!(null));
    let identity = &mut record["userIdentity"];
    identity["arn"] = json!(format!("arn:aws:iam::{ACCOUNT}:user/{user}"));
    identity["userName"] = json!(user);
    identity["accessKeyId"] = json!(key);
    let made = Box::pin(runs_and_is_undone(&kit, "contain-iam-user-key", record)).await;
    assert_eq!(made.len(), 2);
    assert_eq!((&made[0].before, &made[1].before), (&json!({"Status": "Active"}), &Value::Null));
}

#[tokio::test]
async fn one_session_of_a_role_is_denied_and_allowed_again() {
    let Some(url) = emulator() else { return };
    let kit = kit(&url).await;
    let role = unique("deploy");
    let trust: String = TRUST.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let made =
        iam(&url, &format!("Action=CreateRole&RoleName={role}&AssumeRolePolicyDocument={trust}"));
    let id = between(&made, "<RoleId>", "</RoleId>").to_owned();
    let mut record = kit.record("iam.amazonaws.com", "GetAccountAuthorizationDetails", json!(null));
    record["userIdentity"] = json!({
        "type": "AssumedRole",
        "principalId": format!("{id}:build-17"),
        "arn": format!("arn:aws:sts::{ACCOUNT}:assumed-role/{role}/build-17"),
        "accountId": ACCOUNT,
        "accessKeyId": "ASIAIOSFODNN7EXAMPLE",
        "sessionContext": {"sessionIssuer": {
            "type": "Role", "principalId": id, "arn": format!("arn:aws:iam::{ACCOUNT}:role/{role}"),
            "accountId": ACCOUNT, "userName": role,
        }},
    });
    let made = Box::pin(runs_and_is_undone(&kit, "revoke-role-session", record)).await;
    assert!(made[0].after.to_string().contains("build-17"), "{:?}", made[0].after);
}

#[tokio::test]
async fn a_stopped_trail_logs_again() {
    let Some(url) = emulator() else { return };
    let kit = kit(&url).await;
    let (trail, bucket) = (unique("main"), unique("trail-bucket"));
    ask(&url, "s3", &format!("PUT /{bucket}"), "", "");
    let target = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.CreateTrail";
    json_call(&url, "cloudtrail", target, &json!({"Name": trail, "S3BucketName": bucket}));
    let arn = format!("arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/{trail}");
    let record = kit.record("cloudtrail.amazonaws.com", "StopLogging", json!({"name": arn}));
    let made = Box::pin(runs_and_is_undone(&kit, "restart-trail", record)).await;
    assert_eq!((&made[0].before, made.len()), (&json!({"IsLogging": false}), 1));
}

#[tokio::test]
async fn an_opened_bucket_is_closed_and_opened_again() {
    let Some(url) = emulator() else { return };
    let kit = kit(&url).await;
    let bucket = unique("example-data");
    ask(&url, "s3", &format!("PUT /{bucket}"), "", "");
    let parameters = json!({"bucketName": bucket});
    let record = kit.record("s3.amazonaws.com", "DeleteBucketPublicAccessBlock", parameters);
    let made = Box::pin(runs_and_is_undone(&kit, "block-public-bucket", record)).await;
    assert_eq!(made[0].before, Value::Null);
}

#[tokio::test]
async fn a_keys_deletion_is_cancelled() {
    let Some(url) = emulator() else { return };
    let kit = kit(&url).await;
    let made = json_call(&url, "kms", "TrentService.CreateKey", &json!({}));
    let id = between(&made.replace(": ", ":"), "\"KeyId\":\"", "\"").to_owned();
    let inputs = json!({"KeyId": id, "PendingWindowInDays": 7});
    json_call(&url, "kms", "TrentService.ScheduleKeyDeletion", &inputs);
    let arn = format!("arn:aws:kms:us-east-1:{ACCOUNT}:key/{id}");
    let parameters = json!({"keyId": arn, "pendingWindowInDays": 7});
    let mut record = kit.record("kms.amazonaws.com", "ScheduleKeyDeletion", parameters);
    record["resources"] = json!([{"ARN": arn, "accountId": ACCOUNT, "type": "AWS::KMS::Key"}]);
    let made = Box::pin(runs_and_is_undone(&kit, "cancel-key-deletion", record)).await;
    assert_eq!(made.len(), 2);
}

#[tokio::test]
async fn what_somebody_else_put_in_between_is_left_alone_and_named() {
    let Some(url) = emulator() else { return };
    let kit = kit(&url).await;
    let bucket = unique("example-drift");
    ask(&url, "s3", &format!("PUT /{bucket}"), "", "");
    let parameters = json!({"bucketName": bucket});
    let record = kit.record("s3.amazonaws.com", "DeleteBucketPublicAccessBlock", parameters);
    let responder = kit.responder();
    let runs = kit.respond(&responder, &kit.finding_of(record)).await.unwrap();
    let id = &runs[0];
    assert_eq!(kit.run(id).await.runbook, "block-public-bucket");
    kit.approve(id, "ana").await;
    kit.sweep(&responder).await;
    let body = "<PublicAccessBlockConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
                <BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>false</IgnorePublicAcls>\
                <BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>false</RestrictPublicBuckets>\
                </PublicAccessBlockConfiguration>";
    ask(&url, "s3", &format!("PUT /{bucket}?publicAccessBlock"), "", body);
    let changed = changes(&kit, id).await;
    let between = state(&kit, &changed[0]).await;
    kit.judge(&kit.run(id).await.finding, Judgement::BenignPositive).await;
    kit.sweep(&responder).await;
    let run = kit.run(id).await;
    assert_eq!(run.phase, Phase::UndoRefused, "{:?}", run.reasons);
    assert!(
        run.reasons.iter().any(|reason| reason.contains("IgnorePublicAcls")),
        "{:?}",
        run.reasons
    );
    assert_eq!(state(&kit, &changed[0]).await, between, "it is left alone");
}
