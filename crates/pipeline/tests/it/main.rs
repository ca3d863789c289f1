//! The spine on in-memory queues and stores, on tokio's paused clock: order, parking, leases, draining, memory.

mod allocation;
mod ordered;
mod spine;
mod world;
