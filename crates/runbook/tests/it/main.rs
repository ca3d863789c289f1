//! The integration tests of this crate, as one binary.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail the test that called them")]

mod bad_runbooks;
mod examples;
mod export;
mod support;
