//! The masks by the vector extensions of x86-64.

use std::arch::x86_64::*;

use crate::{WORD_BYTES, Word};

/// Which bytes of a block are of which kind, whatever stands around them.
struct Kinds {
    quotes: u64,
    /// Backslashes and what is beyond ASCII.
    odd: u64,
    colons: u64,
    opens: u64,
    closes: u64,
}

/// `{` and `[` differ in this bit alone, and so do `}` and `]`.
const BRACKET_BIT: u8 = 0x20;

/// Every other bit, the lowest included.
const EVEN_BITS: u64 = 0x5555_5555_5555_5555;

/// The walk over the blocks of a text, with `$kinds` and `$backslashes` compiled into it for one extension.
macro_rules! walk {
    ($text:ident, $words:ident, $kinds:ident, $backslashes:ident) => {{
        // Of the block before: all ones if it ended inside a string, one if it ended in a backslash that escapes, one if in
        // a colon.
        let (mut inside, mut escapes, mut colon) = (0_u64, 0_u64, 0_u64);
        let mut step = |block: &[u8; WORD_BYTES], word: &mut Word| {
            let kinds = $kinds(block);
            let (mut backslashes, mut quotes) = (0, kinds.quotes);
            if kinds.odd | escapes != 0 {
                backslashes = $backslashes(block);
                quotes &= !escaped_by(backslashes, &mut escapes);
            }
            let strings = strings(quotes) ^ inside;
            inside = (strings.cast_signed() >> 63).cast_unsigned();
            let after_colon = kinds.colons << 1 | colon;
            colon = kinds.colons >> 63;
            let (opens, closes) = (kinds.opens & !strings, kinds.closes & !strings);
            let keys = quotes & strings & !after_colon;
            *word = Word::new(quotes, keys, (opens, closes), kinds.odd != 0);
            backslashes & !strings == 0
        };
        let (blocks, rest) = $text.as_chunks::<WORD_BYTES>();
        let mut count = 0;
        for (block, word) in blocks.iter().zip($words.iter_mut()) {
            prefetch(block);
            if !step(block, word) {
                return count;
            }
            count += 1;
        }
        if !rest.is_empty()
            && count == blocks.len()
            && let Some(word) = $words.get_mut(count)
        {
            let mut block = [b' '; WORD_BYTES];
            block[..rest.len()].copy_from_slice(rest);
            count += usize::from(step(&block, word));
        }
        count
    }};
}

/// Which bytes a backslash escapes. `escapes` is one if the byte before the first is such a backslash, and is set to
/// whether the last one is.
///
/// A run of backslashes escapes what follows it if its length is odd. Adding a bit at each run that starts at an odd
/// place to the runs carries through them, so that the parity of where a run ends can be told for all runs at once.
///
/// Few blocks hold a backslash, and the registers that this takes are wanted for all others.
#[cold]
#[inline(never)]
fn escaped_by(backslashes: u64, escapes: &mut u64) -> u64 {
    let runs = backslashes & !*escapes;
    let follows = runs << 1 | *escapes;
    let odd_starts = runs & !EVEN_BITS & !follows;
    let (even_ends, carried) = odd_starts.overflowing_add(runs);
    *escapes = u64::from(carried);
    (EVEN_BITS ^ (even_ends << 1)) & follows
}

/// Asks for text that comes a little later: processors look ahead by themselves, but not beyond a page.
#[inline]
#[expect(unsafe_code, reason = "naming an address that need not be there")]
fn prefetch(block: &[u8; WORD_BYTES]) {
    const AHEAD_BYTES: usize = 2048;
    let later = block.as_ptr().wrapping_add(AHEAD_BYTES);
    // SAFETY: a prefetch is a hint. It reads nothing that can be told, and none is made of an address that is not there.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(later.cast()) }
}

#[inline]
fn signed(byte: u8) -> i8 {
    i8::from_le_bytes([byte])
}

/// Fills by the widest extension there is; `None` if there is none.
#[expect(
    unsafe_code,
    reason = "calling code for an extension, just after asking whether the processor has it"
)]
pub(crate) fn fill(text: &[u8], words: &mut [Word]) -> Option<usize> {
    if has_avx512() {
        // SAFETY: the processor has the extensions that the function is compiled for, and that is all it asks for.
        return Some(unsafe { fill_avx512(text, words) });
    }
    if has_avx2() {
        // SAFETY: as above.
        return Some(unsafe { fill_avx2(text, words) });
    }
    None
}

pub(crate) fn extension() -> Option<&'static str> {
    match (has_avx512(), has_avx2()) {
        (true, _) => Some("AVX-512"),
        (false, true) => Some("AVX2"),
        (false, false) => None,
    }
}

fn has_avx512() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") && has_avx2()
}

fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("pclmulqdq")
        && is_x86_feature_detected!("popcnt")
}

#[target_feature(enable = "avx512f,avx512bw,avx2,pclmulqdq,popcnt")]
fn fill_avx512(text: &[u8], words: &mut [Word]) -> usize {
    walk!(text, words, kinds_avx512, backslashes_avx512)
}

#[target_feature(enable = "avx2,pclmulqdq,popcnt")]
fn fill_avx2(text: &[u8], words: &mut [Word]) -> usize {
    walk!(text, words, kinds_avx2, backslashes_avx2)
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn kinds_avx512(block: &[u8; WORD_BYTES]) -> Kinds {
    let bytes = load_avx512(block);
    let equal = |bytes, byte| _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(signed(byte)));
    let folded = _mm512_or_si512(bytes, _mm512_set1_epi8(signed(BRACKET_BIT)));
    // Nothing is left of a backslash, and what is beyond ASCII is negative and stays so.
    let odd = _mm512_xor_si512(bytes, _mm512_set1_epi8(signed(b'\\')));
    Kinds {
        quotes: equal(bytes, b'"'),
        odd: _mm512_cmple_epi8_mask(odd, _mm512_setzero_si512()),
        colons: equal(bytes, b':'),
        opens: equal(folded, b'{'),
        closes: equal(folded, b'}'),
    }
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn backslashes_avx512(block: &[u8; WORD_BYTES]) -> u64 {
    _mm512_cmpeq_epi8_mask(load_avx512(block), _mm512_set1_epi8(signed(b'\\')))
}

#[target_feature(enable = "avx512f")]
#[inline]
#[expect(unsafe_code, reason = "loading a vector through a pointer")]
fn load_avx512(block: &[u8; WORD_BYTES]) -> __m512i {
    // SAFETY: the block has the 64 bytes that are read, and this load needs no alignment.
    unsafe { _mm512_loadu_si512(block.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
#[inline]
fn kinds_avx2(block: &[u8; WORD_BYTES]) -> Kinds {
    let halves = load_avx2(block);
    let folded = halves.map(|half| _mm256_or_si256(half, _mm256_set1_epi8(signed(BRACKET_BIT))));
    let backslash = _mm256_set1_epi8(signed(b'\\'));
    let odd = halves.map(|half| _mm256_or_si256(half, _mm256_cmpeq_epi8(half, backslash)));
    Kinds {
        quotes: equal_avx2(halves, b'"'),
        odd: mask_avx2(odd),
        colons: equal_avx2(halves, b':'),
        opens: equal_avx2(folded, b'{'),
        closes: equal_avx2(folded, b'}'),
    }
}

#[target_feature(enable = "avx2")]
#[inline]
fn backslashes_avx2(block: &[u8; WORD_BYTES]) -> u64 {
    equal_avx2(load_avx2(block), b'\\')
}

#[target_feature(enable = "avx2")]
#[inline]
fn equal_avx2(halves: [__m256i; 2], byte: u8) -> u64 {
    mask_avx2(halves.map(|half| _mm256_cmpeq_epi8(half, _mm256_set1_epi8(signed(byte)))))
}

/// The highest bit of each byte.
#[target_feature(enable = "avx2")]
#[inline]
fn mask_avx2(halves: [__m256i; 2]) -> u64 {
    let [low, high] = halves.map(|half| u64::from(_mm256_movemask_epi8(half).cast_unsigned()));
    low | high << 32
}

#[target_feature(enable = "avx2")]
#[inline]
#[expect(unsafe_code, reason = "loading a vector through a pointer")]
fn load_avx2(block: &[u8; WORD_BYTES]) -> [__m256i; 2] {
    let (halves, _) = block.as_chunks::<32>();
    // SAFETY: each half has the 32 bytes that are read, and this load needs no alignment.
    let load = |half: &[u8; 32]| unsafe { _mm256_loadu_si256(half.as_ptr().cast()) };
    [load(&halves[0]), load(&halves[1])]
}

/// Which bytes are inside of strings, given the quotes: each bit becomes the sum of the bits up to it, which is a product
/// without carries with all ones. An opening quote counts as inside, a closing one does not.
#[target_feature(enable = "pclmulqdq,sse2")]
#[inline]
fn strings(quotes: u64) -> u64 {
    let ones = _mm_set1_epi8(-1);
    let product = _mm_clmulepi64_si128::<0>(_mm_set_epi64x(0, quotes.cast_signed()), ones);
    _mm_cvtsi128_si64(product).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fill_plainly;

    /// Every extension that this processor has gives what the plain way gives.
    #[expect(unsafe_code, reason = "each function is called after asking for its extension")]
    fn check(text: &[u8], room: usize) {
        let filled = |fill: &dyn Fn(&[u8], &mut [Word]) -> usize| {
            let mut words = vec![Word::default(); room];
            let count = fill(text, &mut words);
            words.truncate(count);
            words
        };
        let expected = filled(&fill_plainly);
        if has_avx512() {
            // SAFETY: the processor has the extension.
            assert_eq!(filled(&|text, words| unsafe { fill_avx512(text, words) }), expected);
        }
        if has_avx2() {
            // SAFETY: the processor has the extension.
            assert_eq!(filled(&|text, words| unsafe { fill_avx2(text, words) }), expected);
        }
        assert_eq!(filled(&crate::fill), expected);
    }

    #[test]
    fn every_length_and_every_run_of_backslashes() {
        for length in 0..200 {
            let text = format!("{{\"{}\":[\"é\"]}}", "a".repeat(length));
            check(text.as_bytes(), 8);
            let text = format!("[\"{}\\\\\\\"]{{\",{}", "\\".repeat(length), "]\"".repeat(9));
            check(text.as_bytes(), 8);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes(text: Vec<u8>, room in 0_usize..6) {
            check(&text, room);
        }

        #[test]
        fn nearly_json(text in "(\\{|\\}|\\[|\\]|\"|\\\\|x|é|,|:){0,400}", room in 0_usize..9) {
            check(text.as_bytes(), room);
        }
    }
}
