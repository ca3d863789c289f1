//! Text that any queue takes and no reader chokes on.

use std::borrow::Cow;

use memchr::memchr_iter;

/// The most bytes a piece of a record may take in a finding's own fields; the whole stands in `raw_data`.
const TEXT_BYTES_MAX: usize = 1024;

/// What marks that text was cut.
pub(crate) const CUT: &str = "…";

/// Where text has to be cut so that its JSON takes at most [`TEXT_BYTES_MAX`] bytes; none if it takes no more.
#[inline]
pub(crate) fn clip_at(text: &str) -> Option<usize> {
    // No byte takes more than six.
    if text.len() <= TEXT_BYTES_MAX / 6 { None } else { clip_long_at(text) }
}

fn clip_long_at(text: &str) -> Option<usize> {
    // Nor does one of few take so many, which is told of many bytes at once.
    let takes_more = |byte: &u8| matches!(byte, b'"' | b'\\' | ..0x20 | 0xef);
    let count = |piece: &[u8]| piece.iter().fold(0, |sum, byte| sum + u8::from(takes_more(byte)));
    if text.len() <= TEXT_BYTES_MAX {
        let more: usize = text.as_bytes().chunks(64).map(|piece| usize::from(count(piece))).sum();
        if text.len() + 5 * more <= TEXT_BYTES_MAX {
            return None;
        }
    }
    clip_by_characters_at(text)
}

/// The same, character by character.
fn clip_by_characters_at(text: &str) -> Option<usize> {
    let mut bytes = 0;
    for (at, char) in text.char_indices() {
        bytes += match char {
            '"' | '\\' => 2,
            '\u{0}'..'\u{20}' | '\u{fffe}' | '\u{ffff}' => 6,
            char => char.len_utf8(),
        };
        if bytes > TEXT_BYTES_MAX {
            return Some(at);
        }
    }
    None
}

/// Text cut where it has to be; what was cut is marked.
pub(crate) fn clip(text: &str) -> Cow<'_, str> {
    match clip_at(text) {
        None => Cow::Borrowed(text),
        Some(at) => Cow::Owned(format!("{}{CUT}", &text[..at])),
    }
}

/// Escapes, from here on, the two code points of JSON text that SQS refuses in a message body and JSON does not escape by itself.
/// Without this an attacker with U+FFFF in a user agent would make findings that cannot be sent.
pub(crate) fn escape_for_queues(json: &mut Vec<u8>, from: usize) {
    // Outside of strings JSON is ASCII, so wherever they stand an escape is in place.
    let escape_at = |json: &[u8], at: usize| match json.get(at..at + 3) {
        Some([_, 0xbf, 0xbe]) => Some(b"\\ufffe"),
        Some([_, 0xbf, 0xbf]) => Some(b"\\uffff"),
        _ => None,
    };
    let text = &json[from..];
    // Nearly no text has any.
    let Some(first) = memchr_iter(0xef, text).find(|at| escape_at(text, *at).is_some()) else {
        return;
    };
    let rest = json.split_off(from + first);
    let mut copied = 0;
    for at in memchr_iter(0xef, &rest) {
        let Some(escape) = escape_at(&rest, at) else { continue };
        json.extend_from_slice(&rest[copied..at]);
        json.extend_from_slice(escape);
        copied = at + 3;
    }
    json.extend_from_slice(&rest[copied..]);
}

/// Bytes as text. A record has none that are no text; if it had, they would be shown as U+FFFD.
pub(crate) fn text_of(bytes: &[u8]) -> Cow<'_, str> {
    // The same as the other alone, which looks at each byte by itself.
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(bytes),
    }
}

/// The same without a copy.
pub(crate) fn string_of(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| text_of(error.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clipping_counts_encoded_bytes_and_keeps_characters_whole() {
        assert_eq!(clip("short"), "short");
        assert_eq!(clip(&"é".repeat(600)).chars().count(), 512 + 1);
        assert_eq!(clip(&"\u{1}".repeat(600)).chars().count(), 170 + 1);
    }

    proptest::proptest! {
        #[test]
        fn what_is_clipped_is_told_as_by_characters(
            pieces in proptest::collection::vec(
                proptest::sample::select(vec!["\"", "\\", "\u{1}", "\u{ffff}", "\u{f000}", "é", "a text of usual bytes "]),
                0..100,
            ),
        ) {
            let text = pieces.concat();
            proptest::prop_assert_eq!(clip_at(&text), clip_by_characters_at(&text));
        }

        #[test]
        fn escaped_json_means_the_same_and_sqs_takes_it(text: String, odd in "[\u{fffe}\u{ffff}\u{0}\u{1fffe}a]{0,8}") {
            let text = text + &odd;
            let before = "before \u{ffff}";
            let mut json = before.as_bytes().to_vec();
            json.extend_from_slice(&serde_json::to_vec(&text).unwrap());
            escape_for_queues(&mut json, before.len());
            let json = String::from_utf8(json).unwrap();
            let json = json.strip_prefix(before).unwrap();
            proptest::prop_assert_eq!(serde_json::from_str::<String>(json).unwrap(), text);
            let taken = |c: char| {
                matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
            };
            let all_taken = json.chars().all(taken);
            proptest::prop_assert!(all_taken, "refused by SQS");
        }
    }
}
