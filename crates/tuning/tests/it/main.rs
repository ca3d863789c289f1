//! Proposals from outside: what is mined, what the gates refuse, what the written file does, and what no attacker gets by.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail the test that called them")]

mod gates;
mod learnt;
mod prevention;
mod property;
mod proposals;
mod revised;
mod simulated;
mod sixty_days;
mod support;
mod tripwires;
