//! The CloudTrail log format: object keys, notifications, inflation under a cap, records as rules see them.
//!
//! Everything here is pure: bytes in, values out; no clock, no files, no network, and no input that panics.
//! In suggested reading order: an S3 [notification] names objects; a [key] tells what an object is before it is
//! downloaded; [`read_records`] inflates and splits it into blocks of whole records and hands each [`Record`] on;
//! [`read_wanted`] does so with those only that its [`Reader`] finds worth parsing by a [`Glance`].

pub mod key;
pub mod notification;
pub mod raw;

mod embedded;
mod failure;
mod glance;
mod inflate;
mod nodes;
mod parse;
mod read;
mod record;
mod split;
mod structure;
mod text;

pub use embedded::JsonTexts;
pub use failure::{Failure, Report};
pub use glance::{Glance, Inside, Keys, Sight, Verdict};
pub use key::{Contents, LogKey};
pub use nodes::Seen;
pub use parse::RecordBuffer;
pub use read::{Limits, ReadSummary, Reader, Scratch, Taken, read_records, read_wanted};
pub use record::{
    Elements, Kind, Members, MembersAt, Number, NumberValue, Position, Record, Value,
};
