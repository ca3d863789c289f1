//! Makes hostile text harmless to any display: nothing invisible, nothing that moves the cursor or turns the direction of reading.
//!
//! What is not to be shown is shown by its number (`\u{1b}`), so that an analyst sees that it was there. What is cut off is
//! said to be, with its length.

/// A text of one line and at most `chars_max` characters (UTF-16 code units, which is the strictest count that a destination makes).
#[must_use]
pub fn line(text: &str, chars_max: usize) -> String {
    clipped(text, chars_max, push_visible)
}

/// The same for text that may keep its line breaks.
#[must_use]
pub fn lines(text: &str, chars_max: usize) -> String {
    clipped(text, chars_max, |c, out| match c {
        '\n' => out.push('\n'),
        c => push_visible(c, out),
    })
}

/// As [`line()`], and each character is then written by `push`: the limit holds for what is written, and no escape is cut in two.
pub(crate) fn clipped(text: &str, chars_max: usize, push: impl Fn(char, &mut String)) -> String {
    let mut out = String::new();
    let mut count = 0;
    // Where to cut if the text turns out too long: the last place that leaves room for saying so.
    let mut cut = 0;
    let room = chars_max.saturating_sub(CUT_CHARS_MAX);
    let mut one = String::new();
    for c in text.chars() {
        one.clear();
        push(c, &mut one);
        count += units(&one);
        if count > chars_max {
            out.truncate(cut);
            if chars_max > CUT_CHARS_MAX {
                out.push_str(&format!("… ({} bytes)", text.len()));
            }
            return out;
        }
        out.push_str(&one);
        if count <= room {
            cut = out.len();
        }
    }
    out
}

/// `… (18446744073709551615 bytes)`.
const CUT_CHARS_MAX: usize = 30;

/// The length as destinations count it.
pub(crate) fn units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// Writes a character as it can be shown.
pub(crate) fn push_visible(c: char, out: &mut String) {
    if is_harmless(c) {
        out.push(c);
    } else {
        out.extend(c.escape_unicode());
    }
}

/// Whether a character stands for itself, wherever it is shown.
fn is_harmless(c: char) -> bool {
    let is_invisible = matches!(c,
        '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}');
    let is_private = matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10ffff}');
    !(c.is_control() || is_invisible || is_private)
}

/// The first `entries_max` of a list; if there are more, the last says how many.
pub(crate) fn list(texts: &[String], entries_max: usize) -> Vec<String> {
    if texts.len() <= entries_max {
        return texts.to_vec();
    }
    let shown = entries_max.saturating_sub(1);
    let mut out = texts[..shown].to_vec();
    out.push(format!("… and {} more", texts.len() - shown));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::hostile;

    #[test]
    fn what_cannot_be_seen_is_shown_by_its_number() {
        assert_eq!(line("a\u{1b}[31mb", 100), r"a\u{1b}[31mb");
        assert_eq!(line("a\u{202e}b\nc", 100), r"a\u{202e}b\u{a}c");
        assert_eq!(lines("a\r\nb", 100), "a\\u{d}\nb");
        assert_eq!(line("héé 日本 😀", 100), "héé 日本 😀");
    }

    #[test]
    fn no_text_is_longer_than_allowed_and_none_hides_anything() {
        for text in hostile::texts() {
            for chars_max in [0, 1, 29, 30, 31, 32, 150, 3_000] {
                let line = line(&text, chars_max);
                assert!(units(&line) <= chars_max, "{} of {chars_max}", units(&line));
                assert!(line.chars().all(is_harmless), "{line}");
            }
        }
        assert_eq!(line(&"A".repeat(1_000), 40), "AAAAAAAAAA… (1000 bytes)");
        assert_eq!(line(&"A".repeat(40), 40), "A".repeat(40));
    }

    #[test]
    fn a_list_says_how_much_of_it_is_not_shown() {
        let texts: Vec<String> = (0..5).map(|i| i.to_string()).collect();
        assert_eq!(list(&texts, 5), texts);
        assert_eq!(list(&texts, 3), ["0", "1", "… and 3 more"]);
    }
}
