//! The values of a detection item, each turned into the test it asks for.

use std::cell::Cell;
use std::net::IpAddr;

use regex::{Regex, RegexBuilder};

use crate::condition::VALUES_MAX;
use crate::detection::{Context, other_field};
use crate::diagnostic::{Reporter, Severity, code, quoted};
use crate::encode::encode;
use crate::lists::Lists;
use crate::modifier::{Kind, Modifiers};
use crate::number::Num;
use crate::pattern::{DASHES, Pattern, Token, tokens};
use crate::test::{Expr, Expression, Field, Network, Predicate, Relation, Test};
use crate::yaml::{Data, Meaning, Node, Scalar};

/// A compiled regular expression takes no more memory than this, nor its lazy automaton.
const REGEX_BYTES_MAX: usize = 1024 * 1024;

/// Smaller sizes that an expression is tried to be compiled within: the first that is enough counts.
const REGEX_SIZES_BYTES: [usize; 2] = [16 * 1024, 128 * 1024];

/// The expressions of one file take no more together.
pub(crate) const REGEXES_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A text value has no more characters, which bounds the work of a pattern on one value.
const PATTERN_CHARS_MAX: usize = 8 * 1024;

/// A text value has no more wildcards.
const WILDCARDS_MAX: usize = 256;

/// A text value with wildcards inside has no more characters: looking for it takes its length times the value's.
const GLOB_CHARS_MAX: usize = 512;

/// `windash` before an encoding is spelled out, five ways a dash; more dashes are refused.
const DASHES_ENCODED_MAX: usize = 3;

/// The tests that one listed value asks for.
pub(crate) fn value_tests(
    field: &Field,
    modifiers: &Modifiers,
    value: &Node,
    context: Context<'_>,
    reporter: &mut Reporter<'_>,
) -> Option<Expr> {
    let Some(scalar) = value.scalar() else {
        reporter.error(
            value.mark,
            code::WRONG_TYPE,
            format!("{} stands in a list of values", value.kind()),
            "write single values; for other fields or modifiers an item of its own, such as `field|startswith: value`",
        );
        return None;
    };
    let test = match &modifiers.kind {
        Kind::Text => return text_tests(field, modifiers, value, scalar, reporter),
        Kind::Regex(_) if scalar.meaning() == Meaning::Null => {
            reporter.error(
                value.mark,
                code::BAD_REGEX,
                "null is no regular expression",
                "write a pattern, or `field: null` to test for a missing field",
            );
            return None;
        }
        Kind::Regex(flags) => regex_test(flags, value, &scalar.text, context, reporter)?,
        Kind::Network => network_test(value, &scalar.text, reporter)?,
        Kind::Number(order) => match Num::parse(&scalar.text, true) {
            Some(bound) if scalar.meaning() == Meaning::Number => Test::Number(*order, bound),
            _ => return bad_number(value, scalar, reporter),
        },
        Kind::Time(part, order) => match Num::parse(&scalar.text, true) {
            Some(Num::Int(bound)) if scalar.meaning() == Meaning::Number => {
                let Ok(bound) = i64::try_from(bound) else {
                    return bad_number(value, scalar, reporter);
                };
                Test::Time(*part, *order, bound)
            }
            _ => return bad_number(value, scalar, reporter),
        },
        Kind::Exists => return exists_test(field, value, scalar, reporter),
        Kind::OtherField => {
            if scalar.meaning() == Meaning::Null || scalar.text.is_empty() {
                reporter.error(
                    value.mark,
                    code::BAD_FIELD,
                    "`fieldref` names no field",
                    "write the path of the field to compare with",
                );
                return None;
            }
            let field = Box::new(other_field(value, &scalar.text, context, reporter)?);
            let relation = modifiers.relation.unwrap_or(Relation::Equals);
            Test::OtherField { field, relation, cased: modifiers.cased }
        }
    };
    Some(Expr::Test(Predicate { field: field.clone(), test }))
}

/// Whether a text looks like a placeholder and is none: a percent sign before a word, or two of them around something else.
fn is_broken_placeholder(text: &str) -> bool {
    let begins_word = text
        .match_indices('%')
        .any(|(at, _)| text[at + 1..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_'));
    let has_placeholder = Lists::new().expand(text, &Cell::new(usize::MAX)).is_err();
    !has_placeholder && (begins_word || text.matches('%').count() > 1)
}

/// The values with their placeholders replaced; each new one stands where its placeholder does.
pub(crate) fn expanded(
    values: &[Node],
    context: Context<'_>,
    reporter: &mut Reporter<'_>,
) -> Option<Vec<Node>> {
    let mut expanded = Vec::new();
    for value in values {
        let Some(scalar) = value.scalar().filter(|scalar| scalar.text.contains('%')) else {
            expanded.push(value.clone());
            continue;
        };
        match context.lists.expand(&scalar.text, context.expanded_bytes_left) {
            Ok(_) if is_broken_placeholder(&scalar.text) => {
                reporter.error(
                    value.mark,
                    code::UNKNOWN_LIST,
                    format!("{} names no list", quoted(&scalar.text)),
                    "write a placeholder such as `%name%`, of letters, digits, `_` and `-`",
                );
                return None;
            }
            Ok(texts) => {
                expanded.extend(texts.into_iter().map(|text| Node {
                    data: Data::Scalar(Scalar { text, plain: false }),
                    ..*value
                }))
            }
            Err(missing) => {
                let (message, help) = missing.complaint();
                reporter.error(value.mark, code::UNKNOWN_LIST, message, help);
                return None;
            }
        }
        if expanded.len() > VALUES_MAX {
            let message = format!("the lists give more than {VALUES_MAX} values");
            reporter.error(value.mark, code::TOO_LARGE, message, "name fewer lists in one rule");
            return None;
        }
    }
    Some(expanded)
}

fn exists_test(
    field: &Field,
    value: &Node,
    scalar: &Scalar,
    reporter: &mut Reporter<'_>,
) -> Option<Expr> {
    let Meaning::Bool(expected) = scalar.meaning() else {
        reporter.error(
            value.mark,
            code::BAD_VALUE,
            format!("`exists` is asked for {}", quoted(&scalar.text)),
            "write `true` or `false`, without quotes",
        );
        return None;
    };
    let expr = Expr::Test(Predicate { field: field.clone(), test: Test::Exists });
    Some(if expected { expr } else { Expr::Not(Box::new(expr)) })
}

fn bad_number(value: &Node, scalar: &Scalar, reporter: &mut Reporter<'_>) -> Option<Expr> {
    reporter.error(
        value.mark,
        code::BAD_NUMBER,
        format!("{} is not a number to compare with", quoted(&scalar.text)),
        "write a number without quotes",
    );
    None
}

/// Text tests: the value's wildcards, `contains` and its like as wildcards at the ends, after any encoding.
fn text_tests(
    field: &Field,
    modifiers: &Modifiers,
    value: &Node,
    scalar: &Scalar,
    reporter: &mut Reporter<'_>,
) -> Option<Expr> {
    let text = match scalar.meaning() {
        Meaning::Null => {
            if modifiers.take_null() && *field != Field::AnyLeaf {
                return Some(Expr::Test(Predicate { field: field.clone(), test: Test::Null }));
            }
            reporter.error(
                value.mark,
                code::BAD_VALUE,
                "null is no text to search for",
                "write `field: null` to test for a missing field, or quote the word",
            );
            return None;
        }
        Meaning::Bool(true) => "true",
        Meaning::Bool(false) => "false",
        Meaning::Number | Meaning::Text => scalar.text.as_str(),
    };
    let mut value_tokens = tokens(text);
    let wildcards = value_tokens.iter().filter(|token| !matches!(token, Token::Char(_))).count();
    let chars_max =
        if has_inner_wildcard(&value_tokens) { GLOB_CHARS_MAX } else { PATTERN_CHARS_MAX };
    if wildcards > WILDCARDS_MAX || value_tokens.len() > chars_max {
        reporter.error(
            value.mark,
            code::TOO_LARGE,
            format!(
                "a value of {} characters with {wildcards} wildcards; the limits are {chars_max} and {WILDCARDS_MAX}",
                value_tokens.len()
            ),
            "write a shorter value",
        );
        return None;
    }
    if modifiers.windash {
        mark_dashes(&mut value_tokens);
    }
    let forms = if modifiers.encodings.is_empty() {
        vec![value_tokens]
    } else {
        encoded_forms(modifiers, &value_tokens, value, reporter)?
    };
    let number = Num::parse(text, scalar.plain)
        .filter(|number| number.has_value() && modifiers.encodings.is_empty());
    let mut parts: Vec<Expr> = forms
        .into_iter()
        .map(|form| {
            let pattern = Pattern::new(related(form, modifiers.relation), modifiers.cased, number);
            Expr::Test(Predicate { field: field.clone(), test: Test::Text(pattern) })
        })
        .collect();
    Some(if parts.len() == 1 { parts.remove(0) } else { Expr::Any(parts) })
}

/// Whether a wildcard stands elsewhere than as a star at an end.
fn has_inner_wildcard(tokens: &[Token]) -> bool {
    let is_star = |token: &Token| *token == Token::Star;
    let start = tokens.iter().take_while(|token| is_star(token)).count();
    let end = tokens.iter().rev().take_while(|token| is_star(token)).count();
    let inner = tokens.get(start..tokens.len().saturating_sub(end)).unwrap_or_default();
    inner.iter().any(|token| !matches!(token, Token::Char(_)))
}

/// Adds the stars that `contains`, `startswith` and `endswith` stand for.
pub(crate) fn related(mut tokens: Vec<Token>, relation: Option<Relation>) -> Vec<Token> {
    if matches!(relation, Some(Relation::Contains | Relation::EndsWith)) {
        tokens.insert(0, Token::Star);
    }
    if matches!(relation, Some(Relation::Contains | Relation::StartsWith)) {
        tokens.push(Token::Star);
    }
    tokens
}

/// Lets a dash or slash that begins a word stand for all of its kind.
fn mark_dashes(tokens: &mut [Token]) {
    let is_word = |token: Option<&Token>| match token {
        Some(Token::Char(c)) => c.is_alphanumeric() || *c == '_',
        _ => false,
    };
    for at in 0..tokens.len() {
        let before = at.checked_sub(1).and_then(|before| tokens.get(before));
        let begins_word = !is_word(before) && is_word(tokens.get(at + 1));
        if begins_word && matches!(tokens[at], Token::Char('-' | '/')) {
            tokens[at] = Token::Dash;
        }
    }
}

fn encoded_forms(
    modifiers: &Modifiers,
    value_tokens: &[Token],
    value: &Node,
    reporter: &mut Reporter<'_>,
) -> Option<Vec<Vec<Token>>> {
    let dashes = value_tokens.iter().filter(|token| **token == Token::Dash).count();
    if dashes > DASHES_ENCODED_MAX {
        reporter.error(
            value.mark,
            code::BAD_VALUE,
            format!(
                "{dashes} dashes under `windash` and an encoding; the limit is {DASHES_ENCODED_MAX}"
            ),
            "list the spellings that matter instead of `windash`",
        );
        return None;
    }
    let mut texts = vec![String::new()];
    for token in value_tokens {
        match token {
            Token::Char(c) => texts.iter_mut().for_each(|text| text.push(*c)),
            Token::Dash => {
                texts = texts
                    .iter()
                    .flat_map(|text| DASHES.map(|dash| format!("{text}{dash}")))
                    .collect();
            }
            Token::Star | Token::One => {
                reporter.error(
                    value.mark,
                    code::BAD_VALUE,
                    format!("{} holds a wildcard, which has no encoding", quoted(value.text())),
                    r"escape it as `\*` or `\?`, or remove it",
                );
                return None;
            }
        }
    }
    let forms = texts.iter().flat_map(|text| encode(text, &modifiers.encodings));
    Some(forms.map(|form| form.chars().map(Token::Char).collect()).collect())
}

fn network_test(value: &Node, text: &str, reporter: &mut Reporter<'_>) -> Option<Test> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let bits = |address: IpAddr| if address.is_ipv4() { 32 } else { 128 };
    let parsed = address.parse::<IpAddr>().ok().and_then(|address| match prefix {
        None => Some((address, bits(address))),
        Some(prefix) => {
            let prefix = prefix.parse::<u8>().ok().filter(|prefix| *prefix <= bits(address))?;
            Some((address, prefix))
        }
    });
    let Some((address, prefix_bits)) = parsed else {
        reporter.error(
            value.mark,
            code::BAD_CIDR,
            format!("{} is not a network", quoted(text)),
            "write an address and a prefix length, such as `192.0.2.0/24` or `2001:db8::/32`",
        );
        return None;
    };
    let network = masked(address, prefix_bits);
    if network != address {
        reporter.error(
            value.mark,
            code::BAD_CIDR,
            format!("{} has bits set beyond its prefix", quoted(text)),
            format!("write `{network}/{prefix_bits}`"),
        );
        return None;
    }
    // A v6 network inside the range that maps v4 is that v4 network.
    let (address, prefix_bits) = match (address.to_canonical(), address) {
        (IpAddr::V4(v4), IpAddr::V6(_)) if prefix_bits >= 96 => (IpAddr::V4(v4), prefix_bits - 96),
        _ => (address, prefix_bits),
    };
    Some(Test::Network(Network { address, prefix_bits }))
}

fn masked(address: IpAddr, prefix_bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix_bits)).unwrap_or(0);
            IpAddr::V4((u32::from(v4) & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix_bits)).unwrap_or(0);
            IpAddr::V6((u128::from(v6) & mask).into())
        }
    }
}

/// The expression, compiled, and the bytes it was allowed to take.
fn compiled(flags: &str, pattern: &str) -> (usize, Result<Regex, regex::Error>) {
    let build = |bytes: usize| {
        RegexBuilder::new(pattern)
            .case_insensitive(flags.contains('i'))
            .multi_line(flags.contains('m'))
            .dot_matches_new_line(flags.contains('s'))
            .size_limit(bytes)
            .dfa_size_limit(REGEX_BYTES_MAX)
            .build()
    };
    for bytes in REGEX_SIZES_BYTES {
        match build(bytes) {
            Err(regex::Error::CompiledTooBig(_)) => {}
            built => return (bytes, built),
        }
    }
    (REGEX_BYTES_MAX, build(REGEX_BYTES_MAX))
}

fn regex_test(
    flags: &str,
    value: &Node,
    pattern: &str,
    context: Context<'_>,
    reporter: &mut Reporter<'_>,
) -> Option<Test> {
    // Each one that is refused for its size costs milliseconds before it is.
    if reporter.is_full(Severity::Error) {
        return None;
    }
    let (bytes, built) = compiled(flags, pattern);
    let left = context.regex_bytes_left.get().checked_sub(bytes);
    let error = match built {
        Ok(_) if left.is_none() => {
            let message = format!(
                "the regular expressions of the file take more than {REGEXES_BYTES_MAX} bytes together"
            );
            let help = "write texts without `re` where that does, or split the file";
            reporter.error(value.mark, code::TOO_LARGE, message, help);
            return None;
        }
        Ok(regex) => {
            context.regex_bytes_left.set(left.unwrap_or(0));
            let on: String = ['i', 'm', 's'].into_iter().filter(|f| flags.contains(*f)).collect();
            let source =
                if on.is_empty() { pattern.to_owned() } else { format!("(?{on}){pattern}") };
            return Some(Test::Regex(Expression { source: source.into(), regex }));
        }
        Err(error) => error,
    };
    if let regex::Error::CompiledTooBig(_) = error {
        let message = format!("the regular expression takes more than {REGEX_BYTES_MAX} bytes");
        let help = "lower its repetition counts, or split it into a list";
        reporter.error(value.mark, code::BAD_REGEX, message, help);
        return None;
    }
    let text = error.to_string();
    let reason = text.lines().rev().find_map(|line| line.strip_prefix("error: "));
    let reason = reason.unwrap_or("not a regular expression");
    // The crate's message points at the place with a caret, four columns in.
    let caret =
        text.lines().find(|line| line.trim_start() == "^" || line.trim_start().starts_with("^^"));
    let column = caret.map_or(0, |line| line.len() - line.trim_start().len()).saturating_sub(4);
    let offset = pattern.char_indices().nth(column).map_or(0, |(at, _)| at);
    let word = pattern[offset..].chars().next().map_or(0, char::len_utf8);
    let mark = reporter.mark_within(value, pattern, offset, &pattern[offset..offset + word]);
    let help = if reason.contains("look-around") {
        "write it without lookaround: match what may stand there, or use a second item under `not`"
    } else if reason.contains("backreferences") {
        "write it without backreferences: list the alternatives"
    } else {
        "correct the expression here; a literal special character takes a backslash"
    };
    reporter.error(mark, code::BAD_REGEX, format!("bad regular expression: {reason}"), help);
    None
}
