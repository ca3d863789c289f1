//! SQS: requests split to what it takes, answers read entry by entry.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry,
    DeleteMessageBatchRequestEntry, MessageAttributeValue, MessageSystemAttributeName,
    SendMessageBatchRequestEntry,
};

use super::failure::{from_entry, from_sdk};
use crate::error::{CloudError, CloudErrorKind};
use crate::queue::{
    BATCH_ENTRIES_MAX, Message, Outgoing, Queue, Receipt, WAIT_MAX, batch_length,
    check_messages_max, check_outgoing, check_visibility,
};

/// A queue of SQS. A URL that ends in `.fifo` is a FIFO queue.
///
/// SQS counts in whole seconds, so waits and visibilities are rounded up.
#[derive(Clone, Debug)]
pub struct AwsQueue {
    client: Client,
    url: String,
    fifo: bool,
}

impl AwsQueue {
    pub(crate) fn new(client: Client, url: String) -> Self {
        let fifo = url.ends_with(".fifo");
        Self { client, url, fifo }
    }

    async fn extend_batch(
        &self,
        receipts: &[Receipt],
        seconds: i32,
    ) -> Result<Vec<Result<(), CloudError>>, CloudError> {
        let mut request = self.client.change_message_visibility_batch().queue_url(&self.url);
        for (index, receipt) in receipts.iter().enumerate() {
            let entry = ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(index.to_string())
                .receipt_handle(&receipt.0)
                .visibility_timeout(seconds)
                .build()
                .map_err(|failure| self.unbuilt("extend", &failure))?;
            request = request.entries(entry);
        }
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(failure) => return Err(from_sdk("extend", &self.url, &failure)),
        };
        let done = answer.successful().iter().map(|entry| entry.id());
        Ok(self.by_entry("extend", receipts.len(), done, answer.failed()))
    }

    async fn delete_batch(
        &self,
        receipts: &[Receipt],
    ) -> Result<Vec<Result<(), CloudError>>, CloudError> {
        let mut request = self.client.delete_message_batch().queue_url(&self.url);
        for (index, receipt) in receipts.iter().enumerate() {
            let entry = DeleteMessageBatchRequestEntry::builder()
                .id(index.to_string())
                .receipt_handle(&receipt.0)
                .build()
                .map_err(|failure| self.unbuilt("delete", &failure))?;
            request = request.entries(entry);
        }
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(failure) => return Err(from_sdk("delete", &self.url, &failure)),
        };
        let done = answer.successful().iter().map(|entry| entry.id());
        Ok(self.by_entry("delete", receipts.len(), done, answer.failed()))
    }

    async fn send_batch(
        &self,
        messages: &[&Outgoing],
    ) -> Result<Vec<Result<(), CloudError>>, CloudError> {
        let mut request = self.client.send_message_batch().queue_url(&self.url);
        for (index, message) in messages.iter().enumerate() {
            request = request.entries(self.send_entry(index, message)?);
        }
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(failure) => return Err(from_sdk("send", &self.url, &failure)),
        };
        let done = answer.successful().iter().map(|entry| entry.id());
        Ok(self.by_entry("send", messages.len(), done, answer.failed()))
    }

    fn send_entry(
        &self,
        index: usize,
        message: &Outgoing,
    ) -> Result<SendMessageBatchRequestEntry, CloudError> {
        let mut entry = SendMessageBatchRequestEntry::builder()
            .id(index.to_string())
            .message_body(&message.body);
        // A standard queue refuses a deduplication id.
        if self.fifo {
            entry = entry
                .set_message_group_id(message.group.clone())
                .set_message_deduplication_id(message.deduplication.clone());
        }
        for (name, value) in &message.attributes {
            let value = MessageAttributeValue::builder()
                .data_type("String")
                .string_value(value)
                .build()
                .map_err(|failure| self.unbuilt("send", &failure))?;
            entry = entry.message_attributes(name, value);
        }
        entry.build().map_err(|failure| self.unbuilt("send", &failure))
    }

    /// One result for each entry. An entry that the answer does not name is taken as not done.
    fn by_entry<'a>(
        &self,
        operation: &'static str,
        entries: usize,
        done: impl Iterator<Item = &'a str>,
        failed: &[BatchResultErrorEntry],
    ) -> Vec<Result<(), CloudError>> {
        let mut results: Vec<_> = std::iter::repeat_with(|| {
            Err(CloudError::new(
                CloudErrorKind::Transient,
                operation,
                &self.url,
                "the answer does not name this entry",
            ))
        })
        .take(entries)
        .collect();
        for id in done {
            if let Some(result) = id.parse::<usize>().ok().and_then(|at| results.get_mut(at)) {
                *result = Ok(());
            }
        }
        for entry in failed {
            if let Some(result) =
                entry.id().parse::<usize>().ok().and_then(|at| results.get_mut(at))
            {
                *result = Err(from_entry(
                    operation,
                    &self.url,
                    entry.code(),
                    entry.sender_fault(),
                    entry.message(),
                ));
            }
        }
        results
    }

    fn unbuilt(
        &self,
        operation: &'static str,
        failure: &aws_sdk_sqs::error::BuildError,
    ) -> CloudError {
        CloudError::new(CloudErrorKind::Invalid, operation, &self.url, failure.to_string())
    }
}

#[async_trait]
impl Queue for AwsQueue {
    fn name(&self) -> &str {
        &self.url
    }

    async fn receive(
        &self,
        messages_max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Message>, CloudError> {
        check_messages_max(&self.url, messages_max)?;
        check_visibility("receive", &self.url, visibility)?;
        let answer = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(i32::try_from(messages_max).unwrap_or(1))
            .wait_time_seconds(whole_seconds(wait.min(WAIT_MAX)))
            .visibility_timeout(whole_seconds(visibility))
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .message_attribute_names("All")
            .send()
            .await
            .map_err(|failure| from_sdk("receive", &self.url, &failure))?;
        Ok(answer.messages.unwrap_or_default().into_iter().filter_map(message).collect())
    }

    async fn extend(
        &self,
        receipts: &[Receipt],
        visibility: Duration,
    ) -> Result<Vec<Result<(), CloudError>>, CloudError> {
        check_visibility("extend", &self.url, visibility)?;
        let seconds = whole_seconds(visibility);
        let mut results = Vec::with_capacity(receipts.len());
        for batch in receipts.chunks(BATCH_ENTRIES_MAX) {
            match self.extend_batch(batch, seconds).await {
                Ok(batch) => results.extend(batch),
                Err(failure) => return give_up(results, receipts.len(), failure),
            }
        }
        Ok(results)
    }

    async fn delete(
        &self,
        receipts: &[Receipt],
    ) -> Result<Vec<Result<(), CloudError>>, CloudError> {
        let mut results = Vec::with_capacity(receipts.len());
        for batch in receipts.chunks(BATCH_ENTRIES_MAX) {
            match self.delete_batch(batch).await {
                Ok(batch) => results.extend(batch),
                Err(failure) => return give_up(results, receipts.len(), failure),
            }
        }
        Ok(results)
    }

    async fn send(&self, messages: &[Outgoing]) -> Result<Vec<Result<(), CloudError>>, CloudError> {
        // What SQS would refuse never travels: some answers refuse the whole request for it.
        let mut results: Vec<_> =
            messages.iter().map(|message| check_outgoing(&self.url, message)).collect();
        let good: Vec<usize> = (0..messages.len()).filter(|at| results[*at].is_ok()).collect();
        let mut first = true;
        let mut rest = good.as_slice();
        while !rest.is_empty() {
            let (batch, after) = rest.split_at(batch_length(rest.iter().map(|at| &messages[*at])));
            let outgoing: Vec<&Outgoing> = batch.iter().map(|at| &messages[*at]).collect();
            match self.send_batch(&outgoing).await {
                Ok(sent) => {
                    for (at, result) in batch.iter().zip(sent) {
                        results[*at] = result;
                    }
                }
                Err(failure) if first => return Err(failure),
                Err(failure) => {
                    for at in rest {
                        results[*at] = Err(failure.clone());
                    }
                    break;
                }
            }
            first = false;
            rest = after;
        }
        Ok(results)
    }
}

/// The results when a request of a batch failed as a whole: see [`Queue`] on the outer `Err`.
fn give_up(
    mut results: Vec<Result<(), CloudError>>,
    entries: usize,
    failure: CloudError,
) -> Result<Vec<Result<(), CloudError>>, CloudError> {
    if results.is_empty() {
        return Err(failure);
    }
    results.resize(entries, Err(failure));
    Ok(results)
}

/// A message without receipt or body cannot be worked on or let go of; SQS sends none such.
fn message(received: aws_sdk_sqs::types::Message) -> Option<Message> {
    let system = |name: MessageSystemAttributeName| {
        received.attributes.as_ref().and_then(|attributes| attributes.get(&name))
    };
    let receive_count = system(MessageSystemAttributeName::ApproximateReceiveCount)
        .and_then(|count| count.parse().ok())
        .unwrap_or(1);
    let sent_at_ms =
        system(MessageSystemAttributeName::SentTimestamp).and_then(|sent| sent.parse().ok());
    let attributes: BTreeMap<String, String> = received
        .message_attributes
        .unwrap_or_default()
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.string_value?)))
        .collect();
    Some(Message {
        id: received.message_id.unwrap_or_default(),
        receipt: Receipt(received.receipt_handle?),
        body: received.body?,
        attributes,
        receive_count,
        sent_at_ms,
    })
}

/// Whole seconds, rounded up; the callers have checked the upper limit.
fn whole_seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_nanos().div_ceil(1_000_000_000)).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_rounded_up() {
        assert_eq!(whole_seconds(Duration::ZERO), 0);
        assert_eq!(whole_seconds(Duration::from_millis(1)), 1);
        assert_eq!(whole_seconds(Duration::from_secs(20)), 20);
    }

    #[test]
    fn a_request_that_fails_later_spoils_what_follows_it() {
        let failure = CloudError::new(CloudErrorKind::Transient, "delete", "q", "reset");
        assert!(give_up(Vec::new(), 12, failure.clone()).is_err());
        let results = give_up(vec![Ok(()); 10], 12, failure).unwrap();
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 10);
        assert_eq!(results.len(), 12);
    }
}
