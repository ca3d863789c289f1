//! How far a runbook goes: approval, guards, lease, and who hears of it.

use std::time::Duration;

use trailloop_rules::source::Node;

use super::read::Reading;
use crate::document::{Approval, Expiry, Guards, Lease, Notify};

const HOUR: Duration = Duration::from_secs(3_600);

/// What destinations may be told of.
const OCCASIONS: [(&str, &str); 7] = [
    ("proposed", "proposed"),
    ("awaiting_approval", "awaiting_approval"),
    ("refused", "refused"),
    ("done", "done"),
    ("failed", "failed"),
    ("escalated", "escalated"),
    ("undone", "undone"),
];

pub(super) fn approval(node: Option<&Node>, reading: &mut Reading<'_, '_>) -> Option<Approval> {
    let mut approval = Approval { quorum: 1, approvers: Vec::new(), ttl: HOUR / 2 };
    let Some(node) = node else { return Some(approval) };
    for (key, value) in reading.entries(node, "`approval`", &["quorum", "approvers", "ttl"])? {
        match key.text() {
            "quorum" => approval.quorum = reading.whole(value, "`quorum`", 1, 10)?,
            "approvers" => approval.approvers = reading.texts(value, "`approvers`")?,
            "ttl" => approval.ttl = reading.duration(value, "`ttl`")?,
            _ => {}
        }
    }
    Some(approval)
}

const GUARD_KEYS: &[&str] = &[
    "max_age",
    "per_hour",
    "max_percent_principals",
    "protected",
    "auto_min_precision",
    "deterministic",
    "ping_pong",
];

pub(super) fn guards(node: Option<&Node>, reading: &mut Reading<'_, '_>) -> Option<Guards> {
    let mut guards = Guards {
        max_age: 6 * HOUR,
        per_hour_account: 3,
        per_hour_org: 10,
        max_percent_principals: 1,
        protected: Vec::new(),
        auto_min_precision: 90,
        deterministic: false,
        ping_pong: None,
    };
    let Some(node) = node else { return Some(guards) };
    for (key, value) in reading.entries(node, "`guards`", GUARD_KEYS)? {
        match key.text() {
            "max_age" => guards.max_age = reading.duration(value, "`max_age`")?,
            "per_hour" => per_hour(value, &mut guards, reading)?,
            "max_percent_principals" => {
                guards.max_percent_principals =
                    reading.whole(value, "`max_percent_principals`", 1, 100)?;
            }
            "protected" => guards.protected = reading.texts(value, "`protected`")?,
            "auto_min_precision" => {
                guards.auto_min_precision = reading.percent(value, "`auto_min_precision`")?;
            }
            "deterministic" => guards.deterministic = reading.truth(value, "`deterministic`")?,
            "ping_pong" => {
                reading.entries(value, "`ping_pong`", &["within", "then"])?;
                let within = reading.demand(value, "`ping_pong`", "within")?;
                let within = reading.duration(within, "`within`")?;
                let then = reading.demand_text(value, "`ping_pong`", "then")?;
                guards.ping_pong = Some((within, then));
            }
            _ => {}
        }
    }
    Some(guards)
}

fn per_hour(node: &Node, guards: &mut Guards, reading: &mut Reading<'_, '_>) -> Option<()> {
    for (key, value) in reading.entries(node, "`per_hour`", &["account", "org"])? {
        let count = reading.whole(value, &format!("`{}`", key.text()), 1, 1_000)?;
        match key.text() {
            "account" => guards.per_hour_account = count,
            _ => guards.per_hour_org = count,
        }
    }
    Some(())
}

pub(super) fn lease(node: Option<&Node>, reading: &mut Reading<'_, '_>) -> Option<Lease> {
    let node = node?;
    reading.entries(node, "`lease`", &["ttl", "on_expiry"])?;
    let ttl = reading.demand(node, "`lease`", "ttl")?;
    let ttl = reading.duration(ttl, "`ttl`")?;
    let expiries = [("escalate", Expiry::Escalate), ("undo", Expiry::Undo), ("keep", Expiry::Keep)];
    let on_expiry = match node.get("on_expiry") {
        Some(node) => reading.one_of(node, "`on_expiry`", &expiries)?,
        None => Expiry::Escalate,
    };
    Some(Lease { ttl, on_expiry })
}

pub(super) fn notify(node: Option<&Node>, reading: &mut Reading<'_, '_>) -> Vec<Notify> {
    let list = node.and_then(|node| reading.list(node, "`notify`")).unwrap_or_default();
    list.iter().filter_map(|node| notice(node, reading)).collect()
}

fn notice(node: &Node, reading: &mut Reading<'_, '_>) -> Option<Notify> {
    reading.entries(node, "a notice", &["to", "on"])?;
    let to = reading.demand_text(node, "a notice", "to")?;
    let list = reading.demand(node, "a notice", "on")?;
    let mut on = Vec::new();
    for node in reading.list(list, "`on`")? {
        on.push(reading.one_of(node, "`on`", &OCCASIONS)?.to_owned());
    }
    Some(Notify { to, on })
}
