//! The commands around queries.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use jiff::civil::Date;

use super::{AwsArgs, EnrichmentArgs};

/// Arguments of `query`.
#[derive(Debug, Args)]
pub(crate) struct QueryArgs {
    #[command(subcommand)]
    pub(crate) command: QueryCommand,
}

/// What can be done with queries.
#[derive(Debug, Subcommand)]
pub(crate) enum QueryCommand {
    /// Answer SQL, or a kept query, over archived log objects.
    Run(Box<QueryRunArgs>),
    /// List kept queries with their parameters.
    List(QueryPathArgs),
    /// Load kept queries and plan each; exits with 1 on any error.
    Check(QueryPathArgs),
    /// Run the examples that kept queries carry; exits with 1 if one fails.
    Test(QueryPathArgs),
    /// Read log objects once, and keep of each which keys, principals and addresses are in it: a query for one of them then leaves
    /// out the objects that it is not in.
    Index(QueryIndexArgs),
    /// Write the statement that makes the same table in Athena.
    Ddl(QueryDdlArgs),
}

/// Kept queries to work on.
#[derive(Debug, Args)]
pub(crate) struct QueryPathArgs {
    /// Files or folders [default: the shipped queries].
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
}

/// Arguments of `query run`.
#[derive(Debug, Args)]
pub(crate) struct QueryRunArgs {
    /// A statement of SQL over the table cloudtrail, or the id of a kept query.
    #[arg(value_name = "SQL|NAME")]
    pub(crate) query: String,
    /// Where the logs lie: a file, a folder, or s3://bucket/prefix. May be given several times. Athena knows it from its table.
    #[arg(long, value_name = "SOURCE", required_unless_present_any = ["engine", "state"])]
    pub(crate) source: Vec<String>,
    /// The state of trailloop respond, for the tables findings, runs and verdicts: dynamodb:TABLE, or a file of SQLite.
    #[arg(long, value_name = "STATE")]
    pub(crate) state: Option<String>,
    /// Who answers.
    #[arg(long, value_name = "ENGINE", default_value = "local")]
    pub(crate) engine: EngineKind,
    /// The value of a parameter, which stands in SQL as :NAME. May be given several times.
    #[arg(long, value_name = "NAME=VALUE", value_parser = parameter)]
    pub(crate) param: Vec<(String, String)>,
    /// A file or folder of kept queries beside the shipped ones. May be given several times.
    #[arg(long, value_name = "PATH")]
    pub(crate) queries: Vec<PathBuf>,
    /// How to print the rows.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub(crate) format: RowFormat,
    /// Where the rows go; `-` is standard output.
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub(crate) output: String,
    /// Print at most so many rows; if there are more, say so and exit with 1.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub(crate) rows_max: usize,
    /// Do not begin if more bytes of objects, as stored, would be read. Athena is stopped when it has read more.
    #[arg(long, value_name = "BYTES")]
    pub(crate) bytes_max: Option<u64>,
    /// Stop after so many seconds, on Athena too.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seconds_max: Option<u64>,
    /// The most memory for sorting, grouping and joining; beyond it they use the disk where they can.
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 30)]
    pub(crate) memory_max: usize,
    /// How many days after an event its object may have been delivered.
    #[arg(long, value_name = "DAYS", default_value_t = trailloop_query::DELIVERY_DAYS, value_parser = clap::value_parser!(i32).range(0..=3660))]
    pub(crate) delivery_days: i32,
    /// An index of these logs, which `trailloop query index` makes: a folder, or s3://bucket/prefix.
    #[arg(long, value_name = "PLACE")]
    pub(crate) index: Option<String>,
    /// Threads that read [default: one for each core].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) jobs: Option<u16>,
    /// Keep the statement as a query in this file, which must not exist.
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,
    /// The database of Athena that holds the table cloudtrail [default: Athena's own].
    #[arg(long, value_name = "NAME")]
    pub(crate) athena_database: Option<String>,
    /// The workgroup of Athena [default: the primary one].
    #[arg(long, value_name = "NAME")]
    pub(crate) athena_workgroup: Option<String>,
    /// Where Athena keeps the rows, s3://bucket/prefix/ [default: where the workgroup says].
    #[arg(long, value_name = "S3-PLACE")]
    pub(crate) athena_output: Option<String>,
    #[command(flatten)]
    pub(crate) enrichment: EnrichmentArgs,
    #[command(flatten)]
    pub(crate) aws: AwsArgs,
}

/// Who answers a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EngineKind {
    /// This machine reads the objects.
    Local,
    /// Amazon Athena reads them, through the table that `trailloop query ddl` makes; it is paid for by the bytes it reads.
    Athena,
}

/// How rows are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RowFormat {
    /// A table for people.
    Table,
    /// One JSON object a line; what is null is left out.
    Ndjson,
    /// Comma-separated, with a header; what is no text or number is JSON.
    Csv,
    /// A Parquet file.
    Parquet,
}

/// Arguments of `query index`.
#[derive(Debug, Args)]
pub(crate) struct QueryIndexArgs {
    /// Where the logs lie: a folder, or s3://bucket/prefix. May be given several times.
    #[arg(long, value_name = "SOURCE", required = true)]
    pub(crate) source: Vec<String>,
    /// Where the index lies, or will: a folder, or s3://bucket/prefix. What it knows already is not read again.
    #[arg(long, value_name = "PLACE")]
    pub(crate) index: String,
    /// Threads that read [default: one for each core].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) jobs: Option<u16>,
    #[command(flatten)]
    pub(crate) aws: AwsArgs,
}

/// Arguments of `query ddl`.
#[derive(Debug, Args)]
pub(crate) struct QueryDdlArgs {
    /// Where the logs of the accounts lie, up to and with what stands before the account: s3://bucket/AWSLogs/o-exampleorgid/.
    #[arg(value_name = "LOCATION")]
    pub(crate) location: String,
    /// An account. May be given several times.
    #[arg(long, value_name = "ID", required = true)]
    pub(crate) account: Vec<String>,
    /// A region. May be given several times.
    #[arg(long, value_name = "REGION", required = true)]
    pub(crate) region: Vec<String>,
    /// The first day of the logs.
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub(crate) from: Date,
}

fn parameter(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    let good = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    match good {
        true => Ok((name.to_owned(), value.to_owned())),
        false => Err("a parameter's name is made of letters, digits and _".to_owned()),
    }
}
