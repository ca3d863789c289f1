//! What a question is worth, written into the rule or the runbook that asks it.

use std::path::Path;

use trailloop_rules::{TestOutcome, load, run_tests};
use trailloop_runbook::trial::run_trials;
use trailloop_tuning::{Judged, Label, Worth, revise_rule, revise_runbook, worth};

use crate::support::{RULE, RULE_ID, benign, judged, rule};

/// Forty verdicts, of which ten are attacks with this answer; the others have these, in turn.
fn verdicts(question: &str, of_attacks: &[&str], of_others: &[&str]) -> (Worth, Vec<Judged>) {
    let one = |nth: usize| {
        let (label, answers) = match nth % 4 {
            0 => (Label::True, of_attacks),
            _ => (Label::Benign, of_others),
        };
        let answer = answers[nth / 4 % answers.len()].to_owned();
        let nth = i64::try_from(nth).unwrap();
        Judged {
            answers: [(question.to_owned(), answer)].into(),
            ..judged(nth, label, benign("ListUsers"))
        }
    };
    let all: Vec<Judged> = (0..40).map(one).collect();
    (worth(&all).remove(0), all)
}

fn shipped(runbook: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../content/runbooks");
    std::fs::read_to_string(folder.join(runbook)).unwrap()
}

#[test]
fn what_tells_attacks_apart_becomes_a_condition_of_the_rule() {
    let (worth, judged) = verdicts("environment.country", &["unexpected"], &["expected"]);
    let revision = revise_rule(&rule("medium"), RULE, &worth, &judged).unwrap();
    let added = "  told_apart:\n      - \"environment.country\": [\"unexpected\"]\n      - \"environment.country\": null\n  condition: (selection) and told_apart\n";
    assert_eq!(revision.text, RULE.replace("  condition: selection\n", added));
    for line in [
        "-  condition: selection\n",
        "+  condition: (selection) and told_apart\n",
        "all 10 attacks",
    ] {
        assert!(revision.report.contains(line), "{}", revision.report);
    }
    // It finds what attacks had and what nothing is known of, and nothing else.
    let event = "event: {eventSource: iam.amazonaws.com, eventName: ListUsers}";
    let examples = [("unexpected", true), ("expected", false)].map(|(country, expect)| {
        format!("    - {{name: {country}, expect: {expect}, enrichment: {{environment.country: {country}}}, {event}}}\n")
    });
    let text = [revision.text, examples.concat()].concat();
    let loaded = load("rule.yml", &text);
    assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
    let outcomes = run_tests(&loaded.rules[0], &|path| Err(path.to_owned()));
    assert!(outcomes.len() == 4 && outcomes.iter().all(TestOutcome::is_passed), "{outcomes:#?}");
}

#[test]
fn a_rule_is_left_alone_that_is_critical_or_not_understood_or_stands_on_one_person() {
    let (worth, judged) = verdicts("environment.country", &["unexpected"], &["expected"]);
    let refused = |level: &str, text: &str, judged: &[Judged]| {
        revise_rule(&rule(level), text, &worth, judged).unwrap_err()
    };
    assert!(refused("critical", RULE, &judged).contains("critical"));
    let all_of_them = RULE.replace("condition: selection", "condition: all of them");
    assert!(refused("medium", &all_of_them, &judged).contains("all of them"));
    let two = format!("{RULE}---\n{RULE}");
    assert!(refused("medium", &two, &judged).contains("more than one document"));
    let mut by_one = judged.clone();
    by_one.iter_mut().for_each(|one| "ana".clone_into(&mut one.reviewer));
    assert!(refused("medium", RULE, &by_one).contains("1 people"));
    let unknown = revise_rule(
        &rule("medium"),
        RULE,
        &Worth { question: "no.such.field".to_owned(), ..worth.clone() },
        &judged,
    );
    assert!(unknown.is_err(), "{unknown:#?}");
}

#[test]
fn what_never_mattered_leaves_the_rules_questions() {
    let asks = |queries: &str| RULE.replace("trailloop:\n", &format!("trailloop:\n{queries}"));
    let (worth, judged) = verdicts("q08-same-network", &["0"], &["0"]);
    let of = |queries: &str| {
        let text = asks(queries);
        let rule = load("rule.yml", &text).rules.remove(0);
        revise_rule(&rule, &text, &worth, &judged).map(|revision| revision.text)
    };
    let both = "  queries: [q01-what-did-it-do, \"q08-same-network\"]\n";
    assert_eq!(of(both).unwrap(), asks("  queries: [q01-what-did-it-do]\n"));
    assert_eq!(of("  queries: [q08-same-network]\n").unwrap(), RULE);
    assert!(of("  queries: [q01-what-did-it-do]\n").unwrap_err().contains("do not ask"));
}

#[test]
fn what_tells_attacks_apart_becomes_a_condition_of_the_runbook() {
    let text = shipped("deactivate-incident-key.yml");
    let without = text.replace(" and enrich.incident.rows > 0", "");
    assert_ne!(text, without);
    let (worth, judged) = verdicts("open-runs-of-principal", &["1", "4"], &["0"]);
    let revision = revise_runbook("one.yml", &without, &worth, RULE_ID, &judged).unwrap();
    let loaded = trailloop_runbook::load("one.yml", &revision.text);
    assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
    let runbook = loaded.runbook.unwrap();
    // The examples of the file that asks for it by hand: no open run, no answer.
    let resolve = |record: &serde_json::Value| Ok(trailloop_runbook::resolve(record));
    let outcomes = run_trials(&runbook, &resolve, &|file| Err(format!("no file {file}")));
    assert!(outcomes.len() == 3 && outcomes.iter().all(|one| one.is_passed()), "{outcomes:#?}");
    assert!(revision.report.contains("+  version: 2"), "{}", revision.report);
    let (mixed, judged) = verdicts("open-runs-of-principal", &["1", "4"], &["0", "0", "0", "2"]);
    let refused = revise_runbook("one.yml", &without, &mixed, RULE_ID, &judged).unwrap_err();
    assert!(refused.contains("divides"), "{refused}");
}

#[test]
fn what_never_mattered_leaves_the_runbooks_plan() {
    let text = shipped("disable-login-profile.yml");
    let plan =
        "  enrich:\n    - {query: q08-same-network, as: same_network, window: 24h}\n  bind:\n";
    let asking = text.replace("  bind:\n", plan);
    assert_ne!(text, asking);
    let (worth, judged) = verdicts("q08-same-network", &["0"], &["0"]);
    let revise = |text: &str| revise_runbook("one.yml", text, &worth, RULE_ID, &judged);
    let revision = revise(&asking).unwrap();
    let version = |number: u8| format!("  version: {number}\n");
    let next = (1..9).find(|number| text.contains(&version(*number))).unwrap();
    assert_eq!(revision.text, text.replace(&version(next), &version(next + 1)));
    assert!(trailloop_runbook::load("one.yml", &revision.text).diagnostics.is_empty());
    let read = asking.replace("  bind:\n", "  redirect:\n    - {when: \"enrich.same_network.rows > 0\", use: evidence-only}\n  bind:\n");
    assert!(revise(&read).unwrap_err().contains("reads the answer"));
    assert!(revise(&text).unwrap_err().contains("does not ask"));
}
