//! Text that repeats what stands before it.

/// So many bytes are copied at once, for every match: most are no longer, and only whether one is has to be guessed.
const STEP: usize = 64;
/// So many steps are taken for the others: none is longer than 258 bytes.
const STEPS: usize = 258_usize.div_ceil(STEP);

/// The most literals that are written at once, before a match.
pub(crate) const LITERALS_MOST: usize = 16;

/// The room that there must be beyond where a piece of text ends: for literals and a match that begin just before it, and for what
/// is copied beyond the end of that match.
pub const OVERHANG: usize = LITERALS_MOST + STEPS * STEP;

/// Repeats what stands `back` bytes before `at`. There is room for [`OVERHANG`] bytes.
#[inline(always)]
pub(crate) fn repeat(text: &mut [u8], at: usize, back: usize, length: usize) {
    if back < STEP {
        return repeat_near(text, at, back, length);
    }
    let (before, room) = text.split_at_mut(at);
    room[..STEP].copy_from_slice(&before[at - back..][..STEP]);
    if length > STEP {
        let text = &mut text[at - back..at + STEPS * STEP];
        for from in (1..STEPS).map(|nth| nth * STEP) {
            text.copy_within(from..from + STEP, back + from);
        }
    }
}

/// The same of what is so near that a step would copy what is not there yet: each time twice as much is.
#[inline(never)]
fn repeat_near(text: &mut [u8], at: usize, back: usize, length: usize) {
    let (from, end) = (at - back, at + length);
    let mut there = at;
    while there < end {
        let bytes = (there - from).min(end - there);
        text.copy_within(from..from + bytes, there);
        there += bytes;
    }
}
