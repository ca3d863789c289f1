//! The last line: what is never asked of AWS, whatever a runbook, a binding or a person says.
//!
//! These checks know one call and its target and nothing else, so no state of the run can talk them out of it. They stand behind the
//! guards of the executor and repeat on purpose what the resolver refuses already.

use super::risk::is_account;
use super::{Api, Risk};
use crate::call::Call;
use crate::policy::document::{condition, glob, statements, texts};
use crate::target::{Class, Refusal, Target};

/// What is ours, or must stay reachable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ours {
    /// The role that the executor assumes, as a name or an ARN. Empty: none is known, and no role or policy of a resource is changed.
    pub responder_role: String,
    /// Globs of the ARNs of break-glass users and roles.
    pub break_glass: Vec<String>,
    /// The organization's management account. Without it no policy is attached to an account.
    pub management_account: Option<String>,
}

/// Policies that we make are named so, and no others are ever deleted.
pub const PREFIX: &str = "trailloop-contain-";

/// Roles by which accounts are run; `*` is any text.
const PROTECTED_ROLES: [&str; 5] = [
    "AWSServiceRoleFor*",
    "AWSReservedSSO_*",
    "OrganizationAccountAccessRole",
    "AWSControlTowerExecution",
    "stacksets-exec-*",
];

impl Api {
    /// Refuses what is never done.
    ///
    /// # Errors
    /// The guard and the reason.
    pub fn never(&self, call: &Call, target: &Target, ours: &Ours) -> Result<(), Refusal> {
        if (call.service.as_str(), call.api.as_str()) != (self.service, self.name) {
            return refuse("catalogue", format!("{} is not {}", call.name(), self.full_name()));
        }
        if !self.changes {
            return Ok(());
        }
        if !self.runs || self.risk_of(call) == Risk::R3 {
            return refuse(
                "catalogue",
                format!("{} is planned and exported only; a person makes it", call.name()),
            );
        }
        if call.inputs.contains_key("BypassPolicyLockoutSafetyCheck") {
            return refuse("parameters", "BypassPolicyLockoutSafetyCheck is never used");
        }
        match self.service {
            "iam" => self.never_of_identities(call, target, ours),
            "organizations" => never_of_accounts(self.name, call, ours),
            "s3" => never_locked_out(call, &["s3:PutBucketPolicy", "s3:DeleteBucketPolicy"], ours),
            "kms" => never_locked_out(call, &["kms:PutKeyPolicy"], ours),
            _ => Ok(()),
        }
    }

    fn never_of_identities(
        &self,
        call: &Call,
        target: &Target,
        ours: &Ours,
    ) -> Result<(), Refusal> {
        // What takes a grant back, or gives it again, is about whom the grant is for and not about whoever made it.
        let contains = match self.name {
            "UpdateAccessKey" | "UpdateServiceSpecificCredential" => true,
            name if name.starts_with("Put") => true,
            name if name.starts_with("Attach") => call
                .text("PolicyArn")
                .is_none_or(|arn| last(arn) == "AWSDenyAll" || last(arn).starts_with("trailloop-")),
            _ => false,
        };
        let nobody = [Class::AwsService, Class::Root, Class::ServiceLinkedRole, Class::Unknown];
        if contains && nobody.contains(&target.class) {
            let class = target.class.name();
            return refuse(
                "resolver",
                format!("the target is {class}: there is no identity to act on"),
            );
        }
        if self.name == "UpdateAccessKey" && !call.text("AccessKeyId").is_some_and(is_long_term) {
            return refuse("parameters", "only keys that begin with AKIA can be made inactive");
        }
        if matches!(self.name, "DeleteUserPolicy" | "DeleteRolePolicy")
            && !call.text("PolicyName").is_some_and(|name| name.starts_with(PREFIX))
        {
            return refuse("protected", format!("only policies named {PREFIX}… are deleted"));
        }
        if let Some(role) = call.inputs.get("RoleName") {
            let Some(role) = role.as_str() else {
                return refuse("parameters", "RoleName is no text");
            };
            never_this_role(role, target, ours)?;
        }
        if let Some(user) = call.inputs.get("UserName") {
            let Some(user) = user.as_str() else {
                return refuse("parameters", "UserName is no text");
            };
            never_break_glass("user", user, target, ours)?;
        }
        Ok(())
    }
}

fn refuse(guard: &'static str, reason: impl Into<String>) -> Result<(), Refusal> {
    Err(Refusal::new(guard, reason))
}

fn is_long_term(key: &str) -> bool {
    (16..=128).contains(&key.len())
        && key.starts_with("AKIA")
        && key.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// The last part of an ARN or a name.
fn last(arn: &str) -> &str {
    arn.rsplit_once(['/', ':']).map_or(arn, |(_, name)| name)
}

fn never_this_role(role: &str, target: &Target, ours: &Ours) -> Result<(), Refusal> {
    if let Some(pattern) = PROTECTED_ROLES.into_iter().find(|pattern| glob(pattern, role)) {
        return refuse("protected", format!("roles named {pattern} are never changed"));
    }
    let arn = arn_of(role, target).unwrap_or_default();
    if arn.contains(":role/aws-service-role/") || arn.contains(":role/aws-reserved/") {
        return refuse("protected", format!("{arn} belongs to AWS"));
    }
    if ours.responder_role.is_empty() {
        return refuse("protected", "the responder's own role is not known, so no role is changed");
    }
    if last(&ours.responder_role).eq_ignore_ascii_case(role) {
        return refuse("protected", "the responder's own role is never changed");
    }
    never_break_glass("role", role, target, ours)
}

/// The target's ARN if it is the principal of this name.
fn arn_of<'a>(name: &str, target: &'a Target) -> Option<&'a str> {
    target.principal_arn.as_deref().filter(|arn| last(arn).eq_ignore_ascii_case(name))
}

/// A principal is known by its name alone unless it is the target, so a glob counts by its last part as well.
fn never_break_glass(kind: &str, name: &str, target: &Target, ours: &Ours) -> Result<(), Refusal> {
    let account = target.account.as_deref().unwrap_or("*");
    let without_path = format!("arn:{}:iam::{account}:{kind}/{name}", target.partition);
    let known = arn_of(name, target);
    let protects = |pattern: &&String| {
        let is_of_kind = pattern.contains(&format!(":{kind}/"));
        let by_name = last(pattern);
        known.is_some_and(|arn| glob(pattern, arn))
            || glob(pattern, &without_path)
            || known.is_none() && is_of_kind && by_name != "*" && glob(by_name, name)
    };
    match ours.break_glass.iter().find(protects) {
        Some(pattern) => refuse("protected", format!("{kind} {name} is protected by {pattern}")),
        None => Ok(()),
    }
}

fn never_of_accounts(api: &str, call: &Call, ours: &Ours) -> Result<(), Refusal> {
    if api != "AttachPolicy" {
        return Ok(());
    }
    if !is_account(call) {
        return refuse(
            "protected",
            "a policy is attached to an account only, never to a root or a unit",
        );
    }
    match ours.management_account.as_deref() {
        None => {
            refuse("protected", "the management account is not known, so no policy is attached")
        }
        Some(account) if call.text("TargetId") == Some(account) => {
            refuse("protected", "no policy is attached to the management account")
        }
        Some(_) => Ok(()),
    }
}

/// A policy of a resource must not deny us what takes it off again.
fn never_locked_out(call: &Call, actions: &[&str], ours: &Ours) -> Result<(), Refusal> {
    let Some(policy) = call.inputs.get("Policy") else { return Ok(()) };
    let Some(statements) = policy.as_str().and_then(statements) else {
        return refuse("parameters", "the policy is no policy document");
    };
    let locks_out = statements.iter().any(|statement| {
        let denied = match statement.get("Action") {
            None => vec!["*"],
            Some(denied) => texts(denied),
        };
        statement.get("Effect").is_some_and(|effect| effect == "Deny")
            && actions.iter().any(|action| denied.iter().any(|denied| glob(denied, action)))
            && !excepts(statement, ours)
    });
    if locks_out {
        return refuse(
            "protected",
            "the policy denies its own change and does not except the responder's role by ArnNotLike of aws:PrincipalArn",
        );
    }
    Ok(())
}

/// Whether a statement is not about the responder.
fn excepts(statement: &serde_json::Value, ours: &Ours) -> bool {
    let role = last(&ours.responder_role);
    if role.is_empty() {
        return false;
    }
    let is_ours =
        |pattern: &&str| last(pattern).eq_ignore_ascii_case(role) || glob(last(pattern), role);
    let by_condition =
        ["ArnNotLike", "ArnNotEquals", "StringNotLike", "StringNotEquals"].iter().any(|operator| {
            condition(statement, operator, "aws:PrincipalArn")
                .is_some_and(|value| texts(value).iter().any(is_ours))
        });
    // Whoever calls without TLS is not us.
    let by_transport = condition(statement, "Bool", "aws:SecureTransport")
        .is_some_and(|value| texts(value) == ["false"] || value == &serde_json::Value::Bool(false));
    let by_principal =
        statement.get("Principal").and_then(|one| one.get("AWS")).is_some_and(|aws| {
            let named = texts(aws);
            let is_single = |arn: &&str| arn.contains(":user/") || arn.contains(":role/");
            !named.is_empty() && named.iter().all(is_single) && !named.iter().any(is_ours)
        });
    by_condition || by_transport || by_principal
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::catalogue::find;

    fn target(class: Class) -> Target {
        Target {
            class,
            partition: "aws".to_owned(),
            account: Some("111122223333".to_owned()),
            recipient_account: Some("111122223333".to_owned()),
            principal_arn: Some("arn:aws:iam::111122223333:user/ops/bob".to_owned()),
            user_name: Some("bob".to_owned()),
            role_name: None,
            principal_id: None,
            session_name: None,
            access_key_id: None,
            instance_id: None,
            identity_center_user: None,
            identity_store: None,
            permission_set: None,
            reason: None,
            invoked_by: None,
            from_console: false,
        }
    }

    fn ours() -> Ours {
        Ours {
            responder_role: "arn:aws:iam::111122223333:role/trailloop-responder".to_owned(),
            break_glass: vec![
                "arn:aws:iam::*:user/emergency/*".to_owned(),
                "arn:aws:iam::*:role/BreakGlass".to_owned(),
            ],
            management_account: Some("444455556666".to_owned()),
        }
    }

    fn asked(service: &str, api: &str, inputs: Value, class: Class) -> Result<(), &'static str> {
        let Value::Object(inputs) = inputs else { panic!("inputs are an object") };
        let call = Call { service: service.to_owned(), api: api.to_owned(), inputs };
        let api = find(service, api).unwrap();
        api.never(&call, &target(class), &ours()).map_err(|refusal| refusal.guard)
    }

    fn of_user(api: &str, inputs: Value) -> Result<(), &'static str> {
        asked("iam", api, inputs, Class::IamUserKey)
    }

    #[test]
    fn only_long_term_keys_are_made_inactive() {
        let key = |id: &str| json!({"UserName": "bob", "AccessKeyId": id, "Status": "Inactive"});
        assert_eq!(of_user("UpdateAccessKey", key("AKIAIOSFODNN7EXAMPLE")), Ok(()));
        for id in
            ["ASIAIOSFODNN7EXAMPLE", "AKIA", "", "AKIAIOSFODNN7EXAMPL*", "xAKIAIOSFODNN7EXAMPLE"]
        {
            assert_eq!(of_user("UpdateAccessKey", key(id)), Err("parameters"), "{id}");
        }
        let of = |class| asked("iam", "UpdateAccessKey", key("AKIAIOSFODNN7EXAMPLE"), class);
        let attach = |policy: &str, class| {
            let arn = format!("arn:aws:iam::aws:policy/{policy}");
            asked("iam", "AttachUserPolicy", json!({"UserName": "bob", "PolicyArn": arn}), class)
        };
        for class in [Class::Root, Class::AwsService, Class::ServiceLinkedRole, Class::Unknown] {
            assert_eq!(of(class), Err("resolver"));
            assert_eq!(attach("AWSDenyAll", class), Err("resolver"));
            assert_eq!(attach("ReadOnlyAccess", class), Ok(()));
        }
    }

    #[test]
    fn roles_that_run_accounts_and_our_own_are_left_alone() {
        let put = |role: &str| {
            let inputs = json!({"RoleName": role, "PolicyName": "trailloop-contain-0", "PolicyDocument": "{}"});
            asked("iam", "PutRolePolicy", inputs, Class::RoleSession)
        };
        assert_eq!(put("deploy"), Ok(()));
        for role in [
            "AWSServiceRoleForSupport",
            "awsreservedsso_Admin_0123456789abcdef",
            "OrganizationAccountAccessRole",
            "AWSControlTowerExecution",
            "stacksets-exec-0123",
            "trailloop-responder",
            "TRAILLOOP-RESPONDER",
            "BreakGlass",
        ] {
            assert_eq!(put(role), Err("protected"), "{role}");
        }
    }

    #[test]
    fn break_glass_is_known_by_path_and_by_name() {
        let mut target = target(Class::IamUserKey);
        let ours = ours();
        assert_eq!(never_break_glass("user", "bob", &target, &ours), Ok(()));
        target.principal_arn = Some("arn:aws:iam::111122223333:user/emergency/bob".to_owned());
        assert!(never_break_glass("user", "bob", &target, &ours).is_err());
        target.principal_arn = None;
        let named =
            Ours { break_glass: vec!["arn:aws:iam::*:user/emergency/eve*".to_owned()], ..ours };
        assert!(never_break_glass("user", "eve1", &target, &named).is_err());
        assert_eq!(never_break_glass("user", "bob", &target, &named), Ok(()));
        assert_eq!(never_break_glass("role", "eve1", &target, &named), Ok(()));
    }

    #[test]
    fn only_our_policies_are_deleted() {
        let delete = |name: &str| {
            of_user("DeleteUserPolicy", json!({"UserName": "bob", "PolicyName": name}))
        };
        assert_eq!(delete("trailloop-contain-0f3a0f3a"), Ok(()));
        assert_eq!(delete("admin"), Err("protected"));
        assert_eq!(delete("x-trailloop-contain-"), Err("protected"));
    }

    #[test]
    fn policies_are_attached_to_member_accounts_only() {
        let attach = |id: &str| {
            let inputs = json!({"PolicyId": "p-examplepolicyid111", "TargetId": id});
            asked("organizations", "AttachPolicy", inputs, Class::IamUserKey)
        };
        assert_eq!(attach("111122223333"), Ok(()));
        assert_eq!(attach("444455556666"), Err("protected"));
        assert_eq!(attach("r-ab12"), Err("catalogue"));
        assert_eq!(attach("ou-ab12-11111111"), Err("catalogue"));
    }

    #[test]
    fn no_policy_locks_us_out() {
        let put = |statement: Value| {
            let policy = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
            let inputs = json!({"Bucket": "example-bucket", "Policy": policy});
            asked("s3", "PutBucketPolicy", inputs, Class::IamUserKey)
        };
        let deny = |more: Value| {
            let mut statement =
                json!({"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"});
            statement.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            statement
        };
        assert_eq!(put(deny(json!({}))), Err("protected"));
        assert_eq!(put(deny(json!({"Action": "s3:GetObject"}))), Ok(()));
        assert_eq!(put(deny(json!({"Effect": "Allow"}))), Ok(()));
        assert_eq!(
            put(deny(json!({"Condition": {"Bool": {"aws:SecureTransport": "false"}}}))),
            Ok(())
        );
        assert_eq!(
            put(deny(json!({"Principal": {"AWS": "arn:aws:iam::111122223333:user/bob"}}))),
            Ok(())
        );
        assert_eq!(
            put(deny(json!({"Principal": {"AWS": "arn:aws:iam::111122223333:root"}}))),
            Err("protected")
        );
        let except = |role: &str| json!({"Condition": {"ArnNotLike": {"aws:PrincipalArn": format!("arn:aws:iam::*:role/{role}")}}});
        assert_eq!(put(deny(except("trailloop-responder"))), Ok(()));
        assert_eq!(put(deny(except("other"))), Err("protected"));
        let inputs = json!({"Bucket": "b", "Policy": "{}"});
        assert_eq!(asked("s3", "PutBucketPolicy", inputs, Class::IamUserKey), Err("parameters"));
    }

    #[test]
    fn what_is_planned_only_is_never_made() {
        let inputs = json!({"UserName": "bob"});
        assert_eq!(of_user("DeleteLoginProfile", inputs.clone()), Err("catalogue"));
        assert_eq!(of_user("GetUser", inputs), Ok(()));
        let bypass = json!({"KeyId": "k", "Policy": "{}", "BypassPolicyLockoutSafetyCheck": true});
        assert_eq!(asked("kms", "PutKeyPolicy", bypass, Class::IamUserKey), Err("parameters"));
    }
}
