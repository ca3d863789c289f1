//! Incidents: findings of one credential's root or one target, across accounts and regions, with less than a day between, are one.
//!
//! Two findings are near if they share an entity and less than a day lies between; an incident is what is connected so. It is kept as
//! what decides nearness, for each entity the spans of time in which it was seen, so a finding that comes late joins, and joins two
//! incidents to one, exactly as if it had come in time: the order of arrival does not matter.
//!
//! A name that one finding was about and another was by is one entity, since whoever makes a user is likely to become it. Findings
//! that a filter moved down are evidence like all, and tie incidents together; alone they open none ([`Incident::is_visible`]).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use trailloop_finding::{Level, sha256};

use crate::entry::{Entry, Made};
use crate::judgement::Judgement;
use crate::level_name;
use crate::uids::Uids;

/// What happens so long after is another incident: a day.
pub const GAP_MS: i64 = 24 * 60 * 60 * 1000;

/// How many findings an incident names: those of the highest levels, the first of each.
pub const MEMBERS_MAX: usize = 100;

/// How many entities an incident is known by. What comes after is counted and named, but nothing joins by it.
pub const ENTITIES_MAX: usize = 512;

/// How many bytes their names may have together, so that an incident fits into a row of any table: DynamoDB's holds 400 KB, and an
/// attacker chooses names of a thousand bytes.
const ENTITIES_BYTES_MAX: usize = 128 << 10;

/// How many spans of an entity are kept, the last ones; between two of them lies a day.
const SPANS_MAX: usize = 64;

/// How many accounts and regions are named.
const PLACES_MAX: usize = 100;

/// How far an incident is dealt with, in the order in which one of two holds when they become one.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Somebody works on it.
    InProgress,
    /// Nobody has looked at it.
    #[default]
    New,
    /// It waits for others.
    OnHold,
    /// It is solved.
    Resolved,
    /// Nothing remains to be done.
    Closed,
}

impl Status {
    /// The `status_id` and its caption, of <https://schema.ocsf.io/1.5.0/classes/incident_finding>.
    #[must_use]
    pub fn ocsf(self) -> (u8, &'static str) {
        match self {
            Self::New => (1, "New"),
            Self::InProgress => (2, "In Progress"),
            Self::OnHold => (3, "On Hold"),
            Self::Resolved => (4, "Resolved"),
            Self::Closed => (5, "Closed"),
        }
    }

    /// Whether findings still join.
    #[must_use]
    pub fn is_open(self) -> bool {
        !matches!(self, Self::Resolved | Self::Closed)
    }
}

/// A finding of an incident, as far as it is named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its id.
    pub uid: String,
    /// What made it.
    #[serde(default)]
    pub made: Made,
    /// The id of the rule or query.
    pub rule: String,
    /// The rule's title.
    #[serde(default)]
    pub title: String,
    /// Its level.
    #[serde(with = "level_name")]
    pub level: Level,
    /// When it happened.
    pub event_ms: i64,
    /// A filter moved it down.
    #[serde(default)]
    pub is_suppressed: bool,
}

impl Member {
    fn of(entry: &Entry) -> Self {
        Self {
            uid: entry.uid.clone(),
            made: entry.made,
            rule: entry.rule.clone(),
            title: entry.title.clone(),
            level: entry.level,
            event_ms: entry.first_ms,
            is_suppressed: entry.suppressed_by.is_some(),
        }
    }

    /// The order in which they are named.
    fn rank(&self) -> impl Ord + '_ {
        let texts = (&self.uid, &self.rule, &self.title);
        (Reverse(self.level), self.event_ms, texts, self.is_suppressed, self.made)
    }
}

/// An incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Its id, a hash of the id of its first finding.
    pub id: String,
    /// When its first finding happened.
    pub first_ms: i64,
    /// When its last one did.
    pub last_ms: i64,
    /// The id of the first finding.
    first_uid: String,
    /// The greatest level of what no filter moved down.
    #[serde(with = "level_name")]
    pub level: Level,
    /// How far it is dealt with.
    #[serde(default)]
    pub status: Status,
    /// What it was judged to be.
    #[serde(default)]
    pub judgement: Option<Judgement>,
    /// All findings.
    #[serde(default)]
    pub findings: Uids,
    /// Those that no filter moved down.
    #[serde(default)]
    pub visible: Uids,
    /// Those that are named.
    #[serde(default)]
    pub members: Vec<Member>,
    /// The tactics: ATT&CK's id and name.
    #[serde(default)]
    pub tactics: BTreeMap<String, String>,
    /// The accounts it concerns.
    #[serde(default)]
    pub accounts: BTreeSet<String>,
    /// The regions.
    #[serde(default)]
    pub regions: BTreeSet<String>,
    /// The spans of time in which each entity was seen: roots of credentials, and targets.
    entities: BTreeMap<String, Vec<(i64, i64)>>,
}

/// An incident that has taken up a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// It, with the finding.
    pub incident: Incident,
    /// The ids under which it, or a part of it, was known before and is no more.
    pub gone: Vec<String>,
}

/// The entities by which a finding joins: look for the open incidents that are known by any of them.
pub fn entities_of(entry: &Entry) -> impl Iterator<Item = &str> {
    let who = entry.lineage();
    let target = entry.target.as_deref().filter(|target| Some(*target) != who);
    who.into_iter().chain(target)
}

impl Incident {
    /// An incident of one finding.
    #[must_use]
    pub fn begin(entry: &Entry) -> Self {
        let spans = match entry.last_ms.saturating_sub(entry.first_ms) < GAP_MS {
            true => vec![(entry.first_ms, entry.last_ms)],
            // What folded may have happened at any time between, so nothing is said of it.
            false => vec![(entry.first_ms, entry.first_ms), (entry.last_ms, entry.last_ms)],
        };
        let is_visible = entry.suppressed_by.is_none();
        Self {
            id: id_of(&entry.uid),
            first_ms: entry.first_ms,
            last_ms: entry.last_ms,
            first_uid: entry.uid.clone(),
            level: if is_visible { entry.level } else { Level::Informational },
            status: Status::default(),
            judgement: None,
            findings: entry.folded.clone(),
            visible: if is_visible { entry.folded.clone() } else { Uids::default() },
            members: vec![Member::of(entry)],
            tactics: entry.tactics.clone(),
            accounts: entry.account.iter().cloned().collect(),
            regions: entry.region.iter().cloned().collect(),
            entities: entities_of(entry).map(|one| (one.to_owned(), spans.clone())).collect(),
        }
    }

    /// Takes up a finding: it joins those of `open` it is near to, and makes them one; near to none it begins one.
    ///
    /// `open` are the open incidents that share an entity with it, or more; those it is not near to are left as they are.
    #[must_use]
    pub fn take(entry: &Entry, open: &[Self]) -> Taken {
        let mut incident = Self::begin(entry);
        let mut before = BTreeSet::new();
        let near = || open.iter().filter(|other| other.is_near(entry));
        for other in near() {
            before.insert(other.id.clone());
            incident.unite(other);
        }
        // A finding of its own is new to a person; one that comes again, or was moved down, changes nothing that they have settled.
        let is_news = entry.suppressed_by.is_none()
            && near().all(|other| !other.visible.contains(&entry.uid));
        if let (false, Some(status)) = (is_news, near().map(|other| other.status).min()) {
            incident.status = status;
        }
        if is_news && incident.judgement != Some(Judgement::TruePositive) {
            // What was said was said of what there was.
            incident.judgement = None;
        }
        before.remove(&incident.id);
        Taken { incident, gone: before.into_iter().collect() }
    }

    /// Takes over what was said of its findings. An attack among them makes it one; it is solved or closed once something was said of
    /// all of them, and a finding that joins later opens it again.
    pub fn judge(&mut self, said: impl Fn(&Member) -> Option<Judgement>) {
        let visible = self.members.iter().filter(|member| !member.is_suppressed);
        // What can't be told is as good as not said.
        let said: Vec<Option<Judgement>> = visible
            .map(|member| said(member).filter(|one| *one != Judgement::Inconclusive))
            .collect();
        // Of what is no longer named nobody knows, and an attack may be among it.
        let is_full = self.members.len() >= MEMBERS_MAX;
        let is_all = !said.contains(&None) && !is_full;
        let known = self.judgement.filter(|one| is_full && *one == Judgement::TruePositive);
        let gravest = said.iter().flatten().chain(&known).min().copied();
        let is_attack = gravest == Some(Judgement::TruePositive);
        self.judgement = gravest.filter(|_| is_attack || is_all);
        self.status = match gravest {
            None => return,
            Some(_) if !is_all => Status::InProgress,
            Some(Judgement::TruePositive) => Status::Resolved,
            Some(_) => Status::Closed,
        };
    }

    /// Whether a finding belongs to it.
    #[must_use]
    pub fn is_near(&self, entry: &Entry) -> bool {
        let is_near = |spans: &Vec<(i64, i64)>, at: i64| {
            let near = |(first, last): &(i64, i64)| {
                first.saturating_sub(at) < GAP_MS && at.saturating_sub(*last) < GAP_MS
            };
            spans.iter().any(near)
        };
        // The same finding again, which may have no entity.
        id_of(&entry.uid) == self.id
            || entities_of(entry)
                .filter_map(|entity| self.entities.get(entity))
                .any(|spans| is_near(spans, entry.first_ms) || is_near(spans, entry.last_ms))
    }

    /// Whether it is one by itself: something in it no filter moved down.
    #[must_use]
    pub fn is_visible(&self) -> bool {
        self.visible.count() > 0
    }

    /// The entities it is known by.
    pub fn entities(&self) -> impl Iterator<Item = &str> {
        self.entities.keys().map(String::as_str)
    }

    /// Whether it has more entities than it is known by, so that not all that belongs to it need join.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.entities.len() >= ENTITIES_MAX || self.entity_bytes() >= ENTITIES_BYTES_MAX
    }

    fn entity_bytes(&self) -> usize {
        self.entities.keys().map(|entity| written_bytes(entity)).sum()
    }

    fn unite(&mut self, other: &Self) {
        if (other.first_ms, &other.first_uid) < (self.first_ms, &self.first_uid) {
            self.first_ms = other.first_ms;
            self.first_uid.clone_from(&other.first_uid);
            self.id.clone_from(&other.id);
        }
        self.last_ms = self.last_ms.max(other.last_ms);
        self.level = self.level.max(other.level);
        self.status = self.status.min(other.status);
        self.judgement = match (self.judgement, other.judgement) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        self.findings.unite(&other.findings);
        self.visible.unite(&other.visible);
        self.members.extend(other.members.iter().cloned());
        self.members.sort_by(|one, other| one.rank().cmp(&other.rank()));
        let mut known = BTreeSet::new();
        self.members.retain(|member| known.insert(member.uid.clone()));
        self.members.truncate(MEMBERS_MAX);
        for (uid, name) in &other.tactics {
            let kept = self.tactics.entry(uid.clone()).or_insert_with(|| name.clone());
            if name < kept {
                kept.clone_from(name);
            }
        }
        for (places, others) in
            [(&mut self.accounts, &other.accounts), (&mut self.regions, &other.regions)]
        {
            places.extend(others.iter().cloned());
            while places.len() > PLACES_MAX {
                places.pop_last();
            }
        }
        let mut bytes = self.entity_bytes();
        for (entity, spans) in &other.entities {
            if let Some(known) = self.entities.get_mut(entity) {
                known.extend(spans);
                join(known);
            } else if self.entities.len() < ENTITIES_MAX && bytes < ENTITIES_BYTES_MAX {
                bytes += written_bytes(entity);
                self.entities.insert(entity.clone(), spans.clone());
            }
        }
    }
}

/// How many bytes a text takes as JSON: an attacker chooses names that take six times their length.
fn written_bytes(text: &str) -> usize {
    let written = |byte: u8| match byte {
        b'"' | b'\\' => 2,
        0..0x20 => 6,
        _ => 1,
    };
    text.bytes().map(written).sum()
}

/// Joins spans between which less than a day lies.
fn join(spans: &mut Vec<(i64, i64)>) {
    spans.sort_unstable();
    spans.dedup_by(|later, earlier| {
        let is_near = later.0.saturating_sub(earlier.1) < GAP_MS;
        if is_near {
            earlier.1 = earlier.1.max(later.1);
        }
        is_near
    });
    let more = spans.len().saturating_sub(SPANS_MAX);
    spans.drain(..more);
}

fn id_of(uid: &str) -> String {
    let mut id = sha256(["incident", "\0", uid].concat().as_bytes());
    id.truncate(32);
    id
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(number: u32, who: Option<&str>, target: Option<&str>, hour: i64) -> Entry {
        let mut finding = serde_json::json!({
            "finding_info": {"uid": format!("f{number}"), "title": "T", "analytic": {"uid": "r"},
                "attacks": [{"tactic": {"uid": "TA0005", "name": "Stealth"}}]},
            "severity_id": number % 5 + 1, "time": hour * 3_600_000,
            "cloud": {"account": {"uid": format!("11112222333{}", number % 10)}},
        });
        if let Some(who) = who {
            finding["evidences"] = serde_json::json!([{"actor": {"user": {"uid": who}}}]);
        }
        if let Some(target) = target {
            finding["resources"] = serde_json::json!([{"uid": target}]);
        }
        Entry::of(&finding).unwrap()
    }

    /// A store of incidents that findings come to in this order.
    fn after<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> BTreeMap<String, Incident> {
        let mut store = BTreeMap::<String, Incident>::new();
        for entry in entries {
            let open: Vec<Incident> = store.values().cloned().collect();
            let Taken { incident, gone } = Incident::take(entry, &open);
            for id in gone {
                assert!(store.remove(&id).is_some());
            }
            store.insert(incident.id.clone(), incident);
        }
        store
    }

    #[test]
    fn one_lineage_and_one_target_are_one_incident() {
        let stolen = entry(1, Some("ana"), Some("user/backdoor"), 0);
        let became = entry(2, Some("user/backdoor"), Some("bucket"), 20);
        let target = entry(3, Some("ben"), Some("bucket"), 43);
        let later = entry(4, Some("ben"), None, 67);
        let store = after([&stolen, &became, &target, &later]);
        assert_eq!(store.len(), 2, "23 h belong together, 24 h do not");
        let first = &store[&id_of("f1")];
        assert_eq!(first.findings.count(), 3);
        assert_eq!(first.accounts.len(), 3);
        assert_eq!((first.first_ms, first.last_ms), (0, 43 * 3_600_000));
    }

    #[test]
    fn who_comes_late_makes_two_one() {
        let (left, right) = (entry(2, Some("ana"), None, 30), entry(3, None, Some("b"), 31));
        let mut store = after([&left, &right]);
        assert_eq!(store.len(), 2);
        let bridge = entry(1, Some("ana"), Some("b"), 10);
        let open: Vec<Incident> = store.values().cloned().collect();
        let Taken { incident, gone } = Incident::take(&bridge, &open);
        assert_eq!(incident.id, id_of("f1"), "the first one gives the name");
        assert_eq!(gone.len(), 2);
        store.clear();
        // Again: nothing changes.
        let again = Incident::take(&bridge, std::slice::from_ref(&incident));
        assert_eq!(again, Taken { incident, gone: Vec::new() });
    }

    #[test]
    fn what_is_suppressed_is_evidence_and_opens_nothing() {
        let mut quiet = entry(4, Some("ana"), None, 0);
        quiet.suppressed_by = Some("filter".to_owned());
        let alone = Incident::begin(&quiet);
        assert!(!alone.is_visible());
        assert_eq!(alone.level, Level::Informational);
        let loud = entry(1, Some("ana"), None, 1);
        let Taken { incident, .. } = Incident::take(&loud, &[alone]);
        assert!(incident.is_visible());
        assert_eq!((incident.level, incident.findings.count()), (Level::Low, 2));
        assert_eq!(incident.visible.count(), 1);
    }

    #[test]
    fn what_is_said_of_its_findings_is_said_of_it() {
        use Judgement::{BenignPositive, FalsePositive, TruePositive};
        let (one, two) = (entry(1, Some("ana"), None, 0), entry(2, Some("ana"), None, 1));
        let incident = Incident::begin(&one);
        let mut both = Incident::take(&two, &[incident]).incident;
        let mut judged = |said: &[(&str, Judgement)]| {
            both.judge(|member| Some(said.iter().find(|(uid, _)| *uid == member.uid)?.1));
            (both.status, both.judgement)
        };
        assert_eq!(judged(&[]), (Status::New, None));
        assert_eq!(judged(&[("f1", FalsePositive)]), (Status::InProgress, None));
        let attack = Some(TruePositive);
        assert_eq!(judged(&[("f1", TruePositive)]), (Status::InProgress, attack));
        let all = [("f1", TruePositive), ("f2", FalsePositive)];
        assert_eq!(judged(&all), (Status::Resolved, attack));
        let harmless = [("f1", BenignPositive), ("f2", FalsePositive)];
        assert_eq!(judged(&harmless), (Status::Closed, Some(BenignPositive)));

        let again = Incident::take(&two, std::slice::from_ref(&both)).incident;
        assert_eq!((again.status, again.judgement), (both.status, both.judgement));
        let news = Incident::take(&entry(3, Some("ana"), None, 2), &[both]).incident;
        assert_eq!((news.status, news.judgement), (Status::New, None), "of that nobody has spoken");
    }

    #[test]
    fn an_incident_fits_into_a_row_whatever_it_is_about() {
        let mut incident = Incident::begin(&entry(0, Some("ana"), None, 0));
        for number in 1..700 {
            let target = format!("{number}{}", ["x", "\u{1}"][number as usize % 2].repeat(3_000));
            let next = entry(number, Some("ana"), Some(&target), 1);
            incident = Incident::take(&next, std::slice::from_ref(&incident)).incident;
        }
        assert!(incident.is_full() && incident.findings.count() > 400);
        let bytes = serde_json::to_string(&incident).unwrap().len();
        assert!(bytes < 200_000, "{bytes}");
    }

    #[test]
    fn what_is_closed_is_opened_by_news_alone() {
        let first = entry(1, Some("ana"), None, 0);
        let mut closed = Incident::begin(&first);
        closed.status = Status::Closed;
        let status =
            |entry: &Entry| Incident::take(entry, std::slice::from_ref(&closed)).incident.status;
        assert_eq!(status(&first), Status::Closed, "it comes again");
        let mut quiet = entry(2, Some("ana"), None, 1);
        assert_eq!(status(&quiet), Status::New);
        quiet.suppressed_by = Some("filter".to_owned());
        assert_eq!(status(&quiet), Status::Closed);
    }

    fn entries() -> impl Strategy<Value = Vec<Entry>> {
        let name = || prop::option::of(prop::sample::select(vec!["a", "b", "c", "d", "e"]));
        let one = (name(), name(), 0..200_i64, any::<bool>());
        prop::collection::vec(one, 0..14).prop_map(|ones| {
            let mut entries = Vec::new();
            for (number, (who, target, hour, is_suppressed)) in (0..).zip(ones) {
                let mut entry = entry(number, who, target, hour);
                entry.suppressed_by = is_suppressed.then(|| "filter".to_owned());
                entries.push(entry);
            }
            entries
        })
    }

    /// What is connected, found the slow way.
    fn connected(entries: &[Entry]) -> BTreeSet<BTreeSet<String>> {
        let is_near = |one: &Entry, other: &Entry| {
            let share = entities_of(one).any(|entity| entities_of(other).any(|two| two == entity));
            share && (one.first_ms - other.first_ms).abs() < GAP_MS
        };
        let mut groups: Vec<Vec<&Entry>> = Vec::new();
        for entry in entries {
            let touches = |group: &Vec<&Entry>| group.iter().any(|one| is_near(one, entry));
            let (near, mut far): (Vec<_>, Vec<_>) = groups.into_iter().partition(touches);
            far.push(near.into_iter().flatten().chain([entry]).collect());
            groups = far;
        }
        let uids = |group: Vec<&Entry>| group.iter().map(|entry| entry.uid.clone()).collect();
        groups.into_iter().map(uids).collect()
    }

    proptest! {
        #[test]
        fn the_order_of_arrival_does_not_matter(
            (entries, shuffled) in entries().prop_flat_map(|entries| {
                let twice: Vec<Entry> = entries.iter().chain(&entries).cloned().collect();
                (Just(entries), Just(twice).prop_shuffle())
            }),
        ) {
            let store = after(&entries);
            prop_assert_eq!(&after(&shuffled), &store);
            let parts: BTreeSet<BTreeSet<String>> = store
                .values()
                .map(|incident| incident.findings.iter().map(str::to_owned).collect())
                .collect();
            prop_assert_eq!(parts, connected(&entries));
        }

        #[test]
        fn what_is_kept_reads_back(entries in entries()) {
            for incident in after(&entries).into_values() {
                let kept = serde_json::to_string(&incident).unwrap();
                prop_assert_eq!(serde_json::from_str::<Incident>(&kept).unwrap(), incident);
            }
        }

        #[test]
        fn no_time_is_refused(first: i64, last: i64, other: i64) {
            let mut one = entry(1, Some("a"), None, 0);
            (one.first_ms, one.last_ms) = (first, last);
            let mut two = entry(2, Some("a"), None, 0);
            (two.first_ms, two.last_ms) = (other, other);
            let taken = Incident::take(&two, &[Incident::begin(&one)]);
            prop_assert!(taken.incident.findings.count() >= 1);
        }
    }
}
