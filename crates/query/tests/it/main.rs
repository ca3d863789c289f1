//! Queries over objects in memory.

#![expect(clippy::unwrap_used, reason = "a test that can't set up fails")]

mod ask;
mod dialects;
mod kit;
mod needle;
mod other_engine;
mod pruning;
mod scheduled;
mod shipped;
mod stratus;
