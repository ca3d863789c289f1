//! Which credential came from which: chains of keys, from the one in a record up to where it began.
//!
//! Whoever holds a long-term key takes session tokens with it, and with these further ones; to stop the last alone leaves
//! the first alive. Records of the token service say which key was handed to whom, those of the console when somebody signed in.
//! [`Lineage`] keeps what they say, in whatever order they come, and [`Lineage::chain`] walks it upward: the first link is the
//! record's own caller, the last is the root. What is contained is contained from the root down ([`to_contain`]).
//!
//! It is bounded: a chain has at most [`CHAIN_MAX`] links, and at most [`RECORDS_MAX`] records are kept. Logs may name keys
//! in a circle (an attacker writes parts of them), which ends a chain where it would come back.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::resource::{api_of, succeeded};
use crate::target::{Arn, Class, Target, names, resolve};

/// How many links a chain has at most. AWS lets a session chain roles without end, each for an hour.
pub const CHAIN_MAX: usize = 64;

/// How many issuing records are kept at most; later ones are left out, and [`Lineage::is_full`] says so.
pub const RECORDS_MAX: usize = 200_000;

/// The APIs of the token service that hand out keys.
const ISSUING: [&str; 6] = [
    "AssumeRole",
    "AssumeRoleWithSAML",
    "AssumeRoleWithWebIdentity",
    "AssumeRoot",
    "GetFederationToken",
    "GetSessionToken",
];

/// One credential of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Who has it.
    pub target: Target,
    /// Its key, if it has one.
    pub key: Option<String>,
    /// When the session began, as `sessionContext.attributes.creationDate` has it.
    pub session_start: Option<String>,
    /// The call by which the link before this one was handed out, such as `AssumeRole`; none of the first link.
    pub issued_by: Option<String>,
    /// The `eventID` of that call; of the first link, its own.
    pub event_id: Option<String>,
}

impl Link {
    fn of(record: &Value, issued_by: Option<&str>) -> Self {
        let identity = &record["userIdentity"];
        let is_key = |key: &&str| names::is_key(key, "AKIA") || names::is_key(key, "ASIA");
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Self {
            target: resolve(record),
            key: identity["accessKeyId"].as_str().filter(is_key).map(str::to_owned),
            session_start: text(&identity["sessionContext"]["attributes"]["creationDate"]),
            issued_by: issued_by.map(str::to_owned),
            event_id: text(&record["eventID"]).or_else(|| text(&record["eventId"])),
        }
    }

    /// Whether two links are one credential: by their key, by the session's unique id, by the time a user signed in.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        fn same(a: Option<&String>, b: Option<&String>) -> bool {
            a.is_some() && a == b
        }
        let (a, b) = (&self.target, &other.target);
        let is_session = a.principal_id.as_deref().is_some_and(|id| id.starts_with("AROA"));
        same(self.key.as_ref(), other.key.as_ref())
            || is_session && same(a.principal_id.as_ref(), b.principal_id.as_ref())
            || a.user_name.is_some()
                && same(a.principal_arn.as_ref(), b.principal_arn.as_ref())
                && same(self.session_start.as_ref(), other.session_start.as_ref())
    }

    /// Whether both are of one user or role, whatever the credential.
    #[must_use]
    pub fn is_same_principal(&self, other: &Self) -> bool {
        let (a, b) = (&self.target, &other.target);
        a.principal_arn.is_some() && a.principal_arn == b.principal_arn
    }
}

/// What records say of where credentials come from.
#[derive(Clone, Debug, Default)]
pub struct Lineage {
    /// By the key that was handed out: who asked for it.
    issued: BTreeMap<String, Link>,
    /// By the key that asked: the keys that were handed out.
    minted: BTreeMap<String, BTreeSet<String>>,
    /// By role and name of the session, of those that a service asked for: who asked for it.
    sessions: BTreeMap<(String, String), Link>,
    /// Sign-ins by account, user and time.
    logins: BTreeMap<(String, String, String), Link>,
    is_full: bool,
}

impl Lineage {
    /// Nothing known yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there were more records than are kept.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.is_full
    }

    /// Takes what a record says; those that hand out nothing, or failed, say nothing.
    pub fn feed(&mut self, record: &Value) {
        let api = api_of(record);
        let source = record["eventSource"].as_str().unwrap_or_default();
        if !succeeded(record) {
            return;
        }
        let kept = self.issued.len() + self.sessions.len() + self.logins.len();
        let is_issuing = source == "sts.amazonaws.com" && ISSUING.contains(&api);
        if source == "signin.amazonaws.com" && api == "ConsoleLogin" {
            if kept < RECORDS_MAX { self.feed_login(record) } else { self.is_full = true }
        } else if is_issuing {
            if kept < RECORDS_MAX { self.feed_issue(record, api) } else { self.is_full = true }
        }
    }

    fn feed_issue(&mut self, record: &Value, api: &str) {
        let link = Link::of(record, Some(api));
        let request = &record["requestParameters"];
        let role = request["roleArn"].as_str().filter(|arn| Arn::parse(arn).is_some());
        let session =
            request["roleSessionName"].as_str().filter(|name| names::is_session_name(name));
        if let (Some(role), Some(session), Class::AwsService) = (role, session, link.target.class) {
            keep_better(&mut self.sessions, (role.to_owned(), session.to_owned()), &link);
        }
        let key = record["responseElements"]["credentials"]["accessKeyId"].as_str();
        let Some(key) = key.filter(|key| names::is_key(key, "ASIA")) else { return };
        if let Some(parent) = &link.key {
            self.minted.entry(parent.clone()).or_default().insert(key.to_owned());
        }
        keep_better(&mut self.issued, key.to_owned(), &link);
    }

    fn feed_login(&mut self, record: &Value) {
        if record["responseElements"]["ConsoleLogin"] != "Success" {
            return;
        }
        let link = Link::of(record, Some("ConsoleLogin"));
        let time = record["eventTime"].as_str();
        if let (Some(account), Some(user), Some(time)) =
            (&link.target.account, &link.target.user_name, time)
        {
            let at = (account.clone(), user.clone(), time.to_owned());
            keep_better(&mut self.logins, at, &link);
        }
    }

    /// The chain of a record's credential, its own caller first and the root last. Never empty.
    #[must_use]
    pub fn chain(&self, record: &Value) -> Vec<Link> {
        let mut chain = vec![Link::of(record, None)];
        let mut seen: BTreeSet<String> = chain[0].key.iter().cloned().collect();
        while chain.len() < CHAIN_MAX {
            let Some(parent) = chain.last().and_then(|link| self.parent(link)) else { break };
            let is_new = match &parent.key {
                Some(key) => seen.insert(key.clone()),
                // Without a key there is nothing by which to go on, but a circle of sessions would come back here.
                None => !chain.contains(parent),
            };
            if !is_new {
                break;
            }
            chain.push(parent.clone());
        }
        chain
    }

    /// Who asked for this credential.
    fn parent(&self, link: &Link) -> Option<&Link> {
        let by_key = link.key.as_ref().and_then(|key| self.issued.get(key));
        by_key.or_else(|| self.login_of(link)).or_else(|| self.instance_of(link))
    }

    fn login_of(&self, link: &Link) -> Option<&Link> {
        let target = &link.target;
        if target.class != Class::IamUserSession || link.key.is_none() {
            return None;
        }
        let at = (target.account.clone()?, target.user_name.clone()?, link.session_start.clone()?);
        self.logins.get(&at)
    }

    /// EC2 asks for the sessions of an instance's role by the instance's id, and the keys change while the name stays.
    fn instance_of(&self, link: &Link) -> Option<&Link> {
        let target = &link.target;
        let (role, session) = (target.principal_arn.clone()?, target.instance_id.clone()?);
        let asked = self.sessions.get(&(role, session))?;
        (asked.target.class == Class::AwsService).then_some(asked)
    }

    /// All keys that were handed out to whoever has this key, and to those, and so on; without the key itself.
    #[must_use]
    pub fn descendants(&self, key: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut open = vec![key];
        while let Some(key) = open.pop() {
            for child in self.minted.get(key).into_iter().flatten() {
                if found.insert(child.clone()) {
                    open.push(child);
                }
            }
        }
        found.remove(key);
        found
    }

    /// Whether a record's credential is of the lineage of this chain: one of its links, or handed out by way of one.
    #[must_use]
    pub fn contains(&self, chain: &[Link], record: &Value) -> bool {
        let own = self.chain(record);
        own.iter().any(|link| chain.iter().any(|one| one.is_same(link)))
    }

    /// The same where the users and roles of the chain are denied as a whole: any of their credentials is of it too.
    #[must_use]
    pub fn contains_principal(&self, chain: &[Link], record: &Value) -> bool {
        let own = self.chain(record);
        let is_of =
            |link: &Link| chain.iter().any(|one| one.is_same(link) || one.is_same_principal(link));
        own.iter().any(is_of)
    }
}

/// Keeps the link that says more. A call across accounts has a record in both, and only that of the caller's own account says who
/// it was; between two that say as much the event's id decides, so that the order in which they came doesn't.
fn keep_better<K: Ord>(links: &mut BTreeMap<K, Link>, at: K, link: &Link) {
    let rank = |link: &Link| (link.target.may_act().is_err(), link.event_id.clone());
    match links.entry(at) {
        Entry::Vacant(entry) => {
            entry.insert(link.clone());
        }
        Entry::Occupied(mut entry) => {
            if rank(link) < rank(entry.get()) {
                entry.insert(link.clone());
            }
        }
    }
}

/// The root of a chain: where it began, as far as records say.
#[must_use]
pub fn root(chain: &[Link]) -> Option<&Link> {
    chain.last()
}

/// Whom to contain, from the root down, each once; those about whom nothing can be done are left out.
#[must_use]
pub fn to_contain(chain: &[Link]) -> Vec<&Link> {
    let mut all: Vec<&Link> = Vec::new();
    for link in chain.iter().rev().filter(|link| link.target.may_act().is_ok()) {
        let is_same = |one: &&Link| {
            let (a, b) = (&one.target, &link.target);
            (a.class, &a.principal_arn, &a.session_name, &a.identity_center_user)
                == (b.class, &b.principal_arn, &b.session_name, &b.identity_center_user)
                && (a.class != Class::IamUserKey || one.key == link.key)
        };
        if !all.iter().any(is_same) {
            all.push(link);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ACCOUNT: &str = "111122223333";
    const LONG: &str = "AKIAIOSFODNN7EXAMPLE";
    const FIRST: &str = "ASIAIOSFODNN7EXAMPL1";
    const SECOND: &str = "ASIAIOSFODNN7EXAMPL2";

    fn user(key: &str) -> Value {
        json!({"type": "IAMUser", "accountId": ACCOUNT, "userName": "bob", "accessKeyId": key,
               "arn": format!("arn:aws:iam::{ACCOUNT}:user/bob"),
               "sessionContext": {"attributes": {"creationDate": "2026-11-01T08:00:00Z"}}})
    }

    fn role(name: &str, session: &str, key: &str) -> Value {
        let id = format!("AROAEXAMPLE{:0<9}", name.to_ascii_uppercase());
        json!({"type": "AssumedRole", "accountId": ACCOUNT, "accessKeyId": key,
               "principalId": format!("{id}:{session}"),
               "arn": format!("arn:aws:sts::{ACCOUNT}:assumed-role/{name}/{session}"),
               "sessionContext": {"sessionIssuer": {"type": "Role", "principalId": id,
                   "arn": format!("arn:aws:iam::{ACCOUNT}:role/{name}"),
                   "accountId": ACCOUNT, "userName": name}}})
    }

    fn record(event_id: &str, source: &str, api: &str, identity: Value) -> Value {
        json!({"eventSource": format!("{source}.amazonaws.com"), "eventName": api,
               "eventID": event_id, "recipientAccountId": ACCOUNT, "userIdentity": identity})
    }

    fn issue(event_id: &str, api: &str, identity: Value, to: (&str, &str), key: &str) -> Value {
        let mut record = record(event_id, "sts", api, identity);
        record["requestParameters"] = json!({
            "roleArn": format!("arn:aws:iam::{ACCOUNT}:role/{}", to.0), "roleSessionName": to.1});
        record["responseElements"] = json!({"credentials": {"accessKeyId": key}});
        record
    }

    fn fed(records: &[&Value]) -> Lineage {
        let mut lineage = Lineage::new();
        records.iter().for_each(|record| lineage.feed(record));
        lineage
    }

    fn keys(chain: &[Link]) -> Vec<&str> {
        chain.iter().filter_map(|link| link.key.as_deref()).collect()
    }

    #[test]
    fn a_chain_of_two_roles_ends_at_the_long_term_key_in_whatever_order_it_was_read() {
        let one = issue("e-1", "AssumeRole", user(LONG), ("deploy", "bob"), FIRST);
        let two =
            issue("e-2", "AssumeRole", role("deploy", "bob", FIRST), ("admin", "xena"), SECOND);
        let last = record("e-3", "s3", "ListBuckets", role("admin", "xena", SECOND));
        let chain = fed(&[&one, &two]).chain(&last);
        assert_eq!(chain, fed(&[&two, &one]).chain(&last));
        assert_eq!(keys(&chain), [SECOND, FIRST, LONG]);
        assert_eq!(root(&chain).unwrap().target.class, Class::IamUserKey);
        let contained: Vec<_> = to_contain(&chain).iter().map(|link| link.target.class).collect();
        assert_eq!(contained, [Class::IamUserKey, Class::RoleSession, Class::RoleSession]);
        assert_eq!(chain[1].issued_by.as_deref(), Some("AssumeRole"));
        let lineage = fed(&[&one, &two]);
        assert_eq!(Vec::from_iter(lineage.descendants(LONG)), [FIRST, SECOND]);
        assert_eq!(lineage.descendants(SECOND).len(), 0);
    }

    #[test]
    fn a_record_is_of_the_lineage_by_any_key_that_the_root_handed_out() {
        let one = issue("e-1", "AssumeRole", user(LONG), ("deploy", "bob"), FIRST);
        let mut token = issue("e-2", "GetSessionToken", user(LONG), ("", ""), SECOND);
        token["requestParameters"] = Value::Null;
        let lineage = fed(&[&one, &token]);
        let chain = lineage.chain(&record("e-3", "s3", "X", role("deploy", "bob", FIRST)));
        let sibling = record("e-4", "s3", "X", user(SECOND));
        assert!(lineage.contains(&chain, &sibling));
        // Another session of the role, by another key, is nobody's here; another key of the user is, if the user is denied.
        let other = record("e-5", "s3", "X", role("deploy", "carol", "ASIAIOSFODNN7EXAMPL3"));
        assert!(!lineage.contains(&chain, &other));
        let mut other_key = record("e-6", "s3", "X", user("AKIAI44QH8DHBEXAMPLE"));
        other_key["userIdentity"]["sessionContext"] = Value::Null;
        assert!(!lineage.contains(&chain, &other_key));
        assert!(lineage.contains_principal(&chain, &other_key));
    }

    #[test]
    fn a_console_session_comes_from_its_sign_in() {
        let mut login = record("e-1", "signin", "ConsoleLogin", user(""));
        login["userIdentity"]["sessionContext"] = Value::Null;
        login["eventTime"] = json!("2026-11-01T08:00:00Z");
        login["responseElements"] = json!({"ConsoleLogin": "Success"});
        let call = record("e-2", "s3", "X", user(FIRST));
        let chain = fed(&[&login]).chain(&call);
        assert_eq!(chain.len(), 2);
        assert_eq!(chain[1].issued_by.as_deref(), Some("ConsoleLogin"));
        assert_eq!(chain[1].event_id.as_deref(), Some("e-1"));
        // Other keys of the same console session are of it; the long-term key signed in nowhere.
        let lineage = fed(&[&login]);
        assert!(lineage.contains(&chain, &record("e-3", "s3", "X", user(SECOND))));
        assert_eq!(lineage.chain(&record("e-4", "s3", "X", user(LONG))).len(), 1);
        login["responseElements"] = json!({"ConsoleLogin": "Failure"});
        assert_eq!(fed(&[&login]).chain(&call).len(), 1);
    }

    #[test]
    fn an_instance_comes_from_ec2_even_when_its_key_was_renewed() {
        let ec2 = json!({"type": "AWSService", "invokedBy": "ec2.amazonaws.com"});
        let one = issue("e-1", "AssumeRole", ec2, ("web", "i-0123456789abcdef0"), FIRST);
        let call = record("e-2", "s3", "X", role("web", "i-0123456789abcdef0", SECOND));
        let chain = fed(&[&one]).chain(&call);
        assert_eq!(root(&chain).unwrap().target.class, Class::AwsService);
        let contained: Vec<_> = to_contain(&chain).iter().map(|link| link.target.class).collect();
        assert_eq!(contained, [Class::InstanceRole]);
        // That EC2 is the root of two instances doesn't make them one lineage.
        let other = record("e-3", "s3", "X", role("web", "i-0123456789abcdef1", LONG));
        assert!(!fed(&[&one]).contains(&chain, &other));
    }

    #[test]
    fn circles_end_and_failed_calls_say_nothing() {
        let one = issue("e-1", "AssumeRole", role("a", "xx", SECOND), ("b", "yy"), FIRST);
        let two = issue("e-2", "AssumeRole", role("b", "yy", FIRST), ("a", "xx"), SECOND);
        let lineage = fed(&[&one, &two]);
        let call = record("e-3", "s3", "X", role("a", "xx", SECOND));
        assert_eq!(keys(&lineage.chain(&call)), [SECOND, FIRST]);
        assert_eq!(Vec::from_iter(lineage.descendants(FIRST)), [SECOND]);
        let mut failed = one.clone();
        failed["errorCode"] = json!("AccessDenied");
        let call = record("e-3", "s3", "X", role("b", "yy", FIRST));
        assert_eq!(fed(&[&failed]).chain(&call).len(), 1);
    }

    #[test]
    fn of_two_records_of_one_call_that_counts_which_knows_the_caller() {
        let own = issue("e-2", "AssumeRole", user(LONG), ("deploy", "bob"), FIRST);
        let stranger = json!({"type": "AWSAccount", "accountId": "444455556666"});
        let theirs = issue("e-1", "AssumeRole", stranger, ("deploy", "bob"), FIRST);
        let call = record("e-3", "s3", "X", role("deploy", "bob", FIRST));
        for lineage in [fed(&[&own, &theirs]), fed(&[&theirs, &own])] {
            assert_eq!(keys(&lineage.chain(&call)), [FIRST, LONG]);
        }
    }

    #[test]
    fn a_long_chain_is_cut() {
        let key = |number: usize| format!("ASIAEXAMPLE{number:09}");
        let mut lineage = Lineage::new();
        for number in 0..200 {
            let caller = role("a", "xx", &key(number));
            lineage.feed(&issue("e", "AssumeRole", caller, ("a", "xx"), &key(number + 1)));
        }
        let call = record("e", "s3", "X", role("a", "xx", &key(200)));
        assert_eq!(lineage.chain(&call).len(), CHAIN_MAX);
        assert_eq!(lineage.descendants(&key(0)).len(), 200);
    }
}
