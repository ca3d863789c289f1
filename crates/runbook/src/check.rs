//! Holds a runbook that was read together: steps lead to steps, values to parameters, changes to their undoing.

mod calls;
mod flow;
mod set;
mod values;

use trailloop_rules::source::{Data, Mark, Node};

use crate::document::Runbook;
use crate::load::{OURS, Reading};

pub use set::check_set;

/// Checks a runbook whose parts are each in order.
pub(crate) fn check(runbook: &Runbook, document: &Node, reading: &mut Reading<'_, '_>) {
    let places = Places { document };
    flow::check(runbook, &places, reading);
    values::check(runbook, &places, reading);
    calls::check(runbook, &places, reading);
}

/// Where the parts of a runbook stand in its file.
struct Places<'n> {
    document: &'n Node,
}

impl<'n> Places<'n> {
    /// The node of a step.
    fn step(&self, nth: usize) -> &'n Node {
        match self.document.get("mainSteps").map(|node| &node.data) {
            Some(Data::Sequence(nodes)) => nodes.get(nth).unwrap_or(self.document),
            _ => self.document,
        }
    }

    /// The inputs of a step.
    fn inputs(&self, nth: usize) -> &'n Node {
        let step = self.step(nth);
        step.get("inputs").unwrap_or(step)
    }

    /// A part of what is ours, or all of it.
    fn ours(&self, keys: &[&str]) -> &'n Node {
        let ours = self.document.get(OURS).unwrap_or(self.document);
        keys.iter().try_fold(ours, |node, key| node.get(key)).unwrap_or(ours)
    }

    /// The name of an entry of what is ours.
    fn key(&self, of: &str, name: &str) -> Mark {
        key_of(self.ours(&[of]), name)
    }

    /// The name of a parameter.
    fn parameter(&self, name: &str) -> Mark {
        key_of(self.document.get("parameters").unwrap_or(self.document), name)
    }
}

/// Where a key stands in a mapping.
fn key_of(node: &Node, name: &str) -> Mark {
    match &node.data {
        Data::Mapping(entries) => entries
            .iter()
            .find(|(key, _)| key.text() == name)
            .map_or(node.mark, |(key, _)| key.mark),
        _ => node.mark,
    }
}
