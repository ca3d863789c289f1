//! Users, roles and groups: their credentials, what they may do, and who may be them.

use serde_json::{Value, json};
use trailloop_runbook::Call;

use super::{Drift, Ground, IAM, OPEN_TRUST, OTHER_TRUST, READS, Scene};
use crate::kit::{ACCOUNT, KEY};

pub(in super::super) fn user_key(ground: &Ground<'_>) -> Scene {
    let user = ground.user();
    let key = ground.key_of(&user);
    let mut record = ground.record(IAM, "GetAccountAuthorizationDetails", Value::Null);
    let identity = &mut record["userIdentity"];
    identity["arn"] = json!(format!("arn:aws:iam::{ACCOUNT}:user/{user}"));
    identity["userName"] = json!(user);
    identity["accessKeyId"] = json!(key);
    Scene { record, look: ground.look_at_user(&user), drift: ground.rewrites("User", &user) }
}

pub(in super::super) fn activated_key(ground: &Ground<'_>) -> Scene {
    let user = ground.user();
    let key = ground.key_of(&user);
    let parameters = json!({"userName": user, "accessKeyId": key, "status": "Active"});
    let drift =
        ground.does("DeleteAccessKey", &[("UserName", &user), ("AccessKeyId", &key)], "is absent");
    let record = ground.record(IAM, "UpdateAccessKey", parameters);
    Scene { record, look: ground.look_at_user(&user), drift }
}

pub(in super::super) fn created_key(ground: &Ground<'_>) -> Scene {
    let user = ground.user();
    let key = ground.key_of(&user);
    let mut record = ground.record(IAM, "CreateAccessKey", json!({"userName": user}));
    record["responseElements"] =
        json!({"accessKey": {"userName": user, "accessKeyId": key, "status": "Active"}});
    let drift =
        ground.does("DeleteAccessKey", &[("UserName", &user), ("AccessKeyId", &key)], "is absent");
    Scene { record, look: ground.look_at_user(&user), drift }
}

pub(in super::super) fn user_session(ground: &Ground<'_>) -> Scene {
    ground.policy("trailloop-quarantine");
    let user = ground.user();
    let record = ground.of_session(&user);
    Scene { record, look: ground.look_at_user(&user), drift: ground.rewrites("User", &user) }
}

pub(in super::super) fn console_session(ground: &Ground<'_>) -> Scene {
    let user = ground.user();
    ground
        .aws()
        .iam("CreateLoginProfile", &[("UserName", &user), ("Password", "Pa55-w0rd!EXAMPLE")]);
    let mut record = ground.of_session(&user);
    record["sessionCredentialFromConsole"] = json!("true");
    Scene { record, look: ground.look_at_user(&user), drift: ground.rewrites("User", &user) }
}

pub(in super::super) fn created_user(ground: &Ground<'_>) -> Scene {
    let user = ground.user();
    let record = ground.record(IAM, "CreateUser", json!({"userName": user}));
    Scene { record, look: ground.look_at_user(&user), drift: ground.rewrites("User", &user) }
}

pub(in super::super) fn created_login(ground: &Ground<'_>) -> Scene {
    let user = ground.user();
    let record = ground.record(IAM, "CreateLoginProfile", json!({"userName": user}));
    Scene { record, look: ground.look_at_user(&user), drift: ground.rewrites("User", &user) }
}

pub(in super::super) fn attached_to_user(ground: &Ground<'_>) -> Scene {
    let (user, arn) = (ground.user(), ground.policy(&ground.name("policy")));
    ground.aws().iam("AttachUserPolicy", &[("UserName", &user), ("PolicyArn", &arn)]);
    let record =
        ground.record(IAM, "AttachUserPolicy", json!({"userName": user, "policyArn": arn}));
    let drift = ground.does("DeleteUser", &[("UserName", &user)], "NoSuchEntity");
    Scene { record, look: ground.look_at_user(&user), drift }
}

pub(in super::super) fn attached_to_role(ground: &Ground<'_>) -> Scene {
    let ((role, _), arn) = (ground.role(), ground.policy(&ground.name("policy")));
    ground.aws().iam("AttachRolePolicy", &[("RoleName", &role), ("PolicyArn", &arn)]);
    let record =
        ground.record(IAM, "AttachRolePolicy", json!({"roleName": role, "policyArn": arn}));
    let drift = ground.does("DeleteRole", &[("RoleName", &role)], "NoSuchEntity");
    Scene { record, look: ground.look_at_role(&role), drift }
}

pub(in super::super) fn attached_to_group(ground: &Ground<'_>) -> Scene {
    let (group, arn) = (ground.name("group"), ground.policy(&ground.name("policy")));
    let aws = ground.aws();
    aws.iam("CreateGroup", &[("GroupName", &group)]);
    aws.iam("AttachGroupPolicy", &[("GroupName", &group), ("PolicyArn", &arn)]);
    let record =
        ground.record(IAM, "AttachGroupPolicy", json!({"groupName": group, "policyArn": arn}));
    let drift = ground.does("DeleteGroup", &[("GroupName", &group)], "NoSuchEntity");
    let look = move || aws.seen_in_iam("ListAttachedGroupPolicies", &[("GroupName", &group)]);
    Scene { record, look: Box::new(look), drift }
}

pub(in super::super) fn added_to_group(ground: &Ground<'_>) -> Scene {
    let (user, group) = (ground.user(), ground.name("group"));
    let aws = ground.aws();
    let membership = [("GroupName", group.as_str()), ("UserName", &user)];
    aws.iam("CreateGroup", &membership[..1]);
    aws.iam("AddUserToGroup", &membership);
    let record =
        ground.record(IAM, "AddUserToGroup", json!({"userName": user, "groupName": group}));
    let drift = ground.does("DeleteGroup", &[("GroupName", &group)], "NoSuchEntity");
    Scene { record, look: ground.look_at_user(&user), drift }
}

pub(in super::super) fn put_user_policy(ground: &Ground<'_>) -> Scene {
    let user = ground.user();
    let inputs = [("UserName", user.as_str()), ("PolicyName", "extra"), ("PolicyDocument", READS)];
    ground.aws().iam("PutUserPolicy", &inputs);
    let parameters = json!({"userName": user, "policyName": "extra", "policyDocument": READS});
    let record = ground.record(IAM, "PutUserPolicy", parameters);
    Scene { record, look: ground.look_at_user(&user), drift: ground.rewrites("User", &user) }
}

pub(in super::super) fn put_role_policy(ground: &Ground<'_>) -> Scene {
    let (role, _) = ground.role();
    let inputs = [("RoleName", role.as_str()), ("PolicyName", "extra"), ("PolicyDocument", READS)];
    ground.aws().iam("PutRolePolicy", &inputs);
    let parameters = json!({"roleName": role, "policyName": "extra", "policyDocument": READS});
    let record = ground.record(IAM, "PutRolePolicy", parameters);
    Scene { record, look: ground.look_at_role(&role), drift: ground.rewrites("Role", &role) }
}

pub(in super::super) fn changed_trust(ground: &Ground<'_>) -> Scene {
    let (role, _) = ground.role();
    let parameters = json!({"roleName": role, "policyDocument": OPEN_TRUST});
    let record = ground.record(IAM, "UpdateAssumeRolePolicy", parameters);
    let inputs = [("RoleName", role.as_str()), ("PolicyDocument", OTHER_TRUST)];
    let drift = ground.does("UpdateAssumeRolePolicy", &inputs, "444455556666");
    Scene { record, look: ground.look_at_role(&role), drift }
}

pub(in super::super) fn role_session(ground: &Ground<'_>) -> Scene {
    ground.policy("trailloop-quarantine");
    let (role, id) = ground.role();
    let record = ground.of_role(&role, &id);
    Scene { record, look: ground.look_at_role(&role), drift: ground.rewrites("Role", &role) }
}

pub(in super::super) fn federated_login(ground: &Ground<'_>) -> Scene {
    let (role, _) = ground.role();
    let provider =
        format!("arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com");
    let arn = format!("arn:aws:iam::{ACCOUNT}:role/{role}");
    let parameters = json!({"roleArn": arn, "roleSessionName": "build-17"});
    let mut record = ground.record("sts.amazonaws.com", "AssumeRoleWithWebIdentity", parameters);
    record["userIdentity"] = json!({
        "type": "WebIdentityUser",
        "principalId": format!("{provider}:sts.amazonaws.com:repo:example/app:ref:refs/heads/main"),
        "userName": "repo:example/app:ref:refs/heads/main",
        "identityProvider": provider,
    });
    Scene { record, look: ground.look_at_role(&role), drift: ground.rewrites("Role", &role) }
}

pub(in super::super) fn created_role(ground: &Ground<'_>) -> Scene {
    let (role, _) = ground.role();
    let record = ground.record(IAM, "CreateRole", json!({"roleName": role}));
    Scene { record, look: ground.look_at_role(&role), drift: ground.rewrites("Role", &role) }
}

pub(in super::super) fn created_service_credential(ground: &Ground<'_>) -> Scene {
    let accounts = ground.kit.accounts.clone();
    let id = accounts.add_service_credential(ACCOUNT, "bob", "bedrock.amazonaws.com");
    let mut record =
        ground.record(IAM, "CreateServiceSpecificCredential", json!({"userName": "bob"}));
    record["responseElements"] = json!({"serviceSpecificCredential": {
        "userName": "bob", "serviceSpecificCredentialId": id, "status": "Active"}});
    let ask = move |api: &str, inputs: Value| {
        let inputs = inputs.as_object().unwrap().clone();
        let call = Call { service: "iam".to_owned(), api: api.to_owned(), inputs };
        accounts.call_as(KEY, "us-east-1", &call).unwrap().body.to_string()
    };
    let looking = ask.clone();
    let look = move || looking("ListServiceSpecificCredentials", json!({"UserName": "bob"}));
    let drift = move || {
        let inputs = json!({"UserName": "bob", "ServiceSpecificCredentialId": id});
        ask("DeleteServiceSpecificCredential", inputs);
    };
    Scene { record, look: Box::new(look), drift: Drift::Refused(Box::new(drift), "is absent") }
}

pub(in super::super) fn password(ground: &Ground<'_>) -> Scene {
    let scene = console_session(ground);
    let (aws, user) = (ground.aws(), ground.name("user"));
    let look = move || aws.seen_in_iam("GetLoginProfile", &[("UserName", &user)]);
    Scene { look: Box::new(look), drift: Drift::None, ..scene }
}
