//! One contract for every kind of queue, store and table, and what each kind adds to it.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a helper of a test fails by panicking, and a skipped test says so"
)]

mod actions_answers;
mod actions_catalogue;
mod actions_contract;
mod actions_effects;
mod actions_fake;
mod athena_answers;
mod athena_emulators;
mod aws_answers;
mod aws_emulators;
mod fake_http;
mod local_durable;
mod memory_time;
mod notifier_answers;
mod queue_contract;
mod queue_kinds;
mod store_contract;
mod store_kinds;
mod table_answers;
mod table_contract;
mod table_kinds;
