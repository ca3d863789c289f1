//! Shipped runbooks against emulators of AWS over real HTTP: run, read back, undone to the byte; and with somebody else's hand in
//! between, refused with a word on what differs.
//!
//! [`ROWS`] has every shipped runbook that changes something. `TRAILLOOP_TEST_MINISTACK` and `TRAILLOOP_TEST_MOTO` say where the
//! emulators are; a test without its own says so and ends.

mod aws;
mod dynamo;
mod proxy;
mod race;
mod scenes;

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use trailloop_cloud::{
    ActionOptions, Actions, Answer, AwsOptions, CloudError, CloudErrorKind, Session, connect,
};
use trailloop_respond::voices::Judgement;
use trailloop_respond::{Change, Phase, Responder, Standing, rows};
use trailloop_runbook::document::{Action, Runbook};
use trailloop_runbook::{Call, catalogue};

use self::aws::{Emulator, MINISTACK, MOTO};
use self::scenes::{Drift, Ground, MANAGEMENT, Scene};
use crate::kit::{ACCOUNT, Kit};

/// Where a runbook is shown.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Stage {
    Ministack,
    Moto,
    /// In the accounts in memory, because no emulator has what it takes.
    Memory(&'static str),
}

/// What comes of a runbook's run.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Ends {
    /// It takes effect, and its undo puts everything back.
    Undone,
    /// It takes effect, and the undo leaves that.
    Stays,
    /// It is planned, and nothing happens.
    Planned,
}

/// How a runbook is shown.
struct Row {
    runbook: &'static str,
    stage: Stage,
    ends: Ends,
    level: &'static str,
    /// The file as its operator has to fill it in, or with a trigger that a finding of its own reaches.
    edit: Option<fn(&Ground<'_>, &str) -> String>,
    scene: fn(&Ground<'_>) -> Scene,
}

const fn row(
    runbook: &'static str,
    stage: Stage,
    level: &'static str,
    scene: fn(&Ground<'_>) -> Scene,
) -> Row {
    Row { runbook, stage, ends: Ends::Undone, level, edit: None, scene }
}

impl Row {
    const fn ending(self, ends: Ends) -> Self {
        Self { ends, ..self }
    }

    const fn edited(self, edit: fn(&Ground<'_>, &str) -> String) -> Self {
        Self { edit: Some(edit), ..self }
    }
}

use Stage::{Memory, Ministack, Moto};

const ROWS: &[Row] = &[
    // Credentials of users.
    row("contain-iam-user-key", Ministack, "high", scenes::user_key),
    row("deactivate-activated-key", Ministack, "medium", scenes::activated_key),
    row("deactivate-created-key", Ministack, "medium", scenes::created_key),
    row("deactivate-incident-key", Ministack, "medium", scenes::created_key)
        .edited(|_, text| replaced(text, " and enrich.incident.rows > 0", "")),
    row(
        "deactivate-created-service-credential",
        Memory("neither emulator has service-specific credentials"),
        "medium",
        scenes::created_service_credential,
    ),
    row("deny-created-login", Ministack, "medium", scenes::created_login),
    row("deny-created-user", Ministack, "medium", scenes::created_user),
    row("deny-iam-user", Ministack, "high", scenes::user_session),
    row("disable-login-profile", Ministack, "high", scenes::console_session),
    row("remove-login-profile", Ministack, "high", scenes::password)
        .ending(Ends::Planned)
        .edited(|_, text| replaced(text, "when: \"false\"", "identity: [iam_user_session]")),
    // Rights.
    row("detach-attached-group-policy", Ministack, "medium", scenes::attached_to_group),
    row("detach-attached-role-policy", Ministack, "medium", scenes::attached_to_role),
    row("detach-attached-user-policy", Ministack, "medium", scenes::attached_to_user),
    row("freeze-trust-policy", Ministack, "medium", scenes::changed_trust),
    row("remove-inline-role-policy", Ministack, "medium", scenes::put_role_policy),
    row("remove-inline-user-policy", Ministack, "medium", scenes::put_user_policy),
    row("remove-user-from-group", Ministack, "medium", scenes::added_to_group),
    // Roles and their sessions.
    row("deny-created-role", Ministack, "medium", scenes::created_role),
    row("quarantine-role", Ministack, "high", scenes::role_session)
        .edited(|_, text| replaced(text, "when: \"false\"", "identity: [role_session]")),
    row("revoke-role-session", Ministack, "high", scenes::role_session),
    row("revoke-role-sessions", Ministack, "high", scenes::federated_login),
    // Logging and detection.
    row("enable-guardduty-detector", Moto, "medium", scenes::suspended_detector)
        .ending(Ends::Stays),
    row("restart-trail", Ministack, "medium", scenes::stopped_trail).ending(Ends::Stays),
    row("restore-event-selectors", Ministack, "medium", scenes::changed_selectors),
    row("start-config-recorder", Ministack, "medium", scenes::stopped_recorder).ending(Ends::Stays),
    row("start-config-recorder", Moto, "medium", scenes::stopped_recorder).ending(Ends::Stays),
    // Data.
    row("block-public-bucket", Ministack, "medium", scenes::opened_bucket),
    row("block-public-bucket", Moto, "medium", scenes::opened_bucket),
    row("cancel-key-deletion", Ministack, "medium", scenes::doomed_key).ending(Ends::Stays),
    row("enable-bucket-versioning", Ministack, "medium", scenes::suspended_versions),
    row("enable-key", Ministack, "medium", scenes::disabled_key),
    row("freeze-function", Ministack, "medium", scenes::changed_function),
    row("remove-function-permission", Ministack, "medium", scenes::opened_function),
    // EC2.
    row("close-security-group-rule", Ministack, "medium", scenes::opened_group),
    row("close-security-group-rule", Moto, "medium", scenes::opened_group),
    row("cost-stop", Ministack, "medium", scenes::launched_instances),
    row("cost-stop", Moto, "medium", scenes::launched_instances),
    row("unshare-image", Ministack, "medium", scenes::shared_image),
    row("unshare-image", Moto, "medium", scenes::shared_image),
    row("unshare-snapshot", Ministack, "medium", scenes::shared_snapshot),
    row("unshare-snapshot", Moto, "medium", scenes::shared_snapshot),
    // The organization and its people.
    row("deny-identity-center-user", Moto, "high", scenes::identity_center_user).edited(
        |ground, text| {
            let (instance, set) = ground.permission_set();
            let text = replaced(text, "arn:aws:sso:::instance/ssoins-0000000000000000", &instance);
            let none = "arn:aws:sso:::permissionSet/ssoins-0000000000000000/ps-0000000000000000";
            let text = replaced(&replaced(&text, none, &set), "mode: dry_run", "mode: approve");
            // Moto's sets are named below their instance.
            replaced(&text, ":sso:::permissionSet/", ":sso:::instance/")
        },
    ),
    row("quarantine-account", Ministack, "critical", scenes::root_of_member).edited(
        |ground, text| {
            let policy = scenes::quarantine_policy(&ground.aws());
            replaced(text, "default: p-trailloopquarantine", &format!("default: {policy}"))
        },
    ),
];

fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from}");
    text.replace(from, to)
}

fn shipped() -> Vec<Runbook> {
    let (runbooks, diagnostics) = trailloop_content::runbooks::shipped();
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    runbooks
}

/// The shipped runbooks; or the one that the row edits, alone, so that no other takes the finding.
fn runbooks(row: &Row, ground: &Ground<'_>) -> Vec<Runbook> {
    let Some(edit) = row.edit else { return shipped() };
    let file = format!("{}.yml", row.runbook);
    let files = trailloop_content::runbooks::files();
    let (path, text) = files.into_iter().find(|(path, _)| *path == file).unwrap();
    let loaded = trailloop_runbook::load(path, &edit(ground, text));
    assert!(!loaded.has_errors(), "{:?}", loaded.diagnostics);
    vec![loaded.runbook.unwrap()]
}

/// Rules that find every call.
fn rules(level: &str) -> String {
    format!(
        "title: A call\nid: 1f2e3d4c-0000-4000-8000-00000000000a\nstatus: experimental\n\
         level: {level}\ntags: [attack.t1496.001]\nlogsource: {{product: aws, service: cloudtrail}}\n\
         detection:\n  selection: {{eventVersion: '1.11'}}\n  condition: selection\n"
    )
}

/// A kit whose calls go to the emulator.
async fn kit(aws: Option<&Emulator>, level: &str) -> Kit {
    let mut kit = Kit::with_rules(&rules(level));
    if let Some(aws) = aws {
        let options = AwsOptions {
            region: Some("us-east-1".to_owned()),
            endpoint_url: Some(aws.url.clone()),
            path_style: true,
        };
        let clients = connect(options).await.with_keys(aws.key(), "test");
        kit.actions = Arc::new(clients.actions(ActionOptions::default()));
        kit.settings.organization_account = Some(match aws.is_moto() {
            true => ACCOUNT.to_owned(),
            false => MANAGEMENT.to_owned(),
        });
        kit.settings.management_account = Some(MANAGEMENT.to_owned());
    }
    kit
}

/// The changing steps of a run.
async fn changes(kit: &Kit, run: &str) -> Vec<Change> {
    let rows = rows::all::<Value>(&*kit.table, &format!("run/{run}")).await.unwrap();
    let steps = rows.into_iter().filter(|(sort, _)| sort.starts_with("step/"));
    steps.map(|(_, row)| serde_json::from_value(row.value).unwrap()).collect()
}

/// The state that a call is about, as AWS shows it now.
async fn state(kit: &Kit, call: &Call) -> Value {
    let api = catalogue::find(&call.service, &call.api).unwrap();
    let account = match call.service.as_str() {
        "organizations" | "sso-admin" => kit.settings.organization_account.clone().unwrap(),
        _ => ACCOUNT.to_owned(),
    };
    let session =
        Session { account, region: "us-east-1".to_owned(), run: "look".to_owned(), policy: None };
    let mut answers = Vec::new();
    for read in api.state_reads(call) {
        answers.push(match kit.actions.call(&session, &read).await {
            Ok(answer) => Some(answer.body),
            Err(error) if error.kind() == CloudErrorKind::NotFound => None,
            Err(error) => panic!("{error}"),
        });
    }
    api.state(call, &answers)
}

/// The id of the run of a runbook that answers a record, once whoever has to has agreed to it.
async fn run(kit: &Kit, responder: &Responder, runbook: &str, record: Value) -> String {
    let runs = kit.respond(responder, &kit.finding_of(record)).await.unwrap();
    let mut chosen = std::collections::BTreeMap::new();
    for run in runs {
        chosen.insert(kit.run(&run).await.runbook, run);
    }
    let id = chosen.get(runbook).unwrap_or_else(|| panic!("it is not among {chosen:?}")).clone();
    for by in ["ana", "ben"] {
        if kit.run(&id).await.phase == Phase::AwaitingApproval {
            kit.approve(&id, by).await;
            kit.sweep(responder).await;
        }
    }
    id
}

/// Runs a row's runbook, and takes it back; in the second act somebody else's hand is in between.
async fn act(row: &Row, aws: Option<&Emulator>, tag: &str, is_drifting: bool) {
    let kit = kit(aws, row.level).await;
    let ground = Ground::new(&kit, aws.cloned(), tag.to_owned());
    let Scene { record, look, drift } = (row.scene)(&ground);
    let responder = kit.responder_with(runbooks(row, &ground));
    let before = look();
    let id = Box::pin(run(&kit, &responder, row.runbook, record)).await;
    let run = kit.run(&id).await;
    if row.ends == Ends::Planned {
        assert_eq!((run.phase, look()), (Phase::Planned, before), "{:?}", run.reasons);
        return;
    }
    assert_eq!(run.phase, Phase::Verifying, "{:?}", run.reasons);
    let made = changes(&kit, &id).await;
    assert!(made.iter().any(|change| change.standing == Standing::Done), "{made:?}");
    for change in &made {
        // Nobody has moto's permission set, so there is nobody to give it to anew.
        let expected = [Standing::Done, Standing::Already];
        assert!(expected.contains(&change.standing), "{change:?}");
        let read = state(&kit, &change.call()).await;
        let api = catalogue::find(&change.service, &change.api).unwrap();
        assert!(api.is_achieved(&change.call(), &read), "{} reads {read}", change.api);
    }
    let after = look();
    assert_ne!(after, before, "the effect shows");

    let mut expected = if row.ends == Ends::Stays { after } else { before };
    let mut phase = Phase::Undone;
    let mut named = None;
    if is_drifting {
        match drift {
            Drift::Refused(drifts, word) => {
                drifts();
                expected = look();
                phase = Phase::UndoRefused;
                named = Some(word);
            }
            Drift::Theirs(drifts) => {
                drifts();
                assert_eq!(look(), expected);
            }
            Drift::None => return,
        }
    }
    kit.judge(&run.finding, Judgement::FalsePositive).await;
    kit.sweep(&responder).await;
    let run = kit.run(&id).await;
    assert_eq!(run.phase, phase, "{:?}", run.reasons);
    assert_eq!(look(), expected);
    if let Some(word) = named {
        let said = run.reasons.join("; ");
        assert!(said.contains(word), "{word} is not in {said}");
        return;
    }
    for change in changes(&kit, &id).await {
        match change.standing {
            Standing::Undone => assert_eq!(state(&kit, &change.call()).await, change.before),
            // What the runbook leaves is said.
            Standing::Done => {
                let stays = format!("{} stays", change.step);
                assert!(run.reasons.iter().any(|reason| reason.contains(&stays)), "{run:?}");
            }
            Standing::Already => {}
            other => panic!("{other:?}: {change:?}"),
        }
    }
}

/// Plays both acts of the rows of a stage, several rows at a time, and tells of all that fail.
fn play(is_of_stage: fn(Stage) -> bool, aws: Option<&Emulator>) {
    let rows: Vec<&Row> = ROWS.iter().filter(|row| is_of_stage(row.stage)).collect();
    let mut failed = Vec::new();
    for some in rows.chunks(8) {
        std::thread::scope(|scope| {
            let acting = some.iter().map(|row| {
                let acts = move || {
                    let runtime = tokio::runtime::Builder::new_current_thread();
                    let runtime = { runtime }.enable_all().build().unwrap();
                    for is_drifting in [false, true] {
                        static SCENES: std::sync::atomic::AtomicU32 =
                            std::sync::atomic::AtomicU32::new(0);
                        let number = SCENES.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        let tag = format!("{}-{number}", std::process::id());
                        runtime.block_on(Box::pin(act(row, aws, &tag, is_drifting)));
                    }
                };
                (row.runbook, scope.spawn(acts))
            });
            let acting: Vec<_> = acting.collect();
            for (runbook, thread) in acting {
                if let Err(why) = thread.join() {
                    let text = why.downcast_ref::<String>().cloned();
                    let text = text.or_else(|| Some((*why.downcast_ref::<&str>()?).to_owned()));
                    failed.push(format!("{runbook}: {}", text.unwrap_or_default()));
                }
            }
        });
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

#[test]
fn runbooks_change_ministack_and_are_undone_or_refuse() {
    let Some(aws) = Emulator::new(MINISTACK) else { return };
    play(|stage| stage == Ministack, Some(&aws));
}

#[test]
fn runbooks_change_moto_and_are_undone_or_refuse() {
    let Some(aws) = Emulator::new(MOTO) else { return };
    play(|stage| stage == Moto, Some(&aws));
}

#[test]
fn runbooks_change_the_accounts_in_memory_and_are_undone_or_refuse() {
    play(|stage| matches!(stage, Memory(_)), None);
}

/// The way to the emulator, on which one call to put a rule back gets lost.
struct Lossy {
    inner: Arc<dyn Actions>,
    calls: std::sync::atomic::AtomicU32,
}

#[async_trait]
impl Actions for Lossy {
    async fn call(&self, session: &Session, call: &Call) -> Result<Answer, CloudError> {
        if call.api == "AuthorizeSecurityGroupIngress" {
            let number = self.calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            if number == 1 {
                let kind = CloudErrorKind::Transient;
                return Err(CloudError::new(kind, "call", call.name(), "connection reset"));
            }
        }
        self.inner.call(session, call).await
    }
}

/// An undo of several calls that stops in the middle goes on there, and makes none of them twice.
#[tokio::test]
async fn an_undo_that_is_half_done_is_ended() {
    let Some(aws) = Emulator::new(MINISTACK) else { return };
    let mut kit = kit(Some(&aws), "medium").await;
    let lossy = Arc::new(Lossy { inner: Arc::clone(&kit.actions), calls: 0.into() });
    kit.actions = lossy.clone();
    let ground = Ground::new(&kit, Some(aws), format!("{}-half", std::process::id()));
    let Scene { record, look, .. } = scenes::opened_group(&ground);
    let before = look();
    let responder = kit.responder();
    let id = Box::pin(run(&kit, &responder, "close-security-group-rule", record)).await;
    kit.judge(&kit.run(&id).await.finding, Judgement::FalsePositive).await;
    kit.sweep(&responder).await;
    assert_eq!(kit.run(&id).await.phase, Phase::Undoing);
    assert_ne!(look(), before, "one rule of two is back");
    kit.sweep(&responder).await;
    let run = kit.run(&id).await;
    assert_eq!((run.phase, look()), (Phase::Undone, before), "{:?}", run.reasons);
    assert_eq!(lossy.calls.load(std::sync::atomic::Ordering::Relaxed), 3);
}

/// A tag protects whom a run would act on, and not the caller alone.
#[tokio::test]
async fn a_user_who_is_protected_by_a_tag_is_left_alone() {
    let Some(aws) = Emulator::new(MINISTACK) else { return };
    let kit = kit(Some(&aws), "medium").await;
    let ground = Ground::new(&kit, Some(aws.clone()), format!("{}-tag", std::process::id()));
    let Scene { record, look, .. } = scenes::created_key(&ground);
    let tag = [
        ("UserName", &*ground.name("user")),
        ("Tags.member.1.Key", "trailloop:protected"),
        ("Tags.member.1.Value", "true"),
    ];
    aws.iam("TagUser", &tag);
    let before = look();
    let id = Box::pin(run(&kit, &kit.responder(), "deactivate-created-key", record)).await;
    let run = kit.run(&id).await;
    assert_eq!(run.phase, Phase::Refused);
    assert!(run.reasons.join("; ").contains("trailloop:protected=true"), "{:?}", run.reasons);
    assert_eq!(look(), before);
}

#[test]
fn every_runbook_that_changes_something_has_a_row() {
    let changes = |runbook: &Runbook| {
        runbook.steps.iter().any(|step| match &step.action {
            Action::Call(call) => {
                catalogue::find(&call.service, &call.api).is_some_and(|api| api.changes)
            }
            _ => false,
        })
    };
    let mut without: Vec<String> =
        shipped().into_iter().filter(changes).map(|runbook| runbook.id).collect();
    without.retain(|id| ROWS.iter().all(|row| row.runbook != id));
    assert_eq!(without, Vec::<String>::new(), "they need a row that shows them");
    for row in ROWS {
        if let Memory(why) = row.stage {
            assert!(!why.is_empty(), "{}", row.runbook);
        }
    }
}
