//! The log, on standard error.

use std::io::IsTerminal as _;

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;

use crate::UsageError;
use crate::cli::LogFormat;

/// Starts the log. `level` is a level or a filter such as `info,trailloop_pipeline=debug`.
pub(crate) fn start(format: LogFormat, level: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(level)
        .map_err(|error| UsageError(format!("the log level {level:?} is not one: {error}")))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Json => log.json().flatten_event(true).try_init(),
        LogFormat::Text => {
            log.with_ansi(std::io::stderr().is_terminal()).with_target(false).try_init()
        }
    }
    .map_err(anyhow::Error::from_boxed)
    .context("start the log")
}
