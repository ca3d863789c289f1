//! Rules as boolean programs over numbered predicates.
//!
//! A detection becomes a tree without `not` above a predicate, simplified (see `simplify`); the tree becomes a flat list
//! of operations in which every group knows where it ends, so that a decided group is skipped in one step.

use crate::derived::{self, Derived};
use crate::pattern::Shape;
use crate::test::{Expr, Field, Predicate, Test};

/// A detection in negation normal form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Tree {
    Constant(bool),
    Test { predicate: u32, negated: bool },
    All(Vec<Tree>),
    Any(Vec<Tree>),
    AtLeast(usize, Vec<Tree>),
}

/// One operation; groups are followed by their parts and end where `end` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Constant(bool),
    Test { predicate: u32, negated: bool },
    All { end: u32 },
    Any { end: u32 },
    AtLeast { count: u32, end: u32 },
}

/// What an index entry knows of a record: its case-folded eventSource and eventName.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Known<'k> {
    pub(crate) source: Option<&'k str>,
    pub(crate) name: Option<&'k str>,
}

impl Known<'_> {
    pub(crate) fn is_nothing(self) -> bool {
        self.source.is_none() && self.name.is_none()
    }
}

impl Tree {
    /// Normalises a detection; `number` gives a predicate its number.
    pub(crate) fn new(
        expr: &Expr,
        negated: bool,
        number: &mut impl FnMut(&Predicate) -> u32,
    ) -> Self {
        let mut trees = |parts: &[Expr]| -> Vec<Self> {
            parts.iter().map(|part| Self::new(part, negated, &mut *number)).collect()
        };
        match (expr, negated) {
            (Expr::All(parts), false) | (Expr::Any(parts), true) => Self::all(trees(parts)),
            (Expr::Any(parts), false) | (Expr::All(parts), true) => Self::any(trees(parts)),
            (Expr::AtLeast(count, parts), false) => Self::at_least(*count, trees(parts)),
            // Fewer than `count` of n is at least n - count + 1 that are not.
            (Expr::AtLeast(count, parts), true) => {
                Self::at_least((parts.len() + 1).saturating_sub(*count), trees(parts))
            }
            (Expr::Not(part), _) => Self::new(part, !negated, number),
            (Expr::Test(predicate), _) => Self::Test { predicate: number(predicate), negated },
        }
    }

    /// The tree for records of which an index entry knows something.
    pub(crate) fn specialised(&self, known: Known<'_>, predicates: &[Predicate]) -> Self {
        self.with_decided(&|number| decided(&predicates[number as usize], known))
    }

    /// The tree in which the predicates that `decide` answers for are constants.
    pub(crate) fn with_decided(&self, decide: &impl Fn(u32) -> Option<bool>) -> Self {
        let trees = |parts: &[Self]| -> Vec<Self> {
            parts.iter().map(|part| part.with_decided(decide)).collect()
        };
        match self {
            Self::Constant(value) => Self::Constant(*value),
            Self::Test { predicate, negated } => match decide(*predicate) {
                Some(value) => Self::Constant(value != *negated),
                None => self.clone(),
            },
            Self::All(parts) => Self::all(trees(parts)),
            Self::Any(parts) => Self::any(trees(parts)),
            Self::AtLeast(count, parts) => Self::at_least(*count, trees(parts)),
        }
    }

    /// The tree with the parts of each group in one order, to be compared with others.
    pub(crate) fn sorted(&self) -> Self {
        let sorted = |parts: &[Self]| {
            let mut parts: Vec<Self> = parts.iter().map(Self::sorted).collect();
            parts.sort();
            parts
        };
        match self {
            Self::Constant(_) | Self::Test { .. } => self.clone(),
            Self::All(parts) => Self::All(sorted(parts)),
            Self::Any(parts) => Self::Any(sorted(parts)),
            Self::AtLeast(count, parts) => Self::AtLeast(*count, sorted(parts)),
        }
    }

    /// Whether the tree asks for a predicate.
    pub(crate) fn asks(&self, number: u32) -> bool {
        match self {
            Self::Constant(_) => false,
            Self::Test { predicate, .. } => *predicate == number,
            Self::All(parts) | Self::Any(parts) | Self::AtLeast(_, parts) => {
                parts.iter().any(|part| part.asks(number))
            }
        }
    }

    /// Calls `visit` with the number of each predicate in the tree.
    pub(crate) fn visit_predicates(&self, visit: &mut dyn FnMut(u32)) {
        match self {
            Self::Constant(_) => {}
            Self::Test { predicate, .. } => visit(*predicate),
            Self::All(parts) | Self::Any(parts) | Self::AtLeast(_, parts) => {
                parts.iter().for_each(|part| part.visit_predicates(visit));
            }
        }
    }

    /// Appends the tree to `ops`, cheap parts of a group first, and returns where it begins.
    pub(crate) fn write(&self, predicates: &[Predicate], ops: &mut Vec<Op>) -> u32 {
        let start = index(ops.len());
        let group = |parts: &[Self], ops: &mut Vec<Op>| {
            let mut ordered: Vec<_> =
                parts.iter().map(|part| (part.cost(predicates), part)).collect();
            ordered.sort_by_key(|(cost, _)| *cost);
            ops.push(Op::Constant(false));
            for (_, part) in ordered {
                part.write(predicates, ops);
            }
            index(ops.len())
        };
        let at = ops.len();
        match self {
            Self::Constant(value) => ops.push(Op::Constant(*value)),
            Self::Test { predicate, negated } => {
                ops.push(Op::Test { predicate: *predicate, negated: *negated });
            }
            Self::All(parts) => ops[at] = Op::All { end: group(parts, ops) },
            Self::Any(parts) => ops[at] = Op::Any { end: group(parts, ops) },
            Self::AtLeast(count, parts) => {
                let end = group(parts, ops);
                ops[at] = Op::AtLeast { count: index(*count), end };
            }
        }
        start
    }

    /// About how much work the tree is; only the order of such numbers matters.
    pub(crate) fn cost(&self, predicates: &[Predicate]) -> u64 {
        match self {
            Self::Constant(_) => 0,
            Self::Test { predicate, .. } => cost(&predicates[*predicate as usize]),
            Self::All(parts) | Self::Any(parts) | Self::AtLeast(_, parts) => {
                parts.iter().map(|part| part.cost(predicates)).sum()
            }
        }
    }
}

/// Runs the program at `start`; `test` answers for a predicate.
pub(crate) fn run(ops: &[Op], start: u32, test: &mut impl FnMut(u32) -> bool) -> bool {
    let parts = |end: u32| Parts { ops, at: start + 1, end };
    match ops[start as usize] {
        Op::Constant(value) => value,
        Op::Test { predicate, negated } => test(predicate) != negated,
        Op::All { end } => parts(end).all(|part| run(ops, part, &mut *test)),
        Op::Any { end } => parts(end).any(|part| run(ops, part, &mut *test)),
        Op::AtLeast { count, end } => {
            let mut left = count;
            parts(end).any(|part| {
                left -= u32::from(run(ops, part, &mut *test));
                left == 0
            })
        }
    }
}

/// The starts of a group's parts.
struct Parts<'o> {
    ops: &'o [Op],
    at: u32,
    end: u32,
}

impl Iterator for Parts<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        if self.at >= self.end {
            return None;
        }
        let part = self.at;
        self.at = match self.ops[part as usize] {
            Op::Constant(_) | Op::Test { .. } => part + 1,
            Op::All { end } | Op::Any { end } | Op::AtLeast { end, .. } => end,
        };
        Some(part)
    }
}

/// What a predicate is for records whose eventSource or eventName is this one string, up to case.
fn decided(predicate: &Predicate, known: Known<'_>) -> Option<bool> {
    let value = match &predicate.field {
        // Without a name there is no API.
        Field::Derived(Derived::Api) => derived::api(known.name.filter(|name| !name.is_empty())?),
        field => match field.keys()? {
            "eventSource" => known.source?,
            "eventName" => known.name?,
            _ => return None,
        },
    };
    match &predicate.test {
        // Folding keeps the number of characters, so the folded value stands for every spelling.
        Test::Text(pattern) if !pattern.cased => Some(pattern.matches(value)),
        Test::OneOf(whole) if !whole.cased => Some(whole.matches(value)),
        Test::AnyEdge(edge) if !edge.cased => Some(edge.matches(value)),
        Test::Exists => Some(true),
        Test::Null => Some(false),
        _ => None,
    }
}

/// A rough cost; only its order matters.
pub(crate) fn cost(predicate: &Predicate) -> u64 {
    let test = match &predicate.test {
        Test::Null | Test::Exists => 1,
        Test::Text(pattern) => match &pattern.shape {
            Shape::Present => 1,
            Shape::Exact(_) => 2,
            Shape::Prefix(_) | Shape::Suffix(_) => 3,
            Shape::Contains(_) => 6,
            Shape::Glob(_) => 12,
        },
        Test::Number(..) | Test::OneOf(_) => 3,
        Test::AnyEdge(_) => 4,
        Test::Network(_) | Test::AnyNetwork(_) | Test::Time(..) => 8,
        Test::AnyPiece(_) => 10,
        Test::Regex(_) => 15,
        Test::OtherField { .. } => 20,
        // A walk over an array, and in each of its objects a walk for each predicate: a thousand nanoseconds where others take tens.
        Test::Scope { body, .. } => 80 + body.weight() as u64 * 10,
    };
    match &predicate.field {
        Field::AnyLeaf => test * 100,
        Field::Derived(_) => test + 10,
        // The first look at an address walks through a database.
        Field::Enriched(_) => test + 30,
        Field::Path(path) => match path.keys() {
            // The whole of these is an object, whose text has to be written first.
            Some("requestParameters" | "responseElements") => test * 20,
            Some(keys) => test + keys.bytes().filter(|byte| *byte == b'.').count() as u64,
            None => test + 10,
        },
    }
}

fn index(number: usize) -> u32 {
    u32::try_from(number).expect("programs are bounded by the loader's limits and memory")
}
