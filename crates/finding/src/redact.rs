//! Secrets leave a record before it leaves the process.
//!
//! CloudTrail hides most secrets itself, but not all: responses of STS carry session tokens, some services log
//! request parameters whole, and people type passwords into the user name field of the sign-in page. The tables in
//! `secret.rs` say what is a secret. What is not secret stays byte for byte. JSON inside strings is looked into as well,
//! whole or broken, plain or URL-encoded (`inside.rs`). The id of an access key is not a secret, and the lineage of
//! credentials is followed by it.
//!
//! Most records have nothing to hide, which is told by a look at the end of each of their texts, and into those that hint at text
//! inside. What is hidden in others is told by a walk over the tape, where each key is looked at once and nothing is kept for a
//! scalar that stays. Whoever makes a call writes part of its record, and must not be able to choose what redaction costs: it is
//! bound by the record's length. Where a text lies in the record's bytes is mostly known; only where something is hidden of which it
//! is not are they gone over.

use std::borrow::Cow;
use std::ops::Range;

use trailloop_cloudtrail::raw::{self, Stack, Token, Visitor};
use trailloop_cloudtrail::{Position, Record, Seen};

use crate::fields::Fields;
use crate::inside::{Hints, Inside, may_hold_text};
use crate::json::KEPT_BYTES_MAX;
use crate::secret::{Name, is_of_caller};

/// What stands in a secret's place.
pub(crate) const REDACTED: &str = "[redacted]";

/// What AWS writes in a secret's place; it stays.
pub(crate) const HIDDEN_BY_AWS: &[u8] = b"\"HIDDEN_DUE_TO_SECURITY_REASONS\"";

/// Text inside text is looked into this deep.
pub(crate) const TEXTS_DEEP_MAX: usize = 4;

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
    /// The containers of the record that are open.
    open: Vec<Open>,
    /// The record as it is shown, if that is not as it is.
    written: Vec<u8>,
}

impl Redaction {
    /// Looks for what has to be hidden in the record.
    pub(crate) fn read(&mut self, record: Record<'_>, fields: &Fields) {
        self.levels[0].clear();
        self.written.clear();
        let sign_in_failed = fields.tell_of_failed_sign_in(record);
        if sign_in_failed || self.may_hide(record) {
            self.walk(record, sign_in_failed);
        }
    }

    /// Whether anything of a record of no failed sign-in may have to be hidden. That is told by its texts, whether they are keys or
    /// values and wherever they stand: whatever is hidden is so by a name that says it, or by what is inside of a text.
    fn may_hide(&mut self, record: Record<'_>) -> bool {
        let says_so = |text| matches!(Name::of_text(text), Name::Secret | Name::Credentials);
        // Names come first: they are told sooner, and where one says so no text is looked into twice.
        if record.texts().any(says_so) {
            return true;
        }
        let mut hints = Hints::of(record.raw());
        if hints.are_none() {
            return false;
        }
        let [_, deeper @ ..] = &mut self.levels;
        let mut inside = Inside { sign_in_failed: false, deeper };
        record.texts().any(|text| {
            hints.may_be_in(record, text)
                && may_hold_text(text.as_bytes())
                && inside.redact_text(text).is_some()
        })
    }

    /// Looks for it by what stands in what.
    fn walk(&mut self, record: Record<'_>, sign_in_failed: bool) {
        let [level, deeper @ ..] = &mut self.levels;
        let inside = Inside { sign_in_failed, deeper };
        let hints = Hints::of(record.raw());
        let mut redactor = Redactor { record, level, inside, hints, containers: 0 };
        redactor.read(&mut self.open);
        level.hide_values();
        if !level.hidden.is_empty() {
            level.locate(record);
            level.write(record.raw(), &mut self.written);
        }
    }

    fn hides_any(&self) -> bool {
        !self.levels[0].hidden.is_empty()
    }

    /// The text at a position of the record that was read: what is shown of it.
    #[inline]
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
        self.open.clear();
        self.open.shrink_to(KEPT_BYTES_MAX / size_of::<Open>());
        for level in &mut self.levels {
            level.hidden.clear();
            if level.bytes() > KEPT_BYTES_MAX {
                *level = Level::default();
            }
        }
    }
}

/// What reading a record, or one text inside of it, needs and finds.
#[derive(Default)]
pub(crate) struct Level {
    /// The containers of a text that are open.
    pub(crate) stack: Stack<Mark>,
    /// Containers whose name says that their value is secret.
    pub(crate) secret_containers: Vec<u32>,
    /// Values of such pairs, which may come before their names.
    pub(crate) values: Vec<PairValue>,
    /// What is hidden, in order.
    pub(crate) hidden: Vec<Hidden>,
    /// A string of this text without its escapes.
    pub(crate) unescaped: String,
}

/// A scalar that is not shown as it is.
pub(crate) struct Hidden {
    /// Its number among the nodes of the text.
    pub(crate) node: u32,
    /// Where it lies in the text.
    pub(crate) range: Range<usize>,
    pub(crate) shown: Cow<'static, str>,
    /// It stands where the id of an access key is expected, and stays if it has the form of one.
    pub(crate) may_be_key_id: bool,
}

/// The value in a pair of name and value.
pub(crate) struct PairValue {
    pub(crate) container: u32,
    pub(crate) node: u32,
    pub(crate) range: Range<usize>,
}

/// Where a scalar lies whose place in the text is not known yet. Nothing is there, so to write it by mistake panics
/// instead of showing a secret.
const UNKNOWN: Range<usize> = usize::MAX..usize::MAX;

impl Level {
    pub(crate) fn clear(&mut self) {
        self.secret_containers.clear();
        self.values.clear();
        self.hidden.clear();
    }

    /// Hides the values of pairs whose name turned out to be that of a secret.
    pub(crate) fn hide_values(&mut self) {
        self.secret_containers.sort_unstable();
        let in_order = self.hidden.len();
        for PairValue { container, node, range } in &self.values {
            if self.secret_containers.binary_search(container).is_err() {
                continue;
            }
            let (node, range, shown) = (*node, range.clone(), Cow::Borrowed(REDACTED));
            match self.hidden[..in_order].binary_search_by_key(&node, |hidden| hidden.node) {
                Ok(known) => self.hidden[known].shown = shown,
                Err(_) => self.hidden.push(Hidden { node, range, shown, may_be_key_id: false }),
            }
        }
        if self.hidden.len() > in_order {
            self.hidden.sort_unstable_by_key(|hidden| hidden.node);
        }
    }

    /// Finds where in the record's bytes lies what is hidden, and takes off what these say may stay.
    fn locate(&mut self, record: Record<'_>) {
        let raw = record.raw();
        for hidden in &mut self.hidden {
            if let Some(begin) = begin_of(record, hidden.node) {
                hidden.range = begin - 1..raw::string_end(raw, begin - 1);
            }
        }
        // Where texts lie is mostly known.
        if self.hidden.iter().any(|hidden| hidden.range == UNKNOWN) {
            let sought = self.hidden.iter_mut().peekable();
            let mut locator = Locator { record, nodes: 0, sought };
            raw::walk(raw, Mark::root(Place::Top), &mut self.stack, &mut locator);
        }
        self.hidden.retain(|Hidden { range, may_be_key_id, .. }| {
            let value = &raw[range.clone()];
            value != HIDDEN_BY_AWS && !(*may_be_key_id && is_access_key_id(value))
        });
    }

    #[inline]
    fn hidden_at(&self, node: u32) -> Option<&Hidden> {
        // In most records nothing is.
        if self.hidden.is_empty() {
            return None;
        }
        let known = self.hidden.binary_search_by_key(&node, |hidden| hidden.node).ok()?;
        self.hidden.get(known)
    }

    /// Writes the text that was read as it is shown.
    pub(crate) fn write(&self, text: &[u8], out: &mut Vec<u8>) {
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
pub(crate) enum Place {
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
pub(crate) struct Mark {
    /// Everything below is secret.
    pub(crate) secret: bool,
    pub(crate) place: Place,
    /// The number of the innermost container.
    pub(crate) container: u32,
}

impl Mark {
    /// That of what is outside of everything.
    pub(crate) fn root(place: Place) -> Self {
        Self { secret: false, place, container: 0 }
    }

    /// Whether a scalar matters here whatever it holds.
    #[inline]
    pub(crate) fn is_of_interest(self) -> bool {
        self.secret || matches!(self.place, Place::KeyId | Place::Name | Place::Value)
    }

    /// That of a container of this number.
    #[inline]
    pub(crate) fn opened(self, container: u32) -> Self {
        let place = match self.place {
            Place::Top => Place::Record,
            Place::Response | Place::Credentials => self.place,
            _ => Place::Other,
        };
        Self { secret: self.secret, place, container }
    }

    /// That of a member of this name in such a container; whether it is `secret` apart from that.
    #[inline]
    pub(crate) fn member(self, name: Name, secret: bool) -> Self {
        // Most names say nothing.
        if name == Name::Other && !secret && self.place != Place::Credentials {
            return Self { place: Place::Other, ..self };
        }
        let mut secret = self.secret || secret || name == Name::Secret;
        let place = match (self.place, name) {
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
        Self { secret, place, container: self.container }
    }
}

/// An open container of a record: the node before which it is closed, whether it is an object, and what it was opened with.
#[derive(Clone, Copy)]
struct Open {
    end: u32,
    is_object: bool,
    opened: Mark,
}

/// A walk over a record.
struct Redactor<'w> {
    record: Record<'w>,
    level: &'w mut Level,
    inside: Inside<'w>,
    /// Which texts may hold secrets inside of them.
    hints: Hints<'w>,
    containers: u32,
}

impl Redactor<'_> {
    fn read(&mut self, outer: &mut Vec<Open>) {
        let record = self.record;
        outer.clear();
        let mut inner = Open { end: u32::MAX, is_object: false, opened: Mark::root(Place::Top) };
        let mut at = 0;
        loop {
            while at == inner.end {
                inner = outer.pop().unwrap_or(Open { end: u32::MAX, ..inner });
            }
            let mut mark = inner.opened;
            // Members come as a key and its value, so that no node has to be asked which of them it is.
            if inner.is_object {
                let Some(Seen::Text(key)) = record.node(at) else { return };
                mark = self.member(mark, key);
                at += 1;
            }
            match record.node(at) {
                // Of most scalars nothing need be known.
                Some(Seen::Text(text)) => {
                    if mark.is_of_interest() || self.is_hinted_at(text) {
                        self.text(mark, at, text);
                    }
                }
                Some(seen @ (Seen::Object { end } | Seen::Array { end })) => {
                    outer.push(inner);
                    self.containers += 1;
                    let opened = mark.opened(self.containers);
                    inner = Open { end, is_object: matches!(seen, Seen::Object { .. }), opened };
                }
                Some(Seen::Number) if mark.is_of_interest() => {
                    self.look_at(mark, at);
                }
                Some(Seen::Number | Seen::Word) => {}
                None => return,
            }
            at += 1;
        }
    }

    #[inline]
    fn member(&self, above: Mark, key: &str) -> Mark {
        let is_of_caller = self.inside.sign_in_failed && is_of_caller(key.as_bytes());
        above.member(Name::of_text(key), is_of_caller)
    }

    /// Whether the record's bytes hint at secrets inside of a text.
    #[inline]
    fn is_hinted_at(&mut self, text: &str) -> bool {
        self.hints.may_be_in(self.record, text)
    }

    fn text(&mut self, mark: Mark, node: u32, text: &str) {
        if mark.is_of_interest() {
            if self.look_at(mark, node) {
                return;
            }
            if mark.place == Place::Name && Name::of(text.as_bytes()) == Name::Secret {
                self.level.secret_containers.push(mark.container);
            }
        }
        if self.is_hinted_at(text)
            && may_hold_text(text.as_bytes())
            && let Some(shown) = self.inside.redact_text(text)
        {
            self.hide(node, Cow::Owned(shown), false);
        }
    }

    /// Whether a scalar that may matter whatever it holds is hidden already.
    fn look_at(&mut self, mark: Mark, node: u32) -> bool {
        let may_be_key_id = mark.place == Place::KeyId && !mark.secret;
        if mark.secret || may_be_key_id {
            self.hide(node, Cow::Borrowed(REDACTED), may_be_key_id);
            return true;
        }
        if mark.place == Place::Value {
            let value = PairValue { container: mark.container, node, range: UNKNOWN };
            self.level.values.push(value);
        }
        false
    }

    fn hide(&mut self, node: u32, shown: Cow<'static, str>, may_be_key_id: bool) {
        self.level.hidden.push(Hidden { node, range: UNKNOWN, shown, may_be_key_id });
    }
}

/// Where a node of the record begins, if it is a text and that is known.
fn begin_of(record: Record<'_>, node: u32) -> Option<usize> {
    record.begin_of(record.value_at(Position::of(node)).as_str()?)
}

/// A walk over a record's bytes to where some of its nodes are.
struct Locator<'l, I: Iterator<Item = &'l mut Hidden>> {
    record: Record<'l>,
    /// How many nodes the walk came by.
    nodes: u32,
    sought: std::iter::Peekable<I>,
}

impl<'l, I: Iterator<Item = &'l mut Hidden>> Visitor for Locator<'l, I> {
    type Mark = Mark;

    #[inline]
    fn open(&mut self, above: Mark) -> Mark {
        self.nodes += 1;
        above
    }

    #[inline]
    fn key(&mut self, above: Mark, _key: Token) -> Mark {
        self.nodes += 1;
        above
    }

    #[inline]
    fn scalar(&mut self, _mark: Mark, scalar: Token) {
        let node = self.nodes;
        self.nodes += 1;
        if let Some(hidden) = self.sought.next_if(|hidden| hidden.node == node) {
            hidden.range = scalar.range;
        }
    }

    #[inline]
    fn next_unescaped(&self) -> Option<&str> {
        self.record.value_at(Position::of(self.nodes)).as_str()
    }
}

/// Whether the quoted text has the form of an access key id: four capitals that start with A, then capitals and
/// digits.
pub(crate) fn is_access_key_id(quoted: &[u8]) -> bool {
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
    use trailloop_cloudtrail::{
        Kind, Limits, RecordBuffer, Scratch, Value as TrailValue, read_records,
    };

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
            r#""responseElements":{"serviceSpecificCredential":{"servicePassword":"CANARY","serviceCredentialSecret":"CANARY"}}"#,
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
        fn where_anything_is_hidden_the_texts_tell_that_it_may_be(
            members in collection::vec(json_with_secrets(), 1..4),
            is_escaped: bool,
        ) {
            let members = members.into_iter().zip(["responseElements", "y", "z"]);
            let record: Value = members.map(|(value, key)| (key.to_owned(), value)).collect();
            let json = record.to_string();
            let json = if is_escaped { json.replace('p', r"\u0070") } else { json };
            let mut buffer = RecordBuffer::new();
            let record = Record::parse(json.as_bytes(), &mut buffer).unwrap();
            let mut redaction = Redaction::default();
            let may_hide = redaction.may_hide(record);
            redaction.walk(record, false);
            proptest::prop_assert!(may_hide || !redaction.hides_any(), "{}", json);
        }

        #[test]
        fn what_is_hidden_is_the_same_however_a_record_was_read(
            members in collection::vec(json_with_secrets(), 1..4),
            sign_in_failed: bool,
            is_escaped: bool,
        ) {
            let name = if sign_in_failed { "ConsoleLogin" } else { "x" };
            let mut record = json!({"eventName": name, "errorMessage": "x", "=": ""});
            for (member, key) in members.into_iter().zip(["responseElements", "y", "password"]) {
                record[key] = member;
            }
            let mut json = record.to_string();
            if is_escaped {
                json = json.replace('p', r"\u0070").replace('=', r"\u003d");
            }
            let alone = redacted(&json);
            let mut together = Vec::new();
            let object = format!(r#"{{"Records":[{{"eventName":"="}}, {json}]}}"#);
            read_records(object.as_bytes(), &Limits::default(), &mut Scratch::new(), |record| {
                together.push(String::from_utf8(redact(record).into_owned()).unwrap());
            });
            proptest::prop_assert_eq!(&together[1], &alone);
            // A number that is too large has the parser read a copy of which nobody knows where texts lie.
            let with_number = |json: &str| format!(r#"{},"n":1e999}}"#, &json[..json.len() - 1]);
            proptest::prop_assert_eq!(redacted(&with_number(&json)), with_number(&alone));
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
