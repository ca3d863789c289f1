//! A log object read to its records, block by block.
//!
//! An object is inflated block by block; one that is no gzip is read where it lies. The splitter finds the records that are
//! whole in a block and asks which of them are wanted, and a working copy of these is parsed onto one tape: simd-json
//! unescapes in place, so the untouched text stays at hand for evidence and number text. A block that the parser refuses is
//! parsed again record by record, so a bad record costs itself. Memory is the text of two blocks, the copy and the parser's
//! scratch of about four times the copy, whatever the object's size.
//!
//! A record that nobody wants is not parsed. Of such a one is known: its brackets and quotes pair up, it is ASCII without
//! escapes, it is an object with a key that every record has. That its numbers, literals, commas and colons are JSON is
//! not known, nor that no control character stands in its strings.

use std::ops::ControlFlow;

use crate::failure::{Failure, Report};
use crate::glance::{Glance, Verdict};
use crate::inflate::{Inflater, Source, is_gzip};
use crate::parse::{Parser, Read};
use crate::record::Record;
use crate::split::{Asking, Span, Splitter};
use crate::structure::Structure;
use crate::text::Text;

/// What one object may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most bytes an object may inflate to. CloudTrail's largest file is 50 MB compressed, and its JSON
    /// compresses 10 to 20 times.
    pub raw_bytes_max: u64,
    /// The most bytes of whole records parsed at once; more than 256 KiB never are, unless a record is longer.
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

/// No more text than this is split and parsed at once, however long blocks may be: from the masks to the finding a record
/// then stays, with all that is made of it, in caches that a core has to itself.
const AT_ONCE_BYTES_MAX: usize = 256 << 10;

/// What reading an object came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadSummary {
    /// Records handed on or passed over.
    pub records: u64,
    /// Records that were not parsed, because of [`Verdict::PassOver`].
    pub passed_over: u64,
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

    /// Whether every byte was read and no record refused.
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
    text: Text,
    structure: Structure,
    spans: Vec<Span>,
    parser: Parser,
}

impl Scratch {
    /// Empty buffers, which grow to what the first objects need.
    #[must_use]
    pub fn new() -> Self {
        Self {
            inflater: Inflater::new(),
            text: Text::default(),
            structure: Structure::new(),
            spans: Vec::new(),
            parser: Parser::new(),
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

/// Who reads an object: says which records are worth parsing, and takes these.
pub trait Reader {
    /// What becomes of a record, by a glance at it. A record of which a glance can't tell is parsed unasked, and so are most after
    /// many in a row that were to be parsed.
    fn verdict(&mut self, glance: &Glance<'_>) -> Verdict;

    /// Takes a parsed record, and says whether to go on.
    fn take(&mut self, record: Record<'_>) -> ControlFlow<()>;
}

/// Reads every record.
struct Every<V>(V);

impl<T: Taken, V: FnMut(Record<'_>) -> T> Reader for Every<V> {
    fn verdict(&mut self, _glance: &Glance<'_>) -> Verdict {
        Verdict::Parse
    }

    fn take(&mut self, record: Record<'_>) -> ControlFlow<()> {
        match (self.0)(record).goes_on() {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    }
}

/// Reads an object and hands every record that can be read to `visit`, in order, until it has enough.
///
/// What cannot be read is in the summary: a bad record costs itself, a damaged object what comes after the damage.
pub fn read_records<T: Taken>(
    object: &[u8],
    limits: &Limits,
    scratch: &mut Scratch,
    visit: impl FnMut(Record<'_>) -> T,
) -> ReadSummary {
    read_wanted(object, limits, scratch, &mut Every(visit))
}

/// Like [`read_records`], for a reader that need not have every record.
pub fn read_wanted(
    object: &[u8],
    limits: &Limits,
    scratch: &mut Scratch,
    reader: &mut impl Reader,
) -> ReadSummary {
    let mut summary = ReadSummary::default();
    let Scratch { inflater, text, structure, spans, parser } = scratch;
    let depth_max = limits.depth_max;
    let block_bytes_max = limits.block_bytes_max.clamp(1, AT_ONCE_BYTES_MAX);
    let mut splitter = Splitter::new(limits.record_bytes_max);
    let mut block = Block { offset: 0, index: 0, limits };
    if object.is_empty() {
        summary.failed = Some(Report { failure: Failure::Empty, offset: 0, index: None });
    } else if !is_gzip(object) && object.len() as u64 <= limits.raw_bytes_max {
        let mut end = 0;
        while end < object.len() && summary.failed.is_none() {
            end = object.len().min(end + block_bytes_max);
            spans.clear();
            let verdict = &mut |glance: &Glance<'_>| reader.verdict(glance);
            let mut asking = Asking { structure, depth_max, verdict };
            splitter.advance(&object[..end], &mut asking, spans);
            block.visit((object, spans), parser, &mut summary, reader);
        }
        summary.bytes_raw = object.len() as u64;
        block.offset = splitter.done() as u64;
    } else {
        let mut source = Source::new(object, limits.raw_bytes_max);
        let mut more = true;
        text.clear();
        while more && summary.failed.is_none() {
            // What is left of the last block is the start of an unfinished record; a long one makes a longer block.
            let length = block_bytes_max.max(text.bytes().len() + block_bytes_max / 4 + 1);
            more = match source.fill(inflater, text, length) {
                Ok(more) => more,
                Err(failure) => {
                    let offset = source.bytes_out();
                    summary.failed = Some(Report { failure, offset, index: None });
                    false
                }
            };
            spans.clear();
            let verdict = &mut |glance: &Glance<'_>| reader.verdict(glance);
            let mut asking = Asking { structure, depth_max, verdict };
            splitter.advance(text.bytes(), &mut asking, spans);
            block.visit((text.bytes(), spans), parser, &mut summary, reader);
            let done = splitter.done();
            text.forget(done);
            splitter.forget(done);
            block.offset += done as u64;
        }
        summary.bytes_raw = source.bytes_out();
    }
    parser.forget_outliers(limits.block_bytes_max);
    block.end(&splitter, &mut summary);
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
    fn visit(
        &mut self,
        (text, spans): (&[u8], &[Span]),
        parser: &mut Parser,
        summary: &mut ReadSummary,
        reader: &mut impl Reader,
    ) {
        let first = self.index;
        let mut outcome = |span: &Span, read: Read<'_>| {
            let index = self.index;
            self.index += 1;
            if summary.failed.is_some_and(|failed| failed.failure == Failure::Stopped) {
                return;
            }
            let offset = self.offset + span.start as u64;
            let end = |failure| Report { failure, offset, index: None };
            if let Read::Refused(failure) = read {
                return summary.refuse(Report { failure, offset, index: Some(index) });
            }
            if index >= self.limits.records_max {
                let failure = Failure::TooManyRecords { records_max: self.limits.records_max };
                summary.failed.get_or_insert(end(failure));
                return;
            }
            summary.records += 1;
            match read {
                Read::Record(record) if reader.take(record).is_break() => {
                    summary.failed = Some(end(Failure::Stopped));
                }
                Read::Passed(Verdict::PassOver) => summary.passed_over += 1,
                _ => {}
            }
        };
        if parser.parse_block(text, spans, first, &mut outcome) {
            return;
        }
        for (nth, span) in spans.iter().enumerate() {
            let index = first + nth as u64;
            match span.settled() {
                Some(settled) => outcome(span, settled),
                None => parser.parse_one(&text[span.start..span.end], index, |read| {
                    outcome(span, read);
                }),
            }
        }
    }

    /// Reports what no record could be made of.
    fn end(&self, splitter: &Splitter, summary: &mut ReadSummary) {
        let ended_early = matches!(
            summary.failed,
            Some(Report { failure: Failure::Stopped | Failure::TooManyRecords { .. }, .. })
        );
        if !splitter.at_rest() && !ended_early {
            let failure = Failure::EndsEarly;
            summary.refuse(Report { failure, offset: self.offset, index: Some(self.index) });
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

    /// Wants the records before one, and counts what it is asked and given.
    struct Before {
        number: usize,
        asked: usize,
        taken: usize,
    }

    impl Reader for Before {
        fn verdict(&mut self, glance: &Glance<'_>) -> Verdict {
            self.asked += 1;
            let raw = str::from_utf8(glance.raw()).unwrap();
            let number: usize = raw[r#"{"eventName":"E"#.len()..raw.len() - 2].parse().unwrap();
            if number < self.number { Verdict::Parse } else { Verdict::PassOver }
        }

        fn take(&mut self, _record: Record<'_>) -> ControlFlow<()> {
            self.taken += 1;
            ControlFlow::Continue(())
        }
    }

    #[test]
    fn where_many_are_wanted_few_are_asked_about_and_all_are_counted() {
        let records: Vec<String> =
            (0..1000).map(|nth| format!(r#"{{"eventName":"E{nth}"}}"#)).collect();
        let object = format!(r#"{{"Records":[{}]}}"#, records.join(","));
        for block_bytes_max in [1000, 1 << 20] {
            let limits = Limits { block_bytes_max, ..Limits::default() };
            let read = |number| {
                let mut reader = Before { number, asked: 0, taken: 0 };
                let scratch = &mut Scratch::new();
                let summary = read_wanted(object.as_bytes(), &limits, scratch, &mut reader);
                assert_eq!((summary.records, summary.records_failed), (1000, 0));
                assert_eq!(summary.passed_over as usize + reader.taken, 1000);
                reader
            };
            let all = read(1000);
            assert!(all.taken == 1000 && all.asked < 300, "{} asked about", all.asked);
            let half = read(500);
            assert!((500..510).contains(&half.taken), "{} taken", half.taken);
            let none = read(0);
            assert_eq!((none.taken, none.asked), (0, 1000));
        }
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
