//! While an incident arms what is likely next, the questions of that are asked about whom it is about: each minute for an hour, and then
//! every ten, until a day after its last step. Whoever was told of its last finding hears of new answers.
//!
//! It is the incident that is asked on and not a finding, so what comes in between, quieted or of no consequence, ends nothing.

use serde::{Deserialize, Serialize};
use trailloop_cloud::RowKey;
use trailloop_feedback::{Bounds, DUE_MS, Incident, Plan};

use crate::ask::Queries;
use crate::responder::{Halt, Responder};
use crate::rows::{self, Kept};
use crate::{holds, store};

/// The partition of the incidents that are asked on, by their ids.
const ASK_ARMED: &str = "ask-armed";

/// So long after an incident's last step it is asked each minute.
const FRESH_MS: i64 = 3_600_000;

/// Whoever asks holds the incident for so long.
const HOLD_MS: i64 = 60_000;

/// So often a row is tried that others write too.
const TRIES: usize = 8;

/// An incident that is asked on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Asking {
    /// Its last finding that has a run: whoever was told of that is told.
    finding: String,
    due_ms: i64,
}

impl Responder {
    /// From now on the incident of a finding that has runs is asked on.
    pub(crate) async fn ask_on(&self, finding: &str) -> Result<(), Halt> {
        if self.queries.is_none() {
            return Ok(());
        }
        let Some(place) = store::place_of(&*self.table, finding).await? else { return Ok(()) };
        let Some(kept) = store::load(&*self.table, &place).await? else { return Ok(()) };
        let Some(incident) = kept.incident else { return Ok(()) };
        let key = RowKey::new(ASK_ARMED, incident);
        for _ in 0..TRIES {
            let due_ms = self.clock.now_ms() + DUE_MS;
            let new = Asking { finding: finding.to_owned(), due_ms };
            let there = rows::load::<Asking>(&*self.table, &key).await?;
            let mut row = there.unwrap_or_else(|| Kept { value: new.clone(), version: 0 });
            let is_known = row.version > 0 && row.value.finding == new.finding;
            row.value.finding = new.finding;
            if is_known || rows::store(&*self.table, &key, &mut row).await? {
                return Ok(());
            }
        }
        // Others wrote theirs, so it is asked on.
        Ok(())
    }

    /// Asks on about the incidents that are due.
    pub(crate) async fn ask_armed(&self) -> Result<(), Halt> {
        let Some(queries) = &self.queries else { return Ok(()) };
        for (id, row) in rows::all::<Asking>(&*self.table, ASK_ARMED).await? {
            let now_ms = self.clock.now_ms();
            if row.value.due_ms > now_ms {
                continue;
            }
            let name = format!("armed/{id}");
            let times = (now_ms, now_ms + HOLD_MS);
            if holds::take(&*self.table, &name, &self.worker, times).await? != self.worker {
                continue;
            }
            if let Err(error) = Box::pin(self.ask_about(queries, &id, row)).await {
                tracing::warn!(incident = id, %error, "it is asked on later");
            }
            holds::give_back(&*self.table, &name, &self.worker).await?;
        }
        Ok(())
    }

    async fn ask_about(
        &self,
        queries: &Queries,
        id: &str,
        mut row: Kept<Asking>,
    ) -> Result<(), Halt> {
        let key = RowKey::new(ASK_ARMED, id);
        let incident = store::incident(&*self.table, id).await?;
        if let Some(other) = incident.as_ref().filter(|incident| incident.id != id) {
            return self.ask_on_as(&other.id, &key, row).await;
        }
        let planned = incident.and_then(|incident| Some((self.plan(&incident)?, incident.last_ms)));
        let Some((plan, last_ms)) = planned else {
            self.table.delete(&key, row.version).await?;
            return Ok(());
        };
        self.ask_of(queries, &row.value.finding, &plan.queries).await?;
        let now_ms = self.clock.now_ms();
        let is_fresh = now_ms - last_ms < FRESH_MS;
        row.value.due_ms = now_ms + if is_fresh { DUE_MS } else { 10 * DUE_MS };
        // Another finding of it may have come meanwhile: then it is asked about that.
        rows::store(&*self.table, &key, &mut row).await?;
        Ok(())
    }

    /// An incident that became part of another is asked on as that: at the next look, for it is due. Where that one is asked on
    /// already, whoever was told of its last finding is told.
    async fn ask_on_as(&self, other: &str, key: &RowKey, row: Kept<Asking>) -> Result<(), Halt> {
        rows::create(&*self.table, &RowKey::new(ASK_ARMED, other), &row.value).await?;
        self.table.delete(key, row.version).await?;
        Ok(())
    }

    /// What an incident arms now, if anything.
    fn plan(&self, incident: &Incident) -> Option<Plan> {
        let now_ms = self.clock.now_ms();
        let (follows, bounds) = (trailloop_content::follows(), Bounds::default());
        Plan::of(incident, follows, |rule| self.queries_of(rule), now_ms, bounds)
            .filter(|plan| now_ms < plan.until_ms)
    }

    /// The queries that a finding of a rule would ask: the rule's own, and those of the runbooks that name it.
    fn queries_of(&self, rule: &str) -> Vec<String> {
        let rules = self.archive.engine.rules.now();
        let all = rules.rules.rules().iter();
        let own = all.filter(|one| one.analytic.uid == rule).flat_map(|one| one.queries.clone());
        let runbooks =
            self.runbooks.iter().filter(|one| one.trigger.rules.iter().any(|named| named == rule));
        own.chain(runbooks.flat_map(|one| &one.enrich).map(|one| one.query.clone())).collect()
    }
}
