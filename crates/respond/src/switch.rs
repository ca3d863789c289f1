//! The kill switch: how far anything may go right now, read again before each act.

use std::path::PathBuf;

use trailloop_cloud::{Actions, Session};
use trailloop_runbook::Call;
use trailloop_runbook::document::Mode;

/// Where the switch is.
#[derive(Clone, Debug, Default)]
pub enum Switch {
    /// There is none; the configuration's mode holds.
    #[default]
    None,
    /// A file that holds one word.
    File(PathBuf),
    /// A parameter of Systems Manager that holds one word, in the account and region of the session.
    Parameter {
        /// Its name.
        name: String,
        /// Where it is read.
        session: Session,
    },
}

/// What the switch allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Position {
    /// Nothing, not even reading: `off`.
    Off,
    /// At most this.
    AtMost(Mode),
}

impl Position {
    /// Whether anything may be changed.
    #[must_use]
    pub fn allows_changes(&self) -> bool {
        matches!(self, Self::AtMost(mode) if *mode > Mode::DryRun)
    }
}

/// The words that the switch knows.
const WORDS: &str = "off, dry-run, approve or auto";

impl Switch {
    /// Reads the switch. One that can't be read, or says something else, allows planning alone: whoever pulls a switch must not
    /// find that a typing mistake left it on.
    pub async fn read(&self, actions: &dyn Actions) -> Position {
        let word = match self {
            Self::None => return Position::AtMost(Mode::Auto),
            Self::File(path) => tokio::fs::read_to_string(path).await.map_err(|e| e.to_string()),
            Self::Parameter { name, session } => {
                let mut inputs = serde_json::Map::new();
                inputs.insert("Name".to_owned(), name.clone().into());
                let call = Call { service: "ssm".into(), api: "GetParameter".into(), inputs };
                match actions.call(session, &call).await {
                    Ok(answer) => answer
                        .body
                        .pointer("/Parameter/Value")
                        .and_then(|value| value.as_str().map(str::to_owned))
                        .ok_or_else(|| "the parameter has no value".to_owned()),
                    Err(error) => Err(error.to_string()),
                }
            }
        };
        match word.as_deref().map(str::trim) {
            Ok("off") => Position::Off,
            Ok("dry-run" | "dry_run") => Position::AtMost(Mode::DryRun),
            Ok("approve") => Position::AtMost(Mode::Approve),
            Ok("auto") => Position::AtMost(Mode::Auto),
            Ok(_) => {
                tracing::error!("the kill switch holds none of {WORDS}; nothing is changed");
                Position::AtMost(Mode::DryRun)
            }
            Err(error) => {
                tracing::error!(error, "the kill switch can't be read; nothing is changed");
                Position::AtMost(Mode::DryRun)
            }
        }
    }
}
