//! Where the log objects of a query lie, what it may cost, and what it did cost.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use trailloop_cloud::Store;
use trailloop_cloudtrail::{Limits, ReadSummary};
use trailloop_enrichment::Enrichment;
use trailloop_pipeline::ahead::AheadLimits;

use crate::index::Index;
use crate::listing::{DELIVERY_DAYS, Item};

/// A folder or an S3 prefix of log objects.
#[derive(Clone)]
pub struct Source {
    /// Where it is.
    pub store: Arc<dyn Store>,
    /// The bucket; of a folder its name.
    pub bucket: String,
    /// What keys begin with.
    pub prefix: String,
}

impl Source {
    /// A source with nothing in it.
    #[cfg(test)]
    pub(crate) fn in_memory(bucket: &str) -> Self {
        let store = Arc::new(trailloop_cloud::MemoryStore::default());
        Self { store, bucket: bucket.to_owned(), prefix: String::new() }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.bucket, self.prefix)
    }
}

/// What is asked, and how.
#[derive(Clone, Debug)]
pub struct Archive {
    /// Where the objects lie.
    pub sources: Vec<Source>,
    /// What one object may cost.
    pub limits: Limits,
    /// The operator's files, for enriched columns.
    pub enrichment: Arc<Enrichment>,
    /// How many days after an event it may still be delivered.
    pub delivery_days: i32,
    /// The most bytes of objects, as stored, that one query may read.
    pub bytes_max: Option<u64>,
    /// What tells which objects can be left out, if there is one.
    pub index: Option<Arc<Index>>,
    /// Threads that read.
    pub jobs: usize,
    /// The most bytes of objects, as stored, that are downloaded before they are read.
    pub ahead_bytes_max: u64,
}

impl Archive {
    /// These sources, with the usual limits.
    #[must_use]
    pub fn new(sources: Vec<Source>) -> Self {
        Self {
            sources,
            limits: Limits::default(),
            enrichment: Arc::default(),
            delivery_days: DELIVERY_DAYS,
            bytes_max: None,
            index: None,
            jobs: std::thread::available_parallelism().map_or(1, usize::from),
            ahead_bytes_max: AheadLimits::default().bytes_max,
        }
    }
}

macro_rules! meter {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// What a query has read so far.
        #[derive(Debug, Default)]
        pub struct Meter {
            $($name: AtomicU64,)+
            memory_peak_bytes: AtomicUsize,
            failures: Mutex<Vec<String>>,
        }

        /// What a query read.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Cost { $($(#[$doc])* pub $name: u64,)+ }

        impl Meter {
            /// The figures as they are now.
            #[must_use]
            pub fn cost(&self) -> Cost {
                Cost { $($name: self.$name.load(Ordering::Relaxed),)+ }
            }

            /// Adds to the figures.
            pub(crate) fn add(&self, cost: Cost) {
                $(self.$name.fetch_add(cost.$name, Ordering::Relaxed);)+
            }
        }
    };
}

meter!(
    /// Objects that the query has to open.
    objects_wanted,
    /// Their bytes as stored.
    bytes_wanted,
    /// Objects that the index told to leave out.
    objects_skipped,
    /// Requests that listing them took.
    list_requests,
    /// Objects that were opened.
    objects,
    /// Objects that could not be read, wholly or in part.
    objects_failed,
    /// Bytes as stored.
    bytes_compressed,
    /// Bytes of JSON.
    bytes_raw,
    /// Records looked at.
    records,
    /// Records that are no valid JSON.
    records_failed,
    /// Rows handed to the engine.
    rows,
);

/// The most failures told one by one; all are counted.
const FAILURES_MAX: usize = 16;

impl Meter {
    /// Adds what reading an object came to. Of one that was left in the middle, because nobody wanted more, nothing is amiss.
    pub(crate) fn read(&self, item: &Item, body: &[u8], read: &ReadSummary, is_left: bool) {
        self.add(Cost {
            objects: 1,
            objects_failed: u64::from(!is_left && read.failed.is_some()),
            bytes_compressed: body.len() as u64,
            bytes_raw: read.bytes_raw,
            records: read.records,
            records_failed: if is_left { 0 } else { read.records_failed },
            ..Cost::default()
        });
        for report in read.reports.iter().chain(&read.failed).filter(|_| !is_left) {
            self.note(format!("{} at byte {}: {}", item.object, report.offset, report.failure));
        }
    }

    /// The most memory that sorts, groups and joins held at once.
    #[must_use]
    pub fn memory_peak_bytes(&self) -> usize {
        self.memory_peak_bytes.load(Ordering::Relaxed)
    }

    /// Notes what they hold now.
    pub(crate) fn holds(&self, bytes: usize) {
        self.memory_peak_bytes.fetch_max(bytes, Ordering::Relaxed);
    }

    /// Notes what could not be read.
    pub(crate) fn note(&self, failure: String) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() < FAILURES_MAX {
            failures.push(failure);
        }
    }

    /// The first failures, each with its object.
    #[must_use]
    pub fn failures(&self) -> Vec<String> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
