//! The bytes of findings between a worker that made them and the queue that accepts them.
//!
//! Objects are small and findings may be many: without a bound, a slow action queue would leave the findings of every
//! message in flight in memory. So a batch of findings takes its bytes from a budget before it leaves its worker, and
//! gives them back when it has been sent or given up. When there is none left, workers wait, on their own threads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Bytes that may be held at once.
pub(crate) struct Budget {
    bytes_max: usize,
    held: Mutex<usize>,
    changed: Condvar,
    stopped: AtomicBool,
}

/// Bytes that are held; given back when it is dropped.
pub(crate) struct Held {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Budget {
    pub(crate) fn new(bytes_max: usize) -> Arc<Self> {
        let (held, changed, stopped) = (Mutex::new(0), Condvar::new(), AtomicBool::new(false));
        Arc::new(Self { bytes_max, held, changed, stopped })
    }

    /// Waits until there is room for so many bytes, or nothing else is held; `None` when all is going down.
    pub(crate) fn take(self: &Arc<Self>, bytes: usize) -> Option<Held> {
        let mut held = self.held();
        while *held > 0 && *held + bytes > self.bytes_max && !self.is_stopped() {
            held = self.changed.wait(held).unwrap_or_else(PoisonError::into_inner);
        }
        if self.is_stopped() {
            return None;
        }
        *held += bytes;
        drop(held);
        Some(Held { budget: Arc::clone(self), bytes })
    }

    /// From now on nobody gets anything, and nobody waits.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        // Whoever has just looked and is about to wait holds the lock.
        drop(self.held());
        self.changed.notify_all();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    fn held(&self) -> MutexGuard<'_, usize> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        *self.budget.held() -= self.bytes;
        self.budget.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn who_finds_no_room_waits_for_it_or_for_the_end() {
        let budget = Budget::new(100);
        let more_than_all = budget.take(150).unwrap();
        std::thread::scope(|scope| {
            let (took, taken) = channel();
            for _ in 0..3 {
                let (budget, took) = (&budget, took.clone());
                scope.spawn(move || took.send(budget.take(60)).unwrap());
            }
            assert!(taken.try_recv().is_err(), "nothing else fits beside it");
            drop(more_than_all);
            let first = taken.recv().unwrap();
            assert!(first.is_some() && taken.try_recv().is_err(), "two do not fit");
            drop(first);
            let second = taken.recv().unwrap();
            assert!(second.is_some());
            budget.stop();
            assert!(taken.recv().unwrap().is_none(), "the third waits no longer");
        });
        assert_eq!(*budget.held(), 0);
    }
}
