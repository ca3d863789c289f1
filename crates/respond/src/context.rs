//! What expressions see: the finding, the run, and what queries answered.

use serde_json::{Map, Value, json};
use trailloop_finding::Level;
use trailloop_runbook::{Target, resource, target};

use crate::confirm::Confirmed;
use crate::time::rfc3339;

/// A confirmed finding with all that follows from its record.
#[derive(Clone, Debug)]
pub struct Case {
    /// The finding, made here.
    pub confirmed: Confirmed,
    /// Whom to act on.
    pub target: Target,
    /// What the event acted on.
    pub resource: Value,
    /// `finding` as expressions see it.
    pub finding: Value,
    /// The record by which somebody got the credential, if the case is about who that was.
    pub link: Option<Value>,
}

impl Case {
    /// Reads what follows from the record.
    #[must_use]
    pub fn of(confirmed: Confirmed) -> Self {
        Self::linked(confirmed, None)
    }

    /// The same for somebody who stands behind the caller: who made the call of this record.
    #[must_use]
    pub fn linked(confirmed: Confirmed, link: Option<Value>) -> Self {
        let target = target::resolve(link.as_ref().unwrap_or(&confirmed.record));
        let resource = resource::of(&confirmed.record).map_or(Value::Null, |found| found.to_json());
        let finding = finding_of(&confirmed, &target, &resource);
        Self { confirmed, target, resource, finding, link }
    }

    /// A text of the finding as expressions see it.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.finding.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// The account to act in: the principal's own, or the one that the record was delivered for.
    #[must_use]
    pub fn account(&self) -> String {
        let own = self.target.account.clone();
        own.unwrap_or_else(|| self.text("account").to_owned())
    }

    /// What only one run may act on at a time: the principal, or without one the resource, or the event.
    #[must_use]
    pub fn held(&self) -> String {
        // Who stands behind the caller is contained apart from what the caller did.
        let resource = if self.link.is_none() { &self.resource } else { &Value::Null };
        let arn = resource.get("arn").and_then(Value::as_str);
        let principal = self.target.principal_arn.as_deref();
        arn.or(principal).unwrap_or_else(|| self.text("uid")).to_owned()
    }

    /// The whole context of a run.
    #[must_use]
    pub fn context(&self, run_id: &str, started_ms: i64, enrich: &Value) -> Value {
        let mut context = Map::new();
        context.insert("finding".to_owned(), self.finding.clone());
        let run = json!({
            "id": run_id,
            "started_at": rfc3339(started_ms),
            "account": self.account(),
            "region": self.text("region"),
            "partition": self.target.partition,
        });
        context.insert("run".to_owned(), run);
        context.insert("enrich".to_owned(), enrich.clone());
        Value::Object(context)
    }
}

fn finding_of(confirmed: &Confirmed, target: &Target, resource: &Value) -> Value {
    let Confirmed { finding, record } = confirmed;
    let at = |pointer: &str| finding.pointer(pointer).cloned().unwrap_or(Value::Null);
    let uid = at("/finding_info/uid");
    let uid8: String = uid.as_str().unwrap_or_default().chars().take(8).collect();
    let severity_id = at("/severity_id");
    let level = Level::ALL
        .into_iter()
        .find(|level| Some(u64::from(level.severity_id())) == severity_id.as_u64());
    let region = record.get("awsRegion").cloned().unwrap_or_else(|| at("/cloud/region"));
    json!({
        "uid": uid,
        "uid8": uid8,
        "time": rfc3339(at("/time").as_i64().unwrap_or_default()),
        "severity": level.map(Level::as_str),
        "severity_id": severity_id,
        "title": at("/finding_info/title"),
        "rule": at("/finding_info/analytic/uid"),
        "tags": at("/unmapped/trailloop/rule/tags"),
        "account": at("/cloud/account/uid"),
        "region": region,
        "priority": Value::Null,
        "verdict": Value::Null,
        "resource": resource,
        "target": target.to_json(),
        "event": record,
    })
}
