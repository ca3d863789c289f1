//! Rights of roles and of sessions.

use serde_json::json;

use super::*;

fn template(service: &str, api: &str, inputs: Value) -> Template {
    let Value::Object(inputs) = inputs else { panic!("inputs are an object") };
    Template { service: service.to_owned(), api: api.to_owned(), inputs }
}

fn call(service: &str, api: &str, inputs: Value) -> Call {
    let Template { service, api, inputs } = template(service, api, inputs);
    Call { service, api, inputs }
}

#[test]
fn a_role_gets_what_its_runbooks_take() {
    let calls = [
        template(
            "iam",
            "UpdateAccessKey",
            json!({"UserName": "{{ UserName }}", "AccessKeyId": "{{ K }}", "Status": "Inactive"}),
        ),
        template(
            "iam",
            "PutUserPolicy",
            json!({"UserName": "{{ UserName }}", "PolicyName": "{{ P }}", "PolicyDocument": "{}"}),
        ),
        template(
            "iam",
            "AttachRolePolicy",
            json!({"RoleName": "{{ R }}", "PolicyArn": "arn:{{ global:AWS_PARTITION }}:iam::aws:policy/AWSDenyAll"}),
        ),
        template("cloudtrail", "StartLogging", json!({"Name": "{{ TrailArn }}"})),
        template("s3", "PutPublicAccessBlock", json!({"Bucket": "{{ B }}"})),
        template(
            "organizations",
            "AttachPolicy",
            json!({"PolicyId": "p-examplepolicyid111", "TargetId": "{{ A }}"}),
        ),
        template(
            "sso-admin",
            "PutInlinePolicyToPermissionSet",
            json!({"InstanceArn": "{{ I }}", "PermissionSetArn": "{{ S }}", "InlinePolicy": "{}"}),
        ),
    ];
    let uses: Vec<Use<'_>> =
        calls.iter().map(|call| Use { call, restores: call.service != "cloudtrail" }).collect();
    insta::assert_snapshot!(
        serde_json::to_string_pretty(&rights(&uses, &Place::anywhere_in("aws"))).unwrap()
    );
}

#[test]
fn without_a_step_its_rights_are_gone() {
    let start = template("cloudtrail", "StartLogging", json!({"Name": "{{ T }}"}));
    let place = Place::anywhere_in("aws");
    let with = rights(&[Use { call: &start, restores: true }], &place).to_string();
    assert!(with.contains("cloudtrail:StopLogging"));
    let without_undo = rights(&[Use { call: &start, restores: false }], &place).to_string();
    assert!(!without_undo.contains("cloudtrail:StopLogging"));
    assert_eq!(rights(&[], &place)["Statement"], json!([]));
}

#[test]
fn what_is_put_back_is_not_bound_to_what_was_put() {
    let deny = "arn:aws:iam::aws:policy/AWSDenyAll";
    let inputs = json!({"UserName": "{{ U }}", "PermissionsBoundary": deny});
    let bound = template("iam", "PutUserPermissionsBoundary", inputs);
    let conditions = |restores| {
        let policy = rights(&[Use { call: &bound, restores }], &Place::anywhere_in("aws"));
        let statements = policy["Statement"].as_array().unwrap().clone();
        let of_put = statements.into_iter().filter(|statement| {
            statement["Action"].to_string().contains("iam:PutUserPermissionsBoundary")
        });
        of_put.map(|statement| statement["Condition"].is_object()).collect::<Vec<_>>()
    };
    assert_eq!(conditions(false), [true]);
    let mut both = conditions(true);
    both.sort_unstable();
    assert_eq!(both, [false, true]);
}

#[test]
fn a_session_has_one_call_on_one_resource() {
    let disable = call(
        "iam",
        "UpdateAccessKey",
        json!({"UserName": "bob", "AccessKeyId": "AKIAIOSFODNN7EXAMPLE", "Status": "Inactive"}),
    );
    assert_eq!(
        session_policy(&disable, "aws", "111122223333", "us-east-1"),
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:ListAccessKeys","iam:UpdateAccessKey"],"Resource":["arn:aws:iam::111122223333:user/*/bob","arn:aws:iam::111122223333:user/bob"]}]}"#
    );
}

#[test]
fn no_name_widens_a_session() {
    for name in ["*", "?ob", "${aws:username}", "b*"] {
        let disable = call(
            "iam",
            "UpdateAccessKey",
            json!({"UserName": name, "AccessKeyId": "AKIAIOSFODNN7EXAMPLE", "Status": "Inactive"}),
        );
        let policy = session_policy(&disable, "aws", "111122223333", "us-east-1");
        let policy: Value = serde_json::from_str(&policy).unwrap();
        for arn in policy["Statement"][0]["Resource"].as_array().unwrap() {
            let arn = arn.as_str().unwrap().replace("user/*/", "user/");
            let bare = arn.replace("${*}", "").replace("${?}", "").replace("${$}", "");
            assert!(!bare.contains(['*', '?', '$']), "{arn}");
        }
    }
}

#[test]
fn every_session_policy_fits() {
    for api in catalogue::all() {
        let long = |length: usize| "x".repeat(length);
        let inputs = api.inputs.iter().map(|input| {
            let value = match input.kind {
                catalogue::Kind::List => json!(vec![long(64); 100]),
                _ if input.name.ends_with("Arn") => {
                    json!(format!("arn:aws:iam::111122223333:{}", long(128)))
                }
                _ => json!(long(64)),
            };
            (input.name.to_owned(), value)
        });
        let call = Call {
            service: api.service.to_owned(),
            api: api.name.to_owned(),
            inputs: inputs.collect(),
        };
        let policy = session_policy(&call, "aws-us-gov", "111122223333", "us-gov-west-1");
        assert!(policy.chars().count() <= SESSION_CHARACTERS_MAX, "{}", api.full_name());
        assert!(policy.contains(&api.action()), "{} {policy}", api.full_name());
    }
}

#[test]
fn what_is_unknown_or_too_long_gets_nothing() {
    let unknown = call("iam", "CreateUser", json!({}));
    assert!(session_policy(&unknown, "aws", "1", "r").contains("Deny"));
    let long = call("iam", "GetUser", json!({"UserName": "x".repeat(3000)}));
    assert!(session_policy(&long, "aws", "1", "r").contains("Deny"));
}

#[test]
fn arns_of_names_paths_and_urls() {
    let arns = |service: &str, api: &str, inputs: Value| {
        let policy =
            session_policy(&call(service, api, inputs), "aws", "111122223333", "eu-west-1");
        let policy: Value = serde_json::from_str(&policy).unwrap();
        policy["Statement"][0]["Resource"][0].as_str().unwrap().to_owned()
    };
    assert_eq!(
        arns(
            "sqs",
            "SendMessage",
            json!({"QueueUrl": "https://sqs.eu-west-1.amazonaws.com/111122223333/alerts", "MessageBody": "x"})
        ),
        "arn:aws:sqs:*:*:alerts"
    );
    assert_eq!(
        arns("ssm", "GetParameter", json!({"Name": "/a/b"})),
        "arn:aws:ssm:eu-west-1:111122223333:parameter/a/b"
    );
    let key = "arn:aws:kms:us-east-1:444455556666:key/k";
    assert_eq!(arns("kms", "DescribeKey", json!({"KeyId": key})), key);
    assert_eq!(
        arns("kms", "DescribeKey", json!({"KeyId": "k"})),
        "arn:aws:kms:eu-west-1:111122223333:key/k"
    );
}

#[test]
fn a_call_on_an_empty_list_is_a_call_on_nothing() {
    let stop = |ids: Value| {
        let call = call("ec2", "StopInstances", json!({"InstanceIds": ids}));
        session_policy(&call, "aws", "111122223333", "us-east-1")
    };
    let policy: Value = serde_json::from_str(&stop(json!([]))).unwrap();
    let stops = policy["Statement"].as_array().unwrap().iter().find(|one| {
        one["Effect"] == "Allow" && one["Action"].to_string().contains("StopInstances")
    });
    assert_eq!(stops, None);
    let one = stop(json!(["i-0123456789abcdef0"]));
    assert!(one.contains("arn:aws:ec2:us-east-1:111122223333:instance/i-0123456789abcdef0"));
}

#[test]
fn names_and_arns_stand_side_by_side() {
    let arn = "arn:aws:ec2:us-east-1:111122223333:instance/i-0123456789abcdef0";
    let call = call("ec2", "StopInstances", json!({"InstanceIds": [arn, "i-11111111"]}));
    let policy = session_policy(&call, "aws", "111122223333", "us-east-1");
    assert!(policy.contains(arn) && policy.contains("instance/i-11111111"), "{policy}");
}
