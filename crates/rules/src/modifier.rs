//! The key of a detection item: a field name and its modifiers, checked for sense.

use crate::diagnostic::{Reporter, code, quoted};
use crate::encode::Encoding;
use crate::test::{Order, Relation};
use crate::time::TimePart;
use crate::yaml::{Mark, Node};

/// What the modifiers of a key ask for, taken together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Modifiers {
    pub(crate) kind: Kind,
    /// `contains`, `startswith` or `endswith`.
    pub(crate) relation: Option<Relation>,
    /// In the order written: `wide|base64` encodes the wide text.
    pub(crate) encodings: Vec<Encoding>,
    pub(crate) windash: bool,
    /// Placeholders stand for lists.
    pub(crate) expand: bool,
    pub(crate) all: bool,
    pub(crate) cased: bool,
    pub(crate) negated: bool,
}

/// The kind of test that a key's values make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    /// With the flags `i`, `m` and `s` as written.
    Regex(String),
    Network,
    Number(Order),
    Exists,
    OtherField,
    Time(TimePart, Order),
}

/// Every modifier, for the help of an unknown one.
const KNOWN: &[&str] = &[
    "all",
    "base64",
    "base64offset",
    "cased",
    "cidr",
    "contains",
    "day",
    "dotall",
    "endswith",
    "exists",
    "expand",
    "fieldref",
    "gt",
    "gte",
    "hour",
    "i",
    "ignorecase",
    "lt",
    "lte",
    "m",
    "minute",
    "month",
    "multiline",
    "neq",
    "re",
    "s",
    "startswith",
    "utf16",
    "utf16be",
    "utf16le",
    "week",
    "wide",
    "windash",
    "year",
];

/// Reads a key such as `userAgent|contains|all`: the field, empty for keywords, and its modifiers.
pub(crate) fn read<'k>(key: &'k Node, reporter: &mut Reporter<'_>) -> Option<(&'k str, Modifiers)> {
    let text = key.text();
    let mut words = text.split('|');
    let field = words.next().unwrap_or_default();
    let mut modifiers = Modifiers {
        kind: Kind::Text,
        relation: None,
        encodings: Vec::new(),
        windash: false,
        expand: false,
        all: false,
        cased: false,
        negated: false,
    };
    let mut offset = field.len();
    let mut seen: Vec<&str> = Vec::new();
    for word in words {
        let spot = Spot { key, offset: offset + 1, word };
        offset += 1 + word.len();
        if seen.contains(&word) {
            conflict(spot.mark(reporter), word, word, reporter);
            return None;
        }
        modifiers.add(spot, seen.last().copied(), reporter)?;
        seen.push(word);
    }
    modifiers.check(key.mark, &seen, reporter)?;
    Some((field, modifiers))
}

/// A modifier where it stands. Its place in the file is worked out only for a message.
#[derive(Clone, Copy)]
struct Spot<'k> {
    key: &'k Node,
    offset: usize,
    word: &'k str,
}

impl Spot<'_> {
    fn mark(self, reporter: &Reporter<'_>) -> Mark {
        reporter.mark_within(self.key, self.key.text(), self.offset, self.word)
    }
}

impl Modifiers {
    /// Whether null can be a value: nothing is to be done with its text.
    pub(crate) fn take_null(&self) -> bool {
        self.kind == Kind::Text
            && self.relation.is_none()
            && self.encodings.is_empty()
            && !(self.windash || self.expand)
    }

    /// Takes one modifier in; `None` and a diagnostic if it is unknown or can't follow the ones before.
    fn add(
        &mut self,
        spot: Spot<'_>,
        previous: Option<&str>,
        reporter: &mut Reporter<'_>,
    ) -> Option<()> {
        let word = spot.word;
        match word {
            "all" => self.all = true,
            "cased" => self.cased = true,
            "neq" => self.negated = true,
            "windash" => self.windash = true,
            "expand" => self.expand = true,
            "contains" => return self.relate(Relation::Contains, spot, reporter),
            "startswith" => return self.relate(Relation::StartsWith, spot, reporter),
            "endswith" => return self.relate(Relation::EndsWith, spot, reporter),
            "base64" => self.encodings.push(Encoding::Base64),
            "base64offset" => self.encodings.push(Encoding::Base64Offset),
            "wide" | "utf16le" => self.encodings.push(Encoding::Utf16Le),
            "utf16be" => self.encodings.push(Encoding::Utf16Be),
            "utf16" => self.encodings.push(Encoding::Utf16),
            "re" => return self.become_kind(Kind::Regex(String::new()), spot, reporter),
            "cidr" => return self.become_kind(Kind::Network, spot, reporter),
            "exists" => return self.become_kind(Kind::Exists, spot, reporter),
            "fieldref" => return self.become_kind(Kind::OtherField, spot, reporter),
            "i" | "ignorecase" | "m" | "multiline" | "s" | "dotall" => {
                return self.flag(spot, previous, reporter);
            }
            _ => {
                if let Some(order) = order_of(word) {
                    return self.compare(order, spot, reporter);
                }
                if let Some(part) = time_part_of(word) {
                    return self.become_kind(Kind::Time(part, Order::Equal), spot, reporter);
                }
                reporter.error(
                    spot.mark(reporter),
                    code::UNKNOWN_MODIFIER,
                    format!("unknown modifier {}", quoted(word)),
                    remedy(word),
                );
                return None;
            }
        }
        Some(())
    }

    fn relate(
        &mut self,
        relation: Relation,
        spot: Spot<'_>,
        reporter: &mut Reporter<'_>,
    ) -> Option<()> {
        if let Some(earlier) = self.relation {
            let earlier = match earlier {
                Relation::StartsWith => "startswith",
                Relation::EndsWith => "endswith",
                Relation::Contains | Relation::Equals => "contains",
            };
            conflict(spot.mark(reporter), earlier, spot.word, reporter);
            return None;
        }
        self.relation = Some(relation);
        Some(())
    }

    fn become_kind(
        &mut self,
        kind: Kind,
        spot: Spot<'_>,
        reporter: &mut Reporter<'_>,
    ) -> Option<()> {
        if self.kind != Kind::Text {
            conflict(spot.mark(reporter), self.kind.name(), spot.word, reporter);
            return None;
        }
        self.kind = kind;
        Some(())
    }

    fn compare(&mut self, order: Order, spot: Spot<'_>, reporter: &mut Reporter<'_>) -> Option<()> {
        // A part of a time compares too: `eventTime|hour|gte: 20`.
        if let Kind::Time(part, Order::Equal) = self.kind {
            self.kind = Kind::Time(part, order);
            return Some(());
        }
        self.become_kind(Kind::Number(order), spot, reporter)
    }

    fn flag(
        &mut self,
        spot: Spot<'_>,
        previous: Option<&str>,
        reporter: &mut Reporter<'_>,
    ) -> Option<()> {
        let word = spot.word;
        let follows_regex = matches!(
            previous,
            Some("re" | "i" | "m" | "s" | "ignorecase" | "multiline" | "dotall")
        );
        if let (Kind::Regex(flags), true) = (&mut self.kind, follows_regex) {
            // The long names begin as the short ones do, but for `dotall`.
            flags.push(match word.as_bytes()[0] {
                b'd' => 's',
                first => char::from(first),
            });
            return Some(());
        }
        reporter.error(
            spot.mark(reporter),
            code::CONFLICTING_MODIFIERS,
            format!("the flag {} does not follow `re`", quoted(word)),
            format!("write `re|{word}`"),
        );
        None
    }

    /// Refuses combinations that would have to be guessed at.
    fn check(&self, mark: Mark, seen: &[&str], reporter: &mut Reporter<'_>) -> Option<()> {
        let shapes_text = self.windash || !self.encodings.is_empty();
        let bad = match self.kind {
            Kind::Text => false,
            Kind::Regex(_) => shapes_text || self.cased || self.expand,
            Kind::OtherField => shapes_text || self.expand,
            Kind::Network => shapes_text || self.cased || self.relation.is_some(),
            Kind::Number(_) | Kind::Time(..) => {
                shapes_text || self.cased || self.relation.is_some() || self.expand
            }
            Kind::Exists => seen.len() > 1,
        };
        if bad {
            let others: Vec<_> = seen
                .iter()
                .filter(|word| !matches!(**word, "all" | "neq") || self.kind == Kind::Exists)
                .filter(|word| **word != self.kind.name())
                .copied()
                .collect();
            conflict(mark, self.kind.name(), &others.join("` and `"), reporter);
            return None;
        }
        Some(())
    }
}

impl Kind {
    fn name(&self) -> &'static str {
        match self {
            Self::Text => "contains",
            Self::Regex(_) => "re",
            Self::Network => "cidr",
            Self::Exists => "exists",
            Self::OtherField => "fieldref",
            Self::Number(Order::Less) => "lt",
            Self::Number(Order::LessOrEqual) => "lte",
            Self::Number(Order::Greater) => "gt",
            Self::Number(_) => "gte",
            Self::Time(part, _) => part.name(),
        }
    }
}

/// What to write instead of a modifier that is none: other languages have words for what Sigma says otherwise.
fn remedy(word: &str) -> String {
    let meant = match word.to_ascii_lowercase().as_str() {
        "" => "remove the `|`, or write a modifier after it",
        "in" | "any" | "or" => "remove it: a list means any of its values already",
        "equals" | "eq" | "is" | "exact" => {
            "remove it: a value without a modifier is compared whole"
        }
        "not" | "ne" | "is_not" => "write `neq`, or `not` in the condition",
        "regex" | "regexp" | "matches" => "write `re`",
        "is_null" | "isnull" | "null" | "missing" => "write `field: null`",
        "wildcard" | "like" => "remove it: `*` and `?` are wildcards already",
        _ => "",
    };
    if !meant.is_empty() {
        return meant.to_owned();
    }
    match nearest(word, KNOWN).filter(|_| word.len() > 2) {
        Some(near) => format!("write `{near}`"),
        None => format!("write one of {}", KNOWN.join(", ")),
    }
}

/// The candidate that is at most two edits away from a misspelt word, if one is.
#[must_use]
pub fn nearest<'c>(word: &str, candidates: &[&'c str]) -> Option<&'c str> {
    // Distance is quadratic in the lengths, and no real name is this long.
    if word.len() > 64 {
        return None;
    }
    let edits_max = if word.len() > 3 { 2 } else { 1 };
    candidates
        .iter()
        .take(1_000)
        .filter(|candidate| candidate.len() <= 64)
        .map(|candidate| (edits(word, candidate), *candidate))
        .filter(|(distance, _)| *distance <= edits_max)
        .min()
        .map(|(_, candidate)| candidate)
}

fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().flat_map(char::to_lowercase).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().flat_map(char::to_lowercase).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

fn conflict(mark: Mark, one: &str, other: &str, reporter: &mut Reporter<'_>) {
    if one == other {
        reporter.error(
            mark,
            code::CONFLICTING_MODIFIERS,
            format!("the modifier {} stands twice", quoted(one)),
            "remove one of them",
        );
        return;
    }
    reporter.error(
        mark,
        code::CONFLICTING_MODIFIERS,
        format!("the modifiers `{one}` and `{other}` can't stand together"),
        "keep one of them, or split the item into two",
    );
}

fn order_of(word: &str) -> Option<Order> {
    Some(match word {
        "lt" => Order::Less,
        "lte" => Order::LessOrEqual,
        "gt" => Order::Greater,
        "gte" => Order::GreaterOrEqual,
        _ => return None,
    })
}

fn time_part_of(word: &str) -> Option<TimePart> {
    Some(match word {
        "minute" => TimePart::Minute,
        "hour" => TimePart::Hour,
        "day" => TimePart::Day,
        "week" => TimePart::Week,
        "month" => TimePart::Month,
        "year" => TimePart::Year,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_words_have_a_nearest() {
        assert_eq!(nearest("startwith", KNOWN), Some("startswith"));
        assert_eq!(nearest("Contains", KNOWN), Some("contains"));
        assert_eq!(nearest("foobar", KNOWN), None);
        assert_eq!(nearest(&"x".repeat(100_000), KNOWN), None);
    }
}
