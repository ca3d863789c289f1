//! Canaries: events that did not happen, written where the trail delivers, to see that what watches would see.
//!
//! Each rule's canary is its own example under the account of canaries. It goes the whole way: object, notification, stream, action
//! queue. Its event's id is signed with our secret, so no event of an attacker is taken for one. The finding is judged a test and
//! leads to nothing; one that is not there in time is a page.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use trailloop_cloud::{CloudError, CloudErrorKind, RowKey, Table, Vault};
use trailloop_feedback::{Judgement, Reason, safety};
use trailloop_finding::sha256;

use crate::context::Case;
use crate::ocsf::{Own, OwnFinding};
use crate::responder::{Halt, Responder};
use crate::rows::{self, Kept};
use crate::store;
use crate::time::{ms, rfc3339};
use crate::token::Secret;
use crate::voices::{self, Verdict};

/// The partition of the canaries' rows.
const CANARY: &str = "canary";

/// So often it is looked whether one is due or late.
const LOOK_MS: i64 = 60_000;

/// So many late ones are named in a page.
const NAMED_MAX: usize = 20;

/// Who judges them.
const AUTHOR: &str = "trailloop-canary";

/// The canaries of a service.
pub struct Canaries {
    /// What writes into the trail's bucket.
    pub vault: Arc<dyn Vault>,
    /// The account in which they happen: one that is nobody's.
    pub account: String,
    /// What signs them.
    pub secret: Secret,
    /// How often each is sent.
    pub every: Duration,
    /// How soon its finding has to be there.
    pub objective: Duration,
    /// Rules, by their ids, and an event that sets off each.
    pub events: Vec<(String, Value)>,
}

/// The last canary of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Sent {
    rule: String,
    /// Which of its intervals it is of.
    slot: i64,
    sent_ms: i64,
    found_ms: Option<i64>,
    /// How soon it has to be found.
    objective_ms: i64,
    /// Whether somebody was paged.
    is_told: bool,
}

fn key_of(rule: &str) -> RowKey {
    RowKey::new(CANARY, sha256(rule.as_bytes()))
}

impl Canaries {
    /// The id of the event of a rule's canary.
    fn event_id(&self, rule: &str, slot: i64) -> String {
        let signed = [b"canary\0", self.account.as_bytes(), b"\0", rule.as_bytes(), b"\0"];
        let slot = slot.to_string();
        let hex = self.secret.sign_hex(&[signed.concat().as_slice(), slot.as_bytes()]);
        let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..32]];
        parts.join("-")
    }

    fn record(&self, (rule, event): &(String, Value), slot: i64, now_ms: i64) -> Value {
        let mut record = event.clone();
        if let Value::Object(members) = &mut record {
            members.insert("eventID".to_owned(), self.event_id(rule, slot).into());
            members.insert("eventTime".to_owned(), rfc3339(now_ms).into());
            members.insert("recipientAccountId".to_owned(), self.account.as_str().into());
        }
        record
    }

    /// Delivers records as CloudTrail would.
    async fn deliver(&self, records: &[Value], now_ms: i64) -> Result<(), CloudError> {
        let text = json!({ "Records": records }).to_string();
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        let packed = gzip.write_all(text.as_bytes()).and_then(|()| gzip.finish());
        let packed = packed.map_err(|error| {
            CloudError::new(CloudErrorKind::Invalid, "compress", "canaries", error.to_string())
        })?;
        let now = Timestamp::from_millisecond(now_ms).unwrap_or(Timestamp::UNIX_EPOCH);
        let account = &self.account;
        let (day, stamp) = (now.strftime("%Y/%m/%d"), now.strftime("%Y%m%dT%H%MZ"));
        let tail: String = sha256(&packed).chars().take(16).collect();
        let name = format!(
            "AWSLogs/{account}/CloudTrail/us-east-1/{day}/{account}_CloudTrail_us-east-1_{stamp}_{tail}.json.gz"
        );
        self.vault.put(&name, Bytes::from(packed)).await
    }
}

/// The canaries as the report tells of them.
pub async fn canaries(table: &dyn Table) -> Result<Vec<safety::Canary>, CloudError> {
    let rows = rows::all::<Sent>(table, CANARY).await?;
    let seen = |(_, row): (String, Kept<Sent>)| safety::Canary {
        rule: row.value.rule,
        sent_ms: row.value.sent_ms,
        found_ms: row.value.found_ms,
        objective_ms: row.value.objective_ms,
    };
    Ok(rows.into_iter().map(seen).collect())
}

impl Responder {
    /// Sends the canaries that are due, and pages about those that are late.
    pub(crate) async fn look_after_canaries(&self) -> Result<(), Halt> {
        let Some(canaries) = &self.canaries else { return Ok(()) };
        let now_ms = self.clock.now_ms();
        if !self.next_looks.canaries.is_due(now_ms, LOOK_MS) {
            return Ok(());
        }
        let sent = rows::all::<Sent>(&*self.table, CANARY).await?;
        self.page_about_late(canaries, sent, now_ms).await?;
        // After that: the next one takes the row of the one before.
        let sent = rows::all::<Sent>(&*self.table, CANARY).await?;
        self.send_canaries(canaries, &sent, now_ms).await
    }

    /// Of several workers the one that writes a canary's row sends it.
    async fn send_canaries(
        &self,
        canaries: &Canaries,
        sent: &[(String, Kept<Sent>)],
        now_ms: i64,
    ) -> Result<(), Halt> {
        let slot = now_ms / ms(canaries.every).max(1);
        let mut due = Vec::new();
        for event in &canaries.events {
            let there = sent.iter().find(|(_, row)| row.value.rule == event.0);
            if there.is_some_and(|(_, row)| row.value.slot >= slot) {
                continue;
            }
            let value = Sent {
                rule: event.0.clone(),
                slot,
                sent_ms: now_ms,
                found_ms: None,
                objective_ms: ms(canaries.objective),
                is_told: false,
            };
            let version = there.map_or(0, |(_, row)| row.version);
            if rows::store(&*self.table, &key_of(&event.0), &mut Kept { value, version }).await? {
                due.push(canaries.record(event, slot, now_ms));
            }
        }
        if !due.is_empty()
            && let Err(error) = canaries.deliver(&due, now_ms).await
        {
            // They are missed then, and that is told.
            tracing::error!(%error, count = due.len(), "canaries can't be sent");
        }
        Ok(())
    }

    async fn page_about_late(
        &self,
        canaries: &Canaries,
        sent: Vec<(String, Kept<Sent>)>,
        now_ms: i64,
    ) -> Result<(), Halt> {
        let mut late = Vec::new();
        for (_, mut row) in sent {
            let is_late = now_ms - row.value.sent_ms > row.value.objective_ms;
            if row.value.found_ms.is_some() || row.value.is_told || !is_late {
                continue;
            }
            row.value.is_told = true;
            if rows::store(&*self.table, &key_of(&row.value.rule), &mut row).await? {
                late.push(row.value);
            }
        }
        let Some(first) = late.first() else { return Ok(()) };
        let named = late.iter().take(NAMED_MAX);
        let own = OwnFinding {
            own: Own::CanaryMissed,
            about: format!("{}/{}", first.rule, first.slot),
            message: format!(
                "{} canaries have no finding {} minutes after they were sent",
                late.len(),
                ms(canaries.objective) / 60_000
            ),
            account: canaries.account.clone(),
            region: String::new(),
            time_ms: now_ms,
            resource: None,
            facts: named.map(|one| ("rule".to_owned(), one.rule.clone())).collect(),
        };
        let about = format!("canary/{}/{}", first.rule, first.slot);
        self.cry(&own, "canaries", &about).await
    }

    /// Whether a finding is of a canary; then it is noted as found and judged a test.
    pub(crate) async fn is_canary(&self, case: &Case) -> Result<bool, Halt> {
        let Some(canaries) = &self.canaries else { return Ok(false) };
        let text = |name: &str| case.confirmed.record.get(name).and_then(Value::as_str);
        if text("recipientAccountId") != Some(canaries.account.as_str()) {
            return Ok(false);
        }
        let event = text("eventID").unwrap_or_default();
        let mut is_ours = false;
        for (_, mut row) in rows::all::<Sent>(&*self.table, CANARY).await? {
            let Sent { rule, slot, .. } = &row.value;
            // One that comes late may be of the interval before.
            let slots: BTreeSet<i64> = [*slot, *slot - 1].into();
            let Some(of) = slots.into_iter().find(|of| canaries.event_id(rule, *of) == event)
            else {
                continue;
            };
            is_ours = true;
            let is_last = of == *slot && *rule == case.text("rule");
            if is_last && row.value.found_ms.is_none() {
                row.value.found_ms = Some(self.clock.now_ms());
                rows::store(&*self.table, &key_of(case.text("rule")), &mut row).await?;
            }
        }
        Ok(is_ours)
    }

    /// Closes the finding of a canary, which is kept like any other.
    pub(crate) async fn close_canary(&self, case: &Case) -> Result<(), Halt> {
        let verdict = Verdict {
            finding: case.text("uid").to_owned(),
            judgement: Judgement::Test.name().to_owned(),
            reason: Reason::Canary.name().to_owned(),
            by: AUTHOR.to_owned(),
            at_ms: self.clock.now_ms(),
        };
        voices::write_down(&*self.table, &verdict).await?;
        store::judge(&*self.table, case.text("uid")).await?;
        Ok(())
    }
}
