//! The `detection` section: search identifiers, their items, and the condition over them.

use crate::condition::{self, Identifier};
use crate::diagnostic::{Reporter, code, quoted};
use crate::modifier::{self, Kind, Modifiers};
use crate::pattern::{Pattern, Shape};
use crate::test::{Expr, Field, Predicate, Relation, Test};
use crate::values::value_tests;
use crate::yaml::{Data, Node};

/// A detection has no more search identifiers: the condition looks through them for every name.
const IDENTIFIERS_MAX: usize = 1_000;

/// Fewer equalities are tested one by one, each shared with the other rules that make it.
const GATHERED_MIN: usize = 8;

/// Keys of CloudTrail that hold JSON as a string, below which a path can't look yet.
const JSON_TEXT_KEYS: &[&str] =
    &["policyDocument", "assumeRolePolicyDocument", "policyText", "imageManifest"];

/// Reads the section; `None` and diagnostics if it can't be run as written.
pub(crate) fn read(detection: &Node, reporter: &mut Reporter<'_>) -> Option<Expr> {
    let Data::Mapping(entries) = &detection.data else {
        reporter.error(
            detection.mark,
            code::WRONG_TYPE,
            format!("`detection` is {}", detection.kind()),
            "write a mapping of search identifiers and a condition",
        );
        return None;
    };
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
                "remove it, or move the counting into a correlation rule",
            ),
            name => {
                if let Some(expr) = selection(key, value, reporter) {
                    let name = name.to_owned();
                    identifiers.push(Identifier { name, mark: key.mark, expr, is_used: false });
                }
            }
        }
    }
    let Some(condition) = condition else {
        reporter.error(
            detection.mark,
            code::MISSING_CONDITION,
            "the detection has no `condition`",
            "write `condition: selection`, or whichever identifiers have to match",
        );
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
    conditions(condition, &mut identifiers, reporter)
}

/// One condition, or a list of which any may be true.
fn conditions(
    node: &Node,
    identifiers: &mut [Identifier],
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
        parts.push(condition::read(node, identifiers, reporter)?);
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
fn selection(key: &Node, value: &Node, reporter: &mut Reporter<'_>) -> Option<Expr> {
    match &value.data {
        Data::Mapping(items) if !items.is_empty() => all_items(items, reporter),
        Data::Scalar(_) if !value.is_null() => keyword(value, reporter),
        Data::Sequence(elements) if !elements.is_empty() => {
            let mut parts = Vec::new();
            for element in elements {
                parts.push(match &element.data {
                    Data::Mapping(items) if !items.is_empty() => all_items(items, reporter),
                    Data::Scalar(_) => keyword(element, reporter),
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
            parts.into_iter().collect::<Option<Vec<_>>>().map(Expr::Any)
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

fn all_items(items: &[(Node, Node)], reporter: &mut Reporter<'_>) -> Option<Expr> {
    // Every item is read, so that one run shows every mistake.
    let mut parts = Vec::new();
    for (key, value) in items {
        parts.push(item(key, value, reporter));
    }
    parts.into_iter().collect::<Option<Vec<_>>>().map(Expr::All)
}

/// A keyword without a key: anywhere in any string or number.
fn keyword(value: &Node, reporter: &mut Reporter<'_>) -> Option<Expr> {
    let plain = Modifiers {
        kind: Kind::Text,
        relation: Some(Relation::Contains),
        encodings: Vec::new(),
        windash: false,
        all: false,
        cased: false,
        negated: false,
    };
    value_tests(&Field::AnyLeaf, &plain, value, reporter)
}

/// One `field|modifiers: values`.
fn item(key: &Node, value: &Node, reporter: &mut Reporter<'_>) -> Option<Expr> {
    let (name, mut modifiers) = modifier::read(key, reporter)?;
    let field = field(key, name, &mut modifiers, reporter)?;
    let values = match &value.data {
        Data::Scalar(_) => std::slice::from_ref(value),
        Data::Sequence(values) => values.as_slice(),
        Data::Mapping(_) => {
            reporter.error(
                value.mark,
                code::WRONG_TYPE,
                format!("the value of {} is a mapping", quoted(key.text())),
                "write the path with dots, such as `requestParameters.bucketName: value`",
            );
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
        return empty_list(key, value, field, &modifiers, reporter);
    }
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
        parts.push(value_tests(&field, &modifiers, value, reporter));
    }
    let mut parts = parts.into_iter().collect::<Option<Vec<_>>>()?;
    if !modifiers.all {
        parts = gathered(&field, parts);
    }
    let expr = if modifiers.all { Expr::All(parts) } else { Expr::Any(parts) };
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
    let is_plain = modifiers.kind == Kind::Text && modifiers.relation.is_none();
    if field == Field::AnyLeaf || !is_plain {
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

/// The field a key names; an empty name means keywords, of which a default relation is set.
fn field(
    key: &Node,
    name: &str,
    modifiers: &mut Modifiers,
    reporter: &mut Reporter<'_>,
) -> Option<Field> {
    if name.is_empty() {
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
        return Some(Field::AnyLeaf);
    }
    path(key, name, reporter).map(Field::Path)
}

/// Checks a dotted path; what a later version will look up differently must not be looked up wrongly today.
pub(crate) fn path(node: &Node, name: &str, reporter: &mut Reporter<'_>) -> Option<Box<str>> {
    if name.contains(['[', ']']) {
        reporter.error(
            node.mark,
            code::UNSUPPORTED,
            format!("array scopes such as {} are not supported yet", quoted(name)),
            "name the path without brackets; any element may then match",
        );
        return None;
    }
    let segments: Vec<&str> = name.split('.').collect();
    let enters_text = segments.windows(2).any(|pair| {
        JSON_TEXT_KEYS.contains(&pair[0]) || (pair[0] == "policy" && pair[1] == "Statement")
    });
    if enters_text {
        reporter.error(
            node.mark,
            code::UNSUPPORTED,
            format!(
                "{} leads into JSON held in a string, which is not supported yet",
                quoted(name)
            ),
            "test the string itself with `contains`",
        );
        return None;
    }
    Some(name.into())
}

/// Replaces many plain equalities by one predicate that looks the value up, so that a list of a thousand addresses
/// costs what one does.
fn gathered(field: &Field, parts: Vec<Expr>) -> Vec<Expr> {
    let is_plain = |part: &Expr| {
        let Expr::Test(Predicate { test: Test::Text(pattern), .. }) = part else { return false };
        matches!(pattern.shape, Shape::Exact(_)) && pattern.number.is_none()
    };
    if parts.iter().filter(|part| is_plain(part)).count() < GATHERED_MIN {
        return parts;
    }
    let mut kept = Vec::new();
    let mut texts = Vec::new();
    let mut is_cased = false;
    for part in parts {
        match part {
            Expr::Test(Predicate {
                test: Test::Text(Pattern { shape: Shape::Exact(text), cased, number: None }),
                ..
            }) => {
                is_cased = cased;
                texts.push(text);
            }
            part => kept.push(part),
        }
    }
    texts.sort_unstable();
    texts.dedup();
    let test = Test::OneOf { texts: texts.into(), cased: is_cased };
    kept.push(Expr::Test(Predicate { field: field.clone(), test }));
    kept
}
