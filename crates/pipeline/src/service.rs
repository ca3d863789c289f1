//! The service: pollers, a heartbeat, and two tasks that gather; and the drain at the end.
//!
//! On stop: no more receives; what a last receive brings is given back at once (one that hangs beyond its wait is
//! dropped); what began may finish until the drain's deadline; the rest is given back, and its work is dropped at an
//! await, where nothing is half done that a repeat would not mend. Messages that wait to be deleted are among what
//! began: when no other work is left, nothing more may come, and they are deleted at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use trailloop_cloud::{CloudError, Message};

use crate::batch::{Gatherer, Waiting, batcher};
use crate::counters::add;
use crate::lease::{Lease, Leases, give_back};
use crate::poll::{RECEIVE_GRACE, Turns};
use crate::{Batchers, Pipeline, Settled, Trouble};

/// How long a message that is done waits for others to be deleted with. Nothing waits for it, but its place is taken.
const DELETE_WAIT_MAX: Duration = Duration::from_millis(250);

/// Messages of which all is done.
type Done = Gatherer<Settled, Result<(), CloudError>>;

/// How much the service does at once, and how long it takes to stop.
#[derive(Clone, Copy, Debug)]
pub struct ServiceLimits {
    /// Receives under way at once, at most.
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

/// A service that is not started yet.
pub struct Service {
    pipeline: Arc<Pipeline>,
    limits: ServiceLimits,
}

impl Service {
    /// The service around a pipeline.
    #[must_use]
    pub fn new(pipeline: Arc<Pipeline>, limits: ServiceLimits) -> Self {
        Self { pipeline, limits }
    }

    /// Runs until `stop`, then drains.
    pub async fn run(self, stop: CancellationToken) -> Drained {
        let limits = self.limits;
        let (findings, parcels) = batcher(limits.messages_in_flight_max);
        let (settled, done) = batcher(limits.messages_in_flight_max);
        let leases = Leases::new(Arc::clone(&self.pipeline.notifications), limits.visibility);
        let running = Arc::new(Running {
            leases,
            limits,
            room: Arc::new(Semaphore::new(limits.messages_in_flight_max.max(1))),
            turns: Turns::new(limits.pollers),
            batchers: Batchers { findings, settled },
            pipeline: self.pipeline,
        });
        // The heart beats and answers are given until all work is settled; both end before anything is given back.
        let mut keepers = JoinSet::new();
        keepers.spawn(Arc::clone(&running.leases).keep());
        keepers.spawn(Arc::clone(&running.pipeline).send_all(parcels));
        keepers.spawn(delete_all(Arc::clone(&running.pipeline), Arc::clone(&running.leases), done));
        let mut pollers = JoinSet::new();
        for _ in 0..limits.pollers.max(1) {
            pollers.spawn(Arc::clone(&running).poll(stop.clone()));
        }

        let mut failed = false;
        let mut work = JoinSet::new();
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            ended = keepers.join_next() => {
                failed = true;
                tracing::error!(?ended, "the heartbeat, sending or deleting failed; going down");
            }
            // A poller ends by itself only by failing.
            polled = pollers.join_next() => failed |= !keep(polled, &mut work),
        }
        stop.cancel();
        let last_receive = Instant::now() + limits.receive_wait + RECEIVE_GRACE;
        while let Ok(polled @ Some(_)) = timeout_at(last_receive, pollers.join_next()).await {
            failed |= !keep(polled, &mut work);
        }
        let deadline = Instant::now() + limits.drain;
        while let Ok(Some(_)) = timeout_at(deadline, work.join_next()).await {}
        let unfinished = running.leases.receipts();
        work.shutdown().await;
        pollers.shutdown().await;
        keepers.shutdown().await;
        give_back(&*running.pipeline.notifications, &unfinished).await;
        Drained { given_back: unfinished.len(), failed }
    }
}

/// What the tasks of a running service share.
pub(crate) struct Running {
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) leases: Arc<Leases>,
    pub(crate) limits: ServiceLimits,
    /// Places for messages that are worked on.
    pub(crate) room: Arc<Semaphore>,
    pub(crate) turns: Turns,
    batchers: Batchers,
}

impl Running {
    /// One message, from its lease to its end.
    pub(crate) async fn handle(
        self: Arc<Self>,
        message: Message,
        lease: Lease,
        _place: OwnedSemaphorePermit,
    ) {
        let lost = lease.lost();
        let result = tokio::select! {
            biased;
            () = lost => Err(Trouble::LeaseLost),
            result = self.pipeline.process(&message, lease, &self.batchers) => result,
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

/// Gathers messages that are done and has them deleted, until the service ends. A batch waits only while other messages
/// are worked on: when all that are held are done, no more will come before the next receive.
async fn delete_all(pipeline: Arc<Pipeline>, leases: Arc<Leases>, done: Done) {
    let due = |waiting: Waiting| {
        let may_come = leases.count() > waiting.asks;
        waiting.since + if may_come { DELETE_WAIT_MAX } else { Duration::ZERO }
    };
    let acknowledge = |settled| {
        let pipeline = Arc::clone(&pipeline);
        async move { pipeline.acknowledge(settled).await }
    };
    done.keep(due, acknowledge).await;
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
pub(crate) fn note(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(error = %error, "working on a message failed; it comes again");
    }
}
