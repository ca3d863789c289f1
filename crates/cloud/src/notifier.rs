//! Messages to people and their tools: an HTTP POST.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::error::CloudError;

/// A POST to a URL that the operator configured. The URL may be a secret (Slack's are) and is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Post {
    /// The destination's name in the configuration, for messages.
    pub destination: String,
    /// Where it goes: `https`, or `http` to a loopback address.
    pub url: String,
    /// Headers beside `content-type: application/json`.
    pub headers: BTreeMap<String, String>,
    /// JSON.
    pub body: String,
}

/// Delivers messages.
#[async_trait]
pub trait Notifier: Send + Sync + 'static {
    /// Posts once. `Ok`: the other side answered 2xx. 429 and 5xx and a lost answer are
    /// [`crate::CloudErrorKind::Transient`]; redirects are not followed.
    async fn post(&self, post: &Post) -> Result<(), CloudError>;
}
