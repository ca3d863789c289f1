//! What expressions see: the finding, the run, and what queries answered.

use serde_json::{Map, Value, json};
use trailloop_finding::Level;
use trailloop_runbook::document::Runbook;
use trailloop_runbook::{Resource, Target, resource, target};

use crate::ask::{in_context, lines};
use crate::confirm::Confirmed;
use crate::run::Run;
use crate::time::rfc3339;

/// A confirmed finding with all that follows from its record.
#[derive(Clone, Debug)]
pub struct Case {
    /// The finding, made here.
    pub confirmed: Confirmed,
    /// Whom to act on.
    pub target: Target,
    /// What the event acted on.
    pub resource: Option<Resource>,
    /// `finding` as expressions see it.
    pub finding: Value,
    /// Whether the case is about somebody who stands behind the finding's caller.
    pub is_behind: bool,
}

impl Case {
    /// Reads what follows from the record.
    #[must_use]
    pub fn of(confirmed: Confirmed) -> Self {
        let target = target::resolve(&confirmed.record);
        Self::about(confirmed, target, false)
    }

    /// The same of another than the caller: somebody who gave the caller its credential.
    #[must_use]
    pub fn about(confirmed: Confirmed, target: Target, is_behind: bool) -> Self {
        let resource = resource::of(&confirmed.record);
        let shown = resource.as_ref().map_or(Value::Null, Resource::to_json);
        let finding = finding_of(&confirmed, &target, &shown);
        Self { confirmed, target, resource, finding, is_behind }
    }

    /// A text of the finding as expressions see it.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.finding.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// What queries answered about the finding, a line each.
    #[must_use]
    pub fn answers(&self) -> Vec<String> {
        lines(&self.confirmed.finding)
    }

    /// Whether a runbook is about the caller; others are about what the call acted on.
    #[must_use]
    pub fn is_about_caller(&self, runbook: &Runbook) -> bool {
        self.is_behind || !runbook.trigger.identity.is_empty() || self.resource.is_none()
    }

    /// The account to act in: where the principal lives, or where the resource is.
    #[must_use]
    pub fn account(&self, runbook: &Runbook) -> String {
        let own = if self.is_about_caller(runbook) {
            self.target.account.as_deref()
        } else {
            self.resource.as_ref().and_then(|resource| resource.account.as_deref())
        };
        own.unwrap_or_else(|| self.text("account")).to_owned()
    }

    /// The region to act in.
    #[must_use]
    pub fn region(&self, runbook: &Runbook) -> String {
        let resource = self.resource.as_ref().filter(|_| !self.is_about_caller(runbook));
        let own = resource.and_then(|resource| resource.region.as_deref());
        own.unwrap_or_else(|| self.text("region")).to_owned()
    }

    /// What only one run may act on at a time: the principal, or the resource, or without either the event.
    #[must_use]
    pub fn held(&self, runbook: &Runbook) -> String {
        let arn = if self.is_about_caller(runbook) {
            self.target.principal_arn.as_deref()
        } else {
            self.resource.as_ref().map(|resource| resource.arn.as_deref().unwrap_or(&resource.name))
        };
        arn.unwrap_or_else(|| self.text("uid")).to_owned()
    }

    /// The whole context of a run.
    #[must_use]
    pub fn context(&self, run: Option<&Run>, now_ms: i64) -> Value {
        let mut context = Map::new();
        context.insert("finding".to_owned(), self.finding.clone());
        let run = json!({
            "id": run.map(|run| run.id.as_str()),
            "started_at": rfc3339(run.map_or(now_ms, |run| run.started_ms)),
            "account": run.map(|run| run.account.as_str()),
            "region": run.map(|run| run.region.as_str()),
            "partition": self.target.partition,
        });
        context.insert("run".to_owned(), run);
        context.insert("enrich".to_owned(), in_context(&self.confirmed.finding));
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
