//! Evaluating one predicate on a record, and a scope's body on an element.

use std::cell::RefCell;
use std::sync::Arc;

use trailloop_cloudtrail::Value;
use trailloop_enrichment::Enriched;

use crate::derived::Derived;
use crate::fields::NodeId;
use crate::number::Num;
use crate::path::{Path, Quantifier};
use crate::relate;
use crate::test::{Expr, Field, Predicate, Relation, Test};
use crate::value::{self, Check, Compact};
use crate::view::{At, View, Visit, elements, walk};

/// Where a compiled predicate's values come from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// Every string and number of the record, for keywords.
    AnyLeaf,
    /// A path of keys, which has a node in the trie.
    Node(NodeId),
    /// A path with positions in arrays.
    Path(Path),
    Derived(Derived),
    Enriched(Enriched),
}

/// Visits the other field of a `fieldref`: each scalar as text, and as a number if it is one.
type Others<'o> = &'o dyn Fn(&mut dyn FnMut(&str, Option<Num>) -> bool) -> bool;

/// Whether a record passes a test. `other` is the second field of a `fieldref`; `room` is what evaluation needs.
pub(crate) fn holds(
    source: &Source,
    test: &Test,
    other: Option<&Source>,
    view: View<'_>,
    room: &mut Room,
) -> bool {
    let others = |visit: &mut dyn FnMut(&str, Option<Num>) -> bool| match other {
        Some(Source::Node(id)) => view.visit(*id, &mut |end| scalars_at(end, visit)),
        Some(Source::Path(path)) => view.walk(path, &mut |end| scalars_at(end, visit)),
        Some(Source::Derived(derived)) => view.derived(*derived, &mut |text| visit(text, None)),
        Some(Source::Enriched(field)) => view.enriched(*field, &mut |text| visit(text, None)),
        Some(Source::AnyLeaf) | None => false,
    };
    match source {
        Source::AnyLeaf => value::leaf_passes(test, view.root()),
        Source::Derived(derived) => {
            worked_out_holds(test, &others, &|visit| view.derived(*derived, visit))
        }
        Source::Enriched(field) => {
            worked_out_holds(test, &others, &|visit| view.enriched(*field, visit))
        }
        Source::Node(id) => match (view.at(*id), test) {
            (At::Missing, Test::Null) => true,
            (At::Missing, Test::Exists | Test::Text(_) | Test::OneOf(_)) => false,
            (At::Value(_), Test::Exists) => true,
            (At::Value(value), Test::Text(_) | Test::OneOf(_)) if value.as_str().is_some() => {
                value::text_passes(Check::Test(test), value.as_str().unwrap_or_default())
            }
            _ => holds_at(test, &others, view, room, &|visit| view.visit(*id, visit)),
        },
        Source::Path(path) => holds_at(test, &others, view, room, &|visit| view.walk(path, visit)),
    }
}

fn scalars_at(end: Option<Value<'_>>, visit: &mut dyn FnMut(&str, Option<Num>) -> bool) -> bool {
    end.is_some_and(|end| value::scalars(end, visit))
}

/// Visits the texts of a field that is worked out from the record.
type Texts<'t> = &'t dyn Fn(&mut dyn FnMut(&str) -> bool) -> bool;

/// Whether the texts of a field pass that is worked out from the record.
fn worked_out_holds(test: &Test, others: Others<'_>, texts: Texts<'_>) -> bool {
    match test {
        Test::Null => !texts(&mut |_| true),
        Test::Exists => texts(&mut |_| true),
        Test::OtherField { relation, cased, .. } => related(
            (*relation, *cased),
            others,
            &mut |check| texts(&mut |text| value::text_passes(check, text)),
            &mut |many| texts(&mut |text| many.relate(text, None)),
        ),
        test => texts(&mut |text| value::text_passes(Check::Test(test), text)),
    }
}

/// Whether the values that `ends` visits pass.
fn holds_at<'a>(
    test: &Test,
    others: Others<'_>,
    view: View<'a>,
    room: &mut Room,
    ends: &dyn Fn(Visit<'_, 'a>) -> bool,
) -> bool {
    match test {
        Test::Null => ends(&mut |end| end.is_none_or(value::has_null)),
        Test::Exists => ends(&mut |end| end.is_some()),
        Test::OtherField { relation, cased, .. } => {
            let text = RefCell::new(&mut room.compact);
            related(
                (*relation, *cased),
                others,
                &mut |check| {
                    ends(&mut |end| {
                        end.is_some_and(|end| value::passes(check, end, &mut text.borrow_mut()))
                    })
                },
                &mut |many| {
                    ends(&mut |end| {
                        end.is_some_and(|end| {
                            value::texts(end, &mut text.borrow_mut(), &mut |text, number| {
                                many.relate(text, number)
                            })
                        })
                    })
                },
            )
        }
        Test::Scope { quantifier, body } => {
            let mut body = |element| body_holds(body, element, view, room);
            scope_holds(*quantifier, view, &mut body, ends)
        }
        test => ends(&mut |end| {
            end.is_some_and(|end| value::passes(Check::Test(test), end, &mut room.compact))
        }),
    }
}

/// Whether a field stands in a relation to another: `pair` compares it with one value of the other, `with_many` with all.
fn related(
    (relation, cased): (Relation, bool),
    others: Others<'_>,
    pair: &mut dyn FnMut(Check<'_>) -> bool,
    with_many: &mut dyn FnMut(&relate::Others) -> bool,
) -> bool {
    let mut seen = 0;
    let is_found = others(&mut |other, number| {
        seen += 1;
        seen > relate::PAIRED_MAX || pair(Check::Against { other, number, relation, cased })
    });
    if seen <= relate::PAIRED_MAX {
        return is_found;
    }
    relate::Others::new(relation, cased, others).is_some_and(|many| with_many(&many))
}

fn scope_holds<'a>(
    quantifier: Quantifier,
    view: View<'a>,
    body: &mut dyn FnMut(Value<'a>) -> bool,
    ends: &dyn Fn(Visit<'_, 'a>) -> bool,
) -> bool {
    let each = |check: &mut dyn FnMut(Value<'a>) -> bool| {
        ends(&mut |end| end.is_some_and(|end| elements(end, view.texts(), check)))
    };
    match quantifier {
        Quantifier::Any => each(body),
        Quantifier::None => !each(body),
        Quantifier::AllOrEmpty => !each(&mut |element| !body(element)),
        Quantifier::All => {
            let mut is_empty = true;
            let is_broken = each(&mut |element| {
                is_empty = false;
                !body(element)
            });
            !is_broken && !is_empty
        }
        Quantifier::Itself => {
            ends(&mut |end| end.is_some_and(|value| !value.is_null() && body(value)))
        }
    }
}

/// Whether an element satisfies a body.
fn body_holds<'a>(expr: &Expr, element: Value<'a>, view: View<'a>, room: &mut Room) -> bool {
    match expr {
        Expr::All(parts) => parts.iter().all(|part| body_holds(part, element, view, room)),
        Expr::Any(parts) => parts.iter().any(|part| body_holds(part, element, view, room)),
        Expr::Not(part) => !body_holds(part, element, view, room),
        Expr::AtLeast(count, parts) => {
            let held = parts.iter().filter(|part| body_holds(part, element, view, room));
            held.take(*count).count() == *count
        }
        Expr::Test(Predicate { field, test }) => {
            let Field::Path(path) = field else { return false };
            let ends = |visit: Visit<'_, 'a>| walk(element, &path.parts, view.texts(), visit);
            match test {
                Test::OtherField { field: other, relation, cased } => {
                    let Some(others) = room.others(other, (*relation, *cased), view) else {
                        return false;
                    };
                    ends(&mut |end| {
                        end.is_some_and(|end| {
                            value::texts(end, &mut room.compact, &mut |text, number| {
                                others.relate(text, number)
                            })
                        })
                    })
                }
                test => holds_at(test, &|_| false, view, room, &ends),
            }
        }
    }
}

/// What evaluation needs beside a record: room for texts, and what it found out for the elements of a scope.
#[derive(Debug, Default)]
pub(crate) struct Room {
    compact: Compact,
    /// The values of fields of the record that bodies compare their elements with, by the address of the field in the
    /// rule: they are the same for every element.
    others: Vec<(usize, Option<Arc<relate::Others>>)>,
}

impl Room {
    /// Forgets the last record.
    pub(crate) fn clear(&mut self) {
        self.compact.clear();
        self.others.clear();
    }

    fn others(
        &mut self,
        field: &Field,
        (relation, cased): (Relation, bool),
        view: View<'_>,
    ) -> Option<Arc<relate::Others>> {
        let address = std::ptr::from_ref(field).addr();
        if let Some((_, others)) = self.others.iter().find(|(known, _)| *known == address) {
            return others.clone();
        }
        let others = relate::Others::new(relation, cased, |visit| match field {
            Field::Path(path) => view.walk(path, &mut |end| scalars_at(end, visit)),
            Field::Derived(derived) => view.derived(*derived, &mut |text| visit(text, None)),
            Field::Enriched(field) => view.enriched(*field, &mut |text| visit(text, None)),
            Field::AnyLeaf => false,
        });
        let others = others.map(Arc::new);
        self.others.push((address, others.clone()));
        others
    }
}
