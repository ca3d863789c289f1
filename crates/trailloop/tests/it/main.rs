//! Integration tests of the binary, and of the repository's own rules.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod api;
mod athena;
mod binary;
mod content;
mod index;
mod killed_process;
#[expect(
    dead_code,
    unreachable_pub,
    reason = "it is public to the benchmarks, which use all of it"
)]
#[path = "../../../../benches/src/proxy.rs"]
mod proxy;
mod queries;
mod rules;
mod runbooks;
mod scheduled;
mod service;
mod support;
mod tidy;
mod tuned;
