//! The masks byte by byte: for processors without an extension we know, and the measure of the others.

use crate::{WORD_BYTES, Word, opens};

/// The same as [`crate::fill`], byte by byte.
pub fn fill_plainly(text: &[u8], words: &mut [Word]) -> usize {
    let (mut in_string, mut escaped, mut after_colon) = (false, false, false);
    let mut count = 0;
    for (block, word) in text.chunks(WORD_BYTES).zip(words) {
        *word = Word::default();
        for (nth, &byte) in block.iter().enumerate() {
            let bit = 1_u64 << nth;
            word.is_odd |= byte == b'\\' || !byte.is_ascii();
            match byte {
                b'"' if !escaped => {
                    word.quotes |= bit;
                    word.keys |= if in_string || after_colon { 0 } else { bit };
                    in_string = !in_string;
                }
                b'\\' if !in_string => return count,
                b'{' | b'[' | b'}' | b']' if !in_string => {
                    word.brackets |= bit;
                    word.open_count += u8::from(opens(byte));
                    word.close_count += u8::from(!opens(byte));
                }
                _ => {}
            }
            escaped = byte == b'\\' && !escaped;
            after_colon = byte == b':';
        }
        count += 1;
    }
    count
}
