//! The spine: from a message of the action queue to an incident that is contained, and proved so.
//!
//! [`Responder::respond`] takes one message: read the hint, make the finding again from the archive, open a run for it, let
//! the run go as far as it can, and only then delete the message. [`Responder::sweep`] takes every run that is not at its end
//! and lets it go on: approvals come, watches end, leases expire, verdicts are given. Both come to `Responder::advance`, which
//! is a loop over the phases of a run; each phase is a file of its own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value};
use trailloop_cloud::{Actions, Clock, Message, Notifier, RowKey, Table, Vault};
use trailloop_finding::Level;
use trailloop_runbook::catalogue::Ours;
use trailloop_runbook::document::{Mode, Runbook};
use trailloop_runbook::fill::{self, choose_all};
use trailloop_runbook::{Call, Target};

use crate::ask::Queries;
use crate::canary::Canaries;
use crate::change::Change;
use crate::confirm::{Archive, Confirmed, Doubt};
use crate::context::Case;
use crate::hint::Hint;
use crate::ledger::Ledger;
use crate::looks::NextLooks;
pub use crate::memory::Memory;
pub use crate::outcome::{Halt, Handled};
use crate::rows::{self, Kept};
use crate::run::{OPEN, Phase, Run, partition};
use crate::settings::Settings;
use crate::switch::Switch;
use crate::tell::Destinations;
use crate::verdicts::runs_of;
use crate::voices::Approval;
use crate::{holds, plan, tables};

/// Everything a finding passes through.
pub struct Responder {
    /// The trail's objects and the rules.
    pub archive: Archive,
    /// The state of runs.
    pub table: Arc<dyn Table>,
    /// What was done, as a chain.
    pub ledger: Ledger,
    /// Where evidence is kept, if anywhere.
    pub vault: Option<Arc<dyn Vault>>,
    /// The way to AWS.
    pub actions: Arc<dyn Actions>,
    /// The way to people's tools.
    pub notifier: Arc<dyn Notifier>,
    /// Who is told of what.
    pub destinations: Destinations,
    /// The runbooks.
    pub runbooks: Vec<Runbook>,
    /// The queries that findings ask, if an archive is there to ask.
    pub queries: Option<Queries>,
    /// The kill switch.
    pub switch: Switch,
    /// What the operator allows.
    pub settings: Settings,
    /// The wall clock.
    pub clock: Clock,
    /// The name of this worker, unlike that of any other that runs.
    pub worker: String,
    /// Synthetic events by which it is seen whether what watches would see.
    pub canaries: Option<Canaries>,
    /// When it is looked next at what is not looked at with every sweep.
    pub next_looks: NextLooks,
    /// What this worker remembers of the runs it watches; it can be read again.
    pub memory: Mutex<BTreeMap<String, Memory>>,
}

/// A run is another worker's for so long after its last sign of life.
const DRIVE_MS: i64 = 30_000;

/// So many deliveries a finding of rules that are not ours is let go, before it is told.
const RULES_AWAITED: u32 = 3;

/// So many phases and steps a run passes at most in one go; beyond lies a mistake of ours.
const MOVES_MAX: usize = 10_000;

impl Responder {
    /// All that happens to a message before it may be deleted. `Err`: nothing is lost, let it come again.
    pub async fn respond(&self, message: &Message) -> Result<Handled, Halt> {
        let hint = match Hint::of(message) {
            Ok(hint) => hint,
            Err(error) => return Ok(Handled::NotAFinding(error)),
        };
        let confirming = self.archive.confirm(&hint, self.queries.as_ref());
        let confirmed = match Box::pin(confirming).await {
            Ok(confirmed) => confirmed,
            Err(Doubt::Unread(error)) => return Err(Halt::Unreached(error)),
            // The stream may have new rules a little before us.
            Err(doubt @ Doubt::RuleChanged) if message.receive_count < RULES_AWAITED => {
                return Err(Halt::Unsure(doubt.to_string()));
            }
            Err(doubt) => {
                self.doubted(&hint, &doubt).await?;
                return Ok(Handled::Doubted(doubt.to_string()));
            }
        };
        let mut case = Case::of(confirmed);
        let is_quieted = Box::pin(self.is_quieted(&mut case)).await?;
        let day = Box::pin(tables::take_up(&*self.table, &case, self.clock.now_ms())).await?;
        let kept = self.as_kept(&case, message, day);
        if Box::pin(self.is_canary(&case)).await? {
            Box::pin(self.keep_for_people(kept)).await?;
            self.close_canary(&case).await?;
            return Ok(Handled::Canary);
        }
        if is_quieted {
            Box::pin(self.keep_for_people(kept)).await?;
            return Ok(Handled::Quieted);
        }
        let case = Box::pin(self.ask_for(case)).await?;
        let runs = Box::pin(self.open(case, hint.is_live)).await?;
        for run in &runs {
            match Box::pin(self.advance(run)).await {
                // It is written and listed: whoever has it, or the next sweep, goes on with it.
                Ok(()) | Err(Halt::Taken) => {}
                Err(error) => return Err(error),
            }
        }
        // After what contains: whoever makes very many findings makes this slow.
        let finding = kept.as_ref().map(|kept| kept.uid().to_owned());
        let is_new = Box::pin(self.keep_for_people(kept)).await?;
        if let Some(finding) = finding.as_deref().filter(|_| is_new) {
            self.count_later(finding).await?;
        }
        if runs.is_empty() {
            return Ok(Handled::NoRunbook);
        }
        if let Some(finding) = &finding {
            self.ask_on(finding).await?;
        }
        Ok(Handled::Runs(runs))
    }

    /// Lets every run that is not at its end go on; gives how many there are. One that can't be is tried again at the next
    /// sweep, and holds up no other.
    pub async fn sweep(&self) -> Result<usize, Halt> {
        self.deliver_held_back().await?;
        self.tell_held_back().await?;
        Box::pin(self.hear_security_hub()).await?;
        self.take_up_verdicts().await?;
        Box::pin(self.finish_voiding()).await?;
        let open = rows::all::<String>(&*self.table, OPEN).await?;
        for (id, _) in &open {
            match self.advance(id).await {
                Ok(()) | Err(Halt::Taken) => {}
                Err(error) => tracing::warn!(run = id, %error, "a run does not go on for now"),
            }
        }
        Ok(open.len())
    }

    /// Opens the run of a finding: of the root of its credential's lineage first, then of the finding's own caller.
    async fn open(&self, case: Case, is_live: bool) -> Result<Vec<String>, Halt> {
        let mut opened = Vec::new();
        for case in self.with_parents(case).await? {
            let context = case.context(None, self.clock.now_ms());
            for runbook in choose_all(&self.runbooks, &context) {
                // Of who stands behind the caller there is no deed.
                if !case.is_behind || !runbook.trigger.identity.is_empty() {
                    opened.push(self.open_run(&case, runbook, is_live, None).await?.id);
                }
            }
        }
        opened.dedup();
        Ok(opened)
    }

    /// Writes a run, unless it is there already.
    pub(crate) async fn open_run(
        &self,
        case: &Case,
        runbook: &Runbook,
        is_live: bool,
        parent: Option<&Run>,
    ) -> Result<Run, Halt> {
        let target = case.held(runbook);
        let id = Run::id_of(case.text("uid"), &target, &runbook.id, runbook.version);
        if let Some(there) = rows::load::<Run>(&*self.table, &Run::key(&id)).await? {
            return Ok(there.value);
        }
        let time: jiff::Timestamp = case.text("time").parse().unwrap_or_default();
        let head = self.ledger.head().await.map_err(|error| Halt::Unsure(error.to_string()))?;
        let run = Run {
            id: id.clone(),
            finding: case.text("uid").to_owned(),
            title: case.text("title").to_owned(),
            level: case.text("severity").to_owned(),
            rule: case.text("rule").to_owned(),
            runbook: runbook.id.clone(),
            version: runbook.version,
            hash: runbook.hash.clone(),
            account: case.account(runbook),
            region: case.region(runbook),
            target,
            is_live,
            event_ms: time.as_millisecond(),
            started_ms: self.clock.now_ms(),
            parameters: Map::new(),
            mode: String::new(),
            phase: Phase::Proposed,
            cursor: None,
            outputs: BTreeMap::new(),
            plan: Vec::new(),
            reasons: Vec::new(),
            acted_ms: None,
            contained_ms: None,
            undone_ms: None,
            has_expired: false,
            until_ms: None,
            reasserted: 0,
            stream_proof: None,
            has_critical_failure: false,
            successes: Vec::new(),
            ledger_from: head.seq,
            parent: parent.map(|run| run.id.clone()),
        };
        let table = &*self.table;
        // The finding and the list of open runs first: a run that is there has both.
        let kept = Finding {
            finding: case.confirmed.finding.clone(),
            record: case.confirmed.record.clone(),
            behind: case.is_behind.then(|| case.target.clone()),
        };
        rows::create(table, &RowKey::new(partition(&id), "finding"), &kept).await?;
        rows::create(table, &RowKey::new(runs_of(&run.finding), id.clone()), &run.runbook).await?;
        rows::create(table, &RowKey::new(OPEN, id.clone()), &run.finding).await?;
        if !rows::create(table, &Run::key(&id), &run).await? {
            let theirs = rows::load::<Run>(table, &Run::key(&id)).await?;
            return theirs.map(|kept| kept.value).ok_or(Halt::Taken);
        }
        self.note(&run, "run", "proposed").await?;
        Ok(run)
    }

    /// Takes a run from phase to phase until it rests or ends.
    pub async fn advance(&self, id: &str) -> Result<(), Halt> {
        let Some(_driving) = self.driving(id) else { return Err(Halt::Taken) };
        // Before the row is read, so that nobody writes it in between.
        self.drive(id).await?;
        let Some(mut kept) = rows::load::<Run>(&*self.table, &Run::key(id)).await? else {
            return self.let_go(id).await;
        };
        let Some(case) = self.case(id).await? else { return self.let_go(id).await };
        for moves in 0..MOVES_MAX {
            if kept.value.phase.is_final() {
                return self.close(&kept.value).await;
            }
            if moves > 0 {
                self.drive(id).await?;
            }
            let before = kept.value.clone();
            let run = &mut kept.value;
            match self.runbook(run) {
                Some(runbook) => {
                    if let Err(halt) = Box::pin(self.once(run, runbook, &case)).await {
                        self.stuck(run, runbook, halt).await?;
                    }
                }
                None => self.without_runbook(run).await?,
            }
            if *run == before {
                break;
            }
            if run.phase != before.phase {
                // Before the row says so: whoever is killed in between says it twice, and not never.
                self.enter_phase(run, &case).await?;
            }
            if !rows::store(&*self.table, &Run::key(id), &mut kept).await? {
                return Err(Halt::Taken);
            }
        }
        self.let_go(id).await
    }

    /// What can't be mended by waiting ends the run, and somebody hears of it; anything else is tried again.
    async fn stuck(&self, run: &mut Run, runbook: &Runbook, halt: Halt) -> Result<(), Halt> {
        match &halt {
            Halt::Taken => return Err(halt),
            Halt::Unreached(error) if error.is_transient() => return Err(halt),
            Halt::Unreached(_) | Halt::Unsure(_) => {}
        }
        let reason = halt.to_string();
        if run.phase == Phase::Undoing {
            run.reasons.push(format!("undo: {reason}"));
            run.phase = Phase::UndoRefused;
            return self.note(run, "undo", &format!("refused: {reason}")).await;
        }
        self.fail(run, runbook, &reason).await
    }

    /// What is next in the phase the run is in. A phase that has nothing to do leaves the run as it is.
    async fn once(&self, run: &mut Run, runbook: &Runbook, case: &Case) -> Result<(), Halt> {
        match run.phase {
            Phase::Proposed => self.decide(run, runbook, case).await,
            Phase::AwaitingApproval => self.hear(run, runbook).await,
            Phase::Running => self.step(run, runbook, case).await,
            Phase::Verifying => match self.judged(run).await? {
                true => Ok(()),
                false => self.look(run, runbook, case).await,
            },
            Phase::Contained => self.rest(run, runbook).await,
            Phase::Undoing => self.undo(run, runbook).await,
            _ => Ok(()),
        }
    }

    /// Binds the parameters, plans, and asks the guards.
    async fn decide(&self, run: &mut Run, runbook: &Runbook, case: &Case) -> Result<(), Halt> {
        let context = case.context(Some(run), run.started_ms);
        let planned = fill::bind(runbook, &context).and_then(|parameters| {
            run.parameters = parameters;
            plan::changes(runbook, &self.values(run))
        });
        let planned = match planned {
            Ok(planned) => planned,
            Err(refusal) => return self.refuse(run, &refusal).await,
        };
        run.plan =
            planned.iter().map(|(step, call)| format!("{step}: {}", plan::line(call))).collect();
        if planned.is_empty() && !case.is_behind {
            run.plan.extend(plan::by_hand(&case.confirmed.record));
        }
        if let Some(refusal) = self.is_ping_pong(run, runbook, case).await? {
            return self.refuse(run, &refusal).await;
        }
        let ruling = self.judge(run, runbook, case, &planned).await?;
        run.reasons.extend(ruling.reasons.iter().cloned());
        if let Some(refusal) = &ruling.refusal {
            return self.refuse(run, refusal).await;
        }
        run.mode = ruling.mode.name().to_owned();
        match ruling.mode {
            Mode::Observe => run.phase = Phase::Observed,
            Mode::DryRun => {
                self.plan_states(run, &planned).await;
                run.phase = Phase::Planned;
            }
            Mode::Approve => {
                // Of a flood of findings each would read the same hours of the trail again.
                if case.is_about_caller(runbook) && !planned.is_empty() && !ruling.pages {
                    run.plan.extend(self.would_stop(case).await);
                }
                self.await_approval(run, runbook).await?;
                if ruling.pages {
                    self.page(run, "budget").await?;
                }
            }
            Mode::Auto => run.phase = Phase::Running,
        }
        Ok(())
    }

    /// A dry run reads what it would change, and says what each call would meet.
    async fn plan_states(&self, run: &mut Run, planned: &[(String, Call)]) {
        for (step, call) in planned {
            let Ok(api) = crate::change::known(call) else { continue };
            let text = match self.state(run, api, call).await {
                Ok(state) if api.is_achieved(call, &state) => "is so already".to_owned(),
                Ok(state) => {
                    let shown: String = state.to_string().chars().take(200).collect();
                    format!("is {shown} now")
                }
                Err(error) => format!("can't be read: {error}"),
            };
            run.plan.push(format!("{step}: {text}"));
        }
    }

    async fn refuse(
        &self,
        run: &mut Run,
        refusal: &trailloop_runbook::Refusal,
    ) -> Result<(), Halt> {
        run.reasons.push(refusal.to_string());
        run.phase = Phase::Refused;
        self.note(run, "guards", &format!("refused by {refusal}")).await
    }

    /// The runbook of a run, if it is the one that the run began with.
    pub(crate) fn runbook(&self, run: &Run) -> Option<&Runbook> {
        self.runbooks.iter().find(|one| one.id == run.runbook && one.hash == run.hash)
    }

    /// A runbook that was changed while its run was under way is no longer what was agreed to.
    async fn without_runbook(&self, run: &mut Run) -> Result<(), Halt> {
        run.reasons.push(format!("{} is gone or was changed", run.runbook_name()));
        run.phase = Phase::Failed;
        self.note(run, "run", "failed: its runbook is gone or was changed").await
    }

    /// A run that is at its end is no longer listed, and its target is free.
    async fn close(&self, run: &Run) -> Result<(), Halt> {
        let key = RowKey::new(OPEN, run.id.clone());
        if let Some(row) = self.table.get(&key).await? {
            self.table.delete(&key, row.version).await?;
        }
        holds::give_back(&*self.table, &run.target, &run.id).await?;
        self.forget(&run.id);
        self.let_go(&run.id).await
    }

    /// Says that this worker has the run, or finds that another has.
    pub(crate) async fn drive(&self, id: &str) -> Result<(), Halt> {
        let now_ms = self.clock.now_ms();
        let times = (now_ms, now_ms + DRIVE_MS);
        let holder = holds::take(&*self.table, &format!("drive/{id}"), &self.worker, times).await?;
        if holder == self.worker { Ok(()) } else { Err(Halt::Taken) }
    }

    /// The run is anybody's again.
    async fn let_go(&self, id: &str) -> Result<(), Halt> {
        Ok(holds::give_back(&*self.table, &format!("drive/{id}"), &self.worker).await?)
    }

    /// The finding of a run, as it was confirmed.
    pub async fn case(&self, id: &str) -> Result<Option<Case>, Halt> {
        let key = RowKey::new(partition(id), "finding");
        let kept = rows::load::<Finding>(&*self.table, &key).await?;
        Ok(kept.map(|Kept { value: Finding { finding, record, behind }, .. }| {
            let confirmed = Confirmed { finding, record };
            match behind {
                Some(target) => Case::about(confirmed, target, true),
                None => Case::of(confirmed),
            }
        }))
    }

    /// The changing steps of a run that have begun, in order.
    pub(crate) async fn changes_of(&self, run: &Run) -> Result<Vec<(String, Kept<Change>)>, Halt> {
        let all = rows::all::<Value>(&*self.table, &partition(&run.id)).await?;
        let mut changes = Vec::new();
        for (sort, kept) in all {
            if !sort.starts_with("step/") {
                continue;
            }
            let Ok(value) = serde_json::from_value(kept.value) else { continue };
            changes.push((sort, Kept { value, version: kept.version }));
        }
        Ok(changes)
    }

    /// What was said to the run's plan.
    pub(crate) async fn agreed(&self, run: &Run) -> Result<Vec<Approval>, Halt> {
        Ok(crate::voices::said(&*self.table, run).await?)
    }

    /// Who we are, for what is never acted on.
    pub(crate) fn ours(&self) -> Ours {
        Ours {
            responder_role: self.settings.responder_role.clone(),
            break_glass: self.settings.protected.clone(),
            management_account: self.settings.management_account.clone(),
        }
    }

    /// The level of a run's finding.
    pub(crate) fn level_of(run: &Run) -> Level {
        Level::parse(&run.level).unwrap_or(Level::Medium)
    }
}

/// The finding of a run as it is kept.
#[derive(serde::Serialize, serde::Deserialize)]
pub(crate) struct Finding {
    pub(crate) finding: Value,
    record: Value,
    /// Whom the run is about, if it is somebody who stands behind the finding's caller.
    behind: Option<Target>,
}
