//! The commands that learn from verdicts: `tune` and `report`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{ReadingArgs, TableFormat};

/// Arguments of `tune`.
#[derive(Debug, Args)]
pub(crate) struct TuneArgs {
    #[command(subcommand)]
    pub(crate) command: TuneCommand,
}

/// What can be done about noisy rules.
#[derive(Debug, Subcommand)]
pub(crate) enum TuneCommand {
    /// Write filters that verdicts speak for and that ten gates let through, each with a report of its evidence, to be reviewed.
    Propose(Box<TuneProposeArgs>),
    /// Refuse merged filters whose backtest is of another rule or text, or that have ended; exits with 1 if there is one.
    Check(TuneCheckArgs),
    /// Write examples for rules out of verdicts: what must go on firing, and what must not fire.
    Tests(Box<JudgedArgs>),
    /// Write rules and runbooks with what their questions are worth: a condition more where an answer tells attacks apart, a question
    /// less where it never told anything.
    Questions(Box<TuneQuestionsArgs>),
    /// Write policies that would have prevented a judged attack, each with what else it would have denied, to be reviewed.
    Prevent(Box<TunePreventArgs>),
    /// Tell which event selectors would let rules see calls that no trail records, and what each would cost.
    Selectors(TuneSelectorsArgs),
}

/// An archive, and the rules that it is read with.
#[derive(Debug, Args)]
pub(crate) struct ArchiveArgs {
    /// The archive: a file, a folder, or s3://bucket/prefix. May be given several times.
    #[arg(value_name = "SOURCE", required = true)]
    pub(crate) source: Vec<String>,
    /// Rules and filters in force: a Sigma file or folder; replaces the shipped rules. May be given several times.
    #[arg(long, value_name = "PATH")]
    pub(crate) rules: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) reading: ReadingArgs,
}

/// An archive with what people judged of it, and a folder for what follows.
#[derive(Debug, Args)]
pub(crate) struct JudgedArgs {
    #[command(flatten)]
    pub(crate) archive: ArchiveArgs,
    /// The folder to write to; it must be empty or not exist.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// The configuration with `respond.state`, where verdicts and answers are kept.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}

/// Arguments of `tune propose`.
#[derive(Debug, Args)]
pub(crate) struct TuneProposeArgs {
    #[command(flatten)]
    pub(crate) archive: ArchiveArgs,
    /// Logs of known attacks, none of which a filter may describe: a file or folder. May be given several times.
    #[arg(long, value_name = "PATH", required = true)]
    pub(crate) attacks: Vec<String>,
    /// The folder to write to; it must be empty or not exist.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Commit them to a new branch of this name instead, of the git repository that DIR is in; the working copy is not touched.
    #[arg(long, value_name = "NAME", value_parser = branch)]
    pub(crate) branch: Option<String>,
    /// Who will answer for the filters.
    #[arg(long, value_name = "NAME", value_parser = super::name)]
    pub(crate) owner: String,
    /// Who proposes; somebody else has to review.
    #[arg(long, value_name = "NAME", value_parser = super::name)]
    pub(crate) by: String,
    /// A network of yours, such as 198.51.100.0/24. May be given several times.
    #[arg(long, value_name = "CIDR")]
    pub(crate) own_network: Vec<String>,
    /// Whether SOURCE is all there is; otherwise it has to be of 90 days.
    #[arg(long)]
    pub(crate) whole: bool,
    /// The configuration with `respond.state`, where verdicts are kept.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}

/// Arguments of `tune questions`.
#[derive(Debug, Args)]
pub(crate) struct TuneQuestionsArgs {
    #[command(flatten)]
    pub(crate) judged: JudgedArgs,
    /// Runbooks: a file or folder, beside the shipped ones of other ids. May be given several times.
    #[arg(long, value_name = "PATH")]
    pub(crate) runbooks: Vec<PathBuf>,
}

/// Arguments of `tune prevent`.
#[derive(Debug, Args)]
pub(crate) struct TunePreventArgs {
    #[command(flatten)]
    pub(crate) judged: JudgedArgs,
    /// A finding that was judged a true positive; what its caller did on the days around it is the attack.
    #[arg(long, value_name = "ID")]
    pub(crate) finding: String,
}

/// Arguments of `tune selectors`.
#[derive(Debug, Args)]
pub(crate) struct TuneSelectorsArgs {
    /// What `aws cloudtrail get-event-selectors` printed for your trails.
    #[arg(long, value_name = "FILE")]
    pub(crate) trails: PathBuf,
    /// Rules: a Sigma file or folder; replaces the shipped rules. May be given several times.
    #[arg(long, value_name = "PATH")]
    pub(crate) rules: Vec<PathBuf>,
    /// How many events a day are expected of a resource type, as AWS::S3::Object=5000000. May be given several times.
    #[arg(long, value_name = "TYPE=EVENTS", value_parser = volume)]
    pub(crate) volume: Vec<(String, u64)>,
    /// How the answer is written; as JSON it is the advanced event selectors that `put-event-selectors` takes.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub(crate) format: TableFormat,
}

/// A branch's name; git refuses what is left.
fn branch(text: &str) -> Result<String, String> {
    match text.is_empty() || text.starts_with('-') {
        true => Err("write the name of a new branch".to_owned()),
        false => Ok(text.to_owned()),
    }
}

/// A resource type and how many events it has a day.
fn volume(text: &str) -> Result<(String, u64), String> {
    let (resource_type, events) = text.split_once('=').ok_or("write TYPE=EVENTS")?;
    let events = events.parse().map_err(|_| format!("{events} is no number of events"))?;
    Ok((resource_type.to_owned(), events))
}

/// Arguments of `tune check`.
#[derive(Debug, Args)]
pub(crate) struct TuneCheckArgs {
    /// Rules and filters: Sigma files or folders; with the shipped rules if no file holds a rule.
    #[arg(value_name = "PATH", required = true)]
    pub(crate) rules: Vec<PathBuf>,
}

/// Arguments of `report`.
#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// The days that are told of, today among them.
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=400))]
    pub(crate) days: u32,
    /// Also write a page, in one file that loads nothing.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// What it is about, such as the organization's name.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) about: String,
    /// The configuration with `respond.state`.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}
