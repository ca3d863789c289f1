//! The spine on in-memory queues and stores, on tokio's paused clock: order, parking, leases, draining, memory.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod allocation;
mod batches;
mod indexing;
mod live;
mod ordered;
mod requests;
mod spine;
mod world;
