//! What a rule was compiled into, and why it matched a record or did not.
//!
//! An explanation evaluates every predicate of the rule, also those that matching would have skipped, and shows the values
//! it saw. Values are shown from the redacted record: an explanation is read on screens and pasted into tickets.

use std::fmt;

use trailloop_cloudtrail::{Kind, Record, RecordBuffer, Value};
use trailloop_finding::redact;

use crate::describe;
use crate::diagnostic::on_one_line;
use crate::evaluate::Source;
use crate::program::Tree;
use crate::set::{MatchScratch, RuleSet};
use crate::view::View;

/// So many values of a field are shown.
const VALUES_SHOWN_MAX: usize = 3;

/// What a rule was compiled into; displays as lines for people.
#[derive(Clone, Debug)]
pub struct Plan {
    /// By what the index finds the rule.
    pub found_by: String,
    /// How much work it is to try it.
    pub cost: CostClass,
    /// The predicates it looks at.
    pub predicates: usize,
    /// How many of them other rules share.
    pub shared: usize,
    /// Its condition, simplified: one line a predicate or group.
    lines: Vec<Line>,
}

/// How much work it is to try a rule on a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CostClass {
    /// A few comparisons.
    Cheap,
    /// Searches in texts, or many comparisons.
    Moderate,
    /// The text of objects, keywords, or long expressions.
    Costly,
}

/// Why a rule matched a record or did not; displays as lines for people.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// Whether it matched.
    pub matched: bool,
    lines: Vec<Line>,
}

/// One line of a condition.
#[derive(Clone, Debug)]
struct Line {
    depth: usize,
    what: String,
    outcome: Option<Outcome>,
}

/// Whether a part of a condition held, and the values that were seen.
type Outcome = (bool, String);

impl RuleSet {
    /// What the rule of a number was compiled into.
    #[must_use]
    pub fn plan(&self, number: u32) -> Plan {
        let tree = &self.trees[number as usize];
        let mut lines = Vec::new();
        self.write(tree, 0, &mut |_, _| None, &mut lines);
        let mut predicates = std::collections::BTreeSet::new();
        tree.visit_predicates(&mut |predicate| {
            predicates.insert(predicate);
        });
        let is_shared = |predicate: &&u32| {
            self.trees.iter().zip(0..).any(|(other, nth)| nth != number && other.asks(**predicate))
        };
        Plan {
            found_by: describe::stand(&self.stands[number as usize]),
            cost: CostClass::of(tree.cost(&self.predicates)),
            predicates: predicates.len(),
            shared: predicates.iter().filter(is_shared).count(),
            lines,
        }
    }

    /// Why the rule of a number matches a record or does not.
    #[must_use]
    pub fn explain(&self, number: u32, record: &Record<'_>) -> Explanation {
        let tree = &self.trees[number as usize];
        let redacted = redact(*record);
        let mut buffer = RecordBuffer::new();
        // What redaction leaves is a record still; if it were not, nothing would be shown.
        let shown = Record::parse(&redacted, &mut buffer).ok();
        let (mut scratch, mut shown_scratch) = (MatchScratch::new(), MatchScratch::new());
        self.with_view(record, &mut scratch, |_, holds| {
            let mut seen = |predicate: u32| match &shown {
                Some(shown) => self.with_view(shown, &mut shown_scratch, |view, _| {
                    seen(self.source(predicate), view)
                }),
                None => String::new(),
            };
            let mut lines = Vec::new();
            let mut outcome = |tree: &Tree, predicate: Option<u32>| {
                let values = predicate.map_or(String::new(), &mut seen);
                Some((tree_holds(tree, holds), values))
            };
            self.write(tree, 0, &mut outcome, &mut lines);
            Explanation { matched: tree_holds(tree, holds), lines }
        })
    }

    /// The rules that the index leaves to be tried on a record, in the order of their ids.
    #[must_use]
    pub fn candidate_rules(&self, record: &Record<'_>) -> Vec<u32> {
        let mut found = Vec::new();
        self.visit_candidates(record, &mut MatchScratch::new(), |rule| found.push(rule));
        found.sort_unstable();
        found.dedup();
        found
    }

    fn write(
        &self,
        tree: &Tree,
        depth: usize,
        outcome: &mut dyn FnMut(&Tree, Option<u32>) -> Option<Outcome>,
        lines: &mut Vec<Line>,
    ) {
        let (what, parts): (String, &[Tree]) = match tree {
            Tree::Constant(true) => ("any record".to_owned(), &[]),
            Tree::Constant(false) => ("no record".to_owned(), &[]),
            Tree::Test { predicate, negated } => {
                let not = if *negated { "not: " } else { "" };
                (
                    format!("{not}{}", describe::predicate(&self.predicates[*predicate as usize])),
                    &[],
                )
            }
            Tree::All(parts) => ("all of".to_owned(), parts),
            Tree::Any(parts) => ("any of".to_owned(), parts),
            Tree::AtLeast(count, parts) => (format!("at least {count} of"), parts),
        };
        let predicate = match tree {
            Tree::Test { predicate, .. } => Some(*predicate),
            _ => None,
        };
        let outcome_here = outcome(tree, predicate);
        lines.push(Line { depth, what, outcome: outcome_here });
        for part in parts {
            self.write(part, depth + 1, outcome, lines);
        }
    }
}

impl CostClass {
    fn of(cost: u64) -> Self {
        match cost {
            0..=24 => Self::Cheap,
            25..=119 => Self::Moderate,
            _ => Self::Costly,
        }
    }
}

fn tree_holds(tree: &Tree, holds: &mut dyn FnMut(u32) -> bool) -> bool {
    match tree {
        Tree::Constant(value) => *value,
        Tree::Test { predicate, negated } => holds(*predicate) != *negated,
        Tree::All(parts) => parts.iter().all(|part| tree_holds(part, holds)),
        Tree::Any(parts) => parts.iter().any(|part| tree_holds(part, holds)),
        Tree::AtLeast(count, parts) => {
            parts.iter().filter(|part| tree_holds(part, holds)).count() >= *count
        }
    }
}

/// The values of a field, as a person would write them.
fn seen(source: &Source, view: View<'_>) -> String {
    let mut values = Vec::new();
    let mut left = 0;
    let mut add = |value: String| {
        if values.len() < VALUES_SHOWN_MAX {
            values.push(value)
        } else {
            left += 1
        }
        false
    };
    let mut add_end = |end: Option<Value<'_>>| add(end.map_or("missing".to_owned(), value));
    match source {
        Source::AnyLeaf => return String::new(),
        Source::Node(node) => view.visit(*node, &mut add_end),
        Source::Path(path) => view.walk(path, &mut add_end),
        Source::Derived(derived) => {
            view.derived(*derived, &mut |text| add(describe::in_quotes(text)))
        }
        Source::Enriched(enriched) => {
            view.enriched(*enriched, &mut |text| add(describe::in_quotes(text)))
        }
    };
    if values.is_empty() {
        return "missing".to_owned();
    }
    let more = if left > 0 { format!(" and {left} more") } else { String::new() };
    format!("{}{more}", values.join(", "))
}

fn value(value: Value<'_>) -> String {
    match value.kind() {
        Kind::Null => "null".to_owned(),
        Kind::String(text) => describe::in_quotes(text),
        _ => {
            let mut text = String::new();
            value.write_compact(&mut text);
            on_one_line(&text, None)
        }
    }
}

impl fmt::Display for CostClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cheap => "cheap",
            Self::Moderate => "moderate",
            Self::Costly => "costly",
        })
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  found by    {}", self.found_by)?;
        writeln!(f, "  cost        {}", self.cost)?;
        writeln!(
            f,
            "  predicates  {}, {} of them shared with other rules",
            self.predicates, self.shared
        )?;
        f.write_str("  condition\n")?;
        self.lines.iter().try_for_each(|line| line.fmt(f))
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| line.fmt(f))
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { depth, what, outcome } = self;
        let mark = match outcome {
            Some((true, _)) => "yes  ",
            Some((false, _)) => "no   ",
            None => "",
        };
        write!(f, "    {mark}{:indent$}{what}", "", indent = depth * 2)?;
        match outcome {
            Some((_, seen)) if !seen.is_empty() => writeln!(f, "  ← {seen}"),
            _ => writeln!(f),
        }
    }
}
