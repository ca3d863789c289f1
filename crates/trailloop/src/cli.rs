//! The command line, a contract that scripts rely on.

mod findings;
mod query;
mod respond;
mod rules;
mod tune;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use trailloop_cloud::AwsOptions;
use trailloop_finding::Level;

pub(crate) use self::findings::{
    FindingsArgs, FindingsCommand, FindingsListArgs, Form, IncidentShowArgs, IncidentsArgs,
    IncidentsCommand, OneArgs, PageArgs, SampleArgs,
};
pub(crate) use self::query::{
    EngineKind, QueryArgs, QueryCommand, QueryDdlArgs, QueryIndexArgs, QueryPathArgs, QueryRunArgs,
    RowFormat,
};
pub(crate) use self::respond::{
    AuditArgs, PromoteArgs, RespondArgs, RunArg, RunbookArgs, RunbookCommand, RunbookExportArgs,
    SayArgs, SimulateArgs, VerdictArgs, name,
};
pub(crate) use self::rules::{
    BacktestArgs, CostArgs, CoverageArgs, CoverageFormat, DiffArgs, ExplainArgs, ExportArgs,
    ListArgs, NewArgs, PathArgs, RulesArgs, RulesCommand,
};
pub(crate) use self::tune::{
    ArchiveArgs, JudgedArgs, ReportArgs, TuneArgs, TuneCheckArgs, TuneCommand, TunePreventArgs,
    TuneProposeArgs, TuneQuestionsArgs, TuneSelectorsArgs,
};

/// Watches AWS CloudTrail and acts on what it sees.
#[derive(Debug, Parser)]
#[command(name = "trailloop", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What works with every command.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Show no progress and no notes, only errors and the command's product.
    #[arg(long, global = true)]
    pub(crate) quiet: bool,
    /// How the log is written to standard error.
    #[arg(long, global = true, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
}

impl Global {
    pub(crate) fn log_format(&self) -> LogFormat {
        self.log_format.unwrap_or(LogFormat::Text)
    }

    /// The format as it was asked for, if it was.
    pub(crate) fn log_format_asked(&self) -> Option<LogFormat> {
        self.log_format
    }
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The commands that exist.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the whole path from log to finding on shipped logs, in one process, without an AWS account.
    Demo(DemoArgs),
    /// Match rules against archived log objects: files, folders or S3.
    Replay(Box<ReplayArgs>),
    /// Run the stream service: SQS notifications in, findings out.
    Run(RunArgs),
    /// Check, list, test, explain, compare and write rules.
    Rules(RulesArgs),
    /// Run the runbook executor: findings from the action queue in, contained incidents out.
    Respond(RespondArgs),
    /// Check, list and export runbooks; look at runs, approve, reject and undo them; verify the ledger.
    Runbook(RunbookArgs),
    /// Say what a finding was; what was done about a false one is undone.
    Verdict(VerdictArgs),
    /// Look at findings, the most important first; each with what its priority is made of.
    Findings(FindingsArgs),
    /// Look at incidents: findings of one credential or target together.
    Incidents(IncidentsArgs),
    /// Propose filters that make rules quieter, from verdicts; check those that were merged. Nothing changes by itself.
    Tune(TuneArgs),
    /// Show how detection and response do: a table, or a page to pass on.
    Report(ReportArgs),
    /// Answer the API: findings, incidents and verdicts for programs. `respond` answers it as well.
    Serve(ServeArgs),
    /// Ask SQL of archived log objects; list, check and test kept queries.
    Query(QueryArgs),
    /// Read accounts, units and tags from AWS Organizations into the account table.
    Org(OrgArgs),
    /// Write the logs of a synthetic organization, from a seed.
    Synth(SynthArgs),
}

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// The configuration, a TOML file with `api.listen` and `api.token_file`.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}

/// Arguments of `org`.
#[derive(Debug, Args)]
pub(crate) struct OrgArgs {
    #[command(subcommand)]
    pub(crate) command: OrgCommand,
}

/// What can be done with the organization.
#[derive(Debug, Subcommand)]
pub(crate) enum OrgCommand {
    /// Write the table of accounts; only lists and tags are read, nothing in AWS is changed.
    Sync(OrgSyncArgs),
}

/// Arguments of `org sync`.
#[derive(Debug, Args)]
pub(crate) struct OrgSyncArgs {
    /// Where the table goes, such as accounts.csv in the enrichment folder; `-` is standard output.
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub(crate) output: String,
    /// The tag of accounts whose value becomes their environment; costs a request an account.
    #[arg(long, value_name = "KEY")]
    pub(crate) environment_tag: Option<String>,
    /// Another endpoint for AWS calls, such as an emulator's.
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint_url: Option<String>,
}

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Where the demo keeps its bucket, queues and findings; must be empty or not exist [default: a new folder for
    /// temporary files].
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

/// Arguments of `replay`.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// A file, a folder, or s3://bucket/prefix.
    #[arg(required = true, value_name = "SOURCE")]
    pub(crate) sources: Vec<String>,
    /// A Sigma file or folder; replaces the shipped rules. May be given several times.
    #[arg(long, value_name = "PATH")]
    pub(crate) rules: Vec<PathBuf>,
    /// Where findings go, one JSON object a line; `-` is standard output.
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub(crate) output: String,
    /// Where a summary goes, as one JSON object; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) summary: Option<String>,
    /// Only events at this time or later: RFC 3339, or YYYY-MM-DD (UTC).
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) from: Option<Timestamp>,
    /// Only events before this time.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) to: Option<Timestamp>,
    /// Only events of this account (recipientAccountId). May be given several times.
    #[arg(long, value_name = "ID")]
    pub(crate) account: Vec<String>,
    /// Only events of this region (awsRegion). May be given several times.
    #[arg(long, value_name = "REGION")]
    pub(crate) region: Vec<String>,
    /// Worker threads, at most one for each core [default: one for each core].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) jobs: Option<u16>,
    /// Keep the place in this file, and go on from it when it exists.
    #[arg(long, value_name = "FILE")]
    pub(crate) resume: Option<PathBuf>,
    /// Keep here, from the same reading, which keys, principals and addresses are in which object, for `query run --index`: a
    /// folder, or s3://bucket/prefix.
    #[arg(long, value_name = "PLACE")]
    pub(crate) index: Option<String>,
    /// Exit with 3 if a finding has this level or a higher one.
    #[arg(long, value_name = "LEVEL", value_parser = level)]
    pub(crate) fail_on: Option<Level>,
    #[command(flatten)]
    pub(crate) enrichment: EnrichmentArgs,
    #[command(flatten)]
    pub(crate) aws: AwsArgs,
}

/// Facts that rules may test beside the record's own.
#[derive(Debug, Args)]
pub(crate) struct EnrichmentArgs {
    /// A folder with address databases, tables of accounts and principals, and environment.toml.
    #[arg(long = "enrichment", value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,
}

/// How to reach S3; the service reads this from its configuration.
#[derive(Debug, Default, Args)]
pub(crate) struct AwsArgs {
    /// Another endpoint for AWS calls, such as an emulator's.
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint_url: Option<String>,
    /// Put the bucket into the path instead of the host name.
    #[arg(long)]
    pub(crate) path_style: bool,
}

impl AwsArgs {
    /// What AWS is connected to with.
    pub(crate) fn options(&self) -> AwsOptions {
        AwsOptions {
            region: None,
            endpoint_url: self.endpoint_url.clone(),
            path_style: self.path_style,
        }
    }
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The configuration, a TOML file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Stop after the configuration and the rules have been checked.
    #[arg(long)]
    pub(crate) check: bool,
}

/// How an archive is read whole: on how many threads, with what the operator knows, and from where.
#[derive(Debug, Args)]
pub(crate) struct ReadingArgs {
    /// Worker threads, at most one for each core [default: one for each core].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) jobs: Option<u16>,
    #[command(flatten)]
    pub(crate) enrichment: EnrichmentArgs,
    #[command(flatten)]
    pub(crate) aws: AwsArgs,
}

/// A table for people or JSON for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TableFormat {
    /// A table for people.
    Table,
    /// One JSON document.
    Json,
}

/// Arguments of `synth`.
#[derive(Clone, Debug, Args)]
pub struct SynthArgs {
    /// The folder to write to, laid out like a bucket; it must be empty or not exist.
    #[arg(value_name = "OUT")]
    pub out: PathBuf,
    /// The same seed gives the same bytes.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Log objects to write.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(..=10_000_000))]
    pub objects: u32,
    /// Records in each object; 288000 make about the 50 MB that CloudTrail's largest have.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    pub records: u32,
    /// Accounts of the organization.
    #[arg(long, value_name = "N", default_value_t = 36, value_parser = clap::value_parser!(u16).range(1..))]
    pub accounts: u16,
    /// The first day of the logs.
    #[arg(long, value_name = "YYYY-MM-DD", default_value = "2026-11-02", value_parser = first_day)]
    pub start: Date,
}

fn time(text: &str) -> Result<Timestamp, String> {
    // Exactly a day: a date and time without a zone would lose its time in silence.
    const DAY_BYTES: usize = "2026-11-02".len();
    let day = |date: Date| {
        let day = TimeZone::UTC.to_timestamp(date.into()).ok();
        day.filter(|_| text.len() == DAY_BYTES)
    };
    text.parse().ok().or_else(|| text.parse().ok().and_then(day)).ok_or_else(|| {
        "write RFC 3339, such as 2026-11-02T09:00:00Z, or a day such as 2026-11-02".to_owned()
    })
}

/// A day from which on there can be logs, for as long as the most objects last.
fn first_day(text: &str) -> Result<Date, String> {
    let day: Date = text.parse().map_err(|error: jiff::Error| error.to_string())?;
    match day.year() {
        2013..=2100 => Ok(day),
        _ => Err("write a day of the years 2013, when CloudTrail began, to 2100".to_owned()),
    }
}

fn level(text: &str) -> Result<Level, String> {
    Level::parse(text)
        .ok_or_else(|| format!("write one of {}", Level::ALL.map(Level::as_str).join(", ")))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn times_are_rfc_3339_or_days() {
        assert_eq!(time("2026-11-02"), Ok("2026-11-02T00:00:00Z".parse().unwrap()));
        assert_eq!(time("2026-11-02T10:00:00+01:00"), Ok("2026-11-02T09:00:00Z".parse().unwrap()));
        assert!(time("yesterday").is_err());
        assert!(time("2026-11-02T09:00:00").is_err(), "no zone is no time");
    }

    #[test]
    fn synthetic_logs_begin_when_there_can_be_logs() {
        assert!(first_day("2013-11-13").is_ok());
        assert!(first_day("9999-12-31").is_err());
        assert!(first_day("today").is_err());
    }
}
