//! What must be true of one field's text wherever a rule matches: what an index can find the rule by.

use regex_syntax::hir::{Hir, HirKind};

use crate::derived::Derived;
use crate::fold;
use crate::pattern::Shape;
use crate::program::Tree;
use crate::test::{Field, Network, Predicate, Test};

/// A text that stands in the field's folded text in this way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Exact(String),
    Prefix(String),
    /// Pure ASCII, so that an automaton that ignores ASCII's case finds it.
    Contains(String),
    /// Not a text but an address: the field's text is one of this network.
    Network(Network),
}

impl Key {
    /// The text itself; none of a network.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Exact(text) | Self::Prefix(text) | Self::Contains(text) => text,
            Self::Network(_) => "",
        }
    }

    /// How weak the key is: an exact one leaves the fewest records.
    pub(crate) fn weakness(&self) -> usize {
        match self {
            Self::Exact(_) => 0,
            Self::Prefix(_) => 1,
            Self::Contains(_) | Self::Network(_) => 2,
        }
    }
}

/// How weak the weakest of the keys is.
pub(crate) fn weakness(keys: &[Key]) -> usize {
    keys.iter().map(Key::weakness).max().unwrap_or(0)
}

impl Tree {
    /// Keys of a field of which at least one applies to any record that satisfies the tree and has one string there, or an object: then
    /// to one of its strings, or to its compact text. `None`: the tree says nothing of the field.
    pub(crate) fn keys(&self, field: &Field, predicates: &[Predicate]) -> Option<Vec<Key>> {
        let mut keys = match self {
            Self::Constant(false) => Some(Vec::new()),
            Self::Constant(true) | Self::Test { negated: true, .. } => None,
            Self::Test { predicate, .. } => test_keys(&predicates[*predicate as usize], field),
            // Every part holds, so the keys of any part will do.
            Self::All(parts) => parts
                .iter()
                .filter_map(|part| part.keys(field, predicates))
                .reduce(|a, b| narrower(field, a, b)),
            // Some part holds, so all of them must have keys.
            Self::Any(parts) | Self::AtLeast(_, parts) => parts
                .iter()
                .map(|part| part.keys(field, predicates))
                .collect::<Option<Vec<_>>>()
                .map(|keys| keys.concat()),
        }?;
        keys.sort();
        keys.dedup();
        Some(keys)
    }
}

/// The keys of both parts of a whole. What two exact lists have in common is enough where the index takes one string only; an object has
/// several, and each list may hold by another.
fn narrower(field: &Field, a: Vec<Key>, b: Vec<Key>) -> Vec<Key> {
    let is_of_call = matches!(field.keys(), Some("eventSource" | "eventName"));
    match (weakness(&a), weakness(&b)) {
        (0, 0) if is_of_call => a.into_iter().filter(|key| b.binary_search(key).is_ok()).collect(),
        (weak_a, weak_b) if (weak_a, a.len()) <= (weak_b, b.len()) => a,
        _ => b,
    }
}

fn test_keys(predicate: &Predicate, field: &Field) -> Option<Vec<Key>> {
    // An eventName begins with the name of its API.
    if predicate.field == Field::Derived(Derived::Api) && field.keys() == Some("eventName") {
        let keys = own_keys(&predicate.test)?;
        let as_start = |key: Key| match key {
            Key::Exact(text) | Key::Prefix(text) => Key::Prefix(text),
            key @ (Key::Contains(_) | Key::Network(_)) => key,
        };
        return Some(keys.into_iter().map(as_start).collect());
    }
    if predicate.field != *field {
        return None;
    }
    own_keys(&predicate.test)
}

fn own_keys(test: &Test) -> Option<Vec<Key>> {
    match test {
        Test::OneOf(whole) => {
            Some(whole.texts.iter().map(|text| Key::Exact(fold::folded(text))).collect())
        }
        Test::AnyEdge(edge) => {
            let texts = edge.shown().into_iter();
            if edge.is_end {
                let keys = texts.map(contained);
                return Some(keys.collect::<Option<Vec<_>>>()?.concat());
            }
            Some(texts.map(|text| Key::Prefix(fold::folded(&text))).collect())
        }
        Test::Text(pattern) => match &pattern.shape {
            Shape::Exact(text) => Some(vec![Key::Exact(fold::folded(text))]),
            shape => match pattern.literal_start() {
                Some(start) => Some(vec![Key::Prefix(start)]),
                None => contained(longest_literal(shape)?),
            },
        },
        Test::AnyPiece(pieces) => {
            let keys = pieces.texts.iter().map(|text| contained(text.to_string()));
            Some(keys.collect::<Option<Vec<_>>>()?.concat())
        }
        Test::Network(network) => Some(vec![Key::Network(*network)]),
        Test::AnyNetwork(networks) => Some(networks.iter().copied().map(Key::Network).collect()),
        Test::Regex(expression) => {
            let hir = regex_syntax::parse(&expression.source).ok()?;
            contained(required(&hir)?)
        }
        _ => None,
    }
}

/// A piece of text below this length is in too many texts.
pub(crate) const PIECE_BYTES_MIN: usize = 3;

/// The key of a text that must be contained; one that is too short to be rare, or not ASCII, is none. Of a long one its
/// start is enough.
fn contained(text: String) -> Option<Vec<Key>> {
    const BYTES_MAX: usize = 32;
    if !text.is_ascii() || text.len() < PIECE_BYTES_MIN {
        return None;
    }
    let start = &text[..text.len().min(BYTES_MAX)];
    Some(vec![Key::Contains(start.to_ascii_lowercase())])
}

fn longest_literal(shape: &Shape) -> Option<String> {
    match shape {
        Shape::Suffix(text) | Shape::Contains(text) => Some(text.to_string()),
        Shape::Glob(glob) => glob.literals().max_by_key(String::len),
        Shape::Present | Shape::Exact(_) | Shape::Prefix(_) => None,
    }
}

/// A piece of a text that stands in one string or literal of JSON without escapes, wherever the text stands in the compact text of that
/// JSON or in one of its strings. A piece that may be of a number is none, because compact text writes some numbers otherwise.
pub(crate) fn in_one_token(text: &str) -> Option<&str> {
    let pieces = text.split(['"', '\\', ',', ':', '{', '}', '[', ']']);
    let longest = pieces.max_by_key(|piece| piece.len())?;
    let is_of_number = |byte: u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
    let is_sure = longest.is_ascii() && !longest.bytes().all(is_of_number);
    (is_sure && longest.len() >= PIECE_BYTES_MIN).then_some(longest)
}

/// The longest text that every match of a regular expression holds.
fn required(hir: &Hir) -> Option<String> {
    match hir.kind() {
        HirKind::Literal(literal) => String::from_utf8(literal.0.to_vec()).ok(),
        HirKind::Capture(capture) => required(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => required(&repetition.sub),
        HirKind::Concat(parts) => parts.iter().filter_map(required).max_by_key(String::len),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_stand_in_one_token() {
        for (text, expected) in [
            ("example-1", Some("example-1")),
            ("0.0.0.0/0", Some("0.0.0.0/0")),
            ("\"status\":\"suspended\"", Some("suspended")),
            ("{\"a\":[1,2]}", None),
            ("169.254.170.2", None),
            ("1e400", None),
            ("back\\slash", Some("slash")),
            ("café", None),
            ("", None),
        ] {
            assert_eq!(in_one_token(text), expected, "{text}");
        }
    }

    #[test]
    fn regular_expressions_give_up_their_texts() {
        for (source, expected) in [
            ("^arn:aws:sts::[0-9]+:assumed-role/", Some(":assumed-role/")),
            ("(abc)+d?", Some("abc")),
            ("(?i)abcd", None),
            ("abc|def", None),
            ("(abc)?x", Some("x")),
            ("[a]bc", Some("abc")),
        ] {
            let found = required(&regex_syntax::parse(source).unwrap());
            assert_eq!(found.as_deref(), expected, "{source}");
        }
    }
}
