//! Findings and incidents as they are kept, as JSON: what lists print a line each, and what the API answers.

use jiff::Timestamp;
use serde_json::{Value, json};
use trailloop_cloud::{Clock, CloudError, Table};
use trailloop_feedback::{Incident, Judgement};
use trailloop_finding::Level;
use trailloop_respond::store::{self, Judged, Shown};
use trailloop_respond::{day_of, rfc3339};

/// Which findings are asked for.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Filter {
    /// Of this rule or query.
    pub(crate) rule: Option<String>,
    /// About this account.
    pub(crate) account: Option<String>,
    /// Of this level or above, by its name.
    pub(crate) level: Option<String>,
    /// Judged so, by the verdict's name.
    pub(crate) verdict: Option<String>,
    /// Also those that were judged.
    pub(crate) all: bool,
    /// Of so many days.
    pub(crate) days: Option<u32>,
    /// At most so many.
    pub(crate) limit: Option<usize>,
}

/// So many days are read where nothing is said, and at most.
pub(crate) const DAYS: u32 = 30;
/// See [`DAYS`].
pub(crate) const DAYS_MAX: u32 = 400;

/// So many findings are listed where nothing is said, and at most in one answer of the API.
pub(crate) const LIMIT: usize = 50;
/// See [`LIMIT`].
pub(crate) const LIMIT_MAX: usize = 1000;

impl Filter {
    /// What is wrong with it, if anything is.
    pub(crate) fn problem(&self) -> Option<String> {
        let one_of = |names: &[&str]| format!("must be one of {}", names.join(", "));
        let levels = Level::ALL.map(Level::as_str);
        let verdicts = Judgement::ALL.map(Judgement::name);
        match self {
            Self { level: Some(level), .. } if !levels.contains(&level.as_str()) => {
                Some(format!("level {}", one_of(&levels)))
            }
            Self { verdict: Some(verdict), .. } if !verdicts.contains(&verdict.as_str()) => {
                Some(format!("verdict {}", one_of(&verdicts)))
            }
            Self { days: Some(days), .. } if !(1..=DAYS_MAX).contains(days) => {
                Some(format!("days must be from 1 to {DAYS_MAX}"))
            }
            Self { limit: Some(limit), .. } if !(1..=LIMIT_MAX).contains(limit) => {
                Some(format!("limit must be from 1 to {LIMIT_MAX}"))
            }
            _ => None,
        }
    }

    fn takes(&self, shown: &Shown) -> bool {
        let entry = &shown.kept.entry;
        let level = self.level.as_deref().and_then(Level::parse);
        let verdict = self.verdict.as_deref().and_then(Judgement::parse);
        let judged = shown.standing.as_ref().map(|standing| standing.judgement);
        self.rule.as_deref().is_none_or(|rule| entry.rule == rule)
            && self.account.as_deref().is_none_or(|id| entry.account.as_deref() == Some(id))
            && level.is_none_or(|level| entry.level >= level)
            && verdict.map_or(self.all || judged.is_none(), |verdict| judged == Some(verdict))
    }
}

/// The days from today back, so many.
pub(crate) fn days(clock: &Clock, count: u32) -> Vec<String> {
    const DAY_MS: i64 = 86_400_000;
    (0..i64::from(count)).map(|back| day_of(clock.now_ms() - back * DAY_MS)).collect()
}

/// The findings that are asked for, the most important first.
pub(crate) async fn findings(
    table: &dyn Table,
    clock: &Clock,
    filter: &Filter,
) -> Result<Vec<Shown>, CloudError> {
    let days = days(clock, filter.days.unwrap_or(DAYS));
    let mut queue = store::queue(table, &days, clock.now_ms()).await?;
    queue.retain(|shown| filter.takes(shown));
    queue.truncate(filter.limit.unwrap_or(LIMIT));
    Ok(queue)
}

/// One finding, by its id or that of one that folded into it. Its priority is worked out beside the others of its last days, as in
/// the list.
pub(crate) async fn finding(
    table: &dyn Table,
    clock: &Clock,
    id: &str,
) -> Result<Option<Shown>, CloudError> {
    let Some(place) = store::place_of(table, id).await? else { return Ok(None) };
    let mut days = days(clock, DAYS);
    if !days.contains(&place.day) {
        days.push(place.day.clone());
    }
    let queue = store::queue(table, &days, clock.now_ms()).await?;
    Ok(queue.into_iter().find(|shown| shown.place == place))
}

/// Incidents that something in is visible of, the gravest first.
pub(crate) async fn incidents(
    table: &dyn Table,
    clock: &Clock,
    (day_count, limit): (u32, usize),
) -> Result<Vec<Incident>, CloudError> {
    let mut found: Vec<Incident> = Vec::new();
    for day in days(clock, day_count) {
        for incident in store::incidents(table, &day).await? {
            if incident.is_visible() && found.iter().all(|there| there.id != incident.id) {
                found.push(incident);
            }
        }
    }
    found.sort_by(|one, other| {
        other
            .level
            .cmp(&one.level)
            .then(other.last_ms.cmp(&one.last_ms))
            .then(one.id.cmp(&other.id))
    });
    found.truncate(limit);
    Ok(found)
}

/// A finding, as a line of a list.
pub(crate) fn of_finding(shown: &Shown) -> Value {
    let entry = &shown.kept.entry;
    json!({
        "uid": shown.place.uid,
        "priority": shown.priority.score,
        "level": entry.level.as_str(),
        "title": entry.title,
        "rule": entry.rule,
        "made_by": entry.made.name(),
        "account": entry.account,
        "region": entry.region,
        "principal": entry.principal,
        "target": entry.target,
        "address": entry.address,
        "event": entry.event_name,
        "count": entry.count(),
        "first": time(entry.first_ms),
        "last": time(entry.last_ms),
        "incident": shown.kept.incident,
        "suppressed_by": entry.suppressed_by,
        "verdict": shown.standing.as_ref().map(|standing| standing.judgement.name()),
        "disagreement": shown.standing.as_ref().is_some_and(|standing| standing.disagrees),
    })
}

/// A finding with all that is kept of it.
pub(crate) fn of_finding_whole(shown: &Shown) -> Value {
    let mut whole = of_finding(shown);
    let opinions = shown.judged.as_ref().map(opinions).unwrap_or_default();
    whole["folded"] = shown.kept.entry.folded.iter().collect();
    whole["rule_hash"] = json!(shown.kept.entry.rule_hash);
    whole["rule_set"] = json!(shown.kept.entry.rule_set);
    whole["opinions"] = opinions.into();
    whole["terms"] = json!(shown.priority.terms);
    whole
}

fn opinions(judged: &Judged) -> Vec<Value> {
    let one = |said: &trailloop_feedback::Opinion| {
        json!({
            "verdict": said.judgement.name(),
            "reason": said.reason.name(),
            "by": said.by,
            "at": time(said.at_ms),
        })
    };
    judged.opinions.iter().map(one).collect()
}

/// An incident, as a line of a list.
pub(crate) fn of_incident(incident: &Incident) -> Value {
    json!({
        "id": incident.id,
        "level": incident.level.as_str(),
        "title": incident.title(),
        "findings": incident.findings.count(),
        "visible": incident.visible.count(),
        "accounts": incident.accounts,
        "regions": incident.regions,
        "tactics": incident.tactics.values().collect::<Vec<_>>(),
        "about": incident.entities().collect::<Vec<_>>(),
        "first": time(incident.first_ms),
        "last": time(incident.last_ms),
    })
}

/// A time of the log as text.
pub(crate) fn time(ms: i64) -> String {
    match Timestamp::from_millisecond(ms) {
        Ok(_) => rfc3339(ms),
        Err(_) => ms.to_string(),
    }
}
