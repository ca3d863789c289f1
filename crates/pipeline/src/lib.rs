//! Message in, findings out, message acknowledged; replay uses the same stages.
//!
//! This is the file to read first. `Pipeline::process` is the spine: one function, top to bottom, from a message to
//! its acknowledgement. Everything else hangs off it: [`examine`] is the CPU work of one object, [`bridge`] takes it
//! to worker threads, `send` is how findings leave, `batch` gathers what single messages ask of a queue into requests of
//! ten, [`needle`] and [`indexing`] keep an index beside it, `lease` keeps a message ours while we work, `poll` asks for
//! messages, `service` runs all of it and drains, and
//! [`replay`] runs the same examination over archived objects.
//!
//! The promise: a message is deleted only after every finding of every object it names has been accepted by the
//! action queue. If anything fails before, we let go: the lease lapses, the queue delivers again, and finding ids make
//! the repeat harmless. A message that can never succeed is parked, with the reason, on the dead-letter queue; parking
//! counts as done only when that queue has accepted it.

pub mod ahead;
mod batch;
pub mod bridge;
mod budget;
mod counters;
pub mod examine;
pub mod indexing;
mod lease;
pub mod live;
pub mod needle;
mod park;
mod poll;
pub mod replay;
mod send;
mod service;
mod turn;

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use trailloop_cloud::{
    Clock, CloudError, CloudErrorKind, Message, Object, ObjectRef, Queue, Receipt, Store,
};
use trailloop_cloudtrail::LogKey;
use trailloop_cloudtrail::notification::{self, Named, Notification};

use crate::batch::{Batcher, Entries};
use crate::bridge::{Bridge, BridgeError, Job, Progress};
use crate::counters::add;
pub use crate::counters::{Counters, Totals};
use crate::lease::Lease;
use crate::park::Doubt;
use crate::send::{Parcel, Sent, times};
pub use crate::send::{Times, outgoing};
pub use crate::service::{Drained, Service, ServiceLimits};

/// Everything a message passes through.
pub struct Pipeline {
    /// Where messages come from.
    pub notifications: Arc<dyn Queue>,
    /// Where log objects lie.
    pub store: Arc<dyn Store>,
    /// Where findings go.
    pub actions: Arc<dyn Queue>,
    /// Where messages go that can never succeed. Without it they are let go until the queue's own redrive policy
    /// moves them.
    pub dead_letters: Option<Arc<dyn Queue>>,
    /// The way to the workers.
    pub bridge: Bridge,
    /// The bytes of objects that may be in memory at once.
    pub seats: Seats,
    /// The wall clock, for lag, and for the age of a message whose object is denied to us.
    pub clock: Clock,
    /// What has happened.
    pub counters: Counters,
}

/// A message whose object is denied to us is parked when it is older than this: SQS keeps messages for four days
/// unless told otherwise.
const DENIED_DAYS_MAX: i64 = 3;

/// That what one part of a message led to is with another queue: each object gives one, and so does parking.
#[must_use]
struct Accepted(());

impl Accepted {
    /// Of a part that leads to nothing: an object without records, a record without findings.
    fn nothing_asked() -> Self {
        Self(())
    }
}

/// A message of which all is done. It can be made of nothing but what was accepted, and nothing else can be deleted.
struct Settled {
    lease: Lease,
}

impl Settled {
    fn new(lease: Lease, accepted: &[Accepted]) -> Self {
        debug_assert!(!accepted.is_empty(), "whatever was asked for has been accepted by someone");
        Self { lease }
    }
}

impl Entries for Settled {
    fn entries(&self) -> usize {
        1
    }
}

/// Where what messages ask of the queues is gathered into requests.
struct Batchers {
    findings: Batcher<Parcel, Sent>,
    settled: Batcher<Settled, Result<(), CloudError>>,
}

impl Pipeline {
    /// The spine: all that happens to one message while its lease is held.
    async fn process(
        &self,
        message: &Message,
        lease: Lease,
        batchers: &Batchers,
    ) -> Result<(), Trouble> {
        let times = times(message, self.clock.now_ms());
        let mut doubts = Vec::new();
        let mut accepted = Vec::new();
        let named = match notification::parse(&message.body) {
            Ok(Notification::Objects(named)) if !named.is_empty() => named,
            Ok(Notification::Objects(_)) => {
                tracing::info!(message_id = %message.id, "ignored a message that names no new object");
                add(&self.counters.messages_ignored, 1);
                Vec::new()
            }
            Ok(Notification::Ignored(what)) => {
                tracing::info!(message_id = %message.id, what, "ignored a message that asks for nothing");
                add(&self.counters.messages_ignored, 1);
                Vec::new()
            }
            Err(error) => {
                doubts.push(Doubt::Notification(error));
                Vec::new()
            }
        };

        if named.is_empty() && doubts.is_empty() {
            accepted.push(Accepted::nothing_asked());
        }
        for object in &named {
            if !LogKey::parse(&object.key).contents.holds_records() {
                add(&self.counters.objects_skipped, 1);
                accepted.push(Accepted::nothing_asked());
                continue;
            }
            let Some(job) = self.download(message, object, &mut doubts).await? else {
                continue;
            };
            accepted.push(self.examine(object, job, &times, batchers, &mut doubts).await?);
        }
        // Here windows will commit their state, once there are any.
        if !doubts.is_empty() {
            accepted.push(self.park(message, &doubts).await?);
        }
        // Handed to `acknowledge`, with others.
        let deleted = batchers.settled.ask(Settled::new(lease, &accepted)).await;
        deleted.ok_or(Trouble::GoingDown)?.map_err(Trouble::Delete)?;
        tracing::debug!(message_id = %message.id, "acknowledged");
        Ok(())
    }

    /// Gets an object, into a job that holds its seat. An object that can never be read is a doubt about the
    /// message; anything else is trouble, and the message is let go.
    async fn download(
        &self,
        message: &Message,
        named: &Named,
        doubts: &mut Vec<Doubt>,
    ) -> Result<Option<Job>, Trouble> {
        let reference = ObjectRef {
            bucket: named.bucket.clone(),
            key: named.key.clone(),
            version: named.version.clone(),
            etag: named.etag.clone(),
        };
        let error = match self.get(&reference, named.bytes).await {
            Ok((object, seat)) => {
                let source = format!("{}/{}", named.bucket, named.key);
                let Object { bytes: object, version, etag } = object;
                return Ok(Some(Job { object, source, version, etag, seat }));
            }
            Err(error) => error,
        };
        match error.kind() {
            // A fresh object may be named before it can be read; a second look decides.
            CloudErrorKind::NotFound if message.receive_count < 2 => Err(Trouble::Download(error)),
            CloudErrorKind::NotFound | CloudErrorKind::TooLarge | CloudErrorKind::Invalid => {
                add(&self.counters.objects_failed, 1);
                doubts.push(Doubt::Download { object: named.clone(), error });
                Ok(None)
            }
            // What is denied is denied to every message: someone must mend it, and no message is to blame. But no
            // message is left to the end of the queue's retention.
            CloudErrorKind::Denied if self.is_old(message) => {
                add(&self.counters.objects_failed, 1);
                doubts.push(Doubt::Download { object: named.clone(), error });
                Ok(None)
            }
            _ => Err(Trouble::Download(error)),
        }
    }

    /// Gets an object when there is a seat for it. One whose size nobody told is probably small; only if it turns out
    /// not to be is it asked for again, with the largest seat that it may need.
    async fn get(
        &self,
        reference: &ObjectRef,
        bytes: Option<u64>,
    ) -> Result<(Object, OwnedSemaphorePermit), CloudError> {
        let mut seat = self.seats.take(bytes.unwrap_or(PROBABLE_BYTES)).await;
        let mut got = self.store.get(reference, self.seats.bytes_of(&seat)).await;
        let is_large = |error: &CloudError| error.kind() == CloudErrorKind::TooLarge;
        if bytes.is_none() && got.as_ref().is_err_and(is_large) {
            drop(seat);
            seat = self.seats.take(UNKNOWN_BYTES).await;
            got = self.store.get(reference, self.seats.bytes_of(&seat)).await;
        }
        got.map(|object| {
            self.seats.fit(&mut seat, object.bytes.len() as u64);
            (object, seat)
        })
    }

    /// Has an object examined on a worker, sends its findings as they come, and counts what came of it. Done when each
    /// of them is accepted.
    async fn examine(
        &self,
        named: &Named,
        job: Job,
        times: &Times,
        batchers: &Batchers,
        doubts: &mut Vec<Doubt>,
    ) -> Result<Accepted, Trouble> {
        let counters = &self.counters;
        add(&counters.bytes_compressed, job.object.len() as u64);
        let mut examination = self.bridge.examine(job).map_err(Trouble::Workers)?;
        let mut accepted = Accepted::nothing_asked();
        let examined = loop {
            match examination.next().await {
                Progress::Findings(batch) => {
                    let parcel = Parcel::new(batch, times);
                    accepted = self.send(named, parcel, batchers, doubts).await?;
                }
                Progress::Done(Ok(examined)) => break examined,
                Progress::Done(Err(error @ BridgeError::Panicked { .. })) => {
                    add(&counters.objects, 1);
                    add(&counters.objects_failed, 1);
                    doubts.push(Doubt::Panic { object: named.clone(), message: error.to_string() });
                    return Ok(accepted);
                }
                Progress::Done(Err(error)) => return Err(Trouble::Workers(error)),
            }
        };
        let read = examined.read;
        add(&counters.objects, 1);
        add(&counters.objects_failed, u64::from(read.failed.is_some()));
        add(&counters.records, examined.records_evaluated);
        add(&counters.records_failed, read.records_failed);
        add(&counters.bytes_raw, read.bytes_raw);
        if !read.is_whole() {
            doubts.push(Doubt::Content { object: named.clone(), read });
        }
        Ok(accepted)
    }

    fn is_old(&self, message: &Message) -> bool {
        let age_ms = message.sent_at_ms.map_or(0, |sent_ms| self.clock.now_ms() - sent_ms);
        age_ms > DENIED_DAYS_MAX * 24 * 3600 * 1000
    }

    /// The only place that deletes messages of the source, and the last thing done to them; one answer for each.
    async fn acknowledge(&self, settled: Vec<Settled>) -> Vec<Result<(), CloudError>> {
        // A heartbeat that meets a message being deleted would take the lease for lost.
        let receipts: Vec<Receipt> =
            settled.into_iter().map(|settled| settled.lease.settle()).collect();
        let deleted = match self.notifications.delete(&receipts).await {
            Ok(deleted) => deleted,
            Err(error) => receipts.iter().map(|_| Err(error.clone())).collect(),
        };
        let done = deleted.iter().filter(|deleted| deleted.is_ok()).count();
        add(&self.counters.messages_acknowledged, done as u64);
        deleted
    }
}

/// Why a message is let go. Each is logged once, where the message is released.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("failed to download an object")]
    Download(#[source] CloudError),
    #[error("failed to examine an object")]
    Workers(#[source] BridgeError),
    #[error("failed to send findings")]
    Send(#[source] CloudError),
    #[error("failed to park the message")]
    Park(#[source] CloudError),
    #[error("failed to delete the message")]
    Delete(#[source] CloudError),
    #[error(
        "the message can never succeed and there is no dead-letter queue to park it on; set queues.dead_letters"
    )]
    NowhereToPark,
    #[error("the lease was lost; another worker may hold the message")]
    LeaseLost,
    #[error("the service is going down")]
    GoingDown,
}

/// The bytes of objects that may be in memory at once, as seats to take before a download.
pub struct Seats {
    budget: Arc<Semaphore>,
    units: u32,
    object_bytes_max: u64,
}

/// A seat's unit: a semaphore counts to 2^32, and bytes go beyond.
const UNIT_BYTES: u64 = 1024;

/// What an object may take whose size nobody told: CloudTrail's largest file has 50 MB.
const UNKNOWN_BYTES: u64 = 64 << 20;

/// What such an object takes at first.
const PROBABLE_BYTES: u64 = 1 << 20;

impl Seats {
    /// Seats for `bytes_in_flight_max` bytes, of which one object may take `object_bytes_max`.
    #[must_use]
    pub fn new(bytes_in_flight_max: u64, object_bytes_max: u64) -> Self {
        let units =
            u32::try_from(bytes_in_flight_max.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX).max(1);
        let budget = Arc::new(Semaphore::new(units as usize));
        let object_bytes_max = object_bytes_max.min(u64::from(units) * UNIT_BYTES);
        Self { budget, units, object_bytes_max }
    }

    /// Waits until there is room for an object of this size.
    async fn take(&self, bytes: u64) -> OwnedSemaphorePermit {
        let units = self.units_of(bytes.min(self.object_bytes_max));
        let permit = Arc::clone(&self.budget).acquire_many_owned(units).await;
        // The budget is never closed while the pipeline lives.
        permit.expect("the budget is open as long as the pipeline is")
    }

    fn units_of(&self, bytes: u64) -> u32 {
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(self.units).max(1);
        units.min(self.units)
    }

    /// Gives back what is more than an object of this size needs.
    fn fit(&self, seat: &mut OwnedSemaphorePermit, bytes: u64) {
        let needed = self.units_of(bytes) as usize;
        drop(seat.split(seat.num_permits().saturating_sub(needed)));
    }

    /// The longest body this seat has room for.
    fn bytes_of(&self, seat: &OwnedSemaphorePermit) -> u64 {
        (seat.num_permits() as u64 * UNIT_BYTES).min(self.object_bytes_max)
    }
}
