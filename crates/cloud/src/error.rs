//! The one error of this crate: what was asked, of what, what came back, and whether to try again.
//!
//! An operator must be able to act on the one line this prints, so it names all that is known:
//! operation, resource, service code, HTTP status and request id. Nothing hides in a source chain.

use std::fmt;

/// What a failure means for the caller. This is all that code should decide on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum CloudErrorKind {
    /// Trying again later can help: network, 5xx, throttling, a body that ended early.
    Transient,
    /// The queue, bucket, object or version does not exist (or is a delete marker).
    NotFound,
    /// We may not: access, keys, expired credentials, an archived object. Another object or
    /// queue under the same right will fare the same, until someone changes a setting.
    Denied,
    /// The receipt is no longer ours: the lease lapsed, or the message was received again.
    Gone,
    /// The object is longer than the caller allowed, or the message than the queue takes.
    TooLarge,
    /// The request itself is refused, and will be refused again: characters a queue cannot carry,
    /// an etag that does not match, a key that leaves its folder, a bucket in another region.
    Invalid,
}

impl CloudErrorKind {
    /// The word for logs and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::NotFound => "not_found",
            Self::Denied => "denied",
            Self::Gone => "gone",
            Self::TooLarge => "too_large",
            Self::Invalid => "invalid",
        }
    }
}

impl fmt::Display for CloudErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A failed request to a queue or a store.
///
/// It prints as one line, for example `get bucket/key: AccessDenied: not authorized to perform
/// s3:GetObject (denied, HTTP 403, request id 4442587FB7D0A2F9)`. It is cheap to clone because a
/// failed batch gives the same error to each of its entries.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct CloudError(Box<Parts>);

#[derive(Clone, Debug)]
struct Parts {
    kind: CloudErrorKind,
    operation: &'static str,
    resource: String,
    code: Option<String>,
    message: String,
    status: Option<u16>,
    request_id: Option<String>,
}

impl CloudError {
    /// An error of `operation` on `resource` (a queue URL or path, or `bucket/key`). The message
    /// says what is wrong in lower case, without a full stop.
    pub fn new(
        kind: CloudErrorKind,
        operation: &'static str,
        resource: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self(Box::new(Parts {
            kind,
            operation,
            resource: resource.into(),
            code: None,
            message: one_line(&message.into()),
            status: None,
            request_id: None,
        }))
    }

    /// Adds the service's own error code, such as `AccessDenied`.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.0.code = Some(one_line(&code.into()));
        self
    }

    /// Adds the HTTP status of the answer.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.0.status = Some(status);
        self
    }

    /// Adds the request id, which AWS support asks for.
    #[must_use]
    pub fn with_request_id(mut self, request_id: impl Into<String>) -> Self {
        self.0.request_id = Some(one_line(&request_id.into()));
        self
    }

    /// The same failure, where it means something else.
    #[must_use]
    pub(crate) fn with_kind(mut self, kind: CloudErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// What the failure means for the caller.
    pub fn kind(&self) -> CloudErrorKind {
        self.0.kind
    }

    /// Whether trying the same again can help.
    pub fn is_transient(&self) -> bool {
        self.0.kind == CloudErrorKind::Transient
    }

    /// What was asked: `receive`, `extend`, `delete`, `send`, `list`, `get`, …
    pub fn operation(&self) -> &'static str {
        self.0.operation
    }

    /// The queue URL or path, or `bucket/key`.
    pub fn resource(&self) -> &str {
        &self.0.resource
    }

    /// The service's own error code, when one came.
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// What went wrong, without operation, resource and code.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The HTTP status of the answer, when there was one.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// The request id of the answer, when it had one.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }
}

impl fmt::Display for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: ", self.operation, self.resource.escape_debug())?;
        if let Some(code) = &self.code {
            f.write_str(code)?;
            if !self.message.is_empty() {
                f.write_str(": ")?;
            }
        }
        write!(f, "{} ({}", self.message, self.kind)?;
        if let Some(status) = self.status {
            write!(f, ", HTTP {status}")?;
        }
        if let Some(request_id) = &self.request_id {
            write!(f, ", request id {request_id}")?;
        }
        f.write_str(")")
    }
}

/// Services answer with sentences, sometimes with line breaks and text that an attacker chose (an
/// object key): make it one bounded line that fits in the middle of ours.
fn one_line(text: &str) -> String {
    const CHARACTERS_MAX: usize = 1000;
    let mut line = String::with_capacity(text.len().min(CHARACTERS_MAX));
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        if word.is_empty() {
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if let Some((cut, _)) = line.char_indices().nth(CHARACTERS_MAX) {
        line.truncate(cut);
        line.push('…');
    }
    line.truncate(line.trim_end_matches('.').len());
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_one_line_with_all_that_is_known() {
        let error = CloudError::new(
            CloudErrorKind::Denied,
            "get",
            "logs/AWSLogs/a b.json.gz",
            "User: arn:aws:sts::111122223333:assumed-role/worker\n is not authorized.",
        )
        .with_code("AccessDenied")
        .with_status(403)
        .with_request_id("4442587FB7D0A2F9");
        assert_eq!(
            error.to_string(),
            "get logs/AWSLogs/a b.json.gz: AccessDenied: User: \
             arn:aws:sts::111122223333:assumed-role/worker is not authorized (denied, HTTP 403, \
             request id 4442587FB7D0A2F9)"
        );
        assert!(std::error::Error::source(&error).is_none());
    }

    #[test]
    fn a_hostile_name_stays_on_its_line() {
        let error = CloudError::new(CloudErrorKind::NotFound, "get", "b/a\nERROR x", "no object");
        assert_eq!(error.to_string(), "get b/a\\nERROR x: no object (not_found)");
    }

    #[test]
    fn a_long_message_is_cut() {
        let error = CloudError::new(CloudErrorKind::Invalid, "send", "q", "é".repeat(5000));
        assert_eq!(error.message().chars().count(), 1001);
    }
}
