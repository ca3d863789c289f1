//! The text of a string of JSON.

use super::is_escaped;

/// The text of a quoted JSON string, in `buffer` if it does not stand there as it is; text that is no such string comes
/// out whole.
pub fn unescape<'t>(quoted: &'t [u8], buffer: &'t mut String) -> &'t str {
    let content = quoted.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    let content = content.and_then(|content| std::str::from_utf8(content).ok());
    buffer.clear();
    match content {
        Some(content) if !content.bytes().any(is_escaped) => content,
        Some(content) if unescape_into(content, buffer).is_some() => buffer,
        _ => {
            buffer.clear();
            buffer.push_str(&String::from_utf8_lossy(quoted));
            buffer
        }
    }
}

/// None if the content is not that of one JSON string.
fn unescape_into(content: &str, out: &mut String) -> Option<()> {
    let mut rest = content;
    while let Some(at) = rest.bytes().position(is_escaped) {
        out.push_str(&rest[..at]);
        let (char, after) = match rest.as_bytes().get(at..at + 2)? {
            b"\\\"" => ('"', at + 2),
            b"\\\\" => ('\\', at + 2),
            b"\\/" => ('/', at + 2),
            b"\\b" => ('\u{8}', at + 2),
            b"\\f" => ('\u{c}', at + 2),
            b"\\n" => ('\n', at + 2),
            b"\\r" => ('\r', at + 2),
            b"\\t" => ('\t', at + 2),
            b"\\u" => {
                let (char, length) = unescape_code(rest.as_bytes().get(at..)?)?;
                (char, at + length)
            }
            _ => return None,
        };
        out.push(char);
        rest = &rest[after..];
    }
    out.push_str(rest);
    Some(())
}

/// The character of an escape `\uXXXX`, or of two that are a surrogate pair, and the length of it.
fn unescape_code(text: &[u8]) -> Option<(char, usize)> {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
        digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))
    };
    let first = unit(0)?;
    if !(0xd800..0xdc00).contains(&first) {
        return Some((char::from_u32(first)?, 6));
    }
    let second = unit(6).filter(|second| (0xdc00..0xe000).contains(second))?;
    Some((char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00))?, 12))
}
