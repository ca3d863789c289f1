//! IAM and STS: keys, passwords and policies of users, and groups and managed policies.
//!
//! Users, roles and groups have paths that no call names, so a policy names them twice: without a path and with any.

use serde_json::{Value, json};

use super::Risk::{R1, R2, R3};
use super::common::{change, document, flag, list, read, text};
use super::effect::Fill::Same;
use super::effect::{Custom, Effect, Member, Property, Read, Shape, at, only, unreadable};
use super::{Api, Input};

/// An IAM user.
const USER: &[&str] = &[
    "arn:{partition}:iam::{account}:user/{UserName}",
    "arn:{partition}:iam::{account}:user/*/{UserName}",
];
/// An IAM group.
const GROUP: &[&str] = &[
    "arn:{partition}:iam::{account}:group/{GroupName}",
    "arn:{partition}:iam::{account}:group/*/{GroupName}",
];
/// A managed policy.
const POLICY: &[&str] = &["{PolicyArn}"];

const KEY_STATUS: Effect = Effect {
    reads: &[Read { api: "ListAccessKeys", inputs: &[("UserName", Same)] }],
    inverses: &["UpdateAccessKey"],
    shape: Shape::Property(Property {
        item: Some(("AccessKeyMetadata", "AccessKeyId", "AccessKeyId")),
        path: &["Status"],
        may_lack: false,
        input: "Status",
        keys: &["UserName", "AccessKeyId"],
        put: "UpdateAccessKey",
        delete: None,
        sets: true,
        then: None,
    }),
};

const CREDENTIAL_STATUS: Effect = Effect {
    reads: &[Read { api: "ListServiceSpecificCredentials", inputs: &[("UserName", Same)] }],
    inverses: &["UpdateServiceSpecificCredential"],
    shape: Shape::Property(Property {
        item: Some((
            "ServiceSpecificCredentials",
            "ServiceSpecificCredentialId",
            "ServiceSpecificCredentialId",
        )),
        path: &["Status"],
        may_lack: false,
        input: "Status",
        keys: &["UserName", "ServiceSpecificCredentialId"],
        put: "UpdateServiceSpecificCredential",
        delete: None,
        sets: true,
        then: None,
    }),
};

const PUT_USER_POLICY: Effect = Effect {
    reads: &[Read { api: "GetUserPolicy", inputs: &[("UserName", Same), ("PolicyName", Same)] }],
    inverses: &["PutUserPolicy", "DeleteUserPolicy"],
    shape: Shape::Property(Property {
        item: None,
        path: &["PolicyDocument"],
        may_lack: false,
        input: "PolicyDocument",
        keys: &["UserName", "PolicyName"],
        put: "PutUserPolicy",
        delete: Some("DeleteUserPolicy"),
        sets: true,
        then: None,
    }),
};

const PUT_USER_BOUNDARY: Effect = Effect {
    reads: &[Read { api: "GetUser", inputs: &[("UserName", Same)] }],
    inverses: &["PutUserPermissionsBoundary", "DeleteUserPermissionsBoundary"],
    shape: Shape::Property(Property {
        item: None,
        path: &["User", "PermissionsBoundary", "PermissionsBoundaryArn"],
        may_lack: true,
        input: "PermissionsBoundary",
        keys: &["UserName"],
        put: "PutUserPermissionsBoundary",
        delete: Some("DeleteUserPermissionsBoundary"),
        sets: true,
        then: None,
    }),
};

const DELETE_USER_POLICY: Effect = Effect {
    reads: &[Read { api: "GetUserPolicy", inputs: &[("UserName", Same), ("PolicyName", Same)] }],
    inverses: &["PutUserPolicy", "DeleteUserPolicy"],
    shape: Shape::Property(Property {
        item: None,
        path: &["PolicyDocument"],
        may_lack: false,
        input: "PolicyDocument",
        keys: &["UserName", "PolicyName"],
        put: "PutUserPolicy",
        delete: Some("DeleteUserPolicy"),
        sets: false,
        then: None,
    }),
};

const DELETE_USER_BOUNDARY: Effect = Effect {
    reads: &[Read { api: "GetUser", inputs: &[("UserName", Same)] }],
    inverses: &["PutUserPermissionsBoundary", "DeleteUserPermissionsBoundary"],
    shape: Shape::Property(Property {
        item: None,
        path: &["User", "PermissionsBoundary", "PermissionsBoundaryArn"],
        may_lack: true,
        input: "PermissionsBoundary",
        keys: &["UserName"],
        put: "PutUserPermissionsBoundary",
        delete: Some("DeleteUserPermissionsBoundary"),
        sets: false,
        then: None,
    }),
};

const ATTACH_USER_POLICY: Effect = Effect {
    reads: &[Read { api: "ListAttachedUserPolicies", inputs: &[("UserName", Same)] }],
    inverses: &["AttachUserPolicy", "DetachUserPolicy"],
    shape: Shape::Member(Member {
        list: "AttachedPolicies",
        fields: &[("PolicyArn", "PolicyArn")],
        keys: &["UserName", "PolicyArn"],
        add: Some("AttachUserPolicy"),
        remove: Some("DetachUserPolicy"),
        adds: true,
    }),
};

const DETACH_USER_POLICY: Effect = Effect {
    reads: &[Read { api: "ListAttachedUserPolicies", inputs: &[("UserName", Same)] }],
    inverses: &["AttachUserPolicy", "DetachUserPolicy"],
    shape: Shape::Member(Member {
        list: "AttachedPolicies",
        fields: &[("PolicyArn", "PolicyArn")],
        keys: &["UserName", "PolicyArn"],
        add: Some("AttachUserPolicy"),
        remove: Some("DetachUserPolicy"),
        adds: false,
    }),
};

const ATTACH_GROUP_POLICY: Effect = Effect {
    reads: &[Read { api: "ListAttachedGroupPolicies", inputs: &[("GroupName", Same)] }],
    inverses: &["AttachGroupPolicy", "DetachGroupPolicy"],
    shape: Shape::Member(Member {
        list: "AttachedPolicies",
        fields: &[("PolicyArn", "PolicyArn")],
        keys: &["GroupName", "PolicyArn"],
        add: Some("AttachGroupPolicy"),
        remove: Some("DetachGroupPolicy"),
        adds: true,
    }),
};

const DETACH_GROUP_POLICY: Effect = Effect {
    reads: &[Read { api: "ListAttachedGroupPolicies", inputs: &[("GroupName", Same)] }],
    inverses: &["AttachGroupPolicy", "DetachGroupPolicy"],
    shape: Shape::Member(Member {
        list: "AttachedPolicies",
        fields: &[("PolicyArn", "PolicyArn")],
        keys: &["GroupName", "PolicyArn"],
        add: Some("AttachGroupPolicy"),
        remove: Some("DetachGroupPolicy"),
        adds: false,
    }),
};

const ADD_TO_GROUP: Effect = Effect {
    reads: &[Read { api: "ListGroupsForUser", inputs: &[("UserName", Same)] }],
    inverses: &["AddUserToGroup", "RemoveUserFromGroup"],
    shape: Shape::Member(Member {
        list: "Groups",
        fields: &[("GroupName", "GroupName")],
        keys: &["GroupName", "UserName"],
        add: Some("AddUserToGroup"),
        remove: Some("RemoveUserFromGroup"),
        adds: true,
    }),
};

const REMOVE_FROM_GROUP: Effect = Effect {
    reads: &[Read { api: "ListGroupsForUser", inputs: &[("UserName", Same)] }],
    inverses: &["AddUserToGroup", "RemoveUserFromGroup"],
    shape: Shape::Member(Member {
        list: "Groups",
        fields: &[("GroupName", "GroupName")],
        keys: &["GroupName", "UserName"],
        add: Some("AddUserToGroup"),
        remove: Some("RemoveUserFromGroup"),
        adds: false,
    }),
};

const DEFAULT_VERSION: Effect = Effect {
    reads: &[Read { api: "GetPolicy", inputs: &[("PolicyArn", Same)] }],
    inverses: &["SetDefaultPolicyVersion"],
    shape: Shape::Property(Property {
        item: None,
        path: &["Policy", "DefaultVersionId"],
        may_lack: false,
        input: "VersionId",
        keys: &["PolicyArn"],
        put: "SetDefaultPolicyVersion",
        delete: None,
        sets: true,
        then: None,
    }),
};

const MFA_DEVICE: Effect = Effect {
    reads: &[Read { api: "ListMFADevices", inputs: &[("UserName", Same)] }],
    inverses: &[],
    shape: Shape::Member(Member {
        list: "MFADevices",
        fields: &[("SerialNumber", "SerialNumber")],
        keys: &["UserName", "SerialNumber"],
        add: None,
        remove: None,
        adds: false,
    }),
};

/// A password can't be read, so nothing can put it back; these calls are planned only.
const PASSWORD: Effect = Effect {
    reads: &[Read { api: "GetLoginProfile", inputs: &[("UserName", Same)] }],
    inverses: &[],
    shape: Shape::Custom(Custom {
        state: |_, answers| match only(answers) {
            None => Value::Null,
            Some(answer) => match at(answer, &["LoginProfile", "CreateDate"]) {
                None => unreadable("LoginProfile"),
                Some(date) => json!({ "CreateDate": date }),
            },
        },
        is_achieved: |call, state| match call.api.as_str() {
            "DeleteLoginProfile" => state.is_null(),
            // Whether it is this password can't be known.
            _ => false,
        },
        restore: |_, _| None,
    }),
};

const USER_NAME: &[Input] = &[text("UserName")];
const USER_POLICY: &[Input] = &[text("UserName"), text("PolicyArn")];
const GROUP_POLICY: &[Input] = &[text("GroupName"), text("PolicyArn")];
const MEMBERSHIP: &[Input] = &[text("GroupName"), text("UserName")];
const LOGIN: &[Input] =
    &[text("UserName"), text("Password"), flag("PasswordResetRequired").optional()];
const LISTED: &[Input] = &[text("UserName"), text("PathPrefix").optional()];

/// IAM users.
pub(super) const USERS: &[Api] = &[
    read("iam", "GetUser", USER_NAME, USER),
    read("iam", "ListAccessKeys", USER_NAME, USER),
    read(
        "iam",
        "GetAccessKeyLastUsed",
        &[text("AccessKeyId")],
        &["arn:{partition}:iam::{account}:user/*"],
    ),
    read("iam", "GetUserPolicy", &[text("UserName"), text("PolicyName")], USER),
    read("iam", "ListUserPolicies", USER_NAME, USER),
    read("iam", "ListAttachedUserPolicies", LISTED, USER),
    read("iam", "ListGroupsForUser", USER_NAME, USER),
    read("iam", "GetLoginProfile", USER_NAME, USER),
    read("iam", "ListMFADevices", USER_NAME, USER),
    read(
        "iam",
        "ListServiceSpecificCredentials",
        &[text("UserName"), text("ServiceName").optional()],
        USER,
    ),
    change(
        "iam",
        "UpdateAccessKey",
        R1,
        &[text("UserName"), text("AccessKeyId"), text("Status")],
        USER,
        &KEY_STATUS,
    ),
    change(
        "iam",
        "UpdateServiceSpecificCredential",
        R1,
        &[text("UserName"), text("ServiceSpecificCredentialId"), text("Status")],
        USER,
        &CREDENTIAL_STATUS,
    ),
    change(
        "iam",
        "PutUserPolicy",
        R2,
        &[text("UserName"), text("PolicyName"), document("PolicyDocument")],
        USER,
        &PUT_USER_POLICY,
    ),
    change(
        "iam",
        "DeleteUserPolicy",
        R1,
        &[text("UserName"), text("PolicyName")],
        USER,
        &DELETE_USER_POLICY,
    ),
    change("iam", "AttachUserPolicy", R2, USER_POLICY, USER, &ATTACH_USER_POLICY)
        .only_if("iam:PolicyARN", "PolicyArn"),
    change("iam", "DetachUserPolicy", R1, USER_POLICY, USER, &DETACH_USER_POLICY)
        .only_if("iam:PolicyARN", "PolicyArn"),
    change(
        "iam",
        "PutUserPermissionsBoundary",
        R2,
        &[text("UserName"), text("PermissionsBoundary")],
        USER,
        &PUT_USER_BOUNDARY,
    )
    .only_if("iam:PermissionsBoundary", "PermissionsBoundary"),
    change("iam", "DeleteUserPermissionsBoundary", R2, USER_NAME, USER, &DELETE_USER_BOUNDARY),
    change("iam", "RemoveUserFromGroup", R1, MEMBERSHIP, GROUP, &REMOVE_FROM_GROUP),
    change("iam", "AddUserToGroup", R2, MEMBERSHIP, GROUP, &ADD_TO_GROUP).only_undoes(),
    change("iam", "CreateLoginProfile", R3, LOGIN, USER, &PASSWORD),
    change("iam", "UpdateLoginProfile", R3, LOGIN, USER, &PASSWORD),
    change("iam", "DeleteLoginProfile", R3, USER_NAME, USER, &PASSWORD),
    change(
        "iam",
        "DeactivateMFADevice",
        R3,
        &[text("UserName"), text("SerialNumber")],
        USER,
        &MFA_DEVICE,
    ),
];

/// IAM groups and managed policies, and STS.
pub(super) const OTHERS: &[Api] = &[
    read(
        "iam",
        "ListAttachedGroupPolicies",
        &[text("GroupName"), text("PathPrefix").optional()],
        GROUP,
    ),
    change("iam", "DetachGroupPolicy", R2, GROUP_POLICY, GROUP, &DETACH_GROUP_POLICY)
        .only_if("iam:PolicyARN", "PolicyArn"),
    change("iam", "AttachGroupPolicy", R2, GROUP_POLICY, GROUP, &ATTACH_GROUP_POLICY)
        .only_if("iam:PolicyARN", "PolicyArn")
        .only_undoes(),
    read("iam", "GetPolicy", &[text("PolicyArn")], POLICY),
    read("iam", "GetPolicyVersion", &[text("PolicyArn"), text("VersionId")], POLICY),
    read("iam", "ListPolicyVersions", &[text("PolicyArn")], POLICY),
    change(
        "iam",
        "SetDefaultPolicyVersion",
        R1,
        &[text("PolicyArn"), text("VersionId")],
        POLICY,
        &DEFAULT_VERSION,
    ),
    read(
        "iam",
        "SimulatePrincipalPolicy",
        &[
            text("PolicySourceArn"),
            list("ActionNames"),
            list("ResourceArns").optional(),
            list("ContextEntries").optional(),
        ],
        &["{PolicySourceArn}"],
    ),
    read("iam", "GetAccountSummary", &[], &[]),
    read("sts", "GetCallerIdentity", &[], &[]),
];
