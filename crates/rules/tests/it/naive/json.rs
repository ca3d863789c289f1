//! JSON that keeps what the rules look at and usual libraries drop: repeated keys, and how a number is spelled.

/// A value. Members stand in their order, and a key may stand twice.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    /// The number's own spelling.
    Number(String),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// The compact text: original order, no white space.
    pub(crate) fn render(&self) -> String {
        match self {
            Json::Null => "null".to_owned(),
            Json::Bool(value) => value.to_string(),
            Json::Number(number) => number.clone(),
            Json::Text(text) => quoted(text),
            Json::List(elements) => {
                let elements: Vec<String> = elements.iter().map(Json::render).collect();
                format!("[{}]", elements.join(","))
            }
            Json::Object(members) => {
                let members: Vec<String> = members
                    .iter()
                    .map(|(key, value)| format!("{}:{}", quoted(key), value.render()))
                    .collect();
                format!("{{{}}}", members.join(","))
            }
        }
    }

    /// Reads a text that is JSON from its beginning to its end.
    pub(crate) fn parse(text: &str) -> Option<Json> {
        let mut rest = text;
        let value = value(&mut rest)?;
        blank(&mut rest);
        rest.is_empty().then_some(value)
    }

    /// The values of a key; none if this is no object.
    pub(crate) fn members<'a>(&'a self, key: &str) -> Vec<&'a Json> {
        match self {
            Json::Object(members) => {
                members.iter().filter(|(name, _)| name == key).map(|(_, value)| value).collect()
            }
            _ => Vec::new(),
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

fn blank(rest: &mut &str) {
    *rest = rest.trim_start_matches([' ', '\t', '\n', '\r']);
}

fn take(rest: &mut &str, expected: &str) -> Option<()> {
    *rest = rest.strip_prefix(expected)?;
    Some(())
}

fn value(rest: &mut &str) -> Option<Json> {
    blank(rest);
    match rest.chars().next()? {
        'n' => take(rest, "null").map(|()| Json::Null),
        't' => take(rest, "true").map(|()| Json::Bool(true)),
        'f' => take(rest, "false").map(|()| Json::Bool(false)),
        '"' => text(rest).map(Json::Text),
        '[' => list(rest),
        '{' => object(rest),
        _ => {
            let part_of_number =
                |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E');
            let end = rest.find(|c| !part_of_number(c)).unwrap_or(rest.len());
            let (number, after) = rest.split_at(end);
            *rest = after;
            super::number::is_number(number).then(|| Json::Number(number.to_owned()))
        }
    }
}

fn text(rest: &mut &str) -> Option<String> {
    let mut escaped = false;
    let mut end = None;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => {
                end = Some(at + 1);
                break;
            }
            _ => {}
        }
    }
    let (quoted, after) = rest.split_at(end?);
    *rest = after;
    serde_json::from_str(quoted).ok()
}

fn list(rest: &mut &str) -> Option<Json> {
    let mut elements = Vec::new();
    take(rest, "[")?;
    blank(rest);
    if take(rest, "]").is_some() {
        return Some(Json::List(elements));
    }
    loop {
        elements.push(value(rest)?);
        blank(rest);
        if take(rest, "]").is_some() {
            return Some(Json::List(elements));
        }
        take(rest, ",")?;
    }
}

fn object(rest: &mut &str) -> Option<Json> {
    let mut members = Vec::new();
    take(rest, "{")?;
    blank(rest);
    if take(rest, "}").is_some() {
        return Some(Json::Object(members));
    }
    loop {
        blank(rest);
        let key = text(rest)?;
        blank(rest);
        take(rest, ":")?;
        members.push((key, value(rest)?));
        blank(rest);
        if take(rest, "}").is_some() {
            return Some(Json::Object(members));
        }
        take(rest, ",")?;
    }
}

#[test]
fn json_keeps_spelling_and_repeats() {
    let text = r#"{"a":1.50,"a":[-0,1e400,{"b c":"\n\"é"}],"d":null,"e":[],"f":{}}"#;
    assert_eq!(Json::parse(text).unwrap().render(), text);
    assert_eq!(Json::parse(" [ 1 , true ] \n").unwrap().render(), "[1,true]");
    for wrong in ["", "[1", "[01]", "{\"a\"}", "[1]x", "nul", "{,}", "[1,]", "'a'"] {
        assert_eq!(Json::parse(wrong), None, "{wrong}");
    }
}
