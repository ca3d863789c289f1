//! The compiled rule set: records in, numbers of matching rules out.
//!
//! Loading a set does the work that matching would repeat. Filters become part of the rules they speak of; equal
//! predicates of different rules become one, which is evaluated at most once a record and only when a rule asks; rules
//! become programs over them; and the index finds the few rules that a record leaves possible. Matching allocates
//! nothing once its scratch has grown.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use trailloop_cloudtrail::{Glance, Record};
use trailloop_enrichment::{Enriched, Enrichment};

use crate::diagnostic::Diagnostic;
use crate::digest;
use crate::enriched::{self, Facts};
use crate::evaluate::{self, Room, Source};
use crate::fields::{Fields, NodeId};
use crate::filter::{self, Filter};
use crate::gate::{Gate, GateScratch};
use crate::index::{Candidate, Index, IndexScratch, Stand};
use crate::memo::{TESTS_MAX, TextMemo};
use crate::pattern::Shape;
use crate::program::{self, Tree};
use crate::quieting::Quiets;
use crate::rule::Rule;
use crate::strategy::Strategy;
use crate::test::{Field, Predicate, Test};
use crate::twins::{distinct, report_twins};
use crate::view::{View, ViewScratch};

/// Rules compiled together, in the order of their ids.
#[derive(Debug)]
pub struct RuleSet {
    rules: Vec<Rule>,
    pub(crate) trees: Vec<Tree>,
    pub(crate) stands: Vec<Stand>,
    pub(crate) predicates: Vec<Predicate>,
    compiled: Vec<Compiled>,
    /// How many fields have a memory of texts.
    memos: usize,
    fields: Fields,
    index: Index,
    gate: Gate,
    strategy: Strategy,
    hash: String,
    pub(crate) facts: Facts,
    /// The enriched fields that the files can tell of.
    pub(crate) told: Vec<Enriched>,
    pub(crate) quiets: Quiets,
    /// Tells this set from others, also from one that takes its place in memory.
    identity: Arc<()>,
}

/// What a worker keeps from record to record, so that matching need not allocate. Given another rule set, it begins anew.
#[derive(Debug, Default)]
pub struct MatchScratch {
    serves: Option<Arc<()>>,
    /// Two bits a predicate: evaluated, and with which result.
    known: Vec<u64>,
    is_true: Vec<u64>,
    room: Room,
    memos: Vec<TextMemo>,
    view: ViewScratch,
    index: IndexScratch,
    gate: GateScratch,
}

/// A predicate with its fields resolved.
#[derive(Debug)]
struct Compiled {
    source: Source,
    /// The second field of a `fieldref`.
    other: Option<Source>,
    test: Test,
    memo: Option<MemoPlace>,
}

/// Where a predicate's results on texts are remembered.
#[derive(Clone, Copy, Debug)]
struct MemoPlace {
    node: NodeId,
    memo: usize,
    number: usize,
}

/// So many fields have a memory of texts, each some eighty kilobytes a worker.
const MEMOS_MAX: usize = 64;

impl RuleSet {
    /// Compiles rules. Of rules with the same id the first is kept; filters are joined to the rules they speak of. What
    /// is wrong with either is reported to `diagnostics`.
    #[must_use]
    pub fn build(rules: Vec<Rule>, filters: &[Filter], diagnostics: &mut Vec<Diagnostic>) -> Self {
        Self::build_with(rules, filters, Arc::default(), diagnostics)
    }

    /// The same, with files that give enriched fields their values. With other files, build another set: what is
    /// remembered of texts is theirs.
    #[must_use]
    pub fn build_with(
        rules: Vec<Rule>,
        filters: &[Filter],
        enrichment: Arc<Enrichment>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Self {
        Self::compiled(rules, filters, Facts::Files(enrichment), diagnostics)
    }

    pub(crate) fn compiled(
        rules: Vec<Rule>,
        filters: &[Filter],
        facts: Facts,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Self {
        let mut rules = distinct(rules, diagnostics);
        let hash = digest::of_set(&rules, filters);
        filter::join(&mut rules, filters, diagnostics);
        let mut interner = Interner::default();
        let trees: Vec<Tree> = rules
            .iter()
            .map(|rule| {
                let mut number = |one: &Predicate| interner.number(one);
                let parts = std::iter::once(&rule.detection)
                    .chain(rule.exceptions.iter().map(|exception| &**exception));
                Tree::all(parts.map(|part| Tree::new(part, false, &mut number)).collect())
            })
            .collect();
        report_twins(&rules, &trees, diagnostics);
        let mut number = |one: &Predicate| interner.number(one);
        let (mut quiets, quiet_trees) = Quiets::new(&rules, filters, &mut number, diagnostics);
        let Interner { predicates, asked, .. } = interner;
        quiets.write(&quiet_trees, &predicates);
        // What no file can answer is decided now: a rule that needs it costs nothing.
        let decide = |number: u32| facts.decided(&predicates[number as usize]);
        let asked_of_records: Vec<Tree> =
            trees.iter().map(|tree| tree.with_decided(&decide)).collect();
        let stands: Vec<Stand> =
            asked_of_records.iter().map(|tree| Stand::of(tree, &predicates)).collect();
        let fields = fields_of(&predicates);
        let index = Index::new(&asked_of_records, &stands, &predicates, &fields);
        let gate = Gate::new(index.witnesses());
        let mut memos = BTreeMap::new();
        let compiled: Vec<Compiled> =
            predicates.iter().map(|one| compile(one, &fields, &mut memos)).collect();
        let strategy = Strategy::new(&stands, asked, predicates.len(), filters.len(), &predicates);
        let memos = memos.len();
        let told = Enriched::ALL.iter().copied().filter(|field| facts.can_tell(*field)).collect();
        let identity = Arc::new(());
        Self {
            rules,
            trees,
            stands,
            predicates,
            compiled,
            memos,
            fields,
            index,
            gate,
            strategy,
            hash,
            facts,
            told,
            quiets,
            identity,
        }
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

    /// What the set is known by: a hash of all that its rules and filters say.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// What was compiled into which strategy.
    #[must_use]
    pub fn strategy(&self) -> Strategy {
        self.strategy
    }

    /// Whether some rule may match a record that has not been parsed. If not, [`RuleSet::matches_into`] finds none.
    #[must_use]
    pub fn may_match(&self, glance: &Glance<'_>, scratch: &mut MatchScratch) -> bool {
        self.serve(scratch);
        self.gate.lets_pass(glance, &self.index, &mut scratch.gate, &mut scratch.index)
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
        let (view, mut memo, index) = self.begin(record, scratch);
        self.index.visit(view, index, |candidates| {
            self.try_all(candidates, view, &mut memo, out);
        });
        out.sort_unstable();
        out.dedup();
    }

    /// Like [`RuleSet::matches_into`], one rule at a time: `each` is given a rule that the index leaves and its trial, which tells
    /// whether it matches. So whoever has a clock can tell what each rule costs. What rules have in common is evaluated by the first that
    /// asks; a rule that the index knows by two names comes twice.
    pub fn try_each(
        &self,
        record: &Record<'_>,
        scratch: &mut MatchScratch,
        mut each: impl FnMut(u32, &mut dyn FnMut() -> bool),
    ) {
        let (view, mut memo, index) = self.begin(record, scratch);
        self.index.visit(view, index, |candidates| {
            for candidate in candidates {
                let mut test = |number: u32| self.test(number, view, &mut memo);
                let mut trial = || program::run(&self.index.ops, candidate.program, &mut test);
                each(candidate.rule, &mut trial);
            }
        });
    }

    /// Like [`RuleSet::matches_into`], but tries every rule: the measure that the index is tested against.
    pub fn matches_without_index_into(
        &self,
        record: &Record<'_>,
        scratch: &mut MatchScratch,
        out: &mut Vec<u32>,
    ) {
        out.clear();
        let (view, mut memo, _) = self.begin(record, scratch);
        self.try_all(self.index.every_rule(), view, &mut memo, out);
    }

    /// How many rules the index leaves to be tried on a record: what `benches` and `rules explain` report.
    #[must_use]
    pub fn candidates(&self, record: &Record<'_>, scratch: &mut MatchScratch) -> usize {
        let mut count = 0;
        self.visit_candidates(record, scratch, |_| count += 1);
        count
    }

    /// Calls `visit` with each rule that the index leaves to be tried; one may come twice.
    pub(crate) fn visit_candidates(
        &self,
        record: &Record<'_>,
        scratch: &mut MatchScratch,
        mut visit: impl FnMut(u32),
    ) {
        let (view, _, index) = self.begin(record, scratch);
        self.index.visit(view, index, |candidates| {
            candidates.iter().for_each(|candidate| visit(candidate.rule));
        });
    }

    /// Whether a record passes one predicate, and the view to look at its values with.
    pub(crate) fn with_view<T>(
        &self,
        record: &Record<'_>,
        scratch: &mut MatchScratch,
        ask: impl FnOnce(View<'_>, &mut dyn FnMut(u32) -> bool) -> T,
    ) -> T {
        let (view, mut memo, _) = self.begin(record, scratch);
        ask(view, &mut |number| self.test(number, view, &mut memo))
    }

    /// Where a predicate's values come from.
    pub(crate) fn source(&self, number: u32) -> &Source {
        &self.compiled[number as usize].source
    }

    fn begin<'s>(
        &'s self,
        record: &'s Record<'_>,
        scratch: &'s mut MatchScratch,
    ) -> (View<'s>, Memo<'s>, &'s mut IndexScratch) {
        self.serve(scratch);
        let MatchScratch { known, is_true, room, memos, view, index, .. } = scratch;
        room.clear();
        let words = self.predicates.len().div_ceil(64);
        known.clear();
        known.resize(words, 0);
        is_true.resize(words, 0);
        memos.resize_with(self.memos, TextMemo::default);
        let view = View::new(record, &self.fields, &self.facts, view);
        (view, Memo { known, is_true, room, memos }, index)
    }

    /// Begins anew if the scratch served another set.
    fn serve(&self, scratch: &mut MatchScratch) {
        if !scratch.serves.as_ref().is_some_and(|served| Arc::ptr_eq(served, &self.identity)) {
            let serves = Some(Arc::clone(&self.identity));
            *scratch = MatchScratch { serves, ..MatchScratch::default() };
        }
    }

    fn try_all(
        &self,
        candidates: &[Candidate],
        view: View<'_>,
        memo: &mut Memo<'_>,
        out: &mut Vec<u32>,
    ) {
        for candidate in candidates {
            let mut test = |number: u32| self.test(number, view, memo);
            if program::run(&self.index.ops, candidate.program, &mut test) {
                out.push(candidate.rule);
            }
        }
    }

    /// The predicate's result, evaluated now if it was not before.
    fn test(&self, number: u32, view: View<'_>, memo: &mut Memo<'_>) -> bool {
        let word = number as usize / 64;
        let bit = 1_u64 << (number % 64);
        if memo.known[word] & bit == 0 {
            memo.known[word] |= bit;
            if self.evaluate(number, view, memo) {
                memo.is_true[word] |= bit;
            } else {
                memo.is_true[word] &= !bit;
            }
        }
        memo.is_true[word] & bit != 0
    }

    fn evaluate(&self, number: u32, view: View<'_>, memo: &mut Memo<'_>) -> bool {
        let Compiled { source, other, test, memo: place } = &self.compiled[number as usize];
        let Memo { room, memos, .. } = memo;
        let mut holds = || evaluate::holds(source, test, other.as_ref(), view, room);
        match place.and_then(|place| Some((place, view.text(place.node)?))) {
            Some((place, text)) => memos[place.memo].get(text.as_bytes(), place.number, holds),
            None => holds(),
        }
    }
}

impl MatchScratch {
    /// An empty scratch; it grows with its first records and then stays.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

/// What is known of one record so far, and of texts.
struct Memo<'s> {
    known: &'s mut [u64],
    is_true: &'s mut [u64],
    room: &'s mut Room,
    memos: &'s mut [TextMemo],
}

/// Gives each distinct predicate a number.
#[derive(Default)]
struct Interner {
    numbers: HashMap<Predicate, u32>,
    predicates: Vec<Predicate>,
    asked: usize,
}

impl Interner {
    fn number(&mut self, predicate: &Predicate) -> u32 {
        self.asked += 1;
        let Self { numbers, predicates, .. } = self;
        *numbers.entry(predicate.clone()).or_insert_with(|| {
            predicates.push(predicate.clone());
            u32::try_from(predicates.len() - 1).expect("memory ends before u32 does")
        })
    }
}

/// The trie of every field that the predicates look at, those that derived fields are made of included.
fn fields_of<'p>(predicates: &'p [Predicate]) -> Fields {
    let mut paths: Vec<&'p str> = Vec::new();
    let mut add = |field: &'p Field| match field {
        Field::Path(path) => paths.extend(path.keys()),
        Field::Derived(derived) => paths.extend(derived.made_of()),
        Field::Enriched(field) => paths.extend(enriched::made_of(*field)),
        Field::AnyLeaf => {}
    };
    for predicate in predicates {
        add(&predicate.field);
        if let Test::OtherField { field, .. } = &predicate.test {
            add(field);
        }
    }
    Fields::new(paths)
}

fn compile(
    predicate: &Predicate,
    fields: &Fields,
    memos: &mut BTreeMap<NodeId, (usize, usize)>,
) -> Compiled {
    let resolve = |field: &Field| match field {
        Field::AnyLeaf => Source::AnyLeaf,
        Field::Derived(derived) => Source::Derived(*derived),
        Field::Enriched(field) => Source::Enriched(*field),
        Field::Path(path) => match path.keys().and_then(|keys| fields.node(keys)) {
            Some(node) => Source::Node(node),
            None => Source::Path(path.clone()),
        },
    };
    let source = resolve(&predicate.field);
    let other = match &predicate.test {
        Test::OtherField { field, .. } => Some(resolve(field)),
        _ => None,
    };
    let memo = match source {
        Source::Node(node)
            if is_worth_remembering(predicate)
                && (memos.len() < MEMOS_MAX || memos.contains_key(&node)) =>
        {
            let next = memos.len();
            let (memo, tests) = memos.entry(node).or_insert((next, 0));
            *tests += 1;
            (*tests <= TESTS_MAX).then(|| MemoPlace { node, memo: *memo, number: *tests - 1 })
        }
        _ => None,
    };
    Compiled { source, other, test: predicate.test.clone(), memo }
}

/// Whether looking a text up is cheaper than the test, on a field whose texts repeat.
fn is_worth_remembering(predicate: &Predicate) -> bool {
    let varies =
        matches!(predicate.field.keys(), None | Some("eventTime" | "eventID" | "requestID"));
    let is_costly = match &predicate.test {
        Test::Text(pattern) => matches!(pattern.shape, Shape::Contains(_) | Shape::Glob(_)),
        Test::OneOf(_)
        | Test::AnyEdge(_)
        | Test::AnyPiece(_)
        | Test::Regex(_)
        | Test::Network(_)
        | Test::AnyNetwork(_) => true,
        _ => false,
    };
    is_costly && !varies
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_predicates_are_one() {
        let test = |text: &str| {
            let tokens = crate::pattern::tokens(text);
            let pattern = crate::pattern::Pattern::new(tokens, false, None);
            Predicate { field: Field::of_keys("a"), test: Test::Text(pattern) }
        };
        let mut interner = Interner::default();
        assert_eq!(interner.number(&test("x")), 0);
        assert_eq!(interner.number(&test("y")), 1);
        assert_eq!(interner.number(&test("X")), 0);
        assert_eq!((interner.predicates.len(), interner.asked), (2, 3));
    }
}
