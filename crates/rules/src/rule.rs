//! A loaded rule.

use std::collections::BTreeMap;
use std::sync::Arc;

use trailloop_enrichment::Enriched;
use trailloop_finding::Analytic;

use crate::test::Expr;
use crate::yaml::Mark;

/// A Sigma rule that loaded without errors.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What a finding of this rule says about it.
    pub analytic: Analytic,
    /// Its `name`, by which filters and correlations may call it.
    pub name: Option<String>,
    /// Why it has its level and no other, for who installs it.
    pub level_reason: Option<String>,
    /// The pack it belongs to, such as `compliance`; without one it is about attacks.
    pub pack: Option<String>,
    /// The kept queries that a finding of this rule asks, by their ids.
    pub queries: Vec<String>,
    /// The file it came from, as the caller named it.
    pub path: String,
    /// The line its document begins on, from 1.
    pub line: u32,
    /// The examples under `trailloop: tests:`.
    pub tests: Vec<RuleTest>,
    /// What it looks for.
    pub(crate) detection: Expr,
    /// The conditions of filters that have to hold as well.
    pub(crate) exceptions: Vec<Arc<Expr>>,
    /// Where its id stands, for the message of a second rule with the same one.
    pub(crate) id_mark: Mark,
    /// Whether a comment allows it to find what another rule finds.
    pub(crate) twin_is_meant: bool,
}

/// An example and whether the rule must match it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleTest {
    /// What the example shows.
    pub name: String,
    /// The record.
    pub event: TestEvent,
    /// What the operator's files are taken to say of it; nothing else is known of it.
    pub enrichment: BTreeMap<Enriched, String>,
    /// Whether the rule matches.
    pub expect: bool,
    /// The line the example begins on, from 1.
    pub line: u32,
}

/// Where an example's record is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TestEvent {
    /// In the rule, as JSON text that is known to parse.
    Json(String),
    /// In a file, by its path from the folder of the rule; without `..` in it.
    File(String),
}
