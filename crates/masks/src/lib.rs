//! Where the quotes and brackets of a JSON text are, as bit masks of 64 bytes each.
//!
//! [`fill`] reads text once and leaves, for each 64 bytes, which of them are quotes that open or close a string, which
//! are brackets outside of strings, and which are beyond ASCII. That is all it takes to tell where values end, without
//! a parser: counting bits replaces looking at bytes.
//!
//! There is a way for AVX-512 and one for AVX2, and one function chooses. Here is the only `unsafe` code of the whole
//! workspace, of four kinds. Calling a function that was compiled for an extension is sound if the processor has it, and
//! who calls asks the processor just before; [`widest`] does so for safe code of other crates. Loading or storing a vector
//! through a pointer is sound if so many bytes are there, and the type of what the pointer is made of says so, an array of
//! that length, or the mask of which of them are meant. A prefetch is sound of any address, because it reads nothing that
//! can be told. A vector may be said to be as long as what was just written to it. All else indexes slices.
//! [`fill_plainly`] is the safe twin, byte by byte, with which tests and a fuzz target compare every other.
//!
//! [`escape`] writes text as it stands in a JSON string by the same means; [`escape_plainly`] is its twin.

mod escape;
mod plain;

#[cfg(target_arch = "x86_64")]
mod backslashes;
#[cfg(target_arch = "x86_64")]
mod tables;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use escape::{ESCAPE_BYTES, escape, escape_plainly};
pub use plain::fill_plainly;

/// What 64 bytes of text hold; bit n stands for byte n.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(32))]
pub struct Word {
    /// Quotes that open or close a string: those that no backslash escapes.
    pub quotes: u64,
    /// Quotes that open a string and do not come right after a colon: of all keys, and of a value only where white space
    /// or an array's bracket or comma stands before it.
    pub keys: u64,
    /// `{`, `[`, `}` and `]` outside of strings; [`opens`] tells them apart.
    pub brackets: u64,
    /// How many brackets open, how many close, and whether a byte is odd: together, because storing them is.
    summary: u32,
    /// So many brackets are open for certain wherever one looks in the word: those before it, less all that close in it. It
    /// is counted from the beginning of the text, and less than nothing where more close than open.
    lowest: i32,
}

/// A bit for each of [`OUTLINE_WORDS`] words and of each kind, to go over them together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    ends: [u8; OUTLINE_GROUPS],
    odd: [u8; OUTLINE_GROUPS],
    deep: [u8; OUTLINE_GROUPS],
}

/// The same of eight words.
#[derive(Clone, Copy, Default)]
struct Group {
    ends: u8,
    odd: u8,
    deep: u8,
}

const CLOSE_SHIFT: u32 = 8;
const ODD_SHIFT: u32 = 16;

/// So many open brackets are few.
pub const DEEP: i32 = 96;
/// Where a word's lowest is no more than this they are few: whatever opens or closes in it is one of its bytes.
const FEW: i32 = DEEP - 64;

impl Word {
    #[inline]
    fn new(
        (quotes, keys): (u64, u64),
        (opens, closes): (u64, u64),
        is_odd: bool,
        depth: &mut i32,
    ) -> Self {
        let (opened, closed) = (opens.count_ones(), closes.count_ones());
        let summary = opened | closed << CLOSE_SHIFT | u32::from(is_odd) << ODD_SHIFT;
        let lowest = *depth - closed.cast_signed();
        *depth = lowest + opened.cast_signed();
        Self { quotes, keys, brackets: opens | closes, summary, lowest }
    }

    /// How many of the brackets open. Counting bits is one instruction where the masks are made, and many elsewhere.
    #[inline]
    #[must_use]
    pub fn open_count(&self) -> u32 {
        self.summary & 0xff
    }

    /// How many of the brackets close.
    #[inline]
    #[must_use]
    pub fn close_count(&self) -> u32 {
        self.summary >> CLOSE_SHIFT & 0xff
    }

    /// How many brackets are open before it, counted from the beginning of the text.
    #[inline]
    #[must_use]
    pub fn depth(&self) -> i32 {
        self.lowest + self.close_count().cast_signed()
    }

    /// How many are open after it.
    #[inline]
    #[must_use]
    pub fn depth_after(&self) -> i32 {
        self.lowest + self.open_count().cast_signed()
    }

    /// Whether a byte is a backslash or beyond ASCII: where none is, text is what it looks like.
    #[inline]
    #[must_use]
    pub fn is_odd(&self) -> bool {
        self.summary >> ODD_SHIFT != 0
    }
}

impl Outline {
    /// Words in which as many brackets may close as have opened since the beginning of the text.
    #[inline]
    #[must_use]
    pub fn ends(&self) -> u64 {
        u64::from_le_bytes(self.ends)
    }

    /// Words with an odd byte.
    #[inline]
    #[must_use]
    pub fn odd(&self) -> u64 {
        u64::from_le_bytes(self.odd)
    }

    /// Words in which more than [`DEEP`] brackets may be open.
    #[inline]
    #[must_use]
    pub fn deep(&self) -> u64 {
        u64::from_le_bytes(self.deep)
    }

    /// Says what a group holds, given which it is of all; the first of an outline empties the others.
    #[inline]
    fn put(outlines: &mut [Self], nth: usize, group: Group) {
        let (outline, nth) = (nth / OUTLINE_GROUPS, nth % OUTLINE_GROUPS);
        let Some(outline) = outlines.get_mut(outline) else { return };
        if nth == 0 {
            *outline = Self::default();
        }
        outline.ends[nth] = group.ends;
        outline.odd[nth] = group.odd;
        outline.deep[nth] = group.deep;
    }
}

impl Group {
    /// That of so many words as are there.
    #[inline]
    fn of(words: &[Word]) -> Self {
        let bits = |is: fn(&Word) -> bool| {
            words.iter().enumerate().fold(0, |all, (nth, word)| all | u8::from(is(word)) << nth)
        };
        Self {
            ends: bits(|word| word.lowest <= 0),
            odd: bits(Word::is_odd),
            deep: bits(|word| word.lowest > FEW),
        }
    }
}

/// Goes over words as long as they can't hold the bracket that closes the first of `depth` open ones. Gives how many they
/// are, the depth after them, how many brackets open in them, and whether a byte is odd.
#[inline]
#[must_use]
pub fn deep(words: &[Word], depth: u32) -> (usize, u32, u32, bool) {
    let (mut depth, mut opened, mut all) = (depth, 0, 0);
    for (nth, word) in words.iter().enumerate() {
        let (opens, closes) = (word.open_count(), word.close_count());
        if depth <= closes {
            return (nth, depth, opened, all >> ODD_SHIFT != 0);
        }
        all |= word.summary;
        opened += opens;
        depth = depth + opens - closes;
    }
    (words.len(), depth, opened, all >> ODD_SHIFT != 0)
}

/// Whether a bracket opens.
#[inline]
#[must_use]
pub fn opens(bracket: u8) -> bool {
    const ONLY_IN_OPENING: u8 = 0b10;
    bracket & ONLY_IN_OPENING != 0
}

/// The bytes that one word stands for.
pub const WORD_BYTES: usize = 64;
/// The words of an outline.
pub const OUTLINE_WORDS: usize = 64;
/// The words that are filled together.
const GROUP_WORDS: usize = 8;
const GROUP_BYTES: usize = GROUP_WORDS * WORD_BYTES;
const OUTLINE_GROUPS: usize = OUTLINE_WORDS / GROUP_WORDS;

/// Fills `words` from `text`, which begins outside of a string, and an outline for each [`OUTLINE_WORDS`] of them, and says how
/// many words hold. The last one may stand for less than 64 bytes; what would come after the text counts as white space.
///
/// It ends early before a word in which a backslash stands outside of a string: that is not JSON, and what such a
/// backslash does to the quote after it is nothing to rely on.
pub fn fill(text: &[u8], words: &mut [Word], outlines: &mut [Outline]) -> usize {
    #[cfg(target_arch = "x86_64")]
    if let Some(count) = x86::fill(text, words, outlines) {
        return count;
    }
    fill_plainly(text, words, outlines)
}

/// Code to be run by [`widest`].
pub trait Task {
    /// What it gives.
    type Output;

    /// Does it. An `#[inline(always)]` is what makes it be compiled for the extensions.
    fn run(self) -> Self::Output;
}

/// Runs safe code that was also compiled for vectors of 32 bytes and for shifts by any register, if the processor has them.
#[inline(always)]
pub fn widest<T: Task>(task: T) -> T::Output {
    #[cfg(target_arch = "x86_64")]
    return x86::widest(task);
    #[cfg(not(target_arch = "x86_64"))]
    task.run()
}

/// The extension that [`fill`] uses on this processor, for reports.
#[must_use]
pub fn extension() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    if let Some(name) = x86::extension() {
        return name;
    }
    "none"
}
