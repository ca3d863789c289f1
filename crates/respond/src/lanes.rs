//! Findings that wait while all hands are full: what earlier steps made likely goes first, then what is grave, then the rest.
//!
//! The queue knows no order but time, so a flood in front of an attacker's next step would delay the answer to it. Nothing starves:
//! of what has waited for half a minute every other one goes first, whatever it is. The order is read from messages, which may be forged; whoever forges
//! one has it looked at sooner, and gains nothing else.

use std::time::Duration;

use serde_json::Value;
use trailloop_cloud::{Message, Receipt, Table};
use trailloop_feedback::Entry;
use trailloop_finding::Level;

use crate::store;

/// So many wait here; the rest waits in the queue.
const WAITING_MAX: usize = 48;

/// What has waited for so long goes first every other time.
const PATIENCE_MS: i64 = 30_000;

/// Whoever hands out work waits no longer for the state table.
const KNOWN_WITHIN: Duration = Duration::from_secs(1);

/// How soon a finding has its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    /// Earlier steps on its lineage made it likely.
    Armed,
    /// Its level is high or critical.
    Grave,
    /// Anything else, also what is no finding.
    Other,
}

impl Lane {
    /// The lane of a message, by what it says of itself and what is known of those it names.
    pub(crate) async fn of(message: &Message, table: &dyn Table) -> Self {
        let finding: Value = serde_json::from_str(&message.body).unwrap_or_default();
        let Ok(entry) = Entry::of(&finding) else { return Self::Other };
        match tokio::time::timeout(KNOWN_WITHIN, store::armed(table, &entry)).await {
            Ok(Ok(true)) => return Self::Armed,
            Ok(Ok(false)) => {}
            Ok(Err(_)) | Err(_) => {
                tracing::debug!(finding = entry.uid, "whether it was likely is not known in time");
            }
        }
        if entry.level >= Level::High { Self::Grave } else { Self::Other }
    }
}

/// Messages that wait for their turn.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    /// In the order in which they came, with when they did.
    all: Vec<(Lane, i64, Message)>,
    /// Whether the last one went first because it had waited for long.
    was_overdue: bool,
}

impl Waiting {
    /// How many more may wait.
    pub(crate) fn room(&self) -> usize {
        WAITING_MAX.saturating_sub(self.all.len())
    }

    /// Takes one in.
    pub(crate) fn add(&mut self, lane: Lane, now_ms: i64, message: Message) {
        self.all.push((lane, now_ms, message));
    }

    /// The one whose turn it is, and since when it has waited.
    pub(crate) fn next(&mut self, now_ms: i64) -> Option<(i64, Message)> {
        let (_, since_ms, _) = self.all.first()?;
        self.was_overdue = now_ms - since_ms >= PATIENCE_MS && !self.was_overdue;
        let lanes = self.all.iter().map(|(lane, ..)| *lane).enumerate();
        let most_urgent = lanes.min_by_key(|(_, lane)| *lane).filter(|_| !self.was_overdue);
        let nth = most_urgent.map_or(0, |(nth, _)| nth);
        let (_, since_ms, message) = self.all.remove(nth);
        Some((since_ms, message))
    }

    /// What still waits.
    pub(crate) fn receipts(&self) -> Vec<Receipt> {
        self.all.iter().map(|(.., message)| message.receipt.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;
    use trailloop_cloud::MemoryTable;

    use super::*;

    fn message(id: &str, body: &Value) -> Message {
        Message {
            id: id.to_owned(),
            receipt: Receipt(id.to_owned()),
            body: body.to_string(),
            attributes: BTreeMap::new(),
            receive_count: 1,
            sent_at_ms: None,
        }
    }

    #[test]
    fn the_urgent_go_first_and_nothing_starves() {
        let mut waiting = Waiting::default();
        use Lane::{Armed, Grave, Other};
        let came = [Other, Grave, Other, Armed, Grave, Armed, Grave];
        for (nth, lane) in came.into_iter().enumerate() {
            waiting.add(lane, 1_000, message(&nth.to_string(), &json!(null)));
        }
        let mut next = |now_ms| waiting.next(now_ms).map(|(_, message)| message.id);
        let order: Vec<String> = (0..3).filter_map(|_| next(1_001)).collect();
        assert_eq!(order, ["3", "5", "1"]);
        let order: Vec<String> = (0..5).filter_map(|_| next(31_000)).collect();
        assert_eq!(order, ["0", "4", "2", "6"], "by now they have waited for long");
    }

    /// A finding of a rule about somebody, so many minutes after a day began.
    fn finding(uid: u8, rule: &str, severity_id: u8, who: &str, minute: i64) -> Value {
        json!({
            "finding_info": {"uid": format!("{uid:032}"), "title": "t", "analytic": {"uid": rule}},
            "severity_id": severity_id,
            "time": 1_769_817_600_000 + minute * 60_000,
            "evidences": [{"actor": {"user": {"uid": format!("arn:aws:iam::111122223333:user/{who}")}}}],
        })
    }

    #[tokio::test]
    async fn what_an_incident_made_likely_is_armed_for_its_own_lineage() {
        let table = MemoryTable::new("state");
        let follows = trailloop_content::follows();
        let rules = trailloop_content::shipped().rules;
        // A rule of which is known what comes next, and the likeliest of that.
        let (step, next) = rules
            .iter()
            .find_map(|rule| {
                let uid = rule.analytic.uid.clone();
                let steps =
                    [trailloop_feedback::Step { at_ms: 1_769_817_600_000, rule: uid.clone() }];
                let armed = follows.armed(&steps, 1_769_817_660_000, Default::default());
                Some((uid, armed.first()?.rule.clone()))
            })
            .unwrap();
        let begun = Entry::of(&finding(1, &step, 4, "ana", 0)).unwrap();
        store::take(&table, &begun, "2026/01/31").await.unwrap();
        let lane = async |body: Value| Lane::of(&message("m", &body), &table).await;
        assert_eq!(lane(finding(2, &next, 3, "ana", 9)).await, Lane::Armed);
        assert_eq!(lane(finding(3, &next, 3, "ben", 9)).await, Lane::Other, "another's");
        assert_eq!(lane(finding(4, &next, 5, "ben", 9)).await, Lane::Grave);
        assert_eq!(lane(finding(5, &next, 3, "ana", 60 * 30)).await, Lane::Other, "a day later");
        assert_eq!(lane(json!("no finding")).await, Lane::Other);
    }
}
