//! Who holds what: a target belongs to one live run, and a run to one worker.

use serde::{Deserialize, Serialize};
use trailloop_cloud::{CloudError, RowKey, Table};

use crate::rows::{self, Kept};

/// A hold: by whom, and until when it is valid without a word from the holder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Hold {
    holder: String,
    until_ms: i64,
}

/// Takes a hold, or keeps it, until `until_ms`; gives who holds it now, which may be another.
pub async fn take(
    table: &dyn Table,
    what: &str,
    holder: &str,
    (now_ms, until_ms): (i64, i64),
) -> Result<String, CloudError> {
    let key = RowKey::new("hold", what);
    let ours = Hold { holder: holder.to_owned(), until_ms };
    loop {
        let Some(mut row) = rows::load::<Hold>(table, &key).await? else {
            if rows::create(table, &key, &ours).await? {
                return Ok(ours.holder);
            }
            continue;
        };
        if row.value.holder != holder && row.value.until_ms > now_ms {
            return Ok(row.value.holder);
        }
        row.value = ours.clone();
        if rows::store(table, &key, &mut row).await? {
            return Ok(ours.holder);
        }
    }
}

/// Gives a hold back, if it is ours.
pub async fn give_back(table: &dyn Table, what: &str, holder: &str) -> Result<(), CloudError> {
    let key = RowKey::new("hold", what);
    if let Some(Kept { value, version }) = rows::load::<Hold>(table, &key).await?
        && value.holder == holder
    {
        // Whoever changed it in between has taken it over.
        table.delete(&key, version).await?;
    }
    Ok(())
}
