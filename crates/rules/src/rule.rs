//! A loaded rule.

use trailloop_finding::Analytic;

use crate::test::Expr;
use crate::yaml::Mark;

/// A Sigma rule that loaded without errors.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What a finding of this rule says about it.
    pub analytic: Analytic,
    /// The file it came from, as the caller named it.
    pub path: String,
    /// The line its document begins on, from 1.
    pub line: u32,
    /// The examples under `trailloop: tests:`.
    pub tests: Vec<RuleTest>,
    /// What it looks for.
    pub(crate) detection: Expr,
    /// Where its id stands, for the message of a second rule with the same one.
    pub(crate) id_mark: Mark,
}

/// An example record and whether the rule must match it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleTest {
    /// What the example shows.
    pub name: String,
    /// The record as JSON text.
    pub event: String,
    /// Whether the rule matches.
    pub expect: bool,
    /// The line the example begins on, from 1.
    pub line: u32,
}
