//! What people say of a finding: six judgements, each with a reason from a closed list, and which of several holds.
//!
//! The judgements tell *benign* from *false*, since most alerts that are wrong are right rules on legitimate behaviour
//! ("99 % False Positives", USENIX Security 2022): who tunes the logic because of them makes a good rule blind. The
//! reason says what to do about it. Both are demanded, because a verdict alone is right in 83 % of the cases and its
//! grounds in 39 % (arXiv 2604.22001).
//!
//! Nobody's word is overwritten. [`Standing::of`] reads the whole history, so that a disagreement stays visible.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// What a finding was, as a person judged it.
///
/// The order is the order of safety: of two that are said equally often, the first holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    /// It is malicious.
    TruePositive,
    /// A red team, a canary, a game day: an attack as far as the rule can tell.
    Test,
    /// The rule is right, the behaviour legitimate.
    BenignPositive,
    /// The rule's logic or the data is wrong.
    FalsePositive,
    /// The same incident as another.
    Duplicate,
    /// It can't be told.
    Inconclusive,
}

impl Judgement {
    /// All of them, the safest first.
    pub const ALL: [Self; 6] = [
        Self::TruePositive,
        Self::Test,
        Self::BenignPositive,
        Self::FalsePositive,
        Self::Duplicate,
        Self::Inconclusive,
    ];

    /// The name, such as `true_positive`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TruePositive => "true_positive",
            Self::Test => "test",
            Self::BenignPositive => "benign_positive",
            Self::FalsePositive => "false_positive",
            Self::Duplicate => "duplicate",
            Self::Inconclusive => "inconclusive",
        }
    }

    /// Whether it says that nothing should have been done, so that what was done is undone.
    #[must_use]
    pub fn undoes(self) -> bool {
        matches!(self, Self::BenignPositive | Self::FalsePositive)
    }

    /// Security Hub's verification state.
    #[must_use]
    pub fn asff(self) -> &'static str {
        match self {
            Self::TruePositive => "TRUE_POSITIVE",
            Self::BenignPositive => "BENIGN_POSITIVE",
            Self::FalsePositive => "FALSE_POSITIVE",
            Self::Test | Self::Duplicate | Self::Inconclusive => "UNKNOWN",
        }
    }

    /// The judgement of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|judgement| judgement.name() == name)
    }

    /// The `verdict_id` and its caption, of <https://schema.ocsf.io/1.5.0/classes/detection_finding>.
    #[must_use]
    pub fn ocsf(self) -> (u8, &'static str) {
        match self {
            Self::FalsePositive => (1, "False Positive"),
            Self::TruePositive => (2, "True Positive"),
            Self::BenignPositive => (5, "Benign"),
            Self::Test => (6, "Test"),
            Self::Inconclusive => (7, "Insufficient Data"),
            Self::Duplicate => (10, "Duplicate"),
        }
    }

    /// Whether the rule's precision counts it as a hit, or as a miss. Tests, duplicates and what can't be told say nothing of how
    /// often the rule is right in earnest.
    #[must_use]
    pub fn is_hit(self) -> Option<bool> {
        match self {
            Self::TruePositive => Some(true),
            Self::BenignPositive | Self::FalsePositive => Some(false),
            Self::Test | Self::Duplicate | Self::Inconclusive => None,
        }
    }

    /// Whether the finding shows an attack, real or played: what no filter may hide.
    #[must_use]
    pub fn is_attack(self) -> bool {
        matches!(self, Self::TruePositive | Self::Test)
    }
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a finding was judged so. The choices follow from what tuning can do about each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A change that somebody had agreed to.
    ApprovedChange,
    /// A pipeline, a scheduled job.
    Automation,
    /// A vendor's product or integration does this.
    Vendor,
    /// Maintenance by an administrator.
    AdminMaintenance,
    /// The person whose credential it was said that it was them.
    UserConfirmed,
    /// What this role is there for.
    ExpectedForRole,
    /// A scanner of ours, of an auditor's or of a vendor's.
    KnownScanner,
    /// The rule asks for something else than it should.
    WrongLogic,
    /// The record, or what enriched it, was wrong.
    BadData,
    /// The rule fires on too little.
    ThresholdLow,
    /// Another rule says the same.
    DuplicateRule,
    /// The incident is in hand already.
    AlreadyReported,
    /// A test by people.
    Test,
    /// A synthetic event of ours.
    Canary,
    /// An attack; nothing more is known.
    Malicious,
    /// Somebody else's credential was used.
    StolenCredential,
    /// A rightful user did what they must not.
    Misuse,
    /// A rightful user meant harm.
    Insider,
    /// What is at hand does not tell.
    NotEnoughEvidence,
    /// It is not clear.
    Unclear,
    /// The verdict was given by the link of an alert, which asks for no more.
    ByLink,
    /// A reason that a later version knows; it is read, and can't be given.
    #[serde(other)]
    Unknown,
}

impl Reason {
    /// All that a person can choose.
    pub const ALL: [Self; 20] = [
        Self::ApprovedChange,
        Self::Automation,
        Self::Vendor,
        Self::AdminMaintenance,
        Self::UserConfirmed,
        Self::ExpectedForRole,
        Self::KnownScanner,
        Self::WrongLogic,
        Self::BadData,
        Self::ThresholdLow,
        Self::DuplicateRule,
        Self::AlreadyReported,
        Self::Test,
        Self::Canary,
        Self::Malicious,
        Self::StolenCredential,
        Self::Misuse,
        Self::Insider,
        Self::NotEnoughEvidence,
        Self::Unclear,
    ];

    /// The name, such as `approved_change`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ApprovedChange => "approved_change",
            Self::Automation => "automation",
            Self::Vendor => "vendor",
            Self::AdminMaintenance => "admin_maintenance",
            Self::UserConfirmed => "user_confirmed",
            Self::ExpectedForRole => "expected_for_role",
            Self::KnownScanner => "known_scanner",
            Self::WrongLogic => "wrong_logic",
            Self::BadData => "bad_data",
            Self::ThresholdLow => "threshold_low",
            Self::DuplicateRule => "duplicate_rule",
            Self::AlreadyReported => "already_reported",
            Self::Test => "test",
            Self::Canary => "canary",
            Self::Malicious => "malicious",
            Self::StolenCredential => "stolen_credential",
            Self::Misuse => "misuse",
            Self::Insider => "insider",
            Self::NotEnoughEvidence => "not_enough_evidence",
            Self::Unclear => "unclear",
            Self::ByLink => "by_link",
            Self::Unknown => "unknown",
        }
    }

    /// The reason of this name, of those that a person can choose.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }

    /// The judgements that it is a reason for.
    #[must_use]
    pub fn goes_with(self) -> &'static [Judgement] {
        use Judgement::{
            BenignPositive, Duplicate, FalsePositive, Inconclusive, Test, TruePositive,
        };
        match self {
            Self::ApprovedChange
            | Self::Automation
            | Self::Vendor
            | Self::AdminMaintenance
            | Self::UserConfirmed
            | Self::ExpectedForRole
            | Self::KnownScanner => &[BenignPositive],
            Self::WrongLogic | Self::BadData => &[FalsePositive],
            // The rule is right in kind and wrong in number: both are said of it.
            Self::ThresholdLow => &[FalsePositive, BenignPositive],
            Self::DuplicateRule | Self::AlreadyReported => &[Duplicate],
            Self::Test | Self::Canary => &[Test],
            Self::Malicious | Self::StolenCredential | Self::Misuse | Self::Insider => {
                &[TruePositive]
            }
            Self::NotEnoughEvidence | Self::Unclear => &[Inconclusive],
            Self::ByLink | Self::Unknown => &Judgement::ALL,
        }
    }

    /// Those that can be given for a judgement.
    pub fn of(judgement: Judgement) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |reason| reason.goes_with().contains(&judgement))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What one person said of a finding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Opinion {
    /// When, in milliseconds of Unix time. First, so that opinions sort by time.
    pub at_ms: i64,
    /// Who.
    pub by: String,
    /// What it was.
    pub judgement: Judgement,
    /// Why.
    pub reason: Reason,
}

/// What holds of a finding after all that was said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The judgement that holds.
    pub judgement: Judgement,
    /// The reason that most of those give who say so; of equally many, the first in the list.
    pub reason: Reason,
    /// Those who say so, in order.
    pub by: Vec<String>,
    /// How many people have judged.
    #[serde(default)]
    pub authors: usize,
    /// Whether they disagree in their last words.
    #[serde(default)]
    pub disagrees: bool,
    /// When somebody first said anything, in milliseconds of Unix time.
    pub first_ms: i64,
    /// When somebody last said anything.
    pub last_ms: i64,
}

impl Standing {
    /// What holds: the last word of each author counts, most authors are right, and of equally many the safer is. Who can't tell is
    /// heard only where nobody can.
    #[must_use]
    pub fn of(opinions: &[Opinion]) -> Option<Self> {
        let first_ms = opinions.iter().map(|opinion| opinion.at_ms).min()?;
        let last_ms = opinions.iter().map(|opinion| opinion.at_ms).max()?;
        let last_words = last_words(opinions);
        let mut voices = BTreeMap::<Judgement, Vec<&Opinion>>::new();
        for word in last_words.values() {
            voices.entry(word.judgement).or_default().push(word);
        }
        let disagrees = voices.len() > 1;
        if disagrees {
            voices.remove(&Judgement::Inconclusive);
        }
        let (judgement, said) = most(voices)?;
        let mut reasons = BTreeMap::<Reason, Vec<&Opinion>>::new();
        for word in &said {
            reasons.entry(word.reason).or_default().push(word);
        }
        let (reason, _) = most(reasons)?;
        let by = said.iter().map(|word| word.by.clone()).collect();
        let authors = last_words.len();
        Some(Self { judgement, reason, by, authors, disagrees, first_ms, last_ms })
    }
}

/// The last word of each author.
pub(crate) fn last_words(opinions: &[Opinion]) -> BTreeMap<&str, &Opinion> {
    let mut last_words = BTreeMap::<&str, &Opinion>::new();
    for opinion in opinions {
        let word = last_words.entry(&opinion.by).or_insert(opinion);
        let rank = |one: &Opinion| (Reverse(one.at_ms), one.judgement, one.reason);
        // Of two words of one person in one millisecond the safer is the last.
        if rank(opinion) < rank(word) {
            *word = opinion;
        }
    }
    last_words
}

/// The key under which most stand; of equally many the first.
fn most<K: Ord, V>(groups: BTreeMap<K, Vec<V>>) -> Option<(K, Vec<V>)> {
    let mut best: Option<(K, Vec<V>)> = None;
    for (key, values) in groups {
        if best.as_ref().is_none_or(|(_, most)| values.len() > most.len()) {
            best = Some((key, values));
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn said(by: &str, judgement: Judgement, at_ms: i64) -> Opinion {
        let reason = Reason::of(judgement).next().unwrap();
        Opinion { at_ms, by: by.to_owned(), judgement, reason }
    }

    #[test]
    fn names_are_those_of_the_command_and_of_the_store() {
        for judgement in Judgement::ALL {
            assert_eq!(Judgement::parse(judgement.name()), Some(judgement));
            assert_eq!(serde_json::to_value(judgement).unwrap(), judgement.name());
            assert!(Reason::of(judgement).next().is_some(), "{judgement} has no reason");
        }
        for reason in Reason::ALL {
            assert_eq!(Reason::parse(reason.name()), Some(reason));
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.name());
        }
        assert_eq!(Reason::parse("by_link"), None);
        let later: Reason = serde_json::from_str(r#""eclipse""#).unwrap();
        assert_eq!(later, Reason::Unknown);
    }

    #[test]
    fn most_authors_are_right_by_their_last_word() {
        use Judgement::{BenignPositive, FalsePositive, Inconclusive, TruePositive};
        let opinions = [
            said("ana", TruePositive, 10),
            said("ana", BenignPositive, 30),
            said("ben", BenignPositive, 20),
            said("eve", TruePositive, 40),
            said("eve", TruePositive, 41),
        ];
        let standing = Standing::of(&opinions).unwrap();
        assert_eq!(standing.judgement, BenignPositive);
        assert_eq!(standing.by, ["ana", "ben"]);
        assert_eq!((standing.authors, standing.disagrees), (3, true));
        assert_eq!((standing.first_ms, standing.last_ms), (10, 41));
        // One each: the safer.
        let even = [said("ana", FalsePositive, 1), said("ben", TruePositive, 2)];
        assert_eq!(Standing::of(&even).unwrap().judgement, TruePositive);
        // Who can't tell outvotes nobody.
        let unsure =
            [said("a", Inconclusive, 1), said("b", Inconclusive, 1), said("c", TruePositive, 1)];
        assert_eq!(Standing::of(&unsure).unwrap().judgement, TruePositive);
        assert_eq!(Standing::of(&unsure[..2]).unwrap().judgement, Inconclusive);
        assert_eq!(Standing::of(&[]), None);
    }

    fn opinion() -> impl Strategy<Value = Opinion> {
        let judgement = prop::sample::select(Judgement::ALL.to_vec());
        let by = prop::sample::select(vec!["ana", "ben", "eve"]);
        (by, judgement, 0..4_i64).prop_map(|(by, judgement, at_ms)| said(by, judgement, at_ms))
    }

    proptest! {
        #[test]
        fn the_order_of_reading_does_not_matter(
            opinions in prop::collection::vec(opinion(), 0..9).prop_shuffle(),
        ) {
            let mut sorted = opinions.clone();
            sorted.sort();
            prop_assert_eq!(Standing::of(&opinions), Standing::of(&sorted));
        }
    }
}
