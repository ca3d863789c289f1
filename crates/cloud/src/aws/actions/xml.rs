//! EC2's answers in XML, as JSON by the names that its SDKs and Systems Manager use.

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;
use serde_json::{Map, Value};

/// Elements within elements. The deepest answer that is read here has nine.
const DEPTH_MAX: usize = 64;

/// An element of the answer.
#[derive(Debug, Default)]
pub(super) struct Element {
    name: String,
    children: Vec<Element>,
    text: String,
}

impl Element {
    /// The first element of this name below this one, at any depth.
    pub(super) fn find(&self, name: &str) -> Option<&Self> {
        if self.name == name {
            return Some(self);
        }
        self.children.iter().find_map(|child| child.find(name))
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

/// Reads a document: its root element.
pub(super) fn read(text: &str) -> Result<Element, String> {
    let mut reader = Reader::from_str(text);
    let mut open = vec![Element::default()];
    loop {
        let event = reader.read_event().map_err(|error| error.to_string())?;
        match event {
            Event::Start(start) => {
                if open.len() > DEPTH_MAX {
                    return Err(format!("elements nest deeper than {DEPTH_MAX}"));
                }
                let name = String::from_utf8_lossy(start.local_name().as_ref()).into_owned();
                open.push(Element { name, ..Element::default() });
            }
            Event::Empty(empty) => {
                let name = String::from_utf8_lossy(empty.local_name().as_ref()).into_owned();
                top(&mut open)?.children.push(Element { name, ..Element::default() });
            }
            Event::End(_) => {
                let closed = open.pop().ok_or("an element ends that never began")?;
                top(&mut open)?.children.push(closed);
            }
            Event::Text(text) => {
                top(&mut open)?.text.push_str(&text.decode().map_err(|error| error.to_string())?);
            }
            Event::CData(text) => {
                top(&mut open)?.text.push_str(&text.decode().map_err(|error| error.to_string())?);
            }
            Event::GeneralRef(reference) => {
                let character = reference.resolve_char_ref().map_err(|error| error.to_string())?;
                let name = reference.decode().map_err(|error| error.to_string())?;
                let text = &mut top(&mut open)?.text;
                match (character, resolve_predefined_entity(&name)) {
                    (Some(character), _) => text.push(character),
                    (None, Some(entity)) => text.push_str(entity),
                    (None, None) => return Err(format!("the entity {name:?} is unknown")),
                }
            }
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
    match (open.pop(), open.is_empty()) {
        (Some(mut document), true) if document.children.len() == 1 => {
            document.children.pop().ok_or_else(|| "the answer is empty".to_owned())
        }
        _ => Err("the answer ends early".to_owned()),
    }
}

fn top(open: &mut [Element]) -> Result<&mut Element, String> {
    open.last_mut().ok_or_else(|| "an element ends that never began".to_owned())
}

/// Lists of EC2: in which element, the element, and the name that SDKs give it. The first that fits counts.
const LISTS: [(&str, &str, &str); 26] = [
    ("StopInstancesResponse", "instancesSet", "StoppingInstances"),
    ("StartInstancesResponse", "instancesSet", "StartingInstances"),
    ("instancesSet", "groupSet", "SecurityGroups"),
    ("networkInterfaceSet", "tagSet", "TagSet"),
    ("", "instancesSet", "Instances"),
    ("", "groupSet", "Groups"),
    ("", "reservationSet", "Reservations"),
    ("", "securityGroupRuleSet", "SecurityGroupRules"),
    ("", "revokedSecurityGroupRuleSet", "RevokedSecurityGroupRules"),
    ("", "unknownIpPermissionSet", "UnknownIpPermissions"),
    ("", "createVolumePermission", "CreateVolumePermissions"),
    ("", "launchPermission", "LaunchPermissions"),
    ("", "iamInstanceProfileAssociationSet", "IamInstanceProfileAssociations"),
    ("", "snapshotSet", "Snapshots"),
    ("", "networkInterfaceSet", "NetworkInterfaces"),
    ("", "tagSet", "Tags"),
    ("", "blockDeviceMapping", "BlockDeviceMappings"),
    ("", "productCodes", "ProductCodes"),
    ("", "privateIpAddressesSet", "PrivateIpAddresses"),
    ("", "ipv6AddressesSet", "Ipv6Addresses"),
    ("", "ipv4PrefixSet", "Ipv4Prefixes"),
    ("", "ipv6PrefixSet", "Ipv6Prefixes"),
    ("", "licenseSet", "Licenses"),
    ("", "elasticGpuAssociationSet", "ElasticGpuAssociations"),
    ("", "elasticInferenceAcceleratorAssociationSet", "ElasticInferenceAcceleratorAssociations"),
    ("", "orgArns", "OrganizationArns"),
];

/// Members that SDKs give another name: in which element, the member, its name.
const RENAMED: [(&str, &str, &str); 4] = [
    ("instancesSet", "instanceState", "State"),
    ("instancesSet", "ipAddress", "PublicIpAddress"),
    ("instancesSet", "dnsName", "PublicDnsName"),
    ("", "return", "Return"),
];

const NUMBERS: [&str; 10] = [
    "amiLaunchIndex",
    "code",
    "coreCount",
    "deviceIndex",
    "fromPort",
    "httpPutResponseHopLimit",
    "networkCardIndex",
    "threadsPerCore",
    "toPort",
    "volumeSize",
];

/// The members of an answer, without the request id, which is told on its own.
pub(super) fn body(answer: &Element) -> Value {
    let members = answer.children.iter().filter(|member| member.name != "requestId");
    Value::Object(structure(&answer.name, members))
}

/// `within` is the nearest element above that is no list's `item`.
fn structure<'e>(within: &str, members: impl Iterator<Item = &'e Element>) -> Map<String, Value> {
    members.map(|member| (sdk_name(within, &member.name), value(within, member))).collect()
}

fn value(within: &str, element: &Element) -> Value {
    let name = if element.name == "item" { within } else { element.name.as_str() };
    if element.name != "item" && LISTS.iter().any(|(_, list, _)| *list == element.name) {
        return element.children.iter().map(|item| value(name, item)).collect();
    }
    if element.children.is_empty() {
        return leaf(name, element.text.trim());
    }
    Value::Object(structure(name, element.children.iter()))
}

fn leaf(name: &str, text: &str) -> Value {
    // What users write is text, whatever it looks like.
    let free = ["key", "value", "description", "groupName"].contains(&name);
    match text {
        "true" if !free => Value::Bool(true),
        "false" if !free => Value::Bool(false),
        _ if NUMBERS.contains(&name) => {
            text.parse::<i64>().map_or_else(|_| Value::from(text), Value::from)
        }
        _ => Value::from(text),
    }
}

fn sdk_name(within: &str, name: &str) -> String {
    let known = LISTS
        .iter()
        .chain(&RENAMED)
        .find(|(place, known, _)| *known == name && (place.is_empty() || *place == within));
    match known {
        Some((_, _, sdk)) => (*sdk).to_owned(),
        None => capitalised(name),
    }
}

/// `groupId` as `GroupId`.
pub(super) fn capitalised(name: &str) -> String {
    let mut characters = name.chars();
    characters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_has_the_names_of_the_sdk() {
        let text = r#"<?xml version="1.0" encoding="UTF-8"?>
            <DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
              <requestId>r-1</requestId>
              <reservationSet><item><reservationId>r-0</reservationId><groupSet/>
                <instancesSet><item><instanceId>i-0</instanceId>
                  <instanceState><code>16</code><name>running</name></instanceState>
                  <groupSet><item><groupId>sg-1</groupId></item></groupSet>
                  <tagSet><item><key>a&lt;b&#33;</key><value>true</value></item></tagSet>
                  <ebsOptimized>false</ebsOptimized>
                </item></instancesSet></item></reservationSet>
            </DescribeInstancesResponse>"#;
        let made = body(&read(text).unwrap());
        let expected = json!({"Reservations": [{
            "ReservationId": "r-0", "Groups": [],
            "Instances": [{
                "InstanceId": "i-0",
                "State": {"Code": 16, "Name": "running"},
                "SecurityGroups": [{"GroupId": "sg-1"}],
                "Tags": [{"Key": "a<b!", "Value": "true"}],
                "EbsOptimized": false,
            }],
        }]});
        assert_eq!(made, expected);
    }

    #[test]
    fn hostile_documents_are_refused() {
        let deep = "<a>".repeat(10_000);
        for text in ["", "text", "<a>", "<a></b>", "</a>", "<a/><b/>", "<a>&unknown;</a>", &deep] {
            assert!(read(text).is_err(), "{}", &text[..text.len().min(20)]);
        }
    }
}
