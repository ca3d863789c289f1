//! Any bytes as text: whatever vectors the processor has, the masks are those of the walk byte by byte.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trailloop_masks::{GROUP_WORDS, Group, fill, fill_plainly};

fuzz_target!(|text: &[u8]| {
    for room in [1, 3, 64] {
        let words = |fill: fn(&[u8], &mut [Group]) -> usize| {
            let mut groups = vec![Group::default(); room];
            let count = fill(text, &mut groups);
            let word = |nth: usize| groups[nth / GROUP_WORDS].word(nth % GROUP_WORDS);
            (0..count).map(word).collect::<Vec<_>>()
        };
        assert_eq!(words(fill), words(fill_plainly));
    }
});
