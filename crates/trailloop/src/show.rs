//! Untrusted text on a terminal: whoever makes an API call writes part of what we print.

/// The text on one line, with every character escaped that could move the cursor, colour the screen, hide, or reverse the line.
pub(crate) fn shown(text: &str) -> String {
    trailloop_respond::alert::escape::line(text, usize::MAX)
}

/// JSON on one line, with the same characters escaped as JSON escapes them.
pub(crate) fn shown_json(value: &serde_json::Value) -> String {
    let mut out = String::new();
    for character in value.to_string().chars() {
        // What is ASCII and steers a terminal JSON has escaped, but for the last.
        let is_safe = character != '\u{7f}'
            && (character.is_ascii()
                || shown(character.encode_utf8(&mut [0; 4])).chars().eq([character]));
        if is_safe {
            out.push(character);
        } else {
            let mut units = [0; 2];
            let units = character.encode_utf16(&mut units);
            units.iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        }
    }
    out
}

/// A number with commas between the thousands.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_are_not_steered() {
        assert_eq!(shown("a\u{1b}[31mb\n\u{202e}c é"), "a\\u{1b}[31mb\\u{a}\\u{202e}c é");
    }

    #[test]
    fn json_stays_json_and_steers_nothing() {
        let value = serde_json::json!({"a": "é\u{9b}1m\u{202e}\u{7f}\u{1b}\u{e0001}"});
        let text = shown_json(&value);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
        assert_eq!(text, r#"{"a":"é\u009b1m\u202e\u007f\u001b\udb40\udc01"}"#);
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(
            ["0", "999", "1,000", "12,345,678"],
            [0, 999, 1000, 12_345_678].map(thousands).each_ref().map(String::as_str)
        );
    }
}
