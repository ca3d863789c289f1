//! A queue and a store in memory, on tokio's clock, for simulation.
//!
//! They keep the whole contract of [`Queue`] and [`Store`]: leases end, receive counts grow, stale
//! receipts are refused, messages move to the dead-letter queue. Under tokio's paused clock and one
//! thread everything they do is a function of the calls made: messages come oldest first, and
//! there is no randomness. A deduplication id counts whatever the queue's name, and groups do not
//! hold each other back. Nothing survives the process.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::clock::milliseconds;
use crate::error::{CloudError, CloudErrorKind};
use crate::queue::{
    Message, Outgoing, Queue, Receipt, VISIBILITY_SECONDS_MAX, WAIT_MAX, check_messages_max,
    check_outgoing, check_visibility, receipt_gone,
};
use crate::store::{
    LIST_PAGE_MAX, Listed, Object, ObjectRef, Page, Store, content_etag, etag_differs, etags_equal,
    object_too_large,
};

/// How long a deduplication id is remembered, as on a FIFO queue of SQS.
const DEDUPLICATION: Duration = Duration::from_secs(300);

/// The Unix time at which every memory queue begins. A fixed one keeps simulations equal.
const EPOCH_MS: i64 = 1_700_000_000_000;

/// A queue in memory. Its clones are the same queue.
#[derive(Clone)]
pub struct MemoryQueue {
    shared: Arc<Shared>,
}

struct Shared {
    name: String,
    dead_letters: Option<(MemoryQueue, u32)>,
    started: Instant,
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Default)]
struct State {
    /// By order of arrival, which is the order of delivery.
    messages: BTreeMap<u64, Stored>,
    /// When each deduplication id was last accepted.
    deduplication: BTreeMap<String, Instant>,
    messages_sent: u64,
    deliveries: u64,
}

struct Stored {
    id: String,
    body: String,
    attributes: BTreeMap<String, String>,
    sent_at_ms: i64,
    receive_count: u32,
    lease: Option<Lease>,
}

/// The newest delivery. It stays after it lapsed, because a late delete with it is still good.
struct Lease {
    receipt: Receipt,
    received: Instant,
    until: Instant,
}

impl Stored {
    fn visible(&self, now: Instant) -> bool {
        self.lease.as_ref().is_none_or(|lease| lease.until <= now)
    }
}

impl MemoryQueue {
    /// An empty queue. Must be called inside a tokio runtime, whose clock it uses.
    pub fn new(name: impl Into<String>) -> Self {
        Self::build(name.into(), None)
    }

    /// An empty queue that moves a message to `dead_letters` instead of delivering it more than
    /// `receives_max` times.
    pub fn with_dead_letters(
        name: impl Into<String>,
        dead_letters: &MemoryQueue,
        receives_max: u32,
    ) -> Self {
        Self::build(name.into(), Some((dead_letters.clone(), receives_max)))
    }

    fn build(name: String, dead_letters: Option<(MemoryQueue, u32)>) -> Self {
        let shared = Shared {
            name,
            dead_letters,
            started: Instant::now(),
            state: Mutex::default(),
            arrived: Notify::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The number of messages in the queue, in flight or not.
    pub fn len(&self) -> usize {
        self.state().messages.len()
    }

    /// Whether no message is left, in flight or not.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of messages that someone holds a lease on.
    pub fn in_flight(&self) -> usize {
        let now = Instant::now();
        self.state().messages.values().filter(|stored| !stored.visible(now)).count()
    }

    /// The bodies of all messages in the queue, in order of arrival.
    pub fn bodies(&self) -> Vec<String> {
        self.state().messages.values().map(|stored| stored.body.clone()).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leases what is visible now. Messages beyond their receives go to the dead-letter queue.
    fn take(&self, messages_max: usize, visibility: Duration) -> Vec<Message> {
        let now = Instant::now();
        let mut dead = Vec::new();
        let mut taken = Vec::new();
        {
            let mut state = self.state();
            let State { messages, deliveries, .. } = &mut *state;
            let receives_max = self.shared.dead_letters.as_ref().map_or(u32::MAX, |(_, max)| *max);
            let visible = messages.iter_mut().filter(|(_, stored)| stored.visible(now));
            for (order, stored) in visible {
                if stored.receive_count >= receives_max {
                    dead.push(*order);
                    continue;
                }
                if taken.len() == messages_max {
                    break;
                }
                *deliveries += 1;
                taken.push(lease(*order, stored, *deliveries, now, visibility));
            }
            for order in &dead {
                let (Some(stored), Some((queue, _))) =
                    (messages.remove(order), &self.shared.dead_letters)
                else {
                    continue;
                };
                queue.bury(stored);
            }
        }
        taken
    }

    /// Takes a message over from the queue whose dead letters we hold; it keeps its id and age.
    fn bury(&self, stored: Stored) {
        let mut state = self.state();
        state.messages_sent += 1;
        let order = state.messages_sent;
        state.messages.insert(order, Stored { receive_count: 0, lease: None, ..stored });
        drop(state);
        self.shared.arrived.notify_waiters();
    }

    /// When the first message in flight will be visible again.
    fn next_visible(&self) -> Option<Instant> {
        self.state().messages.values().filter_map(|s| s.lease.as_ref().map(|l| l.until)).min()
    }

    /// Whether a message that this queue gave away lies among its dead letters.
    fn buried(&self, id: &str) -> bool {
        self.shared
            .dead_letters
            .as_ref()
            .is_some_and(|(queue, _)| queue.state().messages.values().any(|s| s.id == id))
    }

    fn extend_one(&self, receipt: &Receipt, visibility: Duration) -> Result<(), CloudError> {
        let gone = || receipt_gone("extend", &self.shared.name, receipt);
        let now = Instant::now();
        let (order, _) = parse_receipt(receipt).ok_or_else(gone)?;
        let mut state = self.state();
        let stored = state.messages.get_mut(&order).ok_or_else(gone)?;
        let lease = match &mut stored.lease {
            Some(lease) if lease.receipt == *receipt && lease.until > now => lease,
            _ => return Err(gone()),
        };
        if now + visibility > lease.received + Duration::from_secs(VISIBILITY_SECONDS_MAX) {
            return Err(beyond_limit(&self.shared.name));
        }
        lease.until = now + visibility;
        drop(state);
        if visibility.is_zero() {
            self.shared.arrived.notify_waiters();
        }
        Ok(())
    }

    fn delete_one(&self, receipt: &Receipt) -> Result<(), CloudError> {
        let gone = || receipt_gone("delete", &self.shared.name, receipt);
        let (order, id) = parse_receipt(receipt).ok_or_else(gone)?;
        let mut state = self.state();
        let Some(stored) = state.messages.get(&order) else {
            drop(state);
            return if self.buried(id) { Err(gone()) } else { Ok(()) };
        };
        if stored.lease.as_ref().is_none_or(|lease| lease.receipt != *receipt) {
            return Err(gone());
        }
        state.messages.remove(&order);
        Ok(())
    }

    fn send_one(&self, message: &Outgoing) -> Result<(), CloudError> {
        check_outgoing(&self.shared.name, message)?;
        let now = Instant::now();
        let mut state = self.state();
        if let Some(deduplication) = &message.deduplication {
            state.deduplication.retain(|_, accepted| now < *accepted + DEDUPLICATION);
            if state.deduplication.contains_key(deduplication) {
                return Ok(());
            }
            state.deduplication.insert(deduplication.clone(), now);
        }
        state.messages_sent += 1;
        let order = state.messages_sent;
        let stored = Stored {
            id: format!("{}-{order}", self.shared.name),
            body: message.body.clone(),
            attributes: message.attributes.clone(),
            sent_at_ms: EPOCH_MS + milliseconds(now - self.shared.started),
            receive_count: 0,
            lease: None,
        };
        state.messages.insert(order, stored);
        Ok(())
    }
}

/// Delivers a message under a receipt that no other delivery had.
fn lease(
    order: u64,
    stored: &mut Stored,
    delivery: u64,
    now: Instant,
    visibility: Duration,
) -> Message {
    let receipt = Receipt(format!("{order}/{delivery}/{}", stored.id));
    stored.receive_count += 1;
    stored.lease = Some(Lease { receipt: receipt.clone(), received: now, until: now + visibility });
    Message {
        id: stored.id.clone(),
        receipt,
        body: stored.body.clone(),
        attributes: stored.attributes.clone(),
        receive_count: stored.receive_count,
        sent_at_ms: Some(stored.sent_at_ms),
    }
}

/// The place and the id of the message that a receipt of ours names.
fn parse_receipt(receipt: &Receipt) -> Option<(u64, &str)> {
    let mut parts = receipt.0.splitn(3, '/');
    let order = parts.next()?.parse().ok()?;
    let _delivery: u64 = parts.next()?.parse().ok()?;
    Some((order, parts.next()?))
}

/// The error of an extension beyond what SQS allows.
pub(crate) fn beyond_limit(queue: &str) -> CloudError {
    CloudError::new(
        CloudErrorKind::Invalid,
        "extend",
        queue,
        format!(
            "the lease would last more than {VISIBILITY_SECONDS_MAX} s from its receipt; \
             give the message back instead"
        ),
    )
    .with_code("InvalidParameterValue")
}

#[async_trait]
impl Queue for MemoryQueue {
    fn name(&self) -> &str {
        &self.shared.name
    }

    async fn receive(
        &self,
        messages_max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Message>, CloudError> {
        check_messages_max(&self.shared.name, messages_max)?;
        check_visibility("receive", &self.shared.name, visibility)?;
        let deadline = Instant::now() + wait.min(WAIT_MAX);
        loop {
            // Registered before looking, so that a message sent in between wakes us.
            let arrived = self.shared.arrived.notified();
            tokio::pin!(arrived);
            arrived.as_mut().enable();
            let messages = self.take(messages_max, visibility);
            if !messages.is_empty() || Instant::now() >= deadline {
                return Ok(messages);
            }
            let wake = self.next_visible().map_or(deadline, |at| at.min(deadline));
            tokio::select! {
                biased;
                () = arrived => {}
                () = tokio::time::sleep_until(wake) => {}
            }
        }
    }

    async fn extend(
        &self,
        receipts: &[Receipt],
        visibility: Duration,
    ) -> Result<Vec<Result<(), CloudError>>, CloudError> {
        check_visibility("extend", &self.shared.name, visibility)?;
        Ok(receipts.iter().map(|receipt| self.extend_one(receipt, visibility)).collect())
    }

    async fn delete(
        &self,
        receipts: &[Receipt],
    ) -> Result<Vec<Result<(), CloudError>>, CloudError> {
        Ok(receipts.iter().map(|receipt| self.delete_one(receipt)).collect())
    }

    async fn send(&self, messages: &[Outgoing]) -> Result<Vec<Result<(), CloudError>>, CloudError> {
        let results = messages.iter().map(|message| self.send_one(message)).collect();
        self.shared.arrived.notify_waiters();
        Ok(results)
    }
}

/// A store in memory. Its clones are the same store. A bucket exists from its first `put` on.
#[derive(Clone, Default)]
pub struct MemoryStore {
    buckets: Arc<Mutex<BTreeMap<String, BTreeMap<String, Bytes>>>>,
}

impl MemoryStore {
    /// A store without buckets.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes an object, in place of what stood there, and gives its etag.
    pub fn put(&self, bucket: &str, key: &str, bytes: impl Into<Bytes>) -> String {
        let bytes = bytes.into();
        let etag = content_etag(&bytes);
        self.buckets().entry(bucket.to_owned()).or_default().insert(key.to_owned(), bytes);
        etag
    }

    /// Removes an object; the bucket stays.
    pub fn remove(&self, bucket: &str, key: &str) {
        if let Some(objects) = self.buckets().get_mut(bucket) {
            objects.remove(key);
        }
    }

    fn buckets(&self) -> MutexGuard<'_, BTreeMap<String, BTreeMap<String, Bytes>>> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<Page, CloudError> {
        let buckets = self.buckets();
        let objects = buckets.get(bucket).ok_or_else(|| no_bucket("list", bucket))?;
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let mut found = objects
            .range::<str, _>((start, Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .map(|(key, bytes)| Listed {
                key: key.clone(),
                bytes: bytes.len() as u64,
                etag: Some(content_etag(bytes)),
            });
        let objects: Vec<Listed> = found.by_ref().take(LIST_PAGE_MAX).collect();
        let more = found.next().is_some();
        let next = objects.last().filter(|_| more).map(|last| last.key.clone());
        Ok(Page { objects, next })
    }

    async fn get(&self, object: &ObjectRef, bytes_max: u64) -> Result<Object, CloudError> {
        let buckets = self.buckets();
        let objects =
            buckets.get(&object.bucket).ok_or_else(|| no_bucket("get", &object.bucket))?;
        let bytes = objects.get(&object.key).ok_or_else(|| no_key(object))?;
        check_version(object)?;
        let etag = content_etag(bytes);
        if object.etag.as_deref().is_some_and(|wanted| !etags_equal(wanted, &etag)) {
            return Err(etag_differs(object, &etag));
        }
        if bytes.len() as u64 > bytes_max {
            return Err(object_too_large(object, bytes.len() as u64, bytes_max));
        }
        Ok(Object { bytes: bytes.clone(), version: None, etag: Some(etag) })
    }
}

/// The error of a bucket that is not there.
pub(crate) fn no_bucket(operation: &'static str, bucket: &str) -> CloudError {
    CloudError::new(CloudErrorKind::NotFound, operation, bucket, "the bucket does not exist")
        .with_code("NoSuchBucket")
}

/// The error of an object that is not there.
pub(crate) fn no_key(object: &ObjectRef) -> CloudError {
    CloudError::new(
        CloudErrorKind::NotFound,
        "get",
        object.to_string(),
        "the object does not exist",
    )
    .with_code("NoSuchKey")
}

/// Kinds that keep no versions know only the version of a bucket without them, `null`.
pub(crate) fn check_version(object: &ObjectRef) -> Result<(), CloudError> {
    match object.version.as_deref() {
        None | Some("null") => Ok(()),
        Some(_) => Err(CloudError::new(
            CloudErrorKind::NotFound,
            "get",
            object.to_string(),
            "this store keeps no versions",
        )
        .with_code("NoSuchVersion")),
    }
}
