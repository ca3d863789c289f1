//! Rules as boolean programs over numbered predicates.
//!
//! A detection becomes a tree without `not` above a predicate, its constants folded away; the tree becomes a flat
//! list of operations in which every group knows where it ends, so that a decided group is skipped in one step.

use crate::fold;
use crate::pattern::Shape;
use crate::test::{Expr, Field, Predicate, Test};
use crate::value::is_one_of;

/// A detection in negation normal form.
#[derive(Clone, Debug, PartialEq)]
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
        let trees = |parts: &[Self]| -> Vec<Self> {
            parts.iter().map(|part| part.specialised(known, predicates)).collect()
        };
        match self {
            Self::Constant(value) => Self::Constant(*value),
            Self::Test { predicate, negated } => {
                match decided(&predicates[*predicate as usize], known) {
                    Some(value) => Self::Constant(value != *negated),
                    None => self.clone(),
                }
            }
            Self::All(parts) => Self::all(trees(parts)),
            Self::Any(parts) => Self::any(trees(parts)),
            Self::AtLeast(count, parts) => Self::at_least(*count, trees(parts)),
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

    fn all(parts: Vec<Self>) -> Self {
        let mut kept = Vec::new();
        for part in parts {
            match part {
                Self::Constant(true) => {}
                Self::Constant(false) => return part,
                Self::All(inner) => kept.extend(inner),
                part => kept.push(part),
            }
        }
        match kept.len() {
            0 => Self::Constant(true),
            1 => kept.remove(0),
            _ => Self::All(kept),
        }
    }

    fn any(parts: Vec<Self>) -> Self {
        let mut kept = Vec::new();
        for part in parts {
            match part {
                Self::Constant(false) => {}
                Self::Constant(true) => return part,
                Self::Any(inner) => kept.extend(inner),
                part => kept.push(part),
            }
        }
        match kept.len() {
            0 => Self::Constant(false),
            1 => kept.remove(0),
            _ => Self::Any(kept),
        }
    }

    fn at_least(count: usize, parts: Vec<Self>) -> Self {
        let mut left = count;
        let mut kept = Vec::new();
        for part in parts {
            match part {
                Self::Constant(true) => left = left.saturating_sub(1),
                Self::Constant(false) => {}
                part => kept.push(part),
            }
        }
        match left {
            0 => Self::Constant(true),
            1 => Self::any(kept),
            left if left == kept.len() => Self::all(kept),
            left if left > kept.len() => Self::Constant(false),
            left => Self::AtLeast(left, kept),
        }
    }

    fn cost(&self, predicates: &[Predicate]) -> u64 {
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
    let Field::Path(path) = &predicate.field else { return None };
    let value = match &**path {
        "eventSource" => known.source?,
        "eventName" => known.name?,
        _ => return None,
    };
    match &predicate.test {
        // Folding keeps the number of characters, so the folded value stands for every spelling.
        Test::Text(pattern) if !pattern.cased => Some(pattern.matches(value)),
        Test::OneOf { texts, cased: false } => Some(is_one_of(value, texts, false)),
        Test::Exists => Some(true),
        Test::Null => Some(false),
        _ => None,
    }
}

/// A rough cost; only its order matters.
fn cost(predicate: &Predicate) -> u64 {
    let test = match &predicate.test {
        Test::Null | Test::Exists => 1,
        Test::Text(pattern) => match &pattern.shape {
            Shape::Present => 1,
            Shape::Exact(_) => 2,
            Shape::Prefix(_) | Shape::Suffix(_) => 3,
            Shape::Contains(_) => 6,
            Shape::Glob(_) => 12,
        },
        Test::Number(..) | Test::OneOf { .. } => 3,
        Test::Network(_) | Test::Time(..) => 8,
        Test::Regex(_) => 15,
        Test::OtherField { .. } => 20,
    };
    match &predicate.field {
        Field::AnyLeaf => test * 100,
        // The whole of these is an object, whose text has to be written first.
        Field::Path(path) if matches!(&**path, "requestParameters" | "responseElements") => {
            test * 20
        }
        Field::Path(path) => test + path.bytes().filter(|byte| *byte == b'.').count() as u64,
    }
}

fn index(number: usize) -> u32 {
    u32::try_from(number).expect("programs are bounded by the loader's limits and memory")
}

/// The folded texts of which one must be the value's, or its start, wherever the tree is true.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Exact(String),
    Prefix(String),
}

impl Tree {
    /// Keys of a field of which at least one applies to any record that satisfies the tree and has one string there.
    /// `None`: the tree says nothing of the field.
    pub(crate) fn keys(&self, field: &str, predicates: &[Predicate]) -> Option<Vec<Key>> {
        let mut keys = match self {
            Self::Constant(false) => Some(Vec::new()),
            Self::Constant(true) | Self::Test { negated: true, .. } => None,
            Self::Test { predicate, .. } => test_keys(&predicates[*predicate as usize], field),
            // Every part holds, so the keys of any part will do; of two exact lists only what both have.
            Self::All(parts) => {
                parts.iter().filter_map(|part| part.keys(field, predicates)).reduce(narrower)
            }
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

fn narrower(a: Vec<Key>, b: Vec<Key>) -> Vec<Key> {
    let is_exact = |keys: &[Key]| keys.iter().all(|key| matches!(key, Key::Exact(_)));
    match (is_exact(&a), is_exact(&b)) {
        (true, true) => a.into_iter().filter(|key| b.binary_search(key).is_ok()).collect(),
        (true, false) => a,
        (false, true) => b,
        (false, false) if a.len() <= b.len() => a,
        (false, false) => b,
    }
}

fn test_keys(predicate: &Predicate, field: &str) -> Option<Vec<Key>> {
    if !matches!(&predicate.field, Field::Path(path) if **path == *field) {
        return None;
    }
    match &predicate.test {
        Test::OneOf { texts, .. } => {
            Some(texts.iter().map(|text| Key::Exact(fold::folded(text))).collect())
        }
        Test::Text(pattern) => match &pattern.shape {
            Shape::Exact(text) => Some(vec![Key::Exact(fold::folded(text))]),
            _ => pattern.literal_start().map(|start| vec![Key::Prefix(start)]),
        },
        _ => None,
    }
}
