//! `trailloop runbook` and `trailloop verdict`: the shipped runbooks, and what people say to runs.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};
use trailloop_cloud::{Clock, Expected, LocalTable, RowKey, Table};
use trailloop_content::runbooks;
use trailloop_respond::ledger::{Entry, Ledger};
use trailloop_respond::run::OPEN;
use trailloop_respond::{Run, rows, voices};
use trailloop_runbook::Runbook;

use crate::support::{root, run, status, stderr, text};

const WAITS: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const EXPIRED: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const WATCHED: &str = "cccccccccccccccccccccccccccccccc";
const FINDING: &str = "0123456789abcdef0123456789abcdef";

fn stdout(arguments: &[&str], expected: i32) -> String {
    let output = run(arguments);
    let said = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(status(&output), expected, "{arguments:?}: {}{said}", stderr(&output));
    said
}

/// The state of an executor: a run that waits for an answer, one whose time is over, and one that has acted.
struct State {
    folder: tempfile::TempDir,
    table: Arc<dyn Table>,
}

impl State {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.sqlite");
        let table: Arc<dyn Table> = Arc::new(LocalTable::open(&path).unwrap());
        let config = format!("[respond]\nstate = {:?}\n", text(&path));
        fs::write(folder.path().join("respond.toml"), config).unwrap();
        let state = Self { folder, table };
        let now_ms = Clock::System.now_ms();
        state.put(WAITS, "awaiting_approval", now_ms + 3_600_000).await;
        state.put(EXPIRED, "awaiting_approval", now_ms - 1).await;
        state.put(WATCHED, "verifying", now_ms + 3_600_000).await;
        let ledger = Ledger::new(Arc::clone(&state.table), "test");
        for result in ["proposed", "intended", "done", "verifying"] {
            let entry =
                Entry { run: WATCHED.to_owned(), result: result.to_owned(), ..Entry::default() };
            ledger.append(&entry).await.unwrap();
        }
        state
    }

    async fn put(&self, id: &str, phase: &str, until_ms: i64) {
        let run: Run = serde_json::from_value(json!({
            "id": id, "finding": FINDING, "title": "A key\u{1b}[2J is tried", "level": "high", "rule": "r",
            "runbook": "contain-iam-user-key", "version": 3, "hash": "f00d", "account": "111122223333",
            "region": "us-east-1", "target": format!("arn:aws:iam::111122223333:user/{id}\u{202e}"), "is_live": true,
            "event_ms": 0, "started_ms": 0, "parameters": {"UserName": "bob\u{1b}[31m"}, "mode": "approve",
            "phase": phase, "cursor": null, "outputs": {}, "plan": ["disableKey: iam:UpdateAccessKey UserName=bob"],
            "reasons": ["mode: the runbook asks for no more"], "acted_ms": null, "until_ms": until_ms,
            "reasserted": 0, "stream_proof": null, "has_critical_failure": false, "successes": [], "ledger_from": 0, "parent": null,
        }))
        .unwrap();
        rows::create(&*self.table, &RowKey::new(OPEN, id), &run.finding).await.unwrap();
        rows::create(&*self.table, &Run::key(id), &run).await.unwrap();
    }

    /// Makes a run that waits one of this runbook's own.
    async fn of_runbook(&self, id: &str, runbook: &Runbook, target: &str) {
        let mut row = rows::load::<Run>(&*self.table, &Run::key(id)).await.unwrap().unwrap();
        row.value.hash.clone_from(&runbook.hash);
        target.clone_into(&mut row.value.target);
        assert!(rows::store(&*self.table, &Run::key(id), &mut row).await.unwrap());
    }

    async fn get(&self, id: &str) -> Run {
        rows::load::<Run>(&*self.table, &Run::key(id)).await.unwrap().unwrap().value
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("respond.toml")
    }

    /// Runs `trailloop runbook` with the configuration.
    fn runbook(&self, arguments: &[&str], expected: i32) -> (String, String) {
        let config = self.config();
        let output = run(&[&["runbook"], arguments, &["--config", text(&config)]].concat());
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(status(&output), expected, "{arguments:?}: {said}{}", stderr(&output));
        (said, stderr(&output))
    }
}

#[test]
fn the_shipped_runbooks_check_out_and_answer_every_rule() {
    let said = stdout(&["runbook", "check"], 0);
    let count = runbooks::files().len();
    assert_eq!(said.lines().filter(|line| line.starts_with("PASS  ")).count(), count, "{said}");
    assert!(!said.contains("FAIL"), "{said}");
    let last = format!(
        "{count} runbooks; 0 errors, 0 warnings, 0 failed examples, 0 rules without an answer"
    );
    assert_eq!(said.lines().last(), Some(last.as_str()));
    let policy = &said[said.find('{').unwrap()..=said.rfind('}').unwrap()];
    let policy: Value = serde_json::from_str(policy).unwrap();
    let actions: BTreeSet<&str> = policy["Statement"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|statement| statement["Action"].as_array().unwrap())
        .map(|action| action.as_str().unwrap())
        .collect();
    // A step, what it is undone by, what shows its effect, and what the guards read.
    for action in [
        "iam:UpdateAccessKey",
        "iam:DeleteUserPolicy",
        "iam:GetUserPolicy",
        "iam:SimulatePrincipalPolicy",
    ] {
        assert!(actions.contains(action), "{action} in {actions:?}");
    }
    assert!(!actions.iter().any(|action| action.contains('*')), "{actions:?}");
}

#[test]
fn problems_and_failing_examples_of_own_runbooks_are_said() {
    let said = stdout(&["runbook", "check", text(&root().join("fixtures/runbooks-bad"))], 1);
    assert!(said.contains("error[unknown-api]") && said.contains("help: "), "{said}");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("restart-trail.yml");
    let (_, shipped) =
        runbooks::files().into_iter().find(|(name, _)| *name == "restart-trail.yml").unwrap();
    fs::write(&path, shipped).unwrap();
    let said = stdout(&["runbook", "check", text(&path)], 0);
    assert!(said.contains("PASS  restart-trail@") && said.contains("1 runbooks;"), "{said}");
    let wrong =
        shipped.replace("expect_calls: [\"cloudtrail:StartLogging\"]", "expect: not_chosen");
    assert_ne!(wrong, shipped);
    fs::write(&path, wrong).unwrap();
    let said = stdout(&["runbook", "check", text(&path)], 1);
    assert!(said.contains("should be not chosen; it is cloudtrail:StartLogging"), "{said}");
    assert_eq!(status(&run(&["runbook", "check", "missing/"])), 2);
}

#[test]
fn the_list_says_when_each_is_chosen_and_how_many_rules_it_serves() {
    let said = stdout(&["runbook", "list"], 0);
    assert_eq!(said.lines().count(), runbooks::files().len() + 2, "{said}");
    let row = said.lines().find(|line| line.starts_with("restart-trail ")).unwrap();
    let cells: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(cells[2..4], ["auto", "R1"], "{row}");
    assert!(cells[4].parse::<u32>().unwrap() > 0, "{row}");
    assert!(row.contains("StopLogging of cloudtrail.amazonaws.com, that succeeded"), "{row}");
    assert!(said.lines().last().unwrap().contains("shipped rules have one"), "{said}");
}

#[test]
fn exported_runbooks_are_automation_documents_alone() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("ssm");
    stdout(&["runbook", "export", "--ssm", "--output", text(&out)], 0);
    let files: Vec<PathBuf> =
        fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), runbooks::files().len());
    for file in files {
        let document: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        assert_eq!(document["schemaVersion"], "0.3", "{}", file.display());
        assert!(document["mainSteps"].is_array() && document.get("trailloop").is_none());
    }
    let again = ["runbook", "export", "--ssm", "--output", text(&out)];
    assert_eq!(status(&run(&again)), 2, "a folder in use is refused");
    assert_eq!(
        status(&run(&["runbook", "export", "--output", "x"])),
        2,
        "a format has to be named"
    );
}

#[tokio::test]
async fn plans_are_shown_without_steering_the_terminal() {
    let state = State::new().await;
    let (all, _) = state.runbook(&["plan"], 0);
    assert!(all.contains(WAITS) && all.contains("awaiting_approval"), "{all}");
    assert!(all.ends_with("3 open runs\n"), "{all}");
    let (one, _) = state.runbook(&["plan", WAITS], 0);
    for part in [
        "contain-iam-user-key@3",
        "disableKey: iam:UpdateAccessKey UserName=bob",
        "mode: the runbook asks for no more",
        "can be answered until",
        "none has begun to change anything",
        "\\u{1b}[2J is tried",
    ] {
        assert!(one.contains(part), "{part} in {one}");
    }
    assert!(!(all + &one).contains(['\u{1b}', '\u{202e}']));
    let (_, said) = state.runbook(&["plan", "dddddddddddddddddddddddddddddddd"], 2);
    assert!(said.contains("there is no run"), "{said}");
    state.runbook(&["plan", "../state"], 2);
}

#[tokio::test]
async fn an_answer_is_bound_to_what_was_seen_and_given_once() {
    let state = State::new().await;
    let (said, _) = state.runbook(&["approve", WAITS, "--by", "ana"], 0);
    let waiting = state.get(WAITS).await;
    assert!(
        said.contains(&waiting.parameters_hash()) && said.contains("approved by ana"),
        "{said}"
    );
    let kept = voices::said(&*state.table, &waiting).await.unwrap();
    let [kept] = kept.as_slice() else { panic!("{kept:?}") };
    assert!(kept.agrees && kept.by == "ana" && kept.runbook_hash == "f00d");
    let (_, said) = state.runbook(&["reject", WAITS, "--by", "ana"], 1);
    assert!(said.contains("ana has spoken"), "{said}");
    state.runbook(&["reject", WAITS, "--by", "bo"], 0);
    let (one, _) = state.runbook(&["plan", WAITS], 0);
    assert!(one.contains("approved by ana") && one.contains("rejected by bo"), "{one}");

    let (_, said) = state.runbook(&["approve", EXPIRED, "--by", "ana"], 1);
    assert!(said.contains("it has expired"), "{said}");
    let (_, said) = state.runbook(&["approve", WATCHED, "--by", "ana"], 1);
    assert!(said.contains("is verifying: it does not wait"), "{said}");
    for by in ["", "a\nb", " ana"] {
        state.runbook(&["approve", WAITS, "--by", by], 2);
    }
    state.runbook(&["approve", WAITS], 2);
    let nowhere = run(&["runbook", "approve", WAITS, "--by", "ana", "--config", "missing.toml"]);
    assert_eq!(status(&nowhere), 2);
}

#[tokio::test]
async fn only_those_may_answer_whose_word_counts() {
    let state = State::new().await;
    let own = state.folder.path().join("contain-iam-user-key.yml");
    let mut files = runbooks::files().into_iter();
    let (_, shipped) = files.find(|(name, _)| *name == "contain-iam-user-key.yml").unwrap();
    let written =
        shipped.replace("approval: {quorum: 1, ", "approval: {quorum: 1, approvers: [ana, bob], ");
    assert_ne!(written, shipped);
    fs::write(&own, &written).unwrap();
    let config = fs::read_to_string(state.config()).unwrap();
    fs::write(state.config(), format!("{config}runbooks = [{:?}]\n", text(&own))).unwrap();
    let runbook = trailloop_runbook::load("own.yml", &written).runbook.unwrap();
    state.of_runbook(WAITS, &runbook, "arn:aws:iam::111122223333:user/bob").await;

    let (_, said) = state.runbook(&["approve", WAITS, "--by", "eve"], 1);
    assert!(said.contains("none of those who may answer") && said.contains("ana, bob"), "{said}");
    let (_, said) = state.runbook(&["approve", WAITS, "--by", "bob"], 1);
    assert!(said.contains("is whom run"), "{said}");
    state.runbook(&["approve", WAITS, "--by", "ana"], 0);
    let kept = voices::said(&*state.table, &state.get(WAITS).await).await.unwrap();
    assert_eq!(kept.len(), 1, "those who were refused have said nothing");

    fs::write(&own, written.replace("version: ", "versoin: ")).unwrap();
    let (_, said) = state.runbook(&["reject", WAITS, "--by", "ana"], 2);
    assert!(said.contains("error") && said.contains("versoin"), "{said}");
}

#[tokio::test]
async fn a_run_that_has_acted_can_be_undone_and_judged() {
    let state = State::new().await;
    let (_, said) = state.runbook(&["undo", WAITS, "--by", "ana"], 1);
    assert!(said.contains("awaiting_approval: there is nothing to undo"), "{said}");
    state.runbook(&["undo", WATCHED, "--by", "ana"], 0);
    assert_eq!(state.get(WATCHED).await.phase.name(), "undoing");

    let config = state.config();
    let judge = |id: &str, verdict: &str, reason: &str| {
        run(&["verdict", id, verdict, "--reason", reason, "--by", "ana", "--config", text(&config)])
    };
    let output = judge(FINDING, "false_positive", "wrong_logic");
    assert_eq!(status(&output), 0, "{}", stderr(&output));
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("is undone at the executor's next look")
    );
    let kept = voices::verdicts(&*state.table, FINDING).await.unwrap();
    assert!(kept.len() == 1 && kept[0].undoes() && kept[0].by == "ana", "{kept:?}");
    let (one, _) = state.runbook(&["plan", WATCHED], 0);
    assert!(one.contains("false_positive (wrong_logic) by ana"), "{one}");
    for (id, verdict, reason) in [
        ("x", "false_positive", "wrong_logic"),
        (FINDING, "maybe", "wrong_logic"),
        (FINDING, "false_positive", "because"),
    ] {
        assert_eq!(status(&judge(id, verdict, reason)), 2, "{id} {verdict} {reason}");
    }
}

#[tokio::test]
async fn a_ledger_is_verified_and_says_where_it_breaks() {
    let state = State::new().await;
    let file = state.folder.path().join("ledger.ndjson");
    let (said, _) = state.runbook(&["audit", "--output", text(&file)], 0);
    let head = Ledger::new(Arc::clone(&state.table), "test").head().await.unwrap();
    assert!(said.contains("4 lines") && said.contains(&head.sha256), "{said}");
    assert_eq!(stdout(&["runbook", "audit", "--file", text(&file)], 0), said);
    let exported = fs::read_to_string(&file).unwrap();
    assert_eq!(exported.lines().count(), 4);
    fs::write(&file, exported.replace("intended", "already")).unwrap();
    let broken = stdout(&["runbook", "audit", "--file", text(&file)], 1);
    assert!(broken.contains("line 2 of the ledger was altered"), "{broken}");

    let key = RowKey::new("ledger", format!("{:020}", 2));
    let row = state.table.get(&key).await.unwrap().unwrap();
    let value = row.value.replace("intended", "already");
    state.table.put(&key, &value, Expected::Version(row.version)).await.unwrap();
    let (said, _) = state.runbook(&["audit", "--output", text(&file)], 1);
    assert!(said.contains("line 2 of the ledger"), "{said}");
    assert_eq!(status(&run(&["runbook", "audit"])), 2, "a place has to be named");
    assert_eq!(status(&run(&["runbook", "audit", "--file", "missing.ndjson"])), 2);
}

#[test]
fn the_executor_starts_with_good_runbooks_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (config, own) = (folder.path().join("respond.toml"), folder.path().join("own.yml"));
    let written = format!(
        "[queues]\nactions = \"http://127.0.0.1:9/1/actions\"\n[aws]\nregion = \"us-east-1\"\n[respond]\n\
         state = {:?}\narchive_buckets = [\"example-trail\"]\nrunbooks = [{:?}]\n",
        text(&folder.path().join("state.sqlite")),
        text(&own)
    );
    fs::write(&config, written).unwrap();
    let check = || run(&["respond", "--config", text(&config), "--check"]);
    let mut files = runbooks::files().into_iter();
    let (_, shipped) = files.find(|(name, _)| *name == "restart-trail.yml").unwrap();
    fs::write(&own, shipped).unwrap();
    let output = check();
    assert_eq!(status(&output), 0, "{}", stderr(&output));
    assert!(stderr(&output).contains("the configuration is good"), "{}", stderr(&output));
    fs::write(&own, shipped.replace("StartLogging", "StartLoging")).unwrap();
    let output = check();
    assert_eq!(status(&output), 2, "{}", stderr(&output));
    assert!(stderr(&output).contains("own.yml:") && stderr(&output).contains("StartLoging"));
    assert!(!folder.path().join("state.sqlite").exists(), "a check opens nothing");
    assert_eq!(status(&run(&["respond", "--config", "missing.toml"])), 2);
}
