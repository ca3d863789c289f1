//! Where the quotes and brackets of a JSON text are, as bit masks of 64 bytes each.
//!
//! [`fill`] reads text once and leaves, for each 64 bytes, which of them are quotes that open or close a string, which
//! are brackets outside of strings, and which are beyond ASCII. That is all it takes to tell where values end, without
//! a parser: counting bits replaces looking at bytes.
//!
//! The same few lines (a macro) are compiled for AVX-512 and for AVX2, and one function chooses. Here is the only `unsafe`
//! code of the whole workspace, of three kinds. Calling a function that was compiled for an extension is sound if the
//! processor has it, and [`fill`] asks the processor just before. Loading a vector through a pointer is sound if so many
//! bytes are there, and the type of what is loaded from says so: an array of that length. A prefetch is sound of any address, because it
//! reads nothing that can be told. All else indexes slices.
//! [`fill_plainly`] is the safe twin, byte by byte, with which tests and a fuzz target compare every other.

mod plain;

#[cfg(target_arch = "x86_64")]
mod x86;

pub use plain::fill_plainly;

/// What 64 bytes of text hold; bit n stands for byte n.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(align(32))]
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
}

const CLOSE_SHIFT: u32 = 8;
const ODD_SHIFT: u32 = 16;

impl Word {
    #[inline]
    fn new(quotes: u64, keys: u64, (opens, closes): (u64, u64), is_odd: bool) -> Self {
        let counts = opens.count_ones() | closes.count_ones() << CLOSE_SHIFT;
        let summary = counts | u32::from(is_odd) << ODD_SHIFT;
        Self { quotes, keys, brackets: opens | closes, summary }
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

    /// Whether a byte is a backslash or beyond ASCII: where none is, text is what it looks like.
    #[inline]
    #[must_use]
    pub fn is_odd(&self) -> bool {
        self.summary >> ODD_SHIFT != 0
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

/// Fills `words` from `text`, which begins outside of a string, and says how many hold. The last one may stand for less
/// than 64 bytes; what would come after the text counts as white space.
///
/// It ends early before a word in which a backslash stands outside of a string: that is not JSON, and what such a
/// backslash does to the quote after it is nothing to rely on.
pub fn fill(text: &[u8], words: &mut [Word]) -> usize {
    #[cfg(target_arch = "x86_64")]
    if let Some(count) = x86::fill(text, words) {
        return count;
    }
    fill_plainly(text, words)
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
