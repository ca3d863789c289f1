//! Integration tests of the binary, and of the repository's own rules.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod binary;
mod content;
mod rules;
mod runbooks;
mod service;
mod support;
mod tidy;
