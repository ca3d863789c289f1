//! Finding rules that name neither source nor eventName: by a text that another field must hold.
//!
//! Such a rule is about who calls, from where, or with which program. It stands under one field that it makes a positive
//! demand of: under whole texts, which are looked up, under networks, or under pieces of text, which one automaton for all
//! rules of that field looks for in a single pass. Addresses, user agents and ARNs repeat from record to record, so that a
//! text in which nothing was found is remembered.
//!
//! A field that is missing or null rules all its rules out. A field that is anything else but one string of ASCII rules
//! none out: the automaton ignores the case of ASCII alone, and arrays and objects are for the rules themselves. Before a record is
//! parsed, the bytes of an object tell that they hold no text that some rule wants.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;
use std::ops::Range;

use aho_corasick::automaton::OverlappingState;
use aho_corasick::{AhoCorasick, AhoCorasickKind, Input};

use crate::evaluate::Source;
use crate::fields::{Fields, Map, NodeId};
use crate::fold;
use crate::index::Stand;
use crate::keys::{Key, PIECE_BYTES_MIN, in_one_token, weakness};
use crate::memo::TextMemo;
use crate::program::Tree;
use crate::test::{Field, Network, Predicate, Test, address};
use crate::value;
use crate::view::{At, View};

/// A rule that wants more text than this has no witness: its pieces would swell the automaton of all.
const KEYS_BYTES_MAX: usize = 64 * 1024;

/// The bytes of objects are not searched for more text than this: it is for parameters, of which a rule wants a few.
const OBJECT_BYTES_MAX: usize = 4 * 1024;

/// Values that so many records have that a rule had better stand under something else.
const COMMON: [&str; 10] = [
    "assumedrole",
    "awsapicall",
    "awsservice",
    "data",
    "false",
    "iamuser",
    "management",
    "true",
    "us-east-1",
    "1.11",
];

/// After so many pieces in one text, every piece counts as found.
const PIECES_FOUND_MAX: usize = 1_000;

/// What is remembered of a text: whether rules stand under the whole of it, whether it holds a piece, and whether it is an
/// address of a network.
const WHOLE: usize = 0;
const PIECE: usize = 1;
const NETWORK: usize = 2;

/// And whether any of these is so.
const ANY: usize = 3;

/// The rules under witnesses, by field.
#[derive(Debug, Default)]
pub(crate) struct Witnesses {
    fields: Vec<WitnessField>,
}

#[derive(Debug)]
struct WitnessField {
    /// Its dotted path; none of all strings and numbers.
    path: Option<Box<str>>,
    source: Source,
    whole: Map<Box<str>, Range<usize>>,
    pieces: Option<Pieces>,
    networks: Vec<(Network, Range<usize>)>,
    /// Of each text that rules want a piece: the bytes of an object that holds none hold no such text either.
    in_objects: Option<AhoCorasick>,
    every_rule: Range<usize>,
}

/// The pieces of text that rules want in a field, and the rules of each.
#[derive(Debug)]
struct Pieces {
    automaton: AhoCorasick,
    rules: Vec<Range<usize>>,
}

/// What a worker keeps: for each field the texts in which no piece was found.
#[derive(Debug, Default)]
pub(crate) struct WitnessScratch {
    folded: String,
    memos: Vec<TextMemo>,
    /// A bit a piece of the keywords: whether its rules were tried on the record.
    tried: Vec<u64>,
}

/// The field that a rule had best stand under and the texts it wants there; `None` if it demands none.
pub(crate) fn choose(tree: &Tree, predicates: &[Predicate]) -> Option<(Field, Vec<Key>)> {
    let mut numbers = BTreeSet::new();
    tree.visit_predicates(&mut |number| {
        numbers.insert(number);
    });
    let mut seen = HashSet::new();
    let fields: Vec<&Field> = numbers
        .iter()
        .map(|number| &predicates[*number as usize])
        .filter(|predicate| {
            matches!(
                predicate.test,
                Test::Text(_)
                    | Test::Regex(_)
                    | Test::OneOf(_)
                    | Test::AnyEdge(_)
                    | Test::AnyPiece(_)
                    | Test::Network(_)
                    | Test::AnyNetwork(_)
            )
        })
        .map(|predicate| &predicate.field)
        .filter(|field| seen.insert(*field))
        .collect();
    let mut best: Option<(usize, &Field, Vec<Key>)> = None;
    for field in fields {
        if !matches!(field, Field::AnyLeaf) && field.keys().is_none() {
            continue;
        }
        let Some(keys) = tree.keys(field, predicates).filter(|keys| are_usable(field, keys)) else {
            continue;
        };
        let is_common = keys.iter().any(|key| COMMON.contains(&key.text()));
        let depth = field.keys().map_or(0, |keys| keys.matches('.').count());
        let price = weakness(&keys) * 4
            + depth
            + usize::from(is_common) * 20
            + usize::from(*field == Field::AnyLeaf) * 100;
        if best.as_ref().is_none_or(|(least, ..)| price < *least) {
            best = Some((price, field, keys));
        }
    }
    best.map(|(_, field, keys)| (field.clone(), keys))
}

fn are_usable(field: &Field, keys: &[Key]) -> bool {
    let bytes: usize = keys.iter().map(|key| key.text().len()).sum();
    bytes <= KEYS_BYTES_MAX
        && keys.iter().all(|key| match key {
            Key::Exact(_) | Key::Network(_) => *field != Field::AnyLeaf,
            Key::Prefix(text) | Key::Contains(text) => {
                text.is_ascii() && text.len() >= PIECE_BYTES_MIN
            }
        })
}

impl Witnesses {
    /// `write` makes a list of candidates.
    pub(crate) fn new(
        stands: &[Stand],
        fields: &Fields,
        mut write: impl FnMut(&[u32]) -> Range<usize>,
    ) -> Self {
        let mut places: BTreeMap<String, FieldPlaces<'_>> = BTreeMap::new();
        for (rule, stand) in (0_u32..).zip(stands) {
            let Stand::Witness { field, keys } = stand else { continue };
            let of_field = places.entry(field.to_string()).or_insert_with(|| FieldPlaces {
                field,
                whole: BTreeMap::new(),
                pieces: BTreeMap::new(),
                networks: BTreeMap::new(),
                every_rule: BTreeSet::new(),
            });
            of_field.every_rule.insert(rule);
            for key in keys {
                let rules = match key {
                    Key::Exact(text) => of_field.whole.entry(text.as_str()).or_default(),
                    Key::Network(network) => of_field.networks.entry(*network).or_default(),
                    Key::Prefix(text) | Key::Contains(text) => {
                        of_field.pieces.entry(text.as_str()).or_default()
                    }
                };
                rules.push(rule);
            }
        }
        let compiled = places.into_values().filter_map(|places| places.compile(fields, &mut write));
        Self { fields: compiled.collect() }
    }

    /// Calls `visit` with the rules whose witness the record may hold.
    pub(crate) fn visit(
        &self,
        view: View<'_>,
        scratch: &mut WitnessScratch,
        visit: &mut impl FnMut(&Range<usize>),
    ) {
        let WitnessScratch { folded, memos, tried } = scratch;
        memos.resize_with(self.fields.len(), TextMemo::default);
        for (field, memo) in self.fields.iter().zip(memos) {
            match field.source {
                Source::Node(node) => field.visit(node, view, folded, memo, visit),
                _ => field.visit_leaves(view, tried, visit),
            }
        }
    }
}

/// What can be asked without a parsed record.
impl Witnesses {
    /// The fields with their numbers and paths.
    pub(crate) fn paths(&self) -> impl Iterator<Item = (usize, &str)> {
        let numbered = self.fields.iter().enumerate();
        numbered.filter_map(|(number, field)| Some((number, field.path.as_deref()?)))
    }

    /// Whether a text of a field may be a witness of some rule.
    pub(crate) fn may_hold(
        &self,
        number: usize,
        text: &[u8],
        scratch: &mut WitnessScratch,
    ) -> bool {
        let WitnessScratch { folded, memos, .. } = scratch;
        memos.resize_with(self.fields.len(), TextMemo::default);
        memos[number].get(text, ANY, || self.may_hold_once(number, text, folded))
    }

    /// The same, of a text that is not remembered.
    pub(crate) fn may_hold_once(&self, number: usize, text: &[u8], folded: &mut String) -> bool {
        let field = &self.fields[number];
        let text = str::from_utf8(text).unwrap_or_default();
        field.can_only_try_all()
            || field.is_whole(text, folded)
            || field.has_piece(text)
            || field.is_in_network(text)
    }

    /// Whether a text of a field that is an object of these bytes, which are ASCII and hold no escapes, may be a witness of some rule.
    pub(crate) fn may_hold_in_object(&self, number: usize, object: &[u8]) -> bool {
        self.fields[number].in_objects.as_ref().is_none_or(|pieces| pieces.is_match(object))
    }

    /// Whether keywords may stand in a record of these bytes, which are ASCII and hold no escapes.
    pub(crate) fn may_hold_leaf(&self, record: &[u8]) -> bool {
        let mut of_leaves = self.fields.iter().filter(|field| field.path.is_none());
        of_leaves.any(|field| {
            field.pieces.as_ref().is_none_or(|pieces| pieces.automaton.is_match(record))
        })
    }
}

/// The rules under one field, before programs are written.
struct FieldPlaces<'s> {
    field: &'s Field,
    whole: BTreeMap<&'s str, Vec<u32>>,
    pieces: BTreeMap<&'s str, Vec<u32>>,
    networks: BTreeMap<Network, Vec<u32>>,
    every_rule: BTreeSet<u32>,
}

impl FieldPlaces<'_> {
    fn compile(
        self,
        fields: &Fields,
        write: &mut impl FnMut(&[u32]) -> Range<usize>,
    ) -> Option<WitnessField> {
        let source = match self.field {
            Field::AnyLeaf => Source::AnyLeaf,
            field => Source::Node(fields.node(field.keys()?)?),
        };
        let path = self.field.keys().map(Box::from);
        let in_objects = path.as_ref().and_then(|_| self.in_objects());
        let every_rule: Vec<u32> = self.every_rule.into_iter().collect();
        let every_rule = write(&every_rule);
        let networks =
            self.networks.iter().map(|(network, rules)| (*network, write(rules))).collect();
        let whole = self.whole.iter().map(|(text, rules)| ((*text).into(), write(rules))).collect();
        // Memory for an automaton is bounded by the loader's limits; if it can't be built all the same, every rule of
        // the field is tried.
        let automaton =
            AhoCorasick::builder().ascii_case_insensitive(true).build(self.pieces.keys());
        let pieces = match automaton {
            _ if self.pieces.is_empty() => None,
            Ok(automaton) => Some(Pieces {
                automaton,
                rules: self.pieces.values().map(|rules| write(rules)).collect(),
            }),
            Err(_) => {
                return Some(WitnessField {
                    path,
                    source,
                    whole: Map::default(),
                    pieces: None,
                    networks: Vec::new(),
                    in_objects: None,
                    every_rule,
                });
            }
        };
        Some(WitnessField { path, source, whole, pieces, networks, in_objects, every_rule })
    }

    /// What the bytes of an object are searched for; `None` if they say nothing of some text, or if there is much to search for.
    fn in_objects(&self) -> Option<AhoCorasick> {
        let keys = self.whole.keys().chain(self.pieces.keys());
        let pieces: BTreeSet<&str> = keys.map(|text| in_one_token(text)).collect::<Option<_>>()?;
        let bytes: usize = pieces.iter().map(|piece| piece.len()).sum();
        if !self.networks.is_empty() || bytes > OBJECT_BYTES_MAX {
            return None;
        }
        // The smaller kind: one stands under each of many calls.
        let kind = Some(AhoCorasickKind::ContiguousNFA);
        AhoCorasick::builder().ascii_case_insensitive(true).kind(kind).build(pieces).ok()
    }
}

impl WitnessField {
    fn visit(
        &self,
        node: NodeId,
        view: View<'_>,
        folded: &mut String,
        memo: &mut TextMemo,
        visit: &mut impl FnMut(&Range<usize>),
    ) {
        let value = match view.at(node) {
            At::Missing => return,
            At::Walk => return visit(&self.every_rule),
            At::Value(value) => value,
        };
        let Some(text) = value.as_str() else {
            if !value.is_null() {
                visit(&self.every_rule);
            }
            return;
        };
        if self.can_only_try_all() {
            return visit(&self.every_rule);
        }
        let bytes = text.as_bytes();
        if !self.whole.is_empty() && memo.get(bytes, WHOLE, || self.is_whole(text, folded)) {
            fold::fold_into(text, folded);
            self.whole.get(folded.as_str()).into_iter().for_each(&mut *visit);
        }
        if let Some(pieces) = &self.pieces
            && memo.get(bytes, PIECE, || self.has_piece(text))
        {
            if !text.is_ascii() {
                return visit(&self.every_rule);
            }
            pieces.find(text, &mut |piece| visit(&pieces.rules[piece]));
        }
        if !self.networks.is_empty()
            && memo.get(bytes, NETWORK, || self.is_in_network(text))
            && let Some(address) = address(text)
        {
            self.networks_of(address).for_each(visit);
        }
    }

    fn can_only_try_all(&self) -> bool {
        self.whole.is_empty() && self.pieces.is_none() && self.networks.is_empty()
    }

    fn is_whole(&self, text: &str, folded: &mut String) -> bool {
        fold::fold_into(text, folded);
        self.whole.contains_key(folded.as_str())
    }

    fn has_piece(&self, text: &str) -> bool {
        let found = |pieces: &Pieces| !text.is_ascii() || pieces.automaton.is_match(text);
        self.pieces.as_ref().is_some_and(found)
    }

    fn is_in_network(&self, text: &str) -> bool {
        address(text).is_some_and(|address| self.networks_of(address).next().is_some())
    }

    fn networks_of(&self, address: IpAddr) -> impl Iterator<Item = &Range<usize>> {
        let holding = self.networks.iter().filter(move |(network, _)| network.holds(address));
        holding.map(|(_, rules)| rules)
    }

    /// Keywords look at every string and number of the record. The rules of a piece are tried once, however many of them
    /// hold it.
    fn visit_leaves(
        &self,
        view: View<'_>,
        tried: &mut Vec<u64>,
        visit: &mut impl FnMut(&Range<usize>),
    ) {
        let Some(pieces) = &self.pieces else { return visit(&self.every_rule) };
        tried.clear();
        tried.resize(pieces.rules.len().div_ceil(64), 0);
        value::leaves(view.root(), &mut |text| {
            if !text.is_ascii() {
                visit(&self.every_rule);
                return true;
            }
            pieces.find(text, &mut |piece| {
                let (word, bit) = (piece / 64, 1_u64 << (piece % 64));
                if tried[word] & bit == 0 {
                    tried[word] |= bit;
                    visit(&pieces.rules[piece]);
                }
            });
            false
        });
    }
}

impl Pieces {
    /// Calls `found` with the number of each piece that stands in the text; one that stands there again may come again.
    fn find(&self, text: &str, found: &mut dyn FnMut(usize)) {
        let mut state = OverlappingState::start();
        let input = Input::new(text);
        let mut left = PIECES_FOUND_MAX.max(self.rules.len());
        loop {
            self.automaton.find_overlapping(input.clone(), &mut state);
            let Some(one) = state.get_match() else { return };
            found(one.pattern().as_usize());
            left -= 1;
            // A text that holds pieces over and over is no reason to look at it for ever: then all of them count.
            if left == 0 {
                return (0..self.rules.len()).for_each(found);
            }
        }
    }
}
