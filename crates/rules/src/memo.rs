//! Results of tests on a text, remembered for the next record with the same text.
//!
//! CloudTrail repeats itself: a file of thousands of records has a few hundred user agents and a few dozen ARNs. A test
//! is a function of the text alone, so that its result holds for as long as the rule set does. The memory is bounded:
//! each text has one place, and a new text drives the old one out.

use std::hash::{BuildHasher as _, Hasher as _};
use std::ops::Range;

use foldhash::fast::FixedState;

/// Texts remembered for one field.
const PLACES: usize = 256;

/// Longer texts are not remembered.
const TEXT_BYTES_MAX: usize = 256;

/// Calls remembered, and the length that their names seldom pass.
const CALLS: usize = 1024;
const CALL_BYTES: usize = 48;

/// How many tests of one field are remembered.
pub(crate) const TESTS_MAX: usize = 64;

fn hash(text: &[u8]) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    hasher.write(text);
    hasher.finish()
}

/// The texts of one field and what is known of each.
#[derive(Debug, Default)]
pub(crate) struct TextMemo {
    places: Vec<Known>,
}

#[derive(Debug, Default)]
struct Known {
    hash: u64,
    text: Vec<u8>,
    /// A bit a test: whether its result is known, and the result.
    known: u64,
    is_true: u64,
}

impl TextMemo {
    /// The result of a test on a text; `test` is asked if it is not known. `number` is below [`TESTS_MAX`].
    pub(crate) fn get(&mut self, text: &[u8], number: usize, test: impl FnOnce() -> bool) -> bool {
        if text.len() > TEXT_BYTES_MAX {
            return test();
        }
        if self.places.is_empty() {
            self.places.resize_with(PLACES, || Known {
                text: Vec::with_capacity(TEXT_BYTES_MAX),
                ..Known::default()
            });
        }
        let hash = hash(text);
        let place = &mut self.places[usize::try_from(hash % PLACES as u64).unwrap_or(0)];
        if place.hash != hash || place.text != text {
            place.hash = hash;
            place.text.clear();
            place.text.extend_from_slice(text);
            place.known = 0;
        }
        let bit = 1_u64 << number;
        if place.known & bit == 0 {
            let is_true = test();
            place.known |= bit;
            place.is_true = if is_true { place.is_true | bit } else { place.is_true & !bit };
        }
        place.is_true & bit != 0
    }
}

/// The lists of rules that stand under a source and a name, for the calls seen last.
#[derive(Debug, Default)]
pub(crate) struct CallMemo {
    places: Vec<Call>,
}

#[derive(Debug, Default)]
struct Call {
    source: Vec<u8>,
    name: Vec<u8>,
    ranges: Vec<Range<usize>>,
}

impl CallMemo {
    /// The lists of a call; `look_up` is asked if they are not known.
    pub(crate) fn get(
        &mut self,
        source: &[u8],
        name: &[u8],
        look_up: impl FnOnce(&mut Vec<Range<usize>>),
    ) -> &[Range<usize>] {
        if self.places.is_empty() {
            self.places.resize_with(CALLS, || Call {
                source: Vec::with_capacity(CALL_BYTES),
                name: Vec::with_capacity(CALL_BYTES),
                ranges: Vec::with_capacity(4),
            });
        }
        let hash = hash(name);
        let call = &mut self.places[usize::try_from(hash % CALLS as u64).unwrap_or(0)];
        if call.name != name || call.source != source || name.is_empty() {
            call.name.clear();
            call.source.clear();
            call.ranges.clear();
            look_up(&mut call.ranges);
            if name.len().max(source.len()) <= TEXT_BYTES_MAX {
                call.name.extend_from_slice(name);
                call.source.extend_from_slice(source);
            }
        }
        &call.ranges
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_looked_up_once() {
        let mut memo = CallMemo::default();
        let mut asked = 0;
        for _ in 0..3 {
            for (source, name) in [(&b"iam"[..], &b"Create"[..]), (b"s3", b"Get")] {
                let ranges = memo.get(source, name, |ranges| {
                    asked += 1;
                    ranges.push(0..name.len());
                });
                assert_eq!(ranges.first(), Some(&(0..name.len())));
            }
        }
        assert_eq!(asked, 2);
        assert!(memo.get(b"iam", b"Get", |_| ()).is_empty(), "the source counts too");
        let long = "x".repeat(TEXT_BYTES_MAX + 1);
        assert_eq!(memo.get(b"iam", long.as_bytes(), |ranges| ranges.push(0..1)).len(), 1);
        assert!(memo.get(b"iam", long.as_bytes(), |_| ()).is_empty(), "a long name is not kept");
        assert_eq!(memo.get(b"", b"", |ranges| ranges.push(0..2)).len(), 1);
        assert!(memo.get(b"", b"", |_| ()).is_empty());
    }

    #[test]
    fn a_test_is_asked_once_for_a_text() {
        let mut memo = TextMemo::default();
        let mut asked = 0;
        for _ in 0..3 {
            for (text, number, expected) in [("a", 0, true), ("a", 63, false), ("b", 0, false)] {
                let found = memo.get(text.as_bytes(), number, || {
                    asked += 1;
                    expected
                });
                assert_eq!(found, expected, "{text} {number}");
            }
        }
        assert_eq!(asked, 3);
        for nth in 0..10_000 {
            assert_eq!(memo.get(nth.to_string().as_bytes(), 5, || nth % 2 == 0), nth % 2 == 0);
        }
        let long = "x".repeat(TEXT_BYTES_MAX + 1);
        assert!(memo.get(long.as_bytes(), 0, || true) && !memo.get(long.as_bytes(), 0, || false));
    }
}
