//! What is learnt from verdicts: proposals that make rules quieter without hiding an attack, each a file for people to review.
//!
//! Everything here is pure: verdicts and records in, texts and figures out; no clock, no files, no network, and no input that
//! panics. Nothing here changes what runs. What hides is a file that a person merges; what makes more visible again, such as
//! voiding a filter, is said at once to whoever runs it.
//!
//! In suggested reading order: [`evidence`] is what is handed in. `mine` finds conjunctions of fields that describe findings
//! which people called harmless, and makes a `candidate` of each. `gates` asks ten questions of a candidate, of which one
//! refusal is enough, on what `applied` counted; `forge` knows who decides what stands in a field, `audit` draws what is to
//! be judged first. `proposal` writes what
//! passes (`file`) with a report. `tripwire` voids what was merged. `derived` makes examples for rules out of verdicts, `answers`
//! tells which questions are worth asking and `revise` writes what follows into rules and runbooks (`lines`), `backtest` compares what two sets of rules find, and
//! `prevent` writes policies that would have prevented an attack. `selectors` says what a trail would have to record for rules
//! that wait in vain.

pub mod evidence;
pub mod file;
pub mod forge;
pub mod gates;

mod answers;
mod applied;
mod audit;
mod backtest;
mod candidate;
mod derived;
mod flat;
mod lines;
mod mine;
mod prevent;
mod proposal;
mod revise;
mod satisfy;
mod selectors;
mod tripwire;

pub use answers::{Suggestion, Worth, worth, worth_report};
pub use applied::{Applied, upper_bound};
pub use audit::{needed, to_audit};
pub use backtest::{Backtest, Change, Cost, Differing, Found, compare};
pub use candidate::{Candidate, Compiled, CompiledScratch, Condition, Test};
pub use derived::{DerivedTest, WRONG_LOGIC, derived_tests};
pub use evidence::{Archive, Attack, Audited, Evidence, Hit, Judged, Label};
pub use flat::{Profile, agent_of, entity_of, flatten, network_of, profile};
pub use gates::{Gate, all_pass, check, judge, judge_applied, may_merge};
pub use mine::{Mine, mine};
pub use prevent::{Others, Prevention, Shape, prevent};
pub use proposal::{Proposal, propose};
pub use revise::{Revision, revise_rule, revise_runbook};
pub use selectors::{PUBLISHED, Prices, Selected, cost, propose_selectors, selectors_report};
pub use tripwire::{Quieted, Tripwires, Voided, reopened};
