//! Messages to people and their tools: an HTTP POST.

mod http;
mod memory;

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;

pub use self::http::HttpNotifier;
pub use self::memory::MemoryNotifier;
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

/// Shows what is no secret: a URL, a header and a body may each hold one.
impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Post")
            .field("destination", &self.destination)
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Delivers messages.
#[async_trait]
pub trait Notifier: Send + Sync + 'static {
    /// Posts once. `Ok`: the other side answered 2xx. 429 and 5xx and a lost answer are
    /// [`crate::CloudErrorKind::Transient`]; redirects are not followed.
    async fn post(&self, post: &Post) -> Result<(), CloudError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_post_shows_none_of_its_secrets() {
        let post = Post {
            destination: "on-call".to_owned(),
            url: "https://hooks.example.com/services/EXAMPLE".to_owned(),
            headers: BTreeMap::from([("authorization".to_owned(), "EXAMPLEKEY".to_owned())]),
            body: r#"{"routing_key":"EXAMPLEKEY"}"#.to_owned(),
        };
        assert_eq!(
            format!("{post:?}"),
            r#"Post { destination: "on-call", headers: ["authorization"], body_bytes: 28, .. }"#
        );
    }
}
