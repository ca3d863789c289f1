//! Where an alert goes, and how many: a table of routes, and a gate at each destination.
//!
//! An attacker can cause any number of findings, so a destination gets an alert once within a window and no more than its rate. What
//! is held back is counted, and the next message tells of it; if none follows, [`Gate::due`] says that one is owed.
//! Urgent kinds have a part of the rate to themselves, so that a flood of others can't keep them out. Time is handed in.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use trailloop_finding::{Level, sha256};

use crate::alert::{Alert, Held, Kind};

/// What an alert must be for a route to take it: all that is given has to hold, of a list one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Match {
    /// Globs of account ids, such as `1111*`.
    pub accounts: Vec<String>,
    /// An organizational unit above the account, by id or path.
    pub ou: Option<String>,
    /// A tag of the account or the resource.
    pub tag: Option<(String, String)>,
    /// Who owns the account or the resource.
    pub owner: Option<String>,
    /// The severity, at least.
    pub min_severity: Option<Level>,
    /// The kinds.
    pub events: Vec<Kind>,
}

/// A route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// What it takes.
    pub matches: Match,
    /// Names of destinations.
    pub to: Vec<String>,
}

/// All routes. An alert goes to the destinations of every route that takes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routes {
    /// The routes.
    pub routes: Vec<Route>,
    /// Where an alert goes that no route takes.
    pub fallback: Vec<String>,
}

/// What is known of the account and the resource beside what the alert says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The organizational units above the account.
    pub ous: Vec<String>,
    /// The tags of the account and the resource.
    pub tags: BTreeMap<String, String>,
    /// The owner.
    pub owner: Option<String>,
}

impl Routes {
    /// The destinations, each once, in order of their names.
    #[must_use]
    pub fn destinations(&self, alert: &Alert, surroundings: &Surroundings) -> BTreeSet<String> {
        let takes = |route: &&Route| route.matches.takes(alert, surroundings);
        let mut names: BTreeSet<String> =
            self.routes.iter().filter(takes).flat_map(|route| route.to.clone()).collect();
        if names.is_empty() {
            names.extend(self.fallback.iter().cloned());
        }
        names
    }
}

impl Match {
    fn takes(&self, alert: &Alert, surroundings: &Surroundings) -> bool {
        let account = self.accounts.is_empty()
            || self.accounts.iter().any(|glob| is_like(glob, &alert.account));
        let ou = self.ou.as_ref().is_none_or(|ou| surroundings.ous.contains(ou));
        let tag = (self.tag.as_ref())
            .is_none_or(|(key, value)| surroundings.tags.get(key) == Some(value));
        let owner = self.owner.is_none() || self.owner == surroundings.owner;
        let severity = self.min_severity.is_none_or(|least| alert.severity >= least);
        let event = self.events.is_empty() || self.events.contains(&alert.kind);
        account && ou && tag && owner && severity && event
    }
}

/// Whether a text is like a glob, in which `*` is any text and `?` any character.
fn is_like(glob: &str, text: &str) -> bool {
    let (glob, text) = (glob.as_bytes(), text.as_bytes());
    let (mut at, mut from) = (0, 0);
    // Where the last star stood, and what was taken by it so far.
    let mut star: Option<(usize, usize)> = None;
    while from < text.len() {
        if at < glob.len() && glob[at] == b'*' {
            star = Some((at, from));
            at += 1;
        } else if at < glob.len() && (glob[at] == b'?' || glob[at] == text[from]) {
            at += 1;
            from += 1;
        } else if let Some((star_at, taken)) = star {
            star = Some((star_at, taken + 1));
            at = star_at + 1;
            from = taken + 1;
        } else {
            return false;
        }
    }
    glob[at..].iter().all(|byte| *byte == b'*')
}

/// How much a destination takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Messages a minute, in the long run.
    pub per_minute: u32,
    /// Messages at once.
    pub burst: u32,
    /// How many of the burst are for urgent kinds alone.
    pub reserve: u32,
    /// How long the same alert is not sent again, in milliseconds.
    pub window_ms: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { per_minute: 10, burst: 20, reserve: 5, window_ms: 3_600_000 }
    }
}

/// What becomes of an alert at a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is sent, and tells of what was held back before it ([`Alert::held`]).
    Send(Held),
    /// The same was sent a short while ago; it is counted.
    Duplicate,
    /// The destination has had enough; it is counted.
    Limited,
}

/// How long something held back may go untold, in milliseconds.
pub const OWED_AFTER_MS: i64 = 60_000;

/// How many alerts are remembered at a destination. Beyond it the oldest are forgotten, and might be sent again.
const RECENT_MAX: usize = 4_096;

/// A token is a million of these, so that a millisecond's part of a rate is a whole number.
const TOKEN: u64 = 1_000_000;

/// The gates of all destinations. Its state is to be kept over restarts ([`Gate::to_json`]).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gate {
    destinations: BTreeMap<String, State>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    tokens: u64,
    refilled_ms: i64,
    /// When each alert was last sent, by the hash of its key.
    recent: BTreeMap<String, i64>,
    held: Held,
}

impl Gate {
    /// Decides on an alert at a destination.
    pub fn admit(
        &mut self,
        destination: &str,
        limits: Limits,
        alert: &Alert,
        now_ms: i64,
    ) -> Admission {
        let state = self.state(destination, limits, now_ms);
        let key = recent_key(alert);
        let since = |sent: i64| now_ms.saturating_sub(sent);
        state.recent.retain(|_, sent| since(*sent) < limits.window_ms);
        if state.recent.contains_key(&key) {
            state.hold(alert, now_ms);
            return Admission::Duplicate;
        }
        let reserve = if alert.kind.is_urgent() { 0 } else { u64::from(limits.reserve) * TOKEN };
        if state.tokens < reserve.saturating_add(TOKEN) {
            state.hold(alert, now_ms);
            return Admission::Limited;
        }
        state.tokens -= TOKEN;
        if state.recent.len() >= RECENT_MAX {
            let oldest = state.recent.iter().min_by_key(|(_, sent)| **sent);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                state.recent.remove(&oldest);
            }
        }
        state.recent.insert(key, now_ms);
        Admission::Send(std::mem::take(&mut state.held))
    }

    /// After a message was not delivered: it may be sent again, and what it would have told of is still owed.
    pub fn give_back(&mut self, destination: &str, alert: &Alert, held: &Held) {
        let Some(state) = self.destinations.get_mut(destination) else { return };
        state.recent.remove(&recent_key(alert));
        state.owe(held);
    }

    /// The destinations that are owed word of what was held back, and may be told now. Each is taken to be told: a failed
    /// message is given back by [`Gate::owe`].
    pub fn due(&mut self, limits_of: impl Fn(&str) -> Limits, now_ms: i64) -> Vec<(String, Held)> {
        let names: Vec<String> = self.destinations.keys().cloned().collect();
        let mut due = Vec::new();
        for name in names {
            let state = self.state(&name, limits_of(&name), now_ms);
            let waited = now_ms.saturating_sub(state.held.since_ms);
            if state.held.total() > 0 && waited >= OWED_AFTER_MS && state.tokens >= TOKEN {
                state.tokens -= TOKEN;
                due.push((name, std::mem::take(&mut state.held)));
            }
        }
        due
    }

    /// Word of this is owed again.
    pub fn owe(&mut self, destination: &str, held: &Held) {
        if let Some(state) = self.destinations.get_mut(destination) {
            state.owe(held);
        }
    }

    fn state(&mut self, destination: &str, limits: Limits, now_ms: i64) -> &mut State {
        let full = u64::from(limits.burst) * TOKEN;
        let state = self.destinations.entry(destination.to_owned()).or_insert_with(|| State {
            tokens: full,
            refilled_ms: now_ms,
            recent: BTreeMap::new(),
            held: Held::default(),
        });
        // A clock that went back gives nothing, and takes nothing.
        let passed = u64::try_from(now_ms.saturating_sub(state.refilled_ms)).unwrap_or_default();
        let gained =
            passed.saturating_mul(u64::from(limits.per_minute)).saturating_mul(TOKEN) / 60_000;
        state.tokens = state.tokens.saturating_add(gained).min(full);
        state.refilled_ms = now_ms;
        state
    }

    /// The state as JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let states = self.destinations.iter().map(|(name, state)| (name.clone(), state.to_json()));
        Value::Object(states.collect())
    }

    /// The state from JSON. What can't be read is left out: a gate that forgot sends more, not less.
    #[must_use]
    pub fn from_json(json: &Value) -> Self {
        let states = json.as_object().into_iter().flatten();
        let states =
            states.filter_map(|(name, json)| Some((name.clone(), State::from_json(json)?)));
        Self { destinations: states.collect() }
    }
}

/// Alerts of one severity, kind, run and incident are the same; keys of any length take the same room.
fn recent_key(alert: &Alert) -> String {
    let mut key = sha256(format!("{}|{}", alert.severity, alert.dedup_key()).as_bytes());
    key.truncate(32);
    key
}

impl State {
    fn hold(&mut self, alert: &Alert, now_ms: i64) {
        self.owe(&Held {
            counts: [(alert.kind, 1)].into(),
            highest: Some(alert.severity),
            since_ms: now_ms,
        });
    }

    fn owe(&mut self, held: &Held) {
        if held.total() == 0 {
            return;
        }
        self.held.since_ms = match self.held.total() {
            0 => held.since_ms,
            _ => self.held.since_ms.min(held.since_ms),
        };
        for (kind, count) in &held.counts {
            let sum = self.held.counts.entry(*kind).or_default();
            *sum = sum.saturating_add(*count);
        }
        self.held.highest = self.held.highest.max(held.highest);
    }

    fn to_json(&self) -> Value {
        let counts: Map<String, Value> = (self.held.counts.iter())
            .map(|(kind, count)| (kind.name().to_owned(), json!(count)))
            .collect();
        json!({
            "tokens": self.tokens,
            "refilled_ms": self.refilled_ms,
            "recent": self.recent,
            "held": {
                "counts": counts,
                "highest": self.held.highest.map(Level::as_str),
                "since_ms": self.held.since_ms,
            },
        })
    }

    fn from_json(json: &Value) -> Option<Self> {
        let recent = json.get("recent")?.as_object()?.iter();
        let held = json.get("held")?;
        let counts = held.get("counts")?.as_object()?.iter();
        Some(Self {
            tokens: json.get("tokens")?.as_u64()?,
            refilled_ms: json.get("refilled_ms")?.as_i64()?,
            recent: recent.filter_map(|(key, sent)| Some((key.clone(), sent.as_i64()?))).collect(),
            held: Held {
                counts: counts
                    .filter_map(|(kind, count)| Some((Kind::parse(kind)?, count.as_u64()?)))
                    .collect(),
                highest: held.get("highest")?.as_str().and_then(Level::parse),
                since_ms: held.get("since_ms")?.as_i64()?,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::alert::hostile;

    const LIMITS: Limits = Limits { per_minute: 6, burst: 5, reserve: 2, window_ms: 600_000 };

    fn alert(kind: Kind, target: u64) -> Alert {
        Alert { kind, target: target.to_string(), ..hostile::example() }
    }

    #[test]
    fn globs_are_of_stars_and_question_marks() {
        for (glob, text, expected) in [
            ("*", "", true),
            ("1111*", "111122223333", true),
            ("*3333", "111122223333", true),
            ("1*2*3", "111122223333", true),
            ("1111????3333", "111122223333", true),
            ("1111", "111122223333", false),
            ("", "1", false),
            ("*4*", "111122223333", false),
        ] {
            assert_eq!(is_like(glob, text), expected, "{glob} {text}");
        }
    }

    #[test]
    fn an_alert_goes_to_all_who_asked_for_it_and_never_to_nobody() {
        let route = |matches, to: &str| Route { matches, to: vec![to.to_owned()] };
        let routes = Routes {
            routes: vec![
                route(Match { accounts: vec!["1111*".into()], ..Match::default() }, "a"),
                route(Match { ou: Some("ou-prod".into()), ..Match::default() }, "b"),
                route(Match { tag: Some(("team".into(), "pay".into())), ..Match::default() }, "c"),
                route(Match { owner: Some("ada".into()), ..Match::default() }, "d"),
                route(
                    Match {
                        min_severity: Some(Level::Critical),
                        events: vec![Kind::Page],
                        ..Match::default()
                    },
                    "e",
                ),
            ],
            fallback: vec!["everyone".into()],
        };
        let to = |alert: &Alert, surroundings: &Surroundings| -> Vec<String> {
            routes.destinations(alert, surroundings).into_iter().collect()
        };
        let mut alert = alert(Kind::Page, 1);
        let mut around = Surroundings::default();
        assert_eq!(to(&alert, &around), ["a"]);
        around.ous = vec!["r-1".into(), "ou-prod".into()];
        around.tags.insert("team".into(), "pay".into());
        around.owner = Some("ada".into());
        alert.severity = Level::Critical;
        assert_eq!(to(&alert, &around), ["a", "b", "c", "d", "e"]);
        alert.kind = Kind::Done;
        assert_eq!(to(&alert, &around), ["a", "b", "c", "d"]);
        alert.account = "999988887777".into();
        assert_eq!(to(&alert, &Surroundings::default()), ["everyone"]);
    }

    #[test]
    fn the_same_alert_is_sent_once_in_a_window() {
        let mut gate = Gate::default();
        let one = alert(Kind::Refused, 1);
        assert_eq!(gate.admit("s", LIMITS, &one, 0), Admission::Send(Held::default()));
        assert_eq!(gate.admit("s", LIMITS, &one, 1), Admission::Duplicate);
        assert_eq!(gate.admit("s", LIMITS, &one, 599_999), Admission::Duplicate);
        // Another destination, and another kind, are not the same.
        assert_eq!(gate.admit("t", LIMITS, &one, 1), Admission::Send(Held::default()));
        let Admission::Send(held) = gate.admit("s", LIMITS, &one, 600_000) else { panic!() };
        assert_eq!((held.total(), held.since_ms), (2, 1));
    }

    #[test]
    fn of_a_flood_the_urgent_gets_through_and_the_rest_is_told_of() {
        let mut gate = Gate::default();
        let sent = (0..500)
            .filter(|n| {
                let admission = gate.admit("s", LIMITS, &alert(Kind::AwaitingApproval, *n), 0);
                matches!(admission, Admission::Send(_))
            })
            .count();
        assert_eq!(sent, 3, "the burst without its reserve");
        let page = gate.admit("s", LIMITS, &alert(Kind::Page, 0), 0);
        let Admission::Send(held) = page else { panic!("{page:?}") };
        assert_eq!(
            held.sentence(),
            "and 497 more since 1970-01-01T00:00:00Z: 497 awaiting approval; highest high"
        );
        assert_eq!(gate.due(|_| LIMITS, 100_000), [], "nothing is owed twice");
    }

    #[test]
    fn what_no_message_follows_is_told_by_itself() {
        let mut gate = Gate::default();
        let one = alert(Kind::Done, 1);
        gate.admit("s", LIMITS, &one, 0);
        gate.admit("s", LIMITS, &one, 1_000);
        assert_eq!(gate.due(|_| LIMITS, 1_000 + OWED_AFTER_MS - 1), []);
        let due = gate.due(|_| LIMITS, 1_000 + OWED_AFTER_MS);
        assert_eq!(due.len(), 1);
        gate.owe("s", &due[0].1);
        assert_eq!(gate.due(|_| LIMITS, 1_000 + OWED_AFTER_MS), due);
    }

    #[test]
    fn what_was_not_delivered_is_sent_again() {
        let mut gate = Gate::default();
        let one = alert(Kind::Done, 1);
        gate.admit("s", LIMITS, &one, 0);
        gate.admit("s", LIMITS, &one, 0);
        let two = alert(Kind::Done, 2);
        let Admission::Send(held) = gate.admit("s", LIMITS, &two, 0) else { panic!() };
        gate.give_back("s", &two, &held);
        assert_eq!(gate.admit("s", LIMITS, &two, 1), Admission::Send(held));
    }

    proptest! {
        #[test]
        fn every_alert_is_sent_or_told_of(steps in proptest::collection::vec((0u64..20, 0usize..8, -1_000i64..30_000), 1..200)) {
            let mut gate = Gate::default();
            let (mut now, mut sent, mut told) = (0i64, 0u64, 0u64);
            let count = steps.len() as u64;
            for (target, kind, step) in steps {
                now += step;
                if let Admission::Send(held) = gate.admit("s", LIMITS, &alert(Kind::ALL[kind], target), now) {
                    sent += 1;
                    told += held.total();
                }
                let again = Gate::from_json(&gate.to_json());
                prop_assert_eq!(&again, &gate);
                gate = again;
            }
            for (_, held) in gate.due(|_| LIMITS, now + 10_000_000) {
                told += held.total();
            }
            prop_assert_eq!(sent + told, count);
        }
    }
}
