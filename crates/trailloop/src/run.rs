//! `trailloop run`: the stream service. Six steps: log, configuration, rules, build, wait, drain.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use trailloop_cloud::{Aws, AwsOptions, Clock, Meter, MeteredQueue, MeteredStore, Queue, connect};
use trailloop_pipeline::bridge::Bridge;
use trailloop_pipeline::examine::{Engine, RecordFilter};
use trailloop_pipeline::indexing::IndexWriter;
use trailloop_pipeline::live::LiveRules;
use trailloop_pipeline::{Counters, Pipeline, Seats, Service};

use crate::cli::{Global, RunArgs};
use crate::config::{self, Config};
use crate::inputs::{Inputs, Stamps};
use crate::reload::{Reloader, Watch};
use crate::ruleset::RuleFiles;
use crate::schedules::Schedules;
use crate::{Exit, UsageError, logging};

/// What threads may take to end when all is done.
const SHUTDOWN_MAX: Duration = Duration::from_secs(1);

/// What a stop may take, with a little left for the end.
const STOPPING_MAX: Duration = Duration::from_secs(27);

/// How often what objects hold is written to the index.
const INDEX_EVERY: Duration = Duration::from_secs(300);

/// What the last of it may take, of what a stop may take.
const INDEX_LAST_MAX: Duration = Duration::from_secs(2);

/// Runs the command.
pub(crate) fn run(arguments: &RunArgs, global: &Global) -> anyhow::Result<Exit> {
    let config = config::load(&arguments.config, config::Purpose::Run)?;
    let format = global.log_format_asked().unwrap_or(config.log_format);
    logging::start(format, &config.log_level)?;
    let runtime = crate::runtime()?;
    let ended = runtime.block_on(async {
        let aws = connect(AwsOptions {
            region: config.region.clone(),
            endpoint_url: config.endpoint_url.clone(),
            path_style: config.path_style,
        })
        .await;
        let inputs = inputs(&config, &aws)?;
        // Stamped before they are read, so that a change meanwhile is seen.
        let seen = inputs.stamps().await?;
        let rules = inputs.load().await?;
        rules.log();
        let meter = Meter::default();
        let schedules = Schedules::load(&config, &aws, &inputs, &meter).await?;
        if arguments.check {
            let rejected = rules.rejected + schedules.rejected as u64;
            tracing::info!(rejected, "the configuration is good");
            return Ok(if rejected > 0 { Exit::Failed } else { Exit::Done });
        }
        serve(&config, &aws, rules, (inputs, seen), (schedules, meter)).await
    });
    // A read from a disk that hangs must not keep the process.
    runtime.shutdown_timeout(SHUTDOWN_MAX);
    ended
}

/// Where the rules come from. Shipped rules run only if they are the ones that were agreed to.
pub(crate) fn inputs(config: &Config, aws: &Aws) -> anyhow::Result<Inputs> {
    if !config.rules.is_empty() && config.content_version.is_some() {
        tracing::warn!("rules.content_version says nothing of the rules of rules.paths, which run");
    }
    if config.rules.is_empty() {
        let shipped = trailloop_content::VERSION;
        match &config.content_version {
            Some(agreed) if agreed != shipped => {
                let text = format!(
                    "the shipped rules are of version {shipped}, and rules.content_version is {agreed:?}; \
                     read CHANGELOG.md, compare them with `trailloop rules diff`, then write the new version"
                );
                return Err(UsageError(text).into());
            }
            Some(_) => {}
            None => tracing::warn!(
                version = shipped,
                "the shipped rules run, and the next release may bring others; set rules.content_version to be asked first"
            ),
        }
    }
    Ok(Inputs {
        rules: config.rules.clone(),
        enrichment: config.enrichment.clone(),
        store: Arc::new(aws.store()),
        denies_lints: config.denies_lints,
        facts: Arc::default(),
    })
}

async fn serve(
    config: &Config,
    aws: &Aws,
    rules: RuleFiles,
    (inputs, seen): (Inputs, Stamps),
    (mut schedules, meter): (Schedules, Meter),
) -> anyhow::Result<Exit> {
    let engine = Arc::new(Engine {
        rules: LiveRules::new(rules.set),
        limits: config.limits,
        filter: RecordFilter::default(),
    });
    let index = config.queries.index.as_ref();
    let index = index.map(|place| Arc::new(IndexWriter::new(place.vault(aws))));
    let pipeline = Arc::new(build(config, aws, (&engine, index.as_ref()), &meter)?);
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
    let mut reloading = keep_rules(config, inputs, seen, &engine, &stop);
    schedules.start(&stop);
    let mut indexing = JoinSet::new();
    if let Some(index) = &index {
        indexing.spawn(Arc::clone(index).keep(INDEX_EVERY, stop.clone()));
    }
    let signal = stop_signals()?;
    let running = Service::new(Arc::clone(&pipeline), config.service).run(stop.clone());
    tokio::pin!(running);
    let mut failed = false;
    let drained = tokio::select! {
        biased;
        drained = &mut running => drained,
        signal = signal => {
            tracing::info!(signal, "stopping: no more receives, begun work finishes");
            stop.cancel();
            running.await
        }
        // It ends by itself only by failing.
        Some(ended) = reloading.join_next() => {
            failed = true;
            tracing::error!(?ended, "looking for changed rules failed; going down");
            stop.cancel();
            running.await
        }
        () = schedules.ended() => {
            failed = true;
            tracing::error!("scheduled queries are no longer asked; going down");
            stop.cancel();
            running.await
        }
        Some(ended) = indexing.join_next() => {
            failed = true;
            tracing::error!(?ended, "writing the index failed; going down");
            stop.cancel();
            running.await
        }
    };
    reloading.shutdown().await;
    schedules.finish().await;
    finish_index(indexing, index).await;
    log_counts("totals", pipeline.counters.totals().named());
    log_counts("requests", meter.named());
    tracing::info!(given_back = drained.given_back, "stopped");
    Ok(if drained.failed || failed { Exit::Failed } else { Exit::Done })
}

/// Writes the last of the index.
async fn finish_index(mut indexing: JoinSet<()>, index: Option<Arc<IndexWriter>>) {
    // A write under way is dropped, and its objects are read by queries.
    while timeout(INDEX_LAST_MAX, indexing.join_next()).await.is_ok_and(|ended| ended.is_some()) {}
    indexing.shutdown().await;
    if let Some(index) = index
        && timeout(INDEX_LAST_MAX, index.flush_logged()).await.is_err()
    {
        tracing::warn!(index = index.name(), "the last of the index was not written in time");
    }
}

/// Looks for changed rules until `stop`, if they can change.
pub(crate) fn keep_rules(
    config: &Config,
    inputs: Inputs,
    seen: Stamps,
    engine: &Arc<Engine>,
    stop: &CancellationToken,
) -> JoinSet<()> {
    let mut reloading = JoinSet::new();
    if !config.reload.is_zero() && inputs.can_change() {
        let (every, trial_records) = (config.reload, config.trial_records);
        let (engine, watch) = (Arc::clone(engine), Watch::default());
        let reloader = Reloader { inputs, engine, every, trial_records, seen, watch };
        reloading.spawn(reloader.keep(stop.clone()));
    }
    reloading
}

fn build(
    config: &Config,
    aws: &Aws,
    (engine, index): (&Arc<Engine>, Option<&Arc<IndexWriter>>),
    meter: &Meter,
) -> anyhow::Result<Pipeline> {
    let queue = |url: &str| -> Arc<dyn Queue> {
        Arc::new(MeteredQueue::new(Arc::new(aws.queue(url)), meter.clone()))
    };
    let store = MeteredStore::new(Arc::new(aws.store()), meter.clone());
    let jobs_max = config.service.messages_in_flight_max;
    let bridge = Bridge::threads_indexing(engine, config.workers, jobs_max, index)
        .context("start the workers")?;
    Ok(Pipeline {
        notifications: queue(&config.notifications),
        store: Arc::new(store),
        actions: queue(&config.actions),
        dead_letters: config.dead_letters.as_deref().map(queue),
        bridge,
        seats: Seats::new(config.bytes_in_flight_max, config.object_bytes_max),
        clock: Clock::System,
        counters: Counters::default(),
    })
}

/// Waits for SIGTERM or SIGINT, and listens from now on, not only once it is waited for: until then a signal ends the process as it is.
pub(crate) fn stop_signals() -> anyhow::Result<impl Future<Output = &'static str>> {
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    Ok(async move {
        tokio::select! {
            biased;
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        }
    })
}

pub(crate) fn log_counts(of: &str, named: Vec<(&str, u64)>) {
    let text: Vec<String> =
        named.into_iter().map(|(name, count)| format!("{name}={count}")).collect();
    tracing::info!("{of}: {}", text.join(" "));
}
