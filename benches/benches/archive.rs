//! How an archive in S3 is read: objects whole or in parts, and over how many connections.
//!
//!     cargo bench -p trailloop-benches --bench archive
//!
//! A server of this program stands for S3. It speaks HTTP, and each of its connections is as slow as one of S3 is said to be: the
//! first byte comes after a tenth of a second (small objects take 100 to 200 ms), and then 90 MB a second (a request for each 85 to 90 MB/s:
//! Amazon S3 User Guide, performance design patterns). A part is asked for by a key of its own, which costs what a range does. Each way runs in
//! a process of its own, by turns; the best round of each counts. The processors are shared with the server, so what is told is
//! which way waits less, and not how fast one machine is.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::BytesMut;
use clap::Parser;
use trailloop_benches::compile;
use trailloop_benches::corpus::{Corpus, files};
use trailloop_benches::process::{machine, peak_bytes};
use trailloop_cloud::{AwsOptions, CloudError, Object, ObjectRef, Page, Store, connect};
use trailloop_cloudtrail::Limits;
use trailloop_content::shipped;
use trailloop_pipeline::ahead::{Ahead, AheadLimits};
use trailloop_pipeline::examine::{Engine, RecordFilter};
use trailloop_pipeline::live::LiveRules;
use trailloop_pipeline::replay::{Body, Fetched, Replayed, replay};

const FIRST_BYTE: Duration = Duration::from_millis(100);
const BYTES_A_SECOND: f64 = 90e6;

/// The same pages advise 8 to 16 MB for large objects.
const PART_BYTES: u64 = 8 << 20;

/// Measures how an archive in S3 is read.
#[derive(Debug, Parser)]
#[command(name = "archive")]
struct Arguments {
    /// Only corpora whose name holds this.
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Rounds, of which the best counts.
    #[arg(long, value_name = "N", default_value_t = 2)]
    rounds: usize,
    /// Where corpora are kept: those of the benchmark of throughput.
    #[arg(long, value_name = "DIR", default_value = concat!(env!("CARGO_TARGET_TMPDIR"), "/throughput"))]
    folder: PathBuf,
    /// What a child does; the parent says it.
    #[arg(long, num_args = 2, hide = true)]
    child: Option<Vec<String>>,
    /// What cargo says when it runs benchmarks.
    #[arg(long, hide = true)]
    bench: bool,
}

/// A way to read, and what came of it.
struct Way {
    name: &'static str,
    in_parts: bool,
    /// Downloads at once, to begin with and at most.
    downloads: (usize, usize),
    best: Option<Outcome>,
}

#[derive(Clone, Copy, Debug)]
struct Outcome {
    took: Duration,
    bytes_raw: u64,
    requests: u64,
    peak_bytes: u64,
}

fn main() {
    let arguments = Arguments::parse();
    if let Some(child) = &arguments.child {
        return read(child);
    }
    // `cargo test --benches` runs this too; there is nothing to test here.
    if arguments.bench {
        measure(&arguments);
    }
}

#[expect(clippy::print_stdout, reason = "this is the product, for people")]
fn measure(arguments: &Arguments) {
    machine();
    let of = |name: &str, objects, records| {
        Corpus::synthetic(arguments.folder.join(name), objects, records)
    };
    // So many of its objects, each so often.
    for (title, corpus, objects, times) in [
        ("Tiny objects", of("tiny", 100_000, 5), 20_000, 1),
        ("Busy objects", of("busy", 120, 8000), 120, 2),
        ("Large objects", of("large", 2, 288_000), 2, 8),
    ] {
        if !title.contains(&arguments.only) {
            continue;
        }
        let paths = files(&corpus.folder).into_iter().take(objects);
        let bodies: Vec<Vec<u8>> =
            paths.map(|path| std::fs::read(path).expect("read the corpus")).collect();
        let sizes: Vec<String> = bodies.iter().map(|body| body.len().to_string()).collect();
        let sizes = sizes.join(",");
        let url = serve(bodies);
        println!("\n## {title}\n\n{} objects\n", objects * times);
        println!(
            "| What | MB/s of JSON | objects/s | Requests | Peak, MB |\n|---|---|---|---|---|"
        );
        let mut ways = ways();
        for _ in 0..arguments.rounds {
            ways.iter_mut().for_each(|way| way.run(&url, &sizes, times));
        }
        ways.iter().for_each(|way| way.print(objects * times));
    }
}

fn ways() -> [Way; 5] {
    let way = |name, in_parts, downloads| Way { name, in_parts, downloads, best: None };
    [
        way("whole, as many at once as their latency asks for, up to 32", false, (8, 32)),
        way("up to 256", false, (8, 256)),
        way("up to 512", false, (8, 512)),
        way("up to 1,024", false, (8, 1024)),
        way("in parts of 8 MB, up to 256 objects", true, (8, 256)),
    ]
}

impl Way {
    /// Runs one round in a process of its own.
    fn run(&mut self, url: &str, sizes: &str, times: usize) {
        let (first, most) = self.downloads;
        let what = format!("{} {first} {most} {times}", self.in_parts);
        let mut child = Command::new(std::env::current_exe().expect("a program knows where it is"))
            .args(["--child", url, &what])
            // Anybody may read here.
            .envs([("AWS_ACCESS_KEY_ID", "none"), ("AWS_SECRET_ACCESS_KEY", "none")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start a child");
        let mut input = child.stdin.take().expect("the child reads");
        input.write_all(sizes.as_bytes()).expect("tell the child");
        drop(input);
        let output = child.wait_with_output().expect("wait for a child");
        assert!(output.status.success(), "a child ended with {}", output.status);
        let said = String::from_utf8_lossy(&output.stdout);
        let numbers: Vec<u64> = said.split_whitespace().flat_map(str::parse).collect();
        let &[took, bytes_raw, requests, peak_bytes] = &*numbers else { panic!("it said {said}") };
        let outcome = Outcome { took: Duration::from_nanos(took), bytes_raw, requests, peak_bytes };
        if self.best.is_none_or(|best| outcome.took < best.took) {
            self.best = Some(outcome);
        }
    }

    #[expect(clippy::print_stdout, clippy::cast_precision_loss, reason = "for people")]
    fn print(&self, objects: usize) {
        let Some(Outcome { took, bytes_raw, requests, peak_bytes }) = self.best else { return };
        let seconds = took.as_secs_f64();
        println!(
            "| {} | {:.0} | {:.0} | {requests} | {} |",
            self.name,
            bytes_raw as f64 / seconds / 1e6,
            objects as f64 / seconds,
            peak_bytes / 1_000_000
        );
    }
}

/// Serves bodies by their numbers, from threads of its own, and gives the URL.
fn serve(bodies: Vec<Vec<u8>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("the port"));
    let bodies = Arc::new(bodies);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let bodies = Arc::clone(&bodies);
            // A connection that breaks is the end of its client.
            thread::spawn(move || answer(&stream, &bodies).ok());
        }
    });
    url
}

/// Answers the requests of a connection one after another, as slowly as S3 does.
fn answer(stream: &TcpStream, bodies: &[Vec<u8>]) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut requests = BufReader::new(stream);
    loop {
        let mut path = None;
        loop {
            let mut line = String::new();
            if requests.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if line == "\r\n" {
                break;
            }
            let asked =
                line.strip_prefix("GET /bucket/").and_then(|rest| rest.split([' ', '?']).next());
            path = path.or(asked.map(str::to_owned));
        }
        let body = path.as_deref().and_then(|path| part(path, bodies));
        let body = body.ok_or_else(|| std::io::Error::other("no such object"))?;
        thread::sleep(FIRST_BYTE);
        send(stream, body)?;
    }
}

/// What a key stands for: the body of a number, or so many bytes of it.
fn part<'b>(key: &str, bodies: &'b [Vec<u8>]) -> Option<&'b [u8]> {
    let (number, range) = key.split_once('/').unwrap_or((key, ""));
    let body = bodies.get(number.parse::<usize>().ok()?)?;
    match range.split_once('-') {
        None => Some(body),
        Some((from, to)) => body.get(from.parse().ok()?..to.parse().ok()?),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a time need not be exact")]
fn send(mut stream: &TcpStream, body: &[u8]) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len())?;
    let (began, mut sent) = (Instant::now(), 0);
    for piece in body.chunks(256 << 10) {
        stream.write_all(piece)?;
        sent += piece.len();
        let due = Duration::from_secs_f64(sent as f64 / BYTES_A_SECOND);
        thread::sleep(due.saturating_sub(began.elapsed()));
    }
    Ok(())
}

/// S3, with objects whole or in parts, and how often it was asked.
struct InParts {
    inner: Arc<dyn Store>,
    sizes: Vec<u64>,
    in_parts: bool,
    requests: AtomicU64,
}

#[async_trait]
impl Store for InParts {
    async fn list(&self, _: &str, _: &str, _: Option<&str>) -> Result<Page, CloudError> {
        Ok(Page::default())
    }

    async fn get(&self, object: &ObjectRef, bytes_max: u64) -> Result<Object, CloudError> {
        let number: usize = object.key.parse().expect("keys are numbers");
        let size = self.sizes[number];
        if !self.in_parts || size <= PART_BYTES {
            self.requests.fetch_add(1, Ordering::Relaxed);
            return self.inner.get(object, bytes_max).await;
        }
        let mut tasks = tokio::task::JoinSet::new();
        for (nth, from) in (0..size).step_by(PART_BYTES as usize).enumerate() {
            let to = size.min(from + PART_BYTES);
            let part = ObjectRef::new(object.bucket.clone(), format!("{number}/{from}-{to}"));
            let inner = Arc::clone(&self.inner);
            self.requests.fetch_add(1, Ordering::Relaxed);
            let handle = tokio::runtime::Handle::current();
            tasks.spawn_on(async move { (nth, inner.get(&part, bytes_max).await) }, &handle);
        }
        let mut parts = BTreeMap::new();
        while let Some(done) = tasks.join_next().await {
            let (nth, part) = done.expect("no download panics");
            parts.insert(nth, part?.bytes);
        }
        let mut bytes = BytesMut::with_capacity(usize::try_from(size).unwrap_or(0));
        parts.values().for_each(|part| bytes.extend_from_slice(part));
        Ok(Object { bytes: bytes.freeze(), version: None, etag: None })
    }
}

/// The child: reads all objects as the command does, and drops what is found.
#[expect(clippy::print_stdout, reason = "this is what the parent reads")]
fn read(child: &[String]) {
    let url = child[0].clone();
    let what: Vec<&str> = child[1].split(' ').collect();
    let number = |nth: usize| what[nth].parse::<usize>().expect("a number");
    let sizes = std::io::read_to_string(std::io::stdin()).expect("the parent says the sizes");
    let sizes: Vec<u64> = sizes.split(',').map(|size| size.parse().expect("a size")).collect();
    let numbers: Vec<usize> = (0..sizes.len()).collect::<Vec<_>>().repeat(number(3));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("start the runtime");
    let region = Some("us-east-1".to_owned());
    let options = AwsOptions { region, endpoint_url: Some(url), path_style: true };
    let inner = Arc::new(runtime.block_on(connect(options)).store());
    let in_parts = what[0] == "true";
    let store = Arc::new(InParts { inner, sizes, in_parts, requests: AtomicU64::new(0) });
    let wanted = |nth: usize| {
        let number = *numbers.get(nth)?;
        Some(Some((ObjectRef::new("bucket", number.to_string()), store.sizes[number])))
    };
    let limits = AheadLimits { downloads: (number(1), number(2)), ..AheadLimits::default() };
    let ahead = Ahead::new(runtime.handle().clone(), Arc::clone(&store) as _, limits, wanted);
    let engine = Engine {
        rules: LiveRules::new(Arc::new(compile(shipped().rules))),
        limits: Limits::default(),
        filter: RecordFilter::default(),
    };
    let fetch = |nth: usize| {
        let object = ahead.get(nth).expect("all are there").map_err(|error| error.to_string())?;
        Ok(Fetched { body: Body::Bytes(object.bytes), version: None })
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let (began, mut bytes_raw) = (Instant::now(), 0);
    replay(
        &engine,
        &numbers,
        cores,
        ToString::to_string,
        |nth, _, _| fetch(nth),
        |_, replayed| {
            match replayed {
                Replayed::Examined { examined, .. } => bytes_raw += examined.read.bytes_raw,
                Replayed::Failed(error) => panic!("{error}"),
                Replayed::Findings(_) => {}
            }
            true
        },
    );
    let (took, requests) = (began.elapsed().as_nanos(), store.requests.load(Ordering::Relaxed));
    println!("{took} {bytes_raw} {requests} {}", peak_bytes());
}
