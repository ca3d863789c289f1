//! The quotes and brackets of a stretch of text, found in one pass, and what can be told from them alone.
//!
//! A stretch begins where a value may begin, outside of any string, so that it needs to know nothing of what came before
//! it. It is short enough for its masks and its text to stay in the fastest caches while records are looked at.

use std::ops::ControlFlow;
use std::slice::Iter;

use trailloop_masks::{DEEP, OUTLINE_WORDS, Outline, WORD_BYTES, Word, deep, fill, opens};

/// The bytes of text looked at together.
pub(crate) const STRETCH_BYTES: usize = 32 << 10;

/// The masks of one stretch of a text.
pub(crate) struct Structure {
    words: Vec<Word>,
    outlines: Vec<Outline>,
    /// How many words hold.
    count: usize,
    /// The offset in the text of the first byte that they stand for.
    start: usize,
    /// The offset just after the last value that was leapt over with nothing open around it.
    outermost_end: Option<usize>,
}

/// What the masks tell of a bracketed value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// The offset just after its last bracket.
    pub(crate) end: usize,
    /// It nests no deeper than this, which may be far too much.
    pub(crate) depth_most: u32,
    /// It holds no backslash, and nothing beyond ASCII; nor does the text around it that shares a word with it.
    pub(crate) is_plain: bool,
}

impl Structure {
    pub(crate) fn new() -> Self {
        let words = vec![Word::default(); STRETCH_BYTES / WORD_BYTES];
        let outlines = vec![Outline::default(); words.len().div_ceil(OUTLINE_WORDS)];
        Self { words, outlines, count: 0, start: 0, outermost_end: None }
    }

    /// One that sees nothing, so that everything is walked byte by byte.
    #[cfg(test)]
    pub(crate) fn blind() -> Self {
        Self { words: Vec::new(), outlines: Vec::new(), count: 0, start: 0, outermost_end: None }
    }

    /// Forgets what it knows: the text has moved, or strings do not begin where the masks have them.
    pub(crate) fn forget(&mut self) {
        self.count = 0;
        self.outermost_end = None;
    }

    /// The extent of the object or array that opens at an offset; `None` if it does not end within a stretch that begins
    /// there, or if only a look at each byte can tell.
    pub(crate) fn extent(&mut self, text: &[u8], open: usize) -> Option<Extent> {
        let holds = self.start..self.start + self.count * WORD_BYTES;
        if holds.contains(&open) {
            // After the end of an outermost value and a comma nothing is open.
            let is_outermost = self
                .outermost_end
                .is_some_and(|end| open == end + 1 && text.get(end) == Some(&b','));
            let extent = match is_outermost {
                true => self.outermost_extent(text, open).or_else(|| self.extent_here(text, open)),
                false => self.extent_here(text, open),
            };
            if let Some(extent) = extent {
                self.outermost_end = is_outermost.then_some(extent.end);
                return Some(extent);
            }
        }
        if open != self.start || self.count == 0 {
            let end = text.len().min(open + STRETCH_BYTES);
            self.start = open;
            self.count = fill(&text[open..end], &mut self.words, &mut self.outlines);
        }
        self.outermost_end = None;
        let extent = self.extent_here(text, open)?;
        self.outermost_end = Some(extent.end);
        Some(extent)
    }

    /// The same of a value with nothing open around it, as far as its first word only opens brackets and the next that may hold its
    /// end does; `None` leaves it to a closer look. Nearly all records of an array are told so.
    fn outermost_extent(&self, text: &[u8], open: usize) -> Option<Extent> {
        let (first, bit) = self.place(open);
        let word = self.words[..self.count].get(first)?;
        let opened = (word.brackets & (!1 << bit)).count_ones() + 1;
        if word.depth_after() != opened.cast_signed() {
            return None;
        }
        let (depth_most, is_plain) = (word.open_count(), !word.is_odd());
        let mut extent = Extent { end: 0, depth_most, is_plain };
        let to = self.next_end(first + 1, &mut extent)?;
        let word = self.words[..self.count].get(to)?;
        extent.depth_most += word.open_count();
        extent.is_plain &= !word.is_odd();
        extent.end = self.end_in(text, to, word)?;
        Some(extent)
    }

    /// The offset just after the bracket of a word that closes the last open one.
    fn end_in(&self, text: &[u8], nth: usize, word: &Word) -> Option<usize> {
        let start = self.start + nth * WORD_BYTES;
        let place = |brackets: u64| start + brackets.trailing_zeros() as usize;
        let is_open = |at: usize| text.get(at).is_some_and(|bracket| opens(*bracket));
        let (mut depth, mut brackets) = (word.depth(), word.brackets);
        // Of most records one or two brackets are left, and they close. Which of both is not guessed.
        if depth == 1 || depth == 2 {
            let last = if depth == 1 { brackets } else { brackets & brackets.wrapping_sub(1) };
            if last != 0 && !is_open(place(brackets)) && !is_open(place(last)) {
                return Some(place(last) + 1);
            }
        }
        while brackets != 0 {
            let at = place(brackets);
            depth += if is_open(at) { 1 } else { -1 };
            if depth == 0 {
                return Some(at + 1);
            }
            brackets &= brackets - 1;
        }
        None
    }

    /// Whether the stretch reaches the end of the text: more text may end a value that does not end here.
    pub(crate) fn reaches(&self, text_bytes: usize) -> bool {
        self.start + self.count * WORD_BYTES >= text_bytes
    }

    fn extent_here(&self, text: &[u8], open: usize) -> Option<Extent> {
        let mut levels = self.levels(text, open);
        let word = levels.pass()?;
        // Nothing nests deeper than there are brackets that open. What stands before the first in its word counts as well.
        let (depth_most, is_plain) = (word.open_count(), !word.is_odd());
        let mut extent = Extent { end: 0, depth_most, is_plain };
        // Stretches begin with a record, so that nothing is open around most.
        let is_outermost = word.depth_after() == levels.depth.cast_signed();
        while levels.end.is_none() {
            // Most words can't hold the end: a record has a few brackets, and they are far from its own.
            if is_outermost {
                self.skip(&mut levels, &mut extent)?;
            } else {
                let (count, depth, opened, odd) = deep(levels.words.as_slice(), levels.depth);
                levels.skip(count, depth);
                extent.depth_most += opened;
                extent.is_plain &= !odd;
            }
            let word = levels.pass()?;
            extent.depth_most += word.open_count();
            extent.is_plain &= !word.is_odd();
        }
        extent.end = levels.end?;
        Some(extent)
    }

    /// Goes on to the next word that may hold the end of a value with nothing open around it.
    fn skip(&self, levels: &mut Levels<'_>, extent: &mut Extent) -> Option<()> {
        let from = self.count - levels.words.len();
        let to = self.next_end(from, extent)?;
        let depth = self.words.get(to)?.depth().cast_unsigned();
        levels.skip(to - from, depth);
        Some(())
    }

    /// The first word from one on that may hold the end of a value with nothing open around it. What it passes is added to the
    /// extent.
    #[inline]
    fn next_end(&self, from: usize, extent: &mut Extent) -> Option<usize> {
        let (mut nth, mut ahead) = (from / OUTLINE_WORDS, !0 << (from % OUTLINE_WORDS));
        let outlines = self.outlines.get(..self.count.div_ceil(OUTLINE_WORDS))?;
        loop {
            let outline = outlines.get(nth)?;
            let ends = outline.ends() & ahead;
            // The bits before the lowest, or all.
            let passed = (ends ^ ends.wrapping_sub(1)) & !ends & ahead;
            extent.is_plain &= outline.odd() & passed == 0;
            let is_deep = outline.deep() & passed != 0;
            let depth_most = if is_deep { u32::MAX / 2 } else { DEEP.cast_unsigned() };
            extent.depth_most = extent.depth_most.max(depth_most);
            if ends != 0 {
                return Some(nth * OUTLINE_WORDS + ends.trailing_zeros() as usize);
            }
            (nth, ahead) = (nth + 1, !0);
        }
    }

    /// How deep the value at an offset nests at most, word by word: closer than the count of all its brackets.
    pub(crate) fn depth_most(&self, text: &[u8], open: usize) -> u32 {
        let mut levels = self.levels(text, open);
        let mut depth_most = 0;
        while levels.end.is_none()
            && let Some(word) = levels.pass()
        {
            depth_most = depth_most.max(levels.depth_before + word.open_count());
        }
        depth_most
    }

    /// A walk over the words from the bracket at an offset on.
    fn levels<'s>(&'s self, text: &'s [u8], open: usize) -> Levels<'s> {
        let (word, bit) = self.place(open);
        Levels {
            text,
            words: self.words.get(word..self.count).unwrap_or_default().iter(),
            at: self.start + word * WORD_BYTES,
            after: !1 << bit,
            depth: 1,
            depth_before: 1,
            end: None,
        }
    }

    /// Calls `visit` with the offsets of the quotes that open what may be keys of the object at an offset, those inside its
    /// values left out, until it breaks. Gives the offset just after the object.
    #[inline]
    pub(crate) fn own_keys(
        &self,
        text: &[u8],
        open: usize,
        mut visit: impl FnMut(usize) -> ControlFlow<()>,
    ) -> ControlFlow<(), usize> {
        let mut levels = self.levels(text, open);
        loop {
            let (mut own, at) = (0, levels.at);
            let Some(word) = levels.next(&mut |bits| own |= bits) else {
                return ControlFlow::Break(());
            };
            let mut keys = word.keys & own;
            while keys != 0 {
                visit(at + keys.trailing_zeros() as usize)?;
                keys &= keys - 1;
            }
            if let Some(end) = levels.end {
                return ControlFlow::Continue(end);
            }
        }
    }

    /// The offset of the next quote from an offset on.
    #[inline]
    pub(crate) fn quote_from(&self, at: usize) -> Option<usize> {
        let (mut nth, bit) = self.place(at);
        let words = &self.words[..self.count];
        let mut quotes = words.get(nth)?.quotes & (!0 << bit);
        while quotes == 0 {
            nth += 1;
            quotes = words.get(nth)?.quotes;
        }
        Some(self.start + nth * WORD_BYTES + quotes.trailing_zeros() as usize)
    }

    #[inline]
    fn place(&self, at: usize) -> (usize, usize) {
        let offset = at.saturating_sub(self.start);
        (offset / WORD_BYTES, offset % WORD_BYTES)
    }
}

/// A walk over the inside of an object or array, word by word.
struct Levels<'s> {
    text: &'s [u8],
    words: Iter<'s, Word>,
    /// The offset of the next word's first byte.
    at: usize,
    /// The bits of the next word that are inside.
    after: u64,
    /// How many brackets are open before the next word, and were before this one; the object's own is the first.
    depth: u32,
    depth_before: u32,
    /// The offset just after the object, once it is reached.
    end: Option<usize>,
}

impl<'s> Levels<'s> {
    /// Leaves out words after which so many brackets are open.
    fn skip(&mut self, words: usize, depth: u32) {
        self.depth = depth;
        self.words = self.words.as_slice().get(words..).unwrap_or_default().iter();
        self.at += words * WORD_BYTES;
    }

    /// Goes over the next word.
    #[inline]
    fn pass(&mut self) -> Option<&'s Word> {
        self.next(&mut |_| ())
    }

    /// Goes over the next word, and calls `own` with its bits that stand in the object itself and not in a value of it.
    #[inline]
    fn next(&mut self, own: &mut impl FnMut(u64)) -> Option<&'s Word> {
        let word = self.words.next()?;
        let at = self.at;
        self.at += WORD_BYTES;
        self.depth_before = self.depth;
        let after = std::mem::replace(&mut self.after, !0);
        let (opened, closed) = (word.open_count(), word.close_count());
        // Most words are whole and deep inside.
        if after == !0 && self.depth > closed + 1 {
            self.depth = self.depth + opened - closed;
            return Some(word);
        }
        let mut since = if self.depth == 1 { after } else { 0 };
        let mut brackets = word.brackets & after;
        while brackets != 0 {
            let bit = brackets.trailing_zeros();
            let before = (1 << bit) - 1;
            if self.text.get(at + bit as usize).is_some_and(|bracket| opens(*bracket)) {
                if self.depth == 1 {
                    own(since & before);
                    since = 0;
                }
                self.depth += 1;
            } else {
                self.depth -= 1;
                match self.depth {
                    0 => {
                        own(since & before);
                        self.end = Some(at + bit as usize + 1);
                        return Some(word);
                    }
                    1 => since = !before,
                    _ => {}
                }
            }
            brackets &= brackets - 1;
        }
        own(since);
        Some(word)
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

    proptest::proptest! {
        #[test]
        fn values_of_an_array_are_told_one_after_the_other_as_each_by_itself(
            values in proptest::collection::vec(
                "(\\{(\"a\":\"[ -!#-Z^-z]{0,90}(\\\\\\\\)?[ -!#-Z^-z]{0,90}\"|\"b\":\\[\\{\\}(,\\[[1 ]{0,70}\\]){0,3}\\]|\"c\":\\{\"d\":\"é\"\\})\\}|\\[\\])", 1..40,
            ),
            space in "( ){0,1}",
        ) {
            let text = values.join(&format!(",{space}"));
            let (mut one_after_the_other, mut at) = (Structure::new(), 0);
            for value in &values {
                let told = one_after_the_other.extent(text.as_bytes(), at).unwrap();
                let alone = Structure::new().extent(text.as_bytes(), at).unwrap();
                proptest::prop_assert_eq!(told.end, alone.end);
                proptest::prop_assert_eq!(alone.end, at + value.len());
                let is_plain = value.is_ascii() && !value.contains('\\');
                for extent in [told, alone] {
                    proptest::prop_assert!(is_plain || !extent.is_plain, "{}", value);
                }
                at = alone.end + 1 + space.len();
            }
        }
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
