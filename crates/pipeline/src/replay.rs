//! Archived objects through the same examination, in parallel, with the results in order.
//!
//! Workers take objects by number from one counter, and the collector hands the results on in that order. A token
//! taken with each number and given back with each result handed on bounds how far the fast may run ahead of the
//! slow, so memory is bounded without a barrier between batches. The worker with the smallest number always has its
//! token, so there is no deadlock.
//!
//! Findings go in batches of lines. Those of the object that is next in order are handed on while it is read; those of
//! others are held until it is their turn (`turn.rs`).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_channel::{Sender, bounded};
use trailloop_finding::{JsonLines, Level, Place};

use crate::bridge::guarded;
use crate::examine::{Engine, Examined, Worker};
use crate::turn::{Outgoing, Turn};

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

/// What workers send to the collector.
pub(crate) enum Message {
    /// Findings of the object whose turn it is.
    Batch(Lines),
    /// The rest of an object's findings, and how it ended.
    End(End),
}

/// The end of an object.
pub(crate) struct End {
    rest: Vec<Lines>,
    /// How many bytes of the rest count as held.
    held_bytes: usize,
    replayed: Replayed<'static>,
}

/// The most bytes of findings held for each worker, of all objects that wait for an earlier one. A worker that finds no
/// more room waits.
const HELD_BYTES_PER_WORKER: usize = 64 << 20;

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
    sink: impl FnMut(usize, Replayed<'_>) -> bool,
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
    mut sink: impl FnMut(usize, Replayed<'_>) -> bool,
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
type Sink<'s> = dyn FnMut(usize, Replayed<'_>) -> bool + 's;

fn replay_numbered(
    engine: &Engine,
    sources: &Numbered<'_>,
    (jobs, is_indexing): (usize, bool),
    sink: &mut Sink<'_>,
) {
    // Whoever has no core to work on only pushes the others' text out of the caches.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = jobs.min(cores).clamp(1, sources.count.max(1));
    let ahead = jobs * AHEAD_PER_WORKER;
    let (give, tokens) = bounded::<()>(ahead);
    for _ in 0..ahead {
        // There is room for exactly these.
        give.try_send(()).ok();
    }
    let (results, arrived) = bounded::<(usize, Message)>(ahead);
    // Emptied batches go back to be filled again, because fresh memory costs more than what is written to it.
    let (give_back, spare) = bounded::<JsonLines>(ahead);
    let next = AtomicUsize::new(0);
    let turn = Turn::new(jobs * HELD_BYTES_PER_WORKER);
    std::thread::scope(|scope| {
        // Also if the sink panics.
        let _stop = turn.stop_when_dropped();
        for _ in 0..jobs {
            let (tokens, results, spare) = (tokens.clone(), results.clone(), spare.clone());
            let (next, turn) = (&next, &turn);
            scope.spawn(move || {
                let (mut worker, mut buffer) = (Worker::indexing(is_indexing), Vec::new());
                while tokens.recv().is_ok() && !turn.is_stopped() {
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    if nth >= sources.count {
                        break;
                    }
                    buffer.clear();
                    let fetch = |buffer: &mut Vec<u8>| (sources.fetch)(nth, buffer);
                    let mut outgoing = Outgoing::new(nth, turn, &results, &spare);
                    let buffers = (&mut worker, &mut buffer);
                    let replayed = one(engine, buffers, &(sources.name)(nth), fetch, &mut outgoing);
                    let (rest, held_bytes) = outgoing.rest();
                    let end = End { rest, held_bytes, replayed };
                    if results.send((nth, Message::End(end))).is_err() {
                        break;
                    }
                }
            });
        }
        drop((tokens, results, spare));
        let mut collector = Collector { turn: &turn, give_back, sink };
        let mut waiting = BTreeMap::new();
        let mut wanted = 0;
        for (nth, message) in arrived {
            match message {
                Message::Batch(lines) => collector.findings(nth, lines),
                Message::End(end) => {
                    waiting.insert(nth, end);
                }
            }
            while let Some(End { rest, held_bytes, replayed }) = waiting.remove(&wanted) {
                for lines in rest {
                    collector.findings(wanted, lines);
                }
                collector.hand_on(wanted, replayed);
                wanted += 1;
                turn.pass_on(held_bytes);
                // Workers that have ended take no more tokens.
                give.try_send(()).ok();
            }
        }
    });
}

/// The end that the sink is on.
struct Collector<'c, 's> {
    turn: &'c Turn,
    give_back: Sender<JsonLines>,
    sink: &'c mut Sink<'s>,
}

impl Collector<'_, '_> {
    fn hand_on(&mut self, nth: usize, replayed: Replayed<'_>) {
        if !self.turn.is_stopped() && !(self.sink)(nth, replayed) {
            self.turn.stop();
        }
    }

    fn findings(&mut self, nth: usize, mut lines: Lines) {
        self.hand_on(nth, Replayed::Findings(&lines));
        lines.text.clear();
        // Where there are enough of them, this one is let go.
        self.give_back.try_send(lines.text).ok();
    }
}

fn one(
    engine: &Engine,
    (worker, buffer): (&mut Worker, &mut Vec<u8>),
    name: &str,
    fetch: impl FnOnce(&mut Vec<u8>) -> Result<Fetched, String>,
    outgoing: &mut Outgoing<'_>,
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
