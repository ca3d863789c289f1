//! The shapes of `userIdentity`, in the order in which they are tried.
//!
//! A shape looks at the facts and says that it is not meant, or whom the record shows, or that it is meant and something in the
//! record is not as AWS writes it. The first that is meant decides. Reasons quote nothing of the record: its text is hostile.

use serde_json::Value;

use super::arn::{Arn, partition_of_region};
use super::{Class, Target, names};

/// Who called, from one record.
#[must_use]
pub fn resolve(record: &Value) -> Target {
    let facts = Facts::of(record);
    let found = SHAPES.iter().find_map(|shape| shape(&facts));
    match found.unwrap_or_else(|| Err("the type of its caller is not one that we know".to_owned()))
    {
        Ok(target) => target,
        Err(reason) => Target { reason: Some(reason), ..facts.nobody(Class::Unknown) },
    }
}

type Found = Option<Result<Target, String>>;

/// The shapes. Each is tried only if none before it was meant, so AWS's own calls are out of the way before anybody has a
/// name, and a role that can't be revoked before one that can.
const SHAPES: [fn(&Facts<'_>) -> Found; 9] = [
    aws_service,
    other_account,
    root,
    iam_user,
    federated_user,
    service_linked_role,
    assumed_role,
    federated_login,
    identity_center_user,
];

/// What the shapes look at.
struct Facts<'a> {
    record: &'a Value,
    identity: &'a Value,
    issuer: &'a Value,
    kind: &'a str,
}

impl<'a> Facts<'a> {
    fn of(record: &'a Value) -> Self {
        let identity = &record["userIdentity"];
        let issuer = &identity["sessionContext"]["sessionIssuer"];
        Self { record, identity, issuer, kind: identity["type"].as_str().unwrap_or_default() }
    }

    /// A target of which only that is known which every record has, as far as it has its form.
    fn nobody(&self, class: Class) -> Target {
        let known = |value: &Value, is_one: fn(&str) -> bool| {
            value.as_str().filter(|text| is_one(text)).map(str::to_owned)
        };
        let region = self.record["awsRegion"].as_str().unwrap_or_default();
        Target {
            class,
            partition: partition_of_region(region).to_owned(),
            account: None,
            recipient_account: known(&self.record["recipientAccountId"], names::is_account),
            principal_arn: None,
            user_name: None,
            role_name: None,
            principal_id: None,
            session_name: None,
            access_key_id: None,
            instance_id: None,
            identity_center_user: None,
            identity_store: None,
            permission_set: None,
            invoked_by: known(&self.identity["invokedBy"], names::is_invoker),
            from_console: self.is_from_console(),
            reason: None,
        }
    }

    fn is_from_console(&self) -> bool {
        let said = &self.record["sessionCredentialFromConsole"];
        said == &Value::Bool(true)
            || said == "true"
            || self.record["eventSource"] == "signin.amazonaws.com"
    }

    fn arn(&self) -> Result<Arn<'a>, String> {
        let text = self.identity["arn"].as_str().unwrap_or_default();
        Arn::parse(text).ok_or_else(|| "the caller's ARN is not of the form of one".to_owned())
    }

    /// The account of `userIdentity`, which may not be another than that of its ARN.
    fn account(&self, arn: &Arn<'_>) -> Result<String, String> {
        let account = field(&self.identity["accountId"], "caller's account", names::is_account)?;
        if account.is_some_and(|account| account != arn.account) {
            return Err("the caller's ARN is of another account than the caller".to_owned());
        }
        if !names::is_account(arn.account) {
            return Err("the caller's ARN names no account".to_owned());
        }
        Ok(arn.account.to_owned())
    }

    fn key(&self) -> Result<Option<&'a str>, String> {
        let is_key = |key: &str| names::is_key(key, LONG_TERM) || names::is_key(key, TEMPORARY);
        field(&self.identity["accessKeyId"], "key", is_key)
    }

    /// The user or role that issued the session: its ARN, path and name.
    fn issuer(&self, kind: &str) -> Result<(Arn<'a>, &'a str, &'a str), String> {
        let arn = self.issuer["arn"].as_str().and_then(Arn::parse);
        let arn = arn.ok_or("the session's issuer has no ARN of the form of one")?;
        let (path, name) =
            arn.path_and_name(kind).ok_or_else(|| format!("the session's issuer is no {kind}"))?;
        let said = field(&self.issuer["userName"], "issuer's name", names::is_role_name)?;
        if !names::is_role_name(name) || said.is_some_and(|said| said != name) {
            return Err("the name of the session's issuer is not that of its ARN".to_owned());
        }
        let account = field(&self.issuer["accountId"], "issuer's account", names::is_account)?;
        if !names::is_account(arn.account) || account.is_some_and(|one| one != arn.account) {
            return Err("the session's issuer is of another account than its ARN".to_owned());
        }
        Ok((arn, path, name))
    }

    /// The target as it is, or as one of another account if the caller is not of the account whose trail has the record.
    fn at_home(&self, target: Target, caller_account: &str) -> Result<Target, String> {
        let account = &self.record["recipientAccountId"];
        match field(account, "recipient account", names::is_account)? {
            Some(recipient) if recipient != caller_account => Ok(Target {
                class: Class::ForeignPrincipal,
                user_name: None,
                role_name: None,
                instance_id: None,
                identity_center_user: None,
                identity_store: None,
                permission_set: None,
                ..target
            }),
            _ => Ok(target),
        }
    }
}

/// How long-term keys begin.
pub(super) const LONG_TERM: &str = "AKIA";
/// How temporary keys begin.
pub(super) const TEMPORARY: &str = "ASIA";

/// A field that may be absent or empty, but if it is there has to be of its form.
fn field<'a>(
    value: &'a Value,
    what: &str,
    is_one: impl Fn(&str) -> bool,
) -> Result<Option<&'a str>, String> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) if text.is_empty() => Ok(None),
        Value::String(text) if is_one(text) => Ok(Some(text)),
        _ => Err(format!("the {what} is not of the form that AWS gives it")),
    }
}

/// Row 1. Calls that AWS made by itself, and records whose caller has no name that AWS could act on.
fn aws_service(facts: &Facts<'_>) -> Found {
    /// Kinds whose records have an ARN, or else nobody to act on.
    const WITH_ARN: [&str; 4] = ["IAMUser", "FederatedUser", "AssumedRole", "Role"];
    let kind = &facts.identity["type"];
    let is_meant = kind.is_null()
        || facts.kind == "AWSService"
        || facts.record["eventType"] == "AwsServiceEvent"
        || WITH_ARN.contains(&facts.kind) && facts.identity["arn"].is_null();
    is_meant.then(|| Ok(facts.nobody(Class::AwsService)))
}

/// Row 2. The root user, also by a session of `AssumeRoot` or a federation token that it took.
fn root(facts: &Facts<'_>) -> Found {
    let arn = facts.arn().ok();
    let is_meant = facts.kind == "Root"
        || facts.issuer["type"] == "Root"
        || arn.is_some_and(|arn| arn.service == "iam" && arn.resource == "root");
    is_meant.then(|| {
        let account = facts.identity["accountId"].as_str().filter(|text| names::is_account(text));
        let account = account.or(arn.map(|arn| arn.account).filter(|one| names::is_account(one)));
        let nobody = facts.nobody(Class::Root);
        let partition = arn.map_or(nobody.partition.as_str(), |arn| arn.partition).to_owned();
        Ok(Target {
            partition,
            account: account.map(str::to_owned),
            principal_arn: facts.identity["arn"].as_str().filter(|_| arn.is_some()).map(owned),
            access_key_id: facts.key().ok().flatten().map(owned),
            ..nobody
        })
    })
}

/// Row 12. `AWSAccount` is what the owner of a resource sees of a caller of another account. The other half of the row, a
/// caller who has a name but not of this account, is [`Facts::at_home`] of the shapes that have names.
fn other_account(facts: &Facts<'_>) -> Found {
    (facts.kind == "AWSAccount").then(|| {
        let account = field(&facts.identity["accountId"], "caller's account", names::is_account)?;
        let account = account.ok_or("the caller is an account that has no number")?;
        let target = facts.at_home(facts.nobody(Class::Unknown), account)?;
        if target.class != Class::ForeignPrincipal {
            return Err("the caller is this account itself, and no principal of it".to_owned());
        }
        let arn = facts.arn().ok();
        Ok(Target {
            account: Some(account.to_owned()),
            principal_arn: arn.and(facts.identity["arn"].as_str()).map(owned),
            access_key_id: facts.key().ok().flatten().map(owned),
            ..target
        })
    })
}

/// Rows 3, 4 and 5. An IAM user: by a long-term key, by a temporary one, or by a service that passes the user's session on,
/// which changes nothing about the user.
fn iam_user(facts: &Facts<'_>) -> Found {
    (facts.kind == "IAMUser").then(|| {
        let arn = facts.arn()?;
        let (_, name) = arn.path_and_name("user").ok_or("the caller's ARN is not a user's")?;
        let said = field(&facts.identity["userName"], "user's name", names::is_user_name)?;
        if !names::is_user_name(name) || said.is_some_and(|said| said != name) {
            return Err("the user's name is not that of the ARN, or not one that IAM allows".into());
        }
        let account = facts.account(&arn)?;
        let is_id = |id: &str| names::is_unique_id(id, "AIDA");
        let principal_id = field(&facts.identity["principalId"], "user's id", is_id)?;
        let nobody = facts.nobody(Class::IamUserSession);
        let key = facts.key()?;
        let class = match key {
            Some(key) if key.starts_with(LONG_TERM) => Class::IamUserKey,
            Some(_) => Class::IamUserSession,
            None if nobody.from_console => Class::IamUserSession,
            None => return Err("the record does not say by which credential the user came".into()),
        };
        let target = Target {
            class,
            partition: arn.partition.to_owned(),
            account: Some(account.clone()),
            principal_arn: facts.identity["arn"].as_str().map(owned),
            user_name: Some(name.to_owned()),
            principal_id: principal_id.map(owned),
            access_key_id: key.map(owned),
            ..nobody
        };
        facts.at_home(target, &account)
    })
}

/// Row 6. A federation token: the user who took it is who it is about.
fn federated_user(facts: &Facts<'_>) -> Found {
    (facts.kind == "FederatedUser").then(|| {
        let arn = facts.arn()?;
        let account = facts.account(&arn)?;
        let session = arn.of("sts", "federated-user").filter(|name| names::is_session_name(name));
        let session = session.ok_or("the caller's ARN is not a federated user's")?;
        let (issuer, _, name) = facts.issuer("user")?;
        if (issuer.partition, issuer.account) != (arn.partition, arn.account) {
            return Err("the federated user is of another account than the user behind it".into());
        }
        let is_id = |id: &str| id.split_once(':') == Some((arn.account, session));
        let principal_id = field(&facts.identity["principalId"], "federated user's id", is_id)?;
        let target = Target {
            partition: arn.partition.to_owned(),
            account: Some(account.clone()),
            principal_arn: facts.issuer["arn"].as_str().map(owned),
            user_name: Some(name.to_owned()),
            principal_id: principal_id.map(owned),
            session_name: Some(session.to_owned()),
            access_key_id: facts.key()?.map(owned),
            ..facts.nobody(Class::FederatedUser)
        };
        facts.at_home(target, &account)
    })
}

/// Row 7. Roles that belong to a service, told by path or name before anything else of the session is looked at.
fn service_linked_role(facts: &Facts<'_>) -> Found {
    let arn = facts.issuer["arn"].as_str().and_then(Arn::parse);
    let issuer = arn.and_then(|arn| arn.path_and_name("role"));
    let session = facts.arn().ok().and_then(|arn| arn.of("sts", "assumed-role"));
    let role = session.and_then(|text| text.split('/').next());
    let is_meant = facts.kind == "AssumedRole"
        && (issuer.is_some_and(|(path, name)| is_service_linked(path, name))
            || role.is_some_and(|name| is_service_linked("/", name)));
    is_meant.then(|| {
        let name = issuer.map(|(_, name)| name).or(role);
        let nobody = facts.nobody(Class::ServiceLinkedRole);
        Ok(Target {
            partition: arn.map_or(nobody.partition.as_str(), |arn| arn.partition).to_owned(),
            account: arn.map(|arn| arn.account).filter(|one| names::is_account(one)).map(owned),
            principal_arn: facts.issuer["arn"].as_str().filter(|_| issuer.is_some()).map(owned),
            role_name: name.filter(|name| names::is_role_name(name)).map(owned),
            ..nobody
        })
    })
}

/// Whether a role belongs to a service and can't be changed by us: by its path, or by a name that IAM keeps for such roles.
pub(super) fn is_service_linked(path: &str, name: &str) -> bool {
    let is_reserved = path.starts_with("/aws-reserved/") && !path.starts_with(RESERVED_SSO_PATH);
    path.starts_with("/aws-service-role/") || name.starts_with(SERVICE_LINKED) || is_reserved
}

/// How the names of service-linked roles begin.
pub(super) const SERVICE_LINKED: &str = "AWSServiceRoleFor";
const RESERVED_SSO_PATH: &str = "/aws-reserved/sso.amazonaws.com/";

/// Rows 8, 9 and 10. A session of a role: of a person of Identity Center, of an instance, or any other.
fn assumed_role(facts: &Facts<'_>) -> Found {
    (facts.kind == "AssumedRole").then(|| {
        let arn = facts.arn()?;
        let caller_account = facts.account(&arn)?;
        let (issuer, path, role) = facts.issuer("role")?;
        if issuer.partition != arn.partition {
            return Err("the session is of another partition than its role".to_owned());
        }
        let parts = arn.of("sts", "assumed-role").and_then(|text| text.split_once('/'));
        let (_, session) = parts
            .filter(|(name, session)| *name == role && names::is_session_name(session))
            .ok_or("the caller's ARN is not that of a session of its role")?;
        let principal_id = session_id(facts, session)?;
        let target = Target {
            partition: arn.partition.to_owned(),
            account: Some(issuer.account.to_owned()),
            principal_arn: facts.issuer["arn"].as_str().map(owned),
            role_name: Some(role.to_owned()),
            principal_id,
            session_name: Some(session.to_owned()),
            access_key_id: facts.key()?.map(owned),
            ..facts.nobody(Class::RoleSession)
        };
        facts.at_home(of_role(facts, target, path), &caller_account)
    })
}

/// `AROA…:session`, if both parts are those that the record has elsewhere.
fn session_id(facts: &Facts<'_>, session: &str) -> Result<Option<String>, String> {
    let is_id = |id: &str| names::is_unique_id(id, "AROA");
    let role_id = field(&facts.issuer["principalId"], "role's id", is_id)?;
    let is_of_session = |id: &str| match id.split_once(':') {
        Some((role, name)) => {
            is_id(role) && name == session && role_id.is_none_or(|role_id| role_id == role)
        }
        None => false,
    };
    let id = field(&facts.identity["principalId"], "session's id", is_of_session)?;
    Ok(id.map(owned))
}

/// The target as what kind of role and of session it is.
fn of_role(facts: &Facts<'_>, target: Target, path: &str) -> Target {
    let role = target.role_name.as_deref().unwrap_or_default();
    let session = target.session_name.as_deref();
    if is_service_linked(path, role) {
        Target { class: Class::ServiceLinkedRole, ..target }
    } else if path.starts_with(RESERVED_SSO_PATH) || role.starts_with(names::RESERVED_SSO) {
        let (user, store) = on_behalf_of(facts);
        Target {
            class: Class::IdentityCenterUser,
            identity_center_user: user.or_else(|| session.map(owned)),
            identity_store: store,
            permission_set: names::permission_set(role).map(owned),
            ..target
        }
    } else if session.is_some_and(names::is_instance_session) {
        let instance_id = session.map(owned);
        Target { class: Class::InstanceRole, instance_id, ..target }
    } else {
        target
    }
}

/// The Identity Center user and store that the record says the call was made for.
fn on_behalf_of(facts: &Facts<'_>) -> (Option<String>, Option<String>) {
    let said = &facts.identity["onBehalfOf"];
    let user = said["userId"].as_str().filter(|id| names::is_identity_user(id));
    let arn = said["identityStoreArn"].as_str().and_then(Arn::parse);
    let store = arn.and_then(|arn| arn.of("identitystore", "identitystore"));
    (user.map(owned), store.filter(|id| names::is_identity_store(id)).map(owned))
}

/// Row 11. A SAML or web identity becomes a session of a role; the role is of our account, the identity is not.
fn federated_login(facts: &Facts<'_>) -> Found {
    matches!(facts.kind, "SAMLUser" | "WebIdentityUser").then(|| {
        let text = facts.record["requestParameters"]["roleArn"].as_str();
        let arn = text.and_then(Arn::parse).ok_or("the call names no role to be assumed")?;
        let (path, role) = arn.path_and_name("role").ok_or("what is assumed is no role")?;
        if !names::is_role_name(role) || !names::is_account(arn.account) {
            return Err("the role to be assumed has a name that IAM does not allow".to_owned());
        }
        let asked = &facts.record["requestParameters"]["roleSessionName"];
        let answer = &facts.record["responseElements"]["assumedRoleUser"];
        let session = answer["arn"].as_str().and_then(Arn::parse);
        let session = session.and_then(|arn| arn.of("sts", "assumed-role"));
        let session = session.and_then(|text| text.split_once('/')).map(|(_, session)| session);
        let session = session.or(asked.as_str()).filter(|name| names::is_session_name(name));
        let id = answer["assumedRoleId"].as_str().filter(|id| match id.split_once(':') {
            Some((role, name)) => names::is_unique_id(role, "AROA") && Some(name) == session,
            None => false,
        });
        let target = Target {
            partition: arn.partition.to_owned(),
            account: Some(arn.account.to_owned()),
            principal_arn: text.map(owned),
            role_name: Some(role.to_owned()),
            principal_id: id.map(owned),
            session_name: session.map(owned),
            ..facts.nobody(Class::FederatedLogin)
        };
        let target = match of_role(facts, target.clone(), path) {
            of_role if of_role.class == Class::InstanceRole => target,
            of_role => of_role,
        };
        facts.at_home(target, arn.account)
    })
}

/// A person of Identity Center without a role's session. `Directory`, `Unknown` and all other kinds are nobody's shape.
fn identity_center_user(facts: &Facts<'_>) -> Found {
    (facts.kind == "IdentityCenterUser").then(|| {
        let (user, store) = on_behalf_of(facts);
        let name = facts.identity["userName"].as_str().filter(|name| names::is_policy_name(name));
        let user = user.or_else(|| name.map(owned));
        let user = user.ok_or("the record does not say which Identity Center user it is")?;
        let account = field(&facts.identity["accountId"], "caller's account", names::is_account)?;
        let target = Target {
            account: account.map(owned),
            identity_center_user: Some(user),
            identity_store: store,
            ..facts.nobody(Class::IdentityCenterUser)
        };
        match account {
            Some(account) => facts.at_home(target, account),
            None => Ok(target),
        }
    })
}

fn owned(text: &str) -> String {
    text.to_owned()
}
