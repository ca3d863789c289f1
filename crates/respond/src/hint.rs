//! What a message of the action queue claims. It is a hint and nothing more: whoever can write to the queue can write
//! anything, so a hint says only which record of the archive to look at, and which rule to ask about it.

use jiff::Timestamp;
use serde_json::Value;
use trailloop_cloud::{Message, ObjectRef};

/// The claim: this rule matched the record at this place, or this query answers so about that time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// The finding's id.
    pub uid: String,
    /// What to look at.
    pub of: Origin,
    /// Whether the stream sent it: a finding of a replay never leads to an act.
    pub is_live: bool,
}

/// What a finding says it comes of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A record that a rule matched.
    Record {
        /// The hash of the rule, if it says one.
        rule_hash: Option<String>,
        /// The object that holds the record.
        object: ObjectRef,
    },
    /// Rows of a kept query about a window of time.
    Query {
        /// The query's id.
        id: String,
        /// The hash of what it asks and says.
        hash: String,
        /// The window.
        from: Timestamp,
        /// See [`Origin::Query::from`].
        to: Timestamp,
    },
}

/// The attribute that the stream gives each finding it sends.
const RECEIVED: &str = "trailloop-received-ms";

/// What is no finding of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HintError {
    /// Not JSON.
    #[error("the message is not JSON: {0}")]
    NotJson(String),
    /// Without a field that every finding has.
    #[error("the message has no {0}, which every finding has")]
    Incomplete(&'static str),
}

impl Hint {
    /// Reads a message.
    pub fn of(message: &Message) -> Result<Self, HintError> {
        let finding: Value = serde_json::from_str(&message.body)
            .map_err(|error| HintError::NotJson(error.to_string()))?;
        let uid = text(&finding, "/finding_info/uid")?;
        if !is_id(uid) {
            return Err(HintError::Incomplete("/finding_info/uid of 32 hexadecimal digits"));
        }
        let of = match finding.pointer("/unmapped/trailloop/query") {
            Some(query) => query_of(query)?,
            None => record_of(&finding)?,
        };
        let is_live = message.attributes.contains_key(RECEIVED);
        Ok(Self { uid: uid.to_owned(), of, is_live })
    }
}

fn text<'f>(finding: &'f Value, pointer: &'static str) -> Result<&'f str, HintError> {
    finding.pointer(pointer).and_then(Value::as_str).ok_or(HintError::Incomplete(pointer))
}

fn record_of(finding: &Value) -> Result<Origin, HintError> {
    let version = finding.pointer("/unmapped/trailloop/location/version").and_then(Value::as_str);
    Ok(Origin::Record {
        rule_hash: text(finding, "/unmapped/trailloop/rule/hash").ok().map(str::to_owned),
        object: ObjectRef {
            bucket: text(finding, "/unmapped/trailloop/location/bucket")?.to_owned(),
            key: text(finding, "/unmapped/trailloop/location/key")?.to_owned(),
            version: version.map(str::to_owned),
            etag: None,
        },
    })
}

fn query_of(query: &Value) -> Result<Origin, HintError> {
    let text = |name: &str, path: &'static str| {
        query.get(name).and_then(Value::as_str).ok_or(HintError::Incomplete(path))
    };
    let time = |name: &str, path: &'static str| {
        text(name, path)?.parse::<Timestamp>().map_err(|_| HintError::Incomplete(path))
    };
    Ok(Origin::Query {
        id: text("id", "/unmapped/trailloop/query/id")?.to_owned(),
        hash: text("hash", "/unmapped/trailloop/query/hash")?.to_owned(),
        from: time("from", "/unmapped/trailloop/query/from as a time")?,
        to: time("to", "/unmapped/trailloop/query/to as a time")?,
    })
}

/// Whether a text is the id of a finding or a run: 32 hexadecimal digits.
#[must_use]
pub fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;
    use trailloop_cloud::Receipt;

    use super::*;

    fn message(body: &Value) -> Message {
        Message {
            id: "1".to_owned(),
            receipt: Receipt("r".to_owned()),
            body: body.to_string(),
            attributes: BTreeMap::new(),
            receive_count: 1,
            sent_at_ms: None,
        }
    }

    fn finding() -> Value {
        json!({
            "finding_info": {"uid": "3c191c75e5ef2be4e26f2bc9cd317b4c"},
            "unmapped": {"trailloop": {"location": {"bucket": "logs", "key": "AWSLogs/1", "index": 3}}},
        })
    }

    #[test]
    fn a_finding_says_where_its_record_is() {
        let hint = Hint::of(&message(&finding())).unwrap();
        let object = ObjectRef::new("logs", "AWSLogs/1");
        assert_eq!(hint.of, Origin::Record { rule_hash: None, object });
        assert!(!hint.is_live, "nothing says that the stream sent it");
        let mut live = message(&finding());
        live.attributes.insert(RECEIVED.to_owned(), "1".to_owned());
        assert!(Hint::of(&live).unwrap().is_live);
    }

    #[test]
    fn a_finding_of_a_query_says_what_was_asked() {
        let mut finding = finding();
        finding["unmapped"]["trailloop"]["query"] = json!({
            "id": "root-use", "hash": "5e7", "from": "2026-01-31T09:00:00Z", "to": "2026-01-31T10:00:00Z",
        });
        let Origin::Query { id, from, .. } = Hint::of(&message(&finding)).unwrap().of else {
            panic!("of a query");
        };
        assert_eq!((id.as_str(), from.to_string().as_str()), ("root-use", "2026-01-31T09:00:00Z"));
        finding["unmapped"]["trailloop"]["query"]["to"] = json!("soon");
        let error = Hint::of(&message(&finding)).unwrap_err();
        assert_eq!(error, HintError::Incomplete("/unmapped/trailloop/query/to as a time"));
    }

    #[test]
    fn what_is_no_finding_is_refused_and_the_missing_part_named() {
        let error = Hint::of(&message(&json!({"a": 1}))).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the message has no /finding_info/uid, which every finding has"
        );
        let mut odd = finding();
        odd["finding_info"]["uid"] = json!("../../etc");
        assert!(Hint::of(&message(&odd)).is_err());
        let mut text = message(&json!({}));
        text.body = "{".to_owned();
        assert!(matches!(Hint::of(&text), Err(HintError::NotJson(_))));
    }
}
