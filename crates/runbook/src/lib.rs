//! Runbooks: what to do about a finding, written down so that it can be checked before it runs.
//!
//! Everything here is pure: files and values in, plans, policies and diagnostics out; no clock, no network, no AWS. A file is
//! a Systems Manager Automation document of schema 0.3 with one more key, `trailloop`. [`load`] reads it into a [`Runbook`],
//! [`resolve`] tells from a record whom to act on, and expressions bind what a finding says to typed parameters, the
//! only way by which text of a log reaches a call. [`catalogue`] is closed: an API that does not stand there is never called.
//!
//! In suggested reading order: `document` is the format as types, `load` reads it, `expression`, `template` and `fill` fill it in, `call`
//! and `catalogue` are what may be asked of AWS, `select` looks into its answers, `policy` says which rights that takes,
//! `target` and `lineage` find whom to act on, `resource` what a call acted on and `inverse` how it is taken back,
//! `check` holds it all together, `trial` runs a runbook's own tests, and `export` writes it for others.

pub mod before;
pub mod call;
pub mod catalogue;
mod check;
mod diagnostic;
pub mod document;
pub mod export;
pub mod expression;
pub mod fill;
pub mod inverse;
pub mod lineage;
mod load;
pub mod policy;
pub mod resource;
pub mod select;
pub mod target;
pub mod template;
pub mod trial;

pub use call::Call;
pub use check::check_set;
pub use diagnostic::{CODES, Diagnostic, Severity};
pub use document::Runbook;
pub use expression::Expression;
pub use fill::{Parameters, bind, choose, choose_all, redirect};
pub use lineage::Lineage;
pub use load::{Find, Known, Loaded, load, load_with};
pub use resource::Resource;
pub use target::{Class, Refusal, Target, resolve};
pub use template::Values;
