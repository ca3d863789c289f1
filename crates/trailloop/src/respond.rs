//! `trailloop respond`: the runbook executor. Configuration, rules, runbooks, build, wait, drain.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio_util::sync::CancellationToken;
use trailloop_cloud::{
    ActionOptions, Actions, Aws, AwsOptions, Clock, HttpNotifier, Meter, Session, Table, connect,
};
use trailloop_pipeline::examine::{Engine, RecordFilter};
use trailloop_pipeline::live::LiveRules;
use trailloop_respond::confirm::Archive;
use trailloop_respond::ledger::Ledger;
use trailloop_respond::service::{Queues, serve};
use trailloop_respond::tell::{DestinationKind, Destinations};
use trailloop_respond::token::Secret;
use trailloop_respond::{Queries, Responder, Switch};
use trailloop_rules::Severity;
use trailloop_runbook::Runbook;

use crate::api::{self, Api};
use crate::cli::{Global, RespondArgs};
use crate::config::{self, Config, Purpose, RespondConfig, StatePlace};
use crate::inputs::Inputs;
use crate::query::files::QueryFiles;
use crate::run::{self, stop_signals};
use crate::runbook::load_runbooks;
use crate::{Exit, UsageError, canaries, links, logging, schedules, state};

/// All questions of a finding together may take so long.
const QUESTIONS_MAX: Duration = Duration::from_secs(5);

/// Runs the command.
pub(crate) fn respond(arguments: &RespondArgs, global: &Global) -> anyhow::Result<Exit> {
    let config = config::load(&arguments.config, Purpose::Respond)?;
    let format = global.log_format_asked().unwrap_or(config.log_format);
    logging::start(format, &config.log_level)?;
    block_on(async {
        let aws = aws(&config).await;
        let inputs = run::inputs(&config, &aws)?;
        // Stamped before they are read, so that a change meanwhile is seen.
        let seen = inputs.stamps().await?;
        let rules = inputs.load().await?;
        rules.log();
        let runbooks = load_runbooks(&config.respond.runbooks)?;
        ensure!(!runbooks.is_empty(), "no runbook is loaded");
        if arguments.check {
            tracing::info!(runbooks = runbooks.len(), "the configuration is good");
            return Ok(if rules.rejected > 0 { Exit::Failed } else { Exit::Done });
        }
        let engine = Arc::new(Engine {
            rules: LiveRules::new(rules.set),
            limits: config.limits,
            filter: RecordFilter::default(),
        });
        let stop = CancellationToken::new();
        let queries = queries(&config, &aws, &inputs, &runbooks)?;
        let mut aside = run::keep_rules(&config, inputs, seen, &engine, &stop);
        let responder = Arc::new(build(&config, &aws, engine, (runbooks, queries)).await?);
        let queues = Queues {
            actions: Arc::new(aws.queue(&config.actions)),
            dead_letters: config.dead_letters.as_ref().map(|url| Arc::new(aws.queue(url)) as _),
        };
        tracing::info!(
            actions = config.actions,
            runbooks = responder.runbooks.len(),
            mode = responder.settings.mode.name(),
            worker = responder.worker,
            "started"
        );
        if let Some(address) = config.respond.listen {
            aside.spawn(links::serve(address, Arc::clone(&responder), stop.clone()));
        }
        if let Some(served) = &config.api {
            let api = Arc::new(Api::new(Arc::clone(&responder.table), &served.token_file)?);
            let serving = api::serve(served.listen, api, stop.clone());
            aside.spawn(async move {
                if let Err(error) = serving.await {
                    tracing::error!("{error:#}");
                }
            });
        }
        let signal = stop_signals()?;
        let serving = serve(responder, queues, stop.clone());
        tokio::pin!(serving);
        tokio::select! {
            biased;
            () = &mut serving => return Ok(Exit::Failed),
            // These end by themselves only by failing.
            Some(ended) = aside.join_next() => {
                tracing::error!(?ended, "the rules, the links or the API are no longer looked after; going down");
                stop.cancel();
                serving.await;
                return Ok(Exit::Failed);
            }
            signal = signal => {
                tracing::info!(signal, "stopping: begun steps finish");
                stop.cancel();
            }
        }
        serving.await;
        aside.shutdown().await;
        tracing::info!("stopped");
        Ok(Exit::Done)
    })
}

async fn build(
    config: &Config,
    aws: &Aws,
    engine: Arc<Engine>,
    (runbooks, queries): (Vec<Runbook>, Option<Queries>),
) -> anyhow::Result<Responder> {
    let respond = &config.respond;
    let actions: Arc<dyn Actions> = Arc::new(aws.actions(ActionOptions {
        role_arn_template: respond.role.clone(),
        external_id: respond.external_id.clone(),
        ..ActionOptions::default()
    }));
    let home = home(respond, aws).await?;
    let (destinations, switch) = (destinations(config, home.clone())?, switch(config, home)?);
    let (table, worker) = (table_of(config, aws)?, worker());
    let canaries = canaries::of(respond, aws, &engine.rules.now().rules)?;
    Ok(Responder {
        archive: Archive {
            store: Arc::new(aws.store()),
            buckets: respond.archive_buckets.clone(),
            engine,
            object_bytes_max: config.object_bytes_max,
            index: schedules::index(&config.queries, aws, &Meter::default())?,
        },
        ledger: Ledger::new(Arc::clone(&table), worker.clone()),
        table,
        vault: respond.evidence.as_ref().map(|place| place.vault(aws)),
        actions,
        notifier: Arc::new(HttpNotifier::new()),
        destinations,
        runbooks,
        queries,
        switch,
        settings: respond.settings.clone(),
        clock: Clock::System,
        worker,
        canaries,
        next_looks: trailloop_respond::looks::NextLooks::default(),
        memory: std::sync::Mutex::default(),
    })
}

/// The queries that findings ask, if the configuration names an archive: those of `queries.paths`, and the shipped ones of other ids.
fn queries(
    config: &Config,
    aws: &Aws,
    inputs: &Inputs,
    runbooks: &[Runbook],
) -> anyhow::Result<Option<Queries>> {
    let meter = Meter::default();
    let Some(engine) = schedules::engine(&config.queries, aws, &meter, inputs.facts()?)? else {
        tracing::info!("no finding asks a query; set queries.archive to have them asked");
        return Ok(None);
    };
    let engine = state::with_own(engine, &table_of(config, aws)?);
    let kept = QueryFiles::with_shipped(&config.queries.paths)?;
    for problem in kept.diagnostics.iter().filter(|one| one.severity == Severity::Error) {
        tracing::error!("{problem}");
    }
    ensure!(kept.errors() == 0, "a kept query has errors; `trailloop query check` shows them");
    let asked = runbooks.iter().flat_map(|one| one.enrich.iter().map(move |of| (one, of)));
    let is_kept = |id: &str| kept.queries.iter().any(|query| query.id == id);
    for (runbook, of) in asked.filter(|(_, of)| !is_kept(&of.query)) {
        // Its conditions do not hold then, as without an answer.
        tracing::error!(
            runbook = runbook.id,
            query = of.query,
            "a runbook asks a query that is not kept; add it to queries.paths"
        );
    }
    Ok(Some(Queries { engine, kept: kept.queries, budget: QUESTIONS_MAX }))
}

/// Our own account and region, if something is to be called there.
async fn home(respond: &RespondConfig, aws: &Aws) -> anyhow::Result<Option<(String, String)>> {
    let is_called = respond.kill_switch.as_ref().is_some_and(|text| text.starts_with("ssm:"))
        || respond.destinations.iter().any(|one| {
            matches!(one.kind, DestinationKind::Sns { .. } | DestinationKind::SecurityHub { .. })
        });
    if !is_called {
        return Ok(None);
    }
    let account = aws.account().await.context(
        "ask for our own account, in which SNS, Security Hub or the kill switch's parameter is called",
    )?;
    let region = aws.region().context("set aws.region: something is to be called there")?;
    Ok(Some((account, region.to_owned())))
}

/// A name that no other worker has: runs are held by it.
fn worker() -> String {
    format!("worker-{}", uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, &seed()))
}

/// What tells this process from every other.
fn seed() -> [u8; 16] {
    u128::to_be_bytes((u128::from(fastrand::u64(..)) << 64) | u128::from(fastrand::u64(..)))
}

fn destinations(config: &Config, home: Option<(String, String)>) -> anyhow::Result<Destinations> {
    let respond = &config.respond;
    let secret = match &respond.link_secret_file {
        Some(file) => {
            let bytes = std::fs::read(file).map_err(|error| {
                UsageError(format!(
                    "failed to read respond.link_secret_file {}: {error}",
                    file.display()
                ))
            })?;
            Some(
                Secret::new(bytes.trim_ascii().to_vec())
                    .map_err(|error| UsageError(error.to_string()))?,
            )
        }
        None => None,
    };
    let all = respond.destinations.clone();
    let (routes, link_url) = (respond.routes.clone(), respond.link_url.clone());
    Ok(Destinations { all, routes, secret, link_url, home })
}

fn switch(config: &Config, home: Option<(String, String)>) -> anyhow::Result<Switch> {
    let Some(text) = &config.respond.kill_switch else { return Ok(Switch::None) };
    let Some(name) = text.strip_prefix("ssm:") else {
        return Ok(Switch::File(Path::new(text).to_owned()));
    };
    let (account, region) = home.context(
        "respond.kill_switch is a parameter, and our own account is not known: give credentials that may call sts:GetCallerIdentity",
    )?;
    let session = Session { account, region, run: "switch".to_owned(), policy: None };
    Ok(Switch::Parameter { name: name.to_owned(), session })
}

/// The state table, for commands that only look at it or speak to it. A file needs no word with AWS.
pub(crate) async fn table(config: &Config) -> anyhow::Result<Arc<dyn Table>> {
    match &config.respond.state {
        Some(StatePlace::File(path)) => state::file(path),
        _ => table_of(config, &aws(config).await),
    }
}

/// The state that is there already, for who only looks at it.
pub(crate) async fn table_there(config: &Config) -> anyhow::Result<Arc<dyn Table>> {
    let missing = || UsageError("respond.state is missing".to_owned());
    let place = config.respond.state.as_ref().ok_or_else(missing)?;
    let options = AwsOptions {
        region: config.region.clone(),
        endpoint_url: config.endpoint_url.clone(),
        path_style: config.path_style,
    };
    state::there(place, options).await
}

fn table_of(config: &Config, aws: &Aws) -> anyhow::Result<Arc<dyn Table>> {
    let missing = || UsageError("respond.state is missing".to_owned());
    state::table(config.respond.state.as_ref().ok_or_else(missing)?, aws)
}

async fn aws(config: &Config) -> Aws {
    connect(AwsOptions {
        region: config.region.clone(),
        endpoint_url: config.endpoint_url.clone(),
        path_style: config.path_style,
    })
    .await
}

/// Runs a future on a runtime of its own.
pub(crate) fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    crate::runtime()?.block_on(future)
}
