//! Text as it stands in a JSON string: a backslash before each quote and backslash.

/// The bytes that are looked at together.
pub const ESCAPE_BYTES: usize = 32;

/// Writes text as it stands in a JSON string, in whole blocks of [`ESCAPE_BYTES`] from the front, and says how many bytes it
/// took and how many it wrote. It ends before a block that holds a control character, whose escape is another one, and
/// before one for which `out` may have no room: twice the text is enough. `None` if the processor has no extension for it.
///
/// What is in `out` behind what was written may be anything.
#[must_use]
pub fn escape(text: &[u8], out: &mut [u8]) -> Option<(usize, usize)> {
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
pub fn escape_plainly(text: &[u8], out: &mut [u8]) -> (usize, usize) {
    let (blocks, _) = text.as_chunks::<ESCAPE_BYTES>();
    let (mut taken, mut written) = (0, 0);
    for block in blocks {
        let Some(room) = out.get_mut(written..written + 2 * ESCAPE_BYTES) else { break };
        if block.iter().any(|byte| *byte < 0x20) {
            break;
        }
        let escaped = block.iter().flat_map(|byte| {
            let backslash = matches!(byte, b'"' | b'\\').then_some(b'\\');
            backslash.into_iter().chain([*byte])
        });
        written += room.iter_mut().zip(escaped).map(|(to, byte)| *to = byte).count();
        taken += ESCAPE_BYTES;
    }
    (taken, written)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What this processor writes is what the plain way writes.
    fn check(text: &[u8], room: usize) {
        let (mut fast, mut plain) = (vec![0; room], vec![0; room]);
        let Some((taken, written)) = escape(text, &mut fast) else { return };
        assert_eq!((taken, written), escape_plainly(text, &mut plain));
        assert_eq!(fast[..written], plain[..written]);
    }

    #[test]
    fn whatever_needs_an_escape_gets_one() {
        check(&[b'"'; 3 * ESCAPE_BYTES], 6 * ESCAPE_BYTES);
        check(&[b'x'; 3 * ESCAPE_BYTES + 1], 6 * ESCAPE_BYTES);
        for at in 0..2 * ESCAPE_BYTES {
            for byte in 0..=u8::MAX {
                let mut text = [b'x'; 2 * ESCAPE_BYTES];
                text[at] = byte;
                check(&text, 4 * ESCAPE_BYTES);
            }
        }
    }

    #[test]
    fn the_plain_way_is_the_way_of_json() {
        let text = br#"{"a":"\\x"} and what comes after"#;
        let mut out = [0; 2 * ESCAPE_BYTES];
        let (taken, written) = escape_plainly(text, &mut out);
        assert_eq!(taken, text.len());
        assert_eq!(&out[..written], br#"{\"a\":\"\\\\x\"} and what comes after"#);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes(text: Vec<u8>, room in 0_usize..300) {
            check(&text, room);
        }

        #[test]
        fn nearly_json(text in "(\\{|\"|\\\\|x|é|long text|\n){0,200}", room in 0_usize..3000) {
            check(text.as_bytes(), room);
        }
    }
}
