//! What can be done with rules.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{AwsArgs, EnrichmentArgs, ReadingArgs, TableFormat};

/// Arguments of `rules`.
#[derive(Debug, Args)]
pub(crate) struct RulesArgs {
    #[command(subcommand)]
    pub(crate) command: RulesCommand,
}

/// What can be done with rules.
#[derive(Debug, Subcommand)]
pub(crate) enum RulesCommand {
    /// Load rules and print every error and warning; exits with 1 if a rule was rejected.
    Check(PathArgs),
    /// List rules: level, how often they fire in a benign organization, id, title.
    List(ListArgs),
    /// Run the examples that rules carry; exits with 1 if one fails.
    Test(PathArgs),
    /// Show what rules were compiled into; with --event, why they match a record or do not.
    Explain(ExplainArgs),
    /// Show which ATT&CK techniques rules cover; with --trails, which rules can't fire on what the trails record.
    Coverage(CoverageArgs),
    /// Write a rule that matches a record, with the record as its example.
    New(NewArgs),
    /// Show the findings that one rule set has and another does not, on the same records.
    Diff(DiffArgs),
    /// Show by rule and entity what other rules and filters would find and no longer find, with what people judged of it; exits with
    /// 3 if a judged attack would be lost or moved down.
    Backtest(BacktestArgs),
    /// Measure what each rule costs and how often it fires, on the records of an archive.
    Cost(CostArgs),
    /// Write the shipped rules to a folder.
    Export(ExportArgs),
}

/// Arguments of `rules list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) rules: PathArgs,
    /// How to print the list.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub(crate) format: TableFormat,
}

/// Arguments of `rules coverage`.
#[derive(Debug, Args)]
pub(crate) struct CoverageArgs {
    #[command(flatten)]
    pub(crate) rules: PathArgs,
    /// How to print it.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub(crate) format: CoverageFormat,
    /// What `aws cloudtrail get-event-selectors` printed for your trails; names the rules that none of them feeds.
    #[arg(long, value_name = "FILE")]
    pub(crate) trails: Option<PathBuf>,
}

/// How coverage is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CoverageFormat {
    /// A table for people.
    Table,
    /// One JSON document.
    Json,
    /// A layer for the ATT&CK Navigator.
    Navigator,
}

/// Arguments of `rules new`.
#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// A file with the record: one record, or a log object of which the first is taken.
    #[arg(long, value_name = "FILE")]
    pub(crate) from_event: PathBuf,
    /// Where the rule goes; it must not exist. `-` is standard output.
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub(crate) output: String,
}

/// Arguments of `rules diff`.
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// The rules that run: a Sigma file or folder, or `shipped`.
    #[arg(value_name = "OLD")]
    pub(crate) old: String,
    /// The rules that would run instead.
    #[arg(value_name = "NEW")]
    pub(crate) new: String,
    /// The records to ask both about: a file, a folder, or s3://bucket/prefix. May be given several times.
    #[arg(long, value_name = "SOURCE", required = true)]
    pub(crate) source: Vec<String>,
    /// How to print the difference.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub(crate) format: TableFormat,
    #[command(flatten)]
    pub(crate) reading: ReadingArgs,
}

/// Arguments of `rules backtest`.
#[derive(Debug, Args)]
pub(crate) struct BacktestArgs {
    /// The rules and filters that would run: a Sigma file or folder, or `shipped`. May be given several times.
    #[arg(value_name = "NEW", required = true)]
    pub(crate) new: Vec<String>,
    /// Those that run. May be given several times.
    #[arg(long, value_name = "OLD", default_value = "shipped")]
    pub(crate) against: Vec<String>,
    /// The archive: a file, a folder, or s3://bucket/prefix. May be given several times.
    #[arg(long, value_name = "SOURCE", required = true)]
    pub(crate) source: Vec<String>,
    /// A configuration with `respond.state`, whose verdicts mark findings.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// How to print it.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub(crate) format: TableFormat,
    /// Also tell how long reading took with each; the report is then not the same twice.
    #[arg(long)]
    pub(crate) cost: bool,
    #[command(flatten)]
    pub(crate) reading: ReadingArgs,
}

/// Arguments of `rules cost`.
#[derive(Debug, Args)]
pub(crate) struct CostArgs {
    /// The archive: a file, a folder, or s3://bucket/prefix. May be given several times.
    #[arg(value_name = "SOURCE", required = true)]
    pub(crate) source: Vec<String>,
    /// A Sigma file or folder; replaces the shipped rules. May be given several times.
    #[arg(long, value_name = "PATH")]
    pub(crate) rules: Vec<PathBuf>,
    /// So many records are enough.
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) records: u64,
    /// Also keep it in the state that this configuration names, where `report` and the metrics show it.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// How to print it.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub(crate) format: TableFormat,
    #[command(flatten)]
    pub(crate) enrichment: EnrichmentArgs,
    #[command(flatten)]
    pub(crate) aws: AwsArgs,
}

/// Arguments of `rules export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The folder; it must be empty or not exist.
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
}

/// Arguments of `rules explain`.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    pub(crate) rules: PathArgs,
    /// Only the rule of this id, name or title. May be given several times.
    #[arg(long, value_name = "RULE")]
    pub(crate) rule: Vec<String>,
    /// Explain the records of this file: one record, or a log object; without --rule only for rules that could match.
    #[arg(long, value_name = "FILE")]
    pub(crate) event: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) enrichment: EnrichmentArgs,
}

/// Rule files.
#[derive(Debug, Args)]
pub(crate) struct PathArgs {
    /// Sigma files or folders [default: the shipped rules].
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
}
