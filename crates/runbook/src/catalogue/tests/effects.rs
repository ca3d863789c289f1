//! That every change is seen and put back.

use std::collections::BTreeSet;

use serde_json::json;

use super::cases::*;
use super::data::data_cases;
use super::example;
use super::identity::identity_cases;
use super::logging::logging_cases;
use super::network::network_cases;
use super::organization::organization_cases;
use crate::catalogue::*;

fn cases() -> Vec<Case> {
    [identity_cases(), organization_cases(), data_cases(), logging_cases(), network_cases()]
        .into_iter()
        .flatten()
        .collect()
}

/// Changes that have no case: they are planned only, and no state shows that they took effect.
const WITHOUT_CASE: [&str; 3] =
    ["iam:CreateLoginProfile", "iam:UpdateLoginProfile", "ssm:StartAutomationExecution"];

#[test]
fn every_change_is_seen_and_put_back() {
    let mut seen: BTreeSet<String> = WITHOUT_CASE.map(str::to_owned).into();
    for Case { call, before, after, back } in cases() {
        let name = call.name();
        let api = find(&call.service, &call.api).unwrap();
        seen.insert(name.clone());
        assert_eq!(api.problems(&call.inputs), Vec::<String>::new(), "{name}");
        let (was, is) = (api.state(&call, &before), api.state(&call, &after));
        assert!(is_readable(&was) && is_readable(&is), "{name}: {was} {is}");
        assert!(!api.is_achieved(&call, &was), "{name} before: {was}");
        assert!(api.is_achieved(&call, &is), "{name} after: {is}");
        assert_ne!(was, is, "{name}");
        let calls = api.restore(&call, &was);
        for call in calls.iter().flatten() {
            assert_eq!(call.service, api.service);
            assert!(api.inverses().contains(&call.api.as_str()), "{name}: {}", call.api);
            let inverse = find(&call.service, &call.api).unwrap();
            assert_eq!(inverse.problems(&call.inputs), Vec::<String>::new(), "{name}");
            // Each call back is achieved by the state it puts back, if it reads the same state.
            if inverse.state_reads(call) == api.state_reads(&case_call(api, &name)) {
                assert!(inverse.is_achieved(call, &inverse.state(call, &before)), "{name}");
            }
        }
        let calls = calls.map(|calls| {
            calls.into_iter().map(|call| (call.api, Value::Object(call.inputs))).collect::<Vec<_>>()
        });
        let back = back.map(|back| {
            back.into_iter().map(|(api, inputs)| (api.to_owned(), inputs)).collect::<Vec<_>>()
        });
        assert_eq!(calls, back, "{name}");
    }
    let changes: BTreeSet<String> = all().filter(|api| api.changes).map(Api::full_name).collect();
    assert_eq!(seen, changes, "every change has a case");
}

/// The first case of this API.
fn case_call(api: &Api, name: &str) -> Call {
    let found = cases().into_iter().find(|case| case.call.name() == name);
    found.map_or_else(|| example(api), |case| case.call)
}

#[test]
fn policies_are_compared_as_policies_and_kept_as_text() {
    let cases = cases();
    let Case { call, .. } = cases.iter().find(|case| case.call.api == "PutUserPolicy").unwrap();
    let api = find("iam", "PutUserPolicy").unwrap();
    let state = api.state(call, &[Some(json!({"PolicyDocument": NEW_TOO}))]);
    assert!(api.is_achieved(call, &state));
    assert_eq!(state, json!({"PolicyDocument": NEW_TOO}));
    assert_eq!(api.restore(call, &state).unwrap()[0].inputs["PolicyDocument"], NEW_TOO);
}

#[test]
fn a_rule_that_was_put_back_is_the_rule_that_was() {
    let api = find("ec2", "RevokeSecurityGroupIngress").unwrap();
    let Value::Object(inputs) = json!({"GroupId": "sg-1", "SecurityGroupRuleIds": ["sgr-1"]})
    else {
        unreachable!()
    };
    let call = Call { service: "ec2".to_owned(), api: api.name.to_owned(), inputs };
    let answer = |id: &str, tags: Value| {
        Some(
            json!({"SecurityGroupRules": [{"SecurityGroupRuleId": id, "IpProtocol": "-1", "CidrIpv6": "::/0", "Tags": tags}]}),
        )
    };
    let before = api.state(&call, &[answer("sgr-1", json!([]))]);
    let again = api
        .state(&call, &[answer("sgr-7", json!([{"Key": "trailloop-restores", "Value": "sgr-1"}]))]);
    assert_eq!(before, again);
    assert_ne!(before, api.state(&call, &[answer("sgr-7", json!([]))]));
}

#[test]
fn what_aws_orders_freely_is_sorted() {
    let api = find("ec2", "StopInstances").unwrap();
    let call = case_call(api, "ec2:StopInstances");
    let one = |id: &str| json!({"Instances": [{"InstanceId": id, "State": {"Name": "running"}}]});
    let state = |first: &str, second: &str| {
        api.state(&call, &[Some(json!({"Reservations": [one(first), one(second)]}))]).to_string()
    };
    assert_eq!(state("i-1", "i-2"), state("i-2", "i-1"));
}

#[test]
fn an_answer_that_lacks_its_value_is_neither_achieved_nor_put_back() {
    for (name, answer) in [
        ("iam:PutUserPolicy", json!({})),
        ("iam:UpdateAccessKey", json!({})),
        ("cloudtrail:StartLogging", json!({"IsLogging": 7})),
    ] {
        let api = find(name.split_once(':').unwrap().0, name.split_once(':').unwrap().1).unwrap();
        let call = case_call(api, name);
        let state = api.state(&call, &[Some(answer)]);
        assert!(!is_readable(&state), "{name}");
        assert!(!api.is_achieved(&call, &state) && api.restore(&call, &state).is_none(), "{name}");
    }
}
