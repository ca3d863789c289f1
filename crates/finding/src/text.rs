//! Text that any queue takes and no reader chokes on.

/// The most bytes a piece of a record may take in a finding's own fields; the whole stands in `raw_data`.
const TEXT_BYTES_MAX: usize = 1024;

/// Text cut so that its JSON takes at most [`TEXT_BYTES_MAX`] bytes; what was cut is marked.
pub(crate) fn clip(text: &str) -> String {
    let mut bytes = 0;
    for (at, char) in text.char_indices() {
        bytes += match char {
            '"' | '\\' => 2,
            '\u{0}'..'\u{20}' | '\u{fffe}' | '\u{ffff}' => 6,
            char => char.len_utf8(),
        };
        if bytes > TEXT_BYTES_MAX {
            return format!("{}…", &text[..at]);
        }
    }
    text.to_owned()
}

/// Escapes the two code points of JSON text that SQS refuses in a message body and JSON does not escape by itself.
/// Without this an attacker with U+FFFF in a user agent would make findings that cannot be sent.
pub(crate) fn escape_for_queues(json: String) -> String {
    // Outside of strings JSON is ASCII, so wherever they stand an escape is in place.
    if json.contains(['\u{fffe}', '\u{ffff}']) {
        json.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff")
    } else {
        json
    }
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
        fn escaped_json_means_the_same_and_sqs_takes_it(text: String, odd in "[\u{fffe}\u{ffff}\u{0}\u{1fffe}a]{0,8}") {
            let text = text + &odd;
            let json = escape_for_queues(serde_json::to_string(&text).unwrap());
            proptest::prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
            let taken = |c: char| {
                matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
            };
            let all_taken = json.chars().all(taken);
            proptest::prop_assert!(all_taken, "refused by SQS");
        }
    }
}
