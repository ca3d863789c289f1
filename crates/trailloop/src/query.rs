//! `trailloop query`: SQL over archived log objects.

mod athena;
pub(crate) mod files;
mod index;
pub(crate) mod place;
mod print;
mod run;

use std::io::Write as _;

use anyhow::Context as _;
use trailloop_query::named::Scheduled;
use trailloop_query::{Archive, Engine, Location, ddl, run_examples};
use trailloop_rules::Severity;

use self::files::QueryFiles;
use crate::cli::{QueryArgs, QueryCommand, QueryDdlArgs, QueryPathArgs};
use crate::show::shown;
use crate::{Exit, UsageError, cli::Global};

/// Runs the command.
pub(crate) fn query(arguments: &QueryArgs, global: &Global) -> anyhow::Result<Exit> {
    match &arguments.command {
        QueryCommand::Run(arguments) => run::run(arguments, global),
        QueryCommand::List(arguments) => list(arguments),
        QueryCommand::Check(arguments) => check(arguments),
        QueryCommand::Test(arguments) => test(arguments),
        QueryCommand::Index(arguments) => index::index(arguments, global),
        QueryCommand::Ddl(arguments) => write_ddl(arguments),
    }
}

fn list(arguments: &QueryPathArgs) -> anyhow::Result<Exit> {
    let files = QueryFiles::read(&arguments.paths)?;
    let mut out = std::io::stdout().lock();
    let write = "write the list";
    for query in &files.queries {
        writeln!(out, "{}  {}", query.id, shown(&query.title)).context(write)?;
        if let Some(Scheduled { schedule, finding }) = &query.scheduled {
            writeln!(out, "      {schedule}: {} findings", finding.level).context(write)?;
        }
        for one in &query.parameters {
            let default = match &one.default {
                Some(default) => format!(" [default: {}]", shown(default)),
                None => String::new(),
            };
            writeln!(out, "      :{}  {}{default}", shown(&one.name), shown(&one.description))
                .context(write)?;
        }
    }
    Ok(files.exit())
}

/// Loads and plans. Planning needs no log: the table's shape is known.
fn check(arguments: &QueryPathArgs) -> anyhow::Result<Exit> {
    let files = QueryFiles::read(&arguments.paths)?;
    let runtime = run::runtime()?;
    let mut out = std::io::stdout().lock();
    let mut failed = 0;
    for one in &files.diagnostics {
        writeln!(out, "{one}").context("write diagnostics")?;
    }
    let engine = Engine::new(Archive::new(Vec::new()));
    for query in &files.queries {
        let planned = runtime.block_on(engine.check(query));
        if let Err(error) = planned {
            failed += 1;
            let (path, id) = (shown(&query.path), &query.id);
            writeln!(out, "{path}: error: {id}: {}", shown(&error.to_string()))
                .context("write diagnostics")?;
        }
    }
    let errors = files.errors() + failed;
    writeln!(out, "{} queries; {errors} errors", files.queries.len())
        .context("write the result")?;
    Ok(if errors == 0 { Exit::Done } else { Exit::Failed })
}

fn test(arguments: &QueryPathArgs) -> anyhow::Result<Exit> {
    let files = QueryFiles::read(&arguments.paths)?;
    let runtime = run::runtime()?;
    let mut out = std::io::stdout().lock();
    let write = "write the outcome of the examples";
    let (mut passed, mut failed) = (0, files.errors());
    for one in files.diagnostics.iter().filter(|one| one.severity == Severity::Error) {
        writeln!(out, "{one}").context(write)?;
    }
    for query in &files.queries {
        let outcomes = runtime.block_on(run_examples(query));
        let bad: Vec<_> = outcomes.iter().filter(|one| !one.is_passed()).collect();
        let word = if bad.is_empty() { "PASS" } else { "FAIL" };
        writeln!(out, "{word}  {}  {} examples", query.id, outcomes.len()).context(write)?;
        passed += outcomes.len() - bad.len();
        failed += bad.len();
        for one in bad {
            let came = match &one.came {
                Ok(rows) => serde_json::to_string(rows).context(write)?,
                Err(why) => why.clone(),
            };
            let wanted = serde_json::to_string(&one.wanted).context(write)?;
            let (path, line, name) = (shown(&query.path), one.line, shown(&one.name));
            writeln!(
                out,
                "      {path}:{line}: {name}\n        should be {}\n        is        {}",
                shown(&wanted),
                shown(&came)
            )
            .context(write)?;
        }
    }
    writeln!(out, "{passed} passed, {failed} failed").context(write)?;
    Ok(if failed == 0 { Exit::Done } else { Exit::Failed })
}

fn write_ddl(arguments: &QueryDdlArgs) -> anyhow::Result<Exit> {
    let QueryDdlArgs { location, account, region, from } = arguments;
    let place = location.strip_prefix("s3://").and_then(|place| place.split_once('/'));
    let usage = |text: &str| UsageError(text.to_owned());
    let (bucket, prefix) = place.ok_or_else(|| {
        usage("write s3://bucket/AWSLogs/ or s3://bucket/AWSLogs/o-exampleorgid/")
    })?;
    // All of it goes into quotes of a statement.
    let texts = account.iter().chain(region).map(String::as_str).chain([bucket, prefix]);
    if let Some(text) = texts.into_iter().find(|text| text.contains(['\'', ',', '\n', '$'])) {
        let said =
            format!("{} has a quote, comma or dollar, which the statement can't hold", shown(text));
        return Err(UsageError(said).into());
    }
    let location = Location {
        bucket: bucket.to_owned(),
        prefix: if prefix.is_empty() || prefix.ends_with('/') {
            prefix.to_owned()
        } else {
            format!("{prefix}/")
        },
        accounts: account.clone(),
        regions: region.clone(),
        from: from.strftime("%Y/%m/%d").to_string(),
    };
    std::io::stdout().lock().write_all(ddl(&location).as_bytes()).context("write the statement")?;
    Ok(Exit::Done)
}
