//! Codes and what they stand for, to be looked up by the next bits.

use crate::Damage;
use crate::bits::Bits;
use crate::codes::{CODE_BITS_MAX, Code, Codes};

/// What a code stands for, in one number:
///
/// | Bits | |
/// |---|---|
/// | 0 to 5 | how many bits to go past, those included that follow a code |
/// | 8 to 11 | how many of them are the code; of a further table how many bits choose in it |
/// | 7, 12, 13 | the flags |
/// | 14 to 29 | literals, the least length or distance, or where a further table begins |
/// | 30 to 31 | how many literals these are |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry(u32);

const SECOND_SHIFT: u32 = 8;
const VALUE_SHIFT: u32 = 14;
const LITERALS_SHIFT: u32 = 30;
/// Neither a literal nor a length or distance.
const OTHER: u32 = 1 << 13;
/// The code is longer than the main table is wide.
const LONG: u32 = 1 << 12;
/// The end of a block.
const END: u32 = 1 << 7;

impl Entry {
    /// What no code stands for.
    pub(crate) const NONE: Self = Self(OTHER);
    pub(crate) const END: Self = Self(OTHER | END);

    pub(crate) const fn literal(byte: u8) -> Self {
        Self(1 << LITERALS_SHIFT | (byte as u32) << VALUE_SHIFT)
    }

    /// A number that is no less than this, to which so many bits after the code are added.
    pub(crate) const fn number(least: u16, more_bits: u32) -> Self {
        Self((least as u32) << VALUE_SHIFT | more_bits)
    }

    /// The same, given the length of its code.
    fn coded(self, bits: u32) -> Self {
        let code_bits = if self.is_number() { bits << SECOND_SHIFT } else { 0 };
        Self((self.0 + bits) | code_bits)
    }

    fn both(first: u16, second: u16, bits: u32) -> Self {
        let literals = u32::from(first) | u32::from(second) << 8;
        Self(2 << LITERALS_SHIFT | literals << VALUE_SHIFT | bits)
    }

    fn further(start: usize, choice_bits: u32, main_bits: u32) -> Self {
        let start = (start as u32) << VALUE_SHIFT;
        Self(OTHER | LONG | start | choice_bits << SECOND_SHIFT | main_bits)
    }

    #[inline(always)]
    pub(crate) fn is_literal(self) -> bool {
        self.0 >> LITERALS_SHIFT != 0
    }

    /// One literal or two, and how many they are; the second byte is zero if there is one.
    #[inline(always)]
    pub(crate) fn literals(self) -> ([u8; 2], usize) {
        let literals = (self.0 >> VALUE_SHIFT) as u16;
        (literals.to_le_bytes(), (self.0 >> LITERALS_SHIFT) as usize)
    }

    #[inline(always)]
    pub(crate) fn is_number(self) -> bool {
        !self.is_literal() && !self.is_other()
    }

    #[inline(always)]
    pub(crate) fn is_other(self) -> bool {
        self.0 & OTHER != 0
    }

    pub(crate) fn is_end(self) -> bool {
        self.0 & END != 0
    }

    /// How many bits to go past, in the lowest six bits.
    #[inline(always)]
    pub(crate) fn bits(self) -> u32 {
        self.0
    }

    #[inline(always)]
    fn second(self) -> u32 {
        self.0 >> SECOND_SHIFT & 15
    }

    /// The number that a code stands for, with the bits that follow it. `bits` begin with the code.
    #[inline(always)]
    pub(crate) fn value(self, bits: &Bits<'_>) -> usize {
        let all = bits.peek() & 1_u64.wrapping_shl(self.0).wrapping_sub(1);
        (self.0 >> VALUE_SHIFT) as usize + (all >> self.second()) as usize
    }
}

/// The entries of all codes: first those that the next `MAIN_BITS` bits choose, then further tables for longer codes.
pub(crate) struct Table<const MAIN_BITS: u32, const ENTRIES: usize>([Entry; ENTRIES]);

/// The widest main table.
const MAIN_BITS_MAX: u32 = 10;

impl<const MAIN_BITS: u32, const ENTRIES: usize> Table<MAIN_BITS, ENTRIES> {
    const MAIN: usize = 1 << MAIN_BITS;

    pub(crate) fn new() -> Self {
        const {
            assert!(
                ENTRIES.is_power_of_two() && ENTRIES >= Self::MAIN && MAIN_BITS <= MAIN_BITS_MAX
            )
        };
        Self([Entry::NONE; ENTRIES])
    }

    /// The entry for the next bits; if it is neither a literal nor a number, [`Table::other`] tells more.
    #[inline(always)]
    pub(crate) fn main(&self, bits: &Bits<'_>) -> Entry {
        self.0[bits.peek() as usize & (Self::MAIN - 1)]
    }

    /// The entry of a longer code, given the main table's, whose bits it goes past; the end of a block is left as it is. `None` if no
    /// code is like that.
    pub(crate) fn other(&self, entry: Entry, bits: &mut Bits<'_>) -> Option<Entry> {
        if entry.is_end() {
            return Some(entry);
        }
        bits.pass(entry.bits());
        let choice = bits.peek() as usize & ((1 << entry.second()) - 1);
        let index = (entry.0 >> VALUE_SHIFT) as usize + choice;
        let long = self.0[index & (ENTRIES - 1)];
        (entry.0 & LONG != 0 && (!long.is_other() || long.is_end())).then_some(long)
    }

    /// Makes the table of codes. Where the codes of two literals fit in the main table together they make one entry.
    pub(crate) fn make(&mut self, codes: &Codes, entries: &[Entry]) -> Result<(), Damage> {
        let mut literals = [&[][..]; 1 + MAIN_BITS_MAX as usize];
        let shortest = codes.shortest().min(MAIN_BITS);
        self.0[..1 << (shortest - 1)].fill(Entry::NONE);
        for length in shortest..=MAIN_BITS {
            // Each entry of a shorter code is right whatever the next bit is.
            let half = 1 << (length - 1);
            self.0.copy_within(..half, half);
            let of_length = codes.of_length(length);
            for code in of_length {
                self.0[usize::from(code.bits)] = entries[usize::from(code.symbol)].coded(length);
            }
            let count =
                of_length.partition_point(|code| entries[usize::from(code.symbol)].is_literal());
            literals[length as usize] = &of_length[..count];
            for first_length in shortest..=length - shortest {
                let seconds = literals[(length - first_length) as usize];
                for (first, second) in pairs(literals[first_length as usize], seconds) {
                    let bits = first.bits | second.bits << first_length;
                    self.0[usize::from(bits)] = Entry::both(first.symbol, second.symbol, length);
                }
            }
        }
        self.make_further(codes, entries)
    }

    /// Makes the further tables: all codes that begin with the same bits share one, which is as wide as the longest of them.
    fn make_further(&mut self, codes: &Codes, entries: &[Entry]) -> Result<(), Damage> {
        let mut end = Self::MAIN;
        let (mut last_main, mut start, mut choice_bits) = (None, 0, 0);
        for length in MAIN_BITS + 1..=CODE_BITS_MAX {
            let of_length = codes.of_length(length);
            for (nth, code) in of_length.iter().enumerate() {
                let main = usize::from(code.bits) & (Self::MAIN - 1);
                if last_main.replace(main) != Some(main) {
                    choice_bits = codes.choice_bits(length, of_length.len() - nth, MAIN_BITS);
                    start = end;
                    end += 1 << choice_bits;
                    if end > ENTRIES {
                        // No complete codes need more than there are.
                        return Err(Damage::Corrupt);
                    }
                    self.0[main] = Entry::further(start, choice_bits, MAIN_BITS);
                }
                let entry = entries[usize::from(code.symbol)].coded(length - MAIN_BITS);
                let first = usize::from(code.bits) >> MAIN_BITS;
                for choice in (first..1 << choice_bits).step_by(1 << (length - MAIN_BITS)) {
                    self.0[start + choice] = entry;
                }
            }
        }
        Ok(())
    }
}

fn pairs<'c>(firsts: &'c [Code], seconds: &'c [Code]) -> impl Iterator<Item = (Code, Code)> {
    firsts.iter().flat_map(|first| seconds.iter().map(|second| (*first, *second)))
}
