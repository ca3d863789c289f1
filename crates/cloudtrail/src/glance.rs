//! A record before it is parsed: its own members, by the places of its quotes and brackets alone.
//!
//! Whoever only wants to know whether a record is worth parsing asks here. What is told is what the parser would tell,
//! if the record is valid JSON; of an invalid one nothing is promised, because whoever takes it for worth parsing then
//! learns from the parser that it is none. Text with an escape or beyond ASCII is not looked at: such a record is not
//! [plain](Glance::is_plain), and only the parser knows it. So a key that is spelled with escapes can't hide, and no key
//! inside a value can pass for the record's own.

use std::ops::ControlFlow;

use crate::structure::{Extent, Structure};

/// An object of a record that has not been parsed.
#[derive(Clone, Copy)]
pub struct Glance<'t> {
    text: &'t [u8],
    structure: &'t Structure,
    /// The offsets of its first bracket and just after its last.
    open: usize,
    end: usize,
    is_plain: bool,
}

/// The value of a member.
#[derive(Clone, Copy)]
pub enum Sight<'t> {
    /// A string, without its quotes.
    Text(&'t [u8]),
    /// An object.
    Object(Glance<'t>),
    /// An array.
    Array,
    /// Null.
    Null,
    /// Anything else.
    Other,
}

/// What becomes of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is parsed and handed on.
    Parse,
    /// It is not parsed, and counts as passed over.
    PassOver,
    /// It is not parsed and was not asked for.
    Leave,
}

/// The keys of which every record has one.
pub(crate) const RECORD_KEYS: [&str; 4] = ["eventVersion", "eventName", "eventSource", "eventTime"];

impl<'t> Glance<'t> {
    pub(crate) fn new(
        text: &'t [u8],
        structure: &'t Structure,
        open: usize,
        extent: Extent,
    ) -> Self {
        Self { text, structure, open, end: extent.end, is_plain: extent.is_plain }
    }

    /// Whether the record is ASCII without a backslash: then each string is what it looks like.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// The bytes of the object.
    #[must_use]
    pub fn raw(&self) -> &'t [u8] {
        &self.text[self.open..self.end]
    }

    /// Whether it is an object that is certainly a record.
    pub(crate) fn is_record(&self) -> bool {
        // CloudTrail writes this key first, but for objects within objects.
        const USUAL: &[u8] = b"{\"eventVersion\":";
        if self.raw().starts_with(USUAL) {
            return true;
        }
        let mut is_record = false;
        let flow = self.members(|key, _| {
            is_record |= RECORD_KEYS.iter().any(|known| known.as_bytes() == key);
            ControlFlow::Continue(())
        });
        self.is_plain && flow.is_continue() && is_record
    }

    /// The text of the member with this key; `None` if it can't be told for certain, `Some(None)` if there is none.
    #[must_use]
    pub fn text_of(&self, wanted: &str) -> Option<Option<&'t str>> {
        let (mut text, mut is_sure) = (None, self.is_plain);
        let flow = self.members(|key, value| {
            if key == wanted.as_bytes() {
                is_sure &= text.is_none();
                match value {
                    Sight::Text(value) => text = str::from_utf8(value).ok(),
                    _ => is_sure = false,
                }
            }
            ControlFlow::Continue(())
        });
        (flow.is_continue() && is_sure).then_some(text)
    }

    /// Calls `visit` with each member's key and value, in order, until it breaks. Breaks also where a member can't be told.
    pub fn members(
        &self,
        mut visit: impl FnMut(&'t [u8], Sight<'t>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        match self.try_members(&mut visit) {
            Some(()) => ControlFlow::Continue(()),
            None => ControlFlow::Break(()),
        }
    }

    /// None is for breaking off.
    fn try_members(
        &self,
        visit: &mut impl FnMut(&'t [u8], Sight<'t>) -> ControlFlow<()>,
    ) -> Option<()> {
        let text = self.text;
        let last = self.end - 1;
        if (text[self.open], text[last]) != (b'{', b'}') {
            return None;
        }
        let mut quotes = self.structure.quotes_from(self.open);
        let mut at = after_space(text, self.open + 1);
        if at == last {
            return Some(());
        }
        loop {
            let key_open = quotes.next().filter(|open| *open == at)?;
            let key_end = quotes.next().filter(|end| *end < last)?;
            at = after_space(text, key_end + 1);
            if text[at] != b':' {
                return None;
            }
            at = after_space(text, at + 1);
            let value = match text[at] {
                b'"' => {
                    let open = quotes.next().filter(|open| *open == at)?;
                    let end = quotes.next().filter(|end| *end < last)?;
                    at = end + 1;
                    Sight::Text(&text[open + 1..end])
                }
                b'{' | b'[' => {
                    let open = at;
                    at = self.structure.end_of(open).filter(|end| *end <= last)?;
                    quotes = self.structure.quotes_from(at);
                    match text[open] {
                        b'{' => Sight::Object(Self { open, end: at, ..*self }),
                        _ => Sight::Array,
                    }
                }
                _ => self.scalar(&mut at)?,
            };
            visit(&text[key_open + 1..key_end], value).continue_value()?;
            at = after_space(text, at);
            match text[at] {
                b',' => at = after_space(text, at + 1),
                b'}' if at == last => return Some(()),
                _ => return None,
            }
        }
    }

    /// A literal or a number.
    #[inline]
    fn scalar(&self, at: &mut usize) -> Option<Sight<'t>> {
        let rest = &self.text[*at..self.end];
        let is_part =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        let length = rest.iter().position(|byte| !is_part(byte)).filter(|length| *length > 0)?;
        *at += length;
        Some(if &rest[..length] == b"null" { Sight::Null } else { Sight::Other })
    }
}

/// The first offset from `at` on that holds no white space. An object's text always ends in its bracket.
#[inline]
fn after_space(text: &[u8], mut at: usize) -> usize {
    while matches!(text.get(at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(text: &str) -> Option<Vec<String>> {
        fn all(glance: &Glance<'_>, above: &str, seen: &mut Vec<String>) -> bool {
            let flow = glance.members(|key, value| {
                let key = format!("{above}{}", String::from_utf8_lossy(key));
                match value {
                    Sight::Object(object) if !all(&object, &format!("{key}."), seen) => {
                        return ControlFlow::Break(());
                    }
                    Sight::Object(_) => {}
                    Sight::Text(text) => {
                        seen.push(format!("{key}={}", String::from_utf8_lossy(text)));
                    }
                    Sight::Array => seen.push(format!("{key}[]")),
                    Sight::Null => seen.push(format!("{key} null")),
                    Sight::Other => seen.push(format!("{key} other")),
                }
                ControlFlow::Continue(())
            });
            flow.is_continue()
        }
        let mut structure = Structure::new();
        let extent = structure.extent(text.as_bytes(), 0)?;
        let mut found = Vec::new();
        let glance = Glance::new(text.as_bytes(), &structure, 0, extent);
        all(&glance, "", &mut found).then_some(found)
    }

    #[test]
    fn members_are_the_objects_own() {
        let text = r#"{"a":"b","c":{"a":"x{}","d":{}},"e":[{"a":"y"}], "f" : null ,"g":-1.5e3,"h":true,"":""}"#;
        let expected =
            ["a=b", "c.a=x{}", "e[]", "f null", "g other", "h other", "="].map(String::from);
        assert_eq!(seen(text), Some(expected.to_vec()));
        assert_eq!(seen("{}"), Some(Vec::new()));
        assert_eq!(seen("{ }"), Some(Vec::new()));
    }

    #[test]
    fn what_is_not_json_is_not_told() {
        for text in [
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{"a" "b"}"#,
            r#"{a:1}"#,
            r#"{"a":"b""c":1}"#,
            r#"{"a":1 "b":2}"#,
            r#"{,}"#,
            r#"{"a":{]}"#,
            r#"["a"]"#,
            r#"{"a":[1]2}"#,
            r#"{"a":"b"x}"#,
        ] {
            assert_eq!(seen(text), None, "{text}");
        }
    }

    #[test]
    fn a_text_is_told_only_if_there_is_one_of_it() {
        let text_of = |text: &str| {
            let mut structure = Structure::new();
            let extent = structure.extent(text.as_bytes(), 0).unwrap();
            let glance = Glance::new(text.as_bytes(), &structure, 0, extent);
            glance.text_of("k").map(|found| found.map(str::to_owned))
        };
        assert_eq!(text_of(r#"{"a":"b","k":"v"}"#), Some(Some("v".to_owned())));
        assert_eq!(text_of(r#"{"a":{"k":"v"}}"#), Some(None));
        for unsure in [r#"{"k":"v","k":"w"}"#, r#"{"k":1}"#, r#"{"k":"v","a":"\u006b"}"#] {
            assert_eq!(text_of(unsure), None, "{unsure}");
        }
    }
}
