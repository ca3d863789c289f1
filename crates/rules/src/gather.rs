//! Long lists of values as one test.
//!
//! A rule may list thousands of addresses, names or pieces of text. Tested one by one they would cost thousands of
//! comparisons a record; gathered, a text is looked up once, by search in a sorted list or by one automaton. Short lists
//! are left alone: their values are shared with other rules that name them too.

use aho_corasick::AhoCorasick;

use crate::pattern::{Pattern, Shape};
use crate::test::{Expr, Field, Network, Predicate, Test};

/// Fewer values are tested one by one.
const GATHERED_MIN: usize = 8;

/// An automaton takes tens of bytes for one of its pieces; with more bytes of pieces they are tested one by one.
const PIECES_BYTES_MAX: usize = 256 * 1024;

/// Pieces of text of which one must stand in the value, in any case. Equal to another of the same texts.
#[derive(Clone)]
pub(crate) struct Pieces {
    /// Sorted, folded, pure ASCII.
    pub(crate) texts: Box<[Box<str>]>,
    automaton: AhoCorasick,
}

impl Pieces {
    fn new(texts: Vec<Box<str>>) -> Option<Self> {
        let automaton =
            AhoCorasick::builder().ascii_case_insensitive(true).build(texts.iter().map(|t| &**t));
        Some(Self { texts: texts.into(), automaton: automaton.ok()? })
    }

    /// Whether a piece stands in the text.
    pub(crate) fn matches(&self, text: &str) -> bool {
        // What the automaton can't see are characters beyond ASCII that fold into it, such as the Kelvin sign.
        self.automaton.is_match(text)
            || !text.is_ascii()
                && self.texts.iter().any(|piece| crate::fold::contains(text, piece, false))
    }
}

impl std::fmt::Debug for Pieces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.texts.fmt(f)
    }
}

impl PartialEq for Pieces {
    fn eq(&self, other: &Self) -> bool {
        self.texts == other.texts
    }
}

impl Eq for Pieces {}

impl std::hash::Hash for Pieces {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.texts.hash(state);
    }
}

/// Replaces many plain equalities, pieces of text or networks by one predicate each.
pub(crate) fn gathered(field: &Field, parts: Vec<Expr>) -> Vec<Expr> {
    if parts.len() < GATHERED_MIN {
        return parts;
    }
    let mut kept = Vec::new();
    let (mut texts, mut pieces, mut networks) = (Vec::new(), Vec::new(), Vec::new());
    for part in parts {
        let list = match &part {
            Expr::Test(Predicate { test, .. }) => match test {
                Test::Text(Pattern { shape: Shape::Exact(_), number: None, .. }) => &mut texts,
                Test::Text(Pattern { shape: Shape::Contains(text), cased: false, .. })
                    if text.is_ascii() && !text.is_empty() =>
                {
                    &mut pieces
                }
                Test::Network(_) => &mut networks,
                _ => &mut kept,
            },
            _ => &mut kept,
        };
        list.push(part);
    }
    let mut gather = |list: Vec<Expr>, gather: fn(&[Expr]) -> Option<Test>| {
        let test = if list.len() < GATHERED_MIN { None } else { gather(&list) };
        match test {
            Some(test) => kept.push(Expr::Test(Predicate { field: field.clone(), test })),
            None => kept.extend(list),
        }
    };
    gather(texts, one_of);
    gather(pieces, any_piece);
    gather(networks, any_network);
    kept
}

fn patterns(list: &[Expr]) -> impl Iterator<Item = &Pattern> {
    list.iter().filter_map(|part| match part {
        Expr::Test(Predicate { test: Test::Text(pattern), .. }) => Some(pattern),
        _ => None,
    })
}

fn sorted(mut texts: Vec<Box<str>>) -> Vec<Box<str>> {
    texts.sort_unstable();
    texts.dedup();
    texts
}

fn one_of(list: &[Expr]) -> Option<Test> {
    let cased = patterns(list).next()?.cased;
    let texts = patterns(list).filter_map(|pattern| match &pattern.shape {
        Shape::Exact(text) => Some(text.clone()),
        _ => None,
    });
    Some(Test::OneOf { texts: sorted(texts.collect()).into(), cased })
}

fn any_piece(list: &[Expr]) -> Option<Test> {
    let texts = patterns(list).filter_map(|pattern| match &pattern.shape {
        Shape::Contains(text) => Some(text.clone()),
        _ => None,
    });
    let texts = sorted(texts.collect());
    let bytes: usize = texts.iter().map(|text| text.len()).sum();
    if bytes > PIECES_BYTES_MAX {
        return None;
    }
    Pieces::new(texts).map(Test::AnyPiece)
}

/// Networks sorted by their first address, none inside another: an address can only be in the last that begins before it.
fn any_network(list: &[Expr]) -> Option<Test> {
    let mut networks: Vec<Network> = list
        .iter()
        .filter_map(|part| match part {
            Expr::Test(Predicate { test: Test::Network(network), .. }) => Some(*network),
            _ => None,
        })
        .collect();
    networks.sort_unstable_by_key(|network| (network.address, network.prefix_bits));
    let mut outer: Vec<Network> = Vec::new();
    for network in networks {
        if !outer.last().is_some_and(|last| last.holds(network.address)) {
            outer.push(network);
        }
    }
    Some(Test::AnyNetwork(outer.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Expr {
        let (address, prefix_bits) = text.split_once('/').unwrap();
        let (address, prefix_bits) = (address.parse().unwrap(), prefix_bits.parse().unwrap());
        let test = Test::Network(Network { address, prefix_bits });
        Expr::Test(Predicate { field: Field::AnyLeaf, test })
    }

    #[test]
    fn networks_are_searched() {
        let mut list: Vec<Expr> = (0..20).map(|nth| network(&format!("10.{nth}.0.0/16"))).collect();
        list.extend(
            ["10.0.0.0/12", "2001:db8::/32", "192.0.2.0/24", "2001:db8:1::/48"].map(network),
        );
        let Some(Test::AnyNetwork(networks)) = any_network(&list) else { panic!() };
        assert_eq!(networks.len(), 7, "{networks:?}");
        for (address, expected) in [
            ("10.0.0.1", true),
            ("10.15.255.255", true),
            ("10.19.3.4", true),
            ("10.20.0.0", false),
            ("192.0.2.255", true),
            ("192.0.3.0", false),
            ("2001:db8:1::7", true),
            ("2001:db9::", false),
            ("::ffff:10.1.2.3", true),
            ("ec2.amazonaws.com", false),
        ] {
            assert_eq!(crate::test::any_holds(&networks, address), expected, "{address}");
        }
    }

    #[test]
    fn pieces_ignore_case_beyond_ascii() {
        let pieces = Pieces::new(vec!["key".into(), "tool".into()]).unwrap();
        for (text, expected) in [("a TOOL", true), ("the \u{212A}ey", true), ("ke", false)] {
            assert_eq!(pieces.matches(text), expected, "{text}");
        }
    }
}
