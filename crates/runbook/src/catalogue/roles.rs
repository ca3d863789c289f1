//! IAM: policies of roles, and who may assume them.

use super::Risk::{R1, R2};
use super::common::{change, document, read, text};
use super::effect::Fill::Same;
use super::effect::{Effect, Member, Property, Read, Shape};
use super::{Api, Input};

/// An IAM role.
const ROLE: &[&str] = &[
    "arn:{partition}:iam::{account}:role/{RoleName}",
    "arn:{partition}:iam::{account}:role/*/{RoleName}",
];

const PUT_ROLE_POLICY: Effect = Effect {
    reads: &[Read { api: "GetRolePolicy", inputs: &[("RoleName", Same), ("PolicyName", Same)] }],
    inverses: &["PutRolePolicy", "DeleteRolePolicy"],
    shape: Shape::Property(Property {
        item: None,
        path: &["PolicyDocument"],
        may_lack: false,
        input: "PolicyDocument",
        keys: &["RoleName", "PolicyName"],
        put: "PutRolePolicy",
        delete: Some("DeleteRolePolicy"),
        sets: true,
        then: None,
    }),
};

const PUT_ROLE_BOUNDARY: Effect = Effect {
    reads: &[Read { api: "GetRole", inputs: &[("RoleName", Same)] }],
    inverses: &["PutRolePermissionsBoundary", "DeleteRolePermissionsBoundary"],
    shape: Shape::Property(Property {
        item: None,
        path: &["Role", "PermissionsBoundary", "PermissionsBoundaryArn"],
        may_lack: true,
        input: "PermissionsBoundary",
        keys: &["RoleName"],
        put: "PutRolePermissionsBoundary",
        delete: Some("DeleteRolePermissionsBoundary"),
        sets: true,
        then: None,
    }),
};

const DELETE_ROLE_POLICY: Effect = Effect {
    reads: &[Read { api: "GetRolePolicy", inputs: &[("RoleName", Same), ("PolicyName", Same)] }],
    inverses: &["PutRolePolicy", "DeleteRolePolicy"],
    shape: Shape::Property(Property {
        item: None,
        path: &["PolicyDocument"],
        may_lack: false,
        input: "PolicyDocument",
        keys: &["RoleName", "PolicyName"],
        put: "PutRolePolicy",
        delete: Some("DeleteRolePolicy"),
        sets: false,
        then: None,
    }),
};

const DELETE_ROLE_BOUNDARY: Effect = Effect {
    reads: &[Read { api: "GetRole", inputs: &[("RoleName", Same)] }],
    inverses: &["PutRolePermissionsBoundary", "DeleteRolePermissionsBoundary"],
    shape: Shape::Property(Property {
        item: None,
        path: &["Role", "PermissionsBoundary", "PermissionsBoundaryArn"],
        may_lack: true,
        input: "PermissionsBoundary",
        keys: &["RoleName"],
        put: "PutRolePermissionsBoundary",
        delete: Some("DeleteRolePermissionsBoundary"),
        sets: false,
        then: None,
    }),
};

const ATTACH_ROLE_POLICY: Effect = Effect {
    reads: &[Read { api: "ListAttachedRolePolicies", inputs: &[("RoleName", Same)] }],
    inverses: &["AttachRolePolicy", "DetachRolePolicy"],
    shape: Shape::Member(Member {
        list: "AttachedPolicies",
        fields: &[("PolicyArn", "PolicyArn")],
        keys: &["RoleName", "PolicyArn"],
        add: Some("AttachRolePolicy"),
        remove: Some("DetachRolePolicy"),
        adds: true,
    }),
};

const DETACH_ROLE_POLICY: Effect = Effect {
    reads: &[Read { api: "ListAttachedRolePolicies", inputs: &[("RoleName", Same)] }],
    inverses: &["AttachRolePolicy", "DetachRolePolicy"],
    shape: Shape::Member(Member {
        list: "AttachedPolicies",
        fields: &[("PolicyArn", "PolicyArn")],
        keys: &["RoleName", "PolicyArn"],
        add: Some("AttachRolePolicy"),
        remove: Some("DetachRolePolicy"),
        adds: false,
    }),
};

const TRUST: Effect = Effect {
    reads: &[Read { api: "GetRole", inputs: &[("RoleName", Same)] }],
    inverses: &["UpdateAssumeRolePolicy"],
    shape: Shape::Property(Property {
        item: None,
        path: &["Role", "AssumeRolePolicyDocument"],
        may_lack: false,
        input: "PolicyDocument",
        keys: &["RoleName"],
        put: "UpdateAssumeRolePolicy",
        delete: None,
        sets: true,
        then: None,
    }),
};

const ROLE_POLICY: &[Input] = &[text("RoleName"), text("PolicyArn")];

/// IAM roles.
pub(super) const ROLES: &[Api] = &[
    read("iam", "GetRole", &[text("RoleName")], ROLE),
    read("iam", "GetRolePolicy", &[text("RoleName"), text("PolicyName")], ROLE),
    read("iam", "ListRolePolicies", &[text("RoleName")], ROLE),
    read(
        "iam",
        "ListAttachedRolePolicies",
        &[text("RoleName"), text("PathPrefix").optional()],
        ROLE,
    ),
    change(
        "iam",
        "PutRolePolicy",
        R2,
        &[text("RoleName"), text("PolicyName"), document("PolicyDocument")],
        ROLE,
        &PUT_ROLE_POLICY,
    ),
    change(
        "iam",
        "DeleteRolePolicy",
        R1,
        &[text("RoleName"), text("PolicyName")],
        ROLE,
        &DELETE_ROLE_POLICY,
    ),
    change("iam", "AttachRolePolicy", R2, ROLE_POLICY, ROLE, &ATTACH_ROLE_POLICY)
        .only_if("iam:PolicyARN", "PolicyArn"),
    change("iam", "DetachRolePolicy", R1, ROLE_POLICY, ROLE, &DETACH_ROLE_POLICY)
        .only_if("iam:PolicyARN", "PolicyArn"),
    change(
        "iam",
        "UpdateAssumeRolePolicy",
        R2,
        &[text("RoleName"), document("PolicyDocument")],
        ROLE,
        &TRUST,
    ),
    change(
        "iam",
        "PutRolePermissionsBoundary",
        R2,
        &[text("RoleName"), text("PermissionsBoundary")],
        ROLE,
        &PUT_ROLE_BOUNDARY,
    )
    .only_if("iam:PermissionsBoundary", "PermissionsBoundary"),
    change(
        "iam",
        "DeleteRolePermissionsBoundary",
        R2,
        &[text("RoleName")],
        ROLE,
        &DELETE_ROLE_BOUNDARY,
    ),
];
