//! Resources of EC2, and snapshots of databases, which are shared in the same way.

use serde_json::{Value, json};

use super::{Event, Resource, text};
use crate::target::names;

/// How many ids one record may name; a record that names more has no resource, because acting on some of them would pass for
/// acting on all.
const IDS_MAX: usize = 1000;

pub(super) fn read(call: &Event<'_>) -> Option<Resource> {
    match call.name {
        "AuthorizeSecurityGroupIngress" | "AuthorizeSecurityGroupEgress" => rules(call),
        "ModifySnapshotAttribute" => shared(call, &SNAPSHOT),
        "ModifyImageAttribute" => shared(call, &IMAGE),
        "RunInstances" => instances(call),
        _ => None,
    }
}

fn rules(call: &Event<'_>) -> Option<Resource> {
    let items = &call.response["securityGroupRuleSet"]["items"];
    let is_group = |id: &str| names::is_ec2_id(id, "sg");
    let asked = text(&call.request["groupId"], is_group);
    let group = asked.or_else(|| text(&items[0]["groupId"], is_group))?;
    let ids = ids(items, |item| {
        let is_of_group = item["groupId"].is_null() || item["groupId"] == group;
        text(&item["securityGroupRuleId"], |id| names::is_ec2_id(id, "sgr")).filter(|_| is_of_group)
    })?;
    let arn = call.regional_arn("ec2", &format!("security-group/{group}"));
    let mut resource = call.resource("AWS::EC2::SecurityGroup", group, arn);
    let direction = if call.name.ends_with("Egress") { "egress" } else { "ingress" };
    resource.details.insert("direction".to_owned(), json!(direction));
    resource.details.insert("rule_ids".to_owned(), json!(ids));
    resource.created.insert("rule_ids".to_owned(), json!(ids));
    Some(resource)
}

/// The ids of a list, all of which have to be of their form.
fn ids<'a>(items: &'a Value, id: impl Fn(&'a Value) -> Option<&'a str>) -> Option<Vec<&'a str>> {
    let items = items.as_array().map(Vec::as_slice).unwrap_or_default();
    if items.len() > IDS_MAX {
        return None;
    }
    items.iter().map(id).collect()
}

/// A thing that is shared by a list of accounts.
struct Shared {
    kind: &'static str,
    id: &'static str,
    prefix: &'static str,
    /// The list in the request.
    list: &'static str,
    arn: &'static str,
}

const SNAPSHOT: Shared = Shared {
    kind: "AWS::EC2::Snapshot",
    id: "snapshotId",
    prefix: "snap",
    list: "createVolumePermission",
    arn: "snapshot",
};
const IMAGE: Shared = Shared {
    kind: "AWS::EC2::Image",
    id: "imageId",
    prefix: "ami",
    list: "launchPermission",
    arn: "image",
};

fn shared(call: &Event<'_>, shared: &Shared) -> Option<Resource> {
    let id = text(&call.request[shared.id], |id| names::is_ec2_id(id, shared.prefix))?;
    let arn = call.regional_arn("ec2", &format!("{}/{id}", shared.arn));
    let added = call.request[shared.list]["add"]["items"].as_array();
    let added = added.map(Vec::as_slice).unwrap_or_default();
    let (mut users, mut groups) = (Vec::new(), Vec::new());
    if added.len() > IDS_MAX {
        return None;
    }
    for item in added {
        match (item["userId"].as_str(), item["group"].as_str()) {
            (Some(user), None) if names::is_account(user) => users.push(user),
            (None, Some("all")) => groups.push("all"),
            _ => return None,
        }
    }
    Some(with_added(call.resource(shared.kind, id, arn), &users, &groups))
}

fn with_added(mut resource: Resource, users: &[&str], groups: &[&str]) -> Resource {
    for (name, ids) in [("added_user_ids", users), ("added_groups", groups)] {
        resource.details.insert(name.to_owned(), json!(ids));
    }
    resource
}

fn instances(call: &Event<'_>) -> Option<Resource> {
    let ids = ids(&call.response["instancesSet"]["items"], |item| {
        text(&item["instanceId"], |id| names::is_ec2_id(id, "i"))
    })?;
    let first = ids.first()?;
    let arn = call.regional_arn("ec2", &format!("instance/{first}"));
    let mut resource = call.resource("AWS::EC2::Instance", first, arn);
    resource.details.insert("instance_ids".to_owned(), json!(ids));
    resource.created.insert("instance_ids".to_owned(), json!(ids));
    Some(resource)
}

pub(super) fn database_snapshot(call: &Event<'_>) -> Option<Resource> {
    let (kind, id, arn) = match call.name {
        "ModifyDBSnapshotAttribute" => ("AWS::RDS::DBSnapshot", "dBSnapshotIdentifier", "snapshot"),
        "ModifyDBClusterSnapshotAttribute" => {
            ("AWS::RDS::DBClusterSnapshot", "dBClusterSnapshotIdentifier", "cluster-snapshot")
        }
        _ => return None,
    };
    let id = text(&call.request[id], |id| names::is_plain(id, 255) && !id.starts_with("arn:"))?;
    let arn = call.regional_arn("rds", &format!("{arn}:{id}"));
    let added = ids(&call.request["valuesToAdd"], Value::as_str)?;
    let (groups, users): (Vec<_>, Vec<_>) = added.into_iter().partition(|one| *one == "all");
    if users.iter().any(|user| !names::is_account(user)) {
        return None;
    }
    Some(with_added(call.resource(kind, id, arn), &users, &groups))
}
