//! Patterns with `*`, which stands for any run of characters, also of none.

/// Longer texts match no pattern, and longer patterns are refused: AWS allows an ARN as many.
pub(crate) const TEXT_BYTES_MAX: usize = 2048;

/// A pattern, cut at its stars. It minds case, as AWS does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wildcard {
    /// The texts between the stars; with one of them there is no star.
    parts: Vec<Box<str>>,
}

impl Wildcard {
    pub(crate) fn new(pattern: &str) -> Self {
        let mut parts: Vec<Box<str>> = pattern.split('*').map(Box::from).collect();
        // Several stars in a row are one star; empty parts count only at the ends.
        let last = parts.len() - 1;
        let mut nth = 0;
        parts.retain(|part| {
            nth += 1;
            nth == 1 || nth == last + 1 || !part.is_empty()
        });
        Self { parts }
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        if text.len() > TEXT_BYTES_MAX {
            return false;
        }
        let [first, middle @ .., last] = self.parts.as_slice() else {
            return self.parts.first().is_some_and(|part| **part == *text);
        };
        let Some(rest) = text.strip_prefix(&**first) else { return false };
        let Some(mut rest) = rest.strip_suffix(&**last) else { return false };
        // Taking each part where it first occurs leaves the most for those after it.
        for part in middle {
            let Some(at) = rest.find(&**part) else { return false };
            rest = &rest[at + part.len()..];
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a pattern means, without any thought for speed.
    fn naive(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern, text) {
            ([], []) => true,
            ([b'*', pattern @ ..], _) => (0..=text.len()).any(|at| naive(pattern, &text[at..])),
            ([p, pattern @ ..], [t, text @ ..]) => p == t && naive(pattern, text),
            _ => false,
        }
    }

    #[test]
    fn patterns_match() {
        for (pattern, text, expected) in [
            ("arn:aws:iam::*:role/deploy-*", "arn:aws:iam::111122223333:role/deploy-web", true),
            ("arn:aws:iam::*:role/deploy-*", "arn:aws:iam::111122223333:role/Deploy-web", false),
            ("arn:aws:iam::*:role/deploy-*", "arn:aws:iam::111122223333:user/deploy-web", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("a*a", "a", false),
            ("**", "anything", true),
        ] {
            assert_eq!(Wildcard::new(pattern).matches(text), expected, "{pattern} {text}");
        }
        assert!(!Wildcard::new("*").matches(&"x".repeat(TEXT_BYTES_MAX + 1)));
    }

    proptest! {
        #[test]
        fn agrees_with_the_naive_one(pattern in "[ab*]{0,8}", text in "[ab]{0,10}") {
            let expected = naive(pattern.as_bytes(), text.as_bytes());
            prop_assert_eq!(Wildcard::new(&pattern).matches(&text), expected);
        }
    }
}
