//! Archived objects through the same examination, in parallel, with the results in order.
//!
//! Workers take objects by number, and hand the results on in that order. How far the fast may run ahead of the slow is
//! bounded, so memory is bounded without a barrier between batches.
//!
//! Findings go in batches of lines. Those of the object that is next in order are handed on while it is read; those of
//! others are held until it is their turn (`turn.rs`).

use trailloop_finding::{JsonLines, Level, Place};

use crate::bridge::guarded;
use crate::examine::{Engine, Examined, Worker};
use crate::turn::{Outgoing, Turn, TurnLimits};

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

/// What comes of one object: its findings, in as many batches as it takes, and then how it ended.
pub enum Replayed<'a> {
    /// Some of its findings, by record and then by rule id. Of an object whose examination panicked these are those made
    /// before.
    Findings(&'a Lines),
    /// It was read, wholly or in part; nothing more comes of it.
    Examined {
        /// What came of it.
        examined: Examined,
        /// Its size as stored.
        bytes_compressed: u64,
    },
    /// It could not be fetched, or examining it panicked; nothing more comes of it.
    Failed(String),
}

/// Findings as lines of JSON.
#[derive(Debug, Default)]
pub struct Lines {
    /// The lines, each with its end.
    pub text: JsonLines,
    /// How many there are.
    pub count: u64,
    /// The highest level among them.
    pub highest: Option<Level>,
}

impl Lines {
    /// Makes room for others.
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        (self.count, self.highest) = (0, None);
    }
}

/// The most bytes of findings held for each worker, of all objects that wait for an earlier one. A worker that finds no
/// more room waits.
const HELD_BYTES_PER_WORKER: usize = 64 << 20;

/// How many objects may be begun for each worker before the first of them is done.
const AHEAD_PER_WORKER: usize = 8;

/// Fetches and examines `sources` on `jobs` threads, but no more than there are cores, and hands each result to `sink` in the order of `sources`, until
/// it says that it has enough.
///
/// `fetch` is given the number of a source beside it, and an empty buffer. It and `sink` are called on the workers, so they may
/// block; while the sink does, the other workers go on until they have no more room for what waits for it.
pub fn replay<S: Sync>(
    engine: &Engine,
    sources: &[S],
    jobs: usize,
    name: impl Fn(&S) -> String + Sync,
    fetch: impl Fn(usize, &S, &mut Vec<u8>) -> Result<Fetched, String> + Sync,
    sink: impl FnMut(usize, Replayed<'_>) -> bool + Send,
) {
    replay_indexing(engine, sources, (jobs, false), name, fetch, sink);
}

/// The same; with `is_indexing`, what an index keeps of each object is in its [`Examined`].
pub fn replay_indexing<S: Sync>(
    engine: &Engine,
    sources: &[S],
    (jobs, is_indexing): (usize, bool),
    name: impl Fn(&S) -> String + Sync,
    fetch: impl Fn(usize, &S, &mut Vec<u8>) -> Result<Fetched, String> + Sync,
    mut sink: impl FnMut(usize, Replayed<'_>) -> bool + Send,
) {
    let sources = Numbered {
        count: sources.len(),
        name: &|nth| name(&sources[nth]),
        fetch: &|nth, buffer| fetch(nth, &sources[nth], buffer),
    };
    replay_numbered(engine, &sources, (jobs, is_indexing), &mut sink);
}

/// Sources by their numbers. What calls them is compiled here, where the inner loops belong, and not once a caller.
struct Numbered<'s> {
    count: usize,
    name: &'s (dyn Fn(usize) -> String + Sync),
    fetch: &'s Fetch<'s>,
}

type Fetch<'s> = dyn Fn(usize, &mut Vec<u8>) -> Result<Fetched, String> + Sync + 's;
pub(crate) type Sink<'s> = dyn FnMut(usize, Replayed<'_>) -> bool + Send + 's;

fn replay_numbered<'s>(
    engine: &Engine,
    sources: &Numbered<'_>,
    (jobs, is_indexing): (usize, bool),
    sink: &'s mut Sink<'s>,
) {
    // Whoever has no core to work on only pushes the others' text out of the caches.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = jobs.min(cores).clamp(1, sources.count.max(1));
    let limits = TurnLimits {
        objects: sources.count,
        ahead: jobs * AHEAD_PER_WORKER,
        held_bytes: jobs * HELD_BYTES_PER_WORKER,
    };
    let turn = Turn::new(limits, sink);
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                let _stop = turn.stop_on_panic();
                let (mut worker, mut buffer) = (Worker::indexing(is_indexing), Vec::new());
                while let Some(nth) = turn.begin() {
                    buffer.clear();
                    let fetch = |buffer: &mut Vec<u8>| (sources.fetch)(nth, buffer);
                    let mut outgoing = Outgoing::new(nth, &turn);
                    let buffers = (&mut worker, &mut buffer);
                    let replayed = one(engine, buffers, &(sources.name)(nth), fetch, &mut outgoing);
                    outgoing.end(replayed);
                }
            });
        }
    });
    turn.finish();
}

fn one(
    engine: &Engine,
    (worker, buffer): (&mut Worker, &mut Vec<u8>),
    name: &str,
    fetch: impl FnOnce(&mut Vec<u8>) -> Result<Fetched, String>,
    outgoing: &mut Outgoing<'_, '_>,
) -> Replayed<'static> {
    let result = guarded(worker, |worker| {
        let fetched = fetch(buffer)?;
        let object = match &fetched.body {
            Body::Buffer => &buffer[..],
            Body::Bytes(bytes) => bytes,
        };
        let place = Place { source: name, version: fetched.version.as_deref() };
        let examined = worker.examine_each(engine, object, place, |findings, analytic| {
            outgoing.add(|lines| {
                findings.append_line(analytic, &mut lines.text);
                lines.count += 1;
                lines.highest = lines.highest.max(Some(analytic.level));
            })
        });
        let bytes_compressed = object.len() as u64;
        Ok(Replayed::Examined { examined, bytes_compressed })
    });
    match result {
        Ok(Ok(replayed)) => replayed,
        Ok(Err(error)) => Replayed::Failed(error),
        Err(message) => {
            Replayed::Failed(format!("examining it panicked: {message}; keep it and report it"))
        }
    }
}
