//! The index, written beside the examination: what each object holds goes into small segments, one a day of delivery and flush.
//!
//! Writers know nothing of each other: each puts segments of its own beside a day's file, and whoever makes the index again brings
//! them together. What is lost here, by a failed write or a kill, is read again by a query and costs nothing else.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::civil::Date;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use trailloop_cloud::{CloudError, Vault};
use trailloop_cloudtrail::LogKey;

use crate::needle::{Entries, Prints, encode, object_hash, segment_file};

/// With so many objects a segment is written before its time.
pub const SEGMENT_OBJECTS: usize = 20_000;

/// How many objects may wait for a place that takes nothing; more are let go.
const WAITING_OBJECTS_MAX: usize = 10 * SEGMENT_OBJECTS;

/// Gathers what objects hold, and writes it.
pub struct IndexWriter {
    vault: Arc<dyn Vault>,
    waiting: Mutex<Waiting>,
    /// Woken when a segment is full.
    full: Notify,
}

#[derive(Default)]
struct Waiting {
    days: BTreeMap<Date, Entries>,
    objects: usize,
}

impl Waiting {
    fn add(&mut self, day: Date, object: u64, prints: Prints) {
        let is_new = self.days.entry(day).or_default().insert(object, prints).is_none();
        self.objects += usize::from(is_new);
    }
}

impl IndexWriter {
    /// Writes below this place.
    #[must_use]
    pub fn new(vault: Arc<dyn Vault>) -> Self {
        Self { vault, waiting: Mutex::default(), full: Notify::new() }
    }

    /// Where it writes, for messages to people.
    #[must_use]
    pub fn name(&self) -> &str {
        self.vault.name()
    }

    /// Takes what an object holds that was read whole. One without a day in its key is left out: a query reads it.
    pub fn add(&self, key: &str, bytes: u64, etag: Option<&str>, prints: Prints) {
        let Some(day) = LogKey::parse(key).date else { return };
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.objects < WAITING_OBJECTS_MAX {
            waiting.add(day, object_hash(key, bytes, etag), prints);
        }
        if waiting.objects >= SEGMENT_OBJECTS {
            self.full.notify_one();
        }
    }

    /// How many objects wait to be written.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).objects
    }

    /// Writes what waits, a segment a day. What can't be written waits on.
    ///
    /// # Errors
    ///
    /// The last failure, if there was any.
    pub async fn flush(&self) -> Result<(), CloudError> {
        let taken = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *waiting).days
        };
        let mut written = Ok(());
        for (day, entries) in taken {
            let segment = encode(&entries);
            let name = segment_file(day, &segment);
            if let Err(error) = self.vault.put(&name, segment.into()).await {
                written = Err(error);
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                for (object, prints) in entries {
                    waiting.add(day, object, prints);
                }
            }
        }
        written
    }

    /// Writes every so often, and whenever a segment is full, until `stop`. What comes later waits for a last
    /// [`IndexWriter::flush`].
    pub async fn keep(self: Arc<Self>, every: Duration, stop: CancellationToken) {
        let mut failed = false;
        loop {
            // A place that took nothing is not asked again before its time.
            let full = async {
                match failed {
                    true => std::future::pending().await,
                    false => self.full.notified().await,
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = tokio::time::sleep(every) => {}
                () = full => {}
            }
            failed = self.flush_logged().await;
        }
    }

    /// Writes what waits, and says whether that failed, which costs no message and no finding.
    pub async fn flush_logged(&self) -> bool {
        let flushed = self.flush().await;
        if let Err(error) = &flushed {
            let waiting = self.waiting();
            tracing::warn!(index = self.name(), waiting, "failed to write the index: {error}");
        }
        flushed.is_err()
    }
}
