//! What each row of the table needs: the state before, the record of it, how it looks from outside, and what somebody else does
//! to it between the run and the undo.

mod data;
mod identities;
mod logging;
mod network;
mod organization;

use std::cell::OnceCell;

use serde_json::{Value, json};

use super::aws::{Emulator, between};
use crate::kit::{ACCOUNT, Kit};

pub(super) use self::data::*;
pub(super) use self::identities::*;
pub(super) use self::logging::*;
pub(super) use self::network::*;
pub(super) use self::organization::*;

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
