//! The gate: records that no rule can match, told before they are parsed.
//!
//! Nearly every record is one that no rule asks for. What the index needs to know that is a few texts: the source and
//! the name, and the fields that other rules have their witness in. A [`Glance`] shows where these stand in the bytes of
//! the record, and the index is asked what it would be asked of a parsed record. Wherever the answer is not certain (a
//! key that comes twice, a key with a dot, an array on the way, a number where a text should be) the record passes: the
//! gate only ever turns away what [`RuleSet::matches_into`](crate::RuleSet::matches_into) would not match.

use std::ops::ControlFlow;

use trailloop_cloudtrail::{Glance, JsonTexts, Sight};

use crate::fields::{Fields, NAME, NodeId, Print, ROOT, SOURCE};
use crate::index::{Index, IndexScratch};

/// So many keys are remembered.
const KEYS_SEEN: usize = 256;

/// The fields that the gate looks at.
#[derive(Debug)]
pub(crate) struct Gate {
    fields: Fields,
    /// For each node the number of the index's witness field, if it is one.
    witnesses: Vec<Option<usize>>,
}

/// What a worker keeps for the gate.
#[derive(Debug, Default)]
pub(crate) struct GateScratch {
    /// A bit a node: whether the record had it already.
    had: Vec<u64>,
    /// What is known of keys, each in one place: records have a few dozen different ones.
    seen: Vec<Seen>,
}

/// A key of a node's object, and the child it is, if it is one.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    print: Print,
    node: NodeId,
    child: Option<NodeId>,
}

/// Going on means that no rule was found yet, breaking that one may match.
type Flow = ControlFlow<()>;

impl Gate {
    pub(crate) fn new(index: &Index) -> Self {
        let fields = Fields::new(index.witness_paths().map(|(_, path)| path));
        let mut witnesses = vec![None; fields.len()];
        for (number, path) in index.witness_paths() {
            if let Some(node) = fields.node(path) {
                witnesses[node as usize] = Some(number);
            }
        }
        Self { fields, witnesses }
    }

    /// Whether some rule of the index may match the record.
    pub(crate) fn lets_pass(
        &self,
        glance: &Glance<'_>,
        index: &Index,
        scratch: &mut GateScratch,
        index_scratch: &mut IndexScratch,
    ) -> bool {
        if !glance.is_plain() || index.asks_every_record() {
            return true;
        }
        if index.is_empty() {
            return false;
        }
        scratch.had.clear();
        scratch.had.resize(self.fields.len().div_ceil(64), 0);
        scratch.seen.resize(KEYS_SEEN, Seen::default());
        let mut look = Look { gate: self, index, scratch, index_scratch, source: None, name: None };
        if look.at_object(ROOT, glance).is_break() {
            return true;
        }
        match (look.source, look.name) {
            (Some(source), Some(name)) => {
                index.may_hold_call(source, name, index_scratch)
                    || index.may_hold_leaf(glance.raw())
            }
            _ => true,
        }
    }
}

/// A look at one record.
struct Look<'l, 't> {
    gate: &'l Gate,
    index: &'l Index,
    scratch: &'l mut GateScratch,
    index_scratch: &'l mut IndexScratch,
    source: Option<&'t str>,
    name: Option<&'t str>,
}

impl<'t> Look<'_, 't> {
    fn at_object(&mut self, node: NodeId, glance: &Glance<'t>) -> Flow {
        glance.members(|key, value| {
            let print = Print::of(key);
            let place = print.hash() % KEYS_SEEN;
            let seen = &self.scratch.seen[place];
            let child = if seen.print == print && seen.node == node && print.is_whole() {
                seen.child
            } else {
                let child = self.find_child(node, key)?;
                self.scratch.seen[place] = Seen { print, node, child };
                child
            };
            match child {
                Some(child) => self.at_value(child, value),
                None => Flow::Continue(()),
            }
        })
    }

    /// The child that a key is. One that holds a dot may stand in the way of a child.
    fn find_child(&self, node: NodeId, key: &[u8]) -> ControlFlow<(), Option<NodeId>> {
        // The record is ASCII.
        let key = str::from_utf8(key).unwrap_or_default();
        match key.split_once('.') {
            None => ControlFlow::Continue(self.gate.fields.child(node, key)),
            Some((start, _)) if self.gate.fields.child(node, start).is_none() => {
                ControlFlow::Continue(None)
            }
            Some(_) => ControlFlow::Break(()),
        }
    }

    fn at_value(&mut self, node: NodeId, value: Sight<'t>) -> Flow {
        let (word, bit) = (node as usize / 64, 1_u64 << (node % 64));
        if self.scratch.had[word] & bit != 0 {
            return Flow::Break(());
        }
        self.scratch.had[word] |= bit;
        let is_inner = !self.gate.fields.children(node).is_empty();
        let witness = self.gate.witnesses[node as usize];
        match value {
            Sight::Text(text) => {
                let text = str::from_utf8(text).unwrap_or_default();
                // A path may go on into JSON that a string holds.
                if is_inner && JsonTexts::may_hold(text) {
                    return Flow::Break(());
                }
                self.at_text(node, witness, text)
            }
            Sight::Null => Flow::Continue(()),
            Sight::Object(object) if witness.is_none() && is_inner => self.at_object(node, &object),
            Sight::Other if witness.is_none() && is_inner => Flow::Continue(()),
            Sight::Object(_) | Sight::Array | Sight::Other => Flow::Break(()),
        }
    }

    fn at_text(&mut self, node: NodeId, witness: Option<usize>, text: &'t str) -> Flow {
        match node {
            SOURCE => self.source = Some(text),
            NAME => self.name = Some(text),
            _ => {}
        }
        match witness {
            Some(number) if self.index.may_hold_witness(number, text, self.index_scratch) => {
                Flow::Break(())
            }
            _ => Flow::Continue(()),
        }
    }
}
