//! Whether a rule and a runbook have earned that a run acts by itself.
//!
//! What people said of a rule's findings tells how often it was right, and a runbook that acted wrongly on one of them asks from
//! then on. This only goes towards safety by itself: what was taken away comes back with another text of the runbook, which
//! somebody reviewed.

use std::collections::BTreeSet;

use trailloop_cloud::{CloudError, RowKey, Table};
use trailloop_finding::{Level, sha256};
use trailloop_runbook::Call;
use trailloop_runbook::catalogue::{self, Risk};
use trailloop_runbook::document::Runbook;

use crate::guards::named;
use crate::responder::Responder;
use crate::run::Run;
use crate::{rows, store};

/// The partition of what may no longer act by itself.
const DEMOTED: &str = "demoted";

/// A pair of runbook and rule has to ask.
fn key_of(runbook_hash: &str, rule: &str) -> RowKey {
    RowKey::new(DEMOTED, sha256(format!("{runbook_hash}\0{rule}").as_bytes()))
}

/// Takes from a run's runbook that it acts by itself on findings of this rule, since this run was wrong.
pub(crate) async fn demote(table: &dyn Table, run: &Run) -> Result<(), CloudError> {
    if rows::create(table, &key_of(&run.hash, &run.rule), &run.id).await? {
        tracing::warn!(
            runbook = run.runbook,
            rule = run.rule,
            run = run.id,
            "a verdict undoes an automatic run; its runbook asks from now on before it acts on findings of this rule"
        );
    }
    Ok(())
}

impl Responder {
    /// Why a person has to agree, if so.
    pub(crate) async fn doubt(
        &self,
        run: &Run,
        runbook: &Runbook,
        plan: &[(String, Call)],
    ) -> Result<Option<String>, CloudError> {
        let risk = risk_of(plan);
        if risk == Risk::R0 {
            return Ok(None);
        }
        if let Some(wrong) =
            rows::load::<String>(&*self.table, &key_of(&run.hash, &run.rule)).await?
        {
            let text = format!("run {} of it on this rule was automatic and wrong", wrong.value);
            return Ok(Some(text));
        }
        let said = store::of_rule(&*self.table, &run.rule).await?;
        let level = Level::parse(&run.level).unwrap_or(Level::Informational);
        let (precision, judged) = store::precision(level, &said, self.clock.now_ms());
        let (least, most) = (percent(precision.to_act()), percent(precision.to_demote()));
        let asked = runbook.guards.auto_min_precision;
        if judged > 0 && least >= asked {
            return self.reaches_too_far(run, runbook, plan).await;
        }
        let is_poor = judged > 0 && most < asked;
        if is_poor || !runbook.guards.deterministic {
            let text = match judged {
                0 => "nobody has judged this rule's findings yet, so its precision is not known"
                    .to_owned(),
                _ => format!(
                    "{judged} verdicts put the rule's precision between {least} % and {most} %, and the runbook asks for {asked} %"
                ),
            };
            return Ok(Some(text));
        }
        let is_off = !self.settings.first_day_auto;
        if is_off {
            return Ok(Some("respond.first_day_auto is off".to_owned()));
        }
        self.reaches_too_far(run, runbook, plan).await
    }

    /// Why calls that act widely reach more of the account's users and roles than the runbook may without asking, if they do or if
    /// nobody knows.
    async fn reaches_too_far(
        &self,
        run: &Run,
        runbook: &Runbook,
        plan: &[(String, Call)],
    ) -> Result<Option<String>, CloudError> {
        let mut reached = BTreeSet::new();
        for (_, call) in plan.iter().filter(|(_, call)| risk_of_call(call) > Risk::R1) {
            reached.extend(named(call));
            if named(call).next().is_none() {
                let name = call.name();
                return Ok(Some(format!(
                    "{name} acts widely, and the number of principals it reaches is not known"
                )));
            }
        }
        if reached.is_empty() {
            return Ok(None);
        }
        let (service, api) = ("iam".to_owned(), "GetAccountSummary".to_owned());
        let call = Call { service, api, inputs: serde_json::Map::new() };
        let counts = match self.actions.call(&self.session(run, &call), &call).await {
            Ok(answer) => answer.body["SummaryMap"].clone(),
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => {
                return Ok(Some(format!("the account's principals can't be counted: {error}")));
            }
        };
        let count = |name: &str| counts[name].as_u64().unwrap_or_default();
        let (reached, all) = (reached.len() as u64, count("Users") + count("Roles"));
        let most = u64::from(runbook.guards.max_percent_principals);
        let text = || {
            format!(
                "it acts widely on {reached} of the account's {all} principals, and the runbook may on {most} %"
            )
        };
        Ok((reached * 100 > all * most).then(text))
    }
}

/// How far the gravest call of a plan reaches.
fn risk_of(plan: &[(String, Call)]) -> Risk {
    plan.iter().map(|(_, call)| risk_of_call(call)).max().unwrap_or(Risk::R0)
}

/// A call that is not in the catalogue is never made.
fn risk_of_call(call: &Call) -> Risk {
    catalogue::find(&call.service, &call.api).map_or(Risk::R0, |api| api.risk_of(call))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share from 0 to 1 as whole percent, rounded down"
)]
fn percent(share: f64) -> u32 {
    (share.clamp(0.0, 1.0) * 100.0) as u32
}
