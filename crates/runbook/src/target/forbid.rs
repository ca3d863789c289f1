//! Calls that must not be made for a target, whatever a runbook says.

use serde_json::Value;

use super::shape::{LONG_TERM, SERVICE_LINKED};
use super::{Arn, Class, Refusal, Target, names};
use crate::call::Call;
use crate::resource::Resource;

/// What changes whom people are and what they may do.
const IDENTITY_SERVICES: [&str; 5] = ["iam", "sso-admin", "sso", "identitystore", "sts"];

/// How the APIs begin that change nothing.
const READS: [&str; 6] = ["Get", "List", "Describe", "Simulate", "Search", "Is"];

/// APIs of IAM that name a user or a role whose rights or credentials they change, and no other principal.
const POLICY_APIS: [&str; 4] = ["Put", "Delete", "Attach", "Detach"];

impl Target {
    /// Why this call must not be made for this target; `None` if nothing here is against it.
    #[must_use]
    pub fn forbids(&self, call: &Call) -> Option<Refusal> {
        self.forbids_on(call, None)
    }

    /// The same where the call may also act on what the finding's own call acted on: it may make a key inactive that was made in
    /// the incident, or take a policy away that was attached, whoever did it and whatever can be done about them.
    #[must_use]
    pub fn forbids_on(&self, call: &Call, resource: Option<&Resource>) -> Option<Refusal> {
        let refusal = |reason: &str| {
            Some(Refusal::new("resolver", format!("{} must not be called: {reason}", call.name())))
        };
        if let Some(reason) = never(call) {
            return refusal(reason);
        }
        if !is_identity_change(call) {
            return None;
        }
        if resource.is_some_and(|resource| is_on_resource(call, resource)) {
            return None;
        }
        if let Err(refused) = self.may_act() {
            return refusal(&refused.reason);
        }
        let reason = match self.class {
            Class::IdentityCenterUser => self.not_this_person(call),
            _ => self.not_this_principal(call),
        };
        reason.and_then(refusal)
    }

    /// Whether the account of the target is where this would be done.
    fn is_of_other_account(&self, call: &Call) -> bool {
        let mut texts = call.inputs.values().filter_map(Value::as_str);
        texts.any(|text| {
            let account = Arn::parse(text).map(|arn| arn.account);
            account.is_some_and(|account| {
                !matches!(account, "" | "aws") && Some(account) != self.account.as_deref()
            })
        })
    }

    /// Why the call is not about the user or role that the target is.
    fn not_this_principal(&self, call: &Call) -> Option<&'static str> {
        if call.service != "iam" {
            return Some("the target is a principal of IAM");
        }
        if self.account.is_none() {
            return Some("the target's account is not known");
        }
        if self.is_of_other_account(call) {
            return Some("it names something of another account than the target's");
        }
        let (user, role) = (input(call, "UserName"), input(call, "RoleName"));
        let is_target = match (&self.user_name, &self.role_name) {
            (Some(name), None) => role.is_none() && user == Some(name.as_str()),
            (None, Some(name)) => user.is_none() && role == Some(name.as_str()),
            _ => false,
        };
        if !is_target {
            return Some("it does not name the target's user or role, and no other");
        }
        None
    }

    /// Why the call is not about the person of Identity Center that the target is.
    fn not_this_person(&self, call: &Call) -> Option<&'static str> {
        if matches!(call.service.as_str(), "iam" | "sts") {
            return Some("a role of Identity Center can't be changed in IAM");
        }
        let user = self.identity_center_user.as_deref();
        let named = ["PrincipalId", "UserId"].map(|name| call.inputs.get(name));
        if named.into_iter().flatten().any(|value| value.as_str() != user || user.is_none()) {
            return Some("it names another person than the target");
        }
        if call.service == "identitystore" && named.iter().all(Option::is_none) {
            return Some("it does not name the target's person");
        }
        let store = call.inputs.get("IdentityStoreId");
        if let (Some(store), Some(known)) = (store, self.identity_store.as_deref())
            && store.as_str() != Some(known)
        {
            return Some("it names another identity store than the target's");
        }
        None
    }
}

fn input<'a>(call: &'a Call, name: &str) -> Option<&'a str> {
    call.inputs.get(name).map(|value| value.as_str().unwrap_or_default())
}

fn is_identity_change(call: &Call) -> bool {
    IDENTITY_SERVICES.contains(&call.service.as_str())
        && !READS.iter().any(|verb| call.api.starts_with(verb))
}

/// What holds for every target.
fn never(call: &Call) -> Option<&'static str> {
    if call.service != "iam" || !is_identity_change(call) {
        return None;
    }
    if let Some(key) = call.inputs.get("AccessKeyId")
        && !key.as_str().is_some_and(|key| names::is_key(key, LONG_TERM))
    {
        return Some("only a long-term key (AKIA) can be changed, and this is none");
    }
    if call.api.ends_with("AccessKey") && input(call, "UserName").is_none() {
        return Some(
            "without a user's name IAM would take a key of the responder itself, or root's",
        );
    }
    let is_named_so = |name: &str| {
        input(call, "RoleName").is_some_and(|role| role.to_ascii_lowercase().starts_with(name))
    };
    if is_named_so(&SERVICE_LINKED.to_ascii_lowercase())
        || is_named_so(&names::RESERVED_SSO.to_ascii_lowercase())
    {
        return Some("the role belongs to AWS");
    }
    None
}

/// Whether the call only takes back, or only stops, what the finding's own call did or made.
fn is_on_resource(call: &Call, resource: &Resource) -> bool {
    if call.service != "iam" {
        return false;
    }
    let is = |name: &str, value: Option<&str>| value.is_some() && input(call, name) == value;
    let is_account = call.inputs.values().filter_map(Value::as_str).all(|text| {
        let account = Arn::parse(text).map(|arn| arn.account);
        account.is_none_or(|account| {
            matches!(account, "" | "aws") || Some(account) == resource.account.as_deref()
        })
    });
    let is_user = is("UserName", resource.text("user_name")) && input(call, "RoleName").is_none();
    let is_role = is("RoleName", resource.text("role_name")) && input(call, "UserName").is_none();
    let is_group = is("GroupName", resource.text("group_name"));
    let was_made = !resource.created.is_empty();
    let api = call.api.as_str();
    is_account
        && match resource.kind {
            "AWS::IAM::AccessKey" => {
                api == "UpdateAccessKey"
                    && is_user
                    && is("AccessKeyId", resource.text("access_key_id"))
            }
            "AWS::IAM::LoginProfile" => {
                is_user
                    && match api {
                        "DeleteLoginProfile" | "UpdateLoginProfile" => true,
                        "CreateLoginProfile" | "PutUserPolicy" | "DeleteUserPolicy" => was_made,
                        _ => false,
                    }
            }
            "AWS::IAM::ServiceSpecificCredential" => {
                api == "UpdateServiceSpecificCredential"
                    && is_user
                    && is("ServiceSpecificCredentialId", resource.text("credential_id"))
            }
            "AWS::IAM::User" if was_made => is_user,
            "AWS::IAM::Role" if was_made => is_role,
            "AWS::IAM::Role" if api == "UpdateAssumeRolePolicy" => {
                is_role && resource.details.contains_key("is_trust")
            }
            "AWS::IAM::User" | "AWS::IAM::Role" | "AWS::IAM::Group" => {
                let is_membership = matches!(api, "RemoveUserFromGroup" | "AddUserToGroup");
                let is_policy = POLICY_APIS.iter().any(|verb| api.starts_with(verb))
                    && (is("PolicyName", resource.text("policy_name"))
                        || is("PolicyArn", resource.text("policy_arn"))
                        || api.ends_with("PermissionsBoundary")
                            && resource.details.contains_key("is_boundary"));
                match resource.kind {
                    "AWS::IAM::User" if is_membership => is_user && is_group,
                    "AWS::IAM::User" => is_user && is_policy,
                    "AWS::IAM::Role" => is_role && is_policy,
                    _ => is_group && is_policy && input(call, "UserName").is_none(),
                }
            }
            "AWS::IAM::ManagedPolicy" => {
                api == "SetDefaultPolicyVersion" && is("PolicyArn", resource.text("policy_arn"))
            }
            _ => false,
        }
}
