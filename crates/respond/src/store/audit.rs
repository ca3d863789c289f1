//! The audit sample: findings that nobody would come to, drawn to be judged all the same.
//!
//! People judge what is on top, so what they say of it tells little of the rest. A draw is kept, with its probability, before anybody
//! judges: whether a finding was drawn or chosen can't be said afterwards.

use serde::{Deserialize, Serialize};
use trailloop_cloud::{CloudError, RowKey, Table};
use trailloop_feedback::safety::{self, Drawn};

use super::{Shown, place_of, pointer_of, queue};
use crate::rows;

/// The row of what draws follow from; whoever knew it could choose what is drawn.
fn seed_key() -> RowKey {
    RowKey::new("audit", "seed")
}

fn day_partition(day: &str) -> String {
    format!("audit/{day}")
}

/// That a finding was drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Draw {
    day: String,
    probability: f64,
}

/// The sample of a day, drawn the first time it is asked for, when people judge `capacity` findings a day. `seed` is taken if there is
/// none yet: a text that nobody can guess.
pub async fn audit(
    table: &dyn Table,
    (days, now_ms): (&[String], i64),
    capacity: usize,
    seed: &str,
) -> Result<Vec<Shown>, CloudError> {
    let day = days.first().map(String::as_str).unwrap_or_default();
    let waiting: Vec<Shown> = queue(table, days, now_ms)
        .await?
        .into_iter()
        .filter(|shown| shown.standing.is_none())
        .collect();
    if rows::all::<Drawn>(table, &day_partition(day)).await?.is_empty() {
        rows::create(table, &seed_key(), &seed).await?;
        let kept = rows::load::<String>(table, &seed_key()).await?;
        let seed = kept.map_or_else(|| seed.to_owned(), |row| row.value);
        let ranked: Vec<_> = waiting.iter().map(Shown::ranked).collect();
        for drawn in safety::audit(&ranked, capacity, day, &seed) {
            let draw = Draw { day: day.to_owned(), probability: drawn.probability };
            rows::create(table, &draw_of(&drawn.uid), &draw).await?;
            rows::create(table, &RowKey::new(day_partition(day), &drawn.uid), &drawn).await?;
        }
    }
    let drawn = rows::all::<Drawn>(table, &day_partition(day)).await?;
    let is_drawn = |shown: &Shown| drawn.iter().any(|(uid, _)| *uid == shown.place.uid);
    Ok(waiting.into_iter().filter(is_drawn).collect())
}

fn draw_of(uid: &str) -> RowKey {
    RowKey::new(pointer_of(uid).partition, "drawn")
}

/// With which probability a finding was drawn, if it was.
pub async fn drawn(table: &dyn Table, uid: &str) -> Result<Option<f64>, CloudError> {
    let Some(place) = place_of(table, uid).await? else { return Ok(None) };
    let draw = rows::load::<Draw>(table, &draw_of(&place.uid)).await?;
    Ok(draw.map(|row| row.value.probability))
}
