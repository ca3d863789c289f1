//! A record before it is parsed: its own members, by the places of its quotes and brackets alone.
//!
//! Whoever only wants to know whether a record is worth parsing asks here. What is told is what the parser would tell,
//! if the record is valid JSON; of an invalid one nothing is promised, because whoever takes it for worth parsing then
//! learns from the parser that it is none. Text with an escape or beyond ASCII is not looked at: such a record is not
//! [plain](Glance::is_plain), and only the parser knows it. So a key that is spelled with escapes can't hide, and no key
//! inside a value can pass for the record's own.
//!
//! Only keys that someone wants are looked at, and of others no more than eight bytes. What comes between members is not
//! looked at either.

use std::ops::ControlFlow;

use crate::structure::{Extent, Structure};

/// A record that has not been parsed.
#[derive(Clone, Copy)]
pub struct Glance<'t> {
    inside: Inside<'t>,
    is_plain: bool,
}

/// The inside of an object of a record that has not been parsed.
#[derive(Clone, Copy)]
pub struct Inside<'t> {
    text: &'t [u8],
    structure: &'t Structure,
    /// The offset of its first bracket.
    open: usize,
    /// The offset just after the record.
    end: usize,
}

/// The value of a member.
#[derive(Clone, Copy)]
pub enum Sight<'t> {
    /// A string, without its quotes.
    Text(&'t [u8]),
    /// An object.
    Object(Inside<'t>),
    /// An array.
    Array,
    /// Null.
    Null,
    /// True or false.
    Truth(bool),
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
        let inside = Inside { text, structure, open, end: extent.end };
        Self { inside, is_plain: extent.is_plain }
    }

    /// Whether the record is ASCII without a backslash: then each string is what it looks like.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// The bytes of the record.
    #[must_use]
    pub fn raw(&self) -> &'t [u8] {
        &self.inside.text[self.inside.open..self.inside.end]
    }

    /// The record's own members.
    #[must_use]
    pub fn inside(&self) -> Inside<'t> {
        self.inside
    }

    /// Whether it is an object that is certainly a record.
    pub(crate) fn is_record(&self) -> bool {
        // CloudTrail writes this key first, but for objects within objects.
        const USUAL: &[u8] = b"{\"eventVersion\":";
        if self.raw().starts_with(USUAL) {
            return true;
        }
        let Inside { text, structure, open, end } = self.inside;
        let mut is_record = false;
        let flow = structure.own_keys(text, open, |key| {
            let after = &text[key + 1..end];
            let is_it = |known: &&str| {
                after.strip_prefix(known.as_bytes()).is_some_and(|rest| rest.starts_with(b"\":"))
            };
            is_record |= RECORD_KEYS.iter().any(is_it);
            ControlFlow::Continue(())
        });
        self.is_plain && self.raw().ends_with(b"}") && flow.is_continue() && is_record
    }

    /// The text of the member with this key; `None` if it can't be told for certain, `Some(None)` if there is none.
    #[must_use]
    pub fn text_of(&self, wanted: &Keys) -> Option<Option<&'t str>> {
        let mut found = None;
        let flow = self.inside.members(wanted, |_, value| match value {
            Sight::Text(text) if found.is_none() => {
                found = str::from_utf8(text).ok();
                ControlFlow::Continue(())
            }
            _ => ControlFlow::Break(()),
        });
        (self.is_plain && flow.is_continue()).then_some(found)
    }
}

impl<'t> Inside<'t> {
    /// Calls `visit` with the number and the value of each member whose key is wanted, in order, until it breaks. Breaks also
    /// where a member can't be told, and where a key begins as a wanted one does before a dot.
    #[inline]
    pub fn members(
        &self,
        wanted: &Keys,
        mut visit: impl FnMut(usize, Sight<'t>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let end = self.structure.own_keys(self.text, self.open, |open| {
            let after = &self.text[open + 1..self.end];
            for (number, length) in wanted.that_may_stand(after) {
                match after.get(length) {
                    Some(b'.') => return ControlFlow::Break(()),
                    Some(b'"') => visit(number, self.value(open + length + 2)?)?,
                    _ => {}
                }
            }
            ControlFlow::Continue(())
        })?;
        match (self.text[self.open], self.text[end - 1]) {
            (b'{', b'}') => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        }
    }

    /// The bytes of the object; `None` if it can't be told where it ends.
    #[must_use]
    pub fn raw(&self) -> Option<&'t [u8]> {
        let end = self.structure.own_keys(self.text, self.open, |_| ControlFlow::Continue(()));
        self.text.get(self.open..end.continue_value()?)
    }

    /// The value of a member, given the offset after its key.
    #[inline]
    fn value(&self, at: usize) -> ControlFlow<(), Sight<'t>> {
        let text = &self.text[..self.end];
        let colon = after_space(text, at);
        let at = after_space(text, colon + 1);
        if text.get(colon) != Some(&b':') {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(match text.get(at) {
            Some(b'"') => {
                let end = self.structure.quote_from(at + 1).filter(|end| *end < self.end);
                match end {
                    Some(end) => Sight::Text(&text[at + 1..end]),
                    None => return ControlFlow::Break(()),
                }
            }
            Some(b'{') => Sight::Object(Self { open: at, ..*self }),
            Some(b'n') => Sight::Null,
            Some(b'[') => Sight::Array,
            Some(b't') if is_literal(&text[at..], b"true") => Sight::Truth(true),
            Some(b'f') if is_literal(&text[at..], b"false") => Sight::Truth(false),
            _ => Sight::Other,
        })
    }
}

/// Keys to look for.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Each under every hash of the bytes that it may stand for: eight, or four if a key is shorter than that.
    by_hash: Vec<Key>,
    /// Where those of a hash begin, and after the last where they end.
    begins: [u32; HASHES + 1],
    /// A bit for each hash under which there are some.
    heads: u64,
    head_mask: u64,
}

#[derive(Clone, Debug)]
struct Key {
    number: usize,
    text: Box<str>,
    /// Its first eight bytes, with zeros where it is shorter, and ones where it is not.
    head: u64,
    mask: u64,
}

/// A bit for each hash is what a word holds.
const HASHES: usize = 64;

impl Keys {
    /// Keys, numbered in this order.
    pub fn new<'k>(keys: impl IntoIterator<Item = &'k str>) -> Self {
        let keys: Vec<Key> = keys.into_iter().enumerate().map(Key::new).collect();
        let shortest = keys.iter().map(|key| key.text.len()).min().unwrap_or(8);
        let head_mask = if shortest < 8 { FOUR_BYTES } else { !0 };
        let (mut by_hash, mut begins, mut heads) = (Vec::new(), [0; HASHES + 1], 0);
        for hash in 0..HASHES {
            let some = keys.iter().filter(|key| key.hashes(head_mask) & 1 << hash != 0);
            by_hash.extend(some.cloned());
            let count = u32::try_from(by_hash.len()).unwrap_or(u32::MAX);
            begins[hash + 1] = count;
            heads |= u64::from(begins[hash] < count) << hash;
        }
        Self { by_hash, begins, heads, head_mask }
    }

    /// The numbers and lengths of the keys that the text begins with.
    #[inline]
    fn that_may_stand<'k>(&'k self, text: &'k [u8]) -> impl Iterator<Item = (usize, usize)> + 'k {
        let head = eight(text);
        let hash = hash(head & self.head_mask);
        let keys = match self.heads >> hash & 1 {
            0 => &[][..],
            _ => &self.by_hash[self.begins[hash] as usize..self.begins[hash + 1] as usize],
        };
        let fits = move |key: &&Key| head & key.mask == key.head && key.begins(text);
        keys.iter().filter(fits).map(|key| (key.number, key.text.len()))
    }
}

impl Key {
    fn new((number, text): (usize, &str)) -> Self {
        let bytes = text.as_bytes();
        let length = bytes.len().min(8);
        let (mut head, mut mask) = ([0; 8], [0; 8]);
        head[..length].copy_from_slice(&bytes[..length]);
        mask[..length].fill(u8::MAX);
        let (head, mask) = (u64::from_le_bytes(head), u64::from_le_bytes(mask));
        Self { number, text: text.into(), head, mask }
    }

    /// A bit for each hash of what it may stand for: after a key comes its quote, or a dot.
    fn hashes(&self, head_mask: u64) -> u64 {
        match self.text.len() {
            0..3 => !0,
            3 => {
                let ends = [b'"', b'.'].map(|end| 1 << hash(self.head | u64::from(end) << 24));
                ends[0] | ends[1]
            }
            _ => 1 << hash(self.head & head_mask),
        }
    }

    /// Whether the text begins with the key, given that its first eight bytes do.
    #[inline]
    fn begins(&self, text: &[u8]) -> bool {
        let (key, length) = (self.text.as_bytes(), self.text.len());
        match length {
            0..=8 => true,
            // The last eight bytes overlap the first, so that no byte is left out.
            9..=16 => text
                .get(length - 8..length)
                .is_some_and(|tail| eight(tail) == eight(&key[length - 8..])),
            _ => text.starts_with(key),
        }
    }
}

/// The first eight bytes of a text, with zeros where it is shorter.
#[inline]
fn eight(text: &[u8]) -> u64 {
    match text.first_chunk::<8>() {
        Some(head) => u64::from_le_bytes(*head),
        None => {
            let mut head = [0; 8];
            head[..text.len()].copy_from_slice(text);
            u64::from_le_bytes(head)
        }
    }
}

/// Of eight bytes the first four.
const FOUR_BYTES: u64 = 0xffff_ffff;

/// A hash of eight bytes, below [`HASHES`].
#[inline]
fn hash(head: u64) -> usize {
    (head.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58) as usize
}

/// Whether a text begins with a literal that ends there.
fn is_literal(text: &[u8], literal: &[u8]) -> bool {
    let ends = |after: &u8| matches!(after, b',' | b'}' | b' ' | b'\n' | b'\r' | b'\t');
    text.strip_prefix(literal).and_then(<[u8]>::first).is_some_and(ends)
}

/// The first offset from `at` on that holds no white space.
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

    const WANTED: [&str; 9] =
        ["a", "c", "e", "f", "g", "h", "eventName", "eventSource", "userIdentity"];

    fn seen(text: &str) -> Option<Vec<String>> {
        fn all(object: &Inside<'_>, above: &str, seen: &mut Vec<String>) -> ControlFlow<()> {
            object.members(&Keys::new(WANTED), |number, value| {
                let key = format!("{above}{}", WANTED[number]);
                match value {
                    Sight::Object(object) => all(&object, &format!("{key}."), seen)?,
                    Sight::Text(text) => {
                        seen.push(format!("{key}={}", String::from_utf8_lossy(text)));
                    }
                    Sight::Array => seen.push(format!("{key}[]")),
                    Sight::Null => seen.push(format!("{key} null")),
                    Sight::Truth(truth) => seen.push(format!("{key} {truth}")),
                    Sight::Other => seen.push(format!("{key} other")),
                }
                ControlFlow::Continue(())
            })
        }
        let mut structure = Structure::new();
        let extent = structure.extent(text.as_bytes(), 0)?;
        let mut found = Vec::new();
        let glance = Glance::new(text.as_bytes(), &structure, 0, extent);
        all(&glance.inside(), "", &mut found).is_continue().then_some(found)
    }

    #[test]
    fn members_are_the_objects_own() {
        let text = r#"{"a":"b","c":{"a":"x{}","d":{"a":1}},"e":[{"a":"y"},"a"], "f" : null ,"g":-1.5e3,"h":true,
            "x":"a","":"","eventNames":"no","eventName":"GetObject","eventSourc":1,"userIdentity":{"b":[[]],"c":"d"}}"#;
        let expected = [
            "a=b",
            "c.a=x{}",
            "e[]",
            "f null",
            "g other",
            "h true",
            "eventName=GetObject",
            "userIdentity.c=d",
        ];
        assert_eq!(seen(text), Some(expected.map(String::from).to_vec()));
        for none in ["{}", "{ }", r#"{"b":{"a":1}}"#, r#"{"b":"a"}"#] {
            assert_eq!(seen(none), Some(Vec::new()), "{none}");
        }
    }

    #[test]
    fn only_whole_literals_are_truths() {
        let text = r#"{"a":true,"c":false ,"e":trues,"f":"true","g":tru,"h":false}"#;
        let expected = ["a true", "c false", "e other", "f=true", "g other", "h false"];
        assert_eq!(seen(text), Some(expected.map(String::from).to_vec()));
    }

    #[test]
    fn what_can_not_be_told_is_not_told() {
        for text in [
            r#"{"a"}"#,
            r#"{"a" "b"}"#,
            r#"["a"]"#,
            r#"{"a":{]}"#,
            r#"{"a":1]"#,
            r#"{"a.b":1}"#,
            r#"{"eventName.x":1}"#,
            r#"{"x": "a"}"#,
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
            glance.text_of(&Keys::new(["k"])).map(|found| found.map(str::to_owned))
        };
        assert_eq!(text_of(r#"{"a":"b","k":"v"}"#), Some(Some("v".to_owned())));
        assert_eq!(text_of(r#"{"a":{"k":"v"}}"#), Some(None));
        for unsure in [r#"{"k":"v","k":"w"}"#, r#"{"k":1}"#, r#"{"k":"v","a":"\u006b"}"#] {
            assert_eq!(text_of(unsure), None, "{unsure}");
        }
    }
}
