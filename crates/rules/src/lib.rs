//! Sigma rules for CloudTrail: load, check, compile, match.
//!
//! Everything here is pure: text and records in, rules, diagnostics and matches out; no clock, no files, no network,
//! and no input that panics. A file becomes rules in [`load`], which refuses what it can't run and says where and
//! what to write instead. Rules become a [`RuleSet`], which tells the rules that match a record. The examples that
//! a rule carries are run by [`run_tests`].
//!
//! What a rule means is Sigma 2.1 with CloudTrail's values in mind:
//!
//! - Texts compare without case, by Unicode's simple folding; `cased` and `re` mind it.
//! - A missing field, a missing parent and JSON null are all null. `exists` tells missing from present.
//! - A path walks through arrays at any depth, and any element may satisfy a test; `|all` may use different ones. An
//!   element without the rest of the path counts as null there.
//! - An empty array and an empty object are present: `field: '*'` is true of them and `field: null` is not.
//! - Numbers and booleans compare as their JSON text; a number also by value, so that 22, 22.0 and "22" are one. A
//!   number beyond u64 or f64 compares as text. `true` is not 1.
//! - A text test on an object looks at each string below it and at its compact JSON text.
//! - A key that holds dots wins over the path of the same spelling. A repeated key stands for all its values.
//! - Keywords look for a substring in every string and number, not in keys.
//! - A null among other values matches a missing field; an empty list of values is null.
//! - `neq` is the negation of the whole item: true where the field is missing, false where any element matches.
//!
//! In suggested reading order: `yaml` reads a file into nodes with positions; `load` checks a document;
//! `detection`, `modifier`, `values` and `condition` turn its detection into logic over predicates (`test`, `pattern`);
//! `program` and `index` compile that logic; `set` runs it, with `view` finding a field's values and `value`
//! testing them.

mod condition;
mod detection;
mod diagnostic;
mod encode;
mod examples;
mod fold;
mod index;
mod load;
mod modifier;
mod number;
mod pattern;
mod program;
mod rule;
mod set;
mod test;
mod time;
mod value;
mod values;
mod view;
mod yaml;

pub use diagnostic::{CODES, Diagnostic, Severity};
pub use examples::{TestOutcome, run_tests};
pub use load::{Loaded, load};
pub use rule::{Rule, RuleTest};
pub use set::{MatchScratch, RuleSet, Strategy};
