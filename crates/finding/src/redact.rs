//! Secrets leave a record before it leaves the process.
//!
//! CloudTrail hides most secrets itself, but not all: responses of STS carry session tokens, some services log
//! request parameters whole, and people type passwords into the user name field of the sign-in page. The table below
//! says what is a secret; it is matched on the record's own bytes, so what is not secret stays byte for byte.
//! The id of an access key is not a secret, and the lineage of credentials is followed by it.

use std::borrow::Cow;

use serde::de::IgnoredAny;
use trailloop_cloudtrail::Record;
use trailloop_cloudtrail::raw::{self, Step};

/// What stands in a secret's place.
const REDACTED: &str = "\"[redacted]\"";

/// What AWS writes in a secret's place; it stays.
const HIDDEN_BY_AWS: &[u8] = b"\"HIDDEN_DUE_TO_SECURITY_REASONS\"";

/// Keys whose values are secrets wherever they stand, in lower case and without `-` and `_`.
const SECRET_KEYS: [&str; 24] = [
    "accesstoken",
    "adminpassword",
    "authtoken",
    "clientsecret",
    "idtoken",
    "masteruserpassword",
    "newpassword",
    "oldpassword",
    "password",
    "plaintext",
    "privatekey",
    "refreshtoken",
    "samlassertion",
    "secretaccesskey",
    "secretbinary",
    "secretkey",
    "secretstring",
    "securitytoken",
    "sessiontoken",
    "temporarypassword",
    "userpassword",
    "webidentitytoken",
    "xamzsecuritytoken",
    "xamzsignature",
];

/// The path of issued credentials: every value below is secret but an access key id and the expiry.
const CREDENTIALS: [&str; 2] = ["responseElements", "credentials"];

/// Text inside text is looked into this deep.
const TEXTS_DEEP_MAX: u32 = 4;

/// The record's bytes without secrets; borrowed when there were none.
#[must_use]
pub fn redact<'a>(record: Record<'a>) -> Cow<'a, [u8]> {
    let names_secret = is_failed_sign_in(record);
    redact_text(record.raw(), names_secret, TEXTS_DEEP_MAX)
}

fn redact_text(text: &[u8], names_secret: bool, deep: u32) -> Cow<'_, [u8]> {
    let mut out: Vec<u8> = Vec::new();
    let mut copied = 0;
    for scalar in raw::scalars(text) {
        let value = &text[scalar.range.clone()];
        let replacement = if is_secret(&scalar.path, value, names_secret) {
            Some(Cow::Borrowed(REDACTED.as_bytes()))
        } else {
            redact_inside(value, names_secret, deep).map(Cow::Owned)
        };
        if let Some(replacement) = replacement {
            out.extend_from_slice(&text[copied..scalar.range.start]);
            out.extend_from_slice(&replacement);
            copied = scalar.range.end;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.extend_from_slice(&text[copied..]);
    Cow::Owned(out)
}

/// Redacts the JSON that a string holds, if it holds any with a secret.
fn redact_inside(value: &[u8], names_secret: bool, deep: u32) -> Option<Vec<u8>> {
    if deep == 0 || value.len() < 4 || !matches!(value[1], b'{' | b'[' | b' ' | b'\\') {
        return None;
    }
    let inner: String = serde_json::from_slice(value).ok()?;
    if !inner.trim_start().starts_with(['{', '[']) {
        return None;
    }
    serde_json::from_str::<IgnoredAny>(&inner).ok()?;
    let Cow::Owned(redacted) = redact_text(inner.as_bytes(), names_secret, deep - 1) else {
        return None;
    };
    serde_json::to_vec(&String::from_utf8_lossy(&redacted)).ok()
}

fn is_secret(path: &[Step], value: &[u8], names_secret: bool) -> bool {
    if value == b"null" || value == HIDDEN_BY_AWS {
        return false;
    }
    let keys = || {
        path.iter().filter_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Element => None,
        })
    };
    let plain = |key: &str| key.replace(['-', '_'], "").to_ascii_lowercase();
    if keys().any(|key| SECRET_KEYS.binary_search(&plain(key).as_str()).is_ok()) {
        return true;
    }
    if names_secret && keys().next_back().is_some_and(|key| key.eq_ignore_ascii_case("userName")) {
        return true;
    }
    keys().take(CREDENTIALS.len()).eq(CREDENTIALS)
        && match keys().nth(CREDENTIALS.len()) {
            Some("accessKeyId") => !is_access_key_id(value),
            Some("expiration") => false,
            _ => true,
        }
}

/// Whether the quoted text has the form of an access key id: four capitals that start with A, then capitals and
/// digits.
fn is_access_key_id(quoted: &[u8]) -> bool {
    let Some([b'"', id @ .., b'"']) = quoted.get(..) else { return false };
    (16..=128).contains(&id.len())
        && id[0] == b'A'
        && id[..4].iter().all(u8::is_ascii_uppercase)
        && id.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// Whether the record tells of a sign-in that failed: its user name may be a mistyped password.
fn is_failed_sign_in(record: Record<'_>) -> bool {
    let sign_in = record.text(&["eventSource"]).is_some_and(|source| source.starts_with("signin."))
        || record.text(&["eventName"]) == Some("ConsoleLogin");
    let failed = ["errorCode", "errorMessage"]
        .iter()
        .any(|key| record.get(&[key]).is_some_and(|value| !value.is_null()))
        || record.text(&["responseElements", "ConsoleLogin"]) == Some("Failure");
    sign_in && failed
}

#[cfg(test)]
mod tests {
    use trailloop_cloudtrail::RecordBuffer;

    use super::*;

    fn redacted(json: &str) -> String {
        let mut buffer = RecordBuffer::new();
        let record = Record::parse(json.as_bytes(), &mut buffer).unwrap();
        String::from_utf8(redact(record).into_owned()).unwrap()
    }

    #[test]
    fn the_table_is_sorted() {
        assert!(SECRET_KEYS.is_sorted());
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
        let json =
            r#"{"sessionToken":null,"password":"HIDDEN_DUE_TO_SECURITY_REASONS","x":"{\"a\":1}"}"#;
        let mut buffer = RecordBuffer::new();
        let record = Record::parse(json.as_bytes(), &mut buffer).unwrap();
        assert!(matches!(redact(record), Cow::Borrowed(_)));
    }

    #[test]
    fn credentials_hide_what_is_new_to_us() {
        let json = r#"{"responseElements":{"credentials":{"accessKeyId":"CANARY-1","new":{"deep":"CANARY-2"}}}}"#;
        assert!(!redacted(json).contains("CANARY"));
    }

    #[test]
    fn json_in_strings_is_looked_into() {
        let json = r#"{"requestParameters":{"body":" {\"session_token\":\"CANARY\",\"n\":1.50}"}}"#;
        let expected =
            r#"{"requestParameters":{"body":" {\"session_token\":\"[redacted]\",\"n\":1.50}"}}"#;
        assert_eq!(redacted(json), expected);
    }

    #[test]
    fn names_of_failed_sign_ins_may_be_passwords() {
        let failed = r#"{"eventSource":"signin.amazonaws.com","eventName":"ConsoleLogin","userIdentity":{"userName":"CANARY"},"responseElements":{"ConsoleLogin":"Failure"}}"#;
        assert!(!redacted(failed).contains("CANARY"));
        let passed = failed.replace("Failure", "Success");
        assert_eq!(redacted(&passed), passed);
    }

    proptest::proptest! {
        #[test]
        fn a_redacted_record_is_still_json(key in "[a-zA-Z\"\\\\]{0,12}", value: String, secret: bool) {
            let key = if secret { "sessionToken" } else { key.as_str() };
            let json = serde_json::json!({"x": {key: [value, {"password": 1}]}}).to_string();
            let redacted = redacted(&json);
            proptest::prop_assert!(serde_json::from_str::<IgnoredAny>(&redacted).is_ok());
        }
    }
}
