//! EC2: rules of security groups, who has a snapshot or an image, instances and their network interfaces.

use serde_json::{Map, Value, json};

use super::Risk::{R0, R1, R2};
use super::common::{change, flag, list, object, read, text};
use super::effect::Fill::{Filter, ListOf, Same};
use super::effect::{Custom, Effect, Read, Shape, at, call_like, only, unreadable};
use super::{Api, Input, Right, attributes, tags};
use crate::call::Call;

const GROUP: &[&str] = &[
    "arn:{partition}:ec2:{region}:{account}:security-group/{GroupId}",
    "arn:{partition}:ec2:{region}:{account}:security-group-rule/*",
];
const INSTANCES: &[&str] = &["arn:{partition}:ec2:{region}:{account}:instance/{InstanceIds}"];
const SNAPSHOT: &[&str] = &["arn:{partition}:ec2:{region}::snapshot/{SnapshotId}"];
const IMAGE: &[&str] = &["arn:{partition}:ec2:{region}::image/{ImageId}"];
const INTERFACE: &[&str] = &[
    "arn:{partition}:ec2:{region}:{account}:network-interface/{NetworkInterfaceId}",
    "arn:{partition}:ec2:{region}:{account}:security-group/{Groups}",
];

/// The tag of a rule that was put back: the id it had, since EC2 gives it another.
const RESTORES: &str = "trailloop-restores";

/// Rules by the ids that they had, without them: a rule that was put back equals the one that was.
const fn rules(
    inverses: &'static [&'static str],
    is_achieved: fn(&Call, &Value) -> bool,
) -> Effect {
    Effect {
        reads: &[Read {
            api: "DescribeSecurityGroupRules",
            inputs: &[("Filters", Filter("group-id", "GroupId"))],
        }],
        inverses,
        shape: Shape::Custom(Custom { state: rules_named, is_achieved, restore: rules_back }),
    }
}

const REVOKE: Effect = rules(&["AuthorizeSecurityGroupIngress"], |_, state| {
    state.as_object().is_some_and(Map::is_empty)
});
/// A rule that was put back is not taken away again: it has an id that the call doesn't know.
const AUTHORIZE: Effect = rules(&[], |call, state| {
    let ids = rule_ids(call);
    !ids.is_empty() && ids.iter().all(|id| state.get(id).is_some())
});

/// The ids of the rules that a call is about: it names them, or says by tags which ones it puts back.
fn rule_ids(call: &Call) -> Vec<String> {
    let texts = |value: &Value| -> Vec<String> {
        let items = value.as_array().into_iter().flatten();
        items.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    match call.inputs.get("SecurityGroupRuleIds") {
        Some(ids) => texts(ids),
        None => {
            let specifications = call.inputs.get("TagSpecifications").and_then(Value::as_array);
            let tagged = specifications.into_iter().flatten();
            tagged.filter_map(restored_id).map(str::to_owned).collect()
        }
    }
}

/// The id that a rule had, by its tags.
fn restored_id(tagged: &Value) -> Option<&str> {
    let tags = tagged.get("Tags")?.as_array()?;
    tags.iter()
        .find(|tag| tag.get("Key").is_some_and(|key| key == RESTORES))?
        .get("Value")?
        .as_str()
}

const RULE: [&str; 8] = [
    "IpProtocol",
    "FromPort",
    "ToPort",
    "CidrIpv4",
    "CidrIpv6",
    "PrefixListId",
    "ReferencedGroupInfo",
    "Description",
];

fn rules_named(call: &Call, answers: &[Option<Value>]) -> Value {
    let Some(answer) = only(answers) else { return Value::Null };
    let Some(rules) = answer.get("SecurityGroupRules").and_then(Value::as_array) else {
        return unreadable("SecurityGroupRules");
    };
    let mut ids = rule_ids(call);
    ids.sort();
    let found = ids.into_iter().filter_map(|id| {
        let has_it = |rule: &&Value| rule.get("SecurityGroupRuleId").is_some_and(|had| *had == id);
        let replaces_it = |rule: &&Value| restored_id(rule) == Some(&id);
        let rule = rules.iter().find(has_it).or_else(|| rules.iter().find(replaces_it))?;
        let kept =
            RULE.iter().filter_map(|name| Some(((*name).to_owned(), at(rule, &[name])?.clone())));
        Some((id, Value::Object(kept.collect())))
    });
    Value::Object(found.collect())
}

/// One call for each rule, because a call's tags are those of all its rules.
fn rules_back(call: &Call, before: &Value) -> Option<Vec<Call>> {
    if call.api != "RevokeSecurityGroupIngress" {
        return None;
    }
    let back = |(id, rule): (&String, &Value)| {
        let mut back = call_like(call, "AuthorizeSecurityGroupIngress", &["GroupId"]);
        back.inputs.insert("IpPermissions".to_owned(), json!([permission(rule)?]));
        back.inputs.insert(
            "TagSpecifications".to_owned(),
            json!([{
                "ResourceType": "security-group-rule",
                "Tags": [{ "Key": RESTORES, "Value": id }],
            }]),
        );
        Some(back)
    };
    before.as_object()?.iter().map(back).collect()
}

/// A rule as the call that makes it wants it.
fn permission(rule: &Value) -> Option<Value> {
    let (list, name, from) = [
        ("IpRanges", "CidrIp", "CidrIpv4"),
        ("Ipv6Ranges", "CidrIpv6", "CidrIpv6"),
        ("PrefixListIds", "PrefixListId", "PrefixListId"),
        ("UserIdGroupPairs", "", "ReferencedGroupInfo"),
    ]
    .into_iter()
    .find(|(_, _, from)| at(rule, &[from]).is_some())?;
    let mut source = Map::new();
    if name.is_empty() {
        for member in ["GroupId", "UserId", "VpcId", "VpcPeeringConnectionId"] {
            if let Some(value) = at(rule, &[from, member]) {
                source.insert(member.to_owned(), value.clone());
            }
        }
    } else {
        source.insert(name.to_owned(), at(rule, &[from])?.clone());
    }
    if let Some(description) = at(rule, &["Description"]) {
        source.insert("Description".to_owned(), description.clone());
    }
    let mut permission = Map::new();
    // A rule for every protocol is for every port; EC2 shows it with ports that nobody gave it.
    let is_for_all = at(rule, &["IpProtocol"]).is_some_and(|protocol| protocol == "-1");
    let members = ["IpProtocol", "FromPort", "ToPort"];
    for member in members.into_iter().take(if is_for_all { 1 } else { 3 }) {
        if let Some(value) = at(rule, &[member]) {
            permission.insert(member.to_owned(), value.clone());
        }
    }
    permission.insert(list.to_owned(), json!([source]));
    Some(Value::Object(permission))
}

/// An instance that is stopping will be stopped, so both are the same state.
const fn power(is_achieved: fn(&Call, &Value) -> bool) -> Effect {
    Effect {
        reads: &[Read { api: "DescribeInstances", inputs: &[("InstanceIds", Same)] }],
        inverses: &["StartInstances", "StopInstances"],
        shape: Shape::Custom(Custom { state: instances, is_achieved, restore: instances_back }),
    }
}

const STOP: Effect = power(|call, state| all_are(call, state, &["stopped", "terminated"]));
const START: Effect = power(|call, state| all_are(call, state, &["running"]));

fn instances(_: &Call, answers: &[Option<Value>]) -> Value {
    let Some(answer) = only(answers) else { return Value::Null };
    let Some(reservations) = answer.get("Reservations").and_then(Value::as_array) else {
        return unreadable("Reservations");
    };
    let found = reservations.iter().filter_map(|one| one.get("Instances")?.as_array()).flatten();
    let mut states: Vec<(&str, &str)> = found
        .filter_map(|instance| {
            let state = match at(instance, &["State", "Name"])?.as_str()? {
                "pending" => "running",
                "stopping" => "stopped",
                "shutting-down" => "terminated",
                other => other,
            };
            Some((at(instance, &["InstanceId"])?.as_str()?, state))
        })
        .collect();
    states.sort_unstable();
    states.into_iter().map(|(id, state)| (id.to_owned(), Value::from(state))).collect()
}

fn all_are(call: &Call, state: &Value, names: &[&str]) -> bool {
    let ids = call.inputs.get("InstanceIds").and_then(Value::as_array);
    ids.is_some_and(|ids| {
        !ids.is_empty()
            && ids.iter().all(|id| {
                let state = id.as_str().and_then(|id| state.get(id)?.as_str());
                state.is_some_and(|state| names.contains(&state))
            })
    })
}

fn instances_back(call: &Call, before: &Value) -> Option<Vec<Call>> {
    let before = before.as_object()?;
    let mut calls = Vec::new();
    for (name, api) in [("running", "StartInstances"), ("stopped", "StopInstances")] {
        let ids: Vec<&String> =
            before.iter().filter(|(_, state)| *state == name).map(|(id, _)| id).collect();
        // The call itself leaves those as they were that were what it makes of them.
        if !ids.is_empty() && call.api != api {
            let mut back = call_like(call, api, &[]);
            back.inputs.insert("InstanceIds".to_owned(), json!(ids));
            calls.push(back);
        }
    }
    Some(calls)
}

const INTERFACE_GROUPS: Effect = Effect {
    reads: &[Read {
        api: "DescribeNetworkInterfaces",
        inputs: &[("NetworkInterfaceIds", ListOf("NetworkInterfaceId"))],
    }],
    inverses: &["ModifyNetworkInterfaceAttribute"],
    shape: Shape::Custom(Custom {
        state: |_, answers| {
            let Some(answer) = only(answers) else { return Value::Null };
            let interfaces = answer.get("NetworkInterfaces").and_then(Value::as_array);
            let Some(interfaces) = interfaces else { return unreadable("NetworkInterfaces") };
            let Some(interface) = interfaces.first() else { return Value::Null };
            let Some(groups) = interface.get("Groups").and_then(Value::as_array) else {
                return unreadable("Groups");
            };
            let mut ids: Vec<&str> =
                groups.iter().filter_map(|group| group.get("GroupId")?.as_str()).collect();
            ids.sort_unstable();
            json!({ "Groups": ids })
        },
        is_achieved: |call, state| {
            let mut wanted = call.inputs.get("Groups").and_then(Value::as_array).cloned();
            if let Some(wanted) = &mut wanted {
                wanted.sort_by_cached_key(Value::to_string);
            }
            wanted.is_some() && wanted.as_ref() == state.get("Groups").and_then(Value::as_array)
        },
        restore: |call, before| {
            let groups = before.get("Groups")?;
            let mut back = call_like(call, &call.api, &["NetworkInterfaceId"]);
            back.inputs.insert("Groups".to_owned(), groups.clone());
            Some(vec![back])
        },
    }),
};

/// The call names an association that is gone afterwards, and a new one has another id, so it can't be read back that it was
/// put back.
const ASSOCIATION: Effect = Effect {
    reads: &[Read {
        api: "DescribeIamInstanceProfileAssociations",
        inputs: &[
            ("AssociationIds", ListOf("AssociationId")),
            ("Filters", Filter("instance-id", "InstanceId")),
        ],
    }],
    inverses: &["AssociateIamInstanceProfile"],
    shape: Shape::Custom(Custom {
        state: association,
        is_achieved: |call, state| match call.api.as_str() {
            "DisassociateIamInstanceProfile" => state.is_null(),
            _ => {
                let wanted = call.inputs.get("IamInstanceProfile").and_then(|one| one.get("Arn"));
                wanted.is_some() && wanted == state.get("Arn")
            }
        },
        restore: |call, before| {
            let (instance, arn) = (before.get("InstanceId")?, before.get("Arn")?);
            let mut back = call_like(call, "AssociateIamInstanceProfile", &[]);
            back.inputs.insert("InstanceId".to_owned(), instance.clone());
            back.inputs.insert("IamInstanceProfile".to_owned(), json!({ "Arn": arn }));
            Some(vec![back])
        },
    }),
};

fn association(_: &Call, answers: &[Option<Value>]) -> Value {
    let Some(answer) = only(answers) else { return Value::Null };
    let list = "IamInstanceProfileAssociations";
    let Some(associations) = answer.get(list).and_then(Value::as_array) else {
        return unreadable(list);
    };
    let lives = |one: &&Value| {
        !one.get("State").is_some_and(|state| state == "disassociated" || state == "disassociating")
    };
    let Some(one) = associations.iter().find(lives) else { return Value::Null };
    let parts = at(one, &["InstanceId"]).zip(at(one, &["IamInstanceProfile", "Arn"]));
    let Some((instance, arn)) = parts else { return unreadable(list) };
    json!({ "InstanceId": instance, "Arn": arn })
}

const FILTERS: Input = list("Filters").optional();
const TAGGED: &[Input] = &[list("Resources"), list("Tags")];
/// Tags are set on what a call makes.
const TAG_RULES: &[Right] = &[Right {
    action: "ec2:CreateTags",
    resources: &["arn:{partition}:ec2:{region}:{account}:security-group-rule/*"],
}];
const TAG_SNAPSHOTS: &[Right] =
    &[Right { action: "ec2:CreateTags", resources: &["arn:{partition}:ec2:{region}::snapshot/*"] }];
const PASS_ROLE: &[Right] =
    &[Right { action: "iam:PassRole", resources: &["arn:{partition}:iam::{account}:role/*"] }];

/// Reads of EC2, which knows no resources for them.
pub(super) const READS: &[Api] = &[
    read(
        "ec2",
        "DescribeSecurityGroupRules",
        &[list("SecurityGroupRuleIds").optional(), FILTERS],
        &[],
    ),
    read("ec2", "DescribeSnapshotAttribute", &[text("SnapshotId"), text("Attribute")], SNAPSHOT),
    read(
        "ec2",
        "DescribeSnapshots",
        &[list("SnapshotIds").optional(), list("OwnerIds").optional(), FILTERS],
        &[],
    ),
    read("ec2", "DescribeImageAttribute", &[text("ImageId"), text("Attribute")], &[]),
    read("ec2", "DescribeInstances", &[list("InstanceIds").optional(), FILTERS], &[]),
    read(
        "ec2",
        "DescribeIamInstanceProfileAssociations",
        &[list("AssociationIds").optional(), FILTERS],
        &[],
    ),
    read(
        "ec2",
        "DescribeNetworkInterfaces",
        &[list("NetworkInterfaceIds").optional(), FILTERS],
        &[],
    ),
    read("ec2", "DescribeTags", &[FILTERS], &[]),
];

/// Changes of EC2.
pub(super) const CHANGES: &[Api] = &[
    change(
        "ec2",
        "RevokeSecurityGroupIngress",
        R1,
        &[text("GroupId"), list("SecurityGroupRuleIds")],
        GROUP,
        &REVOKE,
    ),
    change(
        "ec2",
        "AuthorizeSecurityGroupIngress",
        R2,
        &[text("GroupId"), list("IpPermissions"), list("TagSpecifications").optional()],
        GROUP,
        &AUTHORIZE,
    )
    .with(TAG_RULES)
    .only_undoes(),
    change(
        "ec2",
        "ModifySnapshotAttribute",
        R1,
        &[
            text("SnapshotId"),
            text("Attribute"),
            text("OperationType"),
            list("UserIds").optional(),
            list("GroupNames").optional(),
        ],
        SNAPSHOT,
        &attributes::SNAPSHOT,
    ),
    change(
        "ec2",
        "ModifyImageAttribute",
        R1,
        &[
            text("ImageId"),
            text("Attribute"),
            text("OperationType"),
            list("UserIds").optional(),
            list("UserGroups").optional(),
        ],
        IMAGE,
        &attributes::IMAGE,
    ),
    change(
        "ec2",
        "StopInstances",
        R2,
        &[list("InstanceIds"), flag("Force").optional()],
        INSTANCES,
        &STOP,
    ),
    change("ec2", "StartInstances", R2, &[list("InstanceIds")], INSTANCES, &START).only_undoes(),
    change(
        "ec2",
        "DisassociateIamInstanceProfile",
        R2,
        &[text("AssociationId")],
        &["arn:{partition}:ec2:{region}:{account}:instance/*"],
        &ASSOCIATION,
    )
    .planned(),
    change(
        "ec2",
        "AssociateIamInstanceProfile",
        R2,
        &[text("InstanceId"), object("IamInstanceProfile")],
        &["arn:{partition}:ec2:{region}:{account}:instance/{InstanceId}"],
        &ASSOCIATION,
    )
    .with(PASS_ROLE)
    .only_undoes()
    .planned(),
    change(
        "ec2",
        "ModifyNetworkInterfaceAttribute",
        R2,
        &[text("NetworkInterfaceId"), list("Groups")],
        INTERFACE,
        &INTERFACE_GROUPS,
    ),
    change(
        "ec2",
        "CreateSnapshots",
        R0,
        &[
            object("InstanceSpecification"),
            text("Description"),
            text("CopyTagsFromSource").optional(),
            list("TagSpecifications").optional(),
        ],
        &[
            "arn:{partition}:ec2:{region}:{account}:instance/*",
            "arn:{partition}:ec2:{region}:{account}:volume/*",
            "arn:{partition}:ec2:{region}::snapshot/*",
        ],
        &tags::SNAPSHOTS,
    )
    .with(TAG_SNAPSHOTS),
    change(
        "ec2",
        "CreateTags",
        R1,
        TAGGED,
        &[
            "arn:{partition}:ec2:{region}:{account}:*/{Resources}",
            "arn:{partition}:ec2:{region}::*/{Resources}",
        ],
        &tags::TAGS,
    ),
    change(
        "ec2",
        "DeleteTags",
        R1,
        TAGGED,
        &[
            "arn:{partition}:ec2:{region}:{account}:*/{Resources}",
            "arn:{partition}:ec2:{region}::*/{Resources}",
        ],
        &tags::NO_TAGS,
    )
    .only_undoes(),
];
