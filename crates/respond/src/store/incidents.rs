//! Incidents in the state table: each is found from what it is about, and one that became part of another says so.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use trailloop_cloud::{CloudError, RowKey, Table};
use trailloop_feedback::{
    Armed, Bounds, Contribution, Criticality, Entry, Incident, Judgement, Member, entities_of,
    risk, score_of,
};

use super::{TRIES, busy, judged, load, place_of, short};
use crate::rows::{self, Kept as Row};

/// An entity is followed into so many incidents: those that end a day before the next begins are many only over months.
const FOLLOWED_MAX: usize = 16;

/// So many times an incident became part of another at most.
const MOVES_MAX: usize = 64;

/// What stands in an incident's row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Is(Box<Incident>),
    /// It is part of this one.
    PartOf(String),
}

fn key(id: &str) -> RowKey {
    RowKey::new(format!("incident/{id}"), "incident")
}

/// The row of the ids of incidents that an entity is in.
fn entity_key(entity: &str) -> RowKey {
    RowKey::new(format!("entity/{}", short(entity)), "incidents")
}

fn day_partition(day: &str) -> String {
    format!("incidents/{day}")
}

/// Takes up a finding: joins the incidents it is near to, or begins one. Gives the incident's id.
pub(super) async fn take(
    table: &dyn Table,
    entry: &Entry,
    day: &str,
) -> Result<String, CloudError> {
    'again: for _ in 0..TRIES {
        let known = known_by(table, entry).await?;
        let open: Vec<Incident> = known.iter().map(|row| row.value.clone()).collect();
        let taken = Incident::take(entry, &open);
        let incident = taken.incident;
        let id = incident.id.clone();
        let version = match known.iter().find(|row| row.value.id == id) {
            Some(row) => row.version,
            // Only one that became part of another, which this finding is no longer near to.
            None => rows::load::<State>(table, &key(&id)).await?.map_or(0, |row| row.version),
        };
        let entities: Vec<String> = incident.entities().map(str::to_owned).collect();
        let mut row = Row { value: State::Is(Box::new(incident)), version };
        if !rows::store(table, &key(&id), &mut row).await? {
            continue;
        }
        for gone in &taken.gone {
            // As it was read: what joined it since would be lost.
            let as_read = known.iter().find(|row| row.value.id == *gone);
            let version = as_read.map_or(0, |row| row.version);
            let mut row = Row { value: State::PartOf(id.clone()), version };
            if !rows::store(table, &key(gone), &mut row).await? {
                continue 'again;
            }
        }
        // An entity that was there before leads here already, unless its incident became part of this one.
        let is_own = |entity: &&String| entities_of(entry).any(|own| own == entity.as_str());
        for entity in entities.iter().filter(|one| !taken.gone.is_empty() || is_own(one)) {
            if !follow(table, entity, &id, &taken.gone).await? {
                continue 'again;
            }
        }
        rows::create(table, &RowKey::new(day_partition(day), &id), &id).await?;
        return Ok(id);
    }
    Err(busy(table, &entry.uid))
}

/// The incidents that an entity of the finding is in.
async fn known_by(table: &dyn Table, entry: &Entry) -> Result<Vec<Row<Incident>>, CloudError> {
    let mut found: Vec<Row<Incident>> = Vec::new();
    for entity in entities_of(entry) {
        let ids = rows::load::<Vec<String>>(table, &entity_key(entity)).await?;
        for id in ids.map(|row| row.value).unwrap_or_default() {
            let incident = resolve(table, &id).await?;
            found.extend(incident.filter(|one| found.iter().all(|f| f.value.id != one.value.id)));
        }
    }
    // The one it began itself, if whoever wrote that came no further.
    let own = resolve(table, &Incident::begin(entry).id).await?;
    found.extend(own.filter(|one| found.iter().all(|f| f.value.id != one.value.id)));
    Ok(found)
}

/// Notes that an entity is in an incident; `false` if another was quicker.
async fn follow(
    table: &dyn Table,
    entity: &str,
    id: &str,
    gone: &[String],
) -> Result<bool, CloudError> {
    let key = entity_key(entity);
    let known = rows::load::<Vec<String>>(table, &key).await?;
    let mut row = known.unwrap_or(Row { value: Vec::new(), version: 0 });
    let before = row.value.clone();
    row.value.retain(|one| !gone.contains(one));
    if !row.value.iter().any(|one| one == id) {
        row.value.push(id.to_owned());
    }
    // The oldest go first; a finding that late begins an incident of its own.
    let beyond = row.value.len().saturating_sub(FOLLOWED_MAX);
    row.value.drain(..beyond);
    Ok(before == row.value || rows::store(table, &key, &mut row).await?)
}

/// The incident of this id, or the one that it is part of.
async fn resolve(table: &dyn Table, id: &str) -> Result<Option<Row<Incident>>, CloudError> {
    let mut id = id.to_owned();
    for _ in 0..MOVES_MAX {
        match rows::load::<State>(table, &key(&id)).await? {
            None => return Ok(None),
            Some(Row { value: State::Is(incident), version }) => {
                return Ok(Some(Row { value: *incident, version }));
            }
            Some(Row { value: State::PartOf(other), .. }) => id = other,
        }
    }
    Ok(None)
}

/// Whether earlier steps of an incident that shares an entity with a finding make it likely. The finding need not be kept.
pub async fn armed(table: &dyn Table, entry: &Entry) -> Result<bool, CloudError> {
    let known = known_by(table, entry).await?;
    let armed = |incident: &Incident| {
        let follows = trailloop_content::follows();
        incident.is_near(entry) && Armed::of(entry, incident, follows, Bounds::default()).is_some()
    };
    Ok(known.iter().any(|row| armed(&row.value)))
}

/// The risk that whoever a finding is about has gathered by the other findings of its incidents, from 0 to 100.
pub async fn risk_of(table: &dyn Table, entry: &Entry, now_ms: i64) -> Result<f64, CloudError> {
    let mut gathered = Vec::new();
    for row in known_by(table, entry).await?.iter().filter(|row| row.value.is_near(entry)) {
        let others = row.value.members.iter().filter(|one| !entry.folded.contains(&one.uid));
        for member in others {
            gathered.push(Contribution {
                rule: member.rule.clone(),
                score: score_of(member.level),
                at_ms: member.event_ms,
                judgement: said_of(table, member).await?,
                is_suppressed: member.is_suppressed,
            });
        }
    }
    Ok(risk(&gathered, Criticality::Normal, now_ms))
}

/// Takes over in an incident what was said of its findings. What fails is told: the next verdict takes it over as well.
pub async fn tell_incident(table: &dyn Table, finding: &str) {
    if let Err(error) = tell(table, finding).await {
        tracing::warn!(finding, %error, "its incident does not know of its verdict for now");
    }
}

async fn tell(table: &dyn Table, finding: &str) -> Result<(), CloudError> {
    let Some(place) = place_of(table, finding).await? else { return Ok(()) };
    let Some(id) = load(table, &place).await?.and_then(|kept| kept.incident) else { return Ok(()) };
    // Of each finding once, so that others who write the incident meanwhile can't make this long.
    let mut said = BTreeMap::new();
    for _ in 0..TRIES {
        let Some(mut row) = resolve(table, &id).await? else { return Ok(()) };
        for member in &row.value.members {
            if !said.contains_key(&member.uid) {
                said.insert(member.uid.clone(), said_of(table, member).await?);
            }
        }
        let before = row.value.clone();
        row.value.judge(|member| said.get(&member.uid).copied().flatten());
        let (is_same, key) = (row.value == before, key(&row.value.id));
        let mut row = Row { value: State::Is(Box::new(row.value)), version: row.version };
        if is_same || rows::store(table, &key, &mut row).await? {
            return Ok(());
        }
    }
    Err(busy(table, &id))
}

async fn said_of(table: &dyn Table, member: &Member) -> Result<Option<Judgement>, CloudError> {
    let Some(place) = place_of(table, &member.uid).await? else { return Ok(None) };
    let judged = judged::of(table, &member.rule, &place.uid).await?;
    Ok(judged.and_then(|one| one.standing()).map(|standing| standing.judgement))
}

/// The incident of this id, or the one that it is part of.
pub async fn incident(table: &dyn Table, id: &str) -> Result<Option<Incident>, CloudError> {
    Ok(resolve(table, id).await?.map(|row| row.value))
}

/// The incidents that findings of a day joined.
pub async fn incidents(table: &dyn Table, day: &str) -> Result<Vec<Incident>, CloudError> {
    let mut found: Vec<Incident> = Vec::new();
    for (id, _) in rows::all::<String>(table, &day_partition(day)).await? {
        let incident = incident(table, &id).await?;
        found.extend(incident.filter(|one| found.iter().all(|there| there.id != one.id)));
    }
    Ok(found)
}
