//! Case folding, and text comparison under it.
//!
//! Sigma ignores case. Simple folding maps one character to one, so lengths in characters stay and `?` keeps its
//! meaning. Nearly all of CloudTrail is ASCII: that path compares bytes in place and allocates nothing. The other
//! path folds character by character and allocates nothing either.

use memchr::{memchr_iter, memchr2_iter, memmem};

/// The simple case folding of a character.
///
/// The standard library has no folding table, but upper case and back reaches the same classes where both
/// steps are one to one. The dotless i is the exception: its upper case is `I`, yet it folds to itself.
pub(crate) fn fold(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_lowercase();
    }
    if c == 'ı' {
        return c;
    }
    let upper = single(c.to_uppercase()).unwrap_or(c);
    single(upper.to_lowercase()).unwrap_or(upper)
}

/// The folding of a whole text.
pub(crate) fn folded(text: &str) -> String {
    text.chars().map(fold).collect()
}

/// Writes the folded text to `folded`, which is emptied first.
pub(crate) fn fold_into(text: &str, folded: &mut String) {
    folded.clear();
    if text.is_ascii() {
        folded.push_str(text);
        folded.make_ascii_lowercase();
    } else {
        folded.extend(text.chars().map(fold));
    }
}

/// Whether two texts are equal, with case ignored unless `cased`.
pub(crate) fn equals(value: &str, text: &str, cased: bool) -> bool {
    if cased || value.len() == text.len() && value == text {
        return value == text;
    }
    if text.is_ascii() {
        if value.len() == text.len() && value.eq_ignore_ascii_case(text) {
            return true;
        }
        if value.is_ascii() {
            return false;
        }
    }
    value.chars().map(fold).eq(text.chars().map(fold))
}

/// Whether `value` begins with `text`, with case ignored unless `cased`.
pub(crate) fn starts_with(value: &str, text: &str, cased: bool) -> bool {
    if cased {
        return value.starts_with(text);
    }
    begins(value.chars(), text.chars())
}

/// Whether `value` ends with `text`, with case ignored unless `cased`.
pub(crate) fn ends_with(value: &str, text: &str, cased: bool) -> bool {
    if cased {
        return value.ends_with(text);
    }
    begins(value.chars().rev(), text.chars().rev())
}

/// Whether `text` stands anywhere in `value`, with case ignored unless `cased`.
pub(crate) fn contains(value: &str, text: &str, cased: bool) -> bool {
    let Some(&first) = text.as_bytes().first() else { return true };
    if cased {
        return memmem::find(value.as_bytes(), text.as_bytes()).is_some();
    }
    if text.is_ascii() {
        if contains_ascii(value.as_bytes(), text.as_bytes(), first) {
            return true;
        }
        // What is left are characters beyond ASCII that fold into it, such as the Kelvin sign.
        if value.is_ascii() {
            return false;
        }
    }
    value.char_indices().any(|(at, _)| begins(value[at..].chars(), text.chars()))
}

fn contains_ascii(value: &[u8], text: &[u8], first: u8) -> bool {
    let is_at = |at: usize| {
        value.get(at..at + text.len()).is_some_and(|part| part.eq_ignore_ascii_case(text))
    };
    if first.is_ascii_alphabetic() {
        memchr2_iter(first.to_ascii_lowercase(), first.to_ascii_uppercase(), value).any(is_at)
    } else {
        memchr_iter(first, value).any(is_at)
    }
}

fn begins(mut value: impl Iterator<Item = char>, mut text: impl Iterator<Item = char>) -> bool {
    text.all(|c| value.next().is_some_and(|v| v == c || fold(v) == fold(c)))
}

fn single(mut chars: impl Iterator<Item = char>) -> Option<char> {
    let first = chars.next()?;
    chars.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_agrees_with_the_regex_crate() {
        // The regex crate carries Unicode's own table; each character must be a case variant of its folding there,
        // but for those that its version of Unicode does not know.
        let unknown = regex::Regex::new(r"^\p{Cn}$").unwrap();
        for c in ('\u{80}'..=char::MAX).filter(|&c| fold(c) != c) {
            if unknown.is_match(c.encode_utf8(&mut [0; 4])) {
                continue;
            }
            let pattern = format!("^(?i:\\u{{{:x}}})$", u32::from(c));
            let regex = regex::Regex::new(&pattern).unwrap();
            assert!(
                regex.is_match(fold(c).encode_utf8(&mut [0; 4])),
                "{c:?} folds to {:?}",
                fold(c)
            );
        }
    }

    #[test]
    fn folding_is_idempotent_and_knows_the_hard_ones() {
        assert!(('\0'..=char::MAX).all(|c| fold(fold(c)) == fold(c)));
        for (a, b) in
            [('É', 'é'), ('Σ', 'ς'), ('K', '\u{212A}'), ('s', 'ſ'), ('ß', 'ẞ'), ('Å', '\u{212B}')]
        {
            assert_eq!(fold(a), fold(b), "{a} {b}");
        }
        for (a, b) in [('i', 'ı'), ('i', 'İ'), ('e', 'é')] {
            assert_ne!(fold(a), fold(b), "{a} {b}");
        }
    }

    #[test]
    fn comparisons_ignore_case_beyond_ascii() {
        assert!(equals("ÉVIL", "évil", false));
        assert!(!equals("ÉVIL", "évil", true));
        assert!(equals("\u{212A}ey", "key", false));
        assert!(!equals("key", "keys", false));
        assert!(starts_with("ÉVILtwin", "évil", false));
        assert!(ends_with("devil", "VIL", false));
        assert!(!ends_with("il", "vil", false));
        assert!(contains("an ÉVIL twin", "évil", false));
        assert!(contains("the \u{212A}ey", "key", false));
        assert!(contains("xxFOOyy", "foo", false));
        assert!(!contains("xxFOyy", "foo", false));
        assert!(!contains("xFOO", "foo", true));
        assert!(contains("", "", false));
    }
}
