//! The queries of the services: what they are asked of, and the runner of those with a schedule inside `trailloop run`.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use trailloop_cloud::{Aws, Clock, FolderStore, Meter, MeteredQueue, MeteredStore, Store, Table};
use trailloop_enrichment::Enrichment;
use trailloop_query::named::NamedQuery;
use trailloop_query::{Archive, Engine, Index, Runner, RunnerLimits, Source};
use trailloop_rules::Severity;

use crate::config::{Config, QueriesConfig, cores};
use crate::inputs::Inputs;
use crate::query::files::QueryFiles;
use crate::rulefiles::RulePlace;
use crate::run::log_counts;
use crate::{UsageError, state};

/// How long a query that is under way may take to notice that it is to stop, and its findings to be sent.
const STOPPING_MAX: Duration = Duration::from_secs(5);

/// The engine that answers queries over the archive of the configuration; `None` if it names none.
pub(crate) fn engine(
    config: &QueriesConfig,
    aws: &Aws,
    meter: &Meter,
    enrichment: Arc<Enrichment>,
) -> anyhow::Result<Option<Engine>> {
    if config.archive.is_empty() {
        return Ok(None);
    }
    let source = |one: &RulePlace| {
        let (store, bucket, prefix) = place(one, aws, meter)?;
        Ok(Source { store, bucket, prefix })
    };
    let sources = config.archive.iter().map(source).collect::<anyhow::Result<_>>()?;
    let archive = Archive {
        enrichment,
        index: index(config, aws, meter)?,
        bytes_max: Some(config.bytes_max),
        jobs: if config.workers == 0 { (cores() / 2).max(1) } else { config.workers },
        ..Archive::new(sources)
    };
    Ok(Some(Engine::new(archive).with_memory(config.memory_max)))
}

/// The index of the archive, if there is one.
pub(crate) fn index(
    config: &QueriesConfig,
    aws: &Aws,
    meter: &Meter,
) -> anyhow::Result<Option<Arc<Index>>> {
    let Some(one) = &config.index else { return Ok(None) };
    let (store, bucket, prefix) = place(one, aws, meter)?;
    let prefix = match prefix.trim_end_matches('/') {
        "" => String::new(),
        prefix => format!("{prefix}/"),
    };
    Ok(Some(Arc::new(Index { store, bucket, prefix })))
}

fn place(
    place: &RulePlace,
    aws: &Aws,
    meter: &Meter,
) -> anyhow::Result<(Arc<dyn Store>, String, String)> {
    Ok(match place {
        RulePlace::Bucket { bucket, prefix } => {
            let store = MeteredStore::new(Arc::new(aws.store()), meter.clone());
            (Arc::new(store), bucket.clone(), prefix.clone())
        }
        RulePlace::Path(path) => folder(path)?,
    })
}

/// A folder as a bucket.
fn folder(path: &Path) -> anyhow::Result<(Arc<dyn Store>, String, String)> {
    let path = std::path::absolute(path).with_context(|| format!("find {}", path.display()))?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let (Some(root), Some(bucket)) = (path.parent(), name) else {
        let said = format!("{} is the root of a file system; name a folder", path.display());
        return Err(UsageError(said).into());
    };
    Ok((Arc::new(FolderStore::new(root)), bucket, String::new()))
}

/// The scheduled queries of a service.
pub(crate) struct Schedules {
    /// `None` if there is nothing to ask.
    runner: Option<Arc<Runner>>,
    /// Queries that can't be asked because of what is written in them.
    pub(crate) rejected: usize,
    tasks: JoinSet<()>,
}

impl Schedules {
    /// Reads and checks the queries. What stays off is told.
    pub(crate) async fn load(
        config: &Config,
        aws: &Aws,
        inputs: &Inputs,
        meter: &Meter,
    ) -> anyhow::Result<Self> {
        let mut schedules = Self { runner: None, rejected: 0, tasks: JoinSet::new() };
        let queries = &config.queries;
        if !queries.schedules {
            tracing::info!(
                "no query is asked by its schedule; set queries.archive to have them asked"
            );
            return Ok(schedules);
        }
        let enrichment = inputs.facts()?;
        let Some(engine) = engine(queries, aws, meter, Arc::clone(&enrichment))? else {
            return Ok(schedules);
        };
        let state = table(queries, aws)?;
        let engine = state::with_own(engine, &state);
        let asked = schedules.checked(queries, &engine, &enrichment).await?;
        let ids: Vec<&str> = asked.iter().map(|query| query.id.as_str()).collect();
        let holder = holder();
        tracing::info!(queries = ids.join(" "), holder, "queries are asked by their schedules");
        if asked.is_empty() {
            return Ok(schedules);
        }
        let actions = MeteredQueue::new(Arc::new(aws.queue(&config.actions)), meter.clone());
        schedules.runner = Some(Arc::new(Runner::new(
            asked,
            engine,
            (state, Arc::new(actions)),
            (Clock::System, holder),
            RunnerLimits {
                lease: queries.lease,
                query: queries.time_max,
                rows_max: queries.rows_max,
                at_once: queries.at_once,
            },
        )));
        Ok(schedules)
    }

    /// Those queries with a schedule that can be asked. Of the others the log says why not.
    async fn checked(
        &mut self,
        config: &QueriesConfig,
        engine: &Engine,
        enrichment: &Enrichment,
    ) -> anyhow::Result<Vec<NamedQuery>> {
        let files = QueryFiles::read(&config.paths)?;
        for one in &files.diagnostics {
            match one.severity {
                Severity::Error => tracing::error!("{one}"),
                _ => tracing::warn!("{one}"),
            }
        }
        self.rejected = files.rejected();
        let (mut asked, mut ids) = (Vec::new(), BTreeSet::new());
        for query in files.queries.into_iter().filter(|query| query.scheduled.is_some()) {
            let missing = query.missing(enrichment);
            if let Err(error) = engine.check(&query).await {
                self.rejected += 1;
                tracing::error!(query = query.id, path = query.path, %error, "a scheduled query can't be asked");
            } else if !ids.insert(query.id.clone()) {
                self.rejected += 1;
                tracing::error!(
                    query = query.id,
                    path = query.path,
                    "another query has this id; this one is not asked"
                );
            } else if !missing.is_empty() {
                let needs: BTreeSet<&str> = missing.iter().map(|field| field.needs()).collect();
                tracing::warn!(
                    query = query.id,
                    columns =
                        missing.iter().map(|field| field.as_str()).collect::<Vec<_>>().join(" "),
                    needs = needs.into_iter().collect::<Vec<_>>().join("; "),
                    "a scheduled query stays off: the enrichment folder lacks what it asks for"
                );
            } else {
                asked.push(query);
            }
        }
        Ok(asked)
    }

    /// Begins to ask.
    pub(crate) fn start(&mut self, stop: &CancellationToken) {
        let Some(runner) = &self.runner else { return };
        let (runner, stop) = (Arc::clone(runner), stop.clone());
        self.tasks.spawn(async move {
            if let Err(error) = runner.run(stop).await {
                tracing::error!(%error, "asking a scheduled query stopped");
            }
        });
    }

    /// Waits for its end, which comes by itself only by failing; for ever if there is nothing to ask.
    pub(crate) async fn ended(&mut self) {
        if self.tasks.join_next().await.is_none() {
            std::future::pending::<()>().await;
        }
    }

    /// After the stop: waits for what is being sent, and logs what was done.
    pub(crate) async fn finish(mut self) {
        let ending = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(STOPPING_MAX, ending).await.is_err() {
            tracing::warn!("a scheduled query was left in the middle; its lease ends by itself");
            self.tasks.shutdown().await;
        }
        for (query, tallied) in self.runner.iter().flat_map(|runner| runner.totals()) {
            log_counts(&format!("query {query}"), tallied.named());
        }
    }
}

fn table(config: &QueriesConfig, aws: &Aws) -> anyhow::Result<Arc<dyn Table>> {
    let missing = || UsageError("queries.state is missing".to_owned());
    state::table(config.state.as_ref().ok_or_else(missing)?, aws)
}

/// A name that no other runner has: queries are held by it.
fn holder() -> String {
    format!("runner-{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..))
}
