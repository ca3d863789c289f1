//! The encodings a rule's value can go through before it is looked for: UTF-16 and base64.

/// One encoding step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Base64,
    /// The three forms that a text takes inside a longer base64 text, by its place in the group of three bytes.
    Base64Offset,
    Utf16Le,
    Utf16Be,
    /// Little endian with a byte order mark.
    Utf16,
}

/// Every form of `text` after the encodings, as text again: a byte beyond ASCII becomes the character of its number.
pub(crate) fn encode(text: &str, encodings: &[Encoding]) -> Vec<String> {
    let mut forms = vec![text.as_bytes().to_vec()];
    let mut is_bytes = false;
    for encoding in encodings {
        forms = forms.iter().flat_map(|form| step(form, *encoding)).collect();
        is_bytes = true;
    }
    if !is_bytes {
        return vec![text.to_owned()];
    }
    forms.iter().map(|form| form.iter().map(|byte| char::from(*byte)).collect()).collect()
}

fn step(form: &[u8], encoding: Encoding) -> Vec<Vec<u8>> {
    let units = || -> Vec<u16> { String::from_utf8_lossy(form).encode_utf16().collect() };
    match encoding {
        Encoding::Utf16Le => vec![units().iter().flat_map(|unit| unit.to_le_bytes()).collect()],
        Encoding::Utf16Be => vec![units().iter().flat_map(|unit| unit.to_be_bytes()).collect()],
        Encoding::Utf16 => {
            let body = units();
            let marked = std::iter::once(0xFEFF).chain(body);
            vec![marked.flat_map(u16::to_le_bytes).collect()]
        }
        Encoding::Base64 => vec![base64(form)],
        Encoding::Base64Offset => (0..3).map(|offset| base64_at(form, offset)).collect(),
    }
}

/// The characters of the base64 text that depend on `bytes` alone when `offset` bytes precede them in their group.
fn base64_at(bytes: &[u8], offset: usize) -> Vec<u8> {
    let mut padded = vec![0; offset];
    padded.extend_from_slice(bytes);
    let encoded = base64(&padded);
    // Six bits a character: skip those that hold bits of what precedes, and drop those that hold bits of what follows.
    let start = (offset * 8).div_ceil(6);
    let end = padded.len() * 8 / 6;
    encoded.get(start..end).unwrap_or_default().to_vec()
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = Vec::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |nth: usize| usize::from(group.get(nth).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for nth in 0..4 {
            let character = ALPHABET[bits >> (18 - 6 * nth) & 63];
            encoded.push(if nth <= group.len() { character } else { b'=' });
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str, encodings: &[Encoding]) -> String {
        encode(text, encodings).remove(0)
    }

    #[test]
    fn base64_pads() {
        assert_eq!(one("foobar", &[Encoding::Base64]), "Zm9vYmFy");
        assert_eq!(one("fooba", &[Encoding::Base64]), "Zm9vYmE=");
        assert_eq!(one("foob", &[Encoding::Base64]), "Zm9vYg==");
        assert_eq!(one("", &[Encoding::Base64]), "");
    }

    #[test]
    fn each_offset_is_found_inside_a_longer_text() {
        let forms = encode("http://", &[Encoding::Base64Offset]);
        for before in ["", "a", "ab", "abc", "abcd"] {
            for after in ["", "x", "xy", "xyz"] {
                let whole = one(&format!("{before}http://{after}"), &[Encoding::Base64]);
                assert!(forms.iter().any(|form| whole.contains(form.as_str())), "{before}{after}");
            }
        }
    }

    #[test]
    fn utf16_has_its_bytes() {
        assert_eq!(one("ab", &[Encoding::Utf16Le]), "a\0b\0");
        assert_eq!(one("ab", &[Encoding::Utf16Be]), "\0a\0b");
        assert_eq!(one("a", &[Encoding::Utf16, Encoding::Base64]), "//5hAA==");
    }
}
