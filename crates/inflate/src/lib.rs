//! DEFLATE (RFC 1951), inflated piece by piece.
//!
//! Logs repeat themselves: a byte in ten is left of them, a match is fifty bytes long, and between matches stand hexadecimal
//! digits. Libraries for whole objects write all of the text before any of it is read, megabytes beyond the caches that a core
//! has to itself; those for streams take a third to a half as long again. Here a piece is inflated and left to who reads it, and the next
//! one begins where this one ended, between two symbols.
//!
//! The reader is safe code. What makes it fast is that little of it depends on guesses: tables that the nearest cache can hold
//! beside the text, two literals in one look-up where their codes are short, and matches copied by whole vectors, beyond their
//! ends, into room that is always there ([`OVERHANG`]).
//!
//! What is DEFLATE and what is damaged is told as zlib tells it, and tests and a fuzz target hold it to that.

mod bits;
mod blocks;
mod codes;
mod copy;
mod symbols;
mod table;

use bits::{Bits, Saved};
use symbols::Tables;

pub use copy::OVERHANG;

/// What is wrong with a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// It is no DEFLATE.
    Corrupt,
    /// It ends before its last block does.
    Truncated,
}

/// Whether there is more of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The room is full.
    More,
    /// The stream has ended.
    End,
}

/// The state of a stream between two pieces. Its tables are kept for the next stream.
pub struct Inflater {
    tables: Box<Tables>,
    saved: Saved,
    place: Place,
    /// The block at hand is the last one.
    is_last: bool,
}

/// Where in a stream the next piece begins.
#[derive(Clone, Copy)]
enum Place {
    /// Before a block's header, or at the end.
    Between,
    /// In a stored block, of which so many bytes are left.
    Stored(usize),
    /// Between two symbols of a compressed block.
    Symbols,
}

impl Inflater {
    /// One at the beginning of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self {
            tables: Box::new(Tables::new()),
            saved: Saved::BEGIN,
            place: Place::Between,
            is_last: false,
        }
    }

    /// Begins another stream.
    pub fn reset(&mut self) {
        self.saved = Saved::BEGIN;
        self.place = Place::Between;
        self.is_last = false;
    }

    /// Inflates the stream that `input` begins with into `text`, from `at` on, until no more than [`OVERHANG`] bytes of room
    /// are left or the stream ends. `at` is then just after what was inflated, also before damage; what comes after that is of
    /// no meaning.
    ///
    /// `input` is the same at each call. `text` begins no later than the stream's text does, or 32 KiB before `at`: what comes
    /// now may repeat what is there.
    ///
    /// # Errors
    ///
    /// The stream is damaged, and nothing more can be had of it.
    pub fn inflate(
        &mut self,
        input: &[u8],
        text: &mut [u8],
        at: &mut usize,
    ) -> Result<Progress, Damage> {
        let mut bits = Bits::resume(input, self.saved);
        let progress = self.inflate_from(&mut bits, text, at);
        self.saved = bits.save();
        progress
    }

    /// How many bytes of the input the stream took, once it has ended.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.saved.bytes_taken()
    }

    fn inflate_from(
        &mut self,
        bits: &mut Bits<'_>,
        text: &mut [u8],
        at: &mut usize,
    ) -> Result<Progress, Damage> {
        let stop = text.len().saturating_sub(OVERHANG);
        while *at < stop {
            match self.place {
                Place::Between if self.is_last => return Ok(Progress::End),
                Place::Between => self.begin_block(bits)?,
                Place::Stored(left) => {
                    let length = left.min(stop - *at);
                    let stored = bits.bytes(length);
                    text[*at..*at + stored.len()].copy_from_slice(stored);
                    *at += stored.len();
                    if stored.len() < length {
                        return Err(Damage::Truncated);
                    }
                    let left = left - length;
                    self.place = if left == 0 { Place::Between } else { Place::Stored(left) };
                }
                Place::Symbols => {
                    if symbols::inflate(&self.tables, bits, text, at)? {
                        self.place = Place::Between;
                    }
                }
            }
        }
        Ok(Progress::More)
    }

    fn begin_block(&mut self, bits: &mut Bits<'_>) -> Result<(), Damage> {
        let header = blocks::header(bits, &mut self.tables)?;
        self.is_last = header.is_last;
        self.place = match header.stored {
            None => Place::Symbols,
            Some(0) => Place::Between,
            Some(length) => Place::Stored(length),
        };
        Ok(())
    }
}

impl Default for Inflater {
    fn default() -> Self {
        Self::new()
    }
}
