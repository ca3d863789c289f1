//! Any bytes as text: whatever vectors the processor has, the masks are those of the walk byte by byte.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trailloop_masks::{OUTLINE_WORDS, Outline, Word, escape, escape_plainly, fill, fill_plainly};

fuzz_target!(|text: &[u8]| {
    for room in [8, 24, 64, 520] {
        let filled = |fill: fn(&[u8], &mut [Word], &mut [Outline]) -> usize| {
            let mut words = vec![Word::default(); room];
            let mut outlines = vec![Outline::default(); room.div_ceil(OUTLINE_WORDS)];
            let count = fill(text, &mut words, &mut outlines);
            words.truncate(count);
            outlines.truncate(count.div_ceil(OUTLINE_WORDS));
            (words, outlines)
        };
        assert_eq!(filled(fill), filled(fill_plainly));
    }
    let (mut fast, mut plain) = (Vec::new(), Vec::new());
    if let Some(taken) = escape(text, &mut fast) {
        assert_eq!(taken, escape_plainly(text, &mut plain));
        assert_eq!(fast, plain);
    }
});
