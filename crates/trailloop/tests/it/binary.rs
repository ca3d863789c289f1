//! The binary as a user runs it: real files, real exit statuses.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{lines, root, run, say, shared, status, stderr, text};

/// A rule that matches every good record of the hostile fixtures.
const STOP_LOGGING: &str = "title: Logging stopped\nid: 0a4c1c9e-55c2-4a53-8b4e-3d9d36d2f4b7\nlevel: high\n\
    logsource:\n  product: aws\n  service: cloudtrail\n\
    detection:\n  selection:\n    eventName: StopLogging\n  condition: selection\n";

/// The (rule, eventID) pairs of findings.
fn pairs(findings: &[Value]) -> BTreeSet<(String, String)> {
    let text = |finding: &Value, pointer: &str| {
        finding.pointer(pointer).unwrap().as_str().unwrap().to_owned()
    };
    findings
        .iter()
        .map(|finding| {
            (
                text(finding, "/finding_info/analytic/uid"),
                text(finding, "/finding_info/related_events/0/uid"),
            )
        })
        .collect()
}

fn rule_file(folder: &TempDir) -> PathBuf {
    let path = folder.path().join("stop-logging.yml");
    fs::write(&path, STOP_LOGGING).unwrap();
    path
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::GzBuilder::new().write(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn replay_agrees_with_an_evaluator_of_another_make() {
    let (Some(logs), Some(rules)) = (shared("stratus"), shared("sigma-rules")) else { return };
    let oracle = Command::new("python3")
        .arg(root().join("fixtures/oracle/evaluate.py"))
        .args([&logs, &rules])
        .output()
        .unwrap();
    if !oracle.status.success() && stderr(&oracle).contains("No module named 'yaml'") {
        say(
            "skipped: the evaluator needs fixtures/oracle/requirements.txt; scripts/test installs it",
        );
        return;
    }
    assert!(oracle.status.success(), "{}", stderr(&oracle));
    let expected: BTreeSet<(String, String)> = String::from_utf8(oracle.stdout)
        .unwrap()
        .lines()
        .map(|line| {
            let (rule, event) = line.split_once('\t').unwrap();
            (rule.to_owned(), event.to_owned())
        })
        .collect();
    assert!(!expected.is_empty());
    let output = run(&["replay", text(&logs), "--rules", text(&rules)]);
    assert_eq!(status(&output), 0, "{}", stderr(&output));
    assert_eq!(pairs(&lines(&output.stdout)), expected);
}

#[test]
fn the_same_bytes_for_any_jobs_and_for_the_same_records_gzipped() {
    let shipped = root().join("fixtures/logs");
    assert_eq!(replayed(&shipped, "8"), replayed(&shipped, "1"));
    let Some(logs) = shared("stratus") else { return };
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(&logs).unwrap() {
        let path = entry.unwrap().path();
        let target = folder.path().join(path.file_name().unwrap());
        fs::write(target, gzip(&fs::read(&path).unwrap())).unwrap();
    }
    let one = replayed(&logs, "1");
    assert_eq!(replayed(&logs, "8"), one);
    assert_eq!(replayed(folder.path(), "8"), one);
}

/// What a replay with the shipped rules prints.
fn replayed(source: &Path, jobs: &str) -> Vec<u8> {
    let output = run(&["replay", text(source), "--jobs", jobs]);
    assert_eq!(status(&output), 0, "{}", stderr(&output));
    assert!(!output.stdout.is_empty());
    output.stdout
}

#[test]
fn hostile_objects_come_to_what_is_expected_of_each() {
    let folder = tempfile::tempdir().unwrap();
    let rules = rule_file(&folder);
    let hostile = root().join("fixtures/hostile");
    let expected: Value =
        serde_json::from_str(&fs::read_to_string(hostile.join("expected.json")).unwrap()).unwrap();
    let expected = expected.as_object().unwrap();
    assert!(expected.len() >= 20);
    for (file, outcome) in expected {
        let summary = folder.path().join("summary.json");
        let output = run(&[
            "replay",
            text(&hostile.join(file)),
            "--rules",
            text(&rules),
            "--summary",
            text(&summary),
        ]);
        assert_eq!(status(&output), 0, "{file}: {}", stderr(&output));
        assert!(!stderr(&output).contains("panicked"), "{file}: {}", stderr(&output));
        let summary: Value = serde_json::from_str(&fs::read_to_string(&summary).unwrap()).unwrap();
        for count in ["records", "records_failed", "objects_failed"] {
            assert_eq!(summary[count], outcome[count], "{file}: {count}: {}", stderr(&output));
        }
        let found: Vec<Value> = lines(&output.stdout)
            .iter()
            .map(|finding| finding["finding_info"]["related_events"][0]["uid"].clone())
            .collect();
        assert_eq!(Value::Array(found), outcome["eventIDs"], "{file}");
        let failed = outcome["records_failed"] != 0 || outcome["objects_failed"] != 0;
        assert_eq!(
            stderr(&output).contains(file.as_str()),
            failed,
            "{file} is named when something fails"
        );
    }
}

#[test]
fn hostile_objects_do_not_stop_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let rules = rule_file(&folder);
    let hostile = root().join("fixtures/hostile");
    let output = run(&["replay", text(&hostile), "--rules", text(&rules), "--quiet"]);
    assert_eq!(status(&output), 0);
    let expected: Value =
        serde_json::from_str(&fs::read_to_string(hostile.join("expected.json")).unwrap()).unwrap();
    let ids: BTreeSet<&str> = expected
        .as_object()
        .unwrap()
        .values()
        .flat_map(|outcome| outcome["eventIDs"].as_array().unwrap())
        .map(|id| id.as_str().unwrap())
        .collect();
    let findings = lines(&output.stdout);
    let found: BTreeSet<&str> = findings
        .iter()
        .map(|finding| finding["finding_info"]["related_events"][0]["uid"].as_str().unwrap())
        .collect();
    assert_eq!(found, ids);
}

#[test]
fn a_gzip_bomb_is_stopped_at_the_cap() {
    let folder = tempfile::tempdir().unwrap();
    let rules = rule_file(&folder);
    let bomb = folder.path().join("bomb.json.gz");
    let made = Command::new("python3")
        .arg(root().join("fixtures/make_hostile.py"))
        .arg("--bomb")
        .arg(&bomb)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", stderr(&made));
    let summary = folder.path().join("summary.json");
    let output =
        run(&["replay", text(&bomb), "--rules", text(&rules), "--summary", text(&summary)]);
    assert_eq!(status(&output), 0);
    let summary: Value = serde_json::from_str(&fs::read_to_string(&summary).unwrap()).unwrap();
    assert_eq!(summary["objects_failed"], 1);
    assert!(stderr(&output).contains("inflates to more than"), "{}", stderr(&output));
}

#[test]
fn no_output_of_any_command_holds_a_secret() {
    let logs = root().join("fixtures/logs");
    let folder = tempfile::tempdir().unwrap();
    // A rule that matches every record, so that every record becomes a finding.
    let all = folder.path().join("all.yml");
    fs::write(&all, STOP_LOGGING.replace("eventName: StopLogging", "eventSource: '*'")).unwrap();
    let findings = folder.path().join("findings.ndjson");
    let summary = folder.path().join("summary.json");
    let replayed = run(&[
        "replay",
        text(&logs),
        "--rules",
        text(&all),
        "--output",
        text(&findings),
        "--summary",
        text(&summary),
    ]);
    assert_eq!(status(&replayed), 0);
    let written = fs::read(&findings).unwrap();
    assert!(lines(&written).len() > 200);
    let demo_dir = folder.path().join("demo");
    let demo = run(&["demo", "--dir", text(&demo_dir)]);
    assert_eq!(status(&demo), 0, "{}", stderr(&demo));
    let demo_findings = fs::read(demo_dir.join("findings.ndjson")).unwrap();
    assert!(!demo_findings.is_empty());
    let outputs = [
        written,
        fs::read(&summary).unwrap(),
        replayed.stdout,
        replayed.stderr,
        demo.stdout,
        demo.stderr,
        demo_findings,
    ];
    for output in &outputs {
        let output = String::from_utf8_lossy(output);
        let canary = output
            .find("CANARY")
            .map(|at| output[at.saturating_sub(80)..].chars().take(160).collect::<String>());
        assert_eq!(canary, None);
    }
    // The canaries are there to be found.
    let raw: Vec<u8> = read_all(&logs);
    assert!(raw.windows(6).any(|window| window == b"CANARY"));
}

/// The inflated text of every file below a folder.
fn read_all(folder: &Path) -> Vec<u8> {
    let mut text = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text.extend(read_all(&path));
        } else {
            let file = fs::File::open(&path).unwrap();
            // A digest or another plain file does not inflate, and holds no canary.
            drop(std::io::copy(&mut flate2::read::MultiGzDecoder::new(file), &mut text));
        }
    }
    text
}

#[test]
fn the_demo_tells_its_story() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(&["demo", "--dir", text(folder.path())]);
    assert_eq!(status(&output), 0, "{}", stderr(&output));
    let story = String::from_utf8(output.stdout).unwrap();
    for part in [
        "WHAT CAME IN",
        "WHAT WAS FOUND",
        "WHO DID IT",
        "HOW LONG",
        "HOW FAST",
        "WHAT AN ANSWER IN TIME COMES TO",
        "contain-iam-user-key@",
        "InvalidClientTokenId",
        "with an explicit deny in an identity-based policy",
        "the log shows explicit_deny",
        "now contained",
        "of the ledger verify",
        "ci-deployer",
        "203.0.113.77 (NL",
    ] {
        assert!(story.contains(part), "{story}");
    }
    let again = run(&["demo", "--dir", text(folder.path())]);
    assert_eq!(status(&again), 2, "a folder that is in use is refused");
    let findings = lines(&fs::read(folder.path().join("findings.ndjson")).unwrap());
    // The service finds in the bucket what a replay of the folder of buckets finds.
    let (buckets, facts) = (folder.path().join("buckets"), folder.path().join("enrichment"));
    let replayed = run(&["replay", text(&buckets), "--enrichment", text(&facts)]);
    let sorted = |mut findings: Vec<Value>| {
        findings.sort_by_key(ToString::to_string);
        findings
    };
    assert_eq!(sorted(findings), sorted(lines(&replayed.stdout)));
}

#[test]
fn exit_statuses_are_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let rules = rule_file(&folder);
    let rules = text(&rules);
    let log = folder.path().join("log.json");
    fs::write(
        &log,
        r#"{"Records":[{"eventVersion":"1.11","eventName":"StopLogging","eventID":"e"}]}"#,
    )
    .unwrap();
    let log = text(&log);
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let bad_rule = folder.path().join("bad.yml");
    fs::write(&bad_rule, STOP_LOGGING.replace("eventName:", "eventName|nonsense:")).unwrap();
    let cases: &[(&[&str], i32)] = &[
        (&["replay", log, "--rules", rules], 0),
        (&["replay", log, "--rules", rules, "--fail-on", "high"], 3),
        (&["replay", log, "--rules", rules, "--fail-on", "critical"], 0),
        (&["replay", log, "missing.json", "--rules", rules], 1),
        (&["replay", "missing.json", "--rules", rules], 1),
        (&["replay", text(&empty), "--rules", rules], 2),
        (&["replay", log, "--rules", rules, "--resume", "place"], 2),
        (&["replay", log, "--rules", "missing.yml"], 2),
        (&["replay", log, "--rules", text(&bad_rule)], 2),
        (&["replay", log, "--rules", rules, "--from", "yesterday"], 2),
        (&["replay"], 2),
        (&["nonsense"], 2),
        (&["run", "--config", "missing.toml"], 2),
        (&["rules", "check", rules], 0),
        (&["rules", "check", text(&bad_rule)], 1),
        (&["rules", "check"], 0),
        (&["rules", "test"], 0),
        (&["rules", "list"], 0),
        (&["runbook", "check"], 0),
        (&["runbook", "list"], 0),
        (&["runbook", "plan"], 2),
        (&["respond", "--config", "missing.toml"], 2),
        (&["--help"], 0),
    ];
    for (arguments, expected) in cases {
        let output = run(arguments);
        assert_eq!(status(&output), *expected, "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn filters_keep_what_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let rules = rule_file(&folder);
    let log = folder.path().join("log.ndjson");
    let record = |id: &str, time: &str, account: &str, region: &str| {
        format!(
            "{{\"eventVersion\":\"1.11\",\"eventName\":\"StopLogging\",\"eventID\":\"{id}\",\"eventTime\":\"{time}\",\"recipientAccountId\":\"{account}\",\"awsRegion\":\"{region}\"}}\n"
        )
    };
    let text_of = [
        record("a", "2026-11-01T23:59:59Z", "111122223333", "us-east-1"),
        record("b", "2026-11-02T00:00:00Z", "111122223333", "us-east-1"),
        record("c", "2026-11-02T12:00:00Z", "444455556666", "us-east-1"),
        record("d", "2026-11-02T13:00:00Z", "111122223333", "eu-west-1"),
        record("e", "2026-11-03T00:00:00Z", "111122223333", "us-east-1"),
    ]
    .concat();
    fs::write(&log, text_of).unwrap();
    let found = |more: &[&str]| {
        let output = run(&[&["replay", text(&log), "--rules", text(&rules)], more].concat());
        let ids = lines(&output.stdout)
            .iter()
            .map(|finding| {
                finding["finding_info"]["related_events"][0]["uid"].as_str().unwrap().to_owned()
            })
            .collect::<Vec<_>>();
        ids.concat()
    };
    assert_eq!(found(&[]), "abcde");
    assert_eq!(found(&["--from", "2026-11-02", "--to", "2026-11-03"]), "bcd");
    assert_eq!(found(&["--account", "111122223333"]), "abde");
    assert_eq!(found(&["--region", "eu-west-1", "--account", "111122223333"]), "d");
}

#[test]
fn a_replay_that_was_cut_short_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let rules = rule_file(&folder);
    let logs = folder.path().join("logs");
    fs::create_dir(&logs).unwrap();
    let write = |nth: usize| {
        let record = format!(
            "{{\"eventVersion\":\"1.11\",\"eventName\":\"StopLogging\",\"eventID\":\"e{nth}\"}}"
        );
        fs::write(logs.join(format!("{nth:02}.json")), record).unwrap();
    };
    (0..5).for_each(write);
    let output = folder.path().join("findings.ndjson");
    let place = folder.path().join("place.json");
    let summary = folder.path().join("summary.json");
    let replay = |more: &[&str], expected: i32| {
        let arguments = [
            "replay",
            text(&logs),
            "--rules",
            text(&rules),
            "--output",
            text(&output),
            "--resume",
            text(&place),
            "--summary",
            text(&summary),
        ];
        let ended = run(&[&arguments[..], more].concat());
        assert_eq!(status(&ended), expected, "{}", stderr(&ended));
        ended
    };
    replay(&[], 0);
    // What a replay wrote after its last saved place is cut off and written again.
    let mut torn = fs::read(&output).unwrap();
    torn.extend_from_slice(b"{\"torn\":");
    fs::write(&output, torn).unwrap();
    (5..8).for_each(write);
    replay(&["--fail-on", "high"], 3);
    let ids: Vec<Value> = lines(&fs::read(&output).unwrap())
        .iter()
        .map(|finding| finding["finding_info"]["related_events"][0]["uid"].clone())
        .collect();
    assert_eq!(ids, ["e0", "e1", "e2", "e3", "e4", "e5", "e6", "e7"]);
    let totals: Value = serde_json::from_str(&fs::read_to_string(&summary).unwrap()).unwrap();
    assert_eq!((&totals["objects"], &totals["findings"]), (&8.into(), &8.into()));

    // Nothing is left to read, and what was found before still counts.
    replay(&["--fail-on", "high"], 3);
    // An object that came late under an earlier key is not passed over in silence.
    fs::write(logs.join("00-late.json"), "{}").unwrap();
    assert!(stderr(&replay(&[], 0)).contains("came since"));
    // Another rule makes another replay, and a lost output is not filled with zeros.
    fs::write(&rules, STOP_LOGGING.replace("level: high", "level: low")).unwrap();
    replay(&[], 2);
    fs::write(&rules, STOP_LOGGING).unwrap();
    fs::write(&output, "").unwrap();
    replay(&[], 2);
}

#[test]
fn a_configuration_is_checked_before_anything_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("trailloop.toml");
    fs::write(&config, "[queues]\nnotifications = \"https://q/n\"\nactions = \"https://q/a\"\n")
        .unwrap();
    let output = run(&["run", "--config", text(&config), "--check"]);
    assert_eq!(status(&output), 0, "{}", stderr(&output));
    fs::write(&config, "[queues]\nnotification = 1\n[limits]\nworkers = -1\n").unwrap();
    let output = run(&["run", "--config", text(&config), "--check"]);
    assert_eq!(status(&output), 2);
    for part in
        ["unknown key queues.notification", "queues.actions is missing", "limits.workers must be"]
    {
        assert!(stderr(&output).contains(part), "{}", stderr(&output));
    }
}

#[test]
fn synthetic_logs_are_the_same_for_the_same_seed_and_quiet() {
    let folder = tempfile::tempdir().unwrap();
    let synth = |name: &str| {
        let out = folder.path().join(name);
        let output =
            run(&["synth", text(&out), "--objects", "4", "--records", "200", "--seed", "5"]);
        assert_eq!(status(&output), 0, "{}", stderr(&output));
        out
    };
    let (one, two) = (synth("one"), synth("two"));
    assert_eq!(read_all(&one), read_all(&two));
    assert_eq!(status(&run(&["synth", text(&one)])), 2, "a folder that is not empty is refused");
    let output = run(&["replay", text(&one), "--fail-on", "high"]);
    assert_eq!(status(&output), 0, "a quiet day holds nothing of level high: {}", stderr(&output));
}

#[test]
fn help_is_the_contract() {
    let mut help = String::new();
    for command in [
        &["--help"][..],
        &["replay", "--help"],
        &["run", "--help"],
        &["rules", "--help"],
        &["rules", "explain", "--help"],
        &["synth", "--help"],
        &["demo", "--help"],
        &["respond", "--help"],
        &["runbook", "--help"],
        &["runbook", "approve", "--help"],
        &["runbook", "audit", "--help"],
        &["verdict", "--help"],
    ] {
        help.push_str(&format!("$ trailloop {}\n", command.join(" ")));
        help.push_str(&String::from_utf8(run(command).stdout).unwrap());
        help.push('\n');
    }
    insta::assert_snapshot!(help);
}
