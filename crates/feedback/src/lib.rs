//! What results and verdicts teach.
//!
//! A finding is kept ([`Entry`]) and repeats fold into it; those of one credential or target are one [`Incident`]. People say what
//! it was ([`Opinion`], [`Standing`]); from what they say follows how often its rule is right ([`Posterior`]), how much risk an
//! entity has gathered ([`risk()`]) and what to look at first ([`Priority`], [`Ranked`]). From attacks follows what is likely next
//! ([`Follows`]), for which an open incident is armed ([`Plan`]). All of it is counted ([`metrics`]) and shown ([`report::Report`]).
//!
//! What follows by itself goes towards safety alone ([`safety`]): an order within bounds, a runbook that asks again, an alarm. What
//! hides or acts more is a file that people review.
//!
//! Everything here is values in, values out; time is handed in, in milliseconds of Unix time.

mod beta;
mod chart;
mod context;
pub mod daily;
pub mod drift;
mod entry;
mod follow;
mod incident;
mod incident_json;
mod judgement;
pub mod ladder;
mod level_name;
pub mod metrics;
pub mod names;
mod observed;
mod overall;
mod plan;
mod posterior;
mod quality;
mod rank;
pub mod report;
mod report_text;
mod risk;
pub mod runs;
pub mod safety;
mod shown;
mod times;
mod uids;

pub use context::{Known, Neighbours};
pub use entry::{Clocks, Entry, Made, Unreadable};
pub use follow::{Armed, Because, Bounds, Follows, Ground, Step, WITHIN_MS};
pub use incident::{
    ENTITIES_MAX, GAP_MS, Incident, MEMBERS_MAX, Member, Status, Taken, entities_of,
};
pub use incident_json::Activity;
pub use judgement::{Judgement, Opinion, Reason, Standing};
pub use plan::{DUE_MS, Plan, QUERIES_MAX};
pub use posterior::{
    Change, Label, Posterior, accuracy_of_agreement, bound_of_none, rogan_gladen, wilson,
};
pub use quality::{brier, hits_in_top, ndcg};
pub use rank::{Benign, Effect, Features, Priority, Ranked, Seen, Term, Weights};
pub use risk::{Contribution, Criticality, risk, score_of};
pub use uids::{UIDS_MAX, Uids};
