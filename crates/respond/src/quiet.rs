//! Findings that a merged filter moves down, and filters that a tripwire voids.
//!
//! The stream marks a finding that a filter describes and sends it as any other. Here it is kept, counted and joined to incidents,
//! and nothing is done about it, unless its filter is void. Tripwires look at every finding that is borne out: a change of the
//! identity that a filter speaks of, where a rule finds such changes; a new network, region or kind of agent, more of them than the
//! backtest saw, an attack on the same identity, or much risk that it has gathered. Voiding is a row of the state table, so it holds for all executors from the next finding on, and what the filter
//! moved down in the last seven days comes up again. Only a newly sealed filter takes the place of a void one.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use trailloop_cloud::RowKey;
use trailloop_feedback::{Entry, Judgement};
use trailloop_finding::Level;
use trailloop_rules::{Filter, RuleSet};
use trailloop_tuning::{Tripwires, Voided, entity_of, evidence::Label};

use crate::alert::route::Surroundings;
use crate::alert::{Alert, Kind};
use crate::context::Case;
use crate::receivers::DEFAULT;
use crate::responder::{Halt, Responder};
use crate::rows;
use crate::store;
use crate::tables::{DAY_MS, day_of};

/// The partition of void filters, by their hashes.
const VOIDED: &str = "voided";

/// What a void filter moved down comes up again for so many days back.
const REOPENED_DAYS: i64 = 7;

/// A void filter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Void {
    title: String,
    tripwire: String,
    why: String,
    at_ms: i64,
    /// Whether what it moved down has come up again, and people were told.
    is_raised: bool,
}

impl Responder {
    /// Shows a finding to the tripwires, and says whether a filter that holds moves it down. What a void one says of it is taken back.
    pub(crate) async fn is_quieted(&self, case: &mut Case) -> Result<bool, Halt> {
        let in_force = self.archive.engine.rules.now();
        let rules = &in_force.rules;
        // Of a record too long for a finding only the place is known, and tripwires have to see what a filter saw.
        let is_whole = case.confirmed.record.get("eventName").is_some();
        if rules.quieting().is_empty() || !is_whole {
            raise(&mut case.confirmed.finding);
            return Ok(false);
        }
        let mut wires = self.tripwires(rules).await?;
        let record = case.confirmed.record.to_string().into_bytes();
        let mut voided = wires.record(&record);
        let rule = rules.rules().iter().find(|rule| rule.analytic.uid == case.text("rule"));
        if let Some(rule) = rule {
            voided.extend(wires.finding(rule, &record));
        }
        let filter = filter_of(&case.confirmed.finding, rules);
        if let Some(filter) = filter.filter(|filter| wires.holds(filter)) {
            voided.extend(self.count(&mut wires, filter, case).await?);
            let minds_risk = filter.tripwires().iter().any(|one| one == "entity_risk_gt_60");
            if minds_risk && let Ok(entry) = Entry::of(&case.confirmed.finding) {
                let risk = store::risk_of(&*self.table, &entry, self.clock.now_ms()).await?;
                voided.extend(wires.risk(&entity_of(&record), risk));
            }
        }
        self.void(&voided).await?;
        let is_quieted = filter.is_some_and(|filter| wires.holds(filter));
        if !is_quieted {
            raise(&mut case.confirmed.finding);
        }
        Ok(is_quieted)
    }

    /// Shows a verdict to the tripwires.
    pub(crate) async fn show_verdict(
        &self,
        finding: &str,
        judgement: Judgement,
    ) -> Result<(), Halt> {
        let in_force = self.archive.engine.rules.now();
        if !judgement.is_attack() || in_force.rules.quieting().is_empty() {
            return Ok(());
        }
        let Some(place) = store::place_of(&*self.table, finding).await? else { return Ok(()) };
        let Some(kept) = store::load(&*self.table, &place).await? else { return Ok(()) };
        let entry = kept.entry;
        let lineage: Vec<&str> =
            entry.lineage().into_iter().chain(entry.principal.as_deref()).collect();
        let mut wires = self.tripwires(&in_force.rules).await?;
        let entity = kept.entity.as_deref().or(entry.lineage()).unwrap_or_default();
        let voided = wires.judged(Label::True, entity, &lineage);
        self.void(&voided).await
    }

    async fn tripwires(&self, rules: &RuleSet) -> Result<Tripwires, Halt> {
        let voided = rows::all::<Void>(&*self.table, VOIDED).await?;
        let hashes = voided.into_iter().map(|(hash, _)| hash);
        Ok(Tripwires::restored(rules.quieting(), hashes))
    }

    /// Counts a finding that a filter moves down among those of the day of its event.
    async fn count(
        &self,
        wires: &mut Tripwires,
        filter: &Filter,
        case: &Case,
    ) -> Result<Vec<Voided>, Halt> {
        let Some(day) = case.text("time").get(..10).and_then(|day| day.parse().ok()) else {
            return Ok(Vec::new());
        };
        let partition = format!("quieted/{}/{day}", filter.hash());
        let key = RowKey::new(&partition, case.text("uid"));
        // However often it comes it is one; and it is looked at each time, in case that was all that was done.
        rows::create(&*self.table, &key, &()).await?;
        let counted = rows::all::<()>(&*self.table, &partition).await?.len();
        Ok((0..counted).flat_map(|_| wires.quieted(filter, day)).collect())
    }

    /// Writes down that filters are void, and then brings up again what they moved down.
    async fn void(&self, voided: &[Voided]) -> Result<(), Halt> {
        for one in voided {
            let row = Void {
                title: one.title.clone(),
                tripwire: one.tripwire.to_owned(),
                why: one.why.clone(),
                at_ms: self.clock.now_ms(),
                is_raised: false,
            };
            rows::create(&*self.table, &RowKey::new(VOIDED, &one.filter), &row).await?;
        }
        match voided {
            [] => Ok(()),
            _ => self.finish_voiding().await,
        }
    }

    /// Brings up again what void filters moved down, and tells people, of those of which it is not done.
    pub(crate) async fn finish_voiding(&self) -> Result<(), Halt> {
        for (hash, mut row) in rows::all::<Void>(&*self.table, VOIDED).await? {
            if row.value.is_raised {
                continue;
            }
            let Void { title, tripwire, why, .. } = &row.value;
            tracing::warn!(
                filter = title,
                tripwire,
                why,
                "a filter is void: what it moved down comes up again"
            );
            for back in 0..REOPENED_DAYS {
                let day = day_of(self.clock.now_ms() - back * DAY_MS);
                store::raise(&*self.table, &day, title).await?;
            }
            let mut alert = Alert::new(Kind::Page, Level::Medium, self.time(), "A filter is void");
            alert.rule = "trailloop.filter_voided".to_owned();
            alert.target.clone_from(title);
            alert.reasons = vec![why.clone()];
            self.send(DEFAULT, &alert, &Surroundings::default(), &format!("void/{hash}")).await?;
            row.value.is_raised = true;
            // Another who did the same at once has written the same.
            rows::store(&*self.table, &RowKey::new(VOIDED, &hash), &mut row).await?;
        }
        Ok(())
    }

    /// Brings up what was moved down by a filter of this hash and title, if it became void while that was kept.
    pub(crate) async fn raise_if_void(
        &self,
        (hash, title): (&str, &str),
        day: &str,
    ) -> Result<(), Halt> {
        if self.table.get(&RowKey::new(VOIDED, hash)).await?.is_some() {
            store::raise(&*self.table, day, title).await?;
        }
        Ok(())
    }
}

/// The filter that the stream says moves a finding down, if it is one of those in force here.
fn filter_of<'r>(finding: &Value, rules: &'r RuleSet) -> Option<&'r Filter> {
    let hash = hash_of(finding)?;
    rules.quieting().iter().find(|filter| filter.hash() == hash)
}

/// The hash of the filter that a finding says moves it down.
pub(crate) fn hash_of(finding: &Value) -> Option<&str> {
    finding.pointer("/unmapped/trailloop/suppressed_by_hash")?.as_str()
}

/// Takes back what a filter said of a finding.
fn raise(finding: &mut Value) {
    let ours = finding.pointer_mut("/unmapped/trailloop").and_then(Value::as_object_mut);
    if ours.is_none_or(|ours| {
        ours.remove("suppressed_by_hash");
        ours.remove("suppressed_by").is_none()
    }) {
        return;
    }
    finding["status_id"] = json!(1);
    finding["status"] = json!("New");
    finding["is_alert"] = json!(true);
}
