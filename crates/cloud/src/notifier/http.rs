//! Posts by the HTTP client that the AWS SDK uses.
//!
//! Nothing of what a post holds reaches an error: a URL, a header and a body may each be or carry a secret, and an answer
//! may repeat them. So of an answer only its status is told, how long it asks to wait, and one plain word such as Slack's
//! `invalid_payload`.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use async_trait::async_trait;
use aws_smithy_http_client::{Connector, tls};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use tokio::time::Instant;

use super::{Notifier, Post};
use crate::aws::{chain, classify};
use crate::error::{CloudError, CloudErrorKind};

/// How long a connection may take to come about, its encryption included.
const CONNECT: Duration = Duration::from_secs(5);

/// How long a post may take in all.
const TOTAL: Duration = Duration::from_secs(15);

/// As much of an answer is read.
const ANSWER_BYTES_MAX: usize = 4096;

/// The longest word of an answer that is told.
const WORD_BYTES_MAX: usize = 40;

/// Headers that say how the request itself is carried, or that every post has.
const OURS: [&str; 6] =
    ["connection", "content-length", "content-type", "host", "te", "transfer-encoding"];

/// Posts over HTTP. Its clones are the same.
#[derive(Clone, Debug)]
pub struct HttpNotifier {
    connector: SharedHttpConnector,
    total: Duration,
}

impl Default for HttpNotifier {
    fn default() -> Self {
        Self::new()
    }
}

impl HttpNotifier {
    /// One that gives up connecting after 5 s, and a post as a whole after 15 s.
    pub fn new() -> Self {
        Self::with_timeouts(CONNECT, TOTAL)
    }

    /// One with these limits. Reads the system's certificate authorities.
    pub fn with_timeouts(connect: Duration, total: Duration) -> Self {
        let settings = HttpConnectorSettings::builder().connect_timeout(connect).build();
        let connector = Connector::builder()
            .connector_settings(settings)
            // A connection that was closed while it lay idle would lose a post, and they come seldom enough to
            // connect for each.
            .pool_max_idle_per_host(0)
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc))
            .build();
        Self { connector: SharedHttpConnector::new(connector), total }
    }
}

#[async_trait]
impl Notifier for HttpNotifier {
    async fn post(&self, post: &Post) -> Result<(), CloudError> {
        let request = request(post)?;
        let lost = |message: String| {
            CloudError::new(CloudErrorKind::Transient, "post", &post.destination, message)
        };
        let deadline = Instant::now() + self.total;
        let answer = tokio::time::timeout_at(deadline, self.connector.call(request))
            .await
            .map_err(|_| lost(format!("no answer within {:?}", self.total)))?
            .map_err(|failure| lost(chain(&failure)))?;
        if answer.status().is_success() {
            return Ok(());
        }
        Err(refusal(post, answer, deadline).await)
    }
}

/// The error of an answer other than 2xx.
async fn refusal(post: &Post, answer: HttpResponse, deadline: Instant) -> CloudError {
    let status = answer.status().as_u16();
    let wait = answer.headers().get("retry-after").and_then(|wait| wait.parse::<u32>().ok());
    let message = match (status, wait) {
        (300..=399, _) => "it points elsewhere, and redirects are not followed".to_owned(),
        (_, Some(seconds)) => format!("it asks to wait for {seconds} s"),
        _ => String::from("it did not take the message"),
    };
    let kind = classify(None, Some(status), "");
    let error = CloudError::new(kind, "post", &post.destination, message).with_status(status);
    // The status alone decides, so an answer that breaks off or stalls is as good.
    let word = tokio::time::timeout_at(deadline, word(answer.into_body())).await;
    match word.ok().flatten() {
        Some(word) => error.with_code(word),
        None => error,
    }
}

/// The answer, if it is one plain word. Digits are not plain: keys have them.
async fn word(body: SdkBody) -> Option<String> {
    let mut stream = ByteStream::new(body);
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        bytes.extend_from_slice(&chunk.ok()?);
        if bytes.len() > ANSWER_BYTES_MAX {
            return None;
        }
    }
    let text = String::from_utf8(bytes).ok()?;
    let word = text.trim();
    let plain = word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    (plain && (1..=WORD_BYTES_MAX).contains(&word.len())).then(|| word.to_owned())
}

/// The request of a post, or why there can be none.
pub(super) fn request(post: &Post) -> Result<HttpRequest, CloudError> {
    let invalid = |message: String| {
        CloudError::new(CloudErrorKind::Invalid, "post", &post.destination, message)
    };
    let mut request = HttpRequest::new(SdkBody::from(post.body.as_str()));
    // Not with the cause, which may hold a part of the URL.
    request.set_method("POST").map_err(|_| invalid("the method is refused".to_owned()))?;
    request.set_uri(post.url.as_str()).map_err(|_| invalid("its URL is not valid".to_owned()))?;
    request.headers_mut().insert("content-type", "application/json");
    for (name, value) in &post.headers {
        if OURS.iter().any(|ours| ours.eq_ignore_ascii_case(name)) {
            return Err(invalid(format!("the header `{name}` cannot be set")));
        }
        let added = request.headers_mut().try_append(name.clone(), value.clone());
        added.map_err(|_| invalid(format!("the header `{name}` is not valid")))?;
    }
    allowed(request).map_err(|message| invalid(message.to_owned()))
}

/// Lets through what goes to a host that proves who it is, or stays on this machine. The URL is judged as the client
/// that connects has read it, and not by a reader of our own.
fn allowed(request: HttpRequest) -> Result<HttpRequest, &'static str> {
    const BROKEN: &str = "its URL is not valid";
    let request = request.try_into_http1x().map_err(|_| BROKEN)?;
    let uri = request.uri();
    let host = uri.host().filter(|host| !host.is_empty()).ok_or("its URL names no host")?;
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err("its URL holds a user name, which is not sent; use a header");
    }
    match uri.scheme_str() {
        Some("https") => {}
        Some("http") if loopback(host) => {}
        Some("http") => return Err("its URL is `http`, which is for this machine; use `https`"),
        _ => return Err("its URL is not `https`"),
    }
    HttpRequest::try_from(request).map_err(|_| BROKEN)
}

fn loopback(host: &str) -> bool {
    let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || literal.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        || literal.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn post(url: &str, headers: &[(&str, &str)]) -> Post {
        let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        Post {
            destination: "chat".to_owned(),
            url: url.to_owned(),
            headers: headers.collect::<BTreeMap<_, _>>(),
            body: "{}".to_owned(),
        }
    }

    #[test]
    fn only_encrypted_or_local_urls_are_posted_to() {
        for url in [
            "https://hooks.example.com/services/EXAMPLE",
            "HTTPS://hooks.example.com:8443/?token=EXAMPLE",
            "http://127.0.0.1:8080/x",
            "http://127.255.0.9/",
            "http://[::1]:8080/",
            "http://LocalHost:8080/",
        ] {
            assert!(request(&post(url, &[])).is_ok(), "{url}");
        }
        for url in [
            "",
            "/services/EXAMPLE",
            "hooks.example.com",
            "http://hooks.example.com/services/EXAMPLE",
            "http://127.0.0.1@hooks.example.com/EXAMPLE",
            "http://127.0.0.1.example.com/EXAMPLE",
            "http://127.0.0.1\\@hooks.example.com/EXAMPLE",
            "http://localhost.example.com/EXAMPLE",
            "http://[::2]/EXAMPLE",
            "http://[::ffff:192.0.2.1]/EXAMPLE",
            "http://2130706433/EXAMPLE",
            "https://user:EXAMPLE@hooks.example.com/",
            "https://hooks.example.com/EXAMPLE line",
            "https://hooks.example.com/EXAMPLE\r\nx: y",
            "ftp://127.0.0.1/EXAMPLE",
            "file:///EXAMPLE",
            "https:///EXAMPLE",
        ] {
            let Err(error) = request(&post(url, &[])) else { panic!("{url}") };
            assert_eq!(error.kind(), CloudErrorKind::Invalid, "{url}");
            assert!(!error.to_string().contains("EXAMPLE"), "{error}");
            assert_eq!(error.resource(), "chat");
        }
    }

    #[test]
    fn headers_are_taken_if_they_stay_headers() {
        let url = "https://hooks.example.com/";
        let made = request(&post(url, &[("X-Signature", "é v1=EXAMPLE")])).unwrap();
        assert_eq!(made.headers().get("x-signature"), Some("é v1=EXAMPLE"));
        assert_eq!(made.headers().get("content-type"), Some("application/json"));
        for (name, value) in [
            ("x", "a\r\ny: EXAMPLE"),
            ("x", "EXAMPLE\0"),
            ("x\r\ny", "EXAMPLE"),
            ("", "EXAMPLE"),
            ("é", "EXAMPLE"),
            ("Host", "EXAMPLE"),
            ("Content-Length", "5"),
            ("content-type", "text/plain"),
        ] {
            let Err(error) = request(&post(url, &[(name, value)])) else { panic!("{name}") };
            assert_eq!(error.kind(), CloudErrorKind::Invalid, "{error}");
            assert!(!error.to_string().contains("EXAMPLE"), "{error}");
        }
    }
}
