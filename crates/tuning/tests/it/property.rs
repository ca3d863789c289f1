//! Whatever a filter says and whatever is thrown at it: no gate lets an event of a labelled attack be hidden.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use trailloop_cloudtrail::{Record, RecordBuffer};
use trailloop_rules::{Filter, MatchScratch, RuleSet, load};
use trailloop_tuning::{
    Attack, Audited, Candidate, Compiled, CompiledScratch, Condition, Evidence, Label, Test,
    Tripwires, all_pass, derived_tests, entity_of, judge, propose,
};

use crate::support::{
    TODAY, attack, benign, call, candidate, days_ago, evidence, hit, judged, mined, prevented, rule,
};

/// Conditions on fields that records have, with values that they have, and some of neither.
fn condition() -> impl Strategy<Value = Condition> {
    let field = prop::sample::select(vec![
        "userIdentity.sessionContext.sessionIssuer.arn",
        "userIdentity.arn",
        "vpcEndpointId",
        "sourceIPAddress",
        "userAgent",
        "eventName",
        "eventSource",
        "awsRegion",
        "recipientAccountId",
        "userIdentity.type",
        "requestParameters.userName",
    ]);
    let value = prop::sample::select(vec![
        "arn:aws:iam::111122223333:role/ci-plan",
        "arn:aws:iam::111122223333:role/web",
        "arn:aws:iam::111122223333:user/mallory",
        "vpce-0abc",
        "vpce-0def",
        "198.51.100.0/24",
        "10.0.0.0/24",
        "203.0.113.0/24",
        "0.0.0.0/0",
        "aws-cli/2.1",
        "ListUsers",
        "List",
        "L",
        "*",
        "",
        "iam.amazonaws.com",
        "us-east-1",
        "111122223333",
        "AssumedRole",
    ]);
    (field, value, 0..3).prop_map(|(field, value, kind)| Condition {
        field: field.to_owned(),
        test: match kind {
            0 => Test::Equals(value.to_owned()),
            1 => Test::Inside(value.to_owned()),
            _ => Test::Begins(vec![value.to_owned()]),
        },
    })
}

/// Some record of the automation, of a thief of its credential, or of somebody else.
fn record() -> impl Strategy<Value = Vec<u8>> {
    let role = prop::sample::select(vec!["ci-plan", "web", "admin"]);
    let event = prop::sample::select(vec!["ListUsers", "ListRoles", "CreateAccessKey", "GetUser"]);
    let endpoint = prop::sample::select(vec!["", "vpce-0abc", "vpce-0def"]);
    let address = prop::sample::select(vec!["10.0.0.7", "198.51.100.9", "203.0.113.9"]);
    let agent = prop::sample::select(vec!["aws-cli/2.1", "Boto3/1", "evil"]);
    (role, event, endpoint, address, agent).prop_map(|(role, event, endpoint, address, agent)| {
        let role = format!("arn:aws:iam::111122223333:role/{role}");
        call(&role, event, endpoint, address, agent)
    })
}

/// Some record that differs in one place from what the automation does.
fn look_alike() -> impl Strategy<Value = Vec<u8>> {
    let changed = prop::sample::select(vec![
        ("role/ci-plan", "role/web"),
        ("ListUsers", "ListRoles"),
        ("ListUsers", "CreateAccessKey"),
        ("vpce-0abc", "vpce-0def"),
        ("10.0.0.7", "203.0.113.9"),
        ("Terraform/1.5.7", "aws-cli/2.1"),
        ("us-east-1", "eu-west-1"),
        ("assumed-role/ci-plan/session-1", "assumed-role/ci-plan/session-2"),
    ]);
    changed.prop_map(|(from, to)| {
        let record = String::from_utf8(benign("ListUsers")).unwrap();
        record.replace(from, to).into_bytes()
    })
}

/// The filter that passes with conditions taken away, put in its place or added; or any.
fn conditions() -> impl Strategy<Value = Vec<Condition>> {
    let passing = candidate().conditions;
    let near = (
        prop::collection::vec(prop::bool::weighted(0.95), passing.len()),
        prop::collection::vec(condition(), 0..2),
    )
        .prop_map(move |(kept, mut added)| {
            let kept = passing
                .iter()
                .zip(kept)
                .filter(|(one, kept)| *kept || added.iter().all(|added| added.field != one.field));
            added.splice(0..0, kept.map(|(one, _)| one.clone()).collect::<Vec<_>>());
            added
        });
    prop_oneof![4 => near, 1 => prop::collection::vec(condition(), 1..4)]
}

/// An attack by anybody: people found it lately or long ago, or it is one of a corpus and has no day.
fn labelled_attack() -> impl Strategy<Value = Attack> {
    let events = prop::collection::vec(prop_oneof![1 => look_alike(), 2 => record()], 1..4);
    (events, prop::option::of(0_i64..60)).prop_map(|(records, judged)| Attack {
        name: "drawn".to_owned(),
        entity: entity_of(&records[0]),
        judged: judged.map(days_ago),
        records,
    })
}

/// What an adversary floods the service with, and that people take for harmless: it stands in the archive, is judged by two, and is
/// drawn at random.
fn flooded(mut evidence: Evidence, flood: &[Vec<u8>]) -> Evidence {
    for (nth, record) in (5_000..).zip(flood) {
        evidence.archive.hits.push(hit(nth, record.clone(), true));
        evidence.judged.push(judged(nth, Label::Benign, record.clone()));
        evidence.audited.push(Audited {
            uid: format!("hit-{nth}"),
            day: days_ago(nth % 10),
            is_attack: false,
            record: record.clone(),
        });
    }
    evidence
}

/// Random filters, those that are mined, and random attacks, while an adversary floods what looks like the automation and has it
/// taken for harmless: no gate lets a filter through that describes an event of a labelled attack, the file that is written
/// describes none either, and until somebody merges it everything is as visible as before.
#[test]
fn no_filter_hides_an_event_of_a_labelled_attack_whatever_is_flooded() {
    let config =
        ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() };
    let (passed, refused) = (Cell::new(0_u32), Cell::new(0_u32));
    let drawn = (
        conditions(),
        prop::collection::vec(labelled_attack(), 1..3),
        prop::collection::vec(look_alike(), 0..30),
    );
    let run = TestRunner::new(config).run(&drawn, |(conditions, attacks, flood)| {
        let mut evidence = flooded(evidence(), &flood);
        evidence.attacks.extend(attacks);
        let rule = rule("medium");
        let mut candidates = mined(&rule, &evidence);
        candidates.push(Candidate { conditions, ..candidate() });
        for candidate in candidates {
            let Ok(proposal) = propose(&candidate, &evidence) else {
                refused.set(refused.get() + 1);
                continue;
            };
            passed.set(passed.get() + 1);
            let written = load("one.yml", &proposal.filter).filters;
            let merged = RuleSet::build(vec![rule.clone()], &written, &mut Vec::new());
            let compiled = Compiled::of(&candidate).unwrap();
            let mut scratch = CompiledScratch::default();
            for event in evidence.attacks.iter().flat_map(|attack| &attack.records) {
                prop_assert!(!compiled.describes(event, &mut scratch), "{candidate:?}");
                prop_assert!(!is_quieted(&merged, event), "{candidate:?}");
            }
        }
        let unmerged = RuleSet::build(vec![rule], &[], &mut Vec::new());
        for event in flood.iter().chain(evidence.attacks.iter().flat_map(|attack| &attack.records))
        {
            prop_assert!(!is_quieted(&unmerged, event));
        }
        Ok(())
    });
    run.unwrap();
    // Else it would say nothing.
    assert!(passed.get() > 30 && refused.get() > 30, "{passed:?} passed, {refused:?} were refused");
}

/// Whether a filter of the set describes a record that the rule finds.
fn is_quieted(set: &RuleSet, json: &[u8]) -> bool {
    let (mut scratch, mut found) = (MatchScratch::new(), Vec::new());
    let mut buffer = RecordBuffer::new();
    let record = Record::parse(json, &mut buffer).unwrap();
    set.matches_into(&record, &mut scratch, &mut found);
    !found.is_empty() && set.quieted_by_any(0, &record, &mut scratch, |_| true).is_some()
}

/// Which of the marked records of a stream give a finding that people see, with one filter merged.
fn visible(filter: &Filter, stream: &[(Vec<u8>, bool)]) -> Vec<bool> {
    let set = RuleSet::build(vec![rule("medium")], std::slice::from_ref(filter), &mut Vec::new());
    let mut tripwires = Tripwires::new(std::slice::from_ref(filter));
    let (mut scratch, mut out) = (MatchScratch::new(), Vec::new());
    let mut visible = Vec::new();
    let mut was_void = false;
    for (json, is_marked) in stream {
        tripwires.record(json);
        let mut buffer = RecordBuffer::new();
        let record = Record::parse(json, &mut buffer).unwrap();
        set.matches_into(&record, &mut scratch, &mut out);
        let mut is_visible = false;
        if !out.is_empty() {
            tripwires.finding(set.rule(0), json);
            let quieted = set.quieted_by_any(0, &record, &mut scratch, |one| tripwires.holds(one));
            is_visible = quieted.is_none_or(|one| !tripwires.quieted(one, TODAY).is_empty());
        }
        if *is_marked {
            visible.push(is_visible);
        }
        assert!(!(was_void && tripwires.holds(filter)), "void is void");
        was_void = !tripwires.holds(filter);
    }
    visible
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_filter_that_passes_describes_an_event_of_an_attack(
        conditions in prop::collection::vec(condition(), 1..4),
        events in prop::collection::vec(record(), 1..6),
    ) {
        let mut evidence = evidence();
        evidence.attacks.push(Attack {
            name: "drawn".to_owned(),
            entity: String::new(),
            judged: None,
            records: events.clone(),
        });
        let mut conditions = conditions;
        // Half of them begin like the filter that passes, or nearly nothing would ever get through.
        if events.len().is_multiple_of(2) {
            conditions.retain(|one| candidate().conditions.iter().all(|own| own.field != one.field));
            conditions.truncate(2);
            conditions.extend(candidate().conditions);
        }
        let candidate = Candidate { conditions, ..candidate() };
        if all_pass(&judge(&candidate, &evidence)) {
            let compiled = Compiled::of(&candidate).unwrap();
            let mut scratch = CompiledScratch::default();
            for event in &events {
                prop_assert!(!compiled.describes(event, &mut scratch));
            }
            prop_assert!(propose(&candidate, &evidence).is_ok());
        }
    }

    #[test]
    fn what_is_mined_never_describes_what_was_judged_true(
        harmless in prop::collection::vec(record(), 5..40),
        attacks in prop::collection::vec(record(), 0..4),
    ) {
        let rule = rule("medium");
        let mut evidence = evidence();
        evidence.judged = harmless.iter().zip(0..).map(|(one, nth)| judged(nth, Label::False, one.clone())).collect();
        evidence.judged.extend(attacks.iter().zip(500..).map(|(one, nth)| judged(nth, Label::True, one.clone())));
        for candidate in mined(&rule, &evidence) {
            let compiled = Compiled::of(&candidate).unwrap();
            let mut scratch = CompiledScratch::default();
            prop_assert!(attacks.iter().all(|one| !compiled.describes(one, &mut scratch)), "{candidate:?}");
            prop_assert!(harmless.iter().filter(|one| compiled.describes(one, &mut scratch)).count() >= 5);
        }
    }

    /// A flood of look-alikes gets no verdicts: more hits never let through what was refused, and what is proposed hides
    /// nothing until somebody merges it.
    #[test]
    fn a_flood_makes_nothing_less_visible(flood in prop::collection::vec(record(), 1..60)) {
        let mut refused = evidence();
        refused.audited.truncate(10);
        let before = judge(&candidate(), &refused);
        prop_assert!(!all_pass(&before));
        for (nth, record) in (1_000..).zip(&flood) {
            refused.archive.hits.push(hit(nth, record.clone(), false));
        }
        prop_assert!(!all_pass(&judge(&candidate(), &refused)));
        let count = mined(&rule("medium"), &refused).len();
        prop_assert_eq!(count, 1, "verdicts alone are mined");
    }

    /// Whatever is mixed into a stream, every finding of the stream that was visible without it is visible with it, and a filter
    /// that is void stays void.
    #[test]
    fn nothing_in_a_stream_hides_what_was_visible(
        stream in prop::collection::vec(record(), 1..12),
        mixed_in in prop::collection::vec((0_usize..12, record()), 0..12),
        flood in 0_usize..40,
    ) {
        let text = propose(&candidate(), &evidence()).unwrap().filter;
        let filter = load("one.yml", &text).filters.remove(0);
        let mut with: Vec<(Vec<u8>, bool)> = Vec::new();
        for (nth, one) in stream.iter().enumerate() {
            with.extend(mixed_in.iter().filter(|(at, _)| *at == nth).map(|(_, one)| (one.clone(), false)));
            if nth == stream.len() / 2 {
                with.extend(std::iter::repeat_n((benign("ListUsers"), false), flood));
            }
            with.push((one.clone(), true));
        }
        let alone: Vec<(Vec<u8>, bool)> = stream.into_iter().map(|one| (one, true)).collect();
        let (before, after) = (visible(&filter, &alone), visible(&filter, &with));
        prop_assert_eq!(before.len(), after.len());
        for (before, after) in before.into_iter().zip(after) {
            prop_assert!(after || !before);
        }
    }

    #[test]
    fn no_record_panics(garbage in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut evidence = evidence();
        evidence.judged[0].record.clone_from(&garbage);
        evidence.archive.hits[0].record.clone_from(&garbage);
        evidence.attacks[0].records.push(garbage.clone());
        evidence.audited[0].record.clone_from(&garbage);
        drop(judge(&candidate(), &evidence));
        drop(mined(&rule("medium"), &evidence));
        drop(derived_tests(&rule("medium"), &evidence.judged));
        drop(prevented(&evidence.attacks[0], &[garbage, benign("ListUsers")]));
    }

    /// Records of the right shape with texts of anybody's in every place.
    #[test]
    fn no_text_panics_or_breaks_out(text in any::<String>(), other in ".{0,40}") {
        let record = serde_json::json!({
            "eventID": other, "eventSource": format!("{other}.amazonaws.com"), "eventName": text,
            "awsRegion": text, "sourceIPAddress": other, "userAgent": text, "vpcEndpointId": other,
            "userIdentity": {"type": text, "sessionContext": {"sessionIssuer": {"arn": text}}},
            "requestParameters": {"roleName": other, text.clone(): [text.clone(), {"a": text}]},
        });
        let record = serde_json::to_vec(&record).unwrap();
        let all: Vec<_> = (0..10).map(|nth| judged(nth, Label::True, record.clone())).collect();
        prop_assert!(derived_tests(&rule("medium"), &all).is_empty(), "the rule does not match it");
        let attack = Attack { name: text.clone(), entity: text.clone(), judged: None, records: vec![record.clone()] };
        for prevention in prevented(&attack, std::slice::from_ref(&record)) {
            prop_assert!(prevention.report().is_ascii(), "{}", prevention.report());
        }
        let mut evidence = evidence();
        evidence.judged = (0..10).map(|nth| judged(nth, Label::Benign, record.clone())).collect();
        evidence.archive.hits = (0..10).map(|nth| hit(nth, record.clone(), true)).collect();
        let candidate = Candidate {
            conditions: vec![Condition::equals("vpcEndpointId", &text), Condition::equals("userAgent", &other)],
            owner: text.clone(),
            reason: other,
            ..candidate()
        };
        drop(judge(&candidate, &evidence));
        drop(mined(&rule("medium"), &evidence));
        let mut wires = Tripwires::new(&[]);
        prop_assert!(wires.record(&record).is_empty());
    }
}

#[test]
fn the_generators_reach_both_answers() {
    let mut evidence = evidence();
    assert!(all_pass(&judge(&candidate(), &evidence)));
    evidence.attacks[0].records.push(benign("GetUser"));
    assert!(!all_pass(&judge(&candidate(), &evidence)));
    assert!(
        mined(&rule("medium"), &evidence).len() == 1 && attack("ListUsers") != benign("ListUsers")
    );
}
