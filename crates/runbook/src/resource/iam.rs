//! Resources of IAM.

use serde_json::json;

use super::{Event, Resource, optional, text, with};
use crate::target::{Arn, names};

const USER: &str = "AWS::IAM::User";
const ROLE: &str = "AWS::IAM::Role";
const GROUP: &str = "AWS::IAM::Group";

pub(super) fn read(call: &Event<'_>) -> Option<Resource> {
    match call.name {
        "CreateAccessKey" | "UpdateAccessKey" => access_key(call),
        "CreateUser" => created(principal(call, USER)?, "user_name"),
        "CreateRole" => created(principal(call, ROLE)?, "role_name"),
        "CreateLoginProfile" | "UpdateLoginProfile" => login_profile(call),
        "CreateServiceSpecificCredential" => service_credential(call),
        "UpdateAssumeRolePolicy" => flagged(principal(call, ROLE)?, "is_trust"),
        "AddUserToGroup" | "RemoveUserFromGroup" => {
            let group = text(&call.request["groupName"], names::is_policy_name)?;
            Some(with(principal(call, USER)?, &[("group_name", Some(group))]))
        }
        "CreatePolicy" | "CreatePolicyVersion" | "SetDefaultPolicyVersion" => managed_policy(call),
        "PutUserPolicy"
        | "DeleteUserPolicy"
        | "AttachUserPolicy"
        | "DetachUserPolicy"
        | "PutUserPermissionsBoundary"
        | "DeleteUserPermissionsBoundary" => policy_of(call, USER),
        "PutRolePolicy"
        | "DeleteRolePolicy"
        | "AttachRolePolicy"
        | "DetachRolePolicy"
        | "PutRolePermissionsBoundary"
        | "DeleteRolePermissionsBoundary" => policy_of(call, ROLE),
        "PutGroupPolicy" | "DeleteGroupPolicy" | "AttachGroupPolicy" | "DetachGroupPolicy" => {
            policy_of(call, GROUP)
        }
        _ => None,
    }
}

/// The user, role or group that the call names. Its path is in no request but that which makes it, so without one in the
/// answer there is no ARN.
fn principal(call: &Event<'_>, kind: &'static str) -> Option<Resource> {
    let (field, answer, noun) = match kind {
        USER => ("userName", "user", "user"),
        ROLE => ("roleName", "role", "role"),
        _ => ("groupName", "group", "group"),
    };
    let name = text(&call.request[field], |name| match kind {
        GROUP => names::is_policy_name(name),
        _ => names::is_user_name(name),
    })?;
    let arn = call.response[answer]["arn"].as_str().filter(|text| {
        let parts = Arn::parse(text).and_then(|arn| arn.path_and_name(noun));
        parts.is_some_and(|(_, of_arn)| of_arn == name)
    });
    let resource = call.resource(kind, name, arn.map(str::to_owned));
    let detail = match kind {
        USER => "user_name",
        ROLE => "role_name",
        _ => "group_name",
    };
    Some(with(resource, &[(detail, Some(name))]))
}

/// The resource as one that the call made.
#[expect(clippy::unnecessary_wraps, reason = "it is the last step of a chain of options")]
fn created(mut resource: Resource, what: &str) -> Option<Resource> {
    resource.created.insert(what.to_owned(), json!(resource.name));
    Some(resource)
}

/// The resource with a word on which part of it the call changed.
#[expect(clippy::unnecessary_wraps, reason = "it is the last step of a chain of options")]
fn flagged(mut resource: Resource, part: &str) -> Option<Resource> {
    resource.details.insert(part.to_owned(), json!(true));
    Some(resource)
}

fn access_key(call: &Event<'_>) -> Option<Resource> {
    let key = match call.name {
        "CreateAccessKey" => &call.response["accessKey"],
        _ => call.request,
    };
    let is_key = |id: &str| names::is_key(id, "AKIA");
    let id = text(&key["accessKeyId"], is_key)?;
    // Without a name the key is the caller's own, and the answer has the name; the root user's key has none.
    let user = optional(&call.request["userName"], names::is_user_name)?;
    let user = user.or_else(|| text(&key["userName"], names::is_user_name))?;
    let resource = call.resource("AWS::IAM::AccessKey", id, None);
    let details = [("user_name", Some(user)), ("access_key_id", Some(id))];
    let mut resource = with(resource, &details);
    if call.name == "CreateAccessKey" {
        resource.created.clone_from(&resource.details);
    }
    Some(resource)
}

fn login_profile(call: &Event<'_>) -> Option<Resource> {
    let user = text(&call.request["userName"], names::is_user_name)?;
    let resource = call.resource("AWS::IAM::LoginProfile", user, None);
    let resource = with(resource, &[("user_name", Some(user))]);
    if call.name == "CreateLoginProfile" { created(resource, "user_name") } else { Some(resource) }
}

fn service_credential(call: &Event<'_>) -> Option<Resource> {
    let credential = &call.response["serviceSpecificCredential"];
    let is_id = |id: &str| (20..=128).contains(&id.len()) && names::is_key(id, "ACCA");
    let id = text(&credential["serviceSpecificCredentialId"], is_id)?;
    let user = text(&credential["userName"], names::is_user_name)?;
    let resource = call.resource("AWS::IAM::ServiceSpecificCredential", id, None);
    let details = [("user_name", Some(user)), ("credential_id", Some(id))];
    let mut resource = with(resource, &details);
    resource.created.clone_from(&resource.details);
    Some(resource)
}

fn policy_of(call: &Event<'_>, kind: &'static str) -> Option<Resource> {
    let name = optional(&call.request["policyName"], names::is_policy_name)?;
    let arn = optional(&call.request["policyArn"], is_policy_arn)?;
    let boundary = optional(&call.request["permissionsBoundary"], is_policy_arn)?;
    let is_whole = name.is_some() || arn.is_some() || call.name.ends_with("Boundary");
    is_whole.then_some(())?;
    let details = [("policy_name", name), ("policy_arn", arn), ("permissions_boundary", boundary)];
    let resource = with(principal(call, kind)?, &details);
    if call.name.ends_with("Boundary") { flagged(resource, "is_boundary") } else { Some(resource) }
}

fn is_policy_arn(text: &str) -> bool {
    let parts = Arn::parse(text).and_then(|arn| arn.path_and_name("policy"));
    parts.is_some_and(|(_, name)| names::is_policy_name(name))
}

fn managed_policy(call: &Event<'_>) -> Option<Resource> {
    let arn = match call.name {
        "CreatePolicy" => &call.response["policy"]["arn"],
        _ => &call.request["policyArn"],
    };
    let arn = text(arn, is_policy_arn)?;
    let (_, name) = Arn::parse(arn)?.path_and_name("policy")?;
    let is_version = |id: &str| {
        id.len() <= 10
            && id.strip_prefix('v').is_some_and(|number| {
                !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
            })
    };
    let version = match call.name {
        "CreatePolicy" => None,
        "CreatePolicyVersion" => {
            optional(&call.response["policyVersion"]["versionId"], is_version)?
        }
        _ => Some(text(&call.request["versionId"], is_version)?),
    };
    let resource = call.resource("AWS::IAM::ManagedPolicy", name, Some(arn.to_owned()));
    let details = [("policy_arn", Some(arn)), ("version_id", version)];
    let mut resource = with(resource, &details);
    if call.name == "CreatePolicy" {
        resource.created.insert("policy_arn".to_owned(), json!(arn));
    }
    Some(resource)
}
