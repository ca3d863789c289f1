//! The format as types: the body of a Systems Manager Automation document, and what we add.
//!
//! The body follows the Automation schema 0.3 of the Systems Manager User Guide. Templates (`{{ Name }}`) stay as they are
//! written until a plan fills them in.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use trailloop_finding::Level;

use crate::expression::Expression;

/// A runbook that was loaded without an error.
#[derive(Clone, Debug)]
pub struct Runbook {
    /// The file, as the caller named it.
    pub path: String,
    /// Its name, such as `contain-iam-user-key`.
    pub id: String,
    /// Grows with every change.
    pub version: u32,
    /// SHA-256 of the file's text, in hexadecimal: what an approval and a run are bound to.
    pub hash: String,
    /// What it does, in a sentence.
    pub description: String,
    /// Who answers for it.
    pub owner: String,
    /// ATT&CK techniques it answers, and D3FEND techniques it is.
    pub attack: Vec<String>,
    /// See [`Runbook::attack`].
    pub d3fend: Vec<String>,
    /// The declared parameters, in order.
    pub parameters: Vec<Parameter>,
    /// The steps, in order; the first is where a run begins.
    pub steps: Vec<Step>,
    /// When it is chosen.
    pub trigger: Trigger,
    /// Queries whose answers expressions may use.
    pub enrich: Vec<Enrich>,
    /// Another runbook takes over if its condition holds; the first that holds wins.
    pub redirect: Vec<Redirect>,
    /// Where each parameter's value comes from.
    pub bind: Vec<(String, Expression)>,
    /// How far it may go by itself.
    pub mode: Mode,
    /// Who has to agree.
    pub approval: Approval,
    /// Its own guards.
    pub guards: Guards,
    /// Reads whose answers are saved before the first change, as `service:Api`, beside the state that every change saves.
    pub before: Vec<String>,
    /// The inverse of each step that changes something.
    pub undo: BTreeMap<String, Undo>,
    /// How long its effect stands without a verdict.
    pub lease: Option<Lease>,
    /// What proves that it worked.
    pub verify: Vec<Verify>,
    /// Runbooks to turn to when this one fails, in order.
    pub escalate: Vec<String>,
    /// Who is told of what.
    pub notify: Vec<Notify>,
    /// Its own examples.
    pub tests: Vec<Trial>,
    /// The body alone, as JSON with its keys in their order: what is exported.
    pub body: Value,
}

impl Runbook {
    /// The step of this name.
    #[must_use]
    pub fn step(&self, name: &str) -> Option<&Step> {
        self.steps.iter().find(|step| step.name == name)
    }

    /// Why it is exported only and never run here, if it is.
    #[must_use]
    pub fn not_run_here(&self) -> Option<String> {
        self.steps.iter().find_map(|step| match &step.action {
            Action::Exported(action) => {
                Some(format!("step `{}` is of action `{action}`", step.name))
            }
            Action::Call(call) if call.api().is_some_and(|api| !api.runs) => {
                Some(format!("step `{}` calls {}:{}", step.name, call.service, call.api))
            }
            _ => None,
        })
    }
}

impl Template {
    /// What the catalogue knows of the API.
    #[must_use]
    pub fn api(&self) -> Option<&'static crate::catalogue::Api> {
        crate::catalogue::find(&self.service, &self.api)
    }
}

impl Mode {
    /// All of them, from the least to the most, with their names.
    pub const ALL: [(&'static str, Self); 4] = [
        ("observe", Self::Observe),
        ("dry_run", Self::DryRun),
        ("approve", Self::Approve),
        ("auto", Self::Auto),
    ];

    /// The name in runbooks.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, mode)| *mode == self).map_or("", |(name, _)| name)
    }
}

/// A declared parameter: the only door through which a finding reaches a call.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: ParameterKind,
    /// The value, if none is bound.
    pub default: Option<Value>,
    /// Each text has to match it, whole.
    pub allowed_pattern: Option<regex::Regex>,
    /// Or be one of these.
    pub allowed_values: Vec<Value>,
}

/// The types of the Automation schema that we take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterKind {
    /// Text.
    String,
    /// A list of texts.
    StringList,
    /// True or false.
    Boolean,
    /// A whole number.
    Integer,
    /// An object.
    StringMap,
}

/// A step of `mainSteps`.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its name, unique in the runbook.
    pub name: String,
    /// What it does.
    pub action: Action,
    /// How often its call is made in one go when the answer is lost; a change only as long as its effect does not show.
    pub max_attempts: u32,
    /// How long one such call may take, or how long a property is waited for.
    pub timeout: Duration,
    /// What happens when it fails.
    pub on_failure: OnFailure,
    /// The step to go on with when somebody cancels the run there.
    pub on_cancel: Option<String>,
    /// Whether its failure makes the run a failed one even if the run goes on.
    pub is_critical: bool,
    /// Whether the run ends after it.
    pub is_end: bool,
    /// The step after it, if not the next in order.
    pub next: Option<String>,
    /// What later steps may use as `{{ step.Name }}`.
    pub outputs: Vec<Output>,
}

/// A named part of a step's answer.
#[derive(Clone, Debug)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// Where it stands in the answer.
    pub selector: String,
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum Action {
    /// `aws:executeAwsApi`.
    Call(Template),
    /// `aws:assertAwsResourceProperty`: the run fails unless the property has one of these values.
    Assert(Property),
    /// `aws:waitForAwsResourceProperty`: the same, asked again until the step's timeout.
    Wait(Property),
    /// `aws:approve`: somebody has to agree before the run goes on.
    Approve {
        /// What they are asked.
        message: String,
        /// How many have to agree.
        minimum: u32,
    },
    /// `aws:branch`.
    Branch {
        /// Tried in order.
        choices: Vec<Choice>,
        /// The step if none holds; without it the next in order.
        default: Option<String>,
    },
    /// `aws:sleep`.
    Sleep(Duration),
    /// `aws:invokeWebhook`: a destination that the configuration names.
    Webhook {
        /// Its name.
        destination: String,
        /// What it is told.
        body: String,
    },
    /// `aws:executeScript` and `aws:runCommand`: exported, and never run here.
    Exported(String),
    /// `aws:executeAutomation`: another runbook, with these parameters.
    Automation {
        /// Its id.
        runbook: String,
        /// Its parameters; templates.
        parameters: BTreeMap<String, Value>,
    },
}

/// A call whose inputs may hold templates. Service and API never do.
#[derive(Clone, Debug)]
pub struct Template {
    /// The service.
    pub service: String,
    /// The API.
    pub api: String,
    /// The inputs; texts in them may hold templates.
    pub inputs: serde_json::Map<String, Value>,
}

/// A property of a resource and the values it should have.
#[derive(Clone, Debug)]
pub struct Property {
    /// The read that shows it.
    pub call: Template,
    /// Where it stands in the answer, such as `$.IsLogging`.
    pub selector: String,
    /// The values, as text; templates.
    pub desired: Vec<String>,
}

/// A way out of a branch.
#[derive(Clone, Debug)]
pub struct Choice {
    /// The condition.
    pub test: ChoiceTest,
    /// The step to go to.
    pub next: String,
}

/// A condition of a branch.
#[derive(Clone, Debug)]
pub enum ChoiceTest {
    /// One comparison: variable (a template), operator (`StringEquals`, `NumericGreater`, `BooleanEquals`, …), value.
    Compare {
        /// A template.
        variable: String,
        /// The operator, as the schema spells it.
        operator: String,
        /// What it is compared with.
        value: Value,
    },
    /// All of them.
    And(Vec<ChoiceTest>),
    /// Any of them.
    Or(Vec<ChoiceTest>),
    /// Not this one.
    Not(Box<ChoiceTest>),
}

/// What happens when a step fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// The run fails.
    Abort,
    /// The run goes on with the next step.
    Continue,
    /// The run goes on with this step.
    Step(String),
}

/// When a runbook is chosen: all that is given has to hold, of a list one.
#[derive(Clone, Debug, Default)]
pub struct Trigger {
    /// Rule ids.
    pub rules: Vec<String>,
    /// Tags of the rule, such as `attack.t1562.008`.
    pub tags: Vec<String>,
    /// The finding's level, at least.
    pub min_severity: Option<Level>,
    /// Classes of target.
    pub identity: Vec<crate::target::Class>,
    /// Event source, such as `cloudtrail.amazonaws.com`.
    pub source: Option<String>,
    /// Event names.
    pub names: Vec<String>,
    /// Whether the event has to have succeeded (`error: null`).
    pub only_success: bool,
    /// A condition.
    pub when: Option<Expression>,
    /// Only for findings that no other runbook takes.
    pub default: bool,
}

/// A query that is run first.
#[derive(Clone, Debug)]
pub struct Enrich {
    /// The query's id.
    pub query: String,
    /// The name its answer has in expressions.
    pub alias: String,
    /// How far back it looks.
    pub window: Duration,
    /// Its bounds.
    pub max_ms: u32,
    /// See [`Enrich::max_ms`].
    pub max_rows: u32,
}

/// Another runbook takes over.
#[derive(Clone, Debug)]
pub struct Redirect {
    /// If this holds.
    pub when: Expression,
    /// The runbook's id.
    pub to: String,
}

/// How far a runbook may go by itself, from the least to the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// It is only noted that it would have been chosen.
    Observe,
    /// Everything is read and planned, nothing is changed.
    DryRun,
    /// A person has to agree to the plan.
    Approve,
    /// It runs when the guards agree.
    Auto,
}

/// Who has to agree.
#[derive(Clone, Debug)]
pub struct Approval {
    /// How many.
    pub quorum: u32,
    /// Who may; nobody in particular if empty.
    pub approvers: Vec<String>,
    /// How long the question stands.
    pub ttl: Duration,
}

/// A runbook's own guards; the configuration's are never widened by them.
#[derive(Clone, Debug)]
pub struct Guards {
    /// An event older than this is not acted on.
    pub max_age: Duration,
    /// Runs an hour in one account.
    pub per_hour_account: u32,
    /// Runs an hour in all.
    pub per_hour_org: u32,
    /// The share of an account's active principals that may be acted on in an hour, in percent.
    pub max_percent_principals: u32,
    /// ARN globs and `tag:KEY=VALUE` that are never acted on.
    pub protected: Vec<String>,
    /// The rule's precision that `auto` needs, in percent.
    pub auto_min_precision: u32,
    /// Whether the trigger is deterministic, so that `auto` may hold from the first day where the one switch allows it.
    pub deterministic: bool,
    /// The same trigger again within this long turns to another runbook instead of a ping-pong.
    pub ping_pong: Option<(Duration, String)>,
}

/// The inverse of a step.
#[derive(Clone, Debug)]
pub enum Undo {
    /// This call; templates may use `{{ before.STEP }}`-paths too.
    Call(Template),
    /// The state before, put back by the catalogue's own inverse of the step's API.
    Restore,
    /// The step is never undone by itself, and this is why.
    None(String),
}

/// How long the effect stands without a verdict.
#[derive(Clone, Debug)]
pub struct Lease {
    /// How long.
    pub ttl: Duration,
    /// What then happens.
    pub on_expiry: Expiry,
}

/// What happens when a lease ends without a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// A person is asked again.
    Escalate,
    /// It is undone.
    Undo,
    /// It stays.
    Keep,
}

/// What proves that a run worked.
#[derive(Clone, Debug)]
pub enum Verify {
    /// A read, and what has to hold of its answer (`answer` in the expression).
    Api {
        /// The read; inputs are taken from the parameters of the same name.
        call: Template,
        /// What has to hold.
        expect: Expression,
    },
    /// The stream: no record for which the condition holds (`event` in the expression) after the grace period, for as long as
    /// the effect is watched.
    Stream {
        /// What must not happen.
        condition: Expression,
        /// It is watched for at least this long after the grace period.
        within: Duration,
    },
}

/// Who is told of what.
#[derive(Clone, Debug)]
pub struct Notify {
    /// A destination that the configuration names, as `slack:secops`; or `owner`.
    pub to: String,
    /// Of what: `proposed`, `awaiting_approval`, `refused`, `done`, `failed`, `escalated`, `undone`.
    pub on: Vec<String>,
}

/// An example: a finding, and what the runbook has to do with it.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Its name.
    pub name: String,
    /// The line that it begins on, from 1.
    pub line: u32,
    /// The record that the finding is of.
    pub record: TrialRecord,
    /// The rule that the finding is of, if that matters.
    pub rule: Option<String>,
    /// The rule's tags.
    pub tags: Vec<String>,
    /// The finding's level; high if it does not matter.
    pub severity: Level,
    /// The finding's title.
    pub title: Option<String>,
    /// What the finding says of the resource, as `type`, `arn` and `name`.
    pub resource: Value,
    /// What enrichment would have answered, by alias.
    pub enrich: Value,
    /// What has to come of it.
    pub expect: TrialExpect,
}

/// The record of an example.
#[derive(Clone, Debug, PartialEq)]
pub enum TrialRecord {
    /// In the runbook itself.
    Inline(Value),
    /// In a file beside it.
    File(String),
    /// No record: the finding as expressions see it, for findings that come of a query.
    Finding(Value),
}

/// What has to come of a trial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrialExpect {
    /// These calls that change something, in order, as `service:Api`.
    Calls(Vec<String>),
    /// Another runbook takes over.
    Redirect(String),
    /// It is refused, by this guard (`resolver`, `parameters`, `protected`, …).
    Refused(String),
    /// The trigger does not choose it.
    NotChosen,
}
