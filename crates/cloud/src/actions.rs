//! Calls that change an account: what a runbook asks of AWS.

mod accounts;
mod attempt;
mod fake_iam;
mod fake_services;
mod faulty;
pub(crate) mod inputs;
mod policy;

use async_trait::async_trait;
use serde_json::Value;
use trailloop_runbook::Call;

pub use self::accounts::{FakeAccounts, Requested};
pub use self::attempt::Attempt;
pub use self::faulty::FaultyActions;
use crate::error::CloudError;

/// Where and as whom a call is made.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Session {
    /// The account whose responder role is assumed.
    pub account: String,
    /// The region the call goes to.
    pub region: String,
    /// The run, which becomes the role session's name.
    pub run: String,
    /// The session policy: the rights of this one step on this one target, as JSON. Without one the role's own rights hold,
    /// which is for reads alone.
    pub policy: Option<String>,
}

/// What AWS answered.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Answer {
    /// The request id, which CloudTrail has as `requestID`.
    pub request_id: Option<String>,
    /// The answer by the names of the API reference (`AccessKeyMetadata`, …); policy documents as JSON text, not URL-encoded;
    /// times as RFC 3339.
    pub body: Value,
}

/// Makes the calls of the catalogue, and no others.
#[async_trait]
pub trait Actions: Send + Sync + 'static {
    /// Makes one call, once: a call that changes something is never repeated in here.
    ///
    /// `Ok`: AWS accepted it. `Err` of kind [`crate::CloudErrorKind::Transient`]: **nothing is known**, the call may have taken
    /// effect; read before it is repeated. Of any other kind: it took no effect.
    async fn call(&self, session: &Session, call: &Call) -> Result<Answer, CloudError>;
}
