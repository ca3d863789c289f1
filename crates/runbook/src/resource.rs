//! What a call acted on: the trail that was stopped, the key that was made, the rule that was added.
//!
//! As in [`crate::target`], what is not of the form that AWS gives it is not there. A record that names something of another
//! form than it should has no resource at all, so that no runbook acts on half of one.

mod ec2;
mod iam;

use serde_json::{Map, Value, json};

use crate::target::{Arn, names, resolve};

/// The thing that a call acted on.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    /// Its type by CloudFormation's names, such as `AWS::CloudTrail::Trail`.
    pub kind: &'static str,
    /// Its ARN.
    pub arn: Option<String>,
    /// Its name or id.
    pub name: String,
    /// The region it is in; for what has none, the region of the call.
    pub region: Option<String>,
    /// The account it is in, which is where to act.
    pub account: Option<String>,
    /// What else the call named of it: `policy_arn`, `rule_ids`, `added_user_ids`, …
    pub details: Map<String, Value>,
    /// What the call made that was not there before: `user_name`, `access_key_id`, `rule_ids`, … Empty if it failed.
    pub created: Map<String, Value>,
}

impl Resource {
    /// As expressions see it, under `finding.resource`: `type`, `arn`, `name`, `region`, `account`, `created`, and what else is
    /// known of such a resource.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut all = self.details.clone();
        all.insert("type".to_owned(), json!(self.kind));
        all.insert("arn".to_owned(), json!(self.arn));
        all.insert("name".to_owned(), json!(self.name));
        all.insert("region".to_owned(), json!(self.region));
        all.insert("account".to_owned(), json!(self.account));
        all.insert("created".to_owned(), Value::Object(self.created.clone()));
        Value::Object(all)
    }

    /// A detail that is text.
    #[must_use]
    pub fn text(&self, detail: &str) -> Option<&str> {
        self.details.get(detail).and_then(Value::as_str)
    }

    /// Something that the call made, if it is text.
    #[must_use]
    pub fn made(&self, what: &str) -> Option<&str> {
        self.created.get(what).and_then(Value::as_str)
    }
}

/// What the call of this record acted on, as far as shipped runbooks ask for it.
#[must_use]
pub fn of(record: &Value) -> Option<Resource> {
    let call = Event::of(record);
    let read = match record["eventSource"].as_str()? {
        "cloudtrail.amazonaws.com" => trail,
        "s3.amazonaws.com" | "s3control.amazonaws.com" => bucket,
        "kms.amazonaws.com" => kms_key,
        "iam.amazonaws.com" => iam::read,
        "ec2.amazonaws.com" => ec2::read,
        "rds.amazonaws.com" => ec2::database_snapshot,
        "lambda.amazonaws.com" => function,
        "guardduty.amazonaws.com" => detector,
        "config.amazonaws.com" => recorder,
        _ => return None,
    };
    let mut resource = read(&call)?;
    if !call.succeeded {
        resource.created = Map::new();
    }
    Some(resource)
}

/// A record, as far as its resource is read from it.
struct Event<'a> {
    name: &'a str,
    request: &'a Value,
    response: &'a Value,
    resources: &'a Value,
    partition: String,
    region: Option<&'a str>,
    account: Option<&'a str>,
    succeeded: bool,
}

impl<'a> Event<'a> {
    fn of(record: &'a Value) -> Self {
        let known =
            |value: &'a Value, is_one: fn(&str) -> bool| value.as_str().filter(|text| is_one(text));
        Self {
            name: api_of(record),
            request: &record["requestParameters"],
            response: &record["responseElements"],
            resources: &record["resources"],
            partition: resolve(record).partition,
            region: known(&record["awsRegion"], names::is_region),
            account: known(&record["recipientAccountId"], names::is_account),
            succeeded: succeeded(record),
        }
    }

    fn arn(&self, service: &str, region: &str, resource: &str) -> Option<String> {
        let account = self.account?;
        Some(format!("arn:{}:{service}:{region}:{account}:{resource}", self.partition))
    }

    fn regional_arn(&self, service: &str, resource: &str) -> Option<String> {
        self.arn(service, self.region?, resource)
    }

    fn resource(&self, kind: &'static str, name: &str, arn: Option<String>) -> Resource {
        let parts = arn.as_deref().and_then(Arn::parse);
        let region = parts.map(|arn| arn.region).filter(|region| !region.is_empty());
        let account = parts.map(|arn| arn.account).filter(|account| names::is_account(account));
        Resource {
            kind,
            name: name.to_owned(),
            region: region.or(self.region).map(str::to_owned),
            account: account.or(self.account).map(str::to_owned),
            arn,
            details: Map::new(),
            created: Map::new(),
        }
    }
}

/// Whether the call of this record took effect.
pub(crate) fn succeeded(record: &Value) -> bool {
    record["errorCode"].is_null() && record["errorMessage"].is_null()
}

/// The API of a record: its event's name without the version that Lambda adds, as in `AddPermission20150331v2`.
pub(crate) fn api_of(record: &Value) -> &str {
    let name = record["eventName"].as_str().unwrap_or_default();
    let digits = |text: &str| text.bytes().rev().take_while(u8::is_ascii_digit).count();
    let without_v = match name.len().checked_sub(digits(name)) {
        Some(at) if at < name.len() && name.as_bytes()[..at].ends_with(b"v") => &name[..at - 1],
        _ => name,
    };
    if digits(without_v) == 8 { &without_v[..without_v.len() - 8] } else { name }
}

/// Text that has to be there and of its form.
fn text(value: &Value, is_one: impl Fn(&str) -> bool) -> Option<&str> {
    value.as_str().filter(|text| is_one(text))
}

/// Text that may be absent, but is of its form if it is there; the outer `None` says that it isn't.
#[expect(clippy::option_option, reason = "absent and wrong are two answers")]
fn optional(value: &Value, is_one: impl Fn(&str) -> bool) -> Option<Option<&str>> {
    if value.is_null() { Some(None) } else { text(value, is_one).map(Some) }
}

fn with(mut resource: Resource, details: &[(&str, Option<&str>)]) -> Resource {
    for (name, value) in details {
        if let Some(value) = value {
            resource.details.insert((*name).to_owned(), json!(value));
        }
    }
    resource
}

fn trail(call: &Event<'_>) -> Option<Resource> {
    const KIND: &str = "AWS::CloudTrail::Trail";
    let named = match call.name {
        "StopLogging" | "StartLogging" | "UpdateTrail" | "DeleteTrail" | "CreateTrail" => {
            call.request["name"].as_str()?
        }
        "PutEventSelectors" | "PutInsightSelectors" => call.request["trailName"].as_str()?,
        _ => return None,
    };
    let of_arn = |text: &str| {
        let name = Arn::parse(text)?.of("cloudtrail", "trail")?;
        names::is_trail(name).then(|| name.to_owned())
    };
    if named.starts_with("arn:") {
        return Some(call.resource(KIND, &of_arn(named)?, Some(named.to_owned())));
    }
    let name = Some(named).filter(|name| names::is_trail(name))?;
    let answered = call.response["trailARN"].as_str();
    let answered = answered.filter(|arn| of_arn(arn).is_some_and(|of_arn| of_arn == name));
    let arn = answered
        .map(str::to_owned)
        .or_else(|| call.regional_arn("cloudtrail", &format!("trail/{name}")));
    Some(call.resource(KIND, name, arn))
}

fn bucket(call: &Event<'_>) -> Option<Resource> {
    let bucket = match call.name {
        "PutAccountPublicAccessBlock" | "DeleteAccountPublicAccessBlock" => {
            return Some(call.resource("AWS::S3::AccountPublicAccessBlock", call.account?, None));
        }
        "PutPublicAccessBlock"
        | "DeletePublicAccessBlock"
        | "PutBucketPublicAccessBlock"
        | "DeleteBucketPublicAccessBlock"
        | "PutBucketPolicy"
        | "DeleteBucketPolicy"
        | "PutBucketAcl"
        | "PutBucketCors"
        | "PutBucketLifecycle"
        | "PutBucketLifecycleConfiguration"
        | "DeleteBucketLifecycle"
        | "PutBucketLogging"
        | "PutBucketReplication"
        | "PutBucketVersioning"
        | "DeleteBucketEncryption" => text(&call.request["bucketName"], names::is_bucket)?,
        _ => return None,
    };
    let arn = format!("arn:{}:s3:::{bucket}", call.partition);
    Some(call.resource("AWS::S3::Bucket", bucket, Some(arn)))
}

fn kms_key(call: &Event<'_>) -> Option<Resource> {
    const APIS: [&str; 5] =
        ["ScheduleKeyDeletion", "DisableKey", "EnableKey", "CancelKeyDeletion", "PutKeyPolicy"];
    if !APIS.contains(&call.name) {
        return None;
    }
    let of_arn = |text: &str| {
        let id = Arn::parse(text)?.of("kms", "key")?;
        names::is_kms_key(id).then(|| (id.to_owned(), text.to_owned()))
    };
    let mut arns = [&call.request["keyId"], &call.response["keyId"], &call.resources[0]["ARN"]]
        .into_iter()
        .filter_map(|value| of_arn(value.as_str()?));
    let (id, arn) = match arns.next() {
        Some((id, arn)) => (id, Some(arn)),
        None => {
            let id = text(&call.request["keyId"], names::is_kms_key)?.to_owned();
            let arn = call.regional_arn("kms", &format!("key/{id}"));
            (id, arn)
        }
    };
    let asked = call.request["keyId"].as_str()?;
    (asked == id || asked.starts_with("arn:")).then(|| call.resource("AWS::KMS::Key", &id, arn))
}

fn function(call: &Event<'_>) -> Option<Resource> {
    const APIS: [&str; 8] = [
        "AddPermission",
        "CreateFunction",
        "CreateFunctionUrlConfig",
        "DeleteFunctionConcurrency",
        "PutFunctionConcurrency",
        "UpdateFunctionCode",
        "UpdateFunctionConfiguration",
        "UpdateFunctionUrlConfig",
    ];
    if !APIS.contains(&call.name) {
        return None;
    }
    // A name, an ARN, or an ARN without its beginning; each may end in a version or an alias.
    let asked = call.request["functionName"].as_str()?;
    let parsed = Arn::parse(asked);
    let rest = match parsed {
        Some(arn) => arn.of("lambda", "function")?,
        None => match asked.split_once(":function:") {
            Some((account, rest)) if Some(account) == call.account => rest,
            Some(_) => return None,
            None => asked,
        },
    };
    let (name, inline) = match rest.split_once(':') {
        Some((name, qualifier)) => (name, Some(qualifier)),
        None => (rest, None),
    };
    let is_plain = |text: &str| names::is_plain(text, 128);
    if !names::is_function(name) || inline.is_some_and(|qualifier| !is_plain(qualifier)) {
        return None;
    }
    let arn = match parsed {
        Some(arn) => Some(format!(
            "arn:{}:lambda:{}:{}:function:{name}",
            arn.partition, arn.region, arn.account
        )),
        None => call.regional_arn("lambda", &format!("function:{name}")),
    };
    let statement = optional(&call.request["statementId"], is_plain)?;
    let qualifier = optional(&call.request["qualifier"], is_plain)?.or(inline);
    let resource = call.resource("AWS::Lambda::Function", name, arn);
    let mut resource = with(resource, &[("statement_id", statement), ("qualifier", qualifier)]);
    if call.name == "CreateFunction" {
        resource.created.insert("function_name".to_owned(), json!(name));
    }
    if let ("AddPermission", Some(statement)) = (call.name, statement) {
        resource.created.insert("statement_id".to_owned(), json!(statement));
    }
    Some(resource)
}

fn detector(call: &Event<'_>) -> Option<Resource> {
    matches!(call.name, "UpdateDetector" | "DeleteDetector").then_some(())?;
    let id = text(&call.request["detectorId"], |id| {
        id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
    })?;
    let arn = call.regional_arn("guardduty", &format!("detector/{id}"));
    Some(call.resource("AWS::GuardDuty::Detector", id, arn))
}

fn recorder(call: &Event<'_>) -> Option<Resource> {
    matches!(call.name, "StopConfigurationRecorder" | "DeleteConfigurationRecorder")
        .then_some(())?;
    let name = text(&call.request["configurationRecorderName"], |name| names::is_plain(name, 256))?;
    Some(call.resource("AWS::Config::ConfigurationRecorder", name, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(source: &str, api: &str, request: Value, response: Value) -> Value {
        json!({"eventSource": format!("{source}.amazonaws.com"), "eventName": api,
               "awsRegion": "eu-central-1", "recipientAccountId": "111122223333",
               "requestParameters": request, "responseElements": response})
    }

    fn found(source: &str, api: &str, request: Value, response: Value) -> Value {
        of(&record(source, api, request, response)).map_or(Value::Null, |one| one.to_json())
    }

    #[test]
    fn a_trail_by_name_or_by_arn() {
        let arn = "arn:aws:cloudtrail:eu-central-1:111122223333:trail/main";
        let by_name = found("cloudtrail", "StopLogging", json!({"name": "main"}), Value::Null);
        assert_eq!((&by_name["arn"], &by_name["name"]), (&json!(arn), &json!("main")));
        // An organization's trail is of another account and region than the call.
        let other = "arn:aws:cloudtrail:us-east-1:444455556666:trail/main";
        let by_arn = found("cloudtrail", "DeleteTrail", json!({"name": other}), Value::Null);
        assert_eq!((&by_arn["arn"], &by_arn["region"]), (&json!(other), &json!("us-east-1")));
        assert_eq!(by_arn["account"], "444455556666");
        for bad in ["a b", "arn:aws:s3:::x", "", "ma/in"] {
            let none = found("cloudtrail", "StopLogging", json!({"name": bad}), Value::Null);
            assert_eq!(none, Value::Null, "{bad}");
        }
    }

    #[test]
    fn what_was_made_stands_apart_and_a_failed_call_makes_nothing() {
        let (request, key) = (
            Value::Null,
            json!({"accessKeyId": "AKIAIOSFODNN7EXAMPLE",
            "userName": "bob", "status": "Active"}),
        );
        let made = found("iam", "CreateAccessKey", request, json!({"accessKey": key}));
        let expected = json!({"user_name": "bob", "access_key_id": "AKIAIOSFODNN7EXAMPLE"});
        assert_eq!(made["created"], expected);
        let items = json!([{"instanceId": "i-0123456789abcdef0"}, {"instanceId": "i-01234567"}]);
        let run = json!({"instancesSet": {"items": items}});
        let mut record = record("ec2", "RunInstances", json!({}), run);
        let ids = json!(["i-0123456789abcdef0", "i-01234567"]);
        assert_eq!(of(&record).unwrap().to_json()["created"]["instance_ids"], ids);
        record["errorCode"] = json!("Client.UnauthorizedOperation");
        assert!(of(&record).unwrap().created.is_empty());
        record["responseElements"]["instancesSet"]["items"][1]["instanceId"] = json!("$(id)");
        assert_eq!(of(&record), None, "half of a list is no list");
    }

    #[test]
    fn a_function_without_its_version_and_its_events_without_theirs() {
        let arn = "arn:aws:lambda:eu-central-1:111122223333:function:pay";
        for name in ["pay", arn, "111122223333:function:pay"] {
            let request = json!({"functionName": name, "statementId": "open"});
            let one = found("lambda", "AddPermission20150331v2", request, Value::Null);
            assert_eq!((&one["arn"], &one["statement_id"]), (&json!(arn), &json!("open")));
        }
        let request = json!({"functionName": format!("{arn}:live")});
        let one = found("lambda", "UpdateFunctionCode20150331v2", request, Value::Null);
        assert_eq!((&one["arn"], &one["qualifier"]), (&json!(arn), &json!("live")));
        let request = json!({"functionName": "444455556666:function:pay"});
        assert_eq!(found("lambda", "CreateFunction20150331", request, Value::Null), Value::Null);
        let api = |name: &str| api_of(&json!({"eventName": name})).to_owned();
        assert_eq!(api("AddPermission20150331"), "AddPermission");
        assert_eq!(api("ListBuckets"), "ListBuckets");
        assert_eq!((api("v2"), api("20150331"), api("")), ("v2".into(), "".into(), "".into()));
    }

    #[test]
    fn keys_detectors_recorders_and_buckets() {
        let id = "1234abcd-12ab-34cd-56ef-1234567890ab";
        let key = found("kms", "DisableKey", json!({"keyId": id}), Value::Null);
        assert_eq!(key["arn"], format!("arn:aws:kms:eu-central-1:111122223333:key/{id}"));
        let alias = found("kms", "DisableKey", json!({"keyId": "alias/x"}), Value::Null);
        assert_eq!(alias, Value::Null);
        let id = "0123456789abcdef0123456789abcdef";
        let detector = found("guardduty", "UpdateDetector", json!({"detectorId": id}), Value::Null);
        assert_eq!(detector["name"], id);
        let request = json!({"configurationRecorderName": "default"});
        let recorder = found("config", "StopConfigurationRecorder", request, Value::Null);
        assert_eq!(recorder["type"], "AWS::Config::ConfigurationRecorder");
        let request = json!({"bucketName": "files.example.com"});
        let bucket = found("s3", "PutBucketAcl", request, Value::Null);
        assert_eq!(bucket["arn"], "arn:aws:s3:::files.example.com");
        assert_eq!(
            found("s3", "GetObject", json!({"bucketName": "files"}), Value::Null),
            Value::Null
        );
    }

    #[test]
    fn policies_name_the_principal_and_the_policy() {
        let request = json!({"userName": "bob", "policyArn": "arn:aws:iam::aws:policy/x"});
        let one = found("iam", "AttachUserPolicy", request, Value::Null);
        assert_eq!((&one["type"], &one["name"]), (&json!("AWS::IAM::User"), &json!("bob")));
        assert_eq!(one["policy_arn"], "arn:aws:iam::aws:policy/x");
        let bad = json!({"userName": "bob", "policyArn": "AdministratorAccess"});
        assert_eq!(found("iam", "AttachUserPolicy", bad, Value::Null), Value::Null);
        let bad = json!({"userName": "b ob", "policyName": "x"});
        assert_eq!(found("iam", "PutUserPolicy", bad, Value::Null), Value::Null);
    }
}
