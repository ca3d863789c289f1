//! Integration tests of the binary, and of the repository's own rules.

mod binary;
mod service;
mod tidy;
