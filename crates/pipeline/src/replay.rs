//! Archived objects through the same examination, in parallel, with the results in order.
//!
//! Workers take objects by number from one counter, and the collector hands the results on in that order. A token
//! taken with each number and given back with each result handed on bounds how far the fast may run ahead of the
//! slow, so memory is bounded without a barrier between batches. The worker with the smallest number always has its
//! token, so there is no deadlock.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crossbeam_channel::bounded;
use trailloop_finding::{Finding, Place};

use crate::bridge::guarded;
use crate::examine::{Engine, Examined, Worker};

/// An object as it was fetched.
pub struct Fetched {
    /// Its bytes as stored.
    pub body: Body,
    /// Its version, in a versioned bucket.
    pub version: Option<String>,
}

/// Where the bytes of an object are.
pub enum Body {
    /// In the worker's buffer, which serves one object after another: fresh memory for each would cost more than reading.
    Buffer,
    /// By themselves.
    Bytes(bytes::Bytes),
}

/// What became of one object.
pub enum Replayed {
    /// It was read, wholly or in part.
    Examined {
        /// Its findings, by record and then by rule id.
        findings: Vec<Finding>,
        /// What came of it.
        examined: Examined,
        /// Its size as stored.
        bytes_compressed: u64,
    },
    /// It could not be fetched, or examining it panicked.
    Failed(String),
}

/// The most bytes of findings held of one object: they wait for the objects before it. An object with more is not read
/// to its end, and that is said.
const FINDINGS_BYTES_MAX: usize = 256 << 20;

/// How many results may wait for a slower one before them, for each worker.
const AHEAD_PER_WORKER: usize = 8;

/// Fetches and examines `sources` on `jobs` threads, but no more than there are cores, and hands each result to `sink` in the order of `sources`, until
/// it says that it has enough.
///
/// `fetch` is given the number of a source beside it, and an empty buffer; it is called on the workers, so it may block.
pub fn replay<S: Sync>(
    engine: &Engine,
    sources: &[S],
    jobs: usize,
    name: impl Fn(&S) -> String + Sync,
    fetch: impl Fn(usize, &S, &mut Vec<u8>) -> Result<Fetched, String> + Sync,
    mut sink: impl FnMut(usize, Replayed) -> bool,
) {
    // Whoever has no core to work on only pushes the others' text out of the caches.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = jobs.min(cores).clamp(1, sources.len().max(1));
    let ahead = jobs * AHEAD_PER_WORKER;
    let (give, tokens) = bounded::<()>(ahead);
    for _ in 0..ahead {
        // There is room for exactly these.
        give.try_send(()).ok();
    }
    let (results, arrived) = bounded::<(usize, Replayed)>(ahead);
    let next = AtomicUsize::new(0);
    let enough = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            let (tokens, results) = (tokens.clone(), results.clone());
            let (next, enough, name, fetch) = (&next, &enough, &name, &fetch);
            scope.spawn(move || {
                let (mut worker, mut buffer) = (Worker::default(), Vec::new());
                while tokens.recv().is_ok() && !enough.load(Ordering::Relaxed) {
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    let Some(source) = sources.get(nth) else { break };
                    buffer.clear();
                    let fetch = |buffer: &mut Vec<u8>| fetch(nth, source, buffer);
                    let result = one(engine, (&mut worker, &mut buffer), &name(source), fetch);
                    if results.send((nth, result)).is_err() {
                        break;
                    }
                }
            });
        }
        drop((tokens, results));
        let mut waiting = BTreeMap::new();
        let mut wanted = 0;
        for (nth, result) in arrived {
            waiting.insert(nth, result);
            while let Some(result) = waiting.remove(&wanted) {
                if !enough.load(Ordering::Relaxed) && !sink(wanted, result) {
                    enough.store(true, Ordering::Relaxed);
                }
                wanted += 1;
                // Workers that have ended take no more tokens.
                give.try_send(()).ok();
            }
        }
    });
}

fn one(
    engine: &Engine,
    (worker, buffer): (&mut Worker, &mut Vec<u8>),
    name: &str,
    fetch: impl FnOnce(&mut Vec<u8>) -> Result<Fetched, String>,
) -> Replayed {
    let result = guarded(worker, |worker| {
        let fetched = fetch(buffer)?;
        let object = match &fetched.body {
            Body::Buffer => &buffer[..],
            Body::Bytes(bytes) => bytes,
        };
        let place = Place { source: name, version: fetched.version.as_deref() };
        let (mut findings, mut bytes) = (Vec::new(), 0);
        let examined = worker.examine(engine, object, place, |finding| {
            bytes += finding.json.len();
            findings.push(finding);
            if bytes > FINDINGS_BYTES_MAX {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        let bytes_compressed = object.len() as u64;
        Ok(Replayed::Examined { findings, examined, bytes_compressed })
    });
    match result {
        Ok(Ok(replayed)) => replayed,
        Ok(Err(error)) => Replayed::Failed(error),
        Err(message) => {
            Replayed::Failed(format!("examining it panicked: {message}; keep it and report it"))
        }
    }
}
