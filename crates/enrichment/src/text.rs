//! Text of strangers, made fit for a one-line message, and the bound on what is kept of it.

/// At most this many characters of a stranger's text are repeated in a message.
const QUOTED_CHARS_MAX: usize = 80;

/// Longer texts of files are cut where they are read, so that a fact is cheap to keep and to compare.
pub(crate) const FACT_BYTES_MAX: usize = 256;

/// Text from a file, fit for a one-line message.
pub(crate) fn quoted(text: &str) -> String {
    format!("`{}`", on_one_line(text))
}

/// A stranger's text on one line: what could steer a terminal is escaped; long text is cut.
pub(crate) fn on_one_line(text: &str) -> String {
    let mut line = String::new();
    for (nth, c) in text.chars().enumerate() {
        if nth == QUOTED_CHARS_MAX {
            line.push('…');
            break;
        }
        if is_odd(c) {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

/// Whether a character has to be escaped where a line is shown: it steers a terminal, is not seen, begins a line for some readers, or
/// turns the line around, so that a message would read as another.
#[must_use]
pub fn is_odd(c: char) -> bool {
    let is_disguise = matches!(c,
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    c.is_control() || is_disguise
}

/// The text without what passes [`FACT_BYTES_MAX`], cut between characters.
pub(crate) fn bounded(text: &str) -> &str {
    &text[..text.floor_char_boundary(FACT_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting_keeps_a_message_on_one_line() {
        assert_eq!(quoted("a\nb\u{1b}[31m\u{202e}"), "`a\\nb\\u{1b}[31m\\u{202e}`");
        assert!(quoted(&"x".repeat(1_000)).chars().count() < 90);
    }

    #[test]
    fn facts_are_cut_between_characters() {
        assert_eq!(bounded("Köln"), "Köln");
        let long = "ä".repeat(FACT_BYTES_MAX);
        assert_eq!(bounded(&long).len(), FACT_BYTES_MAX);
        let odd = format!("x{long}");
        assert_eq!(bounded(&odd).len(), FACT_BYTES_MAX - 1);
    }
}
