//! The symbols of a block: literals, and matches with text that was before.

use trailloop_masks::{Task, widest};

use crate::Damage;
use crate::bits::{Bits, REFILLED};
use crate::blocks::{DISTANCE_SYMBOLS, END_OF_BLOCK, Lengths, fixed_lengths};
use crate::codes::{Codes, Missing, SYMBOLS_MAX};
use crate::copy::{LITERALS_MOST, OVERHANG, repeat};
use crate::table::{Entry, Table};

/// Wide enough for most codes. In a wider table literals come in pairs more often, and it leaves less of the nearest cache to the
/// text: with 11 bits that is 2 % slower, with 12 it is 15.
const LITERAL_BITS: u32 = 10;
const DISTANCE_BITS: u32 = 8;

/// The tables of a block. They are as long as any codes need: 1,334 and 402 entries, by zlib's `enough.c`.
pub(crate) struct Tables {
    literals: Table<LITERAL_BITS, 2048>,
    distances: Table<DISTANCE_BITS, 512>,
    /// Those by which the block's codes are read.
    pub(crate) lengths: Lengths,
    /// The codes that a table is made of.
    pub(crate) codes: Codes,
    /// How long the literals' codes are.
    literal_lengths: [u8; SYMBOLS_MAX],
    /// Whether they are those of the fixed codes: a stream may have a block of these for every other byte.
    are_fixed: bool,
}

impl Tables {
    pub(crate) fn new() -> Self {
        Self {
            literals: Table::new(),
            distances: Table::new(),
            lengths: Table::new(),
            codes: Codes::new(),
            literal_lengths: [0; SYMBOLS_MAX],
            are_fixed: false,
        }
    }

    /// Makes the tables, given the lengths of codes.
    pub(crate) fn make(&mut self, literals: &[u8], distances: &[u8]) -> Result<(), Damage> {
        self.are_fixed = false;
        self.literal_lengths[..literals.len()].copy_from_slice(literals);
        self.codes.make(literals, Missing::OrAllButOne)?;
        self.literals.make(&self.codes, &LITERALS)?;
        self.codes.make(distances, Missing::OrAllButOne)?;
        self.distances.make(&self.codes, &DISTANCES)
    }

    pub(crate) fn make_fixed(&mut self) -> Result<(), Damage> {
        if !self.are_fixed {
            let (literals, distances) = fixed_lengths();
            self.make(&literals, &distances)?;
            self.are_fixed = true;
        }
        Ok(())
    }
}

/// What the codes of literals and lengths stand for (RFC 1951, 3.2.5).
static LITERALS: [Entry; SYMBOLS_MAX] = {
    const LEAST: [u16; 29] = [
        3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115,
        131, 163, 195, 227, 258,
    ];
    const MORE_BITS: [u32; 29] =
        [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
    // The last two have fixed codes, and stand for nothing.
    let mut entries = [Entry::NONE; SYMBOLS_MAX];
    let mut symbol = 0;
    while symbol < END_OF_BLOCK {
        entries[symbol] = Entry::literal(symbol as u8);
        symbol += 1;
    }
    entries[END_OF_BLOCK] = Entry::END;
    let mut nth = 0;
    while nth < LEAST.len() {
        entries[END_OF_BLOCK + 1 + nth] = Entry::number(LEAST[nth], MORE_BITS[nth]);
        nth += 1;
    }
    entries
};

/// What those of distances stand for.
static DISTANCES: [Entry; DISTANCE_SYMBOLS] = {
    // Here, too, the last two.
    let mut entries = [Entry::NONE; DISTANCE_SYMBOLS];
    let (mut least, mut symbol) = (1, 0);
    while symbol < DISTANCE_SYMBOLS - 2 {
        let more_bits = (symbol as u32 / 2).saturating_sub(1);
        entries[symbol] = Entry::number(least, more_bits);
        least += 1 << more_bits;
        symbol += 1;
    }
    entries
};

/// Why the fast way does not go on.
enum Stop {
    /// The room is full.
    Full,
    /// So is the block.
    End,
    /// Bits at hand stand beyond the input.
    Beyond,
}

/// Inflates symbols until the room is full, or to the end of the block; says whether it has ended.
pub(crate) fn inflate(
    tables: &Tables,
    bits: &mut Bits<'_>,
    text: &mut [u8],
    at: &mut usize,
) -> Result<bool, Damage> {
    match widest(Fast { tables, bits, text, at })? {
        Stop::Full => Ok(false),
        Stop::End => Ok(true),
        Stop::Beyond => carefully(tables, bits, text, at),
    }
}

/// What a code is at most, with what follows it: of a literal or length, and of a distance.
const LENGTH_BITS_MAX: u32 = 15 + 5;
const DISTANCE_BITS_MAX: u32 = 15 + 13;
const _: () = assert!(LENGTH_BITS_MAX + DISTANCE_BITS_MAX <= REFILLED);
/// So many times literals are looked up with the bits of one refill, and once more.
const LOOKUPS: u32 = 4;
const _: () = assert!((LOOKUPS + 1) * LITERAL_BITS <= REFILLED);
const _: () = assert!(2 * LOOKUPS as usize <= LITERALS_MOST);

/// A piece is not full as long as there is so much room.
const MORE_THAN_FULL: usize = OVERHANG + 1;

/// The fast way: all bits of a symbol are at hand, and it is not asked for each code whether they are.
struct Fast<'a, 'i> {
    tables: &'a Tables,
    bits: &'a mut Bits<'i>,
    text: &'a mut [u8],
    at: &'a mut usize,
}

impl Task for Fast<'_, '_> {
    type Output = Result<Stop, Damage>;

    #[inline(always)]
    fn run(self) -> Self::Output {
        let Self { tables, bits: kept, text, at: kept_at } = self;
        // Behind references they would be stored at each step.
        let (mut bits, mut at) = (*kept, *kept_at);
        let stopped = loop {
            let Some(room) = text[at..].first_chunk_mut::<MORE_THAN_FULL>() else {
                break Ok(Stop::Full);
            };
            if !bits.refill() {
                break Ok(Stop::Beyond);
            }
            let mut entry = tables.literals.main(&bits);
            if entry.is_literal() {
                let mut count = 0;
                for _ in 0..LOOKUPS {
                    let (literals, more) = entry.literals();
                    room[count..count + literals.len()].copy_from_slice(&literals);
                    count += more;
                    bits.pass(entry.bits());
                    entry = tables.literals.main(&bits);
                    if !entry.is_literal() {
                        break;
                    }
                }
                at += count;
                if entry.is_literal() {
                    continue;
                }
                if !bits.refill() {
                    break Ok(Stop::Beyond);
                }
            }
            if entry.is_other() {
                let Some(other) = tables.literals.other(entry, &mut bits) else {
                    break Err(Damage::Corrupt);
                };
                if !other.is_number() {
                    bits.pass(other.bits());
                    if other.is_end() {
                        break Ok(Stop::End);
                    }
                    let ([literal, _], _) = other.literals();
                    text[at] = literal;
                    at += 1;
                    continue;
                }
                entry = other;
            }
            let length = entry.value(&bits);
            bits.pass(entry.bits());
            let mut entry = tables.distances.main(&bits);
            if entry.is_other() {
                entry = match tables.distances.other(entry, &mut bits) {
                    Some(long) => long,
                    None => break Err(Damage::Corrupt),
                };
            }
            let back = entry.value(&bits);
            bits.pass(entry.bits());
            if back > at {
                break Err(Damage::Corrupt);
            }
            repeat(text, at, back, length);
            at += length;
        };
        (*kept, *kept_at) = (bits, at);
        stopped
    }
}

/// A symbol of a block.
enum Symbol {
    Literal(u8),
    Match { length: usize, back: usize },
    End,
}

/// The same where the input ends in the middle of a block: a symbol counts if all its bits are there.
#[cold]
fn carefully(
    tables: &Tables,
    bits: &mut Bits<'_>,
    text: &mut [u8],
    at: &mut usize,
) -> Result<bool, Damage> {
    let stop = text.len().saturating_sub(OVERHANG);
    while *at < stop {
        bits.refill();
        let symbol = symbol(tables, bits);
        if bits.took_beyond() {
            return Err(Damage::Truncated);
        }
        match symbol? {
            Symbol::Literal(byte) => {
                text[*at] = byte;
                *at += 1;
            }
            Symbol::Match { back, .. } if back > *at => return Err(Damage::Corrupt),
            Symbol::Match { length, back } => {
                repeat(text, *at, back, length);
                *at += length;
            }
            Symbol::End => return Ok(true),
        }
    }
    Ok(false)
}

/// One symbol.
fn symbol(tables: &Tables, bits: &mut Bits<'_>) -> Result<Symbol, Damage> {
    let mut entry = tables.literals.main(bits);
    if entry.is_other() {
        entry = tables.literals.other(entry, bits).ok_or(Damage::Corrupt)?;
    }
    if entry.is_literal() {
        // The first of two: its own code may be there, and not that of the second.
        let ([first, _], count) = entry.literals();
        let its_own = tables.literal_lengths[usize::from(first)].into();
        bits.pass(if count == 1 { entry.bits() } else { its_own });
        return Ok(Symbol::Literal(first));
    }
    let length = entry.value(bits);
    bits.pass(entry.bits());
    if entry.is_end() {
        return Ok(Symbol::End);
    }
    let mut entry = tables.distances.main(bits);
    if entry.is_other() {
        entry = tables.distances.other(entry, bits).ok_or(Damage::Corrupt)?;
    }
    let back = entry.value(bits);
    bits.pass(entry.bits());
    Ok(Symbol::Match { length, back })
}
