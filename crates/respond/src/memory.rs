//! What a worker remembers of runs by itself: what it has read of the trail, and which runs its own tasks have.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use trailloop_runbook::lineage::Lineage;

use crate::responder::Responder;

/// What is remembered of a run that is watched.
#[derive(Default)]
pub struct Memory {
    seen: BTreeSet<String>,
    lineage: Option<Lineage>,
    is_driven: bool,
}

impl Responder {
    /// Says that this task has the run, or finds that another of this worker has: a sweep, or a second delivery. A hold can't
    /// tell tasks of one worker apart.
    pub(crate) fn driving(&self, id: &str) -> Option<Driving<'_>> {
        let was_driven =
            self.remembered(id, |memory| std::mem::replace(&mut memory.is_driven, true));
        (!was_driven).then(|| Driving { responder: self, id: id.to_owned() })
    }

    fn remembered<T>(&self, id: &str, with: impl FnOnce(&mut Memory) -> T) -> T {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        with(memory.entry(id.to_owned()).or_default())
    }

    pub(crate) fn has_seen(&self, id: &str, key: &str) -> bool {
        self.remembered(id, |memory| memory.seen.contains(key))
    }

    pub(crate) fn have_seen(&self, id: &str, keys: BTreeSet<String>) {
        self.remembered(id, |memory| memory.seen.extend(keys));
    }

    pub(crate) fn with_lineage<T>(&self, id: &str, with: impl FnOnce(&mut Lineage) -> T) -> T {
        self.remembered(id, |memory| with(memory.lineage.get_or_insert_with(Lineage::new)))
    }

    pub(crate) fn knows_lineage(&self, id: &str) -> bool {
        self.remembered(id, |memory| memory.lineage.is_some())
    }

    pub(crate) fn forget(&self, id: &str) {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}

/// A run that a task of this worker has, until the task lets it go.
pub(crate) struct Driving<'a> {
    responder: &'a Responder,
    id: String,
}

impl Drop for Driving<'_> {
    fn drop(&mut self) {
        let memory = &self.responder.memory;
        let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(one) = memory.get_mut(&self.id) else { return };
        one.is_driven = false;
        if one.seen.is_empty() && one.lineage.is_none() {
            memory.remove(&self.id);
        }
    }
}
