//! The responder role, assumed for each session with the rights of its step alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use aws_config::SdkConfig;
use aws_config::identity::IdentityCache;
use aws_config::retry::RetryConfig;
use aws_sdk_sts::config::{Credentials, Region, SharedCredentialsProvider};

use super::of_call;
use crate::actions::Session;
use crate::aws::from_sdk;
use crate::clock::Clock;
use crate::error::{CloudError, CloudErrorKind};

/// The shortest that STS gives; a step takes seconds.
const SECONDS: i32 = 900;

/// Credentials that end sooner are not used: a call must not expire on its way.
const MARGIN_MS: i64 = 60_000;

/// The longest name of a role session.
const SESSION_NAME_MAX: usize = 64;

/// As whom calls are made.
#[derive(Clone, Debug)]
pub struct ActionOptions {
    /// The responder role of each account, with `{partition}` and `{account}` in it.
    pub role_arn_template: String,
    /// The external id that the role's trust asks for.
    pub external_id: Option<String>,
    /// The source identity, which stays with all that the session does. The role's trust must allow `sts:SetSourceIdentity`.
    pub source_identity: String,
    /// The clock by which credentials end.
    pub clock: Clock,
}

impl Default for ActionOptions {
    fn default() -> Self {
        Self {
            role_arn_template: "arn:{partition}:iam::{account}:role/trailloop-responder".to_owned(),
            external_id: None,
            source_identity: "trailloop".to_owned(),
            clock: Clock::System,
        }
    }
}

/// The sessions that are open.
#[derive(Clone, Debug)]
pub(super) struct Sessions {
    options: Arc<ActionOptions>,
    sts: aws_sdk_sts::Client,
    open: Arc<Mutex<HashMap<Session, Open>>>,
}

#[derive(Clone, Debug)]
struct Open {
    credentials: Credentials,
    until_ms: i64,
}

impl Sessions {
    pub(super) fn new(options: ActionOptions, base: &SdkConfig) -> Self {
        let sts = aws_sdk_sts::Client::new(base);
        Self { options: Arc::new(options), sts, open: Arc::default() }
    }

    /// The settings of a session: its region, its credentials, and how often a request is tried.
    pub(super) async fn config(
        &self,
        session: &Session,
        base: &SdkConfig,
        retries: RetryConfig,
    ) -> Result<SdkConfig, CloudError> {
        let credentials = self.credentials(session).await?;
        Ok(base
            .clone()
            .into_builder()
            .region(Region::new(session.region.clone()))
            .retry_config(retries)
            // The credentials are fixed; the cache of the settings that are shared would grow by one entry each session.
            .identity_cache(IdentityCache::no_cache())
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .build())
    }

    /// The credentials of a session, from STS unless those at hand are still good.
    pub(super) async fn credentials(&self, session: &Session) -> Result<Credentials, CloudError> {
        let now_ms = self.options.clock.now_ms();
        let found = {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.retain(|_, open| now_ms < open.until_ms);
            open.get(session).map(|open| open.credentials.clone())
        };
        if let Some(credentials) = found {
            return Ok(credentials);
        }
        let fresh = self.assume(session).await?;
        let credentials = fresh.credentials.clone();
        self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(session.clone(), fresh);
        Ok(credentials)
    }

    async fn assume(&self, session: &Session) -> Result<Open, CloudError> {
        check(session)?;
        let role = self
            .options
            .role_arn_template
            .replace("{partition}", partition(&session.region))
            .replace("{account}", &session.account);
        let request = self
            .sts
            .assume_role()
            .role_arn(&role)
            .role_session_name(session_name(&session.run))
            .source_identity(&self.options.source_identity)
            .set_external_id(self.options.external_id.clone())
            .set_policy(session.policy.clone())
            .duration_seconds(SECONDS);
        let answer = Box::pin(request.send())
            .await
            .map_err(|failure| of_call(from_sdk("assume role", &role, &failure), false))?;
        let Some(given) = answer.credentials else {
            let message = "the answer has no credentials";
            return Err(CloudError::new(CloudErrorKind::Transient, "assume role", role, message));
        };
        let until = given.expiration.secs();
        let expires =
            u64::try_from(until).ok().map(|until| UNIX_EPOCH + Duration::from_secs(until));
        Ok(Open {
            credentials: Credentials::new(
                given.access_key_id,
                given.secret_access_key,
                Some(given.session_token),
                expires,
                "responder role",
            ),
            until_ms: until.saturating_mul(1000).saturating_sub(MARGIN_MS),
        })
    }
}

/// The account goes into an ARN: what is not twelve digits could name another role.
fn check(session: &Session) -> Result<(), CloudError> {
    let digits = session.account.len() == 12 && session.account.bytes().all(|b| b.is_ascii_digit());
    let region = !session.region.is_empty()
        && session
            .region
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if digits && region {
        return Ok(());
    }
    let message = format!(
        "account {:?} must be twelve digits and region {:?} the name of a region",
        session.account, session.region
    );
    Err(CloudError::new(CloudErrorKind::Invalid, "assume role", &session.run, message))
}

/// The partition of a region.
fn partition(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "aws-cn"
    } else if region.starts_with("us-gov-") {
        "aws-us-gov"
    } else {
        "aws"
    }
}

/// `trailloop-<run>` as STS takes it: at most 64 of its characters.
fn session_name(run: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    let run = run.chars().map(|c| if allowed(c) { c } else { '-' });
    "trailloop-".chars().chain(run).take(SESSION_NAME_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_session_is_what_sts_takes() {
        assert_eq!(session_name("0f3a"), "trailloop-0f3a");
        assert_eq!(session_name("a b/é:c"), "trailloop-a-b---c");
        assert_eq!(session_name(&"x".repeat(100)).len(), 64);
    }

    #[test]
    fn partitions_by_region() {
        assert_eq!(partition("eu-west-1"), "aws");
        assert_eq!(partition("cn-north-1"), "aws-cn");
        assert_eq!(partition("us-gov-west-1"), "aws-us-gov");
    }

    #[test]
    fn an_account_that_could_name_another_role_is_refused() {
        let session = |account: &str, region: &str| Session {
            account: account.to_owned(),
            region: region.to_owned(),
            run: "r".to_owned(),
            policy: None,
        };
        assert!(check(&session("111122223333", "eu-west-1")).is_ok());
        for (account, region) in [
            ("11112222333", "eu-west-1"),
            ("11112222333:", "eu-west-1"),
            ("111122223333", "x.example"),
        ] {
            assert_eq!(
                check(&session(account, region)).unwrap_err().kind(),
                CloudErrorKind::Invalid
            );
        }
    }
}
