//! What has happened, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])+ $name:ident,)+) => {
        /// Counts since the start. Each is counted where it happens, once.
        #[derive(Debug, Default)]
        pub struct Counters {
            $($(#[$doc])+ pub $name: AtomicU64,)+
        }

        /// The counts at one moment.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Totals {
            $($(#[$doc])+ pub $name: u64,)+
        }

        impl Counters {
            /// The counts now.
            #[must_use]
            pub fn totals(&self) -> Totals {
                Totals { $($name: self.$name.load(Ordering::Relaxed),)+ }
            }
        }

        impl Totals {
            /// Every count with its name.
            #[must_use]
            pub fn named(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name),)+]
            }
        }
    };
}

counters! {
    /// Messages received, repeats included.
    messages_received,
    /// Messages deleted after all they asked for was done.
    messages_acknowledged,
    /// Messages that asked for nothing: test events, subscription messages.
    messages_ignored,
    /// Messages put aside with a reason, for a human.
    messages_parked,
    /// Messages let go, which the queue delivers again.
    messages_released,
    /// Objects examined.
    objects,
    /// Objects whose key says that they hold no records.
    objects_skipped,
    /// Objects not read to their end.
    objects_failed,
    /// Records evaluated.
    records,
    /// Records refused, plus one for each rest that could not be delimited.
    records_failed,
    /// Findings accepted by the action queue.
    findings,
    /// Bytes of objects as stored.
    bytes_compressed,
    /// Bytes of objects after inflation.
    bytes_raw,
}

/// Adds to a counter.
pub(crate) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}
