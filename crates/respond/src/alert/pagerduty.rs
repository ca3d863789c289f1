//! An alert for PagerDuty: Events API v2, `POST https://events.pagerduty.com/v2/enqueue`.
//!
//! One incident for each rule and target: later alerts of it are its log, a verdict of benign or false resolves it.
//! The routing key is a secret; it stands in what is returned and nowhere else.

use serde_json::{Value, json};
use trailloop_finding::Level;

use crate::alert::{Alert, LIST_MAX, escape};

/// Where events go.
pub const URL: &str = "https://events.pagerduty.com/v2/enqueue";

const SUMMARY_CHARS_MAX: usize = 1_024;

/// An event that opens the alert's incident, or adds to it.
#[must_use]
pub fn trigger(alert: &Alert, routing_key: &str) -> Value {
    let text = |text: &str| escape::line(text, 500);
    let list = |texts: &[String]| -> Vec<String> {
        escape::list(texts, LIST_MAX).iter().map(|entry| text(entry)).collect()
    };
    let mut details = serde_json::Map::new();
    for (label, value) in alert.facts() {
        details.insert(label.to_owned(), json!(text(&value)));
    }
    for (label, texts) in
        [("Why", &alert.reasons), ("Plan", &alert.plan), ("Commands", &alert.commands)]
    {
        if !texts.is_empty() {
            details.insert(label.to_owned(), json!(list(texts)));
        }
    }
    let held = alert.held.sentence();
    if !held.is_empty() {
        details.insert("Held back".to_owned(), json!(held));
    }
    let links: Vec<Value> = (alert.links.iter())
        .filter(|link| link.url.starts_with("https://") && link.url.len() <= 2_048)
        .take(LIST_MAX)
        .map(|link| json!({"href": link.url, "text": text(&link.label)}))
        .collect();
    json!({
        "routing_key": routing_key,
        "event_action": "trigger",
        "dedup_key": alert.incident(),
        "client": "Trailloop",
        "links": links,
        "payload": {
            "summary": escape::line(&alert.headline(), SUMMARY_CHARS_MAX),
            "source": format!("aws:{}", escape::line(&alert.account, 100)),
            "severity": severity(alert.severity),
            "timestamp": format!("{:.0}", alert.time),
            "component": escape::line(&alert.region, 100),
            "group": escape::line(&alert.account, 100),
            "class": text(&alert.rule),
            "custom_details": details,
        },
    })
}

/// An event that closes an incident ([`Alert::incident`]).
#[must_use]
pub fn resolve(incident: &str, routing_key: &str) -> Value {
    json!({"routing_key": routing_key, "event_action": "resolve", "dedup_key": incident})
}

fn severity(level: Level) -> &'static str {
    match level {
        Level::Critical => "critical",
        Level::High => "error",
        Level::Medium => "warning",
        Level::Low | Level::Informational => "info",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{Kind, hostile};

    #[test]
    fn an_event_looks_like_this() {
        let event = trigger(&hostile::example(), "R0EXAMPLE");
        insta::assert_snapshot!(serde_json::to_string_pretty(&event).unwrap());
    }

    #[test]
    fn an_incident_is_resolved_by_the_key_it_was_opened_with() {
        for text in hostile::texts() {
            let alert = hostile::alert(Kind::Page, &text);
            let opened = trigger(&alert, "R0EXAMPLE");
            let closed = resolve(&alert.incident(), "R0EXAMPLE");
            assert_eq!(opened["dedup_key"], closed["dedup_key"]);
            assert!(opened["dedup_key"].as_str().unwrap().len() <= 255);
            assert!(opened["payload"]["summary"].as_str().unwrap().chars().count() <= 1_024);
            assert!(serde_json::to_string(&opened).unwrap().len() < 512 << 10);
        }
    }
}
