//! From tokio to CPU threads and back.
//!
//! Named threads, each owning its scratch, take jobs from one bounded channel and answer on a oneshot. A job carries
//! its byte permit, so memory is given back when the work is done and not when someone remembers. A panic in one
//! object becomes an error of that object, and the worker goes on with fresh scratch. Dropping the sender is the
//! shutdown: the threads finish what is queued and end.
//!
//! The second kind runs the job where it is asked for. The simulation uses it, so that one seed gives one order.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use trailloop_finding::Place;

use crate::examine::{Engine, Examined, Worker};

/// An object to examine.
pub struct Job {
    /// The object as it is stored.
    pub object: Bytes,
    /// `bucket/key`.
    pub source: String,
    /// The object's version.
    pub version: Option<String>,
    /// The bytes it holds of the budget; given back when the job is dropped.
    pub seat: OwnedSemaphorePermit,
}

/// Why a job has no result.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BridgeError {
    /// Examining the object panicked: a defect of ours, and the object that shows it.
    #[error("examining the object panicked: {message}; keep the object and report it")]
    Panicked {
        /// What the panic said.
        message: String,
    },
    /// More jobs were given than the bridge was built for.
    #[error("the workers' queue is full")]
    Full,
    /// The workers are gone.
    #[error("the workers have stopped")]
    Stopped,
}

type Answer = Result<Examined, BridgeError>;
type Ask = (Job, oneshot::Sender<Answer>);

/// The way to the workers.
pub struct Bridge(Kind);

enum Kind {
    // The sender stands above the handles: it is dropped first, which is what ends the threads.
    Threads { asks: Option<Sender<Ask>>, handles: Vec<JoinHandle<()>> },
    Inline { engine: Arc<Engine>, worker: Mutex<Box<Worker>> },
}

impl Bridge {
    /// Starts `workers` threads; at most `jobs_max` jobs may be under way or waiting.
    ///
    /// # Errors
    ///
    /// If the system has no thread to give.
    pub fn threads(engine: &Arc<Engine>, workers: usize, jobs_max: usize) -> std::io::Result<Self> {
        let (asks, queue) = bounded::<Ask>(jobs_max);
        let start = |nth: usize| {
            let (engine, queue) = (Arc::clone(engine), queue.clone());
            let name = format!("examine-{nth}");
            std::thread::Builder::new().name(name).spawn(move || work(&engine, &queue))
        };
        let handles = (0..workers.max(1)).map(start).collect::<Result<_, _>>()?;
        Ok(Self(Kind::Threads { asks: Some(asks), handles }))
    }

    /// Examines on the caller's thread.
    #[must_use]
    pub fn inline(engine: Arc<Engine>) -> Self {
        Self(Kind::Inline { engine, worker: Mutex::default() })
    }

    /// Examines an object.
    ///
    /// # Errors
    ///
    /// If the work panicked, or the workers cannot take it.
    pub async fn examine(&self, job: Job) -> Answer {
        match &self.0 {
            Kind::Inline { engine, worker } => {
                // A panic is caught before it can poison the lock.
                let mut worker = worker.lock().unwrap_or_else(PoisonError::into_inner);
                run(&mut worker, engine, &job)
            }
            Kind::Threads { asks, .. } => {
                let (answer, answered) = oneshot::channel();
                let asks = asks.as_ref().ok_or(BridgeError::Stopped)?;
                asks.try_send((job, answer)).map_err(|error| match error {
                    TrySendError::Full(_) => BridgeError::Full,
                    TrySendError::Disconnected(_) => BridgeError::Stopped,
                })?;
                answered.await.unwrap_or(Err(BridgeError::Stopped))
            }
        }
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        if let Kind::Threads { asks, handles } = &mut self.0 {
            drop(asks.take());
            for handle in handles.drain(..) {
                // A worker catches every panic of its work, so there is none to hand on.
                drop(handle.join());
            }
        }
    }
}

fn work(engine: &Engine, queue: &Receiver<Ask>) {
    let mut worker = Worker::default();
    for (job, answer) in queue {
        // Nobody waits for it any more: the lease was lost or the service is going down.
        if answer.is_closed() {
            continue;
        }
        let result = run(&mut worker, engine, &job);
        drop(job);
        // The caller may have left meanwhile; then the message comes again.
        drop(answer.send(result));
    }
}

fn run(worker: &mut Worker, engine: &Engine, job: &Job) -> Answer {
    let place = Place { source: &job.source, version: job.version.as_deref() };
    guarded(worker, |worker| worker.examine(engine, &job.object, place))
        .map_err(|message| BridgeError::Panicked { message })
}

/// Runs work that may panic. What a panic leaves behind is not trusted: the worker gets fresh buffers.
pub(crate) fn guarded<T>(
    worker: &mut Worker,
    work: impl FnOnce(&mut Worker) -> T,
) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(|| work(worker))).map_err(|panic| {
        *worker = Worker::default();
        panic_message(panic.as_ref())
    })
}

/// What a panic said, on one line and of bounded length: it may quote a record.
fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    text.chars().take(200).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_with_its_text_and_the_worker_goes_on() {
        let mut worker = Worker::default();
        for _ in 0..100 {
            let failed = guarded(&mut worker, |_| -> u32 { panic!("a \u{1b}[31m {}", "record") });
            assert_eq!(failed, Err("a \\u{1b}[31m record".to_owned()));
        }
        assert_eq!(guarded(&mut worker, |_| 7), Ok(7));
    }
}
