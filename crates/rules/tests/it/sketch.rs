//! A sketch of a rule: what a rule file says, as plain data. It is written out as YAML for the engine, and read as it is
//! by the naive interpreter, so that the two share no parser.

/// A rule, or the detection of a filter, or a body below a selector: named blocks and conditions over them.
#[derive(Clone, Debug)]
pub(crate) struct Detection {
    pub(crate) names: Vec<(String, Block)>,
    /// A list of sentences, of which any may be true.
    pub(crate) conditions: Vec<Condition>,
}

/// What stands under a name.
#[derive(Clone, Debug)]
pub(crate) enum Block {
    /// A mapping: every item.
    Map(Vec<Item>),
    /// A list of mappings and keywords: any of them.
    List(Vec<Entry>),
    /// One keyword without a list around it.
    Keyword(Value),
}

#[derive(Clone, Debug)]
pub(crate) enum Entry {
    Map(Vec<Item>),
    Keyword(Value),
}

/// One key of a mapping and what stands beside it.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// The field as the rule spells it, selectors and escapes included; empty for keywords.
    pub(crate) field: String,
    pub(crate) modifiers: Vec<&'static str>,
    pub(crate) values: Values,
}

#[derive(Clone, Debug)]
pub(crate) enum Values {
    One(Value),
    Many(Vec<Value>),
    /// The mapping below a selector.
    Body(Vec<Item>),
    /// The body below a selector that has a condition of its own.
    Parts(Detection),
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    /// A number as it is spelled.
    Number(String),
    Text(String),
}

#[derive(Clone, Debug)]
pub(crate) enum Condition {
    Name(String),
    Not(Box<Condition>),
    And(Vec<Condition>),
    Or(Vec<Condition>),
    /// `all of`, `any of` or `N of` a name, a pattern or `them`.
    Of(Quantity, String),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Quantity {
    All,
    Any,
    AtLeast(usize),
}

/// A filter and the numbers of the rules it is for; an empty list means all.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    pub(crate) rules: Vec<usize>,
    pub(crate) detection: Detection,
}

impl Values {
    /// Whether this stands below a selector.
    pub(crate) fn is_body(&self) -> bool {
        matches!(self, Values::Body(_) | Values::Parts(_))
    }
}

impl Item {
    pub(crate) fn new(field: &str, modifiers: &[&'static str], values: Values) -> Item {
        Item { field: field.to_owned(), modifiers: modifiers.to_vec(), values }
    }

    /// The key as it stands in the file.
    pub(crate) fn key(&self) -> String {
        let modifiers: String = self.modifiers.iter().map(|name| format!("|{name}")).collect();
        format!("{}{modifiers}", self.field)
    }
}

/// A mapping has each key once, so of equal keys the first is kept.
pub(crate) fn without_repeats(items: Vec<Item>) -> Vec<Item> {
    let mut kept: Vec<Item> = Vec::new();
    for item in items {
        if !kept.iter().any(|other| other.key() == item.key()) {
            kept.push(item);
        }
    }
    kept
}

/// The rule of a number. Its id grows with the number, so that the engine numbers the rules the same way.
pub(crate) fn rule_yaml(detection: &Detection, number: usize) -> String {
    let version = if has_selector(detection) { "sigma-version: 3\n" } else { "" };
    format!(
        "title: Sketch {number}\nid: {}\nname: sketch-{number}\nlevel: low\n\
         logsource: {{product: aws, service: cloudtrail}}\n{version}detection:\n{}",
        rule_id(number),
        detection_yaml(detection, "\n")
    )
}

/// The id of a rule by its number.
pub(crate) fn rule_id(number: usize) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

/// The members of a detection, a line each; or in one line with commas.
pub(crate) fn detection_yaml(detection: &Detection, separator: &str) -> String {
    let indent = if separator == "\n" { "  " } else { "" };
    let mut members: Vec<String> = detection
        .names
        .iter()
        .map(|(name, block)| format!("{indent}{}: {}", quoted(name), block_yaml(block)))
        .collect();
    let sentences: Vec<String> =
        detection.conditions.iter().map(|part| quoted(&sentence(part, 0))).collect();
    let condition = match &sentences[..] {
        [one] => one.clone(),
        more => format!("[{}]", more.join(", ")),
    };
    members.push(format!("{indent}condition: {condition}"));
    format!("{}{}", members.join(separator), if separator == "\n" { "\n" } else { "" })
}

fn block_yaml(block: &Block) -> String {
    match block {
        Block::Map(items) => map_yaml(items),
        Block::Keyword(value) => value_yaml(value),
        Block::List(entries) => {
            let entries: Vec<String> = entries
                .iter()
                .map(|entry| match entry {
                    Entry::Map(items) => map_yaml(items),
                    Entry::Keyword(value) => value_yaml(value),
                })
                .collect();
            format!("[{}]", entries.join(", "))
        }
    }
}

fn map_yaml(items: &[Item]) -> String {
    let items: Vec<String> = items
        .iter()
        .map(|item| format!("{}: {}", quoted(&item.key()), values_yaml(&item.values)))
        .collect();
    format!("{{{}}}", items.join(", "))
}

fn values_yaml(values: &Values) -> String {
    match values {
        Values::One(value) => value_yaml(value),
        Values::Many(values) => {
            let values: Vec<String> = values.iter().map(value_yaml).collect();
            format!("[{}]", values.join(", "))
        }
        Values::Body(items) => map_yaml(items),
        Values::Parts(detection) => format!("{{{}}}", detection_yaml(detection, ", ")),
    }
}

fn value_yaml(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.clone(),
        Value::Text(text) => quoted(text),
    }
}

/// A string of JSON is one of YAML, if what YAML holds unprintable is escaped.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap().replace('\u{7f}', "\\u007f")
}

/// A condition with no more parentheses than it needs, so that precedence is tested too. `above` is how tightly the
/// operator around it binds.
fn sentence(condition: &Condition, above: u8) -> String {
    let joined = |parts: &[Condition], word: &str, binds: u8| {
        let parts: Vec<String> = parts.iter().map(|part| sentence(part, binds)).collect();
        let text = parts.join(word);
        if above > binds || (above == binds && parts.len() > 1) {
            format!("({text})")
        } else {
            text
        }
    };
    match condition {
        Condition::Name(name) => name.clone(),
        Condition::Not(part) => format!("not {}", sentence(part, 3)),
        Condition::And(parts) => joined(parts, " and ", 2),
        Condition::Or(parts) => joined(parts, " or ", 1),
        Condition::Of(Quantity::All, names) => format!("all of {names}"),
        Condition::Of(Quantity::Any, names) => format!("any of {names}"),
        Condition::Of(Quantity::AtLeast(count), names) => format!("{count} of {names}"),
    }
}

/// Whether a detection needs `sigma-version: 3`.
pub(crate) fn has_selector(detection: &Detection) -> bool {
    detection.names.iter().any(|(_, block)| {
        match block {
        Block::Map(items) => items.iter().any(|item| item.field.contains('[')),
        Block::List(entries) => entries.iter().any(|entry| {
            matches!(entry, Entry::Map(items) if items.iter().any(|item| item.field.contains('[')))
        }),
        Block::Keyword(_) => false,
    }
    })
}
