//! Ids that are the same on any worker, any day.

use std::borrow::Cow;
use std::fmt;

use sha2::block_api::compress256;
use sha2::{Digest as _, Sha256};
use trailloop_cloudtrail::{Position, Record};

use crate::fields::Fields;

/// How a record is known: its eventID, or the SHA-256 of its bytes when it has none (before eventVersion 1.01).
#[must_use]
pub fn event_uid(record: Record<'_>) -> String {
    event_uid_of(record, &Fields::of(record)).into_owned()
}

/// The same with the fields at hand.
pub(crate) fn event_uid_of<'a>(record: Record<'a>, fields: &Fields) -> Cow<'a, str> {
    let text = |at: Option<Position>| record.value_at(at?).as_str();
    let id = text(fields.event_id).or_else(|| text(fields.event_id_aggregated));
    match id.filter(|id| !id.is_empty()) {
        Some(id) => Cow::Borrowed(id),
        None => Cow::Owned(sha256(record.raw())),
    }
}

/// The id of a finding: 32 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FindingId([u8; 32]);

impl FindingId {
    /// Its digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // They are ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for FindingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for FindingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The id of what this rule says of this event: the first 32 hex digits of SHA-256(rule id, 0x00, event id).
pub(crate) fn finding_uid(rule_uid: &str, event_uid: &str) -> FindingId {
    let (rule, event) = (rule_uid.as_bytes(), event_uid.as_bytes());
    if let Some(hash) = short_sha256(rule, event) {
        return id_of(hash);
    }
    let mut hash = Sha256::new();
    hash.update(rule);
    hash.update([0]);
    hash.update(event);
    id_of(hash.finalize().into())
}

/// SHA-256 of two texts with 0x00 between, if they fit in two of its blocks, as two UUIDs do. They are padded in place: a hasher that
/// takes pieces spends as long on gathering them as on so short a text.
fn short_sha256(first: &[u8], second: &[u8]) -> Option<[u8; 32]> {
    const BLOCK_BYTES: usize = 64;
    /// What follows the text: a bit, and how many bits came before it, in the last eight bytes of a block.
    const PADDING_BYTES: usize = 1 + 8;
    /// What it starts from, as FIPS 180-4 has it in section 5.3.3.
    const START: [u32; 8] = [
        0x6a09_e667,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ];
    let mut blocks = [[0; BLOCK_BYTES]; 2];
    let bytes = first.len() + 1 + second.len();
    let used = (bytes + PADDING_BYTES).div_ceil(BLOCK_BYTES);
    let end = blocks.get(..used)?.len() * BLOCK_BYTES;
    let text = blocks.as_flattened_mut();
    text[..first.len()].copy_from_slice(first);
    text[first.len() + 1..bytes].copy_from_slice(second);
    text[bytes] = 0x80;
    text[end - 8..end].copy_from_slice(&(8 * bytes as u64).to_be_bytes());
    let mut state = START;
    compress256(&mut state, &blocks[..used]);
    let mut hash = [0; 32];
    for (bytes, word) in hash.as_chunks_mut().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    Some(hash)
}

/// The id of what this query says of this window in rows with these values in the key columns, each as JSON: the first 32 hex
/// digits of SHA-256("query", query id, hash, window, value…), with 0x00 between.
pub(crate) fn row_uid(query: &str, hash: &str, window: &str, key: &[String]) -> FindingId {
    let mut digest = Sha256::new();
    digest.update(b"query");
    // JSON has no zero byte, so no two lists of values have the same bytes.
    for part in [query, hash, window].into_iter().chain(key.iter().map(String::as_str)) {
        digest.update([0]);
        digest.update(part.as_bytes());
    }
    id_of(digest.finalize().into())
}

fn id_of(hash: [u8; 32]) -> FindingId {
    let mut id = [0; 32];
    for (digits, byte) in id.as_chunks_mut().0.iter_mut().zip(hash) {
        *digits = hex_digits(byte);
    }
    FindingId(id)
}

/// The SHA-256 of bytes, in hex.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    let mut hex = String::with_capacity(2 * bytes.len());
    hex.extend(bytes.iter().flat_map(|byte| hex_digits(*byte)).map(char::from));
    hex
}

/// Computed and not looked up, so that the compiler can do many at once.
fn hex_digits(byte: u8) -> [u8; 2] {
    const TO_LETTERS: u8 = b'a' - b'9' - 1;
    [byte >> 4, byte & 0xf].map(|nibble| b'0' + nibble + if nibble > 9 { TO_LETTERS } else { 0 })
}

#[cfg(test)]
mod tests {
    use trailloop_cloudtrail::RecordBuffer;

    use super::*;

    #[test]
    fn ids_are_those_of_the_contract() {
        // printf 'rule\0event' | sha256sum
        assert_eq!(finding_uid("rule", "event").as_str(), "0f09babfb92e5b61295388ad84950d61");
    }

    #[test]
    fn short_texts_are_hashed_as_others_are() {
        let text = "0123456789abcdef".repeat(9);
        for first in 0..text.len() {
            for second in 0..text.len() - first {
                let (first, second) = (&text[..first], &text[first..first + second]);
                let hash = Sha256::digest(format!("{first}\0{second}"));
                let expected = &hex(&hash)[..32];
                assert_eq!(finding_uid(first, second).as_str(), expected, "{first} {second}");
            }
        }
        assert!(short_sha256(&[b'a'; 59], &[b'b'; 59]).is_some());
        assert_eq!(short_sha256(&[b'a'; 59], &[b'b'; 60]), None);
    }

    #[test]
    fn a_record_without_an_id_is_known_by_its_bytes() {
        let uid = |json: &str| {
            let mut buffer = RecordBuffer::new();
            event_uid(Record::parse(json.as_bytes(), &mut buffer).unwrap())
        };
        assert_eq!(uid(r#"{"eventID":"e-1"}"#), "e-1");
        assert_eq!(uid(r#"{"eventId":"e-2"}"#), "e-2");
        for json in ["{}", r#"{"eventID":""}"#, r#"{"eventID":7}"#] {
            assert_eq!(uid(json), sha256(json.as_bytes()));
        }
    }
}
