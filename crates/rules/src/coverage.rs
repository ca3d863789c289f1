//! The calls on which a rule can fire, as far as it names them.
//!
//! They are read from the simplified logic, as the index does it: what every record that satisfies a branch must hold as
//! its eventSource and eventName. A rule that names neither in some branch can fire on anything.

use std::collections::HashMap;

use crate::catalogue;
use crate::keys::{Key, weakness};
use crate::program::Tree;
use crate::rule::Rule;
use crate::test::{Field, Predicate};

/// A kind of call that a rule can fire on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// The eventSource in lower case; `None`: any.
    pub source: Option<String>,
    /// What the eventName is; `None`: anything.
    pub name: Option<CallName>,
}

/// What a rule says of an eventName, in the catalogue's spelling where it has the name, else in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CallName {
    /// This one, also with an API version behind it.
    Exact(String),
    /// One that begins so.
    Prefix(String),
    /// One that holds this.
    Contains(String),
}

/// More calls of one rule are not told apart.
const CALLS_MAX: usize = 10_000;

impl Rule {
    /// The calls that the rule can fire on. Each record it matches is of one of them, arrays in place of names aside. No
    /// call at all: its detection can't be true.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        let (tree, predicates) = numbered(std::iter::once(&self.detection));
        let mut calls: Vec<Call> = calls(&tree, &predicates).into_iter().map(spelled).collect();
        calls.sort();
        calls.dedup();
        calls
    }
}

/// Expressions joined by `and` as a tree, with the predicates it numbers.
pub(crate) fn numbered<'e>(
    parts: impl Iterator<Item = &'e crate::test::Expr>,
) -> (Tree, Vec<Predicate>) {
    #[expect(
        clippy::mutable_key_type,
        reason = "a regular expression's cache takes no part in its equality"
    )]
    let mut numbers: HashMap<Predicate, u32> = HashMap::new();
    let mut predicates = Vec::new();
    let mut number = |predicate: &Predicate| {
        let next = u32::try_from(predicates.len()).unwrap_or(u32::MAX);
        *numbers.entry(predicate.clone()).or_insert_with(|| {
            predicates.push(predicate.clone());
            next
        })
    };
    let trees = parts.map(|part| Tree::new(part, false, &mut number)).collect();
    (Tree::all(trees), predicates)
}

fn calls(tree: &Tree, predicates: &[Predicate]) -> Vec<Call> {
    match tree {
        Tree::Constant(false) => Vec::new(),
        Tree::Any(parts) => {
            let calls: Vec<Call> =
                parts.iter().flat_map(|part| calls(part, predicates)).take(CALLS_MAX + 1).collect();
            if calls.len() > CALLS_MAX { vec![Call { source: None, name: None }] } else { calls }
        }
        Tree::All(parts) => {
            let own = crossed(tree, predicates);
            // A part of several branches may know better which name belongs to which source.
            let finer = parts
                .iter()
                .filter(|part| matches!(part, Tree::Any(_)))
                .map(|part| calls(part, predicates))
                .filter(|calls| {
                    calls.iter().all(|call| call.source.is_some() && call.name.is_some())
                })
                .min_by_key(Vec::len);
            match finer {
                Some(finer) => finer.into_iter().filter(|call| fits_some(call, &own)).collect(),
                None => own,
            }
        }
        Tree::Constant(true) | Tree::Test { .. } | Tree::AtLeast(..) => crossed(tree, predicates),
    }
}

/// Whether a call is one of the others, or narrower than one of them.
fn fits_some(call: &Call, others: &[Call]) -> bool {
    let fits_name = |wide: &Option<CallName>| match (wide, &call.name) {
        (None, _) => true,
        (Some(CallName::Exact(wide)), Some(CallName::Exact(name))) => wide == name,
        // What can't be told is let through: a call too many does no harm.
        _ => true,
    };
    others.iter().any(|other| {
        (other.source.is_none() || other.source == call.source) && fits_name(&other.name)
    })
}

/// Each source that the tree demands with each of its names.
fn crossed(tree: &Tree, predicates: &[Predicate]) -> Vec<Call> {
    let keys = |field: &str| tree.keys(&Field::of_keys(field), predicates);
    let sources = keys("eventSource").filter(|keys| weakness(keys) == 0);
    let names = keys("eventName");
    let sources: Option<Vec<String>> =
        sources.map(|keys| keys.iter().map(|key| key.text().to_owned()).collect());
    let names: Option<Vec<CallName>> =
        names.and_then(|keys| keys.into_iter().map(name_of).collect());
    let sources: Vec<Option<String>> =
        sources.map_or_else(|| vec![None], |all| all.into_iter().map(Some).collect());
    let names: Vec<Option<CallName>> =
        names.map_or_else(|| vec![None], |all| all.into_iter().map(Some).collect());
    if sources.len().saturating_mul(names.len()) > CALLS_MAX {
        return vec![Call { source: None, name: None }];
    }
    let mut calls = Vec::new();
    for name in &names {
        let pair = |source: &Option<String>| Call { source: source.clone(), name: name.clone() };
        let pairs: Vec<Call> = sources.iter().map(pair).collect();
        // Two sources and two names beside each other are seldom meant as four pairs.
        let is_known = pairs.iter().any(is_of_catalogue);
        calls.extend(pairs.into_iter().filter(|call| !is_known || is_of_catalogue(call)));
    }
    calls
}

fn name_of(key: Key) -> Option<CallName> {
    match key {
        Key::Exact(text) => Some(CallName::Exact(text)),
        Key::Prefix(text) => Some(CallName::Prefix(text)),
        Key::Contains(text) => Some(CallName::Contains(text)),
        Key::Network(_) => None,
    }
}

fn is_of_catalogue(call: &Call) -> bool {
    let source = call.source.as_deref().and_then(catalogue::source);
    match (source, &call.name) {
        (Some(source), Some(CallName::Exact(name))) => source.has(name),
        (Some(source), Some(name)) => source.names().any(|known| name.fits(known)),
        (source, _) => source.is_some(),
    }
}

/// The call with its name as CloudTrail writes it.
fn spelled(call: Call) -> Call {
    let spell = |name: &str| {
        let mut sources: Box<dyn Iterator<Item = &'static catalogue::Source>> = match &call.source {
            Some(source) => Box::new(catalogue::source(source).into_iter()),
            None => Box::new(catalogue::sources().iter()),
        };
        sources.find_map(|source| source.spelled(name)).filter(|known| known.len() == name.len())
    };
    match &call.name {
        Some(CallName::Exact(name)) => {
            let name = spell(name).map_or_else(|| name.clone(), str::to_owned);
            Call { name: Some(CallName::Exact(name)), ..call }
        }
        _ => call,
    }
}

impl CallName {
    /// Whether an event of the catalogue may be one that the rule means. A name may have an API version behind it.
    pub(crate) fn fits(&self, known: &str) -> bool {
        let known = known.to_ascii_lowercase();
        match self {
            Self::Exact(name) => {
                let name = name.to_ascii_lowercase();
                known == name || known == crate::derived::api(&name)
            }
            Self::Prefix(start) => {
                let start = start.to_ascii_lowercase();
                known.starts_with(&start) || is_versioned(&start, &known)
            }
            Self::Contains(piece) => known.contains(&piece.to_ascii_lowercase()),
        }
    }
}

/// Whether a start of a name is a whole name with the start of an API version.
pub(crate) fn is_versioned(start: &str, known: &str) -> bool {
    start.strip_prefix(known).is_some_and(|rest| {
        rest.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'_' | b'v'))
    })
}

impl std::fmt::Display for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let source = self.source.as_deref().unwrap_or("any source");
        match &self.name {
            None => write!(f, "{source}: any event"),
            Some(CallName::Exact(name)) => write!(f, "{source}: {name}"),
            Some(CallName::Prefix(start)) => write!(f, "{source}: {start}*"),
            Some(CallName::Contains(piece)) => write!(f, "{source}: *{piece}*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::load::load;

    fn calls(detection: &str) -> Vec<String> {
        let indented: String = detection.lines().map(|line| format!("  {line}\n")).collect();
        let loaded = load("test.yml", &format!("title: x\ndetection:\n{indented}"));
        let rule = loaded.rules.first().unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
        rule.calls().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn calls_are_read_from_every_branch() {
        for (detection, expected) in [
            (
                "s: {eventSource: iam.amazonaws.com, eventName: [createuser, DeleteUser]}\ncondition: s",
                vec!["iam.amazonaws.com: CreateUser", "iam.amazonaws.com: DeleteUser"],
            ),
            (
                "a: {eventSource: iam.amazonaws.com, eventName: CreateUser}\nb: {eventSource: ec2.amazonaws.com, eventName: RunInstances}\nc: {errorCode: null}\ncondition: (a or b) and c",
                vec!["ec2.amazonaws.com: RunInstances", "iam.amazonaws.com: CreateUser"],
            ),
            (
                "s: {eventSource: [iam.amazonaws.com, ec2.amazonaws.com], eventName: [CreateUser, RunInstances]}\ncondition: s",
                vec!["ec2.amazonaws.com: RunInstances", "iam.amazonaws.com: CreateUser"],
            ),
            (
                "s: {eventSource: lambda.amazonaws.com, eventName|startswith: UpdateFunction}\ncondition: s",
                vec!["lambda.amazonaws.com: updatefunction*"],
            ),
            ("s: {api: Invoke}\ncondition: s", vec!["any source: invoke*"]),
            ("s: {errorCode: AccessDenied}\ncondition: s", vec!["any source: any event"]),
            (
                "s: {eventName: CreateUser}\nf: {eventSource: iam.amazonaws.com}\ncondition: s and not f",
                vec!["any source: CreateUser"],
            ),
            ("s: {eventName: A}\nt: {eventName: B}\ncondition: s and t", vec![]),
        ] {
            assert_eq!(calls(detection), expected, "{detection}");
        }
    }
}
