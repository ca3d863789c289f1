//! What a proposal is judged by: verdicts, known attacks, the archive, and what was audited.
//!
//! All of it is handed in. Records are JSON text of CloudTrail and hostile; what does not parse proves nothing and matches
//! nothing, and the gates count it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;

/// What a person said of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Label {
    /// An attack.
    True,
    /// A drill: it has to be found like an attack.
    Test,
    /// What the rule means, done by somebody who may.
    Benign,
    /// Not what the rule means.
    False,
}

impl Label {
    /// Its name, such as `true_positive`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::True => "true_positive",
            Self::Test => "test",
            Self::Benign => "benign_positive",
            Self::False => "false_positive",
        }
    }

    /// Whether the finding has to stay visible.
    #[must_use]
    pub fn is_attack(self) -> bool {
        matches!(self, Self::True | Self::Test)
    }
}

/// A finding with its verdict in force.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The finding's id.
    pub uid: String,
    /// The id of its rule.
    pub rule: String,
    /// What it is.
    pub label: Label,
    /// The reason code that was given, such as `automation` or `wrong_logic`.
    pub reason: String,
    /// Who said so.
    pub reviewer: String,
    /// When it was said.
    pub at: Timestamp,
    /// When the finding was first seen.
    pub seen: Timestamp,
    /// Who did it, by [`crate::entity_of`].
    pub entity: String,
    /// The record that the rule matched.
    pub record: Vec<u8>,
    /// What its queries and enrichments answered, by their names.
    pub answers: BTreeMap<String, String>,
}

/// A known attack: a labelled one with all the events of its lineage, or one of a corpus.
#[derive(Clone, Debug)]
pub struct Attack {
    /// The finding or incident, or the corpus and its file.
    pub name: String,
    /// Who did it, by [`crate::entity_of`]; empty for a corpus.
    pub entity: String,
    /// The day it was judged; `None` for a corpus.
    pub judged: Option<Date>,
    /// Every event, whether a rule matched it or not.
    pub records: Vec<Vec<u8>>,
}

/// A finding of the rule over the archive.
#[derive(Clone, Debug)]
pub struct Hit {
    /// The finding's id.
    pub uid: String,
    /// The day of its event.
    pub day: Date,
    /// Who did it.
    pub entity: String,
    /// Whether anybody ever judged a finding of this rule on this entity.
    pub is_reviewed: bool,
    /// The record.
    pub record: Vec<u8>,
}

/// What the rule found in the archive.
#[derive(Clone, Debug)]
pub struct Archive {
    /// The first day that was read.
    pub from: Date,
    /// The last day that was read.
    pub to: Date,
    /// Whether this is all there is.
    pub is_all: bool,
    /// How many events were read.
    pub events: u64,
    /// Every finding of the rule.
    pub hits: Vec<Hit>,
}

/// A finding that was drawn at random, not chosen, and judged.
#[derive(Clone, Debug)]
pub struct Audited {
    /// The finding's id; one that was judged twice was drawn once.
    pub uid: String,
    /// The day it was judged.
    pub day: Date,
    /// Whether it has to stay visible.
    pub is_attack: bool,
    /// The record.
    pub record: Vec<u8>,
}

/// All that the gates ask.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The verdicts on findings of the rule.
    pub judged: Vec<Judged>,
    /// Every labelled attack of any rule, with all its events.
    pub attacks: Vec<Attack>,
    /// The attack corpora and the canaries.
    pub corpora: Vec<Attack>,
    /// The rule's findings in the archive.
    pub archive: Archive,
    /// The audit samples, of this rule's findings.
    pub audited: Vec<Audited>,
    /// Networks of the operator's own, such as `198.51.100.0/24`.
    pub own_networks: Vec<String>,
    /// The day of the judgement.
    pub today: Date,
}
