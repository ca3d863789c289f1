//! Polling, and the drain at the end.
//!
//! Several pollers ask the queue for as many messages as there is room for. A begun receive is never dropped, because
//! that would strand its messages until their visibility ends; only what lies between receives looks at the stop signal
//! (and a receive that hangs beyond its wait is dropped when all is going down). On stop: no more receives; what a last
//! receive brings is given back at once; what began may finish until the drain's deadline; the rest is given back, and
//! its work is dropped at an await, where nothing is half done that a repeat would not mend.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;
use trailloop_cloud::{Message, Receipt};

use crate::counters::add;
use crate::lease::{Leases, give_back};
use crate::{Pipeline, Trouble};

/// SQS gives at most ten messages a receive.
const RECEIVE_MESSAGES_MAX: usize = 10;

/// How much longer than its wait a last receive may take.
const LAST_RECEIVE_GRACE: Duration = Duration::from_secs(2);

/// The longest pause after failed receives.
const PAUSE_SECONDS_MAX: u64 = 30;

/// How much the service does at once, and how long it takes to stop.
#[derive(Clone, Copy, Debug)]
pub struct ServiceLimits {
    /// Receives under way at once.
    pub pollers: usize,
    /// Messages worked on at once.
    pub messages_in_flight_max: usize,
    /// How long a receive waits for a message.
    pub receive_wait: Duration,
    /// How long a message stays invisible if we die; it is extended while we live.
    pub visibility: Duration,
    /// How long begun work may take to finish after the stop signal.
    pub drain: Duration,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Messages that were begun and not finished, and were given back.
    pub given_back: usize,
    /// A part of the service failed, and it went down by itself.
    pub failed: bool,
}

/// The running service.
pub struct Service {
    pipeline: Arc<Pipeline>,
    leases: Arc<Leases>,
    limits: ServiceLimits,
    room: Arc<Semaphore>,
}

impl Service {
    /// A service that is not started yet.
    #[must_use]
    pub fn new(pipeline: Arc<Pipeline>, limits: ServiceLimits) -> Self {
        let leases = Leases::new(Arc::clone(&pipeline.notifications), limits.visibility);
        let room = Arc::new(Semaphore::new(limits.messages_in_flight_max.max(1)));
        Self { pipeline, leases, limits, room }
    }

    /// Runs until `stop`, then drains.
    pub async fn run(self, stop: CancellationToken) -> Drained {
        let service = Arc::new(self);
        // The heart beats until all work is settled; it ends before anything is given back.
        let mut heart = JoinSet::new();
        heart.spawn(Arc::clone(&service.leases).keep());
        let mut pollers = JoinSet::new();
        for _ in 0..service.limits.pollers.max(1) {
            pollers.spawn(Arc::clone(&service).poll(stop.clone()));
        }

        let mut failed = false;
        let mut work = JoinSet::new();
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            ended = heart.join_next() => {
                failed = true;
                tracing::error!(?ended, "the heartbeat failed; going down");
            }
            // A poller ends by itself only by failing.
            polled = pollers.join_next() => failed |= !keep(polled, &mut work),
        }
        stop.cancel();
        let last_receive = Instant::now() + service.limits.receive_wait + LAST_RECEIVE_GRACE;
        while let Ok(polled @ Some(_)) = timeout_at(last_receive, pollers.join_next()).await {
            failed |= !keep(polled, &mut work);
        }
        let deadline = Instant::now() + service.limits.drain;
        while let Ok(Some(_)) = timeout_at(deadline, work.join_next()).await {}
        let unfinished = service.leases.receipts();
        work.shutdown().await;
        pollers.shutdown().await;
        heart.shutdown().await;
        give_back(&*service.pipeline.notifications, &unfinished).await;
        Drained { given_back: unfinished.len(), failed }
    }

    /// Receives and starts work until `stop`; returns the work that is still under way.
    async fn poll(self: Arc<Self>, stop: CancellationToken) -> JoinSet<()> {
        let mut work = JoinSet::new();
        let mut failures = 0;
        while let Some(mut room) = self.make_room(&stop).await {
            while let Some(ended) = work.try_join_next() {
                note(ended);
            }
            let (wait, visibility) = (self.limits.receive_wait, self.limits.visibility);
            let received = self.pipeline.notifications.receive(room.len(), wait, visibility).await;
            let messages = match received {
                Ok(messages) => messages,
                Err(error) => {
                    failures += 1;
                    tracing::error!(error = %error, failures, "failed to receive messages; trying again");
                    drop(room);
                    pause(failures, &stop).await;
                    continue;
                }
            };
            failures = 0;
            if stop.is_cancelled() {
                let receipts: Vec<Receipt> =
                    messages.into_iter().map(|message| message.receipt).collect();
                give_back(&*self.pipeline.notifications, &receipts).await;
                break;
            }
            for message in messages {
                add(&self.pipeline.counters.messages_received, 1);
                let Some(place) = room.pop() else { break };
                work.spawn(Arc::clone(&self).handle(message, place));
            }
        }
        work
    }

    /// Waits for room for one message and takes what more there is; `None` on stop.
    async fn make_room(&self, stop: &CancellationToken) -> Option<Vec<OwnedSemaphorePermit>> {
        let first = tokio::select! {
            biased;
            () = stop.cancelled() => return None,
            first = Arc::clone(&self.room).acquire_owned() => first.ok()?,
        };
        let mut room = vec![first];
        while room.len() < RECEIVE_MESSAGES_MAX {
            let Ok(more) = Arc::clone(&self.room).try_acquire_owned() else { break };
            room.push(more);
        }
        Some(room)
    }

    /// One message, from its lease to its end.
    async fn handle(self: Arc<Self>, message: Message, _place: OwnedSemaphorePermit) {
        let lease = self.leases.hold(&message);
        let result = tokio::select! {
            biased;
            () = lease.lost() => Err(Trouble::LeaseLost),
            result = self.pipeline.process(&message, &lease) => result,
        };
        if let Err(trouble) = result {
            add(&self.pipeline.counters.messages_released, 1);
            let cause = std::error::Error::source(&trouble).map(ToString::to_string);
            tracing::warn!(
                message_id = %message.id,
                receives = message.receive_count,
                cause = cause.as_deref().unwrap_or("none"),
                "let a message go, it comes again: {trouble}"
            );
        }
    }
}

/// Keeps what a poller left under way, and says whether the poller ended well.
fn keep(polled: Option<Result<JoinSet<()>, JoinError>>, work: &mut JoinSet<()>) -> bool {
    match polled {
        Some(Ok(unfinished)) => {
            work.spawn(finish(unfinished));
            true
        }
        Some(Err(error)) => {
            tracing::error!(error = %error, "a poller failed; going down");
            false
        }
        None => true,
    }
}

async fn finish(mut work: JoinSet<()>) {
    while let Some(ended) = work.join_next().await {
        note(ended);
    }
}

/// A message whose work panicked comes again; that it did is an error of ours.
fn note(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(error = %error, "working on a message failed; it comes again");
    }
}

/// A pause that grows with the failures in a row.
async fn pause(failures: u32, stop: &CancellationToken) {
    let seconds = 1_u64.checked_shl(failures.min(8)).unwrap_or(PAUSE_SECONDS_MAX);
    tokio::select! {
        biased;
        () = stop.cancelled() => {}
        () = sleep(Duration::from_secs(seconds.min(PAUSE_SECONDS_MAX))) => {}
    }
}
