//! SNS: telling people and programs.

use aws_sdk_sns::Client;

use super::apis;
use super::json::object;

apis! { |_: &super::Caller<'_>, config: &_| Client::new(config);
    "Publish" publish (
        set_topic_arn name("TopicArn"), set_subject text("Subject"), set_message name("Message"),
        set_message_structure text("MessageStructure"), set_message_group_id text("MessageGroupId"),
        set_message_deduplication_id text("MessageDeduplicationId"))
        answer => object! {
            "MessageId": answer.message_id(), "SequenceNumber": answer.sequence_number(),
        };
}
