//! The masks byte by byte: for processors without an extension we know, and the measure of the others.

use crate::{GROUP_BYTES, GROUP_WORDS, Group, Outline, WORD_BYTES, Word};

/// The same as [`crate::fill`], byte by byte.
pub fn fill_plainly(text: &[u8], words: &mut [Word], outlines: &mut [Outline]) -> usize {
    let mut before = Before::default();
    let mut count = 0;
    let (words, _) = words.as_chunks_mut::<GROUP_WORDS>();
    for (nth, (text, words)) in text.chunks(GROUP_BYTES).zip(words).enumerate() {
        let (mut blocks, mut held) = (text.chunks(WORD_BYTES), 0);
        while let Some(word) = words.get_mut(held)
            && let Some(made) = blocks.next().and_then(|block| before.word(block))
        {
            *word = made;
            held += 1;
        }
        Outline::put(outlines, nth, Group::of(&words[..held]));
        count += held;
        if held < GROUP_WORDS {
            break;
        }
    }
    count
}

/// What of the text before a block matters to it.
#[derive(Default)]
struct Before {
    in_string: bool,
    escaped: bool,
    after_colon: bool,
    depth: i32,
}

impl Before {
    fn word(&mut self, block: &[u8]) -> Option<Word> {
        let (mut quotes, mut keys, mut opened, mut closed, mut is_odd) = (0, 0, 0, 0, false);
        for (nth, &byte) in block.iter().enumerate() {
            let bit = 1_u64 << nth;
            is_odd |= byte == b'\\' || !byte.is_ascii();
            match byte {
                b'"' if !self.escaped => {
                    quotes |= bit;
                    keys |= if self.in_string || self.after_colon { 0 } else { bit };
                    self.in_string = !self.in_string;
                }
                b'\\' if !self.in_string => return None,
                b'{' | b'[' if !self.in_string => opened |= bit,
                b'}' | b']' if !self.in_string => closed |= bit,
                _ => {}
            }
            self.escaped = byte == b'\\' && !self.escaped;
            self.after_colon = byte == b':';
        }
        Some(Word::new((quotes, keys), (opened, closed), is_odd, &mut self.depth))
    }
}
