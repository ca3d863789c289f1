//! The bits of a stream, from the lowest of each byte on.

/// So many bits are there after a refill.
pub(crate) const REFILLED: u32 = COUNT_REFILLED - TAKEN;

/// So many bits that were taken already stay below the next ones. Entries of tables are four bytes long, so that where an entry lies is
/// then told by the buffer and a mask alone: one step less between two codes.
const TAKEN: u32 = 2;

/// What the count comes to with each refill.
const COUNT_REFILLED: u32 = 56;

/// What is left of a stream, with the next bits at hand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bits<'i> {
    input: &'i [u8],
    /// What is not loaded yet.
    rest: &'i [u8],
    /// How many bytes were loaded beyond the input, as zeros.
    beyond: usize,
    /// The next bits, above those that were taken.
    buffer: u64,
    /// How many bits the buffer holds, in its own lowest six bits; the others are of no meaning, which saves a step for each code.
    count: u32,
}

/// The same between two pieces.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Saved {
    loaded: usize,
    buffer: u64,
    count: u32,
}

impl Saved {
    /// The beginning of a stream.
    pub(crate) const BEGIN: Self = Self { loaded: 0, buffer: 0, count: TAKEN };

    /// How many bytes of the input were taken, also in part.
    pub(crate) fn bytes_taken(self) -> usize {
        self.loaded - whole_bytes(self.count)
    }
}

/// How many whole bytes are at hand.
fn whole_bytes(count: u32) -> usize {
    ((count % 64 - TAKEN) / 8) as usize
}

impl<'i> Bits<'i> {
    /// Goes on in an input.
    pub(crate) fn resume(input: &'i [u8], saved: Saved) -> Self {
        let Saved { loaded, buffer, count } = saved;
        let rest = input.get(loaded..).unwrap_or_default();
        let beyond = loaded.saturating_sub(input.len());
        Self { input, rest, beyond, buffer, count }
    }

    /// Keeps the place in the input.
    pub(crate) fn save(&self) -> Saved {
        let loaded = self.input.len() - self.rest.len() + self.beyond;
        Saved { loaded, buffer: self.buffer, count: self.count }
    }

    /// Loads bytes until [`REFILLED`] bits are at hand, and says whether all of them are the input's.
    #[inline(always)]
    pub(crate) fn refill(&mut self) -> bool {
        let Some(next) = self.rest.first_chunk() else {
            *self = self.refilled_slowly();
            return self.beyond == 0;
        };
        let count = self.count % 64;
        self.buffer |= u64::from_le_bytes(*next) << count;
        self.rest = &self.rest[((63 - count) / 8) as usize..];
        self.count = count | COUNT_REFILLED;
        true
    }

    /// The same near the input's end. It takes and gives the whole, so that the fields can stay in registers.
    #[cold]
    #[inline(never)]
    fn refilled_slowly(mut self) -> Self {
        self.count %= 64;
        while self.count < COUNT_REFILLED {
            match self.rest.split_first() {
                Some((byte, rest)) => {
                    self.buffer |= u64::from(*byte) << self.count;
                    self.rest = rest;
                }
                None => self.beyond += 1,
            }
            self.count += 8;
        }
        self
    }

    /// The next bits, without taking them.
    #[inline(always)]
    pub(crate) fn peek(&self) -> u64 {
        self.buffer >> TAKEN
    }

    /// Goes past so many bits as the lowest six bits of a number say.
    #[inline(always)]
    pub(crate) fn pass(&mut self, bits: u32) {
        self.buffer = self.buffer.wrapping_shr(bits);
        self.count = self.count.wrapping_sub(bits);
    }

    /// Takes so many bits as a number.
    #[inline]
    pub(crate) fn take(&mut self, bits: u32) -> u32 {
        let taken = self.peek() as u32 & ((1 << bits) - 1);
        self.pass(bits);
        taken
    }

    /// Whether a bit that was taken stood beyond the input.
    pub(crate) fn took_beyond(&self) -> bool {
        self.beyond > whole_bytes(self.count)
    }

    /// The next bytes, from a whole one on: as many as are asked for, or as the input has.
    pub(crate) fn bytes(&mut self, length: usize) -> &'i [u8] {
        let input = self.input;
        let start = self.save().bytes_taken().min(input.len());
        let end = input.len().min(start.saturating_add(length));
        *self = Self::resume(input, Saved { loaded: end, ..Saved::BEGIN });
        &input[start..end]
    }
}
