//! What vectors look up.

/// A byte's kind, as a bit; the first four kinds get masks.
const QUOTE: u8 = 1;
const COLON: u8 = 1 << 1;
const OPENS: u8 = 1 << 2;
const CLOSES: u8 = 1 << 3;
/// A backslash has the bit that bytes beyond ASCII have of themselves, so that one look finds both.
const BACKSLASH: u8 = 1 << 7;

/// The kind of each byte of ASCII.
pub(crate) const KINDS: [[u8; 64]; 2] = {
    let mut kinds = [[0; 64]; 2];
    let known: [(u8, u8); 7] = [
        (b'"', QUOTE),
        (b':', COLON),
        (b'{', OPENS),
        (b'[', OPENS),
        (b'}', CLOSES),
        (b']', CLOSES),
        (b'\\', BACKSLASH),
    ];
    let mut nth = 0;
    while nth < known.len() {
        let (byte, kind) = known[nth];
        kinds[byte as usize / 64][byte as usize % 64] = kind;
        nth += 1;
    }
    kinds
};

/// Of two blocks of eight times eight masks of eight bytes each, the first four masks of all bytes, the two blocks by turns.
pub(crate) const GATHERED: [u8; 64] = {
    let mut places = [0; 64];
    let mut nth = 0;
    while nth < 64 {
        let (mask, block, eight) = (nth / 16, nth % 16 / 8, nth % 8);
        places[nth] = (block * 64 + eight * 8 + mask) as u8;
        nth += 1;
    }
    places
};
