//! Text as a string of JSON: with the escapes JSON demands and no others.

use super::{BACKSLASHES, EACH, PIECE, QUOTES, is_escaped, zeros};

/// Appends a string as JSON, quoted, with the escapes JSON demands and no others.
pub fn write_string(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.bytes().position(is_escaped) {
        out.push_str(&rest[..at]);
        let byte = rest.as_bytes()[at];
        let escape = escape(byte);
        out.extend(escape.bytes().map(char::from));
        if escape.is_long() {
            out.extend(code(byte).map(char::from));
        }
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out.push('"');
}

/// The same as [`write_string`] for bytes, and for texts by the kilobyte.
///
/// JSON that becomes a string needs an escape every few bytes. Vectors put them all in at once; without them each byte takes
/// the same steps whether it needs one or not, so that there is nothing to mispredict.
#[inline]
pub fn write_bytes(text: &[u8], out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let taken = trailloop_masks::escape(text, out).unwrap_or(0);
    if taken < text.len() {
        write_slowly(&text[taken..], out);
    }
    out.push(b'"');
}

/// Writes what vectors leave: a control character is near, or there are none.
#[inline(never)]
fn write_slowly(mut rest: &[u8], out: &mut Vec<u8>) {
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.len().min(PIECE));
        if any_escaped(piece) {
            write_piece(piece, out);
        } else {
            out.extend_from_slice(piece);
        }
        rest = &after[trailloop_masks::escape(after, out).unwrap_or(0)..];
    }
}

/// Whether a short text needs escapes.
fn any_escaped(text: &[u8]) -> bool {
    if let Ok(piece) = <&[u8; PIECE]>::try_from(text) {
        // Written for the compiler to do it for all of them at once.
        return piece.iter().fold(false, |any, byte| any | is_escaped(*byte));
    }
    let Some(last) = text.last_chunk() else {
        return text.iter().any(|byte| is_escaped(*byte));
    };
    let in_word = |word: &[u8; 8]| {
        let word = u64::from_le_bytes(*word);
        let controls = word.wrapping_sub(EACH * 0x20) & !word & (EACH << 7);
        zeros(word ^ QUOTES) | zeros(word ^ BACKSLASHES) | controls != 0
    };
    let (words, _) = text.as_chunks();
    words.iter().any(in_word) || in_word(last)
}

/// A piece in which bytes need an escape.
fn write_piece(piece: &[u8], out: &mut Vec<u8>) {
    debug_assert!(piece.len() <= PIECE, "pieces are short");
    let before = out.len();
    out.resize(before + 2 * PIECE + 1, 0);
    let Some(room) = out.last_chunk_mut::<{ 2 * PIECE + 1 }>() else { return };
    let mut length = 0;
    let mut all = Escape(0);
    for &byte in piece {
        let escape = escape(byte);
        // Where one byte is enough, the next covers the other.
        let at = length % (2 * PIECE);
        room[at..at + 2].copy_from_slice(&escape.bytes());
        length += escape.length();
        all.0 |= escape.0;
    }
    out.truncate(before + length);
    if all.is_long() {
        out.truncate(before);
        write_long(piece, out);
    }
}

/// A piece in which some escapes are long.
fn write_long(piece: &[u8], out: &mut Vec<u8>) {
    for &byte in piece {
        let escape = escape(byte);
        out.extend_from_slice(&escape.bytes()[..escape.length()]);
        if escape.is_long() {
            out.extend_from_slice(&code(byte));
        }
    }
}

/// How a byte stands in a JSON string, in one word for the loop over bytes: the byte itself, or a backslash and what
/// follows it; how many of the two count; whether a code in hex follows.
#[derive(Clone, Copy)]
struct Escape(u32);

impl Escape {
    const LONG: u32 = 1 << 16;

    const fn new(bytes: [u8; 2], length: u32) -> Self {
        Self(u16::from_le_bytes(bytes) as u32 | length << 24)
    }

    fn bytes(self) -> [u8; 2] {
        let [first, second, ..] = self.0.to_le_bytes();
        [first, second]
    }

    fn length(self) -> usize {
        (self.0 >> 24) as usize
    }

    fn is_long(self) -> bool {
        self.0 & Self::LONG != 0
    }
}

fn escape(byte: u8) -> Escape {
    const ESCAPES: [Escape; 256] = {
        let mut escapes = [Escape(0); 256];
        let mut at = 0;
        while at < escapes.len() {
            let byte = at as u8;
            escapes[at] = match byte {
                b'"' | b'\\' => Escape::new([b'\\', byte], 2),
                b'\n' => Escape::new(*b"\\n", 2),
                b'\r' => Escape::new(*b"\\r", 2),
                b'\t' => Escape::new(*b"\\t", 2),
                0x08 => Escape::new(*b"\\b", 2),
                0x0c => Escape::new(*b"\\f", 2),
                ..0x20 => Escape(Escape::new(*b"\\u", 2).0 | Escape::LONG),
                _ => Escape::new([byte, 0], 1),
            };
            at += 1;
        }
        escapes
    };
    ESCAPES[usize::from(byte)]
}

/// The code of a control character, as it follows `\u`.
fn code(byte: u8) -> [u8; 4] {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    [b'0', b'0', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 0xf)]]
}
