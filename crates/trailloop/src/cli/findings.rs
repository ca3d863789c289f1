//! The commands around kept findings: `findings` and `incidents`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use trailloop_feedback::Judgement;
use trailloop_finding::Level;

/// Arguments of `findings`.
#[derive(Debug, Args)]
pub(crate) struct FindingsArgs {
    #[command(subcommand)]
    pub(crate) command: FindingsCommand,
}

/// What can be seen of findings.
#[derive(Debug, Subcommand)]
pub(crate) enum FindingsCommand {
    /// List findings, the most important first. What is judged is left out unless it is asked for.
    List(FindingsListArgs),
    /// List the audit sample of today: findings that nobody would come to, drawn to be judged all the same.
    Audit(SampleArgs),
    /// Show one finding: what folded into it, what was said of it, what was done.
    Show(OneArgs),
    /// Say what the priority of a finding is made of, term by term.
    Why(OneArgs),
}

/// Arguments of `findings list`.
#[derive(Debug, Args)]
pub(crate) struct FindingsListArgs {
    /// Only findings of this rule or query, by its id.
    #[arg(long, value_name = "ID")]
    pub(crate) rule: Option<String>,
    /// Only findings about this account.
    #[arg(long, value_name = "ID")]
    pub(crate) account: Option<String>,
    /// Only findings of this level or above.
    #[arg(long, value_name = "LEVEL", value_parser = super::level)]
    pub(crate) level: Option<Level>,
    /// Only findings judged so.
    #[arg(long, value_name = "VERDICT", value_parser = super::respond::judgement, conflicts_with = "all")]
    pub(crate) verdict: Option<Judgement>,
    /// Also findings that were judged.
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) page: PageArgs,
}

/// Arguments of `findings audit`.
#[derive(Debug, Args)]
pub(crate) struct SampleArgs {
    /// How many findings people judge a day; a twentieth of it is drawn, the first time that a day is asked for.
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) capacity: u32,
    #[command(flatten)]
    pub(crate) page: PageArgs,
}

/// How much of a list, in which form.
#[derive(Debug, Args)]
pub(crate) struct PageArgs {
    /// Only what was taken up in the last days, today among them.
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=400))]
    pub(crate) days: u32,
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) limit: usize,
    /// The form.
    #[arg(long, value_enum, default_value_t = Form::Table)]
    pub(crate) format: Form,
    /// The configuration, a TOML file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}

/// The form of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// For people.
    Table,
    /// One JSON object a line.
    Ndjson,
}

/// One finding.
#[derive(Debug, Args)]
pub(crate) struct OneArgs {
    /// The finding's id, or that of one that folded into it.
    #[arg(value_name = "ID", value_parser = id)]
    pub(crate) id: String,
    /// The configuration, a TOML file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}

/// Arguments of `incidents`.
#[derive(Debug, Args)]
pub(crate) struct IncidentsArgs {
    #[command(subcommand)]
    pub(crate) command: IncidentsCommand,
}

/// What can be seen of incidents.
#[derive(Debug, Subcommand)]
pub(crate) enum IncidentsCommand {
    /// List incidents, the gravest first. One of which everything was moved down by filters is left out.
    List(PageArgs),
    /// Show one incident with its findings, or as an OCSF Incident Finding.
    Show(IncidentShowArgs),
}

/// Arguments of `incidents show`.
#[derive(Debug, Args)]
pub(crate) struct IncidentShowArgs {
    /// The incident's id, or one that it was known by before.
    #[arg(value_name = "ID", value_parser = id)]
    pub(crate) id: String,
    /// As an OCSF 1.5 Incident Finding (class 2005).
    #[arg(long)]
    pub(crate) json: bool,
    /// The configuration, a TOML file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}

/// An id of a finding or an incident.
fn id(text: &str) -> Result<String, String> {
    match trailloop_respond::hint::is_id(text) {
        true => Ok(text.to_owned()),
        false => Err("it is 32 hexadecimal digits, as lists show it".to_owned()),
    }
}
