//! `trailloop serve`: the API alone, beside executors or without one.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::api::{self, Api};
use crate::cli::{Global, ServeArgs};
use crate::config::{self, Purpose};
use crate::{Exit, UsageError, logging, respond};

/// Requests that have begun may take so long to end.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// Runs the command until it is told to stop.
pub(crate) fn serve(arguments: &ServeArgs, global: &Global) -> anyhow::Result<Exit> {
    let config = config::load(&arguments.config, Purpose::State)?;
    let format = global.log_format_asked().unwrap_or(config.log_format);
    logging::start(format, &config.log_level)?;
    let missing = || UsageError("api.listen and api.token_file are missing".to_owned());
    let served = config.api.clone().ok_or_else(missing)?;
    respond::block_on(async {
        let table = respond::table(&config).await?;
        let api = Arc::new(Api::new(table, &served.token_file)?);
        let stop = CancellationToken::new();
        let signal = crate::run::stop_signals()?;
        let serving = api::serve(served.listen, api, stop.clone());
        tokio::pin!(serving);
        tokio::select! {
            biased;
            ended = &mut serving => return ended.map(|()| Exit::Failed),
            signal = signal => {
                tracing::info!(signal, "stopping");
                stop.cancel();
            }
        }
        // Whoever has not sent a request by then gets no answer.
        match tokio::time::timeout(STOP_WITHIN, serving).await {
            Ok(ended) => ended.map(|()| Exit::Done),
            Err(_) => Ok(Exit::Done),
        }
    })
}
