//! What each scheduled query has done and cost, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! tally {
    ($($(#[$doc:meta])+ $name:ident,)+) => {
        /// Counts of one query since the start.
        #[derive(Debug, Default)]
        pub(super) struct Tally { $($name: AtomicU64,)+ }

        /// What a query has done and cost.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Tallied { $($(#[$doc])+ pub $name: u64,)+ }

        impl Tally {
            pub(super) fn add(&self, more: Tallied) {
                $(self.$name.fetch_add(more.$name, Ordering::Relaxed);)+
            }

            pub(super) fn now(&self) -> Tallied {
                Tallied { $($name: self.$name.load(Ordering::Relaxed),)+ }
            }
        }

        impl Tallied {
            /// Every count with its name.
            #[must_use]
            pub fn named(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name),)+]
            }
        }
    };
}

tally! {
    /// Windows that were asked about, their findings accepted, and committed.
    windows,
    /// Windows that were given up, because more were missed than are made up for.
    windows_given_up,
    /// Tries that failed.
    failures,
    /// Leases that were lost to another runner.
    leases_lost,
    /// Findings that the action queue accepted.
    findings,
    /// Findings that the action queue will never take.
    findings_refused,
    /// Rows of answers.
    rows,
    /// Objects that were opened.
    objects,
    /// Objects that an index told to leave out.
    objects_skipped,
    /// Objects that could not be read, wholly or in part.
    objects_failed,
    /// Bytes of objects as stored.
    bytes_compressed,
    /// Bytes of JSON.
    bytes_raw,
    /// Records looked at.
    records,
    /// How long it took.
    milliseconds,
}
