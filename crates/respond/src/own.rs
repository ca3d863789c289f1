//! What the executor finds about itself: a finding that was forged, its role in other hands, a containment that does not hold.
//!
//! Each is a finding of OCSF, kept with the evidence, and a page.

use bytes::Bytes;
use trailloop_finding::Level;

use crate::alert::route::Surroundings;
use crate::alert::{Alert, Kind};
use crate::confirm::Doubt;
use crate::context::Case;
use crate::hint::{Hint, Origin};
use crate::ocsf::{Own, OwnFinding};
use crate::receivers::DEFAULT;
use crate::responder::{Halt, Responder};
use crate::run::Run;

impl Responder {
    /// The archive does not bear a finding out, or its rule is another: nothing is done, and it is said.
    pub(crate) async fn doubted(&self, hint: &Hint, doubt: &Doubt) -> Result<(), Halt> {
        tracing::error!(finding = %hint.uid, %doubt, "not acted on");
        self.note_doubt(hint, doubt).await?;
        let about = format!("doubt/{}", hint.uid);
        let settings = match doubt {
            Doubt::RuleChanged => Some((
                "Findings are made by other rules than the responder's",
                "trailloop.rule_changed",
            )),
            Doubt::NotAsked => {
                Some(("Findings of queries come, and none can be asked", "trailloop.not_asked"))
            }
            Doubt::Forged(_) | Doubt::Unread(_) => None,
        };
        if let Some((title, rule)) = settings {
            let mut alert = Alert::new(Kind::Page, Level::Medium, self.time(), title);
            alert.rule = rule.to_owned();
            alert.target = "action-queue".to_owned();
            alert.reasons = vec![doubt.to_string()];
            return self.send(DEFAULT, &alert, &Surroundings::default(), &about).await;
        }
        let own = OwnFinding {
            own: Own::ForgedFinding,
            about: hint.uid.clone(),
            message: doubt.to_string(),
            account: String::new(),
            region: String::new(),
            time_ms: self.clock.now_ms(),
            resource: None,
            facts: vec![match &hint.of {
                Origin::Record { object, .. } => ("object".to_owned(), object.to_string()),
                Origin::Query { id, .. } => ("query".to_owned(), id.clone()),
            }],
        };
        // Whoever forges can forge any number: they are one incident.
        self.cry(&own, "action-queue", &about).await
    }

    /// Somebody used our role.
    pub(crate) async fn alarm_stranger(&self, run: &Run, case: &Case) -> Result<(), Halt> {
        let text = |name: &str| case.confirmed.record.get(name).and_then(|value| value.as_str());
        let own = OwnFinding {
            own: Own::ResponderImpersonated,
            about: text("eventID").unwrap_or(&run.finding).to_owned(),
            message: "a call that the ledger does not know".to_owned(),
            account: run.account.clone(),
            region: run.region.clone(),
            time_ms: run.event_ms,
            resource: case.target.principal_arn.clone(),
            facts: ["eventSource", "eventName", "sourceIPAddress"]
                .into_iter()
                .filter_map(|name| Some((name.to_owned(), text(name)?.to_owned())))
                .collect(),
        };
        let target = case.target.principal_arn.clone().unwrap_or_default();
        self.cry(&own, &target, &format!("{}/stranger", run.id)).await
    }

    /// What was done does not hold.
    pub(crate) async fn alarm_uncontained(&self, run: &Run, reason: &str) -> Result<(), Halt> {
        let own = OwnFinding {
            own: Own::ContainmentFailed,
            about: run.id.clone(),
            message: reason.to_owned(),
            account: run.account.clone(),
            region: run.region.clone(),
            time_ms: self.clock.now_ms(),
            resource: Some(run.target.clone()),
            facts: vec![("runbook".to_owned(), run.runbook_name())],
        };
        self.cry(&own, &run.target, &format!("{}/uncontained", run.id)).await
    }

    pub(crate) async fn cry(
        &self,
        own: &OwnFinding,
        target: &str,
        about: &str,
    ) -> Result<(), Halt> {
        if let Some(vault) = &self.vault {
            let name = format!("own/{}.json", own.uid());
            let kept = vault.put(&name, Bytes::from(own.to_json().to_string())).await;
            if let Err(error) = kept {
                tracing::error!(%error, name, "a finding of our own is not kept");
            }
        }
        let mut alert = Alert::new(Kind::Page, own.own.level(), self.time(), own.own.title());
        alert.rule = own.own.rule().to_owned();
        target.clone_into(&mut alert.target);
        alert.account.clone_from(&own.account);
        alert.region.clone_from(&own.region);
        alert.reasons = vec![own.message.clone()];
        alert.reasons.extend(own.facts.iter().map(|(name, value)| format!("{name}: {value}")));
        self.send(DEFAULT, &alert, &Surroundings::default(), about).await
    }
}
