//! The compiled rule set: records in, numbers of matching rules out.
//!
//! Loading a set does the work that matching would repeat. Equal predicates of different rules become one, which is
//! evaluated at most once a record and only when a rule asks; rules become programs over them; and the index finds
//! the few rules that a record's eventSource and eventName leave possible. Matching allocates nothing once its
//! scratch has grown.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use trailloop_cloudtrail::Record;

use crate::diagnostic::{Diagnostic, Severity, code, quoted};
use crate::index::{Candidate, Index, Placement};
use crate::program::{self, Tree};
use crate::rule::Rule;
use crate::test::{Field, Predicate, Test};
use crate::value::{self, Check};
use crate::view::{FieldPath, Roots, View};

/// Rules compiled together, in the order of their ids.
#[derive(Debug)]
pub struct RuleSet {
    rules: Vec<Rule>,
    roots: Roots,
    predicates: Vec<Compiled>,
    index: Index,
    strategy: Strategy,
}

/// What a worker keeps from record to record, so that matching need not allocate.
#[derive(Debug, Default)]
pub struct MatchScratch {
    /// Two bits a predicate: evaluated, and with which result.
    known: Vec<u64>,
    is_true: Vec<u64>,
    folded: String,
    compact: String,
}

/// What was compiled into which strategy; displays as one line for the log.
#[derive(Clone, Copy, Debug)]
pub struct Strategy {
    /// The rules in the set.
    pub rules: usize,
    /// Rules found by the record's eventSource and eventName.
    pub by_source_and_name: usize,
    /// Rules found by eventName alone.
    pub by_name: usize,
    /// Rules found by how eventName begins.
    pub by_name_start: usize,
    /// Rules found by eventSource alone.
    pub by_source: usize,
    /// Rules tried on every record.
    pub residual: usize,
    /// The predicates of all rules.
    pub predicates: usize,
    /// Those that differ; each is evaluated at most once a record.
    pub predicates_distinct: usize,
    /// The fields they look at.
    pub fields: usize,
}

/// A predicate with its fields resolved.
#[derive(Debug)]
struct Compiled {
    /// `None` for keywords, which look everywhere.
    field: Option<FieldPath>,
    /// The second field of a `fieldref`.
    other: Option<FieldPath>,
    test: Test,
}

impl RuleSet {
    /// Compiles rules. Of rules with the same id the first is kept, the others are reported to `diagnostics`.
    #[must_use]
    #[expect(
        clippy::mutable_key_type,
        reason = "a regular expression's cache takes no part in its equality"
    )]
    pub fn build(rules: Vec<Rule>, diagnostics: &mut Vec<Diagnostic>) -> Self {
        let mut by_id: BTreeMap<String, Rule> = BTreeMap::new();
        for rule in rules {
            match by_id.get(&rule.analytic.uid) {
                Some(first) => diagnostics.push(duplicate(&rule, first)),
                None => {
                    by_id.insert(rule.analytic.uid.clone(), rule);
                }
            }
        }
        let rules: Vec<Rule> = by_id.into_values().collect();
        let mut numbers: HashMap<Predicate, u32> = HashMap::new();
        let mut predicates: Vec<Predicate> = Vec::new();
        let mut asked = 0;
        let mut number = |predicate: &Predicate| {
            asked += 1;
            *numbers.entry(predicate.clone()).or_insert_with(|| {
                predicates.push(predicate.clone());
                u32::try_from(predicates.len() - 1).expect("memory ends before u32 does")
            })
        };
        let trees: Vec<Tree> =
            rules.iter().map(|rule| Tree::new(&rule.detection, false, &mut number)).collect();
        let index = Index::new(&trees, &predicates);
        let mut roots = Roots::new();
        let mut fields: BTreeMap<String, FieldPath> = BTreeMap::new();
        let mut resolve = |path: &str| -> FieldPath {
            fields.entry(path.to_owned()).or_insert_with(|| roots.field(path)).clone()
        };
        let compiled: Vec<Compiled> = predicates
            .iter()
            .map(|predicate| Compiled {
                field: match &predicate.field {
                    Field::Path(path) => Some(resolve(path)),
                    Field::AnyLeaf => None,
                },
                other: match &predicate.test {
                    Test::OtherField { path, .. } => Some(resolve(path)),
                    _ => None,
                },
                test: predicate.test.clone(),
            })
            .collect();
        roots.finish();
        let Placement { by_source_and_name, by_name, by_name_start, by_source, residual } =
            index.placement;
        let strategy = Strategy {
            rules: rules.len(),
            by_source_and_name,
            by_name,
            by_name_start,
            by_source,
            residual,
            predicates: asked,
            predicates_distinct: compiled.len(),
            fields: fields.len(),
        };
        Self { rules, roots, predicates: compiled, index, strategy }
    }

    /// How many rules the set holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether the set holds no rule.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The rules in the order of their ids.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rule of a number from [`RuleSet::matches_into`] of this very set; other numbers panic.
    #[must_use]
    pub fn rule(&self, number: u32) -> &Rule {
        &self.rules[number as usize]
    }

    /// What was compiled into which strategy.
    #[must_use]
    pub fn strategy(&self) -> Strategy {
        self.strategy
    }

    /// Finds the rules that match a record. Clears `out`, then fills it with their numbers in the order of their
    /// ids, each once. Allocates nothing once `scratch` and `out` have grown.
    pub fn matches_into(
        &self,
        record: &Record<'_>,
        scratch: &mut MatchScratch,
        out: &mut Vec<u32>,
    ) {
        out.clear();
        let view = View::new(record.root(), &self.roots);
        let mut memo = scratch.begin(self.predicates.len());
        match view.source_and_name() {
            None => self.try_all(self.index.every_rule(), &view, &mut memo, out),
            Some((source, name)) => {
                let mut folded = std::mem::take(memo.folded);
                self.index.visit(source, name, &mut folded, |candidates| {
                    self.try_all(candidates, &view, &mut memo, out);
                });
                *memo.folded = folded;
            }
        }
        out.sort_unstable();
        out.dedup();
    }

    /// Like [`RuleSet::matches_into`], but tries every rule: the measure that the index is tested against.
    pub fn matches_without_index_into(
        &self,
        record: &Record<'_>,
        scratch: &mut MatchScratch,
        out: &mut Vec<u32>,
    ) {
        out.clear();
        let view = View::new(record.root(), &self.roots);
        let mut memo = scratch.begin(self.predicates.len());
        self.try_all(self.index.every_rule(), &view, &mut memo, out);
    }

    /// How many rules the index leaves to be tried on a record: what `benches` and `rules explain` report.
    #[must_use]
    pub fn candidates(&self, record: &Record<'_>, scratch: &mut MatchScratch) -> usize {
        let view = View::new(record.root(), &self.roots);
        let Some((source, name)) = view.source_and_name() else { return self.rules.len() };
        let mut count = 0;
        self.index.visit(source, name, &mut scratch.folded, |candidates| {
            count += candidates.len();
        });
        count
    }

    fn try_all(
        &self,
        candidates: &[Candidate],
        view: &View<'_>,
        memo: &mut Memo<'_>,
        out: &mut Vec<u32>,
    ) {
        for candidate in candidates {
            let mut test =
                |number: u32| memo.get(number, |compact| self.test(number, view, compact));
            if program::run(&self.index.ops, candidate.program, &mut test) {
                out.push(candidate.rule);
            }
        }
    }

    /// Evaluates one predicate.
    fn test(&self, number: u32, view: &View<'_>, compact: &mut String) -> bool {
        let Compiled { field, other, test } = &self.predicates[number as usize];
        let Some(field) = field else { return value::leaf_passes(test, view.root()) };
        if let (Test::Text(pattern), Some(text)) = (test, view.text(field)) {
            return pattern.matches(text);
        }
        match (test, other) {
            (Test::Null, _) => view.visit(field, &mut |end| end.is_none_or(value::has_null)),
            (Test::Exists, _) => view.visit(field, &mut |end| end.is_some()),
            (Test::OtherField { relation, cased, .. }, Some(other)) => {
                view.visit(other, &mut |end| {
                    end.is_some_and(|end| {
                        value::scalars(end, &mut |other, number| {
                            let check = Check::Against {
                                other,
                                number,
                                relation: *relation,
                                cased: *cased,
                            };
                            view.visit(field, &mut |end| {
                                end.is_some_and(|end| value::passes(check, end, compact))
                            })
                        })
                    })
                })
            }
            _ => view.visit(field, &mut |end| {
                end.is_some_and(|end| value::passes(Check::Test(test), end, compact))
            }),
        }
    }
}

impl MatchScratch {
    /// An empty scratch; it grows with its first records and then stays.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets the last record.
    fn begin(&mut self, predicates: usize) -> Memo<'_> {
        let words = predicates.div_ceil(64);
        self.known.clear();
        self.known.resize(words, 0);
        self.is_true.resize(words, 0);
        Memo {
            known: &mut self.known,
            is_true: &mut self.is_true,
            folded: &mut self.folded,
            compact: &mut self.compact,
        }
    }
}

/// The predicates evaluated so far on one record.
struct Memo<'s> {
    known: &'s mut [u64],
    is_true: &'s mut [u64],
    folded: &'s mut String,
    compact: &'s mut String,
}

impl Memo<'_> {
    /// The predicate's result, evaluated now if it was not before.
    fn get(&mut self, number: u32, evaluate: impl FnOnce(&mut String) -> bool) -> bool {
        let word = number as usize / 64;
        let bit = 1_u64 << (number % 64);
        if self.known[word] & bit != 0 {
            return self.is_true[word] & bit != 0;
        }
        let result = evaluate(self.compact);
        self.known[word] |= bit;
        if result {
            self.is_true[word] |= bit;
        } else {
            self.is_true[word] &= !bit;
        }
        result
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "compiled {} rules: ", self.rules)?;
        let strategies = [
            (self.by_source_and_name, "by source and name"),
            (self.by_name, "by name"),
            (self.by_name_start, "by start of name"),
            (self.by_source, "by source"),
        ];
        for (rules, strategy) in strategies.into_iter().filter(|(rules, _)| *rules > 0) {
            write!(f, "{rules} {strategy}, ")?;
        }
        write!(
            f,
            "{} residual; {} predicates ({} distinct) over {} fields",
            self.residual, self.predicates, self.predicates_distinct, self.fields
        )
    }
}

fn duplicate(rule: &Rule, first: &Rule) -> Diagnostic {
    Diagnostic {
        path: rule.path.clone(),
        line: rule.id_mark.line,
        column: rule.id_mark.column,
        severity: Severity::Error,
        code: code::DUPLICATE_ID,
        message: format!(
            "the id {} is already that of {} at {}:{}:{}",
            quoted(&rule.analytic.uid),
            quoted(&first.analytic.name),
            first.path,
            first.id_mark.line,
            first.id_mark.column
        ),
        help: "give one of the two rules an id of its own, or remove it".to_owned(),
    }
}
