//! The service: findings from the action queue, and open runs looked at again and again, until it is told to stop.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use trailloop_cloud::{CloudError, CloudErrorKind, Message, Outgoing, Queue};

use crate::lanes::{Lane, Waiting};
use crate::responder::{Halt, Handled, Responder};

/// The queues of the service.
#[derive(Clone)]
pub struct Queues {
    /// Findings.
    pub actions: Arc<dyn Queue>,
    /// Where messages go that are no findings. Without it they are let go until the queue's own redrive policy moves them.
    pub dead_letters: Option<Arc<dyn Queue>>,
}

/// Messages handled at once.
const MESSAGES_IN_FLIGHT_MAX: usize = 16;

/// How long a message is ours: longer than the steps of a run take. A run that waits for people or for time does not hold its
/// message.
const VISIBILITY: Duration = Duration::from_secs(300);

/// The lease of a message that has waited here for so long is renewed before it is handled.
const RENEWED_MS: i64 = 10_000;

/// How long a receive waits for the first message.
const RECEIVE_WAIT: Duration = Duration::from_secs(2);

/// Runs until `stop`, and then finishes what is begun.
pub async fn serve(responder: Arc<Responder>, queues: Queues, stop: CancellationToken) {
    let mut tasks = JoinSet::new();
    tasks.spawn(sweep(Arc::clone(&responder), stop.clone()));
    tasks.spawn(look_around(Arc::clone(&responder), stop.clone()));
    tasks.spawn(receive(responder, queues, stop.clone()));
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "a part of the service failed; going down");
            stop.cancel();
        }
    }
}

async fn sweep(responder: Arc<Responder>, stop: CancellationToken) {
    loop {
        if let Err(error) = responder.sweep().await {
            tracing::warn!(%error, "the open runs can't be looked at for now");
        }
        if is_over(&responder, &stop).await {
            return;
        }
    }
}

async fn look_around(responder: Arc<Responder>, stop: CancellationToken) {
    loop {
        tokio::select! {
            biased;
            // Nothing of it is left half done that the next look does not do again.
            () = stop.cancelled() => return,
            () = Box::pin(responder.look_around()) => {}
        }
        if is_over(&responder, &stop).await {
            return;
        }
    }
}

/// Waits for the next turn, and says whether there is none.
async fn is_over(responder: &Responder, stop: &CancellationToken) -> bool {
    tokio::select! {
        biased;
        () = stop.cancelled() => true,
        () = tokio::time::sleep(responder.settings.tick) => false,
    }
}

async fn receive(responder: Arc<Responder>, queues: Queues, stop: CancellationToken) {
    let mut handling = JoinSet::new();
    let mut waiting = Waiting::default();
    while !stop.is_cancelled() {
        let now_ms = responder.clock.now_ms();
        while handling.len() < MESSAGES_IN_FLIGHT_MAX
            && let Some((since_ms, message)) = waiting.next(now_ms)
        {
            let (responder, queues) = (Arc::clone(&responder), queues.clone());
            match now_ms - since_ms < RENEWED_MS {
                true => handling.spawn(handle(responder, queues, message)),
                false => handling.spawn(handle_waited(responder, queues, message)),
            };
        }
        let free = MESSAGES_IN_FLIGHT_MAX - handling.len();
        // While all hands are full, a few more messages are looked at, so that what is urgent does not wait behind what is not.
        let (room, wait) = match free {
            0 => (waiting.room(), Duration::ZERO),
            _ => (free, RECEIVE_WAIT),
        };
        let received = match room {
            0 => Ok(Vec::new()),
            _ => queues.actions.receive(room.min(10), wait, VISIBILITY).await,
        };
        match received {
            Ok(messages) if messages.is_empty() && free == 0 => watch(handling.join_next().await),
            Ok(messages) => take_in(&responder, &mut waiting, messages, free == 0).await,
            Err(error) => {
                tracing::warn!(%error, "the action queue can't be read for now");
                tokio::time::sleep(RECEIVE_WAIT).await;
            }
        }
        while let Some(ended) = handling.try_join_next() {
            watch(Some(ended));
        }
    }
    give_back(&*queues.actions, &waiting).await;
    while let Some(ended) = handling.join_next().await {
        watch(Some(ended));
    }
}

/// Puts messages where they wait for their turn; where they need not wait, nobody asks how urgent they are.
async fn take_in(
    responder: &Responder,
    waiting: &mut Waiting,
    messages: Vec<Message>,
    is_busy: bool,
) {
    let lanes = match is_busy {
        true => join_all(messages.iter().map(|one| Lane::of(one, &*responder.table))).await,
        false => vec![Lane::Other; messages.len()],
    };
    let now_ms = responder.clock.now_ms();
    for (lane, message) in lanes.into_iter().zip(messages) {
        waiting.add(lane, now_ms, message);
    }
}

/// Gives back what has not been begun, so that others need not wait for our leases to end.
async fn give_back(queue: &dyn Queue, waiting: &Waiting) {
    for receipts in waiting.receipts().chunks(10) {
        let given = queue.extend(receipts, Duration::ZERO).await;
        let refused = given.map_or_else(Some, |each| each.into_iter().find_map(Result::err));
        if let Some(error) = refused {
            tracing::warn!(%error, "messages are not given back; they come again later");
        }
    }
}

/// A message whose handling panicked was not deleted and comes again.
fn watch(ended: Option<Result<(), tokio::task::JoinError>>) {
    if let Some(Err(error)) = ended {
        tracing::error!(%error, "a message could not be handled; it comes again");
    }
}

/// Handles a message that has waited here: our lease begins now, and of one that we have lost somebody else takes care.
async fn handle_waited(responder: Arc<Responder>, queues: Queues, message: Message) {
    let renewed = queues.actions.extend(std::slice::from_ref(&message.receipt), VISIBILITY).await;
    let is_gone = |one: &Result<(), CloudError>| {
        one.as_ref().is_err_and(|error| error.kind() == CloudErrorKind::Gone)
    };
    if renewed.is_ok_and(|each| each.iter().any(is_gone)) {
        tracing::debug!(message = %message.id, "our lease is lost; it comes again");
        return;
    }
    handle(responder, queues, message).await;
}

/// Handles a message. It is deleted when its runs are written, and last.
pub async fn handle(responder: Arc<Responder>, queues: Queues, message: Message) {
    let handled = match responder.respond(&message).await {
        Ok(handled) => handled,
        Err(Halt::Taken) => {
            tracing::debug!(message = %message.id, "another worker has its run; it comes again");
            return;
        }
        Err(error) => {
            tracing::warn!(message = %message.id, %error, "let go for now; it comes again");
            return;
        }
    };
    tracing::info!(message = %message.id, ?handled, "handled");
    if let Handled::NotAFinding(error) = &handled {
        match park(&queues, &message, &error.to_string()).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                tracing::warn!(message = %message.id, %error, "can't be parked for now");
                return;
            }
        }
    }
    acknowledge(&*queues.actions, &message).await;
}

/// Sends a message that is no finding to the dead letters; `false` if there are none.
async fn park(queues: &Queues, message: &Message, reason: &str) -> Result<bool, CloudError> {
    let Some(dead_letters) = &queues.dead_letters else {
        tracing::warn!(message = %message.id, reason, "no finding, and there is no dead-letter queue");
        return Ok(false);
    };
    let mut attributes = message.attributes.clone();
    attributes.retain(|name, _| name.starts_with("trailloop-"));
    attributes.insert("trailloop-reason".to_owned(), "not_a_finding".to_owned());
    let outgoing = Outgoing {
        body: message.body.clone(),
        group: Some("none".to_owned()),
        deduplication: Some(message.id.clone()),
        attributes,
    };
    for sent in dead_letters.send(&[outgoing]).await? {
        sent?;
    }
    Ok(true)
}

/// The only place that deletes a message of the action queue, and the last thing done to it.
async fn acknowledge(queue: &dyn Queue, message: &Message) {
    let deleted = queue.delete(std::slice::from_ref(&message.receipt)).await;
    let refused = match deleted {
        Ok(each) => each.into_iter().find_map(Result::err),
        Err(error) => Some(error),
    };
    if let Some(error) = refused {
        tracing::warn!(message = %message.id, %error, "not deleted; it comes again and finds its runs");
    }
}
