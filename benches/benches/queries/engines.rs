//! Who answers, each in a process of its own: the parent's side, and ours as a child.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use trailloop_benches::process::{cpu, peak_bytes};
use trailloop_cloud::FolderStore;
use trailloop_query::arrow::array::{Array as _, AsArray as _};
use trailloop_query::arrow::datatypes::Int64Type;
use trailloop_query::{Archive, Bound, Engine, Parameters, Prepared, Source};

/// The first argument of a child.
pub(crate) const CHILD: &str = "answer";

const DUCKDB: &str = include_str!("duckdb_answer.py");
const CHDB: &str = include_str!("chdb_answer.py");

/// The question; the name is what the scripts know it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    Count,
    Needle,
}

impl Question {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Needle => "needle",
        }
    }

    pub(crate) fn sql(self) -> &'static str {
        match self {
            Self::Count => "SELECT eventname, count(*) AS n FROM cloudtrail GROUP BY 1",
            Self::Needle => "SELECT * FROM cloudtrail WHERE useridentity.accesskeyid = :key",
        }
    }
}

/// What a process came to, in the one line that it prints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Rows of the answer.
    pub(crate) rows: u64,
    /// Records that the answer tells of.
    pub(crate) records: u64,
    pub(crate) took: Duration,
    /// The time of processors, all threads together.
    pub(crate) cpu: Duration,
    /// The most memory it ever held.
    pub(crate) peak_bytes: u64,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows, records, took, cpu, peak_bytes } = self;
        write!(f, "{rows} {records} {} {} {peak_bytes}", took.as_nanos(), cpu.as_nanos())
    }
}

impl FromStr for Outcome {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let numbers: Result<Vec<u64>, _> = line.split_whitespace().map(str::parse).collect();
        match numbers.as_deref() {
            Ok(&[rows, records, took, cpu, peak_bytes]) => {
                let (took, cpu) = (Duration::from_nanos(took), Duration::from_nanos(cpu));
                Ok(Self { rows, records, took, cpu, peak_bytes })
            }
            _ => Err(format!("an engine said {line:?}")),
        }
    }
}

/// An engine, how it is asked, and what came of it.
pub(crate) struct Contender {
    pub(crate) name: String,
    pub(crate) threads: usize,
    program: Program,
    /// Its best round, or why there is none.
    pub(crate) best: Result<Outcome, String>,
}

enum Program {
    /// Ours, with a bound of memory in bytes or 0.
    Ours { memory: usize },
    /// A script of Python, which Python, and which way it is to ask.
    Script { python: PathBuf, script: &'static str, way: &'static str },
}

impl Contender {
    pub(crate) fn ours(threads: usize, memory_mb: usize) -> Self {
        let name = match memory_mb {
            0 => "Trailloop".to_owned(),
            mb => format!("Trailloop, --memory-max {mb} MB"),
        };
        Self::new(&name, threads, Program::Ours { memory: memory_mb * 1_000_000 })
    }

    pub(crate) fn others(python: &Path, threads: usize) -> Vec<Self> {
        let script = |name: &str, script, way| {
            let python = python.to_owned();
            Self::new(name, threads, Program::Script { python, script, way })
        };
        vec![
            script("DuckDB", DUCKDB, "named"),
            script("DuckDB, the usual query", DUCKDB, "usual"),
            script("chdb", CHDB, "named"),
        ]
    }

    fn new(name: &str, threads: usize, program: Program) -> Self {
        Self { name: name.to_owned(), threads, program, best: Err("not run".to_owned()) }
    }

    pub(crate) fn is_ours(&self) -> bool {
        matches!(self.program, Program::Ours { .. })
    }

    /// Runs one round.
    pub(crate) fn run(&mut self, question: Question, key: &str, folder: &Path) {
        let threads = self.threads.to_string();
        let mut command;
        match &self.program {
            Program::Ours { memory } => {
                command =
                    Command::new(std::env::current_exe().expect("a program knows where it is"));
                command.args([CHILD, question.name(), &threads, &memory.to_string(), key]);
            }
            Program::Script { python, script, way } => {
                command = Command::new(python);
                command.args(["-c", script, question.name(), &threads, way, key]);
            }
        }
        let output = command.arg(folder).stderr(Stdio::inherit()).output();
        let outcome: Outcome = match output {
            Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout)
                .trim()
                .parse()
                .expect("each engine says what it did"),
            Ok(output) => return self.best = Err(format!("ended with {}", output.status)),
            Err(error) => return self.best = Err(error.to_string()),
        };
        self.best = Ok(match self.best {
            Ok(best) => Outcome {
                took: best.took.min(outcome.took),
                cpu: best.cpu.min(outcome.cpu),
                peak_bytes: best.peak_bytes.max(outcome.peak_bytes),
                ..outcome
            },
            Err(_) => outcome,
        });
    }
}

/// The child: answers and prints one line.
#[expect(clippy::print_stdout, reason = "this is what the parent reads")]
pub(crate) fn child(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    let mut next = || arguments.next().expect("the parent gives five arguments");
    let (question, threads, memory, key, folder) = (next(), next(), next(), next(), next());
    let threads: usize = threads.parse().expect("a number of threads");
    let memory: usize = memory.parse().expect("a number of bytes");
    let all = [Question::Count, Question::Needle];
    let question = all.into_iter().find(|one| one.name() == question).expect("a known question");
    println!("{}", answer(question, threads, memory, &key, Path::new(&folder)));
    ExitCode::SUCCESS
}

fn answer(question: Question, threads: usize, memory: usize, key: &str, folder: &Path) -> Outcome {
    let mut engine = Engine::new(archive(folder, threads));
    if memory > 0 {
        engine = engine.with_memory(memory);
    }
    let mut given = Parameters::new();
    if question == Question::Needle {
        given.insert("key".to_owned(), Bound::Text(key.to_owned()));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .expect("start the runtime");
    let (started, on_processors) = (Instant::now(), cpu());
    let (mut rows, mut records) = (0, 0);
    runtime.block_on(async {
        let query = Prepared::parse(question.sql()).expect("it is SQL");
        let mut answer = engine.ask(&query, &given).await.expect("it is planned");
        while let Some(batch) = answer.next().await.expect("it is answered") {
            rows += batch.num_rows() as u64;
            records += match question {
                Question::Needle => batch.num_rows() as u64,
                Question::Count => {
                    let counts = batch.column(1).as_primitive::<Int64Type>();
                    assert_eq!(counts.null_count(), 0);
                    counts.values().iter().map(|count| u64::try_from(*count).unwrap_or(0)).sum()
                }
            };
        }
    });
    let (took, cpu) = (started.elapsed(), cpu().saturating_sub(on_processors));
    Outcome { rows, records, took, cpu, peak_bytes: peak_bytes() }
}

/// The objects below a folder.
pub(crate) fn archive(folder: &Path, threads: usize) -> Archive {
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let bucket = name(folder).expect("a folder below another");
    let root = folder.parent().expect("a folder below another");
    // What is beside the logs is hidden, and a prefix leaves it out.
    let prefix = "AWSLogs/".to_owned();
    let store = Arc::new(FolderStore::new(root));
    Archive { jobs: threads, ..Archive::new(vec![Source { store, bucket, prefix }]) }
}
