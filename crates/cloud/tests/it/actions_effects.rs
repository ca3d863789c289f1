//! The changes of the catalogue that no shipped runbook makes, on an emulator: each is made, read back and put back, and the state
//! is then what it was, to the byte. Those that runbooks make are shown with them, in the responder's tests.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use trailloop_cloud::{ActionOptions, Actions, Aws, AwsActions, CloudErrorKind, Session};
use trailloop_runbook::Call;
use trailloop_runbook::catalogue::{self, Api};

use crate::actions_contract::{ACCOUNT, ask, ask_json, ask_query, between, call, session};
use crate::aws_emulators::{endpoint_url, ministack, moto, unique};

const MINISTACK: &str = "TRAILLOOP_TEST_MINISTACK";
const MOTO: &str = "TRAILLOOP_TEST_MOTO";
const READS: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}]}"#;
const DENIES: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"sqs:*","Resource":"*"}]}"#;

/// Calls in an account of an emulator.
struct Place {
    actions: AwsActions,
    session: Session,
}

impl Place {
    fn new(aws: Aws, account: &str) -> Self {
        let actions = aws.with_keys(account, "test").actions(ActionOptions::default());
        Self { actions, session: Session { account: account.to_owned(), ..session() } }
    }
}

async fn state(place: &Place, api: &Api, call: &Call) -> Value {
    let mut answers = Vec::new();
    for read in api.state_reads(call) {
        answers.push(match place.actions.call(&place.session, &read).await {
            Ok(answer) => Some(answer.body),
            Err(error) if error.kind() == CloudErrorKind::NotFound => None,
            Err(error) => panic!("{error}"),
        });
    }
    api.state(call, &answers)
}

/// Makes a change, reads it back, and puts the state before back; gives what is wrong.
async fn shows(place: &Place, name: &str, inputs: Value) -> Result<(), String> {
    let call = call(name, inputs);
    let api = catalogue::find(&call.service, &call.api).unwrap();
    let problems = api.problems(&call.inputs);
    if !problems.is_empty() {
        return Err(format!("{name}: {problems:?}"));
    }
    let before = state(place, api, &call).await;
    if !catalogue::is_readable(&before) || api.is_achieved(&call, &before) {
        return Err(format!("{name} begins at {before}"));
    }
    let make = |call: Call| async move {
        place.actions.call(&place.session, &call).await.map_err(|error| format!("{name}: {error}"))
    };
    make(call.clone()).await?;
    let after = state(place, api, &call).await;
    if !api.is_achieved(&call, &after) || after == before {
        return Err(format!("{name} was {before} and is {after}"));
    }
    let Some(back) = api.restore(&call, &before) else {
        return if api.inverses().is_empty() {
            Ok(())
        } else {
            Err(format!("{name} has no way back"))
        };
    };
    for call in back {
        make(call).await?;
    }
    let back = state(place, api, &call).await;
    if back != before {
        return Err(format!("{name} was {before}, then {after}, and is put back to {back}"));
    }
    Ok(())
}

/// A user, a role, a group and two managed policies.
fn identities(url: &str) -> (String, String, String, [String; 2]) {
    let iam = |query: &str| ask_query(url, ACCOUNT, "iam", &format!("{query}&Version=2010-05-08"));
    let (user, role, group) = (unique("u-effects"), unique("r-effects"), unique("g-effects"));
    let text = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    iam(&format!("Action=CreateUser&UserName={user}"));
    iam(&format!("Action=CreateRole&RoleName={role}&AssumeRolePolicyDocument={}", text(READS)));
    iam(&format!("Action=CreateGroup&GroupName={group}"));
    let policies = ["one", "two"].map(|name| {
        let name = unique(&format!("p-effects-{name}"));
        iam(&format!("Action=CreatePolicy&PolicyName={name}&PolicyDocument={}", text(READS)));
        format!("arn:aws:iam::{ACCOUNT}:policy/{name}")
    });
    for (kind, name) in [("User", &user), ("Role", &role)] {
        let document = text(READS);
        iam(&format!(
            "Action=Put{kind}Policy&{kind}Name={name}&PolicyName=trailloop-contain-00000000&PolicyDocument={document}"
        ));
        let boundary = text(&policies[1]);
        iam(&format!(
            "Action=Put{kind}PermissionsBoundary&{kind}Name={name}&PermissionsBoundary={boundary}"
        ));
    }
    (user, role, group, policies)
}

fn changes_of_identities(url: &str) -> Vec<(&'static str, Value)> {
    let (user, role, group, [one, two]) = identities(url);
    let contain = "trailloop-contain-00000000";
    vec![
        (
            "iam:PutUserPolicy",
            json!({"UserName": user, "PolicyName": contain, "PolicyDocument": DENIES}),
        ),
        ("iam:DeleteUserPolicy", json!({"UserName": user, "PolicyName": contain})),
        ("iam:AttachUserPolicy", json!({"UserName": user, "PolicyArn": two})),
        ("iam:PutUserPermissionsBoundary", json!({"UserName": user, "PermissionsBoundary": one})),
        ("iam:DeleteUserPermissionsBoundary", json!({"UserName": user})),
        ("iam:AddUserToGroup", json!({"UserName": user, "GroupName": group})),
        ("iam:AttachGroupPolicy", json!({"GroupName": group, "PolicyArn": two})),
        (
            "iam:PutRolePolicy",
            json!({"RoleName": role, "PolicyName": "new", "PolicyDocument": DENIES}),
        ),
        ("iam:DeleteRolePolicy", json!({"RoleName": role, "PolicyName": contain})),
        ("iam:AttachRolePolicy", json!({"RoleName": role, "PolicyArn": two})),
        ("iam:PutRolePermissionsBoundary", json!({"RoleName": role, "PermissionsBoundary": one})),
        ("iam:DeleteRolePermissionsBoundary", json!({"RoleName": role})),
    ]
}

fn changes_of_data(url: &str) -> Vec<(&'static str, Value)> {
    let bucket = unique("effects");
    let owned = "x-amz-object-ownership: ObjectWriter\r\n";
    ask(url, ACCOUNT, "s3", &format!("PUT /{bucket}"), owned, "");
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*",
        "Action": "s3:DeleteObject", "Resource": format!("arn:aws:s3:::{bucket}/*")}]});
    let blocked = unique("effects-blocked");
    ask(url, ACCOUNT, "s3", &format!("PUT /{blocked}"), "", "");
    ask(url, ACCOUNT, "s3", &format!("PUT /{blocked}?policy"), "", &policy.to_string());
    let block = "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls></PublicAccessBlockConfiguration>";
    ask(url, ACCOUNT, "s3", &format!("PUT /{blocked}?publicAccessBlock"), "", block);
    ask(url, ACCOUNT, "s3", &format!("PUT /{bucket}?acl"), "x-amz-acl: public-read\r\n", "");

    let key =
        ask_json(url, ACCOUNT, "kms", "TrentService.CreateKey", &json!({})).replace(": ", ":");
    let key = between(&key, "\"KeyId\":\"", "\"").to_owned();
    let key_policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
        "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT}:root")}, "Action": "kms:*", "Resource": "*"}]});

    let trail = unique("effects");
    let target = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.CreateTrail";
    ask_json(url, ACCOUNT, "cloudtrail", target, &json!({"Name": trail, "S3BucketName": bucket}));
    let start = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.StartLogging";
    ask_json(url, ACCOUNT, "cloudtrail", start, &json!({"Name": trail}));
    let advanced = json!([{"Name": "all", "FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]}]);
    vec![
        ("s3:PutBucketPolicy", json!({"Bucket": bucket, "Policy": policy.to_string()})),
        ("s3:DeleteBucketPolicy", json!({"Bucket": blocked})),
        ("s3:DeletePublicAccessBlock", json!({"Bucket": blocked})),
        ("s3:PutBucketAcl", json!({"Bucket": bucket, "ACL": "private"})),
        ("kms:DisableKey", json!({"KeyId": key})),
        (
            "kms:PutKeyPolicy",
            json!({"KeyId": key, "PolicyName": "default", "Policy": key_policy.to_string()}),
        ),
        ("cloudtrail:StopLogging", json!({"Name": trail})),
        (
            "cloudtrail:PutEventSelectors",
            json!({"TrailName": trail, "AdvancedEventSelectors": advanced}),
        ),
        (
            "cloudtrail:UpdateTrail",
            json!({"Name": trail, "S3KeyPrefix": "logs", "IsMultiRegionTrail": true, "EnableLogFileValidation": true}),
        ),
    ]
}

fn changes_of_network(url: &str) -> Vec<(&'static str, Value)> {
    let ec2 = |query: &str| ask_query(url, ACCOUNT, "ec2", &format!("{query}&Version=2016-11-15"));
    let made = ec2("Action=RunInstances&ImageId=ami-0123456789abcdef0&MinCount=1&MaxCount=1");
    let instance = between(&made, "<instanceId>", "</instanceId>").to_owned();
    ec2(&format!("Action=CreateTags&ResourceId.1={instance}&Tag.1.Key=owner&Tag.1.Value=ana"));
    vec![
        (
            "ec2:CreateTags",
            json!({"Resources": [instance], "Tags": [
            {"Key": "owner", "Value": "ben"}, {"Key": "incident", "Value": "1"}]}),
        ),
        ("ec2:DeleteTags", json!({"Resources": [instance], "Tags": [{"Key": "owner"}]})),
    ]
}

/// Moto's account for keys that it has not handed out.
const OF_MOTO: &str = "123456789012";

/// What ministack lacks.
fn changes_on_moto(url: &str) -> Vec<(&'static str, Value)> {
    let ec2 = |query: &str| ask_query(url, OF_MOTO, "ec2", &format!("{query}&Version=2016-11-15"));
    let iam = |query: &str| ask_query(url, OF_MOTO, "iam", &format!("{query}&Version=2010-05-08"));
    let made = ec2("Action=RunInstances&ImageId=ami-0123456789abcdef0&MinCount=1&MaxCount=1");
    let instance = between(&made, "<instanceId>", "</instanceId>").to_owned();
    let made = ec2(&format!(
        "Action=CreateSecurityGroup&GroupName={}&GroupDescription=x",
        unique("effects")
    ));
    let group = between(&made, "<groupId>", "</groupId>").to_owned();
    let made = ec2("Action=DescribeSubnets");
    let subnet = between(&made, "<subnetId>", "</subnetId>").to_owned();
    let made = ec2(&format!("Action=CreateNetworkInterface&SubnetId={subnet}"));
    let interface = between(&made, "<networkInterfaceId>", "</networkInterfaceId>").to_owned();
    let name = unique("effects");
    let text = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    iam(&format!("Action=CreatePolicy&PolicyName={name}&PolicyDocument={}", text(READS)));
    let policy = format!("arn:aws:iam::{OF_MOTO}:policy/{name}");
    let version = format!("PolicyArn={}&PolicyDocument={}", text(&policy), text(DENIES));
    iam(&format!("Action=CreatePolicyVersion&{version}"));

    let sso = |api: &str, inputs: Value| {
        let answer = ask_json(url, OF_MOTO, "sso", &format!("SWBExternalService.{api}"), &inputs);
        serde_json::from_str::<Value>(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    };
    let instances = sso("ListInstances", json!({}));
    let center = &instances["Instances"][0]["InstanceArn"];
    let made = sso("CreatePermissionSet", json!({"InstanceArn": center, "Name": name}));
    let set = &made["PermissionSet"]["PermissionSetArn"];
    let assignment = |person: &str| {
        json!({"InstanceArn": center, "PermissionSetArn": set, "TargetId": OF_MOTO,
               "TargetType": "AWS_ACCOUNT", "PrincipalType": "USER", "PrincipalId": person})
    };
    sso("CreateAccountAssignment", assignment("there"));
    let config = |api: &str, inputs: Value| {
        ask_json(url, OF_MOTO, "config", &format!("StarlingDoveService.{api}"), &inputs)
    };
    let role = format!("arn:aws:iam::{OF_MOTO}:role/config");
    config(
        "PutConfigurationRecorder",
        json!({"ConfigurationRecorder": {"name": "default", "roleARN": role}}),
    );
    ask(url, OF_MOTO, "s3", &format!("PUT /{name}"), "", "");
    config(
        "PutDeliveryChannel",
        json!({"DeliveryChannel": {"name": "default", "s3BucketName": name}}),
    );
    let recorder = json!({"ConfigurationRecorderName": "default"});
    config("StartConfigurationRecorder", recorder.clone());
    vec![
        ("config:StopConfigurationRecorder", recorder),
        ("iam:SetDefaultPolicyVersion", json!({"PolicyArn": policy, "VersionId": "v2"})),
        (
            "ec2:ModifyNetworkInterfaceAttribute",
            json!({"NetworkInterfaceId": interface, "Groups": [group]}),
        ),
        (
            "ec2:CreateSnapshots",
            json!({"InstanceSpecification": {"InstanceId": instance}, "Description": unique("effects")}),
        ),
        ("sso-admin:CreateAccountAssignment", assignment("new")),
        ("sso-admin:DeleteAccountAssignment", assignment("there")),
    ]
}

/// Changes that shipped runbooks make, or their undo.
const BY_RUNBOOKS: [&str; 29] = [
    "cloudtrail:StartLogging",
    "config:StartConfigurationRecorder",
    "ec2:AuthorizeSecurityGroupIngress",
    "ec2:ModifyImageAttribute",
    "ec2:ModifySnapshotAttribute",
    "ec2:RevokeSecurityGroupIngress",
    "ec2:StartInstances",
    "ec2:StopInstances",
    "guardduty:UpdateDetector",
    "iam:DetachGroupPolicy",
    "iam:DetachRolePolicy",
    "iam:DetachUserPolicy",
    "iam:RemoveUserFromGroup",
    "iam:UpdateAccessKey",
    "iam:UpdateAssumeRolePolicy",
    "iam:UpdateServiceSpecificCredential",
    "kms:CancelKeyDeletion",
    "kms:EnableKey",
    "lambda:AddPermission",
    "lambda:DeleteFunctionConcurrency",
    "lambda:PutFunctionConcurrency",
    "lambda:RemovePermission",
    "organizations:AttachPolicy",
    "organizations:DetachPolicy",
    "s3:PutBucketVersioning",
    "s3:PutPublicAccessBlock",
    "sso-admin:DeleteInlinePolicyFromPermissionSet",
    "sso-admin:ProvisionPermissionSet",
    "sso-admin:PutInlinePolicyToPermissionSet",
];

/// Makes them all, and gives their names.
async fn show_all(place: &Place, changes: Vec<(&'static str, Value)>) -> BTreeSet<String> {
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for (name, inputs) in changes {
        seen.insert(name.to_owned());
        wrong.extend(shows(place, name, inputs).await.err());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    seen
}

#[tokio::test]
async fn changes_take_effect_and_are_put_back() {
    let (Some(ministack), Some(moto)) = (ministack().await, moto().await) else { return };
    let [url, of_moto] = [MINISTACK, MOTO].map(|variable| endpoint_url(variable).unwrap());
    let changes =
        [changes_of_identities(&url), changes_of_data(&url), changes_of_network(&url)].concat();
    let mut seen = show_all(&Place::new(ministack, ACCOUNT), changes).await;
    seen.extend(show_all(&Place::new(moto, OF_MOTO), changes_on_moto(&of_moto)).await);
    seen.extend(BY_RUNBOOKS.map(str::to_owned));
    let all: BTreeSet<String> =
        catalogue::all().filter(|api| api.changes && api.runs).map(Api::full_name).collect();
    assert_eq!(all, seen);
}
