//! What records and rules say, made harmless to show: in HTML, and in lines of text.

use std::borrow::Cow;

/// Text in HTML, in an element or in quotes. What would be shown as something else than it is, is shown as a question mark.
pub(crate) fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in plain(text).chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            char => out.push(char),
        }
    }
    out
}

/// Text in one line: no control characters, by which a terminal is steered, and none that turn the direction of writing or have no
/// width, by which one name is made to look like another.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    match text.chars().any(is_deceiving) {
        true => Cow::Owned(
            text.chars().map(|char| if is_deceiving(char) { '?' } else { char }).collect(),
        ),
        false => Cow::Borrowed(text),
    }
}

fn is_deceiving(char: char) -> bool {
    char.is_control()
        || matches!(
            char,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{ffff}' | '\u{e0000}'..='\u{e007f}'
        )
}

/// At most so many characters, with the cut marked.
pub(crate) fn short(text: &str, most: usize) -> String {
    let text = plain(text);
    match text.char_indices().nth(most) {
        None => text.into_owned(),
        Some(_) => {
            let mut short: String = text.chars().take(most.saturating_sub(1)).collect();
            short.push('…');
            short
        }
    }
}

/// The same in the middle, for names whose end tells most, such as ARNs.
pub(crate) fn short_middle(text: &str, most: usize) -> String {
    let text = plain(text);
    let chars: Vec<char> = text.chars().collect();
    if chars.len() <= most {
        return text.into_owned();
    }
    let tail = most.saturating_sub(1) * 2 / 3;
    let head = most.saturating_sub(1) - tail;
    let mut short: String = chars.iter().take(head).collect();
    short.push('…');
    short.extend(chars.iter().skip(chars.len() - tail));
    short
}

/// A span of time, as one says it.
pub(crate) fn span(ms: i64) -> String {
    const SECOND: i64 = 1000;
    const MINUTE: i64 = 60 * SECOND;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    match ms.max(0) {
        ms if ms < 10 * SECOND => format!("{}.{} s", ms / SECOND, ms % SECOND / 100),
        ms if ms < 2 * MINUTE => format!("{} s", ms / SECOND),
        ms if ms < 2 * HOUR => format!("{} min", ms / MINUTE),
        ms if ms < 2 * DAY => format!("{} h", ms / HOUR),
        ms => format!("{} d", ms / DAY),
    }
}

/// A span that need not be known.
pub(crate) fn maybe_span(ms: Option<i64>) -> String {
    ms.map_or_else(|| "–".to_owned(), span)
}

/// A share in percent.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// A share that need not be known.
pub(crate) fn maybe_percent(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), percent)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spans_are_said_as_people_say_them() {
        let said = [
            (-1, "0.0 s"),
            (1_240, "1.2 s"),
            (61_000, "61 s"),
            (300_000, "5 min"),
            (90_000_000, "25 h"),
            (864_000_000, "10 d"),
        ];
        for (ms, text) in said {
            assert_eq!(span(ms), text);
        }
    }

    #[test]
    fn a_name_is_cut_where_it_tells_least() {
        assert_eq!(short("Logging stopped", 8), "Logging…");
        assert_eq!(short_middle("arn:aws:iam::111122223333:user/ana", 15), "arn:a…:user/ana");
        assert_eq!(short_middle("ana", 15), "ana");
    }

    proptest! {
        #[test]
        fn no_text_leaves_its_place(text: String) {
            let shown = html(&text);
            let is_kept_in = !shown.contains(['<', '>', '"', '\'', '\n', '\u{1b}', '\u{202e}']);
            prop_assert!(is_kept_in);
            prop_assert!(short(&text, 10).chars().count() <= 10);
            prop_assert!(short_middle(&text, 10).chars().count() <= 10);
        }
    }
}
