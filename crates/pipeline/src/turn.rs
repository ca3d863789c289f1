//! Whose turn it is: results come out in the order of their objects, and workers finish objects in any.
//!
//! The worker whose object is next hands on its findings itself, as it makes them, and then what others hold of the objects
//! after it. Handing on from another thread would wake it at every batch, and would push each batch out of the caches
//! that made it. The others hold theirs. What all hold together is bounded, and so is how far the fast may run ahead of the slow:
//! a worker that finds no more room waits until it is its turn or others have been. The one whose turn it is never waits, so
//! there is no deadlock.

use std::any::Any;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use trailloop_finding::JsonLines;

use crate::replay::{Lines, Replayed, Sink};

/// What workers share.
pub(crate) struct Turn<'s> {
    limits: TurnLimits,
    state: Mutex<State>,
    changed: Condvar,
    /// Called by the worker whose turn it is, so nobody waits for it.
    sink: Mutex<&'s mut Sink<'s>>,
}

/// How much may wait for its turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TurnLimits {
    /// How many objects there are.
    pub(crate) objects: usize,
    /// How many of them may be begun before the first of them is done.
    pub(crate) ahead: usize,
    /// The most bytes of findings that are held.
    pub(crate) held_bytes: usize,
}

#[derive(Default)]
struct State {
    /// The object that nobody has begun yet.
    begun: usize,
    /// The object that is next in order.
    next: usize,
    /// The bytes of findings that wait for their turn.
    held_bytes: usize,
    /// Objects that are done with, but not all before them.
    ended: BTreeMap<usize, End>,
    /// Emptied batches, to be filled again: fresh memory costs more than what is written to it. There are no more than once
    /// waited together, and one a worker.
    spare: Vec<JsonLines>,
    is_stopped: bool,
    /// What the sink panicked with.
    panic: Option<Box<dyn Any + Send>>,
}

/// The end of an object.
struct End {
    rest: Vec<Lines>,
    /// How many bytes of the rest count as held.
    held_bytes: usize,
    replayed: Replayed<'static>,
}

/// Stops all when a worker panics, so that nobody is left waiting for its object.
pub(crate) struct StopOnPanic<'t, 's>(&'t Turn<'s>);

impl<'s> Turn<'s> {
    pub(crate) fn new(limits: TurnLimits, sink: &'s mut Sink<'s>) -> Self {
        Self { limits, state: Mutex::default(), changed: Condvar::new(), sink: Mutex::new(sink) }
    }

    pub(crate) fn stop_on_panic(&self) -> StopOnPanic<'_, 's> {
        StopOnPanic(self)
    }

    /// The number of an object to begin, once it is not too far ahead; `None` if there is none, or nobody wants any.
    pub(crate) fn begin(&self) -> Option<usize> {
        let TurnLimits { objects, ahead, .. } = self.limits;
        let mut state = self.state();
        while !state.is_stopped && state.begun < objects && state.begun >= state.next + ahead {
            state = self.wait_for_change(state);
        }
        let number = state.begun;
        state.begun += 1;
        (!state.is_stopped && number < objects).then_some(number)
    }

    /// Ends a replay that is over. If the sink panicked, so does this.
    pub(crate) fn finish(self) {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(panic) = state.panic {
            resume_unwind(panic);
        }
    }

    /// From now on nobody's findings are wanted, and nobody waits.
    fn stop(&self, panic: Option<Box<dyn Any + Send>>) {
        let mut state = self.state();
        state.is_stopped = true;
        state.panic = state.panic.take().or(panic);
        drop(state);
        self.changed.notify_all();
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
                return Some(Chance::HandOn);
            }
            if state.held_bytes + bytes <= self.limits.held_bytes {
                state.held_bytes += bytes;
                return Some(Chance::Hold);
            }
            state = self.wait_for_change(state);
        }
    }

    /// These are no longer held.
    fn give_back(&self, bytes: usize) {
        self.state().held_bytes -= bytes;
        self.changed.notify_all();
    }

    /// Takes the end of an object. If it is its turn, that and what has ended after it is handed on.
    fn end(&self, object: usize, end: End) {
        let mut state = self.state();
        if state.next != object {
            state.ended.insert(object, end);
            return;
        }
        let (mut number, mut ended) = (object, Some(end));
        while let Some(End { rest, held_bytes, replayed }) = ended {
            drop(state);
            for lines in rest {
                let is_wanted = self.hand_on(number, Replayed::Findings(&lines));
                self.empty(lines);
                if is_wanted.is_break() {
                    return;
                }
            }
            if self.hand_on(number, replayed).is_break() {
                return;
            }
            state = self.state();
            number += 1;
            state.next = number;
            state.held_bytes -= held_bytes;
            // If its worker is not done with the next object, the turn is that worker's from here on.
            ended = state.ended.remove(&number);
            self.changed.notify_all();
        }
    }

    /// Has the sink take what comes of the object whose turn it is, and says whether it wants more.
    fn hand_on(&self, object: usize, replayed: Replayed<'_>) -> ControlFlow<()> {
        if self.state().is_stopped {
            return ControlFlow::Break(());
        }
        let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        // A panic of the sink is no fault of the object that is examined, and is none of its worker.
        match catch_unwind(AssertUnwindSafe(|| sink(object, replayed))) {
            Ok(true) => return ControlFlow::Continue(()),
            Ok(false) => self.stop(None),
            Err(panic) => self.stop(Some(panic)),
        }
        ControlFlow::Break(())
    }

    /// An empty batch.
    fn spare(&self) -> JsonLines {
        self.state().spare.pop().unwrap_or_default()
    }

    fn empty(&self, mut lines: Lines) {
        lines.text.clear();
        self.state().spare.push(lines.text);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_for_change<'g>(&self, state: MutexGuard<'g, State>) -> MutexGuard<'g, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for StopOnPanic<'_, '_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop(None);
        }
    }
}

/// What is done with findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chance {
    HandOn,
    Hold,
}

/// The findings of one object, on their way out of its worker.
pub(crate) struct Outgoing<'t, 's> {
    object: usize,
    turn: &'t Turn<'s>,
    /// The batch that is being filled.
    lines: Lines,
    held: Vec<Lines>,
    held_bytes: usize,
}

/// A batch of so many bytes is handed on: enough for handing on to cost nothing beside writing them, and few enough to
/// stay in the caches until they are written out.
const BATCH_BYTES: usize = 256 << 10;

impl<'t, 's> Outgoing<'t, 's> {
    pub(crate) fn new(object: usize, turn: &'t Turn<'s>) -> Self {
        Self { object, turn, lines: Lines::default(), held: Vec::new(), held_bytes: 0 }
    }

    /// Has a finding appended to the batch, and hands that on if it is full.
    pub(crate) fn add(&mut self, append: impl FnOnce(&mut Lines)) -> ControlFlow<()> {
        if self.lines.text.is_unallocated() {
            self.lines.text = self.turn.spare();
        }
        append(&mut self.lines);
        if self.lines.text.len() < BATCH_BYTES {
            return ControlFlow::Continue(());
        }
        let bytes = self.lines.text.len();
        match self.turn.wait(self.object, bytes) {
            None => ControlFlow::Break(()),
            Some(Chance::Hold) => {
                self.held.push(std::mem::take(&mut self.lines));
                self.held_bytes += bytes;
                ControlFlow::Continue(())
            }
            Some(Chance::HandOn) => self.hand_on(),
        }
    }

    /// Hands on what was made so far.
    fn hand_on(&mut self) -> ControlFlow<()> {
        for lines in self.held.drain(..) {
            let is_wanted = self.turn.hand_on(self.object, Replayed::Findings(&lines));
            self.turn.empty(lines);
            is_wanted?;
        }
        if self.held_bytes > 0 {
            self.turn.give_back(std::mem::take(&mut self.held_bytes));
        }
        self.turn.hand_on(self.object, Replayed::Findings(&self.lines))?;
        // The same memory is filled again, while it is in the caches.
        self.lines.clear();
        ControlFlow::Continue(())
    }

    /// How the object ended: nothing more comes of it.
    pub(crate) fn end(self, replayed: Replayed<'static>) {
        let Self { object, turn, lines, mut held, held_bytes } = self;
        match lines.count {
            0 if lines.text.is_unallocated() => {}
            0 => turn.empty(lines),
            _ => held.push(lines),
        }
        turn.end(object, End { rest: held, held_bytes, replayed });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: TurnLimits = TurnLimits { objects: 10, ahead: 4, held_bytes: 100 };

    fn end(held_bytes: usize) -> End {
        End { rest: Vec::new(), held_bytes, replayed: Replayed::Failed(String::new()) }
    }

    /// Whether a thread still waits, of which nothing is to be seen but that it does not end.
    fn still_waits<T>(thread: &std::thread::ScopedJoinHandle<'_, T>) -> bool {
        std::thread::sleep(std::time::Duration::from_millis(20));
        !thread.is_finished()
    }

    #[test]
    fn who_finds_no_room_waits_for_its_turn_or_the_end() {
        let mut sink = |_: usize, _: Replayed<'_>| true;
        let turn = Turn::new(LIMITS, &mut sink);
        assert_eq!(turn.wait(0, 1000), Some(Chance::HandOn), "whose turn it is never waits");
        assert_eq!(turn.wait(1, 80), Some(Chance::Hold));
        std::thread::scope(|scope| {
            let second = scope.spawn(|| turn.wait(2, 80));
            let third = scope.spawn(|| turn.wait(3, 80));
            turn.end(1, end(80));
            assert!(still_waits(&second) && still_waits(&third));
            turn.end(0, end(0));
            assert_eq!(second.join().unwrap().map(|_| ()), Some(()));
            // The second may have been given room or its turn; then there is room for the third or not.
            turn.stop(None);
            third.join().unwrap();
        });
        assert_eq!(turn.wait(2, 1), None);
    }

    #[test]
    fn nobody_begins_too_far_ahead() {
        let mut order = Vec::new();
        let mut sink = |object: usize, _: Replayed<'_>| {
            order.push(object);
            true
        };
        let turn = Turn::new(LIMITS, &mut sink);
        let begun: Vec<_> = (0..LIMITS.ahead).filter_map(|_| turn.begin()).collect();
        assert_eq!(begun, [0, 1, 2, 3]);
        std::thread::scope(|scope| {
            let fifth = scope.spawn(|| turn.begin());
            turn.end(1, end(0));
            assert!(still_waits(&fifth));
            turn.end(0, end(0));
            assert_eq!(fifth.join().unwrap(), Some(4));
        });
        turn.stop(None);
        assert_eq!(turn.begin(), None);
        turn.finish();
        assert_eq!(order, [0, 1]);
    }

    #[test]
    fn a_worker_that_panics_leaves_nobody_waiting() {
        let mut sink = |_: usize, _: Replayed<'_>| true;
        let turn = Turn::new(LIMITS, &mut sink);
        std::thread::scope(|scope| {
            let first = scope.spawn(|| {
                let _stop = turn.stop_on_panic();
                panic!("as a bug would");
            });
            assert!(first.join().is_err());
        });
        assert_eq!((turn.wait(0, 1), turn.begin()), (None, None));
    }
}
