//! What a finding says of the rule that made it.

use std::fmt;

use crate::rendered::Rendered;

/// How much a finding matters: Sigma's levels, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Worth knowing, never worth waking anyone.
    Informational,
    /// Notable, expected now and then.
    Low,
    /// Should be looked at.
    Medium,
    /// Should be looked at soon.
    High,
    /// Should be looked at now.
    Critical,
}

impl Level {
    /// Every level, least first.
    pub const ALL: [Self; 5] =
        [Self::Informational, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The level of this name, in Sigma's lower-case spelling.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == name)
    }

    /// Sigma's name of the level.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Informational => "informational",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// OCSF's `severity_id`: 1 (informational) to 5 (critical).
    #[must_use]
    pub fn severity_id(self) -> u8 {
        match self {
            Self::Informational => 1,
            Self::Low => 2,
            Self::Medium => 3,
            Self::High => 4,
            Self::Critical => 5,
        }
    }

    /// OCSF's `severity`, the caption of [`Level::severity_id`].
    #[must_use]
    pub fn severity(self) -> &'static str {
        match self {
            Self::Informational => "Informational",
            Self::Low => "Low",
            Self::Medium => "Medium",
            Self::High => "High",
            Self::Critical => "Critical",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The parts of a rule that travel with each of its findings.
///
/// The author is among them because the public rules' licence (DRL 1.1) asks that a match name its author.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Analytic {
    /// The Sigma rule id.
    pub uid: String,
    /// The rule's title.
    pub name: String,
    /// The rule's level.
    pub level: Level,
    /// The rule's description.
    pub description: Option<String>,
    /// Who wrote the rule.
    pub author: Option<String>,
    /// The rule's tags, such as `attack.t1098`.
    pub tags: Vec<String>,
    /// Where to read more.
    pub references: Vec<String>,
    /// What else may look like this.
    pub falsepositives: Vec<String>,
    /// Sigma's status of the rule, such as `experimental`.
    pub status: Option<String>,
    /// The rule's licence, if the file names one.
    pub license: Option<String>,
    /// What a responder does first, and how it is undone.
    pub runbook: Option<String>,
    /// The SHA-256 of all that the rule says, in hex.
    pub hash: String,
    /// All of this as its findings say it; empty in a new rule.
    pub rendered: Rendered,
}
