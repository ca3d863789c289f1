//! `trailloop replay`: rules against archived objects, findings in order.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use serde_json::{Value, json};
use trailloop_cloudtrail::{Limits, ReadSummary};
use trailloop_finding::{Finding, Level};
use trailloop_pipeline::examine::{Engine, RecordFilter};
use trailloop_pipeline::replay::{Replayed, replay as replay_objects};

use crate::cli::{Global, ReplayArgs};
use crate::config::cores;
use crate::resume::Place;
use crate::ruleset::RuleFiles;
use crate::show::shown;
use crate::source::{Item, Sources};
use crate::{Exit, UsageError, progress};

/// The largest object read whole; CloudTrail's own limit is 50 MB.
const OBJECT_BYTES_MAX: u64 = 1 << 30;

/// Threads for each core when objects come over the network: most of them wait.
const S3_JOBS_PER_CORE: usize = 4;

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
    let rules = RuleFiles::load(&arguments.rules)?;
    rules.report(global.quiet);
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
    if listing.items.is_empty() && listing.skipped + listing.pruned == 0 {
        let text = format!("no object found in {}", arguments.sources.join(" "));
        return Err(UsageError(text).into());
    }

    let mut summary = Summary {
        objects: listing.skipped,
        objects_skipped: listing.skipped,
        objects_pruned: listing.pruned,
        rules_loaded: rules.set.len() as u64,
        rules_rejected: rules.rejected,
        ..Summary::default()
    };
    let resumed = match &arguments.resume {
        Some(path) => Place::load(path, &fingerprint(arguments))?,
        None => None,
    };
    let mut output = Output::open(&arguments.output, resumed.as_ref())?;
    let items = match &resumed {
        Some(place) => {
            summary = place.summary.clone();
            let last = (place.last.0, place.last.1.as_str());
            let done =
                listing.items.partition_point(|item| (item.source, item.name.as_str()) <= last);
            &listing.items[done..]
        }
        None => &listing.items[..],
    };
    let engine = Engine { rules: rules.set.clone(), limits: Limits::default(), filter };
    let mut collector = Collector { summary, highest: None, error: None };
    collector.run(arguments, global, &engine, &sources, items, &mut output)?;
    output.finish()?;

    let Collector { summary, highest, .. } = collector;
    write_summary(arguments.summary.as_deref(), &summary, started.elapsed().as_secs_f64())?;
    Ok(if !listing.failed.is_empty() {
        Exit::Failed
    } else if arguments.fail_on.is_some_and(|level| highest >= Some(level)) {
        Exit::FailOn
    } else {
        Exit::Done
    })
}

/// Takes the results in order.
struct Collector {
    summary: Summary,
    highest: Option<Level>,
    error: Option<anyhow::Error>,
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
        let jobs = arguments.jobs.map_or_else(|| jobs(&arguments.sources), usize::from);
        let bar = progress::bar(items.len() as u64, global.quiet);
        let name = |item: &Item| item.name.clone();
        let fetch = |item: &Item| sources.fetch(item);
        replay_objects(engine, items, jobs, name, fetch, |nth, replayed| {
            let item = &items[nth];
            let taken = self.take(item, replayed, output).and_then(|()| {
                let saves =
                    (nth as u64 + 1).is_multiple_of(SAVE_EVERY_OBJECTS) || nth + 1 == items.len();
                match &arguments.resume {
                    Some(path) if saves => self.save(path, arguments, item, output),
                    _ => Ok(()),
                }
            });
            bar.set_message(format!("{} findings", self.summary.findings));
            bar.inc(1);
            self.error = taken.err();
            self.error.is_none()
        });
        bar.finish_and_clear();
        self.error.take().map_or(Ok(()), Err)
    }

    fn take(&mut self, item: &Item, replayed: Replayed, output: &mut Output) -> anyhow::Result<()> {
        let summary = &mut self.summary;
        summary.objects += 1;
        match replayed {
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
                for finding in examined.findings {
                    summary.findings += 1;
                    self.highest = self.highest.max(Some(finding.level));
                    output.write(&finding)?;
                }
            }
        }
        Ok(())
    }

    fn save(
        &self,
        path: &Path,
        arguments: &ReplayArgs,
        item: &Item,
        output: &mut Output,
    ) -> anyhow::Result<()> {
        let place = Place {
            of: fingerprint(arguments),
            last: (item.source, item.name.clone()),
            output_bytes: output.flush()?,
            summary: self.summary.clone(),
        };
        place.save(path)
    }
}

fn jobs(sources: &[String]) -> usize {
    if Sources::reads_s3(sources) { cores() * S3_JOBS_PER_CORE } else { cores() }
}

/// What makes a replay the same replay.
fn fingerprint(arguments: &ReplayArgs) -> String {
    let ReplayArgs { sources, rules, output, from, to, account, region, .. } = arguments;
    format!("{:?}", (sources, rules, output, from, to, account, region))
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
    to: BufWriter<Box<dyn Write>>,
    bytes: u64,
}

impl Output {
    /// Opens the output; a resumed one is cut to where it was and appended to.
    fn open(name: &str, resumed: Option<&Place>) -> anyhow::Result<Self> {
        let bytes = resumed.map_or(0, |place| place.output_bytes);
        let to: Box<dyn Write> = if name == "-" {
            Box::new(std::io::stdout())
        } else {
            let file = match resumed {
                None => File::create(name),
                Some(_) => OpenOptions::new().append(true).open(name).and_then(|file| {
                    file.set_len(bytes)?;
                    Ok(file)
                }),
            };
            Box::new(file.with_context(|| format!("open {name}"))?)
        };
        Ok(Self { to: BufWriter::with_capacity(1 << 16, to), bytes })
    }

    fn write(&mut self, finding: &Finding) -> anyhow::Result<()> {
        self.to.write_all(finding.json.as_bytes()).context("write a finding")?;
        self.to.write_all(b"\n").context("write a finding")?;
        self.bytes += finding.json.len() as u64 + 1;
        Ok(())
    }

    /// Writes out what is buffered, and gives the length so far.
    fn flush(&mut self) -> anyhow::Result<u64> {
        self.to.flush().context("write findings")?;
        Ok(self.bytes)
    }

    fn finish(mut self) -> anyhow::Result<()> {
        self.to.flush().context("write findings")
    }
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
