//! An alert as plain text, for e-mail and terminals: no control character but the line breaks that are ours.

use std::fmt::Write as _;

use crate::alert::{Alert, LIST_MAX, TEXT_CHARS_MAX, URL_BYTES_MAX, escape};

/// The text, ending in a line break. Links stand in it whole.
#[must_use]
pub fn render(alert: &Alert) -> String {
    let mut out = String::new();
    push(&mut out, "", &alert.headline());
    push(&mut out, "", &format!("{:.0}", alert.time));
    let facts = alert.facts();
    let width = facts.iter().map(|(label, _)| label.len()).max().unwrap_or_default();
    if !facts.is_empty() {
        out.push('\n');
    }
    for (label, text) in facts {
        push(&mut out, &format!("{label:width$}  "), &text);
    }
    let held: Vec<String> =
        Some(alert.held.sentence()).filter(|text| !text.is_empty()).into_iter().collect();
    for (title, texts) in [
        ("Why", &alert.reasons),
        ("Plan", &alert.plan),
        ("Commands", &alert.commands),
        ("Held back", &held),
    ] {
        if texts.is_empty() {
            continue;
        }
        out.push_str(&format!("\n{title}\n"));
        for text in escape::list(texts, LIST_MAX) {
            push(&mut out, "  ", &text);
        }
    }
    if !alert.links.is_empty() {
        out.push_str("\nLinks\n");
    }
    for link in alert.links.iter().take(LIST_MAX) {
        let label = escape::line(&link.label, 100);
        let url = escape::line(&link.url, URL_BYTES_MAX);
        out.push_str(&format!("  {label}: {url}\n"));
    }
    out
}

fn push(out: &mut String, before: &str, text: &str) {
    // Writing to a string can't fail.
    let _written = writeln!(out, "{before}{}", escape::line(text, TEXT_CHARS_MAX)).is_ok();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{Kind, hostile};

    #[test]
    fn an_alert_reads_well() {
        insta::assert_snapshot!(render(&hostile::example()));
    }

    #[test]
    fn nothing_in_it_moves_the_cursor_or_adds_a_line() {
        let lines = render(&hostile::alert(Kind::Page, "x")).lines().count();
        for text in hostile::texts() {
            let out = render(&hostile::alert(Kind::Page, &text));
            assert!(out.chars().all(|c| c == '\n' || !c.is_control()), "{out}");
            assert!(!out.contains('\u{202e}'), "{out}");
            assert_eq!(out.lines().count(), lines, "{text:.40}");
            assert!(out.len() < 1 << 20);
        }
    }
}
