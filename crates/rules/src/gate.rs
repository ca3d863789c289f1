//! The gate: records that no rule can match, told before they are parsed.
//!
//! Nearly every record is one that no rule asks for. What the index needs to know that is a few texts: the source and
//! the name, and the fields that other rules have their witness in. A [`Glance`] shows where these stand in the bytes of
//! the record, and the index is asked what it would be asked of a parsed record. Wherever the answer is not certain (a
//! key that comes twice, a key with a dot, an array on the way, a number where a text should be) the record passes: the
//! gate only ever turns away what [`RuleSet::matches_into`](crate::RuleSet::matches_into) would not match.

use std::ops::ControlFlow;

use trailloop_cloudtrail::{Glance, JsonTexts, Keys, Sight};

use crate::fields::{Fields, NAME, NodeId, ROOT, SOURCE};
use crate::index::{Index, IndexScratch};

/// The fields that the gate looks at.
#[derive(Debug)]
pub(crate) struct Gate {
    nodes: Vec<Node>,
}

/// A field, or one that has fields below it.
#[derive(Debug)]
struct Node {
    /// The keys below it, in the order of the nodes that they lead to, of which this is the first.
    keys: Keys,
    first: NodeId,
    is_inner: bool,
    /// The number of the index's witness field, if it is one.
    witness: Option<usize>,
}

/// What a worker keeps for the gate.
#[derive(Debug, Default)]
pub(crate) struct GateScratch {
    /// A bit a node: whether the record had it already.
    had: Vec<u64>,
}

/// Going on means that no rule was found yet, breaking that one may match.
type Flow = ControlFlow<()>;

impl Gate {
    pub(crate) fn new(index: &Index) -> Self {
        let fields = Fields::new(index.witness_paths().map(|(_, path)| path));
        let number = |path: Option<&str>| {
            let mut paths = index.witness_paths();
            paths.find(|(_, one)| Some(*one) == path).map(|(number, _)| number)
        };
        let node = |id: NodeId| {
            let children = fields.children(id);
            Node {
                keys: Keys::new(children.clone().map(|child| fields.key(child))),
                first: children.start,
                is_inner: !children.is_empty(),
                witness: number(fields.path(id).keys()),
            }
        };
        Self { nodes: (0..).take(fields.len()).map(node).collect() }
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
        scratch.had.resize(self.nodes.len().div_ceil(64), 0);
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
    source: Option<&'t [u8]>,
    name: Option<&'t [u8]>,
}

impl<'t> Look<'_, 't> {
    fn at_object(&mut self, node: NodeId, glance: &Glance<'t>) -> Flow {
        let Node { keys, first, .. } = &self.gate.nodes[node as usize];
        glance.members(keys, |nth, value| {
            let nth = u32::try_from(nth).unwrap_or(u32::MAX);
            self.at_value(first.saturating_add(nth), value)
        })
    }

    fn at_value(&mut self, id: NodeId, value: Sight<'t>) -> Flow {
        let (word, bit) = (id as usize / 64, 1_u64 << (id % 64));
        if self.scratch.had[word] & bit != 0 {
            return Flow::Break(());
        }
        self.scratch.had[word] |= bit;
        let Node { is_inner, witness, .. } = self.gate.nodes[id as usize];
        match value {
            Sight::Text(text) => {
                // A path may go on into JSON that a string holds.
                if is_inner && str::from_utf8(text).is_ok_and(JsonTexts::may_hold) {
                    return Flow::Break(());
                }
                self.at_text(id, witness, text)
            }
            Sight::Null => Flow::Continue(()),
            Sight::Object(object) if witness.is_none() && is_inner => self.at_object(id, &object),
            Sight::Other if witness.is_none() && is_inner => Flow::Continue(()),
            Sight::Object(_) | Sight::Array | Sight::Other => Flow::Break(()),
        }
    }

    fn at_text(&mut self, id: NodeId, witness: Option<usize>, text: &'t [u8]) -> Flow {
        match id {
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
