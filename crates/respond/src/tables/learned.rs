//! Incidents, and how rules did day by day, as rows.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use trailloop_cloud::{CloudError, Table};
use trailloop_feedback::daily::{COLUMNS, values};
use trailloop_feedback::metrics::{self, Changes, Observed, Window};

use super::{DAY_MS, day_ms};
use crate::store;
use crate::time::rfc3339;

/// The incidents that findings of these days joined, each once.
pub(super) async fn incidents(
    table: &dyn Table,
    days: &[String],
) -> Result<Vec<Value>, CloudError> {
    let (mut seen, mut rows) = (BTreeSet::new(), Vec::new());
    for day in days {
        for incident in store::incidents(table, day).await? {
            if !seen.insert(incident.id.clone()) {
                continue;
            }
            let listed = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(",");
            let tactics: Vec<&str> = incident.tactics.values().map(String::as_str).collect();
            let about: Vec<&str> = incident.entities().collect();
            rows.push(json!({
                "incident": incident.id,
                "title": incident.title(),
                "severity": incident.level.as_str(),
                "status": incident.status.ocsf().1,
                "findings": incident.findings.count(),
                "visible": incident.visible.count(),
                "accounts": listed(&incident.accounts),
                "regions": listed(&incident.regions),
                "tactics": tactics.join(","),
                "about": json!(about).to_string(),
                "first": rfc3339(incident.first_ms),
                "last": rfc3339(incident.last_ms),
                "day": day,
            }));
        }
    }
    Ok(rows)
}

/// How each rule and query did on each of these days, by when their findings happened: one is kept under the day on which it was taken
/// up, which is that day or a later one.
pub(super) async fn metrics(table: &dyn Table, days: &[String]) -> Result<Vec<Value>, CloudError> {
    let now_ms = days.last().and_then(|day| day_ms(day)).unwrap_or_default() + DAY_MS;
    let queue = store::queue(table, days, now_ms).await?;
    let observed: Vec<Observed<'_>> = queue
        .iter()
        .map(|shown| {
            let opinions = shown.judged.as_ref().map_or(&[][..], |judged| &judged.opinions);
            Observed::new(&shown.kept.entry, opinions)
        })
        .collect();
    let measured = store::measured(table).await?;
    let mut rows = Vec::new();
    for day in days {
        let Some(from_ms) = day_ms(day) else { continue };
        let window = Window { from_ms, to_ms: from_ms + DAY_MS };
        for mut row in metrics::rows(&observed, window, &Changes::new()) {
            row.fill(&measured);
            let members = COLUMNS.iter().zip(values(&row));
            let mut row: Map<String, Value> =
                members.map(|(column, value)| (column.name.to_owned(), value)).collect();
            row.insert("day".to_owned(), day.as_str().into());
            rows.push(Value::Object(row));
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use trailloop_cloud::MemoryTable;
    use trailloop_feedback::Entry;

    use super::*;

    #[tokio::test]
    async fn what_was_taken_up_after_midnight_counts_on_the_day_it_happened() {
        let table = MemoryTable::new("state");
        let at_ms = day_ms("2026/01/31").unwrap() - 60_000;
        let finding = json!({"time": at_ms, "severity_id": 4, "finding_info": {
            "uid": "0123456789abcdef0123456789abcdef", "title": "t", "analytic": {"uid": "r"}}});
        let entry = Entry::of(&finding).unwrap();
        store::take(&table, &entry, "2026/01/31").await.unwrap();
        let days = ["2026/01/30", "2026/01/31"].map(str::to_owned);
        let rows = metrics(&table, &days).await.unwrap();
        let found: Vec<(&Value, &Value)> =
            rows.iter().map(|row| (&row["day"], &row["findings"])).collect();
        assert_eq!(found, [(&json!("2026/01/30"), &json!(1))]);
    }
}
