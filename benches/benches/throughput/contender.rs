//! Who takes part, each in a process of its own: the parent's side and the child's.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use trailloop_benches::corpus::{Corpus, files};
use trailloop_benches::process::{cpu, peak_bytes};
use trailloop_benches::rules::Share;

use crate::{bounds, ours, peers};

/// The first argument of a child.
pub(crate) const CHILD: &str = "contend";

/// Peers take this many objects: they are slow, and their rate does not depend on how many there are.
const OBJECTS_OF_PEERS: usize = 1;
/// A command takes more, because its start is told only by taking it off.
const OBJECTS_OF_COMMANDS: usize = 4;

/// Everybody else goes over the whole corpus so often in one process: what a process does once, such as touching its memory for the first
/// time, is nothing in an archive of a day.
const PASSES: usize = 3;

/// What a process came to, in the one line that it prints.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) bytes_raw: u64,
    /// 0 of who does not look for records.
    pub(crate) records: u64,
    pub(crate) findings: u64,
    pub(crate) took: Duration,
    /// The time of processors, all threads together; 0 if it isn't known. Steadier than the other where a machine is
    /// shared.
    pub(crate) cpu: Duration,
    /// The most memory it ever held.
    pub(crate) peak_bytes: u64,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bytes_raw, records, findings, took, cpu, peak_bytes } = self;
        let (took, cpu) = (took.as_nanos(), cpu.as_nanos());
        write!(f, "{bytes_raw} {records} {findings} {took} {cpu} {peak_bytes}")
    }
}

impl FromStr for Outcome {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let numbers: Result<Vec<u64>, _> = line.split_whitespace().map(str::parse).collect();
        match numbers.as_deref() {
            Ok(&[bytes_raw, records, findings, took, cpu, peak_bytes]) => {
                let (took, cpu) = (Duration::from_nanos(took), Duration::from_nanos(cpu));
                Ok(Self { bytes_raw, records, findings, took, cpu, peak_bytes })
            }
            _ => Err(format!("a contender said {line:?}")),
        }
    }
}

/// A program, and what came of it.
pub(crate) struct Contender {
    pub(crate) name: String,
    pub(crate) threads: usize,
    program: Program,
    /// Which part of the records its rules have to do with.
    pub(crate) share: Option<Share>,
    /// Its best round, or why there is none.
    pub(crate) best: Result<Outcome, String>,
}

enum Program {
    /// This one, as a child that does what the text says: over so many objects once, or over all of them [`PASSES`] times.
    Child {
        what: String,
        objects: Option<usize>,
    },
    /// This one, as the command `trailloop replay`.
    Replay,
    /// A file of Python, and which Python.
    Script {
        python: PathBuf,
        script: &'static str,
    },
    /// gzip -dc, which tells nothing.
    Gzip,
    None,
}

impl Contender {
    /// This program as a child, for each number of threads.
    fn children(what: &str, name: &str, threads: &[usize]) -> Vec<Self> {
        let child = |threads: &usize| {
            let program = Program::Child { what: what.to_owned(), objects: None };
            Self::new(name.to_owned(), *threads, program)
        };
        threads.iter().map(child).collect()
    }

    fn new(name: String, threads: usize, program: Program) -> Self {
        Self { name, threads, program, share: None, best: Err("not run".to_owned()) }
    }

    /// Who can't take part, and why.
    pub(crate) fn skipped(name: &str, reason: String) -> Self {
        Self { best: Err(reason), ..Self::new(name.to_owned(), 1, Program::None) }
    }

    /// The rules of a name, on our engine, for each number of threads.
    pub(crate) fn ours(rules: &str, threads: &[usize]) -> Vec<Self> {
        let set = ours::rules(rules);
        let name = match rules {
            ours::SHIPPED => format!("Trailloop, {} shipped rules", set.len()),
            ours::NEEDLE => format!("Trailloop, one rule: {}", ours::NEEDLE_EVENT),
            "0" => "Trailloop, no rules".to_owned(),
            count => format!("Trailloop, {count} rules"),
        };
        let (what, share) = (format!("ours {rules}"), Some(Share::of(&set)));
        let contenders = Self::children(&what, &name, threads).into_iter();
        contenders.map(|contender| Self { share, ..contender }).collect()
    }

    fn peer(what: &str, name: &str) -> Self {
        let program = Program::Child { what: what.to_owned(), objects: Some(OBJECTS_OF_PEERS) };
        Self::new(name.to_owned(), 1, program)
    }

    fn inflate(threads: &[usize]) -> Vec<Self> {
        Self::children(bounds::INFLATE, "(a) libdeflate", threads)
    }

    fn tape(threads: &[usize]) -> Vec<Self> {
        Self::children(bounds::TAPE, "(b) libdeflate and a tape of the object", threads)
    }

    /// Whether others are compared with it.
    pub(crate) fn is_bound(&self) -> bool {
        self.name.starts_with('(')
    }

    pub(crate) fn on_tiny() -> Vec<Self> {
        let threads = &[1, 2];
        let mut contenders = Self::inflate(threads);
        contenders.extend(Self::tape(threads));
        for rules in ["0", "200", ours::SHIPPED] {
            contenders.extend(Self::ours(rules, threads));
        }
        contenders
    }

    pub(crate) fn on_busy() -> Vec<Self> {
        let threads = &[1, 2, 8];
        let mut contenders = Self::inflate(threads);
        contenders.extend(Self::tape(threads));
        contenders.extend(Self::children(bounds::STREAM, "flate2, in blocks", &[1]));
        contenders.push(Self::new("gzip -dc".to_owned(), 1, Program::Gzip));
        for rules in ["0", "57", "200", "800", ours::SHIPPED] {
            contenders.extend(Self::ours(rules, threads));
        }
        for count in [57, 800] {
            let name = format!("rsigma, {count} rules, NDJSON that is not compressed");
            contenders.push(Self::peer(&format!("rsigma {count}"), &name));
        }
        for count in [57, 800] {
            let name = format!("sigma-rust, {count} rules, as Suzaku does");
            contenders.push(Self::peer(&format!("sigma-rust {count}"), &name));
        }
        contenders.extend(Self::ours(ours::NEEDLE, &[1, 2]));
        contenders
    }

    pub(crate) fn of_duckdb(python: &Path) -> Vec<Self> {
        let queries =
            [("", peers::DUCKDB_SCRIPT), (", the usual query", peers::DUCKDB_USUAL_SCRIPT)];
        let of_query = |(which, script)| {
            [1, 2].map(|threads| {
                let program = Program::Script { python: python.to_owned(), script };
                Self::new(
                    format!("DuckDB, counting {}{which}", ours::NEEDLE_EVENT),
                    threads,
                    program,
                )
            })
        };
        queries.into_iter().flat_map(of_query).collect()
    }

    pub(crate) fn of_rsigma_as_command() -> Vec<Self> {
        let of_count = |count| {
            let name = format!("rsigma, the command, {count} rules, NDJSON that is not compressed");
            let what = format!("rsigma-command {count}");
            Self::new(name, 1, Program::Child { what, objects: Some(OBJECTS_OF_COMMANDS) })
        };
        [57, 800].map(of_count).into()
    }

    pub(crate) fn on_large() -> Vec<Self> {
        let threads = &[1, 2];
        let mut contenders = Self::inflate(threads);
        let name = "(b) flate2 and a tape, in blocks";
        contenders.extend(Self::children(bounds::STREAM_TAPE, name, threads));
        contenders.extend(Self::children(bounds::STREAM, "flate2, in blocks", &[1]));
        for rules in ["0", "800", ours::SHIPPED] {
            contenders.extend(Self::ours(rules, threads));
        }
        let name = "trailloop replay, as the command: start, shipped rules and output".to_owned();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        contenders.push(Self::new(name, cores, Program::Replay));
        contenders
    }

    /// Runs one round.
    pub(crate) fn run(&mut self, corpus: &Corpus) {
        let Some(mut command) = self.command(&corpus.folder) else { return };
        let started = Instant::now();
        let output = command.stderr(Stdio::inherit()).output();
        let took = started.elapsed();
        let output = match output {
            Ok(output) if output.status.success() => output.stdout,
            Ok(output) => return self.best = Err(format!("ended with {}", output.status)),
            Err(error) => return self.best = Err(error.to_string()),
        };
        let said = String::from_utf8_lossy(&output);
        let outcome = match &self.program {
            Program::Gzip => {
                Ok(Outcome { bytes_raw: corpus.bytes_raw, took, ..Outcome::default() })
            }
            Program::Replay => ours::outcome_of_command(&said),
            _ => said.trim().parse(),
        };
        let mut outcome: Outcome = outcome.expect("each contender says what it did");
        // A query that counts what it looks for goes over all records and does not say how many they are.
        if outcome.records == 0 && matches!(self.program, Program::Script { .. }) {
            outcome.records = corpus.records;
        }
        self.best = Ok(match self.best {
            Ok(best) => Outcome {
                took: best.took.min(outcome.took),
                cpu: best.cpu.min(outcome.cpu),
                ..outcome
            },
            Err(_) => outcome,
        });
    }

    /// The process of this contender, if it takes part.
    fn command(&self, folder: &Path) -> Option<Command> {
        let exe = || std::env::current_exe().expect("a program knows where it is");
        let mut command;
        match &self.program {
            Program::Child { what, objects } => {
                command = Command::new(exe());
                command.args([CHILD, what, &self.threads.to_string()]);
                command.arg(folder).args(objects.map(|objects| objects.to_string()));
            }
            Program::Replay => {
                command = Command::new(exe());
                command.arg("replay").arg(folder);
                command.args(["--output", "/dev/null", "--summary", "-", "--quiet"]);
            }
            Program::Script { python, script } => {
                command = Command::new(python);
                command.args(["-c", script, &self.threads.to_string(), ours::NEEDLE_EVENT]);
                command.arg(folder);
            }
            Program::Gzip => {
                command = Command::new("gzip");
                command.arg("-dc").args(files(folder)).stdout(Stdio::null());
            }
            Program::None => return None,
        }
        Some(command)
    }

    /// Whether it went over the whole corpus: nobody wins by leaving something out.
    pub(crate) fn read_all(&self, corpus: &Corpus) -> bool {
        let Ok(best) = &self.best else { return true };
        let passes = match self.program {
            Program::Child { objects: None, .. } => PASSES as u64,
            Program::Replay => 1,
            _ => return true,
        };
        best.bytes_raw == corpus.bytes_raw * passes
            && (best.records == 0 || best.records == corpus.records * passes)
    }
}

/// The child: does its work and prints one line.
#[expect(clippy::print_stdout, reason = "this is what the parent reads")]
pub(crate) fn child(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    let mut next = || arguments.next().expect("the parent gives three arguments");
    let (what, threads, folder) = (next(), next(), next());
    let threads: usize = threads.parse().expect("a number of threads");
    let mut files = files(folder.as_ref());
    let objects = files.len();
    match arguments.next() {
        Some(objects) => files.truncate(objects.parse().expect("a number of objects")),
        None => (1..PASSES).for_each(|_| files.extend_from_within(..objects)),
    }
    let outcome = match what.split_once(' ') {
        None => bounds::run(&what, &files, threads),
        Some(("ours", rules)) => ours::run(rules, &files, threads),
        Some(("rsigma", count)) => peers::rsigma(count, &files),
        Some(("rsigma-command", count)) => peers::rsigma_as_command(count, &files),
        Some(("sigma-rust", count)) => peers::sigma_rust(count, &files),
        Some(_) => panic!("nobody is called {what}"),
    };
    // Of a command that it ran it knows the time, and not the memory.
    let peak_bytes = if what.starts_with("rsigma-command") { 0 } else { peak_bytes() };
    println!("{}", Outcome { peak_bytes, ..outcome });
    ExitCode::SUCCESS
}

/// Has a thread for each state take files in turn, and adds up what they made of them.
pub(crate) fn share_out<S: Send>(
    files: &[PathBuf],
    states: Vec<S>,
    work: impl Fn(&mut S, &Path) -> Outcome + Sync,
) -> Outcome {
    let next = AtomicUsize::new(0);
    let worker = |mut state: S| {
        let mut done = Vec::new();
        while let Some(path) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            done.push(work(&mut state, path));
        }
        done
    };
    let clock = Clock::start();
    let (mut bytes_raw, mut records, mut findings) = (0, 0, 0);
    std::thread::scope(|scope| {
        let start = |state| scope.spawn(|| worker(state));
        let workers: Vec<_> = states.into_iter().map(start).collect();
        for worker in workers {
            for outcome in worker.join().expect("no contender panics") {
                bytes_raw += outcome.bytes_raw;
                records += outcome.records;
                findings += outcome.findings;
            }
        }
    });
    clock.stop(Outcome { bytes_raw, records, findings, ..Outcome::default() })
}

/// What a child measures of itself.
pub(crate) struct Clock {
    started: Instant,
    cpu: Duration,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { started: Instant::now(), cpu: cpu() }
    }

    /// The outcome with its times.
    pub(crate) fn stop(self, outcome: Outcome) -> Outcome {
        let cpu = cpu().saturating_sub(self.cpu);
        Outcome { took: self.started.elapsed(), cpu, ..outcome }
    }
}
