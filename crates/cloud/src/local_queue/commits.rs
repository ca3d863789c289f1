//! One transaction for all that wait for one.
//!
//! A commit waits for the disk, a few milliseconds in which everyone else waits too. So nobody commits alone: whatever is
//! asked for while a commit is under way goes into the next one, together, and each is answered when that one is on
//! disk. If anything of it fails, nothing of it happened, and all who shared it are told so.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

/// The connection of a file, and who waits for it.
pub(super) struct Commits {
    connection: Mutex<Connection>,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    jobs: Vec<Box<dyn Job>>,
    /// Whether a thread works on jobs and will look for more before it ends.
    running: bool,
}

/// A part of a transaction: run first, and answered when it is known whether the whole was committed.
trait Job: Send {
    fn run(&mut self, transaction: &Transaction<'_>) -> rusqlite::Result<()>;
    fn answer(self: Box<Self>, committed: Result<(), Arc<rusqlite::Error>>);
}

struct Part<T, W> {
    work: Option<W>,
    value: Option<T>,
    answer: oneshot::Sender<Result<T, Arc<rusqlite::Error>>>,
}

impl<T, W> Job for Part<T, W>
where
    T: Send,
    W: FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send,
{
    fn run(&mut self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        if let Some(work) = self.work.take() {
            self.value = Some(work(transaction)?);
        }
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<(), Arc<rusqlite::Error>>) {
        let answer = match (committed, self.value) {
            (Ok(()), Some(value)) => Ok(value),
            (Ok(()), None) => return,
            (Err(failure), _) => Err(failure),
        };
        // Who has left does not want to know.
        drop(self.answer.send(answer));
    }
}

impl Commits {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection: Mutex::new(connection), waiting: Mutex::default() }
    }

    /// Runs work in the next transaction; answers when that is committed, and `None` if the thread that ran it failed.
    pub(super) async fn run<T: Send + 'static>(
        self: Arc<Self>,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Option<Result<T, Arc<rusqlite::Error>>> {
        let (answer, answered) = oneshot::channel();
        let must_start = {
            let mut waiting = self.waiting();
            waiting.jobs.push(Box::new(Part { work: Some(work), value: None, answer }));
            !std::mem::replace(&mut waiting.running, true)
        };
        if must_start {
            let commits = Arc::clone(&self);
            // It answers each job by itself, and outlives a caller that leaves.
            drop(tokio::task::spawn_blocking(move || commits.work_off()));
        }
        answered.await.ok()
    }

    /// The connection, between transactions, for a look that writes nothing.
    pub(super) fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Commits what waits until nothing does.
    fn work_off(&self) {
        let mut on_panic = Stopped { commits: self, is_stopped: true };
        loop {
            let mut jobs = {
                let mut waiting = self.waiting();
                if waiting.jobs.is_empty() {
                    waiting.running = false;
                    on_panic.is_stopped = false;
                    return;
                }
                std::mem::take(&mut waiting.jobs)
            };
            let committed = commit(&mut self.connection(), &mut jobs).map_err(Arc::new);
            for job in jobs {
                job.answer(committed.clone());
            }
        }
    }
}

/// It writes, so it takes the file's lock at once and can never fail half-way on someone else's.
fn commit(connection: &mut Connection, jobs: &mut [Box<dyn Job>]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    jobs.iter_mut().try_for_each(|job| job.run(&transaction))?;
    transaction.commit()
}

/// If work panics, nobody who waits is left waiting, and who comes next starts a thread anew.
struct Stopped<'c> {
    commits: &'c Commits,
    is_stopped: bool,
}

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        if self.is_stopped {
            *self.commits.waiting() = Waiting::default();
        }
    }
}
