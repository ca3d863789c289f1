//! Who an alert goes to: the name in a runbook, the owner of what it is about, or whoever the routes say; and what was held
//! back from them and is owed.

use std::collections::BTreeSet;

use serde_json::Value;
use trailloop_cloud::RowKey;
use trailloop_finding::Level;

use crate::alert::route::{Gate, Limits, Surroundings};
use crate::alert::{Alert, Kind, asff, pagerduty};
use crate::context::Case;
use crate::ocsf::Verdict as Judgement;
use crate::responder::{Halt, Responder};
use crate::rows;
use crate::run::{OPEN, Run};
use crate::tell::DestinationKind;

/// What runbooks call whoever owns what a finding is about.
const OWNER: &str = "owner";

/// What runbooks call whoever the routes say.
pub(crate) const DEFAULT: &str = "default";

/// The gates of destinations, a row each.
pub(crate) const GATES: &str = "gate";

impl Responder {
    /// The destinations that a name in a runbook means for this alert.
    pub(crate) fn receivers(
        &self,
        to: &str,
        alert: &Alert,
        around: &Surroundings,
    ) -> BTreeSet<String> {
        let has = |name: &str| self.destinations.all.iter().any(|one| one.name == name);
        match to {
            OWNER => match around.owner.as_deref().filter(|owner| has(owner)) {
                Some(owner) => [owner.to_owned()].into(),
                None => self.receivers(DEFAULT, alert, around),
            },
            DEFAULT => {
                let mut names = self.destinations.routes.destinations(alert, around);
                if names.is_empty() {
                    names.insert(DEFAULT.to_owned());
                }
                names
            }
            name => [name.to_owned()].into(),
        }
    }

    /// Tells each destination what was held back from it, once that has waited long enough.
    pub(crate) async fn tell_held_back(&self) -> Result<(), Halt> {
        let now_ms = self.clock.now_ms();
        for (to, mut row) in rows::all::<Value>(&*self.table, GATES).await? {
            let mut gate = Gate::from_json(&row.value);
            let Some((_, held)) = gate.due(|_| Limits::default(), now_ms).pop() else { continue };
            let severity = held.highest.unwrap_or(Level::Medium);
            let mut alert =
                Alert::new(Kind::Page, severity, self.time(), "Messages were held back");
            alert.rule = "trailloop.held_back".to_owned();
            alert.target = format!("destination/{to}");
            alert.reasons = vec!["they came faster than this destination takes them, or said the same again; `trailloop runbook plan` lists what waits".to_owned()];
            let about = format!("held/{}", held.since_ms);
            alert.held = held;
            // Before the gate forgets: whoever is killed in between says it twice, and not never.
            self.put_into_outbox(&to, &alert, &about).await?;
            row.value = gate.to_json();
            rows::store(&*self.table, &RowKey::new(GATES, to), &mut row).await?;
        }
        Ok(())
    }

    /// Closes the incident of a run that is at a good end, where incidents are kept, unless another run of it is open.
    pub(crate) async fn resolve_incident(&self, run: &Run) -> Result<(), Halt> {
        let mut pagers = self.destinations.all.iter().filter(is_pager).peekable();
        if pagers.peek().is_none() {
            return Ok(());
        }
        for (id, _) in rows::all::<String>(&*self.table, OPEN).await? {
            let other = rows::load::<Run>(&*self.table, &Run::key(&id)).await?;
            let is_same = |other: &Run| (&other.rule, &other.target) == (&run.rule, &run.target);
            if id != run.id && other.is_some_and(|kept| is_same(&kept.value)) {
                return Ok(());
            }
        }
        let mut alert = Alert::new(Kind::Done, Level::Low, self.time(), String::new());
        alert.finding.clone_from(&run.finding);
        alert.rule.clone_from(&run.rule);
        alert.target.clone_from(&run.target);
        for pager in pagers {
            let body = pagerduty::resolve(&alert.incident(), "");
            let about = format!("{}/resolve-{}", run.id, run.phase.name());
            self.put_body_into_outbox(&pager.name, body, &about).await?;
        }
        Ok(())
    }

    /// Tells Security Hub of a verdict.
    pub(crate) async fn update_security_hub(
        &self,
        finding: &str,
        judgement: Judgement,
        (by, reason, at_ms): (&str, &str, i64),
    ) -> Result<(), Halt> {
        let Some((account, _)) = &self.destinations.home else { return Ok(()) };
        for destination in &self.destinations.all {
            let DestinationKind::SecurityHub { region } = &destination.kind else { continue };
            let product = asff::product_arn(&self.settings.partition, region, account);
            let call = asff::update(&asff::id(finding), &product, judgement, by, reason);
            let about = format!("verdict/{finding}/{at_ms}");
            let body = Value::Object(call.inputs);
            self.put_body_into_outbox(&destination.name, body, &about).await?;
        }
        Ok(())
    }
}

fn is_pager(destination: &&crate::tell::Destination) -> bool {
    matches!(destination.kind, DestinationKind::PagerDuty { .. })
}

/// What the operator's tables say of a finding's account and caller, as the finding carries it.
pub(crate) fn surroundings(case: &Case) -> Surroundings {
    let said = case.confirmed.finding.get("enrichments").and_then(Value::as_array);
    let of = |field: &str| {
        said.into_iter()
            .flatten()
            .find_map(|one| one.get("data")?.get(field)?.as_str().map(str::to_owned))
    };
    let tags = [
        ("name", "account.name"),
        ("environment", "account.environment"),
        ("criticality", "actor.criticality"),
    ];
    Surroundings {
        ous: of("account.ou").into_iter().collect(),
        tags: tags
            .iter()
            .filter_map(|(tag, field)| Some(((*tag).to_owned(), of(field)?)))
            .collect(),
        owner: of("actor.owner"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::confirm::Confirmed;

    #[test]
    fn a_finding_says_what_the_operators_tables_know() {
        let finding = json!({"enrichments": [
            {"name": "cloud.account.uid", "data": {"account.name": "shop", "account.ou": "Production", "account.environment": "prod"}},
            {"name": "evidences[0].actor", "data": {"actor.owner": "team-pay"}},
        ]});
        let around = surroundings(&Case::of(Confirmed { finding, record: json!({}) }));
        assert_eq!(
            (around.ous, around.owner),
            (vec!["Production".to_owned()], Some("team-pay".to_owned()))
        );
        assert_eq!(around.tags["environment"], "prod");
        let bare = Case::of(Confirmed { finding: json!({}), record: json!({}) });
        assert_eq!(surroundings(&bare), Surroundings::default());
    }
}
