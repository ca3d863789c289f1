//! Calls against a server that answers word for word, in the wire format of AWS's API references: what is sent, what becomes
//! of the answer, and what no emulator gives. The APIs that `actions_contract` has are shown there.

use serde_json::{Value, json};
use trailloop_cloud::{
    ActionOptions, Actions, Answer, Clock, CloudError, CloudErrorKind, ManualClock, Session,
};

use crate::actions_contract::{ACCOUNT, call, session};
use crate::fake_http::{FakeHttp, Request, answer};

const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:UpdateAccessKey","Resource":"*"}]}"#;

fn xml(status: u16, body: &str) -> String {
    answer(status, "content-type: text/xml\r\nx-amzn-requestid: r-1\r\n", body)
}

fn js(status: u16, body: &str) -> String {
    answer(status, "content-type: application/json\r\nx-amzn-requestid: r-1\r\n", body)
}

/// STS gives credentials until then.
fn assumed(until: &str) -> String {
    xml(
        200,
        &format!(
            "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials>\
             <AccessKeyId>ASIAIOSFODNN7EXAMPLE</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>\
             <SessionToken>token-of-session</SessionToken><Expiration>{until}</Expiration></Credentials>\
             </AssumeRoleResult><ResponseMetadata><RequestId>r-sts</RequestId></ResponseMetadata></AssumeRoleResponse>"
        ),
    )
}

fn whole_year() -> String {
    assumed("2099-01-01T00:00:00Z")
}

const DONE: &str = "<UpdateAccessKeyResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><ResponseMetadata>\
    <RequestId>r-iam</RequestId></ResponseMetadata></UpdateAccessKeyResponse>";

async fn make(
    answers: Vec<String>,
    options: ActionOptions,
    calls: &[(Session, &str, Value)],
) -> (Vec<Result<Answer, CloudError>>, Vec<Request>) {
    let server = FakeHttp::start(answers);
    let actions = server.aws().await.actions(options);
    let mut results = Vec::new();
    for (session, name, inputs) in calls {
        results.push(actions.call(session, &call(name, inputs.clone())).await);
    }
    (results, server.finish())
}

fn disable() -> Value {
    json!({"UserName": "bob", "AccessKeyId": "AKIAIOSFODNN7EXAMPLE", "Status": "Inactive"})
}

#[tokio::test]
async fn the_role_the_sessions_name_and_its_policy_arrive_at_sts() {
    let session =
        Session { policy: Some(POLICY.to_owned()), region: "eu-west-1".into(), ..session() };
    let options = ActionOptions {
        external_id: Some("the-external-id".to_owned()),
        ..ActionOptions::default()
    };
    let calls = [(session, "iam:UpdateAccessKey", disable())];
    let (results, requests) = make(vec![whole_year(), xml(200, DONE)], options, &calls).await;
    assert_eq!(results[0].as_ref().unwrap().request_id.as_deref(), Some("r-1"));
    let sts = &requests[0].body;
    for part in [
        "Action=AssumeRole",
        "RoleArn=arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Ftrailloop-responder",
        "RoleSessionName=trailloop-0f3a5c7e9b1d2f4a6c8e0a2b4c6d8e0f",
        "SourceIdentity=trailloop",
        "ExternalId=the-external-id",
        "DurationSeconds=900",
        "Policy=%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22",
    ] {
        assert!(sts.contains(part), "{part} in {sts}");
    }
    let iam = &requests[1];
    assert!(iam.head.contains("x-amz-security-token: token-of-session"), "{}", iam.head);
    assert!(iam.head.contains("credential=asiaiosfodnn7example/"), "{}", iam.head);
    assert!(iam.body.contains("Status=Inactive"), "{}", iam.body);
}

#[tokio::test]
async fn credentials_are_kept_for_a_session_until_shortly_before_they_end() {
    let clock = ManualClock::new(1_767_225_600_000); // 2026-01-01T00:00:00Z
    let options =
        || ActionOptions { clock: Clock::Manual(clock.clone()), ..ActionOptions::default() };
    let soon = || assumed("2026-01-01T00:15:00Z");
    let other = Session { policy: Some(POLICY.to_owned()), ..session() };
    let server = FakeHttp::start(vec![
        soon(),
        xml(200, DONE),
        xml(200, DONE),
        soon(),
        xml(200, DONE),
        soon(),
        xml(200, DONE),
    ]);
    let actions = server.aws().await.actions(options());
    let disable = call("iam:UpdateAccessKey", disable());
    for _ in 0..2 {
        actions.call(&session(), &disable).await.unwrap();
    }
    // Another policy is another session.
    actions.call(&other, &disable).await.unwrap();
    clock.advance(std::time::Duration::from_secs(14 * 60));
    actions.call(&session(), &disable).await.unwrap();
    let requests = server.finish();
    let asked = requests.iter().map(|request| request.body.contains("Action=AssumeRole"));
    assert_eq!(asked.collect::<Vec<_>>(), [true, false, false, true, false, true, false]);
}

#[tokio::test]
async fn what_is_not_an_input_is_refused_before_anything_is_sent() {
    let mut odd = disable();
    odd["Odd"] = json!("x");
    let mut status = disable();
    status["Status"] = json!("inactive");
    let calls = [
        (session(), "iam:UpdateAccessKey", odd),
        (session(), "iam:UpdateAccessKey", status),
        (session(), "ec2:StopInstances", json!({"InstanceIds": [1]})),
        (session(), "guardduty:UpdateDetector", json!({"Enable": true})),
        (session(), "config:DeleteConfigurationRecorder", json!({})),
    ];
    let (results, requests) = make(Vec::new(), ActionOptions::default(), &calls).await;
    assert_eq!(requests.len(), 0);
    for result in results {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), CloudErrorKind::Invalid, "{error}");
    }
}

#[tokio::test]
async fn a_lost_answer_of_a_change_is_transient_and_the_change_is_not_repeated() {
    for (name, inputs) in [
        ("iam:UpdateAccessKey", disable()),
        ("ec2:StopInstances", json!({"InstanceIds": ["i-1234567890abcdef0"]})),
        (
            "guardduty:UpdateDetector",
            json!({"DetectorId": "12abc34d567e8fa901bc2d34e56789f0", "Enable": true}),
        ),
    ] {
        for lost in [
            String::new(),
            xml(500, ""),
            "HTTP/1.1 200 X\r\ncontent-length: 99\r\n\r\n<".to_owned(),
        ] {
            let calls = [(session(), name, inputs.clone())];
            let answers = vec![whole_year(), lost];
            let (results, requests) = make(answers, ActionOptions::default(), &calls).await;
            let error = results[0].as_ref().unwrap_err();
            assert_eq!(error.kind(), CloudErrorKind::Transient, "{error}");
            assert!(error.resource().starts_with(&format!("{name} in {ACCOUNT}")), "{error}");
            assert_eq!(requests.len(), 2, "{name}: the role, and the call once");
        }
    }
}

#[tokio::test]
async fn a_read_is_repeated_and_its_pages_are_joined() {
    let page = |names: &str, more: &str| {
        xml(
            200,
            &format!(
                "<ListUserPoliciesResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><ListUserPoliciesResult>\
                 <PolicyNames>{names}</PolicyNames>{more}</ListUserPoliciesResult></ListUserPoliciesResponse>"
            ),
        )
    };
    let answers = vec![
        whole_year(),
        xml(500, ""),
        page("<member>a</member>", "<IsTruncated>true</IsTruncated><Marker>m+1</Marker>"),
        page("<member>b</member>", "<IsTruncated>false</IsTruncated>"),
    ];
    let calls = [(session(), "iam:ListUserPolicies", json!({"UserName": "bob"}))];
    let (results, requests) = make(answers, ActionOptions::default(), &calls).await;
    let body = &results[0].as_ref().unwrap().body;
    assert_eq!(*body, json!({"PolicyNames": ["a", "b"], "IsTruncated": false}));
    assert!(requests[3].body.contains("Marker=m%2B1"), "{}", requests[3].body);
}

#[tokio::test]
async fn a_role_that_may_not_be_assumed_is_denied_and_named() {
    let body = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>No.</Message></Error>\
        <RequestId>r-2</RequestId></ErrorResponse>";
    let calls = [(session(), "iam:UpdateAccessKey", disable())];
    let (results, _) = make(vec![xml(403, body)], ActionOptions::default(), &calls).await;
    let error = results[0].as_ref().unwrap_err();
    assert_eq!(error.kind(), CloudErrorKind::Denied);
    let role = "arn:aws:iam::111122223333:role/trailloop-responder";
    assert_eq!((error.operation(), error.resource()), ("assume role", role));
}

#[tokio::test]
async fn codes_say_what_is_missing_and_what_is_full() {
    let iam = |code: &str| {
        format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>m</Message></Error></ErrorResponse>"
        )
    };
    let ec2 = |code: &str| {
        format!(
            "<Response><Errors><Error><Code>{code}</Code><Message>m</Message></Error></Errors><RequestID>r</RequestID></Response>"
        )
    };
    let instance = json!({"InstanceIds": ["i-1234567890abcdef0"]});
    let recorder = json!({"ConfigurationRecorderName": "default"});
    let block = json!({"Bucket": "b", "PublicAccessBlockConfiguration": {"BlockPublicAcls": true}});
    let s3_foreign = "<Error><Code>MethodNotAllowed</Code><Message>m</Message></Error>";
    use CloudErrorKind::{Denied, Invalid, NotFound, Transient};
    for (name, inputs, answer, kind) in [
        ("iam:UpdateAccessKey", disable(), xml(404, &iam("NoSuchEntity")), NotFound),
        ("iam:UpdateAccessKey", disable(), xml(409, &iam("LimitExceeded")), Invalid),
        ("iam:UpdateAccessKey", disable(), xml(400, &iam("Throttling")), Transient),
        ("iam:UpdateAccessKey", disable(), xml(409, &iam("ConcurrentModification")), Transient),
        (
            "iam:UpdateAccessKey",
            disable(),
            xml(409, &iam("EntityTemporarilyUnmodifiable")),
            Transient,
        ),
        // That something is absent counts, so an answer that does not say what is absent does not say it.
        ("s3:PutPublicAccessBlock", block, xml(405, s3_foreign), Denied),
        (
            "ec2:StopInstances",
            instance.clone(),
            xml(400, &ec2("InvalidInstanceID.NotFound")),
            NotFound,
        ),
        ("ec2:StopInstances", instance.clone(), xml(403, &ec2("UnauthorizedOperation")), Denied),
        ("ec2:StopInstances", instance, xml(503, &ec2("RequestLimitExceeded")), Transient),
        (
            "config:StopConfigurationRecorder",
            recorder,
            js(400, r#"{"__type":"NoSuchConfigurationRecorderException","message":"m"}"#),
            NotFound,
        ),
    ] {
        let calls = [(session(), name, inputs)];
        let (results, _) = make(vec![whole_year(), answer], ActionOptions::default(), &calls).await;
        let error = results[0].as_ref().unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(error.message(), "m");
    }
}

/// A call, what its request must have, the answer on the wire, and the answer that is given.
struct Exchange(&'static str, Value, &'static str, &'static str, Value);

async fn check(exchanges: Vec<Exchange>) {
    for Exchange(name, inputs, sent, wire, expected) in exchanges {
        let reply = if wire.starts_with('<') { xml(200, wire) } else { js(200, wire) };
        let calls = [(session(), name, inputs)];
        let answers = vec![whole_year(), reply];
        let (results, requests) = make(answers, ActionOptions::default(), &calls).await;
        let answer = results[0].as_ref().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(answer.body, expected, "{name}");
        assert!(answer.request_id.is_some(), "{name}");
        let text = format!("{}\n{}", requests[1].head, requests[1].body);
        assert!(text.contains(sent), "{name}: {sent} in {text}");
    }
}

#[tokio::test]
async fn ec2_by_its_query_protocol() {
    let group = "sg-1234567890abcdef0";
    let changed = |api: &str| -> &'static str {
        let text = format!(
            "<{api}Response xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>r-1</requestId><return>true</return></{api}Response>"
        );
        text.leak()
    };
    let done = json!({"Return": true});
    check(vec![
        Exchange("ec2:DescribeSecurityGroupRules", json!({"SecurityGroupRuleIds": ["sgr-1"]}), "SecurityGroupRuleId.1=sgr-1",
            "<DescribeSecurityGroupRulesResponse><requestId>r-1</requestId><securityGroupRuleSet><item><cidrIpv4>0.0.0.0/0</cidrIpv4><fromPort>22</fromPort><groupId>sg-1</groupId><isEgress>false</isEgress><securityGroupRuleId>sgr-1</securityGroupRuleId><tagSet/></item></securityGroupRuleSet></DescribeSecurityGroupRulesResponse>",
            json!({"SecurityGroupRules": [{"CidrIpv4": "0.0.0.0/0", "FromPort": 22, "GroupId": "sg-1", "IsEgress": false, "SecurityGroupRuleId": "sgr-1", "Tags": []}]})),
        Exchange("ec2:RevokeSecurityGroupIngress", json!({"GroupId": group, "SecurityGroupRuleIds": ["sgr-1"]}), "Action=RevokeSecurityGroupIngress&Version=2016-11-15&GroupId=sg-1234567890abcdef0&SecurityGroupRuleId.1=sgr-1", changed("RevokeSecurityGroupIngress"), done.clone()),
        Exchange("ec2:AuthorizeSecurityGroupIngress", json!({"GroupId": group, "IpPermissions": [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "192.0.2.0/24"}]}]}), "IpPermissions.1.IpRanges.1.CidrIp=192.0.2.0%2F24", changed("AuthorizeSecurityGroupIngress"), done.clone()),
        Exchange("ec2:ModifySnapshotAttribute", json!({"SnapshotId": "snap-1", "Attribute": "createVolumePermission", "OperationType": "remove", "GroupNames": ["all"]}), "UserGroup.1=all", changed("ModifySnapshotAttribute"), done.clone()),
        Exchange("ec2:DescribeSnapshotAttribute", json!({"SnapshotId": "snap-1", "Attribute": "createVolumePermission"}), "Attribute=createVolumePermission",
            "<DescribeSnapshotAttributeResponse><requestId>r-1</requestId><snapshotId>snap-1</snapshotId><createVolumePermission><item><userId>444455556666</userId></item></createVolumePermission></DescribeSnapshotAttributeResponse>",
            json!({"SnapshotId": "snap-1", "CreateVolumePermissions": [{"UserId": "444455556666"}]})),
        Exchange("ec2:ModifyImageAttribute", json!({"ImageId": "ami-1", "LaunchPermission": {"Remove": [{"Group": "all"}]}}), "LaunchPermission.Remove.1.Group=all", changed("ModifyImageAttribute"), done.clone()),
        Exchange("ec2:DescribeImageAttribute", json!({"ImageId": "ami-1", "Attribute": "launchPermission"}), "ImageId=ami-1",
            "<DescribeImageAttributeResponse><requestId>r-1</requestId><imageId>ami-1</imageId><launchPermission/></DescribeImageAttributeResponse>",
            json!({"ImageId": "ami-1", "LaunchPermissions": []})),
        Exchange("ec2:StopInstances", json!({"InstanceIds": ["i-1"]}), "InstanceId.1=i-1",
            "<StopInstancesResponse><requestId>r-1</requestId><instancesSet><item><instanceId>i-1</instanceId><currentState><code>64</code><name>stopping</name></currentState></item></instancesSet></StopInstancesResponse>",
            json!({"StoppingInstances": [{"InstanceId": "i-1", "CurrentState": {"Code": 64, "Name": "stopping"}}]})),
        Exchange("ec2:StartInstances", json!({"InstanceIds": ["i-1"]}), "Action=StartInstances",
            "<StartInstancesResponse><requestId>r-1</requestId><instancesSet><item><instanceId>i-1</instanceId></item></instancesSet></StartInstancesResponse>",
            json!({"StartingInstances": [{"InstanceId": "i-1"}]})),
        Exchange("ec2:DescribeInstances", json!({"Filters": [{"Name": "instance-id", "Values": ["i-1"]}]}), "Filter.1.Name=instance-id&Filter.1.Value.1=i-1",
            "<DescribeInstancesResponse><requestId>r-1</requestId><reservationSet/></DescribeInstancesResponse>", json!({"Reservations": []})),
        Exchange("ec2:DescribeIamInstanceProfileAssociations", json!({"Filters": [{"Name": "instance-id", "Values": ["i-1"]}]}), "Filter.1.Value.1=i-1",
            "<DescribeIamInstanceProfileAssociationsResponse><requestId>r-1</requestId><iamInstanceProfileAssociationSet><item><associationId>iip-assoc-1</associationId><iamInstanceProfile><arn>arn:aws:iam::111122223333:instance-profile/web</arn><id>AIPAEXAMPLE</id></iamInstanceProfile><instanceId>i-1</instanceId><state>associated</state></item></iamInstanceProfileAssociationSet></DescribeIamInstanceProfileAssociationsResponse>",
            json!({"IamInstanceProfileAssociations": [{"AssociationId": "iip-assoc-1", "IamInstanceProfile": {"Arn": "arn:aws:iam::111122223333:instance-profile/web", "Id": "AIPAEXAMPLE"}, "InstanceId": "i-1", "State": "associated"}]})),
        Exchange("ec2:DisassociateIamInstanceProfile", json!({"AssociationId": "iip-assoc-1"}), "AssociationId=iip-assoc-1",
            "<DisassociateIamInstanceProfileResponse><requestId>r-1</requestId><iamInstanceProfileAssociation><state>disassociating</state></iamInstanceProfileAssociation></DisassociateIamInstanceProfileResponse>",
            json!({"IamInstanceProfileAssociation": {"State": "disassociating"}})),
        Exchange("ec2:AssociateIamInstanceProfile", json!({"InstanceId": "i-1", "IamInstanceProfile": {"Name": "web"}}), "IamInstanceProfile.Name=web",
            "<AssociateIamInstanceProfileResponse><requestId>r-1</requestId><iamInstanceProfileAssociation><state>associating</state></iamInstanceProfileAssociation></AssociateIamInstanceProfileResponse>",
            json!({"IamInstanceProfileAssociation": {"State": "associating"}})),
        Exchange("ec2:CreateSnapshots", json!({"InstanceSpecification": {"InstanceId": "i-1", "ExcludeBootVolume": false}, "TagSpecifications": [{"ResourceType": "snapshot", "Tags": [{"Key": "case", "Value": "1"}]}]}), "TagSpecification.1.Tag.1.Key=case",
            "<CreateSnapshotsResponse><requestId>r-1</requestId><snapshotSet><item><snapshotId>snap-1</snapshotId><volumeSize>8</volumeSize></item></snapshotSet></CreateSnapshotsResponse>",
            json!({"Snapshots": [{"SnapshotId": "snap-1", "VolumeSize": 8}]})),
        Exchange("ec2:CreateTags", json!({"Resources": ["i-1"], "Tags": [{"Key": "a", "Value": "b"}]}), "ResourceId.1=i-1&Tag.1.Key=a&Tag.1.Value=b", changed("CreateTags"), done.clone()),
        Exchange("ec2:ModifyNetworkInterfaceAttribute", json!({"NetworkInterfaceId": "eni-1", "Groups": ["sg-1", "sg-2"]}), "SecurityGroupId.2=sg-2", changed("ModifyNetworkInterfaceAttribute"), done),
        Exchange("ec2:DescribeNetworkInterfaces", json!({"NetworkInterfaceIds": ["eni-1"]}), "NetworkInterfaceId.1=eni-1",
            "<DescribeNetworkInterfacesResponse><requestId>r-1</requestId><networkInterfaceSet><item><networkInterfaceId>eni-1</networkInterfaceId><groupSet><item><groupId>sg-1</groupId><groupName>123</groupName></item></groupSet><tagSet/></item></networkInterfaceSet></DescribeNetworkInterfacesResponse>",
            json!({"NetworkInterfaces": [{"NetworkInterfaceId": "eni-1", "Groups": [{"GroupId": "sg-1", "GroupName": "123"}], "TagSet": []}]})),
    ])
    .await;
}

#[tokio::test]
async fn guardduty_and_config_by_their_json() {
    check(vec![
        Exchange("guardduty:ListDetectors", json!({}), "get /detector ", r#"{"detectorIds":["12ab"]}"#, json!({"DetectorIds": ["12ab"]})),
        Exchange("guardduty:GetDetector", json!({"DetectorId": "12ab"}), "get /detector/12ab ", r#"{"status":"DISABLED","features":[{"name":"S3_DATA_EVENTS","status":"ENABLED"}],"tags":{"team":"x"}}"#,
            json!({"Status": "DISABLED", "Features": [{"Name": "S3_DATA_EVENTS", "Status": "ENABLED"}], "Tags": {"team": "x"}})),
        Exchange("guardduty:UpdateDetector", json!({"DetectorId": "../a", "Enable": true}), "post /detector/%2e%2e%2fa ", "", json!({})),
        Exchange("config:DescribeConfigurationRecorderStatus", json!({}), "x-amz-target: starlingdoveservice.describeconfigurationrecorderstatus", r#"{"ConfigurationRecordersStatus":[{"name":"default","recording":false,"lastStopTime":1700000000.5}]}"#,
            json!({"ConfigurationRecordersStatus": [{"name": "default", "recording": false, "lastStopTime": "2023-11-14T22:13:20.5Z"}]})),
        Exchange("config:StartConfigurationRecorder", json!({"ConfigurationRecorderName": "default"}), r#"{"ConfigurationRecorderName":"default"}"#, "", json!({})),
        Exchange("config:StopConfigurationRecorder", json!({"ConfigurationRecorderName": "default"}), "stopconfigurationrecorder", "", json!({})),
    ])
    .await;
}

#[tokio::test]
async fn organizations_and_identity_center() {
    let set = "arn:aws:sso:::permissionSet/ssoins-1/ps-1";
    let instance = "arn:aws:sso:::instance/ssoins-1";
    let of_set = || json!({"InstanceArn": instance, "PermissionSetArn": set});
    let with = |mut inputs: Value, more: Value| {
        let Value::Object(more) = more else { panic!("an object") };
        inputs.as_object_mut().unwrap().extend(more);
        inputs
    };
    let assignment = || {
        with(
            of_set(),
            json!({"TargetId": ACCOUNT, "TargetType": "AWS_ACCOUNT", "PrincipalType": "USER", "PrincipalId": "u-1"}),
        )
    };
    let attached = json!({"PolicyId": "p-examplepolicyid111", "TargetId": ACCOUNT});
    check(vec![
        Exchange("organizations:AttachPolicy", attached.clone(), "attachpolicy", "", json!({})),
        Exchange("organizations:DetachPolicy", attached, r#""TargetId":"111122223333""#, "", json!({})),
        Exchange("organizations:ListPoliciesForTarget", json!({"TargetId": ACCOUNT, "Filter": "SERVICE_CONTROL_POLICY"}), r#""Filter":"SERVICE_CONTROL_POLICY""#, r#"{"Policies":[{"Id":"p-1","Name":"FullAWSAccess","AwsManaged":true}]}"#, json!({"Policies": [{"Id": "p-1", "Name": "FullAWSAccess", "AwsManaged": true}]})),
        Exchange("organizations:CreatePolicy", json!({"Name": "n", "Description": "", "Content": "{}", "Type": "SERVICE_CONTROL_POLICY"}), r#""Content":"{}""#, r#"{"Policy":{"PolicySummary":{"Id":"p-1"},"Content":"{}"}}"#, json!({"Policy": {"PolicySummary": {"Id": "p-1", "AwsManaged": false}, "Content": "{}"}})),
        Exchange("organizations:DescribePolicy", json!({"PolicyId": "p-1"}), "describepolicy", r#"{"Policy":{"Content":"{}"}}"#, json!({"Policy": {"Content": "{}"}})),
        Exchange("organizations:DescribeOrganization", json!({}), "describeorganization", r#"{"Organization":{"Id":"o-1","MasterAccountId":"999988887777"}}"#, json!({"Organization": {"Id": "o-1", "MasterAccountId": "999988887777"}})),
        Exchange("organizations:DescribeAccount", json!({"AccountId": ACCOUNT}), "describeaccount", r#"{"Account":{"Id":"111122223333","Name":"payments"}}"#, json!({"Account": {"Id": "111122223333", "Name": "payments"}})),
        Exchange("organizations:ListParents", json!({"ChildId": ACCOUNT}), "listparents", r#"{"Parents":[{"Id":"ou-1","Type":"ORGANIZATIONAL_UNIT"}]}"#, json!({"Parents": [{"Id": "ou-1", "Type": "ORGANIZATIONAL_UNIT"}]})),
        Exchange("sso-admin:GetInlinePolicyForPermissionSet", of_set(), "getinlinepolicyforpermissionset", r#"{"InlinePolicy":"{}"}"#, json!({"InlinePolicy": "{}"})),
        Exchange("sso-admin:PutInlinePolicyToPermissionSet", with(of_set(), json!({"InlinePolicy": "{}"})), r#""InlinePolicy":"{}""#, "{}", json!({})),
        Exchange("sso-admin:DeleteInlinePolicyFromPermissionSet", of_set(), "deleteinlinepolicyfrompermissionset", "{}", json!({})),
        Exchange("sso-admin:ProvisionPermissionSet", with(of_set(), json!({"TargetType": "ALL_PROVISIONED_ACCOUNTS"})), "ALL_PROVISIONED_ACCOUNTS", r#"{"PermissionSetProvisioningStatus":{"Status":"IN_PROGRESS","RequestId":"q-1"}}"#, json!({"PermissionSetProvisioningStatus": {"Status": "IN_PROGRESS", "RequestId": "q-1"}})),
        Exchange("sso-admin:ListAccountAssignments", with(of_set(), json!({"AccountId": ACCOUNT})), "listaccountassignments", r#"{"AccountAssignments":[{"PrincipalType":"USER","PrincipalId":"u-1"}]}"#, json!({"AccountAssignments": [{"PrincipalType": "USER", "PrincipalId": "u-1"}]})),
        Exchange("sso-admin:CreateAccountAssignment", assignment(), "createaccountassignment", r#"{"AccountAssignmentCreationStatus":{"Status":"IN_PROGRESS"}}"#, json!({"AccountAssignmentCreationStatus": {"Status": "IN_PROGRESS"}})),
        Exchange("sso-admin:DeleteAccountAssignment", assignment(), r#""PrincipalId":"u-1""#, r#"{"AccountAssignmentDeletionStatus":{"Status":"SUCCEEDED"}}"#, json!({"AccountAssignmentDeletionStatus": {"Status": "SUCCEEDED"}})),
        Exchange("identitystore:DescribeUser", json!({"IdentityStoreId": "d-1", "UserId": "u-1"}), "describeuser", r#"{"IdentityStoreId":"d-1","UserId":"u-1","UserName":"bob@example.com"}"#, json!({"IdentityStoreId": "d-1", "UserId": "u-1", "UserName": "bob@example.com", "Emails": []})),
        Exchange("identitystore:ListUsers", json!({"IdentityStoreId": "d-1", "Filters": [{"AttributePath": "UserName", "AttributeValue": "bob"}]}), r#""AttributeValue":"bob""#, r#"{"Users":[]}"#, json!({"Users": []})),
    ])
    .await;
}

/// An answer of IAM's with these members in its result.
fn iam(api: &str, result: &str) -> &'static str {
    let text = format!(
        "<{api}Response xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><{api}Result>{result}</{api}Result>\
         <ResponseMetadata><RequestId>r-iam</RequestId></ResponseMetadata></{api}Response>"
    );
    text.leak()
}

#[tokio::test]
async fn iam_groups_log_ins_and_managed_policies() {
    let arn = "arn:aws:iam::111122223333:policy/deploy";
    let bob = || json!({"UserName": "bob"});
    let attachment = || json!({"GroupName": "admins", "PolicyArn": arn});
    let member = || json!({"GroupName": "admins", "UserName": "bob"});
    let version = "<VersionId>v2</VersionId><IsDefaultVersion>true</IsDefaultVersion>";
    let attached = format!(
        "<AttachedPolicies><member><PolicyName>deploy</PolicyName><PolicyArn>{arn}</PolicyArn></member></AttachedPolicies><IsTruncated>false</IsTruncated>"
    );
    check(vec![
        Exchange("iam:AttachGroupPolicy", attachment(), "Action=AttachGroupPolicy", iam("AttachGroupPolicy", ""), json!({})),
        Exchange("iam:DetachGroupPolicy", attachment(), "GroupName=admins", iam("DetachGroupPolicy", ""), json!({})),
        Exchange("iam:ListAttachedGroupPolicies", json!({"GroupName": "admins"}), "GroupName=admins", iam("ListAttachedGroupPolicies", &attached), json!({"AttachedPolicies": [{"PolicyName": "deploy", "PolicyArn": arn}], "IsTruncated": false})),
        Exchange("iam:AddUserToGroup", member(), "Action=AddUserToGroup", iam("AddUserToGroup", ""), json!({})),
        Exchange("iam:RemoveUserFromGroup", member(), "Action=RemoveUserFromGroup", iam("RemoveUserFromGroup", ""), json!({})),
        Exchange("iam:ListGroupsForUser", bob(), "UserName=bob", iam("ListGroupsForUser", "<Groups><member><Path>/</Path><GroupName>admins</GroupName><GroupId>AGPAEXAMPLE</GroupId><Arn>arn:aws:iam::111122223333:group/admins</Arn><CreateDate>2026-01-01T00:00:00Z</CreateDate></member></Groups><IsTruncated>false</IsTruncated>"),
            json!({"Groups": [{"Path": "/", "GroupName": "admins", "GroupId": "AGPAEXAMPLE", "Arn": "arn:aws:iam::111122223333:group/admins", "CreateDate": "2026-01-01T00:00:00Z"}], "IsTruncated": false})),
        Exchange("iam:GetLoginProfile", bob(), "UserName=bob", iam("GetLoginProfile", "<LoginProfile><UserName>bob</UserName><CreateDate>2026-01-01T00:00:00Z</CreateDate><PasswordResetRequired>false</PasswordResetRequired></LoginProfile>"),
            json!({"LoginProfile": {"UserName": "bob", "CreateDate": "2026-01-01T00:00:00Z", "PasswordResetRequired": false}})),
        Exchange("iam:ListMFADevices", bob(), "UserName=bob", iam("ListMFADevices", "<MFADevices><member><UserName>bob</UserName><SerialNumber>arn:aws:iam::111122223333:mfa/bob</SerialNumber><EnableDate>2026-01-01T00:00:00Z</EnableDate></member></MFADevices><IsTruncated>false</IsTruncated>"),
            json!({"MFADevices": [{"UserName": "bob", "SerialNumber": "arn:aws:iam::111122223333:mfa/bob", "EnableDate": "2026-01-01T00:00:00Z"}], "IsTruncated": false})),
        Exchange("iam:ListServiceSpecificCredentials", bob(), "UserName=bob", iam("ListServiceSpecificCredentials", "<ServiceSpecificCredentials><member><UserName>bob</UserName><Status>Active</Status><ServiceUserName>bob-at-1</ServiceUserName><CreateDate>2026-01-01T00:00:00Z</CreateDate><ServiceSpecificCredentialId>ACCAEXAMPLE123EXAMPLE</ServiceSpecificCredentialId><ServiceName>bedrock.amazonaws.com</ServiceName></member></ServiceSpecificCredentials>"),
            json!({"ServiceSpecificCredentials": [{"UserName": "bob", "Status": "Active", "ServiceUserName": "bob-at-1", "CreateDate": "2026-01-01T00:00:00Z", "ServiceSpecificCredentialId": "ACCAEXAMPLE123EXAMPLE", "ServiceName": "bedrock.amazonaws.com"}], "IsTruncated": false})),
        Exchange("iam:UpdateServiceSpecificCredential", json!({"UserName": "bob", "ServiceSpecificCredentialId": "ACCAEXAMPLE123EXAMPLE", "Status": "Inactive"}), "Status=Inactive", iam("UpdateServiceSpecificCredential", ""), json!({})),
        Exchange("iam:GetPolicy", json!({"PolicyArn": arn}), "Action=GetPolicy&", iam("GetPolicy", "<Policy><PolicyName>deploy</PolicyName><DefaultVersionId>v2</DefaultVersionId></Policy>"), json!({"Policy": {"PolicyName": "deploy", "DefaultVersionId": "v2", "IsAttachable": false}})),
        Exchange("iam:GetPolicyVersion", json!({"PolicyArn": arn, "VersionId": "v2"}), "VersionId=v2", iam("GetPolicyVersion", &format!("<PolicyVersion><Document>%7B%22Version%22%3A%222012-10-17%22%7D</Document>{version}</PolicyVersion>")), json!({"PolicyVersion": {"Document": "{\"Version\":\"2012-10-17\"}", "VersionId": "v2", "IsDefaultVersion": true}})),
        Exchange("iam:ListPolicyVersions", json!({"PolicyArn": arn}), "Action=ListPolicyVersions", iam("ListPolicyVersions", &format!("<Versions><member>{version}</member></Versions><IsTruncated>false</IsTruncated>")), json!({"Versions": [{"VersionId": "v2", "IsDefaultVersion": true}], "IsTruncated": false})),
        Exchange("iam:SetDefaultPolicyVersion", json!({"PolicyArn": arn, "VersionId": "v1"}), "VersionId=v1", iam("SetDefaultPolicyVersion", ""), json!({})),
        Exchange("iam:GetAccountSummary", json!({}), "Action=GetAccountSummary", iam("GetAccountSummary", "<SummaryMap><entry><key>Users</key><value>27</value></entry><entry><key>Roles</key><value>41</value></entry></SummaryMap>"), json!({"SummaryMap": {"Users": 27, "Roles": 41}})),
        Exchange("iam:SimulatePrincipalPolicy", json!({"PolicySourceArn": "arn:aws:iam::111122223333:role/trailloop-responder", "ActionNames": ["iam:UpdateAccessKey"]}), "ActionNames.member.1=iam%3AUpdateAccessKey", iam("SimulatePrincipalPolicy", "<EvaluationResults><member><EvalActionName>iam:UpdateAccessKey</EvalActionName><EvalResourceName>*</EvalResourceName><EvalDecision>allowed</EvalDecision><MatchedStatements/><MissingContextValues/></member></EvaluationResults><IsTruncated>false</IsTruncated>"),
            json!({"EvaluationResults": [{"EvalActionName": "iam:UpdateAccessKey", "EvalResourceName": "*", "EvalDecision": "allowed", "MatchedStatements": [], "MissingContextValues": []}], "IsTruncated": false})),
    ])
    .await;
}

#[tokio::test]
async fn the_access_control_list_of_a_bucket_goes_and_comes_alike() {
    let list = json!({"Owner": {"ID": "owner"}, "Grants": [{"Grantee": {"URI": "http://acs.amazonaws.com/groups/global/AllUsers", "Type": "Group"}, "Permission": "READ"}]});
    check(vec![
        Exchange("s3:GetBucketAcl", json!({"Bucket": "b", "ExpectedBucketOwner": ACCOUNT}), "x-amz-expected-bucket-owner: 111122223333",
            "<AccessControlPolicy xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Owner><ID>owner</ID></Owner><AccessControlList><Grant><Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"Group\"><URI>http://acs.amazonaws.com/groups/global/AllUsers</URI></Grantee><Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>", list.clone()),
        Exchange("s3:PutBucketAcl", json!({"Bucket": "b", "AccessControlPolicy": list}), "<URI>http://acs.amazonaws.com/groups/global/AllUsers</URI>", "", json!({})),
        Exchange("s3:PutBucketAcl", json!({"Bucket": "b", "ACL": "private"}), "x-amz-acl: private", "", json!({})),
    ])
    .await;
}

#[tokio::test]
async fn who_may_call_a_function_and_what_tells_others() {
    let finding = json!({"SchemaVersion": "2018-10-08", "Id": "f-1", "GeneratorId": "trailloop", "AwsAccountId": ACCOUNT,
        "ProductArn": "arn:aws:securityhub:us-east-1:111122223333:product/111122223333/default",
        "CreatedAt": "2026-01-01T00:00:00Z", "UpdatedAt": "2026-01-01T00:00:00Z", "Severity": {"Label": "HIGH"},
        "Title": "t", "Description": "d", "Types": ["TTPs"], "ProductFields": {"a/b": "c"},
        "Resources": [{"Type": "AwsIamUser", "Id": "arn:aws:iam::111122223333:user/bob", "Partition": "aws"}]});
    let identifiers =
        json!([{"Id": "f-1", "ProductArn": "arn:aws:securityhub:us-east-1::product/x/y"}]);
    let of_function = || json!({"FunctionName": "resize"});
    check(vec![
        Exchange("lambda:AddPermission", json!({"FunctionName": "resize", "StatementId": "s", "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com"}), r#""StatementId":"s""#, r#"{"Statement":"{}"}"#, json!({"Statement": "{}"})),
        Exchange("lambda:RemovePermission", json!({"FunctionName": "resize", "StatementId": "s"}), "delete /2015-03-31/functions/resize/policy/s", "", json!({})),
        Exchange("lambda:GetPolicy", of_function(), "get /2015-03-31/functions/resize/policy", r#"{"Policy":"{}","RevisionId":"r"}"#, json!({"Policy": "{}", "RevisionId": "r"})),
        Exchange("lambda:GetFunctionUrlConfig", of_function(), "get /2021-10-31/functions/resize/url", r#"{"FunctionUrl":"https://x.example.com/","FunctionArn":"a","AuthType":"NONE","CreationTime":"2026-01-01T00:00:00Z","LastModifiedTime":"2026-01-02T00:00:00Z"}"#, json!({"FunctionUrl": "https://x.example.com/", "FunctionArn": "a", "AuthType": "NONE", "CreationTime": "2026-01-01T00:00:00Z", "LastModifiedTime": "2026-01-02T00:00:00Z"})),
        Exchange("lambda:DeleteFunctionUrlConfig", of_function(), "delete /2021-10-31/functions/resize/url", "", json!({})),
        Exchange("sns:Publish", json!({"TopicArn": "arn:aws:sns:us-east-1:111122223333:t", "Message": "m"}), "Message=m", "<PublishResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishResult><MessageId>m-1</MessageId></PublishResult></PublishResponse>", json!({"MessageId": "m-1"})),
        Exchange("sqs:SendMessage", json!({"QueueUrl": "http://sqs.example.com/1/q", "MessageBody": "hello"}), r#""MessageBody":"hello""#, r#"{"MessageId":"m-1","MD5OfMessageBody":"5d41402abc4b2a76b9719d911017c592"}"#, json!({"MessageId": "m-1", "MD5OfMessageBody": "5d41402abc4b2a76b9719d911017c592"})),
        Exchange("securityhub:BatchImportFindings", json!({"Findings": [finding]}), r#""ProductFields":{"a/b":"c"}"#, r#"{"FailedCount":0,"SuccessCount":1,"FailedFindings":[]}"#, json!({"SuccessCount": 1, "FailedCount": 0, "FailedFindings": []})),
        Exchange("securityhub:BatchUpdateFindings", json!({"FindingIdentifiers": identifiers, "Workflow": {"Status": "RESOLVED"}, "Note": {"Text": "t", "UpdatedBy": "trailloop"}}), r#""Workflow":{"Status":"RESOLVED"}"#, r#"{"ProcessedFindings":[],"UnprocessedFindings":[]}"#, json!({"ProcessedFindings": [], "UnprocessedFindings": []})),
        Exchange("securityhub:GetFindings", json!({"Filters": {"Id": [{"Value": "trailloop:", "Comparison": "PREFIX"}], "UpdatedAt": [{"Start": "2026-01-01T00:00:00Z", "End": "2026-01-02T00:00:00Z"}]}, "MaxResults": 100}), r#""Comparison":"PREFIX""#,
            r#"{"Findings":[{"Id":"trailloop:f-1","ProductArn":"a","GeneratorId":"g","AwsAccountId":"1","CreatedAt":"c","SchemaVersion":"s","Title":"t","Description":"d","Resources":[],"UpdatedAt":"2026-01-01T10:00:00Z","VerificationState":"BENIGN_POSITIVE","Note":{"Text":"automation","UpdatedBy":"ana","UpdatedAt":"u"}}]}"#,
            json!({"Findings": [{"Id": "trailloop:f-1", "UpdatedAt": "2026-01-01T10:00:00Z", "VerificationState": "BENIGN_POSITIVE", "Note": {"Text": "automation", "UpdatedBy": "ana"}}]})),
        Exchange("ssm:GetParameter", json!({"Name": "/trailloop/actions", "WithDecryption": true}), "/trailloop/actions", r#"{"Parameter":{"Name":"/trailloop/actions","Type":"String","Value":"off","Version":3,"LastModifiedDate":1700000000}}"#, json!({"Parameter": {"Name": "/trailloop/actions", "Type": "String", "Value": "off", "Version": 3, "LastModifiedDate": "2023-11-14T22:13:20Z"}})),
        Exchange("ssm:GetCalendarState", json!({"CalendarNames": ["freeze"]}), "freeze", r#"{"State":"CLOSED","AtTime":"2026-01-01T00:00:00Z"}"#, json!({"State": "CLOSED", "AtTime": "2026-01-01T00:00:00Z"})),
    ])
    .await;
}
