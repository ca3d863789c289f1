//! Names of fields that are none, and values that are names of fields.

use std::collections::BTreeSet;

use super::{Item, Part, mappings};
use crate::catalogue;
use crate::diagnostic::{Reporter, Severity, code, quoted};
use crate::yaml::{Meaning, Node};

pub(super) fn check(parts: &[Part<'_>], reporter: &mut Reporter<'_>) {
    // A field that many items name is wrong for one reason.
    let mut said = BTreeSet::new();
    for part in parts {
        for items in mappings(part.value) {
            for (key, value) in items {
                let item = Item::of(key, value);
                if item.field.is_empty() {
                    continue;
                }
                dead_field(item.key, item.field, &mut said, reporter);
                for value in item.values() {
                    if item.has("fieldref") {
                        dead_field(value, value.text(), &mut said, reporter);
                    } else {
                        field_as_value(&item, value, reporter);
                    }
                }
            }
        }
    }
}

/// The keys of a path up to its first selector: what follows is below an element.
fn keys_of(field: &str) -> &str {
    let bytes = field.as_bytes();
    let open =
        (0..bytes.len()).find(|&at| bytes[at] == b'[' && (at == 0 || bytes[at - 1] != b'\\'));
    open.map_or(field, |at| &field[..at])
}

fn dead_field<'d>(
    node: &'d Node,
    field: &'d str,
    said: &mut BTreeSet<&'d str>,
    reporter: &mut Reporter<'_>,
) {
    let path = keys_of(field);
    if reporter.is_full(Severity::Warning) || catalogue::is_field(path) || !said.insert(path) {
        return;
    }
    let last = path.rsplit('.').next().unwrap_or(path);
    let help = match catalogue::near_field(path) {
        Some(near) => format!("write `{near}`"),
        None if path.starts_with("userIdentity.") => {
            "see CloudTrail's page on the userIdentity element for what stands there".to_owned()
        }
        None => format!(
            "what belongs to the call stands below `requestParameters` or `responseElements`, such as `requestParameters.{}`",
            crate::diagnostic::on_one_line(last, None)
        ),
    };
    let message = format!("no record of CloudTrail has a field {}", quoted(path));
    reporter.warning(node.mark, code::DEAD_FIELD, message, help);
}

/// A literal value such as `responseElements.accessKey.userName`.
fn field_as_value(item: &Item<'_>, value: &Node, reporter: &mut Reporter<'_>) {
    let is_text = value.scalar().is_some_and(|scalar| scalar.meaning() == Meaning::Text);
    if !item.is_of_text() || !is_text || reporter.is_full(Severity::Warning) {
        return;
    }
    let text = value.text();
    let Some((root, _)) = text.split_once('.') else { return };
    let is_path = text.split('.').all(|key| {
        !key.is_empty()
            && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    });
    // Event selectors name fields of records in their own values.
    let is_of_selector = item.field == "field" || item.field.ends_with(".field");
    if !is_path || !catalogue::is_root(root) || !catalogue::is_field(text) || is_of_selector {
        return;
    }
    let modifiers: String = item
        .modifiers
        .iter()
        .filter(|one| **one != "windash")
        .map(|one| format!("|{one}"))
        .collect();
    reporter.warning(
        value.mark,
        code::FIELD_AS_VALUE,
        format!("{} is a text here, not the field of that name", quoted(text)),
        format!(
            "write `{}|fieldref{modifiers}: {text}` to compare with the field",
            crate::diagnostic::on_one_line(item.field, None)
        ),
    );
}
