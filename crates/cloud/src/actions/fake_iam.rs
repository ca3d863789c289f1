//! IAM of the fake accounts.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::accounts::{
    AccessKey, Account, Identities, Principal, ServiceCredential, refused, rfc3339,
};
use super::inputs::Inputs;
use crate::error::{CloudError, CloudErrorKind};

/// Policies of AWS that are in every account.
pub(super) fn policies_of_aws() -> BTreeMap<String, String> {
    let policy = |name: &str, effect: &str| {
        let statement = json!([{"Effect": effect, "Action": "*", "Resource": "*"}]);
        let document = json!({"Version": "2012-10-17", "Statement": statement});
        (format!("arn:aws:iam::aws:policy/{name}"), document.to_string())
    };
    [policy("AdministratorAccess", "Allow"), policy("AWSDenyAll", "Deny")].into()
}

pub(super) fn add_user(account: &mut Account, name: &str, now_ms: i64, serial: &str) -> String {
    let id = format!("AIDA{serial}");
    let arn = format!("arn:aws:iam::{}:user/{name}", account.id);
    let user = Principal {
        name: name.to_owned(),
        id: id.clone(),
        arn,
        created_ms: now_ms,
        ..Principal::default()
    };
    account.identities.users.insert(name.to_owned(), user);
    id
}

pub(super) fn add_role(
    account: &mut Account,
    name: &str,
    trust: &str,
    now_ms: i64,
    serial: &str,
) -> String {
    let id = format!("AROA{serial}");
    let arn = format!("arn:aws:iam::{}:role/{name}", account.id);
    let role = Principal {
        name: name.to_owned(),
        id: id.clone(),
        arn,
        created_ms: now_ms,
        trust: Some(trust.to_owned()),
        ..Principal::default()
    };
    account.identities.roles.insert(name.to_owned(), role);
    id
}

fn no_such(what: impl std::fmt::Display) -> CloudError {
    let message = format!("{what} cannot be found");
    refused(CloudErrorKind::NotFound, "iam", "NoSuchEntity", message)
}

fn invalid(code: &str, message: impl Into<String>) -> CloudError {
    refused(CloudErrorKind::Invalid, "iam", code, message.into())
}

fn name(inputs: &mut Inputs, input: &str) -> Result<String, CloudError> {
    inputs.name(input).map(Option::unwrap_or_default)
}

/// A policy document must be one.
fn document(inputs: &mut Inputs) -> Result<String, CloudError> {
    let text = name(inputs, "PolicyDocument")?;
    match serde_json::from_str::<Value>(&text) {
        Ok(Value::Object(document)) if document.contains_key("Statement") => Ok(text),
        _ => Err(invalid("MalformedPolicyDocument", "the policy document is no policy")),
    }
}

/// Makes one call.
pub(super) fn call(
    account: &mut Account,
    api: &str,
    inputs: &mut Inputs,
    now_ms: i64,
    serial: &str,
) -> Result<Value, CloudError> {
    match api {
        "UpdateAccessKey"
        | "ListAccessKeys"
        | "GetAccessKeyLastUsed"
        | "CreateAccessKey"
        | "DeleteAccessKey" => keys(account, api, inputs, now_ms, serial),
        "ListServiceSpecificCredentials"
        | "UpdateServiceSpecificCredential"
        | "DeleteServiceSpecificCredential" => service_credentials(account, api, inputs),
        "CreateUser" => {
            let user = name(inputs, "UserName")?;
            inputs.end()?;
            if account.identities.users.contains_key(&user) {
                return Err(invalid("EntityAlreadyExists", format!("user {user} exists")));
            }
            add_user(account, &user, now_ms, serial);
            Ok(json!({"User": account.identities.users.get(&user).map(described)}))
        }
        "CreateRole" => {
            let role = name(inputs, "RoleName")?;
            let trust = name(inputs, "AssumeRolePolicyDocument")?;
            inputs.end()?;
            if account.identities.roles.contains_key(&role) {
                return Err(invalid("EntityAlreadyExists", format!("role {role} exists")));
            }
            add_role(account, &role, &trust, now_ms, serial);
            Ok(json!({"Role": account.identities.roles.get(&role).map(described)}))
        }
        "GetAccountSummary" => {
            inputs.end()?;
            let Identities { users, roles, .. } = &account.identities;
            Ok(json!({"SummaryMap": {"Users": users.len(), "Roles": roles.len()}}))
        }
        _ => of_principal(account, api, inputs),
    }
}

fn keys(
    account: &mut Account,
    api: &str,
    inputs: &mut Inputs,
    now_ms: i64,
    serial: &str,
) -> Result<Value, CloudError> {
    if api == "GetAccessKeyLastUsed" {
        let key = name(inputs, "AccessKeyId")?;
        inputs.end()?;
        let owner = account.identities.users.values().find(|user| user.keys.contains_key(&key));
        let user = &owner.ok_or_else(|| no_such(format_args!("access key {key}")))?.name;
        let never = json!({"ServiceName": "N/A", "Region": "N/A"});
        return Ok(json!({"UserName": user, "AccessKeyLastUsed": never}));
    }
    let user = name(inputs, "UserName")?;
    let found = account.identities.users.get_mut(&user);
    let user = found.ok_or_else(|| no_such(format_args!("user {user}")))?;
    if api == "ListAccessKeys" {
        inputs.end()?;
        let keys: Vec<Value> = user
            .keys
            .iter()
            .map(|(id, key)| {
                json!({
                    "UserName": user.name,
                    "AccessKeyId": id,
                    "Status": status_name(key.active),
                    "CreateDate": rfc3339(key.created_ms),
                })
            })
            .collect();
        return Ok(json!({"AccessKeyMetadata": keys, "IsTruncated": false}));
    }
    if api == "CreateAccessKey" {
        inputs.end()?;
        if user.keys.len() >= 2 {
            return Err(invalid("LimitExceeded", "a user has two access keys at most"));
        }
        let id = format!("AKIA{serial}");
        user.keys.insert(id.clone(), AccessKey { active: true, created_ms: now_ms });
        return Ok(
            json!({"AccessKey": {"UserName": user.name, "AccessKeyId": id, "Status": "Active"}}),
        );
    }
    let id = name(inputs, "AccessKeyId")?;
    let missing = || no_such(format_args!("access key {id}"));
    if api == "DeleteAccessKey" {
        inputs.end()?;
        user.keys.remove(&id).ok_or_else(missing)?;
        return Ok(json!({}));
    }
    let active = status(inputs)?;
    inputs.end()?;
    user.keys.get_mut(&id).ok_or_else(missing)?.active = active;
    Ok(json!({}))
}

fn service_credentials(
    account: &mut Account,
    api: &str,
    inputs: &mut Inputs,
) -> Result<Value, CloudError> {
    let user = name(inputs, "UserName")?;
    let found = account.identities.users.get_mut(&user);
    let user = found.ok_or_else(|| no_such(format_args!("user {user}")))?;
    if api.starts_with("List") {
        let service = inputs.text("ServiceName")?;
        inputs.end()?;
        let wanted = |one: &ServiceCredential| service.as_ref().is_none_or(|of| *of == one.service);
        let described: Vec<Value> = user
            .credentials
            .iter()
            .filter(|(_, credential)| wanted(credential))
            .map(|(id, credential)| {
                json!({
                    "UserName": user.name,
                    "Status": status_name(credential.active),
                    "CreateDate": rfc3339(credential.created_ms),
                    "ServiceSpecificCredentialId": id,
                    "ServiceName": credential.service,
                })
            })
            .collect();
        return Ok(json!({"ServiceSpecificCredentials": described, "IsTruncated": false}));
    }
    let id = name(inputs, "ServiceSpecificCredentialId")?;
    let missing = || no_such(format_args!("service specific credential {id}"));
    if api.starts_with("Delete") {
        inputs.end()?;
        user.credentials.remove(&id).ok_or_else(missing)?;
        return Ok(json!({}));
    }
    let active = status(inputs)?;
    inputs.end()?;
    user.credentials.get_mut(&id).ok_or_else(missing)?.active = active;
    Ok(json!({}))
}

fn status_name(active: bool) -> &'static str {
    if active { "Active" } else { "Inactive" }
}

/// Whether the input says active.
fn status(inputs: &mut Inputs) -> Result<bool, CloudError> {
    match name(inputs, "Status")?.as_str() {
        "Active" => Ok(true),
        "Inactive" => Ok(false),
        other => Err(invalid("ValidationError", format!("status {other:?}"))),
    }
}

/// Calls on a user or a role.
fn of_principal(
    account: &mut Account,
    api: &str,
    inputs: &mut Inputs,
) -> Result<Value, CloudError> {
    let identities = &mut account.identities;
    let policies = &identities.policies;
    let (who, kind, found) = if api.contains("Role") {
        let role = name(inputs, "RoleName")?;
        (role.clone(), "RoleName", identities.roles.get_mut(&role))
    } else if api.contains("User") {
        let user = name(inputs, "UserName")?;
        (user.clone(), "UserName", identities.users.get_mut(&user))
    } else {
        return Err(inputs.unknown_api());
    };
    let principal = found.ok_or_else(|| no_such(format_args!("{kind} {who}")))?;
    match api.replace("User", "X").replace("Role", "X").as_str() {
        "GetX" => {
            inputs.end()?;
            Ok(json!({kind.trim_end_matches("Name"): described(principal)}))
        }
        "UpdateAssumeXPolicy" => {
            let trust = document(inputs)?;
            inputs.end()?;
            principal.trust = Some(trust);
            Ok(json!({}))
        }
        "PutXPermissionsBoundary" => {
            let arn = name(inputs, "PermissionsBoundary")?;
            inputs.end()?;
            if !policies.contains_key(&arn) {
                return Err(no_such(format_args!("policy {arn}")));
            }
            principal.boundary = Some(arn);
            Ok(json!({}))
        }
        "DeleteXPermissionsBoundary" => {
            inputs.end()?;
            principal.boundary = None;
            Ok(json!({}))
        }
        "AttachXPolicy" | "DetachXPolicy" | "ListAttachedXPolicies" => {
            attached(principal, policies, api, inputs)
        }
        _ => inline(principal, kind, api, inputs),
    }
}

fn attached(
    principal: &mut Principal,
    policies: &BTreeMap<String, String>,
    api: &str,
    inputs: &mut Inputs,
) -> Result<Value, CloudError> {
    if api.starts_with("List") {
        inputs.end()?;
        let name = |arn: &String| arn.rsplit('/').next().unwrap_or_default().to_owned();
        let policies: Vec<Value> = principal
            .attached
            .iter()
            .map(|arn| json!({"PolicyName": name(arn), "PolicyArn": arn}))
            .collect();
        return Ok(json!({"AttachedPolicies": policies, "IsTruncated": false}));
    }
    let arn = name(inputs, "PolicyArn")?;
    inputs.end()?;
    let position = principal.attached.iter().position(|one| *one == arn);
    match (api.starts_with("Attach"), position) {
        (true, _) if !policies.contains_key(&arn) => {
            return Err(no_such(format_args!("policy {arn}")));
        }
        (true, None) => principal.attached.push(arn),
        (true, Some(_)) => {}
        (false, Some(position)) => {
            principal.attached.remove(position);
        }
        (false, None) => return Err(no_such(format_args!("an attachment of policy {arn}"))),
    }
    Ok(json!({}))
}

/// Inline policies.
fn inline(
    principal: &mut Principal,
    kind: &str,
    api: &str,
    inputs: &mut Inputs,
) -> Result<Value, CloudError> {
    if api == "ListUserPolicies" || api == "ListRolePolicies" {
        inputs.end()?;
        let names: Vec<&String> = principal.inline.keys().collect();
        return Ok(json!({"PolicyNames": names, "IsTruncated": false}));
    }
    let verb = ["Put", "Get", "Delete"].into_iter().find(|verb| {
        api.strip_prefix(verb).is_some_and(|rest| rest == "UserPolicy" || rest == "RolePolicy")
    });
    let Some(verb) = verb else { return Err(inputs.unknown_api()) };
    let policy = name(inputs, "PolicyName")?;
    if verb == "Put" {
        let document = document(inputs)?;
        inputs.end()?;
        principal.inline.insert(policy, document);
        return Ok(json!({}));
    }
    inputs.end()?;
    let missing = || no_such(format_args!("the inline policy {policy}"));
    if verb == "Delete" {
        principal.inline.remove(&policy).ok_or_else(missing)?;
        return Ok(json!({}));
    }
    let document = principal.inline.get(&policy).ok_or_else(missing)?;
    Ok(json!({kind: principal.name, "PolicyName": policy, "PolicyDocument": document}))
}

fn described(principal: &Principal) -> Value {
    let kind = if principal.trust.is_some() { "Role" } else { "User" };
    let mut made = json!({
        "Path": "/",
        format!("{kind}Name"): principal.name,
        format!("{kind}Id"): principal.id,
        "Arn": principal.arn,
        "CreateDate": rfc3339(principal.created_ms),
    });
    if let Some(trust) = &principal.trust {
        made["AssumeRolePolicyDocument"] = json!(trust);
    }
    if let Some(boundary) = &principal.boundary {
        made["PermissionsBoundary"] = json!({
            "PermissionsBoundaryType": "Policy",
            "PermissionsBoundaryArn": boundary,
        });
    }
    made
}
