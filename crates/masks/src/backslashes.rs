//! What backslashes escape.

/// Every other bit, the lowest included.
const EVEN_BITS: u64 = 0x5555_5555_5555_5555;

/// Which bytes a backslash escapes. `escapes` is one if the byte before the first is such a backslash, and is set to
/// whether the last one is.
///
/// A run of backslashes escapes what follows it if its length is odd. Adding a bit at each run that starts at an odd
/// place to the runs carries through them, so that the parity of where a run ends can be told for all runs at once.
///
/// Few blocks hold a backslash, and the registers that this takes are wanted for all others.
#[cold]
#[inline(never)]
pub(crate) fn escaped_by(backslashes: u64, escapes: &mut u64) -> u64 {
    let runs = backslashes & !*escapes;
    let follows = runs << 1 | *escapes;
    let odd_starts = runs & !EVEN_BITS & !follows;
    let (even_ends, carried) = odd_starts.overflowing_add(runs);
    *escapes = u64::from(carried);
    (EVEN_BITS ^ (even_ends << 1)) & follows
}
