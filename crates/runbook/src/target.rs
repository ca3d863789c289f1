//! Whom to act on.
//!
//! [`resolve`] reads a record's caller by a table of shapes (`target/shape.rs`), in a fixed order, and is total: what it doesn't
//! know, or what contradicts itself, becomes [`Class::Unknown`] with a reason. [`Target::identity_action`] names the smallest
//! call that stops such a caller, or refuses; [`Target::forbids`] looks at a call that is about to be made and is the last to
//! say no. Nothing of a record is believed by its form alone: names and ids have the characters and lengths that AWS documents
//! (`target/names.rs`), ARNs are taken apart (`target/arn.rs`), and where a record says a thing twice, both have to agree.

mod action;
mod arn;
mod forbid;
pub(crate) mod names;
mod shape;

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use action::IdentityAction;
pub use arn::{Arn, partition_of_region};
pub use shape::resolve;

/// What kind of caller a record shows, as far as it matters for what can be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// AWS itself, or an event without a caller: there is nobody to act on, only the resource.
    AwsService,
    /// The root user of an account.
    Root,
    /// An IAM user by a long-term key (`AKIA…`).
    IamUserKey,
    /// An IAM user by a temporary key (`ASIA…`): the console, or GetSessionToken.
    IamUserSession,
    /// A federated user of GetFederationToken: the IAM user behind it.
    FederatedUser,
    /// A session of a service-linked role, which can't be revoked.
    ServiceLinkedRole,
    /// A session of a role that Identity Center owns: the person behind it.
    IdentityCenterUser,
    /// A session of an instance's role.
    InstanceRole,
    /// A session of any other role.
    RoleSession,
    /// The call by which a SAML or web identity became a role's session.
    FederatedLogin,
    /// A principal of another account.
    ForeignPrincipal,
    /// A shape that we don't know.
    Unknown,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::AwsService,
        Self::Root,
        Self::IamUserKey,
        Self::IamUserSession,
        Self::FederatedUser,
        Self::ServiceLinkedRole,
        Self::IdentityCenterUser,
        Self::InstanceRole,
        Self::RoleSession,
        Self::FederatedLogin,
        Self::ForeignPrincipal,
        Self::Unknown,
    ];

    /// The name in runbooks, such as `iam_user_key`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AwsService => "aws_service",
            Self::Root => "root",
            Self::IamUserKey => "iam_user_key",
            Self::IamUserSession => "iam_user_session",
            Self::FederatedUser => "federated_user",
            Self::ServiceLinkedRole => "service_linked_role",
            Self::IdentityCenterUser => "identity_center_user",
            Self::InstanceRole => "instance_role",
            Self::RoleSession => "role_session",
            Self::FederatedLogin => "federated_login",
            Self::ForeignPrincipal => "foreign_principal",
            Self::Unknown => "unknown",
        }
    }

    /// The class of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }
}

/// Whom to act on, and by what names AWS knows them. What is not known is absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The kind of caller.
    pub class: Class,
    /// `aws`, `aws-cn` or `aws-us-gov`.
    pub partition: String,
    /// The account that the principal lives in, which is where to act.
    pub account: Option<String>,
    /// The account whose trail has the record.
    pub recipient_account: Option<String>,
    /// The ARN of the user or role (never of a session).
    pub principal_arn: Option<String>,
    /// The IAM user.
    pub user_name: Option<String>,
    /// The role, without its path.
    pub role_name: Option<String>,
    /// `aws:userid`: `AIDA…` or `AROA…:session`.
    pub principal_id: Option<String>,
    /// The session's name.
    pub session_name: Option<String>,
    /// The key that signed the call.
    pub access_key_id: Option<String>,
    /// The instance whose role it is.
    pub instance_id: Option<String>,
    /// The Identity Center user's id or, without it, name.
    pub identity_center_user: Option<String>,
    /// The identity store that the Identity Center user is of.
    pub identity_store: Option<String>,
    /// The permission set whose role it is.
    pub permission_set: Option<String>,
    /// The service that called on the principal's behalf.
    pub invoked_by: Option<String>,
    /// Whether the session came from the console.
    pub from_console: bool,
    /// Why the caller is not known, as a part of a sentence for a person.
    pub reason: Option<String>,
}

impl Target {
    /// As expressions see it, under `finding.target`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "class": self.class.name(),
            "partition": self.partition,
            "account": self.account,
            "recipient_account": self.recipient_account,
            "principal_arn": self.principal_arn,
            "user_name": self.user_name,
            "role_name": self.role_name,
            "principal_id": self.principal_id,
            "session_name": self.session_name,
            "access_key_id": self.access_key_id,
            "instance_id": self.instance_id,
            "identity_center_user": self.identity_center_user,
            "identity_store": self.identity_store,
            "permission_set": self.permission_set,
            "invoked_by": self.invoked_by,
            "from_console": self.from_console,
            "reason": self.reason,
        })
    }
}

/// Why there is nobody to act on, or why this call must not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The guard that refused: `resolver`, `parameters`, `protected`, …
    pub guard: &'static str,
    /// Why, in a sentence for a person.
    pub reason: String,
}

impl Refusal {
    /// A refusal by this guard.
    pub fn new(guard: &'static str, reason: impl Into<String>) -> Self {
        Self { guard, reason: reason.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.guard, self.reason)
    }
}

impl std::error::Error for Refusal {}
