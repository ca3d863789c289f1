//! Why an object or a record could not be read, and where.

use thiserror::Error;

/// Why an object or a record could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Failure {
    /// The object has no bytes.
    #[error("the object is empty")]
    Empty,
    /// The gzip stream ends early.
    #[error("the gzip stream ends early: the object was cut; fetch it again or restore it")]
    GzipTruncated,
    /// The gzip stream is damaged.
    #[error("the gzip stream is damaged; restore the object from another copy")]
    GzipCorrupt,
    /// The gzip stream's checksum or length is wrong.
    #[error("the gzip checksum does not fit; restore the object from another copy")]
    GzipChecksum,
    /// Bytes that are not gzip follow a gzip member.
    #[error("bytes that are not gzip follow the gzip stream")]
    GzipTrailing,
    /// The object inflates to more than it may.
    #[error(
        "the object inflates to more than {bytes_max} bytes; raise limits.raw_bytes_max of the service if it is genuine"
    )]
    ObjectTooLarge {
        /// The limit.
        bytes_max: u64,
    },
    /// The object holds more records than it may.
    #[error(
        "the object holds more than {records_max} records; raise limits.records_max of the service if it is genuine"
    )]
    TooManyRecords {
        /// The limit.
        records_max: u64,
    },
    /// Text stands where a record, a key or a bracket should.
    #[error("not JSON here")]
    NotJson,
    /// The text ends inside a record or before its array closes.
    #[error("the text ends before its last record or array is closed")]
    EndsEarly,
    /// The record is longer than it may be.
    #[error(
        "the record is longer than {bytes_max} bytes; raise limits.record_bytes_max of the service if it is genuine"
    )]
    RecordTooLong {
        /// The limit.
        bytes_max: u64,
    },
    /// The record nests deeper than it may.
    #[error("the record nests deeper than {depth_max} levels")]
    TooDeep {
        /// The limit.
        depth_max: u32,
    },
    /// The record holds bytes that are not UTF-8.
    #[error("the record holds bytes that are not UTF-8")]
    NotUtf8,
    /// A string of the record holds a wrong escape or half a surrogate pair.
    #[error("a string of the record holds a wrong escape or half a surrogate pair")]
    BadEscape,
    /// The record is not valid JSON.
    #[error("the record is not valid JSON")]
    BadRecord,
    /// The element is not an object.
    #[error("not an object, so not a record")]
    NotObject,
    /// Whoever took the records wanted no more.
    #[error("reading was stopped before the object's end")]
    Stopped,
    /// The object has none of the fields every record has.
    #[error(
        "the object has no eventVersion, eventName, eventSource or eventTime, so it is no record"
    )]
    NotRecord,
}

/// A failure and where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// What is wrong.
    pub failure: Failure,
    /// The offset in the inflated object.
    pub offset: u64,
    /// The position of the record it concerns, if it concerns one.
    pub index: Option<u64>,
}
