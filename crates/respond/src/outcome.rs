//! What becomes of a message, and why a run stops for now.

use trailloop_cloud::CloudError;

use crate::change::ChangeError;
use crate::hint::HintError;

/// Why a run stops for now. What it is is in its rows.
#[derive(Debug, thiserror::Error)]
pub enum Halt {
    /// AWS or the state table can't be reached; later they may.
    #[error("{0}")]
    Unreached(#[source] CloudError),
    /// Another worker has the run.
    #[error("another worker has the run")]
    Taken,
    /// Somebody changed what the run is about to change, or the catalogue does not know it.
    #[error("{0}")]
    Unsure(String),
}

impl From<CloudError> for Halt {
    fn from(error: CloudError) -> Self {
        Self::Unreached(error)
    }
}

impl From<ChangeError> for Halt {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Unreached(error) => Self::Unreached(error),
            ChangeError::Taken => Self::Taken,
            other => Self::Unsure(other.to_string()),
        }
    }
}

/// What became of a message.
#[derive(Debug)]
pub enum Handled {
    /// Runs were opened or found, and are where they rest.
    Runs(Vec<String>),
    /// A filter moves the finding down: it is kept, and nothing is done.
    Quieted,
    /// It is of a canary: it is noted, and nothing is done.
    Canary,
    /// No runbook answers the finding.
    NoRunbook,
    /// The archive does not bear it out, or its rule has changed; said to whom it concerns.
    Doubted(String),
    /// It is no finding.
    NotAFinding(HintError),
}
