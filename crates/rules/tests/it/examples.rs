//! The examples that a rule carries.

use trailloop_rules::{Severity, load, run_tests};

use crate::support::rule_of;

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
    let outcomes = run_tests(&loaded.rules[0]);
    let passed: Vec<_> = outcomes.iter().map(|outcome| outcome.is_passed()).collect();
    assert_eq!(passed, [true, true, true, false]);
    assert_eq!(outcomes[0].name, "a mapping");
    assert_eq!(
        outcomes[3].line,
        text.lines().position(|l| l.contains("a wrong")).unwrap() as u32 + 1
    );
    assert_eq!(
        loaded.rules[0].tests[0].event,
        r#"{"userIdentity":{"accountId":"111122223333"},"n":7,"flag":true,"gone":null}"#
    );
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
    ] {
        let loaded = load("rule.yml", &rule_with(tests));
        assert!(loaded.rules.is_empty(), "{tests}");
        let errors: Vec<_> =
            loaded.diagnostics.iter().filter(|d| d.severity == Severity::Error).collect();
        assert_eq!(errors.len(), 1, "{tests}: {errors:#?}");
        assert_eq!(errors[0].code, "bad-test", "{tests}");
    }
}
