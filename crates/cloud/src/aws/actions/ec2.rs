//! EC2, by its query protocol: a table of its calls with their inputs, and XML in return.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::Caller;
use super::inputs::Inputs;
use super::signed::{Refusal, Reply, Request};
use super::xml;
use crate::actions::Answer;
use crate::error::{CloudError, CloudErrorKind};

const VERSION: &str = "2016-11-15";

const UNRESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// An input: its name in the SDKs, its name in the query, and what it is.
struct Field(&'static str, &'static str, Kind);

enum Kind {
    Text,
    /// Text that must be there.
    Name,
    Flag,
    Number,
    Texts,
    /// Texts of which there must be one.
    Names,
    Structure(&'static [Field]),
    Structures(&'static [Field]),
}

use Kind::{Flag, Name, Names, Number, Structure, Structures, Text, Texts};

const DRY_RUN: Field = Field("DryRun", "DryRun", Flag);
const NEXT_TOKEN: Field = Field("NextToken", "NextToken", Text);
const FILTERS: Field = Field(
    "Filters",
    "Filter",
    Structures(&[Field("Name", "Name", Name), Field("Values", "Value", Texts)]),
);
const TAGS: Field =
    Field("Tags", "Tag", Structures(&[Field("Key", "Key", Name), Field("Value", "Value", Text)]));
const IP_PERMISSIONS: Field = Field(
    "IpPermissions",
    "IpPermissions",
    Structures(&[
        Field("IpProtocol", "IpProtocol", Name),
        Field("FromPort", "FromPort", Number),
        Field("ToPort", "ToPort", Number),
        Field(
            "IpRanges",
            "IpRanges",
            Structures(&[
                Field("CidrIp", "CidrIp", Name),
                Field("Description", "Description", Text),
            ]),
        ),
        Field(
            "Ipv6Ranges",
            "Ipv6Ranges",
            Structures(&[
                Field("CidrIpv6", "CidrIpv6", Name),
                Field("Description", "Description", Text),
            ]),
        ),
        Field(
            "PrefixListIds",
            "PrefixListIds",
            Structures(&[
                Field("PrefixListId", "PrefixListId", Name),
                Field("Description", "Description", Text),
            ]),
        ),
        Field(
            "UserIdGroupPairs",
            "Groups",
            Structures(&[
                Field("GroupId", "GroupId", Text),
                Field("GroupName", "GroupName", Text),
                Field("UserId", "UserId", Text),
                Field("VpcId", "VpcId", Text),
                Field("VpcPeeringConnectionId", "VpcPeeringConnectionId", Text),
                Field("Description", "Description", Text),
            ]),
        ),
    ]),
);
const SHARED_WITH: Kind =
    Structures(&[Field("UserId", "UserId", Text), Field("Group", "Group", Text)]);
const LAUNCH_SHARED_WITH: Kind = Structures(&[
    Field("UserId", "UserId", Text),
    Field("Group", "Group", Text),
    Field("OrganizationArn", "OrganizationArn", Text),
    Field("OrganizationalUnitArn", "OrganizationalUnitArn", Text),
]);

/// The inputs of an API, if it is one that is made.
fn fields(api: &str) -> Option<&'static [Field]> {
    Some(match api {
        "DescribeSecurityGroupRules" => &[
            Field("SecurityGroupRuleIds", "SecurityGroupRuleId", Texts),
            FILTERS,
            NEXT_TOKEN,
            DRY_RUN,
        ],
        "RevokeSecurityGroupIngress" => &[
            Field("GroupId", "GroupId", Name),
            Field("SecurityGroupRuleIds", "SecurityGroupRuleId", Texts),
            IP_PERMISSIONS,
            DRY_RUN,
        ],
        "AuthorizeSecurityGroupIngress" => &[
            Field("GroupId", "GroupId", Name),
            IP_PERMISSIONS,
            Field(
                "TagSpecifications",
                "TagSpecification",
                Structures(&[Field("ResourceType", "ResourceType", Name), TAGS]),
            ),
            DRY_RUN,
        ],
        "DescribeInstances" => {
            &[Field("InstanceIds", "InstanceId", Texts), FILTERS, NEXT_TOKEN, DRY_RUN]
        }
        "StopInstances" => &[
            Field("InstanceIds", "InstanceId", Names),
            Field("Hibernate", "Hibernate", Flag),
            Field("Force", "Force", Flag),
            DRY_RUN,
        ],
        "StartInstances" => &[Field("InstanceIds", "InstanceId", Names), DRY_RUN],
        "CreateTags" | "DeleteTags" => &[Field("Resources", "ResourceId", Names), TAGS, DRY_RUN],
        "DescribeTags" => &[FILTERS, NEXT_TOKEN, DRY_RUN],
        "DescribeSnapshots" => &[
            Field("SnapshotIds", "SnapshotId", Texts),
            Field("OwnerIds", "Owner", Texts),
            FILTERS,
            NEXT_TOKEN,
            DRY_RUN,
        ],
        "CreateSnapshots" => &[
            Field("Description", "Description", Text),
            Field(
                "InstanceSpecification",
                "InstanceSpecification",
                Structure(&[
                    Field("InstanceId", "InstanceId", Name),
                    Field("ExcludeBootVolume", "ExcludeBootVolume", Flag),
                    Field("ExcludeDataVolumeIds", "ExcludeDataVolumeId", Texts),
                ]),
            ),
            Field("CopyTagsFromSource", "CopyTagsFromSource", Text),
            Field(
                "TagSpecifications",
                "TagSpecification",
                Structures(&[Field("ResourceType", "ResourceType", Name), TAGS]),
            ),
            DRY_RUN,
        ],
        _ => return sharing_fields(api).or_else(|| attachment_fields(api)),
    })
}

fn sharing_fields(api: &str) -> Option<&'static [Field]> {
    Some(match api {
        "DescribeSnapshotAttribute" => &[
            Field("Attribute", "Attribute", Name),
            Field("SnapshotId", "SnapshotId", Name),
            DRY_RUN,
        ],
        "ModifySnapshotAttribute" => &[
            Field("SnapshotId", "SnapshotId", Name),
            Field("Attribute", "Attribute", Text),
            Field("OperationType", "OperationType", Text),
            Field("UserIds", "UserId", Texts),
            Field("GroupNames", "UserGroup", Texts),
            Field(
                "CreateVolumePermission",
                "CreateVolumePermission",
                Structure(&[
                    Field("Add", "Add", SHARED_WITH),
                    Field("Remove", "Remove", SHARED_WITH),
                ]),
            ),
            DRY_RUN,
        ],
        "DescribeImageAttribute" => {
            &[Field("Attribute", "Attribute", Name), Field("ImageId", "ImageId", Name), DRY_RUN]
        }
        "ModifyImageAttribute" => &[
            Field("ImageId", "ImageId", Name),
            Field("Attribute", "Attribute", Text),
            Field("OperationType", "OperationType", Text),
            Field("UserIds", "UserId", Texts),
            Field("UserGroups", "UserGroup", Texts),
            Field(
                "LaunchPermission",
                "LaunchPermission",
                Structure(&[
                    Field("Add", "Add", LAUNCH_SHARED_WITH),
                    Field("Remove", "Remove", LAUNCH_SHARED_WITH),
                ]),
            ),
            DRY_RUN,
        ],
        _ => return None,
    })
}

/// What an instance holds: its role and its network interfaces.
fn attachment_fields(api: &str) -> Option<&'static [Field]> {
    Some(match api {
        "DescribeIamInstanceProfileAssociations" => {
            &[Field("AssociationIds", "AssociationId", Texts), FILTERS, NEXT_TOKEN]
        }
        "DisassociateIamInstanceProfile" => &[Field("AssociationId", "AssociationId", Name)],
        "AssociateIamInstanceProfile" => &[
            Field("InstanceId", "InstanceId", Name),
            Field(
                "IamInstanceProfile",
                "IamInstanceProfile",
                Structure(&[Field("Arn", "Arn", Text), Field("Name", "Name", Text)]),
            ),
        ],
        "DescribeNetworkInterfaces" => &[
            Field("NetworkInterfaceIds", "NetworkInterfaceId", Texts),
            FILTERS,
            NEXT_TOKEN,
            DRY_RUN,
        ],
        "ModifyNetworkInterfaceAttribute" => &[
            Field("NetworkInterfaceId", "NetworkInterfaceId", Name),
            Field("Groups", "SecurityGroupId", Names),
            DRY_RUN,
        ],
        _ => return None,
    })
}

/// Appends the parameters that these inputs are.
fn parameters(
    inputs: &mut Inputs,
    fields: &[Field],
    prefix: &str,
    into: &mut Vec<(String, String)>,
) -> Result<(), CloudError> {
    for Field(input, parameter, kind) in fields {
        let name = format!("{prefix}{parameter}");
        let nested = |members: &'static [Field]| {
            move |one: &mut Inputs| {
                let mut made = Vec::new();
                parameters(one, members, ".", &mut made)?;
                Ok(made)
            }
        };
        match kind {
            Text => into.extend(inputs.text(input)?.map(|text| (name, text))),
            Name => into.extend(inputs.name(input)?.map(|text| (name, text))),
            Flag => into.extend(inputs.flag(input)?.map(|flag| (name, flag.to_string()))),
            Number => into.extend(inputs.number(input)?.map(|number| (name, number.to_string()))),
            Texts => into.extend(numbered(&name, inputs.texts(input)?)),
            Names => into.extend(numbered(&name, inputs.names(input)?)),
            Structure(members) => {
                let made = inputs.structure(input, nested(members))?.into_iter().flatten();
                into.extend(made.map(|(member, text)| (format!("{name}{member}"), text)));
            }
            Structures(members) => {
                let items = inputs.structures(input, nested(members))?.into_iter().flatten();
                for (item, index) in items.zip(1..) {
                    let made = item.into_iter();
                    into.extend(
                        made.map(|(member, text)| (format!("{name}.{index}{member}"), text)),
                    );
                }
            }
        }
    }
    Ok(())
}

fn numbered(name: &str, texts: Option<Vec<String>>) -> Vec<(String, String)> {
    let texts = texts.into_iter().flatten();
    texts.zip(1..).map(|(text, index)| (format!("{name}.{index}"), text)).collect()
}

/// Makes one call of this service.
pub(super) async fn call(caller: &Caller<'_>, mut inputs: Inputs) -> Result<Answer, CloudError> {
    let api = caller.call.api.as_str();
    let Some(fields) = fields(api) else { return Err(inputs.unknown_api()) };
    let mut query =
        vec![("Action".to_owned(), api.to_owned()), ("Version".to_owned(), VERSION.to_owned())];
    parameters(&mut inputs, fields, "", &mut query)?;
    inputs.end()?;
    let encoded = |text: &str| utf8_percent_encode(text, &UNRESERVED).to_string();
    let query: Vec<String> =
        query.iter().map(|(name, text)| format!("{}={}", encoded(name), encoded(text))).collect();
    let request = Request {
        service: "ec2",
        method: "POST",
        path: "/".to_owned(),
        headers: vec![(
            "content-type",
            "application/x-www-form-urlencoded; charset=utf-8".to_owned(),
        )],
        body: query.join("&"),
    };
    let (header_id, body) = caller.signed(&request, refusal).await?;
    let answer = xml::read(&body).map_err(|why| {
        caller.error(CloudErrorKind::Transient, format!("the answer cannot be read: {why}"))
    })?;
    let request_id = answer.find("requestId").map(|id| id.text().to_owned()).or(header_id);
    Ok(Answer { request_id, body: xml::body(&answer) })
}

fn refusal(reply: &Reply) -> Refusal {
    let Ok(answer) = xml::read(&reply.body) else { return (None, String::new()) };
    let text = |name| answer.find(name).map(|found| found.text().to_owned());
    (text("Code"), text("Message").unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use trailloop_runbook::Call;

    use super::*;

    fn query(api: &str, given: Value) -> Result<Vec<String>, CloudError> {
        let Value::Object(inputs) = given else { panic!("an object") };
        let call = Call { service: "ec2".to_owned(), api: api.to_owned(), inputs };
        let mut inputs = Inputs::new(&call);
        let mut made = Vec::new();
        parameters(&mut inputs, fields(api).unwrap(), "", &mut made)?;
        inputs.end()?;
        Ok(made.into_iter().map(|(name, text)| format!("{name}={text}")).collect())
    }

    #[test]
    fn inputs_become_the_parameters_of_the_query() {
        let made = query(
            "ModifySnapshotAttribute",
            json!({"SnapshotId": "snap-1", "CreateVolumePermission": {"Remove": [{"UserId": "1"}, {"Group": "all"}]}}),
        );
        assert_eq!(
            made.unwrap(),
            [
                "SnapshotId=snap-1",
                "CreateVolumePermission.Remove.1.UserId=1",
                "CreateVolumePermission.Remove.2.Group=all"
            ]
        );
        let made = query(
            "AuthorizeSecurityGroupIngress",
            json!({"GroupId": "sg-1", "IpPermissions": [{"IpProtocol": "tcp", "FromPort": 22,
                "IpRanges": [{"CidrIp": "0.0.0.0/0"}], "UserIdGroupPairs": [{"GroupId": "sg-2"}]}]}),
        );
        assert_eq!(
            made.unwrap(),
            [
                "GroupId=sg-1",
                "IpPermissions.1.IpProtocol=tcp",
                "IpPermissions.1.FromPort=22",
                "IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0",
                "IpPermissions.1.Groups.1.GroupId=sg-2"
            ]
        );
    }

    #[test]
    fn no_instances_is_not_all_instances() {
        for given in [json!({}), json!({"InstanceIds": []}), json!({"InstanceId": ["i-1"]})] {
            assert_eq!(query("StopInstances", given).unwrap_err().kind(), CloudErrorKind::Invalid);
        }
    }
}
