//! The shipped rules on attacks as they were really carried out, the shipped runbooks on the rules, and the policies to deploy.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod attacks;
mod deploy;
mod follow;
mod runbooks;

use std::path::{Path, PathBuf};

/// The root of the repository.
fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}
