//! A record as rules see it: where a field's values are.
//!
//! What a field's values are is decided by [`walk`] alone: a path goes through arrays, a key that itself holds dots wins
//! over the path, a repeated key stands for all its values, and a path may go on into JSON that a string holds. Nearly
//! every lookup needs none of that, so a [`View`] first looks along the trie of the fields that rules ask for, level
//! by level, and remembers where each node lies. A node for which that can't stand (an array on the way, a repeated or
//! dotted key, JSON in a string) is marked, and its fields are walked to instead: slower, never different.

use std::cell::Cell;

use trailloop_cloudtrail::{JsonTexts, Kind, Position, Record, Value};
use trailloop_enrichment::Enriched;

use crate::derived::{Derived, DerivedTexts};
use crate::enriched::{EnrichedTexts, Facts};
use crate::fields::{Fields, NAME, NodeId, Print, ROOT, SOURCE};
use crate::path::{Part, Path};

/// A visitor of what a path leads to, nothing where it breaks off; `true` ends the walk.
pub(crate) type Visit<'v, 'a> = &'v mut dyn FnMut(Option<Value<'a>>) -> bool;

/// A path goes on into strings inside strings this deep.
const TEXTS_DEEP_MAX: u32 = 4;

/// The node has no value.
const MISSING: u32 = u32::MAX;

/// The node's values have to be walked to.
const WALK: u32 = u32::MAX - 1;

/// What a worker keeps from record to record for its views.
#[derive(Debug, Default)]
pub(crate) struct ViewScratch {
    /// Where each node of the trie lies in the record, if its parent was looked through.
    places: Vec<Cell<u32>>,
    /// A bit a node: whether it was looked through.
    looked: Vec<Cell<u64>>,
    /// Which key stood at each place of the record before, then of its objects: records of one kind have the same keys in the
    /// same order.
    seen: Vec<Seen>,
    texts: JsonTexts,
    derived: DerivedTexts,
    enriched: EnrichedTexts,
}

/// A key seen at a place, and the child it is, if it is one.
#[derive(Debug, Default)]
struct Seen {
    print: Cell<Print>,
    child: Cell<Option<NodeId>>,
}

/// So many keys of a record are recognised by their place, and so many of an object in it.
const ROOT_SEEN_MAX: usize = 40;
const SEEN_MAX: usize = 16;

/// A record with its own keys found.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    record: Record<'a>,
    fields: &'a Fields,
    facts: &'a Facts,
    scratch: &'a ViewScratch,
}

/// Where a node's values are.
pub(crate) enum At<'a> {
    Missing,
    Value(Value<'a>),
    /// Only a walk can tell.
    Walk,
}

impl<'a> View<'a> {
    pub(crate) fn new(
        record: &'a Record<'_>,
        fields: &'a Fields,
        facts: &'a Facts,
        scratch: &'a mut ViewScratch,
    ) -> Self {
        scratch.texts.begin(record.raw().len());
        scratch.derived.clear();
        scratch.enriched.clear();
        scratch.places.resize_with(fields.len(), || Cell::new(MISSING));
        let places_seen = ROOT_SEEN_MAX + fields.inner_count() * SEEN_MAX;
        scratch.seen.resize_with(places_seen, Seen::default);
        let words = fields.len().div_ceil(64);
        scratch.looked.clear();
        scratch.looked.resize_with(words, || Cell::new(0));
        let view = Self { record: *record, fields, facts, scratch };
        view.look_through_record();
        view
    }

    /// The texts of `eventSource` and `eventName`, if the record has exactly one of each and both are strings. Only
    /// then may an index stand for the tests on them.
    pub(crate) fn source_and_name(&self) -> Option<(&'a str, &'a str)> {
        Some((self.text(SOURCE)?, self.text(NAME)?))
    }

    pub(crate) fn root(&self) -> Value<'a> {
        self.record.root()
    }

    pub(crate) fn texts(&self) -> &'a JsonTexts {
        &self.scratch.texts
    }

    /// The text of a node, if it is one string.
    pub(crate) fn text(&self, id: NodeId) -> Option<&'a str> {
        match self.at(id) {
            At::Value(value) => value.as_str(),
            _ => None,
        }
    }

    /// Where the values of a node are.
    pub(crate) fn at(&self, id: NodeId) -> At<'a> {
        match self.place(id) {
            MISSING => At::Missing,
            WALK => At::Walk,
            place => At::Value(self.record.value_at(Position::of(place))),
        }
    }

    /// Visits everything a node's path leads to.
    pub(crate) fn visit(&self, id: NodeId, visit: Visit<'_, 'a>) -> bool {
        match self.at(id) {
            At::Missing => visit(None),
            At::Value(value) => visit(Some(value)),
            At::Walk => self.walk(self.fields.path(id), visit),
        }
    }

    /// Visits everything a path of the record leads to.
    pub(crate) fn walk(&self, path: &Path, visit: Visit<'_, 'a>) -> bool {
        walk(self.root(), &path.parts, self.texts(), visit)
    }

    /// Calls `visit` with each value of a derived field until it returns `true`.
    pub(crate) fn derived(&self, derived: Derived, visit: &mut dyn FnMut(&str) -> bool) -> bool {
        self.scratch.derived.visit(derived, &|path| self.one_at(path), visit)
    }

    /// Calls `visit` with the value of an enriched field, if it has one.
    pub(crate) fn enriched(&self, field: Enriched, visit: &mut dyn FnMut(&str) -> bool) -> bool {
        let get = |path: &str| self.one_at(path);
        let derived = |derived, visit: &mut dyn FnMut(&str) -> bool| self.derived(derived, visit);
        self.scratch.enriched.visit(field, self.facts, (&get, &derived), visit)
    }

    /// The value at a dotted path of the record; of several the last.
    fn one_at(&self, path: &str) -> Option<Value<'a>> {
        match self.fields.node(path).map(|id| self.at(id)) {
            Some(At::Value(value)) => Some(value),
            Some(At::Missing) => None,
            Some(At::Walk) | None => {
                let mut keys = path.split('.');
                keys.try_fold(self.root(), |value, key| value.get(key))
            }
        }
    }

    fn place(&self, id: NodeId) -> u32 {
        if id == ROOT {
            return 0;
        }
        let parent = self.fields.parent(id);
        if parent != ROOT {
            let (word, bit) = (parent as usize / 64, 1_u64 << (parent % 64));
            let looked = &self.scratch.looked[word];
            if looked.get() & bit == 0 {
                looked.set(looked.get() | bit);
                self.look_through(parent);
            }
        }
        self.scratch.places[id as usize].get()
    }

    fn look_through_record(&self) {
        let places = &self.scratch.places;
        let children = self.fields.children(ROOT);
        let range = children.start as usize..children.end as usize;
        places[range].iter().for_each(|place| place.set(MISSING));
        self.look_at_members(ROOT, Position::of(0), &self.scratch.seen[..ROOT_SEEN_MAX]);
    }

    /// Notes where the members of an object lie that are children of a node.
    #[inline]
    fn look_at_members(&self, id: NodeId, object: Position, seen: &[Seen]) {
        let mut seen = seen.iter();
        for (key, position) in self.record.members_at(object) {
            let print = Print::of(key);
            let child = match seen.next() {
                Some(seen) if seen.print.get() == print && print.is_whole() => seen.child.get(),
                seen => self.find_child(id, key, print, seen),
            };
            if let Some(child) = child {
                self.put(child, position);
            }
        }
    }

    /// Finds the children of a node.
    fn look_through(&self, id: NodeId) {
        let children = self.fields.children(id);
        let range = children.start as usize..children.end as usize;
        let all = |state: u32| {
            self.scratch.places[range.clone()].iter().for_each(|place| place.set(state));
        };
        let place = match self.place(id) {
            place @ (MISSING | WALK) => return all(place),
            place => Position::of(place),
        };
        match self.record.value_at(place).kind() {
            Kind::Object(_) => {
                all(MISSING);
                let first = ROOT_SEEN_MAX + self.fields.inner(id) * SEEN_MAX;
                self.look_at_members(id, place, &self.scratch.seen[first..first + SEEN_MAX]);
            }
            Kind::Array(_) => all(WALK),
            Kind::String(text) if JsonTexts::may_hold(text) => all(WALK),
            _ => all(MISSING),
        }
    }

    /// The child that a key is. One that holds a dot may stand in the way of a child.
    fn find_child(
        &self,
        id: NodeId,
        key: &str,
        print: Print,
        seen: Option<&Seen>,
    ) -> Option<NodeId> {
        if let Some(first) = before_dot(key) {
            if let Some(child) = self.fields.child(id, first) {
                self.scratch.places[child as usize].set(WALK);
            }
            return None;
        }
        let child = self.fields.child(id, key);
        if let Some(seen) = seen {
            seen.print.set(print);
            seen.child.set(child);
        }
        child
    }

    /// Notes where a child lies; a second one of the same key can't be told by one place.
    #[inline]
    fn put(&self, id: NodeId, position: Position) {
        let place = &self.scratch.places[id as usize];
        place.set(if place.get() == MISSING { position.number() } else { WALK });
    }
}

/// What stands before the first dot of a key, if it holds one.
#[inline]
fn before_dot(key: &str) -> Option<&str> {
    let dot = key.bytes().position(|byte| byte == b'.')?;
    key.get(..dot)
}

/// Follows a path from a value. The recursion is bounded by the depth of records and of texts inside them.
pub(crate) fn walk<'a>(
    value: Value<'a>,
    parts: &[Part],
    texts: &'a JsonTexts,
    visit: Visit<'_, 'a>,
) -> bool {
    Walk { texts }.parts(value, parts, 0, visit)
}

/// Calls `visit` with each element that a scope's path ends in: the elements of an array, also of one that a string
/// holds as JSON; another value is an array of one, null one of none.
pub(crate) fn elements<'a>(
    value: Value<'a>,
    texts: &'a JsonTexts,
    visit: &mut dyn FnMut(Value<'a>) -> bool,
) -> bool {
    let in_text = value.as_str().and_then(|text| texts.parse(text));
    match (value.kind(), in_text.map(|value| value.kind())) {
        (Kind::Null, _) => false,
        (Kind::Array(mut elements), _) | (_, Some(Kind::Array(mut elements))) => {
            elements.any(visit)
        }
        _ => visit(value),
    }
}

#[derive(Clone, Copy)]
struct Walk<'a> {
    texts: &'a JsonTexts,
}

impl<'a> Walk<'a> {
    fn parts(self, value: Value<'a>, parts: &[Part], deep: u32, visit: Visit<'_, 'a>) -> bool {
        match parts {
            [] => visit(Some(value)),
            [Part::Keys(keys), rest @ ..] => self.keys(value, keys, rest, deep, visit),
            [Part::Index(index), rest @ ..] => match value.kind() {
                Kind::Array(mut elements) => {
                    let length = || i64::try_from(elements.clone().count()).unwrap_or(i64::MAX);
                    let nth = if *index < 0 { length().checked_add(*index) } else { Some(*index) };
                    match nth.and_then(|nth| elements.nth(usize::try_from(nth).ok()?)) {
                        Some(element) => self.parts(element, rest, deep, visit),
                        None => visit(None),
                    }
                }
                Kind::String(text) => match self.held(text, deep) {
                    Some(held) => self.parts(held, parts, deep + 1, visit),
                    None => visit(None),
                },
                _ => visit(None),
            },
        }
    }

    fn held(self, text: &str, deep: u32) -> Option<Value<'a>> {
        if deep < TEXTS_DEEP_MAX { self.texts.parse(text) } else { None }
    }

    fn keys(
        self,
        value: Value<'a>,
        keys: &str,
        rest: &[Part],
        deep: u32,
        visit: Visit<'_, 'a>,
    ) -> bool {
        if keys.is_empty() {
            return self.parts(value, rest, deep, visit);
        }
        match value.kind() {
            Kind::Object(members) => {
                let Some(taken) = longest(members.clone(), keys) else { return visit(None) };
                let below = keys.get(taken + 1..).unwrap_or_default();
                let is_it = |key: &str| key.len() == taken && keys.starts_with(key);
                let mut fitting = members.filter(|(key, _)| is_it(key));
                fitting.any(|(_, member)| self.keys(member, below, rest, deep, visit))
            }
            Kind::Array(elements) => {
                let mut is_empty = true;
                for element in elements {
                    is_empty = false;
                    if self.keys(element, keys, rest, deep, visit) {
                        return true;
                    }
                }
                is_empty && visit(None)
            }
            Kind::String(text) => match self.held(text, deep) {
                Some(held) => self.keys(held, keys, rest, deep + 1, visit),
                None => visit(None),
            },
            _ => visit(None),
        }
    }
}

/// The length of the longest key that is the path up to a dot or its end.
fn longest<'a>(members: impl Iterator<Item = (&'a str, Value<'a>)>, keys: &str) -> Option<usize> {
    let fits = |key: &str| {
        keys.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    members.map(|(key, _)| key).filter(|key| fits(key)).map(str::len).max()
}
