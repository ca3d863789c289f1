//! What may be done about whom, and what never.

use super::{Class, Refusal, Target};

/// The smallest call that stops a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdentityAction {
    /// As `service:Api`.
    pub api: &'static str,
    /// What it does and what it leaves open, in a sentence for a person.
    pub what: &'static str,
}

impl Target {
    /// Whether there is somebody to act on.
    ///
    /// # Errors
    ///
    /// If not, with the reason; only the resource may be acted on then.
    pub fn may_act(&self) -> Result<(), Refusal> {
        self.identity_action().map(|_| ())
    }

    /// The smallest call that stops this caller.
    ///
    /// # Errors
    ///
    /// If there is none, with the reason; only the resource may be acted on then.
    pub fn identity_action(&self) -> Result<IdentityAction, Refusal> {
        let refused = |reason: &str| Err(Refusal::new("resolver", reason));
        let action = |api, what| Ok(IdentityAction { api, what });
        match self.class {
            Class::AwsService => refused(
                "the call is AWS's own, or its record names no caller: act on the resource, and tell its owner",
            ),
            Class::Root => refused(
                "the caller is the root user, which no IAM policy limits: a person has to act, by the root user or the organization",
            ),
            Class::ServiceLinkedRole => refused(
                "the caller is a service-linked role, whose sessions can't be revoked: act on the resource or on what made the service act",
            ),
            Class::ForeignPrincipal => refused(
                "the caller is of another account than the record's: deny it in the resource's policy or in the trust of our role",
            ),
            Class::Unknown => {
                let why = self.reason.as_deref().unwrap_or("the record is of no known shape");
                refused(&format!("the caller is not known: {why}; look at the record yourself"))
            }
            Class::IamUserKey => action(
                "iam:UpdateAccessKey",
                "Make the key inactive; tokens that were taken with it live on until the user is denied.",
            ),
            Class::IamUserSession => action(
                "iam:PutUserPolicy",
                "Deny the user's sessions that were issued before now; new sessions and long-term keys work on.",
            ),
            Class::FederatedUser => action(
                "iam:PutUserPolicy",
                "Deny everything to the user who took the token; an inactive key does not end it.",
            ),
            Class::IdentityCenterUser => action(
                "sso-admin:PutInlinePolicyToPermissionSet",
                "Deny the person in the permission set, in the account that manages Identity Center; IAM can't change the role.",
            ),
            Class::InstanceRole => action(
                "iam:PutRolePolicy",
                "Deny this instance's sessions that were issued before now, then isolate it; it gets new ones from its metadata.",
            ),
            Class::RoleSession => action(
                "iam:PutRolePolicy",
                "Deny the sessions of this name that were issued before now; whoever may assume the role can come back.",
            ),
            Class::FederatedLogin => action(
                "iam:PutRolePolicy",
                "Deny the role's sessions that were issued before now, and tell the owner of the identity provider.",
            ),
        }
    }
}
