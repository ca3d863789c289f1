//! Finding a field's values in a record.
//!
//! A dotted path walks through arrays at any depth, and a key that itself holds dots wins over the path. The walk
//! hands every end it reaches to a visitor: a value, or nothing where the path breaks off. What a field's values are
//! is decided here alone, so a walk that enters JSON held in a string has one place to go: [`walk`]'s last arm.
//!
//! Nearly every lookup begins at one of a few keys of the record itself. [`View`] finds those in one pass over the
//! record and keeps them in slots. A record that the slots can't stand for (a needed key repeated, a key with a dot)
//! is walked from its root instead: slower, never different.

use trailloop_cloudtrail::{Kind, Value};

/// A visitor of what a path leads to; `true` ends the walk.
pub(crate) type Visit<'v, 'a> = &'v mut dyn FnMut(Option<Value<'a>>) -> bool;

/// At most so many root keys have slots; fields below further ones are walked from the root.
pub(crate) const SLOTS_MAX: usize = 32;

/// The slot of `eventSource`.
pub(crate) const SOURCE_SLOT: usize = 0;

/// The slot of `eventName`.
pub(crate) const NAME_SLOT: usize = 1;

/// Root keys that nearly every record has. Knowing those that no rule asks for spares a look for dots in them.
const USUAL_KEYS: &[&str] = &[
    "additionalEventData",
    "awsRegion",
    "errorCode",
    "errorMessage",
    "eventCategory",
    "eventID",
    "eventTime",
    "eventType",
    "eventVersion",
    "managementEvent",
    "readOnly",
    "recipientAccountId",
    "requestID",
    "requestParameters",
    "resources",
    "responseElements",
    "serviceEventDetails",
    "sessionCredentialFromConsole",
    "sharedEventID",
    "sourceIPAddress",
    "tlsDetails",
    "userAgent",
    "userIdentity",
    "vpcEndpointId",
];

/// Marks an unused place of the table.
const EMPTY: u8 = u8::MAX;

/// A path that knows its slot.
#[derive(Clone, Debug)]
pub(crate) struct FieldPath {
    path: Box<str>,
    slot: Option<usize>,
    /// Where the path goes on after the slot's key.
    rest: usize,
}

/// The root keys that have slots, as a hash table of their numbers.
#[derive(Clone, Debug)]
pub(crate) struct Roots {
    keys: Vec<Box<str>>,
    /// How many of the keys have slots; those after them are only known.
    slots: usize,
    table: [u8; 256],
}

/// A record with its root keys found.
pub(crate) struct View<'a> {
    root: Value<'a>,
    slots: [Option<Value<'a>>; SLOTS_MAX],
    /// Whether the slots stand for the record.
    is_plain: bool,
}

impl Roots {
    pub(crate) fn new() -> Self {
        let mut roots = Self { keys: Vec::new(), slots: 0, table: [EMPTY; 256] };
        roots.add("eventSource");
        roots.add("eventName");
        roots
    }

    /// The path with its slot, which is taken if there is one left.
    pub(crate) fn field(&mut self, path: &str) -> FieldPath {
        let first = path.split('.').next().unwrap_or_default();
        let slot = self.number_of(first).or_else(|| self.add(first));
        let rest = path.len().min(first.len() + 1);
        FieldPath { path: path.into(), slot, rest }
    }

    /// Takes note of the usual keys that have got no slot, once every field is known.
    pub(crate) fn finish(&mut self) {
        self.slots = self.keys.len();
        for key in USUAL_KEYS {
            if self.number_of(key).is_none() {
                self.insert(key);
            }
        }
    }

    fn add(&mut self, key: &str) -> Option<usize> {
        (self.keys.len() < SLOTS_MAX).then(|| self.insert(key))
    }

    fn insert(&mut self, key: &str) -> usize {
        let slot = self.keys.len();
        let number =
            u8::try_from(slot).expect("slots and usual keys are fewer than the table's places");
        let mut at = place(key);
        while self.table[at] != EMPTY {
            at = (at + 1) % self.table.len();
        }
        self.table[at] = number;
        self.keys.push(key.into());
        slot
    }

    fn number_of(&self, key: &str) -> Option<usize> {
        let mut at = place(key);
        while self.table[at] != EMPTY {
            let slot = usize::from(self.table[at]);
            if *self.keys[slot] == *key {
                return Some(slot);
            }
            at = (at + 1) % self.table.len();
        }
        None
    }
}

/// A key's first place in the table. Length, first and last byte tell CloudTrail's root keys apart well.
fn place(key: &str) -> usize {
    let bytes = key.as_bytes();
    let first = bytes.first().copied().map_or(0, usize::from);
    let last = bytes.last().copied().map_or(0, usize::from);
    (bytes.len() * 7 + first * 31 + last * 3) % 256
}

impl<'a> View<'a> {
    pub(crate) fn new(root: Value<'a>, roots: &Roots) -> Self {
        let mut view = Self { root, slots: [None; SLOTS_MAX], is_plain: true };
        let Kind::Object(members) = root.kind() else {
            view.is_plain = false;
            return view;
        };
        for (key, value) in members {
            match roots.number_of(key) {
                Some(slot) if slot >= roots.slots => {}
                Some(slot) => {
                    view.is_plain &= view.slots[slot].is_none();
                    view.slots[slot] = Some(value);
                }
                None => view.is_plain &= !key.as_bytes().contains(&b'.'),
            }
        }
        view
    }

    pub(crate) fn root(&self) -> Value<'a> {
        self.root
    }

    /// The texts of `eventSource` and `eventName`, if the record has exactly one of each and both are strings. Only
    /// then may an index stand for the tests on them.
    pub(crate) fn source_and_name(&self) -> Option<(&'a str, &'a str)> {
        if !self.is_plain {
            return None;
        }
        let text = |slot: usize| self.slots[slot].and_then(|value| value.as_str());
        Some((text(SOURCE_SLOT)?, text(NAME_SLOT)?))
    }

    /// The text of a field, if it is one string of the record itself: the short cut for nearly every test.
    pub(crate) fn text(&self, field: &FieldPath) -> Option<&'a str> {
        if !self.is_plain || field.rest < field.path.len() {
            return None;
        }
        self.slots[field.slot?]?.as_str()
    }

    /// Visits everything a path leads to.
    pub(crate) fn visit(&self, field: &FieldPath, visit: Visit<'_, 'a>) -> bool {
        match field.slot {
            Some(slot) if self.is_plain => match self.slots[slot] {
                Some(value) => walk(value, &field.path[field.rest..], visit),
                None => visit(None),
            },
            _ => walk(self.root, &field.path, visit),
        }
    }
}

/// Follows `path` from a value. The recursion is bounded by the depth of records.
fn walk<'a>(value: Value<'a>, path: &str, visit: Visit<'_, 'a>) -> bool {
    if path.is_empty() {
        return visit(Some(value));
    }
    match value.kind() {
        Kind::Object(members) => {
            // A key fits if it is the path up to a dot or its end. The longest wins; all of its repetitions count.
            let fitting = |key: &str| {
                path.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            let mut longest: Option<(usize, Value<'a>)> = None;
            let mut is_repeated = false;
            for (key, member) in members.clone() {
                if !fitting(key) {
                    continue;
                }
                let length = longest.map(|(length, _)| length);
                if length.is_none_or(|length| length < key.len()) {
                    longest = Some((key.len(), member));
                    is_repeated = false;
                } else if length == Some(key.len()) {
                    is_repeated = true;
                }
            }
            let Some((length, member)) = longest else { return visit(None) };
            let rest = path.get(length + 1..).unwrap_or_default();
            if !is_repeated {
                return walk(member, rest, visit);
            }
            members
                .filter(|(key, _)| key.len() == length && fitting(key))
                .any(|(_, member)| walk(member, rest, visit))
        }
        Kind::Array(elements) => {
            let mut is_empty = true;
            for element in elements {
                is_empty = false;
                if walk(element, path, visit) {
                    return true;
                }
            }
            is_empty && visit(None)
        }
        _ => visit(None),
    }
}
