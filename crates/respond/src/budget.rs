//! How many acts an hour: by runbook in an account, and in all.
//!
//! What is beyond a budget is not dropped: it waits for somebody to agree, and somebody is paged.

use trailloop_cloud::{CloudError, CloudErrorKind, RowKey, Table};

use crate::rows::{self, Kept};

const HOUR_MS: i64 = 3_600_000;

/// So often a row is tried that others write too.
const TRIES: usize = 50;

/// Takes one from the budget of this name, unless `most` were taken within the hour before `now_ms`. The same taker takes once,
/// however often it asks.
pub async fn take(
    table: &dyn Table,
    name: &str,
    taker: &str,
    most: u32,
    now_ms: i64,
) -> Result<bool, CloudError> {
    let key = RowKey::new("budget", name);
    for _ in 0..TRIES {
        let mut row: Kept<Vec<(i64, String)>> =
            rows::load(table, &key).await?.unwrap_or(Kept { value: Vec::new(), version: 0 });
        row.value.retain(|(taken_ms, _)| now_ms - taken_ms < HOUR_MS);
        if row.value.iter().any(|(_, who)| who == taker) {
            return Ok(true);
        }
        if row.value.len() >= most as usize {
            return Ok(false);
        }
        row.value.push((now_ms, taker.to_owned()));
        if rows::store(table, &key, &mut row).await? {
            return Ok(true);
        }
    }
    Err(CloudError::new(
        CloudErrorKind::Transient,
        "take",
        name,
        "too many take from this budget at once",
    ))
}
