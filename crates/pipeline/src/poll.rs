//! Asking for messages: how many at a time, and how often.
//!
//! A receive costs the same whether it brings one message or ten, so we ask for ten, when there is room for ten, and let
//! ten come together when few come. Who may ask has a *turn*. There is one turn while the queue gives less than was
//! asked for, and after such a receive the turn rests for [`GATHER`]: a message waits that long at most, in a service
//! whose logs are minutes old when they arrive. As soon as a receive comes back full, or brings messages that have waited
//! already, there is more than one poller can carry: each such receive adds a turn, up to one for each poller, and none
//! rests.
//!
//! A begun receive is never dropped, because that would strand its messages until their visibility ends; only what lies
//! between receives looks at the stop signal.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use trailloop_cloud::{CloudError, Message, Receipt};

use crate::counters::add;
use crate::lease::give_back;
use crate::service::{Running, note};

/// SQS gives at most ten messages a receive.
const RECEIVE_MESSAGES_MAX: usize = 10;

/// How long messages may gather in the queue while few come.
const GATHER: Duration = Duration::from_millis(250);

/// A message that waited this long was not kept waiting by [`GATHER`] alone: we are behind.
const BEHIND_MS: i64 = 1000;

/// How long to wait for room for ten before asking for fewer: what holds the room may take minutes.
const ROOM_WAIT: Duration = Duration::from_millis(250);

/// How much longer than its wait a receive may take before others stop waiting for it.
pub(crate) const RECEIVE_GRACE: Duration = Duration::from_secs(2);

/// The longest pause after failed receives.
const PAUSE_SECONDS_MAX: u64 = 30;

/// Who may ask.
pub(crate) struct Turns {
    free: Semaphore,
    /// Turns there are, taken or free.
    count: AtomicUsize,
    most: usize,
}

impl Turns {
    /// One turn for now, and one for each poller at most.
    pub(crate) fn new(pollers: usize) -> Self {
        Self { free: Semaphore::new(1), count: AtomicUsize::new(1), most: pollers.max(1) }
    }

    /// The next turn.
    async fn next(&self) -> SemaphorePermit<'_> {
        // Nobody closes it.
        self.free.acquire().await.expect("turns are open as long as the service is")
    }

    /// One turn more, if there are not yet as many as pollers.
    fn more(&self) {
        let counted = self.count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
            (count < self.most).then_some(count + 1)
        });
        if counted.is_ok() {
            self.free.add_permits(1);
        }
    }

    /// One turn less: this one. The last one stays and is given back.
    fn fewer<'t>(&self, turn: SemaphorePermit<'t>) -> Option<SemaphorePermit<'t>> {
        let counted = self.count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
            (count > 1).then(|| count - 1)
        });
        match counted {
            Ok(_) => {
                turn.forget();
                None
            }
            Err(_) => Some(turn),
        }
    }
}

impl Running {
    /// Receives and starts work until `stop`; returns the work that is still under way.
    pub(crate) async fn poll(self: Arc<Self>, stop: CancellationToken) -> JoinSet<()> {
        let mut work = JoinSet::new();
        let mut failures = 0;
        while let Some((turn, mut room)) = self.make_ready(&stop).await {
            while let Some(ended) = work.try_join_next() {
                note(ended);
            }
            let asked = room.num_permits();
            let (turn, received) = self.receive(asked, turn).await;
            let messages = match received {
                Ok(messages) => messages,
                Err(error) => {
                    failures += 1;
                    tracing::error!(error = %error, failures, "failed to receive messages; trying again");
                    // Another poller may have better luck meanwhile.
                    drop((turn, room));
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
            let more = messages.len() >= asked || messages.iter().any(|one| self.has_waited(one));
            let none = messages.is_empty();
            add(&self.pipeline.counters.messages_received, messages.len() as u64);
            // All are held before work on the first begins: they will be deleted together.
            let held: Vec<_> =
                messages.into_iter().map(|message| (self.leases.hold(&message), message)).collect();
            for (lease, message) in held {
                let Some(place) = room.split(1) else { break };
                work.spawn(Arc::clone(&self).handle(message, lease, place));
            }
            drop(room);
            if more {
                self.turns.more();
            } else if let Some(turn) = turn.and_then(|turn| self.turns.fewer(turn)) {
                if !none {
                    rest(&stop).await;
                }
                drop(turn);
            }
        }
        work
    }

    /// Waits for a turn, then for room; `None` on stop.
    async fn make_ready(
        &self,
        stop: &CancellationToken,
    ) -> Option<(SemaphorePermit<'_>, OwnedSemaphorePermit)> {
        let ready = async {
            let turn = self.turns.next().await;
            (turn, self.make_room().await)
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => None,
            ready = ready => Some(ready),
        }
    }

    /// Waits for room for ten messages, or after a while for room for one, and takes what there is.
    async fn make_room(&self) -> OwnedSemaphorePermit {
        let room = || Arc::clone(&self.room);
        let ten = RECEIVE_MESSAGES_MAX.min(self.limits.messages_in_flight_max).max(1);
        if let Ok(Ok(ten)) = timeout(ROOM_WAIT, room().acquire_many_owned(ten as u32)).await {
            return ten;
        }
        let mut some =
            room().acquire_owned().await.expect("there is room as long as the service is");
        while some.num_permits() < ten {
            let Ok(more) = room().try_acquire_owned() else { break };
            some.merge(more);
        }
        some
    }

    /// Receives. If it takes far longer than it may, the turn is given to another poller, because a connection that
    /// hangs must not keep all from asking.
    async fn receive<'t>(
        &self,
        messages_max: usize,
        turn: SemaphorePermit<'t>,
    ) -> (Option<SemaphorePermit<'t>>, Result<Vec<Message>, CloudError>) {
        let (wait, visibility) = (self.limits.receive_wait, self.limits.visibility);
        let receiving = self.pipeline.notifications.receive(messages_max, wait, visibility);
        tokio::pin!(receiving);
        match timeout(wait + RECEIVE_GRACE, &mut receiving).await {
            Ok(received) => (Some(turn), received),
            Err(_) => {
                drop(turn);
                (None, receiving.await)
            }
        }
    }

    /// Whether the message could have been received a while ago. One that comes again says nothing: it was let go.
    fn has_waited(&self, message: &Message) -> bool {
        let age_ms = message.sent_at_ms.map_or(0, |sent_ms| self.pipeline.clock.now_ms() - sent_ms);
        message.receive_count <= 1 && age_ms > BEHIND_MS
    }
}

async fn rest(stop: &CancellationToken) {
    tokio::select! {
        biased;
        () = stop.cancelled() => {}
        () = sleep(GATHER) => {}
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
