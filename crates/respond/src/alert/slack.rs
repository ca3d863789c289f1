//! An alert for Slack: Block Kit JSON for an incoming webhook or `chat.postMessage`.
//!
//! Limits, from Slack's block reference: 50 blocks a message; 150 characters a header; 3,000 a section's text; 10 fields of
//! 2,000; 25 elements of an actions block, 75 characters a button's text, 3,000 its URL, 100 and 300 the title and text of its
//! confirmation. Slack escapes are `&amp;`, `&lt;` and `&gt;`; with these, `<!channel>` and `<https://…|…>` are text. What
//! a record says stands in code spans, in which a backtick would end the span, so it is replaced by one that looks like it; `verbatim`
//! keeps Slack from making links and mentions of bare text by itself.

use serde_json::{Value, json};

use crate::alert::{Alert, escape};

const HEADER_CHARS_MAX: usize = 150;
const SECTION_CHARS_MAX: usize = 3_000;
const FIELD_CHARS_MAX: usize = 2_000;
const FIELDS_MAX: usize = 10;
const BUTTONS_MAX: usize = 25;
const BUTTON_CHARS_MAX: usize = 75;
const URL_CHARS_MAX: usize = 3_000;

/// The message.
#[must_use]
pub fn render(alert: &Alert) -> Value {
    let mut blocks = vec![json!({
        "type": "header",
        "text": {"type": "plain_text", "text": text(&alert.headline(), HEADER_CHARS_MAX), "emoji": false},
    })];
    let fields: Vec<Value> = (alert.facts().iter().take(FIELDS_MAX))
        .map(|(label, value)| mrkdwn(&format!("*{label}*\n{}", code(value, FIELD_CHARS_MAX - 50))))
        .collect();
    if !fields.is_empty() {
        blocks.push(json!({"type": "section", "fields": fields}));
    }
    for (title, texts) in
        [("Why", &alert.reasons), ("Plan", &alert.plan), ("Or type", &alert.commands)]
    {
        blocks.extend(section(title, texts));
    }
    let held = alert.held.sentence();
    if !held.is_empty() {
        let element =
            json!({"type": "plain_text", "text": text(&held, FIELD_CHARS_MAX), "emoji": false});
        blocks.push(json!({"type": "context", "elements": [element]}));
    }
    let buttons: Vec<Value> = (alert.links.iter().enumerate())
        .filter(|(_, link)| is_url(&link.url))
        .take(BUTTONS_MAX)
        .map(|(at, link)| button(at, link))
        .collect();
    if !buttons.is_empty() {
        blocks.push(json!({"type": "actions", "elements": buttons}));
    }
    // The text is what a notification on a phone shows. It is not formatted, and nothing in it unfolds.
    json!({
        "text": unlinked(&text(&alert.headline(), FIELD_CHARS_MAX)),
        "mrkdwn": false,
        "unfurl_links": false,
        "unfurl_media": false,
        "blocks": blocks,
    })
}

/// A titled list, as many of its lines as a section takes.
fn section(title: &str, texts: &[String]) -> Option<Value> {
    if texts.is_empty() {
        return None;
    }
    let mut out = format!("*{title}*");
    let mut count = escape::units(&out);
    for (shown, entry) in texts.iter().enumerate() {
        let line = format!("\n• {}", code(entry, 500));
        count += escape::units(&line);
        // Room is left for saying how many are not shown.
        if count > SECTION_CHARS_MAX - 50 {
            out.push_str(&format!("\n… and {} more", texts.len() - shown));
            break;
        }
        out.push_str(&line);
    }
    Some(json!({"type": "section", "text": mrkdwn(&out)}))
}

fn button(at: usize, link: &super::Link) -> Value {
    let label = text(&link.label, BUTTON_CHARS_MAX);
    let mut button = json!({
        "type": "button",
        "action_id": format!("trailloop_link_{at}"),
        "text": {"type": "plain_text", "text": label, "emoji": false},
        "url": link.url,
    });
    if link.is_grave {
        button["style"] = json!("danger");
        button["confirm"] = json!({
            "title": {"type": "plain_text", "text": label},
            "text": {"type": "plain_text", "text": "This changes an account."},
            "confirm": {"type": "plain_text", "text": "Go on"},
            "deny": {"type": "plain_text", "text": "Not now"},
        });
    }
    button
}

/// Our own links are `https`, or `http` to this machine; Slack refuses a whole message for a button without a proper URL.
fn is_url(url: &str) -> bool {
    let is_web = url.starts_with("https://") || url.starts_with("http://");
    is_web && url.len() <= URL_CHARS_MAX && url.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Formatted text, of which Slack makes no links by itself.
fn mrkdwn(text: &str) -> Value {
    json!({"type": "mrkdwn", "text": text, "verbatim": true})
}

/// One line of text that is not formatted.
fn text(text: &str, chars_max: usize) -> String {
    let out = escape::clipped(text, chars_max, push_escaped);
    // Slack refuses an empty text.
    if out.trim().is_empty() { "-".to_owned() } else { out }
}

/// A code span.
fn code(text: &str, chars_max: usize) -> String {
    let span = escape::clipped(text, chars_max.saturating_sub(2), |c, out| match c {
        '`' => out.push('\u{2cb}'),
        c => push_escaped(c, out),
    });
    // A span of nothing but space would show its backticks.
    if span.trim().is_empty() { "-".to_owned() } else { format!("`{span}`") }
}

fn push_escaped(c: char, out: &mut String) {
    match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        c => escape::push_visible(c, out),
    }
}

/// A bare URL in a message's text would become a link.
fn unlinked(text: &str) -> String {
    text.replace("://", ":\u{2044}\u{2044}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{Held, Kind, hostile};

    #[test]
    fn an_alert_looks_like_this() {
        let mut alert = hostile::example();
        alert.held = Held { counts: [(Kind::Proposed, 412)].into(), highest: None, since_ms: 0 };
        insta::assert_snapshot!(serde_json::to_string_pretty(&render(&alert)).unwrap());
    }

    /// Calls `check` with each text of the message that Slack would format or show.
    fn each_text(value: &Value, check: &mut impl FnMut(&str, &str)) {
        match value {
            Value::Object(object) => {
                let kind = object.get("type").and_then(Value::as_str).unwrap_or_default();
                if let Some(text) = object.get("text").and_then(Value::as_str) {
                    check(kind, text);
                }
                for inner in object.values() {
                    each_text(inner, check);
                }
            }
            Value::Array(list) => list.iter().for_each(|inner| each_text(inner, check)),
            _ => {}
        }
    }

    #[test]
    fn no_hostile_text_is_formatted_or_too_long() {
        for hostile in hostile::texts() {
            for kind in Kind::ALL {
                let message = render(&hostile::alert(kind, &hostile));
                let blocks = message["blocks"].as_array().unwrap();
                assert!(blocks.len() <= 50);
                assert!(serde_json::to_string(&message).unwrap().len() < 100_000);
                assert!(units_of(&blocks[0]["text"]["text"]) <= 150);
                for block in blocks {
                    assert!(units_of(&block["text"]["text"]) <= 3_000);
                    let fields = block["fields"].as_array().cloned().unwrap_or_default();
                    assert!(fields.len() <= 10);
                    assert!(fields.iter().all(|field| units_of(&field["text"]) <= 2_000));
                    let elements = block["elements"].as_array().cloned().unwrap_or_default();
                    assert!(elements.len() <= 25);
                }
                each_text(&message, &mut |kind, text| {
                    assert!(!text.contains(['<', '>']), "{text}");
                    assert!(!text.contains("&l…"), "an escape was cut: {text}");
                    if kind == "mrkdwn" {
                        assert_ours_alone_is_formatted(text);
                    }
                });
            }
        }
    }

    fn units_of(value: &Value) -> usize {
        escape::units(value.as_str().unwrap_or_default())
    }

    /// Backticks come in pairs on each line, and outside of them there is only what we write.
    fn assert_ours_alone_is_formatted(text: &str) {
        for line in text.lines() {
            let parts: Vec<&str> = line.split('`').collect();
            assert!(parts.len() == 1 || parts.len() == 3, "{line}");
            let outside = if parts.len() == 1 { line } else { &[parts[0], parts[2]].concat() };
            let is_ours = outside.len() < 40 && !outside.contains("evil") && !outside.contains('@');
            assert!(is_ours, "{outside}");
        }
    }

    #[test]
    fn a_link_that_slack_would_refuse_is_left_out() {
        let mut alert = hostile::example();
        alert.links[0].url = "javascript:alert(1)".to_owned();
        let message = render(&alert);
        let blocks = message["blocks"].as_array().unwrap();
        assert_eq!(blocks.last().unwrap()["elements"].as_array().unwrap().len(), 1);
    }
}
