//! A filter that might be proposed, and the same compiled: what it describes is asked of the engine that would run it.

use std::fmt;

use jiff::civil::Date;
use trailloop_cloudtrail::{Record, RecordBuffer};
use trailloop_finding::Level;
use trailloop_rules::{Filter, MatchScratch, Rule, RuleSet, Seen};

use crate::file;
use crate::forge::{self, Class};

/// A filter for one rule, before it has a backtest.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The rule.
    pub rule: Rule,
    /// What has to hold of a record together.
    pub conditions: Vec<Condition>,
    /// Who will answer for it.
    pub owner: String,
    /// Who proposes it; somebody else has to approve.
    pub proposer: String,
    /// Why its events are harmless, by the reason codes of the verdicts.
    pub reason: String,
    /// The day it is written.
    pub created: Date,
    /// The day from which it no longer counts.
    pub expires: Date,
    /// What voids it.
    pub tripwires: Vec<String>,
    /// The filter that it takes the place of, if it is a renewal: the day that one was written.
    pub renews: Option<Date>,
}

/// A field and what its value has to be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Condition {
    /// The dotted path.
    pub field: String,
    /// The test.
    pub test: Test,
}

/// What a value has to be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Test {
    /// This text.
    Equals(String),
    /// An address in this network.
    Inside(String),
    /// A text that begins with one of these.
    Begins(Vec<String>),
}

impl Condition {
    /// A field that equals a text.
    #[must_use]
    pub fn equals(field: &str, value: &str) -> Self {
        Self { field: field.to_owned(), test: Test::Equals(value.to_owned()) }
    }

    /// Who decides whether the condition holds.
    #[must_use]
    pub fn class(&self, own_networks: &[String]) -> Class {
        match &self.test {
            Test::Equals(value) if self.field == "sourceIPAddress" => {
                of_network(value, own_networks)
            }
            Test::Inside(network) if self.field == "sourceIPAddress" => {
                of_network(network, own_networks)
            }
            Test::Equals(value) => forge::class_of(&self.field, value),
            // A beginning admits names that nobody has seen yet; of an identity it would admit another identity.
            Test::Begins(_) if self.field == "eventName" => Class::What,
            Test::Inside(_) | Test::Begins(_) => Class::Chosen,
        }
    }
}

fn of_network(network: &str, own_networks: &[String]) -> Class {
    if forge::is_own_network(network, own_networks) { Class::Where } else { Class::Chosen }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.test {
            Test::Equals(value) => write!(f, "{} is {}", self.field, file::quoted(value)),
            Test::Inside(network) => write!(f, "{} lies in {}", self.field, file::quoted(network)),
            Test::Begins(starts) => {
                write!(f, "{} begins with {}", self.field, starts.join(" or "))
            }
        }
    }
}

impl Candidate {
    /// The rule's level.
    #[must_use]
    pub fn level(&self) -> Level {
        self.rule.analytic.level
    }

    /// The values of a field that the filter binds, if it does.
    #[must_use]
    pub fn binds(&self, field: &str) -> Option<&str> {
        self.conditions.iter().find_map(|condition| match &condition.test {
            Test::Equals(value) if condition.field == field => Some(value.as_str()),
            _ => None,
        })
    }
}

/// A filter with its rule, compiled together, and its rule alone.
#[derive(Debug)]
pub struct Compiled {
    /// The filter as it was loaded.
    pub filter: Filter,
    set: RuleSet,
    alone: RuleSet,
}

impl Compiled {
    /// Compiles a candidate as the file that would be proposed, with a backtest that says nothing yet.
    ///
    /// # Errors
    ///
    /// If the loader has anything to say of that file.
    pub fn of(candidate: &Candidate) -> Result<Self, String> {
        let text = file::sealed(candidate, &Seen::default(), &file::Figures::unknown(candidate))?;
        Self::load(&candidate.rule, &text)
    }

    /// Loads the text of a filter and compiles it with its rule.
    ///
    /// # Errors
    ///
    /// If the loader has anything to say of it, or if it does not make this rule quieter.
    pub fn load(rule: &Rule, text: &str) -> Result<Self, String> {
        let filter = file::load_one(text)?;
        let mut diagnostics = Vec::new();
        let set =
            RuleSet::build(vec![rule.clone()], std::slice::from_ref(&filter), &mut diagnostics);
        if let Some(first) = diagnostics.iter().find(|one| one.path == file::PATH) {
            return Err(first.to_string());
        }
        if set.quieting().is_empty() {
            return Err(format!("the filter does not speak of the rule {}", rule.analytic.uid));
        }
        let alone = RuleSet::build(vec![rule.clone()], &[], &mut Vec::new());
        Ok(Self { filter, set, alone })
    }

    /// Whether the filter describes a record, whatever the rule says of it. What is no record is described by nothing.
    #[must_use]
    pub fn describes(&self, record: &[u8], scratch: &mut CompiledScratch) -> bool {
        let mut buffer = RecordBuffer::new();
        Record::parse(record, &mut buffer)
            .is_ok_and(|record| self.describes_parsed(&record, scratch))
    }

    pub(crate) fn describes_parsed(
        &self,
        record: &Record<'_>,
        scratch: &mut CompiledScratch,
    ) -> bool {
        self.set.quieted_by(0, record, &mut scratch.set).is_some()
    }

    /// Whether the rule matches a record, with the filter beside it and alone: a filter that downranks leaves both equal.
    #[must_use]
    pub fn matches(&self, record: &[u8], scratch: &mut CompiledScratch) -> (bool, bool) {
        let mut buffer = RecordBuffer::new();
        Record::parse(record, &mut buffer)
            .map_or((false, false), |record| self.matches_parsed(&record, scratch))
    }

    pub(crate) fn matches_parsed(
        &self,
        record: &Record<'_>,
        scratch: &mut CompiledScratch,
    ) -> (bool, bool) {
        let CompiledScratch { set, alone, found } = scratch;
        self.set.matches_into(record, set, found);
        let with = !found.is_empty();
        self.alone.matches_into(record, alone, found);
        (with, !found.is_empty())
    }
}

/// What is kept from record to record.
#[derive(Debug, Default)]
pub struct CompiledScratch {
    set: MatchScratch,
    alone: MatchScratch,
    found: Vec<u32>,
}
