//! An alert for an SNS topic: a subject, and the plain text.
//!
//! SNS takes subjects of printable ASCII, shorter than 100 characters and beginning with a letter, digit or punctuation, and messages of up to
//! 256 KiB.

use serde_json::{Map, json};
use trailloop_runbook::Call;

use crate::alert::{Alert, plain};

const SUBJECT_CHARS_MAX: usize = 99;
const MESSAGE_BYTES_MAX: usize = 256 << 10;

/// What is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// A line of ASCII.
    pub subject: String,
    /// The text.
    pub body: String,
}

/// The message.
#[must_use]
pub fn render(alert: &Alert) -> Message {
    let mut subject =
        format!("{} {}: ", alert.severity.as_str().to_uppercase(), alert.kind.label());
    for c in alert.title.chars() {
        // What SNS doesn't take is a question mark.
        subject.push(if c == ' ' || c.is_ascii_graphic() { c } else { '?' });
        if subject.len() == SUBJECT_CHARS_MAX {
            break;
        }
    }
    let mut body = plain::render(alert);
    if body.len() > MESSAGE_BYTES_MAX {
        let end = body.floor_char_boundary(MESSAGE_BYTES_MAX - 64);
        let cut = format!("\n… ({} bytes)\n", body.len());
        body.truncate(end);
        body.push_str(&cut);
    }
    Message { subject: subject.trim_end().to_owned(), body }
}

impl Message {
    /// The call that publishes it.
    #[must_use]
    pub fn publish(&self, topic_arn: &str) -> Call {
        let mut inputs = Map::new();
        inputs.insert("TopicArn".to_owned(), json!(topic_arn));
        inputs.insert("Subject".to_owned(), json!(self.subject));
        inputs.insert("Message".to_owned(), json!(self.body));
        Call { service: "sns".to_owned(), api: "Publish".to_owned(), inputs }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{Kind, hostile};

    #[test]
    fn a_subject_is_a_line_of_ascii() {
        let message = render(&hostile::example());
        assert_eq!(message.subject, "HIGH awaiting approval: Key made for another user");
        for text in hostile::texts() {
            let message = render(&hostile::alert(Kind::Page, &text));
            assert!(message.subject.len() < 100, "{}", message.subject);
            assert!(message.subject.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()));
            assert!(message.body.len() <= 256 << 10);
        }
    }

    #[test]
    fn it_is_published_by_one_call() {
        let call = render(&hostile::example()).publish("arn:aws:sns:us-east-1:111122223333:alerts");
        assert_eq!(call.name(), "sns:Publish");
        assert_eq!(call.text("TopicArn"), Some("arn:aws:sns:us-east-1:111122223333:alerts"));
    }
}
