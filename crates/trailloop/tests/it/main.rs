//! Integration tests of the binary, and of the repository's own rules.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests fail by panicking and tell what they skipped or measured"
)]

mod binary;
mod service;
mod tidy;
