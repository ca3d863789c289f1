//! What the id of an access key says by itself.

/// The kind of key: `AKIA`, `ASIA` and rarer ones.
pub(super) fn prefix(id: &str) -> Option<&str> {
    let is_id = id.len() >= 16 && id.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    if is_id { id.get(..4) } else { None }
}

/// Writes the account that an id encodes. Ids issued since 2019 hold it in the 40 bits after the first bit of their
/// base32 part; older ones begin with I or J there and hold none.
pub(super) fn account(id: Option<&str>, out: &mut String) -> bool {
    let Some(id) = id.filter(|id| id.len() == 20 && prefix(id).is_some()) else { return false };
    let body = &id.as_bytes()[4..];
    if matches!(body[0], b'I' | b'J') {
        return false;
    }
    let mut bits = 0_u64;
    // Ten digits of base32 are fifty bits, of which the first 48 are six bytes.
    for digit in &body[..10] {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'2'..=b'7' => digit - b'2' + 26,
            _ => return false,
        };
        bits = bits << 5 | u64::from(value);
    }
    let account = (bits >> 2 & 0x7fff_ffff_ff80) >> 7;
    let digits = account.to_string();
    if digits.len() > 12 {
        return false;
    }
    for _ in digits.len()..12 {
        out.push('0');
    }
    out.push_str(&digits);
    true
}
