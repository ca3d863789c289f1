//! Rows on their way out: a table for people, and three formats for programs.

use std::fs::File;
use std::io::{BufWriter, Write};

use anyhow::Context as _;
use serde_json::Value;
use trailloop_query::arrow::array::{Array, RecordBatch};
use trailloop_query::arrow::datatypes::{DataType, SchemaRef};
use trailloop_query::arrow::json::LineDelimitedWriter;
use trailloop_query::arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::cli::{QueryRunArgs, RowFormat};
use crate::show::shown;

/// The widest a column of a table is shown.
const WIDTH_MAX: usize = 80;

/// What was printed.
pub(super) struct Printed {
    pub(super) rows: usize,
    pub(super) is_all: bool,
}

/// Rows on their way to where the command line sends them, as many as it allows.
pub(super) struct Rows {
    printer: Printer<BufWriter<Box<dyn Write + Send>>>,
    rows_max: usize,
    printed: Printed,
}

impl Rows {
    pub(super) fn begin(arguments: &QueryRunArgs, schema: &SchemaRef) -> anyhow::Result<Self> {
        let out: Box<dyn Write + Send> = match arguments.output.as_str() {
            "-" => Box::new(std::io::stdout()),
            path => Box::new(File::create(path).with_context(|| format!("write {path}"))?),
        };
        let printer = Printer::new(arguments.format, schema, BufWriter::new(out))?;
        let printed = Printed { rows: 0, is_all: true };
        Ok(Self { printer, rows_max: arguments.rows_max, printed })
    }

    /// Takes rows, and says whether it takes more.
    pub(super) fn take(&mut self, batch: &RecordBatch) -> anyhow::Result<bool> {
        let left = self.rows_max - self.printed.rows;
        let taken = batch.slice(0, batch.num_rows().min(left));
        self.printed.rows += taken.num_rows();
        self.printed.is_all &= taken.num_rows() == batch.num_rows();
        self.printer.print(&taken)?;
        Ok(self.printed.is_all)
    }

    pub(super) fn finish(self) -> anyhow::Result<Printed> {
        self.printer.finish()?;
        Ok(self.printed)
    }
}

/// Writes rows, batch by batch.
enum Printer<W: Write + Send> {
    Table { out: W, header: Vec<String>, rows: Vec<Vec<String>> },
    Ndjson(W),
    Csv(Box<csv::Writer<W>>),
    Parquet(Box<parquet::arrow::ArrowWriter<W>>),
}

impl<W: Write + Send> Printer<W> {
    fn new(format: RowFormat, schema: &SchemaRef, out: W) -> anyhow::Result<Self> {
        let header = || schema.fields().iter().map(|field| field.name().clone());
        Ok(match format {
            RowFormat::Table => Self::Table { out, header: header().collect(), rows: Vec::new() },
            RowFormat::Ndjson => Self::Ndjson(out),
            RowFormat::Csv => {
                let mut out = csv::Writer::from_writer(out);
                out.write_record(header()).context("write the header")?;
                Self::Csv(Box::new(out))
            }
            RowFormat::Parquet => {
                let writer = parquet::arrow::ArrowWriter::try_new(out, schema.clone(), None);
                Self::Parquet(Box::new(writer.context("begin the Parquet file")?))
            }
        })
    }

    fn print(&mut self, batch: &RecordBatch) -> anyhow::Result<()> {
        match self {
            Self::Table { rows, .. } => {
                let cell = |text: String| cut(shown(&text));
                cells(batch, |row| rows.push(row.into_iter().map(cell).collect()))
            }
            Self::Ndjson(out) => {
                LineDelimitedWriter::new(out).write(batch).context("write the rows")
            }
            Self::Csv(out) => {
                let mut written = Ok(());
                cells(batch, |row| {
                    if written.is_ok() {
                        written = out.write_record(row);
                    }
                })?;
                written.context("write the rows")
            }
            Self::Parquet(out) => out.write(batch).context("write the rows"),
        }
    }

    fn finish(self) -> anyhow::Result<()> {
        match self {
            Self::Table { mut out, header, rows } => {
                write_table(&mut out, &header, &rows).and_then(|()| out.flush())
            }
            Self::Ndjson(mut out) => out.flush(),
            Self::Csv(mut out) => out.flush(),
            Self::Parquet(out) => {
                let mut out = out.into_inner().context("end the Parquet file")?;
                out.flush()
            }
        }
        .context("write the rows")
    }
}

/// Calls `visit` with the texts of each row; null is empty, and what is nested is JSON.
fn cells(batch: &RecordBatch, mut visit: impl FnMut(Vec<String>)) -> anyhow::Result<()> {
    let options = FormatOptions::default();
    let formatter = |column| ArrayFormatter::try_new(column, &options);
    let columns: Vec<&dyn Array> = batch.columns().iter().map(AsRef::as_ref).collect();
    let formatters: Vec<_> = columns
        .iter()
        .map(|column| formatter(*column))
        .collect::<Result<_, _>>()
        .context("format the rows")?;
    let nested = |column: &&dyn Array| {
        column.data_type().is_nested() || matches!(column.data_type(), DataType::Map(..))
    };
    let json: Vec<Value> = match columns.iter().any(nested) {
        true => json_rows(batch)?,
        false => Vec::new(),
    };
    for row in 0..batch.num_rows() {
        let cell = |at: usize| {
            let column = columns[at];
            if column.is_null(row) {
                return String::new();
            }
            match nested(&column).then(|| json.get(row)?.get(batch.schema().field(at).name())) {
                Some(Some(value)) => value.to_string(),
                Some(None) => String::new(),
                None => formatters[at].value(row).to_string(),
            }
        };
        visit((0..columns.len()).map(cell).collect());
    }
    Ok(())
}

fn json_rows(batch: &RecordBatch) -> anyhow::Result<Vec<Value>> {
    trailloop_query::rows(std::slice::from_ref(batch)).context("format the rows")
}

/// A cell that is not wider than a table's columns may be.
fn cut(text: String) -> String {
    match text.char_indices().nth(WIDTH_MAX) {
        Some(_) => text.chars().take(WIDTH_MAX - 1).chain(['…']).collect(),
        None => text,
    }
}

fn write_table(
    out: &mut impl Write,
    header: &[String],
    rows: &[Vec<String>],
) -> std::io::Result<()> {
    let mut widths: Vec<usize> = header.iter().map(|name| name.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut line = |row: &[String]| {
        let mut text = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            text.push_str(cell);
            text.extend(std::iter::repeat_n(' ', width - cell.chars().count() + 2));
        }
        writeln!(out, "{}", text.trim_end())
    };
    line(&header.iter().map(|name| shown(name)).collect::<Vec<_>>())?;
    line(&widths.iter().map(|width| "-".repeat(*width)).collect::<Vec<_>>())?;
    rows.iter().try_for_each(|row| line(row))
}
