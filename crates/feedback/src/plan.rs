//! What an open incident arms: for its credentials and targets and for a day, the rules and queries of the steps that are likely next.
//!
//! A plan makes more visible and never less: an armed rule's finding ranks higher ([`crate::Features::armed`]) and has its turn sooner,
//! and its queries are asked about whom the incident is about. It follows from the incident and the table alone, so who is restarted
//! makes it again, and it ends by event time.

use serde::{Deserialize, Serialize};

use crate::entry::Entry;
use crate::follow::{Armed, Bounds, Follows, Step};
use crate::incident::Incident;
use crate::judgement::Judgement;

/// So many queries of one plan are asked: those of the likeliest rules.
pub const QUERIES_MAX: usize = 8;

/// How often they are asked: each minute.
pub const DUE_MS: i64 = 60 * 1000;

/// What an incident arms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The incident's id.
    pub incident: String,
    /// When the last of it ends.
    pub until_ms: i64,
    /// The rules and queries whose findings are likely next, the likeliest first.
    pub rules: Vec<Armed>,
    /// The kept queries that are asked.
    pub queries: Vec<String>,
}

impl Plan {
    /// What an incident arms at this time. `queries_of` names the kept queries that a rule asks, in its hints or by its runbooks; of a
    /// query that finds something by itself, that one.
    ///
    /// None if it arms nothing: it is closed, or no attack, or hidden, or a day old, or nothing is known to follow.
    #[must_use]
    pub fn of<Q>(
        incident: &Incident,
        follows: &Follows,
        queries_of: impl Fn(&str) -> Q,
        now_ms: i64,
        bounds: Bounds,
    ) -> Option<Self>
    where
        Q: IntoIterator<Item = String>,
    {
        if !arms(incident) {
            return None;
        }
        let rules = follows.armed(&Step::of(incident), now_ms, bounds);
        let until_ms = rules.iter().map(Armed::until_ms).max()?;
        let mut queries = Vec::new();
        for query in rules.iter().flat_map(|one| queries_of(&one.rule)) {
            if queries.len() < QUERIES_MAX && !queries.contains(&query) {
                queries.push(query);
            }
        }
        Some(Self { incident: incident.id.clone(), until_ms, rules, queries })
    }
}

impl Armed {
    /// Why a kept finding of an incident is one that its earlier steps armed, if it is. This needs no plan to have been kept, and
    /// says the same whenever it is asked.
    #[must_use]
    pub fn of(
        entry: &Entry,
        incident: &Incident,
        follows: &Follows,
        bounds: Bounds,
    ) -> Option<Self> {
        if !arms(incident) {
            return None;
        }
        follows.was_armed(&entry.rule, entry.first_ms, &Step::of(incident), bounds)
    }
}

/// Whether an incident arms anything: somebody can see it, and nobody has said that it was none. Whoever judged all that was found of
/// an attack has not said that it is over.
fn arms(incident: &Incident) -> bool {
    let is_attack = incident.judgement == Some(Judgement::TruePositive);
    let is_none = matches!(
        incident.judgement,
        Some(Judgement::BenignPositive | Judgement::FalsePositive | Judgement::Duplicate)
    );
    incident.is_visible() && (incident.status.is_open() || is_attack) && !is_none
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::Status;
    use crate::metrics::tests::{HOUR, entry};

    fn learnt() -> Follows {
        let mut follows = Follows::default();
        for rule in ["user", "key", "share"] {
            follows.know(rule, ["TA0003"]);
        }
        for _ in 0..3 {
            let step = |hour: i64, rule: &str| Step { at_ms: hour * HOUR, rule: rule.to_owned() };
            follows.learn(&[step(0, "user"), step(1, "key"), step(2, "share")]);
        }
        follows
    }

    fn plan(incident: &Incident, hour: i64) -> Option<Plan> {
        let queries_of = |rule: &str| vec![format!("of-{rule}"), "q01".to_owned()];
        Plan::of(incident, &learnt(), queries_of, hour * HOUR, Bounds::default())
    }

    #[test]
    fn an_open_incident_arms_what_follows_for_its_entities_and_a_day() {
        let incident = Incident::begin(&entry(1, "user", "ana", 10));
        let plan = plan(&incident, 11).unwrap();
        let rules: Vec<&str> = plan.rules.iter().map(|one| one.rule.as_str()).collect();
        assert_eq!(rules, ["key", "share"]);
        assert_eq!(plan.queries, ["of-key", "q01", "of-share"]);
        assert_eq!(plan.until_ms, 34 * HOUR);
    }

    #[test]
    fn what_is_closed_or_none_or_hidden_or_old_arms_nothing() {
        let open = Incident::begin(&entry(1, "user", "ana", 10));
        assert!(plan(&open, 11).is_some() && plan(&open, 34).is_none());
        let (mut closed, mut benign, mut attack) = (open.clone(), open.clone(), open);
        closed.status = Status::Closed;
        benign.judgement = Some(Judgement::BenignPositive);
        attack.judgement = Some(Judgement::TruePositive);
        let mut quiet = entry(1, "user", "ana", 10);
        quiet.suppressed_by = Some("filter".to_owned());
        let hidden = Incident::begin(&quiet);
        for incident in [closed, benign, hidden] {
            assert_eq!(plan(&incident, 11), None);
            let next = entry(2, "key", "ana", 12);
            assert_eq!(Armed::of(&next, &incident, &learnt(), Bounds::default()), None);
        }
        assert!(plan(&attack, 11).is_some());
    }

    #[test]
    fn a_kept_finding_was_armed_by_the_steps_before_it() {
        let next = entry(2, "key", "ana", 12);
        let first = Incident::begin(&entry(1, "user", "ana", 10));
        let both = Incident::take(&next, std::slice::from_ref(&first)).incident;
        for incident in [first, both] {
            let armed = Armed::of(&next, &incident, &learnt(), Bounds::default()).unwrap();
            assert_eq!((armed.since_ms, armed.because.followed), (10 * HOUR, 3));
        }
    }
}
