//! SQL over the archive: archived CloudTrail objects as a table, and queries that are kept beside the rules.
//!
//! Read in this order. [`Prepared`] is one statement that only asks, with its parameters. [`Engine`] answers it: DataFusion plans, and
//! asks the table in `scan.rs` for columns and conditions. From the conditions `listing.rs` tells which keys may hold an answer and
//! leaps over the others; `index.rs` leaves out those that an index knows not to hold it; `wanted.rs` tells at a glance at a record's text that it is not wanted; and `rows.rs` makes rows of
//! those that are, by the same reading stage as rules are matched with. `columns.rs` is the table's shape, which is that of AWS's Athena
//! table, so the same SQL runs there: `ddl.rs` makes it. `own.rs` is our own tables beside it. `named.rs` reads queries that are kept, and `examples.rs` runs their examples.
//! `schedule.rs` tells which window of time one is asked about next, `findings.rs` what comes of its rows, and `runner.rs` asks. `page.rs` writes
//! `docs/queries.md`.

mod archive;
mod athena;
mod built;
mod columns;
mod ddl;
mod engine;
mod error;
mod examples;
mod findings;
mod index;
mod json;
mod listing;
mod memory;
pub mod named;
mod objects;
mod own;
mod page;
mod rows;
mod runner;
mod scan;
mod schedule;
mod sql;
mod wanted;

pub use archive::{Archive, Cost, Meter, Source};
pub use athena::for_athena;
pub use datafusion::arrow;
pub use ddl::{Location, ddl};
pub use engine::{Answer, Engine};
pub use error::QueryError;
pub use examples::{Outcome, rows, run_examples};
pub use findings::findings_of_rows;
pub use index::{Index, Indexed, Known, make_index};
pub use listing::DELIVERY_DAYS;
pub use own::{
    FINDINGS, Holds, INCIDENTS, METRICS_DAILY, OWN_TABLES, OwnColumn, OwnRows, OwnShape, RUNS,
    VERDICTS,
};
pub use page::reference;
pub use runner::{Runner, RunnerLimits, Tallied};
pub use schedule::{Cron, Next, Schedule, Ticks, Window};
pub use sql::{Bound, ForAthena, Parameters, Prepared};
