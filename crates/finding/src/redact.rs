//! Secrets leave a record before it leaves the process.
//!
//! CloudTrail hides most secrets itself, but not all: responses of STS carry session tokens, some services log
//! request parameters whole, and people type passwords into the user name field of the sign-in page. The tables in
//! `secret.rs` say what is a secret; they are matched on the record's own bytes, so what is not secret stays byte for
//! byte. JSON inside strings is looked into as well, whole or broken, plain or URL-encoded. The id of an access key is
//! not a secret, and the lineage of credentials is followed by it.
//!
//! A walk over the record looks at each key once and keeps nothing for a scalar that stays: whoever makes a call
//! writes part of its record, and must not be able to choose what redaction costs.

use std::borrow::Cow;
use std::ops::Range;

use trailloop_cloudtrail::raw::{self, Stack, Token, Visitor};
use trailloop_cloudtrail::{Position, Record};

use crate::fields::Fields;
use crate::json::KEPT_BYTES_MAX;
use crate::secret::{Name, is_of_caller};
use crate::text::string_of;
use crate::url::{percent_decoded, redact_parameters};

/// What stands in a secret's place.
pub(crate) const REDACTED: &str = "[redacted]";

/// What AWS writes in a secret's place; it stays.
const HIDDEN_BY_AWS: &[u8] = b"\"HIDDEN_DUE_TO_SECURITY_REASONS\"";

/// Text inside text is looked into this deep.
const TEXTS_DEEP_MAX: usize = 4;

/// A text that still changes after so many more passes is hidden as a whole.
const PASSES_MAX: u32 = 4;

/// The record's bytes without secrets; borrowed when there were none.
#[must_use]
pub fn redact<'a>(record: Record<'a>) -> Cow<'a, [u8]> {
    let mut redaction = Redaction::default();
    redaction.read(record, &Fields::of(record));
    match redaction.hides_any() {
        false => Cow::Borrowed(record.raw()),
        true => Cow::Owned(redaction.written),
    }
}

/// What of a record is hidden. It serves one record after the other and keeps its buffers.
#[derive(Default)]
pub(crate) struct Redaction {
    /// That of the record, and those of text inside text, each with what is one deeper.
    levels: [Level; 1 + TEXTS_DEEP_MAX],
    /// The record as it is shown, if that is not as it is.
    written: Vec<u8>,
}

impl Redaction {
    /// Looks for what has to be hidden in the record.
    pub(crate) fn read<'a>(&mut self, record: Record<'a>, fields: &Fields) {
        let [level, deeper @ ..] = &mut self.levels;
        let source = Source {
            text: record.raw(),
            record: Some(record),
            sign_in_failed: fields.tell_of_failed_sign_in(record),
        };
        level.read(source, Place::Top, deeper);
        self.written.clear();
        if !level.hidden.is_empty() {
            level.write(record.raw(), &mut self.written);
        }
    }

    fn hides_any(&self) -> bool {
        !self.levels[0].hidden.is_empty()
    }

    /// The text at a position of the record that was read: what is shown of it.
    pub(crate) fn text<'a>(&'a self, record: Record<'a>, position: Position) -> Option<&'a str> {
        match self.levels[0].hidden_at(position.number()) {
            Some(hidden) => Some(&hidden.shown),
            None => record.value_at(position).as_str(),
        }
    }

    /// The bytes of the record that was read: what is shown of them.
    pub(crate) fn raw<'a>(&'a self, record: Record<'a>) -> &'a [u8] {
        if self.hides_any() { &self.written } else { record.raw() }
    }

    /// Makes room for the next record.
    pub(crate) fn forget(&mut self) {
        self.written.clear();
        self.written.shrink_to(KEPT_BYTES_MAX);
        for level in &mut self.levels {
            level.hidden.clear();
            if level.bytes() > KEPT_BYTES_MAX {
                *level = Level::default();
            }
        }
    }
}

/// A text that is looked into.
#[derive(Clone, Copy)]
struct Source<'t> {
    text: &'t [u8],
    /// The record, if this is one: its strings are known without their escapes.
    record: Option<Record<'t>>,
    sign_in_failed: bool,
}

/// What reading one text needs and finds.
#[derive(Default)]
struct Level {
    stack: Stack<Mark>,
    /// Containers whose name says that their value is secret.
    secret_containers: Vec<u32>,
    /// Values of such pairs, which may come before their names.
    values: Vec<PairValue>,
    /// What is hidden, in order.
    hidden: Vec<Hidden>,
    /// A string of this text without its escapes.
    unescaped: String,
}

/// A scalar that is not shown as it is.
struct Hidden {
    /// Its number among the nodes of the text.
    node: u32,
    range: Range<usize>,
    shown: Cow<'static, str>,
}

/// The value in a pair of name and value.
struct PairValue {
    container: u32,
    node: u32,
    range: Range<usize>,
}

impl Level {
    fn read(&mut self, source: Source<'_>, place: Place, deeper: &mut [Self]) {
        self.secret_containers.clear();
        self.values.clear();
        self.hidden.clear();
        let mut stack = std::mem::take(&mut self.stack);
        let root = Mark { secret: false, place, container: 0 };
        let mut redactor = Redactor { source, containers: 0, nodes: 0, level: self, deeper };
        raw::walk(source.text, root, &mut stack, &mut redactor);
        self.stack = stack;
        self.hide_values();
    }

    /// Hides the values of pairs whose name turned out to be that of a secret.
    fn hide_values(&mut self) {
        self.secret_containers.sort_unstable();
        let in_order = self.hidden.len();
        for PairValue { container, node, range } in &self.values {
            if self.secret_containers.binary_search(container).is_err() {
                continue;
            }
            let shown = Cow::Borrowed(REDACTED);
            match self.hidden[..in_order].binary_search_by_key(node, |hidden| hidden.node) {
                Ok(known) => self.hidden[known].shown = shown,
                Err(_) => self.hidden.push(Hidden { node: *node, range: range.clone(), shown }),
            }
        }
        if self.hidden.len() > in_order {
            self.hidden.sort_unstable_by_key(|hidden| hidden.node);
        }
    }

    fn hidden_at(&self, node: u32) -> Option<&Hidden> {
        let known = self.hidden.binary_search_by_key(&node, |hidden| hidden.node).ok()?;
        self.hidden.get(known)
    }

    /// Writes the text that was read as it is shown.
    fn write(&self, text: &[u8], out: &mut Vec<u8>) {
        let mut copied = 0;
        for Hidden { range, shown, .. } in &self.hidden {
            out.extend_from_slice(&text[copied..range.start]);
            raw::write_bytes(shown.as_bytes(), out);
            copied = range.end;
        }
        out.extend_from_slice(&text[copied..]);
    }

    /// The bytes its buffers hold.
    fn bytes(&self) -> usize {
        self.stack.bytes()
            + self.secret_containers.capacity() * size_of::<u32>()
            + self.values.capacity() * size_of::<PairValue>()
            + self.hidden.capacity() * size_of::<Hidden>()
            + self.unescaped.capacity()
    }
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

impl Mark {
    /// Whether a scalar matters here whatever it holds.
    fn is_of_interest(self) -> bool {
        self.secret || matches!(self.place, Place::KeyId | Place::Name | Place::Value)
    }
}

/// A walk over one text.
struct Redactor<'w, 't> {
    source: Source<'t>,
    containers: u32,
    /// How many nodes the walk came by.
    nodes: u32,
    level: &'w mut Level,
    deeper: &'w mut [Level],
}

impl Visitor for Redactor<'_, '_> {
    type Mark = Mark;

    fn open(&mut self, above: Mark) -> Mark {
        self.nodes += 1;
        self.containers += 1;
        let place = match above.place {
            Place::Top => Place::Record,
            Place::Response | Place::Credentials => above.place,
            _ => Place::Other,
        };
        Mark { secret: above.secret, place, container: self.containers }
    }

    fn key(&mut self, above: Mark, key: Token) -> Mark {
        let name = self.name(self.nodes, &key);
        let mut secret = above.secret
            || name == Name::Secret
            || (self.source.sign_in_failed && is_of_caller(self.plain(self.nodes, &key)));
        self.nodes += 1;
        let place = match (above.place, name) {
            (Place::Record, Name::ResponseElements) => Place::Response,
            (Place::Response, Name::Credentials) => Place::Credentials,
            (Place::Credentials, Name::AccessKeyId) => Place::KeyId,
            (Place::Credentials, Name::Expiration) => Place::Other,
            (Place::Credentials, _) => {
                secret = true;
                Place::Credentials
            }
            (_, Name::OfPair) => Place::Name,
            (_, Name::ValueOfPair) => Place::Value,
            _ => Place::Other,
        };
        Mark { secret, place, container: above.container }
    }

    #[inline]
    fn scalar(&mut self, mark: Mark, scalar: Token) {
        let node = self.nodes;
        self.nodes += 1;
        let value = &self.source.text[scalar.range.clone()];
        let may_hold_text = value.first() == Some(&b'"')
            && (scalar.is_escaped || may_hold_text(value))
            && !self.deeper.is_empty();
        // Most scalars are of no interest.
        if mark.is_of_interest() || may_hold_text {
            self.look_at(mark, node, scalar, may_hold_text);
        }
    }

    fn next_unescaped(&self) -> Option<&str> {
        self.source.record?.value_at(Position::of(self.nodes)).as_str()
    }
}

impl Redactor<'_, '_> {
    fn look_at(&mut self, mark: Mark, node: u32, scalar: Token, may_hold_text: bool) {
        let value = &self.source.text[scalar.range.clone()];
        if matches!(value, b"null" | b"true" | b"false") || value == HIDDEN_BY_AWS {
            return;
        }
        if mark.secret || (mark.place == Place::KeyId && !is_access_key_id(value)) {
            return self.hide(node, scalar.range, Cow::Borrowed(REDACTED));
        }
        match mark.place {
            Place::Name if self.name(node, &scalar) == Name::Secret => {
                self.level.secret_containers.push(mark.container);
            }
            Place::Value => {
                let range = scalar.range.clone();
                self.level.values.push(PairValue { container: mark.container, node, range });
            }
            _ => {}
        }
        if may_hold_text && let Some(shown) = self.redact_inside(node, &scalar) {
            self.hide(node, scalar.range, Cow::Owned(shown));
        }
    }

    fn hide(&mut self, node: u32, range: Range<usize>, shown: Cow<'static, str>) {
        self.level.hidden.push(Hidden { node, range, shown });
    }

    /// What a key or scalar says as a name.
    #[inline]
    fn name(&mut self, node: u32, token: &Token) -> Name {
        if token.is_escaped {
            return Name::of(self.plain(node, token));
        }
        let Range { mut start, mut end } = token.range;
        let quote_at = |at: usize| usize::from(self.source.text.get(at) == Some(&b'"'));
        start += quote_at(start);
        end -= quote_at(end - 1);
        Name::in_text(self.source.text, start.min(end)..end)
    }

    /// A key or scalar without escapes; quotes may stay.
    fn plain(&mut self, node: u32, token: &Token) -> &[u8] {
        let text = &self.source.text[token.range.clone()];
        match (token.is_escaped, self.source.record) {
            (false, _) => text,
            (true, Some(record)) => {
                let text = record.value_at(Position::of(node)).as_str();
                text.unwrap_or_default().as_bytes()
            }
            (true, None) => raw::unescape(text, &mut self.level.unescaped).as_bytes(),
        }
    }

    /// What a string holds without its secrets, if it holds any.
    fn redact_inside(&mut self, node: u32, scalar: &Token) -> Option<String> {
        let mut buffer = std::mem::take(&mut self.level.unescaped);
        let text = match self.source.record {
            Some(record) => record.value_at(Position::of(node)).as_str().unwrap_or_default(),
            None => raw::unescape(&self.source.text[scalar.range.clone()], &mut buffer),
        };
        let shown = self.redact_text(text);
        self.level.unescaped = buffer;
        shown
    }

    /// A text without its secrets, if it holds any.
    fn redact_text(&mut self, text: &str) -> Option<String> {
        let mut redacted = self.redact_once(text)?;
        // What is put into text that only looks like JSON moves its quotes, and so may show more secrets. Texts further
        // inside are done with the outermost one.
        if self.deeper.len() < TEXTS_DEEP_MAX {
            return Some(redacted);
        }
        for _ in 0..PASSES_MAX {
            match self.redact_once(&redacted) {
                Some(again) if again != redacted => redacted = again,
                _ => return Some(redacted),
            }
        }
        Some(REDACTED.to_owned())
    }

    /// One pass over a text; none if it held no secret.
    fn redact_once(&mut self, text: &str) -> Option<String> {
        let redacted = redact_parameters(text);
        let text = redacted.as_deref().unwrap_or(text);
        let [level, deeper @ ..] = &mut *self.deeper else { return redacted };
        let sign_in_failed = self.source.sign_in_failed;
        let source = |text| Source { text, record: None, sign_in_failed };
        if raw::holds_any(text.as_bytes(), *b"{[\"") {
            level.read(source(text.as_bytes()), Place::Other, deeper);
            if !level.hidden.is_empty() {
                let mut written = Vec::with_capacity(text.len());
                level.write(text.as_bytes(), &mut written);
                return Some(string_of(written));
            }
        }
        if let Some(decoded) = percent_decoded(text.as_bytes()) {
            level.read(source(&decoded), Place::Other, deeper);
            if !level.hidden.is_empty() {
                return Some(REDACTED.to_owned());
            }
        }
        redacted
    }
}

/// Whether a string without escapes may hold JSON, plain or URL-encoded, or the parameters of a URL.
#[inline(never)]
fn may_hold_text(value: &[u8]) -> bool {
    raw::holds_any(value, *b"{[=%")
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::{collection, sample};
    use serde::de::IgnoredAny;
    use serde_json::{Value, json};
    use trailloop_cloudtrail::{Kind, RecordBuffer, Value as TrailValue};

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
    fn what_aws_hid_and_key_ids_are_known_by_their_bytes() {
        let stays = r#"{"password":"HIDDEN_DUE_TO_SECURITY_REASONS","responseElements":{"credentials":{"accessKeyId":"ASIAIOSFODNN7EXAMPLE"}}}"#;
        assert_eq!(redacted(stays), stays);
        let escaped = stays.replace("HIDDEN", r"\u0048IDDEN").replace("ASIA", r"\u0041SIA");
        let expected = r#"{"password":"[redacted]","responseElements":{"credentials":{"accessKeyId":"[redacted]"}}}"#;
        assert_eq!(redacted(&escaped), expected);
    }

    #[test]
    fn a_parameter_in_the_value_of_another_is_no_reason_to_panic() {
        let json = r#"{"x":"x-amz-signature=x-amz-security-token=CANARY"}"#;
        assert_eq!(redacted(json), r#"{"x":"x-amz-signature=[redacted]"}"#);
    }

    #[test]
    fn a_long_key_over_many_values_costs_its_length() {
        let json = format!("{{\"x\":{{\"{}\":[{}1]}}}}", "k".repeat(100_000), "1,".repeat(100_000));
        assert_eq!(redacted(&json), json);
    }

    /// JSON with secrets in many places: under keys, in pairs, in text that holds JSON, plain or encoded.
    fn json_with_secrets() -> impl Strategy<Value = Value> {
        let keys = [
            "password",
            "api_key",
            "name",
            "value",
            "x",
            "responseElements",
            "credentials",
            "accessKeyId",
            "arn",
            "p.",
        ];
        let texts = [
            "CANARY",
            "password",
            "",
            "é\u{ffff}",
            "x-amz-signature=CANARY&a",
            "ASIAIOSFODNN7EXAMPLE",
            "{\"secret\":1",
            "HIDDEN_DUE_TO_SECURITY_REASONS",
            "%7B%22password%22%3A1%7D",
            "Failure",
            "\\\"\n",
        ];
        let leaf = prop_oneof![
            sample::select(texts.to_vec()).prop_map(Value::from),
            sample::select(vec![Value::Null, Value::from(true), Value::from(1.5)]),
        ];
        leaf.prop_recursive(5, 48, 4, move |inner| {
            let key = sample::select(keys.to_vec()).prop_map(str::to_owned);
            prop_oneof![
                collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                collection::vec((key, inner.clone()), 0..4)
                    .prop_map(|members| members.into_iter().collect()),
                inner.prop_map(|value| Value::from(value.to_string())),
            ]
        })
    }

    /// What every value of a record is shown as, in order, where it is text.
    fn texts(
        value: TrailValue<'_>,
        shown: &mut impl FnMut(Position) -> Option<String>,
        out: &mut Vec<Option<String>>,
    ) {
        out.push(value.position().and_then(&mut *shown));
        match value.kind() {
            Kind::Object(members) => members.for_each(|(_, value)| texts(value, shown, out)),
            Kind::Array(elements) => elements.for_each(|value| texts(value, shown, out)),
            _ => {}
        }
    }

    proptest::proptest! {
        #[test]
        fn fields_are_shown_as_they_are_in_the_redacted_record(
            members in collection::vec(json_with_secrets(), 1..4),
            sign_in_failed: bool,
            is_pretty: bool,
            is_escaped: bool,
        ) {
            let name = if sign_in_failed { "ConsoleLogin" } else { "x" };
            let mut record = json!({"eventName": name, "errorMessage": "x"});
            for (member, key) in members.into_iter().zip(["responseElements", "y", "password"]) {
                record[key] = member;
            }
            let mut json = if is_pretty { format!("{record:#}") } else { record.to_string() };
            if is_escaped {
                json = json.replace('p', r"\u0070");
            }
            let mut buffer = RecordBuffer::new();
            let record = Record::parse(json.as_bytes(), &mut buffer).unwrap();
            let mut redaction = Redaction::default();
            redaction.read(record, &Fields::of(record));
            let (mut shown, mut expected) = (Vec::new(), Vec::new());
            texts(record.root(), &mut |at| redaction.text(record, at).map(str::to_owned), &mut shown);
            let mut buffer = RecordBuffer::new();
            let redacted = Record::parse(redaction.raw(record), &mut buffer).unwrap();
            let as_it_is = |at| redacted.value_at(at).as_str().map(str::to_owned);
            texts(redacted.root(), &mut { as_it_is }, &mut expected);
            proptest::prop_assert_eq!(shown, expected);
        }

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
