//! The catalogue against a small AWS that keeps what it is told.

mod cases;
mod data;
mod effects;
mod identity;
mod logging;
mod network;
mod organization;

use std::collections::BTreeSet;
use std::path::Path;

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// A call with each of its inputs, required or not, by kind.
fn example(api: &Api) -> Call {
    let inputs = api.inputs.iter().map(|input| {
        let value = match input.kind {
            Kind::Text => json!("x"),
            Kind::Document => json!(r#"{"Version":"2012-10-17","Statement":[]}"#),
            Kind::List => json!(["x"]),
            Kind::Number => json!(0),
            Kind::Flag => json!(true),
            Kind::Object => json!({"x": true}),
        };
        (input.name.to_owned(), value)
    });
    Call { service: api.service.to_owned(), api: api.name.to_owned(), inputs: inputs.collect() }
}

#[test]
fn the_tables_hold_together() {
    let mut names = BTreeSet::new();
    for api in all() {
        let name = api.full_name();
        assert!(names.insert(name.clone()), "{name} stands there twice");
        assert!(std::ptr::eq(find(api.service, api.name).unwrap(), api));
        assert_eq!(api.problems(&example(api).inputs), Vec::<String>::new(), "{name}");
        assert_eq!(api.changes, api.effect.is_some(), "{name}");
        assert!(!api.runs || api.risk < Risk::R3, "{name}");
        let reads = api.state_reads(&example(api));
        assert_eq!(reads.is_empty(), !api.changes, "{name}");
        for read in reads {
            let known = find(&read.service, &read.api)
                .unwrap_or_else(|| panic!("{} is no API", read.name()));
            assert!(
                !known.changes && known.problems(&read.inputs).is_empty(),
                "{name}: {:?}",
                known.problems(&read.inputs)
            );
        }
        for inverse in api.inverses() {
            let inverse =
                find(api.service, inverse).unwrap_or_else(|| panic!("{inverse} is no API"));
            assert!(inverse.changes, "{name}");
            assert!(inverse.runs || !api.runs, "{name} runs and its inverse does not");
        }
        for template in api.resources.iter().chain(api.also.iter().flat_map(|also| also.resources))
        {
            for part in template.split('{').skip(1) {
                let part = part.split_once('}').unwrap().0;
                let is_place = ["partition", "account", "region"].contains(&part);
                assert!(is_place || api.input(part).is_some(), "{name}: {template}");
            }
        }
    }
    assert!(names.len() > 100);
}

#[test]
fn inputs_are_checked() {
    let api = find("iam", "UpdateAccessKey").unwrap();
    let Value::Object(inputs) = json!({"UserName": 7, "AccessKeyId": "{{ K }}", "Bypass": true})
    else {
        unreachable!()
    };
    insta::assert_snapshot!(api.problems(&inputs).join("\n"));
}

#[test]
fn the_page_in_the_repository_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/actions.md");
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    if kept != reference() {
        std::fs::write(&path, reference()).unwrap();
        panic!(
            "docs/actions.md was out of date and has been written anew; look at the change and keep it"
        );
    }
}

#[test]
fn the_risk_of_a_policy_is_that_of_what_it_says() {
    let risk = |name: &str, api: &str, statement: Value| {
        let policy = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
        let Value::Object(inputs) = json!({name: "x", "PolicyName": "p", "PolicyDocument": policy})
        else {
            unreachable!()
        };
        find("iam", api).unwrap().risk_of(&Call {
            service: "iam".to_owned(),
            api: api.to_owned(),
            inputs,
        })
    };
    let deny = |condition: Value| json!({"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": condition});
    let older = json!({"DateLessThan": {"aws:TokenIssueTime": "2026-01-01T00:00:00Z"}});
    let one = json!({"DateLessThan": {"aws:TokenIssueTime": "2026-01-01T00:00:00Z"}, "StringEquals": {"aws:userid": "AROAEXAMPLE:x"}});
    assert_eq!(risk("UserName", "PutUserPolicy", deny(json!({}))), Risk::R2);
    assert_eq!(risk("UserName", "PutUserPolicy", deny(older.clone())), Risk::R1);
    assert_eq!(risk("RoleName", "PutRolePolicy", deny(older)), Risk::R2);
    assert_eq!(risk("RoleName", "PutRolePolicy", deny(one)), Risk::R1);
}

#[test]
fn who_is_denied_as_a_whole() {
    let denies = |api: &str, inputs: Value| {
        let Value::Object(inputs) = inputs else { panic!("inputs are an object") };
        denies_principal(&Call { service: "iam".to_owned(), api: api.to_owned(), inputs })
    };
    let put = |statement: Value| {
        denies(
            "PutUserPolicy",
            json!({"PolicyDocument": json!({"Statement": statement}).to_string()}),
        )
    };
    let all = json!({"Effect": "Deny", "Action": "*", "Resource": ["*"]});
    let mut some = all.clone();
    some["Condition"] = json!({"DateLessThan": {"aws:TokenIssueTime": "2026-01-01T00:00:00Z"}});
    assert!(put(all.clone()) && put(json!([some.clone(), all])) && !put(some));
    assert!(!put(json!({"Effect": "Deny", "Action": "s3:*", "Resource": "*"})));
    let attach = |name: &str| {
        denies("AttachRolePolicy", json!({"PolicyArn": format!("arn:aws:iam::aws:policy/{name}")}))
    };
    assert!(attach("AWSDenyAll") && !attach("AdministratorAccess"));
}

fn any_json() -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec![
        "AccessKeyMetadata",
        "AccessKeyId",
        "Status",
        "PolicyDocument",
        "Policy",
        "Statement",
        "Sid",
        "Trail",
        "User",
        "Reservations",
        "Instances",
        "State",
        "Name",
        "InstanceId",
        "SecurityGroupRules",
        "SecurityGroupRuleId",
        "Tags",
        "Key",
        "Value",
        "Grants",
        "Owner",
        "ID",
        "Groups",
        "x",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z{}\\[\\]\":é]{0,6}".prop_map(Value::from),
        Just(json!("x")),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((names.clone(), inner), 0..4).prop_map(|members| members
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn no_answer_and_no_input_panics(answer in any_json(), input in any_json(), state in any_json()) {
        for api in all() {
            let mut wild = example(api);
            for value in wild.inputs.values_mut() {
                *value = input.clone();
            }
            for call in [example(api), wild] {
                drop((api.problems(&call.inputs), api.state_reads(&call)));
                for answers in [vec![], vec![None], vec![Some(answer.clone())]] {
                    let seen = api.state(&call, &answers);
                    prop_assert_eq!(&seen, &api.state(&call, &answers));
                    drop((api.is_achieved(&call, &seen), api.restore(&call, &seen)));
                }
                drop((api.is_achieved(&call, &state), api.restore(&call, &state), api.risk_of(&call)));
                drop(crate::policy::session_policy(&call, "aws", "111122223333", "us-east-1"));
            }
        }
    }
}
