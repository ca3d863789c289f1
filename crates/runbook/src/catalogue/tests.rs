//! The catalogue against a small AWS that keeps what it is told.

use std::collections::BTreeSet;
use std::path::Path;

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// A call with each of its inputs, required or not, by kind.
fn example(api: &Api) -> Call {
    let inputs = api.inputs.iter().map(|input| {
        let value = match input.kind {
            Kind::Text => json!("x"),
            Kind::Document => json!(r#"{"Version":"2012-10-17","Statement":[]}"#),
            Kind::List => json!(["x"]),
            Kind::Number => json!(0),
            Kind::Flag => json!(true),
            Kind::Object => json!({"x": true}),
        };
        (input.name.to_owned(), value)
    });
    Call { service: api.service.to_owned(), api: api.name.to_owned(), inputs: inputs.collect() }
}

#[test]
fn the_tables_hold_together() {
    let mut names = BTreeSet::new();
    for api in all() {
        let name = api.full_name();
        assert!(names.insert(name.clone()), "{name} stands there twice");
        assert!(std::ptr::eq(find(api.service, api.name).unwrap(), api));
        assert_eq!(api.problems(&example(api).inputs), Vec::<String>::new(), "{name}");
        assert_eq!(api.changes, api.effect.is_some(), "{name}");
        assert!(!api.runs || api.risk < Risk::R3, "{name}");
        let reads = api.state_reads(&example(api));
        assert_eq!(reads.is_empty(), !api.changes, "{name}");
        for read in reads {
            let known = find(&read.service, &read.api)
                .unwrap_or_else(|| panic!("{} is no API", read.name()));
            assert!(
                !known.changes && known.problems(&read.inputs).is_empty(),
                "{name}: {:?}",
                known.problems(&read.inputs)
            );
        }
        for inverse in api.inverses() {
            let inverse =
                find(api.service, inverse).unwrap_or_else(|| panic!("{inverse} is no API"));
            assert!(inverse.changes, "{name}");
            assert!(inverse.runs || !api.runs, "{name} runs and its inverse does not");
        }
        for template in api.resources.iter().chain(api.also.iter().flat_map(|also| also.resources))
        {
            for part in template.split('{').skip(1) {
                let part = part.split_once('}').unwrap().0;
                let is_place = ["partition", "account", "region"].contains(&part);
                assert!(is_place || api.input(part).is_some(), "{name}: {template}");
            }
        }
    }
    assert!(names.len() > 100);
}

#[test]
fn inputs_are_checked() {
    let api = find("iam", "UpdateAccessKey").unwrap();
    let Value::Object(inputs) = json!({"UserName": 7, "AccessKeyId": "{{ K }}", "Bypass": true})
    else {
        unreachable!()
    };
    insta::assert_snapshot!(api.problems(&inputs).join("\n"));
}

#[test]
fn the_page_in_the_repository_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/actions.md");
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    if kept != reference() {
        std::fs::write(&path, reference()).unwrap();
        panic!(
            "docs/actions.md was out of date and has been written anew; look at the change and keep it"
        );
    }
}

/// A change, the answers before it, the answers after it, and the calls that put it back.
struct Case {
    call: Call,
    before: Vec<Option<Value>>,
    after: Vec<Option<Value>>,
    back: Option<Vec<(&'static str, Value)>>,
}

fn case(
    name: &str,
    inputs: Value,
    before: Option<Value>,
    after: Option<Value>,
    back: Option<Vec<(&'static str, Value)>>,
) -> Case {
    let (service, api) = name.split_once(':').unwrap();
    let Value::Object(inputs) = inputs else { panic!("inputs are an object") };
    let call = Call { service: service.to_owned(), api: api.to_owned(), inputs };
    Case { call, before: vec![before], after: vec![after], back }
}

const OLD: &str = r#"{ "Version":"2012-10-17", "Statement":[] }"#;
const NEW: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#;
/// As AWS may write it.
const NEW_TOO: &str =
    r#"{"Statement":[{"Action":["*"],"Effect":"Deny","Resource":"*"}],"Version":"2012-10-17"}"#;

/// Puts and deletions of a property by the same three calls, and what is known of each.
fn property(
    service: &str,
    keys: &Value,
    names: [&'static str; 2],
    input: &str,
    wrap: fn(Value) -> Value,
    values: [Value; 2],
) -> Vec<Case> {
    let [put, delete] = names;
    let [old, new] = values;
    let with = |value: &Value| {
        let mut inputs = keys.clone();
        inputs[input] = value.clone();
        inputs
    };
    let mut cases = vec![case(
        &format!("{service}:{put}"),
        with(&new),
        Some(wrap(old.clone())),
        Some(wrap(new.clone())),
        Some(vec![(put, with(&old))]),
    )];
    if !delete.is_empty() {
        let absent = if wrap(json!("x")).get("absent").is_some() { Some(json!({})) } else { None };
        cases.push(case(
            &format!("{service}:{put}"),
            with(&new),
            absent.clone(),
            Some(wrap(new)),
            Some(vec![(delete, keys.clone())]),
        ));
        cases.push(case(
            &format!("{service}:{delete}"),
            keys.clone(),
            Some(wrap(old.clone())),
            absent,
            Some(vec![(put, with(&old))]),
        ));
    }
    cases
}

/// Additions to a list and removals from it.
fn membership(
    service: &str,
    names: [&'static str; 2],
    keys: &Value,
    list: &str,
    item: &Value,
) -> Vec<Case> {
    let (with, without) =
        (json!({ list: [{"Other": "x"}, item] }), json!({ list: [{"Other": "x"}] }));
    let [add, remove] = names;
    vec![
        case(
            &format!("{service}:{add}"),
            keys.clone(),
            Some(without.clone()),
            Some(with.clone()),
            Some(vec![(remove, keys.clone())]),
        ),
        case(
            &format!("{service}:{remove}"),
            keys.clone(),
            Some(with),
            Some(without),
            Some(vec![(add, keys.clone())]),
        ),
    ]
}

/// On and off.
fn switch(
    service: &str,
    names: [&'static str; 2],
    keys: &Value,
    wrap: fn(bool) -> Value,
) -> Vec<Case> {
    let [on, off] = names;
    vec![
        case(
            &format!("{service}:{on}"),
            keys.clone(),
            Some(wrap(false)),
            Some(wrap(true)),
            Some(vec![(off, keys.clone())]),
        ),
        case(
            &format!("{service}:{off}"),
            keys.clone(),
            Some(wrap(true)),
            Some(wrap(false)),
            Some(vec![(on, keys.clone())]),
        ),
    ]
}

#[expect(clippy::too_many_lines, reason = "a table of cases, laid out by the formatter")]
fn identity_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let key = |status: &str| json!({"UserName": "bob", "AccessKeyId": "AKIAIOSFODNN7EXAMPLE", "Status": status});
    let keys = |status: &str| {
        Some(
            json!({"AccessKeyMetadata": [{"AccessKeyId": "AKIAI44QH8DHBEXAMPLE", "Status": "Active"}, key(status)]}),
        )
    };
    cases.push(case(
        "iam:UpdateAccessKey",
        key("Inactive"),
        keys("Active"),
        keys("Inactive"),
        Some(vec![("UpdateAccessKey", key("Active"))]),
    ));
    let credential = |status: &str| json!({"UserName": "bob", "ServiceSpecificCredentialId": "ACCA1", "Status": status});
    let credentials =
        |status: &str| Some(json!({"ServiceSpecificCredentials": [credential(status)]}));
    cases.push(case(
        "iam:UpdateServiceSpecificCredential",
        credential("Inactive"),
        credentials("Active"),
        credentials("Inactive"),
        Some(vec![("UpdateServiceSpecificCredential", credential("Active"))]),
    ));
    for (keys, put, delete) in [
        (json!({"UserName": "bob", "PolicyName": "p"}), "PutUserPolicy", "DeleteUserPolicy"),
        (json!({"RoleName": "r", "PolicyName": "p"}), "PutRolePolicy", "DeleteRolePolicy"),
    ] {
        cases.extend(property(
            "iam",
            &keys,
            [put, delete],
            "PolicyDocument",
            |text| json!({"PolicyDocument": text}),
            [json!(OLD), json!(NEW)],
        ));
    }
    let arns = [
        json!("arn:aws:iam::aws:policy/ReadOnlyAccess"),
        json!("arn:aws:iam::aws:policy/AWSDenyAll"),
    ];
    cases.extend(property("iam", &json!({"UserName": "bob"}), ["PutUserPermissionsBoundary", "DeleteUserPermissionsBoundary"], "PermissionsBoundary",
        |arn| json!({"absent": "empty", "User": {"PermissionsBoundary": {"PermissionsBoundaryArn": arn}}}), arns.clone()));
    cases.extend(property("iam", &json!({"RoleName": "r"}), ["PutRolePermissionsBoundary", "DeleteRolePermissionsBoundary"], "PermissionsBoundary",
        |arn| json!({"absent": "empty", "Role": {"PermissionsBoundary": {"PermissionsBoundaryArn": arn}}}), arns));
    cases.extend(property(
        "iam",
        &json!({"RoleName": "r"}),
        ["UpdateAssumeRolePolicy", ""],
        "PolicyDocument",
        |text| json!({"Role": {"AssumeRolePolicyDocument": text}}),
        [json!(OLD), json!(NEW)],
    ));
    cases.extend(property(
        "iam",
        &json!({"PolicyArn": "arn"}),
        ["SetDefaultPolicyVersion", ""],
        "VersionId",
        |text| json!({"Policy": {"DefaultVersionId": text}}),
        [json!("v2"), json!("v1")],
    ));
    for (who, name) in [("User", "UserName"), ("Role", "RoleName"), ("Group", "GroupName")] {
        let leak = |text: String| -> &'static str { text.leak() };
        let names = [leak(format!("Attach{who}Policy")), leak(format!("Detach{who}Policy"))];
        cases.extend(membership(
            "iam",
            names,
            &json!({name: "x", "PolicyArn": "arn"}),
            "AttachedPolicies",
            &json!({"PolicyArn": "arn"}),
        ));
    }
    cases.extend(membership(
        "iam",
        ["AddUserToGroup", "RemoveUserFromGroup"],
        &json!({"GroupName": "g", "UserName": "bob"}),
        "Groups",
        &json!({"GroupName": "g"}),
    ));
    let absent = Some(json!({"MFADevices": []}));
    cases.push(case(
        "iam:DeactivateMFADevice",
        json!({"UserName": "bob", "SerialNumber": "s"}),
        Some(json!({"MFADevices": [{"SerialNumber": "s"}]})),
        absent,
        None,
    ));
    let profile = Some(json!({"LoginProfile": {"CreateDate": "2026-01-01T00:00:00Z"}}));
    cases.push(case("iam:DeleteLoginProfile", json!({"UserName": "bob"}), profile, None, None));
    cases
}

fn organization_cases() -> Vec<Case> {
    let mut cases = membership(
        "organizations",
        ["AttachPolicy", "DetachPolicy"],
        &json!({"PolicyId": "p-1", "TargetId": "111122223333"}),
        "Policies",
        &json!({"Id": "p-1"}),
    );
    let assignment = json!({"InstanceArn": "i", "TargetId": "111122223333", "TargetType": "AWS_ACCOUNT", "PermissionSetArn": "s", "PrincipalType": "USER", "PrincipalId": "u"});
    cases.extend(membership(
        "sso-admin",
        ["CreateAccountAssignment", "DeleteAccountAssignment"],
        &assignment,
        "AccountAssignments",
        &json!({"PrincipalType": "USER", "PrincipalId": "u"}),
    ));
    cases.extend(property(
        "organizations",
        &json!({"PolicyId": "p-1"}),
        ["UpdatePolicy", ""],
        "Content",
        |text| json!({"Policy": {"Content": text}}),
        [json!(OLD), json!(NEW)],
    ));
    cases.push(case(
        "organizations:CreatePolicy",
        json!({"Name": "n", "Description": "d", "Content": NEW, "Type": "SERVICE_CONTROL_POLICY"}),
        Some(json!({"Policies": [{"Name": "other", "Id": "p-2"}]})),
        Some(json!({"Policies": [{"Name": "n", "Id": "p-1"}]})),
        None,
    ));
    let set = json!({"InstanceArn": "i", "PermissionSetArn": "s"});
    let provision = || {
        (
            "ProvisionPermissionSet",
            json!({"InstanceArn": "i", "PermissionSetArn": "s", "TargetType": "ALL_PROVISIONED_ACCOUNTS"}),
        )
    };
    for mut one in property(
        "sso-admin",
        &set,
        ["PutInlinePolicyToPermissionSet", "DeleteInlinePolicyFromPermissionSet"],
        "InlinePolicy",
        |text| json!({"absent": "empty", "InlinePolicy": text}),
        [json!(OLD), json!(NEW)],
    ) {
        one.back.as_mut().unwrap().push(provision());
        cases.push(one);
    }
    cases.push(case(
        "sso-admin:ProvisionPermissionSet",
        provision().1,
        Some(json!({"AccountIds": ["222233334444", "111122223333"]})),
        Some(json!({"AccountIds": []})),
        None,
    ));
    cases
}

#[expect(clippy::too_many_lines, reason = "a table of cases, laid out by the formatter")]
fn data_cases() -> Vec<Case> {
    let block = |on: bool| json!({"BlockPublicAcls": on, "IgnorePublicAcls": on, "BlockPublicPolicy": on, "RestrictPublicBuckets": on});
    let wrap = |value| json!({"PublicAccessBlockConfiguration": value});
    let bucket = json!({"Bucket": "example-bucket"});
    let mut cases = property(
        "s3",
        &bucket,
        ["PutPublicAccessBlock", "DeletePublicAccessBlock"],
        "PublicAccessBlockConfiguration",
        wrap,
        [block(false), block(true)],
    );
    cases.extend(property(
        "s3control",
        &json!({"AccountId": "111122223333"}),
        ["PutPublicAccessBlock", ""],
        "PublicAccessBlockConfiguration",
        wrap,
        [block(false), block(true)],
    ));
    cases.extend(property(
        "s3",
        &bucket,
        ["PutBucketPolicy", "DeleteBucketPolicy"],
        "Policy",
        |text| json!({"Policy": text}),
        [json!(OLD), json!(NEW)],
    ));
    cases.extend(property(
        "kms",
        &json!({"KeyId": "k", "PolicyName": "default"}),
        ["PutKeyPolicy", ""],
        "Policy",
        |text| json!({"Policy": text}),
        [json!(OLD), json!(NEW)],
    ));
    cases.extend(property(
        "lambda",
        &json!({"FunctionName": "f"}),
        ["PutFunctionConcurrency", "DeleteFunctionConcurrency"],
        "ReservedConcurrentExecutions",
        |number| json!({"absent": "empty", "ReservedConcurrentExecutions": number}),
        [json!(5), json!(0)],
    ));
    let version = |status: &str| json!({"Bucket": "example-bucket", "VersioningConfiguration": {"Status": status}});
    cases.push(case(
        "s3:PutBucketVersioning",
        version("Enabled"),
        Some(json!({"Status": "Suspended"})),
        Some(json!({"Status": "Enabled"})),
        Some(vec![("PutBucketVersioning", version("Suspended"))]),
    ));
    cases.push(case(
        "s3:PutBucketVersioning",
        version("Enabled"),
        Some(json!({})),
        Some(json!({"Status": "Enabled"})),
        None,
    ));
    let mine =
        json!({"Grantee": {"ID": "o", "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"});
    let all = json!({"Grantee": {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/global/AllUsers"}, "Permission": "READ"});
    let acl = |grants: Value| json!({"Owner": {"ID": "o"}, "Grants": grants});
    cases.push(case(
        "s3:PutBucketAcl",
        json!({"Bucket": "example-bucket", "ACL": "private"}),
        Some(acl(json!([all, mine]))),
        Some(acl(json!([mine]))),
        Some(vec![(
            "PutBucketAcl",
            json!({"Bucket": "example-bucket", "AccessControlPolicy": acl(json!([mine, all]))}),
        )]),
    ));
    let state = |name: &str| Some(json!({"KeyMetadata": {"KeyState": name}}));
    cases.extend(switch(
        "kms",
        ["EnableKey", "DisableKey"],
        &json!({"KeyId": "k"}),
        |on| json!({"KeyMetadata": {"KeyState": if on { "Enabled" } else { "Disabled" }}}),
    ));
    cases.push(case(
        "kms:CancelKeyDeletion",
        json!({"KeyId": "k"}),
        state("PendingDeletion"),
        state("Disabled"),
        None,
    ));
    cases.push(case(
        "kms:ScheduleKeyDeletion",
        json!({"KeyId": "k", "PendingWindowInDays": 7}),
        state("Enabled"),
        state("PendingDeletion"),
        Some(vec![("CancelKeyDeletion", json!({"KeyId": "k"}))]),
    ));
    let statement = json!({"Sid": "s", "Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "lambda:InvokeFunction", "Resource": "arn",
        "Condition": {"ArnLike": {"AWS:SourceArn": "arn:aws:s3:::example-bucket"}, "StringEquals": {"AWS:SourceAccount": "111122223333"}}});
    let policy = |statements: Value| {
        Some(
            json!({"Policy": json!({"Version": "2012-10-17", "Statement": statements}).to_string()}),
        )
    };
    let named = json!({"FunctionName": "f", "StatementId": "s"});
    let added = json!({"FunctionName": "f", "StatementId": "s", "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com", "SourceArn": "arn:aws:s3:::example-bucket", "SourceAccount": "111122223333"});
    cases.push(case(
        "lambda:RemovePermission",
        named.clone(),
        policy(json!([statement])),
        policy(json!([])),
        Some(vec![("AddPermission", added.clone())]),
    ));
    cases.push(case(
        "lambda:AddPermission",
        added,
        None,
        policy(json!([statement])),
        Some(vec![("RemovePermission", named)]),
    ));
    cases.push(case(
        "lambda:DeleteFunctionUrlConfig",
        json!({"FunctionName": "f"}),
        Some(json!({"FunctionUrl": "https://example.com"})),
        None,
        None,
    ));
    cases
}

fn logging_cases() -> Vec<Case> {
    let mut cases = switch(
        "cloudtrail",
        ["StartLogging", "StopLogging"],
        &json!({"Name": "t"}),
        |on| json!({"IsLogging": on}),
    );
    cases.extend(switch(
        "config",
        ["StartConfigurationRecorder", "StopConfigurationRecorder"],
        &json!({"ConfigurationRecorderName": "default"}),
        |on| json!({"ConfigurationRecordersStatus": [{"name": "default", "recording": on}]}),
    ));
    let detector = |on: bool| json!({"DetectorId": "d", "Enable": on});
    let status = |status: &str| Some(json!({"Status": status}));
    cases.push(case(
        "guardduty:UpdateDetector",
        detector(true),
        status("DISABLED"),
        status("ENABLED"),
        Some(vec![("UpdateDetector", detector(false))]),
    ));
    let basic = json!([{"ReadWriteType": "All", "IncludeManagementEvents": true}]);
    let filled = json!([{"ReadWriteType": "All", "IncludeManagementEvents": true, "DataResources": [], "ExcludeManagementEventSources": []}]);
    let advanced =
        json!([{"Name": "n", "FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]}]}]);
    cases.push(case(
        "cloudtrail:PutEventSelectors",
        json!({"TrailName": "t", "EventSelectors": basic}),
        Some(json!({"TrailARN": "arn", "AdvancedEventSelectors": advanced})),
        Some(json!({"TrailARN": "arn", "EventSelectors": filled})),
        Some(vec![(
            "PutEventSelectors",
            json!({"TrailName": "t", "AdvancedEventSelectors": advanced}),
        )]),
    ));
    cases.push(case("cloudtrail:UpdateTrail", json!({"Name": "t", "IsMultiRegionTrail": true, "EnableLogFileValidation": true, "KmsKeyId": "k"}),
        Some(json!({"Trail": {"Name": "t", "IsMultiRegionTrail": false, "S3BucketName": "b"}})), Some(json!({"Trail": {"IsMultiRegionTrail": true, "LogFileValidationEnabled": true, "KmsKeyId": "k"}})),
        Some(vec![("UpdateTrail", json!({"Name": "t", "IsMultiRegionTrail": false, "EnableLogFileValidation": false, "KmsKeyId": ""}))])));
    cases
}

#[expect(clippy::too_many_lines, reason = "a table of cases, laid out by the formatter")]
fn network_cases() -> Vec<Case> {
    let rule = |id: &str, cidr: &str, tags: Value| json!({"SecurityGroupRuleId": id, "GroupId": "sg-1", "IsEgress": false, "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIpv4": cidr, "Tags": tags});
    let rules = |rules: Value| Some(json!({"SecurityGroupRules": rules}));
    let other = rule("sgr-2", "10.0.0.0/8", json!([]));
    let made = json!({"GroupId": "sg-1", "IpPermissions": [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}],
        "TagSpecifications": [{"ResourceType": "security-group-rule", "Tags": [{"Key": "trailloop-restores", "Value": "sgr-1"}]}]});
    let mut cases = vec![
        case(
            "ec2:RevokeSecurityGroupIngress",
            json!({"GroupId": "sg-1", "SecurityGroupRuleIds": ["sgr-1"]}),
            rules(json!([other, rule("sgr-1", "0.0.0.0/0", json!([]))])),
            rules(json!([other])),
            Some(vec![("AuthorizeSecurityGroupIngress", made.clone())]),
        ),
        case(
            "ec2:AuthorizeSecurityGroupIngress",
            made,
            rules(json!([other])),
            rules(json!([rule(
                "sgr-9",
                "0.0.0.0/0",
                json!([{"Key": "trailloop-restores", "Value": "sgr-1"}])
            )])),
            None,
        ),
    ];
    for (id, api, groups, list, attribute) in [
        (
            "SnapshotId",
            "ModifySnapshotAttribute",
            "GroupNames",
            "CreateVolumePermissions",
            "createVolumePermission",
        ),
        ("ImageId", "ModifyImageAttribute", "UserGroups", "LaunchPermissions", "launchPermission"),
    ] {
        let modify = |operation: &str, users: Value| json!({id: "x", "Attribute": attribute, "OperationType": operation, "UserIds": users, groups: ["all"]});
        let partner = json!({"UserId": "444455556666"});
        let shared = Some(json!({list: [{"Group": "all"}, partner, {"UserId": "222233334444"}]}));
        let call = modify("remove", json!(["222233334444", "999900001111"]));
        cases.push(case(
            &format!("ec2:{api}"),
            call,
            shared,
            Some(json!({list: [partner]})),
            Some(vec![(api, modify("add", json!(["222233334444"])))]),
        ));
    }
    let instances = |one: &str, two: &str| {
        Some(
            json!({"Reservations": [{"Instances": [{"InstanceId": "i-2", "State": {"Name": two}}, {"InstanceId": "i-1", "State": {"Name": one}}]}]}),
        )
    };
    let both = json!({"InstanceIds": ["i-1", "i-2"]});
    cases.push(case(
        "ec2:StopInstances",
        both.clone(),
        instances("running", "stopped"),
        instances("stopping", "stopped"),
        Some(vec![("StartInstances", json!({"InstanceIds": ["i-1"]}))]),
    ));
    cases.push(case(
        "ec2:StartInstances",
        both,
        instances("running", "stopped"),
        instances("running", "pending"),
        Some(vec![("StopInstances", json!({"InstanceIds": ["i-2"]}))]),
    ));
    let interface = |groups: Value| Some(json!({"NetworkInterfaces": [{"Groups": groups}]}));
    cases.push(case(
        "ec2:ModifyNetworkInterfaceAttribute",
        json!({"NetworkInterfaceId": "eni-1", "Groups": ["sg-9"]}),
        interface(json!([{"GroupId": "sg-2"}, {"GroupId": "sg-1"}])),
        interface(json!([{"GroupId": "sg-9"}])),
        Some(vec![(
            "ModifyNetworkInterfaceAttribute",
            json!({"NetworkInterfaceId": "eni-1", "Groups": ["sg-1", "sg-2"]}),
        )]),
    ));
    let association = Some(
        json!({"IamInstanceProfileAssociations": [{"InstanceId": "i-1", "IamInstanceProfile": {"Arn": "arn"}, "State": "associated"}]}),
    );
    let none = Some(json!({"IamInstanceProfileAssociations": []}));
    let associate = json!({"InstanceId": "i-1", "IamInstanceProfile": {"Arn": "arn"}});
    cases.push(case(
        "ec2:DisassociateIamInstanceProfile",
        json!({"AssociationId": "a"}),
        association.clone(),
        none.clone(),
        Some(vec![("AssociateIamInstanceProfile", associate.clone())]),
    ));
    cases.push(case("ec2:AssociateIamInstanceProfile", associate, none, association, None));
    cases.push(case(
        "ec2:CreateSnapshots",
        json!({"InstanceSpecification": {"InstanceId": "i-1"}, "Description": "d"}),
        Some(json!({"Snapshots": []})),
        Some(json!({"Snapshots": [{"SnapshotId": "snap-1"}]})),
        None,
    ));
    let tag = |value: &str| json!({"ResourceId": "i-1", "Key": "k", "Value": value});
    cases.push(case("ec2:CreateTags", json!({"Resources": ["i-1"], "Tags": [{"Key": "k", "Value": "new"}, {"Key": "l", "Value": "x"}]}), Some(json!({"Tags": [tag("old")]})),
        Some(json!({"Tags": [tag("new"), {"ResourceId": "i-1", "Key": "l", "Value": "x"}]})),
        Some(vec![("CreateTags", json!({"Resources": ["i-1"], "Tags": [{"Key": "k", "Value": "old"}]})), ("DeleteTags", json!({"Resources": ["i-1"], "Tags": [{"Key": "l"}]}))])));
    cases.push(case(
        "ec2:DeleteTags",
        json!({"Resources": ["i-1"], "Tags": [{"Key": "k"}]}),
        Some(json!({"Tags": [tag("old")]})),
        Some(json!({"Tags": []})),
        Some(vec![(
            "CreateTags",
            json!({"Resources": ["i-1"], "Tags": [{"Key": "k", "Value": "old"}]}),
        )]),
    ));
    cases
}

fn cases() -> Vec<Case> {
    [identity_cases(), organization_cases(), data_cases(), logging_cases(), network_cases()]
        .into_iter()
        .flatten()
        .collect()
}

/// Changes that have no case: they are planned only, and no state shows that they took effect.
const WITHOUT_CASE: [&str; 3] =
    ["iam:CreateLoginProfile", "iam:UpdateLoginProfile", "ssm:StartAutomationExecution"];

#[test]
fn every_change_is_seen_and_put_back() {
    let mut seen: BTreeSet<String> = WITHOUT_CASE.map(str::to_owned).into();
    for Case { call, before, after, back } in cases() {
        let name = call.name();
        let api = find(&call.service, &call.api).unwrap();
        seen.insert(name.clone());
        assert_eq!(api.problems(&call.inputs), Vec::<String>::new(), "{name}");
        let (was, is) = (api.state(&call, &before), api.state(&call, &after));
        assert!(is_readable(&was) && is_readable(&is), "{name}: {was} {is}");
        assert!(!api.is_achieved(&call, &was), "{name} before: {was}");
        assert!(api.is_achieved(&call, &is), "{name} after: {is}");
        assert_ne!(was, is, "{name}");
        let calls = api.restore(&call, &was);
        for call in calls.iter().flatten() {
            assert_eq!(call.service, api.service);
            assert!(api.inverses().contains(&call.api.as_str()), "{name}: {}", call.api);
            let inverse = find(&call.service, &call.api).unwrap();
            assert_eq!(inverse.problems(&call.inputs), Vec::<String>::new(), "{name}");
            // Each call back is achieved by the state it puts back, if it reads the same state.
            if inverse.state_reads(call) == api.state_reads(&case_call(api, &name)) {
                assert!(inverse.is_achieved(call, &inverse.state(call, &before)), "{name}");
            }
        }
        let calls = calls.map(|calls| {
            calls.into_iter().map(|call| (call.api, Value::Object(call.inputs))).collect::<Vec<_>>()
        });
        let back = back.map(|back| {
            back.into_iter().map(|(api, inputs)| (api.to_owned(), inputs)).collect::<Vec<_>>()
        });
        assert_eq!(calls, back, "{name}");
    }
    let changes: BTreeSet<String> = all().filter(|api| api.changes).map(Api::full_name).collect();
    assert_eq!(seen, changes, "every change has a case");
}

/// The first case of this API.
fn case_call(api: &Api, name: &str) -> Call {
    let found = cases().into_iter().find(|case| case.call.name() == name);
    found.map_or_else(|| example(api), |case| case.call)
}

#[test]
fn policies_are_compared_as_policies_and_kept_as_text() {
    let cases = cases();
    let Case { call, .. } = cases.iter().find(|case| case.call.api == "PutUserPolicy").unwrap();
    let api = find("iam", "PutUserPolicy").unwrap();
    let state = api.state(call, &[Some(json!({"PolicyDocument": NEW_TOO}))]);
    assert!(api.is_achieved(call, &state));
    assert_eq!(state, json!({"PolicyDocument": NEW_TOO}));
    assert_eq!(api.restore(call, &state).unwrap()[0].inputs["PolicyDocument"], NEW_TOO);
}

#[test]
fn a_rule_that_was_put_back_is_the_rule_that_was() {
    let api = find("ec2", "RevokeSecurityGroupIngress").unwrap();
    let Value::Object(inputs) = json!({"GroupId": "sg-1", "SecurityGroupRuleIds": ["sgr-1"]})
    else {
        unreachable!()
    };
    let call = Call { service: "ec2".to_owned(), api: api.name.to_owned(), inputs };
    let answer = |id: &str, tags: Value| {
        Some(
            json!({"SecurityGroupRules": [{"SecurityGroupRuleId": id, "IpProtocol": "-1", "CidrIpv6": "::/0", "Tags": tags}]}),
        )
    };
    let before = api.state(&call, &[answer("sgr-1", json!([]))]);
    let again = api
        .state(&call, &[answer("sgr-7", json!([{"Key": "trailloop-restores", "Value": "sgr-1"}]))]);
    assert_eq!(before, again);
    assert_ne!(before, api.state(&call, &[answer("sgr-7", json!([]))]));
}

#[test]
fn what_aws_orders_freely_is_sorted() {
    let api = find("ec2", "StopInstances").unwrap();
    let call = case_call(api, "ec2:StopInstances");
    let one = |id: &str| json!({"Instances": [{"InstanceId": id, "State": {"Name": "running"}}]});
    let state = |first: &str, second: &str| {
        api.state(&call, &[Some(json!({"Reservations": [one(first), one(second)]}))]).to_string()
    };
    assert_eq!(state("i-1", "i-2"), state("i-2", "i-1"));
}

#[test]
fn an_answer_that_lacks_its_value_is_neither_achieved_nor_put_back() {
    for (name, answer) in [
        ("iam:PutUserPolicy", json!({})),
        ("iam:UpdateAccessKey", json!({})),
        ("cloudtrail:StartLogging", json!({"IsLogging": 7})),
    ] {
        let api = find(name.split_once(':').unwrap().0, name.split_once(':').unwrap().1).unwrap();
        let call = case_call(api, name);
        let state = api.state(&call, &[Some(answer)]);
        assert!(!is_readable(&state), "{name}");
        assert!(!api.is_achieved(&call, &state) && api.restore(&call, &state).is_none(), "{name}");
    }
}

#[test]
fn the_risk_of_a_policy_is_that_of_what_it_says() {
    let risk = |name: &str, api: &str, statement: Value| {
        let policy = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
        let Value::Object(inputs) = json!({name: "x", "PolicyName": "p", "PolicyDocument": policy})
        else {
            unreachable!()
        };
        find("iam", api).unwrap().risk_of(&Call {
            service: "iam".to_owned(),
            api: api.to_owned(),
            inputs,
        })
    };
    let deny = |condition: Value| json!({"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": condition});
    let older = json!({"DateLessThan": {"aws:TokenIssueTime": "2026-01-01T00:00:00Z"}});
    let one = json!({"DateLessThan": {"aws:TokenIssueTime": "2026-01-01T00:00:00Z"}, "StringEquals": {"aws:userid": "AROAEXAMPLE:x"}});
    assert_eq!(risk("UserName", "PutUserPolicy", deny(json!({}))), Risk::R2);
    assert_eq!(risk("UserName", "PutUserPolicy", deny(older.clone())), Risk::R1);
    assert_eq!(risk("RoleName", "PutRolePolicy", deny(older)), Risk::R2);
    assert_eq!(risk("RoleName", "PutRolePolicy", deny(one)), Risk::R1);
}

fn any_json() -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec![
        "AccessKeyMetadata",
        "AccessKeyId",
        "Status",
        "PolicyDocument",
        "Policy",
        "Statement",
        "Sid",
        "Trail",
        "User",
        "Reservations",
        "Instances",
        "State",
        "Name",
        "InstanceId",
        "SecurityGroupRules",
        "SecurityGroupRuleId",
        "Tags",
        "Key",
        "Value",
        "Grants",
        "Owner",
        "ID",
        "Groups",
        "x",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z{}\\[\\]\":é]{0,6}".prop_map(Value::from),
        Just(json!("x")),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((names.clone(), inner), 0..4).prop_map(|members| members
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn no_answer_and_no_input_panics(answer in any_json(), input in any_json(), state in any_json()) {
        for api in all() {
            let mut wild = example(api);
            for value in wild.inputs.values_mut() {
                *value = input.clone();
            }
            for call in [example(api), wild] {
                drop((api.problems(&call.inputs), api.state_reads(&call)));
                for answers in [vec![], vec![None], vec![Some(answer.clone())]] {
                    let seen = api.state(&call, &answers);
                    prop_assert_eq!(&seen, &api.state(&call, &answers));
                    drop((api.is_achieved(&call, &seen), api.restore(&call, &seen)));
                }
                drop((api.is_achieved(&call, &state), api.restore(&call, &state), api.risk_of(&call)));
                drop(crate::policy::session_policy(&call, "aws", "111122223333", "us-east-1"));
            }
        }
    }
}
