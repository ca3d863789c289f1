//! SQS: a message to a queue that a runbook names.

use aws_sdk_sqs::Client;

use super::apis;
use super::json::object;

apis! { |_: &super::Caller<'_>, config: &_| Client::new(config);
    "SendMessage" send_message (
        set_queue_url name("QueueUrl"), set_message_body name("MessageBody"),
        set_delay_seconds number("DelaySeconds"), set_message_group_id text("MessageGroupId"),
        set_message_deduplication_id text("MessageDeduplicationId"))
        answer => object! {
            "MessageId": answer.message_id(),
            "MD5OfMessageBody": answer.md5_of_message_body(),
            "SequenceNumber": answer.sequence_number(),
        };
}
