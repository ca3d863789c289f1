//! Every call that the catalogue lets a runbook make is one that is made, with every input that the catalogue names.

use serde_json::{Map, Value, json};
use trailloop_cloud::{ActionOptions, Actions, AwsOptions, Session, connect};
use trailloop_runbook::Call;
use trailloop_runbook::catalogue::{self, Input, Kind};

/// A value that the input takes.
fn value(service: &str, input: &Input) -> Value {
    match (input.name, input.kind) {
        ("Filters", _) if service == "identitystore" => {
            json!([{"AttributePath": "UserName", "AttributeValue": "b"}])
        }
        ("Status", _) => json!("Inactive"),
        ("ProvisioningStatus", _) => json!("LATEST_PERMISSION_SET_NOT_PROVISIONED"),
        ("TargetType", _) => json!("AWS_ACCOUNT"),
        ("PrincipalType", _) => json!("USER"),
        ("Type" | "Filter", _) => json!("SERVICE_CONTROL_POLICY"),
        ("ACL", _) => json!("private"),
        ("FunctionUrlAuthType", _) => json!("AWS_IAM"),
        ("VerificationState", _) => json!("TRUE_POSITIVE"),
        ("Filters", _) if service == "securityhub" => {
            json!({"Id": [{"Value": "a", "Comparison": "PREFIX"}]})
        }
        ("Filters", _) => json!([{"Name": "a", "Values": ["b"]}]),
        ("Tags", _) => json!([{"Key": "a", "Value": "b"}]),
        ("TagSpecifications", _) => {
            json!([{"ResourceType": "snapshot", "Tags": [{"Key": "a", "Value": "b"}]}])
        }
        ("IpPermissions", _) => {
            json!([{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}])
        }
        ("InstanceSpecification", _) => json!({"InstanceId": "i-0123456789abcdef0"}),
        ("VersioningConfiguration", _) => json!({"Status": "Enabled"}),
        ("EventSelectors", _) => json!([{"ReadWriteType": "All"}]),
        ("AdvancedEventSelectors", _) => {
            json!([{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]}])
        }
        ("ContextEntries", _) => {
            json!([{"ContextKeyName": "a", "ContextKeyValues": ["b"], "ContextKeyType": "string"}])
        }
        ("PublicAccessBlockConfiguration", _) => json!({"BlockPublicAcls": true}),
        ("AccessControlPolicy", _) => json!({"Owner": {"ID": "a"}, "Grants": []}),
        ("FindingIdentifiers", _) => json!([{"Id": "a", "ProductArn": "b"}]),
        ("Note", _) => json!({"Text": "a", "UpdatedBy": "b"}),
        ("Severity", _) => json!({"Label": "LOW"}),
        ("Workflow", _) => json!({"Status": "NEW"}),
        ("Findings", _) => json!([]),
        ("IamInstanceProfile", _) => json!({"Arn": "a"}),
        ("AtTime" | "TargetId" | "CopyTagsFromSource", _) | (_, Kind::Text) => json!("a"),
        (_, Kind::List) => json!(["a"]),
        (_, Kind::Number) => json!(1),
        (_, Kind::Flag) => json!(true),
        (_, Kind::Object) => json!({}),
        (_, Kind::Document) => json!("{}"),
    }
}

/// Inputs are checked before the role is assumed, and a session of no account gets no further than that.
#[tokio::test]
async fn every_call_of_the_catalogue_is_made_with_every_input() {
    let options = AwsOptions {
        region: Some("us-east-1".to_owned()),
        endpoint_url: Some("http://127.0.0.1:9".to_owned()),
        path_style: true,
    };
    let actions =
        connect(options).await.with_keys("test", "test").actions(ActionOptions::default());
    let session = Session {
        account: "none".to_owned(),
        region: "us-east-1".to_owned(),
        run: "look".to_owned(),
        policy: None,
    };
    let mut wrong = Vec::new();
    for api in catalogue::all().filter(|api| api.runs) {
        let inputs: Map<String, Value> = api
            .inputs
            .iter()
            .map(|input| (input.name.to_owned(), value(api.service, input)))
            .collect();
        let call = Call { service: api.service.to_owned(), api: api.name.to_owned(), inputs };
        let said = actions.call(&session, &call).await.unwrap_err().to_string();
        if !said.contains("must be twelve digits") {
            wrong.push(said);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
