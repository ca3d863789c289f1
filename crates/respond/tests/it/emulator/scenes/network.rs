//! EC2: security groups, instances, snapshots and images.

use serde_json::{Value, json};

use super::{Drift, Ground, Scene};
use crate::emulator::aws::{Emulator, between};

pub(in super::super) fn opened_group(ground: &Ground<'_>) -> Scene {
    let aws = ground.aws();
    let name = ground.name("group");
    let made =
        aws.ec2("CreateSecurityGroup", &[("GroupName", &name), ("GroupDescription", "example")]);
    let group = between(&made, "<groupId>", "</groupId>").to_owned();
    let rules: [&[(&str, &str)]; 2] = [
        &[
            ("IpPermissions.1.IpProtocol", "tcp"),
            ("IpPermissions.1.FromPort", "22"),
            ("IpPermissions.1.ToPort", "22"),
            ("IpPermissions.1.IpRanges.1.CidrIp", "0.0.0.0/0"),
            ("IpPermissions.1.IpRanges.1.Description", "for now"),
        ],
        &[
            ("IpPermissions.1.IpProtocol", "-1"),
            ("IpPermissions.1.IpRanges.1.CidrIp", "198.51.100.0/24"),
        ],
    ];
    // In two calls, because moto answers with the rules of the last permission alone.
    let rule = |rule: &[(&str, &str)]| {
        let inputs = [&[("GroupId", group.as_str())], rule].concat();
        let made = aws.ec2("AuthorizeSecurityGroupIngress", &inputs);
        let id = between(&made, "<securityGroupRuleId>", "</securityGroupRuleId>");
        json!({"groupId": group, "securityGroupRuleId": id})
    };
    let items = rules.map(rule);
    let mut record = ground.record(
        "ec2.amazonaws.com",
        "AuthorizeSecurityGroupIngress",
        json!({"groupId": group}),
    );
    record["responseElements"] = json!({"_return": true, "securityGroupRuleSet": {"items": items}});
    let (looking, of) = (aws.clone(), group.clone());
    // The group's own list: a rule that was put back has another id.
    let look = move || {
        let shown = looking.seen_in_ec2("DescribeSecurityGroups", &[("GroupId.1", &of)]);
        let Some((_, rest)) = shown.split_once("<ipPermissions>") else { return shown };
        // EC2 lists them in no order.
        let rules = rest.split_once("</ipPermissions>").unwrap().0.split("<ipProtocol>").skip(1);
        let mut rules: Vec<&str> =
            rules.map(|rule| rule.rsplit_once("</item>").unwrap().0).collect();
        rules.sort_unstable();
        rules.join("\n")
    };
    let drift = move || {
        aws.ec2("DeleteSecurityGroup", &[("GroupId", &group)]);
    };
    Scene {
        record,
        look: Box::new(look),
        drift: Drift::Refused(Box::new(drift), "InvalidGroup.NotFound"),
    }
}

pub(in super::super) fn launched_instances(ground: &Ground<'_>) -> Scene {
    let aws = ground.aws();
    let inputs = [
        ("ImageId", "ami-0123456789abcdef0"),
        ("MinCount", "2"),
        ("MaxCount", "2"),
        ("InstanceType", "p4d.24xlarge"),
    ];
    let made = aws.ec2("RunInstances", &inputs);
    let ids: Vec<String> = made
        .split("<instanceId>")
        .skip(1)
        .map(|rest| rest.split_once("</instanceId>").unwrap().0.to_owned())
        .collect();
    let items: Vec<Value> = ids.iter().map(|id| json!({"instanceId": id})).collect();
    assert_eq!(items.len(), 2, "{made}");
    let mut record = ground.record("ec2.amazonaws.com", "RunInstances", json!({}));
    record["responseElements"] = json!({"instancesSet": {"items": items}});
    let (looking, of) = (aws.clone(), ids.clone());
    let look = move || {
        of.iter()
            .map(|id| {
                let shown = looking.seen_in_ec2("DescribeInstances", &[("InstanceId.1", id)]);
                let state = between(&shown, "<instanceState>", "</instanceState>");
                between(state, "<name>", "</name>").replace("pending", "running") + " "
            })
            .collect()
    };
    let drift = move || {
        aws.ec2("TerminateInstances", &[("InstanceId.1", &ids[0])]);
    };
    Scene { record, look: Box::new(look), drift: Drift::Refused(Box::new(drift), "terminated") }
}

/// A snapshot that was shared with an account before, and now with two others.
pub(in super::super) fn shared_snapshot(ground: &Ground<'_>) -> Scene {
    let aws = ground.aws();
    let made = aws.ec2("CreateVolume", &[("Size", "1"), ("AvailabilityZone", "us-east-1a")]);
    let volume = between(&made, "<volumeId>", "</volumeId>");
    let made = aws.ec2("CreateSnapshot", &[("VolumeId", volume)]);
    let id = between(&made, "<snapshotId>", "</snapshotId>").to_owned();
    shared(ground, "Snapshot", &id, "createVolumePermission")
}

/// The same of an image.
pub(in super::super) fn shared_image(ground: &Ground<'_>) -> Scene {
    let aws = ground.aws();
    let name = ground.name("image");
    let made = aws.ec2("RegisterImage", &[("Name", &name), ("RootDeviceName", "/dev/sda1")]);
    let id = between(&made, "<imageId>", "</imageId>").to_owned();
    shared(ground, "Image", &id, "launchPermission")
}

fn shared(ground: &Ground<'_>, kind: &'static str, id: &str, attribute: &'static str) -> Scene {
    let aws = ground.aws();
    let (id_input, modify) = (format!("{kind}Id"), format!("Modify{kind}Attribute"));
    let (of, named) = (id.to_owned(), id_input.clone());
    let share = move |aws: &Emulator, user: &str| {
        let inputs = [
            (named.as_str(), of.as_str()),
            ("Attribute", attribute),
            ("OperationType", "add"),
            ("UserId.1", user),
        ];
        aws.ec2(&modify, &inputs);
    };
    let (first, second) = ("444455556666", "777788889999");
    for user in ["222233334444", first, second] {
        share(&aws, user);
    }
    let lower = format!("{}Id", kind.to_ascii_lowercase());
    let items = json!([{"userId": first}, {"userId": second}]);
    let parameters = json!({lower: id, attribute: {"add": {"items": items}}});
    let record = ground.record("ec2.amazonaws.com", &format!("Modify{kind}Attribute"), parameters);
    let (looking, id) = (aws.clone(), id.to_owned());
    let look = move || {
        let inputs = [(id_input.as_str(), id.as_str()), ("Attribute", attribute)];
        let shown = looking.seen_in_ec2(&format!("Describe{kind}Attribute"), &inputs);
        let mut users: Vec<&str> = shown
            .split("<userId>")
            .skip(1)
            .map(|rest| rest.split_once("</userId>").unwrap().0)
            .collect();
        users.sort_unstable();
        users.join(" ")
    };
    let drift = move || share(&aws, first);
    Scene { record, look: Box::new(look), drift: Drift::Refused(Box::new(drift), first) }
}
