//! The quotes and brackets of a stretch of text, found in one pass, and what can be told from them alone.
//!
//! A stretch begins where a value may begin, outside of any string, so that it needs to know nothing of what came before
//! it. It is short enough for its masks and its text to stay in the fastest caches while records are looked at.

use trailloop_masks::{WORD_BYTES, Word, fill};

/// The bytes of text looked at together.
pub(crate) const STRETCH_BYTES: usize = 32 << 10;

/// The masks of one stretch of a text.
pub(crate) struct Structure {
    words: Vec<Word>,
    /// How many words hold.
    count: usize,
    /// The offset in the text of the first byte that they stand for.
    start: usize,
}

/// What the masks tell of a bracketed value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// The offset just after its last bracket.
    pub(crate) end: usize,
    /// It nests no deeper than this.
    pub(crate) depth_most: u32,
    /// It holds no backslash, and nothing beyond ASCII; nor does the text around it that shares a word with it.
    pub(crate) is_plain: bool,
}

impl Structure {
    pub(crate) fn new() -> Self {
        let words = vec![Word::default(); STRETCH_BYTES / WORD_BYTES];
        Self { words, count: 0, start: 0 }
    }

    /// One that sees nothing, so that everything is walked byte by byte.
    #[cfg(test)]
    pub(crate) fn blind() -> Self {
        Self { words: Vec::new(), count: 0, start: 0 }
    }

    /// Forgets what it knows: the text has moved.
    pub(crate) fn forget(&mut self) {
        self.count = 0;
    }

    /// The extent of the object or array that opens at an offset; `None` if it does not end within a stretch that begins
    /// there, or if only a look at each byte can tell.
    pub(crate) fn extent(&mut self, text: &[u8], open: usize) -> Option<Extent> {
        let holds = self.start..self.start + self.count * WORD_BYTES;
        if holds.contains(&open)
            && let Some(extent) = self.extent_here(open)
        {
            return Some(extent);
        }
        if open != self.start || self.count == 0 {
            let end = text.len().min(open + STRETCH_BYTES);
            self.start = open;
            self.count = fill(&text[open..end], &mut self.words);
        }
        self.extent_here(open)
    }

    /// Whether the stretch reaches the end of the text: more text may end a value that does not end here.
    pub(crate) fn reaches(&self, text_bytes: usize) -> bool {
        self.start + self.count * WORD_BYTES >= text_bytes
    }

    /// The extent of the object or array that opens at an offset of this stretch: a record's, which spans many words, most
    /// of them without its end.
    fn extent_here(&self, open: usize) -> Option<Extent> {
        let (first, bit) = self.place(open);
        let mut words = self.words[..self.count].iter().enumerate().skip(first);
        let (_, word) = words.next()?;
        let after = !1 << bit;
        let mut depth = 1;
        let (mut depth_most, mut is_odd) = (u32::from(word.open_count), word.is_odd);
        if let Some(last) = close(word.opens & after, word.closes & after, &mut depth) {
            return Some(self.extent_of((first, last), depth_most, is_odd));
        }
        for (nth, word) in words {
            is_odd |= word.is_odd;
            let (opens, closes) = (u32::from(word.open_count), u32::from(word.close_count));
            depth_most = depth_most.max(depth + opens);
            if depth > closes {
                depth = depth + opens - closes;
            } else if let Some(last) = close(word.opens, word.closes, &mut depth) {
                return Some(self.extent_of((nth, last), depth_most, is_odd));
            }
        }
        None
    }

    /// The offset just after the last bracket of an object or array inside of a record of this stretch; it is short, and
    /// has few brackets.
    pub(crate) fn end_of(&self, open: usize) -> Option<usize> {
        let (first, bit) = self.place(open);
        let mut after = !1 << bit;
        let mut depth = 1;
        for (nth, word) in self.words[..self.count].iter().enumerate().skip(first) {
            if let Some(last) = close(word.opens & after, word.closes & after, &mut depth) {
                return Some(self.extent_of((nth, last), 0, false).end);
            }
            after = !0;
        }
        None
    }

    fn extent_of(&self, (word, bit): (usize, u32), depth_most: u32, is_odd: bool) -> Extent {
        let end = self.start + word * WORD_BYTES + bit as usize + 1;
        Extent { end, depth_most, is_plain: !is_odd }
    }

    /// The quotes of the stretch from an offset on.
    pub(crate) fn quotes_from(&self, at: usize) -> Quotes<'_> {
        let (word, bit) = self.place(at);
        let words = &self.words[..self.count];
        let bits = words.get(word).map_or(0, |word| word.quotes & (!0 << bit));
        Quotes { words, word, bits, start: self.start }
    }

    fn place(&self, at: usize) -> (usize, usize) {
        let offset = at.saturating_sub(self.start);
        (offset / WORD_BYTES, offset % WORD_BYTES)
    }
}

/// The bit of the bracket that closes `depth` open ones; without one, `depth` is how many are open after it.
#[inline]
fn close(opens: u64, closes: u64, depth: &mut u32) -> Option<u32> {
    let mut brackets = opens | closes;
    while brackets != 0 {
        let bit = brackets.trailing_zeros();
        if closes >> bit & 1 == 0 {
            *depth += 1;
        } else {
            *depth -= 1;
            if *depth == 0 {
                return Some(bit);
            }
        }
        brackets &= brackets - 1;
    }
    None
}

/// The offsets of quotes, in order.
#[derive(Clone)]
pub(crate) struct Quotes<'s> {
    words: &'s [Word],
    word: usize,
    bits: u64,
    start: usize,
}

impl Iterator for Quotes<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        while self.bits == 0 {
            self.word += 1;
            self.bits = self.words.get(self.word)?.quotes;
        }
        let bit = self.bits.trailing_zeros() as usize;
        self.bits &= self.bits - 1;
        Some(self.start + self.word * WORD_BYTES + bit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_ends_with_its_last_bracket() {
        let text = format!(
            r#" [{{"a":"]}}{{[\"","{0}":[{{}},[{1}],"{0}"]}}]{3},{{"é":1}},{{"x":"{2}"}}"#,
            "b".repeat(WORD_BYTES),
            "[],".repeat(50),
            "y".repeat(STRETCH_BYTES),
            " ".repeat(WORD_BYTES)
        );
        let mut structure = Structure::new();
        let mut extent = |open: &str| {
            let open = text.find(open).unwrap();
            let extent = structure.extent(text.as_bytes(), open);
            extent.map(|extent| (&text[open..extent.end], extent.is_plain))
        };
        let array = text[1..text.find(",{\"é").unwrap()].trim_end();
        assert_eq!(extent("[{"), Some((array, false)));
        assert_eq!(
            extent("[{}"),
            Some((&array[array.find("[{}").unwrap()..array.len() - 2], true))
        );
        assert_eq!(extent("{\"é"), Some(("{\"é\":1}", false)));
        assert_eq!(extent("{\"x"), None, "longer than a stretch");
    }

    #[test]
    fn depth_is_never_said_to_be_less() {
        for depth in 1..200 {
            let text = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            let extent = Structure::new().extent(text.as_bytes(), 0).unwrap();
            assert!(extent.depth_most as usize >= depth && extent.end == text.len());
        }
    }
}
