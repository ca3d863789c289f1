//! One transaction for all that wait for one.
//!
//! A commit waits for the disk, a few milliseconds in which everyone else waits too. So nobody commits alone: whatever is
//! asked for while a commit is under way goes into the next one, together, and each is answered when that one is on
//! disk. If anything of it fails, nothing of it happened, and all who shared it are told so.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

/// The connection of a file, and the thread that commits on it. It ends with this.
pub(crate) struct Commits {
    connection: Arc<Mutex<Connection>>,
    jobs: Option<Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
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
    /// Starts the thread.
    pub(crate) fn new(connection: Connection) -> io::Result<Self> {
        let connection = Arc::new(Mutex::new(connection));
        let (jobs, queue) = channel();
        let on = Arc::clone(&connection);
        let thread = std::thread::Builder::new().name("local-commits".to_owned());
        let thread = thread.spawn(move || work_off(&on, &queue))?;
        Ok(Self { connection, jobs: Some(jobs), thread: Some(thread) })
    }

    /// Runs work in the next transaction; answers when that is committed, and `None` if anything in it panicked.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Option<Result<T, Arc<rusqlite::Error>>> {
        let (answer, answered) = oneshot::channel();
        let part = Box::new(Part { work: Some(work), value: None, answer });
        self.jobs.as_ref()?.send(part).ok()?;
        answered.await.ok()
    }

    /// The connection, between transactions, for a look that writes nothing.
    pub(crate) fn connection(&self) -> MutexGuard<'_, Connection> {
        lock(&self.connection)
    }
}

impl Drop for Commits {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // It catches every panic of its work, so there is none to hand on.
            drop(thread.join());
        }
    }
}

/// Commits what waits, again and again, until nobody is left who could ask.
fn work_off(connection: &Mutex<Connection>, queue: &Receiver<Box<dyn Job>>) {
    while let Ok(first) = queue.recv() {
        let mut jobs = vec![first];
        jobs.extend(queue.try_iter());
        // After a panic the jobs are dropped unanswered, and those who wait for them learn it so.
        let committed = catch_unwind(AssertUnwindSafe(|| commit(&mut lock(connection), &mut jobs)));
        let Ok(committed) = committed else { continue };
        let committed = committed.map_err(Arc::new);
        for job in jobs {
            job.answer(committed.clone());
        }
    }
}

fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

/// It writes, so it takes the file's lock at once and can never fail half-way on someone else's.
fn commit(connection: &mut Connection, jobs: &mut [Box<dyn Job>]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    jobs.iter_mut().try_for_each(|job| job.run(&transaction))?;
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_fails_or_panics_takes_only_its_own_transaction_with_it() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (n INTEGER)").unwrap();
        let commits = Commits::new(connection).unwrap();
        let insert =
            |transaction: &Transaction<'_>| transaction.execute("INSERT INTO t VALUES (1)", []);
        assert_eq!(commits.run(insert).await.unwrap().unwrap(), 1);
        let fails = commits.run(move |transaction| {
            insert(transaction)?;
            transaction.execute("INSERT INTO nowhere VALUES (1)", [])
        });
        let error = fails.await.unwrap().unwrap_err();
        assert!(error.to_string().contains("no such table"), "{error}");
        let panics = commits.run(move |transaction| {
            insert(transaction)?;
            panic!("a defect of ours")
        });
        assert!(panics.await.map(|done: Result<(), _>| done.is_ok()).is_none());
        let count = |transaction: &Transaction<'_>| {
            transaction.query_row("SELECT COUNT(*) FROM t", [], |row| row.get::<_, i64>(0))
        };
        assert_eq!(commits.run(count).await.unwrap().unwrap(), 1);
    }

    #[tokio::test]
    async fn what_is_asked_for_during_a_commit_is_committed_together() {
        let connection = Connection::open_in_memory().unwrap();
        let commits = Commits::new(connection).unwrap();
        let (begun, has_begun) = channel();
        let (go_on, may_go_on) = channel();
        let first = commits.run(move |_| {
            begun.send(()).unwrap();
            may_go_on.recv().unwrap();
            Ok(())
        });
        let others = async {
            has_begun.recv().unwrap();
            // Alone, the first of these would succeed.
            let make =
                commits.run(|transaction| transaction.execute("CREATE TABLE t (n INTEGER)", []));
            let fail =
                commits.run(|transaction| transaction.execute("INSERT INTO u VALUES (1)", []));
            let release = async { go_on.send(()).unwrap() };
            let (made, failed, ()) = tokio::join!(make, fail, release);
            assert!(made.unwrap().is_err() && failed.unwrap().is_err(), "one fate");
        };
        let (first, ()) = tokio::join!(first, others);
        assert!(first.unwrap().is_ok());
    }
}
