//! The resolver of targets from outside: all shapes, real records of attacks, arbitrary ones.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail the test that called them")]

mod identities;
mod real;
mod resolver_property;
mod support;
