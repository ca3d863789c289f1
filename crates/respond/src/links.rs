//! What people answer by a link in an alert: to agree, to reject, or to judge.
//!
//! To look at a link changes nothing, because chat clients and mail scanners open what they find. Only [`Responder::follow`] acts,
//! and each link acts once: its nonce is written before anything else.

use trailloop_cloud::CloudError;

use crate::responder::Responder;
use crate::rows;
use crate::token::{Action, Claims, TokenError};
use crate::voices::{self, Approval, Verdict};

/// Why a link is not followed.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// No secret is configured, so no link is ours.
    #[error("links are switched off here; set respond.link_secret_file")]
    Off,
    /// The token is none of ours, or too old.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// It was followed before.
    #[error("this link has been used; nothing was done now")]
    Used,
    /// The state could not be reached.
    #[error("the state can't be reached now, and nothing was done; try again")]
    Unreached(#[from] CloudError),
}

impl Responder {
    /// What a link would do; nothing is done.
    pub fn look_at(&self, token: &str) -> Result<Claims, LinkError> {
        let secret = self.destinations.secret.as_ref().ok_or(LinkError::Off)?;
        Ok(secret.verify(token, self.clock.now_ms() / 1000)?)
    }

    /// Does what a link says, once.
    pub async fn follow(&self, token: &str) -> Result<Claims, LinkError> {
        let claims = self.look_at(token)?;
        if !rows::create(&*self.table, &claims.row(), &self.clock.now_ms()).await? {
            return Err(LinkError::Used);
        }
        let at_ms = self.clock.now_ms();
        match claims.action {
            Action::Approve | Action::Reject => {
                let approval = Approval {
                    by: claims.holder.clone(),
                    agrees: claims.action == Action::Approve,
                    runbook_hash: claims.runbook_sha256.clone(),
                    parameters_hash: claims.parameters_sha256.clone(),
                    at_ms,
                };
                voices::say(&*self.table, &claims.subject, &approval).await?;
            }
            Action::Verdict(judgement) => {
                let verdict = Verdict {
                    finding: claims.subject.clone(),
                    judgement: judgement.name().to_owned(),
                    reason: "by_link".to_owned(),
                    by: claims.holder.clone(),
                    at_ms,
                };
                voices::judge(&*self.table, &verdict).await?;
            }
        }
        Ok(claims)
    }
}
