//! Long lists of values as one test.
//!
//! A rule may list thousands of addresses, names or pieces of text. Tested one by one they would cost thousands of
//! comparisons for each value of the record; gathered, a value is looked up once, by search in a sorted list or by one
//! automaton. Short lists are left alone: their values are shared with other rules that name them too.

use std::hash::{Hash, Hasher};

use aho_corasick::AhoCorasick;

use crate::fold;
use crate::number::Num;
use crate::pattern::{Pattern, Shape};
use crate::test::{Expr, Field, Network, Predicate, Test};

/// Fewer values are tested one by one.
const GATHERED_MIN: usize = 8;

/// An automaton takes tens of bytes for one of its pieces; with more bytes of pieces they are tested one by one.
const PIECES_BYTES_MAX: usize = 512 * 1024;

/// Texts of which one must be the value's, and numbers of which one may be by value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Whole {
    /// Sorted, and case-folded unless `cased`.
    pub(crate) texts: Box<[Box<str>]>,
    /// Sorted.
    numbers: Box<[i128]>,
    pub(crate) cased: bool,
}

/// Texts of which one must stand at the start of the value, or at its end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Edge {
    /// Sorted, none at the edge of another; back to front if they are ends. Case-folded unless `cased`.
    texts: Box<[Box<str>]>,
    pub(crate) is_end: bool,
    pub(crate) cased: bool,
}

/// Pieces of text of which one must stand in the value, in any case. Equal to another of the same texts.
#[derive(Clone)]
pub(crate) struct Pieces {
    /// Sorted and folded.
    pub(crate) texts: Box<[Box<str>]>,
    automaton: AhoCorasick,
}

impl Whole {
    pub(crate) fn matches(&self, text: &str) -> bool {
        let found = if self.cased {
            self.texts.binary_search_by(|known| (**known).cmp(text))
        } else {
            // UTF-8 sorts as its characters do, so the order of the folded texts is that of their characters.
            self.texts.binary_search_by(|known| known.chars().cmp(text.chars().map(fold::fold)))
        };
        found.is_ok()
    }

    /// Whether a number is one of the list by value.
    pub(crate) fn holds(&self, number: Num) -> bool {
        let order = |known: &i128| Num::Int(*known).compare(number);
        let at = self.numbers.partition_point(|known| order(known).is_some_and(|o| o.is_lt()));
        self.numbers.get(at).and_then(order).is_some_and(|o| o.is_eq())
    }
}

impl Edge {
    /// The texts are folded already unless `cased`.
    pub(crate) fn new(texts: impl IntoIterator<Item = String>, is_end: bool, cased: bool) -> Self {
        let turned = |text: String| if is_end { text.chars().rev().collect() } else { text };
        let mut sorted: Vec<Box<str>> =
            texts.into_iter().map(|text| turned(text).into_boxed_str()).collect();
        sorted.sort_unstable();
        let mut shortest: Vec<Box<str>> = Vec::new();
        for text in sorted {
            if !shortest.last().is_some_and(|last| text.starts_with(&**last)) {
                shortest.push(text);
            }
        }
        Self { texts: shortest.into(), is_end, cased }
    }

    /// Of texts of which none begins another, only the last that sorts before a value can begin it.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let fold = |c: char| if self.cased { c } else { fold::fold(c) };
        let before = |known: &str| match self.is_end {
            true => known.chars().le(text.chars().rev().map(fold)),
            false => known.chars().le(text.chars().map(fold)),
        };
        let at = self.texts.partition_point(|known| before(known));
        let Some(known) = at.checked_sub(1).map(|at| &self.texts[at]) else { return false };
        let length = known.chars().count();
        match self.is_end {
            true => known.chars().eq(text.chars().rev().map(fold).take(length)),
            false => known.chars().eq(text.chars().map(fold).take(length)),
        }
    }

    /// What a copy costs, by the measure of [`Expr::weight`].
    pub(crate) fn weight(&self) -> usize {
        self.texts.iter().map(|text| 1 + text.len() / 64).sum()
    }

    /// The texts as they stand in a value, for people.
    pub(crate) fn shown(&self) -> Vec<String> {
        let turned = |text: &str| text.chars().rev().collect();
        self.texts
            .iter()
            .map(|text| if self.is_end { turned(text) } else { text.to_string() })
            .collect()
    }
}

impl Pieces {
    fn new(texts: Vec<Box<str>>) -> Option<Self> {
        let automaton =
            AhoCorasick::builder().ascii_case_insensitive(true).build(texts.iter().map(|t| &**t));
        Some(Self { texts: texts.into(), automaton: automaton.ok()? })
    }

    /// Whether a piece stands in the text.
    pub(crate) fn matches(&self, text: &str) -> bool {
        // The automaton ignores the case of ASCII alone; of other text it is shown the folding.
        if text.is_ascii() {
            self.automaton.is_match(text)
        } else {
            self.automaton.is_match(&fold::folded(text))
        }
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

impl Hash for Pieces {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.texts.hash(state);
    }
}

/// Replaces many values of one kind by one predicate each; the values are of one item, so that they agree about case.
pub(crate) fn gathered(field: &Field, parts: Vec<Expr>) -> Vec<Expr> {
    if parts.len() < GATHERED_MIN {
        return parts;
    }
    let mut kinds: [Vec<Expr>; 5] = Default::default();
    let mut kept = Vec::new();
    for part in parts {
        match kind(&part) {
            Some(nth) => kinds[nth].push(part),
            None => kept.push(part),
        }
    }
    let gather: [Gather; 5] = [whole, starts, ends, pieces, networks];
    for (list, gather) in kinds.into_iter().zip(gather) {
        let test = if list.len() < GATHERED_MIN { None } else { gather(&list) };
        match test {
            Some(test) => kept.push(Expr::Test(Predicate { field: field.clone(), test })),
            None => kept.extend(list),
        }
    }
    kept
}

/// Makes one test of many of one kind, if it can.
type Gather = fn(&[Expr]) -> Option<Test>;

/// With which values a value can be gathered.
fn kind(part: &Expr) -> Option<usize> {
    let Expr::Test(Predicate { test, .. }) = part else { return None };
    let pattern = match test {
        Test::Text(pattern) => pattern,
        Test::Network(_) => return Some(4),
        _ => return None,
    };
    match &pattern.shape {
        Shape::Exact(_) => (!matches!(pattern.number, Some(Num::Float(_)))).then_some(0),
        Shape::Prefix(_) => Some(1),
        Shape::Suffix(_) => Some(2),
        Shape::Contains(text) => (!pattern.cased && !text.is_empty()).then_some(3),
        Shape::Present | Shape::Glob(_) => None,
    }
}

fn patterns(list: &[Expr]) -> impl Iterator<Item = &Pattern> {
    list.iter().filter_map(|part| match part {
        Expr::Test(Predicate { test: Test::Text(pattern), .. }) => Some(pattern),
        _ => None,
    })
}

/// The texts of patterns, sorted.
fn texts(list: &[Expr]) -> Vec<Box<str>> {
    let texts = patterns(list).filter_map(|pattern| match &pattern.shape {
        Shape::Exact(text) | Shape::Prefix(text) | Shape::Suffix(text) | Shape::Contains(text) => {
            Some(text.clone())
        }
        Shape::Present | Shape::Glob(_) => None,
    });
    let mut texts: Vec<Box<str>> = texts.collect();
    texts.sort_unstable();
    texts.dedup();
    texts
}

fn whole(list: &[Expr]) -> Option<Test> {
    let cased = patterns(list).next()?.cased;
    let numbers = patterns(list).filter_map(|pattern| match pattern.number {
        Some(Num::Int(number)) => Some(number),
        _ => None,
    });
    let mut numbers: Vec<i128> = numbers.collect();
    numbers.sort_unstable();
    numbers.dedup();
    let texts = texts(list).into();
    Some(Test::OneOf(Whole { texts, numbers: numbers.into(), cased }))
}

fn starts(list: &[Expr]) -> Option<Test> {
    edge(list, false)
}

fn ends(list: &[Expr]) -> Option<Test> {
    edge(list, true)
}

fn edge(list: &[Expr], is_end: bool) -> Option<Test> {
    let cased = patterns(list).next()?.cased;
    Some(Test::AnyEdge(Edge::new(texts(list).into_iter().map(String::from), is_end, cased)))
}

fn pieces(list: &[Expr]) -> Option<Test> {
    let texts = texts(list);
    let bytes: usize = texts.iter().map(|text| text.len()).sum();
    if bytes > PIECES_BYTES_MAX {
        return None;
    }
    Pieces::new(texts).map(Test::AnyPiece)
}

/// Networks sorted by their first address, none inside another: an address can only be in the last that begins before it.
fn networks(list: &[Expr]) -> Option<Test> {
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
    use crate::pattern::tokens;

    fn network(text: &str) -> Expr {
        let (address, prefix_bits) = text.split_once('/').unwrap();
        let (address, prefix_bits) = (address.parse().unwrap(), prefix_bits.parse().unwrap());
        let test = Test::Network(Network { address, prefix_bits });
        Expr::Test(Predicate { field: Field::AnyLeaf, test })
    }

    fn pattern(text: &str) -> Expr {
        let test = Test::Text(Pattern::new(tokens(text), false, Num::parse(text, false)));
        Expr::Test(Predicate { field: Field::AnyLeaf, test })
    }

    fn holds(expr: &[Expr], text: &str) -> bool {
        expr.iter().any(|part| match part {
            Expr::Test(Predicate { test, .. }) => {
                crate::value::text_passes(crate::value::Check::Test(test), text)
            }
            _ => false,
        })
    }

    #[test]
    fn a_gathered_list_is_the_list() {
        let values = [
            "abc", "ab", "ABD", "", "é", "éa*", "Abc*", "ab*", "x*", "xy*", "xyz*", "b*", "*z",
            "*yz", "*é", "*Zé", "*ab", "*bc*", "*éb*", "*tool*", "*x", "*k", "22", "1?3", "*kel*",
            "a*c", "c*", "d*", "e*", "f*", "*1", "*2", "*3", "*4*", "*5*", "*6*", "*7*", "*8*",
            "*9*", "g", "h", "i", "j", "k", "l", "m", "n",
        ];
        let list: Vec<Expr> = values.map(pattern).to_vec();
        let gathered = gathered(&Field::AnyLeaf, list.clone());
        assert!(gathered.len() < 10, "{gathered:?}");
        for text in [
            "",
            "a",
            "AB",
            "abcd",
            "xab",
            "É",
            "éA",
            "ZÉ",
            "xyzé",
            "a TOOL",
            "the \u{212A}elvin",
            "Z",
            "yZ",
            "22",
            "123",
            "q5q",
            "w",
            "ww",
            "bcb",
            "\u{212A}",
            "wab\u{212A}",
        ] {
            assert_eq!(holds(&gathered, text), holds(&list, text), "{text}");
        }
    }

    #[test]
    fn numbers_are_searched_by_value() {
        let list: Vec<Expr> = (0..20).map(|nth| pattern(&(nth * 5 - 30).to_string())).collect();
        let Some(Test::OneOf(whole)) = whole(&list) else { panic!() };
        for (number, expected) in [
            (Num::Int(-30), true),
            (Num::Float(-30.0), true),
            (Num::Float(-29.5), false),
            (Num::Int(0), true),
            (Num::Int(65), true),
            (Num::Int(66), false),
            (Num::Float(1e300), false),
        ] {
            assert_eq!(whole.holds(number), expected, "{number}");
        }
    }

    #[test]
    fn networks_are_searched() {
        let mut list: Vec<Expr> = (0..20).map(|nth| network(&format!("10.{nth}.0.0/16"))).collect();
        list.extend(
            ["10.0.0.0/12", "2001:db8::/32", "192.0.2.0/24", "2001:db8:1::/48"].map(network),
        );
        let Some(Test::AnyNetwork(networks)) = networks(&list) else { panic!() };
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
}
