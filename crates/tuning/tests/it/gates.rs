//! Each gate lets the automation's filter pass, and refuses for its own reason.

use jiff::ToSpan;
use trailloop_tuning::{
    Applied, Attack, Candidate, Compiled, Condition, Evidence, Label, Test, all_pass, judge,
    may_merge, to_audit,
};

use crate::support::{
    ROLE, RULE_ID, TODAY, attack, benign, call, candidate, days_ago, evidence, hit, judged, mined,
    rule,
};

/// The gates that refuse.
fn refused(candidate: &Candidate, evidence: &Evidence) -> Vec<u8> {
    judge(candidate, evidence).iter().filter(|gate| !gate.passed).map(|gate| gate.number).collect()
}

#[test]
fn the_automation_passes() {
    let candidate = candidate();
    assert_eq!(
        candidate.conditions,
        [
            Condition::equals("userIdentity.sessionContext.sessionIssuer.arn", ROLE),
            Condition::equals("vpcEndpointId", "vpce-0abc"),
        ]
    );
    let gates = judge(&candidate, &evidence());
    assert!(all_pass(&gates), "{gates:#?}");
    assert_eq!(
        gates.iter().map(|gate| gate.number).collect::<Vec<_>>(),
        (1..=10).collect::<Vec<_>>()
    );
}

#[test]
fn any_event_of_a_labelled_attack_refuses() {
    let mut evidence = evidence();
    // Not one that the rule matches: a later step of an attack, through the automation's own endpoint.
    let step = call(ROLE, "CreateUser", "vpce-0abc", "10.0.0.7", "aws-cli/2.1");
    evidence.attacks.push(Attack {
        name: "incident-2".to_owned(),
        entity: "somebody".to_owned(),
        judged: Some(days_ago(1)),
        records: vec![attack("ListUsers"), step],
    });
    assert_eq!(refused(&candidate(), &evidence), [1]);
}

#[test]
fn a_finding_that_was_judged_true_refuses() {
    for label in [Label::True, Label::Test] {
        let mut evidence = evidence();
        evidence.judged.push(judged(99, label, benign("ListUsers")));
        assert_eq!(refused(&candidate(), &evidence), [1, 8]);
        assert!(mined(&rule("medium"), &evidence).is_empty(), "nor is it mined");
    }
}

#[test]
fn attack_corpora_refuse_and_have_to_be_there() {
    let mut evidence = evidence();
    evidence.corpora[0].records.push(benign("ListUsers"));
    assert_eq!(refused(&candidate(), &evidence), [2]);
    evidence.corpora.clear();
    assert_eq!(refused(&candidate(), &evidence), [2]);
}

#[test]
fn the_rules_own_examples_must_fire() {
    let mut candidate = candidate();
    candidate.conditions = vec![
        Condition::equals("userIdentity.arn", "arn:aws:iam::111122223333:user/mallory"),
        Condition::equals("eventName", "ListUsers"),
    ];
    // It also describes no finding of the archive, on which nobody said anything.
    assert_eq!(refused(&candidate, &evidence()), [3, 5, 6, 10]);
}

#[test]
fn what_the_caller_chooses_is_no_filter() {
    let agent = Condition::equals("userAgent", "APN/1.0 HashiCorp/1.0 Terraform/1.5.7");
    let role = Condition::equals("userIdentity.sessionContext.sessionIssuer.arn", ROLE);
    let endpoint = Condition::equals("vpcEndpointId", "vpce-0abc");
    let private = Condition {
        field: "sourceIPAddress".to_owned(),
        test: Test::Inside("10.0.0.0/24".to_owned()),
    };
    let account = Condition::equals("recipientAccountId", "111122223333");
    let source = Condition::equals("eventSource", "iam.amazonaws.com");
    let event =
        Condition { field: "eventName".to_owned(), test: Test::Begins(vec!["List".to_owned()]) };
    let letters =
        Condition { field: "eventName".to_owned(), test: Test::Begins(vec!["L".to_owned()]) };
    for (conditions, passes) in [
        (vec![role.clone(), endpoint.clone()], true),
        (vec![role.clone(), endpoint.clone(), agent.clone()], true),
        (vec![role.clone(), event.clone()], true),
        (vec![role.clone()], false),
        (vec![endpoint.clone()], false),
        (vec![endpoint.clone(), event], false),
        (vec![role.clone(), agent.clone()], false),
        (vec![role.clone(), private], false),
        (vec![role.clone(), account], false),
        // The rule finds no other source, so that this says nothing.
        (vec![role.clone(), source], false),
        (vec![role.clone(), letters], false),
        (vec![role.clone(), role, endpoint], false),
    ] {
        let candidate = Candidate { conditions: conditions.clone(), ..candidate() };
        let refused = refused(&candidate, &evidence());
        // Two keys of one name are no YAML.
        let is_right = if passes { refused.is_empty() } else { refused == [4] || refused == [0] };
        assert!(is_right, "{conditions:?}: {refused:?}");
    }
}

#[test]
fn nobody_is_hidden_whom_nobody_judged() {
    let mut evidence = evidence();
    evidence.archive.hits.push(hit(500, benign("ListUsers"), false));
    assert_eq!(refused(&candidate(), &evidence), [5]);
    evidence.archive.hits.pop();
    evidence.archive.from = days_ago(20);
    assert_eq!(refused(&candidate(), &evidence), [5]);
    evidence.archive.is_all = true;
    assert!(refused(&candidate(), &evidence).is_empty());
    evidence.archive.to = days_ago(3);
    assert_eq!(refused(&candidate(), &evidence), [5]);
}

#[test]
fn the_audit_bounds_what_may_hide() {
    let mut evidence = evidence();
    evidence.audited.truncate(58);
    assert_eq!(refused(&candidate(), &evidence), [6], "5.03 %");
    evidence.audited.push(evidence.audited[0].clone());
    assert_eq!(refused(&candidate(), &evidence), [6], "one finding is drawn once");
    evidence.audited[58].uid = "another".to_owned();
    assert!(refused(&candidate(), &evidence).is_empty(), "4.95 %");
    evidence.audited[0].is_attack = true;
    assert_eq!(refused(&candidate(), &evidence), [6]);
    // High needs two hundred, and critical never passes.
    let of = |level: &str| {
        let mut evidence = self::evidence();
        evidence.audited = (0..4).flat_map(|_| evidence.audited[..50].to_vec()).collect();
        for (nth, audited) in evidence.audited.iter_mut().enumerate() {
            audited.uid = format!("drawn-{nth}");
        }
        let candidates = mined(&rule(level), &evidence);
        refused(candidates.first().unwrap(), &evidence)
    };
    assert!(of("high").is_empty());
    // No filter of a critical rule is even loaded.
    assert_eq!(of("critical"), [0]);
    let high = mined(&rule("high"), &self::evidence());
    assert_eq!(refused(&high[0], &self::evidence()), [6]);
}

#[test]
fn it_ends_in_time() {
    let evidence = evidence();
    for (level, days, gates) in
        [("medium", 90, &[][..]), ("medium", 91, &[7]), ("medium", 0, &[0]), ("high", 31, &[6, 7])]
    {
        let mut candidate = mined(&rule(level), &evidence).remove(0);
        candidate.expires = TODAY.checked_add(days.days()).unwrap();
        assert_eq!(refused(&candidate, &evidence), gates, "{level} {days}");
    }
    let renewal = |written| Candidate { renews: Some(written), ..candidate() };
    assert!(refused(&renewal(days_ago(5)), &evidence).is_empty());
    assert_eq!(refused(&renewal(TODAY), &evidence), [7]);
}

#[test]
fn every_tripwire_has_to_be_set_and_untouched() {
    let mut lacking = candidate();
    lacking.tripwires.pop();
    assert_eq!(refused(&lacking, &evidence()), [8]);
    let mut evidence = evidence();
    // An attack by the same role from elsewhere: no event is described, and yet the role is no longer trusted.
    evidence.attacks.push(Attack {
        name: "incident-3".to_owned(),
        entity: ROLE.to_owned(),
        judged: Some(days_ago(29)),
        records: vec![call(ROLE, "ListUsers", "", "203.0.113.9", "aws-cli/2.1")],
    });
    assert_eq!(refused(&candidate(), &evidence), [8]);
    evidence.attacks[1].judged = Some(days_ago(30));
    assert!(refused(&candidate(), &evidence).is_empty());
}

#[test]
fn a_flood_of_verdicts_in_a_week_is_no_evidence() {
    let flood = |days: i64, reviewers: bool, first: i64| {
        let mut evidence = evidence();
        for (judged, nth) in evidence.judged.iter_mut().zip(0..) {
            judged.at = crate::support::at(days_ago(nth % days));
            judged.seen = crate::support::at(days_ago(first));
            if !reviewers {
                judged.reviewer = "ana".to_owned();
            }
        }
        (mined(&rule("medium"), &evidence).len(), refused(&candidate(), &evidence))
    };
    assert_eq!(flood(3, true, 8), (1, vec![]));
    assert_eq!(flood(2, true, 8), (0, vec![10]));
    assert_eq!(flood(3, false, 8), (0, vec![10]));
    assert_eq!(flood(3, true, 6), (0, vec![10]));
}

#[test]
fn somebody_else_approves() {
    let candidate = candidate();
    assert!(may_merge(&candidate, "ana").is_err());
    assert!(may_merge(&candidate, " ANA ").is_err());
    assert!(may_merge(&candidate, "").is_err());
    assert!(may_merge(&candidate, "carla").is_ok());
    assert_eq!(candidate.rule.analytic.uid, RULE_ID);
}

#[test]
fn what_is_missing_is_drawn_at_random_and_again() {
    let mut evidence = evidence();
    evidence.audited.truncate(9);
    let candidate = candidate();
    let compiled = Compiled::of(&candidate).unwrap();
    let applied = Applied::new(&compiled, &evidence);
    let drawn = |draw: &str| -> Vec<String> {
        let hits = to_audit(candidate.level(), &applied, &evidence, draw);
        hits.iter().map(|hit| hit.uid.clone()).collect()
    };
    let first = drawn("a");
    assert_eq!(first.len(), 50);
    assert_eq!(first, drawn("a"));
    assert_ne!(first, drawn("b"));
    // None of the attacker's: it is drawn from what the filter describes.
    // Nor any that was judged.
    assert!(first.iter().all(|uid| (9..200).contains(&uid[4..].parse::<u32>().unwrap())));
}
