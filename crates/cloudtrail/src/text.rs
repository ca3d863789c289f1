//! The text of an object as it arrives.

use trailloop_inflate::OVERHANG;

/// So far back may DEFLATE repeat what came before (RFC 1951, 3.2.5).
const WINDOW_BYTES: usize = 32 << 10;

/// So much more room is made than is asked for, and what is kept is moved to the front the less often.
const SPARE_BYTES: usize = 256 << 10;

/// The text that is still needed, with what comes before it as far as what follows may repeat it. It moves through a buffer that
/// stays in the caches of its core, and is kept from object to object.
#[derive(Default)]
pub(crate) struct Text {
    buffer: Vec<u8>,
    /// Where in the buffer the text lies.
    start: usize,
    end: usize,
    /// Where the gzip member at hand begins, if it is still there: it repeats nothing that came before it.
    member: usize,
}

impl Text {
    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        (self.start, self.end, self.member) = (0, 0, 0);
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// The first bytes are no longer needed.
    pub(crate) fn forget(&mut self, bytes: usize) {
        self.start += bytes;
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) {
        self.make_room(self.bytes().len() + bytes.len());
        self.buffer[self.end..self.end + bytes.len()].copy_from_slice(bytes);
        self.end += bytes.len();
    }

    /// A gzip member begins where the text ends.
    pub(crate) fn begin_member(&mut self) {
        self.member = self.end;
    }

    /// Gives `inflate` the member at hand, with room until the text is `length` long and [`OVERHANG`] beyond, and where its text ends so
    /// far; the text then ends where it says.
    pub(crate) fn extend<T>(
        &mut self,
        length: usize,
        inflate: impl FnOnce(&mut [u8], &mut usize) -> T,
    ) -> T {
        self.make_room(length);
        let mut at = self.end - self.member;
        let room = self.start + length + OVERHANG;
        let outcome = inflate(&mut self.buffer[self.member..room], &mut at);
        self.end = self.member + at;
        outcome
    }

    /// Makes room until the text is `length` long, and for what is written beyond it.
    fn make_room(&mut self, length: usize) {
        if self.buffer.len() - self.start >= length + OVERHANG {
            return;
        }
        self.move_to_front();
        let room = self.start + length + OVERHANG;
        if self.buffer.len() < room {
            self.buffer.resize(room + SPARE_BYTES, 0);
        }
    }

    fn move_to_front(&mut self) {
        let kept = self.start.min(self.end.saturating_sub(WINDOW_BYTES));
        if kept > 0 {
            self.buffer.copy_within(kept..self.end, 0);
            self.start -= kept;
            self.end -= kept;
            self.member = self.member.saturating_sub(kept);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_forgotten_stays_as_far_as_it_may_be_repeated() {
        let mut text = Text::default();
        text.append(b"before");
        text.begin_member();
        let piece = 100_000;
        for nth in 0..50_u8 {
            let length = text.bytes().len() + piece;
            text.extend(length, |member, at| {
                assert!(member.len() >= *at + piece + OVERHANG, "there is room");
                let window = &member[at.saturating_sub(WINDOW_BYTES)..*at];
                assert!(window.iter().all(|byte| *byte == nth.wrapping_sub(1)));
                assert_eq!(window.len(), if nth == 0 { 0 } else { WINDOW_BYTES });
                member[*at..*at + piece].fill(nth);
                *at += piece;
            });
            assert!(text.bytes().ends_with(&[nth; 100_000]));
            text.forget(text.bytes().len() - 10);
        }
        assert!(text.buffer.len() < 5 * piece, "the text moves through one buffer");
    }
}
