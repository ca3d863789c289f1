//! Organizations and Identity Center: service control policies, permission sets and who has them.
//!
//! What belongs to an organization lives in its management account, which no call names; hence the wildcard for it.

use serde_json::{Value, json};

use super::Risk::{R2, R3};
use super::common::{change, document, list, read, text};
use super::effect::Fill::{From, Same, Text};
use super::effect::{Custom, Effect, Member, Property, Read, Shape, at, only, unreadable};
use super::{Api, Input};

const SCP: &str = "SERVICE_CONTROL_POLICY";
const TARGETS: &[&str] = &[
    "arn:{partition}:organizations::*:policy/o-*/service_control_policy/{PolicyId}",
    "arn:{partition}:organizations::*:account/o-*/{TargetId}",
];
const ANY_TARGET: &[&str] = &[
    "arn:{partition}:organizations::*:account/o-*/{TargetId}",
    "arn:{partition}:organizations::*:ou/o-*/{TargetId}",
    "arn:{partition}:organizations::*:root/o-*/{TargetId}",
];
const POLICY: &[&str] =
    &["arn:{partition}:organizations::*:policy/o-*/service_control_policy/{PolicyId}"];
const SET: &[&str] = &["{InstanceArn}", "{PermissionSetArn}"];
const ASSIGNED: &[&str] =
    &["{InstanceArn}", "{PermissionSetArn}", "arn:{partition}:sso:::account/{TargetId}"];

const ATTACH: Effect = Effect {
    reads: &[Read {
        api: "ListPoliciesForTarget",
        inputs: &[("TargetId", Same), ("Filter", Text(SCP))],
    }],
    inverses: &["AttachPolicy", "DetachPolicy"],
    shape: Shape::Member(Member {
        list: "Policies",
        fields: &[("Id", "PolicyId")],
        keys: &["PolicyId", "TargetId"],
        add: Some("AttachPolicy"),
        remove: Some("DetachPolicy"),
        adds: true,
    }),
};

const DETACH: Effect = Effect {
    reads: &[Read {
        api: "ListPoliciesForTarget",
        inputs: &[("TargetId", Same), ("Filter", Text(SCP))],
    }],
    inverses: &["AttachPolicy", "DetachPolicy"],
    shape: Shape::Member(Member {
        list: "Policies",
        fields: &[("Id", "PolicyId")],
        keys: &["PolicyId", "TargetId"],
        add: Some("AttachPolicy"),
        remove: Some("DetachPolicy"),
        adds: false,
    }),
};

const ASSIGN: Effect = Effect {
    reads: &[Read {
        api: "ListAccountAssignments",
        inputs: &[
            ("InstanceArn", Same),
            ("AccountId", From("TargetId")),
            ("PermissionSetArn", Same),
        ],
    }],
    inverses: &["CreateAccountAssignment", "DeleteAccountAssignment"],
    shape: Shape::Member(Member {
        list: "AccountAssignments",
        fields: &[("PrincipalType", "PrincipalType"), ("PrincipalId", "PrincipalId")],
        keys: &[
            "InstanceArn",
            "TargetId",
            "TargetType",
            "PermissionSetArn",
            "PrincipalType",
            "PrincipalId",
        ],
        add: Some("CreateAccountAssignment"),
        remove: Some("DeleteAccountAssignment"),
        adds: true,
    }),
};

const UNASSIGN: Effect = Effect {
    reads: &[Read {
        api: "ListAccountAssignments",
        inputs: &[
            ("InstanceArn", Same),
            ("AccountId", From("TargetId")),
            ("PermissionSetArn", Same),
        ],
    }],
    inverses: &["CreateAccountAssignment", "DeleteAccountAssignment"],
    shape: Shape::Member(Member {
        list: "AccountAssignments",
        fields: &[("PrincipalType", "PrincipalType"), ("PrincipalId", "PrincipalId")],
        keys: &[
            "InstanceArn",
            "TargetId",
            "TargetType",
            "PermissionSetArn",
            "PrincipalType",
            "PrincipalId",
        ],
        add: Some("CreateAccountAssignment"),
        remove: Some("DeleteAccountAssignment"),
        adds: false,
    }),
};

const CONTENT: Effect = Effect {
    reads: &[Read { api: "DescribePolicy", inputs: &[("PolicyId", Same)] }],
    inverses: &["UpdatePolicy"],
    shape: Shape::Property(Property {
        item: None,
        path: &["Policy", "Content"],
        may_lack: false,
        input: "Content",
        keys: &["PolicyId"],
        put: "UpdatePolicy",
        delete: None,
        sets: true,
        then: None,
    }),
};

const PUT_INLINE: Effect = Effect {
    reads: &[Read {
        api: "GetInlinePolicyForPermissionSet",
        inputs: &[("InstanceArn", Same), ("PermissionSetArn", Same)],
    }],
    inverses: &[
        "PutInlinePolicyToPermissionSet",
        "DeleteInlinePolicyFromPermissionSet",
        "ProvisionPermissionSet",
    ],
    shape: Shape::Property(Property {
        item: None,
        path: &["InlinePolicy"],
        may_lack: true,
        input: "InlinePolicy",
        keys: &["InstanceArn", "PermissionSetArn"],
        put: "PutInlinePolicyToPermissionSet",
        delete: Some("DeleteInlinePolicyFromPermissionSet"),
        sets: true,
        then: Some(PROVISION_ALL),
    }),
};

const DELETE_INLINE: Effect = Effect {
    reads: &[Read {
        api: "GetInlinePolicyForPermissionSet",
        inputs: &[("InstanceArn", Same), ("PermissionSetArn", Same)],
    }],
    inverses: &[
        "PutInlinePolicyToPermissionSet",
        "DeleteInlinePolicyFromPermissionSet",
        "ProvisionPermissionSet",
    ],
    shape: Shape::Property(Property {
        item: None,
        path: &["InlinePolicy"],
        may_lack: true,
        input: "InlinePolicy",
        keys: &["InstanceArn", "PermissionSetArn"],
        put: "PutInlinePolicyToPermissionSet",
        delete: Some("DeleteInlinePolicyFromPermissionSet"),
        sets: false,
        then: Some(PROVISION_ALL),
    }),
};

/// A policy of a permission set holds in the accounts once the set is provisioned anew, so putting it back ends with that.
const PROVISION_ALL: (&str, &[&str], (&str, &str)) = (
    "ProvisionPermissionSet",
    &["InstanceArn", "PermissionSetArn"],
    ("TargetType", "ALL_PROVISIONED_ACCOUNTS"),
);

/// Which accounts have an older policy of the set. There is nothing to put back: undoing the change of the policy provisions again.
const PROVISION: Effect = Effect {
    reads: &[Read {
        api: "ListAccountsForProvisionedPermissionSet",
        inputs: &[
            ("InstanceArn", Same),
            ("PermissionSetArn", Same),
            ("ProvisioningStatus", Text("LATEST_PERMISSION_SET_NOT_PROVISIONED")),
        ],
    }],
    inverses: &[],
    shape: Shape::Custom(Custom {
        state: |call, answers| {
            let accounts = only(answers).and_then(|answer| answer.get("AccountIds")?.as_array());
            let Some(accounts) = accounts else { return unreadable("AccountIds") };
            let wanted = call.text("TargetId");
            let mut outdated: Vec<&str> = accounts
                .iter()
                .filter_map(Value::as_str)
                .filter(|account| wanted.is_none_or(|wanted| wanted == *account))
                .collect();
            outdated.sort_unstable();
            json!({ "Outdated": outdated })
        },
        is_achieved: |_, state| {
            state.get("Outdated").and_then(Value::as_array).is_some_and(Vec::is_empty)
        },
        restore: |_, _| None,
    }),
};

/// A new policy, found by its name.
const CREATE: Effect = Effect {
    reads: &[Read { api: "ListPolicies", inputs: &[("Filter", From("Type"))] }],
    inverses: &[],
    shape: Shape::Custom(Custom {
        state: |call, answers| {
            let policies = only(answers).and_then(|answer| answer.get("Policies")?.as_array());
            let Some(policies) = policies else { return unreadable("Policies") };
            let name = call.inputs.get("Name");
            let found = policies.iter().find(|policy| name.is_some() && policy.get("Name") == name);
            found
                .and_then(|policy| at(policy, &["Id"]))
                .map_or(Value::Null, |id| json!({ "Id": id }))
        },
        is_achieved: |_, state| !state.is_null(),
        restore: |_, _| None,
    }),
};

const ATTACHMENT: &[Input] = &[text("PolicyId"), text("TargetId")];
const ASSIGNMENT: &[Input] = &[
    text("InstanceArn"),
    text("TargetId"),
    text("TargetType"),
    text("PermissionSetArn"),
    text("PrincipalType"),
    text("PrincipalId"),
];
const SET_INPUTS: &[Input] = &[text("InstanceArn"), text("PermissionSetArn")];

/// Organizations. A policy that stands ready may be attached to an account; making one, or a whole unit, is for people.
pub(super) const ORGANIZATION: &[Api] = &[
    read("organizations", "DescribeOrganization", &[], &[]),
    read(
        "organizations",
        "DescribeAccount",
        &[text("AccountId")],
        &["arn:{partition}:organizations::*:account/o-*/{AccountId}"],
    ),
    read(
        "organizations",
        "ListParents",
        &[text("ChildId")],
        &[
            "arn:{partition}:organizations::*:account/o-*/{ChildId}",
            "arn:{partition}:organizations::*:ou/o-*/{ChildId}",
        ],
    ),
    read("organizations", "ListPoliciesForTarget", &[text("TargetId"), text("Filter")], ANY_TARGET),
    read("organizations", "ListPolicies", &[text("Filter")], &[]),
    read("organizations", "DescribePolicy", &[text("PolicyId")], POLICY),
    change("organizations", "AttachPolicy", R2, ATTACHMENT, TARGETS, &ATTACH),
    change("organizations", "DetachPolicy", R2, ATTACHMENT, TARGETS, &DETACH),
    change(
        "organizations",
        "CreatePolicy",
        R3,
        &[
            text("Name"),
            text("Description"),
            document("Content"),
            text("Type"),
            list("Tags").optional(),
        ],
        &[],
        &CREATE,
    ),
    change(
        "organizations",
        "UpdatePolicy",
        R3,
        &[text("PolicyId"), document("Content")],
        POLICY,
        &CONTENT,
    ),
];

/// Identity Center and its users.
pub(super) const IDENTITY_CENTER: &[Api] = &[
    read("sso-admin", "GetInlinePolicyForPermissionSet", SET_INPUTS, SET)
        .by("sso:GetInlinePolicyForPermissionSet"),
    read(
        "sso-admin",
        "ListAccountsForProvisionedPermissionSet",
        &[text("InstanceArn"), text("PermissionSetArn"), text("ProvisioningStatus").optional()],
        SET,
    )
    .by("sso:ListAccountsForProvisionedPermissionSet"),
    read(
        "sso-admin",
        "ListAccountAssignments",
        &[text("InstanceArn"), text("AccountId"), text("PermissionSetArn")],
        &["{InstanceArn}", "{PermissionSetArn}", "arn:{partition}:sso:::account/{AccountId}"],
    )
    .by("sso:ListAccountAssignments"),
    change(
        "sso-admin",
        "PutInlinePolicyToPermissionSet",
        R2,
        &[text("InstanceArn"), text("PermissionSetArn"), document("InlinePolicy")],
        SET,
        &PUT_INLINE,
    )
    .by("sso:PutInlinePolicyToPermissionSet"),
    change("sso-admin", "DeleteInlinePolicyFromPermissionSet", R2, SET_INPUTS, SET, &DELETE_INLINE)
        .by("sso:DeleteInlinePolicyFromPermissionSet")
        .only_undoes(),
    change(
        "sso-admin",
        "ProvisionPermissionSet",
        R2,
        &[
            text("InstanceArn"),
            text("PermissionSetArn"),
            text("TargetType"),
            text("TargetId").optional(),
        ],
        &["{InstanceArn}", "{PermissionSetArn}", "arn:{partition}:sso:::account/*"],
        &PROVISION,
    )
    .by("sso:ProvisionPermissionSet"),
    change("sso-admin", "DeleteAccountAssignment", R2, ASSIGNMENT, ASSIGNED, &UNASSIGN)
        .by("sso:DeleteAccountAssignment"),
    change("sso-admin", "CreateAccountAssignment", R2, ASSIGNMENT, ASSIGNED, &ASSIGN)
        .by("sso:CreateAccountAssignment")
        .only_undoes(),
    read(
        "identitystore",
        "DescribeUser",
        &[text("IdentityStoreId"), text("UserId")],
        &[
            "arn:{partition}:identitystore::*:identitystore/{IdentityStoreId}",
            "arn:{partition}:identitystore:::user/{UserId}",
        ],
    ),
    read(
        "identitystore",
        "ListUsers",
        &[text("IdentityStoreId"), list("Filters").optional()],
        &[
            "arn:{partition}:identitystore::*:identitystore/{IdentityStoreId}",
            "arn:{partition}:identitystore:::user/*",
        ],
    ),
];
