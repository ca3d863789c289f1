//! The executor against accounts in this process: containment, proof, undo, and what must never happen.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail the test that called them")]

mod asked;
mod at_once;
mod canaries;
mod contain;
mod emulator;
mod hostile;
mod killed;
mod kit;
mod limits;
mod links;
mod origins;
mod quieted;
mod silent;
mod told;
