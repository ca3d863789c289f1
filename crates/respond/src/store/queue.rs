//! The queue: findings of some days in the order in which they are worth looking at, each with the terms of its priority.

use std::collections::BTreeMap;

use trailloop_cloud::{CloudError, Table};
use trailloop_feedback::metrics::Observed;
use trailloop_feedback::{
    Armed, Bounds, Entry, Features, Incident, Known, Neighbours, Opinion, Priority, Ranked,
    Standing, Weights,
};

use super::{Judged, Kept, Place, incident, of_day, of_rule, precision};

/// A finding as it is shown.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Where it is kept.
    pub place: Place,
    /// What is kept.
    pub kept: Kept,
    /// What was said of it, oldest first.
    pub judged: Option<Judged>,
    /// What holds of that.
    pub standing: Option<Standing>,
    /// Its priority, with its terms.
    pub priority: Priority,
    /// That earlier steps of its incident made it likely, if they did.
    pub armed: Option<Armed>,
}

impl Shown {
    /// What its place in the queue follows from.
    pub(super) fn ranked(&self) -> Ranked {
        Ranked {
            uid: self.place.uid.clone(),
            level: self.kept.entry.level,
            score: self.priority.score,
            is_suppressed: self.kept.entry.suppressed_by.is_some(),
            event_ms: self.kept.entry.first_ms,
        }
        .armed(self.armed.as_ref())
    }
}

/// The findings of these days, the most important first. What is judged is ranked as well; who shows a queue leaves it out.
pub async fn queue(
    table: &dyn Table,
    days: &[String],
    now_ms: i64,
) -> Result<Vec<Shown>, CloudError> {
    let mut all = Vec::new();
    for day in days {
        all.extend(of_day(table, day).await?);
    }
    let mut judged = BTreeMap::new();
    for (_, kept) in &all {
        let rule = kept.entry.rule.as_str();
        if !judged.contains_key(rule) {
            judged.insert(rule.to_owned(), of_rule(table, rule).await?);
        }
    }
    let mut incidents = BTreeMap::new();
    for id in all.iter().filter_map(|(_, kept)| kept.incident.as_ref()) {
        if !incidents.contains_key(id) {
            incidents.insert(id.clone(), incident(table, id).await?);
        }
    }
    let mut shown = shown(&all, &judged, &incidents, now_ms);
    shown.sort_by(|one, other| one.ranked().order(&other.ranked()));
    Ok(shown)
}

/// What is shown of each finding, beside the others, what was said of their rules, and what earlier steps of its incident made likely.
fn shown(
    all: &[(Place, Kept)],
    judged: &BTreeMap<String, Vec<Judged>>,
    incidents: &BTreeMap<String, Option<Incident>>,
    now_ms: i64,
) -> Vec<Shown> {
    let armed_of = |kept: &Kept| {
        let incident = incidents.get(kept.incident.as_ref()?)?.as_ref()?;
        Armed::of(&kept.entry, incident, trailloop_content::follows(), Bounds::default())
    };
    let of_rule = |rule: &str| judged.get(rule).map(Vec::as_slice).unwrap_or_default();
    let said_of =
        |place: &Place, entry: &Entry| of_rule(&entry.rule).iter().find(|one| one.place == *place);
    let mut observed = Vec::new();
    for (place, Kept { entry, .. }) in all {
        let opinions: &[Opinion] = said_of(place, entry).map_or(&[], |said| &said.opinions);
        observed.push(Observed::new(entry, opinions));
    }
    let neighbours = Neighbours::of(&observed);
    let one = |(place, kept): &(Place, Kept)| {
        let entry = &kept.entry;
        // What was said of the finding itself tells nothing more of it.
        let others = of_rule(&entry.rule).iter().filter(|judged| judged.place != *place);
        let (precision, _) = precision(entry.level, others, now_ms);
        let known = Known { precision, seen: kept.seen.clone(), ..Known::nothing(entry.level) };
        let armed = armed_of(kept);
        let features = Features::beside(entry, &neighbours, known, now_ms).armed(armed.clone());
        let said = said_of(place, entry);
        Shown {
            place: place.clone(),
            kept: kept.clone(),
            judged: said.cloned(),
            standing: said.and_then(Judged::standing),
            priority: Priority::of(&features, &Weights::default()),
            armed,
        }
    };
    all.iter().map(one).collect()
}
