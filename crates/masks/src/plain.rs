//! The masks byte by byte: for processors without an extension we know, and the measure of the others.

use crate::{WORD_BYTES, Word};

/// The same as [`crate::fill`], byte by byte.
pub fn fill_plainly(text: &[u8], words: &mut [Word]) -> usize {
    let (mut in_string, mut escaped, mut after_colon) = (false, false, false);
    let mut count = 0;
    for (block, word) in text.chunks(WORD_BYTES).zip(words) {
        let (mut quotes, mut keys, mut opened, mut closed, mut is_odd) = (0, 0, 0, 0, false);
        for (nth, &byte) in block.iter().enumerate() {
            let bit = 1_u64 << nth;
            is_odd |= byte == b'\\' || !byte.is_ascii();
            match byte {
                b'"' if !escaped => {
                    quotes |= bit;
                    keys |= if in_string || after_colon { 0 } else { bit };
                    in_string = !in_string;
                }
                b'\\' if !in_string => return count,
                b'{' | b'[' if !in_string => opened |= bit,
                b'}' | b']' if !in_string => closed |= bit,
                _ => {}
            }
            escaped = byte == b'\\' && !escaped;
            after_colon = byte == b':';
        }
        *word = Word::new(quotes, keys, (opened, closed), is_odd);
        count += 1;
    }
    count
}
