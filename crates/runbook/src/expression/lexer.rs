//! Text to tokens.

use super::{ExpressionError, Operator};

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A text in quotes.
    Text(String),
    Number(i64),
    /// Names with points between them; keywords, too.
    Path(Vec<String>),
    Compare(Operator),
    Plus,
    Question,
    Colon,
    Comma,
    Open,
    Close,
    OpenList,
    CloseList,
}

/// The tokens, each with the byte it begins at.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, ExpressionError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        if c.is_ascii_whitespace() {
            at += 1;
            continue;
        }
        let (token, length) = token(&text[at..]).map_err(|(offset, message, help)| {
            ExpressionError { offset: at + offset, message, help: help.to_owned() }
        })?;
        tokens.push((at, token));
        at += length;
    }
    Ok(tokens)
}

type Refused = (usize, String, &'static str);

/// The token that a text begins with, and its length in bytes.
fn token(text: &str) -> Result<(Token, usize), Refused> {
    for (symbol, token) in [
        ("==", Token::Compare(Operator::Equal)),
        ("!=", Token::Compare(Operator::Differs)),
        ("<=", Token::Compare(Operator::AtMost)),
        (">=", Token::Compare(Operator::AtLeast)),
        ("<", Token::Compare(Operator::Less)),
        (">", Token::Compare(Operator::Greater)),
        ("+", Token::Plus),
        ("?", Token::Question),
        (":", Token::Colon),
        (",", Token::Comma),
        ("(", Token::Open),
        (")", Token::Close),
        ("[", Token::OpenList),
        ("]", Token::CloseList),
    ] {
        if text.starts_with(symbol) {
            return Ok((token, symbol.len()));
        }
    }
    match text.as_bytes()[0] {
        b'\'' => quoted(text),
        b'-' | b'0'..=b'9' => number(text),
        byte if byte.is_ascii_alphabetic() || byte == b'_' => path(text),
        b'"' => Err((
            0,
            "a text stands in double quotes".to_owned(),
            "put texts in single quotes, as 'yes'",
        )),
        b'=' => Err((0, "`=` compares nothing".to_owned(), "write `==`")),
        b'&' | b'|' | b'!' => {
            Err((0, "`&`, `|` and `!` mean nothing here".to_owned(), "write `and`, `or`, `not`"))
        }
        _ => {
            let c: String = text.chars().take(1).flat_map(char::escape_debug).collect();
            Err((
                0,
                format!("`{c}` means nothing here"),
                "write paths, texts in single quotes, numbers, and operators between them",
            ))
        }
    }
}

/// A text in single quotes; two of them stand for one.
fn quoted(text: &str) -> Result<(Token, usize), Refused> {
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c != '\'' {
            value.push(c);
        } else if chars.next_if(|(_, next)| *next == '\'').is_some() {
            value.push('\'');
        } else {
            return Ok((Token::Text(value), at + 1));
        }
    }
    Err((0, "the text that begins here does not end".to_owned(), "close it with a single quote"))
}

fn number(text: &str) -> Result<(Token, usize), Refused> {
    let sign = usize::from(text.starts_with('-'));
    let digits = text[sign..].bytes().take_while(u8::is_ascii_digit).count();
    let length = sign + digits;
    let follows = text[length..].chars().next();
    if follows.is_some_and(|c| c == '.' || c == '_' || c.is_alphanumeric()) {
        return Err((
            0,
            "a number has to be a whole one".to_owned(),
            "write digits alone; quote what is text, such as an account id",
        ));
    }
    match text[..length].parse() {
        Ok(number) => Ok((Token::Number(number), length)),
        Err(_) => Err((
            0,
            "this is no whole number of 64 bits".to_owned(),
            "write digits, and no `-` between paths",
        )),
    }
}

fn path(text: &str) -> Result<(Token, usize), Refused> {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let mut names = Vec::new();
    let mut at = 0;
    loop {
        let length = text[at..].bytes().take_while(is_name).count();
        if length == 0 {
            return Err((at, "a name is missing after the point".to_owned(), "write a name"));
        }
        names.push(text[at..at + length].to_owned());
        at += length;
        if !text[at..].starts_with('.') {
            return Ok((Token::Path(names), at));
        }
        at += 1;
    }
}
