//! Messages that can never succeed are put aside with the reason, for a human.
//!
//! The parked message keeps its body, so that the queue's own redrive works on it; why it is there stands in its
//! attributes. What was good in its objects has been evaluated and its findings sent: only the damage waits.

use std::collections::BTreeMap;

use trailloop_cloud::{CloudError, CloudErrorKind, Message, Outgoing, character_allowed};
use trailloop_cloudtrail::notification::{Named, NotificationError};
use trailloop_cloudtrail::{Failure, ReadSummary};

use crate::counters::add;
use crate::{Accepted, Pipeline, Trouble};

/// The longest attribute value we write: enough for a key and a sentence.
const VALUE_CHARS_MAX: usize = 1500;

/// One reason why a message is not simply done.
pub(crate) enum Doubt {
    /// The message itself was not understood.
    Notification(NotificationError),
    /// An object cannot be had.
    Download { object: Named, error: CloudError },
    /// An object, or records of it, could not be read.
    Content { object: Named, read: ReadSummary },
    /// The action queue will never take a finding of an object.
    Finding { object: Named, error: CloudError },
    /// An object made a worker panic.
    Panic { object: Named, message: String },
}

impl Doubt {
    /// The reason's name, by which parked messages are sorted and sent back.
    fn reason(&self) -> &'static str {
        match self {
            Self::Notification(NotificationError::NotJson) => "notification_not_json",
            Self::Notification(NotificationError::UnknownForm) => "notification_unknown",
            Self::Notification(_) => "notification_incomplete",
            Self::Download { error, .. } => match error.kind() {
                CloudErrorKind::NotFound => "object_missing",
                CloudErrorKind::TooLarge => "object_too_large",
                CloudErrorKind::Denied => "object_denied",
                _ => "object_refused",
            },
            Self::Finding { .. } => "finding_refused",
            Self::Content { read, .. } if is_damaged(read) => "object_damaged",
            Self::Content { .. } => "records_refused",
            Self::Panic { .. } => "object_panicked",
        }
    }

    fn object(&self) -> Option<&Named> {
        match self {
            Self::Notification(_) => None,
            Self::Download { object, .. }
            | Self::Finding { object, .. }
            | Self::Content { object, .. }
            | Self::Panic { object, .. } => Some(object),
        }
    }

    /// One line that says what is wrong and where.
    fn detail(&self) -> String {
        match self {
            Self::Notification(error) => error.to_string(),
            Self::Download { error, .. } | Self::Finding { error, .. } => error.to_string(),
            Self::Panic { message, .. } => message.clone(),
            Self::Content { read, .. } => {
                let first = read.failed.as_ref().or(read.reports.first());
                let what = first.map_or_else(String::new, |report| {
                    let record =
                        report.index.map_or_else(String::new, |index| format!("record {index}, "));
                    format!("{record}offset {}: {}; ", report.offset, report.failure)
                });
                format!("{what}{} records evaluated, {} refused", read.records, read.records_failed)
            }
        }
    }
}

/// Whether the object itself is damaged, as opposed to some of its records.
fn is_damaged(read: &ReadSummary) -> bool {
    let structure = |failure: Failure| matches!(failure, Failure::EndsEarly | Failure::NotJson);
    read.failed.is_some() || read.reports.iter().any(|report| structure(report.failure))
}

impl Pipeline {
    /// Puts a copy of the message aside; done when the dead-letter queue has accepted it.
    pub(crate) async fn park(
        &self,
        message: &Message,
        doubts: &[Doubt],
    ) -> Result<Accepted, Trouble> {
        for doubt in doubts {
            let object = doubt.object().map(|object| format!("{}/{}", object.bucket, object.key));
            tracing::error!(
                message_id = %message.id,
                reason = doubt.reason(),
                object = object.as_deref().unwrap_or("none").escape_debug().to_string(),
                detail = doubt.detail(),
                "parking a message"
            );
        }
        let Some(dead_letters) = &self.dead_letters else { return Err(Trouble::NowhereToPark) };
        let parked = Outgoing {
            body: message.body.clone(),
            group: Some("parked".to_owned()),
            deduplication: Some(message.id.clone()),
            attributes: attributes(message, doubts),
        };
        for result in dead_letters.send(&[parked]).await.map_err(Trouble::Park)? {
            result.map_err(Trouble::Park)?;
        }
        add(&self.counters.messages_parked, 1);
        Ok(Accepted(()))
    }
}

/// Why the message is parked. The first doubt stands for all of them; the others are in the log.
fn attributes(message: &Message, doubts: &[Doubt]) -> BTreeMap<String, String> {
    let mut attributes = BTreeMap::new();
    let mut set = |name: &str, value: String| {
        let clean = |c: char| if character_allowed(c) { c } else { '\u{fffd}' };
        let value: String = value.chars().take(VALUE_CHARS_MAX).map(clean).collect();
        if !value.is_empty() {
            attributes.insert(format!("trailloop-{name}"), value);
        }
    };
    if let Some(doubt) = doubts.first() {
        set("reason", doubt.reason().to_owned());
        set("detail", doubt.detail());
        if let Some(object) = doubt.object() {
            set("bucket", object.bucket.clone());
            set("key", object.key.clone());
        }
    }
    set("doubts", doubts.len().to_string());
    set("message", message.id.clone());
    set("receives", message.receive_count.to_string());
    if let Some(sent_at_ms) = message.sent_at_ms {
        set("first-sent-ms", sent_at_ms.to_string());
    }
    attributes
}
