//! Where records begin and end, before anything is parsed.
//!
//! The splitter walks JSON text as it arrives and reports the bounds of each record. It knows strings, escapes and
//! nesting, nothing more: whether a record is valid JSON is for the parser to say. Records of an array, which is how
//! CloudTrail writes them, it takes in one leap each, by the masks of [`Structure`], and asks at once whether they are
//! worth parsing, while their text is at hand; everything else, and a record longer than a stretch, it walks byte by
//! byte. Both ways give the same bounds. It takes every form in which records come: `{"Records": [...]}` with the key at
//! any place, a bare array, a single record, and any sequence of these (NDJSON, concatenated files). Where the text is not
//! JSON it skips to the next line that starts with an opening brace or bracket and counts one failure, so a broken line of
//! NDJSON costs itself.
//!
//! Only `Records` as a key of an outermost object counts. The same key inside a record is the record's own
//! business: part of every record is written by whoever made the call.

use memchr::memchr2;

use crate::failure::Failure;
use crate::glance::{Glance, Verdict};
use crate::structure::Structure;

/// A delimited record, or the failure that stands in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) failure: Option<Failure>,
    /// What becomes of the record.
    pub(crate) verdict: Verdict,
    /// It is known to be ASCII without a backslash.
    pub(crate) is_plain: bool,
}

/// What is asked of each record, and what serves to answer.
pub(crate) struct Asking<'a> {
    pub(crate) structure: &'a mut Structure,
    /// The deepest nesting a record may have.
    pub(crate) depth_max: u32,
    /// What becomes of a record, by a glance at it.
    pub(crate) verdict: &'a mut dyn FnMut(&Glance<'_>) -> Verdict,
}

/// After so many wanted records in a row only one in so many is asked about.
const WANTED_MANY: u32 = 64;
const ASKED_ONE_IN: u32 = 8;

/// The splitter's place in the text. Offsets are relative to the buffer it is given; [`Splitter::forget`] moves
/// them when the buffer's front is dropped.
pub(crate) struct Splitter {
    place: Place,
    /// The next byte to look at.
    at: usize,
    /// Where the bytes that may still be needed begin: the open record, or `at`.
    keep: usize,
    /// Whether the open outermost object has had a `Records` array, and so is no record itself.
    envelope: bool,
    /// Whether the open array is the value of an envelope's `Records`.
    in_envelope: bool,
    /// The open value.
    scan: Scan,
    /// The outermost object's deepest member so far.
    object_depth: u32,
    /// The front of the open record was dropped because it is longer than a record may be.
    oversize: bool,
    record_bytes_max: usize,
    /// So many records came one after the other that are to be parsed.
    wanted_in_a_row: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Between outermost values.
    Top,
    /// In an outermost object, before a key or the end.
    Key,
    /// In a key, which opened at this offset.
    KeyText(usize),
    /// After a key; the flag says that it was `Records`.
    Colon(bool),
    /// Before a member's value.
    Value(bool),
    /// Inside a member's value.
    Member,
    /// After a member.
    MemberEnd,
    /// In an array of records, before an element or the end.
    Element,
    /// Inside an element.
    InElement,
    /// After an element.
    ElementEnd,
    /// In text that is not JSON, looking for a line that starts a value.
    Lost,
}

/// How an element can be gone over.
enum Leap {
    /// It is behind us, and this becomes of it; whether it is plain.
    Done(Verdict, bool),
    /// Its rest is not there yet.
    Wait,
    /// Byte by byte.
    Walk,
}

/// The inside of one value.
#[derive(Clone, Copy, Default)]
struct Scan {
    depth: u32,
    depth_most: u32,
    in_string: bool,
    scalar: bool,
}

impl Splitter {
    pub(crate) fn new(record_bytes_max: usize) -> Self {
        Self {
            place: Place::Top,
            at: 0,
            keep: 0,
            envelope: false,
            in_envelope: false,
            scan: Scan::default(),
            object_depth: 0,
            oversize: false,
            record_bytes_max,
            wanted_in_a_row: 0,
        }
    }

    /// Reads on to the end of `text` and appends the records that are whole.
    pub(crate) fn advance(&mut self, text: &[u8], asking: &mut Asking<'_>, spans: &mut Vec<Span>) {
        asking.structure.forget();
        while let Some(&byte) = text.get(self.at) {
            match self.place {
                Place::Member | Place::InElement => {
                    let leap = if self.is_fresh() { self.leap(text, asking) } else { Leap::Walk };
                    let is_over = match leap {
                        Leap::Done(verdict, is_plain) => {
                            self.end_element(text, (verdict, is_plain), spans)
                        }
                        Leap::Wait => false,
                        Leap::Walk => self.walk(text, asking, spans),
                    };
                    if !is_over {
                        break;
                    }
                }
                Place::KeyText(open) => {
                    let end = match string_close(text, self.at) {
                        Ok(end) => end,
                        Err(resume) => {
                            self.at = resume;
                            break;
                        }
                    };
                    self.at = end + 1;
                    self.place = Place::Colon(text.get(open + 1..end) == Some(b"Records"));
                }
                Place::Lost => {
                    // A quote in what is no JSON opens no string: the masks no longer know where strings are.
                    asking.structure.forget();
                    if !self.find_line(text) {
                        break;
                    }
                }
                _ if is_space(byte) => self.at += 1,
                _ => self.step(byte, asking.depth_max, spans),
            }
        }
        self.drop_what_is_too_long(text.len());
    }
    /// One byte of structure outside of values.
    fn step(&mut self, byte: u8, depth_max: u32, spans: &mut Vec<Span>) {
        match (self.place, byte) {
            (Place::Top, b'{') => {
                self.open();
                self.envelope = false;
                self.object_depth = 1;
                self.place = Place::Key;
                self.at += 1;
            }
            (Place::Top, b'[') => {
                self.in_envelope = false;
                self.place = Place::Element;
                self.at += 1;
            }
            // The bytes of a byte order mark, which may open a text; no value starts with one of them.
            (Place::Top, 0xef | 0xbb | 0xbf) => self.at += 1,
            (Place::Key, b'"') => {
                self.place = Place::KeyText(self.at);
                self.at += 1;
            }
            (Place::Colon(records), b':') => {
                self.place = Place::Value(records);
                self.at += 1;
            }
            (Place::Value(true), b'[') => {
                self.envelope = true;
                self.in_envelope = true;
                self.place = Place::Element;
                self.at += 1;
            }
            (Place::Value(_), _) => {
                self.scan = Scan::default();
                self.place = Place::Member;
            }
            (Place::MemberEnd, b',') => {
                self.place = Place::Key;
                self.at += 1;
            }
            (Place::Key | Place::MemberEnd, b'}') => {
                self.at += 1;
                if !self.envelope {
                    self.close(self.object_depth, depth_max, spans);
                }
                self.place = Place::Top;
            }
            (Place::ElementEnd, b',') => {
                self.place = Place::Element;
                self.at += 1;
            }
            (Place::Element | Place::ElementEnd, b']') => {
                self.at += 1;
                self.place = if self.in_envelope { Place::MemberEnd } else { Place::Top };
            }
            (Place::Element, b) if !matches!(b, b',' | b'}' | b':') => {
                self.open();
                self.scan = Scan::default();
                self.place = Place::InElement;
            }
            _ => {
                let end = self.at + 1;
                let failure = Some(Failure::NotJson);
                let verdict = Verdict::Parse;
                spans.push(Span { start: self.at, end, failure, verdict, is_plain: false });
                self.place = Place::Lost;
            }
        }
    }

    fn open(&mut self) {
        self.keep = self.at;
        self.oversize = false;
    }

    /// Whether no byte of the open element has been looked at.
    fn is_fresh(&self) -> bool {
        self.place == Place::InElement && self.at == self.keep && !self.oversize
    }

    /// Goes over an element that the masks hold whole.
    fn leap(&mut self, text: &[u8], asking: &mut Asking<'_>) -> Leap {
        if !matches!(text[self.at], b'{' | b'[') {
            return Leap::Walk;
        }
        let left = text.len() - self.at;
        let Some(extent) = asking.structure.extent(text, self.at) else {
            // The rest of a record that the text cuts is about to come; a long one is not looked at again and again.
            let may_come = asking.structure.reaches(text.len()) && left <= self.record_bytes_max;
            return if may_come { Leap::Wait } else { Leap::Walk };
        };
        let is_deep = extent.depth_most > asking.depth_max
            && asking.structure.depth_most(text, self.at) > asking.depth_max;
        if is_deep || extent.end - self.at > self.record_bytes_max {
            return Leap::Walk;
        }
        let glance = Glance::new(text, asking.structure, self.at, extent);
        // What can't be told by a glance is parsed, and so is what may be no record.
        let verdict = match glance.is_plain() && self.is_worth_asking() {
            true => (asking.verdict)(&glance),
            false => Verdict::Parse,
        };
        self.wanted_in_a_row =
            if verdict == Verdict::Parse { self.wanted_in_a_row.wrapping_add(1) } else { 0 };
        let is_sure = verdict == Verdict::Parse || glance.is_record();
        self.at = extent.end;
        Leap::Done(if is_sure { verdict } else { Verdict::Parse }, extent.is_plain)
    }

    /// Whether to ask of the next record if it is wanted. Where many in a row were, a question would only be one thing more to do
    /// for each, and a few tell whether that goes on; who asks for records has to take those that come unasked.
    fn is_worth_asking(&self) -> bool {
        self.wanted_in_a_row < WANTED_MANY || self.wanted_in_a_row.is_multiple_of(ASKED_ONE_IN)
    }

    /// Goes on to the end of a value byte by byte, and says whether it was reached.
    fn walk(&mut self, text: &[u8], asking: &mut Asking<'_>, spans: &mut Vec<Span>) -> bool {
        let is_over = self.scan.advance(text, &mut self.at);
        if self.scan.scalar {
            // Nor does a quote in what should be a number.
            asking.structure.forget();
        }
        if !is_over {
            return false;
        }
        if self.place == Place::Member {
            self.object_depth = self.object_depth.max(self.scan.depth_most + 1);
            self.place = Place::MemberEnd;
        } else {
            self.close(self.scan.depth_most, asking.depth_max, spans);
            self.place = Place::ElementEnd;
        }
        true
    }

    fn end_element(
        &mut self,
        text: &[u8],
        (verdict, is_plain): (Verdict, bool),
        spans: &mut Vec<Span>,
    ) -> bool {
        spans.push(Span { start: self.keep, end: self.at, failure: None, verdict, is_plain });
        self.keep = self.at;
        self.place = Place::ElementEnd;
        // As the next one begins in all that CloudTrail writes, in one step for three.
        if text.get(self.at..self.at + 2) == Some(b",{") {
            self.at += 1;
            self.open();
            self.scan = Scan::default();
            self.place = Place::InElement;
        }
        true
    }

    fn close(&mut self, depth: u32, depth_max: u32, spans: &mut Vec<Span>) {
        let failure = if self.oversize || self.at - self.keep > self.record_bytes_max {
            Some(Failure::RecordTooLong { bytes_max: self.record_bytes_max as u64 })
        } else if depth > depth_max {
            Some(Failure::TooDeep { depth_max })
        } else {
            None
        };
        let verdict = Verdict::Parse;
        spans.push(Span { start: self.keep, end: self.at, failure, verdict, is_plain: false });
        self.keep = self.at;
        self.oversize = false;
    }

    /// Looks for a line that starts an outermost value, and says whether there is one.
    fn find_line(&mut self, text: &[u8]) -> bool {
        let line = text[self.at..]
            .windows(2)
            .position(|pair| pair[0] == b'\n' && matches!(pair[1], b'{' | b'['));
        match line {
            Some(found) => {
                self.at += found + 1;
                self.place = Place::Top;
            }
            // The last byte may be the line's end: it is looked at again when more text is there.
            None => self.at = text.len() - 1,
        }
        line.is_some()
    }

    /// How much of the front of the text is no longer needed.
    pub(crate) fn done(&self) -> usize {
        let open = match self.place {
            Place::InElement => true,
            Place::Key
            | Place::KeyText(_)
            | Place::Colon(_)
            | Place::Value(_)
            | Place::Member
            | Place::MemberEnd => !self.envelope,
            _ => false,
        };
        match self.place {
            _ if open => self.keep,
            Place::KeyText(at) => at,
            _ => self.at,
        }
    }

    /// The first `length` bytes of the buffer were dropped.
    pub(crate) fn forget(&mut self, length: usize) {
        self.at -= length;
        self.keep = self.keep.saturating_sub(length);
        if let Place::KeyText(at) = &mut self.place {
            *at = at.saturating_sub(length);
        }
    }

    /// A record beyond the limit is walked to its end but not kept.
    fn drop_what_is_too_long(&mut self, length: usize) {
        if self.done() < length && self.at - self.done() > self.record_bytes_max {
            self.oversize = true;
            self.keep = self.at;
            if let Place::KeyText(at) = &mut self.place {
                *at = self.at - 1;
            }
        }
    }

    /// Whether the text may end here; otherwise its rest could not be delimited.
    pub(crate) fn at_rest(&self) -> bool {
        matches!(self.place, Place::Top | Place::Lost)
    }
}

impl Scan {
    /// Walks on to the value's end and says whether it was reached; `at` is then just after it.
    fn advance(&mut self, text: &[u8], at: &mut usize) -> bool {
        loop {
            if self.in_string {
                match string_close(text, *at) {
                    Ok(end) => *at = end + 1,
                    Err(resume) => {
                        *at = resume;
                        return false;
                    }
                }
                self.in_string = false;
                if self.depth == 0 {
                    return true;
                }
            }
            let Some(&byte) = text.get(*at) else { return false };
            match byte {
                b'"' if !self.scalar => self.in_string = true,
                b'{' | b'[' if !self.scalar => {
                    self.depth += 1;
                    self.depth_most = self.depth_most.max(self.depth);
                }
                b'}' | b']' if self.depth > 0 => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        *at += 1;
                        return true;
                    }
                }
                b',' | b'}' | b']' if self.depth == 0 => return true,
                b' ' | b'\n' | b'\r' | b'\t' if self.depth == 0 => return true,
                _ if self.depth == 0 => self.scalar = true,
                _ => {}
            }
            *at += 1;
        }
    }
}

/// The offset of the quote that closes a string, from an offset inside it; or, when the text ends first, the
/// offset to go on from when more is there: an escape that is cut in two is read again.
fn string_close(text: &[u8], from: usize) -> Result<usize, usize> {
    let mut at = from;
    while let Some(found) = text.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += found;
        if text[at] == b'"' {
            return Ok(at);
        }
        if at + 1 == text.len() {
            return Err(at);
        }
        at += 2;
    }
    Err(text.len())
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEPTH_MAX: u32 = 8;

    /// Splits `text`, given in pieces of `step` bytes with the front dropped as the reader does.
    fn split(text: &str, step: usize) -> (Vec<Result<String, Failure>>, bool) {
        split_by(&mut Structure::new(), text, step)
    }

    fn split_by(
        structure: &mut Structure,
        text: &str,
        step: usize,
    ) -> (Vec<Result<String, Failure>>, bool) {
        let mut splitter = Splitter::new(64);
        let mut verdict = |_: &Glance<'_>| Verdict::Parse;
        let mut buffer = Vec::new();
        let mut found = Vec::new();
        for piece in text.as_bytes().chunks(step) {
            buffer.extend_from_slice(piece);
            let mut spans = Vec::new();
            let mut asking = Asking { structure, depth_max: DEPTH_MAX, verdict: &mut verdict };
            splitter.advance(&buffer, &mut asking, &mut spans);
            for span in spans {
                let text = String::from_utf8_lossy(&buffer[span.start..span.end]).into_owned();
                found.push(span.failure.map_or(Ok(text), Err));
            }
            let done = splitter.done();
            buffer.drain(..done);
            splitter.forget(done);
        }
        (found, splitter.at_rest())
    }

    /// Splits `text` as more and more of it comes and nothing is dropped, as an object inflated at once is read.
    fn split_growing(text: &str, step: usize) -> (Vec<Result<String, Failure>>, bool) {
        let (mut splitter, mut structure) = (Splitter::new(64), Structure::new());
        let mut verdict = |_: &Glance<'_>| Verdict::Parse;
        let mut spans = Vec::new();
        for end in (step..text.len()).step_by(step).chain([text.len()]) {
            let structure = &mut structure;
            let mut asking = Asking { structure, depth_max: DEPTH_MAX, verdict: &mut verdict };
            splitter.advance(&text.as_bytes()[..end], &mut asking, &mut spans);
        }
        let text_of = |span: &Span| text[span.start..span.end].to_owned();
        let found = spans.iter().map(|span| span.failure.map_or_else(|| Ok(text_of(span)), Err));
        (found.collect(), splitter.at_rest())
    }

    fn check(text: &str, expected: &[Result<&str, Failure>], at_rest: bool) {
        for step in [1, 2, 3, 7, 1000] {
            let (found, rest) = split(text, step);
            assert_eq!(split_growing(text, step), (found.clone(), rest), "in steps of {step}");
            let found: Vec<Result<&str, Failure>> =
                found.iter().map(|one| one.as_ref().map(String::as_str).map_err(|f| *f)).collect();
            assert_eq!(found, expected, "in steps of {step}: {text}");
            assert_eq!(rest, at_rest, "in steps of {step}: {text}");
        }
    }

    #[test]
    fn every_form_of_log_is_split() {
        let two = [Ok(r#"{"a":1}"#), Ok(r#"{"b":[2]}"#)];
        check(r#"{"Records":[{"a":1},{"b":[2]}]}"#, &two, true);
        check(r#" { "x" : [{}] , "Records" : [ {"a":1} , {"b":[2]} ] , "y" : 1 } "#, &two, true);
        check(r#"[{"a":1},{"b":[2]}]"#, &two, true);
        check("{\"a\":1}\n{\"b\":[2]}\r\n", &two, true);
        check("\u{feff}{\"a\":1}{\"b\":[2]}", &two, true);
        check(r#"{"Records":[{"a":1}]}{"Records":[{"b":[2]}]}"#, &two, true);
        check(r#"{"Records":[]}"#, &[], true);
        check(r#"{"Records":null}"#, &[Ok(r#"{"Records":null}"#)], true);
        check("", &[], true);
    }

    #[test]
    fn what_looks_like_structure_in_strings_is_text() {
        let tricky = r#"{"a":"\\\"],{}[\\","Records":[{"b":1}]}"#;
        let inside = tricky.replace("Records", "Recorded");
        check(&format!("[{inside}]"), &[Ok(&inside)], true);
        check(tricky, &[Ok(r#"{"b":1}"#)], true);
        let nested = r#"{"p":{"Records":[{"b":1}]}}"#;
        check(nested, &[Ok(nested)], true);
    }

    #[test]
    fn elements_that_are_no_objects_are_delimited_too() {
        check(
            r#"{"Records":[1, null,"x]",{"a":1},[2]]}"#,
            &[Ok("1"), Ok("null"), Ok("\"x]\""), Ok(r#"{"a":1}"#), Ok("[2]")],
            true,
        );
    }

    #[test]
    fn garbage_costs_itself_and_the_next_line_goes_on() {
        check(
            "{\"a\":1}\nnot json {\n{\"b\":2}",
            &[Ok(r#"{"a":1}"#), Err(Failure::NotJson), Ok(r#"{"b":2}"#)],
            true,
        );
        check(
            r#"{"Records":[{"a":1}]} trailing"#,
            &[Ok(r#"{"a":1}"#), Err(Failure::NotJson)],
            true,
        );
    }

    #[test]
    fn text_that_ends_early_is_not_at_rest() {
        for text in [r#"{"Records":[{"a":1}"#, r#"{"Records":[{"a":1}]"#] {
            check(text, &[Ok(r#"{"a":1}"#)], false);
        }
        check(r#"{"Records":[{"a":"1"#, &[], false);
    }

    #[test]
    fn deep_and_long_records_cost_themselves() {
        let deep = format!("{}1{}", "[".repeat(9), "]".repeat(9));
        let long = format!("{{\"x\":\"{}\"}}", "y".repeat(500));
        let text = format!(r#"{{"Records":[{{"d":{deep}}},{{"a":1}},{long},{{"b":2}}]}}"#);
        let expected = [
            Err(Failure::TooDeep { depth_max: 8 }),
            Ok(r#"{"a":1}"#),
            Err(Failure::RecordTooLong { bytes_max: 64 }),
            Ok(r#"{"b":2}"#),
        ];
        check(&text, &expected, true);
        check(&format!("{long}\n{{\"b\":2}}"), &expected[2..], true);
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics_and_pieces_do_not_matter(
            text in r#"(\{|\}|\[|\]|"|\\\\|,|:|\n|1|Records|"Records":\[|\{"a":1\}){0,40}"#,
            step in 1_usize..9,
        ) {
            let whole = split(&text, 10_000);
            proptest::prop_assert_eq!(&split(&text, step), &whole);
            proptest::prop_assert_eq!(&split_growing(&text, step), &whole);
        }

        #[test]
        fn leaps_and_walks_give_the_same_bounds(
            text in r#"\{"Records":\[(\{|\}|\[|\]|"|\\\\|,|:|\n|\n\[|1|1"|é|\{"a":1\},|\{"a":"\}\{"\},){0,40}"#,
            step in 1_usize..200,
        ) {
            let walked = split_by(&mut Structure::blind(), &text, step);
            proptest::prop_assert_eq!(split(&text, step), walked);
        }
    }
}
