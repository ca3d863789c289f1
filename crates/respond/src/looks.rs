//! When it is looked next at what is not looked at with every sweep.

use std::sync::atomic::{AtomicI64, Ordering};

/// The time of the next look.
#[derive(Debug, Default)]
pub(crate) struct NextLook(AtomicI64);

impl NextLook {
    /// Whether it is time; if so, the next one comes `every_ms` later.
    pub(crate) fn is_due(&self, now_ms: i64, every_ms: i64) -> bool {
        let is_due = now_ms >= self.0.load(Ordering::Relaxed);
        if is_due {
            self.0.store(now_ms + every_ms, Ordering::Relaxed);
        }
        is_due
    }
}

/// The next looks of a worker. All begin with its first sweep.
#[derive(Debug, Default)]
pub struct NextLooks {
    /// At what people said in Security Hub.
    pub(crate) hub: NextLook,
    /// At canaries that are due or late.
    pub(crate) canaries: NextLook,
    /// At rules that may have gone silent.
    pub(crate) rules: NextLook,
}
