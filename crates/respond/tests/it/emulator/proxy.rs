//! A proxy before an emulator: it lets each change of IAM be enforced four seconds later, as IAM does, and refuses by that.
//!
//! The emulator takes every call. The proxy keeps how the identities stood after each change, by the clock of the test, and judges
//! the calls of everybody but the responder by how they stood a while ago.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::aws::{Emulator, between};
use crate::kit::ACCOUNT;

/// How long IAM takes to enforce a change.
const PROPAGATION_MS: i64 = 4_000;

/// A user or a role, as far as it matters here.
#[derive(Clone, Debug, Default)]
struct Identity {
    /// The keys that are active.
    keys: Vec<String>,
    /// Its policies' documents.
    documents: Vec<Value>,
}

/// How the identities stood at a time.
#[derive(Clone, Debug)]
struct Moment {
    from_ms: i64,
    identities: BTreeMap<String, Identity>,
}

/// What a temporary key is of.
#[derive(Clone, Debug)]
struct Minted {
    identity: String,
    issued_ms: i64,
}

struct Known {
    now_ms: Box<dyn Fn() -> i64 + Send>,
    moments: Vec<Moment>,
    minted: BTreeMap<String, Minted>,
    /// Whether the organization has the guard policy of deploy/.
    is_guarded: bool,
}

/// The proxy.
#[derive(Clone)]
pub(super) struct Proxy {
    pub(super) url: String,
    /// The emulator itself.
    behind: Emulator,
    user: String,
    known: Arc<Mutex<Known>>,
}

impl Proxy {
    /// Before this emulator, for a user whose rights are watched.
    pub(super) fn start(
        behind: Emulator,
        user: &str,
        is_guarded: bool,
        now_ms: impl Fn() -> i64 + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let known = Known {
            now_ms: Box::new(now_ms),
            moments: Vec::new(),
            minted: BTreeMap::new(),
            is_guarded,
        };
        let proxy = Self { url, behind, user: user.to_owned(), known: Arc::new(Mutex::new(known)) };
        proxy.look(i64::MIN);
        let serving = proxy.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let serving = serving.clone();
                std::thread::spawn(move || serving.serve(stream));
            }
        });
        proxy
    }

    /// Answers one request, which closes its connection.
    fn serve(&self, mut client: TcpStream) {
        let Some((head, body)) = request(&mut client) else { return };
        let key = head.split_once("Credential=").map_or("", |(_, rest)| rest);
        let key = key.split('/').next().unwrap_or_default().to_owned();
        let api = form(&body, "Action").unwrap_or_default();
        if let Some(refusal) = self.refusal(&key, &api, &body) {
            let text = format!(
                "HTTP/1.1 403 Forbidden\r\nContent-Type: text/xml\r\nConnection: close\r\n\
                 Content-Length: {}\r\n\r\n{refusal}",
                refusal.len()
            );
            client.write_all(text.as_bytes()).ok();
            return;
        }
        let is_attackers = self.identity_of(&key).is_some();
        // The emulator tells the account by the key.
        let head = match is_attackers {
            true => head.replace(&format!("Credential={key}/"), &format!("Credential={ACCOUNT}/")),
            false => head,
        };
        let answer = self.forward(&head, &body);
        if answer.starts_with(b"HTTP/1.1 2") {
            self.learn(&key, &api, &body, &String::from_utf8_lossy(&answer));
        }
        client.write_all(&answer).ok();
    }

    fn forward(&self, head: &str, body: &[u8]) -> Vec<u8> {
        let address = self.behind.url.trim_start_matches("http://");
        let mut emulator = TcpStream::connect(address).unwrap();
        let lines = head.split("\r\n").filter(|line| {
            !line.is_empty() && !line.to_ascii_lowercase().starts_with("connection:")
        });
        let head = lines.collect::<Vec<_>>().join("\r\n") + "\r\nConnection: close\r\n\r\n";
        emulator.write_all(head.as_bytes()).unwrap();
        emulator.write_all(body).unwrap();
        let mut answer = Vec::new();
        emulator.read_to_end(&mut answer).unwrap();
        answer
    }

    /// What a call has changed: rights, or who holds which key.
    fn learn(&self, key: &str, api: &str, body: &[u8], answer: &str) {
        const CHANGES: [&str; 6] = ["Attach", "Create", "Delete", "Detach", "Put", "Update"];
        if CHANGES.iter().any(|verb| api.starts_with(verb)) {
            let now_ms = (self.known.lock().unwrap().now_ms)();
            self.look(now_ms + PROPAGATION_MS);
        }
        let identity = match (self.identity_of(key), api) {
            (Some(identity), "GetSessionToken") => identity,
            (Some(_), "AssumeRole") => {
                let arn = form(body, "RoleArn").unwrap_or_default();
                arn.rsplit('/').next().unwrap_or_default().to_owned()
            }
            _ => return,
        };
        let minted = between(answer, "<AccessKeyId>", "</AccessKeyId>").to_owned();
        let mut known = self.known.lock().unwrap();
        let issued_ms = (known.now_ms)();
        known.minted.insert(minted, Minted { identity, issued_ms });
    }

    /// Keeps how the identities stand now, to be enforced from a time on.
    fn look(&self, from_ms: i64) {
        let mut identities = BTreeMap::new();
        for (kind, name) in [("User", &self.user), ("Role", &backdoor(&self.user))] {
            identities.insert(name.clone(), identity(&self.behind, kind, name));
        }
        self.known.lock().unwrap().moments.push(Moment { from_ms, identities });
    }

    /// Whose key it is, whatever it may; none if it is not one of the user's or what came of it.
    fn identity_of(&self, key: &str) -> Option<String> {
        let known = self.known.lock().unwrap();
        if let Some(minted) = known.minted.get(key) {
            return Some(minted.identity.clone());
        }
        key.starts_with("AKIA").then(|| self.user.clone())
    }

    /// What IAM says to a call, by how the identities stood a while ago; none if it lets it pass.
    fn refusal(&self, key: &str, api: &str, body: &[u8]) -> Option<String> {
        let name = self.identity_of(key)?;
        let known = self.known.lock().unwrap();
        let now_ms = (known.now_ms)();
        let moment = known.moments.iter().rev().find(|moment| moment.from_ms <= now_ms)?;
        let identity = moment.identities.get(&name)?;
        let issued_ms = known.minted.get(key).map(|minted| minted.issued_ms);
        let error = |code: &str, message: &str| {
            Some(format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code>\
                 <Message>{message}</Message></Error></ErrorResponse>"
            ))
        };
        if issued_ms.is_none() && !identity.keys.iter().any(|active| active == key) {
            let text = "The security token included in the request is invalid.";
            return error("InvalidClientTokenId", text);
        }
        let detaches = api.starts_with("Detach")
            && form(body, "PolicyArn").is_some_and(|arn| arn.contains(":policy/trailloop-"));
        if known.is_guarded && detaches {
            return error("AccessDenied", "with an explicit deny in a service control policy");
        }
        let denied = identity.documents.iter().any(|document| denies(document, issued_ms));
        denied
            .then(|| error("AccessDenied", "with an explicit deny in an identity-based policy"))?
    }
}

/// The role that the attacker makes.
pub(super) fn backdoor(user: &str) -> String {
    format!("backdoor-{user}")
}

/// Whether a document of ours denies everything to a key of this age; those of the scene allow everything.
fn denies(document: &Value, issued_ms: Option<i64>) -> bool {
    let statements = document["Statement"].as_array().unwrap();
    statements.iter().any(|statement| {
        if statement["Effect"] != "Deny" {
            return false;
        }
        assert_eq!(statement["Action"], "*");
        let Some(condition) = statement["Condition"].as_object() else { return true };
        assert_eq!(condition.len(), 1, "{condition:?}");
        let before = condition["DateLessThan"]["aws:TokenIssueTime"].as_str().unwrap();
        let before: jiff::Timestamp = before.parse().unwrap();
        issued_ms.is_some_and(|issued_ms| issued_ms < before.as_millisecond())
    })
}

fn identity(behind: &Emulator, kind: &str, name: &str) -> Identity {
    let named = format!("{kind}Name");
    let own = [(named.as_str(), name)];
    let members = |text: &str, tag: &str| -> Vec<String> {
        let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
        let found = text.split(&open).skip(1).filter_map(|rest| rest.split_once(&close));
        found.map(|(inner, _)| inner.trim().to_owned()).collect()
    };
    let mut identity = Identity::default();
    if kind == "User" {
        for key in members(&behind.seen_in_iam("ListAccessKeys", &own), "member") {
            if key.contains("<Status>Active</Status>") {
                identity.keys.push(between(&key, "<AccessKeyId>", "</AccessKeyId>").to_owned());
            }
        }
    }
    for policy in members(&behind.seen_in_iam(&format!("List{kind}Policies"), &own), "member") {
        let inputs = [(named.as_str(), name), ("PolicyName", policy.as_str())];
        let shown = behind.seen_in_iam(&format!("Get{kind}Policy"), &inputs);
        identity.documents.extend(document(&shown, "PolicyDocument"));
    }
    let attached = behind.seen_in_iam(&format!("ListAttached{kind}Policies"), &own);
    for arn in members(&attached, "PolicyArn") {
        let shown =
            behind.seen_in_iam("GetPolicyVersion", &[("PolicyArn", &arn), ("VersionId", "v1")]);
        identity.documents.extend(document(&shown, "Document"));
    }
    identity
}

fn document(shown: &str, tag: &str) -> Option<Value> {
    let (_, rest) = shown.split_once(&format!("<{tag}>"))?;
    let (text, _) = rest.split_once(&format!("</{tag}>"))?;
    let text = text.replace("&quot;", "\"").replace("&#34;", "\"");
    serde_json::from_str(&decoded(&text)).ok()
}

/// A request: its head without the empty line, and its body.
fn request(client: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut some = [0; 4096];
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        match client.read(&mut some) {
            Ok(read) if read > 0 => bytes.extend_from_slice(&some[..read]),
            _ => return None,
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let mut body = bytes[end + 4..].to_vec();
    while body.len() < length.unwrap_or(0) {
        match client.read(&mut some) {
            Ok(read) if read > 0 => body.extend_from_slice(&some[..read]),
            _ => return None,
        }
    }
    Some((head, body))
}

/// A member of a form.
fn form(body: &[u8], name: &str) -> Option<String> {
    let body = std::str::from_utf8(body).ok()?;
    let pair = body.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")))?;
    Some(decoded(pair))
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = (*first == b'%').then(|| after.get(..2)).flatten();
        let code =
            code.and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok());
        match code {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(if *first == b'+' { b' ' } else { *first });
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap()
}
