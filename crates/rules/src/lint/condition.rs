//! Filters that do the opposite of what their name says, or more than was meant.

use std::cell::Cell;
use std::collections::BTreeSet;

use super::{Item, Part, mappings};
use crate::condition::{self, Identifier, VALUES_MAX};
use crate::diagnostic::{Reporter, code, quoted};
use crate::test::{Expr, Field, Predicate, Test};
use crate::yaml::{Data, Node};

/// How the names of identifiers begin that are meant to take events away.
const FILTERS: &[&str] =
    &["filter", "exclu", "exception", "ignore", "allowlist", "whitelist", "suppress"];

pub(super) fn check(parts: &[Part<'_>], sentence: &Node, reporter: &mut Reporter<'_>) {
    let Some(shape) = shape(parts, sentence) else { return };
    let (mut kept, mut excluded) = (BTreeSet::new(), BTreeSet::new());
    walk(&shape, parts, (false, false), &mut |nth, is_negated, is_demanded| {
        if is_negated {
            excluded.insert(nth);
        } else if is_demanded {
            kept.insert(nth);
        }
    });
    for part in kept.into_iter().filter_map(|nth| parts.get(nth)) {
        keeping_filter(part, sentence, reporter);
    }
    for part in excluded.into_iter().filter_map(|nth| parts.get(nth)) {
        or_for_and(part, reporter);
    }
}

/// The condition over the numbers of the parts.
pub(super) fn shape(parts: &[Part<'_>], sentence: &Node) -> Option<Expr> {
    let numbered = |(nth, part): (usize, &Part<'_>)| Identifier {
        name: part.identifier.name.clone(),
        mark: part.identifier.mark,
        expr: Expr::Test(Predicate { field: Field::of_keys(&nth.to_string()), test: Test::Exists }),
        is_used: false,
    };
    let mut identifiers: Vec<Identifier> = parts.iter().enumerate().map(numbered).collect();
    let sentences = match &sentence.data {
        Data::Sequence(sentences) => sentences.as_slice(),
        _ => std::slice::from_ref(sentence),
    };
    // What is wrong with the condition has been said when it was read.
    let mut unheard = Reporter::new("", "");
    let values_left = Cell::new(VALUES_MAX);
    let read: Option<Vec<Expr>> = sentences
        .iter()
        .map(|one| condition::read(one, &mut identifiers, &values_left, &mut unheard))
        .collect();
    let mut read = read?;
    Some(if read.len() == 1 { read.remove(0) } else { Expr::Any(read) })
}

/// The number of the part that a leaf of a [`shape`] stands for.
pub(super) fn number(predicate: &Predicate) -> Option<usize> {
    predicate.field.keys()?.parse().ok()
}

/// Calls `visit` with each part, whether it is negated, and whether it has to hold beside others.
fn walk(
    expr: &Expr,
    named: &[Part<'_>],
    (is_negated, is_demanded): (bool, bool),
    visit: &mut dyn FnMut(usize, bool, bool),
) {
    let mut below = |parts: &[Expr], is_demanded| {
        parts.iter().for_each(|part| walk(part, named, (is_negated, is_demanded), &mut *visit));
    };
    match expr {
        Expr::Test(predicate) => {
            if let Some(nth) = number(predicate) {
                visit(nth, is_negated, is_demanded);
            }
        }
        Expr::Not(part) => walk(part, named, (!is_negated, is_demanded), visit),
        Expr::All(parts) => below(parts, is_demanded || !is_negated && parts.len() > 1),
        // One of several alternatives need not hold, unless all of them are filters.
        Expr::Any(parts) | Expr::AtLeast(_, parts) => {
            let are_filters = parts.iter().all(|part| match part {
                Expr::Test(predicate) => number(predicate)
                    .and_then(|nth| named.get(nth))
                    .is_some_and(|part| is_filter(&part.identifier.name)),
                _ => false,
            });
            below(parts, is_demanded && are_filters);
        }
    }
}

fn is_filter(name: &str) -> bool {
    let lower = name.trim_start_matches('_').to_ascii_lowercase();
    FILTERS.iter().any(|start| lower.starts_with(start))
}

fn keeping_filter(part: &Part<'_>, sentence: &Node, reporter: &mut Reporter<'_>) {
    let name = &part.identifier.name;
    let says_not = mappings(part.value).into_iter().flatten().any(|(key, value)| {
        let item = Item::of(key, value);
        item.has("neq") || item.has("exists") && value.text() == "false"
    });
    if !is_filter(name) || says_not {
        return;
    }
    let text = sentence.text();
    let is_of_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '*');
    let is_word = |at: usize| {
        let (before, from) = text.split_at(at);
        let after = from.get(name.len()..).unwrap_or_default();
        !before.ends_with(is_of_name) && !after.starts_with(is_of_name)
    };
    let mark = match text.match_indices(name.as_str()).find(|(at, _)| is_word(*at)) {
        Some((at, _)) => reporter.mark_within(sentence, text, at, name),
        None => sentence.mark,
    };
    reporter.warning(
        mark,
        code::KEEPING_FILTER,
        format!("the condition demands {}: only what the filter describes is found", quoted(name)),
        format!(
            "write `not` before it if it describes what to leave out, or call it {}",
            quoted(&format!("selection_{name}"))
        ),
    );
}

/// A filter `- eventSource: …` `- eventName: …` takes away every event of the source.
fn or_for_and(part: &Part<'_>, reporter: &mut Reporter<'_>) {
    let Data::Sequence(elements) = &part.value.data else { return };
    let items: Option<Vec<Item<'_>>> = elements
        .iter()
        .map(|element| match &element.data {
            Data::Mapping(items) if items.len() == 1 => {
                items.first().map(|(key, value)| Item::of(key, value))
            }
            _ => None,
        })
        .collect();
    let Some(items) = items else { return };
    let fields: BTreeSet<&str> = items.iter().map(|item| item.field).collect();
    // Alternatives are common. That a source and a name, which belong together, are two of them is not.
    let source = items.iter().find(|item| item.field == "eventSource");
    let is_mixed = fields.contains("eventName") || fields.contains("api");
    let Some(source) = source.filter(|_| is_mixed && fields.len() == items.len()) else { return };
    reporter.warning(
        source.key.mark,
        code::OR_FOR_AND,
        format!(
            "{} is a list, so that its `eventSource` alone is enough to leave an event out",
            quoted(&part.identifier.name)
        ),
        "write the items as one mapping, without dashes, if they have to hold together",
    );
}
