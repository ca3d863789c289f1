//! The masks byte by byte: for processors without an extension we know, and the measure of the others.

use crate::{WORD_BYTES, Word};

/// The same as [`crate::fill`], byte by byte.
pub fn fill_plainly(text: &[u8], words: &mut [Word]) -> usize {
    let (mut in_string, mut escaped) = (false, false);
    let mut count = 0;
    for (block, word) in text.chunks(WORD_BYTES).zip(words) {
        *word = Word::default();
        for (nth, &byte) in block.iter().enumerate() {
            let bit = 1_u64 << nth;
            if byte == b'\\' || !byte.is_ascii() {
                word.is_odd = true;
            }
            match byte {
                b'"' if !escaped => {
                    word.quotes |= bit;
                    in_string = !in_string;
                }
                b'\\' if !in_string => return count,
                b'{' | b'[' if !in_string => {
                    word.opens |= bit;
                    word.open_count += 1;
                }
                b'}' | b']' if !in_string => {
                    word.closes |= bit;
                    word.close_count += 1;
                }
                _ => {}
            }
            escaped = byte == b'\\' && !escaped;
        }
        count += 1;
    }
    count
}
