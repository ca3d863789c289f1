//! Secrets leave a record before it leaves the process.
//!
//! CloudTrail hides most secrets itself, but not all: responses of STS carry session tokens, some services log
//! request parameters whole, and people type passwords into the user name field of the sign-in page. The tables below
//! say what is a secret; they are matched on the record's own bytes, so what is not secret stays byte for byte. JSON
//! inside strings is looked into as well, whole or broken, plain or URL-encoded. The id of an access key is not a
//! secret, and the lineage of credentials is followed by it.
//!
//! A walk over the record looks at each key once and keeps nothing for a scalar that stays: whoever makes a call
//! writes part of its record, and must not be able to choose what redaction costs.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use trailloop_cloudtrail::raw::{self, Visitor};
use trailloop_cloudtrail::{Kind, Record};

/// What stands in a secret's place.
const REDACTED: &str = "[redacted]";

/// What AWS writes in a secret's place; it stays.
const HIDDEN_BY_AWS: &[u8] = b"\"HIDDEN_DUE_TO_SECURITY_REASONS\"";

/// A key is secret if it ends in one of these, in lower case and without anything but letters and digits.
const SECRET_ENDINGS: [&str; 24] = [
    "accesstoken",
    "amzsignature",
    "apikey",
    "authorization",
    "authorizationtoken",
    "authtoken",
    "credential",
    "idtoken",
    "keymaterial",
    "passphrase",
    "passwd",
    "password",
    "plaintext",
    "privatekey",
    "refreshtoken",
    "samlassertion",
    "secret",
    "secretaccesskey",
    "secretbinary",
    "secretkey",
    "secretstring",
    "securitytoken",
    "sessiontoken",
    "webidentitytoken",
];

/// Keys that hold a name in the record of a failed sign-in, in the same spelling.
const SIGN_IN_NAMES: [&str; 6] =
    ["arn", "email", "loginname", "principalid", "useremail", "username"];

/// Parameters of presigned URLs that are as good as a password.
const SECRET_PARAMETERS: [&str; 2] = ["x-amz-signature=", "x-amz-security-token="];

/// Text inside text is looked into this deep.
const TEXTS_DEEP_MAX: u32 = 4;

/// A text that still changes after so many more passes is hidden as a whole.
const PASSES_MAX: u32 = 4;

/// The record's bytes without secrets; borrowed when there were none.
#[must_use]
pub fn redact<'a>(record: Record<'a>) -> Cow<'a, [u8]> {
    redact_text(record.raw(), is_failed_sign_in(record), Place::Top, TEXTS_DEEP_MAX)
}

fn redact_text(text: &[u8], sign_in_failed: bool, place: Place, deep: u32) -> Cow<'_, [u8]> {
    let root = Mark { secret: false, place, container: 0 };
    let mut redactor = Redactor {
        text,
        sign_in_failed,
        deep,
        containers: 0,
        secret_containers: BTreeSet::new(),
        values: Vec::new(),
        replaced: BTreeMap::new(),
    };
    raw::walk(text, root, &mut redactor);
    redactor.finish()
}

/// Where a value stands, as far as it decides what is secret.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Outside of the record's object.
    Top,
    /// A member of the record.
    Record,
    /// Below `responseElements`.
    Response,
    /// Below `responseElements.credentials`.
    Credentials,
    /// `responseElements.credentials.accessKeyId`.
    KeyId,
    /// The name in a pair of name and value.
    Name,
    /// The value in such a pair.
    Value,
    /// Anywhere else.
    Other,
}

#[derive(Clone, Copy)]
struct Mark {
    /// Everything below is secret.
    secret: bool,
    place: Place,
    /// The number of the innermost container.
    container: u32,
}

struct Redactor<'t> {
    text: &'t [u8],
    sign_in_failed: bool,
    deep: u32,
    containers: u32,
    /// Containers whose name says that their value is secret.
    secret_containers: BTreeSet<u32>,
    /// Values of such pairs, which may come before their names.
    values: Vec<(u32, Range<usize>)>,
    /// By where they start: the end, and what stands there instead.
    replaced: BTreeMap<usize, (usize, String)>,
}

impl Visitor for Redactor<'_> {
    type Mark = Mark;

    fn open(&mut self, above: &Mark) -> Mark {
        self.containers += 1;
        let place = match above.place {
            Place::Top => Place::Record,
            Place::Response | Place::Credentials => above.place,
            _ => Place::Other,
        };
        Mark { secret: above.secret, place, container: self.containers }
    }

    fn key(&mut self, above: &Mark, key: &[u8]) -> Mark {
        let key = plain(&raw::unescape(key));
        let mut secret = above.secret
            || SECRET_ENDINGS.iter().any(|ending| key.ends_with(ending))
            || (self.sign_in_failed && SIGN_IN_NAMES.contains(&key.as_str()));
        let place = match (above.place, key.as_str()) {
            (Place::Record, "responseelements") => Place::Response,
            (Place::Response, "credentials") => Place::Credentials,
            (Place::Credentials, "accesskeyid") => Place::KeyId,
            (Place::Credentials, "expiration") => Place::Other,
            (Place::Credentials, _) => {
                secret = true;
                Place::Credentials
            }
            (_, "name" | "key" | "parameterkey" | "parametername") => Place::Name,
            (_, "value" | "parametervalue") => Place::Value,
            _ => Place::Other,
        };
        Mark { secret, place, container: above.container }
    }

    fn scalar(&mut self, mark: &Mark, range: Range<usize>) {
        let value = &self.text[range.clone()];
        if matches!(value, b"null" | b"true" | b"false") || value == HIDDEN_BY_AWS {
            return;
        }
        if mark.secret || (mark.place == Place::KeyId && !is_access_key_id(value)) {
            return self.replace(range, REDACTED);
        }
        match mark.place {
            Place::Name => {
                let name = plain(&raw::unescape(value));
                if SECRET_ENDINGS.iter().any(|ending| name.ends_with(ending)) {
                    self.secret_containers.insert(mark.container);
                }
            }
            Place::Value => self.values.push((mark.container, range.clone())),
            _ => {}
        }
        if let Some(inside) = self.redact_inside(value) {
            self.replace(range, &inside);
        }
    }
}

impl<'t> Redactor<'t> {
    fn replace(&mut self, range: Range<usize>, text: &str) {
        let mut quoted = String::new();
        raw::write_string(text, &mut quoted);
        self.replaced.insert(range.start, (range.end, quoted));
    }

    /// What a string holds without its secrets, if it holds any.
    fn redact_inside(&self, value: &[u8]) -> Option<String> {
        let worth = |byte: &u8| matches!(byte, b'{' | b'[' | b'\\' | b'%' | b'=');
        if self.deep == 0 || !value.starts_with(b"\"") || !value.iter().any(worth) {
            return None;
        }
        let mut redacted = self.redact_string(&raw::unescape(value))?;
        // What is put into text that only looks like JSON moves its quotes, and so may show more secrets. Texts further
        // inside are done with the outermost one.
        if self.deep < TEXTS_DEEP_MAX {
            return Some(redacted);
        }
        for _ in 0..PASSES_MAX {
            match self.redact_string(&redacted) {
                Some(again) if again != redacted => redacted = again,
                _ => return Some(redacted),
            }
        }
        Some(REDACTED.to_owned())
    }

    /// One pass over a text; none if it held no secret.
    fn redact_string(&self, text: &str) -> Option<String> {
        let text = match redact_parameters(text) {
            Some(redacted) => Cow::Owned(redacted),
            None => Cow::Borrowed(text),
        };
        let changed = matches!(text, Cow::Owned(_));
        if text.contains(['{', '[', '"']) {
            let inner =
                redact_text(text.as_bytes(), self.sign_in_failed, Place::Other, self.deep - 1);
            if let Cow::Owned(redacted) = inner {
                return Some(String::from_utf8_lossy(&redacted).into_owned());
            }
        }
        if let Some(decoded) = percent_decoded(&text) {
            let inner = redact_text(&decoded, self.sign_in_failed, Place::Other, self.deep - 1);
            if matches!(inner, Cow::Owned(_)) {
                return Some(REDACTED.to_owned());
            }
        }
        changed.then(|| text.into_owned())
    }

    fn finish(mut self) -> Cow<'t, [u8]> {
        for (container, range) in std::mem::take(&mut self.values) {
            if self.secret_containers.contains(&container) {
                self.replace(range, REDACTED);
            }
        }
        if self.replaced.is_empty() {
            return Cow::Borrowed(self.text);
        }
        let mut out = Vec::with_capacity(self.text.len());
        let mut copied = 0;
        for (start, (end, text)) in &self.replaced {
            out.extend_from_slice(&self.text[copied..*start]);
            out.extend_from_slice(text.as_bytes());
            copied = *end;
        }
        out.extend_from_slice(&self.text[copied..]);
        Cow::Owned(out)
    }
}

/// A key as the tables spell it.
fn plain(key: &str) -> String {
    // No table entry is longer, and only a key's end is compared.
    const ENDING_CHARS_MAX: usize = 32;
    let letters = key.bytes().rev().filter(u8::is_ascii_alphanumeric).take(ENDING_CHARS_MAX);
    let mut plain: Vec<u8> = letters.map(|byte| byte.to_ascii_lowercase()).collect();
    plain.reverse();
    String::from_utf8(plain).unwrap_or_default()
}

/// The text with the values of secret URL parameters replaced, if it has any.
fn redact_parameters(text: &str) -> Option<String> {
    if !text.contains('=') {
        return None;
    }
    let lower = text.to_ascii_lowercase();
    let mut found: Vec<Range<usize>> = Vec::new();
    for parameter in SECRET_PARAMETERS {
        for (at, _) in lower.match_indices(parameter) {
            let start = at + parameter.len();
            let ends = |c: char| c == '&' || c == '"' || c == '\\' || c.is_whitespace();
            let length = text[start..].find(ends).unwrap_or(text.len() - start);
            if length > 0 && &text[start..start + length] != REDACTED {
                found.push(start..start + length);
            }
        }
    }
    found.sort_by_key(|range| range.start);
    let mut out = String::new();
    let mut copied = 0;
    for range in &found {
        out.push_str(&text[copied..range.start]);
        out.push_str(REDACTED);
        copied = range.end;
    }
    (!found.is_empty()).then(|| out + &text[copied..])
}

/// Text that looks like URL-encoded JSON, decoded.
fn percent_decoded(text: &str) -> Option<Vec<u8>> {
    if !text.contains("%7B") && !text.contains("%7b") && !text.contains("%22") {
        return None;
    }
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let hex = |offset: usize| char::from(*bytes.get(at + offset)?).to_digit(16);
        match (byte, hex(1).zip(hex(2))) {
            (b'%', Some((high, low))) => {
                decoded.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                at += 3;
            }
            _ => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    Some(decoded)
}

/// Whether the quoted text has the form of an access key id: four capitals that start with A, then capitals and
/// digits.
fn is_access_key_id(quoted: &[u8]) -> bool {
    let [b'"', id @ .., b'"'] = quoted else { return false };
    (16..=128).contains(&id.len())
        && id[0] == b'A'
        && id[..4].iter().all(u8::is_ascii_uppercase)
        && id.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// Whether the record tells of a sign-in that failed: its user name may be a mistyped password.
fn is_failed_sign_in(record: Record<'_>) -> bool {
    let sign_in = record.text(&["eventSource"]).is_some_and(|source| source.starts_with("signin."))
        || matches!(
            record.text(&["eventName"]),
            Some("ConsoleLogin" | "CredentialVerification" | "UserAuthentication" | "CheckMfa")
        );
    let errors = || {
        let names = ["errorCode", "errorMessage"].into_iter();
        names.filter_map(|key| record.get(&[key])).any(|value| !value.is_null())
    };
    let failures = || {
        let places = ["responseElements", "serviceEventDetails"].into_iter();
        places.filter_map(|key| record.get(&[key])).any(|value| match value.kind() {
            Kind::Object(mut members) => members.any(|(_, value)| {
                value.as_str().is_some_and(|text| text.eq_ignore_ascii_case("Failure"))
            }),
            _ => false,
        })
    };
    sign_in && (errors() || failures())
}

#[cfg(test)]
mod tests {
    use serde::de::IgnoredAny;
    use trailloop_cloudtrail::RecordBuffer;

    use super::*;

    fn redacted(json: &str) -> String {
        let mut buffer = RecordBuffer::new();
        let record = Record::parse(json.as_bytes(), &mut buffer).unwrap();
        String::from_utf8(redact(record).into_owned()).unwrap()
    }

    #[test]
    fn secrets_go_and_the_rest_stays_byte_for_byte() {
        let json = r#"{ "a" : 1.50, "responseElements":{"credentials":{"accessKeyId":"ASIAIOSFODNN7EXAMPLE",
            "secretAccessKey":"CANARY","sessionToken" : "CANARY\"x","expiration":"Jan 1"}},"b":{"PassWord":["CANARY",{"x":5}]}}"#;
        let expected = r#"{ "a" : 1.50, "responseElements":{"credentials":{"accessKeyId":"ASIAIOSFODNN7EXAMPLE",
            "secretAccessKey":"[redacted]","sessionToken" : "[redacted]","expiration":"Jan 1"}},"b":{"PassWord":["[redacted]",{"x":"[redacted]"}]}}"#;
        assert_eq!(redacted(json), expected);
    }

    #[test]
    fn what_holds_no_secret_is_borrowed() {
        let json = r#"{"sessionToken":null,"password":"HIDDEN_DUE_TO_SECURITY_REASONS","x":"{\"a\":1}","secretId":"s",
            "nextToken":"t","url":"https://h/?a=1&b=%7B%22c%22%3A1%7D","tags":[{"key":"owner","value":"v"}]}"#;
        let mut buffer = RecordBuffer::new();
        let record = Record::parse(json.as_bytes(), &mut buffer).unwrap();
        assert!(matches!(redact(record), Cow::Borrowed(_)));
    }

    #[test]
    fn no_hiding_place_keeps_a_secret() {
        for place in [
            r#""responseElements":{"credentials":{"accessKeyId":"CANARY","new":{"deep":"CANARY"}}}"#,
            r#""responseElements":{"Credentials":{"x":"CANARY"}}"#,
            r#""requestParameters":{"dbPassword":"CANARY","DB_PASSWORD":7777,"x.password":"CANARY"}"#,
            r#""requestParameters":{"authorizationToken":"CANARY","keyMaterial":"CANARY","apiKey":"CANARY"}"#,
            r#""requestParameters":{"environment":[{"name":"DB_PASSWORD","value":"CANARY"}]}"#,
            r#""requestParameters":{"environment":[{"value":"CANARY","name":"API_KEY"}]}"#,
            r#""requestParameters":{"url":"https://h/k?X-Amz-Signature=CANARY&a=b"}"#,
            r#""requestParameters":{"body":"{\"session_token\":\"CANARY\""}"#,
            r#""requestParameters":{"body":"{\"a\":1} {\"password\":\"CANARY\"}, trailing"}"#,
            r#""requestParameters":{"body":"\"{\\\"password\\\":\\\"CANARY\\\"}\""}"#,
            r#""requestParameters":{"body":"%7B%22password%22%3A%22CANARY%22%7D"}"#,
        ] {
            let out = redacted(&format!("{{{place}}}"));
            assert!(!out.contains("CANARY") && !out.contains("7777"), "{place}: {out}");
        }
    }

    #[test]
    fn json_in_strings_keeps_what_is_not_secret() {
        let json = r#"{"requestParameters":{"body":" {\"session_token\":\"CANARY\",\"n\":1.50}"}}"#;
        let expected =
            r#"{"requestParameters":{"body":" {\"session_token\":\"[redacted]\",\"n\":1.50}"}}"#;
        assert_eq!(redacted(json), expected);
    }

    #[test]
    fn secrets_that_a_replacement_uncovers_are_hidden_too() {
        let once = redacted(r#"{"x":"{\"apikey\"{apikey\""}"#);
        assert_eq!(redacted(&once), once);
    }

    #[test]
    fn names_of_failed_sign_ins_may_be_passwords() {
        let failed = r#"{"eventSource":"signin.amazonaws.com","eventName":"ConsoleLogin","userIdentity":{"userName":"CANARY","arn":"arn:aws:iam::1:user/CANARY","principalId":"CANARY"},"responseElements":{"ConsoleLogin":"Failure"}}"#;
        assert!(!redacted(failed).contains("CANARY"));
        let passed = failed.replace("Failure", "Success");
        assert_eq!(redacted(&passed), passed);
        let other = r#"{"eventSource":"signin.amazonaws.com","eventName":"CredentialVerification","additionalEventData":{"UserName":"CANARY"},"serviceEventDetails":{"CredentialVerification":"Failure"}}"#;
        assert!(!redacted(other).contains("CANARY"));
    }

    #[test]
    fn a_long_key_over_many_values_costs_its_length() {
        let json = format!("{{\"x\":{{\"{}\":[{}1]}}}}", "k".repeat(100_000), "1,".repeat(100_000));
        assert_eq!(redacted(&json), json);
    }

    proptest::proptest! {
        #[test]
        fn a_redacted_record_is_still_json_and_redacting_again_changes_nothing(
            key in "[a-zA-Z\"\\\\]{0,12}", value: String, secret: bool,
        ) {
            let key = if secret { "sessionToken" } else { key.as_str() };
            let json = serde_json::json!({"x": {key: [value, {"password": 1}]}}).to_string();
            let once = redacted(&json);
            proptest::prop_assert!(serde_json::from_str::<IgnoredAny>(&once).is_ok());
            proptest::prop_assert_eq!(redacted(&once), once);
        }

        #[test]
        fn redacting_text_that_only_looks_like_json_again_changes_nothing(
            pieces in proptest::collection::vec(
                proptest::sample::select(vec!["\"", "\\", "{", "[", ",", ":", "\n", "apikey", "x", "}"]), 0..32,
            ),
        ) {
            let json = serde_json::json!({"x": pieces.concat()}).to_string();
            let once = redacted(&json);
            proptest::prop_assert_eq!(redacted(&once), once);
        }
    }
}
