//! Derived fields: what rules ask of a record that CloudTrail does not say in one place.
//!
//! They are documented in `docs/sigma.md` like CloudTrail's own fields. Each is worked out from the record alone, when the
//! first rule asks, and kept for the others. None trusts a text that the caller writes to be more than a text.

mod accounts;
mod actor;
mod agent;
mod key;
mod kind;
mod target;

use std::cell::{Cell, RefCell};
use std::net::IpAddr;

use trailloop_cloudtrail::{Kind, Value};
use trailloop_enrichment::is_private;

use agent::Families;
pub use agent::family as agent_family;

/// A derived field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Derived {
    Outcome,
    Actor,
    ActorAccount,
    ActorKind,
    TargetUser,
    TargetRole,
    TargetBucket,
    TargetKey,
    AccessKeyPrefix,
    AccessKeyAccount,
    Api,
    UaFamily,
    IpKind,
    Omitted,
    OtherAccounts,
}

/// Every derived field with its name.
const NAMES: [(Derived, &str); COUNT] = [
    (Derived::Outcome, "outcome"),
    (Derived::Actor, "actor"),
    (Derived::ActorAccount, "actor.account"),
    (Derived::ActorKind, "actor.kind"),
    (Derived::TargetUser, "target.user"),
    (Derived::TargetRole, "target.role"),
    (Derived::TargetBucket, "target.bucket"),
    (Derived::TargetKey, "target.key"),
    (Derived::AccessKeyPrefix, "accessKey.prefix"),
    (Derived::AccessKeyAccount, "accessKey.account"),
    (Derived::Api, "api"),
    (Derived::UaFamily, "ua.family"),
    (Derived::IpKind, "ip.kind"),
    (Derived::Omitted, "omitted"),
    (Derived::OtherAccounts, "request.otherAccounts"),
];

const COUNT: usize = 15;

/// The names of the derived fields.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    NAMES.iter().map(|(_, name)| *name)
}

/// The parts of a record that CloudTrail leaves out when they are too large.
const OMITTABLE: [&str; 4] =
    ["requestParameters", "responseElements", "additionalEventData", "serviceEventDetails"];

/// Finds the value at a dotted path of the record; of several the last.
pub(crate) type Get<'g, 'a> = &'g dyn Fn(&str) -> Option<Value<'a>>;

impl Derived {
    /// The derived field of this name.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        NAMES.iter().find(|(_, known)| *known == name).map(|(derived, _)| *derived)
    }

    pub(crate) fn name(self) -> &'static str {
        NAMES[self as usize].1
    }

    /// The paths of the record that the field is made of.
    pub(crate) fn made_of(self) -> &'static [&'static str] {
        match self {
            Self::Outcome => &[
                "errorCode",
                "errorMessage",
                "eventName",
                "responseElements",
                "serviceEventDetails",
            ],
            Self::Actor => actor::MADE_OF,
            Self::ActorAccount => actor::ACCOUNT_MADE_OF,
            Self::ActorKind => kind::MADE_OF,
            Self::TargetUser => target::USER_MADE_OF,
            Self::TargetRole => &["requestParameters.roleName", "requestParameters.roleArn"],
            Self::TargetBucket => &["requestParameters.bucketName", "resources"],
            Self::TargetKey => target::KEY_MADE_OF,
            Self::AccessKeyPrefix | Self::AccessKeyAccount => &["userIdentity.accessKeyId"],
            Self::Api => &["eventName"],
            Self::UaFamily => &["userAgent"],
            Self::IpKind => &["sourceIPAddress"],
            Self::Omitted => &OMITTABLE,
            Self::OtherAccounts => accounts::MADE_OF,
        }
    }

    /// Writes the field's value; some may have several, one a line. Says whether there is one.
    fn write(self, get: Get<'_, '_>, families: &mut Families, out: &mut String) -> bool {
        match self {
            Self::Outcome => put(Some(outcome(get)), out),
            Self::Actor => actor::write(get, out),
            Self::ActorAccount => put(actor::account(get), out),
            Self::ActorKind => put(kind::kind(get, families), out),
            Self::TargetUser => put(target::user(get), out),
            Self::TargetRole => put(target::role(get), out),
            Self::TargetBucket => put(target::bucket(get), out),
            Self::TargetKey => put(target::key(get), out),
            Self::AccessKeyPrefix => {
                put(text(get, "userIdentity.accessKeyId").and_then(key::prefix), out)
            }
            Self::AccessKeyAccount => key::account(text(get, "userIdentity.accessKeyId"), out),
            Self::Api => put(text(get, "eventName").map(api), out),
            Self::UaFamily => put(text(get, "userAgent").map(|agent| families.of(agent)), out),
            Self::IpKind => put(text(get, "sourceIPAddress").map(ip_kind), out),
            Self::Omitted => omitted(get, out),
            Self::OtherAccounts => accounts::write(get, out),
        }
    }
}

/// The derived fields of one record, each worked out at most once.
#[derive(Debug, Default)]
pub(crate) struct DerivedTexts {
    /// A bit a field: worked out, and with a value.
    known: Cell<u16>,
    has_value: Cell<u16>,
    texts: [RefCell<String>; COUNT],
    families: RefCell<Families>,
}

impl DerivedTexts {
    /// Forgets the last record.
    pub(crate) fn clear(&mut self) {
        self.known.set(0);
    }

    /// Calls `visit` with each value of the field until it returns `true`.
    pub(crate) fn visit(
        &self,
        derived: Derived,
        get: Get<'_, '_>,
        visit: &mut dyn FnMut(&str) -> bool,
    ) -> bool {
        let bit = 1_u16 << derived as u16;
        let text = &self.texts[derived as usize];
        if self.known.get() & bit == 0 {
            let mut text = text.borrow_mut();
            text.clear();
            let has_value = derived.write(get, &mut self.families.borrow_mut(), &mut text);
            let others = self.has_value.get() & !bit;
            self.has_value.set(if has_value { others | bit } else { others });
            self.known.set(self.known.get() | bit);
        }
        if self.has_value.get() & bit == 0 {
            return false;
        }
        let text = text.borrow();
        match derived {
            Derived::Omitted | Derived::OtherAccounts => text.lines().any(visit),
            _ => visit(&text),
        }
    }
}

fn put(value: Option<&str>, out: &mut String) -> bool {
    let Some(value) = value else { return false };
    out.push_str(value);
    true
}

/// The text at a path, unless it is empty.
pub(crate) fn text<'a>(get: Get<'_, 'a>, path: &str) -> Option<&'a str> {
    get(path).and_then(|value| value.as_str()).filter(|text| !text.is_empty())
}

/// Sign-in events answer under their own name: `responseElements.ConsoleLogin` is `Success` or `Failure`, and so is
/// `serviceEventDetails.CredentialVerification` of Identity Center.
fn outcome(get: Get<'_, '_>) -> &'static str {
    let is_said = |path| {
        get(path)
            .is_some_and(|value| !value.is_null() && value.as_str().is_none_or(|t| !t.is_empty()))
    };
    let has_error = is_said("errorCode") || is_said("errorMessage");
    let answers_failure = || {
        let name = text(get, "eventName")?;
        ["responseElements", "serviceEventDetails"].into_iter().find(|part| {
            let answer =
                get(part).and_then(|value| value.get(name)).and_then(|answer| answer.as_str());
            answer.is_some_and(|answer| answer.eq_ignore_ascii_case("failure"))
        })
    };
    if has_error || answers_failure().is_some() { "failure" } else { "success" }
}

/// An eventName without the version that Lambda (`20150331v2`) and CloudFront (`2020_05_31`) append.
pub(crate) fn api(name: &str) -> &str {
    let unnumbered = match name.rsplit_once(['v', 'V']) {
        Some((start, number))
            if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            start
        }
        _ => name,
    };
    let bytes = unnumbered.as_bytes();
    let ends_in = |shape: &[u8]| {
        let start = bytes.len().checked_sub(shape.len()).filter(|start| *start > 0)?;
        let fits = bytes[start..].iter().zip(shape).all(|(byte, shape)| match shape {
            b'0' => byte.is_ascii_digit(),
            mark => byte == mark,
        });
        // The name itself must not go on with digits.
        (fits && !bytes[start - 1].is_ascii_digit()).then(|| &name[..start])
    };
    ends_in(b"00000000").or_else(|| ends_in(b"0000_00_00")).unwrap_or(name)
}

fn ip_kind(address: &str) -> &'static str {
    let Ok(parsed) = address.parse::<IpAddr>() else {
        let lower_ends = |suffix: &str| {
            address.len() >= suffix.len()
                && address.is_char_boundary(address.len() - suffix.len())
                && address[address.len() - suffix.len()..].eq_ignore_ascii_case(suffix)
        };
        return if address.eq_ignore_ascii_case("AWS Internal") {
            "internal"
        } else if lower_ends(".amazonaws.com") || lower_ends(".amazonaws.com.cn") {
            "service"
        } else {
            "other"
        };
    };
    if is_private(parsed) { "private" } else { "public" }
}

fn omitted(get: Get<'_, '_>, out: &mut String) -> bool {
    for part in OMITTABLE {
        let mark = get(part).and_then(|value| value.get("omitted"));
        if mark.is_some_and(|mark| matches!(mark.kind(), Kind::Bool(true))) {
            out.push_str(part);
            out.push('\n');
        }
    }
    !out.is_empty()
}

#[cfg(test)]
mod tests {
    use trailloop_cloudtrail::{Record, RecordBuffer};

    use super::*;

    /// The derived field of a record, its values joined with commas; `-` if there is none.
    fn derived(name: &str, json: &str) -> String {
        let mut buffer = RecordBuffer::new();
        let record = Record::parse(json.as_bytes(), &mut buffer).unwrap();
        let get = |path: &str| record.get(&path.split('.').collect::<Vec<_>>());
        let texts = DerivedTexts::default();
        let mut values = Vec::new();
        texts.visit(Derived::of_name(name).unwrap(), &get, &mut |text| {
            values.push(text.to_owned());
            false
        });
        if values.is_empty() { "-".to_owned() } else { values.join(",") }
    }

    fn check(name: &str, rows: &[(&str, &str)]) {
        for (json, expected) in rows {
            assert_eq!(derived(name, json), *expected, "{name} of {json}");
        }
    }

    #[test]
    fn names_are_in_the_order_of_the_fields() {
        for (nth, (derived, name)) in NAMES.iter().enumerate() {
            assert_eq!((*derived as usize, derived.name()), (nth, *name));
        }
    }

    #[test]
    fn outcomes() {
        check(
            "outcome",
            &[
                ("{}", "success"),
                (r#"{"errorCode":""}"#, "success"),
                (r#"{"errorCode":null,"errorMessage":null}"#, "success"),
                (r#"{"errorCode":"AccessDenied"}"#, "failure"),
                (r#"{"errorCode":403}"#, "failure"),
                (r#"{"errorMessage":"Failed authentication"}"#, "failure"),
                (
                    r#"{"eventName":"ConsoleLogin","responseElements":{"ConsoleLogin":"Failure"}}"#,
                    "failure",
                ),
                (
                    r#"{"eventName":"ConsoleLogin","responseElements":{"ConsoleLogin":"Success"}}"#,
                    "success",
                ),
                (
                    r#"{"eventName":"CheckMfa","responseElements":{"CheckMfa":"Failure"}}"#,
                    "failure",
                ),
                (
                    r#"{"eventName":"UserAuthentication","serviceEventDetails":{"UserAuthentication":"Failure"}}"#,
                    "failure",
                ),
                (r#"{"eventName":"X","responseElements":{"ConsoleLogin":"Failure"}}"#, "success"),
            ],
        );
    }

    #[test]
    fn actors() {
        let role = r#"{"userIdentity":{"type":"AssumedRole","arn":"arn:aws:sts::111122223333:assumed-role/deploy/s","accountId":"111122223333","sessionContext":{"sessionIssuer":{"type":"Role","arn":"arn:aws:iam::111122223333:role/path/deploy","accountId":"111122223333"}}}}"#;
        let bare = r#"{"userIdentity":{"type":"AssumedRole","arn":"arn:aws-cn:sts::111122223333:assumed-role/deploy/s"}}"#;
        let user = r#"{"userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/ci","accountId":"111122223333"}}"#;
        let root = r#"{"userIdentity":{"type":"Root","accountId":"111122223333","principalId":"111122223333"}}"#;
        let service = r#"{"userIdentity":{"type":"AWSService","invokedBy":"ec2.amazonaws.com"}}"#;
        let other = r#"{"userIdentity":{"type":"AWSAccount","principalId":"AROAEXAMPLE:session","accountId":"444455556666"}}"#;
        let web = r#"{"userIdentity":{"type":"WebIdentityUser","userName":"someone"}}"#;
        check(
            "actor",
            &[
                (role, "arn:aws:iam::111122223333:role/path/deploy"),
                (bare, "arn:aws-cn:iam::111122223333:role/deploy"),
                (user, "arn:aws:iam::111122223333:user/ci"),
                (root, "arn:aws:iam::111122223333:root"),
                (service, "ec2.amazonaws.com"),
                (other, "AROAEXAMPLE"),
                (web, "someone"),
                ("{}", "-"),
                (r#"{"userIdentity":"text"}"#, "-"),
            ],
        );
        check(
            "actor.account",
            &[
                (role, "111122223333"),
                (bare, "111122223333"),
                (other, "444455556666"),
                (service, "-"),
            ],
        );
    }

    #[test]
    fn targets() {
        check(
            "target.user",
            &[
                (r#"{"requestParameters":{"userName":"bob"}}"#, "bob"),
                (
                    r#"{"eventSource":"iam.amazonaws.com","eventName":"CreateAccessKey","requestParameters":null,"userIdentity":{"userName":"me"}}"#,
                    "me",
                ),
                (
                    r#"{"eventSource":"iam.amazonaws.com","eventName":"CreateAccessKey","responseElements":{"accessKey":{"userName":"ann"}},"userIdentity":{"userName":"me"}}"#,
                    "ann",
                ),
                (
                    r#"{"eventSource":"iam.amazonaws.com","eventName":"ListUsers","userIdentity":{"userName":"me"}}"#,
                    "-",
                ),
            ],
        );
        check(
            "target.role",
            &[
                (r#"{"requestParameters":{"roleName":"r"}}"#, "r"),
                (r#"{"requestParameters":{"roleArn":"arn:aws:iam::1:role/path/r2"}}"#, "r2"),
                (r#"{"requestParameters":{"roleArn":7}}"#, "-"),
            ],
        );
        check(
            "target.bucket",
            &[
                (r#"{"requestParameters":{"bucketName":"b"}}"#, "b"),
                (r#"{"resources":[{"type":"AWS::S3::Object","ARN":"arn:aws:s3:::b2/k"}]}"#, "b2"),
                (r#"{"resources":[{"type":"AWS::S3::Bucket","ARN":"arn:aws:s3:::b3"}]}"#, "b3"),
                (r#"{"resources":[{"type":"AWS::KMS::Key","ARN":"arn:aws:kms:::b3"}]}"#, "-"),
            ],
        );
        check(
            "target.key",
            &[
                (r#"{"eventSource":"s3.amazonaws.com","requestParameters":{"key":"a/b"}}"#, "a/b"),
                (
                    r#"{"eventSource":"kms.amazonaws.com","requestParameters":{"keyId":"arn:aws:kms:r:1:key/id-1"}}"#,
                    "id-1",
                ),
                (
                    r#"{"eventSource":"kms.amazonaws.com","requestParameters":{"keyId":"alias/x"},"resources":[{"type":"AWS::KMS::Key","ARN":"arn:aws:kms:r:1:key/id-2"}]}"#,
                    "id-2",
                ),
                (
                    r#"{"eventSource":"iam.amazonaws.com","requestParameters":{"accessKeyId":"AKIA1"}}"#,
                    "AKIA1",
                ),
                (
                    r#"{"eventSource":"iam.amazonaws.com","responseElements":{"accessKey":{"accessKeyId":"AKIA2"}}}"#,
                    "AKIA2",
                ),
                (r#"{"eventSource":"ec2.amazonaws.com","requestParameters":{"key":"a/b"}}"#, "-"),
            ],
        );
    }

    #[test]
    fn access_keys() {
        let with = |key: &str| format!(r#"{{"userIdentity":{{"accessKeyId":"{key}"}}}}"#);
        let temporary = with("ASIAQNZGKIQY56JQ7WML");
        let old = with("AKIAIOSFODNN7EXAMPLE");
        let odd = with("ASIAé");
        check(
            "accessKey.prefix",
            &[(&temporary, "ASIA"), (&old, "AKIA"), (&odd, "-"), ("{}", "-")],
        );
        check("accessKey.account", &[(&temporary, "029608264753"), (&old, "-"), (&odd, "-")]);
    }

    #[test]
    fn apis_agents_and_addresses() {
        for (name, expected) in [
            ("UpdateFunctionCode20150331v2", "UpdateFunctionCode"),
            ("ListFunctions20150331", "ListFunctions"),
            ("CreateDistribution2020_05_31", "CreateDistribution"),
            ("GetObject", "GetObject"),
            ("20150331v2", "20150331v2"),
            ("Convert", "Convert"),
            ("v2", "v2"),
            ("é20150331", "é"),
            ("Foo20150331V2", "Foo"),
        ] {
            assert_eq!(api(name), expected);
        }
        for (address, expected) in [
            ("203.0.113.7", "public"),
            ("10.1.2.3", "private"),
            ("100.64.0.1", "private"),
            ("::ffff:192.168.0.1", "private"),
            ("fd00::1", "private"),
            ("2001:db8::1", "public"),
            ("cloudformation.amazonaws.com", "service"),
            ("AWS Internal", "internal"),
            ("035.249.253.232", "other"),
            ("é", "other"),
        ] {
            assert_eq!(ip_kind(address), expected, "{address}");
        }
        check(
            "ua.family",
            &[(r#"{"userAgent":"aws-cli/2.1"}"#, "aws-cli"), (r#"{"userAgent":""}"#, "-")],
        );
        check(
            "omitted",
            &[
                (
                    r#"{"requestParameters":{"omitted":true},"responseElements":{"omitted":true}}"#,
                    "requestParameters,responseElements",
                ),
                (r#"{"requestParameters":{"omitted":false},"responseElements":null}"#, "-"),
            ],
        );
    }
}
