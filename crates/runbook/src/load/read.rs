//! Reading nodes as what they should be; what is something else is reported where it stands.

use std::time::Duration;

use serde_json::{Map, Number, Value};
use trailloop_rules::source::{Data, Mark, Meaning, Node, Reporter, nearest, quoted};

use crate::catalogue::Risk;
use crate::diagnostic::code;
use crate::expression::{Expression, Purpose};

/// What a file is checked against.
#[derive(Clone, Debug)]
pub struct Known {
    /// How much harm the API can do.
    pub risk: Risk,
    /// Whether it changes something.
    pub changes: bool,
    /// Whether the executor makes it.
    pub runs: bool,
    /// Its inputs, if they are known.
    pub inputs: Option<Vec<&'static str>>,
}

/// How an API is looked up by service and name.
pub type Find<'f> = &'f dyn Fn(&str, &str) -> Option<Known>;

/// A file that is being read.
pub(crate) struct Reading<'r, 'a> {
    pub(crate) reporter: &'r mut Reporter<'a>,
    pub(crate) find: Find<'r>,
}

impl Reading<'_, '_> {
    pub(crate) fn error(
        &mut self,
        mark: Mark,
        code: &'static str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.reporter.error(mark, code, message, help);
    }

    /// Reports that something has a wrong type.
    fn wrong(&mut self, node: &Node, what: &str, help: &str) {
        self.error(node.mark, code::WRONG_TYPE, format!("{what} is {}", node.what()), help);
    }

    /// The entries of a mapping that has only these keys.
    pub(crate) fn entries<'n>(
        &mut self,
        node: &'n Node,
        what: &str,
        keys: &[&str],
    ) -> Option<&'n [(Node, Node)]> {
        let entries = self.mapping(node, what)?;
        for (key, _) in entries.iter().filter(|(key, _)| !keys.contains(&key.text())) {
            self.unknown_key(key, what, keys);
        }
        Some(entries)
    }

    /// Reports a key that is not among those there are.
    pub(crate) fn unknown_key(&mut self, key: &Node, what: &str, keys: &[&str]) {
        let help = match nearest(key.text(), keys) {
            Some(near) => format!("write `{near}` if that is meant"),
            None => format!("write one of {}, or remove it", keys.join(", ")),
        };
        let message = format!("{what} has no key {}", quoted(key.text()));
        self.error(key.mark, code::UNKNOWN_KEY, message, help);
    }

    /// The entries of a mapping with any keys.
    pub(crate) fn mapping<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [(Node, Node)]> {
        if let Data::Mapping(entries) = &node.data {
            return Some(entries);
        }
        self.wrong(node, what, "write a mapping of keys and values");
        None
    }

    /// The elements of a list.
    pub(crate) fn list<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [Node]> {
        if let Data::Sequence(elements) = &node.data {
            return Some(elements);
        }
        self.wrong(node, what, "write a list");
        None
    }

    /// The value of a key that has to be there.
    pub(crate) fn demand<'n>(&mut self, node: &'n Node, what: &str, key: &str) -> Option<&'n Node> {
        let value = node.get(key);
        if value.is_none() {
            let message = format!("{what} has no `{key}`");
            self.error(node.mark, code::MISSING_KEY, message, format!("write `{key}:`"));
        }
        value
    }

    /// A text that is not empty; numbers and truths without quotes are no texts.
    pub(crate) fn text(&mut self, node: &Node, what: &str) -> Option<String> {
        match node.scalar() {
            Some(scalar) if scalar.meaning() == Meaning::Text && !scalar.text.trim().is_empty() => {
                Some(scalar.text.clone())
            }
            _ => {
                self.wrong(node, what, "write a text; quote it if it looks like a number");
                None
            }
        }
    }

    /// [`Self::text`] of a key that has to be there.
    pub(crate) fn demand_text(&mut self, node: &Node, what: &str, key: &str) -> Option<String> {
        let value = self.demand(node, what, key)?;
        self.text(value, &format!("`{key}`"))
    }

    /// The texts of a list; one text alone counts as a list of it.
    pub(crate) fn texts(&mut self, node: &Node, what: &str) -> Option<Vec<String>> {
        match &node.data {
            Data::Sequence(elements) => {
                elements.iter().map(|element| self.text(element, what)).collect()
            }
            _ => self.text(node, what).map(|text| vec![text]),
        }
    }

    /// True or false.
    pub(crate) fn truth(&mut self, node: &Node, what: &str) -> Option<bool> {
        match node.scalar().map(trailloop_rules::source::Scalar::meaning) {
            Some(Meaning::Bool(value)) => Some(value),
            _ => {
                self.wrong(node, what, "write `true` or `false`");
                None
            }
        }
    }

    /// A whole number of this range.
    pub(crate) fn whole(&mut self, node: &Node, what: &str, least: u32, most: u32) -> Option<u32> {
        let scalar = node.scalar().filter(|scalar| scalar.meaning() == Meaning::Number);
        let number = scalar.and_then(|scalar| scalar.text.parse().ok());
        if let Some(number) = number.filter(|number| (least..=most).contains(number)) {
            return Some(number);
        }
        self.wrong(node, what, &format!("write a whole number from {least} to {most}"));
        None
    }

    /// A share in percent: `90`, or as a fraction `0.9`.
    pub(crate) fn percent(&mut self, node: &Node, what: &str) -> Option<u32> {
        let text = node.scalar().map(|scalar| scalar.text.as_str());
        let fraction =
            text.and_then(|text| text.strip_prefix("0.")).and_then(|digits| match digits.len() {
                1 => digits.parse::<u32>().ok().map(|tenths| tenths * 10),
                2 => digits.parse().ok(),
                _ => None,
            });
        match fraction {
            Some(percent) => Some(percent),
            None => self.whole(node, what, 0, 100),
        }
    }

    /// A length of time such as `30m`.
    pub(crate) fn duration(&mut self, node: &Node, what: &str) -> Option<Duration> {
        let text = node.scalar().map(|scalar| scalar.text.as_str());
        if let Some(duration) = text.and_then(duration) {
            return Some(duration);
        }
        let message = format!("{what} is {}", node.what());
        let help =
            "write a whole number and `s`, `m`, `h` or `d`, as `30m`, `4h` or `7d`; at most a year";
        self.error(node.mark, code::BAD_DURATION, message, help);
        None
    }

    /// One of some names.
    pub(crate) fn one_of<T: Copy>(
        &mut self,
        node: &Node,
        what: &str,
        names: &[(&str, T)],
    ) -> Option<T> {
        let text = self.text(node, what)?;
        if let Some((_, value)) = names.iter().find(|(name, _)| *name == text) {
            return Some(*value);
        }
        let list: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
        let help = match nearest(&text, &list) {
            Some(near) => format!("write `{near}` if that is meant"),
            None => format!("write one of {}", list.join(", ")),
        };
        self.error(node.mark, code::BAD_VALUE, format!("{what} is {}", quoted(&text)), help);
        None
    }

    /// An expression.
    pub(crate) fn expression(
        &mut self,
        node: &Node,
        what: &str,
        purpose: Purpose,
        aliases: &[String],
    ) -> Option<Expression> {
        // `when: true` and a binding of a number are expressions, though YAML takes them for something else.
        let Some(text) = node.scalar().map(|scalar| scalar.text.clone()) else {
            self.wrong(node, what, "write an expression as a text");
            return None;
        };
        match Expression::parse(&text, purpose, aliases) {
            Ok(expression) => Some(expression),
            Err(error) => {
                let mark = self.place_in(node, &text, error.offset);
                let column =
                    text.get(..error.offset).map_or(0, |before| before.chars().count()) + 1;
                let message = format!("{what}, column {column}: {}", error.message);
                self.error(mark, code::BAD_EXPRESSION, message, error.help);
                None
            }
        }
    }

    /// The place in the file of a byte of a scalar's text.
    pub(crate) fn place_in(&self, node: &Node, text: &str, offset: usize) -> Mark {
        let rest = text.get(offset..).unwrap_or_default();
        let word = rest.split(|c: char| c.is_whitespace() || "()[],'".contains(c)).next();
        self.reporter.mark_within(node, text, offset, word.unwrap_or_default())
    }

    /// A node as JSON.
    pub(crate) fn json(&mut self, node: &Node) -> Option<Value> {
        match &node.data {
            Data::Sequence(elements) => elements.iter().map(|element| self.json(element)).collect(),
            Data::Mapping(entries) => {
                let mut object = Map::new();
                for (key, value) in entries {
                    object.insert(key.text().to_owned(), self.json(value)?);
                }
                Some(Value::Object(object))
            }
            Data::Scalar(scalar) => Some(match scalar.meaning() {
                Meaning::Null => Value::Null,
                Meaning::Bool(value) => Value::Bool(value),
                Meaning::Text => Value::String(scalar.text.clone()),
                Meaning::Number => {
                    let Ok(number) = serde_json::from_str::<Number>(&scalar.text) else {
                        let what = quoted(&scalar.text);
                        let message = format!("{what} is a number that JSON can't write");
                        let help = "quote it if it is a text, such as an account id";
                        self.error(node.mark, code::WRONG_TYPE, message, help);
                        return None;
                    };
                    Value::Number(number)
                }
            }),
        }
    }
}

/// `90s`, `30m`, `4h`, `7d`.
fn duration(text: &str) -> Option<Duration> {
    const YEAR: u64 = 366 * 86_400;
    let unit = text.chars().last()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    let digits = &text[..text.len() - 1];
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let count: u64 = if is_number { digits.parse().ok()? } else { return None };
    let total = count.checked_mul(seconds).filter(|total| (1..=YEAR).contains(total))?;
    Some(Duration::from_secs(total))
}

/// A length of time as ISO 8601 has it, without years and months: `PT10M`, `P1DT2H`.
pub(crate) fn iso_duration(text: &str) -> Option<Duration> {
    let rest = text.strip_prefix('P')?;
    let (days, time) = rest.split_once('T').map_or((rest, ""), |(days, time)| (days, time));
    let mut total: u64 = 0;
    for (part, units) in
        [(days, &[('D', 86_400_u64)][..]), (time, &[('H', 3_600), ('M', 60), ('S', 1)])]
    {
        let mut rest = part;
        for (unit, seconds) in units {
            if let Some((digits, after)) = rest.split_once(*unit) {
                if digits.len() > 9 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    return None;
                }
                total = total.checked_add(digits.parse::<u64>().ok()?.checked_mul(*seconds)?)?;
                rest = after;
            }
        }
        if !rest.is_empty() {
            return None;
        }
    }
    (1..=7 * 86_400).contains(&total).then(|| Duration::from_secs(total))
}
