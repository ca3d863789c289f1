//! From tokio to CPU threads and back.
//!
//! Named threads, each owning its scratch, take jobs from one bounded channel. A job carries its byte permit, so memory
//! is given back when the work is done and not when someone remembers. Findings come back in batches while the object
//! is still examined, through a channel so short that a worker waits for whoever sends them, and each batch holds its
//! bytes of a budget until it is sent: what is held of findings is bounded too, however many an object has. A panic in one object becomes an error of that object, and the worker
//! goes on with fresh scratch. Dropping the bridge is the shutdown: what is under way is told to stop at its next
//! record, and the threads end.
//!
//! The second kind runs the job where it is asked for. The simulation uses it, so that one seed gives one order.

use std::any::Any;
use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use trailloop_cloudtrail::{Failure, Report};
use trailloop_finding::{Finding, Place};

use crate::budget::{Budget, Held};
use crate::examine::{Engine, Examined, Worker};
use crate::indexing::IndexWriter;

/// An object to examine.
pub struct Job {
    /// The object as it is stored.
    pub object: Bytes,
    /// `bucket/key`.
    pub source: String,
    /// The object's version.
    pub version: Option<String>,
    /// The object's etag, which tells it apart in an index.
    pub etag: Option<String>,
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

/// A batch of findings is handed on when it has this many, or its JSON this many bytes.
const BATCH_FINDINGS_MAX: usize = 50;
const BATCH_BYTES_MAX: usize = 512 << 10;

/// Batches that may wait for whoever sends them.
const BATCHES_WAITING_MAX: usize = 1;

/// The bytes of findings that may wait to be sent, of all objects together.
const FINDINGS_BYTES_MAX: usize = 32 << 20;

/// Findings, and what they hold of the budget.
pub struct Batch {
    /// The findings.
    pub findings: Vec<Finding>,
    /// Nothing where nobody waits for room: a thread can't wait for what it does itself.
    pub(crate) held: Option<Held>,
}

/// What comes back of a job: batches of findings, then its end.
pub enum Progress {
    /// Findings, in order.
    Findings(Batch),
    /// The object is examined, or could not be.
    Done(Result<Examined, BridgeError>),
}

/// A job under way. Dropping it stops the work at its next finding.
pub struct Examination(Progresses);

enum Progresses {
    Coming(mpsc::Receiver<Progress>),
    There(VecDeque<Progress>),
}

impl Examination {
    /// The next batch, or the end.
    pub async fn next(&mut self) -> Progress {
        let next = match &mut self.0 {
            Progresses::Coming(progresses) => progresses.recv().await,
            Progresses::There(progresses) => progresses.pop_front(),
        };
        next.unwrap_or(Progress::Done(Err(BridgeError::Stopped)))
    }
}

type Ask = (Job, mpsc::Sender<Progress>);

/// The way to the workers.
pub struct Bridge(Kind);

enum Kind {
    Threads { asks: Option<Sender<Ask>>, handles: Vec<JoinHandle<()>>, budget: Arc<Budget> },
    Inline { engine: Arc<Engine>, worker: Mutex<Box<Worker>>, index: Option<Arc<IndexWriter>> },
}

impl Bridge {
    /// Starts `workers` threads; at most `jobs_max` jobs may be under way or waiting.
    ///
    /// # Errors
    ///
    /// If the system has no thread to give.
    pub fn threads(engine: &Arc<Engine>, workers: usize, jobs_max: usize) -> std::io::Result<Self> {
        Self::threads_indexing(engine, workers, jobs_max, None)
    }

    /// The same, and what objects hold goes into an index, if there is one.
    ///
    /// # Errors
    ///
    /// If the system has no thread to give.
    pub fn threads_indexing(
        engine: &Arc<Engine>,
        workers: usize,
        jobs_max: usize,
        index: Option<&Arc<IndexWriter>>,
    ) -> std::io::Result<Self> {
        let (asks, queue) = bounded::<Ask>(jobs_max);
        let budget = Budget::new(FINDINGS_BYTES_MAX);
        let start = |nth: usize| {
            let (engine, queue, budget) = (Arc::clone(engine), queue.clone(), Arc::clone(&budget));
            let (name, index) = (format!("examine-{nth}"), index.cloned());
            let work = move || work(&engine, index.as_deref(), &queue, &budget);
            std::thread::Builder::new().name(name).spawn(work)
        };
        let handles = (0..workers.max(1)).map(start).collect::<Result<_, _>>()?;
        Ok(Self(Kind::Threads { asks: Some(asks), handles, budget }))
    }

    /// Examines on the caller's thread.
    #[must_use]
    pub fn inline(engine: Arc<Engine>) -> Self {
        Self::inline_indexing(engine, None)
    }

    /// The same, and what objects hold goes into an index, if there is one.
    #[must_use]
    pub fn inline_indexing(engine: Arc<Engine>, index: Option<Arc<IndexWriter>>) -> Self {
        let worker = Mutex::new(Box::new(Worker::indexing(index.is_some())));
        Self(Kind::Inline { engine, worker, index })
    }

    /// Has an object examined.
    ///
    /// # Errors
    ///
    /// If the workers cannot take it.
    pub fn examine(&self, job: Job) -> Result<Examination, BridgeError> {
        match &self.0 {
            Kind::Inline { engine, worker, index } => {
                // A panic is caught before it can poison the lock.
                let mut worker = worker.lock().unwrap_or_else(PoisonError::into_inner);
                let mut there = VecDeque::new();
                let engine = (&**engine, index.as_deref());
                let done = run(&mut worker, engine, &job, |findings, _| {
                    there.push_back(Progress::Findings(Batch { findings, held: None }));
                    ControlFlow::Continue(())
                });
                there.push_back(Progress::Done(done));
                Ok(Examination(Progresses::There(there)))
            }
            Kind::Threads { asks, .. } => {
                let (progress, coming) = mpsc::channel(BATCHES_WAITING_MAX);
                let asks = asks.as_ref().ok_or(BridgeError::Stopped)?;
                asks.try_send((job, progress)).map_err(|error| match error {
                    TrySendError::Full(_) => BridgeError::Full,
                    TrySendError::Disconnected(_) => BridgeError::Stopped,
                })?;
                Ok(Examination(Progresses::Coming(coming)))
            }
        }
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        if let Kind::Threads { asks, handles, budget } = &mut self.0 {
            budget.stop();
            // Without a sender the workers' loops end; only then can they be waited for.
            drop(asks.take());
            for handle in handles.drain(..) {
                // A worker catches every panic of its work, so there is none to hand on.
                drop(handle.join());
            }
        }
    }
}

fn work(engine: &Engine, index: Option<&IndexWriter>, queue: &Receiver<Ask>, budget: &Arc<Budget>) {
    let mut worker = Worker::indexing(index.is_some());
    for (job, progress) in queue {
        // Nobody waits for it any more: the lease was lost or the service is going down.
        if progress.is_closed() || budget.is_stopped() {
            continue;
        }
        let done = run(&mut worker, (engine, index), &job, |findings, bytes| {
            let Some(held) = budget.take(bytes) else { return ControlFlow::Break(()) };
            let batch = Batch { findings, held: Some(held) };
            match progress.blocking_send(Progress::Findings(batch)) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        });
        drop(job);
        // The caller may have left meanwhile; then the message comes again.
        drop(progress.blocking_send(Progress::Done(done)));
    }
}

/// Runs a job and hands its findings on in batches, with their bytes.
fn run(
    worker: &mut Worker,
    (engine, index): (&Engine, Option<&IndexWriter>),
    job: &Job,
    mut hand_on: impl FnMut(Vec<Finding>, usize) -> ControlFlow<()>,
) -> Result<Examined, BridgeError> {
    let place = Place { source: &job.source, version: job.version.as_deref() };
    guarded(worker, |worker| {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        let examined = worker.examine(engine, &job.object, place, |finding| {
            bytes += finding.json.len();
            batch.push(finding);
            if batch.len() < BATCH_FINDINGS_MAX && bytes < BATCH_BYTES_MAX {
                return ControlFlow::Continue(());
            }
            hand_on(std::mem::take(&mut batch), std::mem::take(&mut bytes))
        });
        if !batch.is_empty() {
            // Whoever wants no more has left; the end is handed on all the same.
            let _flow = hand_on(batch, bytes);
        }
        examined
    })
    .map_err(|message| BridgeError::Panicked { message })
    .and_then(|examined| match examined.read.failed {
        // Half an object is no result.
        Some(Report { failure: Failure::Stopped, .. }) => Err(BridgeError::Stopped),
        _ => Ok(examined),
    })
    .map(|mut examined| {
        // The source is `bucket/key`, and no bucket has a slash in its name.
        let key = job.source.split_once('/').map(|(_, key)| key);
        if let Some(((index, key), prints)) = index.zip(key).zip(examined.prints.take()) {
            index.add(key, job.object.len() as u64, job.etag.as_deref(), prints);
        }
        examined
    })
}

/// Runs work that may panic. What a panic leaves behind is not trusted: the worker gets fresh buffers.
pub(crate) fn guarded<T>(
    worker: &mut Worker,
    work: impl FnOnce(&mut Worker) -> T,
) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(|| work(worker))).map_err(|panic| {
        *worker = worker.renewed();
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
