//! Compute and network, detectors, and the services that tell people.

use serde_json::{Map, Value, json};

use super::parts::{at, change, other, planned, read, reading, sorted, undoing};
use super::{Api, Effect, Risk};
use crate::call::Call;

const GROUP: &str = "arn:{partition}:ec2:{region}:{account}:security-group/{GroupId}";
const SNAPSHOT: &str = "arn:{partition}:ec2:{region}::snapshot/{SnapshotId}";
const IMAGE: &str = "arn:{partition}:ec2:{region}::image/{ImageId}";
const DETECTOR: &str = "arn:{partition}:guardduty:{region}:{account}:detector/{DetectorId}";

/// The table.
pub(super) const APIS: &[Api] = &[
    read("ec2", "DescribeInstances", (&[], &["InstanceIds"]), &["ec2:DescribeInstances"], "*"),
    read(
        "ec2",
        "DescribeSecurityGroupRules",
        (&[], &["SecurityGroupRuleIds", "Filters"]),
        &["ec2:DescribeSecurityGroupRules"],
        "*",
    ),
    read(
        "ec2",
        "DescribeSnapshotAttribute",
        (&["SnapshotId", "Attribute"], &[]),
        &["ec2:DescribeSnapshotAttribute"],
        SNAPSHOT,
    ),
    read(
        "ec2",
        "DescribeImageAttribute",
        (&["ImageId", "Attribute"], &[]),
        &["ec2:DescribeImageAttribute"],
        IMAGE,
    ),
    read("guardduty", "GetDetector", (&["DetectorId"], &[]), &["guardduty:GetDetector"], DETECTOR),
    read("guardduty", "ListDetectors", (&[], &[]), &["guardduty:ListDetectors"], "*"),
    read(
        "config",
        "DescribeConfigurationRecorderStatus",
        (&[], &["ConfigurationRecorderNames"]),
        &["config:DescribeConfigurationRecorderStatus"],
        "*",
    ),
    read(
        "ssm",
        "GetParameter",
        (&["Name"], &["WithDecryption"]),
        &["ssm:GetParameter"],
        "arn:{partition}:ssm:{region}:{account}:parameter/*",
    ),
    read(
        "ssm",
        "GetCalendarState",
        (&["CalendarNames"], &["AtTime"]),
        &["ssm:GetCalendarState"],
        "*",
    ),
    read(
        "sns",
        "Publish",
        (&["TopicArn", "Message"], &["Subject"]),
        &["sns:Publish"],
        "{TopicArn}",
    ),
    read(
        "sqs",
        "SendMessage",
        (&["QueueUrl", "MessageBody"], &["MessageGroupId", "MessageDeduplicationId"]),
        &["sqs:SendMessage"],
        "arn:{partition}:sqs:{region}:{account}:*",
    ),
    read(
        "securityhub",
        "BatchImportFindings",
        (&["Findings"], &[]),
        &["securityhub:BatchImportFindings"],
        "*",
    ),
    read(
        "securityhub",
        "BatchUpdateFindings",
        (
            &["FindingIdentifiers"],
            &["Workflow", "Note", "VerificationState", "Confidence", "UserDefinedFields"],
        ),
        &["securityhub:BatchUpdateFindings"],
        "*",
    ),
    change(
        ("ec2", "RevokeSecurityGroupIngress", Risk::R1),
        (&["GroupId", "SecurityGroupRuleIds"], &[]),
        &["ec2:RevokeSecurityGroupIngress"],
        GROUP,
        Effect {
            reads: &[reading(
                "DescribeSecurityGroupRules",
                &[("SecurityGroupRuleIds", "SecurityGroupRuleIds")],
            )],
            state: rules,
            achieved: |_, state| state.as_array().is_none_or(Vec::is_empty),
            restore: |call, before| {
                let permissions: Vec<Value> = before.as_array()?.iter().map(permission).collect();
                Some(vec![other(
                    call,
                    "AuthorizeSecurityGroupIngress",
                    &["GroupId"],
                    &[("IpPermissions", permissions.into())],
                )])
            },
        },
    ),
    undoing(
        "ec2",
        "AuthorizeSecurityGroupIngress",
        (&["GroupId", "IpPermissions"], &[]),
        &["ec2:AuthorizeSecurityGroupIngress"],
        GROUP,
    ),
    change(
        ("ec2", "ModifySnapshotAttribute", Risk::R1),
        (&["SnapshotId", "Attribute", "OperationType"], &["UserIds", "GroupNames"]),
        &["ec2:ModifySnapshotAttribute"],
        SNAPSHOT,
        Effect {
            reads: &[reading(
                "DescribeSnapshotAttribute",
                &[("SnapshotId", "SnapshotId"), ("Attribute", "Attribute")],
            )],
            state: |call, answers| shared_with(call, &at(answers, "/CreateVolumePermissions")),
            achieved: |call, state| is_shared_as_wanted(call, state),
            restore: |call, before| {
                share(call, "ModifySnapshotAttribute", &["SnapshotId", "Attribute"], before)
            },
        },
    ),
    change(
        ("ec2", "ModifyImageAttribute", Risk::R1),
        (&["ImageId", "Attribute", "OperationType"], &["UserIds", "UserGroups"]),
        &["ec2:ModifyImageAttribute"],
        IMAGE,
        Effect {
            reads: &[reading(
                "DescribeImageAttribute",
                &[("ImageId", "ImageId"), ("Attribute", "Attribute")],
            )],
            state: |call, answers| shared_with(call, &at(answers, "/LaunchPermissions")),
            achieved: |call, state| is_shared_as_wanted(call, state),
            restore: |call, before| {
                share(call, "ModifyImageAttribute", &["ImageId", "Attribute"], before)
            },
        },
    ),
    change(
        ("ec2", "StopInstances", Risk::R2),
        (&["InstanceIds"], &[]),
        &["ec2:StopInstances"],
        "arn:{partition}:ec2:{region}:{account}:instance/*",
        Effect {
            reads: &[reading("DescribeInstances", &[("InstanceIds", "InstanceIds")])],
            state: instance_states,
            achieved: |_, state| {
                let stops = |state: &Value| {
                    *state == "stopped" || *state == "stopping" || *state == "terminated"
                };
                state.as_object().is_some_and(|all| !all.is_empty() && all.values().all(stops))
            },
            restore: |call, before| {
                let ran: Vec<Value> = before
                    .as_object()?
                    .iter()
                    .filter(|(_, state)| **state == "running")
                    .map(|(id, _)| id.clone().into())
                    .collect();
                Some(vec![other(call, "StartInstances", &[], &[("InstanceIds", ran.into())])])
            },
        },
    ),
    undoing(
        "ec2",
        "StartInstances",
        (&["InstanceIds"], &[]),
        &["ec2:StartInstances"],
        "arn:{partition}:ec2:{region}:{account}:instance/*",
    ),
    change(
        ("guardduty", "UpdateDetector", Risk::R1),
        (&["DetectorId", "Enable"], &[]),
        &["guardduty:UpdateDetector"],
        DETECTOR,
        Effect {
            reads: &[reading("GetDetector", &[("DetectorId", "DetectorId")])],
            state: |_, answers| match at(answers, "/Status").as_str() {
                Some(status) => json!(status == "ENABLED"),
                None => Value::Null,
            },
            achieved: |call, state| call.inputs.get("Enable") == Some(state),
            restore: |call, before| {
                Some(vec![other(
                    call,
                    "UpdateDetector",
                    &["DetectorId"],
                    &[("Enable", before.as_bool()?.into())],
                )])
            },
        },
    ),
    change(
        ("config", "StartConfigurationRecorder", Risk::R1),
        (&["ConfigurationRecorderName"], &[]),
        &["config:StartConfigurationRecorder"],
        "*",
        Effect {
            reads: &[reading("DescribeConfigurationRecorderStatus", &[])],
            state: |call, answers| {
                let name = call.inputs.get("ConfigurationRecorderName");
                let list = "ConfigurationRecordersStatus";
                let found = super::parts::entry(answers, list, "name", name);
                found.and_then(|one| one.get("recording").cloned()).unwrap_or(Value::Null)
            },
            achieved: |_, state| *state == true,
            restore: |call, before| {
                (*before == false).then(|| {
                    vec![other(
                        call,
                        "StopConfigurationRecorder",
                        &["ConfigurationRecorderName"],
                        &[],
                    )]
                })
            },
        },
    ),
    undoing(
        "config",
        "StopConfigurationRecorder",
        (&["ConfigurationRecorderName"], &[]),
        &["config:StopConfigurationRecorder"],
        "*",
    ),
    planned(
        "s3control",
        "PutPublicAccessBlock",
        (&["AccountId", "PublicAccessBlockConfiguration"], &[]),
        &["s3:PutAccountPublicAccessBlock"],
        "*",
    ),
    planned(
        "ssm",
        "StartAutomationExecution",
        (&["DocumentName"], &["Parameters"]),
        &["ssm:StartAutomationExecution"],
        "*",
    ),
];

/// The rules that are there, without their ids: a rule that is made again has another.
fn rules(_: &Call, answers: &[Option<Value>]) -> Value {
    let listed = at(answers, "/SecurityGroupRules");
    let rule = |rule: &Value| {
        let kept = [
            "IpProtocol",
            "FromPort",
            "ToPort",
            "CidrIpv4",
            "CidrIpv6",
            "PrefixListId",
            "ReferencedGroupInfo",
            "Description",
        ];
        let members =
            kept.iter().filter_map(|name| Some(((*name).to_owned(), rule.get(*name)?.clone())));
        Value::Object(members.collect::<Map<_, _>>())
    };
    match listed.as_array() {
        Some(listed) if !listed.is_empty() => sorted(listed.iter().map(rule)),
        _ => Value::Null,
    }
}

/// A rule as the call that makes it wants it.
fn permission(rule: &Value) -> Value {
    let mut permission = Map::new();
    for name in ["IpProtocol", "FromPort", "ToPort"] {
        if let Some(value) = rule.get(name) {
            permission.insert(name.to_owned(), value.clone());
        }
    }
    let ranges = [
        ("CidrIpv4", "IpRanges", "CidrIp"),
        ("CidrIpv6", "Ipv6Ranges", "CidrIpv6"),
        ("PrefixListId", "PrefixListIds", "PrefixListId"),
    ];
    for (from, list, to) in ranges {
        if let Some(value) = rule.get(from) {
            let mut range = Map::new();
            range.insert(to.to_owned(), value.clone());
            if let Some(description) = rule.get("Description") {
                range.insert("Description".to_owned(), description.clone());
            }
            permission.insert(list.to_owned(), json!([range]));
        }
    }
    Value::Object(permission)
}

/// Of those whom the call names, with whom it is shared.
fn shared_with(call: &Call, permissions: &Value) -> Value {
    let listed = permissions.as_array().map(Vec::as_slice).unwrap_or_default();
    let named = named(call);
    let shared = listed.iter().filter_map(|one| one.get("UserId").or_else(|| one.get("Group")));
    sorted(shared.filter(|one| named.contains(one)).cloned())
}

/// The accounts and groups that the call names.
fn named(call: &Call) -> Vec<&Value> {
    ["UserIds", "GroupNames", "UserGroups"]
        .iter()
        .filter_map(|list| call.inputs.get(*list)?.as_array())
        .flatten()
        .collect()
}

fn is_shared_as_wanted(call: &Call, state: &Value) -> bool {
    let shared = state.as_array().map_or(0, Vec::len);
    match call.text("OperationType") {
        Some("remove") => shared == 0,
        Some("add") => shared == named(call).len(),
        _ => false,
    }
}

/// The call that shares with those again with whom it was shared before.
fn share(call: &Call, api: &str, kept: &[&str], before: &Value) -> Option<Vec<Call>> {
    let before = before.as_array()?;
    let is_account =
        |one: &&Value| one.as_str().is_some_and(|id| id.bytes().all(|b| b.is_ascii_digit()));
    let (accounts, groups): (Vec<&Value>, Vec<&Value>) = before.iter().partition(is_account);
    let list = if api == "ModifyImageAttribute" { "UserGroups" } else { "GroupNames" };
    let mut more = vec![("OperationType", json!("add"))];
    if !accounts.is_empty() {
        more.push(("UserIds", json!(accounts)));
    }
    if !groups.is_empty() {
        more.push((list, json!(groups)));
    }
    Some(vec![other(call, api, kept, &more)])
}

/// The state of each instance.
fn instance_states(_: &Call, answers: &[Option<Value>]) -> Value {
    let reservations = at(answers, "/Reservations");
    let mut states = Map::new();
    for reservation in reservations.as_array().into_iter().flatten() {
        for instance in reservation.get("Instances").and_then(Value::as_array).into_iter().flatten()
        {
            if let Some(id) = instance.get("InstanceId").and_then(Value::as_str) {
                let state = instance.pointer("/State/Name").cloned().unwrap_or(Value::Null);
                states.insert(id.to_owned(), state);
            }
        }
    }
    if states.is_empty() { Value::Null } else { Value::Object(states) }
}
