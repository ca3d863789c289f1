//! Text as it stands in a JSON string: a backslash before each quote and backslash.

/// The bytes that are looked at together.
pub const ESCAPE_BYTES: usize = 32;

/// Appends text as it stands in a JSON string, and says how many of its bytes it took: all of them, or those in whole blocks
/// of [`ESCAPE_BYTES`] before one that holds a control character, whose escape is another one. `None` if the processor has no
/// extension for it.
#[inline]
#[must_use]
pub fn escape(text: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    #[cfg(target_arch = "x86_64")]
    return crate::x86::escape(text, out);
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = (text, out);
        None
    }
}

/// The same as [`escape`], byte by byte.
#[must_use]
pub fn escape_plainly(text: &[u8], out: &mut Vec<u8>) -> usize {
    let mut taken = 0;
    for block in text.chunks(ESCAPE_BYTES) {
        if block.iter().any(|byte| *byte < 0x20) {
            break;
        }
        out.extend(block.iter().flat_map(|byte| {
            let backslash = matches!(byte, b'"' | b'\\').then_some(b'\\');
            backslash.into_iter().chain([*byte])
        }));
        taken += block.len();
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What this processor appends is what the plain way appends.
    fn check(text: &[u8]) {
        let (mut fast, mut plain) = (b"before".to_vec(), b"before".to_vec());
        let Some(taken) = escape(text, &mut fast) else { return };
        assert_eq!(taken, escape_plainly(text, &mut plain));
        assert_eq!(fast, plain);
    }

    #[test]
    fn whatever_needs_an_escape_gets_one() {
        check(&[b'"'; 3 * ESCAPE_BYTES]);
        check(&[b'\\'; 200 * ESCAPE_BYTES + 7]);
        for length in 0..=3 * ESCAPE_BYTES {
            check(&vec![b'x'; length]);
            check(&vec![b'"'; length]);
        }
        for at in 0..2 * ESCAPE_BYTES {
            for byte in 0..=u8::MAX {
                let mut text = [b'x'; 2 * ESCAPE_BYTES];
                text[at] = byte;
                check(&text);
                check(&text[..=at]);
            }
        }
    }

    #[test]
    fn the_plain_way_is_the_way_of_json() {
        let text = br#"{"a":"\\x"} and what comes after"#;
        let mut out = Vec::new();
        assert_eq!(escape_plainly(text, &mut out), text.len());
        assert_eq!(out, br#"{\"a\":\"\\\\x\"} and what comes after"#);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes(text: Vec<u8>) {
            check(&text);
        }

        #[test]
        fn nearly_json(text in "(\\{|\"|\\\\|x|é|long text|\n){0,200}") {
            check(text.as_bytes());
        }
    }
}
