//! Examples and conditions out of verdicts.

use trailloop_rules::{load, run_tests};
use trailloop_tuning::{Judged, Label, Suggestion, derived_tests, worth, worth_report};

use crate::support::{RULE, attack, benign, judged, rule};

/// The rule with further examples under its own.
fn with_examples(yaml: &str) -> Vec<trailloop_rules::Rule> {
    let examples: String = yaml.lines().map(|line| format!("    {line}\n")).collect();
    let loaded = load("rule.yml", &format!("{RULE}{examples}"));
    assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
    loaded.rules
}

#[test]
fn verdicts_become_examples_that_load_and_run() {
    let mut wrong = judged(1, Label::False, benign("ListRoles"));
    wrong.reason = "wrong_logic".to_owned();
    let hostile = String::from_utf8(attack("ListUsers"))
        .unwrap()
        .replace("aws-cli/2.1", "a\\\"}]\\n- {name: x \u{202e}\u{1f600} #");
    let all = [
        judged(4, Label::True, hostile.into_bytes()),
        judged(2, Label::True, attack("ListUsers")),
        judged(3, Label::Benign, benign("ListUsers")),
        wrong,
        judged(5, Label::False, benign("ListUsers")),
        judged(6, Label::True, b"no record".to_vec()),
        judged(7, Label::True, attack("CreateUser")),
    ];
    let tests = derived_tests(&rule("medium"), &all);
    let what: Vec<_> =
        tests.iter().map(|test| (test.uid.as_str(), test.expect, test.holds)).collect();
    assert_eq!(
        what,
        [("judged-1", false, false), ("judged-2", true, true), ("judged-4", true, true)]
    );
    let yaml: String = tests.iter().map(|test| test.yaml.as_str()).collect();
    let rules = with_examples(&yaml);
    let outcomes = run_tests(&rules[0], &|path| Err(path.to_owned()));
    let passed: Vec<bool> = outcomes.iter().map(trailloop_rules::TestOutcome::is_passed).collect();
    // The rule's own two, and those three: wrong logic fails until somebody repairs the rule.
    assert_eq!(passed, [true, true, false, true, true]);
    assert!(yaml.is_ascii());
}

fn answered(nth: i64, label: Label, answers: &[(&str, &str)]) -> Judged {
    let mut judged = judged(nth, label, benign("ListUsers"));
    judged.answers =
        answers.iter().map(|(name, answer)| ((*name).to_owned(), (*answer).to_owned())).collect();
    judged
}

#[test]
fn what_separates_becomes_a_condition_and_what_never_mattered_leaves() {
    let mut all = Vec::new();
    for nth in 0..40_i64 {
        let is_attack = nth % 4 == 0;
        let label = if is_attack { Label::True } else { Label::Benign };
        let country = match (is_attack, nth % 3) {
            (true, _) | (false, 0) => "unexpected",
            _ => "expected",
        };
        let once = format!("{nth}");
        let side = if nth % 8 < 4 { "left" } else { "right" };
        all.push(answered(
            nth,
            label,
            &[
                ("environment.country", country),
                ("q08-same-network", "0"),
                ("q10-neighbours", side),
                ("requestID", &once),
            ],
        ));
    }
    let worth = worth(&all);
    let of = |name: &str| worth.iter().find(|one| one.question == name).unwrap();
    assert_eq!(
        of("environment.country").proposal,
        Suggestion::Condition {
            values: vec!["unexpected".to_owned()],
            attacks: 10,
            removed: 20,
            kept: 10
        }
    );
    assert_eq!(
        of("environment.country").condition().unwrap(),
        "\"environment.country\": [\"unexpected\"]\n"
    );
    // Always the same, and independent of the verdict.
    assert_eq!(of("q08-same-network").proposal, Suggestion::Remove);
    assert_eq!(of("q10-neighbours").proposal, Suggestion::Remove);
    // It tells everything of the past and nothing of tomorrow.
    assert_eq!(of("requestID").proposal, Suggestion::Keep);
    assert!((of("environment.country").entropy_bits - 0.811).abs() < 0.001);
    assert!(of("environment.country").gain_bits > 0.3);
    assert!(worth_report(&worth).contains("keeps all 10 attacks, takes away 20"));
    // Nineteen verdicts are too few for either.
    let few = trailloop_tuning::worth(&all[..19]);
    assert!(few.iter().all(|one| one.proposal == Suggestion::Keep), "{few:#?}");
}
