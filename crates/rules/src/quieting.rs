//! Which filters of a set make which of its rules quieter, compiled, and which of them describes a record.

use trailloop_cloudtrail::Record;
use trailloop_finding::Level;

use crate::diagnostic::{Diagnostic, Severity, code, quoted};
use crate::filter::Filter;
use crate::program::{self, Op, Tree};
use crate::rule::Rule;
use crate::set::{MatchScratch, RuleSet};
use crate::test::Predicate;

/// The filters of a set that make its rules quieter, compiled.
#[derive(Debug, Default)]
pub(crate) struct Quiets {
    filters: Vec<Filter>,
    ops: Vec<Op>,
    /// For each rule its filters with their programs, in the order they were given; empty if no rule has any.
    of_rules: Vec<Vec<(usize, u32)>>,
}

impl Quiets {
    /// Takes the filters that may speak of their rules; the others are reported. The trees ask whether a filter
    /// describes a record, so they are of negated conditions.
    pub(crate) fn new(
        rules: &[Rule],
        filters: &[Filter],
        mut number: impl FnMut(&Predicate) -> u32,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> (Self, Vec<Tree>) {
        let mut quiets = Self::default();
        let mut trees = Vec::new();
        for filter in filters.iter().filter(|filter| filter.quiet.is_some()) {
            let Some(nth) = rules.iter().position(|rule| filter.speaks_of(rule)) else { continue };
            if let Some(diagnostic) = refusal(filter, &rules[nth]) {
                diagnostics.push(diagnostic);
                continue;
            }
            quiets.of_rules.resize(rules.len(), Vec::new());
            // The program follows once every predicate has its number.
            quiets.of_rules[nth].push((quiets.filters.len(), 0));
            quiets.filters.push(filter.clone());
            trees.push(Tree::new(&filter.condition, true, &mut number));
        }
        (quiets, trees)
    }

    /// Writes the programs of the trees that [`Quiets::new`] gave.
    pub(crate) fn write(&mut self, trees: &[Tree], predicates: &[Predicate]) {
        let starts: Vec<u32> =
            trees.iter().map(|tree| tree.write(predicates, &mut self.ops)).collect();
        for (filter, start) in self.of_rules.iter_mut().flatten() {
            *start = starts[*filter];
        }
    }
}

/// Why a filter may not make this rule quieter.
fn refusal(filter: &Filter, rule: &Rule) -> Option<Diagnostic> {
    let rule_name = quoted(&rule.analytic.name);
    let (code, message, help) = if rule.analytic.level == Level::Critical {
        (
            code::QUIETS_CRITICAL,
            format!("the filter would make the critical rule {rule_name} quieter, and is left out"),
            "remove it; a critical rule that is noisy needs a better condition",
        )
    } else if filter.is_stale(rule) {
        (
            code::STALE_BACKTEST,
            format!(
                "the filter's backtest is of another text of it, or of the rule {rule_name}; it is left out"
            ),
            "run `trailloop tune propose` for a fresh backtest, and have it reviewed again",
        )
    } else {
        return None;
    };
    let severity = Severity::Warning;
    let (path, line) = (filter.path.clone(), filter.line);
    Some(Diagnostic { path, line, column: 1, severity, code, message, help: help.to_owned() })
}

impl RuleSet {
    /// The first filter that makes the rule of a number quieter for this record. Whether the rule matches is not asked.
    /// Costs nothing for rules without such filters, and allocates nothing once `scratch` has grown.
    #[must_use]
    pub fn quieted_by(
        &self,
        number: u32,
        record: &Record<'_>,
        scratch: &mut MatchScratch,
    ) -> Option<&Filter> {
        self.quieted_by_any(number, record, scratch, |_| true)
    }

    /// The same, of the filters that are in force: the caller knows the day, and which are voided.
    #[must_use]
    pub fn quieted_by_any(
        &self,
        number: u32,
        record: &Record<'_>,
        scratch: &mut MatchScratch,
        mut is_in_force: impl FnMut(&Filter) -> bool,
    ) -> Option<&Filter> {
        let own = self.quiets.of_rules.get(number as usize).filter(|own| !own.is_empty())?;
        self.with_view(record, scratch, |_, holds| {
            own.iter().find_map(|(filter, start)| {
                let filter = &self.quiets.filters[*filter];
                (is_in_force(filter)
                    && program::run(&self.quiets.ops, *start, &mut |one| holds(one)))
                .then_some(filter)
            })
        })
    }

    /// The filters that make a rule of this set quieter, in the order they were given.
    #[must_use]
    pub fn quieting(&self) -> &[Filter] {
        &self.quiets.filters
    }
}
