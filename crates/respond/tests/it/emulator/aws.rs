//! An emulator of AWS, asked by raw requests: what the accounts' own people and attackers do, and what they see.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;

use crate::kit::ACCOUNT;

pub(super) const MINISTACK: &str = "TRAILLOOP_TEST_MINISTACK";
pub(super) const MOTO: &str = "TRAILLOOP_TEST_MOTO";

/// Where the emulator is that a variable names, or `None` with a word that it was skipped.
pub(super) fn endpoint(variable: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "tests learn here where the emulators are")]
    let found = std::env::var(variable).ok();
    if found.is_none() {
        // Not by a print macro: what they write is captured.
        let said = format!("skipped: {variable} does not say where the emulator is\n");
        std::io::stderr().write_all(said.as_bytes()).ok();
    }
    found
}

/// An emulator as an account sees it. It takes any signature.
#[derive(Clone)]
pub(super) struct Emulator {
    pub(super) url: String,
    /// The access key that requests carry, by which an emulator tells accounts apart.
    key: String,
    is_moto: bool,
}

/// An answer of any status.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: String,
}

impl Emulator {
    /// As the account of the tests. Ministack takes an account's number for its key; moto hands out keys of an account.
    pub(super) fn new(variable: &str) -> Option<Self> {
        let url = endpoint(variable)?;
        let own = Self { url, key: ACCOUNT.to_owned(), is_moto: variable == MOTO };
        Some(if own.is_moto { own.assuming(ACCOUNT) } else { own })
    }

    /// As another account.
    pub(super) fn in_account(&self, account: &str) -> Self {
        self.with_key(account)
    }

    /// With another access key.
    pub(super) fn with_key(&self, key: &str) -> Self {
        Self { key: key.to_owned(), ..self.clone() }
    }

    /// At another address.
    pub(super) fn at(&self, url: &str) -> Self {
        Self { url: url.to_owned(), ..self.clone() }
    }

    pub(super) fn is_moto(&self) -> bool {
        self.is_moto
    }

    fn assuming(&self, account: &str) -> Self {
        let role = format!("arn:aws:iam::{account}:role/people");
        let query = [("RoleArn", role.as_str()), ("RoleSessionName", "people")];
        let given = self.query("sts", "2011-06-15", "AssumeRole", &query);
        let key = between(&given, "<AccessKeyId>", "</AccessKeyId>").to_owned();
        Self { key, ..self.clone() }
    }

    /// The key that tells an emulator's account, as clients carry it.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// One request, whatever its answer.
    pub(super) fn send(&self, service: &str, head: &str, headers: &str, body: &str) -> Reply {
        let address = self.url.trim_start_matches("http://").trim_end_matches('/');
        let mut stream = TcpStream::connect(address).unwrap();
        write!(
            stream,
            "{head} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\
             Authorization: AWS4-HMAC-SHA256 Credential={}/20260101/us-east-1/{service}/aws4_request, \
             SignedHeaders=host, Signature=0\r\nContent-Length: {}\r\n\r\n{body}",
            self.key,
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Reply { status, body: body.to_owned() }
    }

    /// One request that has to succeed.
    pub(super) fn ask(&self, service: &str, head: &str, headers: &str, body: &str) -> String {
        let reply = self.send(service, head, headers, body);
        assert!((200..300).contains(&reply.status), "{head} {body}: {}", reply.body);
        reply.body
    }

    /// A request of a query protocol, whatever its answer.
    pub(super) fn try_query(
        &self,
        service: &str,
        version: &str,
        api: &str,
        inputs: &[(&str, &str)],
    ) -> Reply {
        let mut body = format!("Action={api}&Version={version}");
        for (name, value) in inputs {
            body.push_str(&format!("&{name}={}", encoded(value)));
        }
        let form = "Content-Type: application/x-www-form-urlencoded\r\n";
        self.send(service, "POST /", form, &body)
    }

    fn query(&self, service: &str, version: &str, api: &str, inputs: &[(&str, &str)]) -> String {
        let reply = self.try_query(service, version, api, inputs);
        assert!((200..300).contains(&reply.status), "{api} {inputs:?}: {}", reply.body);
        reply.body
    }

    pub(super) fn iam(&self, api: &str, inputs: &[(&str, &str)]) -> String {
        self.query("iam", "2010-05-08", api, inputs)
    }

    /// What IAM shows, also that there is no such thing.
    pub(super) fn seen_in_iam(&self, api: &str, inputs: &[(&str, &str)]) -> String {
        seen(&self.try_query("iam", "2010-05-08", api, inputs))
    }

    pub(super) fn ec2(&self, api: &str, inputs: &[(&str, &str)]) -> String {
        self.query("ec2", "2016-11-15", api, inputs)
    }

    pub(super) fn seen_in_ec2(&self, api: &str, inputs: &[(&str, &str)]) -> String {
        seen(&self.try_query("ec2", "2016-11-15", api, inputs))
    }

    /// A request of a JSON protocol, whatever its answer.
    pub(super) fn try_json(&self, service: &str, target: &str, inputs: &Value) -> Reply {
        let headers =
            format!("Content-Type: application/x-amz-json-1.1\r\nX-Amz-Target: {target}\r\n");
        self.send(service, "POST /", &headers, &inputs.to_string())
    }

    pub(super) fn json(&self, service: &str, target: &str, inputs: &Value) -> Value {
        let reply = self.try_json(service, target, inputs);
        assert!((200..300).contains(&reply.status), "{target} {inputs}: {}", reply.body);
        if reply.body.is_empty() { Value::Null } else { serde_json::from_str(&reply.body).unwrap() }
    }

    /// A request of a REST protocol, whatever its answer.
    pub(super) fn try_rest(&self, service: &str, head: &str, body: &str) -> Reply {
        self.send(service, head, "Content-Type: application/json\r\n", body)
    }

    pub(super) fn rest(&self, service: &str, head: &str, body: &str) -> String {
        let reply = self.try_rest(service, head, body);
        assert!((200..300).contains(&reply.status), "{head} {body}: {}", reply.body);
        reply.body
    }
}

/// An answer as it looks when nothing changed: without the request's id.
pub(super) fn seen(reply: &Reply) -> String {
    let mut text = reply.body.clone();
    for name in ["RequestId", "requestId", "RequestID", "HostId"] {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        if let Some((before, rest)) = text.split_once(&open)
            && let Some((_, after)) = rest.split_once(&close)
        {
            text = format!("{before}{after}");
        }
    }
    format!("{} {text}", reply.status)
}

pub(super) fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let one = |byte: u8| {
        if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(one).collect()
}

pub(super) fn between<'t>(text: &'t str, open: &str, close: &str) -> &'t str {
    let rest = text.split_once(open).unwrap_or_else(|| panic!("{open} in {text}")).1;
    rest.split_once(close).unwrap().0
}
