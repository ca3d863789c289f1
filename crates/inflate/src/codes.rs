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
    /// The codes of symbols, given how long each is; 0 says that there is none.
    pub(crate) fn new(lengths: &[u8], missing: Missing) -> Result<Self, Damage> {
        // Most symbols have none. They are left out without a guess for each.
        let (mut used, mut count) = ([0; SYMBOLS_MAX], 0);
        for (symbol, length) in (0..).zip(lengths) {
            used[count] = symbol << LENGTH_BITS | u16::from(*length);
            count += usize::from(*length != 0);
        }
        let used = &used[..count];
        let mut counts = [0; LENGTHS];
        for symbol in used {
            counts[usize::from(*symbol) % LENGTHS] += 1;
        }
        let (mut left, mut ends, mut end) = (1, [0; LENGTHS], 0);
        for (of_length, ends) in counts.iter().zip(&mut ends).skip(1) {
            left = (left * 2_usize).checked_sub(*of_length).ok_or(Damage::Corrupt)?;
            end += of_length;
            *ends = end;
        }
        let is_one_bit = count == 1 && counts[1] == 1 && missing == Missing::OrAllButOne;
        if left > 0 && count > 0 && !is_one_bit {
            return Err(Damage::Corrupt);
        }
        let mut codes = Self { codes: [Code::default(); SYMBOLS_MAX], ends };
        codes.sort(used);
        codes.number();
        Ok(codes)
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
