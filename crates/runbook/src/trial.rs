//! Runs the examples of runbooks, dry: what would be chosen, bound and called, with AWS answering as the steps wish.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::catalogue;
use crate::document::{Action, Runbook, Step, Trial, TrialExpect, TrialRecord};
use crate::fill::{bind, redirect};
use crate::resource;
use crate::target::{Refusal, Target};
use crate::template::{Values, fill_value};

/// Whom a record shows.
pub type Resolve<'f> = &'f dyn Fn(&Value) -> Result<Target, Refusal>;

/// The record in a file beside the runbook.
pub type ReadRecord<'f> = &'f dyn Fn(&str) -> Result<Value, String>;

/// Whether an API, by service and name, changes something.
pub type Changes<'f> = &'f dyn Fn(&str, &str) -> bool;

/// What came of one example.
#[derive(Clone, Debug, PartialEq)]
pub struct TrialOutcome {
    /// The example's name.
    pub name: String,
    /// The line it begins on, from 1.
    pub line: u32,
    /// What had to come of it.
    pub expected: TrialExpect,
    /// What came of it, or why that can't be told.
    pub came: Result<TrialExpect, String>,
    /// The reason of a refusal.
    pub reason: Option<String>,
}

impl TrialOutcome {
    /// Whether the runbook did what the example says.
    #[must_use]
    pub fn is_passed(&self) -> bool {
        self.came.as_ref() == Ok(&self.expected)
    }
}

/// When every run of an example begins.
const BEGAN: &str = "2026-01-02T03:04:05Z";

/// Runs a runbook's examples, in their order.
#[must_use]
pub fn run_trials(
    runbook: &Runbook,
    resolve: Resolve<'_>,
    read: ReadRecord<'_>,
) -> Vec<TrialOutcome> {
    let changes =
        |service: &str, api: &str| catalogue::find(service, api).is_some_and(|api| api.changes);
    run_trials_with(runbook, resolve, read, &changes)
}

/// [`run_trials`] with another catalogue.
#[must_use]
pub fn run_trials_with(
    runbook: &Runbook,
    resolve: Resolve<'_>,
    read: ReadRecord<'_>,
    changes: Changes<'_>,
) -> Vec<TrialOutcome> {
    let outcome = |trial: &Trial| {
        let (came, reason) = match run(runbook, trial, resolve, read, changes) {
            Ok(came) => (Ok(came), None),
            Err(Stop::Refused(refusal)) => {
                (Ok(TrialExpect::Refused(refusal.guard.to_owned())), Some(refusal.reason))
            }
            Err(Stop::Failed(why)) => (Err(why), None),
        };
        let expected = trial.expect.clone();
        TrialOutcome { name: trial.name.clone(), line: trial.line, expected, came, reason }
    };
    runbook.tests.iter().map(outcome).collect()
}

/// Why an example ended before its last step.
enum Stop {
    Refused(Refusal),
    Failed(String),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

fn run(
    runbook: &Runbook,
    trial: &Trial,
    resolve: Resolve<'_>,
    read: ReadRecord<'_>,
    changes: Changes<'_>,
) -> Result<TrialExpect, Stop> {
    let (context, refusal) = context(runbook, trial, resolve, read).map_err(Stop::Failed)?;
    if !runbook.trigger.chooses(&context) {
        // Who can't be resolved is never chosen by identity either; what is refused is the resolver's to say.
        return match refusal {
            Some(refusal) => Err(refusal.into()),
            None => Ok(TrialExpect::NotChosen),
        };
    }
    if let Some(refusal) = refusal {
        return Err(refusal.into());
    }
    if let Some(to) = redirect(runbook, &context) {
        return Ok(TrialExpect::Redirect(to.to_owned()));
    }
    let run = &context["run"];
    let text = |name: &str| run[name].as_str().unwrap_or_default().to_owned();
    let values = Values {
        parameters: bind(runbook, &context)?,
        account: text("account"),
        region: text("region"),
        partition: text("partition"),
        date_time: text("started_at"),
        execution_id: text("id"),
        ..Values::default()
    };
    calls(runbook, values, changes).map(TrialExpect::Calls)
}

/// What expressions see, and the resolver's refusal.
fn context(
    runbook: &Runbook,
    trial: &Trial,
    resolve: Resolve<'_>,
    read: ReadRecord<'_>,
) -> Result<(Value, Option<Refusal>), String> {
    let (record, given) = match &trial.record {
        TrialRecord::Inline(record) => (record.clone(), None),
        TrialRecord::File(path) => (read(path)?, None),
        TrialRecord::Finding(finding) => (finding["event"].clone(), Some(finding)),
    };
    let is_resolved = given.is_some_and(|finding| !finding["target"].is_null());
    let (target, refusal) = if is_resolved {
        (Value::Null, None)
    } else {
        match resolve(&record) {
            Ok(target) => (target.to_json(), None),
            Err(refusal) => (Value::Null, Some(refusal)),
        }
    };
    let rule = trial.rule.as_ref().or(runbook.trigger.rules.first());
    let tags = if trial.tags.is_empty() { &runbook.trigger.tags } else { &trial.tags };
    let account = match target["account"].as_str() {
        Some(account) => json!(account),
        None => record["recipientAccountId"].clone(),
    };
    // What the example does not say of the resource, its record says.
    let resource = match &trial.resource {
        Value::Object(given) if given.is_empty() => {
            resource::of(&record).map_or(Value::Null, |resource| resource.to_json())
        }
        given => given.clone(),
    };
    let level = trial.severity;
    let nth = trailloop_finding::Level::ALL.iter().position(|one| *one == level).unwrap_or(0);
    let mut finding = json!({
        "uid": "0123456789abcdef0123456789abcdef",
        "uid8": "01234567",
        "time": record["eventTime"],
        "severity": level.as_str(),
        "severity_id": nth + 1,
        "title": trial.title,
        "rule": rule,
        "tags": tags,
        "account": account,
        "region": record["awsRegion"],
        "priority": null,
        "verdict": null,
        "resource": resource,
        "target": target,
        "event": record,
    });
    if let (Some(Value::Object(given)), Value::Object(finding)) = (given, &mut finding) {
        finding.extend(given.clone());
    }
    let partition = match finding["target"]["partition"].as_str() {
        Some(partition) => partition.to_owned(),
        None => "aws".to_owned(),
    };
    let run = json!({
        "id": "fedcba9876543210fedcba9876543210",
        "started_at": BEGAN,
        "account": finding["account"],
        "region": finding["region"],
        "partition": partition,
    });
    let context = json!({"finding": finding, "run": run, "enrich": trial.enrich});
    Ok((context, refusal))
}

/// Walks the steps, each succeeding, and gathers the calls that change something.
fn calls(runbook: &Runbook, mut values: Values, changes: Changes<'_>) -> Result<Vec<String>, Stop> {
    let mut calls = Vec::new();
    let mut at = runbook.steps.first();
    // No step is taken twice in a runbook that was loaded.
    for _ in 0..=runbook.steps.len() {
        let Some(step) = at else { return Ok(calls) };
        let mut to = None;
        let mut is_decided = false;
        match &step.action {
            Action::Call(template) => {
                let call = template.fill(&values)?;
                if changes(&call.service, &call.api) {
                    calls.push(call.name());
                }
            }
            Action::Assert(property) | Action::Wait(property) => {
                property.call.fill(&values)?;
                for desired in &property.desired {
                    fill_value(&Value::String(desired.clone()), &values)?;
                }
            }
            Action::Branch { choices, default } => {
                for choice in choices {
                    if !is_decided && choice.test.holds(&values)? {
                        to = Some(choice.next.as_str());
                        is_decided = true;
                    }
                }
                if !is_decided && let Some(default) = default {
                    to = Some(default.as_str());
                    is_decided = true;
                }
            }
            Action::Automation { parameters, .. } => {
                let parameters: Map<String, Value> = parameters.clone().into_iter().collect();
                fill_value(&Value::Object(parameters), &values)?;
            }
            Action::Exported(action) => {
                return Err(Stop::Failed(format!(
                    "step `{}` is of `{action}`, which is not run here",
                    step.name
                )));
            }
            Action::Approve { .. } | Action::Sleep(_) | Action::Webhook { .. } => {}
        }
        answer(step, &mut values);
        at = match to {
            Some(name) => runbook.step(name),
            None if is_decided || step.is_end => None,
            None => next(runbook, step),
        };
    }
    Err(Stop::Failed("the steps do not end".to_owned()))
}

/// Outputs of a step that was not really taken: texts that say where they come from.
fn answer(step: &Step, values: &mut Values) {
    let outputs: BTreeMap<String, Value> = step
        .outputs
        .iter()
        .map(|output| (output.name.clone(), json!(format!("{}-{}", step.name, output.name))))
        .collect();
    values.outputs.insert(step.name.clone(), outputs);
}

/// The step after one that succeeded.
fn next<'r>(runbook: &'r Runbook, step: &Step) -> Option<&'r Step> {
    match &step.next {
        Some(name) => runbook.step(name),
        None => {
            let nth = runbook.steps.iter().position(|one| one.name == step.name)?;
            runbook.steps.get(nth + 1)
        }
    }
}
