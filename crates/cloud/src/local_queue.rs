//! A durable queue in one SQLite file, for one machine without an account.
//!
//! It keeps the whole contract of [`Queue`]: real visibility timeouts, receive counts, receipts that
//! change with each delivery, a dead-letter queue. Several queues live in one file by name, and
//! several processes may use the file at once. What `send` and `delete` have answered `Ok` to
//! survives `kill -9` and a power cut (WAL with full synchronisation); a message whose worker died
//! comes back when its visibility ends.
//!
//! Requests that wait at the same time share one transaction (`commits.rs`). Time comes from a
//! [`Clock`]. A waiting receive is woken by a send in the same process, and looks again every
//! 200 ms for what other processes did. A deduplication id counts whatever the queue's name; groups
//! do not hold each other back.

mod commits;
mod tables;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Transaction, params};
use tokio::sync::Notify;

pub(crate) use self::commits::Commits;
use self::tables::{Extended, SCHEMA_VERSION, Take, delete_one, extend_one, prepare, send_all};
pub(crate) use self::tables::{connect, sqlite_error};
use crate::clock::{Clock, milliseconds};
use crate::error::{CloudError, CloudErrorKind};
use crate::memory::beyond_limit;
use crate::queue::{
    Message, Outgoing, Queue, Receipt, WAIT_MAX, check_messages_max, check_outgoing,
    check_visibility, receipt_gone,
};

/// How often a waiting receive looks for messages that another process sent.
const POLL: Duration = Duration::from_millis(200);

/// A database file with queues in it. Its clones share one connection.
#[derive(Clone)]
pub struct LocalQueues {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    clock: Clock,
    commits: Arc<Commits>,
    arrived: Notify,
}

/// Where messages go that were delivered too often.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeadLetters {
    /// The name of the queue, in the same file, that takes them.
    pub queue: String,
    /// A message is delivered at most this often before it is moved.
    pub receives_max: u32,
}

/// One queue of a [`LocalQueues`]. Its clones are the same queue.
#[derive(Clone)]
pub struct LocalQueue {
    shared: Arc<Shared>,
    /// The name of the queue inside the file.
    queue: String,
    /// The file and the queue, for messages to people.
    name: String,
    dead_letters: Option<DeadLetters>,
}

impl LocalQueues {
    /// Opens the file, and makes it if there is none. Blocks for the time of a few disk writes.
    pub fn open(path: impl AsRef<Path>, clock: Clock) -> Result<Self, CloudError> {
        let path = path.as_ref().to_path_buf();
        let connection = connect(&path)
            .map_err(|failure| sqlite_error("open", &path.display().to_string(), &failure))?;
        let version = prepare(&connection)
            .map_err(|failure| sqlite_error("open", &path.display().to_string(), &failure))?;
        if version != SCHEMA_VERSION {
            return Err(CloudError::new(
                CloudErrorKind::Invalid,
                "open",
                path.display().to_string(),
                format!(
                    "the file has version {version} of the tables and this build knows \
                     {SCHEMA_VERSION}; use another file or the build that wrote it"
                ),
            ));
        }
        let commits = Commits::new(connection).map_err(|failure| {
            let path = path.display().to_string();
            CloudError::new(CloudErrorKind::Transient, "open", path, failure.to_string())
        })?;
        let commits = Arc::new(commits);
        let shared = Shared { path, clock, commits, arrived: Notify::new() };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The queue of this name, which exists as soon as it is named.
    pub fn queue(&self, queue: &str, dead_letters: Option<DeadLetters>) -> LocalQueue {
        LocalQueue {
            shared: Arc::clone(&self.shared),
            queue: queue.to_owned(),
            name: format!("{}#{queue}", self.shared.path.display()),
            dead_letters,
        }
    }
}

impl LocalQueue {
    /// The number of messages that can be received now, and of those in flight.
    pub async fn depth(&self) -> Result<(u64, u64), CloudError> {
        let queue = self.queue.clone();
        let now_ms = self.shared.clock.now_ms();
        self.blocking("depth", move |transaction| {
            transaction.query_row(
                "SELECT COUNT(*) FILTER (WHERE visible_at_ms <= ?2),
                        COUNT(*) FILTER (WHERE visible_at_ms > ?2)
                 FROM message WHERE queue = ?1",
                params![queue, now_ms],
                |row| Ok((row.get::<_, u32>(0)?.into(), row.get::<_, u32>(1)?.into())),
            )
        })
        .await
    }

    /// Runs work in the next transaction, on the thread that may block.
    async fn blocking<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, CloudError> {
        match self.shared.commits.run(work).await {
            Some(result) => result.map_err(|failure| sqlite_error(operation, &self.name, &failure)),
            None => Err(self.stopped(operation)),
        }
    }

    /// When the next message can be received, if any is there. Takes no write lock.
    async fn next_visible_ms(&self) -> Result<Option<i64>, CloudError> {
        let commits = Arc::clone(&self.shared.commits);
        let queue = self.queue.clone();
        let done = tokio::task::spawn_blocking(move || {
            commits
                .connection()
                .prepare_cached("SELECT MIN(visible_at_ms) FROM message WHERE queue = ?1")?
                .query_row([queue], |row| row.get(0))
        })
        .await;
        match done {
            Ok(result) => result.map_err(|failure| sqlite_error("receive", &self.name, &failure)),
            Err(_) => Err(self.stopped("receive")),
        }
    }

    fn stopped(&self, operation: &'static str) -> CloudError {
        let text = "the work on the database stopped half-way";
        CloudError::new(CloudErrorKind::Transient, operation, &self.name, text)
    }

    async fn take(
        &self,
        messages_max: usize,
        visibility: Duration,
    ) -> Result<Vec<Message>, CloudError> {
        let take = Take {
            queue: self.queue.clone(),
            dead_letters: self.dead_letters.clone(),
            messages_max: u32::try_from(messages_max).unwrap_or(u32::MAX),
            now_ms: self.shared.clock.now_ms(),
            visibility_ms: milliseconds(visibility),
        };
        let (messages, buried) =
            self.blocking("receive", move |transaction| take.run(transaction)).await?;
        if buried {
            self.shared.arrived.notify_waiters();
        }
        Ok(messages)
    }
}

#[async_trait]
impl Queue for LocalQueue {
    fn name(&self) -> &str {
        &self.name
    }

    async fn receive(
        &self,
        messages_max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Message>, CloudError> {
        check_messages_max(&self.name, messages_max)?;
        check_visibility("receive", &self.name, visibility)?;
        let clock = &self.shared.clock;
        let deadline_ms = clock.now_ms().saturating_add(milliseconds(wait.min(WAIT_MAX)));
        // At first without looking, because a busy queue has something to give.
        let messages = self.take(messages_max, visibility).await?;
        if !messages.is_empty() {
            return Ok(messages);
        }
        loop {
            // Registered before looking, so that a message sent in between wakes us.
            let arrived = self.shared.arrived.notified();
            tokio::pin!(arrived);
            arrived.as_mut().enable();
            let next_ms = self.next_visible_ms().await?;
            let now_ms = clock.now_ms();
            if next_ms.is_some_and(|next_ms| next_ms <= now_ms) {
                let messages = self.take(messages_max, visibility).await?;
                if !messages.is_empty() {
                    return Ok(messages);
                }
            }
            let left_ms = deadline_ms - now_ms;
            if left_ms <= 0 {
                return Ok(Vec::new());
            }
            let wake_ms = next_ms.map_or(left_ms, |next_ms| left_ms.min(next_ms - now_ms)).max(1);
            let pause = POLL.min(Duration::from_millis(wake_ms.unsigned_abs()));
            tokio::select! {
                biased;
                () = arrived => {}
                () = clock.sleep(pause) => {}
            }
        }
    }

    async fn extend(
        &self,
        receipts: &[Receipt],
        visibility: Duration,
    ) -> Result<Vec<Result<(), CloudError>>, CloudError> {
        check_visibility("extend", &self.name, visibility)?;
        let leases: Vec<_> = receipts.iter().map(parse_receipt).collect();
        let queue = self.queue.clone();
        let now_ms = self.shared.clock.now_ms();
        let until_ms = now_ms.saturating_add(milliseconds(visibility));
        let outcomes = self
            .blocking("extend", move |transaction| {
                leases
                    .into_iter()
                    .map(|lease| extend_one(transaction, &queue, lease, now_ms, until_ms))
                    .collect::<rusqlite::Result<Vec<_>>>()
            })
            .await?;
        if visibility.is_zero() {
            self.shared.arrived.notify_waiters();
        }
        Ok(receipts
            .iter()
            .zip(outcomes)
            .map(|(receipt, outcome)| match outcome {
                Extended::Done => Ok(()),
                Extended::Gone => Err(receipt_gone("extend", &self.name, receipt)),
                Extended::BeyondLimit => Err(beyond_limit(&self.name)),
            })
            .collect())
    }

    async fn delete(
        &self,
        receipts: &[Receipt],
    ) -> Result<Vec<Result<(), CloudError>>, CloudError> {
        let leases: Vec<_> = receipts.iter().map(parse_receipt).collect();
        let queue = self.queue.clone();
        let outcomes = self
            .blocking("delete", move |transaction| {
                leases
                    .into_iter()
                    .map(|lease| delete_one(transaction, &queue, lease))
                    .collect::<rusqlite::Result<Vec<_>>>()
            })
            .await?;
        Ok(receipts
            .iter()
            .zip(outcomes)
            .map(|(receipt, done)| match done {
                true => Ok(()),
                false => Err(receipt_gone("delete", &self.name, receipt)),
            })
            .collect())
    }

    async fn send(&self, messages: &[Outgoing]) -> Result<Vec<Result<(), CloudError>>, CloudError> {
        let results: Vec<_> =
            messages.iter().map(|message| check_outgoing(&self.name, message)).collect();
        let accepted: Vec<Outgoing> = messages
            .iter()
            .zip(&results)
            .filter(|(_, result)| result.is_ok())
            .map(|(message, _)| message.clone())
            .collect();
        let queue = self.queue.clone();
        let now_ms = self.shared.clock.now_ms();
        // One transaction: all of them are in the file, or none.
        self.blocking("send", move |transaction| send_all(transaction, &queue, &accepted, now_ms))
            .await?;
        self.shared.arrived.notify_waiters();
        Ok(results)
    }
}

/// The message and the delivery that a receipt of ours names.
fn parse_receipt(receipt: &Receipt) -> Option<(i64, i64)> {
    let (number, delivery) = receipt.0.split_once('-')?;
    Some((number.parse().ok()?, delivery.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    #[test]
    fn a_file_that_is_no_database_is_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queue.db");
        std::fs::write(&path, "this is a note, not a database\n".repeat(100)).unwrap();
        let error = LocalQueues::open(&path, Clock::System).err().unwrap();
        assert_eq!(error.kind(), CloudErrorKind::Invalid, "{error}");
        assert!(std::fs::read_to_string(&path).unwrap().starts_with("this is a note"));
    }

    #[test]
    fn tables_of_a_later_build_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queue.db");
        Connection::open(&path).unwrap().pragma_update(None, "user_version", 9).unwrap();
        let error = LocalQueues::open(&path, Clock::System).err().unwrap();
        assert_eq!(error.kind(), CloudErrorKind::Invalid);
        assert!(error.to_string().contains("version 9"), "{error}");
    }

    #[test]
    fn a_missing_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error =
            LocalQueues::open(folder.path().join("none/queue.db"), Clock::System).err().unwrap();
        assert_eq!(error.kind(), CloudErrorKind::Denied);
        assert!(error.to_string().contains("none/queue.db"), "{error}");
    }
}
