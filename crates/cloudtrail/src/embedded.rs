//! JSON held in a string of a record: policy documents above all, plain or percent-encoded.
//!
//! Rules ask into such strings by paths, several rules into the same string. Each string is therefore parsed at most once
//! a record, when the first rule asks, and kept until the next record. What is kept borrows nothing from the record or
//! the parser, so its buffers serve one record after the other without a new allocation.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::fmt;

use percent_encoding::percent_decode;
use simd_json::{Buffers, Node, StaticNode, Tape};

use crate::parse::fill_one;
use crate::read::Limits;
use crate::record::{NumberPlaces, Value, number_text};

/// No string of a longer record is looked into: what its texts take grows with it. CloudTrail's own records have at most
/// 256 KB. The record decides and not the number of texts, because which of them are asked for depends on the rules.
const RECORD_BYTES_MAX: usize = 512 << 10;

/// Texts whose buffers are kept for the next record, if they are of usual size.
const KEPT_MAX: usize = 32;
const KEPT_BYTES_MAX: usize = 64 << 10;

/// Slots come in chunks, each twice as long as the one before, so that none ever moves.
const CHUNKS: usize = 20;

/// The JSON texts found in the strings of one record.
pub struct JsonTexts {
    chunks: [OnceCell<Chunk>; CHUNKS],
    /// The slot of a string, by its address and length: while the record lives, they tell strings apart.
    slots: RefCell<HashMap<(usize, usize), usize>>,
    used: Cell<usize>,
    is_open: bool,
    parser: RefCell<Parser>,
}

/// Slots, each with what its string was found to hold once it was looked at.
type Chunk = Box<[OnceCell<Option<Embedded>>]>;

/// What parsing needs and what earlier records left.
#[derive(Default)]
struct Parser {
    decoded: Vec<u8>,
    copy: Vec<u8>,
    buffers: Option<Buffers>,
    tape: Option<Tape<'static>>,
    spare: Vec<Embedded>,
}

/// One JSON text on a tape of its own.
#[derive(Default)]
pub(crate) struct Embedded {
    nodes: Vec<TextNode>,
    /// All its strings, one after the other.
    strings: String,
    /// The text itself, for what numbers look like.
    raw: Vec<u8>,
    numbers: NumberPlaces,
}

/// A node of an [`Embedded`], as simd-json's but for strings, which are ranges.
#[derive(Clone, Copy)]
enum TextNode {
    String { start: usize, end: usize },
    Object { len: usize, count: usize },
    Array { len: usize, count: usize },
    Static(StaticNode),
}

impl JsonTexts {
    /// Room for the texts of one record after the other.
    #[must_use]
    pub fn new() -> Self {
        Self {
            chunks: [const { OnceCell::new() }; CHUNKS],
            slots: RefCell::default(),
            used: Cell::new(0),
            is_open: true,
            parser: RefCell::default(),
        }
    }

    /// The JSON object or array that a string holds; `None` if it holds none, or one that nests too deep.
    ///
    /// The string must be of the record, or of a text that this returned: strings are told apart by their address.
    #[must_use]
    pub fn parse(&self, text: &str) -> Option<Value<'_>> {
        if !self.is_open || !may_hold_json(text) {
            return None;
        }
        let key = (text.as_ptr().addr(), text.len());
        let known = self.slots.borrow().get(&key).copied();
        let slot = match known {
            Some(number) => self.slot(number)?,
            None => {
                let number = self.used.replace(self.used.get() + 1);
                self.slots.borrow_mut().insert(key, number);
                self.slot(number)?
            }
        };
        slot.get_or_init(|| self.parser.borrow_mut().read(text)).as_ref().map(Value::of_text)
    }

    /// Whether a string begins as JSON does: one for which this is false, [`JsonTexts::parse`] finds nothing in.
    #[must_use]
    pub fn may_hold(text: &str) -> bool {
        may_hold_json(text)
    }

    /// Forgets the texts of the last record; the next one has so many bytes.
    pub fn begin(&mut self, record_bytes: usize) {
        self.is_open = record_bytes <= RECORD_BYTES_MAX;
        self.clear();
    }

    fn clear(&mut self) {
        let used = self.used.replace(0);
        if used == 0 {
            return;
        }
        self.slots.get_mut().clear();
        let spare = &mut self.parser.get_mut().spare;
        for (nth, chunk) in
            self.chunks.iter_mut().enumerate().take_while(|(nth, _)| used >> nth > 0)
        {
            for slot in chunk.get_mut().into_iter().flatten() {
                let kept = slot.take().flatten().filter(Embedded::is_usual);
                spare.extend(kept.filter(|_| spare.len() < KEPT_MAX));
            }
            if 1 << nth > KEPT_MAX {
                chunk.take();
            }
        }
        if used > KEPT_MAX {
            *self.slots.get_mut() = HashMap::new();
        }
    }

    fn slot(&self, number: usize) -> Option<&OnceCell<Option<Embedded>>> {
        let nth = (number + 1).ilog2();
        let chunk = self.chunks.get(nth as usize)?;
        let slots = chunk.get_or_init(|| (0..1_usize << nth).map(|_| OnceCell::new()).collect());
        slots.get(number + 1 - (1 << nth))
    }
}

impl Default for JsonTexts {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for JsonTexts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JsonTexts({})", self.used.get())
    }
}

impl Parser {
    fn read(&mut self, text: &str) -> Option<Embedded> {
        let Self { decoded, copy, buffers, tape: kept, spare } = self;
        let depth_max = Limits::default().depth_max as usize;
        let buffers = buffers.get_or_insert_with(|| Buffers::with_max_depth(text.len(), depth_max));
        let raw = if text.starts_with('%') {
            decoded.clear();
            decoded.extend(percent_decode(text.as_bytes()));
            decoded.as_slice()
        } else {
            text.as_bytes()
        };
        let mut tape = kept.take().unwrap_or(Tape(Vec::new())).reset();
        let parsed = fill_one(raw, copy, buffers, &mut tape);
        let embedded = parsed.is_ok().then(|| {
            let mut embedded = spare.pop().unwrap_or_default();
            embedded.fill(&tape.0, raw);
            embedded
        });
        let tape = tape.reset();
        if copy.capacity() > KEPT_BYTES_MAX {
            *self = Self { spare: std::mem::take(spare), ..Self::default() };
        } else {
            *kept = Some(tape);
        }
        embedded
    }
}

impl Embedded {
    fn fill(&mut self, nodes: &[Node<'_>], raw: &[u8]) {
        self.nodes.clear();
        self.strings.clear();
        self.raw.clear();
        self.raw.extend_from_slice(raw);
        self.numbers.take();
        for node in nodes {
            self.nodes.push(match *node {
                Node::String(text) => {
                    let start = self.strings.len();
                    self.strings.push_str(text);
                    TextNode::String { start, end: self.strings.len() }
                }
                Node::Object { len, count } => TextNode::Object { len, count },
                Node::Array { len, count } => TextNode::Array { len, count },
                Node::Static(value) => TextNode::Static(value),
            });
        }
    }

    pub(crate) fn node(&self, at: usize) -> Node<'_> {
        match self.nodes[at] {
            TextNode::String { start, end } => Node::String(&self.strings[start..end]),
            TextNode::Object { len, count } => Node::Object { len, count },
            TextNode::Array { len, count } => Node::Array { len, count },
            TextNode::Static(value) => Node::Static(value),
        }
    }

    pub(crate) fn number_text(&self, at: usize) -> &[u8] {
        let nodes = (0..self.nodes.len()).map(|at| self.node(at));
        number_text(nodes, &self.raw, &self.numbers, at)
    }

    fn is_usual(&self) -> bool {
        self.raw.capacity() + self.nodes.capacity() * size_of::<TextNode>() <= KEPT_BYTES_MAX
    }
}

/// Whether a string begins as a JSON object or array does, plain or percent-encoded.
fn may_hold_json(text: &str) -> bool {
    let mut rest = text.as_bytes();
    loop {
        let (byte, length) = match *rest {
            [b'%', high, low, ..] => {
                match u8::from_str_radix(std::str::from_utf8(&[high, low]).unwrap_or_default(), 16)
                {
                    Ok(byte) => (byte, 3),
                    Err(_) => return false,
                }
            }
            [byte, ..] => (byte, 1),
            [] => return false,
        };
        match byte {
            b'{' | b'[' => return true,
            b' ' | b'\t' | b'\r' | b'\n' => rest = &rest[length..],
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    fn text_at<'v>(value: Value<'v>, path: &[&str]) -> Option<&'v str> {
        path.iter().try_fold(value, |value, key| value.get(key))?.as_str()
    }

    #[test]
    fn plain_and_encoded_texts_are_read_once() {
        let mut texts = JsonTexts::new();
        let plain = r#" {"Statement":{"Effect":"Allow","n":1.50}}"#.to_owned();
        let encoded = "%7B%22Statement%22%3A%7B%22Effect%22%3A%22D%C3%A9ny%22%7D%7D".to_owned();
        for _ in 0..3 {
            let value = texts.parse(&plain).unwrap();
            assert_eq!(text_at(value, &["Statement", "Effect"]), Some("Allow"));
            let Kind::Number(number) = value.get("Statement").unwrap().get("n").unwrap().kind()
            else {
                panic!()
            };
            assert_eq!(number.text(), "1.50");
            let other = texts.parse(&encoded).unwrap();
            assert_eq!(text_at(other, &["Statement", "Effect"]), Some("Dény"));
            texts.parse(&plain).unwrap();
            assert_eq!(texts.used.get(), 2);
            texts.clear();
        }
    }

    #[test]
    fn other_texts_hold_nothing() {
        let texts = JsonTexts::new();
        let deep = "[".repeat(1_000) + &"]".repeat(1_000);
        for text in
            ["", "x", "{", "{\"a\":1} x", "%", "%7", "%7B", "%zz", "\"text\"", "12", "null", &deep]
        {
            assert!(texts.parse(text).is_none(), "{text}");
        }
        assert!(texts.parse("%0A%5b1%5d").is_some());
    }

    #[test]
    fn many_texts_are_given_back_and_long_records_are_not_looked_into() {
        let mut texts = JsonTexts::new();
        let all = "{} ".repeat(100_000);
        let at = |nth: usize| &all[nth * 3..nth * 3 + 2];
        assert!((0..100_000).all(|nth| texts.parse(at(nth)).is_some()));
        assert_eq!(texts.used.get(), 100_000);
        texts.begin(RECORD_BYTES_MAX + 1);
        assert!(texts.parse(at(0)).is_none());
        texts.begin(RECORD_BYTES_MAX);
        assert!(texts.parse(at(0)).is_some());
        assert!(texts.parser.borrow().spare.len() < KEPT_MAX);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[\\[{%7Bb\"a:,1 \\]}]*") {
            let mut texts = JsonTexts::new();
            let held = texts.parse(&text).is_some();
            proptest::prop_assert!(!held || may_hold_json(&text));
            texts.clear();
        }
    }
}
