//! Revert from the log: the calls that take back what a record did, with the value before from earlier records.
//!
//! What a call set is in its own record; what it replaced is in the record of the call before, if that was kept. Where the value
//! before can't be known there is no inverse, and a reason. An inverse runs only where a fresh read equals what the record
//! made; that is the executor's to see to.

use serde_json::{Map, Value, json};

use crate::call::Call;
use crate::resource::{self, Resource, api_of, succeeded};
use crate::target::Refusal;

/// How many earlier records are looked at, the newest first.
const HISTORY_MAX: usize = 10_000;

/// The calls that take back what this record did. `history` are earlier records of the account, the newest last; those of other
/// resources, and calls that failed, do no harm in it.
///
/// # Errors
///
/// If there are no such calls, with the reason.
pub fn of(record: &Value, history: &[Value]) -> Result<Vec<Call>, Refusal> {
    if !succeeded(record) {
        return Err(none("the call failed, so there is nothing to take back"));
    }
    let resource = resource::of(record)
        .ok_or_else(|| none("the record does not say what the call acted on"))?;
    let event = Event { api: api_of(record), request: &record["requestParameters"], resource };
    let before = Before { event: &event, history };
    let found = match event.resource.kind {
        "AWS::IAM::User" | "AWS::IAM::Role" | "AWS::IAM::Group" => principal(&event, &before),
        "AWS::IAM::ManagedPolicy" => managed_policy(&event, &before),
        "AWS::IAM::AccessKey" => access_key(&event),
        "AWS::S3::Bucket" => bucket(&event, &before),
        "AWS::CloudTrail::Trail" => trail(&event, &before),
        _ => simple(&event),
    };
    found.map_err(none)
}

type Found = Result<Vec<Call>, &'static str>;

const NO_INVERSE: &str = "there is no call that takes this back safely";
const NOT_IN_LOG: &str = "the value before is in no record that is at hand";

fn none(reason: &str) -> Refusal {
    Refusal::new("inverse", format!("no inverse: {reason}"))
}

struct Event<'a> {
    api: &'a str,
    request: &'a Value,
    resource: Resource,
}

impl Event<'_> {
    fn detail(&self, name: &str) -> Result<&str, &'static str> {
        self.resource.text(name).ok_or("the record does not name all that the inverse needs")
    }

    fn list(&self, name: &str) -> Vec<Value> {
        self.resource.details.get(name).and_then(Value::as_array).cloned().unwrap_or_default()
    }
}

/// The records before, of the same resource.
struct Before<'a> {
    event: &'a Event<'a>,
    history: &'a [Value],
}

impl<'a> Before<'a> {
    /// The newest successful call of one of these APIs on the same resource, and on the same part of it (policy name).
    fn last(&self, apis: &[&str]) -> Option<(&'a str, &'a Value)> {
        let of_event = &self.event.resource;
        let is_same = |record: &&'a Value| {
            apis.contains(&api_of(record))
                && succeeded(record)
                && resource::of(record).is_some_and(|one| {
                    (one.kind, &one.name, &one.account)
                        == (of_event.kind, &of_event.name, &of_event.account)
                        && is_one_region(&one, of_event)
                        && one.text("policy_name") == of_event.text("policy_name")
                })
        };
        let newest_first = self.history.iter().rev().take(HISTORY_MAX);
        newest_first.filter(is_same).map(|record| (api_of(record), record)).next()
    }
}

/// Whether two resources of one name are one: those of IAM and buckets are of no region.
fn is_one_region(a: &Resource, b: &Resource) -> bool {
    a.region == b.region || a.kind.starts_with("AWS::IAM::") || a.kind == "AWS::S3::Bucket"
}

fn call(service: &str, api: &str, inputs: Value) -> Call {
    let inputs = match inputs {
        Value::Object(inputs) => inputs,
        _ => Map::new(),
    };
    Call { service: service.to_owned(), api: api.to_owned(), inputs }
}

fn one(service: &str, api: &str, inputs: Value) -> Found {
    Ok(vec![call(service, api, inputs)])
}

fn principal(event: &Event<'_>, before: &Before<'_>) -> Found {
    let noun = event.resource.kind.rsplit(':').next().unwrap_or_default();
    let name = event.resource.name.as_str();
    let who = format!("{noun}Name");
    let iam = |api: &str, more: &[(&str, &str)]| {
        let mut inputs = Map::from_iter([(who.clone(), json!(name))]);
        inputs.extend(more.iter().map(|(key, value)| ((*key).to_owned(), json!(value))));
        one("iam", api, Value::Object(inputs))
    };
    let (put, delete) = (format!("Put{noun}Policy"), format!("Delete{noun}Policy"));
    let api = event.api;
    match api {
        "AddUserToGroup" => {
            return iam("RemoveUserFromGroup", &[("GroupName", event.detail("group_name")?)]);
        }
        "RemoveUserFromGroup" => {
            return iam("AddUserToGroup", &[("GroupName", event.detail("group_name")?)]);
        }
        "UpdateAssumeRolePolicy" => {
            let (api, old) =
                before.last(&["UpdateAssumeRolePolicy", "CreateRole"]).ok_or(NOT_IN_LOG)?;
            let field =
                if api == "CreateRole" { "assumeRolePolicyDocument" } else { "policyDocument" };
            let document = document(&old["requestParameters"][field])?;
            return iam("UpdateAssumeRolePolicy", &[("PolicyDocument", &document)]);
        }
        "CreateUser" | "CreateRole" => {
            return Err("what was made is contained by a deny, not deleted");
        }
        _ => {}
    }
    if api == format!("Attach{noun}Policy") {
        return iam(&format!("Detach{noun}Policy"), &[("PolicyArn", event.detail("policy_arn")?)]);
    }
    if api == format!("Detach{noun}Policy") {
        return iam(&format!("Attach{noun}Policy"), &[("PolicyArn", event.detail("policy_arn")?)]);
    }
    if api == put || api == delete {
        let policy = event.detail("policy_name")?;
        let old = before.last(&[&put, &delete]).filter(|(api, _)| *api == put);
        return match old {
            Some((_, old)) => {
                let document = document(&old["requestParameters"]["policyDocument"])?;
                iam(&put, &[("PolicyName", policy), ("PolicyDocument", &document)])
            }
            None if api == put => iam(&delete, &[("PolicyName", policy)]),
            None => Err(NOT_IN_LOG),
        };
    }
    boundary(event, before, noun, iam)
}

fn boundary(
    event: &Event<'_>,
    before: &Before<'_>,
    noun: &str,
    iam: impl Fn(&str, &[(&str, &str)]) -> Found,
) -> Found {
    let create = format!("Create{noun}");
    let (put, delete) =
        (format!("Put{noun}PermissionsBoundary"), format!("Delete{noun}PermissionsBoundary"));
    if event.api != put && event.api != delete {
        return Err(NO_INVERSE);
    }
    let Some((api, old)) = before.last(&[&put, &delete, &create]) else {
        return Err(NOT_IN_LOG);
    };
    let arn = old["requestParameters"]["permissionsBoundary"].as_str();
    match arn.filter(|arn| api != delete && crate::target::Arn::parse(arn).is_some()) {
        Some(arn) => iam(&put, &[("PermissionsBoundary", arn)]),
        None if event.api == put => iam(&delete, &[]),
        None => Err("the records before say that there was no boundary"),
    }
}

/// A policy document as a record has it: text, or the object that the text was.
fn document(value: &Value) -> Result<String, &'static str> {
    match value {
        Value::String(text) if serde_json::from_str::<Map<String, Value>>(text).is_ok() => {
            Ok(text.clone())
        }
        Value::Object(_) => Ok(value.to_string()),
        _ => Err("the record with the document before does not have it whole"),
    }
}

fn managed_policy(event: &Event<'_>, before: &Before<'_>) -> Found {
    let arn = event.detail("policy_arn")?;
    match event.api {
        "CreatePolicyVersion" if event.request["setAsDefault"] != Value::Bool(true) => {
            return Err("the new version is not the default, so it has no effect");
        }
        "CreatePolicyVersion" | "SetDefaultPolicyVersion" => {}
        _ => return Err(NO_INVERSE),
    }
    let is_default = |record: &Value| {
        api_of(record) != "CreatePolicyVersion"
            || record["requestParameters"]["setAsDefault"] == Value::Bool(true)
    };
    let defaults: Vec<Value> =
        before.history.iter().filter(|record| is_default(record)).cloned().collect();
    let before = Before { event, history: &defaults };
    let old = before.last(&["CreatePolicyVersion", "SetDefaultPolicyVersion", "CreatePolicy"]);
    let (api, old) = old.ok_or(NOT_IN_LOG)?;
    let version = match resource::of(old).as_ref().and_then(|old| old.text("version_id")) {
        Some(version) => version.to_owned(),
        None if api == "CreatePolicy" => "v1".to_owned(),
        None => return Err(NOT_IN_LOG),
    };
    one("iam", "SetDefaultPolicyVersion", json!({"PolicyArn": arn, "VersionId": version}))
}

fn access_key(event: &Event<'_>) -> Found {
    let status = match (event.api, event.request["status"].as_str()) {
        ("CreateAccessKey", _) | ("UpdateAccessKey", Some("Active")) => "Inactive",
        ("UpdateAccessKey", Some("Inactive")) => "Active",
        _ => return Err(NO_INVERSE),
    };
    let (user, key) = (event.detail("user_name")?, event.detail("access_key_id")?);
    let inputs = json!({"UserName": user, "AccessKeyId": key, "Status": status});
    one("iam", "UpdateAccessKey", inputs)
}

fn bucket(event: &Event<'_>, before: &Before<'_>) -> Found {
    let bucket = event.resource.name.as_str();
    match event.api {
        "PutBucketPolicy" | "DeleteBucketPolicy" => {
            match before.last(&["PutBucketPolicy", "DeleteBucketPolicy"]).ok_or(NOT_IN_LOG)? {
                ("PutBucketPolicy", old) => {
                    let policy = document(&old["requestParameters"]["bucketPolicy"])?;
                    one("s3", "PutBucketPolicy", json!({"Bucket": bucket, "Policy": policy}))
                }
                _ if event.api == "PutBucketPolicy" => {
                    one("s3", "DeleteBucketPolicy", json!({"Bucket": bucket}))
                }
                _ => Err("the records before say that there was no policy"),
            }
        }
        "PutBucketAcl" => {
            let (_, old) = before.last(&["PutBucketAcl"]).ok_or(NOT_IN_LOG)?;
            let asked = &old["requestParameters"]["x-amz-acl"];
            let acl = asked.as_str().or_else(|| asked[0].as_str());
            let acl = acl.filter(|acl| CANNED_ACLS.contains(acl));
            let acl = acl.ok_or("the access list before is not one of those with a name")?;
            one("s3", "PutBucketAcl", json!({"Bucket": bucket, "ACL": acl}))
        }
        "PutBucketVersioning" => {
            one("s3", "PutBucketVersioning", versioning(event, bucket).ok_or(NO_INVERSE)?)
        }
        api if api.ends_with("PublicAccessBlock") => {
            let old = before.last(&[
                "PutBucketPublicAccessBlock",
                "PutPublicAccessBlock",
                "DeleteBucketPublicAccessBlock",
                "DeletePublicAccessBlock",
            ]);
            let old =
                old.map(|(_, old)| &old["requestParameters"]["PublicAccessBlockConfiguration"]);
            // Where nothing is known of before, and where nothing stood, the bucket is closed all the same.
            let setting = |name: &str| {
                let said = old.map_or(&Value::Null, |old| &old[name]);
                !matches!(said, Value::Bool(false)) && said != "false"
            };
            let block: Map<String, Value> =
                BLOCKS.map(|name| (name.to_owned(), json!(setting(name)))).into_iter().collect();
            let inputs = json!({"Bucket": bucket, "PublicAccessBlockConfiguration": block});
            one("s3", "PutPublicAccessBlock", inputs)
        }
        _ => Err(NO_INVERSE),
    }
}

/// Access lists with a name that open a bucket to nobody else.
const CANNED_ACLS: [&str; 2] = ["private", "log-delivery-write"];
const BLOCKS: [&str; 4] =
    ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"];

fn versioning(event: &Event<'_>, bucket: &str) -> Option<Value> {
    let suspended = event.request["VersioningConfiguration"]["Status"] == "Suspended";
    suspended.then(|| json!({"Bucket": bucket, "VersioningConfiguration": {"Status": "Enabled"}}))
}

fn trail(event: &Event<'_>, before: &Before<'_>) -> Found {
    let trail = event.resource.arn.as_deref().unwrap_or(&event.resource.name);
    match event.api {
        "StopLogging" => one("cloudtrail", "StartLogging", json!({"Name": trail})),
        "PutEventSelectors" => {
            let (_, old) = before.last(&["PutEventSelectors"]).ok_or(NOT_IN_LOG)?;
            let mut inputs = Map::from_iter([("TrailName".to_owned(), json!(trail))]);
            for name in ["eventSelectors", "advancedEventSelectors"] {
                let selectors = &old["requestParameters"][name];
                if selectors.as_array().is_some_and(|list| !list.is_empty()) {
                    inputs.insert(upper_first(name), by_reference(selectors, 0));
                }
            }
            if inputs.len() != 2 {
                return Err("the record with the selectors before does not have them whole");
            }
            one("cloudtrail", "PutEventSelectors", Value::Object(inputs))
        }
        "UpdateTrail" => {
            let mut inputs = Map::from_iter([("Name".to_owned(), json!(trail))]);
            let changed = event.request.as_object().ok_or(NO_INVERSE)?;
            for name in changed.keys().filter(|name| *name != "name") {
                let old = last_setting(before, name).ok_or(NOT_IN_LOG)?;
                inputs.insert(upper_first(name), old.clone());
            }
            one("cloudtrail", "UpdateTrail", Value::Object(inputs))
        }
        _ => Err(NO_INVERSE),
    }
}

/// What the newest record before that sets this of a trail set it to.
fn last_setting<'a>(before: &Before<'a>, name: &str) -> Option<&'a Value> {
    let setting = |record: &'a Value| {
        let value = &record["requestParameters"][name];
        (value.is_string() || value.is_boolean()).then_some(value)
    };
    let newest_first = before.history.iter().rev().take(HISTORY_MAX);
    newest_first.filter(|record| setting(record).is_some()).find_map(|record| {
        let alone = Before { event: before.event, history: std::slice::from_ref(record) };
        alone.last(&["UpdateTrail", "CreateTrail"]).and_then(|_| setting(record))
    })
}

/// A value with its keys as the API reference writes them: records have `readWriteType`, the API `ReadWriteType`.
fn by_reference(value: &Value, depth: usize) -> Value {
    match value {
        Value::Array(items) if depth < 8 => {
            items.iter().map(|item| by_reference(item, depth + 1)).collect()
        }
        Value::Object(fields) if depth < 8 => fields
            .iter()
            .map(|(name, value)| (upper_first(name), by_reference(value, depth + 1)))
            .collect(),
        other => other.clone(),
    }
}

fn upper_first(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

/// Calls whose inverse is in their own record.
fn simple(event: &Event<'_>) -> Found {
    let name = event.resource.name.as_str();
    let arn = event.resource.arn.as_deref().unwrap_or(name);
    match event.api {
        "ScheduleKeyDeletion" => Ok(vec![
            call("kms", "CancelKeyDeletion", json!({"KeyId": arn})),
            call("kms", "EnableKey", json!({"KeyId": arn})),
        ]),
        "DisableKey" => one("kms", "EnableKey", json!({"KeyId": arn})),
        "AuthorizeSecurityGroupIngress" | "AuthorizeSecurityGroupEgress" => {
            let ids = event.list("rule_ids");
            if ids.is_empty() {
                return Err("the record does not have the ids of the rules that were added");
            }
            let api = event.api.replace("Authorize", "Revoke");
            one("ec2", &api, json!({"GroupId": name, "SecurityGroupRuleIds": ids}))
        }
        "ModifySnapshotAttribute"
        | "ModifyImageAttribute"
        | "ModifyDBSnapshotAttribute"
        | "ModifyDBClusterSnapshotAttribute" => unshare(event, name),
        "AddPermission" => {
            let statement = event.detail("statement_id")?;
            let mut inputs = json!({"FunctionName": arn, "StatementId": statement});
            if let Some(qualifier) = event.resource.text("qualifier") {
                inputs["Qualifier"] = json!(qualifier);
            }
            one("lambda", "RemovePermission", inputs)
        }
        "CreateFunctionUrlConfig" => {
            one("lambda", "DeleteFunctionUrlConfig", json!({"FunctionName": arn}))
        }
        "UpdateDetector" if event.request["enable"] == Value::Bool(false) => {
            one("guardduty", "UpdateDetector", json!({"DetectorId": name, "Enable": true}))
        }
        "StopConfigurationRecorder" => {
            let inputs = json!({"ConfigurationRecorderName": name});
            one("config", "StartConfigurationRecorder", inputs)
        }
        _ => Err(NO_INVERSE),
    }
}

fn unshare(event: &Event<'_>, name: &str) -> Found {
    let (users, groups) = (event.list("added_user_ids"), event.list("added_groups"));
    if users.is_empty() && groups.is_empty() {
        return Err("the call shared it with nobody");
    }
    let is_image = event.api == "ModifyImageAttribute";
    if matches!(event.api, "ModifySnapshotAttribute" | "ModifyImageAttribute") {
        let (id, attribute) = if is_image {
            ("ImageId", "launchPermission")
        } else {
            ("SnapshotId", "createVolumePermission")
        };
        let mut inputs = json!({id: name, "Attribute": attribute, "OperationType": "remove"});
        for (field, ids) in
            [("UserIds", users), (if is_image { "UserGroups" } else { "GroupNames" }, groups)]
        {
            if !ids.is_empty() {
                inputs[field] = Value::Array(ids);
            }
        }
        return one("ec2", event.api, inputs);
    }
    let id = if event.api == "ModifyDBSnapshotAttribute" {
        "DBSnapshotIdentifier"
    } else {
        "DBClusterSnapshotIdentifier"
    };
    let ids: Vec<Value> = users.into_iter().chain(groups).collect();
    one("rds", event.api, json!({id: name, "AttributeName": "restore", "ValuesToRemove": ids}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(source: &str, api: &str, request: Value) -> Value {
        json!({"eventSource": format!("{source}.amazonaws.com"), "eventName": api,
               "awsRegion": "eu-central-1", "recipientAccountId": "111122223333",
               "requestParameters": request})
    }

    fn answered(mut record: Value, response: Value) -> Value {
        record["responseElements"] = response;
        record
    }

    fn said(record: &Value, history: &[Value]) -> (String, Value) {
        let calls = of(record, history).unwrap();
        assert_eq!(calls.len(), 1, "{calls:?}");
        (calls[0].name(), Value::Object(calls[0].inputs.clone()))
    }

    fn trust(document: &str) -> Value {
        let request = json!({"roleName": "deploy", "policyDocument": document});
        record("iam", "UpdateAssumeRolePolicy", request)
    }

    #[test]
    fn a_trust_policy_goes_back_to_the_last_that_took_effect() {
        let made = record(
            "iam",
            "CreateRole",
            json!({"roleName": "deploy", "assumeRolePolicyDocument": "{\"v\":0}"}),
        );
        let mut failed = trust("{\"v\":2}");
        failed["errorCode"] = json!("AccessDenied");
        let mut other = trust("{\"v\":3}");
        other["requestParameters"]["roleName"] = json!("other");
        let history = [made, trust("{\"v\":1}"), failed, other];
        let back = |document: &str| {
            let inputs = json!({"RoleName": "deploy", "PolicyDocument": document});
            ("iam:UpdateAssumeRolePolicy".to_owned(), inputs)
        };
        assert_eq!(said(&trust("{\"v\":9}"), &history), back("{\"v\":1}"));
        assert_eq!(said(&trust("{\"v\":9}"), &history[..1]), back("{\"v\":0}"));
        assert!(of(&trust("{\"v\":9}"), &[]).is_err());
        // What is no document is not put anywhere.
        assert!(of(&trust("{\"v\":9}"), &[trust("cut off")]).is_err());
    }

    #[test]
    fn an_inline_policy_goes_back_to_its_document_or_away() {
        let put = |policy: &str, document: &str| {
            record(
                "iam",
                "PutRolePolicy",
                json!({"roleName": "deploy", "policyName": policy, "policyDocument": document}),
            )
        };
        let delete =
            record("iam", "DeleteRolePolicy", json!({"roleName": "deploy", "policyName": "a"}));
        let (api, inputs) = said(&put("a", "{\"v\":2}"), &[put("a", "{\"v\":1}"), put("b", "{}")]);
        assert_eq!(
            (api.as_str(), &inputs["PolicyDocument"]),
            ("iam:PutRolePolicy", &json!("{\"v\":1}"))
        );
        let gone = "iam:DeleteRolePolicy";
        assert_eq!(said(&put("a", "{}"), &[put("b", "{}")]).0, gone);
        assert_eq!(said(&put("a", "{}"), &[put("a", "{}"), delete.clone()]).0, gone);
        assert_eq!(said(&delete, &[put("a", "{}")]).0, "iam:PutRolePolicy");
        assert!(of(&delete, &[]).is_err());
    }

    #[test]
    fn a_trail_goes_back_to_its_selectors_and_settings() {
        let selectors = |kind: &str| {
            let one = json!({"readWriteType": kind, "includeManagementEvents": true,
                             "dataResources": [{"type": "AWS::S3::Object", "values": []}]});
            let request = json!({"trailName": "main", "eventSelectors": [one]});
            record("cloudtrail", "PutEventSelectors", request)
        };
        let (_, inputs) = said(&selectors("ReadOnly"), &[selectors("All")]);
        let arn = "arn:aws:cloudtrail:eu-central-1:111122223333:trail/main";
        assert_eq!(inputs["TrailName"], arn);
        let first = &inputs["EventSelectors"][0];
        assert_eq!(first["ReadWriteType"], "All");
        assert_eq!(first["DataResources"][0]["Type"], "AWS::S3::Object");
        let create = record(
            "cloudtrail",
            "CreateTrail",
            json!({"name": "main", "s3BucketName": "logs", "isMultiRegionTrail": true}),
        );
        let update = |request: Value| record("cloudtrail", "UpdateTrail", request);
        let moved = update(json!({"name": "main", "s3BucketName": "elsewhere"}));
        let (_, inputs) = said(&moved, std::slice::from_ref(&create));
        assert_eq!(inputs, json!({"Name": arn, "S3BucketName": "logs"}));
        let key = update(json!({"name": "main", "kmsKeyId": "x"}));
        assert!(of(&key, &[create]).is_err(), "nobody knows which key it was");
    }

    #[test]
    fn a_bucket_is_closed_as_it_was_or_wholly() {
        let gone = record("s3", "DeleteBucketPublicAccessBlock", json!({"bucketName": "files"}));
        let (api, inputs) = said(&gone, &[]);
        assert_eq!(api, "s3:PutPublicAccessBlock");
        let block = &inputs["PublicAccessBlockConfiguration"];
        assert!(BLOCKS.iter().all(|name| block[name] == true), "{block}");
        let put = record(
            "s3",
            "PutBucketPublicAccessBlock",
            json!({"bucketName": "files", "PublicAccessBlockConfiguration":
                   {"BlockPublicAcls": true, "IgnorePublicAcls": false}}),
        );
        let (_, inputs) = said(&gone, &[put]);
        assert_eq!(inputs["PublicAccessBlockConfiguration"]["IgnorePublicAcls"], false);
        let policy = |text: Value| {
            record("s3", "PutBucketPolicy", json!({"bucketName": "files", "bucketPolicy": text}))
        };
        let (_, inputs) = said(&policy(json!({"v": 2})), &[policy(json!({"v": 1}))]);
        assert_eq!(inputs, json!({"Bucket": "files", "Policy": "{\"v\":1}"}));
        assert!(of(&policy(json!({})), &[]).is_err());
    }

    #[test]
    fn what_a_record_says_by_itself_is_taken_back_without_others() {
        let id = "1234abcd-12ab-34cd-56ef-1234567890ab";
        let calls = of(&record("kms", "ScheduleKeyDeletion", json!({"keyId": id})), &[]).unwrap();
        let names: Vec<_> = calls.iter().map(Call::name).collect();
        assert_eq!(names, ["kms:CancelKeyDeletion", "kms:EnableKey"]);
        let group =
            record("ec2", "AuthorizeSecurityGroupIngress", json!({"groupId": "sg-01234567"}));
        let rules =
            json!({"securityGroupRuleSet": {"items": [{"securityGroupRuleId": "sgr-01234567"}]}});
        let (api, inputs) = said(&answered(group.clone(), rules), &[]);
        assert_eq!(api, "ec2:RevokeSecurityGroupIngress");
        assert_eq!(inputs["SecurityGroupRuleIds"], json!(["sgr-01234567"]));
        assert!(of(&group, &[]).is_err(), "without ids it would be a guess");
        let share = record(
            "ec2",
            "ModifySnapshotAttribute",
            json!({"snapshotId": "snap-01234567", "createVolumePermission":
                   {"add": {"items": [{"userId": "444455556666"}, {"group": "all"}]}}}),
        );
        let (_, inputs) = said(&share, &[]);
        assert_eq!(
            inputs,
            json!({"SnapshotId": "snap-01234567", "Attribute": "createVolumePermission",
                   "OperationType": "remove", "UserIds": ["444455556666"], "GroupNames": ["all"]})
        );
        let version = |id: &str| {
            let request =
                json!({"policyArn": "arn:aws:iam::111122223333:policy/p", "versionId": id});
            record("iam", "SetDefaultPolicyVersion", request)
        };
        assert_eq!(said(&version("v3"), &[version("v2")]).1["VersionId"], "v2");
        let mut failed = record("kms", "DisableKey", json!({"keyId": id}));
        failed["errorCode"] = json!("AccessDenied");
        assert!(of(&failed, &[]).unwrap_err().reason.contains("failed"));
    }
}
