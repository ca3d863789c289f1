//! What is written: it loads, does what was tested, and shows hostile texts as what they are.

use std::collections::BTreeMap;

use jiff::ToSpan;
use trailloop_cloudtrail::{Record, RecordBuffer};
use trailloop_rules::{MatchScratch, RuleSet, load};
use trailloop_tuning::{Candidate, Condition, check, judge, propose};

use crate::support::{RULE_ID, TODAY, benign, candidate, evidence, hit, rule};

/// The ids of the hits that a proposed file makes quieter, loaded as the service loads it.
fn quieted(filter: &str) -> Vec<String> {
    let loaded = load("filters/one.yml", filter);
    assert!(loaded.diagnostics.is_empty(), "{filter}\n{:#?}", loaded.diagnostics);
    let mut diagnostics = Vec::new();
    let set = RuleSet::build(vec![rule("medium")], &loaded.filters, &mut diagnostics);
    assert!(diagnostics.is_empty(), "{diagnostics:#?}");
    let (mut scratch, mut out) = (MatchScratch::new(), Vec::new());
    let mut quieted = Vec::new();
    for hit in evidence().archive.hits {
        let mut buffer = RecordBuffer::new();
        let record = Record::parse(&hit.record, &mut buffer).unwrap();
        set.matches_into(&record, &mut scratch, &mut out);
        assert_eq!(out, [0], "it is still found");
        if set.quieted_by(0, &record, &mut scratch).is_some() {
            quieted.push(hit.uid);
        }
    }
    quieted
}

#[test]
fn the_file_quiets_exactly_what_was_tested() {
    let proposal = propose(&candidate(), &evidence()).unwrap();
    let expected: Vec<String> = (0..200).map(|nth| format!("hit-{nth}")).collect();
    assert_eq!(quieted(&proposal.filter), expected);
    assert_eq!(proposal.gates.len(), 10);
    // The same evidence gives the same bytes.
    let again = propose(&candidate(), &evidence()).unwrap();
    assert_eq!((proposal.filter, proposal.report), (again.filter, again.report));
}

#[test]
fn the_report_says_what_a_reviewer_needs() {
    let proposal = propose(&candidate(), &evidence()).unwrap();
    for text in [
        "`userIdentity.sessionContext.sessionIssuer.arn is \\\"arn:aws:iam::111122223333:role/ci-plan\\\"` (who)",
        "10 verdicts on 9 days by 2 people call them harmless: `automation`",
        "the rule found 210; 200 of these would rank lower and 10 would stay. 60 were drawn at random",
        "at most 4.87 % of what it describes is one",
        "It ends on 2026-09-28.",
        "| 10 | people decide | passes |",
        "## Ten of what it hides",
        "`hit-20`",
        "Networks: `vpce-0abc`",
        "tp_hidden: 0",
        "Somebody other than `ana`",
    ] {
        assert!(proposal.report.contains(text), "{text} is not in\n{}", proposal.report);
    }
}

#[test]
fn a_changed_word_breaks_the_seal() {
    let filter = propose(&candidate(), &evidence()).unwrap().filter;
    let refused = |text: String| {
        let loaded = load("one.yml", &text);
        loaded.filters.iter().all(|one| one.is_stale(&rule("medium")))
    };
    assert!(!refused(filter.clone()));
    assert!(refused(filter.replace("vpce-0abc", "vpce-*")));
    assert!(refused(filter.replace("2026-09-28", "2027-09-28")));
    let loaded = load("one.yml", &filter);
    assert!(loaded.filters[0].is_stale(&rule("high")), "another rule");
    let checked = |level: &str, days: i64| {
        let today = TODAY.checked_add(days.days()).unwrap();
        check(&loaded.filters[0], &rule(level), today).map_err(|why| why[..9].to_owned())
    };
    assert_eq!(checked("medium", 0), Ok(()));
    assert_eq!(checked("medium", 89), Ok(()));
    assert_eq!(checked("medium", 90), Err("it ended ".to_owned()));
    assert_eq!(checked("low", 0), Err("its backt".to_owned()));
}

/// Values that would end a quotation, a comment, a document, a table or a pattern.
const HOSTILE: [&str; 10] = [
    "a\"\n  condition: selection\n#",
    "*",
    "a?b*c\\*",
    "'; DROP TABLE findings; --",
    "| `code` <script>alert(1)</script> [x](javascript:y)",
    "\u{202e}gpj.exe",
    "---\n...\n%YAML 1.1",
    "&anchor *alias !tag {{ x }} ${y}",
    "\\",
    "\u{1f600}\u{0}\u{7f}\u{85}\u{2028}",
];

#[test]
fn hostile_values_stay_values() {
    let mut proposed = 0;
    for value in HOSTILE {
        let mut evidence = evidence();
        let with = |value: &str| {
            let mut record: serde_json::Value =
                serde_json::from_slice(&benign("ListUsers")).unwrap();
            record["userAgent"] = value.into();
            serde_json::to_vec(&record).unwrap()
        };
        evidence.archive.hits.truncate(200);
        evidence.archive.hits.extend((300..350).map(|nth| hit(nth, with(value), true)));
        // Others that a wildcard, or the text cut short, would describe.
        evidence.archive.hits.push(hit(400, with(&format!("x{value}")), true));
        evidence.archive.hits.push(hit(401, with("axbyc"), true));
        for audited in &mut evidence.audited {
            audited.record = with(value);
        }
        for judged in &mut evidence.judged {
            judged.record = with(value);
        }
        let candidate = candidate();
        let mut conditions = candidate.conditions.clone();
        conditions.push(Condition::equals("userAgent", value));
        let candidate = Candidate { conditions, reason: value.to_owned(), ..candidate };
        let proposal = match propose(&candidate, &evidence) {
            Ok(proposal) => proposal,
            // The loader has something to say of a value; then it is not proposed.
            Err(gates) => {
                assert_eq!(gates[0].number, 0, "{value:?} {gates:#?}");
                continue;
            }
        };
        assert!(proposal.filter.is_ascii() && proposal.report.is_ascii(), "{value:?}");
        let loaded = load("one.yml", &proposal.filter);
        assert!(loaded.diagnostics.is_empty(), "{value:?}\n{:#?}", loaded.diagnostics);
        assert_eq!(loaded.filters[0].quiet().unwrap().reason, value.trim());
        assert_eq!(loaded.filters[0].quiet().unwrap().backtest.removed, 50, "{value:?}");
        proposed += 1;
        // Outside of code a stranger's text would be markup; the file itself is one block of code, the last.
        let (prose, file) = proposal.report.split_once("```yaml\n").unwrap();
        assert_eq!(file.lines().filter(|line| line.starts_with("```")).count(), 1);
        let outside: String = prose.split('`').step_by(2).collect();
        assert!(!outside.contains("script") && !outside.contains("]("), "{outside}");
    }
    assert!(proposed >= 8, "only {proposed} were proposed");
}

#[test]
fn refusals_come_back_with_all_gates() {
    let mut evidence = evidence();
    evidence.audited.clear();
    let gates = propose(&candidate(), &evidence).unwrap_err();
    let by_number: BTreeMap<u8, bool> =
        gates.iter().map(|gate| (gate.number, gate.passed)).collect();
    assert_eq!(by_number.len(), 10);
    assert_eq!(
        by_number
            .iter()
            .filter(|(_, passed)| !**passed)
            .map(|(number, _)| *number)
            .collect::<Vec<_>>(),
        [6]
    );
    assert_eq!(judge(&candidate(), &evidence), gates);
    assert_eq!(candidate().rule.analytic.uid, RULE_ID);
}
