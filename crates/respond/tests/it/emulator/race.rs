//! An attacker who is still there, over HTTP: on each change it takes back what was attached, makes its key work again, and builds
//! a role and a second key.

use std::time::Duration;

use serde_json::{Value, json};
use trailloop_cloud::Clock;
use trailloop_respond::{Phase, Run};

use super::aws::{Emulator, MINISTACK, between};
use super::kit;
use super::proxy::{Proxy, backdoor};
use crate::kit::{ACCOUNT, Kit};

const EVERYTHING: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
const NOTHING: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#;
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}"#;

/// A credential of the attacker's.
#[derive(Clone)]
struct Credential {
    key: String,
    /// `userIdentity` of what it does.
    identity: Value,
}

struct Attacker<'k> {
    kit: &'k Kit,
    through: Emulator,
    user: String,
    /// The first is the key that was found.
    credentials: Vec<Credential>,
    /// What it did since the last delivery.
    records: Vec<Value>,
    builds: bool,
}

impl Attacker<'_> {
    fn identity(&self, key: &str) -> Value {
        let mut identity = json!({
            "type": "IAMUser", "principalId": "AIDACKCEVSQ6C2EXAMPLE",
            "arn": format!("arn:aws:iam::{ACCOUNT}:user/{}", self.user), "accountId": ACCOUNT,
            "accessKeyId": key, "userName": self.user,
        });
        if key.starts_with("ASIA") {
            identity["sessionContext"] = json!({"attributes": {
                "creationDate": crate::kit::time(self.kit.now_ms()), "mfaAuthenticated": "false"}});
        }
        identity
    }

    /// One call; gives its answer if it succeeded.
    fn calls(
        &mut self,
        by: &Credential,
        service: &str,
        api: &str,
        inputs: &[(&str, &str)],
        parameters: Value,
    ) -> Option<String> {
        let version = if service == "sts" { "2011-06-15" } else { "2010-05-08" };
        let reply = self.through.with_key(&by.key).try_query(service, version, api, inputs);
        let source = format!("{service}.amazonaws.com");
        let mut record = self.kit.record(&source, api, parameters);
        record["userIdentity"] = by.identity.clone();
        let is_done = (200..300).contains(&reply.status);
        if !is_done {
            // What is not there is no refusal, and who asks for it has the right to.
            let code = between(&reply.body, "<Code>", "</Code>").to_owned();
            record["errorMessage"] = json!(between(&reply.body, "<Message>", "</Message>"));
            record["errorCode"] = json!(code);
        }
        if let Some((_, rest)) = reply.body.split_once("<AccessKeyId>") {
            let made = rest.split_once("</AccessKeyId>").unwrap().0;
            record["responseElements"] = match service {
                "sts" => json!({"credentials": {"accessKeyId": made}}),
                _ => json!({"accessKey": {"accessKeyId": made, "userName": self.user}}),
            };
        }
        self.records.push(record);
        is_done.then_some(reply.body)
    }

    fn mints(&mut self, by: &Credential) {
        let Some(given) = self.calls(by, "sts", "GetSessionToken", &[], Value::Null) else {
            return;
        };
        let key = between(&given, "<AccessKeyId>", "</AccessKeyId>").to_owned();
        let identity = self.identity(&key);
        self.credentials.push(Credential { key, identity });
    }

    /// Takes back what is against it and builds what keeps it in; gives how many of its calls succeeded.
    fn fights(&mut self) -> usize {
        let before = self.records.len();
        for by in self.credentials.clone() {
            if self.calls(&by, "iam", "ListUsers", &[], Value::Null).is_none() {
                continue;
            }
            self.takes_back(&by);
            if self.builds {
                self.builds(&by);
            }
        }
        let made = &self.records[before..];
        made.iter().filter(|record| record.get("errorCode").is_none()).count()
    }

    fn takes_back(&mut self, by: &Credential) {
        let user = self.user.clone();
        let own = [("UserName", user.as_str())];
        let named = json!({"userName": user});
        let listed = self.calls(by, "iam", "ListUserPolicies", &own, named.clone());
        for policy in members(&listed.unwrap_or_default(), "member") {
            if policy.starts_with("trailloop-") {
                let inputs = [("UserName", user.as_str()), ("PolicyName", &policy)];
                let parameters = json!({"userName": user, "policyName": policy});
                self.calls(by, "iam", "DeleteUserPolicy", &inputs, parameters);
            }
        }
        let listed = self.calls(by, "iam", "ListAttachedUserPolicies", &own, named.clone());
        for arn in members(&listed.unwrap_or_default(), "PolicyArn") {
            let inputs = [("UserName", user.as_str()), ("PolicyArn", &arn)];
            let parameters = json!({"userName": user, "policyArn": arn});
            self.calls(by, "iam", "DetachUserPolicy", &inputs, parameters);
        }
        let first = self.credentials[0].key.clone();
        let listed = self.calls(by, "iam", "ListAccessKeys", &own, named).unwrap_or_default();
        let is_off = members(&listed, "member")
            .iter()
            .any(|key| key.contains(&first) && key.contains("Inactive"));
        if is_off {
            let inputs = [
                ("UserName", user.as_str()),
                ("AccessKeyId", first.as_str()),
                ("Status", "Active"),
            ];
            let parameters = json!({"userName": user, "accessKeyId": first, "status": "Active"});
            self.calls(by, "iam", "UpdateAccessKey", &inputs, parameters);
        }
    }

    fn builds(&mut self, by: &Credential) {
        let (user, role) = (self.user.clone(), backdoor(&self.user));
        if self.credentials.iter().filter(|one| one.key.starts_with("AKIA")).count() < 2 {
            let inputs = [("UserName", user.as_str())];
            let made = self.calls(by, "iam", "CreateAccessKey", &inputs, json!({"userName": user}));
            if let Some(made) = made {
                let key = between(&made, "<AccessKeyId>", "</AccessKeyId>").to_owned();
                let identity = self.identity(&key);
                self.credentials.push(Credential { key, identity });
            }
        }
        if self.credentials.iter().any(|one| one.identity["type"] == "AssumedRole") {
            return;
        }
        let inputs = [("RoleName", role.as_str()), ("AssumeRolePolicyDocument", TRUST)];
        self.calls(by, "iam", "CreateRole", &inputs, json!({"roleName": role}));
        let inputs =
            [("RoleName", role.as_str()), ("PolicyName", "all"), ("PolicyDocument", EVERYTHING)];
        let parameters = json!({"roleName": role, "policyName": "all"});
        self.calls(by, "iam", "PutRolePolicy", &inputs, parameters);
        let arn = format!("arn:aws:iam::{ACCOUNT}:role/{role}");
        let inputs = [("RoleArn", arn.as_str()), ("RoleSessionName", "again")];
        let parameters = json!({"roleArn": arn, "roleSessionName": "again"});
        if let Some(given) = self.calls(by, "sts", "AssumeRole", &inputs, parameters) {
            let identity = json!({
                "type": "AssumedRole", "principalId": "AROACKCEVSQ6C2EXAMPLE:again",
                "arn": format!("arn:aws:sts::{ACCOUNT}:assumed-role/{role}/again"),
                "accountId": ACCOUNT,
                "accessKeyId": between(&given, "<AccessKeyId>", "</AccessKeyId>"),
                "sessionContext": {"sessionIssuer": {
                    "type": "Role", "principalId": "AROACKCEVSQ6C2EXAMPLE", "arn": arn,
                    "accountId": ACCOUNT, "userName": role,
                }},
            });
            let key = between(&given, "<AccessKeyId>", "</AccessKeyId>").to_owned();
            self.credentials.push(Credential { key, identity });
        }
    }
}

fn members(text: &str, tag: &str) -> Vec<String> {
    let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
    let found = text.split(&open).skip(1).filter_map(|rest| rest.split_once(&close));
    found.map(|(inner, _)| inner.trim().to_owned()).collect()
}

/// All runs, whether they are open or not.
async fn all_runs(kit: &Kit, first: &[String], known: &mut Vec<String>) -> Vec<Run> {
    known.extend(first.iter().cloned());
    known.extend(kit.runs().await.into_iter().map(|run| run.id));
    known.sort();
    known.dedup();
    let mut runs = Vec::new();
    for id in known.iter() {
        runs.push(kit.run(id).await);
    }
    runs
}

/// What the attacker has to do with.
#[derive(Clone, Copy)]
struct Means {
    /// Whether the guard policy of deploy/ keeps others from detaching our policies.
    is_guarded: bool,
    /// Whether the attacker makes a role and a second key.
    builds: bool,
}

/// How it ended.
#[derive(Debug)]
struct Outcome {
    /// The second of the last call that succeeded.
    last_success: Option<u64>,
    /// The runbooks, and how their runs stand.
    ends: Vec<(String, Phase)>,
}

impl Outcome {
    fn has(&self, runbook: &str, phase: Phase) -> bool {
        self.ends.contains(&(runbook.to_owned(), phase))
    }
}

/// A user and its key, in an account that has the policy which quarantines.
fn user_who_may_everything(aws: &Emulator, user: &str) -> String {
    aws.iam("CreateUser", &[("UserName", user)]);
    let inputs = [("UserName", user), ("PolicyName", "all"), ("PolicyDocument", EVERYTHING)];
    aws.iam("PutUserPolicy", &inputs);
    let inputs = [("PolicyName", "trailloop-quarantine"), ("PolicyDocument", NOTHING)];
    aws.try_query("iam", "2010-05-08", "CreatePolicy", &inputs);
    let made = aws.iam("CreateAccessKey", &[("UserName", user)]);
    between(&made, "<AccessKeyId>", "</AccessKeyId>").to_owned()
}

/// A quarter of an hour of it. Whoever has to agrees to everything at once.
async fn races(aws: &Emulator, means: Means) -> Outcome {
    let Means { is_guarded, builds } = means;
    let user = format!("mallory-{}-{is_guarded}-{builds}", std::process::id());
    let key = user_who_may_everything(aws, &user);

    let manual = trailloop_cloud::ManualClock::new(crate::kit::BEGIN_MS);
    let clock = Clock::Manual(manual.clone());
    let proxy = Proxy::start(aws.clone(), &user, is_guarded, move || clock.now_ms());
    let through = aws.at(&proxy.url);
    let mut kit = kit(Some(&through), "high").await;
    kit.manual = manual;
    let responder = kit.responder();
    let mut attacker = Attacker {
        kit: &kit,
        through,
        user: user.clone(),
        credentials: Vec::new(),
        records: Vec::new(),
        builds,
    };
    let first = Credential { key: key.clone(), identity: attacker.identity(&key) };
    attacker.credentials.push(first.clone());
    attacker.mints(&first);
    attacker.calls(&first, "iam", "ListUsers", &[], Value::Null).unwrap();
    let begun = attacker.records.pop().unwrap();
    let token = std::mem::take(&mut attacker.records);
    kit.deliver(&token);
    kit.manual.advance(Duration::from_secs(1));
    let runs = kit.respond(&responder, &kit.finding_of(begun)).await.unwrap();

    let mut known = Vec::new();
    let mut last_success = None;
    let mut second = 0;
    while second < 900 {
        let step = if second < 120 { 1 } else { 5 };
        second += step;
        kit.manual.advance(Duration::from_secs(step));
        let succeeded = attacker.fights();
        if succeeded > 0 {
            last_success = Some(second);
        }
        if second % 5 == 0 {
            let records = std::mem::take(&mut attacker.records);
            kit.deliver(&records);
            for run in kit.runs().await {
                if run.phase == Phase::AwaitingApproval {
                    kit.approve_if_not_said(&run.id, "ana").await;
                }
            }
            kit.sweep(&responder).await;
        }
        for run in all_runs(&kit, &runs, &mut known).await {
            let is_false = run.phase == Phase::Contained && succeeded > 0;
            assert!(!is_false, "{} is contained while {succeeded} calls succeed", run.runbook);
        }
    }
    let ends: Vec<(String, Phase)> = all_runs(&kit, &runs, &mut known)
        .await
        .into_iter()
        .map(|run| (run.runbook, run.phase))
        .collect();
    let is_out = last_success.is_none_or(|at| at < 600);
    let is_told = ends.iter().all(|(_, phase)| *phase != Phase::Contained)
        && ends.contains(&("contain-iam-user-key".to_owned(), Phase::Escalated));
    assert!(is_out || is_told, "last success at {last_success:?} s: {ends:?}");
    assert!(last_success.is_some(), "it was too late from the beginning");
    Outcome { last_success, ends }
}

/// Who wins is a matter of seconds; what is said of it is not.
#[tokio::test]
async fn an_attacker_who_takes_everything_back_is_out_or_told_of() {
    let Some(aws) = Emulator::new(MINISTACK) else { return };
    Box::pin(races(&aws, Means { is_guarded: false, builds: false })).await;
}

/// The policy that denies everything stays attached, and so the attacker is out.
#[tokio::test]
async fn an_attacker_who_takes_everything_back_is_out_under_the_guard_policy() {
    let Some(aws) = Emulator::new(MINISTACK) else { return };
    let outcome = Box::pin(races(&aws, Means { is_guarded: true, builds: false })).await;
    assert!(outcome.last_success.is_some_and(|at| at < 600), "{outcome:?}");
}

/// A role that was made in the seconds before the first deny is enforced outlives its maker; that is seen, and never called contained.
#[tokio::test]
async fn an_attacker_who_builds_a_role_and_a_second_key_is_told_of() {
    let Some(aws) = Emulator::new(MINISTACK) else { return };
    let outcome = Box::pin(races(&aws, Means { is_guarded: true, builds: true })).await;
    assert!(outcome.has("contain-iam-user-key", Phase::Escalated), "{outcome:?}");
    assert!(outcome.ends.iter().all(|(_, phase)| *phase != Phase::Contained), "{outcome:?}");
}
