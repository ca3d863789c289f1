//! What is kept here, as tables for SQL: findings, runs, verdicts, and what is learned of them (`learned.rs`).
//!
//! A finding that is taken up is listed under its day; its runs and verdicts are found from it. So a query about some days reads the rows
//! of those days.

mod learned;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures::future::try_join_all;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};
use trailloop_cloud::{Clock, CloudError, CloudErrorKind, RowKey, Table};
use trailloop_query::{INCIDENTS, METRICS_DAILY, OWN_TABLES, OwnRows, OwnShape, RUNS, VERDICTS};

use crate::context::Case;
use crate::rows::{self, Kept};
use crate::run::{OPEN, Run};
use crate::time::rfc3339;
use crate::verdicts::runs_of;
use crate::voices;

/// Without a condition on `day`, rows of so many days are read.
const DAYS: i64 = 30;

/// With one, no more than these: each day is a read of its own.
const DAYS_MAX: i64 = 400;

pub(crate) const DAY_MS: i64 = 86_400_000;

/// The partition of the findings that were taken up on a day.
fn day_partition(day: &str) -> String {
    format!("taken-up/{day}")
}

/// The partition of what is kept of one finding, beside the list of its runs.
pub(crate) fn finding_partition(finding: &str) -> String {
    format!("about/{finding}")
}

/// The first millisecond of a day, written as [`day_of`] writes it.
fn day_ms(day: &str) -> Option<i64> {
    let date: Date = day.replace('/', "-").parse().ok()?;
    Some(TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok()?.as_millisecond())
}

/// `2026/01/31`.
#[must_use]
pub fn day_of(ms: i64) -> String {
    rfc3339(ms).get(..10).unwrap_or_default().replace('-', "/")
}

/// Lists a finding under the day on which it was first taken up, and gives the day.
pub(crate) async fn take_up(
    table: &dyn Table,
    case: &Case,
    now_ms: i64,
) -> Result<String, CloudError> {
    let finding = case.text("uid");
    let key = RowKey::new(finding_partition(finding), "taken-up");
    let mut row = row_of(case, now_ms);
    if !rows::create(table, &key, &row).await? {
        // A row of state is never deleted; without it, the finding is listed today.
        if let Some(there) = rows::load::<Value>(table, &key).await? {
            row = there.value;
        }
    }
    let day = row.get("day").and_then(Value::as_str).unwrap_or_default();
    let listed = RowKey::new(day_partition(day), finding);
    rows::create(table, &listed, &row).await?;
    Ok(day.to_owned())
}

/// A finding as a row of its table.
fn row_of(case: &Case, now_ms: i64) -> Value {
    let record = |pointer: &str| case.confirmed.record.pointer(pointer).cloned();
    let target = &case.target;
    json!({
        "finding": case.text("uid"),
        "title": case.text("title"),
        "severity": case.text("severity"),
        "rule": case.text("rule"),
        "account": case.text("account"),
        "region": case.text("region"),
        "principal": target.principal_arn,
        "accesskeyid": record("/userIdentity/accessKeyId"),
        "sourceipaddress": record("/sourceIPAddress"),
        "eventname": record("/eventName"),
        "eventid": record("/eventID"),
        "eventtime": case.text("time"),
        "taken_up": rfc3339(now_ms),
        "day": day_of(now_ms),
    })
}

/// The rows of one of the tables.
pub struct StateRows {
    table: Arc<dyn Table>,
    clock: Clock,
    shape: OwnShape,
}

/// The tables of a state.
#[must_use]
pub fn own_tables(table: &Arc<dyn Table>, clock: &Clock) -> Vec<(OwnShape, Arc<dyn OwnRows>)> {
    let of = |shape: OwnShape| {
        let (table, clock) = (Arc::clone(table), clock.clone());
        (shape, Arc::new(StateRows { table, clock, shape }) as Arc<dyn OwnRows>)
    };
    OWN_TABLES.map(of).into()
}

impl fmt::Debug for StateRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.shape.name, self.table.name())
    }
}

#[async_trait]
impl OwnRows for StateRows {
    async fn rows(&self, from_day: Option<&str>) -> Result<Vec<Value>, String> {
        self.read(from_day).await.map_err(|error| error.to_string())
    }
}

impl StateRows {
    async fn read(&self, from_day: Option<&str>) -> Result<Vec<Value>, CloudError> {
        let days = self.days(from_day)?;
        let name = self.shape.name;
        if name == INCIDENTS.name {
            return learned::incidents(&*self.table, &days).await;
        }
        if name == METRICS_DAILY.name {
            return learned::metrics(&*self.table, &days).await;
        }
        let findings = self.findings(&days).await?;
        let of_each = findings.iter().map(|finding| async move {
            match name {
                _ if name == RUNS.name => self.runs(finding).await,
                _ if name == VERDICTS.name => self.verdicts(finding).await,
                _ => Ok(vec![finding.clone()]),
            }
        });
        Ok(try_join_all(of_each).await?.into_iter().flatten().collect())
    }

    /// The days from this one to today, the first first.
    fn days(&self, from_day: Option<&str>) -> Result<Vec<String>, CloudError> {
        let day = |back: i64| day_of(self.clock.now_ms() - back * DAY_MS);
        let first = day(DAYS_MAX - 1);
        if from_day.is_some_and(|from| from < first.as_str()) {
            let said = format!(
                "rows from before {first} are asked for, and at most {DAYS_MAX} days are read; write day >= '{first}'"
            );
            let name = self.table.name();
            return Err(CloudError::new(CloudErrorKind::Invalid, "list", name, said));
        }
        let from = from_day.map_or_else(|| day(DAYS - 1), str::to_owned);
        let mut days: Vec<String> = (0..DAYS_MAX).map(day).take_while(|day| from <= *day).collect();
        days.reverse();
        Ok(days)
    }

    async fn findings(&self, days: &[String]) -> Result<Vec<Value>, CloudError> {
        let of_day = days
            .iter()
            .map(|day| async move { rows::all::<Value>(&*self.table, &day_partition(day)).await });
        let all = try_join_all(of_day).await?.into_iter().flatten();
        Ok(all.map(|(_, row)| row.value).collect())
    }

    async fn runs(&self, finding: &Value) -> Result<Vec<Value>, CloudError> {
        let table = &*self.table;
        let uid = text(finding, "finding");
        let mut found = Vec::new();
        for (id, _) in rows::all::<String>(table, &runs_of(uid)).await? {
            let Some(Kept { value: run, .. }) = rows::load::<Run>(table, &Run::key(&id)).await?
            else {
                continue;
            };
            let is_open = table.get(&RowKey::new(OPEN, &id)).await?.is_some();
            found.push(run_row(&run, finding, is_open));
        }
        Ok(found)
    }

    async fn verdicts(&self, finding: &Value) -> Result<Vec<Value>, CloudError> {
        let verdicts = voices::verdicts(&*self.table, text(finding, "finding")).await?;
        let row = |verdict: voices::Verdict| {
            json!({
                "finding": verdict.finding,
                "rule": finding["rule"],
                "judgement": verdict.judgement,
                "reason": verdict.reason,
                "author": verdict.by,
                "judged": rfc3339(verdict.at_ms),
                "day": finding["day"],
            })
        };
        Ok(verdicts.into_iter().map(row).collect())
    }
}

fn text<'v>(row: &'v Value, name: &str) -> &'v str {
    row.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn run_row(run: &Run, finding: &Value, is_open: bool) -> Value {
    let mut row = Map::new();
    let mut put = |name: &str, value: Value| row.insert(name.to_owned(), value);
    put("run", run.id.as_str().into());
    for name in [
        "finding",
        "title",
        "severity",
        "rule",
        "principal",
        "eventname",
        "eventid",
        "eventtime",
        "day",
    ] {
        put(name, finding.get(name).cloned().unwrap_or_default());
    }
    put("runbook", run.runbook.as_str().into());
    put("version", run.version.into());
    put("mode", run.mode.as_str().into());
    put("phase", run.phase.name().into());
    put("is_open", is_open.into());
    put("has_acted", run.acted_ms.is_some().into());
    put("account", run.account.as_str().into());
    put("region", run.region.as_str().into());
    put("target", run.target.as_str().into());
    put("started", rfc3339(run.started_ms).into());
    put("acted", run.acted_ms.map_or(Value::Null, |ms| rfc3339(ms).into()));
    put("reasons", run.reasons.join("; ").into());
    Value::Object(row)
}

#[cfg(test)]
mod tests {
    use trailloop_cloud::{ManualClock, MemoryTable};

    use super::*;

    /// 2026-01-31T12:00:00Z.
    const NOW_MS: i64 = 1_769_860_800_000;

    #[tokio::test]
    async fn days_are_those_that_are_asked_for_and_what_is_too_much_is_refused() {
        let table = MemoryTable::new("state");
        for day in ["2026/01/31", "2026/01/02", "2026/01/01", "2025/06/01"] {
            let key = RowKey::new(day_partition(day), "f");
            rows::create(&table, &key, &json!({ "day": day })).await.unwrap();
        }
        let table: Arc<dyn Table> = Arc::new(table);
        let tables = own_tables(&table, &Clock::Manual(ManualClock::new(NOW_MS)));
        let (_, findings) = tables.iter().find(|(shape, _)| shape.name == "findings").unwrap();
        let days = async |from: Option<&str>| {
            let rows = findings.rows(from).await?;
            Ok::<_, String>(rows.iter().map(|row| text(row, "day").to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(days(None).await.unwrap(), ["2026/01/02", "2026/01/31"]);
        assert_eq!(days(Some("2026/01/31")).await.unwrap(), ["2026/01/31"]);
        assert_eq!(days(Some("2025/06/01")).await.unwrap().len(), 4);
        let error = days(Some("2020/01/01")).await.unwrap_err();
        assert!(error.contains("write day >= '2024/12/28'"), "{error}");
    }
}
