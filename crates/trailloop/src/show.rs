//! Untrusted text on a terminal: whoever makes an API call writes part of what we print.

/// The text on one line, with every character escaped that could move the cursor, colour the screen, hide, or reverse the line.
pub(crate) fn shown(text: &str) -> String {
    trailloop_respond::alert::escape::line(text, usize::MAX)
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
    fn thousands_are_set_apart() {
        assert_eq!(
            ["0", "999", "1,000", "12,345,678"],
            [0, 999, 1000, 12_345_678].map(thousands).each_ref().map(String::as_str)
        );
    }
}
