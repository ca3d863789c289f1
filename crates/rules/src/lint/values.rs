//! Values that are not written as they were meant.

use std::collections::HashMap;

use super::{Item, Part, mappings};
use crate::diagnostic::{Reporter, Severity, code, quoted};
use crate::yaml::{Mark, Meaning, Node};

pub(super) fn check(parts: &[Part<'_>], reporter: &mut Reporter<'_>) {
    for part in parts {
        for items in mappings(part.value) {
            for (key, value) in items {
                check_item(&Item::of(key, value), reporter);
            }
        }
    }
}

fn check_item(item: &Item<'_>, reporter: &mut Reporter<'_>) {
    if !item.is_of_text() {
        return;
    }
    let is_within = ["contains", "startswith", "endswith"].iter().any(|one| item.has(one));
    let mut seen: HashMap<(String, bool), Mark> = HashMap::new();
    for value in item.values() {
        if reporter.is_full(Severity::Warning) && reporter.is_full(Severity::Note) {
            return;
        }
        let text = value.text();
        if is_within && !text.is_empty() && text.bytes().all(|byte| byte == b'*') {
            bare_wildcard(item, value, reporter);
        } else if !is_within {
            padded(value, reporter);
        }
        let is_text = value.scalar().is_some_and(|scalar| scalar.meaning() == Meaning::Text);
        let folded = if item.has("cased") { text.to_owned() } else { crate::fold::folded(text) };
        if let Some(first) = seen.insert((folded, is_text), value.mark) {
            reporter.note(
                value.mark,
                code::DUPLICATE_VALUE,
                format!("{} stands on line {} already", value.what(), first.line),
                "remove one of them",
            );
        }
    }
}

fn bare_wildcard(item: &Item<'_>, value: &Node, reporter: &mut Reporter<'_>) {
    let field = crate::diagnostic::on_one_line(item.field, None);
    reporter.note(
        value.mark,
        code::BARE_WILDCARD,
        format!(
            "{} under `{}` asks only whether there is a value",
            value.what(),
            item.modifiers.join("|")
        ),
        format!("write `{field}: '*'`, which says so"),
    );
}

/// A piece of text may begin with a blank on purpose; a whole text of CloudTrail's hardly does.
fn padded(value: &Node, reporter: &mut Reporter<'_>) {
    let text = value.text();
    let trimmed = text.trim();
    let is_whole = !text.contains(['*', '?']);
    if trimmed.len() == text.len() || trimmed.is_empty() || !is_whole {
        return;
    }
    reporter.warning(
        value.mark,
        code::PADDED_VALUE,
        format!("{} has white space at an end, and must be met with it", quoted(text)),
        format!("write {}", quoted(trimmed)),
    );
}
