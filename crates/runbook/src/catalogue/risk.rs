//! How much harm one call can do, by what it asks for.

use serde_json::Value;

use super::{Api, Risk};
use crate::call::Call;
use crate::policy::document::{condition, statements, texts};

impl Api {
    /// The risk of this call: that of its API, or less for a policy that only ends sessions that are there already, or more for one
    /// that is put on more than an account.
    #[must_use]
    pub fn risk_of(&self, call: &Call) -> Risk {
        match (self.service, self.name) {
            ("iam", "PutUserPolicy") if ends_sessions(call, false) => Risk::R1,
            // A role has many sessions; narrow is what names one of them.
            ("iam", "PutRolePolicy") if ends_sessions(call, true) => Risk::R1,
            ("organizations", "AttachPolicy" | "DetachPolicy") if !is_account(call) => Risk::R3,
            _ => self.risk,
        }
    }

    /// Whether the executor makes this call.
    #[must_use]
    pub fn runs_call(&self, call: &Call) -> bool {
        self.runs && self.risk_of(call) < Risk::R3
    }
}

/// Whether the call denies everything to a user or a role as a whole, with whatever credential.
#[must_use]
pub fn denies_principal(call: &Call) -> bool {
    match (call.service.as_str(), call.api.as_str()) {
        ("iam", "PutUserPolicy" | "PutRolePolicy") => {
            let is_everything = |statement: &Value, name: &str| {
                statement.get(name).is_some_and(|value| texts(value) == ["*"])
            };
            let denies = |statement: &Value| {
                statement.get("Effect").is_some_and(|effect| effect == "Deny")
                    && is_everything(statement, "Action")
                    && is_everything(statement, "Resource")
                    && statement.get("Condition").is_none()
            };
            let statements = call.text("PolicyDocument").and_then(statements);
            statements.is_some_and(|statements| statements.iter().any(denies))
        }
        ("iam", "AttachUserPolicy" | "AttachRolePolicy") => {
            call.text("PolicyArn").is_some_and(|arn| {
                arn.ends_with("/trailloop-quarantine") || arn.ends_with("/AWSDenyAll")
            })
        }
        _ => false,
    }
}

/// Whether the target is an account, and not a unit or the root.
pub(super) fn is_account(call: &Call) -> bool {
    call.text("TargetId")
        .is_some_and(|id| id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether the policy does nothing but deny what holds a token issued before some time, and, if asked, only of one `aws:userid`.
fn ends_sessions(call: &Call, of_one: bool) -> bool {
    let Some(statements) = call.text("PolicyDocument").and_then(statements) else { return false };
    !statements.is_empty()
        && statements.iter().all(|statement| {
            statement.get("Effect").is_some_and(|effect| effect == "Deny")
                && condition(statement, "DateLessThan", "aws:TokenIssueTime").is_some()
                && (!of_one
                    || condition(statement, "StringEquals", "aws:userid")
                        .is_some_and(Value::is_string))
        })
}
