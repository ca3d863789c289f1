//! `trailloop rules`: what people who write rules see.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{lines, root, run, status, stderr, text};

const HEAD: &str = "level: high\nlogsource: {product: aws, service: cloudtrail}\n";

fn stdout(arguments: &[&str], expected: i32) -> String {
    let output = run(arguments);
    assert_eq!(status(&output), expected, "{arguments:?}: {}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A folder of two rules, a list and a filter, and a log object.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| write(folder.path(), name, text);
    write(
        "rules/office.yml",
        &format!(
            "title: From outside\nname: outside\nid: 5f0d1f6a-2f0e-4f4e-9f0a-0c6b7f9d1a01\n{HEAD}detection:\n  selection:\n    \
             eventName: CreateUser\n  office:\n    sourceIPAddress|cidr|expand: '%offices%'\n  \
             condition: selection and not office\n"
        ),
    );
    write("rules/lists/offices.txt", "# ours\n192.0.2.0/24\n\n2001:db8::/32\n");
    write(
        "rules/port.yml",
        &format!(
            "title: SSH for all\nid: 5f0d1f6a-2f0e-4f4e-9f0a-0c6b7f9d1a02\nsigma-version: 3\n{HEAD}detection:\n  selection:\n    \
             requestParameters.ipPermissions.items[any]:\n      fromPort|lte: 22\n      toPort|gte: 22\n      \
             ipRanges.items.cidrIp: 0.0.0.0/0\n  condition: selection\n"
        ),
    );
    write(
        "rules/filters/deployer.yml",
        "title: The deployer may\nlogsource: {product: aws, service: cloudtrail}\nfilter:\n  rules: [outside]\n  \
         deployer:\n    userIdentity.userName: ci-deployer\n  condition: not deployer\n",
    );
    let create = |id: &str, from: &str, who: &str| {
        format!(
            r#"{{"eventVersion":"1.11","eventID":"{id}","eventSource":"iam.amazonaws.com","eventName":"CreateUser","sourceIPAddress":"{from}","userIdentity":{{"userName":"{who}"}}}}"#
        )
    };
    let open = |id: &str, permissions: &str| {
        format!(
            r#"{{"eventVersion":"1.11","eventID":"{id}","eventSource":"ec2.amazonaws.com","eventName":"AuthorizeSecurityGroupIngress","requestParameters":{{"ipPermissions":{{"items":[{permissions}]}}}}}}"#
        )
    };
    let range = |port: u16, cidr: &str| {
        format!(
            r#"{{"fromPort":{port},"toPort":{port},"ipRanges":{{"items":[{{"cidrIp":"{cidr}"}}]}}}}"#
        )
    };
    let records = [
        create("a-outside", "203.0.113.77", "backup-operator"),
        create("b-office", "192.0.2.7", "backup-operator"),
        create("c-deployer", "203.0.113.77", "ci-deployer"),
        open("d-open", &range(22, "0.0.0.0/0")),
        open("e-apart", &format!("{},{}", range(22, "10.0.0.0/8"), range(443, "0.0.0.0/0"))),
    ];
    write("log.json", &format!("{{\"Records\":[{}]}}", records.join(",")));
    folder
}

#[test]
fn lists_scopes_and_filters_work_together() {
    let folder = folder();
    let (rules, log) = (folder.path().join("rules"), folder.path().join("log.json"));
    let summary = folder.path().join("summary.json");
    let arguments =
        ["replay", text(&log), "--rules", text(&rules), "--quiet", "--summary", text(&summary)];
    let found: Vec<String> = lines(stdout(&arguments, 0).as_bytes())
        .iter()
        .map(|finding| {
            let event = &finding["finding_info"]["related_events"][0]["uid"];
            event.as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(found, ["a-outside", "d-open"]);
    let summary: Value = serde_json::from_slice(&fs::read(&summary).unwrap()).unwrap();
    assert_eq!((&summary["rules_loaded"], &summary["filters_loaded"]), (&2.into(), &1.into()));
}

#[test]
fn a_missing_list_and_a_filter_that_keeps_are_said_at_once() {
    let folder = folder();
    let (rules, log) = (folder.path().join("rules"), folder.path().join("log.json"));
    fs::remove_file(rules.join("lists/offices.txt")).unwrap();
    write(&rules, "lists/no name.txt", "x\n");
    write(
        &rules,
        "filters/keeps.yml",
        "title: Keeps\nlogsource: {product: aws, service: cloudtrail}\nfilter:\n  rules: any\n  all:\n    \
         eventName: CreateUser\n  condition: all\n",
    );
    let output = run(&["replay", text(&log), "--rules", text(&rules), "--quiet"]);
    let said = stderr(&output);
    for expected in ["error[unknown-list]", "warning[filter-polarity]", "error[bad-list]"] {
        assert!(said.contains(expected), "{expected} in {said}");
    }
    assert_eq!(status(&output), 0);
    assert!(stdout(&["rules", "check", text(&rules)], 1).contains("unknown-list"));
}

#[test]
fn explanations_say_why() {
    let folder = folder();
    let (rules, log) = (folder.path().join("rules"), folder.path().join("log.json"));
    let plan = stdout(&["rules", "explain", text(&rules)], 0);
    let place = format!("{}/", rules.display());
    insta::assert_snapshot!("plans", plan.replace(&place, ""));
    let explained =
        stdout(&["rules", "explain", text(&rules), "--event", text(&log), "--rule", "outside"], 0);
    insta::assert_snapshot!("explanations", explained.replace(&place, ""));
    let possible = stdout(&["rules", "explain", text(&rules), "--event", text(&log)], 0);
    assert!(possible.contains("matches: SSH for all"), "{possible}");
    assert!(possible.contains("1 other rules are not tried"), "{possible}");
    let output = run(&["rules", "explain", text(&rules), "--rule", "nobody"]);
    assert_eq!(status(&output), 2);
    assert!(stderr(&output).contains("no rule has the id, name or title"));
    let output = run(&["rules", "explain", text(&rules), "--event", "/nowhere.json"]);
    assert_eq!(status(&output), 2);
}

#[test]
fn explanations_hold_no_secret() {
    let all = tempfile::tempdir().unwrap();
    let rule = format!(
        "title: All\nid: 5f0d1f6a-2f0e-4f4e-9f0a-0c6b7f9d1a03\n{HEAD}detection:\n  selection:\n    \
         requestParameters: '*'\n  other:\n    responseElements|contains: a\n  third:\n    userIdentity: '*'\n  \
         condition: selection or other or third\n"
    );
    write(all.path(), "all.yml", &rule);
    let mut said = String::new();
    let mut folders = vec![root().join("fixtures/logs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().contains("/CloudTrail/") {
                said += &stdout(&["rules", "explain", text(all.path()), "--event", text(&path)], 0);
            }
        }
    }
    assert!(said.contains("[redacted]"), "values with secrets were not shown at all");
    assert!(!said.contains("CANARY"));
}

#[test]
fn a_failing_example_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let rule = format!(
        "title: A trail is stopped\nid: 5f0d1f6a-2f0e-4f4e-9f0a-0c6b7f9d1a04\n{HEAD}detection:\n  selection:\n    \
         eventName: StopLogging\n  condition: selection\ntrailloop:\n  tests:\n    \
         - {{name: hit, expect: true, file: events/stop.json}}\n    \
         - {{name: wrong, expect: true, event: {{eventName: \"Start\\u001b[31mLogging\"}}}}\n    \
         - {{name: gone, expect: false, file: events/gone.json}}\n"
    );
    write(folder.path(), "rule.yml", &rule);
    write(folder.path(), "events/stop.json", "{\n  \"eventName\": \"StopLogging\"\n}\n");
    let said = stdout(&["rules", "test", text(folder.path())], 1);
    assert!(said.contains("example \"wrong\" should match and does not"), "{said}");
    let seen = r#"no   eventName is "stoplogging"  ← "Start\u{1b}[31mLogging""#;
    assert!(said.contains(seen), "{said}");
    assert!(said.contains("example \"gone\" could not run"), "{said}");
    assert!(said.contains("1 examples passed, 2 failed"), "{said}");
}
