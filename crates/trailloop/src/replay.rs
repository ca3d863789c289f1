//! `trailloop replay`: rules against archived objects, findings in order.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use serde_json::{Value, json};
use trailloop_cloudtrail::{Limits, ReadSummary};
use trailloop_finding::Level;
use trailloop_pipeline::examine::{Engine, RecordFilter};
use trailloop_pipeline::indexing::{IndexWriter, SEGMENT_OBJECTS};
use trailloop_pipeline::live::LiveRules;
use trailloop_pipeline::needle::Prints;
use trailloop_pipeline::replay::{Lines, Replayed, replay_indexing};

use crate::cli::{Global, ReplayArgs};
use crate::config::cores;
use crate::query::place;
use crate::resume::Checkpoint;
use crate::ruleset::RuleFiles;
use crate::show::shown;
use crate::source::{Item, Listing, Sources};
use crate::{Exit, UsageError, enrichment, progress};

/// The largest object read whole; CloudTrail's own limit is 50 MB.
pub(crate) const OBJECT_BYTES_MAX: u64 = 1 << 30;

/// The place is saved after this many objects.
const SAVE_EVERY_OBJECTS: u64 = 256;

macro_rules! summary {
    ($($name:ident),+ $(,)?) => {
        /// What a replay came to; the fields are a contract.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub(crate) struct Summary { $(pub(crate) $name: u64,)+ }

        impl Summary {
            pub(crate) fn to_json(&self) -> Value {
                json!({ $(stringify!($name): self.$name,)+ })
            }

            pub(crate) fn from_json(value: &Value) -> Option<Self> {
                Some(Self { $($name: value.get(stringify!($name))?.as_u64()?,)+ })
            }
        }
    };
}

summary!(
    objects,
    objects_skipped,
    objects_pruned,
    objects_failed,
    records,
    records_failed,
    findings,
    bytes_compressed,
    bytes_raw,
    rules_loaded,
    filters_loaded,
    rules_rejected,
);

/// Runs the command.
pub(crate) fn replay(arguments: &ReplayArgs, global: &Global) -> anyhow::Result<Exit> {
    let started = Instant::now();
    let enrichment = enrichment::load(arguments.enrichment.folder.as_deref())?;
    let rules = RuleFiles::load(&arguments.rules, &enrichment)?;
    rules.report(global);
    let filter = RecordFilter {
        from: arguments.from,
        to: arguments.to,
        accounts: arguments.account.clone(),
        regions: arguments.region.clone(),
    };
    let mut sources = Sources::new(&arguments.aws, OBJECT_BYTES_MAX)?;
    let listing = sources.list(&arguments.sources, &filter)?;
    for failed in &listing.failed {
        tracing::error!("{}", shown(failed));
    }
    let found = listing.items.len() as u64 + listing.skipped + listing.pruned;
    if found == 0 && !listing.failed.is_empty() {
        return Ok(Exit::Failed);
    }
    if found == 0 {
        let text = format!("no object found in {}", arguments.sources.join(" "));
        return Err(UsageError(text).into());
    }

    let of = fingerprint(arguments, &rules);
    let Start { items, mut output, mut collector } = start(arguments, &rules, &listing, of)?;
    let engine =
        Engine { rules: LiveRules::new(rules.set.clone()), limits: Limits::default(), filter };
    collector.index = indexed(arguments, &sources)?;
    collector.run(arguments, global, &engine, &sources, items, &mut output)?;
    output.finish()?;

    let Collector { summary, highest, index, .. } = collector;
    write_summary(arguments.summary.as_deref(), &summary, started.elapsed().as_secs_f64())?;
    Ok(if !listing.failed.is_empty() || index.is_some_and(|index| index.has_failed) {
        Exit::Failed
    } else if arguments.fail_on.is_some_and(|level| highest >= Some(level)) {
        Exit::FailOn
    } else {
        Exit::Done
    })
}

/// Where a replay begins.
struct Start<'l> {
    items: &'l [Item],
    output: Output,
    collector: Collector,
}

/// At the first object, or where the last replay was.
fn start<'l>(
    arguments: &ReplayArgs,
    rules: &RuleFiles,
    listing: &'l Listing,
    of: String,
) -> anyhow::Result<Start<'l>> {
    if arguments.resume.is_some() && arguments.output == "-" {
        let text = "--resume needs --output FILE: what was printed cannot be taken back".to_owned();
        return Err(UsageError(text).into());
    }
    let resumed = match &arguments.resume {
        Some(path) => Checkpoint::load(path, &of)?,
        None => None,
    };
    let output = Output::open(&arguments.output, resumed.as_ref())?;
    let Some(place) = resumed else {
        let summary = Summary {
            objects: listing.skipped,
            objects_skipped: listing.skipped,
            objects_pruned: listing.pruned,
            rules_loaded: rules.set.len() as u64,
            filters_loaded: rules.set.strategy().filters as u64,
            rules_rejected: rules.rejected,
            ..Summary::default()
        };
        let collector = Collector { of, summary, highest: None, done: 0, error: None, index: None };
        return Ok(Start { items: &listing.items, output, collector });
    };
    let last = (place.last.0, place.last.1.as_str());
    let done = listing.items.partition_point(|item| (item.argument, item.name.as_str()) <= last);
    let new = (done as u64).saturating_sub(place.done);
    if new > 0 {
        tracing::warn!(
            new,
            "objects that came since lie before the place and are left out; delete the place to read all"
        );
    }
    let Checkpoint { summary, highest, .. } = place;
    let collector = Collector { of, summary, highest, done: done as u64, error: None, index: None };
    Ok(Start { items: &listing.items[done..], output, collector })
}

/// Takes the results in order.
struct Collector {
    /// What is replayed, as a place names it.
    of: String,
    summary: Summary,
    highest: Option<Level>,
    /// Objects that are done, those of earlier replays included.
    done: u64,
    error: Option<anyhow::Error>,
    index: Option<Indexed>,
}

/// The index that a replay writes.
struct Indexed {
    writer: IndexWriter,
    /// What a query calls the files of each SOURCE.
    keys: Vec<Option<String>>,
    /// Whether it lacks what could not be written.
    has_failed: bool,
}

/// The index that was asked for.
fn indexed(arguments: &ReplayArgs, sources: &Sources) -> anyhow::Result<Option<Indexed>> {
    let Some(at) = &arguments.index else { return Ok(None) };
    let keys = arguments.sources.iter().map(|source| place::keys_of(source)).collect();
    let (_, shelf) = sources.block_on(place::index(at, &arguments.aws))?;
    let writer = IndexWriter::new(shelf);
    Ok(Some(Indexed { writer, keys, has_failed: false }))
}

impl Indexed {
    /// Takes what an object holds, if it was read whole.
    fn take(&mut self, item: &Item, bytes: u64, prints: Option<Prints>, sources: &Sources) {
        if let Some((prints, (key, etag))) = prints.zip(item.listed(&self.keys)) {
            self.writer.add(&key, bytes, etag, prints);
        }
        // After a failure it is tried again only when as many have come.
        let waiting = self.writer.waiting();
        if waiting > 0 && waiting.is_multiple_of(SEGMENT_OBJECTS) {
            self.flush(sources);
        }
    }

    fn flush(&mut self, sources: &Sources) {
        self.has_failed |= sources.block_on(self.writer.flush_logged());
    }
}

impl Collector {
    fn run(
        &mut self,
        arguments: &ReplayArgs,
        global: &Global,
        engine: &Engine,
        sources: &Sources,
        items: &[Item],
        output: &mut Output,
    ) -> anyhow::Result<()> {
        let jobs = arguments.jobs.map_or_else(cores, usize::from);
        let bar = progress::bar(items.len() as u64, global.quiet);
        let name = |item: &Item| item.name.clone();
        let fetcher = sources.fetcher(items);
        let fetch =
            |nth: usize, item: &Item, buffer: &mut Vec<u8>| fetcher.fetch(nth, item, buffer);
        replay_indexing(
            engine,
            items,
            (jobs, self.index.is_some()),
            name,
            fetch,
            |nth, replayed| {
                let item = &items[nth];
                // More comes of the object.
                if let Replayed::Findings(lines) = replayed {
                    self.error = self.take_findings(lines, output).err();
                    return self.error.is_none();
                }
                self.done += 1;
                self.take(item, replayed, sources);
                let saves =
                    (nth as u64 + 1).is_multiple_of(SAVE_EVERY_OBJECTS) || nth + 1 == items.len();
                let saved = match &arguments.resume {
                    Some(path) if saves => self.save(path, item, output),
                    _ => Ok(()),
                };
                bar.set_message(format!("{} findings", self.summary.findings));
                bar.inc(1);
                self.error = saved.err();
                self.error.is_none()
            },
        );
        bar.finish_and_clear();
        if let Some(index) = &mut self.index {
            index.flush(sources);
        }
        self.error.take().map_or(Ok(()), Err)
    }

    fn take_findings(&mut self, lines: &Lines, output: &mut Output) -> anyhow::Result<()> {
        self.summary.findings += lines.count;
        self.highest = self.highest.max(lines.highest);
        output.write(lines.text.as_bytes())
    }

    /// Takes how an object ended.
    fn take(&mut self, item: &Item, replayed: Replayed<'_>, sources: &Sources) {
        let summary = &mut self.summary;
        match replayed {
            Replayed::Findings(_) => return,
            Replayed::Failed(error) => {
                summary.objects_failed += 1;
                tracing::warn!(object = %shown(&item.name), "failed to read an object: {}", shown(&error));
            }
            Replayed::Examined { examined, bytes_compressed } => {
                report(item, &examined.read);
                summary.objects_failed += u64::from(examined.read.failed.is_some());
                summary.records += examined.records_evaluated;
                summary.records_failed += examined.read.records_failed;
                summary.bytes_compressed += bytes_compressed;
                summary.bytes_raw += examined.read.bytes_raw;
                if let Some(index) = &mut self.index {
                    index.take(item, bytes_compressed, examined.prints, sources);
                }
            }
        }
        summary.objects += 1;
    }

    fn save(&self, path: &Path, item: &Item, output: &mut Output) -> anyhow::Result<()> {
        let place = Checkpoint {
            of: self.of.clone(),
            last: (item.argument, item.name.clone()),
            done: self.done,
            highest: self.highest,
            output_bytes: output.sync()?,
            summary: self.summary.clone(),
        };
        place.save(path)
    }
}

/// What makes a replay the same replay: its arguments, and the rules as they are now.
fn fingerprint(arguments: &ReplayArgs, rules: &RuleFiles) -> String {
    let ReplayArgs { sources, output, from, to, account, region, .. } = arguments;
    let (rules, facts) = (rules.set.hash(), rules.set.enrichment_hash());
    format!("{:?} rules {rules} enrichment {facts}", (sources, output, from, to, account, region))
}

/// Names what could not be read of an object.
fn report(item: &Item, read: &ReadSummary) {
    let object = shown(&item.name);
    if let Some(failed) = &read.failed {
        tracing::warn!(%object, offset = failed.offset, "did not read an object to its end: {}", failed.failure);
    }
    for report in &read.reports {
        tracing::warn!(%object, record = report.index, offset = report.offset, "refused a record: {}", report.failure);
    }
    let unnamed = read.records_failed - read.reports.len() as u64;
    if unnamed > 0 {
        tracing::warn!(%object, unnamed, "refused more records");
    }
}

/// Where findings are written.
struct Output {
    to: BufWriter<Box<dyn Write + Send>>,
    /// The file, to make sure of what was written.
    file: Option<File>,
    bytes: u64,
}

impl Output {
    /// Opens the output; a resumed one is cut to where it was and appended to.
    fn open(name: &str, resumed: Option<&Checkpoint>) -> anyhow::Result<Self> {
        let bytes = resumed.map_or(0, |place| place.output_bytes);
        let file = match (name, resumed) {
            ("-", _) => None,
            (_, None) => Some(File::create(name).with_context(|| format!("open {name}"))?),
            (_, Some(_)) => Some(cut(name, bytes)?),
        };
        let to: Box<dyn Write + Send> = match &file {
            Some(file) => Box::new(file.try_clone().with_context(|| format!("open {name}"))?),
            None => Box::new(std::io::stdout()),
        };
        Ok(Self { to: BufWriter::with_capacity(1 << 16, to), file, bytes })
    }

    fn write(&mut self, lines: &[u8]) -> anyhow::Result<()> {
        self.to.write_all(lines).context("write findings")?;
        self.bytes += lines.len() as u64;
        Ok(())
    }

    /// Brings what is buffered to the disk, and gives the length so far.
    fn sync(&mut self) -> anyhow::Result<u64> {
        self.to.flush().context("write findings")?;
        if let Some(file) = &self.file {
            file.sync_data().context("write findings")?;
        }
        Ok(self.bytes)
    }

    fn finish(mut self) -> anyhow::Result<()> {
        self.to.flush().context("write findings")
    }
}

/// Opens findings of an earlier replay, without what it wrote after its last place.
fn cut(name: &str, bytes: u64) -> anyhow::Result<File> {
    let file =
        OpenOptions::new().append(true).open(name).with_context(|| format!("open {name}"))?;
    let length = file.metadata().with_context(|| format!("read {name}"))?.len();
    if length < bytes {
        let text = format!("{name} is shorter than it was; delete the place to start anew");
        return Err(UsageError(text).into());
    }
    file.set_len(bytes).with_context(|| format!("cut {name}"))?;
    Ok(file)
}

fn write_summary(to: Option<&str>, summary: &Summary, seconds: f64) -> anyhow::Result<()> {
    let Some(to) = to else { return Ok(()) };
    let mut value = summary.to_json();
    value["seconds"] = json!(seconds);
    let text = format!("{value}\n");
    if to == "-" {
        std::io::stdout().write_all(text.as_bytes()).context("write the summary")
    } else {
        std::fs::write(to, text).with_context(|| format!("write {to}"))
    }
}
