//! The integration tests of this crate, as one binary: the format from outside, and the resolver of targets with all shapes, real
//! records of attacks and arbitrary ones.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail the test that called them")]

mod bad_runbooks;
mod examples;
mod export;
mod identities;
mod real;
mod resolver_property;
mod runbooks_support;
mod support;
