//! The integration tests of this crate, as one binary.

mod bad_runbooks;
mod examples;
mod export;
mod support;
