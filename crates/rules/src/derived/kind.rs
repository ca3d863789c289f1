//! What kind of caller made a call: what rules tell hand work from machines by.

use super::agent::Families;
use super::{Get, text};

/// What [`kind`] looks at.
pub(super) const MADE_OF: &[&str] = &[
    "eventType",
    "sessionCredentialFromConsole",
    "userAgent",
    "userIdentity.accessKeyId",
    "userIdentity.arn",
    "userIdentity.invokedBy",
    "userIdentity.sessionContext.attributes.mfaAuthenticated",
    "userIdentity.sessionContext.sessionIssuer.arn",
    "userIdentity.type",
];

/// The kind of caller, if the record names one. What AWS vouches for comes first: a user agent can only make a role look
/// like a person, and never a person's session with MFA or from the console like a machine.
pub(super) fn kind(get: Get<'_, '_>, families: &mut Families) -> Option<&'static str> {
    let kind = text(get, "userIdentity.type");
    let invoked_by = text(get, "userIdentity.invokedBy").unwrap_or_default();
    let session = text(get, "userIdentity.arn").unwrap_or_default();
    let issuer = text(get, "userIdentity.sessionContext.sessionIssuer.arn").unwrap_or(session);
    let is_service = kind == Some("AWSService")
        || text(get, "eventType") == Some("AwsServiceEvent")
        || is_host(invoked_by) && invoked_by != "signin.amazonaws.com"
        || issuer.contains(":role/aws-service-role/");
    if is_service {
        return Some("service");
    }
    match kind? {
        "Root" => Some("root"),
        "IAMUser" if is_long_term(get) => Some("key"),
        "IAMUser" | "SAMLUser" | "FederatedUser" | "IdentityCenterUser" => Some("person"),
        "AssumedRole" if is_person(get, issuer, families) => Some("person"),
        "AssumedRole" if is_instance(session) => Some("instance"),
        "AssumedRole" => Some("role"),
        _ => Some("other"),
    }
}

fn is_host(name: &str) -> bool {
    name.ends_with(".amazonaws.com") || name.ends_with(".amazonaws.com.cn")
}

fn is_long_term(get: Get<'_, '_>) -> bool {
    text(get, "userIdentity.accessKeyId").is_some_and(|key| key.starts_with("AKIA"))
}

/// A session that a person opened: with MFA, in the console, or through Identity Center.
fn is_person(get: Get<'_, '_>, issuer: &str, families: &mut Families) -> bool {
    let says_yes = |path| {
        get(path).is_some_and(|value| {
            value.as_str() == Some("true")
                || matches!(value.kind(), trailloop_cloudtrail::Kind::Bool(true))
        })
    };
    says_yes("userIdentity.sessionContext.attributes.mfaAuthenticated")
        || says_yes("sessionCredentialFromConsole")
        || issuer.contains("AWSReservedSSO_")
        || text(get, "userAgent").is_some_and(|name| {
            matches!(families.of(name), "console" | "browser") || name.starts_with("console.")
        })
}

/// Sessions of instance profiles bear the instance's id.
fn is_instance(session: &str) -> bool {
    let name = session.rsplit('/').next().unwrap_or_default();
    name.strip_prefix("i-").is_some_and(|id| {
        matches!(id.len(), 8..=17) && id.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use trailloop_cloudtrail::{Record, RecordBuffer};

    use super::*;

    #[test]
    fn callers_are_told_by_what_aws_vouches_for() {
        let role = |more: &str, identity: &str| {
            format!(
                r#"{{{more}"userIdentity":{{"type":"AssumedRole","arn":"arn:aws:sts::111122223333:assumed-role/deploy/s"{identity}}}}}"#
            )
        };
        let issued = |name: &str, more: &str| {
            format!(
                r#","sessionContext":{{"sessionIssuer":{{"arn":"arn:aws:iam::111122223333:role/{name}"}}{more}}}"#
            )
        };
        let mfa = issued("deploy", r#","attributes":{"mfaAuthenticated":"true"}"#);
        let cases = [
            (r#"{"userIdentity":{"type":"Root"}}"#.to_owned(), Some("root")),
            (
                r#"{"userIdentity":{"type":"AWSService","invokedBy":"ec2.amazonaws.com"}}"#
                    .to_owned(),
                Some("service"),
            ),
            (r#"{"eventType":"AwsServiceEvent"}"#.to_owned(), Some("service")),
            (role("", r#","invokedBy":"cloudformation.amazonaws.com""#), Some("service")),
            (role("", r#","invokedBy":"signin.amazonaws.com""#), Some("role")),
            (role("", r#","invokedBy":"AWS Internal""#), Some("role")),
            (role("", &issued("aws-service-role/x/AWSServiceRoleForX", "")), Some("service")),
            (
                role("", &issued("aws-reserved/sso.amazonaws.com/AWSReservedSSO_A_1", "")),
                Some("person"),
            ),
            (role("", &mfa), Some("person")),
            (role(r#""sessionCredentialFromConsole":"true","#, ""), Some("person")),
            (role(r#""sessionCredentialFromConsole":true,"#, ""), Some("person")),
            (role(r#""sessionCredentialFromConsole":"false","#, ""), Some("role")),
            (role(r#""userAgent":"console.ec2.amazonaws.com","#, ""), Some("person")),
            (role(r#""userAgent":"Mozilla/5.0 (X11)","#, ""), Some("person")),
            (role(r#""userAgent":"Boto3/1.35","#, ""), Some("role")),
            (role("", "").replace("deploy/s", "web/i-0123456789abcdef0"), Some("instance")),
            (role("", "").replace("deploy/s", "web/i-am-no-instance"), Some("role")),
            (
                r#"{"userIdentity":{"type":"IAMUser","accessKeyId":"AKIAIOSFODNN7EXAMPLE"}}"#
                    .to_owned(),
                Some("key"),
            ),
            (
                r#"{"userIdentity":{"type":"IAMUser","accessKeyId":"ASIAIOSFODNN7EXAMPLE"}}"#
                    .to_owned(),
                Some("person"),
            ),
            (r#"{"userIdentity":{"type":"AWSAccount"}}"#.to_owned(), Some("other")),
            (r#"{"userIdentity":{"accountId":"111122223333"}}"#.to_owned(), None),
            ("{}".to_owned(), None),
        ];
        for (json, expected) in cases {
            let mut buffer = RecordBuffer::new();
            let record = Record::parse(json.as_bytes(), &mut buffer).unwrap();
            let get = |path: &str| record.get(&path.split('.').collect::<Vec<_>>());
            assert_eq!(kind(&get, &mut Families::default()), expected, "{json}");
        }
    }
}
