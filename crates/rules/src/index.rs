//! Which rules can match a record at all, by its eventSource and eventName.
//!
//! A rule stands where its condition provably needs it to stand: under pairs of source and name, under a name, under
//! the start of a name (Lambda's names carry a version), under a source, or in the residue that every record meets.
//! Under a key the rule's program is a special one: the tests that the key answers are gone from it, and a rule that
//! the key rules out is not there at all. Keys are case-folded.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use crate::fold;
use crate::program::{Key, Known, Op, Tree};
use crate::test::Predicate;

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

/// How many rules stand where.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Placement {
    pub(crate) by_source_and_name: usize,
    pub(crate) by_name: usize,
    pub(crate) by_name_start: usize,
    pub(crate) by_source: usize,
    pub(crate) residual: usize,
}

/// The compiled index.
#[derive(Debug)]
pub(crate) struct Index {
    names: HashMap<Box<str>, NameEntry>,
    starts: HashMap<Box<str>, Range<usize>>,
    /// The lengths of `starts`, each once.
    start_bytes: Vec<usize>,
    sources: HashMap<Box<str>, Range<usize>>,
    residual: Range<usize>,
    every_rule: Range<usize>,
    candidates: Vec<Candidate>,
    pub(crate) ops: Vec<Op>,
    pub(crate) placement: Placement,
}

#[derive(Debug, Default)]
struct NameEntry {
    any_source: Range<usize>,
    /// A name belongs to one or two sources, so a list is faster than a map.
    by_source: Vec<(Box<str>, Range<usize>)>,
}

impl Index {
    pub(crate) fn new(trees: &[Tree], predicates: &[Predicate]) -> Self {
        let mut places = Places::default();
        for (rule, tree) in (0_u32..).zip(trees) {
            places.add(rule, tree, predicates);
        }
        let mut index = Self {
            names: HashMap::new(),
            starts: HashMap::new(),
            start_bytes: Vec::new(),
            sources: HashMap::new(),
            residual: 0..0,
            every_rule: 0..0,
            candidates: Vec::new(),
            ops: Vec::new(),
            placement: places.placement,
        };
        for (rule, tree) in (0_u32..).zip(trees) {
            let program = tree.write(predicates, &mut index.ops);
            index.candidates.push(Candidate { rule, program });
        }
        index.every_rule = 0..index.candidates.len();
        let mut special_ops = vec![0; trees.len()];
        let mut write = |rules: &[u32], known: Known<'_>| {
            let start = index.candidates.len();
            for &rule in rules {
                let general = index.candidates[rule as usize];
                let spent: &mut usize = &mut special_ops[rule as usize];
                if known.is_nothing() || *spent > SPECIAL_OPS_MAX {
                    index.candidates.push(general);
                    continue;
                }
                let tree = trees[rule as usize].specialised(known, predicates);
                if tree != Tree::Constant(false) {
                    let ops_before = index.ops.len();
                    let program = tree.write(predicates, &mut index.ops);
                    *spent += index.ops.len() - ops_before;
                    index.candidates.push(Candidate { rule, program });
                }
            }
            start..index.candidates.len()
        };
        index.residual = write(&places.residual, Known::default());
        for ((name, source), rules) in &places.pairs {
            let known = Known { source: Some(source), name: Some(name) };
            let range = write(rules, known);
            let entry: &mut NameEntry = index.names.entry(name.as_str().into()).or_default();
            entry.by_source.push((source.as_str().into(), range));
        }
        for (name, rules) in &places.names {
            let range = write(rules, Known { source: None, name: Some(name) });
            index.names.entry(name.as_str().into()).or_default().any_source = range;
        }
        for (source, rules) in &places.sources {
            let range = write(rules, Known { source: Some(source), name: None });
            index.sources.insert(source.as_str().into(), range);
        }
        for (start, rules) in &places.starts {
            index.starts.insert(start.as_str().into(), write(rules, Known::default()));
            index.start_bytes.push(start.len());
        }
        index.start_bytes.sort_unstable();
        index.start_bytes.dedup();
        index
    }

    /// Every rule, for records that the index can't speak for.
    pub(crate) fn every_rule(&self) -> &[Candidate] {
        &self.candidates[self.every_rule.clone()]
    }

    /// Calls `visit` with each list of rules that may match a record of this source and name. `folded` is room for
    /// the folded texts.
    pub(crate) fn visit(
        &self,
        source: &str,
        name: &str,
        folded: &mut String,
        mut visit: impl FnMut(&[Candidate]),
    ) {
        let mut visit = |range: &Range<usize>| visit(&self.candidates[range.clone()]);
        visit(&self.residual);
        fold_into(name, folded);
        if let Some(entry) = self.names.get(folded.as_str()) {
            visit(&entry.any_source);
            let by_source =
                entry.by_source.iter().find(|(key, _)| fold::equals(source, key, false));
            if let Some((_, range)) = by_source {
                visit(range);
            }
        }
        for &bytes in &self.start_bytes {
            let Some(start) = folded.get(..bytes) else { continue };
            if let Some(range) = self.starts.get(start) {
                visit(range);
            }
        }
        if !self.sources.is_empty() {
            fold_into(source, folded);
            if let Some(range) = self.sources.get(folded.as_str()) {
                visit(range);
            }
        }
    }
}

/// Where rules stand, before programs are written. Ordered maps, so that the compiled form never varies.
#[derive(Default)]
struct Places {
    pairs: BTreeMap<(String, String), Vec<u32>>,
    names: BTreeMap<String, Vec<u32>>,
    starts: BTreeMap<String, Vec<u32>>,
    sources: BTreeMap<String, Vec<u32>>,
    residual: Vec<u32>,
    placement: Placement,
}

impl Places {
    fn add(&mut self, rule: u32, tree: &Tree, predicates: &[Predicate]) {
        let names = tree.keys("eventName", predicates);
        let sources = tree.keys("eventSource", predicates).and_then(|keys| {
            let exact = keys.into_iter().map(|key| match key {
                Key::Exact(text) => Some(text),
                Key::Prefix(_) => None,
            });
            exact.collect::<Option<Vec<_>>>()
        });
        let is_start = |key: &Key| matches!(key, Key::Prefix(_));
        let Some(names) = names else {
            match sources {
                Some(sources) => {
                    self.placement.by_source += 1;
                    for source in sources {
                        self.sources.entry(source).or_default().push(rule);
                    }
                }
                None => {
                    self.placement.residual += 1;
                    self.residual.push(rule);
                }
            }
            return;
        };
        let sources = sources.filter(|sources| sources.len() * names.len() <= PAIRS_MAX);
        if names.iter().any(is_start) {
            self.placement.by_name_start += 1;
        } else if sources.is_some() {
            self.placement.by_source_and_name += 1;
        } else {
            self.placement.by_name += 1;
        }
        for name in names {
            match (name, &sources) {
                (Key::Prefix(start), _) => self.starts.entry(start).or_default().push(rule),
                (Key::Exact(name), None) => self.names.entry(name).or_default().push(rule),
                (Key::Exact(name), Some(sources)) => {
                    for source in sources {
                        self.pairs.entry((name.clone(), source.clone())).or_default().push(rule);
                    }
                }
            }
        }
    }
}

/// Writes the folded text to `folded`, which is emptied first.
fn fold_into(text: &str, folded: &mut String) {
    folded.clear();
    if text.is_ascii() {
        folded.push_str(text);
        folded.make_ascii_lowercase();
    } else {
        folded.extend(text.chars().map(fold::fold));
    }
}
