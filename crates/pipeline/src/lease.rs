//! Leases: while a message is worked on, its visibility is extended; when it is not, it comes back by itself.
//!
//! One task extends all leases that are not quite new, at a third of the visibility, until each is released: a lease is at
//! most half a visibility old when it is first extended, and there is time to try again. So the visibility can be short,
//! and a worker that dies gives its messages back within a minute, however long objects take. SQS ends a lease 12 hours
//! after the receive whatever we say. A lease that is refused, that old, or not extended for a whole visibility is
//! *lost*, and whoever works under it is told to stop, because someone else may hold the message.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use trailloop_cloud::{CloudError, CloudErrorKind, Message, Queue, Receipt};

/// The age at which SQS ends a lease is 12 hours; we stop a little earlier.
const LEASE_SECONDS_MAX: u64 = 43_200 - 60;

/// SQS takes at most ten leases in one request.
const REQUEST_LEASES_MAX: usize = 10;

/// How long giving messages back may take: it is a courtesy, and the process is about to end.
const GIVE_BACK_MAX: Duration = Duration::from_secs(3);

/// All leases that are held on one queue.
pub(crate) struct Leases {
    queue: Arc<dyn Queue>,
    visibility: Duration,
    held: Mutex<BTreeMap<u64, Held>>,
    next: AtomicU64,
}

struct Held {
    receipt: Receipt,
    since: Instant,
    extended: Instant,
    lost: CancellationToken,
}

/// One message's lease. Dropping it ends the heartbeat: the message comes back when its visibility ends.
pub(crate) struct Lease {
    leases: Arc<Leases>,
    id: u64,
    receipt: Receipt,
    lost: CancellationToken,
}

impl Leases {
    pub(crate) fn new(queue: Arc<dyn Queue>, visibility: Duration) -> Arc<Self> {
        let held = Mutex::default();
        Arc::new(Self { queue, visibility, held, next: AtomicU64::new(0) })
    }

    /// Takes charge of a message that was just received.
    pub(crate) fn hold(self: &Arc<Self>, message: &Message) -> Lease {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let lost = CancellationToken::new();
        let receipt = message.receipt.clone();
        let now = Instant::now();
        let held = Held { receipt: receipt.clone(), since: now, extended: now, lost: lost.clone() };
        self.held().insert(id, held);
        Lease { leases: Arc::clone(self), id, receipt, lost }
    }

    /// Extends every lease again and again; the owner aborts it.
    pub(crate) async fn keep(self: Arc<Self>) {
        let mut beat = interval(self.visibility / 3);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            beat.tick().await;
            self.extend_all().await;
        }
    }

    /// Extends what is due, ten leases in a request and all requests at once, so that one that hangs keeps no other
    /// lease from being extended.
    async fn extend_all(self: &Arc<Self>) {
        let due = self.due();
        let mut requests = JoinSet::new();
        for some in due.chunks(REQUEST_LEASES_MAX) {
            requests.spawn(Arc::clone(self).extend(some.to_vec()));
        }
        while let Some(ended) = requests.join_next().await {
            if let Err(error) = ended {
                tracing::error!(error = %error, "extending leases failed; trying again at the next beat");
            }
        }
    }

    async fn extend(self: Arc<Self>, due: Vec<(u64, Receipt)>) {
        let (ids, receipts): (Vec<u64>, Vec<Receipt>) = due.into_iter().unzip();
        let leases = ids.len();
        // A request that hangs must not keep the next beat from trying again.
        let extending = timeout(self.visibility / 3, self.queue.extend(&receipts, self.visibility));
        match extending.await {
            Ok(Ok(results)) => {
                for (id, result) in ids.into_iter().zip(results) {
                    self.note(id, result);
                }
            }
            Ok(Err(error)) => {
                tracing::warn!(error = %error, leases, "failed to extend leases; trying again at the next beat");
            }
            Err(_) => {
                tracing::warn!(
                    leases,
                    "extending leases took too long; trying again at the next beat"
                );
            }
        }
    }

    /// The leases to extend: not those that have just begun, because most end before the next beat. Those that must have
    /// ended are lost.
    fn due(&self) -> Vec<(u64, Receipt)> {
        let held = self.held();
        let ended = |held: &Held| {
            held.extended.elapsed() >= self.visibility
                || held.since.elapsed().as_secs() >= LEASE_SECONDS_MAX
        };
        held.values().filter(|held| ended(held)).for_each(|held| held.lost.cancel());
        let is_due = |held: &Held| !ended(held) && held.extended.elapsed() >= self.visibility / 6;
        let due = held.iter().filter(|(_, held)| is_due(held));
        due.map(|(id, held)| (*id, held.receipt.clone())).collect()
    }

    fn note(&self, id: u64, result: Result<(), CloudError>) {
        let mut held = self.held();
        let Some(held) = held.get_mut(&id) else { return };
        match result {
            Ok(()) => held.extended = Instant::now(),
            Err(error) if error.kind() == CloudErrorKind::Gone => held.lost.cancel(),
            Err(error) => {
                tracing::warn!(error = %error, "failed to extend a lease; trying again at the next beat");
            }
        }
    }

    /// How many leases are held now.
    pub(crate) fn count(&self) -> usize {
        self.held().len()
    }

    /// The leases held now.
    pub(crate) fn receipts(&self) -> Vec<Receipt> {
        self.held().values().map(|held| held.receipt.clone()).collect()
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<u64, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease {
    /// Ends the heartbeat, because what comes now decides the message, one way or the other; gives the lease's name at
    /// the queue.
    pub(crate) fn settle(self) -> Receipt {
        self.receipt.clone()
    }

    /// Ends when the lease is lost.
    pub(crate) fn lost(&self) -> WaitForCancellationFutureOwned {
        self.lost.clone().cancelled_owned()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.leases.held().remove(&self.id);
    }
}

/// Makes messages visible again. What cannot be given back now comes back when its visibility ends.
pub(crate) async fn give_back(queue: &dyn Queue, receipts: &[Receipt]) {
    if receipts.is_empty() {
        return;
    }
    let giving = timeout(GIVE_BACK_MAX, queue.extend(receipts, Duration::ZERO));
    match giving.await {
        Err(_) => {
            tracing::info!("giving messages back took too long; they come back by themselves");
        }
        Ok(Ok(results)) => {
            for error in results.into_iter().filter_map(Result::err) {
                tracing::info!(error = %error, "a message was not given back; it comes back by itself");
            }
        }
        Ok(Err(error)) => {
            tracing::info!(error = %error, "messages were not given back; they come back by themselves");
        }
    }
}
