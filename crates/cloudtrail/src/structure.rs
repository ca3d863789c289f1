//! The quotes and brackets of a stretch of text, found in one pass, and what can be told from them alone.
//!
//! A stretch begins where a value may begin, outside of any string, so that it needs to know nothing of what came before
//! it. It is short enough for its masks and its text to stay in the fastest caches while records are looked at.

use std::ops::ControlFlow;

use trailloop_masks::{GROUP_BYTES, GROUP_WORDS, Group, WORD_BYTES, Word, fill, opens};

/// The bytes of text looked at together.
pub(crate) const STRETCH_BYTES: usize = 32 << 10;

/// The masks of one stretch of a text.
pub(crate) struct Structure {
    groups: Vec<Group>,
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
    /// It nests no deeper than this, which may be far too much.
    pub(crate) depth_most: u32,
    /// It holds no backslash, and nothing beyond ASCII; nor does the text around it that shares a word with it.
    pub(crate) is_plain: bool,
}

impl Structure {
    pub(crate) fn new() -> Self {
        let groups = vec![Group::default(); STRETCH_BYTES / GROUP_BYTES];
        Self { groups, count: 0, start: 0 }
    }

    /// One that sees nothing, so that everything is walked byte by byte.
    #[cfg(test)]
    pub(crate) fn blind() -> Self {
        Self { groups: Vec::new(), count: 0, start: 0 }
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
            && let Some(extent) = self.extent_here(text, open)
        {
            return Some(extent);
        }
        if open != self.start || self.count == 0 {
            let end = text.len().min(open + STRETCH_BYTES);
            self.start = open;
            self.count = fill(&text[open..end], &mut self.groups);
        }
        self.extent_here(text, open)
    }

    /// Whether the stretch reaches the end of the text: more text may end a value that does not end here.
    pub(crate) fn reaches(&self, text_bytes: usize) -> bool {
        self.start + self.count * WORD_BYTES >= text_bytes
    }

    fn extent_here(&self, text: &[u8], open: usize) -> Option<Extent> {
        let mut levels = self.levels(text, open);
        let word = levels.pass()?;
        // What stands before the first bracket in its word counts as well.
        let mut extent = Extent {
            end: 0,
            depth_most: levels.depth_before + word.open_count,
            is_plain: !word.is_odd,
        };
        while levels.end.is_none() {
            // Most words can't hold the end: a record has a few brackets, and they are far from its own.
            self.skip(&mut levels, &mut extent)?;
            levels.pass()?;
        }
        extent.end = levels.end?;
        Some(extent)
    }

    /// Goes on to the next word that may hold the end.
    fn skip(&self, levels: &mut Levels<'_>, extent: &mut Extent) -> Option<()> {
        let (mut nth, mut ahead) = (levels.nth / GROUP_WORDS, !0 << (levels.nth % GROUP_WORDS));
        let groups = self.groups.get(..self.count.div_ceil(GROUP_WORDS))?;
        loop {
            let group = groups.get(nth)?;
            let ends = group.low(levels.base) & ahead;
            // The bits up to the lowest, or all.
            let passed = (ends ^ ends.wrapping_sub(1)) & ahead;
            extent.is_plain &= group.odd() & passed == 0;
            let depth_most = u32::try_from(group.highest() - levels.base).unwrap_or(0);
            extent.depth_most = extent.depth_most.max(depth_most);
            if ends != 0 {
                levels.nth = nth * GROUP_WORDS + ends.trailing_zeros() as usize;
                return Some(());
            }
            (nth, ahead) = (nth + 1, !0);
        }
    }

    /// How deep the value at an offset nests at most, word by word: closer than what its extent says.
    pub(crate) fn depth_most(&self, text: &[u8], open: usize) -> u32 {
        let mut levels = self.levels(text, open);
        let mut depth_most = 0;
        while levels.end.is_none()
            && let Some(word) = levels.pass()
        {
            depth_most = depth_most.max(levels.depth_before + word.open_count);
        }
        depth_most
    }

    /// A walk over the words from the bracket at an offset on.
    fn levels<'s>(&'s self, text: &'s [u8], open: usize) -> Levels<'s> {
        let (nth, bit) = self.place(open);
        Levels {
            text,
            structure: self,
            nth,
            after: !1 << bit,
            base: 0,
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
        // Keys are gathered before they are visited: either alone is a loop whose state fits into registers.
        let mut gathered = [(0, 0); 2 * GROUP_WORDS];
        let mut own = 0;
        let (nth, at) = (levels.nth, levels.at());
        levels.next(&mut |bits| own |= bits);
        let Some(first) = self.groups.get(nth / GROUP_WORDS) else { return ControlFlow::Break(()) };
        gathered[0] = (at, first.keys(nth % GROUP_WORDS) & own);
        let mut count = 1;
        loop {
            while count <= GROUP_WORDS && levels.end.is_none() {
                let Some(more) = self.gather(&mut levels, &mut gathered[count..]) else {
                    return ControlFlow::Break(());
                };
                count += more;
            }
            for (at, mut keys) in gathered[..count].iter().copied() {
                while keys != 0 {
                    visit(at + keys.trailing_zeros() as usize)?;
                    keys &= keys - 1;
                }
            }
            if let Some(end) = levels.end {
                return ControlFlow::Continue(end);
            }
            count = 0;
        }
    }

    /// Goes over the rest of a group, to the end of the object at most. Gives how many of its words have keys of the object,
    /// with the offset of their first bytes.
    #[inline]
    fn gather(&self, levels: &mut Levels<'_>, gathered: &mut [(usize, u64)]) -> Option<usize> {
        let (nth, mut count) = (levels.nth / GROUP_WORDS, 0);
        let group = self.groups.get(nth)?;
        let held = self.count.checked_sub(nth * GROUP_WORDS).filter(|held| *held > 0)?;
        let start = self.start + nth * GROUP_BYTES;
        let mut low = group.low(levels.base + 1) & !0 << (levels.nth % GROUP_WORDS);
        if held < GROUP_WORDS {
            low &= (1 << held) - 1;
        }
        while low != 0 {
            let place = low.trailing_zeros() as usize;
            low &= low - 1;
            let brackets = group.brackets(place);
            let mut own = !0;
            if brackets != 0 {
                own = 0;
                levels.nth = nth * GROUP_WORDS + place;
                levels.next(&mut |bits| own |= bits)?;
            }
            let keys = group.keys(place) & own;
            *gathered.get_mut(count)? = (start + place * WORD_BYTES, keys);
            count += usize::from(keys != 0);
            if levels.end.is_some() {
                break;
            }
        }
        levels.nth = (nth + 1) * GROUP_WORDS;
        Some(count)
    }

    /// The offset of the next quote from an offset on.
    #[inline]
    pub(crate) fn quote_from(&self, at: usize) -> Option<usize> {
        let (mut nth, bit) = self.place(at);
        let mut behind = !0 << bit;
        while nth < self.count {
            let quotes = self.groups.get(nth / GROUP_WORDS)?.quotes(nth % GROUP_WORDS) & behind;
            if quotes != 0 {
                return Some(self.start + nth * WORD_BYTES + quotes.trailing_zeros() as usize);
            }
            behind = !0;
            nth += 1;
        }
        None
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
    structure: &'s Structure,
    /// The number of the next word.
    nth: usize,
    /// The bits of the next word that are inside.
    after: u64,
    /// How many brackets are open around the object by the count of the words; known after the first of them.
    base: i32,
    /// How many brackets are open after this word, and were before it; the object's own is the first.
    depth: u32,
    depth_before: u32,
    /// The offset just after the object, once it is reached.
    end: Option<usize>,
}

impl Levels<'_> {
    /// The offset of the next word's first byte.
    #[inline]
    fn at(&self) -> usize {
        self.structure.start + self.nth * WORD_BYTES
    }

    /// Goes over the next word.
    #[inline]
    fn pass(&mut self) -> Option<Word> {
        self.next(&mut |_| ())
    }

    /// Goes over the next word, and calls `own` with its bits that stand in the object itself and not in a value of it.
    #[inline]
    fn next(&mut self, own: &mut impl FnMut(u64)) -> Option<Word> {
        if self.nth >= self.structure.count {
            return None;
        }
        let (group, at) = (self.structure.groups.get(self.nth / GROUP_WORDS)?, self.at());
        let word = group.word(self.nth % GROUP_WORDS);
        self.nth += 1;
        let after = std::mem::replace(&mut self.after, !0);
        if after == !0 {
            self.depth = (word.lowest - self.base).cast_unsigned().wrapping_add(word.close_count);
        }
        self.depth_before = self.depth;
        // Most words are whole and deep inside.
        if after == !0 && self.depth > word.close_count + 1 {
            self.depth = self.depth + word.open_count - word.close_count;
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
        if after != !0 {
            let depth_after = word.lowest + word.open_count.cast_signed();
            self.base = depth_after - self.depth.cast_signed();
        }
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

    #[test]
    fn depth_is_never_said_to_be_less() {
        for depth in 1..200 {
            let text = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            let extent = Structure::new().extent(text.as_bytes(), 0).unwrap();
            assert!(extent.depth_most as usize >= depth && extent.end == text.len());
        }
    }
}
