//! The shipped rules as their users meet them: listed, counted, compared, exported, fed with facts.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{lines, root, run, status, stderr, text};

fn stdout(arguments: &[&str], expected: i32) -> String {
    let output = run(arguments);
    assert_eq!(status(&output), expected, "{arguments:?}: {}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&stdout(arguments, 0)).unwrap()
}

fn array<'v>(value: &'v Value, key: &str) -> &'v Vec<Value> {
    value[key].as_array().unwrap()
}

#[test]
fn the_list_says_of_each_rule_what_one_decides_by() {
    let list = json(&["rules", "list", "--format", "json"]);
    let rules = array(&list, "rules");
    assert!(rules.len() >= 110, "{} rules", rules.len());
    assert_eq!(list["rule_set"].as_str().unwrap().len(), 64);
    assert!(list["version"].is_string());
    for rule in rules {
        for key in ["uid", "title", "level", "level_reason", "pack", "runbook", "hash"] {
            assert!(rule[key].is_string(), "{key} of {rule}");
        }
        assert!(rule["findings_per_million_benign_records"].is_f64(), "{rule}");
    }
    let table = stdout(&["rules", "list"], 0);
    assert_eq!(table.lines().count(), rules.len() + 2);
}

#[test]
fn coverage_is_a_table_json_and_a_navigator_layer() {
    let layer = json(&["rules", "coverage", "--format", "navigator"]);
    assert_eq!(layer["domain"], "enterprise-attack");
    let techniques = array(&layer, "techniques");
    assert!(techniques.len() >= 100, "{} techniques", techniques.len());
    let tactics: std::collections::BTreeSet<&str> =
        techniques.iter().map(|one| one["tactic"].as_str().unwrap()).collect();
    for tactic in [
        "initial-access",
        "execution",
        "persistence",
        "privilege-escalation",
        "defense-impairment",
        "credential-access",
        "discovery",
        "lateral-movement",
        "collection",
        "exfiltration",
        "impact",
    ] {
        assert!(tactics.contains(tactic), "nothing under {tactic}: {tactics:?}");
    }
    let covered = json(&["rules", "coverage", "--format", "json"]);
    assert_eq!(array(&covered, "tactics").len(), tactics.len());
    assert!(stdout(&["rules", "coverage"], 0).contains("techniques under"));
}

#[test]
fn rules_that_no_trail_feeds_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let trails = folder.path().join("trails.json");
    let coverage = |selectors: &str| {
        fs::write(&trails, selectors).unwrap();
        let all = json(&["rules", "coverage", "--format", "json", "--trails", text(&trails)]);
        let titles = array(&all, "rules_not_fed").iter();
        titles.map(|rule| rule["title"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let all = coverage(
        r#"{"EventSelectors":[{"ReadWriteType":"All","IncludeManagementEvents":true,"DataResources":[{"Type":"AWS::S3::Object","Values":["arn:aws:s3"]}]}]}"#,
    );
    let writes = coverage(
        r#"{"AdvancedEventSelectors":[{"FieldSelectors":[{"Field":"eventCategory","Equals":["Management"]},{"Field":"readOnly","Equals":["false"]}]}]}"#,
    );
    let has = |list: &[String], title: &str| list.iter().any(|one| one == title);
    assert!(!has(&all, "Object copied under a key that the caller brought"), "{all:?}");
    assert!(has(&writes, "Object copied under a key that the caller brought"), "a data event");
    assert!(has(&writes, "Many secrets read with one call"), "a read");
    assert!(!has(&writes, "CloudTrail stopped or deleted"), "a write: {writes:?}");
    assert!(writes.len() > all.len());

    fs::write(&trails, "{\"EventSelectors\": [{\"ReadWriteType\": 7}]}").unwrap();
    let refused = run(&["rules", "coverage", "--trails", text(&trails)]);
    assert_eq!(status(&refused), 2);
    assert!(stderr(&refused).contains("trails.json") && stderr(&refused).contains("ReadWriteType"));
}

#[test]
fn exported_rules_are_the_shipped_ones() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules");
    stdout(&["rules", "export", text(&rules)], 0);
    assert_eq!(status(&run(&["rules", "export", text(&rules)])), 2, "a folder in use is refused");
    let checked = stdout(&["rules", "check", text(&rules)], 0);
    assert!(checked.contains("0 rejected, 0 warnings"), "{checked}");
    let logs = root().join("fixtures/logs");
    let diff =
        ["rules", "diff", "shipped", text(&rules), "--source", text(&logs), "--format", "json"];
    let diff = json(&diff);
    assert_eq!((&diff["gained"], &diff["lost"]), (&Value::from(0), &Value::from(0)), "{diff}");
    assert!(diff["kept"].as_u64().unwrap() > 20 && diff["records"].as_u64().unwrap() > 200);
}

#[test]
fn a_difference_counts_what_is_gained_and_lost_by_rule() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules");
    stdout(&["rules", "export", text(&rules)], 0);
    let stopped = rules.join("defense-impairment/cloudtrail-stopped-or-deleted.yml");
    fs::remove_file(&stopped).unwrap();
    let new = "title: Any call of a user\nid: 0a4c1c9e-55c2-4a53-8b4e-3d9d36d2f4b7\nlevel: low\n\
        logsource: {product: aws, service: cloudtrail}\n\
        detection: {a: {eventName: StopLogging}, condition: a}\n";
    fs::write(rules.join("new.yml"), new).unwrap();
    let logs = root().join("fixtures/logs");
    let arguments = ["rules", "diff", "shipped", text(&rules), "--source", text(&logs)];
    let diff = json(&[&arguments[..], &["--format", "json"]].concat());
    let by_title: BTreeMap<&str, (u64, u64)> = array(&diff, "by_rule")
        .iter()
        .map(|one| {
            let count = |key: &str| one[key].as_u64().unwrap();
            (one["title"].as_str().unwrap(), (count("gained"), count("lost")))
        })
        .collect();
    let expected = [("Any call of a user", (1, 0)), ("CloudTrail stopped or deleted", (0, 1))];
    assert_eq!(by_title, BTreeMap::from(expected));
    let table = stdout(&arguments, 0);
    assert!(table.contains("1 gained, 1 lost"), "{table}");
    assert_eq!(status(&run(&["rules", "diff", "shipped", "missing/", "--source", "x"])), 2);
}

#[test]
fn a_rule_is_made_of_a_record_and_checks_out() {
    let folder = tempfile::tempdir().unwrap();
    let (event, rule) = (folder.path().join("event.json"), folder.path().join("rule.yml"));
    fs::write(
        &event,
        r#"{"Records":[{"eventVersion":"1.11","eventTime":"2026-11-20T09:14:03Z","eventSource":"iam.amazonaws.com","eventName":"CreateUser",
            "eventID":"e","userIdentity":{"type":"IAMUser","userName":"ci-deployer"},"requestParameters":{"userName":"new"}}]}"#,
    )
    .unwrap();
    let new = ["rules", "new", "--from-event", text(&event), "--output", text(&rule)];
    stdout(&new, 0);
    assert_eq!(status(&run(&new)), 1, "a file that is there is kept");
    let checked = stdout(&["rules", "check", text(&rule)], 0);
    assert!(checked.contains("0 rejected"), "{checked}");
    let tested = stdout(&["rules", "test", text(&rule)], 0);
    assert!(tested.contains("2 examples passed, 0 failed"), "{tested}");
    assert!(fs::read_to_string(&rule).unwrap().contains("# requestParameters.userName: \"new\""));
    fs::write(&event, "{\"Records\":[]}").unwrap();
    let refused = run(&["rules", "new", "--from-event", text(&event)]);
    assert_eq!(status(&refused), 2);
    assert!(stderr(&refused).contains("event.json"), "{}", stderr(&refused));
}

/// Replays the fixtures with a folder of facts.
fn replayed(facts: Option<&Path>) -> (i32, Vec<Value>, String) {
    let logs = root().join("fixtures/logs");
    let mut arguments = vec!["replay", text(&logs)];
    arguments.extend(facts.iter().flat_map(|facts| ["--enrichment", text(facts)]));
    let output = run(&arguments);
    (status(&output), lines(&output.stdout), stderr(&output))
}

fn titles(findings: &[Value]) -> Vec<&str> {
    findings
        .iter()
        .map(|one| one.pointer("/finding_info/analytic/name").unwrap().as_str().unwrap())
        .collect()
}

#[test]
fn facts_are_fields_and_findings_with_the_file_and_a_note_without() {
    let facts = root().join("fixtures/enrichment");
    let abroad = "Sign-in from an unexpected country";
    let (code, with, said) = replayed(Some(&facts));
    assert_eq!(code, 0, "{said}");
    assert!(titles(&with).contains(&abroad), "{:?}", titles(&with));
    assert!(!said.contains("is missing"), "{said}");
    let one = with.iter().find(|one| titles(std::slice::from_ref(one)) == [abroad]).unwrap();
    let country = one.pointer("/evidences/0/src_endpoint/location/country");
    assert_eq!(country, Some(&Value::from("NL")));
    let data = one.pointer("/enrichments/0/data").unwrap();
    assert_eq!(data["environment.country"], "unexpected", "{data}");

    let (code, without, said) = replayed(None);
    assert_eq!(code, 0);
    assert!(!titles(&without).contains(&abroad));
    assert!(without.iter().all(|one| one.get("enrichments").is_none()));
    let notes = said.lines().filter(|line| line.contains("`environment.country` is missing"));
    assert_eq!(notes.count(), 1, "said once: {said}");
    assert!(said.contains(abroad), "the rules are named: {said}");
}

#[test]
fn damaged_facts_are_refused_with_file_and_place() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["places.mmdb", "accounts.csv", "principals.json", "environment.toml"] {
        let from = root().join("fixtures/enrichment").join(file);
        fs::copy(from, folder.path().join(file)).unwrap();
    }
    let whole = fs::read(folder.path().join("places.mmdb")).unwrap();
    let put = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    let cases: [(&str, &[u8], &str); 4] = [
        ("places.mmdb", &whole[..whole.len() / 2], "places.mmdb"),
        ("accounts.csv", b"account,name\n111122223333,a\n111122223333,b\n", "accounts.csv:3:"),
        ("principals.json", b"[{\"arn\": [7]}]", "principals.json:1:"),
        ("environment.toml", b"countries = [\"Germany\"]\n", "environment.toml:1:"),
    ];
    for (name, bytes, place) in cases {
        let good = fs::read(folder.path().join(name)).unwrap();
        put(name, bytes);
        let (code, _, said) = replayed(Some(folder.path()));
        assert_eq!(code, 2, "{name}: {said}");
        assert!(said.contains(place) && said.contains("help: "), "{name}: {said}");
        put(name, &good);
    }
    let (code, ..) = replayed(Some(folder.path()));
    assert_eq!(code, 0, "whole again");
    let (code, _, said) = replayed(Some(Path::new("no-such-folder")));
    assert!(code == 2 && said.contains("no-such-folder"), "{said}");
}

#[test]
fn a_service_takes_no_other_shipped_rules_than_those_agreed_to() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("trailloop.toml");
    let list = json(&["rules", "list", "--format", "json"]);
    let version = list["version"].as_str().unwrap();
    let checked = |agreed: Option<&str>| {
        let agreed = agreed.map_or(String::new(), |one| format!("content_version = \"{one}\"\n"));
        let written = format!(
            "[queues]\nnotifications = \"http://127.0.0.1:9/1/n\"\nactions = \"http://127.0.0.1:9/1/a\"\n\
             dead_letters = \"http://127.0.0.1:9/1/d\"\n[aws]\nregion = \"us-east-1\"\n[rules]\n{agreed}"
        );
        fs::write(&config, written).unwrap();
        let output = run(&["run", "--config", text(&config), "--check"]);
        (status(&output), stderr(&output))
    };
    let (code, said) = checked(Some(version));
    assert!(code == 0 && !said.contains("may bring others"), "{said}");
    let (code, said) = checked(None);
    assert!(code == 0 && said.contains("may bring others") && said.contains(version), "{said}");
    let (code, said) = checked(Some("2020.01.01"));
    assert!(code == 2 && said.contains(version) && said.contains("rules diff"), "{said}");
}
