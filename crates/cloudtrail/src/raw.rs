//! JSON text by its bytes: where values lie in a record that is known to be valid.
//!
//! The tape keeps no offsets. Evidence, number text and redaction need them, rarely and for one record at a time,
//! so a plain scanner serves. It is only ever given text that a full parser has accepted; on anything else it ends
//! early and finds less, but it never panics.

use std::ops::Range;

use memchr::memchr2;

/// What a walk over JSON text comes by.
pub trait Visitor {
    /// What is kept for each open container and for the member that is current in it.
    type Mark: Clone;

    /// An object or array opens below `above`.
    fn open(&mut self, above: &Self::Mark) -> Self::Mark;

    /// A member of this key (quotes included) begins in the container of `mark`, which stands for the member from
    /// now on. `above` is what the container was opened with.
    fn key(&mut self, above: &Self::Mark, key: &[u8]) -> Self::Mark;

    /// A scalar, quotes included, at this range.
    fn scalar(&mut self, mark: &Self::Mark, range: Range<usize>);
}

/// Walks over the text. Each key is looked at once, and nothing is kept but one pair of marks for each open
/// container, so a walk costs its length whatever the text holds.
pub fn walk<V: Visitor>(text: &[u8], root: V::Mark, visitor: &mut V) {
    /// An open container: whether it is an object, what it was opened with, and its current member.
    struct Open<M> {
        object: bool,
        opened: M,
        current: M,
    }
    let mut open: Vec<Open<V::Mark>> = Vec::new();
    let mut at = 0;
    // Whether the next string of the innermost object is a key.
    let mut key_next = false;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'{' | b'[' => {
                let opened =
                    visitor.open(open.last().map_or(&root, |container| &container.current));
                key_next = byte == b'{';
                open.push(Open { object: key_next, current: opened.clone(), opened });
                at += 1;
            }
            b'}' | b']' => {
                open.pop();
                key_next = false;
                at += 1;
            }
            b',' => {
                key_next = open.last().is_some_and(|container| container.object);
                at += 1;
            }
            b'"' => {
                let end = string_end(text, at);
                match open.last_mut() {
                    Some(container) if key_next => {
                        container.current = visitor.key(&container.opened, &text[at..end]);
                        key_next = false;
                    }
                    Some(container) => visitor.scalar(&container.current, at..end),
                    None => visitor.scalar(&root, at..end),
                }
                at = end;
            }
            b if is_space(b) || b == b':' => at += 1,
            _ => {
                let end = token_end(text, at);
                visitor.scalar(open.last().map_or(&root, |container| &container.current), at..end);
                at = end;
            }
        }
    }
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

/// Appends a string as JSON, quoted, with the escapes JSON demands and no others.
pub fn write_string(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c == '"' || c == '\\' || c < '\u{20}') {
        out.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            0x08 => out.push_str("\\b"),
            0x0c => out.push_str("\\f"),
            byte => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.push_str("\\u00");
                out.push(char::from(HEX[usize::from(byte >> 4)]));
                out.push(char::from(HEX[usize::from(byte & 0xf)]));
            }
        }
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out.push('"');
}

/// The offset just after the string that opens at `open`, or the end of the text.
pub(crate) fn string_end(text: &[u8], open: usize) -> usize {
    let mut at = open + 1;
    while let Some(found) = text.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += found;
        if text[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    text.len()
}

fn token_end(text: &[u8], start: usize) -> usize {
    let ends = |b: &u8| matches!(b, b',' | b'}' | b']' | b':' | b'"') || is_space(*b);
    text[start..].iter().position(ends).map_or(text.len(), |length| start + length.max(1))
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

/// The text of a quoted JSON string; text that is none comes out as it is.
#[must_use]
pub fn unescape(quoted: &[u8]) -> String {
    serde_json::from_slice(quoted).unwrap_or_else(|_| String::from_utf8_lossy(quoted).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Collects every scalar with its path.
    #[derive(Default)]
    struct Paths(Vec<(String, Range<usize>)>);

    impl Visitor for Paths {
        type Mark = String;

        fn open(&mut self, above: &String) -> String {
            above.clone()
        }

        fn key(&mut self, above: &String, key: &[u8]) -> String {
            format!("{above}.{}", unescape(key))
        }

        fn scalar(&mut self, mark: &String, range: Range<usize>) {
            self.0.push((mark.clone(), range));
        }
    }

    fn paths(text: &[u8]) -> Vec<(String, Range<usize>)> {
        let mut paths = Paths::default();
        walk(text, String::new(), &mut paths);
        paths.0
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
        fn a_written_string_reads_back(text: String) {
            let mut written = String::new();
            write_string(&text, &mut written);
            proptest::prop_assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
        }
    }
}
