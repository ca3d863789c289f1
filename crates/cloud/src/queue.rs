//! The queue: messages are leased, kept, given back or deleted, and delivered at least once.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;

use crate::error::{CloudError, CloudErrorKind};

/// SQS refuses to keep a message invisible for longer than 12 hours, counted from its receipt.
pub const VISIBILITY_SECONDS_MAX: u64 = 43_200;

/// SQS carries at most ten attributes with a message.
pub const ATTRIBUTES_MAX: usize = 10;

/// SQS holds a receive open for at most 20 seconds; a longer wait is cut to this.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(20);

/// SQS takes and gives at most ten messages in one request.
pub(crate) const BATCH_ENTRIES_MAX: usize = 10;

/// What one send request may hold, bodies and attributes together. Queues made since 2025 may
/// take 1 MiB, older ones this much: what passes here passes everywhere.
pub(crate) const BATCH_BYTES_MAX: usize = 262_144;

/// The name of a lease on one delivery of one message. Each delivery has its own; only the newest
/// counts.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Receipt(pub String);

/// A message as it was delivered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// The queue's id for the message, the same in every delivery. Not a key to find duplicates
    /// by: a message sent twice, or sent on from a dead-letter queue, has another.
    pub id: String,
    /// The lease on this delivery.
    pub receipt: Receipt,
    /// The body as it was sent.
    pub body: String,
    /// The string attributes as they were sent.
    pub attributes: BTreeMap<String, String>,
    /// How often the message has been delivered, this time included; approximate on AWS.
    pub receive_count: u32,
    /// When it was first sent, in milliseconds of Unix time, if the queue says.
    pub sent_at_ms: Option<i64>,
}

/// A message to send.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Outgoing {
    /// The body: not empty, and only characters that [`character_allowed`] accepts.
    pub body: String,
    /// The group that keeps its order on a FIFO queue; not sent to a standard queue.
    pub group: Option<String>,
    /// On a FIFO queue, a second message with the same id within five minutes is accepted and
    /// dropped; not sent to a standard queue.
    pub deduplication: Option<String>,
    /// String attributes, at most [`ATTRIBUTES_MAX`], with names of letters, digits, `_`, `-`
    /// and `.`, and values that are not empty.
    pub attributes: BTreeMap<String, String>,
}

/// A queue that delivers each message at least once.
///
/// A received message is invisible to everyone else until its visibility ends; then it is
/// delivered again, under a new receipt. It leaves the queue only by [`Queue::delete`], by its
/// retention, or into the dead-letter queue after too many deliveries.
///
/// The slices may have any length: a kind splits them into requests of the size it can take.
/// Batch methods answer for each entry alone. If a whole request fails, its entries and those that
/// were not yet tried carry its error; the outer `Err` comes only when the very first request
/// fails, and then **nothing is known** of any entry: each may or may not have happened. In
/// every case, an entry without an `Ok` of its own must be taken as not done.
///
/// No method is safe to cancel: a dropped `receive` may leave messages leased to nobody until
/// their visibility ends, and a dropped `delete` or `send` may or may not have happened. Let a
/// begun call finish; `receive` does so within `wait` and one request.
#[async_trait]
pub trait Queue: Send + Sync + 'static {
    /// The queue's URL or path, for messages to people.
    fn name(&self) -> &str;

    /// Leases up to `messages_max` (1 to 10) messages for `visibility`, and waits up to `wait` (at
    /// most 20 seconds) for the first of them.
    ///
    /// `Ok` with messages: each is ours until `visibility` ends, counted from about now, and its
    /// receive count has grown by one. `Ok` with none: none was visible during `wait`; on AWS it can
    /// also mean that the queue's limit of messages in flight is reached. `Err`: messages may have
    /// been leased and lost on the way; they come back by themselves.
    async fn receive(
        &self,
        messages_max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Message>, CloudError>;

    /// Sets the rest of each lease to `visibility`, counted from now; zero gives the message back
    /// at once. Gives one result per receipt, in order.
    ///
    /// `Ok`: the message stays invisible until then, or for zero can be received at once by anyone.
    /// [`CloudErrorKind::Gone`]: the lease is lost; someone else may hold the message, so stop
    /// working on it. [`CloudErrorKind::Invalid`]: `visibility` would end more than 12 hours after
    /// the receive; the lease is unchanged.
    async fn extend(
        &self,
        receipts: &[Receipt],
        visibility: Duration,
    ) -> Result<Vec<Result<(), CloudError>>, CloudError>;

    /// Deletes each message. Gives one result per receipt, in order.
    ///
    /// `Ok`: the queue has accepted that this delivery is finished, and will not deliver the message
    /// again (on a standard AWS queue, almost never). It is also `Ok` if the message was deleted
    /// before, so an unclear delete may be repeated. [`CloudErrorKind::Gone`]: the receipt is not
    /// the newest, the message is still in the queue and is or will be someone else's; some AWS
    /// queues say `Ok` here instead and keep the message.
    async fn delete(&self, receipts: &[Receipt])
    -> Result<Vec<Result<(), CloudError>>, CloudError>;

    /// Sends each message. Gives one result per message, in order.
    ///
    /// `Ok`: the queue holds the message durably and will deliver it at least once (or, with a
    /// deduplication id on a FIFO queue, already held it). `Err` for an entry: take it as not sent
    /// and send it again; it may yet arrive twice. [`CloudErrorKind::Invalid`] and
    /// [`CloudErrorKind::TooLarge`]: this message will never be accepted as it is, and the others
    /// of the batch are not affected.
    async fn send(&self, messages: &[Outgoing]) -> Result<Vec<Result<(), CloudError>>, CloudError>;
}

/// Whether SQS carries this character in a body or an attribute. It carries tab, line feed, carriage
/// return, and U+0020 up without surrogates, U+FFFE and U+FFFF.
pub fn character_allowed(character: char) -> bool {
    matches!(character,
        '\u{9}' | '\u{A}' | '\u{D}'
        | '\u{20}'..='\u{D7FF}'
        | '\u{E000}'..='\u{FFFD}'
        | '\u{10000}'..='\u{10FFFF}')
}

/// Refuses what SQS would refuse, so that every kind answers alike and one bad message never
/// spoils the request it would have travelled in.
pub(crate) fn check_outgoing(queue: &str, message: &Outgoing) -> Result<(), CloudError> {
    let invalid = |code: &str, text: String| {
        Err(CloudError::new(CloudErrorKind::Invalid, "send", queue, text).with_code(code))
    };
    if message.body.is_empty() {
        return invalid("MissingParameter", "the body is empty".to_owned());
    }
    if let Some((place, character)) =
        message.body.char_indices().find(|(_, character)| !character_allowed(*character))
    {
        return invalid(
            "InvalidMessageContents",
            format!(
                "the body has U+{:04X} at byte {place}; escape it before sending",
                u32::from(character)
            ),
        );
    }
    if message.attributes.len() > ATTRIBUTES_MAX {
        return invalid(
            "InvalidParameterValue",
            format!(
                "{} attributes, and a message carries at most {ATTRIBUTES_MAX}",
                message.attributes.len()
            ),
        );
    }
    for (name, value) in &message.attributes {
        if !attribute_name_allowed(name) {
            return invalid(
                "InvalidParameterValue",
                format!("the attribute name {name:?} is not of letters, digits, '_', '-', '.'"),
            );
        }
        if value.is_empty() || !value.chars().all(character_allowed) {
            return invalid(
                "InvalidParameterValue",
                format!("the value of attribute {name} is empty or has a refused character"),
            );
        }
    }
    let bytes = outgoing_bytes(message);
    if bytes > BATCH_BYTES_MAX {
        return Err(CloudError::new(
            CloudErrorKind::TooLarge,
            "send",
            queue,
            format!("the message has {bytes} bytes, and the queue takes {BATCH_BYTES_MAX}"),
        ));
    }
    Ok(())
}

/// How many of the next messages fit into one request. Each fits alone, as was checked.
pub(crate) fn batch_length<'m>(next: impl IntoIterator<Item = &'m Outgoing>) -> usize {
    let mut bytes = 0;
    let mut length = 0;
    for message in next.into_iter().take(BATCH_ENTRIES_MAX) {
        bytes += outgoing_bytes(message);
        if length > 0 && bytes > BATCH_BYTES_MAX {
            break;
        }
        length += 1;
    }
    length
}

/// The size SQS counts: body, and name, type and value of each attribute.
fn outgoing_bytes(message: &Outgoing) -> usize {
    let attributes: usize = message
        .attributes
        .iter()
        .map(|(name, value)| name.len() + "String".len() + value.len())
        .sum();
    message.body.len() + attributes
}

fn attribute_name_allowed(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    !name.is_empty()
        && name.len() <= 256
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
        && !name.starts_with('.')
        && !name.ends_with('.')
        && !name.contains("..")
        && !lower.starts_with("aws.")
        && !lower.starts_with("amazon.")
}

/// Refuses a batch size that SQS would refuse.
pub(crate) fn check_messages_max(queue: &str, messages_max: usize) -> Result<(), CloudError> {
    if (1..=BATCH_ENTRIES_MAX).contains(&messages_max) {
        return Ok(());
    }
    Err(CloudError::new(
        CloudErrorKind::Invalid,
        "receive",
        queue,
        format!("messages_max is {messages_max}, and must be 1 to {BATCH_ENTRIES_MAX}"),
    ))
}

/// Refuses a visibility that SQS would refuse.
pub(crate) fn check_visibility(
    operation: &'static str,
    queue: &str,
    visibility: Duration,
) -> Result<(), CloudError> {
    if visibility <= Duration::from_secs(VISIBILITY_SECONDS_MAX) {
        return Ok(());
    }
    Err(CloudError::new(
        CloudErrorKind::Invalid,
        operation,
        queue,
        format!(
            "a visibility of {} s is beyond the limit of {VISIBILITY_SECONDS_MAX} s",
            visibility.as_secs()
        ),
    )
    .with_code("InvalidParameterValue"))
}

/// The error of a receipt that no longer names a lease.
pub(crate) fn receipt_gone(operation: &'static str, queue: &str, receipt: &Receipt) -> CloudError {
    CloudError::new(
        CloudErrorKind::Gone,
        operation,
        queue,
        format!("receipt {} is no longer valid: the lease lapsed or was taken over", receipt.0),
    )
    .with_code("ReceiptHandleIsInvalid")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outgoing(body: &str) -> Outgoing {
        Outgoing { body: body.to_owned(), ..Outgoing::default() }
    }

    #[test]
    fn characters_at_the_edges_of_what_sqs_carries() {
        let allowed = "\t\n\r \u{D7FF}\u{E000}\u{FFFD}\u{10000}\u{10FFFF}";
        assert!(allowed.chars().all(character_allowed));
        let refused = "\0\u{1}\u{8}\u{B}\u{C}\u{1F}\u{FFFE}\u{FFFF}";
        assert!(!refused.chars().any(character_allowed));
    }

    #[test]
    fn a_refused_character_is_named_with_its_place() {
        let error = check_outgoing("q", &outgoing("{\"agent\":\"\u{FFFF}\"}")).unwrap_err();
        assert_eq!(error.kind(), CloudErrorKind::Invalid);
        assert_eq!(
            error.to_string(),
            "send q: InvalidMessageContents: the body has U+FFFF at byte 10; escape it before \
             sending (invalid)"
        );
    }

    #[test]
    fn requests_hold_ten_messages_or_what_fits() {
        let sized = |bytes: usize| Outgoing { body: "x".repeat(bytes), ..Outgoing::default() };
        let small = vec![sized(10); 25];
        assert_eq!(batch_length(&small), 10);
        assert_eq!(batch_length(&small[20..]), 5);
        assert_eq!(batch_length(&vec![sized(100_000); 5]), 2);
        assert_eq!(batch_length(&vec![sized(BATCH_BYTES_MAX); 2]), 1);
    }

    #[test]
    fn sizes_count_attributes_too() {
        let mut message = outgoing(&"x".repeat(BATCH_BYTES_MAX - 10));
        assert!(check_outgoing("q", &message).is_ok());
        message.attributes.insert("name".to_owned(), "v".to_owned());
        let error = check_outgoing("q", &message).unwrap_err();
        assert_eq!(error.kind(), CloudErrorKind::TooLarge);
    }

    #[test]
    fn attribute_names_and_values_are_checked() {
        for (name, value) in
            [("", "v"), ("a b", "v"), ("AWS.x", "v"), ("a..b", "v"), ("a", ""), ("a", "\u{0}")]
        {
            let mut message = outgoing("x");
            message.attributes.insert(name.to_owned(), value.to_owned());
            let error = check_outgoing("q", &message).unwrap_err();
            assert_eq!(error.kind(), CloudErrorKind::Invalid, "{name:?} {value:?}");
        }
    }
}
