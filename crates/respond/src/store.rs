//! The findings store: findings as people look at them, repeats folded into one and those that belong together in one incident.
//!
//! A row holds one finding with all that folded into it ([`Kept`]). It stands under the day on which the first of them was taken
//! up ([`Place`]), and is found from the id of any of them and from what repeats have in common. Every write is conditional and
//! every step can be repeated: a finding that is delivered again, or that two workers take up at once, makes the same rows.
//! What repeats have in common points to a row before it is written, so that a crash between the two leaves nothing that nobody finds.

mod audit;
mod incidents;
mod judged;
mod measured;
mod queue;
mod runs;

use serde::{Deserialize, Serialize};
use trailloop_cloud::{CloudError, CloudErrorKind, RowKey, Table};
use trailloop_feedback::{Entry, GAP_MS, Seen};

pub use self::audit::{audit, drawn};
pub use self::incidents::{armed, incident, incidents, risk_of, tell_incident};
pub use self::judged::{Judged, judge, of_rule, precision};
pub use self::measured::{keep_measured, measured};
pub use self::queue::{Shown, queue};
pub use self::runs::runs;
use crate::rows::{self, Kept as Row};
use crate::tables::finding_partition;

/// A write that others come before is tried so often.
const TRIES: usize = 32;

/// What goes on for longer is a finding again: lists show some days, and what still happens has to be among them.
const FOLDED_MS: i64 = 7 * 86_400_000;

/// Where a finding is kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The day on which it was taken up, such as `2026/01/31`.
    pub day: String,
    /// The id of the finding that began it.
    pub uid: String,
}

/// A finding as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// The finding, and what folded into it.
    pub entry: Entry,
    /// The incident it joined, which may have become another's part since.
    #[serde(default)]
    pub incident: Option<String>,
    /// Who did it, as filters name it: the role or user behind a session.
    #[serde(default)]
    pub entity: Option<String>,
    /// How often its like was seen before, by counts over the archive.
    #[serde(default)]
    pub seen: Vec<Seen>,
}

impl Kept {
    fn new(entry: Entry) -> Self {
        Self { entry, incident: None, entity: None, seen: Vec::new() }
    }
}

impl Place {
    fn key(&self) -> RowKey {
        RowKey::new(day_partition(&self.day), &self.uid)
    }
}

/// The partition of the findings that were taken up on a day.
fn day_partition(day: &str) -> String {
    format!("kept/{day}")
}

/// The row that says where the finding of this id is kept.
fn pointer_of(uid: &str) -> RowKey {
    RowKey::new(finding_partition(uid), "kept")
}

/// Takes up a finding, on this day if none that it repeats is open.
pub async fn take(table: &dyn Table, entry: &Entry, day: &str) -> Result<Place, CloudError> {
    let place = fold(table, entry, day).await?;
    let incident = incidents::take(table, entry, day).await?;
    update(table, &place, |kept| kept.incident = Some(incident.clone())).await?;
    // Somebody may have judged it before it came.
    judge(table, &entry.uid).await?;
    Ok(place)
}

/// Notes who did it, as filters name it.
pub async fn name(table: &dyn Table, place: &Place, entity: &str) -> Result<(), CloudError> {
    update(table, place, |kept| kept.entity = Some(entity.to_owned())).await
}

/// Notes how often its like was seen before.
pub async fn note_seen(table: &dyn Table, place: &Place, seen: &[Seen]) -> Result<(), CloudError> {
    update(table, place, |kept| kept.seen = seen.to_vec()).await
}

/// Folds a finding into the one it repeats, or keeps it as one of its own.
async fn fold(table: &dyn Table, entry: &Entry, day: &str) -> Result<Place, CloudError> {
    for _ in 0..TRIES {
        let place = match rows::load::<Place>(table, &pointer_of(&entry.uid)).await? {
            Some(known) => known.value,
            None => match open_place(table, entry, day).await? {
                Some(place) => place,
                None => continue,
            },
        };
        let key = place.key();
        let mut row = match rows::load::<Kept>(table, &key).await? {
            Some(row) => row,
            None => Row { value: Kept::new(entry.clone()), version: 0 },
        };
        let before = row.value.entry.clone();
        // A finding that enrichment tells something else of today stays where it was.
        let is_repeat = row.value.entry.fold(entry);
        let is_new = row.version == 0 || is_repeat && before != row.value.entry;
        if is_new && !rows::store(table, &key, &mut row).await? {
            continue;
        }
        rows::create(table, &pointer_of(&entry.uid), &place).await?;
        return Ok(place);
    }
    Err(busy(table, &entry.uid))
}

/// Where repeats of a finding are kept now, or are from now on; `None` if another was quicker to say.
async fn open_place(
    table: &dyn Table,
    entry: &Entry,
    day: &str,
) -> Result<Option<Place>, CloudError> {
    let key = RowKey::new(format!("fold/{}", entry.key()), "open");
    let known = rows::load::<Place>(table, &key).await?;
    if let Some(known) = &known
        && takes_more(table, &known.value, entry).await?
    {
        return Ok(Some(known.value.clone()));
    }
    let place = Place { day: day.to_owned(), uid: entry.uid.clone() };
    let version = known.map_or(0, |row| row.version);
    let mut next = Row { value: place, version };
    Ok(rows::store(table, &key, &mut next).await?.then_some(next.value))
}

/// Whether repeats still fold into a finding: it is not judged, and it was seen within a day of this one.
async fn takes_more(table: &dyn Table, place: &Place, entry: &Entry) -> Result<bool, CloudError> {
    let Some(kept) = rows::load::<Kept>(table, &place.key()).await? else { return Ok(true) };
    let there = kept.value.entry;
    let (first_ms, last_ms) =
        (entry.first_ms.min(there.first_ms), entry.last_ms.max(there.last_ms));
    let is_near = entry.first_ms.saturating_sub(there.last_ms) < GAP_MS
        && there.first_ms.saturating_sub(entry.last_ms) < GAP_MS
        && last_ms.saturating_sub(first_ms) < FOLDED_MS;
    let judged = judged::of(table, &there.rule, &place.uid).await?;
    Ok(is_near && judged.is_none_or(|judged| judged.opinions.is_empty()))
}

/// Changes what is kept of a finding.
async fn update(
    table: &dyn Table,
    place: &Place,
    change: impl Fn(&mut Kept),
) -> Result<(), CloudError> {
    let key = place.key();
    for _ in 0..TRIES {
        let Some(mut row) = rows::load::<Kept>(table, &key).await? else { return Ok(()) };
        let before = row.value.clone();
        change(&mut row.value);
        if before == row.value || rows::store(table, &key, &mut row).await? {
            return Ok(());
        }
    }
    Err(busy(table, &place.uid))
}

/// Brings up again what a filter moved down on a day.
pub async fn raise(table: &dyn Table, day: &str, filter: &str) -> Result<(), CloudError> {
    for (place, kept) in of_day(table, day).await? {
        if kept.entry.suppressed_by.as_deref() == Some(filter) {
            update(table, &place, |kept| kept.entry.suppressed_by = None).await?;
            // Its incident is one to look at from now on.
            let raised = Entry { suppressed_by: None, ..kept.entry };
            incidents::take(table, &raised, day).await?;
        }
    }
    Ok(())
}

/// Where a finding is kept, by its own id or that of one that folded into it.
pub async fn place_of(table: &dyn Table, uid: &str) -> Result<Option<Place>, CloudError> {
    Ok(rows::load::<Place>(table, &pointer_of(uid)).await?.map(|row| row.value))
}

/// What is kept of a finding.
pub async fn load(table: &dyn Table, place: &Place) -> Result<Option<Kept>, CloudError> {
    Ok(rows::load::<Kept>(table, &place.key()).await?.map(|row| row.value))
}

/// The findings that were taken up on a day.
pub async fn of_day(table: &dyn Table, day: &str) -> Result<Vec<(Place, Kept)>, CloudError> {
    let rows = rows::all::<Kept>(table, &day_partition(day)).await?;
    let place = |uid| Place { day: day.to_owned(), uid };
    Ok(rows.into_iter().map(|(uid, row)| (place(uid), row.value)).collect())
}

fn busy(table: &dyn Table, what: &str) -> CloudError {
    let said = "others wrote it at every try; it is tried again";
    CloudError::new(CloudErrorKind::Transient, "take up", format!("{} {what}", table.name()), said)
}

/// A name of any length and any characters as one that fits a row's.
fn short(text: &str) -> String {
    let mut hash = trailloop_finding::sha256(text.as_bytes());
    hash.truncate(32);
    hash
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;
    use trailloop_cloud::MemoryTable;
    use trailloop_feedback::Judgement;

    use super::*;
    use crate::voices::{self, Verdict};

    const DAY: &str = "2026/01/31";
    /// When that day began.
    const DAY_MS: i64 = 1_769_817_600_000;
    const HOUR_MS: i64 = 3_600_000;

    /// A finding of a rule about somebody, this many hours after a day began.
    fn finding(uid: &str, rule: &str, who: &str, hours: i64) -> Entry {
        let finding = json!({
            "finding_info": {
                "uid": format!("{uid:0>32}"),
                "title": "Trail stopped",
                "analytic": {"uid": rule},
                "attacks": [{"tactics": [{"uid": "TA0005", "name": "Defense Evasion"}]}],
            },
            "severity_id": 4,
            "time": DAY_MS + hours * HOUR_MS,
            "cloud": {"account": {"uid": "111122223333"}, "region": "us-east-1"},
            "evidences": [{"actor": {"user": {"uid": format!("arn:aws:iam::111122223333:user/{who}")}}}],
        });
        Entry::of(&finding).unwrap()
    }

    async fn kept(table: &dyn Table, entry: &Entry) -> (Place, Kept) {
        let place = place_of(table, &entry.uid).await.unwrap().unwrap();
        let kept = load(table, &place).await.unwrap().unwrap();
        (place, kept)
    }

    async fn say(table: &dyn Table, entry: &Entry, by: &str, judgement: Judgement, at_ms: i64) {
        let verdict = Verdict {
            finding: entry.uid.clone(),
            judgement: judgement.name().to_owned(),
            reason: "unclear".to_owned(),
            by: by.to_owned(),
            at_ms,
        };
        voices::judge(table, &verdict).await.unwrap();
        assert!(judge(table, &entry.uid).await.unwrap());
    }

    #[tokio::test]
    async fn repeats_fold_and_what_comes_again_changes_nothing() {
        let table = MemoryTable::new("state");
        let all: Vec<Entry> =
            (0..5).map(|nth| finding(&nth.to_string(), "r1", "bob", i64::from(nth))).collect();
        for entry in all.iter().chain(&all).rev() {
            take(&table, entry, DAY).await.unwrap();
        }
        let (place, one) = kept(&table, &all[0]).await;
        assert_eq!(one.entry.count(), 5);
        assert_eq!(one.entry.uid, all[0].uid, "the first by event time");
        for entry in &all {
            assert_eq!(kept(&table, entry).await.0, place);
        }
        assert_eq!(of_day(&table, DAY).await.unwrap().len(), 1);
        let found = incidents(&table, DAY).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].findings.count(), 5);
        assert_eq!(one.incident.as_ref(), Some(&found[0].id));
    }

    #[tokio::test]
    async fn what_is_judged_takes_no_more_repeats_and_neither_does_what_is_a_day_old() {
        let table = MemoryTable::new("state");
        let first = finding("1", "r1", "bob", 0);
        take(&table, &first, DAY).await.unwrap();
        say(&table, &first, "ana", Judgement::Inconclusive, 1).await;
        let second = finding("2", "r1", "bob", 1);
        take(&table, &second, DAY).await.unwrap();
        let late = finding("3", "r1", "bob", 30);
        take(&table, &late, DAY).await.unwrap();
        let places = [&first, &second, &late].map(|entry| entry.uid.clone());
        for (entry, uid) in [&first, &second, &late].into_iter().zip(places) {
            assert_eq!(kept(&table, entry).await.0.uid, uid);
        }
        assert_eq!(incidents(&table, DAY).await.unwrap().len(), 2, "30 hours are more than a day");
    }

    #[tokio::test]
    async fn two_writers_keep_what_one_would() {
        let table: Arc<dyn Table> = Arc::new(MemoryTable::new("state"));
        let all: Vec<Entry> = (0..24_i64)
            .map(|nth| finding(&nth.to_string(), &format!("r{}", nth % 3), "bob", nth))
            .collect();
        let mut writers = tokio::task::JoinSet::new();
        for turn in 0..4 {
            let (table, mut all) = (Arc::clone(&table), all.clone());
            all.rotate_left(turn * 7);
            writers.spawn(async move {
                for entry in &all {
                    take(&*table, entry, DAY).await.unwrap();
                    tokio::task::yield_now().await;
                }
            });
        }
        while let Some(done) = writers.join_next().await {
            done.unwrap();
        }
        let kept = of_day(&*table, DAY).await.unwrap();
        assert_eq!(kept.iter().map(|(_, kept)| kept.entry.count()).collect::<Vec<_>>(), [8, 8, 8]);
        let found = incidents(&*table, DAY).await.unwrap();
        assert_eq!(found.iter().map(|one| one.findings.count()).collect::<Vec<_>>(), [24]);
    }

    #[tokio::test]
    async fn verdicts_are_added_up_by_rule_and_two_authors_may_disagree() {
        let table = MemoryTable::new("state");
        let one = finding("1", "r1", "bob", 0);
        take(&table, &one, DAY).await.unwrap();
        let other = finding("2", "r1", "eve", 0);
        take(&table, &other, DAY).await.unwrap();
        say(&table, &one, "ana", Judgement::FalsePositive, DAY_MS).await;
        say(&table, &one, "ben", Judgement::TruePositive, DAY_MS + 1).await;
        // Whoever counts them again counts the same.
        assert!(judge(&table, &one.uid).await.unwrap());
        assert!(!judge(&table, &"f".repeat(32)).await.unwrap(), "nobody took that one up");

        let judged = of_rule(&table, "r1").await.unwrap();
        assert_eq!(judged.len(), 1);
        let standing = judged[0].standing().unwrap();
        assert_eq!((standing.authors, standing.disagrees), (2, true));
        assert_eq!(standing.judgement, Judgement::TruePositive, "the safer of two");

        let shown = queue(&table, &[DAY.to_owned()], DAY_MS + HOUR_MS).await.unwrap();
        let of = |entry: &Entry| shown.iter().find(|one| one.place.uid == entry.uid).unwrap();
        assert!(of(&other).priority.score > of(&one).priority.score, "its rule was right once");
        assert!(of(&one).standing.is_some() && of(&other).standing.is_none());
    }
}
