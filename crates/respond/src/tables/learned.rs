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

/// How each rule and query did on each of these days.
pub(super) async fn metrics(table: &dyn Table, days: &[String]) -> Result<Vec<Value>, CloudError> {
    let mut rows = Vec::new();
    for day in days {
        let Some(from_ms) = day_ms(day) else { continue };
        let window = Window { from_ms, to_ms: from_ms + DAY_MS };
        let queue = store::queue(table, std::slice::from_ref(day), window.to_ms).await?;
        let observed: Vec<Observed<'_>> = queue
            .iter()
            .map(|shown| {
                let opinions = shown.judged.as_ref().map_or(&[][..], |judged| &judged.opinions);
                Observed::new(&shown.kept.entry, opinions)
            })
            .collect();
        for row in metrics::rows(&observed, window, &Changes::new()) {
            let members = COLUMNS.iter().zip(values(&row));
            let mut row: Map<String, Value> =
                members.map(|(column, value)| (column.name.to_owned(), value)).collect();
            row.insert("day".to_owned(), day.as_str().into());
            rows.push(Value::Object(row));
        }
    }
    Ok(rows)
}
