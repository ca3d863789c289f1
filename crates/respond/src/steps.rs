//! The steps of a runbook, one after the other.
//!
//! After each step the run is written with the next step's name, so whoever goes on does so there. A step that was done and
//! not yet written is done again: a read is read again, a change finds its row.

use std::time::Duration;

use serde_json::Value;
use trailloop_cloud::{CloudError, CloudErrorKind};
use trailloop_runbook::document::{Action, Choice, OnFailure, Property, Runbook, Template};
use trailloop_runbook::select::{self, Selector};
use trailloop_runbook::template::{Values, fill_text};
use trailloop_runbook::{Call, Refusal};

use crate::change::{ChangeError, Standing, known};
use crate::context::Case;
use crate::responder::{Halt, Responder};
use crate::run::Run;
use crate::time::ms;

/// How a step ended.
enum Ended {
    /// Well; the next in order, or this one.
    Well(Option<String>),
    /// Not well, and this is why.
    Badly(String),
    /// It goes on later.
    Later,
}

impl Responder {
    /// Does the step at the cursor, and moves the cursor.
    pub(crate) async fn step(
        &self,
        run: &mut Run,
        runbook: &Runbook,
        case: &Case,
    ) -> Result<(), Halt> {
        let Some(number) = self.place(run, runbook) else {
            self.begin_watch(run, runbook).await?;
            return Ok(());
        };
        let step = &runbook.steps[number];
        match self.perform(run, runbook, case, number).await? {
            Ended::Later => {}
            Ended::Well(Some(next)) => run.cursor = Some(next),
            Ended::Well(None) => self.after(run, runbook, number, step.is_end),
            Ended::Badly(reason) => self.trouble(run, runbook, number, reason).await?,
        }
        Ok(())
    }

    /// Where the cursor stands; at first with the first step, after the last nowhere.
    fn place(&self, run: &Run, runbook: &Runbook) -> Option<usize> {
        match run.cursor.as_deref() {
            None => (!runbook.steps.is_empty()).then_some(0),
            Some(name) => runbook.steps.iter().position(|step| step.name == name),
        }
    }

    /// Moves on from a step.
    fn after(&self, run: &mut Run, runbook: &Runbook, number: usize, is_end: bool) {
        let named = runbook.steps[number].next.clone();
        let following = runbook.steps.get(number + 1).map(|step| step.name.clone());
        let next = if is_end { None } else { named.or(following) };
        run.cursor = Some(next.unwrap_or_else(|| END.to_owned()));
    }

    /// Does what the runbook says of a step that went wrong.
    async fn trouble(
        &self,
        run: &mut Run,
        runbook: &Runbook,
        number: usize,
        reason: String,
    ) -> Result<(), Halt> {
        let step = &runbook.steps[number];
        run.reasons.push(format!("step {}: {reason}", step.name));
        self.note(run, &step.name, &format!("failed: {reason}")).await?;
        // Systems Manager takes a step for critical unless it says otherwise; one that names a way on is not done without it.
        run.has_critical_failure |= step.is_critical && step.on_failure == OnFailure::Continue;
        match &step.on_failure {
            OnFailure::Step(name) => run.cursor = Some(name.clone()),
            OnFailure::Continue => self.after(run, runbook, number, step.is_end),
            OnFailure::Abort => {
                self.fail(run, runbook, "a step failed").await?;
            }
        }
        Ok(())
    }

    async fn perform(
        &self,
        run: &mut Run,
        runbook: &Runbook,
        case: &Case,
        number: usize,
    ) -> Result<Ended, Halt> {
        let step = &runbook.steps[number];
        let values = self.values(run);
        let ended = match &step.action {
            Action::Call(template) => self.call(run, runbook, case, number, template).await,
            Action::Assert(property) => self.assert(run, property, &values).await,
            Action::Wait(property) => self.wait(run, step.timeout, property, &values).await,
            Action::Branch { choices, default } => {
                return Ok(branch(choices, default.as_deref(), &values));
            }
            Action::Sleep(duration) => return Ok(self.sleep(run, &step.name, *duration)),
            Action::Approve { message, minimum } => {
                return self.ask(run, runbook, message, *minimum).await;
            }
            Action::Webhook { destination, body } => {
                self.webhook(run, (destination, body), &values).await
            }
            Action::Automation { runbook, .. } => {
                return self.hand_on(run, case, runbook).await;
            }
            Action::Exported(what) => Ok(Ended::Badly(format!("{what} is exported only"))),
        };
        match ended {
            Ok(ended) => Ok(ended),
            Err(Failure::Unreached(error)) => Err(Halt::Unreached(error)),
            Err(Failure::Taken) => Err(Halt::Taken),
            Err(Failure::Refused(refusal)) => Ok(Ended::Badly(refusal.to_string())),
            Err(Failure::Said(text)) => Ok(Ended::Badly(text)),
        }
    }

    async fn call(
        &self,
        run: &mut Run,
        runbook: &Runbook,
        case: &Case,
        number: usize,
        template: &Template,
    ) -> Result<Ended, Failure> {
        let step = &runbook.steps[number];
        let call = template.fill(&self.values(run))?;
        let api = known(&call)?;
        if !api.changes {
            let answer = self.read(run, &call, step.max_attempts, step.timeout).await?;
            for output in &step.outputs {
                let found = selected(&answer, &output.selector).and_then(|found| found.value());
                let found = found.unwrap_or(Value::Null);
                let outputs = run.outputs.entry(step.name.clone()).or_default();
                outputs.insert(output.name.clone(), found);
            }
            return Ok(Ended::Well(None));
        }
        // The last word before anything is changed, on the call as it will be made.
        if let Some(refusal) = case.target.forbids_on(&call, case.resource.as_ref()) {
            return Err(refusal.into());
        }
        api.never(&call, &case.target, &self.ours())?;
        if !self.switch.read(&*self.actions).await.allows_changes() {
            return Err(Failure::Said("the kill switch allows no change any more".to_owned()));
        }
        if let Err(why) = self.keep_before(run, runbook).await? {
            return Err(Failure::Said(format!("what was there before can't be kept: {why}")));
        }
        match self.change(run, number, step, &call).await {
            Ok(change) if change.standing == Standing::Failed => {
                Ok(Ended::Badly(change.error.unwrap_or_default()))
            }
            Ok(_) => Ok(Ended::Well(None)),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes a call that reads, again if AWS did not answer.
    pub(crate) async fn read(
        &self,
        run: &Run,
        call: &Call,
        attempts: u32,
        timeout: Duration,
    ) -> Result<Value, CloudError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self.attempt(run, call, timeout).await {
                Ok(answer) => return Ok(answer.body),
                Err(error) if error.is_transient() && attempt < attempts => {
                    self.pause(attempt).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether a property has one of the values it should have, and what it has.
    async fn property(
        &self,
        run: &Run,
        property: &Property,
        values: &Values,
    ) -> Result<Result<(), String>, Failure> {
        let call = property.call.fill(values)?;
        let desired = texts(&property.desired, values)?;
        let answer = match self.read(run, &call, READS, READ_MAX).await {
            Ok(answer) => answer,
            Err(error) if error.kind() == CloudErrorKind::NotFound => Value::Null,
            Err(error) => return Err(error.into()),
        };
        let found = selected(&answer, &property.selector);
        if found.as_ref().is_some_and(|found| found.is_one_of(&desired)) {
            return Ok(Ok(()));
        }
        let found = found.and_then(|found| found.text()).unwrap_or_else(|| "absent".to_owned());
        let wanted = desired.join(" or ");
        let clipped: String = found.chars().take(200).collect();
        Ok(Err(format!(
            "{} of {} is {}, not {wanted}",
            property.selector,
            call.name(),
            clipped.escape_debug()
        )))
    }

    async fn assert(
        &self,
        run: &Run,
        property: &Property,
        values: &Values,
    ) -> Result<Ended, Failure> {
        Ok(match self.property(run, property, values).await? {
            Ok(()) => Ended::Well(None),
            Err(reason) => Ended::Badly(reason),
        })
    }

    async fn wait(
        &self,
        run: &Run,
        timeout: Duration,
        property: &Property,
        values: &Values,
    ) -> Result<Ended, Failure> {
        let until_ms = self.clock.now_ms() + ms(timeout);
        let mut look = 0;
        loop {
            match self.property(run, property, values).await? {
                Ok(()) => return Ok(Ended::Well(None)),
                Err(reason) if self.clock.now_ms() >= until_ms => return Ok(Ended::Badly(reason)),
                Err(_) => {}
            }
            look += 1;
            self.pause(look).await;
        }
    }

    /// A sleep is a time in the run's row, so that nobody has to stay awake for it.
    fn sleep(&self, run: &mut Run, step: &str, duration: Duration) -> Ended {
        let now_ms = self.clock.now_ms();
        run.cursor = Some(step.to_owned());
        match run.until_ms {
            None => run.until_ms = Some(now_ms + ms(duration)),
            Some(until_ms) if until_ms <= now_ms => {
                run.until_ms = None;
                return Ended::Well(None);
            }
            Some(_) => {}
        }
        Ended::Later
    }

    /// A step in the middle at which somebody has to agree.
    async fn ask(
        &self,
        run: &mut Run,
        runbook: &Runbook,
        message: &str,
        minimum: u32,
    ) -> Result<Ended, Halt> {
        let agreed = self.agreed(run).await?;
        if agreed.iter().filter(|said| said.agrees).count() >= minimum as usize {
            return Ok(Ended::Well(None));
        }
        if agreed.iter().any(|said| !said.agrees) {
            return Ok(Ended::Badly("it was rejected".to_owned()));
        }
        run.reasons.push(message.to_owned());
        self.await_approval(run, runbook).await?;
        Ok(Ended::Later)
    }

    async fn webhook(
        &self,
        run: &Run,
        (destination, body): (&str, &str),
        values: &Values,
    ) -> Result<Ended, Failure> {
        let body = text_of(fill_text(body, values)?);
        match self.post(run, destination, &body).await {
            Ok(()) => Ok(Ended::Well(None)),
            Err(error) => Ok(Ended::Badly(error.to_string())),
        }
    }

    /// Another runbook takes part: a run of its own, with guards of its own.
    async fn hand_on(&self, run: &mut Run, case: &Case, to: &str) -> Result<Ended, Halt> {
        self.open_child(run, case, to).await?;
        Ok(Ended::Well(None))
    }

    /// What templates may use.
    pub(crate) fn values(&self, run: &Run) -> Values {
        Values {
            parameters: run.parameters.clone(),
            outputs: run.outputs.clone(),
            account: run.account.clone(),
            region: run.region.clone(),
            partition: self.settings.partition.clone(),
            date_time: crate::time::rfc3339(run.started_ms),
            execution_id: run.id.clone(),
            ..Values::default()
        }
    }
}

/// So often a state is read whose answer does not come, where no step says how often.
pub(crate) const READS: u32 = 3;

/// So long such a read may take.
pub(crate) const READ_MAX: Duration = Duration::from_secs(60);

/// The cursor after the last step; no step has this name.
pub(crate) const END: &str = "-";

/// The way out of a branch: the first choice that holds. One that can't be told is no way out.
fn branch(choices: &[Choice], default: Option<&str>, values: &Values) -> Ended {
    for choice in choices {
        match choice.test.holds(values) {
            Ok(true) => return Ended::Well(Some(choice.next.clone())),
            Ok(false) => {}
            Err(refusal) => return Ended::Badly(refusal.to_string()),
        }
    }
    Ended::Well(default.map(str::to_owned))
}

/// What a selector finds; nothing if it is none, which the check of the runbook has refused.
fn selected<'a>(answer: &'a Value, selector: &str) -> Option<select::Found<'a>> {
    Selector::parse(selector).ok().map(|selector| selector.find(answer))
}

/// Templates filled in, as texts.
fn texts(templates: &[String], values: &Values) -> Result<Vec<String>, Refusal> {
    templates.iter().map(|text| fill_text(text, values).map(text_of)).collect()
}

fn text_of(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// Why a step ended before its end.
enum Failure {
    Unreached(CloudError),
    Taken,
    Refused(Refusal),
    Said(String),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Halt> for Failure {
    fn from(halt: Halt) -> Self {
        match halt {
            Halt::Unreached(error) => error.into(),
            Halt::Taken => Self::Taken,
            Halt::Unsure(text) => Self::Said(text),
        }
    }
}

impl From<CloudError> for Failure {
    fn from(error: CloudError) -> Self {
        if error.is_transient() { Self::Unreached(error) } else { Self::Said(error.to_string()) }
    }
}

impl From<ChangeError> for Failure {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Unreached(error) => error.into(),
            ChangeError::Taken => Self::Taken,
            ChangeError::Refused { .. } | ChangeError::Drifted(_) => Self::Said(error.to_string()),
        }
    }
}
