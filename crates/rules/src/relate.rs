//! Comparing a field with another that has many values.
//!
//! `fieldref` compares any value of one field with any of another. Both may be arrays that a caller filled, and pairing
//! thousands with thousands would take seconds. Where the other field has more than a few values, they become one automaton
//! that each value of the field is run through once.

use std::collections::BTreeSet;

use aho_corasick::automaton::OverlappingState;
use aho_corasick::{AhoCorasick, Input};

use crate::fold;
use crate::number::Num;
use crate::test::Relation;

/// So many values of the other field are compared one by one.
pub(crate) const PAIRED_MAX: usize = 32;

/// The values of the other field.
#[derive(Debug)]
pub(crate) struct Others {
    automaton: AhoCorasick,
    numbers: BTreeSet<String>,
    has_empty: bool,
    cased: bool,
}

impl Others {
    /// `visit_all` visits each value as text, and as a number if it is one. `None` if there is no memory for them.
    pub(crate) fn new(
        cased: bool,
        visit_all: impl Fn(&mut dyn FnMut(&str, Option<Num>) -> bool) -> bool,
    ) -> Option<Self> {
        let (mut texts, mut numbers) = (BTreeSet::new(), BTreeSet::new());
        visit_all(&mut |text, number| {
            numbers.extend(number.map(Num::by_value));
            texts.insert(if cased { text.to_owned() } else { fold::folded(text) });
            false
        });
        let has_empty = texts.remove("");
        let automaton = AhoCorasick::new(&texts).ok()?;
        Some(Self { automaton, numbers, has_empty, cased })
    }

    /// Whether a text stands in this relation to one of the values; as a number it may be equal by value.
    pub(crate) fn relate(&self, text: &str, number: Option<Num>, relation: Relation) -> bool {
        let is_equal = relation == Relation::Equals;
        if is_equal && number.is_some_and(|number| self.numbers.contains(&number.by_value())) {
            return true;
        }
        if self.has_empty && (!is_equal || text.is_empty()) {
            return true;
        }
        let folded;
        let text = if self.cased {
            text
        } else {
            folded = fold::folded(text);
            &folded
        };
        let mut state = OverlappingState::start();
        loop {
            self.automaton.find_overlapping(Input::new(text), &mut state);
            let Some(found) = state.get_match() else { return false };
            let starts = found.start() == 0;
            let ends = found.end() == text.len();
            let is_it = match relation {
                Relation::Equals => starts && ends,
                Relation::Contains => true,
                Relation::StartsWith => starts,
                Relation::EndsWith => ends,
            };
            if is_it {
                return true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relations_hold_as_they_do_one_by_one() {
        let values = ["alpha", "BETA", "ta", "", "22", "é"];
        let texts = ["", "x", "Alphabet", "xbeta", "beta", "É", "22.0", "tax", "αβγ"];
        for cased in [false, true] {
            for some in [&values[..], &values[..3]] {
                let others = Others::new(cased, |visit| {
                    some.iter().any(|text| visit(text, Num::parse(text, false)))
                });
                let others = others.unwrap();
                for text in texts {
                    let expected = |holds: fn(&str, &str, bool) -> bool| {
                        some.iter().any(|value| holds(text, value, cased))
                    };
                    for (relation, holds) in [
                        (Relation::Equals, fold::equals as fn(&str, &str, bool) -> bool),
                        (Relation::Contains, fold::contains),
                        (Relation::StartsWith, fold::starts_with),
                        (Relation::EndsWith, fold::ends_with),
                    ] {
                        let found = others.relate(text, None, relation);
                        assert_eq!(found, expected(holds), "{text} {relation:?} {cased}");
                    }
                }
            }
        }
        let others = Others::new(false, |visit| visit("22", Some(Num::Int(22)))).unwrap();
        assert!(others.relate("22.0", Some(Num::Float(22.0)), Relation::Equals));
        assert!(!others.relate("22.5", Some(Num::Float(22.5)), Relation::Equals));
    }
}
