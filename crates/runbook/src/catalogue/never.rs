//! What is never called, whatever a runbook says: the last look at a call, by the call alone.

use super::Api;
use crate::call::Call;
use crate::policy::glob_matches;
use crate::target::{Refusal, Target};

/// Who we are, and what is never touched.
#[derive(Clone, Debug, Default)]
pub struct Ours {
    /// The name of the role that the executor assumes.
    pub responder_role: String,
    /// Globs of ARNs that are never acted on.
    pub break_glass: Vec<String>,
    /// The organization's management account.
    pub management_account: Option<String>,
}

/// Roles that an organization is run by.
const KEPT: [&str; 4] = [
    "OrganizationAccountAccessRole",
    "AWSControlTowerExecution",
    "AWSReservedSSO_*",
    "AWSServiceRoleFor*",
];

impl Api {
    /// Refuses what must not be called on anything.
    pub fn never(&self, call: &Call, target: &Target, ours: &Ours) -> Result<(), Refusal> {
        let refused = |reason: String| Err(Refusal::new("protected", reason));
        if !self.changes {
            return Ok(());
        }
        if let Some(role) = call.text("RoleName") {
            if role == ours.responder_role {
                return refused("it is the executor's own role".to_owned());
            }
            if KEPT.iter().any(|kept| glob_matches(kept, role))
                || role.starts_with("stacksets-exec-")
            {
                return refused(format!("{role} is a role that the organization is run by"));
            }
        }
        if self.name == "UpdateAccessKey"
            && !call.text("AccessKeyId").is_some_and(|key| key.starts_with("AKIA"))
        {
            return refused("only a long-term key (AKIA…) can be deactivated".to_owned());
        }
        if self.name == "AttachPolicy" && self.service == "organizations" {
            let place = call.text("TargetId").unwrap_or_default();
            let is_account = place.len() == 12 && place.bytes().all(|byte| byte.is_ascii_digit());
            if !is_account || ours.management_account.as_deref() == Some(place) {
                return refused(format!("{place} is not a member account"));
            }
        }
        if call.inputs.get("BypassPolicyLockoutSafetyCheck").is_some_and(|bypass| *bypass != false)
        {
            return refused("a key policy that locks everybody out can't be taken back".to_owned());
        }
        let arn = target.principal_arn.as_deref().unwrap_or_default();
        if ours.break_glass.iter().any(|glob| glob_matches(glob, arn)) {
            return refused(format!("{arn} is never acted on"));
        }
        Ok(())
    }
}
