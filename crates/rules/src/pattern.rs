//! Text patterns: Sigma's wildcards, compiled to the cheapest test that decides them.
//!
//! A pattern without wildcards inside becomes an equality, a prefix, a suffix or a substring. The rest becomes
//! segments between stars, matched leftmost first: each star gives back nothing, so the work is at most the
//! value's length times the longest segment, whatever the pattern.

use crate::fold::{self, fold};
use crate::number::Num;

/// A value of a rule after unescaping: literal characters and wildcards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Token {
    /// This character.
    Char(char),
    /// `?`: exactly one character.
    One,
    /// `*`: any run, also of line breaks, also empty.
    Star,
    /// Any of the dashes and slashes that begin an option, for `windash`.
    Dash,
}

/// What `windash` takes for one another.
pub(crate) const DASHES: [char; 5] = ['-', '/', '–', '—', '―'];

/// Splits a rule's value into tokens. A backslash escapes `*`, `?` and itself; before anything else, and at the
/// end, it stands for itself.
pub(crate) fn tokens(value: &str) -> Vec<Token> {
    let mut tokens = Vec::with_capacity(value.len());
    let mut chars = value.chars().peekable();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '*' => Token::Star,
            '?' => Token::One,
            '\\' => match chars.next_if(|&next| matches!(next, '*' | '?' | '\\')) {
                Some(escaped) => Token::Char(escaped),
                None => Token::Char('\\'),
            },
            c => Token::Char(c),
        });
    }
    tokens
}

/// A compiled text test.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Pattern {
    pub(crate) shape: Shape,
    pub(crate) cased: bool,
    /// The number that an equality stands for, so that 22 equals 22.0.
    pub(crate) number: Option<Num>,
}

/// The strategy of a [`Pattern`]. Texts are case-folded unless the pattern is cased.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Shape {
    /// `*`: anything but null.
    Present,
    Exact(Box<str>),
    Prefix(Box<str>),
    Suffix(Box<str>),
    Contains(Box<str>),
    Glob(Glob),
}

/// Literals and single-character wildcards between stars.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Glob {
    /// Whether the pattern begins with its first segment rather than a star.
    pub(crate) starts: bool,
    /// Whether the pattern ends with its last segment rather than a star.
    pub(crate) ends: bool,
    /// Never empty, and none of them is.
    pub(crate) segments: Vec<Box<[Token]>>,
}

impl Pattern {
    pub(crate) fn new(mut tokens: Vec<Token>, cased: bool, number: Option<Num>) -> Self {
        if !cased {
            for token in &mut tokens {
                if let Token::Char(c) = token {
                    *c = fold(*c);
                }
            }
        }
        let shape = Shape::new(&tokens);
        let number = number.filter(|_| matches!(shape, Shape::Exact(_)));
        Self { shape, cased, number }
    }

    /// Whether a text satisfies the pattern.
    pub(crate) fn matches(&self, value: &str) -> bool {
        match &self.shape {
            Shape::Present => true,
            Shape::Exact(text) => fold::equals(value, text, self.cased),
            Shape::Prefix(text) => fold::starts_with(value, text, self.cased),
            Shape::Suffix(text) => fold::ends_with(value, text, self.cased),
            Shape::Contains(text) => fold::contains(value, text, self.cased),
            Shape::Glob(glob) => glob.matches(value, self.cased),
        }
    }

    /// About how much text the pattern holds.
    pub(crate) fn text_bytes(&self) -> usize {
        match &self.shape {
            Shape::Present => 0,
            Shape::Exact(text)
            | Shape::Prefix(text)
            | Shape::Suffix(text)
            | Shape::Contains(text) => text.len(),
            Shape::Glob(glob) => glob.segments.iter().map(|s| size_of_val(&**s)).sum(),
        }
    }

    /// The text that every match begins with, folded; for an index.
    pub(crate) fn literal_start(&self) -> Option<String> {
        let text = match &self.shape {
            Shape::Exact(text) | Shape::Prefix(text) => text.to_string(),
            Shape::Glob(glob) if glob.starts => glob.segments[0]
                .iter()
                .map_while(|token| match token {
                    Token::Char(c) => Some(*c),
                    _ => None,
                })
                .collect(),
            _ => return None,
        };
        (!text.is_empty()).then(|| fold::folded(&text))
    }
}

impl Shape {
    fn new(tokens: &[Token]) -> Self {
        let starts = tokens.first() != Some(&Token::Star);
        let ends = tokens.last() != Some(&Token::Star);
        let mut segments = tokens.split(|token| *token == Token::Star).filter(|s| !s.is_empty());
        let (Some(first), None) = (segments.next(), segments.next()) else {
            if tokens.is_empty() {
                return Self::Exact("".into());
            }
            let segments: Vec<Box<[Token]>> = tokens
                .split(|token| *token == Token::Star)
                .filter(|segment| !segment.is_empty())
                .map(Into::into)
                .collect();
            if segments.is_empty() {
                return Self::Present;
            }
            return Self::Glob(Glob { starts, ends, segments });
        };
        let literal: Option<String> = first
            .iter()
            .map(|token| match token {
                Token::Char(c) => Some(*c),
                _ => None,
            })
            .collect();
        match (literal.map(String::into_boxed_str), starts, ends) {
            (Some(text), true, true) => Self::Exact(text),
            (Some(text), true, false) => Self::Prefix(text),
            (Some(text), false, true) => Self::Suffix(text),
            (Some(text), false, false) => Self::Contains(text),
            (None, ..) => Self::Glob(Glob { starts, ends, segments: vec![first.into()] }),
        }
    }
}

impl Glob {
    /// The runs of characters between the wildcards.
    pub(crate) fn literals(&self) -> impl Iterator<Item = String> {
        let is_char = |token: &Token| matches!(token, Token::Char(_));
        let runs =
            self.segments.iter().flat_map(move |segment| segment.split(move |t| !is_char(t)));
        runs.map(|run| {
            let chars = run.iter().map(|token| match token {
                Token::Char(c) => *c,
                _ => char::REPLACEMENT_CHARACTER,
            });
            chars.collect()
        })
    }

    fn matches(&self, value: &str, cased: bool) -> bool {
        let mut segments = self.segments.as_slice();
        let mut rest = value;
        if self.starts {
            let Some((first, others)) = segments.split_first() else { return false };
            let Some(length) = match_at(rest, first, cased) else { return false };
            rest = &rest[length..];
            segments = others;
            if segments.is_empty() {
                return !self.ends || rest.is_empty();
            }
        }
        let last = if self.ends { segments.split_last() } else { None };
        let (last, middle) = match last {
            Some((last, middle)) => (Some(last), middle),
            None => (None, segments),
        };
        for segment in middle {
            let Some(end) = find(rest, segment, cased) else { return false };
            rest = &rest[end..];
        }
        let Some(last) = last else { return true };
        let Some((at, _)) = rest.char_indices().rev().nth(last.len() - 1) else { return false };
        match_at(&rest[at..], last, cased).is_some()
    }
}

/// Where the leftmost match of a segment ends.
fn find(value: &str, segment: &[Token], cased: bool) -> Option<usize> {
    value.char_indices().find_map(|(at, _)| Some(at + match_at(&value[at..], segment, cased)?))
}

/// The bytes that a segment takes at the start of `value`.
fn match_at(value: &str, segment: &[Token], cased: bool) -> Option<usize> {
    let mut chars = value.chars();
    for token in segment {
        let c = chars.next()?;
        let fits = match *token {
            Token::Char(expected) => c == expected || (!cased && fold(c) == expected),
            Token::One => true,
            Token::Dash => DASHES.contains(&c),
            // Segments are what stands between stars.
            Token::Star => false,
        };
        if !fits {
            return None;
        }
    }
    Some(value.len() - chars.as_str().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, value: &str) -> bool {
        Pattern::new(tokens(pattern), false, None).matches(value)
    }

    #[test]
    fn each_shape_is_recognised() {
        let shape = |text: &str| Pattern::new(tokens(text), false, None).shape;
        assert_eq!(shape(""), Shape::Exact("".into()));
        assert_eq!(shape("*"), Shape::Present);
        assert_eq!(shape("**"), Shape::Present);
        assert_eq!(shape("Foo"), Shape::Exact("foo".into()));
        assert_eq!(shape("Foo*"), Shape::Prefix("foo".into()));
        assert_eq!(shape("*Foo"), Shape::Suffix("foo".into()));
        assert_eq!(shape("**Foo*"), Shape::Contains("foo".into()));
        assert!(matches!(shape("a*b"), Shape::Glob(_)));
        assert!(matches!(shape("a?"), Shape::Glob(_)));
    }

    #[test]
    fn escapes_follow_sigma() {
        for (pattern, value, expected) in [
            (r"foo\*", "foo*", true),
            (r"foo\*", "foobar", false),
            (r"a\?", "a?", true),
            (r"C:\\Win", r"C:\Win", true),
            (r"C:\Win", r"C:\Win", true),
            (r"C:\\*", r"C:\x", true),
            (r"C:\\\*", r"C:\*", true),
            (r"C:\\\*", r"C:\x", false),
            (r"x\\\\y", r"x\\y", true),
            (r"x\\\", r"x\\", true),
            (r"x\", r"x\", true),
        ] {
            assert_eq!(matches(pattern, value), expected, "{pattern} on {value}");
        }
    }

    #[test]
    fn globs_match_leftmost_and_anchor() {
        for (pattern, value, expected) in [
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "abcb", false),
            ("a*bc", "abcbc", true),
            ("a*ab", "ab", false),
            ("fo?", "foo", true),
            ("fo?", "fo", false),
            ("?", "é", true),
            ("??", "é", false),
            ("*f?o*", "xxFÉOyy", true),
            ("a*", "a\nb", true),
            ("*a?", "xab", true),
            ("*a?", "xabc", false),
            ("?*?", "a", false),
            ("?*?", "ab", true),
        ] {
            assert_eq!(matches(pattern, value), expected, "{pattern} on {value}");
        }
    }

    #[test]
    fn many_stars_are_no_blow_up() {
        let pattern = "*a".repeat(500) + "b";
        let value = "a".repeat(100_000);
        assert!(!matches(&pattern, &value));
    }

    #[test]
    fn literal_starts_are_sound() {
        let start = |text: &str| Pattern::new(tokens(text), false, None).literal_start();
        assert_eq!(start("Update*v2"), Some("update".to_owned()));
        assert_eq!(start("Up?ate"), Some("up".to_owned()));
        assert_eq!(start("*x"), None);
        assert_eq!(start("?x"), None);
    }
}
