//! A log object read to its records, block by block.
//!
//! An object is inflated into a buffer of `block_bytes_max`, the splitter finds the records that are whole in it,
//! and a working copy of them is parsed onto one tape: simd-json unescapes in place, so the untouched buffer stays
//! at hand for evidence and number text. A block that the parser refuses is parsed again record by record, so a bad
//! record costs itself. Memory is the buffer, the copy and the parser's scratch of about four times the copy,
//! whatever the object's size.

use std::ops::ControlFlow;

use simd_json::{Buffers, ErrorType, INPUT_PADDING, Node, Tape, fill_tape_padded};

use crate::failure::{Failure, Report};
use crate::inflate::{Inflater, Source};
use crate::raw;
use crate::record::{Document, Kind, Record, Value};
use crate::split::{Span, Splitter};

/// What one object may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most bytes an object may inflate to. CloudTrail's largest file is 50 MB compressed, and its JSON
    /// compresses 10 to 20 times.
    pub raw_bytes_max: u64,
    /// The most bytes of whole records parsed at once.
    pub block_bytes_max: usize,
    /// The longest record; CloudTrail's own limit is 256 KB.
    pub record_bytes_max: usize,
    /// The most records an object may hold.
    pub records_max: u64,
    /// The deepest nesting a record may have.
    pub depth_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            raw_bytes_max: 2 << 30,
            block_bytes_max: 4 << 20,
            record_bytes_max: 4 << 20,
            records_max: 10_000_000,
            depth_max: 128,
        }
    }
}

/// What reading an object came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadSummary {
    /// Records handed on.
    pub records: u64,
    /// Records delimited and refused, plus one for a rest that could not be delimited.
    pub records_failed: u64,
    /// Bytes after inflation.
    pub bytes_raw: u64,
    /// The first failures of records, at most [`ReadSummary::REPORTS_MAX`].
    pub reports: Vec<Report>,
    /// Why the object was not read to its end.
    pub failed: Option<Report>,
}

impl ReadSummary {
    /// The most failures reported one by one; all are counted.
    pub const REPORTS_MAX: usize = 16;

    /// Whether every byte was read and every record handed on.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.failed.is_none() && self.records_failed == 0
    }

    fn refuse(&mut self, report: Report) {
        self.records_failed += 1;
        if self.reports.len() < Self::REPORTS_MAX {
            self.reports.push(report);
        }
    }
}

/// What a worker keeps from object to object, so that reading one more allocates nothing.
pub struct Scratch {
    inflater: Inflater,
    text: Vec<u8>,
    spans: Vec<Span>,
    parser: Parser,
}

impl Scratch {
    /// Empty buffers, which grow to what the first objects need.
    #[must_use]
    pub fn new() -> Self {
        Self {
            inflater: Inflater::new(),
            text: Vec::new(),
            spans: Vec::new(),
            parser: Parser {
                copy: Vec::new(),
                buffers: Buffers::default(),
                tape: Tape(Vec::new()),
            },
        }
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

/// What taking a record says: nothing, or whether to go on.
pub trait Taken {
    /// Whether the next record is wanted.
    fn goes_on(self) -> bool;
}

impl Taken for () {
    fn goes_on(self) -> bool {
        true
    }
}

impl Taken for ControlFlow<()> {
    fn goes_on(self) -> bool {
        self.is_continue()
    }
}

/// Reads an object and hands every record that can be read to `visit`, in order, until it has enough.
///
/// What cannot be read is in the summary: a bad record costs itself, a damaged object what comes after the damage.
pub fn read_records<T: Taken>(
    object: &[u8],
    limits: &Limits,
    scratch: &mut Scratch,
    mut visit: impl FnMut(Record<'_>) -> T,
) -> ReadSummary {
    let mut summary = ReadSummary::default();
    let Scratch { inflater, text, spans, parser } = scratch;
    text.clear();
    let mut source = Source::new(object, limits.raw_bytes_max);
    let mut splitter = Splitter::new(limits.record_bytes_max);
    let mut block = Block { offset: 0, index: 0, limits };
    let mut more = true;
    if object.is_empty() {
        summary.failed = Some(Report { failure: Failure::Empty, offset: 0, index: None });
    }
    while more && summary.failed.is_none() {
        // What is left of the last block is the start of an unfinished record; a long one makes a longer block.
        let length = limits.block_bytes_max.max(text.len() + limits.block_bytes_max / 4 + 1);
        more = match source.fill(inflater, text, length) {
            Ok(more) => more,
            Err(failure) => {
                let offset = source.bytes_out();
                summary.failed = Some(Report { failure, offset, index: None });
                false
            }
        };
        spans.clear();
        splitter.advance(text, limits.depth_max, spans);
        block.visit(text, spans, parser, &mut summary, &mut visit);
        let done = splitter.done();
        text.drain(..done);
        splitter.forget(done);
        block.offset += done as u64;
    }
    summary.bytes_raw = source.bytes_out();
    parser.forget_outliers(limits.block_bytes_max);
    let ended_early = matches!(
        summary.failed,
        Some(Report { failure: Failure::Stopped | Failure::TooManyRecords { .. }, .. })
    );
    if !splitter.at_rest() && !ended_early {
        let report =
            Report { failure: Failure::EndsEarly, offset: block.offset, index: Some(block.index) };
        summary.refuse(report);
    }
    summary
}

/// Where a block lies in its object.
struct Block<'l> {
    /// The offset of the buffer's first byte in the inflated object.
    offset: u64,
    /// The position of the next record.
    index: u64,
    limits: &'l Limits,
}

impl Block<'_> {
    fn visit<T: Taken>(
        &mut self,
        text: &[u8],
        spans: &[Span],
        parser: &mut Parser,
        summary: &mut ReadSummary,
        visit: &mut impl FnMut(Record<'_>) -> T,
    ) {
        let first = self.index;
        let mut outcome = |span: &Span, read: Result<Record<'_>, Failure>| {
            let index = self.index;
            self.index += 1;
            if summary.failed.is_some_and(|failed| failed.failure == Failure::Stopped) {
                return;
            }
            let end =
                |failure| Report { failure, offset: self.offset + span.start as u64, index: None };
            match read {
                Ok(record) if index < self.limits.records_max => {
                    summary.records += 1;
                    if !visit(record).goes_on() {
                        summary.failed = Some(end(Failure::Stopped));
                    }
                }
                Ok(_) => {
                    let failure = Failure::TooManyRecords { records_max: self.limits.records_max };
                    summary.failed.get_or_insert(end(failure));
                }
                Err(failure) => summary.refuse(Report {
                    failure,
                    offset: self.offset + span.start as u64,
                    index: Some(index),
                }),
            }
        };
        if parser.parse_block(text, spans, first, &mut outcome) {
            return;
        }
        for (nth, span) in spans.iter().enumerate() {
            let index = first + nth as u64;
            match span.failure {
                Some(failure) => outcome(span, Err(failure)),
                None => parser.parse_one(&text[span.start..span.end], index, |read| {
                    outcome(span, read);
                }),
            }
        }
    }
}

/// The simd-json parser and what it writes to.
struct Parser {
    copy: Vec<u8>,
    buffers: Buffers,
    tape: Tape<'static>,
}

impl Parser {
    /// Gives back what an unusually dense block needed: `[1,1,1…` makes twelve bytes of tape from one of text, and one
    /// such object must not set what a worker holds for good.
    fn forget_outliers(&mut self, block_bytes_max: usize) {
        if self.tape.0.capacity() * size_of::<Node<'_>>() > 4 * block_bytes_max.max(1 << 16) {
            self.tape = Tape(Vec::new());
            self.buffers = Buffers::default();
        }
    }

    /// Parses all records of a block as one array. Says whether it could; if not, nothing was handed on.
    fn parse_block(
        &mut self,
        text: &[u8],
        spans: &[Span],
        first: u64,
        outcome: &mut impl FnMut(&Span, Result<Record<'_>, Failure>),
    ) -> bool {
        let Self { copy, buffers, tape: kept } = self;
        copy.clear();
        copy.push(b'[');
        let whole = || spans.iter().filter(|span| span.failure.is_none());
        for (nth, span) in whole().enumerate() {
            if nth > 0 {
                copy.push(b',');
            }
            copy.extend_from_slice(&text[span.start..span.end]);
        }
        copy.push(b']');
        let length = copy.len();
        copy.resize(length + INPUT_PADDING, 0);

        let mut tape = std::mem::replace(kept, Tape(Vec::new())).reset();
        let parsed = fill_tape_padded(copy, length, buffers, &mut tape).is_ok()
            // The parser must see the very records the splitter saw.
            && matches!(tape.0.first(), Some(Node::Array { len, .. }) if *len == whole().count());
        if parsed {
            let mut at = 1;
            for (nth, span) in spans.iter().enumerate() {
                if let Some(failure) = span.failure {
                    outcome(span, Err(failure));
                    continue;
                }
                let end = at + 1 + nodes_inside(&tape.0[at]);
                let raw = &text[span.start..span.end];
                with_record(&tape.0[at..end], raw, first + nth as u64, |read| outcome(span, read));
                at = end;
            }
        }
        *kept = tape.reset();
        parsed
    }

    /// Parses one record by itself.
    fn parse_one(
        &mut self,
        raw: &[u8],
        index: u64,
        outcome: impl FnOnce(Result<Record<'_>, Failure>),
    ) {
        let Self { copy, buffers, tape: kept } = self;
        let mut tape = std::mem::replace(kept, Tape(Vec::new())).reset();
        match fill_one(raw, copy, buffers, &mut tape) {
            Ok(()) => with_record(&tape.0, raw, index, outcome),
            Err(failure) => outcome(Err(failure)),
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
    raw: &[u8],
    index: u64,
    outcome: impl FnOnce(Result<Record<'_>, Failure>),
) {
    if !matches!(nodes.first(), Some(Node::Object { .. })) {
        return outcome(Err(Failure::NotObject));
    }
    let document = Document::new(nodes, raw);
    let record = Record::new(&document, index);
    outcome(if is_record(record.root()) { Ok(record) } else { Err(Failure::NotRecord) });
}

/// Whether the object has a field that every kind of record has.
fn is_record(root: Value<'_>) -> bool {
    let Kind::Object(mut members) = root.kind() else { return false };
    members
        .any(|(key, _)| matches!(key, "eventVersion" | "eventName" | "eventSource" | "eventTime"))
}

/// Parses one record. A number beyond f64 is no reason to refuse it: a second try puts a stand-in for it.
pub(crate) fn fill_one<'de>(
    raw: &[u8],
    copy: &'de mut Vec<u8>,
    buffers: &mut Buffers,
    tape: &mut Tape<'de>,
) -> Result<(), Failure> {
    copy.clear();
    copy_taming_numbers(raw, copy);
    let length = copy.len();
    copy.resize(length + INPUT_PADDING, 0);
    fill_tape_padded(copy, length, buffers, tape).map_err(|error| match error.error() {
        ErrorType::InvalidUtf8 => Failure::NotUtf8,
        ErrorType::InvalidUnicodeEscape
        | ErrorType::InvalidUnicodeCodepoint
        | ErrorType::InvalidEscape => Failure::BadEscape,
        _ => Failure::BadRecord,
    })
}

/// Copies a record with every number that overflows f64 replaced by one that is neither too large nor an integer,
/// so that [`crate::Number`] looks at the text.
fn copy_taming_numbers(raw: &[u8], copy: &mut Vec<u8>) {
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
        fill_one(raw, copy, &mut parser_buffers, tape)?;
        match tape.0.first() {
            Some(Node::Object { .. }) => {
                Ok(Self::new(document.insert(Document::new(&tape.0, raw)), 0))
            }
            _ => Err(Failure::NotObject),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(object: &[u8], limits: &Limits) -> (Vec<String>, ReadSummary) {
        let mut names = Vec::new();
        let summary = read_records(object, limits, &mut Scratch::new(), |record| {
            assert!(std::str::from_utf8(record.raw()).is_ok());
            let name = record.text(&["eventName"]).unwrap_or("-");
            names.push(format!("{} {name}", record.index()));
        });
        (names, summary)
    }

    fn failures(summary: &ReadSummary) -> Vec<Failure> {
        summary.reports.iter().map(|report| report.failure).collect()
    }

    #[test]
    fn a_bad_record_costs_itself() {
        let mut object = br#"{"Records":[{"eventName":"A"},{"eventName":"B","x":""#.to_vec();
        object.extend_from_slice(
            b"\xff\"},{\"eventName\":\"C\",\"x\":\"\\ud800\"},{\"eventName\":\"D\"},7,{},",
        );
        object.extend_from_slice(br#"{"eventName":"E","x":tru},{"eventName":"F","n":[1e400,-1e999,18446744073709551616]}]}"#);
        let (names, summary) = read(&object, &Limits::default());
        assert_eq!(names, ["0 A", "3 D", "7 F"]);
        assert_eq!(summary.records, 3);
        assert_eq!(summary.records_failed, 5);
        assert_eq!(
            failures(&summary),
            [
                Failure::NotUtf8,
                Failure::BadEscape,
                Failure::NotObject,
                Failure::NotRecord,
                Failure::BadRecord
            ]
        );
        assert_eq!(summary.failed, None);
        let at = |report: &Report| usize::try_from(report.offset).unwrap();
        assert!(object[at(&summary.reports[0])..].starts_with(b"{\"eventName\":\"B\""));
        assert!(object[at(&summary.reports[2])..].starts_with(b"7,{}"));
    }

    #[test]
    fn blocks_smaller_than_an_object_give_the_same_records() {
        let mut object = String::from("{\"Records\":[");
        for nth in 0..200 {
            let filler = "x".repeat(nth % 90);
            object.push_str(&format!("{{\"eventName\":\"E{nth}\",\"f\":\"{filler}\\\\\"}},"));
        }
        object.push_str("{\"eventName\":\"last\"}]}");
        let (expected, whole) = read(object.as_bytes(), &Limits::default());
        assert_eq!(expected.len(), 201);
        for block_bytes_max in [1, 10, 100, 1000] {
            let limits = Limits { block_bytes_max, record_bytes_max: 1000, ..Limits::default() };
            let (names, summary) = read(object.as_bytes(), &limits);
            assert_eq!(names, expected);
            assert_eq!(summary, whole);
        }
    }

    #[test]
    fn limits_end_an_object_and_say_so() {
        let object = br#"{"Records":[{"eventName":"A"},{"eventName":"B"}]}"#;
        let (names, summary) = read(object, &Limits { records_max: 1, ..Limits::default() });
        assert_eq!(names, ["0 A"]);
        let failure = summary.failed.map(|report| report.failure);
        assert_eq!(failure, Some(Failure::TooManyRecords { records_max: 1 }));

        let (_, summary) = read(object, &Limits { raw_bytes_max: 20, ..Limits::default() });
        let failure = summary.failed.map(|report| report.failure);
        assert_eq!(failure, Some(Failure::ObjectTooLarge { bytes_max: 20 }));
        assert_eq!(read(b"", &Limits::default()).1.failed.unwrap().failure, Failure::Empty);
    }

    #[test]
    fn a_record_by_itself_is_refused_when_it_is_too_deep() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
        let mut buffer = RecordBuffer::new();
        assert!(Record::parse(deep.as_bytes(), &mut buffer).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let (names, summary) = read(&bytes, &Limits::default());
            proptest::prop_assert_eq!(names.len() as u64, summary.records);
        }

        #[test]
        fn no_nearly_json_panics(
            text in r#"(\{|\}|\[|\]|"|\\\\|,|:|\n|1e9|"eventName"|"Records":\[|\{"eventName":"x"\}){0,60}"#,
        ) {
            let (names, summary) = read(text.as_bytes(), &Limits::default());
            proptest::prop_assert_eq!(names.len() as u64, summary.records);
        }
    }
}
