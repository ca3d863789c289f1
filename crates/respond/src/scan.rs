//! The account's own trail, read for what a credential still does.
//!
//! The objects of an account and region lie in the order of the minute they were delivered in. Forwards from the act they tell
//! whether a credential still works; backwards from the event, where it came from (`origin.rs`).

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;
use trailloop_cloud::{CloudError, Listed, ObjectRef};
use trailloop_cloudtrail::{LogKey, Record, Scratch, read_records};
use trailloop_runbook::lineage::Link;
use trailloop_runbook::{Call, catalogue};

use crate::change::{Change, Standing};
use crate::context::Case;
use crate::responder::Responder;
use crate::rows;
use crate::run::{Run, partition};

/// A call that the watch looks at.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// The record.
    pub(crate) record: Value,
    /// When it happened.
    pub(crate) time_ms: i64,
    /// Whether the credential, or one minted from it, made it.
    pub(crate) is_of_lineage: bool,
}

impl Event {
    fn text(&self, name: &str) -> &str {
        self.record.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    pub(crate) fn event_name(&self) -> &str {
        self.text("eventName")
    }

    /// `iam.amazonaws.com CreateUser`, for people.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.text("eventSource"), self.event_name()).escape_debug().to_string()
    }

    /// Whether AWS refused it for lack of rights.
    pub(crate) fn is_denied(&self) -> bool {
        let code = self.text("errorCode");
        code.contains("AccessDenied")
            || code.contains("UnauthorizedOperation")
            || code == "InvalidClientTokenId"
            || code.contains("ExpiredToken")
    }

    /// What the denial proves.
    pub(crate) fn denial(&self) -> &'static str {
        if self.text("errorMessage").contains("explicit deny") { "explicit_deny" } else { "denied" }
    }
}

/// Delivery orders objects by the minute at best.
const DELIVERY_SLACK_MS: i64 = 15 * 60_000;

impl Responder {
    /// The account's calls since the act that this run has not seen: all, with whether they are of the lineage.
    pub(crate) async fn lineage_calls(
        &self,
        run: &Run,
        case: &Case,
        since_ms: i64,
    ) -> Result<Vec<Event>, CloudError> {
        if !self.knows_lineage(&run.id) {
            let known = self.lineage(case, run.event_ms).await?;
            self.with_lineage(&run.id, |lineage| *lineage = known);
        }
        let mut events = Vec::new();
        let mut day_ms = since_ms;
        let now_ms = self.clock.now_ms();
        let mut fresh: Vec<String> = Vec::new();
        loop {
            for prefix in self.prefixes(case, day_ms, "") {
                let after = self.prefixes(case, since_ms - DELIVERY_SLACK_MS, "T%H%M");
                let after = after.into_iter().find(|key| key.starts_with(&prefix));
                for object in self.keys(case, &prefix, after.as_deref()).await? {
                    if !self.has_seen(&run.id, &object.key) {
                        fresh.push(object.key);
                    }
                }
            }
            day_ms += 24 * 3_600_000;
            if day_ms / 86_400_000 > now_ms / 86_400_000 {
                break;
            }
        }
        let mut seen = BTreeSet::new();
        for key in fresh {
            for record in self.records(case, &key, |_| true).await? {
                let time_ms = time_of(&record);
                self.with_lineage(&run.id, |lineage| lineage.feed(&record));
                // Event times are whole seconds: one of the very second of the act may have come before it.
                if time_ms > since_ms {
                    events.push(Event { record, time_ms, is_of_lineage: false });
                }
            }
            seen.insert(key);
        }
        let is_whole = self.denies_whole(run, case).await?;
        for event in &mut events {
            event.is_of_lineage = self.with_lineage(&run.id, |lineage| {
                let chain = lineage.chain(&case.confirmed.record);
                let links = contained(&chain, case);
                match is_whole {
                    true => lineage.contains_principal(links, &event.record),
                    false => lineage.contains(links, &event.record),
                }
            });
            if let Value::Object(members) = &mut event.record {
                members.insert("in_lineage".to_owned(), Value::Bool(event.is_of_lineage));
            }
        }
        self.have_seen(&run.id, seen);
        events.sort_by_key(|event| event.time_ms);
        Ok(events)
    }

    /// Whether the run denies everything to its user or role: then no other credential of it may work either.
    async fn denies_whole(&self, run: &Run, case: &Case) -> Result<bool, CloudError> {
        let target = &case.target;
        let is_targets = |call: &Call| {
            let is = |input: &str, name: &Option<String>| {
                name.is_some() && call.text(input) == name.as_deref()
            };
            is("UserName", &target.user_name) || is("RoleName", &target.role_name)
        };
        let rows = rows::all::<Value>(&*self.table, &partition(&run.id)).await?;
        let steps = rows.into_iter().filter(|(sort, _)| sort.starts_with("step/"));
        let mut changes =
            steps.filter_map(|(_, row)| serde_json::from_value::<Change>(row.value).ok());
        Ok(changes.any(|change| {
            let call = change.call();
            let holds = matches!(change.standing, Standing::Done | Standing::Already);
            holds && catalogue::denies_principal(&call) && is_targets(&call)
        }))
    }

    /// The prefixes of keys of a time, one a region: the finding's own key with another region and date.
    pub(crate) fn prefixes(&self, case: &Case, at_ms: i64, tail: &str) -> Vec<String> {
        let key = case.confirmed.finding.pointer("/unmapped/trailloop/location/key");
        let key = key.and_then(Value::as_str).unwrap_or_default();
        let parsed = LogKey::parse(key);
        let (Some(account), Some(region)) = (parsed.account, parsed.region) else {
            return Vec::new();
        };
        let Some((base, _)) = key.split_once(&format!("/CloudTrail/{region}/")) else {
            return Vec::new();
        };
        let time = Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::UNIX_EPOCH);
        let (day, stamp) = (time.strftime("%Y/%m/%d"), time.strftime("%Y%m%d"));
        let tail = time.strftime(tail);
        let mut regions: BTreeSet<&str> =
            self.settings.regions.iter().map(String::as_str).collect();
        regions.insert(region);
        let prefix = |region: &&str| {
            let name = format!("{account}_CloudTrail_{region}_{stamp}{tail}");
            format!("{base}/CloudTrail/{region}/{day}/{name}")
        };
        regions.iter().map(prefix).collect()
    }

    pub(crate) async fn keys(
        &self,
        case: &Case,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<Vec<Listed>, CloudError> {
        let bucket = bucket_of(case);
        let mut keys = Vec::new();
        let mut after = after.map(str::to_owned);
        loop {
            let page = self.archive.store.list(bucket, prefix, after.as_deref()).await?;
            keys.extend(page.objects);
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(keys),
            }
        }
    }

    /// The records of an object that are wanted, as JSON. They are not redacted and never leave this process.
    pub(crate) async fn records(
        &self,
        case: &Case,
        key: &str,
        wanted: fn(&Record<'_>) -> bool,
    ) -> Result<Vec<Value>, CloudError> {
        let object = ObjectRef::new(bucket_of(case), key);
        let bytes = self.archive.store.get(&object, self.archive.object_bytes_max).await?.bytes;
        let limits = self.archive.engine.limits;
        let read = tokio::task::spawn_blocking(move || {
            let mut records = Vec::new();
            read_records(&bytes, &limits, &mut Scratch::new(), |record: Record<'_>| {
                if wanted(&record)
                    && let Ok(value) = serde_json::from_slice(record.raw())
                {
                    records.push(value);
                }
            });
            records
        });
        Ok(read.await.unwrap_or_default())
    }
}

fn bucket_of(case: &Case) -> &str {
    let bucket = case.confirmed.finding.pointer("/unmapped/trailloop/location/bucket");
    bucket.and_then(Value::as_str).unwrap_or_default()
}

/// The part of a chain that a case is about: of the root all that came of it, of a leaf the leaf alone.
fn contained<'c>(chain: &'c [Link], case: &Case) -> &'c [Link] {
    let place =
        chain.iter().position(|link| link.target.principal_arn == case.target.principal_arn);
    let place = place.unwrap_or(0);
    &chain[place..=place]
}

/// When an event happened; one that does not say is as late as can be, so that it is looked at.
fn time_of(record: &Value) -> i64 {
    let text = record.get("eventTime").and_then(Value::as_str).unwrap_or_default();
    text.parse::<Timestamp>().map_or(i64::MAX, Timestamp::as_millisecond)
}
