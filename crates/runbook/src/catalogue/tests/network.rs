//! EC2.

use serde_json::json;

use super::cases::*;
use crate::catalogue::*;

#[expect(clippy::too_many_lines, reason = "a table of cases, laid out by the formatter")]
pub(super) fn network_cases() -> Vec<Case> {
    let rule = |id: &str, cidr: &str, tags: Value| json!({"SecurityGroupRuleId": id, "GroupId": "sg-1", "IsEgress": false, "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIpv4": cidr, "Tags": tags});
    let rules = |rules: Value| Some(json!({"SecurityGroupRules": rules}));
    let other = rule("sgr-2", "10.0.0.0/8", json!([]));
    let made = json!({"GroupId": "sg-1", "IpPermissions": [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}],
        "TagSpecifications": [{"ResourceType": "security-group-rule", "Tags": [{"Key": "trailloop-restores", "Value": "sgr-1"}]}]});
    let mut cases = vec![
        case(
            "ec2:RevokeSecurityGroupIngress",
            json!({"GroupId": "sg-1", "SecurityGroupRuleIds": ["sgr-1"]}),
            rules(json!([other, rule("sgr-1", "0.0.0.0/0", json!([]))])),
            rules(json!([other])),
            Some(vec![("AuthorizeSecurityGroupIngress", made.clone())]),
        ),
        case(
            "ec2:AuthorizeSecurityGroupIngress",
            made,
            rules(json!([other])),
            rules(json!([rule(
                "sgr-9",
                "0.0.0.0/0",
                json!([{"Key": "trailloop-restores", "Value": "sgr-1"}])
            )])),
            None,
        ),
    ];
    for (id, api, groups, list, attribute) in [
        (
            "SnapshotId",
            "ModifySnapshotAttribute",
            "GroupNames",
            "CreateVolumePermissions",
            "createVolumePermission",
        ),
        ("ImageId", "ModifyImageAttribute", "UserGroups", "LaunchPermissions", "launchPermission"),
    ] {
        let modify = |operation: &str, users: Value| json!({id: "x", "Attribute": attribute, "OperationType": operation, "UserIds": users, groups: ["all"]});
        let partner = json!({"UserId": "444455556666"});
        let shared = Some(json!({list: [{"Group": "all"}, partner, {"UserId": "222233334444"}]}));
        let call = modify("remove", json!(["222233334444", "999900001111"]));
        cases.push(case(
            &format!("ec2:{api}"),
            call,
            shared,
            Some(json!({list: [partner]})),
            Some(vec![(api, modify("add", json!(["222233334444"])))]),
        ));
    }
    let instances = |one: &str, two: &str| {
        Some(
            json!({"Reservations": [{"Instances": [{"InstanceId": "i-2", "State": {"Name": two}}, {"InstanceId": "i-1", "State": {"Name": one}}]}]}),
        )
    };
    let both = json!({"InstanceIds": ["i-1", "i-2"]});
    cases.push(case(
        "ec2:StopInstances",
        both.clone(),
        instances("running", "stopped"),
        instances("stopping", "stopped"),
        Some(vec![("StartInstances", json!({"InstanceIds": ["i-1"]}))]),
    ));
    cases.push(case(
        "ec2:StartInstances",
        both,
        instances("running", "stopped"),
        instances("running", "pending"),
        Some(vec![("StopInstances", json!({"InstanceIds": ["i-2"]}))]),
    ));
    let interface = |groups: Value| Some(json!({"NetworkInterfaces": [{"Groups": groups}]}));
    cases.push(case(
        "ec2:ModifyNetworkInterfaceAttribute",
        json!({"NetworkInterfaceId": "eni-1", "Groups": ["sg-9"]}),
        interface(json!([{"GroupId": "sg-2"}, {"GroupId": "sg-1"}])),
        interface(json!([{"GroupId": "sg-9"}])),
        Some(vec![(
            "ModifyNetworkInterfaceAttribute",
            json!({"NetworkInterfaceId": "eni-1", "Groups": ["sg-1", "sg-2"]}),
        )]),
    ));
    let association = Some(
        json!({"IamInstanceProfileAssociations": [{"InstanceId": "i-1", "IamInstanceProfile": {"Arn": "arn"}, "State": "associated"}]}),
    );
    let none = Some(json!({"IamInstanceProfileAssociations": []}));
    let associate = json!({"InstanceId": "i-1", "IamInstanceProfile": {"Arn": "arn"}});
    cases.push(case(
        "ec2:DisassociateIamInstanceProfile",
        json!({"AssociationId": "a"}),
        association.clone(),
        none.clone(),
        Some(vec![("AssociateIamInstanceProfile", associate.clone())]),
    ));
    cases.push(case("ec2:AssociateIamInstanceProfile", associate, none, association, None));
    cases.push(case(
        "ec2:CreateSnapshots",
        json!({"InstanceSpecification": {"InstanceId": "i-1"}, "Description": "d"}),
        Some(json!({"Snapshots": []})),
        Some(json!({"Snapshots": [{"SnapshotId": "snap-1"}]})),
        None,
    ));
    let tag = |value: &str| json!({"ResourceId": "i-1", "Key": "k", "Value": value});
    cases.push(case("ec2:CreateTags", json!({"Resources": ["i-1"], "Tags": [{"Key": "k", "Value": "new"}, {"Key": "l", "Value": "x"}]}), Some(json!({"Tags": [tag("old")]})),
        Some(json!({"Tags": [tag("new"), {"ResourceId": "i-1", "Key": "l", "Value": "x"}]})),
        Some(vec![("CreateTags", json!({"Resources": ["i-1"], "Tags": [{"Key": "k", "Value": "old"}]})), ("DeleteTags", json!({"Resources": ["i-1"], "Tags": [{"Key": "l"}]}))])));
    cases.push(case(
        "ec2:DeleteTags",
        json!({"Resources": ["i-1"], "Tags": [{"Key": "k"}]}),
        Some(json!({"Tags": [tag("old")]})),
        Some(json!({"Tags": []})),
        Some(vec![(
            "CreateTags",
            json!({"Resources": ["i-1"], "Tags": [{"Key": "k", "Value": "old"}]}),
        )]),
    ));
    cases
}
