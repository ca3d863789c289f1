//! Which rules can match a record at all.
//!
//! A rule stands where its condition provably needs it to stand: under pairs of eventSource and eventName, under a name
//! or its start (Lambda's names carry a version) with or without a source, or under a source. Rules that name neither
//! stand under a witness, a text that another field must hold (see `witness`), and what is left in the residue that
//! every record meets.
//!
//! Under source and name the rule's program is a special one: the tests that the key answers are gone from it, and a
//! rule that the key rules out is not there at all. Keys are case-folded.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::fields::{Fields, Map};
use crate::fold;
use crate::gate::{Second, Seconds};
use crate::keys::{Key, weakness};
use crate::memo::CallMemo;
use crate::program::{Known, Op, Tree};
use crate::test::{Field, Predicate};
use crate::view::View;
use crate::witness::{WitnessScratch, Witnesses};

/// A rule under more pairs stands under its names only.
const PAIRS_MAX: usize = 4_096;

/// A rule gets programs of its own under its keys only while they hold no more operations together; beyond that its
/// general program stands there, which is right anywhere.
const SPECIAL_OPS_MAX: usize = 100_000;

/// A rule to try, with the program for where it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    pub(crate) rule: u32,
    pub(crate) program: u32,
}

/// Where a rule stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stand {
    /// Its condition is false whatever the record.
    Nowhere,
    /// Names or starts of names, each with the sources it may come from, if those are known.
    Names {
        names: Vec<Key>,
        sources: Option<Vec<String>>,
    },
    Sources(Vec<String>),
    Witness {
        field: Field,
        keys: Vec<Key>,
    },
    Residue,
}

/// The compiled index.
#[derive(Debug)]
pub(crate) struct Index {
    names: Map<Box<str>, NameEntry>,
    starts: Map<Box<str>, NameEntry>,
    /// The lengths of `starts`, each once.
    start_bytes: Vec<usize>,
    sources: Map<Box<str>, Range<usize>>,
    witnesses: Witnesses,
    residue: Range<usize>,
    every_rule: Range<usize>,
    candidates: Vec<Candidate>,
    /// What the rules of a list under a call demand beside the call, by where the list begins.
    seconds: Map<usize, Arc<Second>>,
    pub(crate) ops: Vec<Op>,
}

#[derive(Debug, Default)]
struct NameEntry {
    any_source: Range<usize>,
    /// A name belongs to one or two sources, so a list is faster than a map.
    by_source: Vec<(Box<str>, Range<usize>)>,
}

/// What a worker keeps for its look-ups.
#[derive(Debug, Default)]
pub(crate) struct IndexScratch {
    folded: String,
    calls: CallMemo,
    witness: WitnessScratch,
}

impl Stand {
    /// Where a rule must stand.
    pub(crate) fn of(tree: &Tree, predicates: &[Predicate]) -> Self {
        if *tree == Tree::Constant(false) {
            return Self::Nowhere;
        }
        let names = tree
            .keys(&Field::of_keys("eventName"), predicates)
            .filter(|keys| weakness(keys) < weakness(&[Key::Contains(String::new())]));
        let sources = tree.keys(&Field::of_keys("eventSource"), predicates).and_then(|keys| {
            let exact = keys.into_iter().map(|key| match key {
                Key::Exact(text) => Some(text),
                Key::Prefix(_) | Key::Contains(_) | Key::Network(_) => None,
            });
            exact.collect::<Option<Vec<_>>>()
        });
        match (names, sources) {
            (Some(names), sources) => {
                let sources = sources.filter(|sources| sources.len() * names.len() <= PAIRS_MAX);
                Self::Names { names, sources }
            }
            (None, Some(sources)) => Self::Sources(sources),
            (None, None) => match crate::witness::choose(tree, predicates) {
                Some((field, keys)) => Self::Witness { field, keys },
                None => Self::Residue,
            },
        }
    }
}

impl Index {
    pub(crate) fn new(
        trees: &[Tree],
        stands: &[Stand],
        predicates: &[Predicate],
        fields: &Fields,
    ) -> Self {
        let places = Places::of(stands);
        let mut writer = Writer {
            trees,
            predicates,
            fields,
            candidates: Vec::new(),
            ops: Vec::new(),
            special_ops: vec![0; trees.len()],
            known_seconds: Seconds::default(),
            seconds: Map::default(),
        };
        for (rule, tree) in (0_u32..).zip(trees) {
            let program = tree.write(predicates, &mut writer.ops);
            writer.candidates.push(Candidate { rule, program });
        }
        let every_rule = 0..writer.candidates.len();
        let residue = writer.write(&places.residue, Known::default());
        let names = writer.name_entries(&places.names, true);
        let starts = writer.name_entries(&places.starts, false);
        let sources = places
            .sources
            .iter()
            .map(|(source, rules)| {
                let known = Known { source: Some(source), name: None };
                (source.as_str().into(), writer.write_call(rules, known))
            })
            .collect();
        let witnesses =
            Witnesses::new(stands, fields, |rules| writer.write(rules, Known::default()));
        let mut start_bytes: Vec<usize> =
            places.starts.keys().map(|(name, _)| name.len()).collect();
        start_bytes.sort_unstable();
        start_bytes.dedup();
        let Writer { candidates, ops, seconds, .. } = writer;
        Self {
            names,
            starts,
            start_bytes,
            sources,
            witnesses,
            residue,
            every_rule,
            candidates,
            seconds,
            ops,
        }
    }

    /// Every rule, for records that the index can't speak for.
    pub(crate) fn every_rule(&self) -> &[Candidate] {
        &self.candidates[self.every_rule.clone()]
    }

    /// Whether some rule is to be tried on any record.
    pub(crate) fn asks_every_record(&self) -> bool {
        !self.residue.is_empty()
    }

    /// Whether it holds no rule. One that stands nowhere may still match a record that has its source or its name twice.
    pub(crate) fn is_empty(&self) -> bool {
        self.every_rule.is_empty()
    }

    /// The rules that stand under a text of another field.
    pub(crate) fn witnesses(&self) -> &Witnesses {
        &self.witnesses
    }

    /// Whether rules stand under the source and the name, which are ASCII, whose second demands may be met, if they have any.
    pub(crate) fn may_hold_call(
        &self,
        source: &[u8],
        name: &[u8],
        scratch: &mut IndexScratch,
        mut is_met: impl FnMut(&Second) -> bool,
    ) -> bool {
        let IndexScratch { folded, calls, .. } = scratch;
        let ranges = calls.get(source, name, |ranges| {
            let text = |bytes| str::from_utf8(bytes).unwrap_or_default();
            self.look_up(text(source), text(name), folded, ranges);
        });
        ranges.iter().any(|range| self.seconds.get(&range.start).is_none_or(|one| is_met(one)))
    }

    /// Whether rules have a witness in the text of a field, which is ASCII.
    pub(crate) fn may_hold_witness(
        &self,
        number: usize,
        text: &[u8],
        scratch: &mut IndexScratch,
    ) -> bool {
        self.witnesses.may_hold(number, text, &mut scratch.witness)
    }

    /// Whether keywords have a witness in the text of a record.
    pub(crate) fn may_hold_leaf(&self, record: &[u8]) -> bool {
        self.witnesses.may_hold_leaf(record)
    }

    /// Calls `visit` with each list of rules that may match a record; a rule may come twice.
    pub(crate) fn visit(
        &self,
        view: View<'_>,
        scratch: &mut IndexScratch,
        mut visit: impl FnMut(&[Candidate]),
    ) {
        let mut visit = |range: &Range<usize>| {
            if !range.is_empty() {
                visit(&self.candidates[range.clone()]);
            }
        };
        let Some((source, name)) = view.source_and_name() else {
            return visit(&self.every_rule);
        };
        visit(&self.residue);
        let IndexScratch { folded, calls, witness } = scratch;
        let ranges = calls.get(source.as_bytes(), name.as_bytes(), |ranges| {
            self.look_up(source, name, folded, ranges);
        });
        ranges.iter().for_each(&mut visit);
        self.witnesses.visit(view, witness, &mut visit);
    }

    /// The lists of rules under a source and a name.
    fn look_up(
        &self,
        source: &str,
        name: &str,
        folded: &mut String,
        ranges: &mut Vec<Range<usize>>,
    ) {
        fold::fold_into(name, folded);
        if let Some(entry) = self.names.get(folded.as_str()) {
            entry.look_up(source, ranges);
        }
        for &bytes in &self.start_bytes {
            let Some(start) = folded.get(..bytes) else { continue };
            if let Some(entry) = self.starts.get(start) {
                entry.look_up(source, ranges);
            }
        }
        if !self.sources.is_empty() {
            fold::fold_into(source, folded);
            ranges.extend(self.sources.get(folded.as_str()).cloned());
        }
        ranges.retain(|range| !range.is_empty());
    }
}

impl NameEntry {
    fn look_up(&self, source: &str, ranges: &mut Vec<Range<usize>>) {
        ranges.push(self.any_source.clone());
        let is_it = |key: &str| fold::equals(source, key, false);
        let found = self.by_source.iter().find(|(key, _)| is_it(key));
        ranges.extend(found.map(|(_, range)| range.clone()));
    }
}

/// Writes candidates and their programs.
struct Writer<'t> {
    trees: &'t [Tree],
    predicates: &'t [Predicate],
    fields: &'t Fields,
    candidates: Vec<Candidate>,
    ops: Vec<Op>,
    /// The operations that each rule's special programs hold so far.
    special_ops: Vec<usize>,
    known_seconds: Seconds,
    seconds: Map<usize, Arc<Second>>,
}

impl Writer<'_> {
    fn write(&mut self, rules: &[u32], known: Known<'_>) -> Range<usize> {
        let start = self.candidates.len();
        for &rule in rules {
            let general = self.candidates[rule as usize];
            if known.is_nothing() || self.special_ops[rule as usize] > SPECIAL_OPS_MAX {
                self.candidates.push(general);
                continue;
            }
            let tree = self.trees[rule as usize].specialised(known, self.predicates);
            if tree != Tree::Constant(false) {
                let ops_before = self.ops.len();
                let program = tree.write(self.predicates, &mut self.ops);
                self.special_ops[rule as usize] += self.ops.len() - ops_before;
                self.candidates.push(Candidate { rule, program });
            }
        }
        start..self.candidates.len()
    }

    /// A list that stands under a call, with what its rules demand beside it.
    fn write_call(&mut self, rules: &[u32], known: Known<'_>) -> Range<usize> {
        let range = self.write(rules, known);
        // An empty list begins where the next one does, which has demands of its own or none.
        if range.is_empty() {
            return range;
        }
        let special = |rule: &u32| self.trees[*rule as usize].specialised(known, self.predicates);
        let mut trees: Vec<Tree> = rules.iter().map(special).collect();
        trees.retain(|tree| *tree != Tree::Constant(false));
        if let Some(second) = self.known_seconds.of(&trees, self.predicates, self.fields) {
            self.seconds.insert(range.start, second);
        }
        range
    }

    /// Entries of names, or of starts of names, which say nothing of the name itself.
    fn name_entries(
        &mut self,
        places: &BTreeMap<(String, Option<String>), Vec<u32>>,
        is_whole: bool,
    ) -> Map<Box<str>, NameEntry> {
        let mut entries: Map<Box<str>, NameEntry> = Map::default();
        for ((name, source), rules) in places {
            let known =
                Known { source: source.as_deref(), name: is_whole.then_some(name.as_str()) };
            let range = self.write_call(rules, known);
            let entry = entries.entry(name.as_str().into()).or_default();
            match source {
                Some(source) => entry.by_source.push((source.as_str().into(), range)),
                None => entry.any_source = range,
            }
        }
        entries
    }
}

/// Rules by where they stand. Ordered maps, so that the compiled form never varies.
#[derive(Default)]
struct Places {
    names: BTreeMap<(String, Option<String>), Vec<u32>>,
    starts: BTreeMap<(String, Option<String>), Vec<u32>>,
    sources: BTreeMap<String, Vec<u32>>,
    residue: Vec<u32>,
}

impl Places {
    fn of(stands: &[Stand]) -> Self {
        let mut places = Self::default();
        for (rule, stand) in (0_u32..).zip(stands) {
            match stand {
                Stand::Names { names, sources } => {
                    places.add_names(rule, names, sources.as_deref())
                }
                Stand::Sources(sources) => {
                    for source in sources {
                        places.sources.entry(source.clone()).or_default().push(rule);
                    }
                }
                Stand::Residue => places.residue.push(rule),
                Stand::Witness { .. } | Stand::Nowhere => {}
            }
        }
        places
    }

    fn add_names(&mut self, rule: u32, names: &[Key], sources: Option<&[String]>) {
        for key in names {
            let map = match key {
                Key::Exact(_) => &mut self.names,
                Key::Prefix(_) | Key::Contains(_) | Key::Network(_) => &mut self.starts,
            };
            let mut add = |source: Option<String>| {
                map.entry((key.text().to_owned(), source)).or_default().push(rule);
            };
            match sources {
                None => add(None),
                Some(sources) => sources.iter().for_each(|source| add(Some(source.clone()))),
            }
        }
    }
}
