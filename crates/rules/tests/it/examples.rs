//! The examples that a rule carries.

use trailloop_rules::{Loaded, Severity, TestEvent, demand_tests, run_tests};

use crate::support::{load, rule_of};

const DETECTION: &str = "s:\n  userIdentity.accountId: '111122223333'\n  n: 7\n  flag: true\n  gone: null\ncondition: s";

fn rule_with(tests: &str) -> String {
    format!("{}trailloop:\n  tests:\n{tests}", rule_of(DETECTION))
}

#[test]
fn examples_run_and_say_what_came_of_them() {
    let text = rule_with(
        "    - name: a mapping\n      event:\n        userIdentity: {accountId: '111122223333'}\n        n: 7\n        flag: true\n        gone: ~\n      expect: true\n\
         \x20   - name: text of JSON\n      event: '{\"userIdentity\":{\"accountId\":\"111122223333\"},\"n\":7.0,\"flag\":true}'\n      expect: match\n\
         \x20   - name: a quoted number is a string\n      event: {userIdentity: {accountId: \"111122223333\"}, n: \"7\", flag: \"true\", gone: \"null\"}\n      expect: no match\n\
         \x20   - name: a wrong expectation\n      event: {}\n      expect: true\n",
    );
    let loaded = load("rule.yml", &text);
    assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
    let outcomes = run_tests(&loaded.rules[0], &no_files);
    let passed: Vec<_> = outcomes.iter().map(|outcome| outcome.is_passed()).collect();
    assert_eq!(passed, [true, true, true, false]);
    assert_eq!(outcomes[0].name, "a mapping");
    assert_eq!(
        outcomes[3].line,
        text.lines().position(|l| l.contains("a wrong")).unwrap() as u32 + 1
    );
    assert_eq!(
        loaded.rules[0].tests[0].event,
        TestEvent::Json(
            r#"{"userIdentity":{"accountId":"111122223333"},"n":7,"flag":true,"gone":null}"#
                .to_owned()
        )
    );
}

fn no_files(path: &str) -> Result<Vec<u8>, String> {
    Err(format!("{path} is not there"))
}

#[test]
fn examples_may_lie_in_files_beside_the_rule() {
    let text = rule_with(
        "    - {name: a record, file: events/hit.json, expect: true}\n\
         \x20   - {name: a log object, file: log.json, expect: true}\n\
         \x20   - {name: two records, file: two.json, expect: true}\n\
         \x20   - {name: not there, file: gone.json, expect: false}\n",
    );
    let loaded = load("rule.yml", &text);
    assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
    let hit = r#"{"eventName": "X",
        "userIdentity": {"accountId": "111122223333"}, "n": 7, "flag": true}"#;
    let read = |path: &str| match path {
        "events/hit.json" => Ok(hit.as_bytes().to_vec()),
        "log.json" => Ok(format!("{{\"Records\":[{hit}]}}").into_bytes()),
        "two.json" => Ok(format!("{{\"Records\":[{hit},{hit}]}}").into_bytes()),
        path => no_files(path),
    };
    let outcomes = run_tests(&loaded.rules[0], &read);
    assert_eq!(outcomes[0].matched, Ok(true));
    assert_eq!(outcomes[1].matched, Ok(true));
    assert!(outcomes[2].matched.as_ref().unwrap_err().contains("2 records"));
    assert_eq!(outcomes[3].matched, Err("gone.json is not there".to_owned()));
    assert!(!outcomes[3].is_passed());
}

#[test]
fn shipped_rules_need_a_hit_and_a_miss() {
    let with = |tests: &str| load("rule.yml", &rule_with(tests));
    let hit = "    - {name: hit, event: {}, expect: true}\n";
    let miss = "    - {name: miss, event: {}, expect: false}\n";
    for (tests, loads) in [(hit, 0), (miss, 0), (&format!("{hit}{miss}"), 1)] {
        let Loaded { rules, rejected, diagnostics, .. } = demand_tests(with(tests));
        assert_eq!((rules.len(), rejected), (loads, 1 - loads), "{tests}");
        assert_eq!(diagnostics.iter().any(|one| one.code == "missing-tests"), loads == 0);
    }
}

#[test]
fn bad_examples_are_refused() {
    for tests in [
        "    - name: no event\n      expect: true\n",
        "    - event: {}\n      expect: true\n",
        "    - name: x\n      event: {}\n",
        "    - name: x\n      event: {}\n      expect: maybe\n",
        "    - name: x\n      event: [1]\n      expect: true\n",
        "    - name: x\n      event: '[1]'\n      expect: true\n",
        "    - name: x\n      event: '{\"a\":'\n      expect: true\n",
        "    - name: x\n      event: {account: 012345678901}\n      expect: true\n",
        "    - name: x\n      event: {a: .inf}\n      expect: true\n",
        "    - name: x\n      event: {}\n      expect: true\n      mode: x\n",
        "    - just text\n",
        "    - name: x\n      file: ../x.json\n      expect: true\n",
        "    - name: x\n      file: /etc/passwd\n      expect: true\n",
        "    - name: x\n      file: a//b\n      expect: true\n",
        "    - name: x\n      file: a.json\n      event: {}\n      expect: true\n",
    ] {
        let loaded = load("rule.yml", &rule_with(tests));
        assert!(loaded.rules.is_empty(), "{tests}");
        let errors: Vec<_> =
            loaded.diagnostics.iter().filter(|d| d.severity == Severity::Error).collect();
        assert_eq!(errors.len(), 1, "{tests}: {errors:#?}");
        assert_eq!(errors[0].code, "bad-test", "{tests}");
    }
}
