//! Queues and stores that count what they are asked, around any other kind.
//!
//! What is counted are the requests that AWS would be sent: a batch of any length counts as often as SQS would have to
//! be asked for it. So a test shows without a network what an object costs, and the service says what it has asked.
//! Retries inside the SDK are not seen here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use crate::error::CloudError;
use crate::faulty::Operation;
use crate::queue::{BATCH_ENTRIES_MAX, Message, Outgoing, Queue, Receipt, batch_length};
use crate::store::{Object, ObjectRef, Page, Store};

/// How often each operation was asked for. Its clones share the counts.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    requests: Arc<[AtomicU64; Operation::ALL.len()]>,
}

impl Meter {
    /// The requests of one operation.
    pub fn requests(&self, operation: Operation) -> u64 {
        self.requests[operation as usize].load(Ordering::Relaxed)
    }

    /// The requests of all operations.
    pub fn requests_total(&self) -> u64 {
        Operation::ALL.iter().map(|operation| self.requests(*operation)).sum()
    }

    /// The requests of every operation that was asked for, with its name.
    pub fn named(&self) -> Vec<(&'static str, u64)> {
        let each = Operation::ALL.iter().map(|asked| (asked.word(), self.requests(*asked)));
        each.filter(|(_, requests)| *requests > 0).collect()
    }

    fn add(&self, operation: Operation, requests: usize) {
        self.requests[operation as usize].fetch_add(requests as u64, Ordering::Relaxed);
    }
}

/// A queue that counts its requests.
pub struct MeteredQueue {
    inner: Arc<dyn Queue>,
    meter: Meter,
}

impl MeteredQueue {
    /// Wraps a queue. What shares a meter is counted together.
    pub fn new(inner: Arc<dyn Queue>, meter: Meter) -> Self {
        Self { inner, meter }
    }
}

#[async_trait]
impl Queue for MeteredQueue {
    fn name(&self) -> &str {
        self.inner.name()
    }

    async fn receive(
        &self,
        messages_max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Message>, CloudError> {
        self.meter.add(Operation::Receive, 1);
        self.inner.receive(messages_max, wait, visibility).await
    }

    async fn extend(
        &self,
        receipts: &[Receipt],
        visibility: Duration,
    ) -> Result<Vec<Result<(), CloudError>>, CloudError> {
        self.meter.add(Operation::Extend, receipts.len().div_ceil(BATCH_ENTRIES_MAX));
        self.inner.extend(receipts, visibility).await
    }

    async fn delete(
        &self,
        receipts: &[Receipt],
    ) -> Result<Vec<Result<(), CloudError>>, CloudError> {
        self.meter.add(Operation::Delete, receipts.len().div_ceil(BATCH_ENTRIES_MAX));
        self.inner.delete(receipts).await
    }

    async fn send(&self, messages: &[Outgoing]) -> Result<Vec<Result<(), CloudError>>, CloudError> {
        self.meter.add(Operation::Send, send_requests(messages));
        self.inner.send(messages).await
    }
}

/// In how many requests these messages travel; one that will be refused counts as if it travelled too.
fn send_requests(messages: &[Outgoing]) -> usize {
    let mut requests = 0;
    let mut rest = messages;
    while !rest.is_empty() {
        rest = &rest[batch_length(rest)..];
        requests += 1;
    }
    requests
}

/// A store that counts its requests.
pub struct MeteredStore {
    inner: Arc<dyn Store>,
    meter: Meter,
}

impl MeteredStore {
    /// Wraps a store. What shares a meter is counted together.
    pub fn new(inner: Arc<dyn Store>, meter: Meter) -> Self {
        Self { inner, meter }
    }
}

#[async_trait]
impl Store for MeteredStore {
    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<Page, CloudError> {
        self.meter.add(Operation::List, 1);
        self.inner.list(bucket, prefix, after).await
    }

    async fn get(&self, object: &ObjectRef, bytes_max: u64) -> Result<Object, CloudError> {
        self.meter.add(Operation::Get, 1);
        self.inner.get(object, bytes_max).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryQueue;
    use crate::queue::BATCH_BYTES_MAX;

    #[tokio::test]
    async fn a_batch_counts_as_often_as_sqs_must_be_asked() {
        let meter = Meter::default();
        let queue = MeteredQueue::new(Arc::new(MemoryQueue::new("q")), meter.clone());
        let sized = |bytes: usize| Outgoing { body: "x".repeat(bytes), ..Outgoing::default() };
        queue.send(&vec![sized(10); 25]).await.unwrap();
        assert_eq!(meter.requests(Operation::Send), 3);
        queue.send(&vec![sized(BATCH_BYTES_MAX / 2); 3]).await.unwrap();
        assert_eq!(meter.requests(Operation::Send), 5, "two fit, the third does not");
        let second = Duration::from_secs(1);
        let messages = queue.receive(10, Duration::ZERO, second).await.unwrap();
        let receipts: Vec<_> = messages.into_iter().map(|message| message.receipt).collect();
        queue.extend(&[], second).await.unwrap();
        queue.delete(&receipts).await.unwrap();
        assert_eq!(meter.named(), [("receive", 1), ("delete", 1), ("send", 5)]);
        assert_eq!(meter.requests_total(), 7);
    }
}
