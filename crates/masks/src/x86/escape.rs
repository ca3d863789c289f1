//! Text escaped by the vector extensions of x86-64.

use std::arch::x86_64::*;
use std::sync::OnceLock;

use super::signed;
use crate::ESCAPE_BYTES;

/// Escapes by the extension there is for it; `None` if there is none.
#[inline]
#[expect(
    unsafe_code,
    reason = "calling code for an extension, just after asking whether the processor has it"
)]
pub(crate) fn escape(text: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    // Texts are short, so that five questions would cost as much as they do.
    static HAS_EXTENSIONS: OnceLock<bool> = OnceLock::new();
    let has_extensions = *HAS_EXTENSIONS.get_or_init(|| {
        is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vbmi2")
            && is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("popcnt")
    });
    // SAFETY: the processor has the extensions that the function is compiled for, and that is all it asks for.
    has_extensions.then(|| unsafe { escape_avx512(text, out) })
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi2,avx2,bmi2,popcnt")]
fn escape_avx512(text: &[u8], out: &mut Vec<u8>) -> usize {
    let mut taken = 0;
    // Most texts have nothing to escape, and JSON has something in nearly every block.
    let mut is_plain = true;
    // Room is made for so much at a time, because as much as twice the text may come to be written.
    for part in text.chunks(ESCAPE_BYTES * BLOCKS_WITH_ROOM) {
        out.reserve(2 * part.len().next_multiple_of(ESCAPE_BYTES));
        for block in part.chunks(ESCAPE_BYTES) {
            if !append_escaped(block, &mut is_plain, out) {
                return taken;
            }
            taken += block.len();
        }
    }
    taken
}

/// Room is made for so many blocks at a time.
const BLOCKS_WITH_ROOM: usize = 64;

/// Appends a block of at most [`ESCAPE_BYTES`], if there is no control character in it and room for it; says whether it did.
///
/// A backslash is put before every byte, and those are left out again that nothing needs.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi2,avx2,bmi2,popcnt")]
#[inline]
#[expect(unsafe_code, reason = "loading and storing vectors through pointers")]
fn append_escaped(block: &[u8], is_plain: &mut bool, out: &mut Vec<u8>) -> bool {
    const EVERY_BYTE: u64 = 0xaaaa_aaaa_aaaa_aaaa;
    let length = block.len().min(ESCAPE_BYTES);
    let is_there = u32::MAX.unbounded_shr((ESCAPE_BYTES - length) as u32);
    // SAFETY: there are the bytes that are read, which are those with a bit in the mask; this load needs no alignment.
    let bytes = unsafe { _mm256_maskz_loadu_epi8(is_there, block.as_ptr().cast()) };
    let byte = |byte: u8| _mm256_set1_epi8(signed(byte));
    let controls = _mm256_mask_cmple_epu8_mask(is_there, bytes, byte(0x1f));
    if controls != 0 {
        return false;
    }
    let escaped =
        _mm256_cmpeq_epi8_mask(bytes, byte(b'"')) | _mm256_cmpeq_epi8_mask(bytes, byte(b'\\'));
    let Some(room) = out.spare_capacity_mut().first_chunk_mut::<{ 2 * ESCAPE_BYTES }>() else {
        return false;
    };
    *is_plain &= escaped == 0;
    if *is_plain {
        // SAFETY: there are the 32 bytes that are written, and this store needs no alignment.
        unsafe { _mm256_storeu_si256(room.as_mut_ptr().cast(), bytes) }
    } else {
        let before = _mm512_set1_epi16(i16::from(b'\\'));
        let pairs = _mm512_or_si512(_mm512_slli_epi16::<8>(_mm512_cvtepu8_epi16(bytes)), before);
        let stays = _pdep_u64(u64::from(escaped), !EVERY_BYTE) | EVERY_BYTE;
        let written = _mm512_maskz_compress_epi8(stays, pairs);
        // SAFETY: there are the 64 bytes that are written, and this store needs no alignment.
        unsafe { _mm512_storeu_si512(room.as_mut_ptr().cast(), written) }
    }
    let end = out.len() + length + escaped.count_ones() as usize;
    // SAFETY: all bytes up to there are written: those before, and of those just stored as many as the block has and as it
    // has escapes.
    unsafe { out.set_len(end) }
    true
}
