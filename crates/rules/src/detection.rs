//! The `detection` section: search identifiers, their items, and the condition over them. The body of an array scope is
//! read by the same functions, because it is a small detection of its own.

use std::cell::Cell;

use trailloop_enrichment::Enriched;

use crate::condition::{self, Identifier};
use crate::derived::Derived;
use crate::diagnostic::{Reporter, code, quoted};
use crate::gather::gathered;
use crate::lint;
use crate::lists::Lists;
use crate::modifier::{self, Kind, Modifiers, nearest};
use crate::path::{self, Name, Part, Path, Quantifier};
use crate::test::{Expr, Field, Predicate, Relation, Test};
use crate::values::{expanded, value_tests};
use crate::yaml::{Data, Node};

/// What reading a detection depends on beside its text.
#[derive(Clone, Copy)]
pub(crate) struct Context<'c> {
    /// The major version of Sigma that the rule is written for.
    pub(crate) version: u32,
    /// What the regular expressions of the file may still take.
    pub(crate) regex_bytes_left: &'c Cell<usize>,
    /// How many values the conditions of the document may still name.
    pub(crate) values_left: &'c Cell<usize>,
    /// How many bytes the lists of the file may still become.
    pub(crate) expanded_bytes_left: &'c Cell<usize>,
    /// The lists that `expand` may name.
    pub(crate) lists: &'c Lists,
    /// Whether the fields are paths from an element of an array.
    pub(crate) in_scope: bool,
}

/// A detection has no more search identifiers: the condition looks through them for every name.
const IDENTIFIERS_MAX: usize = 1_000;

/// Reads the section; `None` and diagnostics if it can't be run as written.
pub(crate) fn read(
    detection: &Node,
    context: Context<'_>,
    reporter: &mut Reporter<'_>,
) -> Option<Expr> {
    let entries = reporter.mapping(
        detection,
        format!("`detection` is {}", detection.what()),
        "write a mapping of search identifiers and a condition",
    )?;
    let errors = reporter.errors();
    let mut identifiers = Vec::new();
    let mut condition = None;
    for (key, value) in entries {
        match key.text() {
            "condition" => condition = Some(value),
            "timeframe" => reporter.error(
                key.mark,
                code::LEGACY_AGGREGATION,
                "`timeframe` means nothing without an aggregation, and those are not part of Sigma any more",
                "remove it, or leave the rule out: counting is for correlation rules, which are not supported yet",
            ),
            name => {
                if let Some(expr) = selection(key, value, context, reporter) {
                    let name = name.to_owned();
                    identifiers.push(Identifier { name, mark: key.mark, expr, is_used: false });
                }
            }
        }
    }
    let Some(condition) = condition else {
        let misspelt =
            entries.iter().find(|(key, _)| nearest(key.text(), &["condition"]).is_some());
        let (mark, help) = match misspelt {
            Some((key, _)) => (key.mark, "write `condition` if that is meant here"),
            None => (
                detection.mark,
                "write `condition: selection`, or whichever identifiers have to match",
            ),
        };
        let message = "the detection has no `condition`";
        reporter.error(mark, code::MISSING_CONDITION, message, help);
        return None;
    };
    if identifiers.len() > IDENTIFIERS_MAX {
        reporter.error(
            detection.mark,
            code::TOO_LARGE,
            format!("the detection has more than {IDENTIFIERS_MAX} search identifiers"),
            "gather values into lists, or split the rule",
        );
        return None;
    }
    // With a selection missing, the condition would be blamed for naming it.
    if reporter.errors() > errors {
        return None;
    }
    let expr = conditions(condition, &mut identifiers, context, reporter)?;
    if !context.in_scope {
        lint::detection(detection, &identifiers, condition, reporter);
    }
    Some(expr)
}

/// One condition, or a list of which any may be true.
fn conditions(
    node: &Node,
    identifiers: &mut [Identifier],
    context: Context<'_>,
    reporter: &mut Reporter<'_>,
) -> Option<Expr> {
    let nodes = match &node.data {
        Data::Sequence(nodes) if !nodes.is_empty() => nodes.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let mut parts = Vec::new();
    for node in nodes {
        let Data::Scalar(_) = node.data else {
            reporter.error(
                node.mark,
                code::WRONG_TYPE,
                format!("a condition is {}", node.kind()),
                "write a text such as `selection and not filter`",
            );
            return None;
        };
        parts.push(condition::read(node, identifiers, context.values_left, reporter)?);
    }
    for identifier in identifiers.iter().filter(|identifier| !identifier.is_used) {
        reporter.warning(
            identifier.mark,
            code::UNUSED_IDENTIFIER,
            format!("no condition uses {}", quoted(&identifier.name)),
            "name it in the condition or remove it",
        );
    }
    Some(if parts.len() == 1 { parts.remove(0) } else { Expr::Any(parts) })
}

/// A search identifier: a mapping of which all items hold, or a list of which any does.
fn selection(
    key: &Node,
    value: &Node,
    context: Context<'_>,
    reporter: &mut Reporter<'_>,
) -> Option<Expr> {
    match &value.data {
        Data::Mapping(items) if !items.is_empty() => all_items(items, context, reporter),
        Data::Scalar(_) if !value.is_null() => keyword(value, context, reporter),
        Data::Sequence(elements) if !elements.is_empty() => {
            let mut parts = Vec::new();
            for element in elements {
                parts.push(match &element.data {
                    Data::Mapping(items) if !items.is_empty() => {
                        all_items(items, context, reporter)
                    }
                    Data::Scalar(_) => keyword(element, context, reporter),
                    _ => {
                        reporter.error(
                            element.mark,
                            code::WRONG_TYPE,
                            format!(
                                "{} stands in the list of {}",
                                element.kind(),
                                quoted(key.text())
                            ),
                            "write mappings of fields, or keywords",
                        );
                        None
                    }
                });
            }
            // Only keywords are tests by themselves; the mappings among them stay as they are.
            let parts = parts.into_iter().collect::<Option<Vec<_>>>()?;
            Some(Expr::Any(gathered(&Field::AnyLeaf, parts)))
        }
        _ => {
            reporter.error(
                value.mark,
                code::EMPTY_SELECTION,
                format!("{} has nothing to search for", quoted(key.text())),
                "write fields with values, or a list of keywords",
            );
            None
        }
    }
}

fn all_items(
    items: &[(Node, Node)],
    context: Context<'_>,
    reporter: &mut Reporter<'_>,
) -> Option<Expr> {
    // Every item is read, so that one run shows every mistake.
    let mut parts = Vec::new();
    for (key, value) in items {
        parts.push(item(key, value, context, reporter));
    }
    parts.into_iter().collect::<Option<Vec<_>>>().map(Expr::All)
}

/// A keyword without a key: anywhere in any string or number.
fn keyword(value: &Node, context: Context<'_>, reporter: &mut Reporter<'_>) -> Option<Expr> {
    if context.in_scope {
        no_keywords(value, reporter);
        return None;
    }
    let plain = Modifiers {
        kind: Kind::Text,
        relation: Some(Relation::Contains),
        encodings: Vec::new(),
        windash: false,
        expand: false,
        all: false,
        cased: false,
        negated: false,
    };
    value_tests(&Field::AnyLeaf, &plain, value, context, reporter)
}

/// Keywords look everywhere, which an element is not.
fn no_keywords(node: &Node, reporter: &mut Reporter<'_>) {
    reporter.error(
        node.mark,
        code::BAD_FIELD,
        "keywords can't stand in the body of an array scope",
        "write `.` for the element itself, such as `.|contains: value`",
    );
}

/// One `field|modifiers: values`, or a field with a body.
fn item(
    key: &Node,
    value: &Node,
    context: Context<'_>,
    reporter: &mut Reporter<'_>,
) -> Option<Expr> {
    let (name, mut modifiers) = modifier::read(key, reporter)?;
    if name.is_empty() {
        keywords_may_stand(key, &mut modifiers, context, reporter)?;
        return listed(key, value, Field::AnyLeaf, &modifiers, context, reporter);
    }
    let Name { scopes, path } = path::read(key, name, context.version, reporter)?;
    let (scopes, expr) = if let Data::Mapping(items) = &value.data {
        scope_with_body(key, value, items, (scopes, path), context, reporter)?
    } else {
        let field = field(key, path, scopes.is_empty(), context, reporter)?;
        let expr = listed(key, value, field, &modifiers, context, reporter)?;
        (scopes, expr)
    };
    Some(scopes.into_iter().rev().fold(expr, |body, (path, quantifier)| {
        let body = Box::new(body);
        Expr::Test(Predicate { field: Field::Path(path), test: Test::Scope { quantifier, body } })
    }))
}

/// The field of a path. A derived field is one of the record, so none is meant inside a scope.
fn field(
    key: &Node,
    path: Path,
    is_unscoped: bool,
    context: Context<'_>,
    reporter: &mut Reporter<'_>,
) -> Option<Field> {
    let of_record = is_unscoped && !context.in_scope;
    if of_record && path.parts.is_empty() {
        reporter.error(
            key.mark,
            code::BAD_FIELD,
            "`.` stands outside of an array scope",
            "write the name of a field",
        );
        return None;
    }
    let name = path.keys().filter(|_| of_record);
    let derived = name.and_then(Derived::of_name).map(Field::Derived);
    let enriched = || name.and_then(Enriched::parse).map(Field::Enriched);
    Some(derived.or_else(enriched).unwrap_or(Field::Path(path)))
}

/// The scopes that a key opens, and the body that its mapping is.
fn scope_with_body(
    key: &Node,
    value: &Node,
    items: &[(Node, Node)],
    (mut scopes, path): (Vec<(Path, Quantifier)>, Path),
    context: Context<'_>,
    reporter: &mut Reporter<'_>,
) -> Option<(Vec<(Path, Quantifier)>, Expr)> {
    let is_element = matches!(path.parts.last(), Some(Part::Index(_)));
    if !(is_element || path.parts.is_empty() && !scopes.is_empty()) {
        let help = "write the path with dots, such as `requestParameters.bucketName: value`; a body needs a selector, such as `items[any]`";
        let message = format!("the value of {} is a mapping", quoted(key.text()));
        reporter.error(value.mark, code::WRONG_TYPE, message, help);
        return None;
    }
    if key.text().contains('|') {
        let message = format!("{} has modifiers over a body", quoted(key.text()));
        let help = "write the modifiers on the fields of the body";
        reporter.error(key.mark, code::CONFLICTING_MODIFIERS, message, help);
        return None;
    }
    if items.is_empty() {
        let message = format!("the body of {} is empty", quoted(key.text()));
        reporter.error(value.mark, code::EMPTY_SELECTION, message, "write fields with values");
        return None;
    }
    if is_element {
        scopes.push((path, Quantifier::Itself));
    }
    let context = Context { in_scope: true, ..context };
    let body = match value.get("condition") {
        Some(_) => read(value, context, reporter)?,
        None => all_items(items, context, reporter)?,
    };
    Some((scopes, body))
}

/// The listed values of an item, joined.
fn listed(
    key: &Node,
    value: &Node,
    field: Field,
    modifiers: &Modifiers,
    context: Context<'_>,
    reporter: &mut Reporter<'_>,
) -> Option<Expr> {
    let values = match &value.data {
        Data::Scalar(_) => std::slice::from_ref(value),
        Data::Sequence(values) => values.as_slice(),
        Data::Mapping(_) => {
            let message = format!("the value of {} is a mapping", quoted(key.text()));
            reporter.error(value.mark, code::WRONG_TYPE, message, "write a value or a list");
            return None;
        }
    };
    if modifiers.kind == Kind::Exists && values.len() != 1 {
        reporter.error(
            value.mark,
            code::BAD_VALUE,
            "`exists` takes one value",
            "write `true` or `false`",
        );
        return None;
    }
    if values.is_empty() {
        return empty_list(key, value, field, modifiers, reporter);
    }
    let values = if modifiers.expand { &*expanded(values, context, reporter)? } else { values };
    if modifiers.all && values.len() == 1 {
        reporter.warning(
            key.mark,
            code::SINGLE_ALL,
            format!("`all` in {} stands over a single value", quoted(key.text())),
            "remove `all`, or list the values",
        );
    }
    let mut parts = Vec::new();
    for value in values {
        if values.len() > 1 && value.is_null() {
            reporter.warning(
                value.mark,
                code::NULL_IN_LIST,
                "null stands among other values; it matches a missing field",
                "write an item of its own in a list of mappings",
            );
        }
        parts.push(value_tests(&field, modifiers, value, context, reporter));
    }
    let parts = parts.into_iter().collect::<Option<Vec<_>>>()?;
    let expr = if modifiers.all { Expr::All(parts) } else { Expr::Any(gathered(&field, parts)) };
    Some(if modifiers.negated { Expr::Not(Box::new(expr)) } else { expr })
}

/// `field: []` is `field: null`; without a field, or with modifiers, it is a mistake.
fn empty_list(
    key: &Node,
    value: &Node,
    field: Field,
    modifiers: &Modifiers,
    reporter: &mut Reporter<'_>,
) -> Option<Expr> {
    if field == Field::AnyLeaf || !modifiers.take_null() {
        reporter.error(
            value.mark,
            code::EMPTY_SELECTION,
            format!("{} has an empty list of values", quoted(key.text())),
            "write at least one value",
        );
        return None;
    }
    let expr = Expr::Test(Predicate { field, test: Test::Null });
    Some(if modifiers.negated { Expr::Not(Box::new(expr)) } else { expr })
}

/// Whether a key without a name may stand for keywords, of which a default relation is set.
fn keywords_may_stand(
    key: &Node,
    modifiers: &mut Modifiers,
    context: Context<'_>,
    reporter: &mut Reporter<'_>,
) -> Option<()> {
    if context.in_scope {
        no_keywords(key, reporter);
        return None;
    }
    if !matches!(modifiers.kind, Kind::Text | Kind::Regex(_)) || key.text().is_empty() {
        reporter.error(
            key.mark,
            code::BAD_FIELD,
            "a field name is missing",
            "write a field before the modifiers; only texts and `re` can be keywords",
        );
        return None;
    }
    modifiers.relation = modifiers.relation.or(Some(Relation::Contains));
    Some(())
}

/// The other field of a `fieldref`: one of the record, also inside a scope.
pub(crate) fn other_field(
    node: &Node,
    name: &str,
    context: Context<'_>,
    reporter: &mut Reporter<'_>,
) -> Option<Field> {
    let Name { scopes, path } = path::read(node, name, context.version, reporter)?;
    if !scopes.is_empty() {
        reporter.error(
            node.mark,
            code::BAD_SCOPE,
            format!("`fieldref` names elements of an array: {}", quoted(name)),
            "name the field without the selector; any of its values may then fit",
        );
        return None;
    }
    field(node, path, true, Context { in_scope: false, ..context }, reporter)
}
