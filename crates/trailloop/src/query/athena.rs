//! `trailloop query run --engine athena`: the same statement, answered by Athena over the table that `query ddl` makes.

use std::future::Future;
use std::io::Write as _;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use indicatif::ProgressBar;
use trailloop_cloud::{
    Athena, AthenaColumn, AthenaCost, AthenaExecution, AthenaPage, AthenaState, AthenaStatement,
    AthenaValue, CloudError, connect,
};
use trailloop_query::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StringArray};
use trailloop_query::arrow::compute::{CastOptions, cast_with_options};
use trailloop_query::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use trailloop_query::{Bound, ForAthena, Parameters, Prepared, for_athena};

use super::print::{Printed, Rows};
use super::run::{is_all, of_query, runtime};
use crate::cli::{Global, QueryRunArgs};
use crate::run::stop_signals;
use crate::show::{shown, thousands};
use crate::{Exit, UsageError, progress};

/// Runs the command.
pub(super) fn run(
    arguments: &QueryRunArgs,
    global: &Global,
    prepared: &Prepared,
    given: &Parameters,
) -> anyhow::Result<Exit> {
    let statement = statement(arguments, prepared, given)?;
    runtime()?.block_on(async {
        let athena = connect(arguments.aws.options()).await.athena();
        answered(&athena, &statement, arguments, global).await
    })
}

/// The statement with its values beside it: each as often as its name stands in a `WHERE`.
fn statement(
    arguments: &QueryRunArgs,
    prepared: &Prepared,
    given: &Parameters,
) -> anyhow::Result<AthenaStatement> {
    let idle = [
        (!arguments.source.is_empty(), "--source", "the logs are where the table's location says"),
        (arguments.index.is_some(), "--index", "an index is for --engine local"),
        (arguments.enrichment.folder.is_some(), "--enrichment", "its columns are not Athena's"),
    ];
    if let Some((_, option, why)) = idle.iter().find(|(is_given, ..)| *is_given) {
        let said = format!("{option} means nothing to --engine athena: {why}; leave it out");
        return Err(UsageError(said).into());
    }
    prepared.check(given).map_err(of_query)?;
    let value = |name: &String| {
        let value = match given.get(name) {
            Some(Bound::Text(text)) => AthenaValue::Text(text.clone()),
            Some(Bound::Integer(number)) => AthenaValue::Integer(*number),
            Some(Bound::Null) | None => AthenaValue::Null,
        };
        (name.clone(), value)
    };
    let ForAthena { sql, parameters } = for_athena(prepared, given).map_err(of_query)?;
    Ok(AthenaStatement {
        sql,
        parameters: parameters.iter().map(value).collect(),
        database: arguments.athena_database.clone(),
        workgroup: arguments.athena_workgroup.clone(),
        output: arguments.athena_output.clone(),
    })
}

/// Starts the statement and prints its rows. It is stopped if anything keeps it from its end: nobody pays for what nobody reads.
async fn answered(
    athena: &Athena,
    statement: &AthenaStatement,
    arguments: &QueryRunArgs,
    global: &Global,
) -> anyhow::Result<Exit> {
    let mut signal = pin!(stop_signals()?);
    let (id, is_interrupted) = started(athena, statement, signal.as_mut()).await?;
    let scanned = AtomicU64::new(0);
    let bar = progress::bar(0, global.quiet);
    let seconds = arguments.seconds_max;
    let too_long = async {
        match seconds {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => std::future::pending().await,
        }
    };
    let done = if is_interrupted {
        Err(interrupted())
    } else {
        let work = printed(athena, &id, arguments, (&scanned, &bar));
        tokio::select! {
            biased;
            done = work => done,
            _ = signal => Err(interrupted()),
            () = too_long => Err(anyhow!(
                "the query ran for {} s and was stopped; ask for less, or raise --seconds-max",
                seconds.unwrap_or_default()
            )),
        }
    };
    bar.finish_and_clear();
    match done {
        Ok((printed, cost)) => Ok(told(&printed, &cost, &id, global)),
        Err(error) => {
            if let Err(failed) = athena.stop(&id).await {
                tracing::warn!("the query may still run: {}", shown(&failed.to_string()));
            }
            tracing::info!(id, "bytes scanned: {}", scanned.load(Ordering::Relaxed));
            Err(error)
        }
    }
}

fn interrupted() -> anyhow::Error {
    anyhow!("interrupted; the query was stopped")
}

/// Starts the statement. Whoever interrupts meanwhile has it stopped as soon as its id is known.
async fn started(
    athena: &Athena,
    statement: &AthenaStatement,
    signal: Pin<&mut impl Future<Output = &'static str>>,
) -> anyhow::Result<(String, bool)> {
    let failed = |error: CloudError| failed(&error.to_string(), false);
    let mut starting = pin!(athena.start(statement));
    tokio::select! {
        biased;
        id = &mut starting => Ok((id.map_err(failed)?, false)),
        _ = signal => Ok((starting.await.map_err(failed)?, true)),
    }
}

/// Waits for the end of a statement, and prints its rows.
async fn printed(
    athena: &Athena,
    id: &str,
    arguments: &QueryRunArgs,
    (scanned, bar): (&AtomicU64, &ProgressBar),
) -> anyhow::Result<(Printed, AthenaCost)> {
    let bytes_max = arguments.bytes_max.unwrap_or(u64::MAX);
    let seen = |execution: &AthenaExecution| {
        scanned.store(execution.cost.bytes_scanned, Ordering::Relaxed);
        bar.set_message(format!("{} MB scanned", execution.cost.bytes_scanned / 1_000_000));
    };
    let ended = async {
        athena.ended(id, seen).await.map_err(|error| anyhow!("{}", shown(&error.to_string())))
    };
    let too_much = async {
        while scanned.load(Ordering::Relaxed) <= bytes_max {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let execution = tokio::select! {
        biased;
        execution = ended => execution?,
        () = too_much => return Err(UsageError(format!(
            "the query read more than {bytes_max} bytes and was stopped; ask for fewer accounts, regions or days, or raise --bytes-max"
        )).into()),
    };
    let reason = || execution.reason.clone().unwrap_or_else(|| "Athena does not say why".into());
    match execution.state {
        AthenaState::Succeeded => {}
        AthenaState::Cancelled => {
            let said = format!("athena query {id} was stopped by someone else: {}", reason());
            return Err(anyhow!("{}", shown(&said)));
        }
        _ => return Err(failed(&format!("athena query {id}: {}", reason()), execution.is_users)),
    }
    let mut page = read(athena, id, None).await?;
    let schema = schema(&page.columns);
    let mut rows = Rows::begin(arguments, &schema)?;
    while rows.take(&batch(&schema, &page)?)?
        && let Some(next) = page.next
    {
        page = read(athena, id, Some(&next)).await?;
    }
    Ok((rows.finish()?, execution.cost))
}

async fn read(athena: &Athena, id: &str, after: Option<&str>) -> anyhow::Result<AthenaPage> {
    athena.rows(id, after).await.map_err(|error| anyhow!("{}", shown(&error.to_string())))
}

/// What Athena said of a failure, with the next step where one is known.
fn failed(said: &str, is_users: bool) -> anyhow::Error {
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let (remedy, is_users) = if has(&["SCHEMA_NOT_FOUND", "Schema not found"]) {
        ("name a database that is there with --athena-database", true)
    } else if has(&["TABLE_NOT_FOUND", "Table not found"]) {
        (
            "make the table with `trailloop query ddl`, or name its database with --athena-database",
            true,
        )
    } else if has(&["COLUMN_NOT_FOUND"]) {
        ("`trailloop query ddl` lists the table's columns", true)
    } else if has(&["output location", "output bucket", "NoSuchBucket", "bucket does not exist"]) {
        ("name a bucket of yours with --athena-output s3://bucket/prefix/", true)
    } else if has(&["WorkGroup", "workgroup"]) {
        ("name a workgroup that is there with --athena-workgroup", true)
    } else {
        ("", is_users)
    };
    let mut text = shown(said);
    if !remedy.is_empty() {
        text = format!("{text}; {remedy}");
    }
    if is_users { UsageError(text).into() } else { anyhow!(text) }
}

/// Says what the rows cost.
fn told(printed: &Printed, cost: &AthenaCost, id: &str, global: &Global) -> Exit {
    let exit = if is_all(printed) { Exit::Done } else { Exit::Failed };
    if !global.quiet {
        let seconds = |ms: u64| Duration::from_millis(ms).as_secs_f64();
        let reused = if cost.is_reused { ", rows of an earlier run" } else { "" };
        let line = format!(
            "{} rows; {} bytes scanned by Athena, {:.2} s, {:.2} s of them queued{reused}; query {}",
            thousands(printed.rows as u64),
            thousands(cost.bytes_scanned),
            seconds(cost.total_ms),
            seconds(cost.queued_ms),
            shown(id)
        );
        // A closed standard error takes no note.
        drop(writeln!(std::io::stderr(), "{line}"));
    }
    exit
}

/// The columns of the rows. What is neither number, truth value, day nor time stays the text that Athena gives.
fn schema(columns: &[AthenaColumn]) -> SchemaRef {
    let field = |column: &AthenaColumn| Field::new(&column.name, kind(column), true);
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

fn kind(column: &AthenaColumn) -> DataType {
    match column.kind.as_str() {
        "tinyint" | "smallint" | "integer" | "int" | "bigint" => DataType::Int64,
        "real" | "float" | "double" => DataType::Float64,
        "boolean" => DataType::Boolean,
        "date" => DataType::Date32,
        "timestamp" => DataType::Timestamp(TimeUnit::Millisecond, None),
        "decimal" => match (u8::try_from(column.precision), i8::try_from(column.scale)) {
            (Ok(precision @ 1..=38), Ok(scale @ 0..)) if scale.unsigned_abs() <= precision => {
                DataType::Decimal128(precision, scale)
            }
            _ => DataType::Utf8,
        },
        _ => DataType::Utf8,
    }
}

/// A page as rows of these columns.
fn batch(schema: &SchemaRef, page: &AthenaPage) -> anyhow::Result<RecordBatch> {
    let column = |(at, field): (usize, &Arc<Field>)| -> anyhow::Result<ArrayRef> {
        let cell = |row: &'_ Vec<Option<String>>| row.get(at).cloned().flatten();
        let texts: ArrayRef = Arc::new(page.rows.iter().map(cell).collect::<StringArray>());
        let strict = CastOptions { safe: false, ..CastOptions::default() };
        cast_with_options(&texts, field.data_type(), &strict).map_err(|error| {
            let said = format!("Athena's column {} is not of its type: {error}", field.name());
            anyhow!("{}", shown(&said))
        })
    };
    let columns: Vec<ArrayRef> =
        schema.fields().iter().enumerate().map(column).collect::<anyhow::Result<_>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(page.rows.len()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
        .context("read Athena's rows")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, kind: &str, precision: i32, scale: i32) -> AthenaColumn {
        AthenaColumn { name: name.into(), kind: kind.into(), precision, scale }
    }

    #[test]
    fn rows_take_the_types_that_athena_tells() {
        let columns = [
            column("n", "bigint", 19, 0),
            column("share", "double", 17, 0),
            column("ok", "boolean", 0, 0),
            column("day", "date", 0, 0),
            column("at", "timestamp", 3, 0),
            column("price", "decimal", 10, 2),
            column("list", "array", 0, 0),
        ];
        let row = ["7", "0.25", "true", "2026-01-31", "2026-01-31 10:00:00.000", "12.50", "[a, b]"];
        let rows = vec![row.map(|cell| Some(cell.to_owned())).to_vec(), vec![None; 7]];
        let page = AthenaPage { columns: columns.to_vec(), rows, next: None };
        let batch = batch(&schema(&columns), &page).unwrap();
        let rows = trailloop_query::rows(&[batch]).unwrap();
        let want = serde_json::json!([
            {"n": 7, "share": 0.25, "ok": true, "day": "2026-01-31", "at": "2026-01-31T10:00:00",
             "price": 12.5, "list": "[a, b]"},
            {}
        ]);
        assert_eq!(serde_json::Value::Array(rows), want);
    }

    #[test]
    fn what_is_not_of_its_type_is_told() {
        let columns = [column("n\n", "bigint", 19, 0)];
        let page = AthenaPage {
            columns: columns.to_vec(),
            rows: vec![vec![Some("x".into())]],
            next: None,
        };
        let error = batch(&schema(&columns), &page).unwrap_err().to_string();
        assert!(error.starts_with("Athena's column n\\u{a} is not of its type: "), "{error}");
    }

    #[test]
    fn a_failure_has_its_reason_and_the_next_step() {
        for (said, remedy) in [
            ("SCHEMA_NOT_FOUND: line 1:15: Schema 'x' does not exist", "--athena-database"),
            (
                "TABLE_NOT_FOUND: line 1:15: Table 'a.default.cloudtrail' does not exist",
                "query ddl",
            ),
            ("COLUMN_NOT_FOUND: line 1:8: Column 'x' cannot be resolved", "query ddl"),
            ("InvalidRequestException: No output location provided", "--athena-output"),
            ("InvalidRequestException: WorkGroup x is not found", "--athena-workgroup"),
        ] {
            let error = failed(&format!("{said}\u{1b}[31m"), false);
            assert!(error.is::<UsageError>(), "{error}");
            let error = error.to_string();
            assert!(error.contains(said) && error.contains(remedy), "{error}");
            assert!(error.contains("\\u{1b}"), "{error}");
        }
        assert!(!failed("INTERNAL_ERROR: x", false).is::<UsageError>());
        assert!(failed("SYNTAX_ERROR: line 1:1", true).is::<UsageError>());
    }
}
