//! Accounts of an organization, and the users of its Identity Center.

use serde_json::{Value, json};

use super::{Drift, Ground, IAM, OTHER, Scene};
use crate::emulator::aws::{Emulator, seen};
use crate::kit::ACCOUNT;

const ORGANIZATIONS: &str = "AWSOrganizationsV20161128";

/// The account that manages the organization.
pub(in super::super) const MANAGEMENT: &str = "999900001111";

pub(in super::super) fn root_of_member(ground: &Ground<'_>) -> Scene {
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
pub(in super::super) fn quarantine_policy(aws: &Emulator) -> String {
    let aws = aws.in_account(MANAGEMENT);
    let filter = json!({"Filter": "SERVICE_CONTROL_POLICY"});
    let listed = aws.json("organizations", &format!("{ORGANIZATIONS}.ListPolicies"), &filter);
    let name = "trailloop-quarantine";
    let found = listed["Policies"].as_array().unwrap().iter().find(|one| one["Name"] == name);
    if let Some(found) = found {
        return found["Id"].as_str().unwrap().to_owned();
    }
    let content = include_str!("../../../../../../deploy/trailloop-quarantine-scp.json");
    let inputs = json!({"Name": name, "Description": "example", "Type": "SERVICE_CONTROL_POLICY", "Content": content});
    let made = aws.json("organizations", &format!("{ORGANIZATIONS}.CreatePolicy"), &inputs);
    made["Policy"]["PolicySummary"]["Id"].as_str().unwrap().to_owned()
}

const SSO: &str = "SWBExternalService";

impl Ground<'_> {
    /// An instance of Identity Center and a permission set of this scene: their ARNs.
    pub(in super::super) fn permission_set(&self) -> (String, String) {
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

pub(in super::super) fn identity_center_user(ground: &Ground<'_>) -> Scene {
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
