//! The gate: records that no rule can match, told before they are parsed.
//!
//! Nearly every record is one that no rule asks for. What the index needs to know that is a few texts: the source and
//! the name, and the fields that other rules have their witness in. A [`Glance`] shows where these stand in the bytes of
//! the record, and the index is asked what it would be asked of a parsed record. If only the call is asked for, the rules
//! under it may have a [`Second`] demand that the record does not meet: calls that everybody makes are asked for by rules
//! that want something else as well. An object where a text should be is searched for what rules want in it. Wherever the answer is not certain (a key that comes twice, a key with a dot, an
//! array on the way, a number where a text should be) the record passes: the gate only ever turns away what
//! [`RuleSet::matches_into`](crate::RuleSet::matches_into) would not match.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use trailloop_cloudtrail::{Glance, Inside, JsonTexts, Keys, Sight};

use crate::fields::{Fields, NAME, NodeId, ROOT, SOURCE};
use crate::index::{Index, IndexScratch, Stand};
use crate::keys::Key;
use crate::program::Tree;
use crate::test::{Field, Predicate};
use crate::witness::{self, Witnesses};

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
    /// The number of the witness field, if it is one.
    witness: Option<usize>,
}

/// What a worker keeps for the gate.
#[derive(Debug, Default)]
pub(crate) struct GateScratch {
    /// A bit a node: whether the record had it already.
    had: Vec<u64>,
    folded: String,
}

/// The texts of the source and the name, if there is one of each.
#[derive(Clone, Copy, Debug, Default)]
struct Call<'t> {
    source: Option<&'t [u8]>,
    name: Option<&'t [u8]>,
}

/// Going on means that no rule was found yet, breaking that one may match.
type Flow = ControlFlow<()>;

/// Whether the text of a witness field, by its number, may be a witness.
type MayHold<'m> = &'m mut dyn FnMut(usize, &[u8]) -> bool;

impl Gate {
    pub(crate) fn new(witnesses: &Witnesses) -> Self {
        let fields = Fields::new(witnesses.paths().map(|(_, path)| path));
        let numbers: BTreeMap<&str, usize> =
            witnesses.paths().map(|(number, path)| (path, number)).collect();
        let node = |id: NodeId| {
            let children = fields.children(id);
            Node {
                keys: Keys::new(children.clone().map(|child| fields.key(child))),
                first: children.start,
                is_inner: !children.is_empty(),
                witness: fields.path(id).keys().and_then(|path| numbers.get(path)).copied(),
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
        let may_hold = &mut |number, text: &_| index.may_hold_witness(number, text, index_scratch);
        let asked = (index.witnesses(), may_hold as MayHold<'_>);
        let ControlFlow::Continue(call) = self.look(glance, &mut scratch.had, asked) else {
            return true;
        };
        let Call { source: Some(source), name: Some(name) } = call else { return true };
        index.may_hold_call(source, name, index_scratch, |second| second.is_met(glance, scratch))
            || index.may_hold_leaf(glance.raw())
    }

    /// Looks at the fields of a record, and gives the source and the name if no witness may hold.
    fn look<'t>(
        &self,
        glance: &Glance<'t>,
        had: &mut Vec<u64>,
        (witnesses, may_hold): (&Witnesses, MayHold<'_>),
    ) -> ControlFlow<(), Call<'t>> {
        had.clear();
        had.resize(self.nodes.len().div_ceil(64), 0);
        let mut look = Look { gate: self, had, witnesses, may_hold, call: Call::default() };
        look.at_object(ROOT, glance.inside())?;
        ControlFlow::Continue(look.call)
    }
}

/// A look at one record.
struct Look<'l, 't> {
    gate: &'l Gate,
    had: &'l mut [u64],
    witnesses: &'l Witnesses,
    may_hold: MayHold<'l>,
    call: Call<'t>,
}

impl<'t> Look<'_, 't> {
    fn at_object(&mut self, node: NodeId, object: Inside<'t>) -> Flow {
        let Node { keys, first, .. } = &self.gate.nodes[node as usize];
        object.members(keys, |nth, value| {
            let nth = u32::try_from(nth).unwrap_or(u32::MAX);
            self.at_value(first.saturating_add(nth), value)
        })
    }

    #[inline]
    fn at_value(&mut self, id: NodeId, value: Sight<'t>) -> Flow {
        let (word, bit) = (id as usize / 64, 1_u64 << (id % 64));
        if self.had[word] & bit != 0 {
            return Flow::Break(());
        }
        self.had[word] |= bit;
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
            Sight::Object(object) if is_inner || witness.is_some() => {
                if witness.is_some_and(|number| self.may_hold_in(number, object)) {
                    return Flow::Break(());
                }
                if is_inner { self.at_object(id, object) } else { Flow::Continue(()) }
            }
            Sight::Truth(_) | Sight::Other if witness.is_none() && is_inner => Flow::Continue(()),
            Sight::Object(_) | Sight::Array | Sight::Truth(_) | Sight::Other => Flow::Break(()),
        }
    }

    /// Whether a text of an object may be a witness.
    fn may_hold_in(&self, number: usize, object: Inside<'t>) -> bool {
        object.raw().is_none_or(|raw| self.witnesses.may_hold_in_object(number, raw))
    }

    #[inline]
    fn at_text(&mut self, id: NodeId, witness: Option<usize>, text: &'t [u8]) -> Flow {
        match id {
            SOURCE => self.call.source = Some(text),
            NAME => self.call.name = Some(text),
            _ => {}
        }
        match witness {
            Some(number) if (self.may_hold)(number, text) => Flow::Break(()),
            _ => Flow::Continue(()),
        }
    }
}

/// What the rules that stand together under a call demand beside the call. Each of them has a demand; where one has none,
/// there is nothing to ask.
#[derive(Debug)]
pub(crate) struct Second {
    gate: Gate,
    witnesses: Witnesses,
}

/// What demands are known by.
type DemandsKey = Vec<(String, Vec<Key>)>;

/// Demands in the order of their rules.
type Demands = Vec<(Field, Vec<Key>)>;

/// Second demands, each kept once: one rule may stand under many calls.
#[derive(Debug, Default)]
pub(crate) struct Seconds {
    known: BTreeMap<DemandsKey, Option<Arc<Second>>>,
    key_bytes: usize,
}

/// Demands beyond so much text are not looked at: they would cost memory for each call.
const KEYS_BYTES_MAX: usize = 4 << 20;

impl Second {
    /// Whether some demand may be met.
    fn is_met(&self, glance: &Glance<'_>, scratch: &mut GateScratch) -> bool {
        let GateScratch { had, folded } = scratch;
        let may_hold = &mut |number, text: &_| self.witnesses.may_hold_once(number, text, folded);
        self.gate.look(glance, had, (&self.witnesses, may_hold)).is_break()
    }

    fn new(demands: Demands, fields: &Fields) -> Option<Self> {
        let asked: Vec<&Field> = demands.iter().map(|(field, _)| field).collect();
        let stand = |(field, keys): &(Field, Vec<Key>)| Stand::Witness {
            field: field.clone(),
            keys: keys.clone(),
        };
        let stands: Vec<Stand> = demands.iter().map(stand).collect();
        // Which rules these are is for the index: here any list that is not empty does.
        let witnesses = Witnesses::new(&stands, fields, |_| 0..1);
        let is_whole =
            |field: &&Field| witnesses.paths().any(|(_, path)| Some(path) == field.keys());
        asked.iter().all(is_whole).then(|| Self { gate: Gate::new(&witnesses), witnesses })
    }
}

impl Seconds {
    /// The second demands of rules, given what is left of them to be tested.
    pub(crate) fn of(
        &mut self,
        trees: &[Tree],
        predicates: &[Predicate],
        fields: &Fields,
    ) -> Option<Arc<Second>> {
        let demand = |tree: &Tree| {
            witness::choose(tree, predicates).filter(|(field, _)| *field != Field::AnyLeaf)
        };
        let demands = trees.iter().map(demand).collect::<Option<Demands>>()?;
        let key: DemandsKey =
            demands.iter().map(|(field, keys)| (field.to_string(), keys.clone())).collect();
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let texts = demands.iter().flat_map(|(_, keys)| keys);
        self.key_bytes += texts.map(|key| key.text().len()).sum::<usize>();
        if self.key_bytes > KEYS_BYTES_MAX {
            return None;
        }
        let second = Second::new(demands, fields).map(Arc::new);
        self.known.insert(key, second.clone());
        second
    }
}
