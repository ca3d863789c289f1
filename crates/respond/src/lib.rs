//! Finding in, runbook run, effect verified, undone if wrong.
//!
//! Read [`responder`] first: it is the spine. Around it, in the order in which a finding meets them: [`hint`] is what a message
//! claims, [`confirm`] makes the finding again from the archive, [`store`] keeps it for people (`take_up`), `quiet` lets filters move it down as long as they hold, `tables` lists it for SQL, `ask` asks its questions, `armed` those of what is likely next, `context` is what expressions see, `plan` and `guards` decide,
//! `radius` says what would stop, `resting` waits for people, `before` keeps what a runbook wants kept first, `steps` runs the runbook, `change` gives each changing call exactly one effect, `watch` and
//! `scan` prove it or call others, `undo` takes it back. [`run`] is what is kept of a run; [`rows`], [`holds`], [`budget`] and
//! [`voices`] are the rows of the state table around it, `memory` is what a worker remembers by itself, [`ledger`] the chain that everything is written into, by `entries`. [`alert`],
//! [`token`], [`links`], `tell`, `receivers` and `verdicts` are how people hear of it and answer; `keep`, [`evidence`] and [`ocsf`] are what others can check, `own` is what it finds about itself. Last, since nothing waits for them:
//! `usual` counts how rare a call was, [`canary`] and `silent` see whether what watches would see, `hub` hears what people say in Security Hub;
//! [`looks`] says when each of these is due.
//! [`service`] runs all of it, `lanes` says what is first when there is much.

pub mod alert;
mod armed;
mod ask;
mod before;
pub mod budget;
pub mod canary;
mod change;
mod confidence;
pub mod confirm;
mod context;
mod entries;
pub mod evidence;
mod guards;
pub mod hint;
pub mod holds;
mod hub;
mod keep;
mod lanes;
pub mod ledger;
pub mod links;
pub mod looks;
mod memory;
pub mod ocsf;
mod origin;
mod outcome;
mod own;
mod plan;
mod quiet;
mod radius;
mod receivers;
pub mod responder;
mod resting;
pub mod rows;
pub mod run;
mod scan;
pub mod service;
mod settings;
mod silent;
mod steps;
pub mod store;
mod switch;
mod tables;
mod take_up;
pub mod tell;
mod time;
pub mod token;
mod undo;
mod usual;
mod verdicts;
pub mod voices;
mod watch;

pub use ask::{Queries, answers_of};
pub use change::{Change, Standing};
pub use context::Case;
pub use responder::{Halt, Handled, Responder};
pub use run::{Phase, Run};
pub use settings::Settings;
pub use switch::Switch;
pub use tables::{StateRows, day_of, own_tables};
pub use time::rfc3339;
