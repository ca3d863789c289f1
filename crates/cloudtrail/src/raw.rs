//! JSON text by its bytes: where values lie in a record that is known to be valid.
//!
//! The tape keeps no offsets. Evidence, number text and redaction need them, for one record at a time, so a plain
//! scanner serves. It is only ever given text that a full parser has accepted, or text out of a string of such a
//! record; in what is not JSON it finds less, but it never panics.

mod unescaped;
mod written;

use std::ops::Range;

use memchr::memchr2;

pub use unescaped::unescape;
pub use written::{write_bytes, write_string};

/// What a walk over JSON text comes by. In text that is JSON the calls come in the order of a tape's nodes: one for
/// each container that opens, each key and each scalar.
pub trait Visitor {
    /// What is kept for each open container and for the member that is current in it.
    type Mark: Copy;

    /// An object or array opens below `above`.
    fn open(&mut self, above: Self::Mark) -> Self::Mark;

    /// A member of this key begins in the container of `mark`, which stands for the member from now on. `above` is
    /// what the container was opened with.
    fn key(&mut self, above: Self::Mark, key: Token) -> Self::Mark;

    /// A scalar.
    fn scalar(&mut self, mark: Self::Mark, scalar: Token);

    /// The string that comes next without its escapes, if that is at hand: the end of a long one is then found sooner.
    fn next_unescaped(&self) -> Option<&str> {
        None
    }
}

/// A key or a scalar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Where in the text it lies, quotes included.
    pub range: Range<usize>,
    /// Whether it is a string with a backslash in it.
    pub is_escaped: bool,
}

/// The containers that are open in a walk; kept for the next one.
pub struct Stack<M>(Vec<Open<M>>);

/// An open container: whether it is an object, what it was opened with, and its current member.
#[derive(Clone, Copy)]
struct Open<M> {
    is_object: bool,
    opened: M,
    current: M,
}

impl<M> Stack<M> {
    /// The bytes it holds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<Open<M>>()
    }
}

impl<M> Default for Stack<M> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// Walks over the text. Each key is looked at once, and nothing is kept but one pair of marks for each open
/// container, so a walk costs its length whatever the text holds.
pub fn walk<V: Visitor>(text: &[u8], root: V::Mark, outer: &mut Stack<V::Mark>, visitor: &mut V) {
    let Stack(outer) = outer;
    outer.clear();
    // What is outside of everything is like a list.
    let mut inner = Open { is_object: false, opened: root, current: root };
    // Whether the next string is a key.
    let mut key_next = false;
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match class(byte) {
            Class::Token => {
                let end = token_end(text, at);
                visitor.scalar(inner.current, Token { range: at..end, is_escaped: false });
                at = end;
            }
            Class::Open => {
                outer.push(inner);
                let opened = visitor.open(inner.current);
                inner = Open { is_object: byte == b'{', opened, current: opened };
                key_next = inner.is_object;
                at += 1;
            }
            Class::Close => {
                inner = outer.pop().unwrap_or(inner);
                key_next = false;
                at += 1;
            }
            Class::Comma => {
                key_next = inner.is_object;
                at += 1;
            }
            Class::Quote => {
                let string = string_at(text, at, || visitor.next_unescaped());
                at = string.range.end;
                if key_next {
                    inner.current = visitor.key(inner.opened, string);
                    key_next = false;
                } else {
                    visitor.scalar(inner.current, string);
                }
            }
            Class::Between => at += 1,
        }
    }
}

/// What a byte outside of strings is to a walk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// It begins a number or a word, or goes on with one.
    Token,
    Open,
    Close,
    Comma,
    Quote,
    /// White space, or the colon.
    Between,
}

#[inline]
fn class(byte: u8) -> Class {
    const CLASSES: [Class; 256] = {
        let mut classes = [Class::Token; 256];
        let mut at = 0;
        while at < classes.len() {
            classes[at] = match at as u8 {
                b'{' | b'[' => Class::Open,
                b'}' | b']' => Class::Close,
                b',' => Class::Comma,
                b'"' => Class::Quote,
                b':' | b' ' | b'\n' | b'\r' | b'\t' => Class::Between,
                _ => Class::Token,
            };
            at += 1;
        }
        classes
    };
    CLASSES[usize::from(byte)]
}

/// The end of the number or word that begins at `start`. A bracket that opens does not end it.
#[inline]
fn token_end(text: &[u8], start: usize) -> usize {
    let rest = text.get(start + 1..).unwrap_or_default();
    let ends = |byte: &u8| !matches!(class(*byte), Class::Token | Class::Open);
    rest.iter().position(ends).map_or(text.len(), |length| start + 1 + length)
}

/// The ranges of the number tokens of the text, in order.
pub fn numbers(text: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while let Some(&byte) = text.get(at) {
            match byte {
                b'"' => at = string_end(text, at),
                b'-' | b'0'..=b'9' => {
                    let start = at;
                    at = token_end(text, at);
                    return Some(start..at);
                }
                _ => at += 1,
            }
        }
        None
    })
}

/// The string that opens at `open`; one that does not close ends with the text.
#[inline]
fn string_at<'u>(text: &[u8], open: usize, unescaped: impl FnOnce() -> Option<&'u str>) -> Token {
    let whole = |end, is_escaped| Token { range: open..end, is_escaped };
    match quote_or_backslash(text, open + 1) {
        None => whole(text.len(), false),
        Some(end) if text[end] == b'"' => whole(end + 1, false),
        Some(escape) => {
            let end = unescaped().and_then(|unescaped| end_of_escaped(text, open, unescaped));
            whole(end.unwrap_or_else(|| end_from_escape(text, escape)), true)
        }
    }
}

/// The end of a string, from a backslash in it on.
fn end_from_escape(text: &[u8], mut escape: usize) -> usize {
    while let Some(found) = quote_or_backslash(text, escape + 2) {
        if text[found] == b'"' {
            return found + 1;
        }
        escape = found;
    }
    text.len()
}

/// The end of a string that is this without its escapes, if it has only those that it must have.
fn end_of_escaped(text: &[u8], open: usize, unescaped: &str) -> Option<usize> {
    let mut escapes = 0;
    for piece in unescaped.as_bytes().chunks(u8::MAX.into()) {
        // So few that the count fits a byte, and the compiler counts many at once.
        escapes += usize::from(piece.iter().fold(0, |sum, byte| sum + u8::from(is_escaped(*byte))));
    }
    // The string is at least so long. A quote with no backslash to it is nowhere in it but at its end.
    let end = open + 1 + unescaped.len() + escapes;
    let backslashes = text.get(..end)?.iter().rev().take_while(|byte| **byte == b'\\').count();
    (text.get(end) == Some(&b'"') && backslashes.is_multiple_of(2)).then_some(end + 1)
}

/// Where the first quote or backslash from `at` on is.
#[inline]
fn quote_or_backslash(text: &[u8], mut at: usize) -> Option<usize> {
    // Most strings are short, and most escapes are near another one: that is found without a call.
    for _ in 0..2 {
        let Some(word) = text.get(at..).and_then(|rest| rest.first_chunk()) else { break };
        let word = u64::from_le_bytes(*word);
        let found = zeros(word ^ QUOTES) | zeros(word ^ BACKSLASHES);
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    Some(at + memchr2(b'"', b'\\', text.get(at..)?)?)
}

/// How many bytes are looked at together.
const PIECE: usize = 64;

/// Whether one of these bytes is in the text.
#[must_use]
pub fn holds_any<const N: usize>(text: &[u8], bytes: [u8; N]) -> bool {
    let (pieces, rest) = text.as_chunks::<PIECE>();
    if pieces.iter().any(|piece| piece_holds_any(piece, bytes)) {
        return true;
    }
    // Where there are enough bytes the last piece overlaps the one before, so that none is looked at by itself.
    let (quarters, _) = rest.as_chunks::<{ PIECE / 4 }>();
    if let Some(last) = rest.last_chunk::<{ PIECE / 4 }>() {
        return quarters.iter().chain([last]).any(|piece| piece_holds_any(piece, bytes));
    }
    let Some(last) = rest.last_chunk() else {
        return rest.iter().any(|byte| bytes.contains(byte));
    };
    let in_word = |word: &[u8; 8]| {
        let word = u64::from_le_bytes(*word);
        bytes.iter().fold(0, |found, sought| found | zeros(word ^ (EACH * u64::from(*sought)))) != 0
    };
    let (words, _) = rest.as_chunks();
    words.iter().any(in_word) || in_word(last)
}

/// The same of a piece, written for the compiler to compare many bytes at once.
#[inline]
fn piece_holds_any<const L: usize, const N: usize>(piece: &[u8; L], bytes: [u8; N]) -> bool {
    let count = |sought: &u8| piece.iter().fold(0, |sum, byte| sum + u8::from(byte == sought));
    bytes.iter().fold(0, |any, sought| any | count(sought)) != 0
}

/// A one in each byte of a word.
const EACH: u64 = u64::MAX / 0xff;
const QUOTES: u64 = EACH * b'"' as u64;
const BACKSLASHES: u64 = EACH * b'\\' as u64;

/// The high bit of the first byte that is zero, and perhaps of bytes after it.
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(EACH) & !word & (EACH << 7)
}

/// The offset just after the string that opens at `open`, or the end of the text.
#[must_use]
pub fn string_end(text: &[u8], open: usize) -> usize {
    string_at(text, open, || None).range.end
}

/// Whether a byte cannot stand in a JSON string as it is.
fn is_escaped(byte: u8) -> bool {
    (byte == b'"') | (byte == b'\\') | (byte < 0x20)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Collects every scalar with its path. A mark is the number of a path.
    struct Paths<'t> {
        text: &'t [u8],
        paths: Vec<String>,
        found: Vec<(String, Range<usize>)>,
    }

    impl Visitor for Paths<'_> {
        type Mark = usize;

        fn open(&mut self, above: usize) -> usize {
            above
        }

        fn key(&mut self, above: usize, key: Token) -> usize {
            let mut buffer = String::new();
            let key = unescape(&self.text[key.range], &mut buffer);
            self.paths.push(format!("{}.{key}", self.paths[above]));
            self.paths.len() - 1
        }

        fn scalar(&mut self, mark: usize, scalar: Token) {
            self.found.push((self.paths[mark].clone(), scalar.range));
        }
    }

    fn paths(text: &[u8]) -> Vec<(String, Range<usize>)> {
        let mut paths = Paths { text, paths: vec![String::new()], found: Vec::new() };
        walk(text, 0, &mut Stack::default(), &mut paths);
        paths.found
    }

    #[test]
    fn scalars_come_with_their_paths() {
        let text = br#"{"a":{"b":[1,{"c\n":"x,}"}],"e":[[2]]},"d":true}"#;
        let found: Vec<(String, String)> = paths(text)
            .into_iter()
            .map(|(path, range)| (path, String::from_utf8_lossy(&text[range]).into_owned()))
            .collect();
        let expected = [(".a.b", "1"), (".a.b.c\n", "\"x,}\""), (".a.e", "2"), (".d", "true")];
        assert_eq!(found, expected.map(|(path, text)| (path.to_owned(), text.to_owned())));
    }

    proptest::proptest! {
        #[test]
        fn a_string_at_hand_ends_where_it_is_found_to_end(
            pieces in proptest::collection::vec(
                proptest::sample::select(vec!["\\\\", "\\\"", "\\n", "\\u0041", "\\/", "x", "é", "long text", ","]),
                0..12,
            ),
        ) {
            let quoted = format!("\"{}\"", pieces.concat());
            let text = format!("[{quoted},\"x\\\\\"]");
            let mut buffer = String::new();
            let unescaped = unescape(quoted.as_bytes(), &mut buffer);
            let found = string_at(text.as_bytes(), 1, || None);
            proptest::prop_assert_eq!(found.range.end, 1 + quoted.len());
            proptest::prop_assert_eq!(string_at(text.as_bytes(), 1, || Some(unescaped)), found);
        }
    }

    #[test]
    fn numbers_in_strings_are_not_numbers() {
        let text = br#"{"1":"2","a":[-3.5e1, 4],"b\"5":6}"#;
        let found: Vec<&[u8]> = numbers(text).map(|range| &text[range]).collect();
        assert_eq!(found, [b"-3.5e1".as_slice(), b"4", b"6"]);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            for (_, range) in paths(&bytes) {
                proptest::prop_assert!(range.end <= bytes.len());
            }
            for range in numbers(&bytes) {
                proptest::prop_assert!(range.end <= bytes.len());
            }
        }

        #[test]
        fn any_of_these_bytes_is_found_wherever_it_stands(
            text in proptest::collection::vec(0_u8..4, 0..200), only_one in 0..200_usize,
        ) {
            let is_there = text.contains(&1) || text.contains(&3);
            proptest::prop_assert_eq!(holds_any(&text, [1, 3]), is_there);
            let mut text = vec![0; text.len()];
            if let Some(one) = text.get_mut(only_one) {
                *one = 3;
            }
            proptest::prop_assert_eq!(holds_any(&text, [1, 3]), only_one < text.len());
        }

        #[test]
        fn a_written_string_reads_back(text: String) {
            let mut written = String::new();
            write_string(&text, &mut written);
            proptest::prop_assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text.as_str());
            let mut bytes = Vec::new();
            write_bytes(text.as_bytes(), &mut bytes);
            proptest::prop_assert_eq!(bytes, written.as_bytes());
            let mut buffer = String::new();
            proptest::prop_assert_eq!(unescape(written.as_bytes(), &mut buffer), text);
        }

        #[test]
        fn a_string_is_unescaped_as_another_reader_does_it(
            pieces in proptest::collection::vec(
                proptest::sample::select(vec![
                    "\\", "\"", "/", "u", "n", "x", "00", "41", "d8", "3d", "dc", "DE", "fFfF", "\u{1}", "é", "\\u",
                ]),
                0..12,
            ),
            closed: bool,
        ) {
            let mut quoted = format!("\"{}", pieces.concat());
            if closed {
                quoted.push('"');
            }
            let expected = serde_json::from_str::<String>(&quoted).unwrap_or_else(|_| quoted.clone());
            let mut buffer = String::new();
            proptest::prop_assert_eq!(unescape(quoted.as_bytes(), &mut buffer), expected);
        }
    }
}
