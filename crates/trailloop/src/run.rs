//! `trailloop run`: the stream service. Six steps: log, configuration, runtime, build, wait, drain.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use trailloop_cloud::{AwsOptions, Clock, Queue, connect};
use trailloop_pipeline::bridge::Bridge;
use trailloop_pipeline::examine::{Engine, RecordFilter};
use trailloop_pipeline::live::LiveRules;
use trailloop_pipeline::{Counters, Pipeline, Seats, Service, Totals};

use crate::cli::{Global, RunArgs};
use crate::config::{self, Config};
use crate::ruleset::RuleFiles;
use crate::{Exit, logging};

/// What a stop may take, with a little left for the end.
const STOPPING_MAX: Duration = Duration::from_secs(27);

/// Runs the command.
pub(crate) fn run(arguments: &RunArgs, global: &Global) -> anyhow::Result<Exit> {
    let config = config::load(&arguments.config)?;
    let format = global.log_format_asked().unwrap_or(config.log_format);
    logging::start(format, &config.log_level)?;
    let rules = RuleFiles::load(&config.rules)?;
    rules.log();
    if arguments.check {
        tracing::info!(rejected = rules.rejected, "the configuration is good");
        return Ok(if rules.rejected > 0 { Exit::Failed } else { Exit::Done });
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    runtime.block_on(serve(config, rules))
}

async fn serve(config: Config, rules: RuleFiles) -> anyhow::Result<Exit> {
    let pipeline = Arc::new(build(&config, rules).await?);
    let stopping = config.service.receive_wait + config.service.drain;
    if stopping > STOPPING_MAX {
        let seconds = stopping.as_secs();
        tracing::warn!(
            seconds,
            "a stop may take longer than the 30 seconds ECS gives; lower limits.drain_seconds"
        );
    }
    tracing::info!(
        notifications = %pipeline.notifications.name(),
        actions = %pipeline.actions.name(),
        workers = config.workers,
        "started"
    );
    let stop = CancellationToken::new();
    let running = Service::new(Arc::clone(&pipeline), config.service).run(stop.clone());
    tokio::pin!(running);
    let drained = tokio::select! {
        biased;
        drained = &mut running => drained,
        signal = stop_signal() => {
            tracing::info!(signal = signal?, "stopping: no more receives, begun work finishes");
            stop.cancel();
            running.await
        }
    };
    log_totals(pipeline.counters.totals());
    tracing::info!(given_back = drained.given_back, "stopped");
    Ok(if drained.failed { Exit::Failed } else { Exit::Done })
}

async fn build(config: &Config, rules: RuleFiles) -> anyhow::Result<Pipeline> {
    let aws = connect(AwsOptions {
        region: config.region.clone(),
        endpoint_url: config.endpoint_url.clone(),
        path_style: config.path_style,
    })
    .await;
    let queue = |url: &str| -> Arc<dyn Queue> { Arc::new(aws.queue(url)) };
    let engine = Arc::new(Engine {
        rules: LiveRules::new(rules.set),
        limits: config.limits,
        filter: RecordFilter::default(),
    });
    let jobs_max = config.service.messages_in_flight_max;
    let bridge = Bridge::threads(&engine, config.workers, jobs_max).context("start the workers")?;
    Ok(Pipeline {
        notifications: queue(&config.notifications),
        store: Arc::new(aws.store()),
        actions: queue(&config.actions),
        dead_letters: config.dead_letters.as_deref().map(queue),
        bridge,
        seats: Seats::new(config.bytes_in_flight_max, config.object_bytes_max),
        clock: Clock::System,
        counters: Counters::default(),
    })
}

/// Waits for SIGTERM or SIGINT.
async fn stop_signal() -> anyhow::Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    Ok(tokio::select! {
        biased;
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    })
}

fn log_totals(totals: Totals) {
    let text: Vec<String> =
        totals.named().into_iter().map(|(name, count)| format!("{name}={count}")).collect();
    tracing::info!("totals: {}", text.join(" "));
}
