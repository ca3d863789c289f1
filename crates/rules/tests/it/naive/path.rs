//! Where a field leads: paths, selectors, and texts that hold JSON.

use super::json::Json;

/// How many strings deep a path may go on.
const STRINGS_DEEP: usize = 4;

/// A value that a path reached, and through how many strings it went.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) value: Json,
    pub(crate) strings: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Selector {
    Any,
    All,
    AllOrEmpty,
    None,
    Number(i64),
}

/// A part of a field: keys, and the selector after the last of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) keys: Vec<String>,
    pub(crate) selector: Option<Selector>,
}

/// Takes a field apart at its dots and selectors. `.` is the element itself: no keys at all.
pub(crate) fn steps(field: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    if field == "." {
        return steps;
    }
    let mut keys = vec![String::new()];
    let mut chars = field.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if matches!(chars.peek(), Some('[' | ']')) => {
                keys.last_mut().unwrap().extend(chars.next());
            }
            '.' => keys.push(String::new()),
            '[' => {
                let name: String = chars.by_ref().take_while(|c| *c != ']').collect();
                steps.push(Step { keys, selector: Some(selector(&name)) });
                // A dot after a selector only separates it from the next key.
                keys = Vec::new();
                if chars.next_if_eq(&'.').is_some() {
                    keys.push(String::new());
                }
            }
            other => keys.last_mut().unwrap().push(other),
        }
    }
    if !keys.is_empty() {
        steps.push(Step { keys, selector: None });
    }
    steps
}

fn selector(name: &str) -> Selector {
    match name {
        "any" => Selector::Any,
        "all" => Selector::All,
        "all_or_empty" => Selector::AllOrEmpty,
        "none" => Selector::None,
        number => Selector::Number(number.parse().unwrap()),
    }
}

/// Everything that keys lead to. `None` stands for each place where the path breaks off.
pub(crate) fn walk(from: &Place, keys: &[String]) -> Vec<Option<Place>> {
    if keys.is_empty() {
        return vec![Some(from.clone())];
    }
    let inside = |value: &Json| Place { value: value.clone(), strings: from.strings };
    match &from.value {
        Json::Object(_) => {
            // The longest key wins, and then no other is tried.
            for taken in (1..=keys.len()).rev() {
                let found = from.value.members(&keys[..taken].join("."));
                if !found.is_empty() {
                    let member = |value: &&Json| walk(&inside(value), &keys[taken..]);
                    return found.iter().flat_map(member).collect();
                }
            }
            vec![None]
        }
        Json::List(elements) if !elements.is_empty() => {
            elements.iter().flat_map(|element| walk(&inside(element), keys)).collect()
        }
        Json::Text(text) if from.strings < STRINGS_DEEP => match json_in(text) {
            Some(value) => walk(&Place { value, strings: from.strings + 1 }, keys),
            None => vec![None],
        },
        _ => vec![None],
    }
}

/// The object or array that a text holds, plain or percent-encoded.
pub(crate) fn json_in(text: &str) -> Option<Json> {
    let holds = |text: &str| {
        Json::parse(text).filter(|value| matches!(value, Json::Object(_) | Json::List(_)))
    };
    holds(text).or_else(|| holds(&percent_decoded(text)?))
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            let digits = std::str::from_utf8(&digits).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// The elements that `[any]` and its like look at: those of every array reached. A single value counts as an array of
/// one; null and missing as an array of none.
pub(crate) fn elements(places: &[Option<Place>]) -> Vec<Place> {
    let mut elements = Vec::new();
    for place in places.iter().flatten() {
        match &place.value {
            Json::Null => {}
            Json::List(values) => elements.extend(
                values.iter().map(|value| Place { value: value.clone(), strings: place.strings }),
            ),
            _ => elements.push(place.clone()),
        }
    }
    elements
}

/// The element at a position, from the end if that is negative. What is no array, or has no such element, has no value.
pub(crate) fn nth(place: Option<Place>, number: i64) -> Option<Place> {
    let place = place?;
    let Json::List(values) = &place.value else { return None };
    let at = if number < 0 { values.len() as i64 + number } else { number };
    let value = values.get(usize::try_from(at).ok()?)?.clone();
    Some(Place { value, strings: place.strings })
}

#[test]
fn fields_come_apart_at_dots_and_selectors() {
    let step = |keys: &[&str], selector| Step {
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        selector,
    };
    assert_eq!(steps("."), []);
    assert_eq!(steps("a.b"), [step(&["a", "b"], None)]);
    assert_eq!(
        steps(r"a.b[any].c\[0\].d[-1][0]"),
        [
            step(&["a", "b"], Some(Selector::Any)),
            step(&["c[0]", "d"], Some(Selector::Number(-1))),
            step(&[], Some(Selector::Number(0))),
        ]
    );
}
