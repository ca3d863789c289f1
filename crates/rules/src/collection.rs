//! Collections: documents of a file that share parts, with `action: global`, `repeat` and `reset`.

use crate::diagnostic::{Reporter, code};
use crate::modifier::nearest;
use crate::yaml::{Data, NODES_MAX, Node};

const ACTIONS: &[&str] = &["global", "repeat", "reset"];

/// The documents that stand for themselves once those with an `action` are laid over one another. What makes no sense is
/// reported and left out; so is everything after the nodes are spent, because a template counts for each document.
pub(crate) fn resolve(documents: Vec<Node>, reporter: &mut Reporter<'_>) -> Vec<Node> {
    let has_actions = documents.iter().any(|document| document.get("action").is_some());
    if !has_actions {
        return documents;
    }
    let mut template: Option<Node> = None;
    let mut last: Option<Node> = None;
    let mut resolved = Vec::new();
    let mut nodes_left = NODES_MAX;
    for document in documents {
        let action = document.get("action").cloned();
        let document = without_action(document);
        let below = match action.as_ref().map(Node::text) {
            None | Some("global") => template.as_ref(),
            Some("repeat") if last.is_some() => last.as_ref(),
            Some("reset") => {
                template = None;
                continue;
            }
            Some(_) => {
                if let Some(action) = &action {
                    let (message, help) = complaint(action);
                    reporter.error(action.mark, code::BAD_ACTION, message, help);
                }
                continue;
            }
        };
        let whole = laid_over(below, document);
        let Some(left) = nodes_left.checked_sub(whole.count()) else {
            reporter.error(
                whole.mark,
                code::TOO_LARGE,
                format!(
                    "the file holds more than {NODES_MAX} YAML nodes, templates counted each time"
                ),
                "split it into smaller files",
            );
            return resolved;
        };
        nodes_left = left;
        if action.as_ref().map(Node::text) == Some("global") {
            template = Some(whole);
        } else {
            last = Some(whole.clone());
            resolved.push(whole);
        }
    }
    resolved
}

fn complaint(action: &Node) -> (String, String) {
    if action.text() == "repeat" {
        let message = "`action: repeat` repeats no rule: none stands before it".to_owned();
        return (message, "write the rule that it repeats first".to_owned());
    }
    let help = match nearest(action.text(), ACTIONS) {
        Some(near) => format!("write `{near}`"),
        None => format!("write one of {}", ACTIONS.join(", ")),
    };
    (format!("the action is {}", action.what()), help)
}

fn without_action(mut document: Node) -> Node {
    if let Data::Mapping(entries) = &mut document.data {
        entries.retain(|(key, _)| key.text() != "action");
    }
    document
}

/// The document with everything of the one below that it does not say otherwise.
fn laid_over(below: Option<&Node>, document: Node) -> Node {
    let Some(below) = below else { return document };
    let (Data::Mapping(under), Data::Mapping(_)) = (&below.data, &document.data) else {
        return document;
    };
    let Node { mark, end, data: Data::Mapping(over) } = document else { return document };
    let mut entries = Vec::with_capacity(under.len() + over.len());
    let mut over: Vec<Option<(Node, Node)>> = over.into_iter().map(Some).collect();
    let places: std::collections::HashMap<String, usize> = over
        .iter()
        .enumerate()
        .filter_map(|(nth, entry)| Some((entry.as_ref()?.0.text().to_owned(), nth)))
        .collect();
    for (key, value) in under {
        entries.push(match places.get(key.text()).and_then(|nth| over[*nth].take()) {
            Some((key, said)) => (key, laid_over(Some(value), said)),
            None => (key.clone(), value.clone()),
        });
    }
    entries.extend(over.into_iter().flatten());
    Node { mark, end, data: Data::Mapping(entries) }
}
