//! Facts that do not stand in the log: where an address lies, whose an account is, who owns a principal, what is
//! expected.
//!
//! An operator keeps them in files: address databases ([`Places`]), tables of accounts ([`Accounts`]) and principals
//! ([`Principals`]), and a file about the environment ([`Environment`]). Each is read from bytes into a value, or refused
//! with all its problems at once. [`Enrichment`] holds those that there are and answers for one distinct value at a time;
//! [`Enriched`] names the fields that rules can test, and says which file a field needs. What is not known is `None`,
//! never a guess: a rule must be able to tell "not expected" from "nobody said".
//!
//! The files come from elsewhere, too: whatever stands in them, nothing here panics, and what is kept of them is bounded.
//!
//! `docs/enrichment.md` is the description for readers; start reading code at `enrichment.rs`.

mod accounts;
mod address;
mod cache;
mod countries;
mod enriched;
mod enrichment;
mod environment;
mod flat;
mod places;
mod principals;
mod problem;
mod settings;
mod standing;
mod table;
mod text;
mod wildcard;

pub use accounts::{Account, Accounts};
pub use address::is_private;
pub use cache::{PLACES_CACHED_MAX, PlaceCache};
pub use enriched::{Enriched, FIELDS};
pub use enrichment::Enrichment;
pub use environment::{Environment, LIST_ENTRIES_MAX};
pub use places::{DATABASE_BYTES_MAX, Place, Places};
pub use principals::{Principal, Principals, WILDCARD_ROWS_MAX};
pub use problem::{Problem, Problems, Severity};
pub use settings::ENVIRONMENT_BYTES_MAX;
pub use standing::Standing;
pub use table::{TABLE_BYTES_MAX, TABLE_ROWS_MAX};
pub use text::is_odd;
