//! The way back: the inverse of each change, in reverse order, each only if the state is the one we left.

use std::collections::BTreeMap;

use serde_json::Value;
use trailloop_cloud::{CloudError, CloudErrorKind};
use trailloop_runbook::Call;
use trailloop_runbook::document::{Runbook, Undo};
use trailloop_runbook::template::Values;

use crate::change::{Change, Standing, known};
use crate::responder::{Halt, Responder};
use crate::rows::{self, Kept};
use crate::run::{Phase, Run, partition};

/// A change that is to be taken back, its row, and the calls that do it.
struct Inverse {
    sort: String,
    row: Kept<Change>,
    calls: Vec<Call>,
}

impl Responder {
    /// Takes back what the run changed. Everything is compared before anything is touched: where somebody changed what we had
    /// changed, nothing is undone, and what differs is said.
    pub(crate) async fn undo(&self, run: &mut Run, runbook: &Runbook) -> Result<(), Halt> {
        let mut inverses = Vec::new();
        let mut differs = Vec::new();
        let changes = self.changes_of(run).await?;
        let mut values = self.values(run);
        values.before = before(changes.iter().map(|(_, row)| &row.value));
        for (sort, row) in changes.into_iter().rev() {
            let is_begun = row.value.standing == Standing::Undoing;
            if row.value.standing != Standing::Done && !is_begun {
                continue;
            }
            let step = &row.value.step;
            match runbook.undo.get(step) {
                None => {
                    run.reasons.push(format!("{step} stays: the runbook has no undo of it"));
                    continue;
                }
                Some(Undo::None(why)) => {
                    run.reasons.push(format!("{step} stays: {why}"));
                    continue;
                }
                Some(_) => {}
            }
            let call = row.value.call();
            let state = self.state(run, known(&call).map_err(Halt::from)?, &call).await?;
            if state == row.value.before && !is_begun {
                // Somebody did it for us, or we did before we could say so.
                self.undone(run, &sort, row).await?;
            } else if state == row.value.after || is_begun {
                match inverse(runbook, &row.value, &values) {
                    Ok(Some(calls)) => inverses.push(Inverse { sort, row, calls }),
                    Ok(None) => {}
                    Err(reason) => differs.push(format!("{}: {reason}", row.value.step)),
                }
            } else {
                differs.push(difference(&row.value, &state));
            }
        }
        if !differs.is_empty() {
            run.reasons.extend(differs.iter().map(|text| format!("undo: {text}")));
            self.note(run, "undo", &format!("refused: {}", differs.join("; "))).await?;
            run.phase = Phase::UndoRefused;
            return Ok(());
        }
        for inverse in inverses {
            if let Err(reason) = self.take_back(run, inverse).await? {
                run.reasons.push(format!("undo: {reason}"));
                run.phase = Phase::UndoRefused;
                return Ok(());
            }
        }
        run.phase = Phase::Undone;
        run.undone_ms = Some(self.clock.now_ms());
        Ok(())
    }

    /// Makes the inverse calls of a change, and looks whether the state is what it was, to the byte.
    async fn take_back(&self, run: &Run, inverse: Inverse) -> Result<Result<(), String>, Halt> {
        let Inverse { sort, mut row, calls } = inverse;
        let call = row.value.call();
        let api = known(&call).map_err(Halt::from)?;
        let is_begun = row.value.standing == Standing::Undoing;
        if calls.len() > 1 && !is_begun {
            // Half of it done is no state that anybody left: whoever goes on has to know that it was us.
            row.value.standing = Standing::Undoing;
            let key = trailloop_cloud::RowKey::new(partition(&run.id), &sort);
            rows::store(&*self.table, &key, &mut row).await?;
        }
        let mut missing = None;
        for back in &calls {
            if is_begun && self.is_made(run, back).await? {
                continue;
            }
            self.enter(run, &row.value.step, &back.name(), &back.inputs, None, "undoing").await?;
            match self.actions.call(&self.session(run, back), back).await {
                Ok(answer) => {
                    if let Some(request) = &answer.request_id {
                        self.know_request(run, request).await?;
                    }
                }
                // What was to be taken away is gone, or what it belongs to; the look below tells which.
                Err(error) if error.kind() == CloudErrorKind::NotFound => missing = Some(error),
                // Nothing is known of a lost answer: the next look tells.
                Err(error) if error.is_transient() => return Err(Halt::Unreached(error)),
                Err(error) => return Ok(Err(format!("{}: {error}", row.value.step))),
            }
        }
        for look in 1..=5 {
            let state = self.state(run, api, &call).await?;
            if state == row.value.before {
                self.undone(run, &sort, row).await?;
                return Ok(Ok(()));
            }
            if look == 5 {
                return Ok(Err(not_back(&row.value, &state, missing.as_ref())));
            }
            self.pause(look).await;
        }
        Ok(Ok(()))
    }

    /// Whether a call of an undo that was begun shows already.
    async fn is_made(&self, run: &Run, back: &Call) -> Result<bool, Halt> {
        let api = known(back).map_err(Halt::from)?;
        Ok(api.is_achieved(back, &self.state(run, api, back).await?))
    }

    async fn undone(&self, run: &Run, sort: &str, mut row: Kept<Change>) -> Result<(), Halt> {
        row.value.standing = Standing::Undone;
        let (step, call) = (row.value.step.clone(), row.value.call());
        self.enter(run, &step, &call.name(), &call.inputs, None, "undone").await?;
        let key = trailloop_cloud::RowKey::new(partition(&run.id), sort);
        rows::store(&*self.table, &key, &mut row).await?;
        Ok(())
    }
}

/// The calls that take a change back; none if the runbook says that it stays.
fn inverse(
    runbook: &Runbook,
    change: &Change,
    values: &Values,
) -> Result<Option<Vec<Call>>, String> {
    let restored = || {
        let call = change.call();
        let api = known(&call).map_err(|error| error.to_string())?;
        let calls = api.restore(&call, &change.before);
        calls.map(Some).ok_or_else(|| "no call restores the state before".to_owned())
    };
    match runbook.undo.get(&change.step) {
        None | Some(Undo::None(_)) => Ok(None),
        Some(Undo::Restore) => restored(),
        // A call that was written for what was absent before would lose what was not.
        Some(Undo::Call(_)) if !change.before.is_null() && restored().is_ok() => restored(),
        Some(Undo::Call(template)) => {
            let call = template.fill(values).map_err(|error| error.to_string())?;
            Ok(Some(vec![call]))
        }
    }
}

/// What each step found, as the templates of an undo name it.
fn before<'c>(changes: impl Iterator<Item = &'c Change>) -> BTreeMap<String, Value> {
    changes.map(|change| (change.step.clone(), change.before.clone())).collect()
}

/// What differs between the state we left and the one there is, for a person.
fn difference(change: &Change, state: &Value) -> String {
    format!(
        "{} left {} and now it is {}; look at it and undo by hand",
        change.step,
        shown(&change.after),
        shown(state)
    )
}

/// What differs though it was taken back, for a person.
fn not_back(change: &Change, state: &Value, missing: Option<&CloudError>) -> String {
    let why = missing.map(|error| format!(" ({error})")).unwrap_or_default();
    format!(
        "{} was {} before, and after it was taken back it is {}{why}; look at it and undo by hand",
        change.step,
        shown(&change.before),
        shown(state)
    )
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "absent".to_owned(),
        value => value.to_string().chars().take(400).collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_undo_may_name_what_its_step_found() {
        let (_, text) = trailloop_content::runbooks::files()
            .into_iter()
            .find(|(name, _)| *name == "contain-iam-user-key.yml")
            .unwrap();
        let text = text.replace("Status: Active}", "Status: \"{{ before.disableKey.Status }}\"}");
        let runbook = trailloop_runbook::load("contain.yml", &text).runbook.unwrap();
        let change = Change {
            standing: Standing::Done,
            step: "disableKey".to_owned(),
            service: "iam".to_owned(),
            api: "UpdateAccessKey".to_owned(),
            // Without the key's name nobody knows how to restore it, so that the runbook's own call is made.
            inputs: serde_json::Map::new(),
            before: json!({"Status": "Active"}),
            after: json!({"Status": "Inactive"}),
            request_id: None,
            error: None,
        };
        let mut values = Values { before: before([&change].into_iter()), ..Values::default() };
        for (name, value) in [("UserName", "bob"), ("AccessKeyId", "AKIAIOSFODNN7EXAMPLE")] {
            values.parameters.insert(name.to_owned(), json!(value));
        }
        let Some(Undo::Call(template)) = runbook.undo.get("disableKey") else { panic!() };
        assert_eq!(template.fill(&values).unwrap().text("Status"), Some("Active"));
        let calls = inverse(&runbook, &change, &values).unwrap().unwrap();
        assert_eq!(calls.len(), 1);
        assert_eq!(calls[0].text("Status"), Some("Active"));
    }
}
