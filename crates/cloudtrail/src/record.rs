//! Records and values: borrowed views on a simd-json tape.
//!
//! A view is a reference and an index, so it is `Copy` and costs nothing to pass on. Beside the tape a record keeps its
//! original bytes, because the tape keeps no number text: `1.50` and `1.5` are the same node, but a rule
//! may tell them apart, and an integer beyond u64 survives only as text.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt::Write as _;
use std::ops::Range;

use simd_json::{Node, StaticNode};

use crate::embedded::Embedded;
use crate::raw;

/// The tape of one record and the bytes it was read from.
pub(crate) struct Document<'a> {
    /// The record's nodes: its object first, then everything inside it.
    pub(crate) nodes: &'a [Node<'a>],
    /// The record's original bytes.
    raw: &'a [u8],
    /// The address of the copy of these bytes that the parser read; `None` if that is not quite the same.
    copied_to: Option<usize>,
    /// The bytes are known to be ASCII without a backslash.
    is_plain: bool,
    /// Where its numbers lie, found when the first is asked for.
    numbers: NumberPlaces,
}

/// What a record was read from, and what is known of it.
#[derive(Clone, Copy)]
pub(crate) struct Original<'a> {
    pub(crate) raw: &'a [u8],
    /// As of [`Document`].
    pub(crate) copied_to: Option<usize>,
    pub(crate) is_plain: bool,
}

/// Each number's node and its place in the JSON text, in order.
pub(crate) type NumberPlaces = OnceCell<Vec<(usize, Range<usize>)>>;

impl<'a> Document<'a> {
    /// `nodes` is the record's own span of the tape and starts with its object.
    pub(crate) fn new(nodes: &'a [Node<'a>], read: Original<'a>) -> Self {
        debug_assert!(matches!(nodes.first(), Some(Node::Object { .. })), "a record is an object");
        let Original { raw, copied_to, is_plain } = read;
        debug_assert!(
            !is_plain || raw.iter().all(|byte| byte.is_ascii() && *byte != b'\\'),
            "what is said to be plain is so"
        );
        Self { nodes, raw, copied_to, is_plain, numbers: NumberPlaces::new() }
    }
}

/// One record, borrowed from a parsed block.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    pub(crate) document: &'a Document<'a>,
    index: u64,
}

/// Where a value stands in its record; worth something only to that record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position(u32);

impl Position {
    /// The position as a number.
    #[must_use]
    pub fn number(self) -> u32 {
        self.0
    }

    /// The position of a number that [`Position::number`] gave.
    #[must_use]
    pub fn of(number: u32) -> Self {
        Self(number)
    }
}

impl<'a> Record<'a> {
    pub(crate) fn new(document: &'a Document<'a>, index: u64) -> Self {
        Self { document, index }
    }

    /// The record as a value; always an object.
    #[must_use]
    pub fn root(&self) -> Value<'a> {
        self.value_at(Position(0))
    }

    /// The value at a position of this record.
    #[must_use]
    pub fn value_at(&self, position: Position) -> Value<'a> {
        Value { tape: Tape::Record(self.document), at: position.0 }
    }

    /// The members of the object at a position, in order; none if it is no object. The same as [`Value::kind`] gives, for
    /// those who look at every key of every record.
    #[must_use]
    pub fn members_at(&self, position: Position) -> MembersAt<'a> {
        let nodes = self.document.nodes;
        let at = position.0 as usize;
        let left = match nodes.get(at) {
            Some(Node::Object { len, .. }) => *len,
            _ => 0,
        };
        MembersAt { nodes, at: at + 1, left }
    }

    /// The record's original bytes: valid JSON text, untouched.
    #[must_use]
    pub fn raw(&self) -> &'a [u8] {
        self.document.raw
    }

    /// Whether the record is known to be ASCII without a backslash, so that each string is what it looks like.
    #[inline]
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.document.is_plain
    }

    /// Where in the record's bytes a text of its own begins, just after the quote; `None` if that is not known.
    ///
    /// The parser takes escapes out of a text where it stands, so it begins where it did. Nothing is read by the address, and
    /// one that is no text's is told by the quote that is not before it.
    #[inline]
    #[must_use]
    pub fn begin_of(&self, text: &str) -> Option<usize> {
        let Document { raw, copied_to, .. } = self.document;
        let at = text.as_ptr().addr().checked_sub((*copied_to)?)?;
        (raw.get(at.checked_sub(1)?) == Some(&b'"')).then_some(at)
    }

    /// The record's position in its log object, from 0; refused records have one too.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The value at a path of keys; of repeated keys the last.
    #[must_use]
    pub fn get(&self, path: &[&str]) -> Option<Value<'a>> {
        path.iter().try_fold(self.root(), |value, key| value.get(key))
    }

    /// The string at a path of keys; `None` if it is absent or not a string.
    #[must_use]
    pub fn text(&self, path: &[&str]) -> Option<&'a str> {
        self.get(path).and_then(|value| value.as_str())
    }
}

/// Where a value's nodes are: on a record's tape, or on that of a JSON text inside one of its strings.
#[derive(Clone, Copy)]
enum Tape<'a> {
    Record(&'a Document<'a>),
    Text(&'a Embedded),
}

impl<'a> Tape<'a> {
    #[inline]
    fn node(self, at: u32) -> Node<'a> {
        match self {
            Self::Record(document) => document.nodes[at as usize],
            Self::Text(embedded) => embedded.node(at as usize),
        }
    }

    /// The index of the node after the value at `at`.
    fn after(self, at: u32) -> u32 {
        match self.node(at) {
            Node::Object { count, .. } | Node::Array { count, .. } => at + 1 + short(count),
            _ => at + 1,
        }
    }
}

/// A count of nodes. Records are bounded far below four billion of them.
fn short(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// A JSON value of a record.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    tape: Tape<'a>,
    at: u32,
}

/// What a [`Value`] is.
#[derive(Clone)]
pub enum Kind<'a> {
    /// JSON null.
    Null,
    /// true or false.
    Bool(bool),
    /// A number, with its text at hand.
    Number(Number<'a>),
    /// A string, unescaped.
    String(&'a str),
    /// An array.
    Array(Elements<'a>),
    /// An object.
    Object(Members<'a>),
}

impl<'a> Value<'a> {
    /// What the value is, ready to be matched on.
    #[must_use]
    pub fn kind(&self) -> Kind<'a> {
        match self.node() {
            Node::String(text) => Kind::String(text),
            Node::Object { len, .. } => {
                Kind::Object(Members { tape: self.tape, at: self.at + 1, left: short(len) })
            }
            Node::Array { len, .. } => {
                Kind::Array(Elements { tape: self.tape, at: self.at + 1, left: short(len) })
            }
            Node::Static(StaticNode::Null) => Kind::Null,
            Node::Static(StaticNode::Bool(bool)) => Kind::Bool(bool),
            Node::Static(_) => Kind::Number(Number(*self)),
        }
    }

    /// Whether the value is JSON null.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self.node(), Node::Static(StaticNode::Null))
    }

    /// The string, if the value is one.
    #[inline]
    #[must_use]
    pub fn as_str(&self) -> Option<&'a str> {
        match self.node() {
            Node::String(text) => Some(text),
            _ => None,
        }
    }

    /// The last member of this exact key, if the value is an object that has one.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Value<'a>> {
        self.get_all(key).last()
    }

    /// Every member of this exact key: a repeated key stands for all its values.
    pub fn get_all(&self, key: &str) -> impl Iterator<Item = Value<'a>> {
        let members = match self.kind() {
            Kind::Object(members) => members,
            _ => Members { tape: self.tape, at: 0, left: 0 },
        };
        members.filter(move |(name, _)| *name == key).map(|(_, value)| value)
    }

    /// Appends the compact JSON text of the value: original key order, no white space, minimal escapes, and
    /// numbers by their bytes in the record.
    pub fn write_compact(&self, out: &mut String) {
        match self.kind() {
            Kind::Null => out.push_str("null"),
            Kind::Bool(bool) => out.push_str(if bool { "true" } else { "false" }),
            Kind::Number(number) => number.write_text(out),
            Kind::String(text) => raw::write_string(text, out),
            Kind::Array(elements) => {
                out.push('[');
                for (nth, element) in elements.enumerate() {
                    if nth > 0 {
                        out.push(',');
                    }
                    element.write_compact(out);
                }
                out.push(']');
            }
            Kind::Object(members) => {
                out.push('{');
                for (nth, (key, value)) in members.enumerate() {
                    if nth > 0 {
                        out.push(',');
                    }
                    raw::write_string(key, out);
                    out.push(':');
                    value.write_compact(out);
                }
                out.push('}');
            }
        }
    }

    /// The root of a JSON text that a string of a record holds.
    pub(crate) fn of_text(embedded: &'a Embedded) -> Self {
        Self { tape: Tape::Text(embedded), at: 0 }
    }

    /// Where the value stands in its record; `None` inside of JSON that a string holds.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        match self.tape {
            Tape::Record(_) => Some(Position(self.at)),
            Tape::Text(_) => None,
        }
    }

    #[inline]
    fn node(&self) -> Node<'a> {
        self.tape.node(self.at)
    }
}

/// The elements of an array, in order.
#[derive(Clone)]
pub struct Elements<'a> {
    tape: Tape<'a>,
    at: u32,
    left: u32,
}

impl<'a> Iterator for Elements<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        self.left = self.left.checked_sub(1)?;
        let value = Value { tape: self.tape, at: self.at };
        self.at = self.tape.after(self.at);
        Some(value)
    }
}

/// The members of an object, in order; a repeated key comes repeatedly.
#[derive(Clone)]
pub struct Members<'a> {
    tape: Tape<'a>,
    at: u32,
    left: u32,
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, Value<'a>);

    fn next(&mut self) -> Option<(&'a str, Value<'a>)> {
        self.left = self.left.checked_sub(1)?;
        let key = Value { tape: self.tape, at: self.at }.as_str().unwrap_or_default();
        let value = Value { tape: self.tape, at: self.at + 1 };
        self.at = self.tape.after(self.at + 1);
        Some((key, value))
    }
}

/// The members of an object of a record, in order, with the positions of their values.
#[derive(Clone)]
pub struct MembersAt<'a> {
    nodes: &'a [Node<'a>],
    at: usize,
    left: usize,
}

impl<'a> Iterator for MembersAt<'a> {
    type Item = (&'a str, Position);

    #[inline]
    fn next(&mut self) -> Option<(&'a str, Position)> {
        self.left = self.left.checked_sub(1)?;
        let [Node::String(key), value, ..] = self.nodes.get(self.at..)? else { return None };
        let position = Position(short(self.at + 1));
        self.at += 2 + match value {
            Node::Object { count, .. } | Node::Array { count, .. } => *count,
            _ => 0,
        };
        Some((key, position))
    }
}

/// A number of a record.
#[derive(Clone, Copy)]
pub struct Number<'a>(Value<'a>);

/// The value of a [`Number`], as far as a machine type holds it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NumberValue {
    /// An integer that fits i64.
    I64(i64),
    /// An integer that fits only u64.
    U64(u64),
    /// A number with a fraction or an exponent.
    F64(f64),
    /// An integer beyond u64 or a number beyond f64: only its text can be compared.
    Text,
}

impl<'a> Number<'a> {
    /// The number's bytes in the record.
    #[must_use]
    pub fn text(&self) -> Cow<'a, str> {
        match self.0.node() {
            // JSON writes these integers in one way only, but for -0, which the tape keeps as 0.
            Node::Static(StaticNode::I64(value)) if value != 0 => Cow::Owned(value.to_string()),
            Node::Static(StaticNode::U64(value)) if value != 0 => Cow::Owned(value.to_string()),
            _ => Cow::Borrowed(self.raw_text()),
        }
    }

    /// Appends the number's bytes in the record.
    pub fn write_text(&self, out: &mut String) {
        // Writing to a String does not fail.
        match self.0.node() {
            Node::Static(StaticNode::I64(value)) if value != 0 => write!(out, "{value}").ok(),
            Node::Static(StaticNode::U64(value)) if value != 0 => write!(out, "{value}").ok(),
            _ => write!(out, "{}", self.raw_text()).ok(),
        };
    }

    /// The number's value.
    #[must_use]
    pub fn value(&self) -> NumberValue {
        match self.0.node() {
            Node::Static(StaticNode::I64(value)) => NumberValue::I64(value),
            Node::Static(StaticNode::U64(value)) => match i64::try_from(value) {
                Ok(value) => NumberValue::I64(value),
                Err(_) => NumberValue::U64(value),
            },
            // The node may hold a rounded integer or a stand-in (see `read::tame_numbers`); the text decides.
            _ => {
                let text = self.raw_text();
                let integer = !text.contains(['.', 'e', 'E']);
                match text.parse::<f64>() {
                    Ok(value) if value.is_finite() && !integer => NumberValue::F64(value),
                    _ => NumberValue::Text,
                }
            }
        }
    }

    /// The number's bytes in the text it was read from.
    fn raw_text(&self) -> &'a str {
        let bytes = match self.0.tape {
            Tape::Record(Document { nodes, raw, numbers, .. }) => {
                number_text(nodes.iter().copied(), raw, numbers, self.0.at as usize)
            }
            Tape::Text(embedded) => embedded.number_text(self.0.at as usize),
        };
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

/// Finds a number in its text: tape and text are in the same order, so the n-th number node is the n-th number token.
/// The first look-up scans the text and keeps all places, so that a record of nothing but fractions costs no more than
/// its length.
pub(crate) fn number_text<'r>(
    nodes: impl Iterator<Item = Node<'r>>,
    raw: &'r [u8],
    numbers: &NumberPlaces,
    at: usize,
) -> &'r [u8] {
    let places = numbers.get_or_init(|| {
        let is_number = |node: &Node<'_>| {
            matches!(
                node,
                Node::Static(StaticNode::I64(_) | StaticNode::U64(_) | StaticNode::F64(_))
            )
        };
        let numbered = nodes.enumerate().filter(|(_, node)| is_number(node));
        numbered.map(|(at, _)| at).zip(raw::numbers(raw)).collect()
    });
    let place = places.binary_search_by_key(&at, |(at, _)| *at).map(|nth| places[nth].1.clone());
    place.ok().and_then(|range| raw.get(range)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RecordBuffer;

    fn with_record(json: &str, check: impl FnOnce(Record<'_>)) {
        let mut buffer = RecordBuffer::new();
        check(Record::parse(json.as_bytes(), &mut buffer).unwrap());
    }

    #[test]
    fn walks_members_and_elements_past_nested_values() {
        with_record(r#"{"a":[{"x":[1,2,{}]},"y"],"b":{"c":{"d":null}},"e":"f"}"#, |record| {
            assert_eq!(record.text(&["e"]), Some("f"));
            assert!(record.get(&["b", "c", "d"]).unwrap().is_null());
            let Kind::Array(mut elements) = record.get(&["a"]).unwrap().kind() else { panic!() };
            assert!(matches!(elements.next().unwrap().kind(), Kind::Object(_)));
            assert_eq!(elements.next().unwrap().as_str(), Some("y"));
            assert!(elements.next().is_none());
        });
    }

    #[test]
    fn repeated_keys_all_come_and_the_last_is_shown() {
        with_record(r#"{"a":1,"a":"two","b":0,"a":null}"#, |record| {
            assert_eq!(record.root().get_all("a").count(), 3);
            assert!(record.get(&["a"]).unwrap().is_null());
        });
    }

    #[test]
    fn numbers_keep_their_text() {
        let json = r#"{"skip":"1.5 \" 2","a":1.50,"b":-0,"c":[18446744073709551616,1e400,7],"d":1E2,"u":18446744073709551615}"#;
        with_record(json, |record| {
            let number = |path: &[&str]| match record.get(path).unwrap().kind() {
                Kind::Number(number) => number,
                _ => panic!("not a number"),
            };
            assert_eq!(number(&["a"]).text(), "1.50");
            assert_eq!(number(&["a"]).value(), NumberValue::F64(1.5));
            assert_eq!(number(&["b"]).text(), "-0");
            assert_eq!(number(&["d"]).value(), NumberValue::F64(100.0));
            assert_eq!(number(&["u"]).value(), NumberValue::U64(u64::MAX));
            let Kind::Array(elements) = record.get(&["c"]).unwrap().kind() else { panic!() };
            let texts: Vec<_> = elements
                .map(|element| match element.kind() {
                    Kind::Number(number) => (number.text().into_owned(), number.value()),
                    _ => panic!("not a number"),
                })
                .collect();
            assert_eq!(texts[0], ("18446744073709551616".to_owned(), NumberValue::Text));
            assert_eq!(texts[1], ("1e400".to_owned(), NumberValue::Text));
            assert_eq!(texts[2], ("7".to_owned(), NumberValue::I64(7)));
        });
    }

    #[test]
    fn compact_text_keeps_order_and_escapes_minimally() {
        with_record(
            "{ \"b\" : [ 1.50 , true , null ] , \"a\" : \"q\\\" \\u00e9 \\n \\u0001\" }",
            |record| {
                let mut text = String::new();
                record.root().write_compact(&mut text);
                assert_eq!(text, "{\"b\":[1.50,true,null],\"a\":\"q\\\" \u{e9} \\n \\u0001\"}");
            },
        );
    }
}
