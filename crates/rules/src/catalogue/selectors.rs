//! What trails record, from the JSON that `aws cloudtrail get-event-selectors` prints.

use std::fmt;

use serde_json::{Deserializer, Map, Value};

use super::recorded::Candidate;
use super::{Category, HOST, source};

/// The event selectors of some trails.
#[derive(Clone, Debug, Default)]
pub struct Selectors {
    trails: usize,
    basic: Vec<Basic>,
    advanced: Vec<Vec<FieldSelector>>,
}

/// Why a text is no event selectors, with the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectorsError(String);

/// A basic selector.
#[derive(Clone, Debug)]
struct Basic {
    /// `None`: reads and writes.
    read_only: Option<bool>,
    management: bool,
    /// The types of the resources that are named; which resources these are is not looked at.
    types: Vec<String>,
    excluded: Vec<String>,
}

/// A condition of an advanced selector.
#[derive(Clone, Debug)]
struct FieldSelector {
    field: String,
    positive: Vec<Comparison>,
    negative: Vec<Comparison>,
}

/// A value and how it is compared.
#[derive(Clone, Debug)]
struct Comparison {
    operator: Operator,
    value: String,
}

#[derive(Clone, Copy, Debug)]
enum Operator {
    Equals,
    StartsWith,
    EndsWith,
}

/// The operators that include and those that exclude.
const OPERATORS: [(&str, Operator, bool); 6] = [
    ("Equals", Operator::Equals, true),
    ("StartsWith", Operator::StartsWith, true),
    ("EndsWith", Operator::EndsWith, true),
    ("NotEquals", Operator::Equals, false),
    ("NotStartsWith", Operator::StartsWith, false),
    ("NotEndsWith", Operator::EndsWith, false),
];

impl Selectors {
    /// Reads the selectors of one trail, of a list of trails, or of several printed one after the other.
    ///
    /// # Errors
    ///
    /// If the text is not JSON, or not what the command prints, with the place.
    pub fn parse(text: &str) -> Result<Self, SelectorsError> {
        let mut selectors = Self::default();
        for (nth, value) in Deserializer::from_str(text).into_iter::<Value>().enumerate() {
            let value = value.map_err(|error| SelectorsError(format!("no JSON: {error}")))?;
            let place = if nth == 0 { String::new() } else { format!("document {}: ", nth + 1) };
            match value {
                Value::Array(trails) => {
                    for (nth, trail) in trails.iter().enumerate() {
                        selectors.add(trail, &format!("{place}[{nth}]"))?;
                    }
                }
                trail => selectors.add(&trail, place.trim_end())?,
            }
        }
        if selectors.trails == 0 {
            return Err(SelectorsError("no trail's event selectors are here".to_owned()));
        }
        Ok(selectors)
    }

    /// How many trails were read.
    #[must_use]
    pub fn len(&self) -> usize {
        self.trails
    }

    /// Whether no trail was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.trails == 0
    }

    fn add(&mut self, trail: &Value, place: &str) -> Result<(), SelectorsError> {
        let trail = mapping(trail, place)?;
        let basic = part(trail, "EventSelectors");
        let advanced = part(trail, "AdvancedEventSelectors");
        if basic.is_none() && advanced.is_none() {
            let place = if place.is_empty() { "the document" } else { place };
            return Err(SelectorsError(format!(
                "{place} has neither EventSelectors nor AdvancedEventSelectors: give what `aws cloudtrail get-event-selectors` prints"
            )));
        }
        self.trails += 1;
        if let Some(value) = basic {
            for (place, one) in elements(value, &below(place, "EventSelectors"))? {
                self.basic.push(Basic::read(mapping(one, &place)?, &place)?);
            }
        }
        if let Some(value) = advanced {
            for (place, one) in elements(value, &below(place, "AdvancedEventSelectors"))? {
                let place = below(&place, "FieldSelectors");
                let fields = mapping(one, &place)?.get("FieldSelectors").unwrap_or(&Value::Null);
                let mut selector = Vec::new();
                for (place, one) in elements(fields, &place)? {
                    selector.push(FieldSelector::read(mapping(one, &place)?, &place)?);
                }
                self.advanced.push(selector);
            }
        }
        Ok(())
    }

    /// Whether some trail may select the event; what the event does not tell is taken to fit.
    pub(crate) fn select(&self, event: &Candidate<'_>) -> bool {
        self.basic.iter().any(|basic| basic.selects(event))
            || self.advanced.iter().any(|fields| fields.iter().all(|field| field.fits(event)))
    }
}

impl Basic {
    fn read(basic: &Map<String, Value>, place: &str) -> Result<Self, SelectorsError> {
        let read_only = match part(basic, "ReadWriteType").map(|value| value.as_str().unwrap_or(""))
        {
            None | Some("All") => None,
            Some("ReadOnly") => Some(true),
            Some("WriteOnly") => Some(false),
            Some(_) => {
                return Err(SelectorsError(format!(
                    "{} is none of All, ReadOnly and WriteOnly",
                    below(place, "ReadWriteType")
                )));
            }
        };
        let management = match part(basic, "IncludeManagementEvents") {
            None => true,
            Some(value) => value.as_bool().ok_or_else(|| {
                SelectorsError(format!("{} is no boolean", below(place, "IncludeManagementEvents")))
            })?,
        };
        let mut types = Vec::new();
        if let Some(value) = part(basic, "DataResources") {
            for (place, one) in elements(value, &below(place, "DataResources"))? {
                let resource = mapping(one, &place)?;
                let name = resource.get("Type").and_then(Value::as_str).ok_or_else(|| {
                    SelectorsError(format!("{} is no text", below(&place, "Type")))
                })?;
                // A type without resources records nothing.
                let values = part(resource, "Values");
                if values.is_none_or(|values| values.as_array().is_none_or(|all| !all.is_empty())) {
                    types.push(name.to_owned());
                }
            }
        }
        let excluded = match part(basic, "ExcludeManagementEventSources") {
            None => Vec::new(),
            Some(value) => texts(value, &below(place, "ExcludeManagementEventSources"))?,
        };
        Ok(Self { read_only, management, types, excluded })
    }

    fn selects(&self, event: &Candidate<'_>) -> bool {
        let Some(kind) = event.kind else { return self.management || !self.types.is_empty() };
        if let (Some(selected), Some(read_only)) = (self.read_only, kind.read_only)
            && selected != read_only
        {
            return false;
        }
        match kind.category {
            Category::Management => {
                let is_excluded = |excluded: &String| {
                    source(excluded).is_some_and(|source| event.source == Some(source.name))
                };
                self.management && !self.excluded.iter().any(is_excluded)
            }
            Category::Data(types) => self.types.iter().any(|one| types.contains(&one.as_str())),
            Category::Insight | Category::NetworkActivity => false,
        }
    }
}

impl FieldSelector {
    fn read(selector: &Map<String, Value>, place: &str) -> Result<Self, SelectorsError> {
        let field = selector.get("Field").and_then(Value::as_str);
        let field = field
            .ok_or_else(|| SelectorsError(format!("{} is no text", below(place, "Field"))))?
            .to_owned();
        let (mut positive, mut negative) = (Vec::new(), Vec::new());
        for (key, value) in
            selector.iter().filter(|(key, value)| *key != "Field" && !value.is_null())
        {
            let place = below(place, key);
            let Some((_, operator, is_positive)) =
                OPERATORS.iter().find(|(name, _, _)| *name == key.as_str())
            else {
                return Err(SelectorsError(format!("{place} is no operator of CloudTrail's")));
            };
            let list = if *is_positive { &mut positive } else { &mut negative };
            for value in texts(value, &place)? {
                list.push(Comparison { operator: *operator, value });
            }
        }
        Ok(Self { field, positive, negative })
    }

    fn fits(&self, event: &Candidate<'_>) -> bool {
        // Resources, principals and the like are not known of a call.
        let Some(values) = self.values(event) else { return true };
        let holds = |comparison: &Comparison| values.iter().any(|value| comparison.holds(value));
        (self.positive.is_empty() || self.positive.iter().any(holds))
            && !(values.len() == 1 && self.negative.iter().any(holds))
    }

    /// What the event has in the field, one of which it is; `None` if that is not known.
    fn values(&self, event: &Candidate<'_>) -> Option<Vec<String>> {
        let one = |text: &str| Some(vec![text.to_owned()]);
        match self.field.as_str() {
            "eventSource" => event.source.map(|source| vec![format!("{source}{HOST}")]),
            "eventName" => event.name.and_then(one),
            "readOnly" => one(&event.kind?.read_only?.to_string()),
            "eventCategory" => one(match event.kind?.category {
                Category::Management => "Management",
                Category::Data(_) => "Data",
                Category::Insight => "Insight",
                Category::NetworkActivity => "NetworkActivity",
            }),
            "resources.type" => match event.kind?.category {
                Category::Data(types) => Some(types.iter().map(|one| (*one).to_owned()).collect()),
                _ => None,
            },
            _ => None,
        }
    }
}

impl Comparison {
    fn holds(&self, value: &str) -> bool {
        let value = value.to_ascii_lowercase();
        let wanted = self.value.to_ascii_lowercase();
        match self.operator {
            Operator::Equals => value == wanted,
            Operator::StartsWith => value.starts_with(&wanted),
            Operator::EndsWith => value.ends_with(&wanted),
        }
    }
}

impl fmt::Display for SelectorsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SelectorsError {}

/// The value of a key that is there and not null.
fn part<'v>(map: &'v Map<String, Value>, key: &str) -> Option<&'v Value> {
    map.get(key).filter(|value| !value.is_null())
}

fn below(place: &str, key: &str) -> String {
    match place {
        "" => key.to_owned(),
        document if document.ends_with(':') => format!("{document} {key}"),
        place => format!("{place}.{key}"),
    }
}

fn mapping<'v>(value: &'v Value, place: &str) -> Result<&'v Map<String, Value>, SelectorsError> {
    let place = if place.is_empty() { "the document" } else { place };
    value.as_object().ok_or_else(|| SelectorsError(format!("{place} is no object")))
}

/// The elements of a list with their places.
fn elements<'v>(value: &'v Value, place: &str) -> Result<Vec<(String, &'v Value)>, SelectorsError> {
    let list = value.as_array().ok_or_else(|| SelectorsError(format!("{place} is no list")))?;
    Ok(list.iter().enumerate().map(|(nth, one)| (format!("{place}[{nth}]"), one)).collect())
}

fn texts(value: &Value, place: &str) -> Result<Vec<String>, SelectorsError> {
    let text = |(place, one): (String, &Value)| {
        one.as_str().map(str::to_owned).ok_or_else(|| SelectorsError(format!("{place} is no text")))
    };
    elements(value, place)?.into_iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_place() {
        for (text, expected) in [
            ("", "no trail"),
            ("{", "no JSON: EOF while parsing"),
            ("7", "the document is no object"),
            ("{}", "neither EventSelectors nor"),
            (r#"[{"EventSelectors":[]},{}]"#, "[1] has neither"),
            (r#"{"EventSelectors":{}}"#, "EventSelectors is no list"),
            (
                r#"{"EventSelectors":[{"ReadWriteType":"Reads"}]}"#,
                "EventSelectors[0].ReadWriteType is none of",
            ),
            (
                r#"{"EventSelectors":[{"DataResources":[{"Type":7}]}]}"#,
                "EventSelectors[0].DataResources[0].Type is no text",
            ),
            (
                r#"{"AdvancedEventSelectors":[{"FieldSelectors":[{"Field":"eventName","Like":["x"]}]}]}"#,
                "AdvancedEventSelectors[0].FieldSelectors[0].Like is no operator",
            ),
            (
                r#"{"AdvancedEventSelectors":[{"FieldSelectors":[{"Field":"eventName","Equals":[7]}]}]}"#,
                "AdvancedEventSelectors[0].FieldSelectors[0].Equals[0] is no text",
            ),
            (
                r#"{"EventSelectors":[]} {"EventSelectors":7}"#,
                "document 2: EventSelectors is no list",
            ),
        ] {
            let error = Selectors::parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn no_text_panics() {
        use proptest::test_runner::TestRunner;
        TestRunner::default()
            .run(&"[\\[\\]{}:,\"a-zA-Z0-9 ]{0,60}", |text| {
                drop(Selectors::parse(&text));
                Ok(())
            })
            .unwrap();
    }
}
