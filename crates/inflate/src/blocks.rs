//! What a block begins with.

use crate::Damage;
use crate::bits::Bits;
use crate::codes::{Missing, SYMBOLS_MAX};
use crate::symbols::Tables;
use crate::table::{Entry, Table};

/// A block's header.
pub(crate) struct Header {
    pub(crate) is_last: bool,
    /// How many bytes it holds, if they are stored; else symbols follow.
    pub(crate) stored: Option<usize>,
}

const LITERAL_SYMBOLS_MIN: usize = 257;
const LITERAL_SYMBOLS_MAX: usize = 286;
const DISTANCE_SYMBOLS_MAX: usize = 30;
/// The symbol that ends a block; before it stand the literals, and after it the lengths.
pub(crate) const END_OF_BLOCK: usize = 256;
/// How many symbols distances have, two of them without a meaning.
pub(crate) const DISTANCE_SYMBOLS: usize = 32;

/// Reads a block's header and makes the tables for its symbols.
pub(crate) fn header(bits: &mut Bits<'_>, tables: &mut Tables) -> Result<Header, Damage> {
    let header = header_here(bits, tables);
    // What stands beyond the input is read as zeros, and says nothing.
    if bits.took_beyond() { Err(Damage::Truncated) } else { header }
}

fn header_here(bits: &mut Bits<'_>, tables: &mut Tables) -> Result<Header, Damage> {
    bits.refill();
    let is_last = bits.take(1) != 0;
    let stored = match bits.take(2) {
        0 => Some(stored_length(bits)?),
        1 => {
            tables.make_fixed()?;
            None
        }
        2 => {
            read_codes(bits, tables)?;
            None
        }
        _ => return Err(Damage::Corrupt),
    };
    Ok(Header { is_last, stored })
}

fn stored_length(bits: &mut Bits<'_>) -> Result<usize, Damage> {
    let &[l0, l1, n0, n1] = bits.bytes(4) else { return Err(Damage::Truncated) };
    let length = u16::from_le_bytes([l0, l1]);
    match length == !u16::from_le_bytes([n0, n1]) {
        true => Ok(length.into()),
        false => Err(Damage::Corrupt),
    }
}

/// What the codes of lengths stand for: themselves.
static LENGTHS: [Entry; LENGTH_SYMBOLS] = {
    let mut entries = [Entry::NONE; LENGTH_SYMBOLS];
    let mut symbol = 0;
    while symbol < LENGTH_SYMBOLS {
        entries[symbol] = Entry::number(symbol as u16, 0);
        symbol += 1;
    }
    entries
};
const LENGTH_SYMBOLS: usize = 19;

/// Reads the lengths of codes, which are coded themselves (RFC 1951, 3.2.7).
fn read_codes(bits: &mut Bits<'_>, tables: &mut Tables) -> Result<(), Damage> {
    const ORDER: [usize; LENGTH_SYMBOLS] =
        [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    let literals = LITERAL_SYMBOLS_MIN + bits.take(5) as usize;
    let distances = 1 + bits.take(5) as usize;
    let count = 4 + bits.take(4) as usize;
    if literals > LITERAL_SYMBOLS_MAX || distances > DISTANCE_SYMBOLS_MAX {
        return Err(Damage::Corrupt);
    }
    let mut lengths = [0; LENGTH_SYMBOLS];
    for symbol in &ORDER[..count] {
        bits.refill();
        lengths[*symbol] = bits.take(3) as u8;
    }
    tables.codes.make(&lengths, Missing::AllOrNone)?;
    tables.lengths.make(&tables.codes, &LENGTHS)?;
    let mut lengths = [0; LITERAL_SYMBOLS_MAX + DISTANCE_SYMBOLS_MAX];
    let lengths = &mut lengths[..literals + distances];
    read_lengths(bits, &tables.lengths, lengths)?;
    if lengths[END_OF_BLOCK] == 0 {
        return Err(Damage::Corrupt);
    }
    tables.make(&lengths[..literals], &lengths[literals..])
}

/// How long the longest code of a length is.
pub(crate) const LENGTH_CODE_BITS: u32 = 7;
/// The table of codes of lengths.
pub(crate) type Lengths = Table<LENGTH_CODE_BITS, { 1 << LENGTH_CODE_BITS }>;

fn read_lengths(bits: &mut Bits<'_>, codes: &Lengths, lengths: &mut [u8]) -> Result<(), Damage> {
    let mut at = 0;
    while at < lengths.len() {
        bits.refill();
        let entry = codes.main(bits);
        if entry.is_other() {
            return Err(Damage::Corrupt);
        }
        let symbol = entry.value(bits);
        bits.pass(entry.bits());
        if let 0..16 = symbol {
            lengths[at] = symbol as u8;
            at += 1;
            continue;
        }
        let (length, times) = match symbol {
            16 if at == 0 => return Err(Damage::Corrupt),
            16 => (lengths[at - 1], 3 + bits.take(2)),
            17 => (0, 3 + bits.take(3)),
            _ => (0, 11 + bits.take(7)),
        };
        let end = at + times as usize;
        lengths.get_mut(at..end).ok_or(Damage::Corrupt)?.fill(length);
        at = end;
    }
    Ok(())
}

/// The lengths of codes that every stream may use (RFC 1951, 3.2.6).
pub(crate) fn fixed_lengths() -> ([u8; SYMBOLS_MAX], [u8; DISTANCE_SYMBOLS]) {
    let mut literals = [8; SYMBOLS_MAX];
    literals[144..256].fill(9);
    literals[256..280].fill(7);
    (literals, [5; DISTANCE_SYMBOLS])
}
