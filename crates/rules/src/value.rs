//! Testing a value: what a text test means for numbers, booleans, arrays and objects.

use trailloop_cloudtrail::{Kind, Number, Position, Value};

use crate::fold;
use crate::number::{Num, with_text};
use crate::pattern::Shape;
use crate::test::{Relation, Test, any_holds};

/// What is asked of a value: a test of the rule, or a comparison with a value of another field.
#[derive(Clone, Copy)]
pub(crate) enum Check<'t> {
    Test(&'t Test),
    Against { other: &'t str, number: Option<Num>, relation: Relation, cased: bool },
}

/// The compact text of the object that was asked for last: several tests look at the same one.
#[derive(Debug, Default)]
pub(crate) struct Compact {
    text: String,
    /// Where that object stands in the record.
    place: Option<Position>,
}

impl Compact {
    /// Forgets the last record.
    pub(crate) fn clear(&mut self) {
        self.place = None;
    }

    fn of(&mut self, value: Value<'_>) -> &str {
        let place = value.position();
        if place.is_none() || self.place != place {
            self.place = place;
            self.text.clear();
            value.write_compact(&mut self.text);
        }
        &self.text
    }
}

/// Whether the value, or any element of it, passes. `compact` is room for an object's text.
pub(crate) fn passes(check: Check<'_>, value: Value<'_>, compact: &mut Compact) -> bool {
    match value.kind() {
        Kind::Null => false,
        Kind::Bool(value) => text_passes(check, if value { "true" } else { "false" }),
        Kind::String(text) => text_passes(check, text),
        Kind::Number(number) => number_passes(check, number),
        Kind::Array(mut elements) => {
            // An empty array is present, though it has no element to test.
            let is_present = matches!(check, Check::Test(Test::Text(pattern)) if pattern.shape == Shape::Present);
            if is_present && elements.clone().next().is_none() {
                return true;
            }
            elements.any(|element| passes(check, element, compact))
        }
        Kind::Object(_) => {
            let is_about_text = matches!(
                check,
                Check::Against { .. }
                    | Check::Test(
                        Test::Text(_)
                            | Test::OneOf(_)
                            | Test::AnyEdge(_)
                            | Test::AnyPiece(_)
                            | Test::Regex(_)
                    )
            );
            if !is_about_text {
                return false;
            }
            if strings(value, &mut |text| text_passes(check, text)) {
                return true;
            }
            text_passes(check, compact.of(value))
        }
    }
}

/// Whether null is the value or an element of it.
pub(crate) fn has_null(value: Value<'_>) -> bool {
    match value.kind() {
        Kind::Null => true,
        Kind::Array(mut elements) => elements.any(has_null),
        _ => false,
    }
}

/// Whether any string or number below the value passes; keywords look no further.
pub(crate) fn leaf_passes(test: &Test, value: Value<'_>) -> bool {
    match value.kind() {
        Kind::String(text) => text_passes(Check::Test(test), text),
        Kind::Number(number) => number_passes(Check::Test(test), number),
        Kind::Array(mut elements) => elements.any(|element| leaf_passes(test, element)),
        Kind::Object(mut members) => members.any(|(_, member)| leaf_passes(test, member)),
        Kind::Null | Kind::Bool(_) => false,
    }
}

/// Calls `visit` with every string below the value, and with every number's text, until it returns `true`.
pub(crate) fn leaves(value: Value<'_>, visit: &mut dyn FnMut(&str) -> bool) -> bool {
    match value.kind() {
        Kind::String(text) => visit(text),
        Kind::Number(number) => with_text(number, visit),
        Kind::Array(mut elements) => elements.any(|element| leaves(element, visit)),
        Kind::Object(mut members) => members.any(|(_, member)| leaves(member, visit)),
        Kind::Null | Kind::Bool(_) => false,
    }
}

/// Calls `visit` with every text that a test of text would look at: scalars of the value or its elements, and of an object
/// each string below it and its compact text. `compact` is room for that.
pub(crate) fn texts(
    value: Value<'_>,
    compact: &mut Compact,
    visit: &mut dyn FnMut(&str, Option<Num>) -> bool,
) -> bool {
    match value.kind() {
        Kind::Array(mut elements) => elements.any(|element| texts(element, compact, visit)),
        Kind::String(text) => visit(text, None),
        Kind::Object(_) => {
            if strings(value, &mut |text| visit(text, None)) {
                return true;
            }
            visit(compact.of(value), None)
        }
        _ => scalars(value, visit),
    }
}

/// Calls `visit` with every string below the value, until it returns `true`.
fn strings(value: Value<'_>, visit: &mut dyn FnMut(&str) -> bool) -> bool {
    match value.kind() {
        Kind::String(text) => visit(text),
        Kind::Array(mut elements) => elements.any(|element| strings(element, visit)),
        Kind::Object(mut members) => members.any(|(_, member)| strings(member, visit)),
        _ => false,
    }
}

/// Calls `visit` with every string, number or boolean of the value as text, until it returns `true`; with the number that
/// it is by value, as a value of a rule would be.
pub(crate) fn scalars(value: Value<'_>, visit: &mut dyn FnMut(&str, Option<Num>) -> bool) -> bool {
    match value.kind() {
        Kind::String(text) => visit(text, Num::of_text(text)),
        Kind::Bool(value) => visit(if value { "true" } else { "false" }, None),
        Kind::Number(number) => with_text(number, |text| visit(text, Num::of(number))),
        Kind::Array(mut elements) => elements.any(|element| scalars(element, visit)),
        Kind::Null | Kind::Object(_) => false,
    }
}

fn number_passes(check: Check<'_>, number: Number<'_>) -> bool {
    let equal_by_value = match check {
        Check::Test(Test::Number(order, bound)) => {
            let size = Num::size_of(number);
            return size.and_then(|size| size.compare(*bound)).is_some_and(|o| order.holds(o));
        }
        Check::Test(Test::OneOf(whole)) if Num::of(number).is_some_and(|n| whole.holds(n)) => {
            return true;
        }
        Check::Test(Test::Text(pattern)) => pattern.number,
        Check::Against { number, relation: Relation::Equals, .. } => number,
        _ => None,
    };
    if let Some(expected) = equal_by_value {
        let value = Num::of(number);
        if value.and_then(|value| value.compare(expected)).is_some_and(std::cmp::Ordering::is_eq) {
            return true;
        }
    }
    with_text(number, |text| text_passes(check, text))
}

pub(crate) fn text_passes(check: Check<'_>, text: &str) -> bool {
    match check {
        Check::Test(Test::Text(pattern)) => pattern.matches(text),
        Check::Test(Test::OneOf(whole)) => whole.matches(text),
        Check::Test(Test::AnyEdge(edge)) => edge.matches(text),
        Check::Test(Test::Regex(expression)) => expression.regex.is_match(text),
        Check::Test(Test::AnyPiece(pieces)) => pieces.matches(text),
        Check::Test(Test::Network(network)) => network.contains(text),
        Check::Test(Test::AnyNetwork(networks)) => any_holds(networks, text),
        Check::Test(Test::Number(order, bound)) => Num::size_of_text(text)
            .and_then(|value| value.compare(*bound))
            .is_some_and(|o| order.holds(o)),
        Check::Test(Test::Time(part, order, bound)) => {
            part.of(text).is_some_and(|value| order.holds(value.cmp(bound)))
        }
        // These are decided by the walk, not by a value.
        Check::Test(Test::Null | Test::Exists | Test::OtherField { .. } | Test::Scope { .. }) => {
            false
        }
        Check::Against { other, relation, cased, .. } => match relation {
            Relation::Equals => fold::equals(text, other, cased),
            Relation::Contains => fold::contains(text, other, cased),
            Relation::StartsWith => fold::starts_with(text, other, cased),
            Relation::EndsWith => fold::ends_with(text, other, cased),
        },
    }
}
