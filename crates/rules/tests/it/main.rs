//! The rule engine from outside: semantics case by case, public rules on real records, diagnostics of bad rules, the
//! compiled matcher against a naive one, and its allocations.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail the test that called them")]

mod about;
mod allocation;
mod bad_rules;
mod cases;
mod collections;
mod derived;
mod enriched;
mod examples;
mod filters;
mod gate;
mod lint;
mod lists;
mod naive;
mod property;
mod property_derived;
mod property_filters;
mod property_scopes;
mod property_strings;
mod public_rules;
mod quiet;
mod real;
mod scopes;
mod sketch;
mod support;
mod texts;
