//! What people answer by a link in an alert: to agree, to reject, or to judge.
//!
//! To look at a link changes nothing, because chat clients and mail scanners open what they find. Only [`Responder::follow`] acts,
//! and each link acts once.

use trailloop_cloud::CloudError;

use crate::responder::Responder;
use crate::rows;
use crate::run::Run;
use crate::token::{Action, Claims, TokenError};
use crate::voices::{self, Approval, BY_LINK, Verdict};

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
    /// The run does not wait, or the word of the link's holder does not count.
    #[error("nothing was done: {0}")]
    InVain(String),
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

    /// Does what a link says, once. The effect comes first: a link whose effect was not reached may be followed again.
    pub async fn follow(&self, token: &str) -> Result<Claims, LinkError> {
        let claims = self.look_at(token)?;
        if self.table.get(&claims.row()).await?.is_some() {
            return Err(LinkError::Used);
        }
        match claims.action {
            Action::Approve | Action::Reject => self.answer(&claims).await?,
            Action::Verdict(judgement) => {
                let verdict = Verdict {
                    finding: claims.subject.clone(),
                    judgement: judgement.name().to_owned(),
                    reason: BY_LINK.to_owned(),
                    by: claims.holder.clone(),
                    at_ms: self.clock.now_ms(),
                };
                voices::judge(&*self.table, &verdict).await?;
            }
        }
        rows::create(&*self.table, &claims.row(), &self.clock.now_ms()).await?;
        Ok(claims)
    }

    /// The answer to a run that waits, if the word of the link's holder counts and is their first.
    async fn answer(&self, claims: &Claims) -> Result<(), LinkError> {
        let in_vain = |why: String| Err(LinkError::InVain(why));
        let kept = rows::load::<Run>(&*self.table, &Run::key(&claims.subject)).await?;
        let Some(run) = kept.map(|kept| kept.value) else {
            return in_vain(format!("there is no run {}", claims.subject));
        };
        let Some(runbook) = self.runbook(&run) else {
            return in_vain(format!("{} is gone or was changed", run.runbook_name()));
        };
        let holder = &claims.holder;
        let checked = voices::waits(&run, self.clock.now_ms())
            .and_then(|()| voices::counts(&run, runbook, holder));
        if let Err(why) = checked {
            return in_vain(why);
        }
        let approval = Approval {
            by: holder.clone(),
            agrees: claims.action == Action::Approve,
            runbook_hash: claims.runbook_sha256.clone(),
            parameters_hash: claims.parameters_sha256.clone(),
            at_ms: self.clock.now_ms(),
        };
        if voices::say(&*self.table, &run.id, &approval).await? {
            return Ok(());
        }
        in_vain(format!("{holder} has answered run {} before", run.id))
    }
}
