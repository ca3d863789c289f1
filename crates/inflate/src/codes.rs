//! Codes, made of their lengths alone (RFC 1951, 3.2.2).

use crate::Damage;

/// No code is longer.
pub(crate) const CODE_BITS_MAX: u32 = 15;

/// How many lengths there are, with that of no code.
const LENGTHS: usize = 1 << LENGTH_BITS;
/// How many bits a length has.
const LENGTH_BITS: u32 = 4;
const _: () = assert!(LENGTHS == CODE_BITS_MAX as usize + 1);

/// The most symbols that codes stand for.
pub(crate) const SYMBOLS_MAX: usize = 288;

/// The code of a symbol.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Code {
    pub(crate) symbol: u16,
    /// As they stand in the stream, the first one lowest.
    pub(crate) bits: u16,
}

/// All codes, the shorter ones first, and those of one length in the order of their symbols.
pub(crate) struct Codes {
    codes: [Code; SYMBOLS_MAX],
    /// Where those of each length end.
    ends: [usize; LENGTHS],
}

/// Which codes may be missing, by zlib's rules.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// All or none.
    AllOrNone,
    /// These, or all but one of a single bit.
    OrAllButOne,
}

impl Codes {
    pub(crate) fn new() -> Self {
        Self { codes: [Code::default(); SYMBOLS_MAX], ends: [0; LENGTHS] }
    }

    /// Makes the codes of symbols, given how long each is; 0 says that there is none.
    pub(crate) fn make(&mut self, lengths: &[u8], missing: Missing) -> Result<(), Damage> {
        let mut used = [0; SYMBOLS_MAX];
        let used = used_symbols(lengths, &mut used);
        let mut counts = [0; LENGTHS];
        for symbol in used {
            counts[usize::from(*symbol) % LENGTHS] += 1;
        }
        let (mut left, mut end) = (1, 0);
        for (of_length, ends) in counts.iter().zip(&mut self.ends).skip(1) {
            left = (left * 2_usize).checked_sub(*of_length).ok_or(Damage::Corrupt)?;
            end += of_length;
            *ends = end;
        }
        let is_one_bit = end == 1 && counts[1] == 1 && missing == Missing::OrAllButOne;
        if left > 0 && end > 0 && !is_one_bit {
            return Err(Damage::Corrupt);
        }
        self.sort(used);
        self.number();
        Ok(())
    }

    /// Puts symbols in order, each with the length of its code in its lowest bits.
    fn sort(&mut self, used: &[u16]) {
        let mut next = self.ends;
        next.rotate_right(1);
        next[0] = 0;
        for symbol in used {
            let next = &mut next[usize::from(*symbol) % LENGTHS];
            self.codes[*next].symbol = symbol >> LENGTH_BITS;
            *next += 1;
        }
    }

    /// Gives each symbol its code, in their order.
    fn number(&mut self) {
        let mut code = 0_u16;
        for length in 1..=CODE_BITS_MAX {
            code <<= 1;
            let range = self.range(length);
            for Code { bits, .. } in &mut self.codes[range] {
                *bits = code.reverse_bits() >> (u16::BITS - length);
                code += 1;
            }
        }
    }

    fn range(&self, length: u32) -> std::ops::Range<usize> {
        let length = length as usize;
        self.ends[length - 1]..self.ends[length]
    }

    /// How long the shortest code is, if there is one.
    pub(crate) fn shortest(&self) -> u32 {
        (1..CODE_BITS_MAX).find(|length| self.ends[*length as usize] > 0).unwrap_or(CODE_BITS_MAX)
    }

    pub(crate) fn of_length(&self, length: u32) -> &[Code] {
        &self.codes[self.range(length)]
    }

    /// How many bits choose among the codes that share their first `main_bits` bits with the first of `left` codes of a length.
    pub(crate) fn choice_bits(&self, length: u32, left: usize, main_bits: u32) -> u32 {
        let mut choice_bits = length - main_bits;
        let (mut codes, mut left) = (left, 1_usize << choice_bits);
        while left > codes && choice_bits + main_bits < CODE_BITS_MAX {
            left = (left - codes) * 2;
            choice_bits += 1;
            codes = self.of_length(choice_bits + main_bits).len();
        }
        choice_bits
    }
}

/// The symbols that have a code, each with its length in the lowest bits. Most have none, and many in a row.
fn used_symbols<'u>(lengths: &[u8], used: &'u mut [u16; SYMBOLS_MAX]) -> &'u [u16] {
    let mut count = 0;
    for (nth, lengths) in lengths.chunks(8).enumerate() {
        if lengths.first_chunk().is_some_and(|eight| u64::from_le_bytes(*eight) == 0) {
            continue;
        }
        for (symbol, length) in (nth as u16 * 8..).zip(lengths) {
            // One that has none is written over, which is quicker than a guess.
            used[count] = symbol << LENGTH_BITS | u16::from(*length);
            count += usize::from(*length != 0);
        }
    }
    &used[..count]
}
