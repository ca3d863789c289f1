//! Any bytes as text: whatever vectors the processor has, the masks are those of the walk byte by byte.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trailloop_masks::{Word, fill, fill_plainly};

fuzz_target!(|text: &[u8]| {
    for room in [1, 3, 64] {
        let (mut fast, mut plain) = (vec![Word::default(); room], vec![Word::default(); room]);
        let (filled, expected) = (fill(text, &mut fast), fill_plainly(text, &mut plain));
        assert_eq!(fast[..filled], plain[..expected]);
    }
});
