//! The masks byte by byte: for processors without an extension we know, and the measure of the others.

use crate::{GROUP_BYTES, Group, WORD_BYTES, Word};

/// The same as [`crate::fill`], byte by byte.
pub fn fill_plainly(text: &[u8], groups: &mut [Group]) -> usize {
    let (mut in_string, mut escaped, mut after_colon) = (false, false, false);
    let (mut count, mut depth) = (0, 0);
    for (blocks, group) in text.chunks(GROUP_BYTES).zip(groups) {
        for (place, block) in blocks.chunks(WORD_BYTES).enumerate() {
            let mut word = Word { lowest: depth, ..Word::default() };
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
                    b'{' | b'[' if !in_string => {
                        word.brackets |= bit;
                        word.open_count += 1;
                        depth += 1;
                    }
                    b'}' | b']' if !in_string => {
                        word.brackets |= bit;
                        word.close_count += 1;
                        word.lowest -= 1;
                        depth -= 1;
                    }
                    _ => {}
                }
                escaped = byte == b'\\' && !escaped;
                after_colon = byte == b':';
            }
            group.set(place, word);
            count += 1;
        }
    }
    count
}
