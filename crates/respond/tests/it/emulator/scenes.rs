//! What each row of the table needs: the state before, the record of it, how it looks from outside, and what somebody else does
//! to it between the run and the undo.

use std::cell::OnceCell;

use serde_json::{Value, json};
use trailloop_runbook::Call;

use super::aws::{Emulator, between, seen};
use crate::kit::{ACCOUNT, KEY, Kit};

/// What somebody else does before the undo, and what comes of the undo.
pub(super) enum Drift {
    /// The state is neither what we left nor what it was: the undo refuses, and these words are in its reason.
    Refused(Box<dyn Fn()>, &'static str),
    /// The state is what it was before us, by somebody else's hand: nothing is left to do, and nothing is done.
    Theirs(Box<dyn Fn()>),
    /// The runbook leaves its effect, so there is no undo to be in the way of.
    None,
}

/// One incident.
pub(super) struct Scene {
    /// The record of the attacker's call.
    pub(super) record: Value,
    /// The state as the account's own people see it.
    pub(super) look: Box<dyn Fn() -> String>,
    pub(super) drift: Drift,
}

/// Where a scene is set.
pub(super) struct Ground<'k> {
    pub(super) kit: &'k Kit,
    aws: Option<Emulator>,
    /// Unlike that of any other scene.
    tag: String,
    permission_set: OnceCell<(String, String)>,
}

const OPEN_TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}"#;
const OTHER_TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:root"},"Action":"sts:AssumeRole"}]}"#;
const READS: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}]}"#;
const OTHER: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"sqs:*","Resource":"*"}]}"#;
const IAM: &str = "iam.amazonaws.com";

impl<'k> Ground<'k> {
    pub(super) fn new(kit: &'k Kit, aws: Option<Emulator>, tag: String) -> Self {
        Self { kit, aws, tag, permission_set: OnceCell::new() }
    }

    pub(super) fn aws(&self) -> Emulator {
        self.aws.clone().unwrap()
    }

    pub(super) fn name(&self, name: &str) -> String {
        format!("{name}-{}", self.tag)
    }

    fn user(&self) -> String {
        let user = self.name("user");
        self.aws().iam("CreateUser", &[("UserName", &user)]);
        user
    }

    fn key_of(&self, user: &str) -> String {
        let made = self.aws().iam("CreateAccessKey", &[("UserName", user)]);
        between(&made, "<AccessKeyId>", "</AccessKeyId>").to_owned()
    }

    /// A role, with its id.
    fn role(&self) -> (String, String) {
        let role = self.name("role");
        let inputs = [("RoleName", role.as_str()), ("AssumeRolePolicyDocument", OPEN_TRUST)];
        let made = self.aws().iam("CreateRole", &inputs);
        let id = between(&made, "<RoleId>", "</RoleId>").to_owned();
        (role, id)
    }

    /// A managed policy of the account.
    fn policy(&self, name: &str) -> String {
        let inputs = [("PolicyName", name), ("PolicyDocument", READS)];
        let reply = self.aws().try_query("iam", "2010-05-08", "CreatePolicy", &inputs);
        assert!(
            reply.status == 200 || reply.body.contains("EntityAlreadyExists"),
            "{}",
            reply.body
        );
        format!("arn:aws:iam::{ACCOUNT}:policy/{name}")
    }

    fn bucket(&self) -> String {
        let bucket = self.name("bucket");
        self.aws().ask("s3", &format!("PUT /{bucket}"), "", "");
        bucket
    }

    fn record(&self, source: &str, name: &str, parameters: Value) -> Value {
        self.kit.record(source, name, parameters)
    }

    /// A record of what a session of a user did.
    fn of_session(&self, user: &str) -> Value {
        let mut record = self.record(IAM, "GetAccountAuthorizationDetails", Value::Null);
        let identity = &mut record["userIdentity"];
        identity["arn"] = json!(format!("arn:aws:iam::{ACCOUNT}:user/{user}"));
        identity["userName"] = json!(user);
        identity["accessKeyId"] = json!("ASIAIOSFODNN7EXAMPLE");
        identity["sessionContext"] = json!({"attributes": {
            "creationDate": "2026-11-20T08:40:00Z", "mfaAuthenticated": "false"}});
        record
    }

    /// A record of what a session of a role did.
    fn of_role(&self, role: &str, id: &str) -> Value {
        let mut record = self.record(IAM, "GetAccountAuthorizationDetails", Value::Null);
        record["userIdentity"] = json!({
            "type": "AssumedRole",
            "principalId": format!("{id}:build-17"),
            "arn": format!("arn:aws:sts::{ACCOUNT}:assumed-role/{role}/build-17"),
            "accountId": ACCOUNT,
            "accessKeyId": "ASIAIOSFODNN7EXAMPLE",
            "sessionContext": {"sessionIssuer": {
                "type": "Role", "principalId": id,
                "arn": format!("arn:aws:iam::{ACCOUNT}:role/{role}"),
                "accountId": ACCOUNT, "userName": role,
            }},
        });
        record
    }

    /// What shows a user: keys, policies and groups, and each inline policy's text.
    fn look_at_user(&self, user: &str) -> Box<dyn Fn() -> String> {
        let (aws, user) = (self.aws(), user.to_owned());
        Box::new(move || {
            let of_user = [("UserName", user.as_str())];
            let mut text = String::new();
            for api in [
                "ListAccessKeys",
                "ListAttachedUserPolicies",
                "ListGroupsForUser",
                "ListUserPolicies",
            ] {
                text += &aws.seen_in_iam(api, &of_user);
            }
            text + &inline(&aws, "User", &user)
        })
    }

    fn look_at_role(&self, role: &str) -> Box<dyn Fn() -> String> {
        let (aws, role) = (self.aws(), role.to_owned());
        Box::new(move || {
            let of_role = [("RoleName", role.as_str())];
            let mut text = String::new();
            for api in ["GetRole", "ListAttachedRolePolicies", "ListRolePolicies"] {
                text += &aws.seen_in_iam(api, &of_role);
            }
            text + &inline(&aws, "Role", &role)
        })
    }

    /// Somebody writes another document in the place of the first inline policy.
    fn rewrites(&self, kind: &'static str, principal: &str) -> Drift {
        let (aws, principal) = (self.aws(), principal.to_owned());
        let act = move || {
            let named = format!("{kind}Name");
            let names = aws.iam(&format!("List{kind}Policies"), &[(&named, &principal)]);
            let name = between(&names, "<member>", "</member>").to_owned();
            let inputs = [
                (named.as_str(), principal.as_str()),
                ("PolicyName", &name),
                ("PolicyDocument", OTHER),
            ];
            aws.iam(&format!("Put{kind}Policy"), &inputs);
        };
        Drift::Refused(Box::new(act), "sqs:*")
    }

    fn does(
        &self,
        api: &'static str,
        inputs: &[(&'static str, &str)],
        named: &'static str,
    ) -> Drift {
        let aws = self.aws();
        let inputs: Vec<(&str, String)> =
            inputs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let act = move || {
            let inputs: Vec<(&str, &str)> =
                inputs.iter().map(|(name, value)| (*name, value.as_str())).collect();
            aws.iam(api, &inputs);
        };
        Drift::Refused(Box::new(act), named)
    }
}

/// The text of each inline policy.
fn inline(aws: &Emulator, kind: &str, principal: &str) -> String {
    let named = format!("{kind}Name");
    let inputs = [(named.as_str(), principal)];
    let names = aws.try_query("iam", "2010-05-08", &format!("List{kind}Policies"), &inputs).body;
    let listed = names.split("<member>").skip(1).filter_map(|rest| rest.split_once("</member>"));
    listed
        .map(|(name, _)| {
            let inputs = [(named.as_str(), principal), ("PolicyName", name)];
            aws.seen_in_iam(&format!("Get{kind}Policy"), &inputs)
        })
        .collect()
}

// Credentials of users.

pub(super) fn user_key(ground: &Ground<'_>) -> Scene {
    let user = ground.user();
    let key = ground.key_of(&user);
    let mut record = ground.record(IAM, "GetAccountAuthorizationDetails", Value::Null);
    let identity = &mut record["userIdentity"];
    identity["arn"] = json!(format!("arn:aws:iam::{ACCOUNT}:user/{user}"));
    identity["userName"] = json!(user);
    identity["accessKeyId"] = json!(key);
    Scene { record, look: ground.look_at_user(&user), drift: ground.rewrites("User", &user) }
}

pub(super) fn activated_key(ground: &Ground<'_>) -> Scene {
    let user = ground.user();
    let key = ground.key_of(&user);
    let parameters = json!({"userName": user, "accessKeyId": key, "status": "Active"});
    let drift =
        ground.does("DeleteAccessKey", &[("UserName", &user), ("AccessKeyId", &key)], "is absent");
    let record = ground.record(IAM, "UpdateAccessKey", parameters);
    Scene { record, look: ground.look_at_user(&user), drift }
}

pub(super) fn created_key(ground: &Ground<'_>) -> Scene {
    let user = ground.user();
    let key = ground.key_of(&user);
    let mut record = ground.record(IAM, "CreateAccessKey", json!({"userName": user}));
    record["responseElements"] =
        json!({"accessKey": {"userName": user, "accessKeyId": key, "status": "Active"}});
    let drift =
        ground.does("DeleteAccessKey", &[("UserName", &user), ("AccessKeyId", &key)], "is absent");
    Scene { record, look: ground.look_at_user(&user), drift }
}

pub(super) fn user_session(ground: &Ground<'_>) -> Scene {
    ground.policy("trailloop-quarantine");
    let user = ground.user();
    let record = ground.of_session(&user);
    Scene { record, look: ground.look_at_user(&user), drift: ground.rewrites("User", &user) }
}

pub(super) fn console_session(ground: &Ground<'_>) -> Scene {
    let user = ground.user();
    ground
        .aws()
        .iam("CreateLoginProfile", &[("UserName", &user), ("Password", "Pa55-w0rd!EXAMPLE")]);
    let mut record = ground.of_session(&user);
    record["sessionCredentialFromConsole"] = json!("true");
    Scene { record, look: ground.look_at_user(&user), drift: ground.rewrites("User", &user) }
}

pub(super) fn created_user(ground: &Ground<'_>) -> Scene {
    let user = ground.user();
    let record = ground.record(IAM, "CreateUser", json!({"userName": user}));
    Scene { record, look: ground.look_at_user(&user), drift: ground.rewrites("User", &user) }
}

pub(super) fn created_login(ground: &Ground<'_>) -> Scene {
    let user = ground.user();
    let record = ground.record(IAM, "CreateLoginProfile", json!({"userName": user}));
    Scene { record, look: ground.look_at_user(&user), drift: ground.rewrites("User", &user) }
}

// Rights of users, roles and groups.

pub(super) fn attached_to_user(ground: &Ground<'_>) -> Scene {
    let (user, arn) = (ground.user(), ground.policy(&ground.name("policy")));
    ground.aws().iam("AttachUserPolicy", &[("UserName", &user), ("PolicyArn", &arn)]);
    let record =
        ground.record(IAM, "AttachUserPolicy", json!({"userName": user, "policyArn": arn}));
    let drift = ground.does("DeleteUser", &[("UserName", &user)], "NoSuchEntity");
    Scene { record, look: ground.look_at_user(&user), drift }
}

pub(super) fn attached_to_role(ground: &Ground<'_>) -> Scene {
    let ((role, _), arn) = (ground.role(), ground.policy(&ground.name("policy")));
    ground.aws().iam("AttachRolePolicy", &[("RoleName", &role), ("PolicyArn", &arn)]);
    let record =
        ground.record(IAM, "AttachRolePolicy", json!({"roleName": role, "policyArn": arn}));
    let drift = ground.does("DeleteRole", &[("RoleName", &role)], "NoSuchEntity");
    Scene { record, look: ground.look_at_role(&role), drift }
}

pub(super) fn attached_to_group(ground: &Ground<'_>) -> Scene {
    let (group, arn) = (ground.name("group"), ground.policy(&ground.name("policy")));
    let aws = ground.aws();
    aws.iam("CreateGroup", &[("GroupName", &group)]);
    aws.iam("AttachGroupPolicy", &[("GroupName", &group), ("PolicyArn", &arn)]);
    let record =
        ground.record(IAM, "AttachGroupPolicy", json!({"groupName": group, "policyArn": arn}));
    let drift = ground.does("DeleteGroup", &[("GroupName", &group)], "NoSuchEntity");
    let look = move || aws.seen_in_iam("ListAttachedGroupPolicies", &[("GroupName", &group)]);
    Scene { record, look: Box::new(look), drift }
}

pub(super) fn added_to_group(ground: &Ground<'_>) -> Scene {
    let (user, group) = (ground.user(), ground.name("group"));
    let aws = ground.aws();
    let membership = [("GroupName", group.as_str()), ("UserName", &user)];
    aws.iam("CreateGroup", &membership[..1]);
    aws.iam("AddUserToGroup", &membership);
    let record =
        ground.record(IAM, "AddUserToGroup", json!({"userName": user, "groupName": group}));
    let drift = ground.does("DeleteGroup", &[("GroupName", &group)], "NoSuchEntity");
    Scene { record, look: ground.look_at_user(&user), drift }
}

pub(super) fn put_user_policy(ground: &Ground<'_>) -> Scene {
    let user = ground.user();
    let inputs = [("UserName", user.as_str()), ("PolicyName", "extra"), ("PolicyDocument", READS)];
    ground.aws().iam("PutUserPolicy", &inputs);
    let parameters = json!({"userName": user, "policyName": "extra", "policyDocument": READS});
    let record = ground.record(IAM, "PutUserPolicy", parameters);
    Scene { record, look: ground.look_at_user(&user), drift: ground.rewrites("User", &user) }
}

pub(super) fn put_role_policy(ground: &Ground<'_>) -> Scene {
    let (role, _) = ground.role();
    let inputs = [("RoleName", role.as_str()), ("PolicyName", "extra"), ("PolicyDocument", READS)];
    ground.aws().iam("PutRolePolicy", &inputs);
    let parameters = json!({"roleName": role, "policyName": "extra", "policyDocument": READS});
    let record = ground.record(IAM, "PutRolePolicy", parameters);
    Scene { record, look: ground.look_at_role(&role), drift: ground.rewrites("Role", &role) }
}

pub(super) fn changed_trust(ground: &Ground<'_>) -> Scene {
    let (role, _) = ground.role();
    let parameters = json!({"roleName": role, "policyDocument": OPEN_TRUST});
    let record = ground.record(IAM, "UpdateAssumeRolePolicy", parameters);
    let inputs = [("RoleName", role.as_str()), ("PolicyDocument", OTHER_TRUST)];
    let drift = ground.does("UpdateAssumeRolePolicy", &inputs, "444455556666");
    Scene { record, look: ground.look_at_role(&role), drift }
}

// Roles.

pub(super) fn role_session(ground: &Ground<'_>) -> Scene {
    ground.policy("trailloop-quarantine");
    let (role, id) = ground.role();
    let record = ground.of_role(&role, &id);
    Scene { record, look: ground.look_at_role(&role), drift: ground.rewrites("Role", &role) }
}

pub(super) fn federated_login(ground: &Ground<'_>) -> Scene {
    let (role, _) = ground.role();
    let provider =
        format!("arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com");
    let arn = format!("arn:aws:iam::{ACCOUNT}:role/{role}");
    let parameters = json!({"roleArn": arn, "roleSessionName": "build-17"});
    let mut record = ground.record("sts.amazonaws.com", "AssumeRoleWithWebIdentity", parameters);
    record["userIdentity"] = json!({
        "type": "WebIdentityUser",
        "principalId": format!("{provider}:sts.amazonaws.com:repo:example/app:ref:refs/heads/main"),
        "userName": "repo:example/app:ref:refs/heads/main",
        "identityProvider": provider,
    });
    Scene { record, look: ground.look_at_role(&role), drift: ground.rewrites("Role", &role) }
}

pub(super) fn created_role(ground: &Ground<'_>) -> Scene {
    let (role, _) = ground.role();
    let record = ground.record(IAM, "CreateRole", json!({"roleName": role}));
    Scene { record, look: ground.look_at_role(&role), drift: ground.rewrites("Role", &role) }
}

// Logging and detection.

const CLOUDTRAIL: &str = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101";

fn trail(ground: &Ground<'_>) -> String {
    let (trail, bucket) = (ground.name("trail"), ground.bucket());
    let inputs = json!({"Name": trail, "S3BucketName": bucket});
    ground.aws().json("cloudtrail", &format!("{CLOUDTRAIL}.CreateTrail"), &inputs);
    format!("arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/{trail}")
}

pub(super) fn stopped_trail(ground: &Ground<'_>) -> Scene {
    let arn = trail(ground);
    let record = ground.record("cloudtrail.amazonaws.com", "StopLogging", json!({"name": arn}));
    let aws = ground.aws();
    let look = move || {
        let target = format!("{CLOUDTRAIL}.GetTrailStatus");
        aws.json("cloudtrail", &target, &json!({"Name": arn}))["IsLogging"].to_string()
    };
    Scene { record, look: Box::new(look), drift: Drift::None }
}

pub(super) fn changed_selectors(ground: &Ground<'_>) -> Scene {
    let arn = trail(ground);
    let aws = ground.aws();
    let selectors = |kind: &str| {
        json!({"TrailName": arn, "EventSelectors": [{
            "ReadWriteType": kind, "IncludeManagementEvents": false,
            "DataResources": [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3:::"]}],
        }]})
    };
    let put = format!("{CLOUDTRAIL}.PutEventSelectors");
    aws.json("cloudtrail", &put, &selectors("WriteOnly"));
    let record =
        ground.record("cloudtrail.amazonaws.com", "PutEventSelectors", json!({"trailName": arn}));
    let other = selectors("ReadOnly");
    let (looking, drifting) = (aws.clone(), aws);
    let look = move || {
        let target = format!("{CLOUDTRAIL}.GetEventSelectors");
        seen(&looking.try_json("cloudtrail", &target, &json!({"TrailName": arn})))
    };
    let drift = move || {
        drifting.json("cloudtrail", &put, &other);
    };
    Scene { record, look: Box::new(look), drift: Drift::Refused(Box::new(drift), "ReadOnly") }
}

pub(super) fn stopped_recorder(ground: &Ground<'_>) -> Scene {
    let aws = ground.aws();
    let role = format!("arn:aws:iam::{ACCOUNT}:role/config");
    let recorder = json!({"ConfigurationRecorder": {"name": "default", "roleARN": role,
        "recordingGroup": {"allSupported": true, "includeGlobalResourceTypes": false}}});
    aws.json("config", "StarlingDoveService.PutConfigurationRecorder", &recorder);
    let bucket = ground.bucket();
    let channel = json!({"DeliveryChannel": {"name": "default", "s3BucketName": bucket}});
    aws.json("config", "StarlingDoveService.PutDeliveryChannel", &channel);
    let stop = json!({"ConfigurationRecorderName": "default"});
    aws.json("config", "StarlingDoveService.StopConfigurationRecorder", &stop);
    let parameters = json!({"configurationRecorderName": "default"});
    let record = ground.record("config.amazonaws.com", "StopConfigurationRecorder", parameters);
    let look = move || {
        let target = "StarlingDoveService.DescribeConfigurationRecorderStatus";
        let shown = aws.json("config", target, &json!({}));
        shown["ConfigurationRecordersStatus"][0]["recording"].to_string()
    };
    Scene { record, look: Box::new(look), drift: Drift::None }
}

pub(super) fn suspended_detector(ground: &Ground<'_>) -> Scene {
    let aws = ground.aws();
    let made = aws.rest("guardduty", "POST /detector", r#"{"enable": false}"#);
    let made: Value = serde_json::from_str(&made).unwrap();
    let id = made["detectorId"].as_str().unwrap().to_owned();
    let parameters = json!({"detectorId": id, "enable": false});
    let record = ground.record("guardduty.amazonaws.com", "UpdateDetector", parameters);
    let look = move || {
        let shown = aws.rest("guardduty", &format!("GET /detector/{id}"), "");
        let shown: Value = serde_json::from_str(&shown).unwrap();
        shown["status"].to_string()
    };
    Scene { record, look: Box::new(look), drift: Drift::None }
}

// Data.

pub(super) fn opened_bucket(ground: &Ground<'_>) -> Scene {
    let (aws, bucket) = (ground.aws(), ground.bucket());
    let record = ground.record(
        "s3.amazonaws.com",
        "DeleteBucketPublicAccessBlock",
        json!({"bucketName": bucket}),
    );
    let other = "<PublicAccessBlockConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
        <BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>false</IgnorePublicAcls>\
        <BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>false</RestrictPublicBuckets>\
        </PublicAccessBlockConfiguration>";
    let head = format!("/{bucket}?publicAccessBlock");
    let (looking, path) = (aws.clone(), head.clone());
    let look = move || seen(&looking.send("s3", &format!("GET {path}"), "", ""));
    let drift = move || {
        aws.ask("s3", &format!("PUT {head}"), "", other);
    };
    Scene {
        record,
        look: Box::new(look),
        drift: Drift::Refused(Box::new(drift), "\"IgnorePublicAcls\":false"),
    }
}

pub(super) fn suspended_versions(ground: &Ground<'_>) -> Scene {
    let (aws, bucket) = (ground.aws(), ground.bucket());
    for status in ["Enabled", "Suspended"] {
        let body = format!(
            "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Status>{status}</Status></VersioningConfiguration>"
        );
        aws.ask("s3", &format!("PUT /{bucket}?versioning"), "", &body);
    }
    let parameters =
        json!({"bucketName": bucket, "VersioningConfiguration": {"Status": "Suspended"}});
    let record = ground.record("s3.amazonaws.com", "PutBucketVersioning", parameters);
    let (looking, path) = (aws.clone(), format!("/{bucket}?versioning"));
    let look = move || seen(&looking.send("s3", &format!("GET {path}"), "", ""));
    let drift = move || {
        aws.ask("s3", &format!("DELETE /{bucket}"), "", "");
    };
    Scene { record, look: Box::new(look), drift: Drift::Refused(Box::new(drift), "is absent") }
}

/// A KMS key, with its ARN.
fn kms_key(ground: &Ground<'_>) -> String {
    let made = ground.aws().json("kms", "TrentService.CreateKey", &json!({}));
    let id = made["KeyMetadata"]["KeyId"].as_str().unwrap();
    format!("arn:aws:kms:us-east-1:{ACCOUNT}:key/{id}")
}

fn look_at_kms_key(ground: &Ground<'_>, arn: &str) -> Box<dyn Fn() -> String> {
    let (aws, arn) = (ground.aws(), arn.to_owned());
    Box::new(move || {
        let shown = aws.json("kms", "TrentService.DescribeKey", &json!({"KeyId": arn}));
        shown["KeyMetadata"].to_string()
    })
}

fn of_kms_key(ground: &Ground<'_>, name: &str, arn: &str) -> Value {
    let mut record = ground.record("kms.amazonaws.com", name, json!({"keyId": arn}));
    record["resources"] = json!([{"ARN": arn, "accountId": ACCOUNT, "type": "AWS::KMS::Key"}]);
    record
}

pub(super) fn doomed_key(ground: &Ground<'_>) -> Scene {
    let arn = kms_key(ground);
    let inputs = json!({"KeyId": arn, "PendingWindowInDays": 7});
    ground.aws().json("kms", "TrentService.ScheduleKeyDeletion", &inputs);
    let record = of_kms_key(ground, "ScheduleKeyDeletion", &arn);
    Scene { record, look: look_at_kms_key(ground, &arn), drift: Drift::None }
}

pub(super) fn disabled_key(ground: &Ground<'_>) -> Scene {
    let (aws, arn) = (ground.aws(), kms_key(ground));
    aws.json("kms", "TrentService.DisableKey", &json!({"KeyId": arn}));
    let record = of_kms_key(ground, "DisableKey", &arn);
    let look = look_at_kms_key(ground, &arn);
    let drift = move || {
        let inputs = json!({"KeyId": arn, "PendingWindowInDays": 7});
        aws.json("kms", "TrentService.ScheduleKeyDeletion", &inputs);
    };
    let drift = Drift::Refused(Box::new(drift), "PendingDeletion");
    Scene { record, look, drift }
}

/// An archive of one empty file, which is all that a function needs to be there.
const ZIP: &str = "UEsDBBQAAAAAAAAAIQAAAAAAAAAAAAAAAAAEAAAAbS5weVBLAQIUAxQAAAAAAAAAIQAAAAAAAAAAAAAAAAAEAAAAAAAAAAAAAACAAQAAAABtLnB5UEsFBgAAAAABAAEAMgAAACIAAAAAAA==";

fn function(ground: &Ground<'_>) -> String {
    let name = ground.name("function");
    let body = json!({
        "FunctionName": name, "Runtime": "python3.12", "Handler": "m.run",
        "Role": format!("arn:aws:iam::{ACCOUNT}:role/function"), "Code": {"ZipFile": ZIP},
    });
    ground.aws().rest("lambda", "POST /2015-03-31/functions", &body.to_string());
    name
}

pub(super) fn changed_function(ground: &Ground<'_>) -> Scene {
    let (aws, name) = (ground.aws(), function(ground));
    let record = ground.record(
        "lambda.amazonaws.com",
        "UpdateFunctionCode20150331v2",
        json!({"functionName": name}),
    );
    let (looking, of) = (aws.clone(), name.clone());
    let look = move || {
        let head = format!("GET /2019-09-30/functions/{of}/concurrency");
        seen(&looking.try_rest("lambda", &head, ""))
    };
    let drift = move || {
        let head = format!("PUT /2017-10-31/functions/{name}/concurrency");
        aws.rest("lambda", &head, r#"{"ReservedConcurrentExecutions":5}"#);
    };
    Scene { record, look: Box::new(look), drift: Drift::Refused(Box::new(drift), ":5") }
}

pub(super) fn opened_function(ground: &Ground<'_>) -> Scene {
    let (aws, name) = (ground.aws(), function(ground));
    let head = format!("POST /2015-03-31/functions/{name}/policy");
    let permission = |principal: &str| {
        json!({"StatementId": "open", "Action": "lambda:InvokeFunction", "Principal": principal,
               "SourceAccount": "444455556666"})
        .to_string()
    };
    aws.rest("lambda", &head, &permission("s3.amazonaws.com"));
    let record = ground.record(
        "lambda.amazonaws.com",
        "AddPermission20150331v2",
        json!({"functionName": name, "statementId": "open", "action": "lambda:InvokeFunction",
               "principal": "s3.amazonaws.com"}),
    );
    let looking = aws.clone();
    let look = move || {
        let shown =
            looking.try_rest("lambda", &format!("GET /2015-03-31/functions/{name}/policy"), "");
        // The policy's revision is another after each change, also back.
        let body: Value = serde_json::from_str(&shown.body).unwrap_or_default();
        format!("{} {}", shown.status, body["Policy"])
    };
    let other = permission("sns.amazonaws.com");
    let drift = move || {
        aws.rest("lambda", &head, &other);
    };
    Scene {
        record,
        look: Box::new(look),
        drift: Drift::Refused(Box::new(drift), "sns.amazonaws.com"),
    }
}

// EC2.

pub(super) fn opened_group(ground: &Ground<'_>) -> Scene {
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

pub(super) fn launched_instances(ground: &Ground<'_>) -> Scene {
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
pub(super) fn shared_snapshot(ground: &Ground<'_>) -> Scene {
    let aws = ground.aws();
    let made = aws.ec2("CreateVolume", &[("Size", "1"), ("AvailabilityZone", "us-east-1a")]);
    let volume = between(&made, "<volumeId>", "</volumeId>");
    let made = aws.ec2("CreateSnapshot", &[("VolumeId", volume)]);
    let id = between(&made, "<snapshotId>", "</snapshotId>").to_owned();
    shared(ground, "Snapshot", &id, "createVolumePermission")
}

/// The same of an image.
pub(super) fn shared_image(ground: &Ground<'_>) -> Scene {
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

// The organization.

const ORGANIZATIONS: &str = "AWSOrganizationsV20161128";

/// The account that manages the organization.
pub(super) const MANAGEMENT: &str = "999900001111";

pub(super) fn root_of_member(ground: &Ground<'_>) -> Scene {
    let aws = ground.aws().in_account(MANAGEMENT);
    let call = |api: &str, inputs: Value| {
        aws.json("organizations", &format!("{ORGANIZATIONS}.{api}"), &inputs)
    };
    let name = ground.name("member");
    let email = format!("{name}@example.com");
    let made = call("CreateAccount", json!({"AccountName": name, "Email": email}));
    let member = made["CreateAccountStatus"]["AccountId"].as_str().unwrap().to_owned();
    let mut record = ground.record(IAM, "CreateAccessKey", Value::Null);
    record["userIdentity"] = json!({"type": "Root", "principalId": member,
        "arn": format!("arn:aws:iam::{member}:root"), "accountId": member, "accessKeyId": ""});
    record["recipientAccountId"] = json!(member);
    let (looking, of) = (aws.clone(), member.clone());
    let look = move || {
        let inputs = json!({"TargetId": of, "Filter": "SERVICE_CONTROL_POLICY"});
        seen(&looking.try_json(
            "organizations",
            &format!("{ORGANIZATIONS}.ListPoliciesForTarget"),
            &inputs,
        ))
    };
    let drift = move || {
        let policy = quarantine_policy(&aws);
        let inputs = json!({"PolicyId": policy, "TargetId": member});
        aws.json("organizations", &format!("{ORGANIZATIONS}.DetachPolicy"), &inputs);
    };
    Scene { record, look: Box::new(look), drift: Drift::Theirs(Box::new(drift)) }
}

/// The id of the quarantine policy of deploy/, which is made if it is not there.
pub(super) fn quarantine_policy(aws: &Emulator) -> String {
    let aws = aws.in_account(MANAGEMENT);
    let filter = json!({"Filter": "SERVICE_CONTROL_POLICY"});
    let listed = aws.json("organizations", &format!("{ORGANIZATIONS}.ListPolicies"), &filter);
    let name = "trailloop-quarantine";
    let found = listed["Policies"].as_array().unwrap().iter().find(|one| one["Name"] == name);
    if let Some(found) = found {
        return found["Id"].as_str().unwrap().to_owned();
    }
    let content = include_str!("../../../../../deploy/trailloop-quarantine-scp.json");
    let inputs = json!({"Name": name, "Description": "example", "Type": "SERVICE_CONTROL_POLICY", "Content": content});
    let made = aws.json("organizations", &format!("{ORGANIZATIONS}.CreatePolicy"), &inputs);
    made["Policy"]["PolicySummary"]["Id"].as_str().unwrap().to_owned()
}

// Identity Center.

const SSO: &str = "SWBExternalService";

impl Ground<'_> {
    /// An instance of Identity Center and a permission set of this scene: their ARNs.
    pub(super) fn permission_set(&self) -> (String, String) {
        let make = || {
            let aws = self.aws();
            let listed = aws.json("sso", &format!("{SSO}.ListInstances"), &json!({}));
            let instance = listed["Instances"][0]["InstanceArn"].as_str().unwrap().to_owned();
            let name = self.name("set").chars().take(32).collect::<String>();
            let inputs = json!({"InstanceArn": instance, "Name": name});
            let made = aws.json("sso", &format!("{SSO}.CreatePermissionSet"), &inputs);
            let set = made["PermissionSet"]["PermissionSetArn"].as_str().unwrap().to_owned();
            (instance, set)
        };
        self.permission_set.get_or_init(make).clone()
    }
}

pub(super) fn identity_center_user(ground: &Ground<'_>) -> Scene {
    let (aws, (instance, set)) = (ground.aws(), ground.permission_set());
    let role = "AWSReservedSSO_Admin_0123456789abcdef";
    let mut record = ground.of_role(role, "AROACKCEVSQ6C2EXAMPLE");
    let identity = &mut record["userIdentity"];
    identity["principalId"] = json!("AROACKCEVSQ6C2EXAMPLE:alice@example.com");
    identity["arn"] =
        json!(format!("arn:aws:sts::{ACCOUNT}:assumed-role/{role}/alice@example.com"));
    identity["sessionContext"]["sessionIssuer"]["arn"] =
        json!(format!("arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/{role}"));
    let of = json!({"InstanceArn": instance, "PermissionSetArn": set});
    let (looking, inputs) = (aws.clone(), of.clone());
    let look = move || {
        let target = format!("{SSO}.GetInlinePolicyForPermissionSet");
        seen(&looking.try_json("sso", &target, &inputs))
    };
    let drift = move || {
        let mut inputs = of.clone();
        inputs["InlinePolicy"] = json!(OTHER);
        aws.json("sso", &format!("{SSO}.PutInlinePolicyToPermissionSet"), &inputs);
    };
    Scene { record, look: Box::new(look), drift: Drift::Refused(Box::new(drift), "sqs:*") }
}

// What no emulator has, in the accounts in memory.

pub(super) fn created_service_credential(ground: &Ground<'_>) -> Scene {
    let accounts = ground.kit.accounts.clone();
    let id = accounts.add_service_credential(ACCOUNT, "bob", "bedrock.amazonaws.com");
    let mut record =
        ground.record(IAM, "CreateServiceSpecificCredential", json!({"userName": "bob"}));
    record["responseElements"] = json!({"serviceSpecificCredential": {
        "userName": "bob", "serviceSpecificCredentialId": id, "status": "Active"}});
    let ask = move |api: &str, inputs: Value| {
        let inputs = inputs.as_object().unwrap().clone();
        let call = Call { service: "iam".to_owned(), api: api.to_owned(), inputs };
        accounts.call_as(KEY, "us-east-1", &call).unwrap().body.to_string()
    };
    let looking = ask.clone();
    let look = move || looking("ListServiceSpecificCredentials", json!({"UserName": "bob"}));
    let drift = move || {
        let inputs = json!({"UserName": "bob", "ServiceSpecificCredentialId": id});
        ask("DeleteServiceSpecificCredential", inputs);
    };
    Scene { record, look: Box::new(look), drift: Drift::Refused(Box::new(drift), "is absent") }
}

pub(super) fn password(ground: &Ground<'_>) -> Scene {
    let scene = console_session(ground);
    let (aws, user) = (ground.aws(), ground.name("user"));
    let look = move || aws.seen_in_iam("GetLoginProfile", &[("UserName", &user)]);
    Scene { look: Box::new(look), drift: Drift::None, ..scene }
}
