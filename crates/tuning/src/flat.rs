//! A record as flat fields, and what is told of it by tripwires and reports: who, from where, with what.

use std::collections::BTreeMap;
use std::net::IpAddr;

use trailloop_cloudtrail::{Kind, Record, RecordBuffer, Value};
use trailloop_rules::agent_family;

/// Objects nested deeper hold nothing that tells one caller from another.
const DEPTH_MAX: usize = 6;

/// A longer text tells one event from another, not one kind from another.
const VALUE_BYTES_MAX: usize = 512;

/// So much is kept of texts that their writer may choose.
const NAME_CHARS_MAX: usize = 60;

/// A record's texts by their dotted paths. Arrays are left out, because any of their elements may be meant; so are keys with
/// dots in them, and texts that are empty or long.
#[must_use]
pub fn flatten(record: &[u8]) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    let mut buffer = RecordBuffer::new();
    if let Ok(record) = Record::parse(record, &mut buffer) {
        walk(record.root(), "", 0, &mut fields);
    }
    fields
}

fn walk(value: Value<'_>, path: &str, depth: usize, fields: &mut BTreeMap<String, String>) {
    match value.kind() {
        Kind::String(text) if !text.is_empty() && text.len() <= VALUE_BYTES_MAX => {
            fields.insert(path.to_owned(), text.to_owned());
        }
        Kind::Object(members) if depth < DEPTH_MAX => {
            for (key, value) in members.filter(|(key, _)| !key.is_empty() && !key.contains('.')) {
                let below = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
                walk(value, &below, depth + 1, fields);
            }
        }
        _ => {}
    }
}

/// What a record says of who acted, from where and with what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// The event's name.
    pub event: String,
    /// The role, user, account or service that acted: what outlives a session.
    pub entity: String,
    /// Where it came from: a VPC endpoint, or else a network (a /24 or a /48), or the name of a service.
    pub network: String,
    /// The region.
    pub region: String,
    /// The kind of user agent.
    pub agent: String,
    /// Whether the account's root user acted.
    pub is_root: bool,
    /// The error that it met; empty: none.
    pub error: String,
}

/// What a record says; all empty if it is none.
#[must_use]
pub fn profile(record: &[u8]) -> Profile {
    let mut buffer = RecordBuffer::new();
    Record::parse(record, &mut buffer).map(|record| profile_of(&record)).unwrap_or_default()
}

pub(crate) fn profile_of(record: &Record<'_>) -> Profile {
    let text = |path: &[&str]| record.text(path).unwrap_or_default();
    Profile {
        event: text(&["eventName"]).to_owned(),
        entity: entity(record),
        // Behind an endpoint are private addresses, which come and go and exist in every VPC.
        network: match text(&["vpcEndpointId"]) {
            "" => network_of(text(&["sourceIPAddress"])),
            endpoint => shortened(endpoint),
        },
        region: shortened(text(&["awsRegion"])),
        agent: agent_of(text(&["userAgent"])),
        is_root: text(&["userIdentity", "type"]) == "Root",
        error: shortened(text(&["errorCode"])),
    }
}

/// Who acted, by a name that outlives the session: the role or user, or else the service or the account.
#[must_use]
pub fn entity_of(record: &[u8]) -> String {
    let mut buffer = RecordBuffer::new();
    Record::parse(record, &mut buffer).map(|record| entity(&record)).unwrap_or_default()
}

fn entity(record: &Record<'_>) -> String {
    let text = |path: &[&str]| record.text(path).filter(|text| !text.is_empty());
    let issuer = text(&["userIdentity", "sessionContext", "sessionIssuer", "arn"]);
    let user = || {
        // Without an issuer the name of an assumed role ends in a session's, which its caller chose.
        text(&["userIdentity", "arn"]).map(|arn| match arn.split_once(":assumed-role/") {
            Some((head, rest)) => {
                format!("{head}:assumed-role/{}", rest.split('/').next().unwrap_or_default())
            }
            None => arn.to_owned(),
        })
    };
    issuer
        .map(ToOwned::to_owned)
        .or_else(user)
        .or_else(|| text(&["userIdentity", "invokedBy"]).map(ToOwned::to_owned))
        .or_else(|| text(&["userIdentity", "accountId"]).map(ToOwned::to_owned))
        .unwrap_or_else(|| "unknown".to_owned())
}

/// The network of an address as tripwires count it; what is no address, such as a service's name, stands for itself.
#[must_use]
pub fn network_of(address: &str) -> String {
    match address.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(address)) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        Ok(IpAddr::V6(address)) => {
            let [a, b, c, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}::/48")
        }
        Err(_) => shortened(address),
    }
}

/// The kind of a user agent; of those that nobody knows, the first word.
#[must_use]
pub fn agent_of(agent: &str) -> String {
    match agent_family(agent) {
        "other" => {
            let first = agent.split(|c: char| c == '/' || c.is_whitespace()).next();
            shortened(first.unwrap_or_default())
        }
        family => family.to_owned(),
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(NAME_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_flat_and_arrays_left_out() {
        let record = br#"{"eventName":"A","userIdentity":{"arn":"x","sessionContext":{"sessionIssuer":{"arn":"y"}}},"a.b":"no","list":["no"],"empty":"","number":1}"#;
        let fields = flatten(record);
        let paths: Vec<&str> = fields.keys().map(String::as_str).collect();
        assert_eq!(
            paths,
            ["eventName", "userIdentity.arn", "userIdentity.sessionContext.sessionIssuer.arn"]
        );
        assert!(flatten(b"no record").is_empty());
    }

    #[test]
    fn an_entity_outlives_its_sessions() {
        let of = |identity: &str| {
            entity_of(format!(r#"{{"eventName":"A","userIdentity":{identity}}}"#).as_bytes())
        };
        assert_eq!(
            of(r#"{"arn":"arn:aws:sts::111122223333:assumed-role/ci/one"}"#),
            "arn:aws:sts::111122223333:assumed-role/ci"
        );
        assert_eq!(of(r#"{"arn":"s","sessionContext":{"sessionIssuer":{"arn":"role"}}}"#), "role");
        assert_eq!(
            of(r#"{"arn":"arn:aws:iam::111122223333:user/a"}"#),
            "arn:aws:iam::111122223333:user/a"
        );
        assert_eq!(of(r#"{"invokedBy":"config.amazonaws.com"}"#), "config.amazonaws.com");
        assert_eq!(of("{}"), "unknown");
    }

    #[test]
    fn networks_and_agents_are_kinds() {
        assert_eq!(network_of("198.51.100.7"), "198.51.100.0/24");
        assert_eq!(network_of("::ffff:198.51.100.7"), "198.51.100.0/24");
        assert_eq!(network_of("2001:db8:1:2::3"), "2001:db8:1::/48");
        assert_eq!(network_of("cloudformation.amazonaws.com"), "cloudformation.amazonaws.com");
        assert_eq!(agent_of("aws-cli/2.1 Python/3"), agent_of("aws-cli/1.9"));
        assert_eq!(agent_of("evil/9 x"), "evil");
        assert_ne!(agent_of("evil/9 x"), agent_of("good/9 x"));
    }
}
