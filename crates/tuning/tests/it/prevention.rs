//! Policies that would have prevented an attack, with what they would have denied besides.

use serde_json::Value;
use trailloop_tuning::{Attack, Prevention, Shape};

use crate::support::{call, prevented};

const WEB: &str = "arn:aws:iam::111122223333:role/web";
const ADMIN: &str = "arn:aws:iam::111122223333:role/admin";

/// A call with an id of its own.
fn made(id: u32, role: &str, event: &str, region: &str) -> Vec<u8> {
    let mut record: Value =
        serde_json::from_slice(&call(role, event, "", "203.0.113.9", "aws-cli/2.1")).unwrap();
    record["eventID"] = format!("event-{id}").into();
    record["awsRegion"] = region.into();
    if matches!(event, "ListBuckets" | "GetObject") {
        record["eventSource"] = "s3.amazonaws.com".into();
    }
    serde_json::to_vec(&record).unwrap()
}

fn attack(records: Vec<Vec<u8>>) -> Attack {
    Attack { name: "incident".to_owned(), entity: WEB.to_owned(), judged: None, records }
}

fn of(shape: Shape, preventions: &[Prevention]) -> Option<&Prevention> {
    preventions.iter().find(|one| one.shape == shape)
}

#[test]
fn each_shape_denies_the_attack_and_says_whom_else() {
    let records = vec![
        made(1, WEB, "CreateUser", "us-east-1"),
        made(2, WEB, "GetObject", "us-east-1"),
        made(3, WEB, "ListBuckets", "ap-south-1"),
    ];
    let mut archive: Vec<Vec<u8>> = records.clone();
    archive.extend((10..30).map(|id| made(id, WEB, "GetObject", "us-east-1")));
    archive.extend((30..35).map(|id| made(id, ADMIN, "CreateUser", "us-east-1")));
    archive.push(b"garbage".to_vec());
    let preventions = prevented(&attack(records), &archive);
    let callers = of(Shape::Callers, &preventions).unwrap();
    assert_eq!(
        callers.policy["Statement"][0],
        serde_json::json!({
            "Sid": "OnlyTheirCallers", "Effect": "Deny", "Resource": "*",
            "Action": ["iam:CreateUser", "s3:ListAllMyBuckets"],
            "Condition": {"ArnNotEquals": {"aws:PrincipalArn": [ADMIN]}},
        })
    );
    assert_eq!((callers.attack_denied, callers.attack_calls, callers.other_calls), (2, 3, 25));
    assert!(callers.others_denied.is_empty());
    assert_eq!(callers.left["s3:GetObject"], "the identity that was used needs it");
    let regions = of(Shape::Regions, &preventions).unwrap();
    let of_regions = &regions.policy["Statement"][0]["Condition"]["StringEquals"];
    assert_eq!(of_regions["aws:RequestedRegion"], serde_json::json!(["ap-south-1"]));
    assert_eq!((regions.attack_denied, regions.others_denied.len()), (1, 0));
    let boundary = of(Shape::Boundary, &preventions).unwrap();
    assert_eq!(boundary.policy["Statement"][0]["Action"], serde_json::json!(["s3:GetObject"]));
    assert_eq!((boundary.attack_denied, boundary.others_denied.len()), (2, 0));
    let report = callers.report();
    assert!(
        report.contains("denied 2 of 3 calls of the attack, and 0 of 25 other calls"),
        "{report}"
    );
    assert!(preventions.iter().all(|one| !one.is_too_long));
}

#[test]
fn a_callers_policy_names_the_legitimate_calls_it_would_deny() {
    // One caller of one action is no caller of the other: the union lets both.
    let records = vec![made(1, WEB, "CreateUser", "us-east-1")];
    let archive: Vec<Vec<u8>> = (0..60)
        .map(|id| {
            made(
                100 + id,
                &format!("arn:aws:iam::111122223333:role/r{}", id % 30),
                "CreateUser",
                "us-east-1",
            )
        })
        .collect();
    // Too many callers: neither this shape nor another fits.
    assert!(prevented(&attack(records.clone()), &archive).is_empty());
    let few = prevented(&attack(records), &archive[..5]);
    assert_eq!(few.len(), 1);
    assert_eq!(
        few[0].policy["Statement"][0]["Condition"]["ArnNotEquals"]["aws:PrincipalArn"]
            .as_array()
            .unwrap()
            .len(),
        5
    );
}

#[test]
fn hostile_names_reach_no_policy() {
    let role = "arn:aws:iam::111122223333:role/${aws:username}*";
    let records = vec![made(1, WEB, "Create\"User", "us-*"), made(2, WEB, "CreateUser", "*")];
    let archive = vec![made(3, role, "CreateUser", "us-east-1"), made(4, WEB, "Get*", "us-east-1")];
    assert!(prevented(&attack(records), &archive).is_empty());
}
