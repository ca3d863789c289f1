//! Messages that tell of new log objects, in every form that AWS sends them.
//!
//! A queue may carry several forms at once: S3's own event, the same in an SNS envelope, EventBridge's `Object
//! Created`, and the list of keys that CloudTrail publishes to SNS. Each is told by its shape. What AWS sends as a
//! courtesy (test events, subscription messages) is [`Notification::Ignored`]; what we do not know is refused, so
//! that the message is kept for a human instead of being dropped.

use serde_json::Value;
use thiserror::Error;

/// One log object named by a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The bucket.
    pub bucket: String,
    /// The key, decoded.
    pub key: String,
    /// The object's version, in a versioned bucket.
    pub version: Option<String>,
    /// The object's ETag, without quotes.
    pub etag: Option<String>,
    /// The object's size in bytes, when the message tells it: CloudTrail's own messages do not.
    pub bytes: Option<u64>,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notification {
    /// New objects; there may be none, when the message tells only of other changes.
    Objects(Vec<Named>),
    /// A message that asks for nothing.
    Ignored(&'static str),
}

/// Why a message was not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NotificationError {
    /// The body is not JSON.
    #[error(
        "the message is not JSON; send S3 event notifications, EventBridge or CloudTrail SNS messages here"
    )]
    NotJson,
    /// The body is JSON of no form we know.
    #[error(
        "the message has no form that names S3 objects; send S3 event notifications, EventBridge or CloudTrail SNS messages here"
    )]
    UnknownForm,
    /// A form we know, but a part is missing or has another type.
    #[error("the message has no usable {part}")]
    Missing {
        /// The part, as AWS spells it.
        part: &'static str,
    },
    /// S3 changed its event format.
    #[error("the S3 event has a major version other than 2")]
    Version,
    /// SNS envelopes in SNS envelopes, deeper than anyone wraps.
    #[error("the message is wrapped in more than {ENVELOPES_MAX} SNS envelopes")]
    TooManyEnvelopes,
}

/// SNS to SNS by way of a subscriber happens; more is a loop or an attack.
const ENVELOPES_MAX: usize = 4;

/// Reads the body of a message.
///
/// # Errors
///
/// If the body is of no form that is known.
pub fn parse(body: &str) -> Result<Notification, NotificationError> {
    let mut body = body.to_owned();
    for _ in 0..=ENVELOPES_MAX {
        let text = body.trim_start_matches('\u{feff}').trim();
        if text == "CloudTrail validation message." {
            return Ok(Notification::Ignored("CloudTrail validation message"));
        }
        let value: Value = serde_json::from_str(text).map_err(|_| NotificationError::NotJson)?;
        match envelope(&value)? {
            Envelope::Inner(message) => body = message,
            Envelope::Courtesy(what) => return Ok(Notification::Ignored(what)),
            Envelope::None => return message(&value),
        }
    }
    Err(NotificationError::TooManyEnvelopes)
}

enum Envelope {
    Inner(String),
    Courtesy(&'static str),
    None,
}

/// Takes an SNS envelope off.
fn envelope(value: &Value) -> Result<Envelope, NotificationError> {
    let Some(topic) = value.get("TopicArn") else { return Ok(Envelope::None) };
    match (topic.as_str(), value.get("Type").and_then(Value::as_str)) {
        (Some(_), Some("Notification")) => text(value, "Message").map(Envelope::Inner),
        (Some(_), Some("SubscriptionConfirmation")) => {
            Ok(Envelope::Courtesy("SNS subscription confirmation"))
        }
        (Some(_), Some("UnsubscribeConfirmation")) => {
            Ok(Envelope::Courtesy("SNS unsubscribe confirmation"))
        }
        _ => Err(NotificationError::Missing { part: "Type" }),
    }
}

fn message(value: &Value) -> Result<Notification, NotificationError> {
    if value.get("Event").and_then(Value::as_str) == Some("s3:TestEvent") {
        return Ok(Notification::Ignored("S3 test event"));
    }
    if let Some(records) = value.get("Records") {
        let records = records.as_array().ok_or(NotificationError::Missing { part: "Records" })?;
        let named: Result<Vec<Option<Named>>, _> = records.iter().map(s3_record).collect();
        return named.map(|named| Notification::Objects(named.into_iter().flatten().collect()));
    }
    if value.get("s3ObjectKey").is_some() {
        return cloudtrail_keys(value);
    }
    if value.get("detail-type").is_some() {
        return event_bridge(value);
    }
    Err(NotificationError::UnknownForm)
}

/// A record of an S3 event notification; `None` if it tells of something other than a new object.
fn s3_record(record: &Value) -> Result<Option<Named>, NotificationError> {
    if record.get("eventSource").and_then(Value::as_str) != Some("aws:s3") {
        return Err(NotificationError::UnknownForm);
    }
    let version = text(record, "eventVersion")?;
    if version.split('.').next() != Some("2") {
        return Err(NotificationError::Version);
    }
    // EventBridge-style names carry the `s3:` in front; S3's own do not.
    let event = text(record, "eventName")?;
    if !event.trim_start_matches("s3:").starts_with("ObjectCreated:") {
        return Ok(None);
    }
    let s3 = record.get("s3").ok_or(NotificationError::Missing { part: "s3" })?;
    let bucket = s3.get("bucket").ok_or(NotificationError::Missing { part: "s3.bucket" })?;
    let object = s3.get("object").ok_or(NotificationError::Missing { part: "s3.object" })?;
    Ok(Some(Named {
        bucket: text(bucket, "name")?,
        // S3 writes keys as HTML forms do: `+` for a space, %XX for the rest.
        key: decode_form(&text(object, "key")?),
        version: optional(object, "versionId"),
        etag: optional(object, "eTag"),
        bytes: object.get("size").and_then(Value::as_u64),
    }))
}

/// CloudTrail's own SNS message; its keys are not encoded.
fn cloudtrail_keys(value: &Value) -> Result<Notification, NotificationError> {
    let missing = NotificationError::Missing { part: "s3ObjectKey" };
    let bucket = text(value, "s3Bucket")?;
    let keys = value.get("s3ObjectKey").and_then(Value::as_array).ok_or(missing)?;
    let named = keys.iter().map(|key| {
        let key = key.as_str().filter(|key| !key.is_empty()).ok_or(missing)?.to_owned();
        Ok(Named { bucket: bucket.clone(), key, version: None, etag: None, bytes: None })
    });
    named.collect::<Result<_, _>>().map(Notification::Objects)
}

/// EventBridge's `Object Created`; its keys are not encoded.
fn event_bridge(value: &Value) -> Result<Notification, NotificationError> {
    if value.get("source").and_then(Value::as_str) != Some("aws.s3") {
        return Err(NotificationError::UnknownForm);
    }
    if value.get("detail-type").and_then(Value::as_str) != Some("Object Created") {
        return Ok(Notification::Objects(Vec::new()));
    }
    let detail = value.get("detail").ok_or(NotificationError::Missing { part: "detail" })?;
    let bucket =
        detail.get("bucket").ok_or(NotificationError::Missing { part: "detail.bucket" })?;
    let object =
        detail.get("object").ok_or(NotificationError::Missing { part: "detail.object" })?;
    Ok(Notification::Objects(vec![Named {
        bucket: text(bucket, "name")?,
        key: text(object, "key")?,
        version: optional(object, "version-id"),
        etag: optional(object, "etag"),
        bytes: object.get("size").and_then(Value::as_u64),
    }]))
}

fn text(value: &Value, part: &'static str) -> Result<String, NotificationError> {
    let text = value.get(part).and_then(Value::as_str).filter(|text| !text.is_empty());
    text.map(str::to_owned).ok_or(NotificationError::Missing { part })
}

fn optional(value: &Value, part: &str) -> Option<String> {
    value.get(part).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// Decodes a form-encoded key. A `%` that starts no escape stands for itself, and bytes that are not UTF-8 become
/// replacement characters: the object is then not found, and that is said.
fn decode_form(encoded: &str) -> String {
    let bytes = encoded.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let hex = |offset: usize| char::from(*bytes.get(at + offset)?).to_digit(16);
        let escaped = match byte {
            b'%' => hex(1).zip(hex(2)).and_then(|(high, low)| u8::try_from(high * 16 + low).ok()),
            _ => None,
        };
        match (byte, escaped) {
            (_, Some(escaped)) => {
                decoded.push(escaped);
                at += 3;
                continue;
            }
            (b'+', _) => decoded.push(b' '),
            _ => decoded.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn keys(body: &str) -> Vec<String> {
        match parse(body).unwrap() {
            Notification::Objects(named) => named.into_iter().map(|one| one.key).collect(),
            Notification::Ignored(what) => panic!("ignored: {what}"),
        }
    }

    fn s3_event(keys: &[&str]) -> Value {
        let record = |key: &&str| {
            json!({"eventVersion": "2.4", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
                "s3": {"bucket": {"name": "trail"}, "object": {"key": key, "size": 7, "versionId": "v1", "eTag": "e"}}})
        };
        json!({"Records": keys.iter().map(record).collect::<Vec<_>>()})
    }

    #[test]
    fn s3_keys_are_decoded_once_and_all_records_are_read() {
        let event = s3_event(&["a+b%2Bc%3D1", "dt%3D2026%2525", "%", "caf%C3%A9"]);
        assert_eq!(keys(&event.to_string()), ["a b+c=1", "dt=2026%25", "%", "café"]);
    }

    #[test]
    fn envelopes_are_taken_off() {
        let wrap = |inner: String| {
            json!({"Type": "Notification", "TopicArn": "arn:aws:sns:::t", "Message": inner})
                .to_string()
        };
        let mut body = s3_event(&["k"]).to_string();
        for _ in 0..ENVELOPES_MAX {
            body = wrap(body);
            assert_eq!(keys(&body), ["k"]);
        }
        assert_eq!(parse(&wrap(body)), Err(NotificationError::TooManyEnvelopes));
    }

    #[test]
    fn forms_without_encoding_are_left_as_they_are() {
        let own = json!({"s3Bucket": "trail", "s3ObjectKey": ["a+b", "c%20d"]});
        assert_eq!(keys(&own.to_string()), ["a+b", "c%20d"]);
        let empty = json!({"s3Bucket": "trail", "s3ObjectKey": ["a", ""]}).to_string();
        assert_eq!(parse(&empty), Err(NotificationError::Missing { part: "s3ObjectKey" }));
        let bridge = json!({"source": "aws.s3", "detail-type": "Object Created",
            "detail": {"bucket": {"name": "trail"}, "object": {"key": "a+b", "size": 1}}});
        assert_eq!(keys(&bridge.to_string()), ["a+b"]);
    }

    #[test]
    fn courtesies_are_ignored_and_the_unknown_is_refused() {
        for body in [
            "CloudTrail validation message.".to_owned(),
            json!({"Service": "Amazon S3", "Event": "s3:TestEvent"}).to_string(),
            json!({"Type": "SubscriptionConfirmation", "TopicArn": "arn"}).to_string(),
        ] {
            assert!(matches!(parse(&body), Ok(Notification::Ignored(_))), "{body}");
        }
        assert_eq!(parse("hello"), Err(NotificationError::NotJson));
        assert_eq!(parse("{}"), Err(NotificationError::UnknownForm));
        assert_eq!(parse("[]"), Err(NotificationError::UnknownForm));
        let mut event = s3_event(&["k"]);
        event["Records"][0]["eventVersion"] = json!("3.0");
        assert_eq!(parse(&event.to_string()), Err(NotificationError::Version));
        event["Records"][0]["eventVersion"] = json!("2.1");
        event["Records"][0]["eventName"] = json!("ObjectRemoved:Delete");
        assert_eq!(parse(&event.to_string()), Ok(Notification::Objects(Vec::new())));
        event["Records"][0] = json!({"eventSource": "aws:sns"});
        assert_eq!(parse(&event.to_string()), Err(NotificationError::UnknownForm));
    }

    proptest::proptest! {
        #[test]
        fn no_body_panics(body: String) {
            let _outcome = parse(&body);
            let _decoded = decode_form(&body);
        }
    }
}
