//! Whose turn it is: findings come out in the order of their objects, and workers finish objects in any.
//!
//! The worker whose object is next sends its findings on as it makes them. Another holds them, and what all hold together is
//! bounded: a worker that finds no more room waits until it is its turn or others have been. The one whose turn it is
//! never waits, so there is no deadlock.

use std::ops::ControlFlow;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crossbeam_channel::{Receiver, Sender};
use trailloop_finding::JsonLines;

use crate::replay::{Lines, Message};

/// What workers and the collector share.
pub(crate) struct Turn {
    held_bytes_max: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The object that is next in order.
    next: usize,
    /// The bytes of findings that wait for their turn.
    held_bytes: usize,
    is_stopped: bool,
}

/// Stops all when it is dropped, so that a collector that panics leaves nobody waiting.
pub(crate) struct StopWhenDropped<'t>(&'t Turn);

impl Turn {
    pub(crate) fn new(held_bytes_max: usize) -> Self {
        Self { held_bytes_max, state: Mutex::default(), changed: Condvar::new() }
    }

    /// The object before is done with, and so many bytes are no longer held.
    pub(crate) fn pass_on(&self, bytes: usize) {
        let mut state = self.state();
        state.next += 1;
        state.held_bytes -= bytes;
        drop(state);
        self.changed.notify_all();
    }

    /// From now on nobody's findings are wanted, and nobody waits.
    pub(crate) fn stop(&self) {
        self.state().is_stopped = true;
        self.changed.notify_all();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.state().is_stopped
    }

    pub(crate) fn stop_when_dropped(&self) -> StopWhenDropped<'_> {
        StopWhenDropped(self)
    }

    /// Waits until it is this object's turn or there is room to hold so many bytes of it, and says which; `None` if
    /// nobody wants them. Those that may be held count as held.
    fn wait(&self, object: usize, bytes: usize) -> Option<Chance> {
        let mut state = self.state();
        loop {
            if state.is_stopped {
                return None;
            }
            if state.next == object {
                return Some(Chance::Send);
            }
            if state.held_bytes + bytes <= self.held_bytes_max {
                state.held_bytes += bytes;
                return Some(Chance::Hold);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn give_back(&self, bytes: usize) {
        self.state().held_bytes -= bytes;
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for StopWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// What is done with findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chance {
    Send,
    Hold,
}

/// The findings of one object, on their way out of its worker.
pub(crate) struct Outgoing<'w> {
    object: usize,
    turn: &'w Turn,
    results: &'w Sender<(usize, Message)>,
    /// Emptied batches.
    spare: &'w Receiver<JsonLines>,
    /// The batch that is being filled.
    lines: Lines,
    held: Vec<Lines>,
    held_bytes: usize,
}

/// A batch of so many bytes is handed on: enough for handing on to cost nothing beside writing them, and few enough to
/// stay in the caches until they are written out.
const BATCH_BYTES: usize = 256 << 10;

impl<'w> Outgoing<'w> {
    pub(crate) fn new(
        object: usize,
        turn: &'w Turn,
        results: &'w Sender<(usize, Message)>,
        spare: &'w Receiver<JsonLines>,
    ) -> Self {
        let (lines, held) = (Lines::default(), Vec::new());
        Self { object, turn, results, spare, lines, held, held_bytes: 0 }
    }

    /// Has a finding appended to the batch, and hands that on if it is full.
    pub(crate) fn add(&mut self, append: impl FnOnce(&mut Lines)) -> ControlFlow<()> {
        if self.lines.text.is_unallocated() {
            self.lines.text = self.spare.try_recv().unwrap_or_default();
        }
        append(&mut self.lines);
        if self.lines.text.len() < BATCH_BYTES {
            return ControlFlow::Continue(());
        }
        let lines = std::mem::take(&mut self.lines);
        let bytes = lines.text.len();
        match self.turn.wait(self.object, bytes) {
            None => return ControlFlow::Break(()),
            Some(Chance::Hold) => {
                self.held.push(lines);
                self.held_bytes += bytes;
                return ControlFlow::Continue(());
            }
            Some(Chance::Send) => {}
        }
        if !self.held.is_empty() {
            self.turn.give_back(std::mem::take(&mut self.held_bytes));
        }
        for lines in self.held.drain(..).chain([lines]) {
            if self.results.send((self.object, Message::Batch(lines))).is_err() {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    /// What has not been handed on, and how much of it counts as held.
    pub(crate) fn rest(self) -> (Vec<Lines>, usize) {
        let Self { lines, mut held, held_bytes, .. } = self;
        if lines.count > 0 {
            held.push(lines);
        }
        (held, held_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_finds_no_room_waits_for_its_turn_or_the_end() {
        let turn = Turn::new(100);
        assert_eq!(turn.wait(0, 1000), Some(Chance::Send), "whose turn it is never waits");
        assert_eq!(turn.wait(1, 80), Some(Chance::Hold));
        std::thread::scope(|scope| {
            let second = scope.spawn(|| turn.wait(2, 80));
            let third = scope.spawn(|| turn.wait(3, 80));
            turn.pass_on(0);
            turn.pass_on(80);
            assert_eq!(second.join().unwrap().map(|_| ()), Some(()));
            // The second may have been given room or its turn; then there is room for the third or not.
            turn.stop();
            third.join().unwrap();
        });
        assert_eq!(turn.wait(2, 1), None);
    }
}
