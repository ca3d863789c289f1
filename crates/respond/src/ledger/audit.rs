//! Whether a chain is whole and, if not, where it breaks.

use std::fmt;

use serde_json::Value;
use trailloop_finding::sha256;

use super::{Head, sort_key};

/// A chain that is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// How many lines were looked at.
    pub lines: u64,
    /// Where the chain ends. To be written down where whoever can write to the ledger can't: it proves that nothing was cut off.
    pub head: Head,
}

/// Where a chain breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Break {
    /// The first line that is not as it should be.
    pub seq: u64,
    /// What is wrong with it.
    pub what: Fault,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not there.
    Missing,
    /// It stands where a later one should.
    OutOfOrder,
    /// It is not a line of a ledger.
    Malformed,
    /// It is not what it was when the next one was written, or the end was written down.
    Altered,
    /// It doesn't name the hash of the line before, and the lines before are not to blame as far as can be told.
    WrongPrevious,
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seq = self.seq;
        match self.what {
            Fault::Missing => write!(f, "line {seq} of the ledger is missing"),
            Fault::OutOfOrder => {
                write!(f, "line {seq} of the ledger stands where a later one should")
            }
            Fault::Malformed => write!(f, "line {seq} of the ledger is not a line of a ledger"),
            Fault::Altered => {
                write!(f, "line {seq} of the ledger was altered after it was written")
            }
            Fault::WrongPrevious => {
                write!(
                    f,
                    "line {seq} of the ledger doesn't follow from the line before; one of the two was altered"
                )
            }
        }
    }
}

impl std::error::Error for Break {}

/// Checks the text of an exported ledger. `after` is the end of what was exported before it, [`Head::start`] for a whole
/// ledger; `until` is an end that was written down, up to which the lines have to reach at least.
pub fn audit(text: &str, after: Head, until: Option<&Head>) -> Result<Summary, Break> {
    let mut auditor = Auditor::new(after, until.cloned());
    // Not `lines()`, which would pass over a carriage return.
    let text = text.strip_suffix('\n').unwrap_or(text);
    if !text.is_empty() {
        for line in text.split('\n') {
            auditor.line(line)?;
        }
    }
    auditor.finish()
}

/// Checks a chain line by line.
#[derive(Debug)]
pub struct Auditor {
    head: Head,
    lines: u64,
    until: Option<Head>,
    /// The line before didn't name the right hash: whether it or the one before it was altered is told by the next.
    suspect: Option<u64>,
}

impl Auditor {
    /// An auditor that begins after this end of a chain.
    #[must_use]
    pub fn new(after: Head, until: Option<Head>) -> Self {
        Self { head: after, lines: 0, until, suspect: None }
    }

    /// The next line.
    pub fn line(&mut self, text: &str) -> Result<(), Break> {
        let expected = self.head.seq.saturating_add(1);
        let fault = |seq, what| Err(Break { seq, what });
        let Some((seq, previous)) = parsed(text) else { return fault(expected, Fault::Malformed) };
        if let Some(suspect) = self.suspect {
            let is_suspect_itself_whole = previous == self.head.sha256;
            return match is_suspect_itself_whole {
                true => fault(suspect - 1, Fault::Altered),
                false => fault(suspect, Fault::WrongPrevious),
            };
        }
        if seq > expected {
            return fault(expected, Fault::Missing);
        }
        if seq < expected {
            return fault(seq, Fault::OutOfOrder);
        }
        if previous != self.head.sha256 {
            // The line before is not ours to blame if it was handed in as the end of another file, or is the start.
            if self.lines == 0 {
                return fault(seq, Fault::WrongPrevious);
            }
            self.suspect = Some(seq);
        }
        self.head = Head { seq, sha256: sha256(text.as_bytes()) };
        self.lines += 1;
        match &self.until {
            Some(until) if until.seq == seq && *until != self.head && self.suspect.is_none() => {
                fault(seq, Fault::Altered)
            }
            _ => Ok(()),
        }
    }

    /// The next line as a row of the table.
    pub(super) fn row(&mut self, sort: &str, version: u64, text: &str) -> Result<(), Break> {
        let expected = self.head.seq.saturating_add(1);
        let is_its_own = parsed(text).is_some_and(|(seq, _)| sort_key(seq) == sort);
        if !is_its_own {
            return Err(Break { seq: expected, what: Fault::Malformed });
        }
        self.line(text)?;
        if version != 1 && self.suspect.is_none() {
            return Err(Break { seq: expected, what: Fault::Altered });
        }
        Ok(())
    }

    /// What came of it.
    pub fn finish(self) -> Result<Summary, Break> {
        if let Some(seq) = self.suspect {
            return Err(Break { seq, what: Fault::WrongPrevious });
        }
        match self.until {
            Some(until) if until.seq > self.head.seq => {
                Err(Break { seq: self.head.seq + 1, what: Fault::Missing })
            }
            _ => Ok(Summary { lines: self.lines, head: self.head }),
        }
    }
}

/// A line's number and the hash it names.
fn parsed(text: &str) -> Option<(u64, String)> {
    let json: Value = serde_json::from_str(text).ok()?;
    let previous = json.get("prev_sha256")?.as_str()?;
    Some((json.get("seq")?.as_u64()?, previous.to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chain(count: u64) -> Vec<String> {
        let mut head = Head::start();
        let mut lines = Vec::new();
        for seq in 1..=count {
            let text =
                format!(r#"{{"seq":{seq},"prev_sha256":"{}","step":"s{seq}"}}"#, head.sha256);
            head = Head { seq, sha256: sha256(text.as_bytes()) };
            lines.push(text);
        }
        lines
    }

    fn audited(lines: &[String], until: Option<&Head>) -> Result<Summary, Break> {
        audit(&lines.join("\n"), Head::start(), until)
    }

    fn broken(seq: u64, what: Fault) -> Result<Summary, Break> {
        Err(Break { seq, what })
    }

    #[test]
    fn a_whole_chain_is_whole_in_parts_too() {
        let lines = chain(5);
        let whole = audited(&lines, None).unwrap();
        assert_eq!(whole.lines, 5);
        let first = audited(&lines[..2], None).unwrap();
        let text = format!("{}\n", lines[2..].join("\n"));
        let second = audit(&text, first.head, Some(&whole.head)).unwrap();
        assert_eq!((second.lines, second.head), (3, whole.head));
        assert_eq!(audit("", Head::start(), None).unwrap().lines, 0);
    }

    #[test]
    fn it_says_where_it_breaks() {
        let lines = chain(5);
        let mut gap = lines.clone();
        gap.remove(2);
        assert_eq!(audited(&gap, None), broken(3, Fault::Missing));
        let mut swapped = lines.clone();
        swapped.swap(1, 2);
        assert_eq!(audited(&swapped, None), broken(2, Fault::Missing));
        let mut twice = lines.clone();
        twice.insert(3, lines[2].clone());
        assert_eq!(audited(&twice, None), broken(3, Fault::OutOfOrder));
        let mut altered = lines.clone();
        altered[1] = altered[1].replace("s2", "sX");
        assert_eq!(audited(&altered, None), broken(2, Fault::Altered));
        let mut previous = lines.clone();
        previous[2] = chain(1)[0].replace("\"seq\":1", "\"seq\":3");
        assert_eq!(audited(&previous, None), broken(3, Fault::WrongPrevious));
        let mut junk = lines.clone();
        junk[4] = "null".into();
        assert_eq!(audited(&junk, None), broken(5, Fault::Malformed));
        let mut space = lines;
        space[1].push('\r');
        assert_eq!(audited(&space, None), broken(2, Fault::Altered));
    }

    #[test]
    fn the_end_is_known_only_if_it_was_written_down() {
        let lines = chain(5);
        let head = audited(&lines, None).unwrap().head;
        assert_eq!(audited(&lines[..4], Some(&head)), broken(5, Fault::Missing));
        let mut altered = lines.clone();
        altered[4] = altered[4].replace("s5", "sX");
        assert_eq!(audited(&altered, Some(&head)), broken(5, Fault::Altered));
        let before = audited(&lines[..3], None).unwrap().head;
        assert!(audited(&lines, Some(&before)).is_ok(), "a chain may go on");
    }

    proptest! {
        #[test]
        fn no_byte_can_be_turned(count in 1u64..6, at in any::<prop::sample::Index>(), bit in 0u32..7) {
            let text = chain(count).join("\n");
            let head = audit(&text, Head::start(), None).unwrap().head;
            let mut bytes = text.into_bytes();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let turned = String::from_utf8(bytes).unwrap();
            prop_assert!(audit(&turned, Head::start(), Some(&head)).is_err());
        }

        #[test]
        fn no_text_makes_it_panic(text: String) {
            let whole = audit(&text, Head::start(), None).is_ok();
            prop_assert!(!whole || text.is_empty() || text == "\n");
        }
    }
}
