//! Tests and conditions in words, for people who ask what a rule was compiled into.

use std::fmt::Write as _;

use crate::diagnostic::on_one_line;
use crate::index::Stand;
use crate::keys::Key;
use crate::pattern::{Glob, Pattern, Shape, Token};
use crate::test::{Expr, Network, Order, Predicate, Relation, Test};

/// Of a list so many values are named.
const NAMED_MAX: usize = 6;

/// What a predicate asks.
pub(crate) fn predicate(predicate: &Predicate) -> String {
    let Predicate { field, test } = predicate;
    let field = escaped(&field.to_string());
    match test {
        Test::Null => format!("{field} is null or missing"),
        Test::Exists => format!("{field} is there"),
        Test::Text(pattern) => format!("{field} {}", text(pattern)),
        Test::OneOf(whole) => {
            let texts = list(whole.texts.iter().map(|text| &**text));
            format!("{field} is one of {texts}{}", minding(whole.cased))
        }
        Test::AnyEdge(edge) => {
            let texts = edge.shown();
            let texts = list(texts.iter().map(String::as_str));
            let how = if edge.is_end { "ends" } else { "starts" };
            format!("{field} {how} with one of {texts}{}", minding(edge.cased))
        }
        Test::AnyPiece(pieces) => {
            format!("{field} contains one of {}", list(pieces.texts.iter().map(|t| &**t)))
        }
        Test::Regex(expression) => format!("{field} matches {}", in_quotes(&expression.source)),
        Test::Network(network) => format!("{field} is in {}", shown(*network)),
        Test::AnyNetwork(networks) => {
            let names: Vec<String> = networks.iter().take(NAMED_MAX).map(|n| shown(*n)).collect();
            format!("{field} is in one of {} networks: {}", networks.len(), names.join(", "))
        }
        Test::Number(order, bound) => format!("{field} {} {bound}", sign(*order)),
        Test::Time(part, order, bound) => {
            format!("{} of {field} {} {bound}", part.name(), sign(*order))
        }
        Test::OtherField { field: other, relation, cased } => {
            let relation = match relation {
                Relation::Equals => "is the value of",
                Relation::Contains => "contains the value of",
                Relation::StartsWith => "starts with the value of",
                Relation::EndsWith => "ends with the value of",
            };
            let other = escaped(&other.to_string());
            format!("{field} {relation} {other}{}", minding(*cased))
        }
        Test::Scope { quantifier, body } => {
            format!("{field}[{}]: {}", quantifier.name(), expr(body))
        }
    }
}

/// A condition on one line.
fn expr(condition: &Expr) -> String {
    let joined = |parts: &[Expr], word: &str| {
        let parts: Vec<String> = parts.iter().map(expr).collect();
        match parts.as_slice() {
            [one] => one.clone(),
            _ => format!("({})", parts.join(word)),
        }
    };
    match condition {
        Expr::All(parts) => joined(parts, " and "),
        Expr::Any(parts) => joined(parts, " or "),
        Expr::AtLeast(count, parts) => format!("{count} of {}", joined(parts, ", ")),
        Expr::Not(part) => format!("not {}", expr(part)),
        Expr::Test(one) => predicate(one),
    }
}

/// Where a rule stands in the index.
pub(crate) fn stand(stand: &Stand) -> String {
    match stand {
        Stand::Nowhere => "nothing: no record can match it".to_owned(),
        Stand::Residue => "nothing: it is tried on every record".to_owned(),
        Stand::Sources(sources) => {
            format!("eventSource {}", list(sources.iter().map(String::as_str)))
        }
        Stand::Names { names, sources } => {
            let mut found = format!("eventName {}", keys(names));
            if let Some(sources) = sources {
                let sources = list(sources.iter().map(String::as_str));
                // Writing to a String does not fail.
                write!(found, " with eventSource {sources}").ok();
            }
            found
        }
        Stand::Witness { field, keys: texts } => format!("{field} {}", keys(texts)),
    }
}

fn keys(keys: &[Key]) -> String {
    let how = match keys.iter().max_by_key(|key| key.weakness()) {
        Some(Key::Prefix(_)) => "beginning with ",
        Some(Key::Contains(_)) => "holding ",
        Some(Key::Network(_)) => return format!("in one of {} networks", keys.len()),
        Some(Key::Exact(_)) | None => "",
    };
    format!("{how}{}", list(keys.iter().map(Key::text)))
}

fn text(pattern: &Pattern) -> String {
    let what = match &pattern.shape {
        Shape::Present => "has a value".to_owned(),
        Shape::Exact(text) => format!("is {}", in_quotes(text)),
        Shape::Prefix(text) => format!("starts with {}", in_quotes(text)),
        Shape::Suffix(text) => format!("ends with {}", in_quotes(text)),
        Shape::Contains(text) => format!("contains {}", in_quotes(text)),
        Shape::Glob(glob) => format!("is like {}", in_quotes(&wildcards(glob))),
    };
    what + minding(pattern.cased && pattern.shape != Shape::Present)
}

fn wildcards(glob: &Glob) -> String {
    let segments: Vec<String> = glob
        .segments
        .iter()
        .map(|segment| {
            let parts = segment.iter().map(|token| match token {
                Token::Char(c @ ('*' | '?' | '\\')) => format!("\\{c}"),
                Token::Char(c) => c.to_string(),
                Token::One => "?".to_owned(),
                Token::Dash => "-".to_owned(),
                Token::Star => "*".to_owned(),
            });
            parts.collect()
        })
        .collect();
    let star = |is_anchored: bool| if is_anchored { "" } else { "*" };
    format!("{}{}{}", star(glob.starts), segments.join("*"), star(glob.ends))
}

fn shown(network: Network) -> String {
    format!("{}/{}", network.address, network.prefix_bits)
}

fn sign(order: Order) -> &'static str {
    match order {
        Order::Equal => "is",
        Order::Less => "<",
        Order::LessOrEqual => "<=",
        Order::Greater => ">",
        Order::GreaterOrEqual => ">=",
    }
}

fn minding(cased: bool) -> &'static str {
    if cased { ", minding case" } else { "" }
}

fn list<'t>(texts: impl Iterator<Item = &'t str> + Clone) -> String {
    let count = texts.clone().count();
    let named: Vec<String> = texts.take(NAMED_MAX).map(in_quotes).collect();
    let more = match count.saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", named.join(", "))
}

/// A name of the rule's own.
fn escaped(name: &str) -> String {
    on_one_line(name, Some('"'))
}

/// A text in quotes.
pub(crate) fn in_quotes(text: &str) -> String {
    format!("\"{}\"", on_one_line(text, Some('"')))
}
