//! The tests that a rule makes of a value, and the fields they look at.

use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use regex::Regex;
use trailloop_enrichment::Enriched;

use crate::derived::Derived;
use crate::gather::{Edge, Pieces, Whole};
use crate::number::Num;
use crate::path::{Path, Quantifier};
use crate::pattern::Pattern;
use crate::time::TimePart;

/// A detection after loading: boolean logic over predicates.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Expr {
    /// True if every part is; an empty one is true.
    All(Vec<Expr>),
    /// True if some part is; an empty one is false.
    Any(Vec<Expr>),
    /// True if at least so many parts are.
    AtLeast(usize, Vec<Expr>),
    Not(Box<Expr>),
    Test(Predicate),
}

/// A field and a test: true if any of the field's values passes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Predicate {
    pub(crate) field: Field,
    pub(crate) test: Test,
}

/// Where a predicate's values come from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Field {
    /// The values at a path: of the record, or inside a scope of the element.
    Path(Path),
    /// What is worked out from the record.
    Derived(Derived),
    /// What the operator's files say.
    Enriched(Enriched),
    /// Every string and number of the record, for keywords.
    AnyLeaf,
}

/// One test of one value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Test {
    /// Missing or null.
    Null,
    /// Present, null included.
    Exists,
    Text(Pattern),
    /// Equal to one of many texts or numbers.
    OneOf(Whole),
    /// Begins or ends with one of many texts.
    AnyEdge(Edge),
    /// One of many pieces stands in the text.
    AnyPiece(Pieces),
    Regex(Expression),
    Network(Network),
    /// In one of many networks, which are sorted and none inside another.
    AnyNetwork(Box<[Network]>),
    Number(Order, Num),
    Time(TimePart, Order, i64),
    /// The value stands in this relation to a value of another field, which is one of the record even in a scope.
    OtherField {
        field: Box<Field>,
        relation: Relation,
        cased: bool,
    },
    /// The elements at the path satisfy a body, whose fields are paths from the element.
    Scope {
        quantifier: Quantifier,
        body: Box<Expr>,
    },
}

/// How two numbers must stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// How two texts must stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Relation {
    Equals,
    Contains,
    StartsWith,
    EndsWith,
}

/// A regular expression that is equal to another of the same source and flags.
#[derive(Clone, Debug)]
pub(crate) struct Expression {
    /// The pattern with its flags in front.
    pub(crate) source: Box<str>,
    pub(crate) regex: Regex,
}

/// A network of addresses. A v4 network also holds the v6 addresses that map its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Network {
    pub(crate) address: IpAddr,
    pub(crate) prefix_bits: u8,
}

impl Field {
    /// A path of the record, of keys alone.
    pub(crate) fn of_keys(keys: &str) -> Self {
        Self::Path(Path::of_keys(keys))
    }

    /// The dotted keys, if the field is a path of keys alone.
    pub(crate) fn keys(&self) -> Option<&str> {
        match self {
            Self::Path(path) => path.keys(),
            _ => None,
        }
    }
}

impl std::fmt::Display for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Path(path) => path.fmt(f),
            Self::Derived(derived) => f.write_str(derived.name()),
            Self::Enriched(enriched) => f.write_str(enriched.as_str()),
            Self::AnyLeaf => f.write_str("any text"),
        }
    }
}

impl Order {
    /// Whether `a` stands in this order to `b`.
    pub(crate) fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Expression {}

impl Hash for Expression {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.source.hash(state);
    }
}

impl Network {
    /// Whether a text is an address of the network. `sourceIPAddress` often names a service instead: that is
    /// outside every network.
    pub(crate) fn contains(&self, text: &str) -> bool {
        address(text).is_some_and(|address| self.holds(address))
    }

    /// Whether an address is one of the network; one of v6 that maps v4 counts as v4.
    pub(crate) fn holds(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let differing = u32::from(network) ^ u32::from(address);
                differing.leading_zeros() >= u32::from(self.prefix_bits)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let differing = u128::from(network) ^ u128::from(address);
                differing.leading_zeros() >= u32::from(self.prefix_bits)
            }
            _ => false,
        }
    }
}

/// Whether a text is an address in one of many networks, sorted and none inside another.
pub(crate) fn any_holds(networks: &[Network], text: &str) -> bool {
    let Some(address) = address(text) else { return false };
    let after = networks.partition_point(|network| network.address <= address);
    after > 0 && networks[after - 1].holds(address)
}

/// The address that a text is; one of v6 that maps v4 as that of v4.
pub(crate) fn address(text: &str) -> Option<IpAddr> {
    // The longest address is 45 characters; service names beyond need no parse.
    if text.len() > 45 {
        return None;
    }
    text.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

impl Expr {
    /// How many tests the expression makes of a record: a predicate that stands in it twice is one, and so is a gathered
    /// list; those of a body count as often as they stand there.
    #[expect(
        clippy::mutable_key_type,
        reason = "a regular expression's cache takes no part in its equality"
    )]
    pub(crate) fn tests(&self) -> usize {
        let mut seen = HashSet::new();
        self.visit_predicates(&mut |predicate| {
            seen.insert(predicate);
        });
        let tests = seen.into_iter().map(|predicate| match &predicate.test {
            Test::Scope { body, .. } => 1 + body.tests_of_body(),
            _ => 1,
        });
        tests.sum()
    }

    fn tests_of_body(&self) -> usize {
        let mut tests = 0;
        self.visit_predicates(&mut |predicate| {
            tests += match &predicate.test {
                Test::Scope { body, .. } => 1 + body.tests_of_body(),
                _ => 1,
            };
        });
        tests
    }

    fn visit_predicates<'e>(&'e self, visit: &mut dyn FnMut(&'e Predicate)) {
        match self {
            Self::All(parts) | Self::Any(parts) | Self::AtLeast(_, parts) => {
                parts.iter().for_each(|part| part.visit_predicates(visit));
            }
            Self::Not(part) => part.visit_predicates(visit),
            Self::Test(predicate) => visit(predicate),
        }
    }

    /// What a copy of the expression costs: its predicates, each counted once more per 64 bytes of its text.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::All(parts) | Self::Any(parts) | Self::AtLeast(_, parts) => {
                1 + parts.iter().map(Self::weight).sum::<usize>()
            }
            Self::Not(part) => 1 + part.weight(),
            Self::Test(predicate) => match &predicate.test {
                Test::AnyPiece(Pieces { texts, .. }) | Test::OneOf(Whole { texts, .. }) => {
                    texts.iter().map(|text| 1 + text.len() / 64).sum()
                }
                Test::AnyEdge(edge) => edge.weight(),
                Test::AnyNetwork(networks) => networks.len(),
                Test::Text(pattern) => 1 + pattern.text_bytes() / 64,
                Test::Scope { body, .. } => 1 + body.weight(),
                _ => 1,
            },
        }
    }
}
