//! Where the quotes and brackets of a JSON text are, as bit masks of 64 bytes each.
//!
//! [`fill`] reads text once and leaves, for each 64 bytes, which of them are quotes that open or close a string, which
//! are brackets outside of strings, and which are beyond ASCII. That is all it takes to tell where values end, without
//! a parser: counting bits replaces looking at bytes.
//!
//! There is a way for AVX-512 and one for AVX2, and one function chooses. Here is the only `unsafe` code of the whole
//! workspace, of three kinds. Calling a function that was compiled for an extension is sound if the processor has it, and
//! [`fill`] asks the processor just before. Loading or storing a vector through a pointer is sound if so many bytes are
//! there, and the type of what the pointer is made of says so: an array of that length. A prefetch is sound of any address,
//! because it reads nothing that can be told. All else indexes slices.
//! [`fill_plainly`] is the safe twin, byte by byte, with which tests and a fuzz target compare every other.

mod plain;

#[cfg(target_arch = "x86_64")]
mod tables;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use plain::fill_plainly;

/// What 64 bytes of text hold; bit n stands for byte n.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Word {
    /// Quotes that open or close a string: those that no backslash escapes.
    pub quotes: u64,
    /// Quotes that open a string and do not come right after a colon: of all keys, and of a value only where white space
    /// or an array's bracket or comma stands before it.
    pub keys: u64,
    /// `{`, `[`, `}` and `]` outside of strings; [`opens`] tells them apart.
    pub brackets: u64,
    /// So many brackets are open for certain wherever one looks in the word: those before it, less all that close in it. It
    /// is counted from the beginning of the text, and less than nothing where more close than open.
    pub lowest: i32,
    /// How many of the brackets open.
    pub open_count: u32,
    /// How many of the brackets close.
    pub close_count: u32,
    /// Whether a byte is a backslash or beyond ASCII: where none is, text is what it looks like.
    pub is_odd: bool,
}

/// Eight words, with the same of each side by side, as vectors hold them.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
pub struct Group {
    quotes: [u64; GROUP_WORDS],
    keys: [u64; GROUP_WORDS],
    brackets: [u64; GROUP_WORDS],
    lowest: [i32; GROUP_WORDS],
    /// How many brackets open, how many close, and whether a byte is odd.
    summary: [i16; GROUP_WORDS],
    /// A bit for each word whose lowest is 0 at most, 1 at most, and so on.
    low: [u8; LEVELS],
    /// A bit for each word whose lowest is more than [`DEEP`].
    deep: u8,
    /// A bit for each word with an odd byte.
    odd: u8,
}

const CLOSE_SHIFT: u32 = 7;
const ODD_SHIFT: u32 = 14;

/// For so many levels it is known beforehand which words touch them: a record's own, and that of an object within an object
/// of a record.
const LEVELS: usize = 4;

/// So many open brackets are few.
const DEEP: i32 = 32;

impl Group {
    /// The word in one of the eight places.
    #[inline]
    #[must_use]
    pub fn word(&self, place: usize) -> Word {
        const COUNT: u32 = (1 << CLOSE_SHIFT) - 1;
        let summary = u32::from(self.summary[place].cast_unsigned());
        Word {
            quotes: self.quotes[place],
            keys: self.keys[place],
            brackets: self.brackets[place],
            lowest: self.lowest[place],
            open_count: summary & COUNT,
            close_count: summary >> CLOSE_SHIFT & COUNT,
            is_odd: summary >> ODD_SHIFT != 0,
        }
    }

    #[inline]
    fn set(&mut self, place: usize, word: Word) {
        let Word { quotes, keys, brackets, lowest, open_count, close_count, is_odd } = word;
        self.quotes[place] = quotes;
        self.keys[place] = keys;
        self.brackets[place] = brackets;
        self.lowest[place] = lowest;
        self.summary[place] =
            (open_count | close_count << CLOSE_SHIFT | u32::from(is_odd) << ODD_SHIFT) as i16;
        let put = |bits: &mut u8, bit| *bits = *bits & !(1 << place) | u8::from(bit) << place;
        for (level, low) in (0..).zip(&mut self.low) {
            put(low, lowest <= level);
        }
        put(&mut self.deep, lowest > DEEP);
        put(&mut self.odd, is_odd);
    }

    /// The quotes of the word in one of the eight places.
    #[inline]
    #[must_use]
    pub fn quotes(&self, place: usize) -> u64 {
        self.quotes[place]
    }

    /// The keys of one.
    #[inline]
    #[must_use]
    pub fn keys(&self, place: usize) -> u64 {
        self.keys[place]
    }

    /// The brackets of one.
    #[inline]
    #[must_use]
    pub fn brackets(&self, place: usize) -> u64 {
        self.brackets[place]
    }

    /// A bit for each word in which no more than so many brackets may be open at some place.
    #[inline]
    #[must_use]
    pub fn low(&self, level: i32) -> u8 {
        let known = usize::try_from(level).ok().and_then(|level| self.low.get(level));
        known.copied().unwrap_or_else(|| self.low_of_any(level))
    }

    #[cold]
    fn low_of_any(&self, level: i32) -> u8 {
        let bits = self.lowest.iter().enumerate();
        bits.fold(0, |all, (place, lowest)| all | u8::from(*lowest <= level) << place)
    }

    /// A bit for each word with an odd byte.
    #[inline]
    #[must_use]
    pub fn odd(&self) -> u8 {
        self.odd
    }

    /// No more brackets than this are open anywhere in it, and maybe far fewer.
    #[inline]
    #[must_use]
    pub fn highest(&self) -> i32 {
        // Whatever opens or closes in a word is one of its bytes.
        if self.deep == 0 { DEEP + 64 } else { i32::MAX / 2 }
    }
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
/// The words of a group.
pub const GROUP_WORDS: usize = 8;
/// The bytes of text that a group stands for.
pub const GROUP_BYTES: usize = GROUP_WORDS * WORD_BYTES;

/// Fills `groups` from `text`, which begins outside of a string, and says how many words hold. The last one may stand for less
/// than 64 bytes; what would come after the text counts as white space.
///
/// It ends early before a word in which a backslash stands outside of a string: that is not JSON, and what such a
/// backslash does to the quote after it is nothing to rely on.
pub fn fill(text: &[u8], groups: &mut [Group]) -> usize {
    #[cfg(target_arch = "x86_64")]
    if let Some(count) = x86::fill(text, groups) {
        return count;
    }
    fill_plainly(text, groups)
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
