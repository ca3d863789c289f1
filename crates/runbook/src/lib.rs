//! Runbooks: what to do about a finding, written down so that it can be checked before it runs.
//!
//! Everything here is pure: files and values in, plans, policies and diagnostics out; no clock, no network, no AWS. A file is
//! a Systems Manager Automation document of schema 0.3 with one more key, `trailloop`. [`load`] reads it into a [`Runbook`],
//! [`resolve`] tells from a record whom to act on, and expressions bind what a finding says to typed parameters, the
//! only way by which text of a log reaches a call. [`catalogue`] is closed: an API that does not stand there is never called.
//!
//! In suggested reading order: `document` is the format as types, `load` reads it, `expression` and `template` fill it in, `call`
//! and `catalogue` are what may be asked of AWS, `select` looks into its answers, `policy` says which rights that takes,
//! `target` and `lineage` find whom to act on, `check` holds it all together, `trial` runs a runbook's own tests.

pub mod call;
pub mod catalogue;
pub mod document;
pub mod expression;
pub mod policy;
pub mod select;
pub mod target;

pub use call::Call;
pub use document::Runbook;
pub use target::{Class, Refusal, Target};
