//! The binary: command line, configuration, wiring.
//!
//! This is the only crate that reads the environment, prints, or exits. Standard output carries a command's product;
//! standard error carries progress, the log and diagnostics.

mod api;
mod canaries;
mod cli;
mod config;
mod demo;
mod enrichment;
mod explain;
mod findings;
mod found;
mod incidents;
mod inputs;
mod kept;
mod labels;
mod links;
mod logging;
mod org;
mod progress;
mod query;
mod reload;
mod replay;
mod report;
mod respond;
mod resume;
mod rulefiles;
mod rules;
mod ruleset;
mod run;
mod runbook;
mod schedules;
mod serve;
mod show;
mod source;
mod state;
mod story;
pub mod synth;
mod tune;
mod verdict;

use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;

use crate::cli::{Cli, Command, LogFormat};
pub use crate::config::reference;

/// How a command ended, as the exit status tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All was done.
    Done = 0,
    /// Something failed, or a source could not be read.
    Failed = 1,
    /// Bad usage or configuration, no rule loaded, no object found.
    Usage = 2,
    /// A finding reached the level of `--fail-on`.
    FailOn = 3,
}

/// An error in what the user wrote, as opposed to a failure of what was tried.
#[derive(Debug)]
pub(crate) struct UsageError(pub(crate) String);

impl std::fmt::Display for UsageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

/// What the user named could not be read this time; another time it may.
#[derive(Debug)]
pub(crate) struct Unreadable(pub(crate) String);

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unreadable {}

/// Whether the error is one of what the user wrote or named.
fn is_usage(error: &anyhow::Error) -> bool {
    error.is::<UsageError>() || error.is::<Unreadable>()
}

/// Runs the command that the command line asks for.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let json = cli.global.log_format() == LogFormat::Json;
    let exit = match dispatch(cli) {
        Ok(exit) => exit,
        Err(error) if is_broken_pipe(&error) => Exit::Done,
        Err(error) if json && tracing::enabled!(tracing::Level::ERROR) => {
            tracing::error!("{error:#}");
            if is_usage(&error) { Exit::Usage } else { Exit::Failed }
        }
        Err(error) => {
            // Nothing is left to be done if standard error is closed.
            drop(writeln!(std::io::stderr(), "error: {error:#}"));
            if is_usage(&error) { Exit::Usage } else { Exit::Failed }
        }
    };
    ExitCode::from(exit as u8)
}

fn dispatch(cli: Cli) -> anyhow::Result<Exit> {
    match cli.command {
        Command::Run(arguments) => run::run(&arguments, &cli.global),
        Command::Respond(arguments) => respond::respond(&arguments, &cli.global),
        Command::Serve(arguments) => serve::serve(&arguments, &cli.global),
        command => {
            logging::start(cli.global.log_format(), "warn")?;
            match command {
                Command::Demo(arguments) => demo::demo(&arguments, &cli.global),
                Command::Replay(arguments) => replay::replay(&arguments, &cli.global),
                Command::Rules(arguments) => rules::rules(&arguments, &cli.global),
                Command::Runbook(arguments) => runbook::runbook(&arguments, &cli.global),
                Command::Verdict(arguments) => verdict::verdict(&arguments),
                Command::Findings(arguments) => findings::findings(&arguments),
                Command::Incidents(arguments) => incidents::incidents(&arguments),
                Command::Tune(arguments) => tune::tune(&arguments, &cli.global),
                Command::Report(arguments) => report::report(&arguments),
                Command::Query(arguments) => query::query(&arguments, &cli.global),
                Command::Org(arguments) => org::org(&arguments),
                Command::Synth(arguments) => synth::command(&arguments),
                Command::Run(_) | Command::Respond(_) | Command::Serve(_) => {
                    unreachable!("handled above")
                }
            }
        }
    }
}

/// The runtime of commands that wait for others.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.context("start the runtime")
}

/// Whether a reader of our output, such as `head`, has had enough.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let pipe = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == ErrorKind::BrokenPipe)
    };
    error.chain().any(pipe)
}
