//! What the accounts in memory enforce, and when; and an emulator that enforces the same.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use trailloop_cloud::{
    ActionOptions, Actions, Attempt, Clock, CloudErrorKind, FakeAccounts, Fault, FaultPlan,
    FaultyActions, ManualClock, Operation, ScriptedFault, Session, Store,
};
use trailloop_runbook::policy::session_policy;

use crate::actions_contract::{ACCOUNT, REGION, ask_query, between, call, made, session};
use crate::aws_emulators::{emulator, endpoint_url, unique};

const START_MS: i64 = 1_767_225_600_000; // 2026-01-01T00:00:00Z
const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const ALLOW: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

fn accounts(clock: &ManualClock, delay: Duration) -> FakeAccounts {
    let accounts = FakeAccounts::new(Clock::Manual(clock.clone())).with_propagation(delay);
    accounts.add_access_key(ACCOUNT, "bob", KEY);
    accounts.add_policy(ACCOUNT, "bob", "all", ALLOW);
    accounts
}

fn denied(attempt: Attempt) -> String {
    match attempt {
        Attempt::Denied { reason } => reason,
        Attempt::Allowed => panic!("it is allowed"),
    }
}

fn deny(condition: &serde_json::Value) -> String {
    let statement =
        json!([{"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": condition}]);
    json!({"Version": "2012-10-17", "Statement": statement}).to_string()
}

#[tokio::test]
async fn a_key_that_is_disabled_is_invalid_once_that_has_spread() {
    let clock = ManualClock::new(START_MS);
    let accounts = accounts(&clock, Duration::from_secs(4));
    let at = |ms| accounts.attempt(KEY, "s3:ListAllMyBuckets", "*", START_MS + ms);
    let inputs = json!({"UserName": "bob", "AccessKeyId": KEY, "Status": "Inactive"});
    made(&accounts, "iam:UpdateAccessKey", inputs).await;
    let keys = made(&accounts, "iam:ListAccessKeys", json!({"UserName": "bob"})).await.body;
    assert_eq!(keys["AccessKeyMetadata"][0]["Status"], json!("Inactive"), "reads see it at once");
    assert_eq!(at(3_999), Attempt::Allowed);
    assert!(denied(at(4_000)).contains("security token included in the request is invalid"));
}

#[tokio::test]
async fn tokens_that_were_minted_outlive_their_key_and_not_a_deny_by_time() {
    let clock = ManualClock::new(START_MS);
    let accounts = accounts(&clock, Duration::ZERO);
    let before = accounts.mint(ACCOUNT, "bob", None);
    clock.advance(Duration::from_secs(10));
    let after = accounts.mint(ACCOUNT, "bob", None);
    let now_ms = START_MS + 10_000;
    let inputs = json!({"UserName": "bob", "AccessKeyId": KEY, "Status": "Inactive"});
    made(&accounts, "iam:UpdateAccessKey", inputs).await;
    let list = |key: &str| accounts.attempt(key, "s3:ListAllMyBuckets", "*", now_ms);
    assert_eq!(list(&before), Attempt::Allowed);

    let document = deny(&json!({"DateLessThan": {"aws:TokenIssueTime": "2026-01-01T00:00:10Z"}}));
    let inputs = json!({"UserName": "bob", "PolicyName": "contain", "PolicyDocument": document});
    made(&accounts, "iam:PutUserPolicy", inputs).await;
    assert_eq!(
        denied(list(&before)),
        "User: arn:aws:iam::111122223333:user/bob is not authorized to perform: s3:ListAllMyBuckets on resource: * \
         with an explicit deny in an identity-based policy"
    );
    assert_eq!(list(&after), Attempt::Allowed);
    let who = accounts.attempt(&before, "sts:GetCallerIdentity", "*", now_ms);
    assert_eq!(who, Attempt::Allowed, "STS says it even then");
}

#[tokio::test]
async fn one_session_of_a_role_is_denied_and_its_sibling_works_on() {
    let clock = ManualClock::new(START_MS);
    let accounts = accounts(&clock, Duration::ZERO);
    let role = accounts.add_role(ACCOUNT, "deploy", "{}");
    accounts.add_policy(ACCOUNT, "deploy", "all", ALLOW);
    let [one, two] = ["one", "two"].map(|name| accounts.mint(ACCOUNT, "deploy", Some(name)));
    let document = deny(&json!({"StringEquals": {"aws:userid": format!("{role}:one")}}));
    let inputs = json!({"RoleName": "deploy", "PolicyName": "contain", "PolicyDocument": document});
    made(&accounts, "iam:PutRolePolicy", inputs).await;
    let list = |key: &str| accounts.attempt(key, "s3:ListAllMyBuckets", "*", START_MS);
    assert!(denied(list(&one)).contains("assumed-role/deploy/one is not authorized"));
    assert_eq!(list(&two), Attempt::Allowed);
}

#[tokio::test]
async fn managed_policies_and_boundaries_deny_too() {
    let clock = ManualClock::new(START_MS);
    let accounts = accounts(&clock, Duration::ZERO);
    let list = || accounts.attempt(KEY, "s3:ListAllMyBuckets", "*", START_MS);
    let deny_all = "arn:aws:iam::aws:policy/AWSDenyAll";
    let attachment = json!({"UserName": "bob", "PolicyArn": deny_all});
    made(&accounts, "iam:AttachUserPolicy", attachment.clone()).await;
    assert!(denied(list()).contains("explicit deny in an identity-based policy"));
    made(&accounts, "iam:DetachUserPolicy", attachment).await;
    assert_eq!(list(), Attempt::Allowed);
    let boundary = json!({"UserName": "bob", "PermissionsBoundary": deny_all});
    made(&accounts, "iam:PutUserPermissionsBoundary", boundary).await;
    assert!(denied(list()).contains("explicit deny in a permissions boundary"));
}

/// What an attacker does who is not yet, and then is, contained.
#[tokio::test]
async fn an_attacker_acts_with_credentials_and_all_is_in_the_log() {
    let clock = ManualClock::new(START_MS);
    let accounts = accounts(&clock, Duration::ZERO);
    let create = call("iam:CreateAccessKey", json!({"UserName": "bob"}));
    let second = accounts.call_as(KEY, REGION, &create).unwrap().body;
    let second = second["AccessKey"]["AccessKeyId"].as_str().unwrap();
    let policy =
        json!({"UserName": "bob", "PolicyName": "contain", "PolicyDocument": deny(&json!({}))});
    made(&accounts, "iam:PutUserPolicy", policy).await;
    let remove = call("iam:DeleteUserPolicy", json!({"UserName": "bob", "PolicyName": "contain"}));
    for key in [KEY, second] {
        let error = accounts.call_as(key, REGION, &remove).unwrap_err();
        assert_eq!((error.kind(), error.code()), (CloudErrorKind::Denied, Some("AccessDenied")));
    }
    let log = accounts.requests();
    let said: Vec<_> = log
        .iter()
        .map(|one| (one.call.api.as_str(), one.session.is_some(), one.error.is_some()))
        .collect();
    assert_eq!(
        said,
        [
            ("CreateAccessKey", false, false),
            ("PutUserPolicy", true, false),
            ("DeleteUserPolicy", false, true),
            ("DeleteUserPolicy", false, true)
        ]
    );
    assert_eq!(log[2].access_key_id.as_deref(), Some(KEY));
}

#[tokio::test]
async fn a_session_policy_allows_its_step_alone() {
    let clock = ManualClock::new(START_MS);
    let accounts = accounts(&clock, Duration::ZERO);
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
        "Action": ["iam:UpdateAccessKey", "iam:ListAccessKeys"], "Resource": format!("arn:aws:iam::{ACCOUNT}:user/bob")}]});
    let session = Session { policy: Some(policy.to_string()), ..session() };
    let list = |user: &str| call("iam:ListAccessKeys", json!({"UserName": user}));
    assert!(accounts.call(&session, &list("bob")).await.is_ok());
    for refused in [list("alice"), call("iam:GetUser", json!({"UserName": "bob"}))] {
        let error = accounts.call(&session, &refused).await.unwrap_err();
        assert_eq!(error.kind(), CloudErrorKind::Denied, "{error}");
        assert!(error.message().contains("no session policy allows"), "{error}");
    }
    // Which policy may be attached is a condition.
    let attach = |name: &str| {
        let arn = format!("arn:aws:iam::aws:policy/{name}");
        call("iam:AttachUserPolicy", json!({"UserName": "bob", "PolicyArn": arn}))
    };
    let policy = session_policy(&attach("AWSDenyAll"), "aws", ACCOUNT, REGION);
    let session = Session { policy: Some(policy), ..session };
    let error = accounts.call(&session, &attach("AdministratorAccess")).await.unwrap_err();
    assert_eq!(error.kind(), CloudErrorKind::Denied, "{error}");
    assert!(accounts.call(&session, &attach("AWSDenyAll")).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn calls_fail_as_planned_before_and_after_their_effect() {
    let clock = ManualClock::new(START_MS);
    let accounts = accounts(&clock, Duration::ZERO);
    let fault = |call, fault| ScriptedFault { operation: Operation::Call, call, fault };
    let plan = FaultPlan::script([
        fault(0, Fault::Fails(CloudErrorKind::Denied)),
        fault(1, Fault::DoneButFails),
        fault(2, Fault::Delay(Duration::from_secs(5))),
    ]);
    let faulty = FaultyActions::new(Arc::new(accounts.clone()), plan);
    let status = |status| {
        call(
            "iam:UpdateAccessKey",
            json!({"UserName": "bob", "AccessKeyId": KEY, "Status": status}),
        )
    };
    let error = faulty.call(&session(), &status("Inactive")).await.unwrap_err();
    assert_eq!((error.kind(), accounts.requests().len()), (CloudErrorKind::Denied, 0));
    let error = faulty.call(&session(), &status("Inactive")).await.unwrap_err();
    assert_eq!((error.kind(), accounts.requests().len()), (CloudErrorKind::Transient, 1));
    let before = tokio::time::Instant::now();
    faulty.call(&session(), &status("Active")).await.unwrap();
    assert_eq!(before.elapsed(), Duration::from_secs(5));
    assert_eq!(faulty.plan().fired_total(), 3);
}

/// The emulator with its authorization on: a session policy, a key's status and a deny with conditions hold there as they do in
/// the accounts in memory.
#[tokio::test]
async fn an_emulator_enforces_session_policies_and_denies_alike() {
    let variable = "TRAILLOOP_TEST_MINISTACK_AUTH";
    let Some(aws) = emulator(variable).await else { return };
    let url = endpoint_url(variable).unwrap();
    let account = "444455556666";
    let encoded =
        |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02X}")).collect() };
    let iam = |query: &str| ask_query(&url, account, "iam", &format!("{query}&Version=2010-05-08"));
    let (role, bob, alice) = (unique("responder"), unique("bob"), unique("alice"));
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":["sts:AssumeRole","sts:SetSourceIdentity"]}]}"#;
    iam(&format!("Action=CreateRole&RoleName={role}&AssumeRolePolicyDocument={}", encoded(trust)));
    let all = format!("PolicyName=all&PolicyDocument={}", encoded(ALLOW));
    iam(&format!("Action=PutRolePolicy&RoleName={role}&{all}"));
    for user in [&bob, &alice] {
        iam(&format!("Action=CreateUser&UserName={user}"));
        iam(&format!("Action=PutUserPolicy&UserName={user}&{all}"));
    }
    let key = iam(&format!("Action=CreateAccessKey&UserName={bob}"));
    let id = between(&key, "<AccessKeyId>", "</AccessKeyId>");
    let secret = between(&key, "<SecretAccessKey>", "</SecretAccessKey>");

    let options = ActionOptions {
        role_arn_template: format!("arn:{{partition}}:iam::{{account}}:role/{role}"),
        ..ActionOptions::default()
    };
    let actions = aws.actions(options);
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
        "Action": ["iam:UpdateAccessKey", "iam:ListAccessKeys"],
        "Resource": format!("arn:aws:iam::{account}:user/{bob}")}]});
    let session =
        Session { account: account.to_owned(), policy: Some(policy.to_string()), ..session() };
    let as_bob = aws.with_keys(id, secret);
    assert!(
        as_bob.store().list("imagined", "", None).await.unwrap_err().kind()
            == CloudErrorKind::NotFound
    );

    let list = |user: &str| call("iam:ListAccessKeys", json!({"UserName": user}));
    let keys = actions.call(&session, &list(&bob)).await.unwrap().body;
    assert_eq!(keys["AccessKeyMetadata"][0]["AccessKeyId"], json!(id));
    let error = actions.call(&session, &list(&alice)).await.unwrap_err();
    assert_eq!(error.kind(), CloudErrorKind::Denied, "{error}");
    let inputs = json!({"UserName": bob, "AccessKeyId": id, "Status": "Inactive"});
    actions.call(&session, &call("iam:UpdateAccessKey", inputs)).await.unwrap();
    let error = as_bob.store().list("imagined", "", None).await.unwrap_err();
    assert_eq!(error.kind(), CloudErrorKind::Denied, "{error}");
}
