//! What was measured of rules over an archive, kept beside what people say of them.

use trailloop_cloud::{CloudError, RowKey, Table};
use trailloop_feedback::metrics::Measured;

use super::{TRIES, busy};
use crate::rows::{self, Kept as Row};

/// All rules in one row: a thousand are two hundred kilobytes.
fn key() -> RowKey {
    RowKey::new("measured", "rules")
}

/// What was measured last of each rule.
pub async fn measured(table: &dyn Table) -> Result<Measured, CloudError> {
    let row = rows::load::<Measured>(table, &key()).await?;
    Ok(row.map(|row| row.value).unwrap_or_default())
}

/// Keeps what was measured, in the place of what was before.
pub async fn keep_measured(table: &dyn Table, new: &Measured) -> Result<(), CloudError> {
    for _ in 0..TRIES {
        let there = rows::load::<Measured>(table, &key()).await?;
        let version = there.map_or(0, |row| row.version);
        let mut row = Row { value: new, version };
        if rows::store(table, &key(), &mut row).await? {
            return Ok(());
        }
    }
    Err(busy(table, "what was measured of rules"))
}
