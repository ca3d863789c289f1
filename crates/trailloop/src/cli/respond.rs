//! The commands around runbooks: `respond`, `runbook`, `verdict`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use trailloop_cloud::SORT_BYTES_MAX;
use trailloop_feedback::{Judgement, Reason};

use super::{ArchiveArgs, TableFormat};
use crate::show::shown;

/// Arguments of `respond`.
#[derive(Debug, Args)]
pub(crate) struct RespondArgs {
    /// The configuration, a TOML file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Stop after the configuration, the rules and the runbooks have been checked.
    #[arg(long)]
    pub(crate) check: bool,
}

/// Arguments of `runbook`.
#[derive(Debug, Args)]
pub(crate) struct RunbookArgs {
    #[command(subcommand)]
    pub(crate) command: RunbookCommand,
}

/// What can be done with runbooks and their runs.
#[derive(Debug, Subcommand)]
pub(crate) enum RunbookCommand {
    /// Load runbooks, run their tests, and print the rights that the responder role needs; exits with 1 on any error.
    Check(RunbookPathArgs),
    /// List runbooks and the rules that each answers.
    List(RunbookPathArgs),
    /// Show runs: all that are open, or one with its plan, its steps and what was said.
    Plan(RunArg),
    /// Agree to the plan of a run that waits.
    Approve(SayArgs),
    /// Refuse the plan of a run that waits.
    Reject(SayArgs),
    /// Ask for a run to be undone, whatever its lease says.
    Undo(SayArgs),
    /// Verify the ledger, of the state table or of an exported file; exits with 1 where the chain breaks.
    Audit(AuditArgs),
    /// Write runbooks as Systems Manager Automation documents.
    Export(RunbookExportArgs),
    /// Tell what runbooks would have done about what the rules find in an archive, to whom, and what was later judged wrong.
    Simulate(Box<SimulateArgs>),
    /// Propose that runbooks act by themselves which people agreed to often enough and never had to take back.
    Promote(PromoteArgs),
}

/// Arguments of `runbook promote`.
#[derive(Debug, Args)]
pub(crate) struct PromoteArgs {
    /// Runbooks: a file or folder, beside the shipped ones of other ids. May be given several times.
    #[arg(long, value_name = "PATH")]
    pub(crate) runbooks: Vec<PathBuf>,
    /// The folder to write to; it must be empty or not exist.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// The configuration with `respond.state`, where runs and verdicts are kept.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}

/// Arguments of `runbook simulate`.
#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    #[command(flatten)]
    pub(crate) archive: ArchiveArgs,
    /// Runbooks: a file or folder, beside the shipped ones of other ids. May be given several times.
    #[arg(long, value_name = "PATH")]
    pub(crate) runbooks: Vec<PathBuf>,
    /// Only what happened in the last days, as 90d.
    #[arg(long, value_name = "DAYS", value_parser = days)]
    pub(crate) since: Option<u32>,
    /// The configuration with `respond.state`, where verdicts are kept; without it nothing is known of them.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// How the answer is written.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub(crate) format: TableFormat,
}

/// Days, as 90d.
fn days(text: &str) -> Result<u32, String> {
    let number = text.strip_suffix('d').and_then(|number| number.parse().ok());
    number.ok_or_else(|| "write a number of days, such as 90d".to_owned())
}

/// Runbooks to work on.
#[derive(Debug, Args)]
pub(crate) struct RunbookPathArgs {
    /// Files or folders [default: the shipped runbooks].
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
}

/// Arguments of `runbook plan`.
#[derive(Debug, Args)]
pub(crate) struct RunArg {
    /// The configuration, a TOML file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// The run's id; without it all open runs.
    #[arg(value_name = "ID")]
    pub(crate) id: Option<String>,
}

/// Arguments of what people say to a run.
#[derive(Debug, Args)]
pub(crate) struct SayArgs {
    /// The configuration, a TOML file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// The run's id.
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// Who says so.
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub(crate) by: String,
}

/// Arguments of `runbook audit`.
#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    /// The configuration, a TOML file.
    #[arg(long, value_name = "FILE", required_unless_present = "file")]
    pub(crate) config: Option<PathBuf>,
    /// An exported ledger to verify instead.
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Where the verified lines go, one JSON object a line.
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// Arguments of `runbook export`.
#[derive(Debug, Args)]
pub(crate) struct RunbookExportArgs {
    #[command(flatten)]
    pub(crate) runbooks: RunbookPathArgs,
    /// As Systems Manager Automation documents, one a file.
    #[arg(long, required = true)]
    pub(crate) ssm: bool,
    /// The folder; it must be empty or not exist.
    #[arg(long, value_name = "DIR")]
    pub(crate) output: PathBuf,
}

/// Arguments of `verdict`.
#[derive(Debug, Args)]
pub(crate) struct VerdictArgs {
    /// The finding's id.
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// What it was: true_positive, benign_positive, false_positive, test, duplicate or inconclusive.
    #[arg(value_name = "VERDICT", value_parser = judgement)]
    pub(crate) verdict: Judgement,
    /// Why.
    #[arg(long, value_name = "CODE", value_parser = reason_names())]
    pub(crate) reason: String,
    /// Who says so.
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub(crate) by: String,
    /// The configuration, a TOML file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}

/// A name that may stand in a row's key and in a line of the ledger.
pub(crate) fn name(text: &str) -> Result<String, String> {
    let is_plain = shown(text) == text && text.trim() == text;
    // Half of what a row's key takes: a verdict's has the time before it.
    if text.is_empty() || text.len() > SORT_BYTES_MAX / 2 || !is_plain {
        return Err("write who you are, on one line".to_owned());
    }
    Ok(text.to_owned())
}

/// The reasons that can be given.
fn reason_names() -> Vec<&'static str> {
    Reason::ALL.map(Reason::name).into()
}

/// A verdict by its name.
pub(super) fn judgement(text: &str) -> Result<Judgement, String> {
    Judgement::parse(text).ok_or_else(|| {
        let names = Judgement::ALL.map(Judgement::name);
        format!("it must be one of {}", names.join(", "))
    })
}
