//! The masks by the vector extensions of x86-64.

mod escape;

use std::arch::x86_64::*;

pub(crate) use escape::escape;

use crate::backslashes::escaped_by;
use crate::tables::{GATHERED, KINDS};
use crate::{
    CLOSE_SHIFT, FEW, GROUP_BYTES, GROUP_WORDS, Group, ODD_SHIFT, Outline, Task, WORD_BYTES, Word,
};

/// Which bytes of a block are of which kind, whatever stands around them.
struct Kinds {
    quotes: u64,
    /// Backslashes and what is beyond ASCII.
    odd: u64,
    colons: u64,
    opens: u64,
    closes: u64,
}

/// What of the text before a block matters to it.
#[derive(Default)]
struct Before {
    /// All ones if it ended inside a string.
    inside: u64,
    /// One if it ended in a backslash that escapes.
    escapes: u64,
    /// One if it ended in a colon.
    colon: u64,
    /// How many brackets were open.
    depth: i32,
}

/// `{` and `[` differ in this bit alone, and so do `}` and `]`.
const BRACKET_BIT: u8 = 0x20;

/// The same as the vectors of eight words have it, so that nothing is moved out of them.
struct BeforeEight {
    inside: u64,
    escapes: u64,
    /// The colons of the eight words before, of which the last bit counts.
    colons: __m512i,
    /// In each lane how many brackets were open.
    depth: __m512i,
}

type Block = [u8; GROUP_BYTES];

/// Fills a word and says whether it holds. It is put where it is used, because a call would cost half as much again.
macro_rules! word_avx2 {
    ($block:expr, $word:expr, $before:expr) => {{
        let kinds = kinds_avx2($block);
        let (mut backslashes, mut quotes) = (0, kinds.quotes);
        if kinds.odd | $before.escapes != 0 {
            backslashes = backslashes_avx2($block);
            quotes &= !escaped_by(backslashes, &mut $before.escapes);
        }
        let strings = strings(quotes) ^ $before.inside;
        $before.inside = (strings.cast_signed() >> 63).cast_unsigned();
        let after_colon = kinds.colons << 1 | $before.colon;
        $before.colon = kinds.colons >> 63;
        let brackets = (kinds.opens & !strings, kinds.closes & !strings);
        let quotes = (quotes, quotes & strings & !after_colon);
        *$word = Word::new(quotes, brackets, kinds.odd != 0, &mut $before.depth);
        backslashes & !strings == 0
    }};
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
pub(crate) fn fill(text: &[u8], words: &mut [Word], outlines: &mut [Outline]) -> Option<usize> {
    if has_avx512() {
        // SAFETY: the processor has the extensions that the function is compiled for, and that is all it asks for.
        return Some(unsafe { fill_avx512(text, words, outlines) });
    }
    if has_avx2() {
        // SAFETY: as above.
        return Some(unsafe { fill_avx2(text, words, outlines) });
    }
    None
}

/// Runs code by the extensions that Intel's processors have since 2013 and AMD's since 2015, if this one has them.
#[inline(always)]
#[expect(
    unsafe_code,
    reason = "calling code for an extension, just after asking whether the processor has it"
)]
pub(crate) fn widest<T: Task>(task: T) -> T::Output {
    if has_avx2() && is_x86_feature_detected!("bmi1") && is_x86_feature_detected!("bmi2") {
        // SAFETY: the processor has the extensions that the function is compiled for, and that is all it asks for.
        return unsafe { run_avx2(task) };
    }
    task.run()
}

#[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
fn run_avx2<T: Task>(task: T) -> T::Output {
    task.run()
}

pub(crate) fn extension() -> Option<&'static str> {
    match (has_avx512(), has_avx2()) {
        (true, _) => Some("AVX-512"),
        (false, true) => Some("AVX2"),
        (false, false) => None,
    }
}

fn has_avx512() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vbmi")
        && is_x86_feature_detected!("avx512vpopcntdq")
        && is_x86_feature_detected!("gfni")
        && is_x86_feature_detected!("vpclmulqdq")
        && has_avx2()
}

fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("pclmulqdq")
        && is_x86_feature_detected!("popcnt")
}

#[target_feature(
    enable = "avx512f,avx512bw,avx512vbmi,avx512vpopcntdq,gfni,vpclmulqdq,avx2,pclmulqdq,popcnt"
)]
fn fill_avx512(text: &[u8], words: &mut [Word], outlines: &mut [Outline]) -> usize {
    let none = _mm512_setzero_si512();
    let mut before = BeforeEight { inside: 0, escapes: 0, colons: none, depth: none };
    let mut padded = [b' '; GROUP_BYTES];
    let mut count = 0;
    let (words, _) = words.as_chunks_mut::<GROUP_WORDS>();
    for (nth, (text, words)) in text.chunks(GROUP_BYTES).zip(words).enumerate() {
        let block = text.first_chunk().unwrap_or_else(|| {
            padded[..text.len()].copy_from_slice(text);
            &padded
        });
        let (mut held, mut group) = eight_avx512(block, words, &mut before);
        if text.len() < GROUP_BYTES {
            held = held.min(text.len().div_ceil(WORD_BYTES));
            group = Group::of(&words[..held]);
        }
        Outline::put(outlines, nth, group);
        count += held;
        if held < GROUP_WORDS {
            break;
        }
    }
    count
}

#[target_feature(enable = "avx2,pclmulqdq,popcnt")]
fn fill_avx2(text: &[u8], words: &mut [Word], outlines: &mut [Outline]) -> usize {
    let mut before = Before::default();
    let mut count = 0;
    let (blocks, rest) = text.as_chunks::<WORD_BYTES>();
    for (block, word) in blocks.iter().zip(words.iter_mut()) {
        prefetch(block);
        if !word_avx2!(block, word, before) {
            break;
        }
        count += 1;
    }
    if !rest.is_empty()
        && count == blocks.len()
        && let Some(word) = words.get_mut(count)
    {
        let mut block = [b' '; WORD_BYTES];
        block[..rest.len()].copy_from_slice(rest);
        count += usize::from(word_avx2!(&block, word, before));
    }
    let (groups, rest) = words[..count].as_chunks::<GROUP_WORDS>();
    for (nth, words) in groups.iter().enumerate() {
        Outline::put(outlines, nth, group_avx2(words));
    }
    if !rest.is_empty() {
        Outline::put(outlines, groups.len(), Group::of(rest));
    }
    count
}

/// [`Group::of`] eight words.
#[target_feature(enable = "avx2")]
#[inline]
fn group_avx2(words: &[Word; GROUP_WORDS]) -> Group {
    let [a, b, c, d, e, f, g, h] = words.each_ref().map(|word| word.lowest);
    let lowest = _mm256_setr_epi32(a, b, c, d, e, f, g, h);
    let above = |level| {
        let above = _mm256_cmpgt_epi32(lowest, _mm256_set1_epi32(level));
        _mm256_movemask_ps(_mm256_castsi256_ps(above)) as u8
    };
    let some = words.iter().fold(0, |all, word| all | word.summary);
    let odd = if some >> ODD_SHIFT == 0 { 0 } else { Group::of(words).odd };
    Group { ends: !above(0), odd, deep: above(FEW) }
}

/// Fills eight words together.
///
/// Comparing makes one mask a comparison, and moving each to where it can be counted is what takes time. So bytes are looked
/// up in a table of kinds, and eight bytes of bits are transposed at once, by a product of bit matrices: that gives all masks
/// at once, in vectors, where they stay.
#[target_feature(
    enable = "avx512f,avx512bw,avx512vbmi,avx512vpopcntdq,gfni,vpclmulqdq,avx2,pclmulqdq,popcnt"
)]
#[inline]
fn eight_avx512(
    block: &Block,
    words: &mut [Word; GROUP_WORDS],
    before: &mut BeforeEight,
) -> (usize, Group) {
    let ([quotes, colons, opens, closes], is_odd) = kinds_avx512(block);
    if is_odd | (before.escapes != 0) {
        let BeforeEight { inside, escapes, colons, depth } = *before;
        let (colon, depth) = (last(colons) >> 63, last(depth) as u32 as i32);
        let mut plain = Before { inside, escapes, colon, depth };
        let filled = eight_oddly(block, words, &mut plain);
        let Before { inside, escapes, colon, depth } = plain;
        let colons = _mm512_set1_epi64(colon.cast_signed() << 63);
        *before =
            BeforeEight { inside, escapes, colons, depth: _mm512_set1_epi64(i64::from(depth)) };
        return filled;
    }
    let strings = strings_avx512(quotes, &mut before.inside);
    let word_before = _mm512_alignr_epi64::<7>(colons, before.colons);
    let after_colon =
        _mm512_or_si512(_mm512_slli_epi64::<1>(colons), _mm512_srli_epi64::<63>(word_before));
    before.colons = colons;
    let opening = _mm512_and_si512(quotes, strings);
    let (opens, closes) =
        (_mm512_andnot_si512(strings, opens), _mm512_andnot_si512(strings, closes));
    let (opened, closed) = (_mm512_popcnt_epi64(opens), _mm512_popcnt_epi64(closes));
    let open = sums_avx512(_mm512_sub_epi64(opened, closed));
    let open = _mm512_add_epi64(open, before.depth);
    // What opens in a word comes on top of what is open for certain all through it.
    let lowest = _mm512_sub_epi64(open, opened);
    before.depth = _mm512_permutexvar_epi64(_mm512_set1_epi64(7), open);
    let counts = _mm512_or_si512(opened, _mm512_slli_epi64::<CLOSE_SHIFT>(closed));
    let rest = _mm512_or_si512(counts, _mm512_slli_epi64::<32>(lowest));
    let keys = _mm512_andnot_si512(after_colon, opening);
    store_words(words, [quotes, keys, _mm512_or_si512(opens, closes), rest]);
    let up_to = |level: i32| _mm512_cmple_epi64_mask(lowest, _mm512_set1_epi64(level.into()));
    (GROUP_WORDS, Group { ends: up_to(0), odd: 0, deep: !up_to(FEW) })
}

/// The masks of quotes, colons, and brackets that open and close, of eight words, and whether a byte is odd.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,gfni")]
#[inline]
fn kinds_avx512(block: &Block) -> ([__m512i; 4], bool) {
    let [low, high] = KINDS.each_ref().map(|kinds| load_avx512(kinds));
    let gathered = load_avx512(&GATHERED);
    // Of each eight bits one, so that each byte of a product is the mask of one kind.
    let bits = _mm512_set1_epi64(i64::from_le_bytes([1, 2, 4, 8, 16, 32, 64, 128]));
    let (words, _) = block.as_chunks::<WORD_BYTES>();
    let mut all = _mm512_setzero_si512();
    let mut masks_of = |nth: usize| {
        prefetch(&words[nth]);
        let bytes = load_avx512(&words[nth]);
        let kinds = _mm512_permutex2var_epi8(low, bytes, high);
        all = _mm512_or_si512(all, _mm512_or_si512(kinds, bytes));
        _mm512_gf2p8affine_epi64_epi8::<0>(bits, kinds)
    };
    let mut two = |nth: usize| {
        let first = masks_of(nth);
        _mm512_permutex2var_epi8(first, gathered, masks_of(nth + 1))
    };
    let [a, b, c, d] = [two(0), two(2), two(4), two(6)];
    let (front, back) = (_mm512_shuffle_i64x2::<LOW>(a, b), _mm512_shuffle_i64x2::<LOW>(c, d));
    let quotes = _mm512_shuffle_i64x2::<EVEN>(front, back);
    let colons = _mm512_shuffle_i64x2::<ODD>(front, back);
    let (front, back) = (_mm512_shuffle_i64x2::<HIGH>(a, b), _mm512_shuffle_i64x2::<HIGH>(c, d));
    let opens = _mm512_shuffle_i64x2::<EVEN>(front, back);
    let closes = _mm512_shuffle_i64x2::<ODD>(front, back);
    // The product has the mask of each eight bytes in reverse: to turn four masks round at the end is less than eight blocks.
    let reversal = _mm512_set1_epi64(i64::from_le_bytes([1, 2, 4, 8, 16, 32, 64, 128]));
    let turned = |masks| _mm512_gf2p8affine_epi64_epi8::<0>(masks, reversal);
    let masks = [turned(quotes), turned(colons), turned(opens), turned(closes)];
    (masks, _mm512_movepi8_mask(all) != 0)
}

/// Which quarters of two vectors make a third: two of each.
const LOW: i32 = 0b01_00_01_00;
const HIGH: i32 = 0b11_10_11_10;
const EVEN: i32 = 0b10_00_10_00;
const ODD: i32 = 0b11_01_11_01;

/// [`strings`] of eight words, given whether the word before them ended inside of one.
#[target_feature(enable = "avx512f,vpclmulqdq")]
#[inline]
fn strings_avx512(quotes: __m512i, inside: &mut u64) -> __m512i {
    let ones = _mm512_set1_epi64(-1);
    let even = _mm512_clmulepi64_epi128::<0x00>(quotes, ones);
    let odd = _mm512_clmulepi64_epi128::<0x01>(quotes, ones);
    let strings = _mm512_unpacklo_epi64(even, odd);
    // A bit for each word with an odd number of quotes; each turns all words after it inside out.
    let mut turns = u64::from(_mm512_cmplt_epi64_mask(strings, _mm512_setzero_si512()));
    turns ^= turns << 1;
    turns ^= turns << 2;
    turns ^= turns << 4;
    let ends = turns ^ *inside;
    let begins = ends << 1 | *inside & 1;
    *inside = 0_u64.wrapping_sub(ends >> 7 & 1);
    _mm512_mask_xor_epi64(strings, begins as u8, strings, ones)
}

/// Each lane becomes the sum of the lanes up to it.
#[target_feature(enable = "avx512f")]
#[inline]
fn sums_avx512(lanes: __m512i) -> __m512i {
    let none = _mm512_setzero_si512();
    let lanes = _mm512_add_epi64(lanes, _mm512_alignr_epi64::<7>(lanes, none));
    let lanes = _mm512_add_epi64(lanes, _mm512_alignr_epi64::<6>(lanes, none));
    _mm512_add_epi64(lanes, _mm512_alignr_epi64::<4>(lanes, none))
}

/// The last of eight lanes.
#[target_feature(enable = "avx512f,avx2")]
#[inline]
fn last(lanes: __m512i) -> u64 {
    _mm256_extract_epi64::<3>(_mm512_extracti64x4_epi64::<1>(lanes)).cast_unsigned()
}

#[target_feature(enable = "avx512f")]
#[inline]
#[expect(unsafe_code, reason = "loading a vector through a pointer")]
fn load_avx512(block: &[u8; WORD_BYTES]) -> __m512i {
    // SAFETY: the block has the 64 bytes that are read, and this load needs no alignment.
    unsafe { _mm512_loadu_si512(block.as_ptr().cast()) }
}

/// Stores eight words, given their first members, their second ones, and so on.
#[target_feature(enable = "avx512f,avx2")]
#[inline]
fn store_words(words: &mut [Word; GROUP_WORDS], [a, b, c, d]: [__m512i; 4]) {
    // First two by two, and then these two by two.
    let front = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11);
    let back = _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15);
    let low = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
    let high = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
    let (pairs, _) = words.as_chunks_mut::<2>();
    for (nth, half) in [front, back].into_iter().enumerate() {
        let ab = _mm512_permutex2var_epi64(a, half, b);
        let cd = _mm512_permutex2var_epi64(c, half, d);
        store_pair(&mut pairs[2 * nth], _mm512_permutex2var_epi64(ab, low, cd));
        store_pair(&mut pairs[2 * nth + 1], _mm512_permutex2var_epi64(ab, high, cd));
    }
}

#[target_feature(enable = "avx512f")]
#[inline]
#[expect(unsafe_code, reason = "storing a vector through a pointer")]
fn store_pair(words: &mut [Word; 2], members: __m512i) {
    // SAFETY: two words have the 64 bytes that are written, and are numbers, which may be any; this store needs no alignment.
    unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), members) }
}

/// Two words are as long as the vector that is stored to them.
const _: () = assert!(size_of::<[Word; 2]>() == size_of::<__m512i>());

/// Asks for text that comes a little later: processors look ahead by themselves, but not beyond a page.
#[inline]
#[expect(unsafe_code, reason = "naming an address that need not be there")]
fn prefetch(block: &[u8; WORD_BYTES]) {
    const AHEAD_BYTES: usize = 2048;
    let later = block.as_ptr().wrapping_add(AHEAD_BYTES);
    // SAFETY: a prefetch is a hint. It reads nothing that can be told, and none is made of an address that is not there.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(later.cast()) }
}

/// Fills eight words of which one has an odd byte, by the narrower vectors: backslashes are looked at word by word.
#[target_feature(enable = "avx2,pclmulqdq,popcnt")]
#[cold]
#[inline(never)]
fn eight_oddly(
    block: &Block,
    words: &mut [Word; GROUP_WORDS],
    before: &mut Before,
) -> (usize, Group) {
    let mut held = 0;
    let (blocks, _) = block.as_chunks::<WORD_BYTES>();
    for (block, word) in blocks.iter().zip(&mut *words) {
        if !word_avx2!(block, word, before) {
            break;
        }
        held += 1;
    }
    let group = if held == GROUP_WORDS { group_avx2(words) } else { Group::of(&words[..held]) };
    (held, group)
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
    use crate::{OUTLINE_GROUPS, OUTLINE_WORDS, fill_plainly};

    type Fill<'f> = dyn Fn(&[u8], &mut [Word], &mut [Outline]) -> usize + 'f;

    /// Every extension that this processor has gives what the plain way gives.
    #[expect(unsafe_code, reason = "each function is called after asking for its extension")]
    fn check(text: &[u8], room: usize) {
        let filled = |fill: &Fill<'_>, before: &[u8]| {
            let mut words = vec![Word::default(); room * GROUP_WORDS];
            let mut outlines = vec![Outline::default(); room.div_ceil(OUTLINE_GROUPS)];
            fill(before, &mut words, &mut outlines);
            let count = fill(text, &mut words, &mut outlines);
            words.truncate(count);
            outlines.truncate(count.div_ceil(OUTLINE_WORDS));
            (words, outlines)
        };
        let expected = filled(&fill_plainly, b"");
        // What stands there from another text must not show.
        let before = b"[".repeat(room * GROUP_BYTES);
        if has_avx512() {
            let fill = |text: &[u8], words: &mut [Word], outlines: &mut [Outline]| {
                // SAFETY: the processor has the extensions.
                unsafe { fill_avx512(text, words, outlines) }
            };
            assert_eq!(filled(&fill, &before), expected);
        }
        if has_avx2() {
            let fill = |text: &[u8], words: &mut [Word], outlines: &mut [Outline]| {
                // SAFETY: the processor has the extensions.
                unsafe { fill_avx2(text, words, outlines) }
            };
            assert_eq!(filled(&fill, &before), expected);
        }
        assert_eq!(filled(&crate::fill, &before), expected);
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

    #[test]
    fn outlines_go_on_where_the_one_before_them_ends() {
        let record = r#"{"a":{"b":[1,"é\\\""],"c":"[[{"}},"#;
        for times in [100, 150, 200, 400] {
            let text = format!("[{}", record.repeat(times));
            check(text.as_bytes(), 40);
            check(&text.as_bytes()[1..text.len() - 5], 17);
        }
    }

    proptest::proptest! {
        #[test]
        fn plain_text(text in "(\\{|\\}|\\[|\\]|\"|x|,|:|[ -~&&[^\\\\]]){0,1100}", room in 0_usize..5) {
            check(text.as_bytes(), room);
        }

        #[test]
        fn seldom_odd(text in "([ -~&&[^\\\\]]{0,300}(\"\\\\{0,3}\"|é)){0,5}", room in 0_usize..5) {
            check(text.as_bytes(), room);
        }

        #[test]
        fn any_bytes(text: Vec<u8>, room in 0_usize..6) {
            check(&text, room);
        }

        #[test]
        fn nearly_json(text in "(\\{|\\}|\\[|\\]|\"|\\\\|x|é|,|:){0,700}", room in 0_usize..4) {
            check(text.as_bytes(), room);
        }
    }
}
