//! Records parsed onto a tape: the wanted ones of a block together, or one by itself.

use simd_json::{Buffers, ErrorType, INPUT_PADDING, Node, Tape, fill_tape_padded};

use crate::failure::Failure;
use crate::glance::{RECORD_KEYS, Verdict};
use crate::raw;
use crate::read::Limits;
use crate::record::{Document, Kind, Original, Record, Value};
use crate::split::Span;

/// The simd-json parser and what it writes to.
pub(crate) struct Parser {
    copy: Vec<u8>,
    buffers: Buffers,
    tape: Tape<'static>,
}

/// What became of a delimited record.
pub(crate) enum Read<'a> {
    Record(Record<'a>),
    Refused(Failure),
    /// It was not parsed, because nobody wanted it.
    Passed(Verdict),
}

impl Span {
    /// Whether the parser has to look at it.
    fn is_wanted(&self) -> bool {
        self.failure.is_none() && self.verdict == Verdict::Parse
    }

    /// What became of it, if the parser need not look at it.
    pub(crate) fn settled(&self) -> Option<Read<'static>> {
        match (self.failure, self.verdict) {
            (Some(failure), _) => Some(Read::Refused(failure)),
            (None, Verdict::Parse) => None,
            (None, verdict) => Some(Read::Passed(verdict)),
        }
    }
}

impl Parser {
    pub(crate) fn new() -> Self {
        Self { copy: Vec::new(), buffers: Buffers::default(), tape: Tape(Vec::new()) }
    }

    /// Gives back what an unusually dense block needed: `[1,1,1…` makes twelve bytes of tape from one of text, and one
    /// such object must not set what a worker holds for good.
    pub(crate) fn forget_outliers(&mut self, block_bytes_max: usize) {
        if self.tape.0.capacity() * size_of::<Node<'_>>() > 4 * block_bytes_max.max(1 << 16) {
            self.tape = Tape(Vec::new());
            self.buffers = Buffers::default();
        }
    }

    /// Parses the wanted records of a block as one array. Says whether it could; if not, nothing was handed on.
    pub(crate) fn parse_block(
        &mut self,
        text: &[u8],
        spans: &[Span],
        first: u64,
        outcome: &mut impl FnMut(&Span, Read<'_>),
    ) -> bool {
        let Self { copy, buffers, tape: kept } = self;
        let wanted = || spans.iter().filter(|span| span.is_wanted());
        // Of most text nothing is.
        if wanted().next().is_none() {
            spans
                .iter()
                .for_each(|span| span.settled().into_iter().for_each(|it| outcome(span, it)));
            return true;
        }
        copy.clear();
        copy.push(b'[');
        for (nth, span) in wanted().enumerate() {
            if nth > 0 {
                copy.push(b',');
            }
            copy.extend_from_slice(&text[span.start..span.end]);
        }
        copy.push(b']');
        let length = copy.len();
        copy.resize(length + INPUT_PADDING, 0);
        // That of the first record, and then that of each next one, which has a comma before it.
        let mut address = copy.as_ptr().addr() + 1;

        let mut tape = std::mem::replace(kept, Tape(Vec::new())).reset();
        let parsed = fill_tape_padded(copy, length, buffers, &mut tape).is_ok()
            // The parser must see the very records the splitter saw.
            && matches!(tape.0.first(), Some(Node::Array { len, .. }) if *len == wanted().count());
        if parsed {
            let mut at = 1;
            for (nth, span) in spans.iter().enumerate() {
                if let Some(settled) = span.settled() {
                    outcome(span, settled);
                    continue;
                }
                let end = at + 1 + nodes_inside(&tape.0[at]);
                let raw = &text[span.start..span.end];
                let copied_to = Some(address);
                let original = Original { raw, copied_to, is_plain: span.is_plain };
                with_record(&tape.0[at..end], original, first + nth as u64, |it| outcome(span, it));
                (at, address) = (end, address + raw.len() + 1);
            }
        }
        *kept = tape.reset();
        parsed
    }

    /// Parses one record by itself.
    pub(crate) fn parse_one(&mut self, raw: &[u8], index: u64, outcome: impl FnOnce(Read<'_>)) {
        let Self { copy, buffers, tape: kept } = self;
        let mut tape = std::mem::replace(kept, Tape(Vec::new())).reset();
        match fill_one(raw, copy, buffers, &mut tape) {
            Ok(copied_to) => {
                let original = Original { raw, copied_to, is_plain: false };
                with_record(&tape.0, original, index, outcome);
            }
            Err(failure) => outcome(Read::Refused(failure)),
        }
        *kept = tape.reset();
    }
}

fn nodes_inside(node: &Node<'_>) -> usize {
    match node {
        Node::Object { count, .. } | Node::Array { count, .. } => *count,
        _ => 0,
    }
}

/// Hands on the record on these nodes, if they hold one.
fn with_record(
    nodes: &[Node<'_>],
    original: Original<'_>,
    index: u64,
    outcome: impl FnOnce(Read<'_>),
) {
    if !matches!(nodes.first(), Some(Node::Object { .. })) {
        return outcome(Read::Refused(Failure::NotObject));
    }
    let document = Document::new(nodes, original);
    let record = Record::new(&document, index);
    outcome(match is_record(record.root()) {
        true => Read::Record(record),
        false => Read::Refused(Failure::NotRecord),
    });
}

/// Whether the object has a field that every kind of record has.
fn is_record(root: Value<'_>) -> bool {
    let Kind::Object(mut members) = root.kind() else { return false };
    members.any(|(key, _)| RECORD_KEYS.contains(&key))
}

/// Parses one record, and says at which address its copy is, if that is the same. A number beyond f64 is no reason to refuse it:
/// the copy has a stand-in for it.
pub(crate) fn fill_one<'de>(
    raw: &[u8],
    copy: &'de mut Vec<u8>,
    buffers: &mut Buffers,
    tape: &mut Tape<'de>,
) -> Result<Option<usize>, Failure> {
    copy.clear();
    let is_same = copy_taming_numbers(raw, copy);
    let length = copy.len();
    copy.resize(length + INPUT_PADDING, 0);
    let copied_to = is_same.then_some(copy.as_ptr().addr());
    let filled =
        fill_tape_padded(copy, length, buffers, tape).map_err(|error| match error.error() {
            ErrorType::InvalidUtf8 => Failure::NotUtf8,
            ErrorType::InvalidUnicodeEscape
            | ErrorType::InvalidUnicodeCodepoint
            | ErrorType::InvalidEscape => Failure::BadEscape,
            _ => Failure::BadRecord,
        });
    filled.map(|()| copied_to)
}

/// Copies a record with every number that overflows f64 replaced by one that is neither too large nor an integer,
/// so that [`crate::Number`] looks at the text. Says whether there was none.
fn copy_taming_numbers(raw: &[u8], copy: &mut Vec<u8>) -> bool {
    let mut copied = 0;
    for range in raw::numbers(raw) {
        let token = std::str::from_utf8(&raw[range.clone()]).unwrap_or_default();
        let overflows = token.parse::<f64>().is_ok_and(f64::is_infinite);
        if overflows && token.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
            copy.extend_from_slice(&raw[copied..range.start]);
            copy.extend_from_slice(b"0.5");
            copied = range.end;
        }
    }
    copy.extend_from_slice(&raw[copied..]);
    copied == 0
}

/// Where a record parsed by itself is kept. It serves one record: make another for the next.
pub struct RecordBuffer<'a> {
    copy: Vec<u8>,
    raw: Vec<u8>,
    tape: Tape<'a>,
    document: Option<Document<'a>>,
}

impl RecordBuffer<'_> {
    /// An empty buffer.
    #[must_use]
    pub fn new() -> Self {
        Self { copy: Vec::new(), raw: Vec::new(), tape: Tape(Vec::new()), document: None }
    }
}

impl Default for RecordBuffer<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> Record<'a> {
    /// Parses one record from its own bytes: an example in a rule, a record after redaction. Any object will do.
    ///
    /// # Errors
    ///
    /// If the bytes are not one JSON object, or it nests too deep.
    pub fn parse(json: &[u8], buffer: &'a mut RecordBuffer<'a>) -> Result<Self, Failure> {
        let RecordBuffer { copy, raw, tape, document } = buffer;
        raw.clear();
        raw.extend_from_slice(json);
        let depth_max = Limits::default().depth_max;
        let mut parser_buffers = Buffers::with_max_depth(json.len(), depth_max as usize);
        let copied_to = fill_one(raw, copy, &mut parser_buffers, tape)?;
        match tape.0.first() {
            Some(Node::Object { .. }) => {
                let original = Original { raw, copied_to, is_plain: false };
                Ok(Self::new(document.insert(Document::new(&tape.0, original)), 0))
            }
            _ => Err(Failure::NotObject),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_by_itself_is_refused_when_it_is_too_deep() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
        let mut buffer = RecordBuffer::new();
        assert!(Record::parse(deep.as_bytes(), &mut buffer).is_err());
    }
}
