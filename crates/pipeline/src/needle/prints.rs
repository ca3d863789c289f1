//! The fingerprints of one object, as a Golomb-coded set.
//!
//! Fingerprints are spread over a range that grows with how many they are, sorted, and written as the distances between
//! neighbours in the Rice code: the lower bits as they are, the rest in unary. That takes about 13.6 bits for each, however
//! many they are, where a text that is not in the object seems to be once in 4,096 times.
//! (BIP 158 describes the same set: <https://github.com/bitcoin/bips/blob/master/bip-0158.mediawiki>.)

/// The bits of a distance that are written as they are. A range has as many numbers for each fingerprint as they can count.
const RICE_BITS: u32 = 12;

/// The fingerprints of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prints {
    /// How many distances follow.
    count: u32,
    bits: Box<[u8]>,
}

impl Prints {
    /// These fingerprints, in any order.
    #[must_use]
    pub fn new(mut prints: Vec<u32>) -> Self {
        prints.sort_unstable();
        prints.dedup();
        let count = u32::try_from(prints.len()).unwrap_or(u32::MAX);
        let mut bits = Bits::default();
        let mut last = 0;
        for print in prints {
            // Two that fall together are a distance of nothing: the count says how wide the range is.
            let place = place(print, count);
            bits.push_rice(place - last);
            last = place;
        }
        Self { count, bits: bits.bytes.into() }
    }

    /// Whether the object may hold a value of this fingerprint.
    #[must_use]
    pub fn may_hold(&self, print: u32) -> bool {
        let wanted = place(print, self.count);
        let mut reader = Reader { bytes: &self.bits, at: 0 };
        let mut place = 0;
        for _ in 0..self.count {
            // What can't be read is no reason to leave an object out.
            let Some(distance) = reader.rice() else { return true };
            place += distance;
            if place >= wanted {
                return place == wanted;
            }
        }
        false
    }

    /// Appends the set.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut count = self.count;
        while count >= 0x80 {
            out.push(0x80 | count.to_le_bytes()[0] & 0x7f);
            count >>= 7;
        }
        out.push(count.to_le_bytes()[0]);
        out.extend(&*self.bits);
    }

    /// Takes a set from the front of `bytes`; `None` if they are not all of one.
    pub(super) fn read(bytes: &mut &[u8]) -> Option<Self> {
        let count = read_count(bytes)?;
        let mut reader = Reader { bytes, at: 0 };
        for _ in 0..count {
            reader.rice()?;
        }
        let (bits, rest) = bytes.split_at_checked(reader.at.div_ceil(8))?;
        *bytes = rest;
        Some(Self { count, bits: bits.into() })
    }
}

/// Where a fingerprint falls in the range of a set of so many.
fn place(print: u32, count: u32) -> u64 {
    let range = (u64::from(count) << RICE_BITS).min(1 << 32);
    (u64::from(print) * range) >> 32
}

fn read_count(bytes: &mut &[u8]) -> Option<u32> {
    let mut count = 0;
    for shift in (0..u32::BITS).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let part = u32::from(byte & 0x7f);
        count |= part.checked_shl(shift).filter(|shifted| shifted >> shift == part)?;
        if byte & 0x80 == 0 {
            return Some(count);
        }
    }
    None
}

/// Bits as they are written, the lowest of a byte first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    count: usize,
}

impl Bits {
    fn push(&mut self, bit: bool) {
        if self.count.is_multiple_of(8) {
            self.bytes.push(0);
        }
        if let Some(last) = self.bytes.last_mut() {
            *last |= u8::from(bit) << (self.count % 8);
        }
        self.count += 1;
    }

    fn push_rice(&mut self, number: u64) {
        for _ in 0..number >> RICE_BITS {
            self.push(true);
        }
        self.push(false);
        for bit in 0..RICE_BITS {
            self.push(number >> bit & 1 == 1);
        }
    }
}

/// Bits as they are read.
struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl Reader<'_> {
    fn bit(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.at / 8)?;
        let bit = byte >> (self.at % 8) & 1 == 1;
        self.at += 1;
        Some(bit)
    }

    fn rice(&mut self) -> Option<u64> {
        let mut number = 0;
        while self.bit()? {
            number += 1 << RICE_BITS;
        }
        for bit in 0..RICE_BITS {
            number |= u64::from(self.bit()?) << bit;
        }
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::needle::fingerprint;

    #[test]
    fn what_is_in_an_object_is_never_missed_and_little_else_is_taken_for_it() {
        let texts: Vec<String> = (0..3000).map(|n| format!("AKIA{n:016}")).collect();
        for count in [1, 5, 64, 300, 3000] {
            let prints: Vec<u32> = texts[..count].iter().map(|text| fingerprint(0, text)).collect();
            let prints = Prints::new(prints);
            assert!(texts[..count].iter().all(|text| prints.may_hold(fingerprint(0, text))));
            let others =
                (0..10_000).filter(|n| prints.may_hold(fingerprint(0, &format!("other{n}"))));
            // One in 4,096 is to be expected.
            assert!(others.count() <= 12, "{count}");
            assert!(prints.bits.len() * 8 <= count * 14 + 8, "{count}");
        }
        assert!(!Prints::new(Vec::new()).may_hold(7));
    }

    proptest::proptest! {
        #[test]
        fn a_set_is_read_as_it_was_written(prints: Vec<u32>, after: Vec<u8>) {
            let prints = Prints::new(prints);
            let mut bytes = Vec::new();
            prints.write(&mut bytes);
            let whole = bytes.len();
            bytes.extend(&after);
            let mut rest = bytes.as_slice();
            proptest::prop_assert_eq!(Prints::read(&mut rest), Some(prints));
            proptest::prop_assert_eq!(rest, after.as_slice());
            proptest::prop_assert_eq!(Prints::read(&mut &bytes[..whole - 1]), None);
        }
    }
}
