//! What the benchmarks share: records from a seed and real ones, and rules of the shape of the public ones.
//!
//! Results are ratios from one run on one machine; `benches/runs/` keeps them with the command that repeats them.

pub mod apis;
pub mod contest;
pub mod records;
pub mod rules;

pub use records::corpus;
pub use rules::{compile, synthetic_rules};
