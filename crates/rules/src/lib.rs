//! Sigma rules for CloudTrail: load, check, compile, match.
//!
//! Everything here is pure: text and records in, rules, diagnostics and matches out; no clock, no files, no network,
//! and no input that panics. A file becomes rules in [`load`], which refuses what it can't run and says where and
//! what to write instead. Rules become a [`RuleSet`], which tells the rules that match a record. The examples that
//! a rule carries are run by [`run_tests`].
//!
//! What a rule means is written down in `docs/sigma.md`, what Sigma leaves open included. In one sentence: Sigma 2.1 with
//! CloudTrail's values in mind, where missing is null, any element of an array may satisfy a test, an object is tested
//! as text, and a path may go on into JSON that a string holds.
//!
//! In suggested reading order: `yaml` reads a file into nodes with positions; `load` checks a document, after `collection`
//! has laid those with an `action` over one another, and gives a `rule` or a `filter`. `detection`, `modifier`, `path`,
//! `values` and `condition` turn a detection into logic over predicates (`test`, `pattern`, `number`, `time`, `encode`),
//! with `lists`, `gather` and `relate` for many values. `program` and `simplify` make a tree of that logic; `keys`, `index`
//! and `witness` find the rules that a record leaves possible, and `gate` the records that leave none, before they are parsed; `set` runs them (`strategy` counts, `memo` remembers), with
//! `fields` and `view` finding a field's values, `derived` and `enriched` working some out, and `evaluate`, `value` and `fold`
//! testing them. `explain` and `describe` say what a rule was compiled into and why it matched or did not, `diagnostic` what is
//! wrong with it. `lint` looks for rules that run and are not what was meant, by what `catalogue` knows of CloudTrail, and
//! `coverage` tells the calls that a rule can fire on. `ours` reads what we add under `trailloop:`, `examples` runs the
//! records a rule carries, and `digest` makes the hash that a set is known by. `quiet` keeps the filters that make a rule
//! quieter without taking events from it.

pub mod catalogue;
mod collection;
mod columns;
mod condition;
mod coverage;
mod derived;
mod describe;
mod detection;
mod diagnostic;
mod digest;
mod encode;
mod enriched;
mod evaluate;
mod examples;
mod explain;
mod fields;
mod filter;
mod fold;
mod gate;
mod gather;
mod index;
mod keys;
mod lint;
mod lists;
mod load;
mod memo;
mod modifier;
mod number;
mod ours;
mod path;
mod pattern;
mod program;
mod quiet;
mod quieting;
mod relate;
mod rule;
mod set;
mod simplify;
pub mod source;
mod strategy;
mod test;
mod time;
mod twins;
mod value;
mod values;
mod view;
mod witness;
mod yaml;

pub use columns::FieldColumns;
pub use coverage::{Call, CallName};
pub use derived::agent_family;
pub use diagnostic::{CODES, Diagnostic, Severity};
pub use examples::{TestOutcome, demand_tests, for_example, run_tests};
pub use explain::{CostClass, Explanation, Plan};
pub use filter::Filter;
pub use lists::Lists;
pub use load::{Loaded, load, load_with, text_of_file};
pub use quiet::{Quiet, QuietBacktest, QuietEvidence, Seen, TRIPWIRES};
pub use rule::{Rule, RuleTest, TestEvent};
pub use set::{MatchScratch, RuleSet};
pub use strategy::Strategy;
