//! `trailloop query run`: one query, its rows, and what they cost.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use jiff::Timestamp;
use tokio::runtime::Runtime;
use trailloop_query::{
    Answer, Archive, Bound, Cost, Engine, Meter, Parameters, Prepared, QueryError,
};

use super::files::QueryFiles;
use super::print::{Printed, Rows};
use super::{athena, place};
use crate::cli::{EngineKind, Global, QueryRunArgs};
use crate::config::{StatePlace, cores};
use crate::show::{shown, thousands};
use crate::{Exit, UsageError, enrichment, progress, state};

/// How often the progress bar is drawn.
const DRAWN_EVERY: Duration = Duration::from_millis(100);

/// The runtime of queries.
pub(super) fn runtime() -> anyhow::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")
}

/// Runs the command.
pub(super) fn run(arguments: &QueryRunArgs, global: &Global) -> anyhow::Result<Exit> {
    let (prepared, given) = statement(arguments)?;
    if let Some(path) = &arguments.save {
        save(path, arguments, &prepared)?;
    }
    if arguments.engine == EngineKind::Athena {
        return athena::run(arguments, global, &prepared, &given);
    }
    if arguments.source.is_empty() && arguments.state.is_none() {
        let said =
            "--source is missing: it says where the logs lie, a folder or s3://bucket/prefix";
        return Err(UsageError(said.to_owned()).into());
    }
    let enrichment = enrichment::load(arguments.enrichment.folder.as_deref())?;
    let runtime = runtime()?;
    let sources = runtime.block_on(place::sources(&arguments.source, &arguments.aws))?;
    let index = match &arguments.index {
        Some(place) => Some(Arc::new(runtime.block_on(place::index(place, &arguments.aws))?.0)),
        None => None,
    };
    let archive = Archive {
        enrichment,
        index,
        delivery_days: arguments.delivery_days,
        bytes_max: arguments.bytes_max,
        jobs: arguments.jobs.map_or_else(cores, usize::from),
        ..Archive::new(sources)
    };
    let mut engine = Engine::new(archive).with_memory(arguments.memory_max);
    if let Some(text) = &arguments.state {
        let place = StatePlace::parse(text.clone());
        let table = runtime.block_on(state::there(&place, arguments.aws.options()))?;
        engine = state::with_own(engine, &table);
    }
    let begun = Instant::now();
    let asked = answer(arguments, global, &engine, &prepared, &given);
    let (rows, meter) = match arguments.seconds_max {
        None => runtime.block_on(asked),
        Some(seconds) => runtime.block_on(async {
            let limit = Duration::from_secs(seconds);
            let late = |_| Err(QueryError::TooLong(seconds).into());
            tokio::time::timeout(limit, asked).await.unwrap_or_else(late)
        }),
    }?;
    // What still reads for rows that nobody wants is not waited for.
    runtime.shutdown_background();
    Ok(told(&meter, rows, begun.elapsed(), global))
}

/// The statement, and the values of its parameters.
fn statement(arguments: &QueryRunArgs) -> anyhow::Result<(Prepared, Parameters)> {
    let text = arguments.query.trim();
    let usage = |error: QueryError| UsageError(shown(&error.to_string()));
    // A name has no space, and no statement is without one.
    if !text.contains(char::is_whitespace) {
        let query = match QueryFiles::find(&arguments.queries, text)? {
            Ok(query) => query,
            Err(problems) => {
                for problem in problems {
                    tracing::error!("{problem}");
                }
                let said = format!(
                    "no kept query has the id {}; `trailloop query list` shows them",
                    shown(text)
                );
                return Err(UsageError(said).into());
            }
        };
        let given = query.bind(&arguments.param.iter().cloned().collect(), Timestamp::now());
        return Ok((query.prepared, given.map_err(usage)?));
    }
    let prepared = Prepared::parse(text).map_err(usage)?;
    let bound = |(name, value): &(String, String)| (name.clone(), Bound::Text(value.clone()));
    Ok((prepared, arguments.param.iter().map(bound).collect()))
}

/// Asks, and prints the rows. Gives how many there were, and whether that is all.
async fn answer(
    arguments: &QueryRunArgs,
    global: &Global,
    engine: &Engine,
    prepared: &Prepared,
    given: &Parameters,
) -> anyhow::Result<(Printed, Arc<Meter>)> {
    let mut answer = engine.ask(prepared, given).await.map_err(of_query)?;
    let meter = Arc::clone(&answer.meter);
    let bar = progress::bar(meter.cost().objects_wanted, global.quiet);
    let mut drawn = tokio::time::interval(DRAWN_EVERY);
    let printing = print(arguments, &mut answer);
    tokio::pin!(printing);
    let printed = loop {
        tokio::select! {
            biased;
            printed = &mut printing => break printed?,
            _ = drawn.tick() => {
                let cost = meter.cost();
                bar.set_message(format!("{} MB of JSON", cost.bytes_raw / 1_000_000));
                bar.set_position(cost.objects);
            }
        }
    };
    bar.finish_and_clear();
    Ok((printed, meter))
}

async fn print(arguments: &QueryRunArgs, answer: &mut Answer) -> anyhow::Result<Printed> {
    let mut rows = Rows::begin(arguments, &answer.schema())?;
    while let Some(batch) = answer.next().await.map_err(of_query)? {
        if !rows.take(&batch)? {
            break;
        }
    }
    rows.finish()
}

/// An error in what was asked is the user's to mend.
pub(super) fn of_query(error: QueryError) -> anyhow::Error {
    let said = shown(&error.to_string());
    match error {
        QueryError::Archive(_)
        | QueryError::TooLong(_)
        | QueryError::Memory(_)
        | QueryError::Failed(_) => anyhow::Error::msg(said),
        QueryError::Syntax(_)
        | QueryError::NotAQuery(_)
        | QueryError::Plan(_)
        | QueryError::Parameter(_)
        | QueryError::TooManyBytes { .. } => UsageError(said).into(),
    }
}

/// Says what the rows cost, and what is missing from them.
fn told(meter: &Meter, printed: Printed, took: Duration, global: &Global) -> Exit {
    let Cost {
        objects,
        objects_failed,
        objects_wanted,
        bytes_compressed,
        bytes_raw,
        records,
        records_failed,
        ..
    } = meter.cost();
    for failure in meter.failures() {
        tracing::error!("{}", shown(&failure));
    }
    let mut exit = Exit::Done;
    if objects_failed + records_failed > 0 {
        tracing::error!(objects_failed, records_failed, "the answer lacks what could not be read");
        exit = Exit::Failed;
    }
    if !is_all(&printed) {
        exit = Exit::Failed;
    }
    if !global.quiet {
        let line = format!(
            "{} rows; {} records in {} of {} objects, {} bytes stored, {} of JSON, {} of memory, {:.2} s",
            thousands(printed.rows as u64),
            thousands(records),
            thousands(objects),
            thousands(objects_wanted),
            thousands(bytes_compressed),
            thousands(bytes_raw),
            thousands(meter.memory_peak_bytes() as u64),
            took.as_secs_f64()
        );
        // A closed standard error takes no note.
        drop(writeln!(std::io::stderr(), "{line}"));
    }
    exit
}

/// Says so if there are more rows than were printed.
pub(super) fn is_all(printed: &Printed) -> bool {
    if !printed.is_all {
        tracing::error!(
            "there are more than {} rows, the rest is not shown; ask for fewer, or raise --rows-max",
            printed.rows
        );
    }
    printed.is_all
}

/// Keeps a statement as a file of a query.
fn save(path: &Path, arguments: &QueryRunArgs, prepared: &Prepared) -> anyhow::Result<()> {
    let id = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let mut names = prepared.parameters.clone();
    names.sort();
    names.dedup();
    let mut text = format!("id: {id}\ntitle: {id}\ndescription: Say here what it is for.\n");
    if !names.is_empty() {
        text.push_str("parameters:\n");
    }
    for name in names {
        text.push_str(&format!("  {name}: {{type: text, description: Say here what it is.}}\n"));
    }
    text.push_str("sql: |\n");
    arguments.query.lines().for_each(|line| text.push_str(&format!("  {line}\n")));
    let loaded = trailloop_query::named::load(&path.to_string_lossy(), &text);
    if let Some(problem) = loaded.diagnostics.first() {
        return Err(UsageError(format!("the statement can't be kept there: {problem}")).into());
    }
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    let mut file =
        file.map_err(|error| UsageError(format!("write {}: {error}", path.display())))?;
    file.write_all(text.as_bytes()).with_context(|| format!("write {}", path.display()))
}
