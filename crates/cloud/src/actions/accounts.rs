//! Accounts in memory, for the demo and the simulation: users, keys, roles, buckets and the rest, with IAM's own semantics.
//!
//! A change of IAM becomes visible to [`FakeAccounts::attempt`] after a delay on a clock that is handed in, as in AWS; reads
//! of the API see it at once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde_json::Value;
use trailloop_runbook::Call;

use super::attempt::{self, Attempt};
use super::inputs::Inputs;
use super::policy::{Decision, Request, evaluate};
use super::{Actions, Answer, Session, fake_iam, fake_services};
use crate::clock::{Clock, milliseconds};
use crate::error::{CloudError, CloudErrorKind};

/// A user or a role.
#[derive(Clone, Debug, Default)]
pub(super) struct Principal {
    pub(super) name: String,
    pub(super) id: String,
    pub(super) arn: String,
    pub(super) created_ms: i64,
    /// Inline policies.
    pub(super) inline: BTreeMap<String, String>,
    /// ARNs of managed policies.
    pub(super) attached: Vec<String>,
    pub(super) boundary: Option<String>,
    /// Who may assume a role; a user has none.
    pub(super) trust: Option<String>,
    /// Access keys of a user.
    pub(super) keys: BTreeMap<String, AccessKey>,
    /// Service-specific credentials of a user.
    pub(super) credentials: BTreeMap<String, ServiceCredential>,
}

#[derive(Clone, Debug)]
pub(super) struct ServiceCredential {
    pub(super) service: String,
    pub(super) active: bool,
    pub(super) created_ms: i64,
}

#[derive(Clone, Debug)]
pub(super) struct AccessKey {
    pub(super) active: bool,
    pub(super) created_ms: i64,
}

/// What IAM knows of an account.
#[derive(Clone, Debug, Default)]
pub(super) struct Identities {
    pub(super) users: BTreeMap<String, Principal>,
    pub(super) roles: BTreeMap<String, Principal>,
    /// Managed policies: the document of each ARN.
    pub(super) policies: BTreeMap<String, String>,
}

/// One account.
#[derive(Debug, Default)]
pub(super) struct Account {
    pub(super) id: String,
    pub(super) identities: Identities,
    /// What IAM enforces, and from when; in order of time.
    pub(super) enforced: Vec<(i64, Identities)>,
    pub(super) buckets: BTreeMap<String, fake_services::Bucket>,
    pub(super) kms_keys: BTreeMap<String, fake_services::KmsKey>,
    pub(super) trails: BTreeMap<String, fake_services::Trail>,
    /// Reserved concurrency of each function.
    pub(super) functions: BTreeMap<String, Option<i32>>,
}

/// Temporary credentials.
#[derive(Clone, Debug)]
pub(super) struct Temporary {
    pub(super) account: String,
    /// The name of the user or role.
    pub(super) principal: String,
    /// The session's name, if it is a role's.
    pub(super) session: Option<String>,
    pub(super) issued_ms: i64,
}

#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) accounts: BTreeMap<String, Account>,
    pub(super) temporary: BTreeMap<String, Temporary>,
    requests: Vec<Requested>,
    made: u64,
}

/// A request that arrived.
#[derive(Clone, Debug)]
pub struct Requested {
    /// As whom, if it came through [`Actions`].
    pub session: Option<Session>,
    /// By which access key, if it came through [`FakeAccounts::call_as`].
    pub access_key_id: Option<String>,
    /// What was asked.
    pub call: Call,
    /// When, in milliseconds of Unix time.
    pub at_ms: i64,
    /// The id that the answer has.
    pub request_id: String,
    /// Why it was refused, if it was.
    pub error: Option<String>,
}

/// The fake accounts. Clones are the same accounts.
#[derive(Clone, Debug)]
pub struct FakeAccounts {
    world: Arc<Mutex<World>>,
    clock: Clock,
    propagation: Duration,
}

impl FakeAccounts {
    /// No account yet. Changes of IAM are enforced at once.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { world: Arc::default(), clock, propagation: Duration::ZERO }
    }

    /// Changes of IAM are enforced this long after they were made.
    #[must_use]
    pub fn with_propagation(self, propagation: Duration) -> Self {
        Self { propagation, ..self }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets something up: it is there, and enforced, from the beginning.
    fn set_up<T>(&self, account: &str, change: impl FnOnce(&mut Account, i64, String) -> T) -> T {
        let now_ms = self.clock.now_ms();
        let mut world = self.world();
        let serial = world.serial();
        let account = world.account_mut(account);
        let made = change(account, now_ms, serial);
        account.enforced = vec![(i64::MIN, account.identities.clone())];
        made
    }

    /// Adds a user without any right, and gives its id (`AIDA…`).
    pub fn add_user(&self, account: &str, name: &str) -> String {
        self.set_up(account, |account, now_ms, serial| {
            fake_iam::add_user(account, name, now_ms, &serial)
        })
    }

    /// Adds an active access key of a user; the user too, if there is none.
    pub fn add_access_key(&self, account: &str, user: &str, access_key_id: &str) {
        self.set_up(account, |account, now_ms, serial| {
            if !account.identities.users.contains_key(user) {
                fake_iam::add_user(account, user, now_ms, &serial);
            }
            if let Some(user) = account.identities.users.get_mut(user) {
                let key = AccessKey { active: true, created_ms: now_ms };
                user.keys.insert(access_key_id.to_owned(), key);
            }
        });
    }

    /// Adds a role with this trust policy, and gives its id (`AROA…`).
    pub fn add_role(&self, account: &str, name: &str, trust: &str) -> String {
        self.set_up(account, |account, now_ms, serial| {
            fake_iam::add_role(account, name, trust, now_ms, &serial)
        })
    }

    /// Gives a user or a role an inline policy.
    pub fn add_policy(&self, account: &str, principal: &str, name: &str, document: &str) {
        self.set_up(account, |account, _, _| {
            let Identities { users, roles, .. } = &mut account.identities;
            if let Some(principal) = users.get_mut(principal).or_else(|| roles.get_mut(principal)) {
                principal.inline.insert(name.to_owned(), document.to_owned());
            }
        });
    }

    /// Adds an active credential of a user for one service, and gives its id (`ACCA…`).
    pub fn add_service_credential(&self, account: &str, user: &str, service: &str) -> String {
        self.set_up(account, |account, now_ms, serial| {
            let id = format!("ACCA{serial}");
            if let Some(user) = account.identities.users.get_mut(user) {
                let service = service.to_owned();
                let credential = ServiceCredential { service, active: true, created_ms: now_ms };
                user.credentials.insert(id.clone(), credential);
            }
            id
        })
    }

    /// Adds a bucket without a public access block.
    pub fn add_bucket(&self, account: &str, bucket: &str) {
        self.set_up(account, |account, _, _| {
            account.buckets.insert(bucket.to_owned(), fake_services::Bucket::default());
        });
    }

    /// Adds a KMS key that is enabled.
    pub fn add_kms_key(&self, account: &str, key_id: &str) {
        self.set_up(account, |account, now_ms, _| {
            let key = fake_services::KmsKey::new(now_ms);
            account.kms_keys.insert(key_id.to_owned(), key);
        });
    }

    /// Adds a trail that logs to this bucket.
    pub fn add_trail(&self, account: &str, region: &str, name: &str, bucket: &str) {
        self.set_up(account, |account, now_ms, _| {
            let trail = fake_services::Trail::new(region, bucket, now_ms);
            account.trails.insert(name.to_owned(), trail);
        });
    }

    /// Adds a function without reserved concurrency.
    pub fn add_function(&self, account: &str, name: &str) {
        self.set_up(account, |account, _, _| {
            account.functions.insert(name.to_owned(), None);
        });
    }

    /// Mints temporary credentials of a user or, with a session's name, of a role, now; gives their key id (`ASIA…`).
    pub fn mint(&self, account: &str, principal: &str, session: Option<&str>) -> String {
        let issued_ms = self.clock.now_ms();
        let mut world = self.world();
        let access_key_id = format!("ASIA{}", world.serial());
        let temporary = Temporary {
            account: account.to_owned(),
            principal: principal.to_owned(),
            session: session.map(str::to_owned),
            issued_ms,
        };
        world.temporary.insert(access_key_id.clone(), temporary);
        access_key_id
    }

    /// What would come of a request with these credentials at this time, by what is enforced then.
    #[must_use]
    pub fn attempt(
        &self,
        access_key_id: &str,
        action: &str,
        resource: &str,
        now_ms: i64,
    ) -> Attempt {
        attempt::attempt(&self.world(), access_key_id, action, resource, now_ms)
    }

    /// Makes a call with these credentials, now, if it is allowed: what an attacker does.
    ///
    /// # Errors
    ///
    /// `Denied` with the sentence that AWS says, or what the call itself fails with.
    pub fn call_as(
        &self,
        access_key_id: &str,
        region: &str,
        call: &Call,
    ) -> Result<Answer, CloudError> {
        let now_ms = self.clock.now_ms();
        let mut world = self.world();
        let account = attempt::account_of(&world, access_key_id, now_ms).unwrap_or_default();
        let (action, resource) = named(&account, region, call);
        let result = match attempt::attempt(&world, access_key_id, &action, &resource, now_ms) {
            Attempt::Denied { reason } => Err(denied(call, &reason)),
            Attempt::Allowed => self.make(&mut world, &account, region, call, now_ms),
        };
        world.record(None, Some(access_key_id.to_owned()), call, now_ms, result)
    }

    /// All requests so far, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<Requested> {
        self.world().requests.clone()
    }

    /// Makes a call that is allowed, and lets what it changed of IAM be enforced later.
    fn make(
        &self,
        world: &mut World,
        account: &str,
        region: &str,
        call: &Call,
        now_ms: i64,
    ) -> Result<Value, CloudError> {
        let serial = world.serial();
        let Some(account) = world.accounts.get_mut(account) else {
            return Err(denied(call, &format!("there is no account {account}")));
        };
        let mut inputs = Inputs::new(call);
        let body = match call.service.as_str() {
            "iam" => fake_iam::call(account, &call.api, &mut inputs, now_ms, &serial)?,
            _ => fake_services::call(account, region, call, &mut inputs, now_ms)?,
        };
        if call.service == "iam" {
            let from_ms = now_ms.saturating_add(milliseconds(self.propagation));
            account.enforced.push((from_ms, account.identities.clone()));
            // What was superseded before now is never asked for again.
            let current = account.enforced.iter().rposition(|(from_ms, _)| *from_ms <= now_ms);
            account.enforced.drain(..current.unwrap_or(0));
        }
        Ok(body)
    }
}

#[async_trait]
impl Actions for FakeAccounts {
    async fn call(&self, session: &Session, call: &Call) -> Result<Answer, CloudError> {
        let now_ms = self.clock.now_ms();
        let mut world = self.world();
        let (action, resource) = named(&session.account, &session.region, call);
        let request = Request { action: &action, resource: &resource, context: asked(call) };
        let allowed = session
            .policy
            .as_deref()
            .is_none_or(|policy| evaluate(policy, &request) == Decision::Allow);
        let result = if allowed {
            self.make(&mut world, &session.account, &session.region, call, now_ms)
        } else {
            let reason = format!(
                "not authorized to perform: {action} on resource: {resource} because no session policy allows the \
                 {action} action"
            );
            Err(denied(call, &reason))
        };
        world.record(Some(session.clone()), None, call, now_ms, result)
    }
}

impl World {
    /// A number of its own, as the last characters of an id.
    fn serial(&mut self) -> String {
        self.made += 1;
        format!("EXAMPLE{:09}", self.made)
    }

    fn account_mut(&mut self, id: &str) -> &mut Account {
        let account = self.accounts.entry(id.to_owned()).or_default();
        if account.id.is_empty() {
            id.clone_into(&mut account.id);
            account.identities.policies = fake_iam::policies_of_aws();
        }
        account
    }

    fn record(
        &mut self,
        session: Option<Session>,
        access_key_id: Option<String>,
        call: &Call,
        at_ms: i64,
        result: Result<Value, CloudError>,
    ) -> Result<Answer, CloudError> {
        let request_id = format!("00000000-0000-4000-8000-{:012}", self.requests.len() + 1);
        let error = result.as_ref().err().map(ToString::to_string);
        self.requests.push(Requested {
            session,
            access_key_id,
            call: call.clone(),
            at_ms,
            request_id: request_id.clone(),
            error,
        });
        match result {
            Ok(body) => Ok(Answer { request_id: Some(request_id), body }),
            Err(error) => Err(error.with_request_id(request_id)),
        }
    }
}

fn denied(call: &Call, reason: &str) -> CloudError {
    CloudError::new(CloudErrorKind::Denied, "call", call.name(), reason)
        .with_code("AccessDenied")
        .with_status(403)
}

/// An error of AWS's own: its code, and what it says.
pub(super) fn refused(kind: CloudErrorKind, name: &str, code: &str, message: String) -> CloudError {
    let status = if kind == CloudErrorKind::NotFound { 404 } else { 400 };
    CloudError::new(kind, "call", name, message).with_code(code).with_status(status)
}

/// A time as answers have it.
pub(super) fn rfc3339(ms: i64) -> String {
    DateTime::from_millis(ms).fmt(Format::DateTime).unwrap_or_default()
}

/// The condition keys of IAM that say what a call asks for.
fn asked(call: &Call) -> BTreeMap<&'static str, String> {
    let keys = [("iam:policyarn", "PolicyArn"), ("iam:permissionsboundary", "PermissionsBoundary")];
    let given = |(key, input)| {
        (call.service == "iam").then(|| Some((key, call.text(input)?.to_owned())))?
    };
    keys.into_iter().filter_map(given).collect()
}

/// The action and the resource of a call, as policies name them.
fn named(account: &str, region: &str, call: &Call) -> (String, String) {
    let api = match (call.service.as_str(), call.api.as_str()) {
        ("s3", "GetPublicAccessBlock") => "GetBucketPublicAccessBlock",
        ("s3", "PutPublicAccessBlock" | "DeletePublicAccessBlock") => "PutBucketPublicAccessBlock",
        (_, api) => api,
    };
    let service = if call.service == "sso-admin" { "sso" } else { call.service.as_str() };
    let of = |input: &str, prefix: &str| {
        let text = call.text(input)?;
        Some(if text.starts_with("arn:") { text.to_owned() } else { format!("{prefix}{text}") })
    };
    let regional = format!("arn:aws:{service}:{region}:{account}:");
    let resource = match service {
        "iam" => of("UserName", &format!("arn:aws:iam::{account}:user/"))
            .or_else(|| of("RoleName", &format!("arn:aws:iam::{account}:role/")))
            .or_else(|| of("PolicyArn", ""))
            // Of whose key it is only the answer tells; IAM asks for the right on users.
            .or_else(|| of("AccessKeyId", &format!("arn:aws:iam::{account}:user/"))),
        "s3" => of("Bucket", "arn:aws:s3:::"),
        "kms" => of("KeyId", &format!("{regional}key/")),
        "cloudtrail" => of("Name", &format!("{regional}trail/"))
            .or_else(|| of("TrailName", &format!("{regional}trail/"))),
        "lambda" => of("FunctionName", &format!("{regional}function:")),
        _ => None,
    };
    (format!("{service}:{api}"), resource.unwrap_or_else(|| "*".to_owned()))
}
