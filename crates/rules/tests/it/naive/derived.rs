//! Fields that are worked out from a record. `ua.family` is left out: its list of programs is the engine's own.

use std::net::IpAddr;

use super::json::Json;
use super::path::{Place, walk};

/// Calls of IAM that act on the caller when they name no user.
const ON_CALLER: &[&str] = &[
    "ChangePassword",
    "CreateAccessKey",
    "DeleteAccessKey",
    "DeleteSigningCertificate",
    "GetUser",
    "ListAccessKeys",
    "ListMFADevices",
    "ListSigningCertificates",
    "UpdateAccessKey",
    "UpdateSigningCertificate",
    "UploadSigningCertificate",
];

const OMITTABLE: &[&str] =
    &["requestParameters", "responseElements", "additionalEventData", "serviceEventDetails"];

/// The values of a derived field; `None` if no field of that name is derived.
pub(crate) fn values(field: &str, record: &Json) -> Option<Vec<String>> {
    let one = |value: Option<String>| Some(value.into_iter().collect());
    match field {
        "outcome" => one(Some(outcome(record).to_owned())),
        "actor" => one(actor(record)),
        "actor.account" => one(account(record)),
        "actor.kind" => one(actor_kind(record)),
        "target.user" => one(user(record)),
        "target.role" => one(role(record)),
        "target.bucket" => one(bucket(record)),
        "target.key" => one(key(record)),
        "accessKey.prefix" => one(prefix(record)),
        "accessKey.account" => one(key_account(record)),
        "api" => one(text(record, "eventName").map(|name| without_version(&name))),
        "ip.kind" => one(text(record, "sourceIPAddress").map(|ip| ip_kind(&ip).to_owned())),
        "omitted" => {
            let mut parts = OMITTABLE.to_vec();
            parts.retain(|part| at(record, &format!("{part}.omitted")).contains(&Json::Bool(true)));
            Some(parts.into_iter().map(str::to_owned).collect())
        }
        _ => None,
    }
}

fn at(record: &Json, path: &str) -> Vec<Json> {
    let keys: Vec<String> = path.split('.').map(str::to_owned).collect();
    let places = walk(&Place { value: record.clone(), strings: 0 }, &keys);
    places.into_iter().flatten().map(|place| place.value).collect()
}

/// The text of a field that is not empty.
fn text(record: &Json, path: &str) -> Option<String> {
    at(record, path).into_iter().find_map(|value| match value {
        Json::Text(text) if !text.is_empty() => Some(text),
        _ => None,
    })
}

fn outcome(record: &Json) -> &'static str {
    let has = |path| {
        at(record, path).iter().any(|v| !matches!(v, Json::Null) && *v != Json::Text(String::new()))
    };
    // A sign-in event answers under its own name.
    let mut answers = at(record, "responseElements.ConsoleLogin");
    if let (Some("signin.amazonaws.com"), Some(name)) =
        (text(record, "eventSource").as_deref(), text(record, "eventName"))
    {
        answers.extend(at(record, &format!("responseElements.{name}")));
    }
    let failed = answers.contains(&Json::Text("Failure".to_owned()));
    if has("errorCode") || has("errorMessage") || failed { "failure" } else { "success" }
}

/// Without user agents: the records of the tests have none.
fn actor_kind(record: &Json) -> Option<String> {
    let identity = |key: &str| text(record, &format!("userIdentity.{key}")).unwrap_or_default();
    let kind = identity("type");
    let issuer = identity("sessionContext.sessionIssuer.arn");
    let role = if issuer.is_empty() { identity("arn") } else { issuer };
    let by = identity("invokedBy");
    let by_service = [".amazonaws.com", ".amazonaws.com.cn"].iter().any(|end| by.ends_with(end))
        && by != "signin.amazonaws.com";
    let event = text(record, "eventType").unwrap_or_default();
    if by_service
        || kind == "AWSService"
        || event == "AwsServiceEvent"
        || role.contains(":role/aws-service-role/")
    {
        return Some("service".to_owned());
    }
    let with_mfa = identity("sessionContext.attributes.mfaAuthenticated") == "true";
    let from_console = at(record, "sessionCredentialFromConsole")
        .iter()
        .any(|one| *one == Json::Bool(true) || *one == Json::Text("true".to_owned()));
    let session = identity("arn");
    let of_instance =
        session.rsplit('/').next().and_then(|name| name.strip_prefix("i-")).is_some_and(|id| {
            (8..=17).contains(&id.len()) && id.chars().all(|c| c.is_ascii_hexdigit())
        });
    let kind = match kind.as_str() {
        "" => return None,
        "Root" => "root",
        "IAMUser" if identity("accessKeyId").starts_with("AKIA") => "key",
        "IAMUser" | "SAMLUser" | "FederatedUser" | "IdentityCenterUser" => "person",
        "AssumedRole" if with_mfa || from_console || role.contains("AWSReservedSSO_") => "person",
        "AssumedRole" if of_instance => "instance",
        "AssumedRole" => "role",
        _ => "other",
    };
    Some(kind.to_owned())
}

fn actor(record: &Json) -> Option<String> {
    let kind = text(record, "userIdentity.type").unwrap_or_default();
    let issuer = text(record, "userIdentity.sessionContext.sessionIssuer.arn");
    let arn = text(record, "userIdentity.arn");
    let known = match kind.as_str() {
        "AssumedRole" => issuer.or_else(|| arn.map(|arn| role_of_session(&arn))),
        "FederatedUser" => issuer.or(arn),
        "AWSService" => text(record, "userIdentity.invokedBy").or(arn),
        _ => arn,
    };
    known
        .or_else(|| {
            let id = text(record, "userIdentity.principalId")?;
            Some(id.split(':').next().unwrap_or_default().to_owned())
        })
        .or_else(|| text(record, "userIdentity.userName"))
}

/// `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION` is a session of `arn:aws:iam::ACCOUNT:role/ROLE`.
fn role_of_session(arn: &str) -> String {
    let parts: Vec<&str> = arn.split([':', '/']).collect();
    match parts[..] {
        ["arn", partition, "sts", "", account, "assumed-role", role, _] => {
            format!("arn:{partition}:iam::{account}:role/{role}")
        }
        _ => arn.to_owned(),
    }
}

fn account(record: &Json) -> Option<String> {
    let of_arn = |arn: String| arn.split(':').nth(4).map(str::to_owned).filter(|a| !a.is_empty());
    actor(record)
        .filter(|actor| actor.starts_with("arn:"))
        .and_then(of_arn)
        .or_else(|| text(record, "userIdentity.accountId"))
}

fn user(record: &Json) -> Option<String> {
    let answer = ["user", "accessKey", "loginProfile"];
    let calls_iam = text(record, "eventSource").as_deref() == Some("iam.amazonaws.com");
    let acts_on_caller =
        text(record, "eventName").is_some_and(|name| ON_CALLER.contains(&name.as_str()));
    text(record, "requestParameters.userName")
        .or_else(|| {
            answer.iter().find_map(|p| text(record, &format!("responseElements.{p}.userName")))
        })
        .or_else(|| text(record, "userIdentity.userName").filter(|_| calls_iam && acts_on_caller))
}

fn role(record: &Json) -> Option<String> {
    text(record, "requestParameters.roleName").or_else(|| {
        let arn = text(record, "requestParameters.roleArn")?;
        arn.rsplit('/').next().map(str::to_owned)
    })
}

fn key(record: &Json) -> Option<String> {
    match text(record, "eventSource")?.as_str() {
        "s3.amazonaws.com" => text(record, "requestParameters.key"),
        "kms.amazonaws.com" => {
            let id = resource(record, &["AWS::KMS::Key"])
                .filter(|arn| arn.contains(":key/"))
                .or_else(|| text(record, "requestParameters.keyId"))
                .filter(|id| !id.contains("alias/"))?;
            Some(match id.split_once(":key/") {
                Some((_, id)) => id.to_owned(),
                None => id,
            })
        }
        "iam.amazonaws.com" => text(record, "requestParameters.accessKeyId")
            .or_else(|| text(record, "responseElements.accessKey.accessKeyId")),
        _ => None,
    }
}

fn bucket(record: &Json) -> Option<String> {
    text(record, "requestParameters.bucketName").or_else(|| {
        let arn = resource(record, &["AWS::S3::Bucket", "AWS::S3::Object"])?;
        let path = arn.split_once(":::")?.1;
        path.split('/').next().filter(|name| !name.is_empty()).map(str::to_owned)
    })
}

/// The ARN of the first resource of these types that has one.
fn resource(record: &Json, kinds: &[&str]) -> Option<String> {
    let resources = at(record, "resources").into_iter().flat_map(|resources| match resources {
        Json::List(elements) => elements,
        _ => Vec::new(),
    });
    let is_it =
        |resource: &Json| text(resource, "type").is_some_and(|kind| kinds.contains(&&*kind));
    resources.filter(is_it).find_map(|resource| text(&resource, "ARN"))
}

fn prefix(record: &Json) -> Option<String> {
    let key = text(record, "userIdentity.accessKeyId")?;
    ["AKIA", "ASIA"].into_iter().find(|prefix| key.starts_with(prefix)).map(str::to_owned)
}

/// After the prefix stands base32; of its first 48 bits the first is no part of the account, nor are the last 7.
fn key_account(record: &Json) -> Option<String> {
    let key = text(record, "userIdentity.accessKeyId")?;
    prefix(record)?;
    let digits: Vec<char> = key.chars().skip(4).take(10).collect();
    if matches!(digits.first(), Some('I' | 'J')) {
        return None;
    }
    let mut bits: u64 = 0;
    for digit in &digits {
        let digit = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".chars().position(|c| c == *digit)?;
        bits = bits << 5 | digit as u64;
    }
    let first_48 = if digits.len() == 10 { bits >> 2 } else { return None };
    let account = format!("{:012}", (first_48 & 0x7fff_ffff_ffff) >> 7);
    // An account has twelve digits; an invented id may encode a number with more.
    (account.len() == 12).then_some(account)
}

fn without_version(name: &str) -> String {
    let version = regex::Regex::new(r"^(.+?)[0-9]{4}_?[0-9]{2}_?[0-9]{2}(v[0-9]+)?$").unwrap();
    version.captures(name).map_or_else(|| name.to_owned(), |found| found[1].to_owned())
}

fn ip_kind(text: &str) -> &'static str {
    if text == "AWS Internal" {
        return "internal";
    }
    let Ok(address) = text.parse::<IpAddr>() else {
        return if text.ends_with(".amazonaws.com") { "service" } else { "other" };
    };
    let is_private = match address.to_canonical() {
        IpAddr::V4(v4) => match v4.octets() {
            [10 | 127, ..] | [169, 254, ..] | [192, 168, ..] => true,
            [172, second, ..] => (16..32).contains(&second),
            [100, second, ..] => (64..128).contains(&second),
            _ => false,
        },
        IpAddr::V6(v6) => {
            let first = v6.segments()[0];
            v6.is_loopback() || first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80
        }
    };
    if is_private { "private" } else { "public" }
}

#[test]
fn derived_fields_of_known_records() {
    let derived = |field: &str, json: &str| values(field, &Json::parse(json).unwrap()).unwrap();
    let session = r#"{"userIdentity":{"type":"AssumedRole","accessKeyId":"ASIAY34FZKBOKMUTVV7A",
        "arn":"arn:aws:sts::111122223333:assumed-role/deploy/build"}}"#;
    assert_eq!(derived("actor", session), ["arn:aws:iam::111122223333:role/deploy"]);
    assert_eq!(derived("actor.account", session), ["111122223333"]);
    assert_eq!(derived("accessKey.prefix", session), ["ASIA"]);
    // The example that the way of decoding was published with.
    assert_eq!(derived("accessKey.account", session), ["609629065308"]);
    let api = |name: &str| derived("api", &format!(r#"{{"eventName":"{name}"}}"#)).remove(0);
    assert_eq!(api("UpdateFunctionCode20150331v2"), "UpdateFunctionCode");
    assert_eq!(api("CreateDistribution2020_05_31"), "CreateDistribution");
    assert_eq!(api("ListObjectsV2"), "ListObjectsV2");
    assert_eq!(
        derived("omitted", r#"{"requestParameters":{"omitted":true}}"#),
        ["requestParameters"]
    );
    let kind = |ip: &str| derived("ip.kind", &format!(r#"{{"sourceIPAddress":"{ip}"}}"#)).remove(0);
    assert_eq!(
        ["10.1.2.3", "100.64.0.1", "8.8.8.8", "::1", "ec2.amazonaws.com", "253.252.51.07"]
            .map(kind),
        ["private", "private", "public", "private", "service", "other"]
    );
}
