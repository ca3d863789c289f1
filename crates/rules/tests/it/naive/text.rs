//! Texts against patterns: case, wildcards, escapes, and the encodings that a rule may ask for.

/// A part of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Char(char),
    /// `?`: exactly one character.
    One,
    /// `*`: any run of characters.
    Run,
}

/// A value of a rule as a pattern. A backslash escapes `*`, `?` and itself, and stands for itself otherwise.
pub(crate) fn tokens(value: &str) -> Vec<Token> {
    let chars: Vec<char> = value.chars().collect();
    let mut tokens = Vec::new();
    let mut rest = &chars[..];
    loop {
        (tokens, rest) = match rest {
            [] => return tokens,
            ['\\', c @ ('*' | '?' | '\\'), after @ ..] => (with(tokens, Token::Char(*c)), after),
            ['*', after @ ..] => (with(tokens, Token::Run), after),
            ['?', after @ ..] => (with(tokens, Token::One), after),
            [c, after @ ..] => (with(tokens, Token::Char(*c)), after),
        };
    }
}

fn with(mut tokens: Vec<Token>, token: Token) -> Vec<Token> {
    tokens.push(token);
    tokens
}

/// A text without wildcards.
pub(crate) fn literal(text: &str) -> Vec<Token> {
    text.chars().map(Token::Char).collect()
}

/// The text of a pattern that has no wildcards.
pub(crate) fn plain(tokens: &[Token]) -> Option<String> {
    let char_of = |token: &Token| match token {
        Token::Char(c) => Some(*c),
        Token::One | Token::Run => None,
    };
    tokens.iter().map(char_of).collect()
}

/// Whether a pattern asks for nothing but a value.
pub(crate) fn asks_for_any(tokens: &[Token]) -> bool {
    !tokens.is_empty() && tokens.iter().all(|token| *token == Token::Run)
}

/// Unicode's simple folding of one character: lower case by way of upper case, where both are one character.
pub(crate) fn fold(c: char) -> char {
    fn only(mut chars: impl Iterator<Item = char>) -> Option<char> {
        chars.next().filter(|_| chars.next().is_none())
    }
    // These two are each other's case in Turkish alone, and fold to themselves.
    if matches!(c, 'İ' | 'ı') {
        return c;
    }
    let upper = only(c.to_uppercase()).unwrap_or(c);
    only(upper.to_lowercase()).unwrap_or(upper)
}

/// Whether a whole text fits a pattern. `fits[n]` says whether the text so far fits the first `n` tokens.
pub(crate) fn fits(text: &str, tokens: &[Token], cased: bool) -> bool {
    let same = |a: char, b: char| a == b || (!cased && fold(a) == fold(b));
    let mut fits = vec![true];
    for token in tokens {
        fits.push(*token == Token::Run && fits[fits.len() - 1]);
    }
    for c in text.chars() {
        let mut next = vec![false];
        for (n, token) in tokens.iter().enumerate() {
            next.push(match token {
                Token::Char(wanted) => fits[n] && same(*wanted, c),
                Token::One => fits[n],
                Token::Run => next[n] || fits[n + 1],
            });
        }
        fits = next;
    }
    fits[tokens.len()]
}

/// The patterns that a value with `windash` stands for: each dash that begins a word becomes each kind of dash.
pub(crate) fn windash(tokens: &[Token]) -> Vec<Vec<Token>> {
    let is_word = |token: Option<&Token>| matches!(token, Some(Token::Char(c)) if c.is_alphanumeric() || *c == '_');
    let mut variants: Vec<Vec<Token>> = vec![Vec::new()];
    for (at, token) in tokens.iter().enumerate() {
        let is_dash = matches!(token, Token::Char('-' | '/'));
        let before = at.checked_sub(1).and_then(|before| tokens.get(before));
        let begins_word = !is_word(before) && is_word(tokens.get(at + 1));
        let choices: Vec<Token> = if is_dash && begins_word {
            ['-', '/', '–', '—', '―'].map(Token::Char).to_vec()
        } else {
            vec![*token]
        };
        variants = variants
            .iter()
            .flat_map(|variant| choices.iter().map(|choice| with(variant.clone(), *choice)))
            .collect();
    }
    variants
}

/// The encodings of some bytes by a modifier's name: one, or three for `base64offset`.
pub(crate) fn encoded(name: &str, bytes: &[u8]) -> Vec<Vec<u8>> {
    let text = || String::from_utf8(bytes.to_vec()).unwrap();
    match name {
        "base64" => vec![base64(bytes).into_bytes()],
        "base64offset" => (0..3).map(|offset| base64_at(offset, bytes).into_bytes()).collect(),
        "utf16le" | "wide" => vec![text().encode_utf16().flat_map(u16::to_le_bytes).collect()],
        "utf16be" => vec![text().encode_utf16().flat_map(u16::to_be_bytes).collect()],
        "utf16" => {
            let marked = format!("\u{feff}{}", text());
            vec![marked.encode_utf16().flat_map(u16::to_le_bytes).collect()]
        }
        other => panic!("{other} encodes nothing"),
    }
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = (0..3)
            .fold(0_usize, |bits, at| bits << 8 | usize::from(chunk.get(at).copied().unwrap_or(0)));
        for at in 0..4 {
            let digit = char::from(BASE64[bits >> (18 - 6 * at) & 63]);
            text.push(if at <= chunk.len() { digit } else { '=' });
        }
    }
    text
}

/// What of a base64 text is the same whatever stands around the bytes, if `offset` bytes of a group come before them:
/// only digits all of whose bits are ours.
fn base64_at(offset: usize, bytes: &[u8]) -> String {
    let mut padded = vec![0; offset];
    padded.extend(bytes);
    let first = (offset * 8).div_ceil(6);
    let last = padded.len() * 8 / 6;
    base64(&padded)[first..last].to_owned()
}

#[test]
fn patterns_fit() {
    for (text, value, expected) in [
        ("CreateUser", "create*", true),
        ("CreateUser", "c?eate*r", true),
        ("CreateUser", "create", false),
        ("a*b", r"a\*b", true),
        ("axb", r"a\*b", false),
        (r"a\x", r"a\\*", true),
        (r"a\", r"a\", true),
        ("", "*", true),
        ("", "?", false),
        ("STRASSE", "straße", false),
        ("\u{212a}ey", "key", true),
        ("a\nb", "a*b", true),
    ] {
        assert_eq!(fits(text, &tokens(value), false), expected, "{text} {value}");
    }
    assert!(!fits("Key", &tokens("key"), true));
}

#[test]
fn folding_is_that_of_regular_expressions() {
    // Another library's table; characters that are new to it are left out.
    let known = regex::Regex::new(r"^\P{Cn}$").unwrap();
    for c in '\0'..='\u{1ffff}' {
        let has_case = c.to_lowercase().ne([c]) || c.to_uppercase().ne([c]);
        if has_case && known.is_match(&c.to_string()) {
            let pattern = format!("^(?i:{})$", regex::escape(&c.to_string()));
            let folded = fold(c).to_string();
            assert!(regex::Regex::new(&pattern).unwrap().is_match(&folded), "{c} {folded}");
        }
    }
}

#[test]
fn encodings_are_the_known_ones() {
    let text = |name, value: &str| -> Vec<String> {
        let all = encoded(name, value.as_bytes());
        all.into_iter().map(|bytes| String::from_utf8(bytes).unwrap()).collect()
    };
    assert_eq!(text("base64", "foobar"), ["Zm9vYmFy"]);
    assert_eq!(text("base64", "foob"), ["Zm9vYg=="]);
    assert_eq!(text("base64offset", "http://"), ["aHR0cDovL", "h0dHA6Ly", "odHRwOi8v"]);
    assert_eq!(encoded("utf16", "p".as_bytes()), [[0xff, 0xfe, b'p', 0]]);
    let dashes: Vec<_> = windash(&tokens("a-b -c")).iter().filter_map(|t| plain(t)).collect();
    assert_eq!(dashes, ["a-b -c", "a-b /c", "a-b –c", "a-b —c", "a-b ―c"]);
}
