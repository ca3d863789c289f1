//! Comparing a field with another that has many values.
//!
//! `fieldref` compares any value of one field with any of another. Both may be arrays that a caller filled, and pairing
//! thousands with thousands would take seconds. Where the other field has more than a few values, each value of the field
//! is looked up among them once.

use std::collections::HashSet;

use aho_corasick::AhoCorasick;

use crate::fold;
use crate::gather::Edge;
use crate::number::Num;
use crate::test::Relation;

/// So many values of the other field are compared one by one.
pub(crate) const PAIRED_MAX: usize = 32;

/// The values of the other field, ready for one relation.
#[derive(Debug)]
pub(crate) struct Others {
    texts: Texts,
    /// Whether one of them is empty, which every text contains, begins and ends with.
    has_empty: bool,
    cased: bool,
}

#[derive(Debug)]
enum Texts {
    Equal { texts: HashSet<String>, numbers: HashSet<String> },
    Contained(AhoCorasick),
    AtEdge(Edge),
}

impl Others {
    /// `visit_all` visits each value as text, and as a number if it is one. `None` if there is no memory for them.
    pub(crate) fn new(
        relation: Relation,
        cased: bool,
        visit_all: impl Fn(&mut dyn FnMut(&str, Option<Num>) -> bool) -> bool,
    ) -> Option<Self> {
        let (mut texts, mut numbers) = (HashSet::new(), HashSet::new());
        visit_all(&mut |text, number| {
            numbers.extend(number.map(Num::by_value));
            texts.insert(if cased { text.to_owned() } else { fold::folded(text) });
            false
        });
        let has_empty = texts.contains("");
        let texts = match relation {
            Relation::Equals => Texts::Equal { texts, numbers },
            Relation::Contains => Texts::Contained(AhoCorasick::new(&texts).ok()?),
            Relation::StartsWith => Texts::AtEdge(Edge::new(texts, false, cased)),
            Relation::EndsWith => Texts::AtEdge(Edge::new(texts, true, cased)),
        };
        Some(Self { texts, has_empty, cased })
    }

    /// Whether a text stands in the relation to one of the values; as a number it may be equal by value.
    pub(crate) fn relate(&self, text: &str, number: Option<Num>) -> bool {
        let folded = || if self.cased { text.to_owned() } else { fold::folded(text) };
        match &self.texts {
            Texts::Equal { texts, numbers } => {
                number.is_some_and(|number| numbers.contains(&number.by_value()))
                    || texts.contains(&folded())
            }
            Texts::Contained(automaton) => self.has_empty || automaton.is_match(&folded()),
            Texts::AtEdge(edge) => self.has_empty || edge.matches(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relations_hold_as_they_do_one_by_one() {
        let values = ["alpha", "BETA", "ta", "a", "22", "é", ""];
        let texts = ["", "x", "Alphabet", "xbeta", "beta", "É", "22.0", "tax", "αβγ", "bé"];
        for (cased, some) in
            [(false, &values[..]), (true, &values[..]), (false, &values[..6]), (true, &values[..3])]
        {
            for (relation, holds) in [
                (Relation::Equals, fold::equals as fn(&str, &str, bool) -> bool),
                (Relation::Contains, fold::contains),
                (Relation::StartsWith, fold::starts_with),
                (Relation::EndsWith, fold::ends_with),
            ] {
                let others = Others::new(relation, cased, |visit| {
                    some.iter().any(|text| visit(text, Num::of_text(text)))
                });
                let others = others.unwrap();
                for text in texts {
                    let expected = some.iter().any(|value| holds(text, value, cased));
                    assert_eq!(others.relate(text, None), expected, "{text} {relation:?} {cased}");
                }
            }
        }
        let two = 9_223_372_036_854_775_808_i128;
        let others = Others::new(Relation::Equals, false, |visit| {
            visit("22", Some(Num::Int(22))) || visit("big", Some(Num::Int(two)))
        });
        let others = others.unwrap();
        for (number, expected) in [
            (Num::Float(22.0), true),
            (Num::Float(22.5), false),
            (Num::Float(9_223_372_036_854_775_808.0), true),
            (Num::Int(two + 1), false),
        ] {
            assert_eq!(others.relate("x", Some(number)), expected, "{number}");
        }
    }
}
