//! Whether a run may act, and how far: the guards, in their order.
//!
//! Each guard lets the run go on, lowers how far it may go by itself, or refuses it. Whatever one says is kept with the run and
//! in the ledger. What a guard holds back from acting by itself waits for a person; nothing is dropped.

use std::collections::BTreeSet;

use trailloop_cloud::{CloudError, CloudErrorKind, RowKey};
use trailloop_runbook::document::{Mode, Runbook};
use trailloop_runbook::policy::document::glob;
use trailloop_runbook::{Call, Refusal, catalogue};

use crate::context::Case;
use crate::responder::{Halt, Responder};
use crate::run::Run;
use crate::switch::Position;
use crate::time::ms;
use crate::{budget, holds, rows};

/// How far a run may go, and why no further.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ruling {
    /// How far.
    pub(crate) mode: Mode,
    /// Why it is refused, if it is.
    pub(crate) refusal: Option<Refusal>,
    /// Why it may not go further.
    pub(crate) reasons: Vec<String>,
    /// Whether somebody has to be paged.
    pub(crate) pages: bool,
}

impl Ruling {
    fn lower(&mut self, to: Mode, guard: &str, reason: &str) {
        if to < self.mode {
            self.mode = to;
            self.reasons.push(format!("{guard}: {reason}"));
        }
    }

    /// Whether it is settled that nothing happens.
    fn is_refused(&self) -> bool {
        self.refusal.is_some()
    }

    fn refuse(mut self, guard: &'static str, reason: impl Into<String>) -> Self {
        self.refusal = Some(Refusal::new(guard, reason));
        self
    }
}

impl Responder {
    /// Asks the guards in their order; the first refusal ends it.
    pub(crate) async fn judge(
        &self,
        run: &Run,
        runbook: &Runbook,
        case: &Case,
        plan: &[(String, Call)],
    ) -> Result<Ruling, Halt> {
        let now_ms = self.clock.now_ms();
        let mut ruling =
            Ruling { mode: Mode::Auto, refusal: None, reasons: Vec::new(), pages: false };

        // 1. The kill switch.
        match self.switch.read(&*self.actions).await {
            Position::Off => return Ok(ruling.refuse("kill_switch", "the kill switch is off")),
            Position::AtMost(mode) => {
                ruling.lower(mode, "kill_switch", "the kill switch allows no more");
            }
        }
        // 2. The mode of the runbook, under the operator's.
        ruling.lower(runbook.mode, "mode", "the runbook asks for no more");
        ruling.lower(self.settings.mode, "mode", "respond.mode allows no more");
        if let Some((_, call)) = plan.iter().find(|(_, call)| !is_made(call)) {
            let text = format!("{} is planned and exported only; a person makes it", call.name());
            ruling.lower(Mode::DryRun, "catalogue", &text);
        }
        // 3. Freshness: what is long past is for people.
        let age_ms = now_ms - run.event_ms;
        if age_ms > ms(self.settings.max_age.min(runbook.guards.max_age)) {
            let text = format!("the event is {} minutes old", age_ms / 60_000);
            return Ok(ruling.refuse("freshness", text));
        }
        // 4. Replays never act.
        if !run.is_live {
            return Ok(ruling.refuse("replay", "the finding was not sent by the stream"));
        }
        // 5. The resolver: whom may be acted on, and by which calls.
        for (_, call) in plan {
            if let Some(refusal) = case.target.forbids_on(call, case.resource.as_ref()) {
                ruling.refusal = Some(refusal);
                return Ok(ruling);
            }
        }
        // 6. Protected principals and resources.
        if let Some(refusal) = self.protects(run, runbook, case, plan).await? {
            ruling.refusal = Some(refusal);
            return Ok(ruling);
        }
        // 7. What we did ourselves.
        if self.is_ours(case) {
            return self.own_activity(ruling, run, case).await;
        }
        // 8. Each effect once: the run's id and the rows of its steps see to that.
        // 9. One run a target.
        if ruling.mode > Mode::DryRun && !plan.is_empty() {
            let until_ms = now_ms + ms(self.watch_of(runbook)) + HOLD_MS;
            let holder =
                holds::take(&*self.table, &run.target, &run.id, (now_ms, until_ms)).await?;
            if holder != run.id && run.parent.as_deref() != Some(&holder) {
                return Ok(ruling.refuse("lease", format!("run {holder} acts on the same target")));
            }
        }
        // 10. Budgets, of what would act by itself.
        let doubt = match ruling.mode {
            Mode::Auto => self.doubt(run, runbook, plan).await?,
            _ => None,
        };
        if ruling.mode == Mode::Auto && doubt.is_none() && !self.has_budget(run, runbook).await? {
            ruling.lower(Mode::Approve, "budget", "the hour's budget of automatic runs is spent");
            ruling.pages = true;
        }
        // 11. Confidence in the rule and the runbook.
        if let Some(doubt) = doubt {
            ruling.lower(Mode::Approve, "confidence", &doubt);
        }
        // 12. The state before is kept by each change itself; without it there is no call.
        // 13. The executor's rights, tried without using them.
        if ruling.mode > Mode::DryRun
            && self.settings.simulates
            && let Some(missing) = self.missing_right(run, runbook, plan).await?
        {
            ruling.lower(Mode::Approve, "permissions", &missing);
        }
        // 14. The calendar.
        if self.settings.freezes.iter().any(|(from, to)| (*from..*to).contains(&now_ms)) {
            ruling.lower(Mode::Approve, "freeze", "changes are frozen now");
        }
        debug_assert!(!ruling.is_refused(), "a refusal returns at once");
        Ok(ruling)
    }

    /// Whether something that the run would act on is never acted on.
    async fn protects(
        &self,
        run: &Run,
        runbook: &Runbook,
        case: &Case,
        plan: &[(String, Call)],
    ) -> Result<Option<Refusal>, CloudError> {
        if self.settings.management_account.as_deref() == Some(run.account.as_str()) {
            return Ok(Some(Refusal::new("protected", "it is the management account")));
        }
        let arns = [case.target.principal_arn.as_deref(), Some(run.target.as_str())];
        let globs = self.settings.protected.iter().chain(&runbook.guards.protected);
        for pattern in globs.filter(|one| !one.starts_with("tag:")) {
            if arns.iter().flatten().any(|arn| glob(pattern, arn)) {
                return Ok(Some(Refusal::new("protected", format!("{pattern} is never acted on"))));
            }
        }
        for (_, call) in plan.iter().filter(|(_, call)| is_made(call)) {
            if let Some(api) = catalogue::find(&call.service, &call.api)
                && let Err(refusal) = api.never(call, &case.target, &self.ours())
            {
                return Ok(Some(refusal));
            }
        }
        self.protected_by_tag(run, runbook, case, plan).await
    }

    /// Whether the caller, or a user or a role that the plan changes, carries a tag that protects it, as IAM says.
    async fn protected_by_tag(
        &self,
        run: &Run,
        runbook: &Runbook,
        case: &Case,
        plan: &[(String, Call)],
    ) -> Result<Option<Refusal>, CloudError> {
        let all = self.settings.protected.iter().chain(&runbook.guards.protected);
        let tags: Vec<(&str, &str)> = all
            .filter_map(|one| one.strip_prefix("tag:")?.rsplit_once('='))
            .chain([("trailloop:protected", "true")])
            .collect();
        for (kind, name) in principals(case, plan) {
            let mut inputs = serde_json::Map::new();
            inputs.insert(format!("{kind}Name"), name.into());
            let call = Call { service: "iam".to_owned(), api: format!("Get{kind}"), inputs };
            let answer = match self.actions.call(&self.session(run, &call), &call).await {
                Ok(answer) => answer.body,
                Err(error) if error.kind() == CloudErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let listed = answer.pointer(&format!("/{kind}/Tags")).and_then(|tags| tags.as_array());
            for tag in listed.into_iter().flatten() {
                let part = |name: &str| tag.get(name).and_then(|text| text.as_str()).unwrap_or("");
                if tags.contains(&(part("Key"), part("Value"))) {
                    let text = format!("{name} has the tag {}={}", part("Key"), part("Value"));
                    return Ok(Some(Refusal::new("protected", text)));
                }
            }
        }
        Ok(None)
    }

    /// Whether the finding is about what our own role did.
    fn is_ours(&self, case: &Case) -> bool {
        case.target.role_name.as_deref() == Some(self.settings.responder_role.as_str())
    }

    /// A call of our role that the ledger knows is no news; one that it does not know is somebody else in our place.
    async fn own_activity(
        &self,
        mut ruling: Ruling,
        run: &Run,
        case: &Case,
    ) -> Result<Ruling, Halt> {
        let request = case.confirmed.record.get("requestID").and_then(|id| id.as_str());
        let known = match request {
            Some(request) => self.knows_request(request).await?,
            None => false,
        };
        if known {
            return Ok(ruling.refuse("own_activity", "the ledger knows this call as ours"));
        }
        ruling.pages = true;
        self.alarm_stranger(run, case).await?;
        Ok(ruling.refuse(
            "own_activity",
            "the responder role was used for a call that the ledger does not know",
        ))
    }

    async fn has_budget(&self, run: &Run, runbook: &Runbook) -> Result<bool, CloudError> {
        let now_ms = self.clock.now_ms();
        let account = format!("{}/{}", runbook.id, run.account);
        let most = runbook.guards.per_hour_account.min(self.settings.per_hour_account);
        if !budget::take(&*self.table, &account, &run.id, most, now_ms).await? {
            return Ok(false);
        }
        let most = runbook.guards.per_hour_org.min(self.settings.per_hour_org);
        budget::take(&*self.table, &runbook.id, &run.id, most, now_ms).await
    }

    /// A right that the responder's role lacks, as IAM's own simulation says; asked once a runbook and account.
    async fn missing_right(
        &self,
        run: &Run,
        runbook: &Runbook,
        plan: &[(String, Call)],
    ) -> Result<Option<String>, CloudError> {
        let key = RowKey::new("rights", format!("{}/{}", runbook.hash, run.account));
        if let Some(kept) = rows::load::<Option<String>>(&*self.table, &key).await? {
            return Ok(kept.value);
        }
        let mut actions: Vec<String> = plan
            .iter()
            .filter_map(|(_, call)| catalogue::find(&call.service, &call.api))
            .flat_map(|api| {
                let also = api.also.iter().map(|right| right.action.to_owned());
                std::iter::once(api.action()).chain(also)
            })
            .collect();
        actions.sort();
        actions.dedup();
        if actions.is_empty() {
            return Ok(None);
        }
        let role = format!(
            "arn:{}:iam::{}:role/{}",
            self.settings.partition, run.account, self.settings.responder_role
        );
        let mut inputs = serde_json::Map::new();
        inputs.insert("PolicySourceArn".to_owned(), role.into());
        inputs.insert("ActionNames".to_owned(), actions.into());
        let call =
            Call { service: "iam".to_owned(), api: "SimulatePrincipalPolicy".to_owned(), inputs };
        let missing = match self.actions.call(&self.session(run, &call), &call).await {
            Ok(answer) => denied_action(&answer.body),
            Err(error) if error.is_transient() => return Err(error),
            // Without an answer nobody knows, and a person decides.
            Err(error) => return Ok(Some(format!("the rights can't be simulated: {error}"))),
        };
        if missing.is_none() {
            rows::create(&*self.table, &key, &missing).await?;
        }
        Ok(missing)
    }
}

/// The users and roles that a run is about: the caller, and those whom its plan changes.
fn principals<'c>(case: &'c Case, plan: &'c [(String, Call)]) -> BTreeSet<(&'static str, &'c str)> {
    let caller = match (&case.target.user_name, &case.target.role_name) {
        (Some(name), _) => Some(("User", name.as_str())),
        (None, Some(name)) => Some(("Role", name.as_str())),
        (None, None) => None,
    };
    caller.into_iter().chain(plan.iter().flat_map(|(_, call)| named(call))).collect()
}

/// The user or role that a call of IAM names.
pub(crate) fn named(call: &Call) -> impl Iterator<Item = (&'static str, &str)> {
    let named = |kind, input| Some((kind, call.text(input).filter(|_| call.service == "iam")?));
    [named("User", "UserName"), named("Role", "RoleName")].into_iter().flatten()
}

/// What a hold on a target lasts beyond the watch, without a word from its run.
const HOLD_MS: i64 = 3_600_000;

/// Whether the executor makes a call at all; others are for people.
fn is_made(call: &Call) -> bool {
    catalogue::find(&call.service, &call.api).is_some_and(|api| api.runs_call(call))
}

fn denied_action(answer: &serde_json::Value) -> Option<String> {
    let results = answer.get("EvaluationResults")?.as_array()?;
    results.iter().find_map(|result| {
        let decision = result.get("EvalDecision")?.as_str()?;
        let action = result.get("EvalActionName")?.as_str()?;
        (decision != "allowed").then(|| format!("the responder role may not {action}"))
    })
}
