//! Asks kept queries by their schedules, and sends what they find to the action queue.
//!
//! Any number of runners may share a state table: of each query one asks at a time (`lease.rs`). A window is finished when every finding of it has
//! been accepted by the queue and the end of the window stands in the row; a runner that dies before leaves the window to the next one,
//! which finds the same under the same ids. Each query has a task of its own, so one that fails or waits holds up no other; so many of them read at once.

mod lease;
mod tally;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use trailloop_cloud::{Clock, CloudError, CloudErrorKind, Outgoing, Queue, Table};
use trailloop_finding::Finding;
use trailloop_pipeline::outgoing;

use self::lease::{Lease, Look, State};
pub use self::tally::Tallied;
use self::tally::Tally;
use crate::archive::Cost;
use crate::arrow::array::RecordBatch;
use crate::engine::Engine;
use crate::error::QueryError;
use crate::findings::findings_of_rows;
use crate::named::{NamedQuery, Scheduled};
use crate::schedule::{Next, Window};

/// What a runner may take.
#[derive(Clone, Copy, Debug)]
pub struct RunnerLimits {
    /// How long a lease holds without a word. A third of it is the time between two renewals.
    pub lease: Duration,
    /// How long one query may run.
    pub query: Duration,
    /// The most rows of one window.
    pub rows_max: usize,
    /// So many queries run at once.
    pub at_once: usize,
}

impl Default for RunnerLimits {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(60),
            query: Duration::from_secs(600),
            rows_max: 10_000,
            at_once: 1,
        }
    }
}

/// Nothing is waited for longer without another look at the clock, which may have been set.
const LOOK_MAX: Duration = Duration::from_secs(300);

/// After a failure a window waits so long, twice as long after each further one, and never longer than the second of these.
const BACKOFF: Duration = Duration::from_secs(30);
const BACKOFF_MAX: Duration = Duration::from_secs(3600);

/// An answer that lacks objects is tried so often again; then what it holds is sent, because an object may be damaged for good.
const TRIES_FOR_WHOLE: u32 = 3;

/// Runs queries with schedules.
pub struct Runner {
    engine: Engine,
    table: Arc<dyn Table>,
    actions: Arc<dyn Queue>,
    clock: Clock,
    /// A name that no other runner has.
    holder: String,
    limits: RunnerLimits,
    seats: Semaphore,
    queries: Vec<Of>,
}

/// A query and what it has done.
struct Of {
    query: NamedQuery,
    scheduled: Scheduled,
    tally: Tally,
}

/// Why a window was not finished.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Query(#[from] QueryError),
    #[error("{0} objects could not be read, such as {1}")]
    Unread(u64, String),
    #[error("the findings were not sent: {0}")]
    Send(CloudError),
}

/// How the work on a window ended.
enum Ended {
    /// All that was found is sent.
    Sent,
    Failed(Failure),
    /// We are to stop.
    Stopped,
    /// Another may have the lease.
    Lost,
}

/// What a query answered.
struct Rows {
    batches: Vec<RecordBatch>,
    rows: usize,
    is_all: bool,
    cost: Cost,
    failures: Vec<String>,
}

impl Runner {
    /// A runner of those of these queries that have a schedule. `holder` is a name that no other runner has.
    #[must_use]
    pub fn new(
        queries: Vec<NamedQuery>,
        engine: Engine,
        (table, actions): (Arc<dyn Table>, Arc<dyn Queue>),
        (clock, holder): (Clock, String),
        limits: RunnerLimits,
    ) -> Self {
        let of = |query: NamedQuery| {
            let scheduled = query.scheduled.clone()?;
            Some(Of { query, scheduled, tally: Tally::default() })
        };
        let queries = queries.into_iter().filter_map(of).collect();
        let seats = Semaphore::new(limits.at_once.max(1));
        Self { engine, table, actions, clock, holder, limits, seats, queries }
    }

    /// What each query has done and cost since the start.
    #[must_use]
    pub fn totals(&self) -> BTreeMap<&str, Tallied> {
        self.queries.iter().map(|of| (of.query.id.as_str(), of.tally.now())).collect()
    }

    /// Runs until `stop`: a query that is under way then is left, and its window stays for the next runner; findings that are being sent are sent.
    ///
    /// # Errors
    ///
    /// If the task of a query stops, which is a mistake of ours.
    pub async fn run(
        self: Arc<Self>,
        stop: CancellationToken,
    ) -> Result<(), tokio::task::JoinError> {
        let mut tasks = JoinSet::new();
        for nth in 0..self.queries.len() {
            let (runner, stop) = (Arc::clone(&self), stop.clone());
            tasks.spawn(async move { runner.keep(&runner.queries[nth], &stop).await });
        }
        while let Some(ended) = tasks.join_next().await {
            ended?;
        }
        Ok(())
    }

    /// Asks one query whenever it is due.
    async fn keep(&self, of: &Of, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            let Some(at_ms) = self.step(of, stop).await else {
                tracing::error!(query = of.query.id, "the schedule has no time to come");
                return;
            };
            let wait = u64::try_from(at_ms.saturating_sub(self.clock.now_ms())).unwrap_or(0);
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = self.clock.sleep(Duration::from_millis(wait).min(LOOK_MAX)) => {}
            }
        }
    }

    /// Does what is due, and gives the time of the next look; `None` if there will be none.
    async fn step(&self, of: &Of, stop: &CancellationToken) -> Option<i64> {
        match self.try_step(of, stop).await {
            Ok(at_ms) => at_ms,
            Err(error) => {
                of.tally.add(Tallied { failures: 1, ..Tallied::default() });
                tracing::error!(query = of.query.id, %error, "the state of a scheduled query is not to be had; trying again");
                Some(self.clock.now_ms().saturating_add(ms(BACKOFF)))
            }
        }
    }

    async fn try_step(&self, of: &Of, stop: &CancellationToken) -> Result<Option<i64>, CloudError> {
        // A first look costs no seat.
        let Some((_, look)) = self.look(of).await? else { return Ok(None) };
        if let Look::NotBefore(at_ms) = look {
            return Ok(Some(at_ms));
        }
        let _seat = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(Some(self.clock.now_ms())),
            seat = self.seats.acquire() => seat,
        };
        let Some((mut lease, look)) = self.look(of).await? else { return Ok(None) };
        let (before, next) = match look {
            Look::NotBefore(at_ms) => return Ok(Some(at_ms)),
            Look::Due(state, next) => (state, next),
        };
        if !lease.hold(self.lease_end()).await? {
            // Another was faster; how long it takes is told by the next look.
            return Ok(Some(self.clock.now_ms().saturating_add(ms(self.limits.lease) / 3)));
        }
        match next {
            Next::Ask(window) => self.ask_and_commit(of, lease, window, (before, stop)).await?,
            Next::GiveUp(window, windows) => {
                let done = window.to.as_second();
                if lease.give_back(State { done, failures: 0, ..before }).await? {
                    of.tally.add(Tallied { windows_given_up: windows, ..Tallied::default() });
                    tracing::error!(
                        query = of.query.id,
                        windows,
                        %window,
                        "a scheduled query was not asked about this time: more windows were missed than `catch_up` makes up for; ask by `trailloop query run` with from and to"
                    );
                }
            }
            Next::Wait(_) | Next::Never => {}
        }
        Ok(Some(self.clock.now_ms()))
    }

    async fn look<'r>(&'r self, of: &Of) -> Result<Option<(Lease<'r>, Look)>, CloudError> {
        let what = (of.query.id.as_str(), &of.scheduled.schedule);
        Lease::look(&*self.table, what, &self.holder, self.clock.now_ms()).await
    }

    fn lease_end(&self) -> i64 {
        self.clock.now_ms().saturating_add(ms(self.limits.lease))
    }

    /// Asks about a window, and writes into the row what came of it.
    async fn ask_and_commit(
        &self,
        of: &Of,
        mut lease: Lease<'_>,
        window: Window,
        (before, stop): (State, &CancellationToken),
    ) -> Result<(), CloudError> {
        let id = of.query.id.as_str();
        let begun_ms = self.clock.now_ms();
        let (ended, found) = self.work(of, &mut lease, window, (before.failures, stop)).await;
        let milliseconds = u64::try_from(self.clock.now_ms() - begun_ms).unwrap_or(0);
        of.tally.add(Tallied { milliseconds, ..found });
        let state = match &ended {
            Ended::Sent => {
                State { done: window.to.as_second(), failures: 0, not_before_ms: 0, ..before }
            }
            Ended::Failed(cause) => {
                of.tally.add(Tallied { failures: 1, ..Tallied::default() });
                let failures = before.failures.saturating_add(1);
                let wait = BACKOFF.saturating_mul(1 << before.failures.min(10)).min(BACKOFF_MAX);
                tracing::error!(query = id, %window, cause = %cause, failures, again_in_seconds = wait.as_secs(), "a scheduled query failed");
                let not_before_ms = self.clock.now_ms().saturating_add(ms(wait));
                State { failures, not_before_ms, ..before }
            }
            Ended::Stopped => before,
            Ended::Lost => {
                self.lost(of, window);
                return Ok(());
            }
        };
        if !lease.give_back(state).await? {
            self.lost(of, window);
        } else if let Ended::Sent = ended {
            of.tally.add(Tallied { windows: 1, ..Tallied::default() });
            let counts: Vec<String> = Tallied { windows: 1, milliseconds, ..found }
                .named()
                .into_iter()
                .map(|(name, count)| format!("{name}={count}"))
                .collect();
            tracing::info!(query = id, %window, "asked: {}", counts.join(" "));
        }
        Ok(())
    }

    fn lost(&self, of: &Of, window: Window) {
        of.tally.add(Tallied { leases_lost: 1, ..Tallied::default() });
        tracing::warn!(query = of.query.id, %window, "the lease of a scheduled query was lost: another runner asks about this window too, and what both find has the same ids");
    }

    /// Asks, and sends what was found, while the lease is kept.
    async fn work(
        &self,
        of: &Of,
        lease: &mut Lease<'_>,
        window: Window,
        (failures, stop): (u32, &CancellationToken),
    ) -> (Ended, Tallied) {
        let mut found = Tallied::default();
        let asked = tokio::select! {
            biased;
            () = stop.cancelled() => return (Ended::Stopped, found),
            () = self.keep_lease(lease) => return (Ended::Lost, found),
            asked = self.ask(of, window) => asked,
        };
        let answer = match asked {
            Ok(answer) => answer,
            Err((error, cost)) => {
                add_cost(&mut found, cost);
                return (Ended::Failed(error.into()), found);
            }
        };
        add_cost(&mut found, answer.cost);
        found.rows = answer.rows as u64;
        let objects_failed = answer.cost.objects_failed;
        if objects_failed > 0 {
            let such = answer.failures.first().cloned().unwrap_or_default();
            if failures < TRIES_FOR_WHOLE {
                return (Ended::Failed(Failure::Unread(objects_failed, such)), found);
            }
            tracing::error!(query = of.query.id, %window, objects_failed, such, "the answer lacks objects that could not be read again and again");
        }
        if answer.cost.records_failed > 0 {
            tracing::error!(query = of.query.id, %window, records_failed = answer.cost.records_failed, "the answer lacks records that are no valid JSON");
        }
        if !answer.is_all {
            tracing::error!(query = of.query.id, %window, rows_max = self.limits.rows_max, "the answer has more rows than are taken; what is beyond becomes no finding");
        }
        let findings = match findings_of_rows(&of.query, window, &answer.batches) {
            Ok(findings) => findings,
            Err(error) => return (Ended::Failed(error.into()), found),
        };
        // Begun sends are finished also when we are to stop: it takes a moment, and saves the next runner the window.
        tokio::select! {
            biased;
            () = self.keep_lease(lease) => (Ended::Lost, found),
            sent = self.send(of, findings, &mut found) => match sent {
                Ok(()) => (Ended::Sent, found),
                Err(error) => (Ended::Failed(Failure::Send(error)), found),
            },
        }
    }

    /// Renews the lease until it is lost.
    async fn keep_lease(&self, lease: &mut Lease<'_>) {
        loop {
            self.clock.sleep(self.limits.lease / 3).await;
            match lease.hold(self.lease_end()).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    tracing::warn!(%error, "a lease was not renewed; trying again");
                    if lease.state.until_ms <= self.clock.now_ms() {
                        return;
                    }
                }
            }
        }
    }

    /// The rows of a window, or why there are none; with what it cost.
    async fn ask(&self, of: &Of, window: Window) -> Result<Rows, (QueryError, Cost)> {
        let given = of.query.bind_window(window).map_err(|error| (error, Cost::default()))?;
        let mut meter = None;
        let asking = async {
            let mut answer = self.engine.ask(&of.query.prepared, &given).await?;
            meter = Some(Arc::clone(&answer.meter));
            let (mut batches, mut left, mut is_all) = (Vec::new(), self.limits.rows_max, true);
            while let Some(batch) = answer.next().await? {
                is_all = batch.num_rows() <= left;
                let batch = batch.slice(0, batch.num_rows().min(left));
                left -= batch.num_rows();
                batches.push(batch);
                if !is_all {
                    break;
                }
            }
            Ok((batches, self.limits.rows_max - left, is_all))
        };
        let limit = self.limits.query;
        let asked = match tokio::time::timeout(limit, asking).await {
            Ok(asked) => asked,
            Err(_) => Err(QueryError::TooLong(limit.as_secs())),
        };
        let cost = meter.as_ref().map(|meter| meter.cost()).unwrap_or_default();
        let (batches, rows, is_all) = asked.map_err(|error| (error, cost))?;
        let failures = meter.map(|meter| meter.failures()).unwrap_or_default();
        Ok(Rows { batches, rows, is_all, cost, failures })
    }

    /// Done when the queue has answered for each finding.
    async fn send(
        &self,
        of: &Of,
        findings: Vec<Finding>,
        found: &mut Tallied,
    ) -> Result<(), CloudError> {
        let none = BTreeMap::new();
        let messages: Vec<Outgoing> =
            findings.into_iter().map(|finding| outgoing(finding, &none)).collect();
        if messages.is_empty() {
            return Ok(());
        }
        let mut first = Ok(());
        for sent in self.actions.send(&messages).await? {
            match sent {
                Ok(()) => found.findings += 1,
                Err(error)
                    if matches!(
                        error.kind(),
                        CloudErrorKind::Invalid | CloudErrorKind::TooLarge
                    ) =>
                {
                    // It must not keep the others from arriving, nor the window from being finished.
                    found.findings_refused += 1;
                    tracing::error!(query = of.query.id, %error, "the action queue will never take this finding");
                }
                Err(error) => first = first.and(Err(error)),
            }
        }
        first
    }
}

fn add_cost(found: &mut Tallied, cost: Cost) {
    found.objects += cost.objects;
    found.objects_skipped += cost.objects_skipped;
    found.objects_failed += cost.objects_failed;
    found.bytes_compressed += cost.bytes_compressed;
    found.bytes_raw += cost.bytes_raw;
    found.records += cost.records;
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
