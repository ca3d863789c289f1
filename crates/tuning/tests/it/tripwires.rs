//! What voids a filter: each tripwire with a record that touches it, and one beside it that does not.

use trailloop_rules::{Filter, load};
use trailloop_tuning::{Label, Quieted, Tripwires, Voided, propose, reopened};

use crate::support::{ROLE, TODAY, benign, call, candidate, days_ago, evidence, rule};

fn filter() -> Filter {
    let text = propose(&candidate(), &evidence()).unwrap().filter;
    load("one.yml", &text).filters.remove(0)
}

fn names(voided: &[Voided]) -> Vec<&'static str> {
    voided.iter().map(|one| one.tripwire).collect()
}

/// A change of an identity, by somebody else.
fn change(event: &str, parameters: &serde_json::Value, error: Option<&str>) -> Vec<u8> {
    let record =
        call("arn:aws:iam::111122223333:role/admin", event, "", "203.0.113.9", "aws-cli/2");
    let mut record: serde_json::Value = serde_json::from_slice(&record).unwrap();
    record["requestParameters"] = parameters.clone();
    if let Some(error) = error {
        record["errorCode"] = error.into();
    }
    serde_json::to_vec(&record).unwrap()
}

#[test]
fn changes_of_the_identity_void() {
    let role = serde_json::json!({"roleName": "CI-plan", "policyName": "p"});
    for (event, parameters, error, tripwire) in [
        ("UpdateAssumeRolePolicy", role.clone(), None, Some("trust_changed")),
        ("AttachRolePolicy", role.clone(), None, Some("policy_changed")),
        ("PutRolePolicy", role.clone(), None, Some("policy_changed")),
        (
            "CreateOpenIDConnectProvider",
            serde_json::json!({"url": "https://example.com"}),
            None,
            Some("trust_changed"),
        ),
        ("PutRolePolicy", role.clone(), Some("AccessDenied"), None),
        ("PutRolePolicy", serde_json::json!({"roleName": "ci-plan-2"}), None, None),
        ("GetRolePolicy", role, None, None),
        ("CreateAccessKey", serde_json::json!({"userName": "ci-plan-user"}), None, None),
    ] {
        let filter = filter();
        let mut tripwires = Tripwires::new(std::slice::from_ref(&filter));
        let voided = tripwires.record(&change(event, &parameters, error));
        assert_eq!(names(&voided), Vec::from_iter(tripwire), "{event} {parameters}");
        assert_eq!(tripwires.holds(&filter), tripwire.is_none());
    }
    // Without a name a user means itself, and a role nothing.
    let own = |event: &str| {
        let mut tripwires = Tripwires::new(&[filter()]);
        names(&tripwires.record(&benign(event)))
    };
    assert_eq!(own("CreateAccessKey"), ["key_created"]);
    assert!(own("AttachRolePolicy").is_empty());
    let mut tripwires = Tripwires::new(&[filter()]);
    let other = String::from_utf8(change(
        "PutRolePolicy",
        &serde_json::json!({"roleName": "ci-plan"}),
        None,
    ))
    .unwrap();
    let other = other.replace(
        r#""recipientAccountId":"111122223333""#,
        r#""recipientAccountId":"444455556666""#,
    );
    assert!(tripwires.record(other.as_bytes()).is_empty(), "another account's role of that name");
    assert!(tripwires.record(b"garbage").is_empty());
}

#[test]
fn what_the_backtest_did_not_see_voids() {
    let terraform = "APN/1.0 HashiCorp/1.0 Terraform/1.5.7";
    for (record, tripwires) in [
        (benign("ListUsers"), &[][..]),
        // Another address behind the endpoint is the same place.
        (call(ROLE, "ListUsers", "vpce-0abc", "10.9.9.9", terraform), &[]),
        (call(ROLE, "ListUsers", "", "203.0.113.9", terraform), &["new_network"]),
        (call(ROLE, "ListUsers", "vpce-0def", "10.0.0.7", terraform), &["new_network"]),
        (call(ROLE, "ListUsers", "vpce-0abc", "10.0.0.7", "aws-cli/2.1"), &["new_user_agent"]),
        (benign("GetAccountAuthorizationDetails"), &["new_event"]),
        (call("arn:aws:iam::111122223333:role/web", "ListUsers", "", "203.0.113.9", "x"), &[]),
    ] {
        let filter = filter();
        let mut wires = Tripwires::new(std::slice::from_ref(&filter));
        assert_eq!(names(&wires.finding(&rule("medium"), &record)), tripwires);
        assert_eq!(wires.holds(&filter), tripwires.is_empty());
        // Void is void: it is said once, and a service that starts again knows.
        assert!(wires.finding(&rule("medium"), &record).is_empty());
    }
    let mut wires = Tripwires::new(&[filter()]);
    let region = String::from_utf8(benign("ListUsers")).unwrap().replace("us-east-1", "ap-south-1");
    assert_eq!(names(&wires.finding(&rule("medium"), region.as_bytes())), ["new_region"]);
    assert!(!Tripwires::restored(&[filter()], [filter().hash().to_owned()]).holds(&filter()));
}

#[test]
fn a_flood_voids() {
    let filter = filter();
    let most = filter.quiet().unwrap().backtest.daily_p95 * 3;
    let mut wires = Tripwires::new(std::slice::from_ref(&filter));
    for _ in 0..most {
        assert!(wires.quieted(&filter, TODAY).is_empty());
    }
    let mut tomorrow = Tripwires::new(std::slice::from_ref(&filter));
    for nth in 0..2 * most {
        let day = days_ago(i64::try_from(nth % 2).unwrap());
        assert!(tomorrow.quieted(&filter, day).is_empty(), "a day is counted by itself");
    }
    assert_eq!(names(&wires.quieted(&filter, TODAY)), ["volume_gt_3x"]);
    assert!(!wires.holds(&filter));
}

#[test]
fn a_true_verdict_voids_and_reopens() {
    let lineage = "arn:aws:iam::111122223333:role/base";
    for (label, entity, others, tripwires) in [
        (Label::True, ROLE, &[][..], &["tp_on_entity"][..]),
        (Label::Test, ROLE, &[], &["tp_on_entity"]),
        (Label::True, lineage, &[ROLE], &["tp_on_lineage"]),
        (Label::True, lineage, &[], &[]),
        (Label::Benign, ROLE, &[ROLE], &[]),
    ] {
        let mut wires = Tripwires::new(&[filter()]);
        assert_eq!(names(&wires.judged(label, entity, others)), tripwires);
    }
    let one = |uid: &str, entity: &str, days| Quieted {
        uid: uid.to_owned(),
        entity: entity.to_owned(),
        day: days_ago(days),
    };
    let quieted = [one("a", ROLE, 7), one("b", ROLE, 8), one("c", lineage, 0), one("d", "x", 0)];
    let uids = |entity: &str, lineage: &[&str]| {
        let again = reopened(&quieted, entity, lineage, TODAY);
        again.iter().map(|one| one.uid.clone()).collect::<Vec<_>>()
    };
    assert_eq!(uids(ROLE, &[]), ["a"]);
    assert_eq!(uids(ROLE, &[lineage]), ["a", "c"]);
}

#[test]
fn risk_voids() {
    let mut wires = Tripwires::new(&[filter()]);
    for (entity, risk) in [(ROLE, 60.0), ("somebody", 99.0), (ROLE, f64::NAN)] {
        assert!(wires.risk(entity, risk).is_empty(), "{entity} {risk}");
    }
    assert_eq!(names(&wires.risk(ROLE, 60.5)), ["entity_risk_gt_60"]);
}

#[test]
fn a_filter_that_nothing_needs_is_named() {
    let filter = filter();
    let mut wires = Tripwires::new(std::slice::from_ref(&filter));
    assert!(wires.unused(days_ago(29), TODAY).is_empty());
    assert_eq!(wires.unused(days_ago(30), TODAY), [filter.hash()]);
    assert!(wires.quieted(&filter, days_ago(3)).is_empty());
    assert!(wires.unused(days_ago(40), TODAY).is_empty());
}
