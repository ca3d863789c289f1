//! Changes of rule and runbook files by lines: what is not changed keeps its comments, its order and its bytes.
//!
//! Only the plain ways in which people write these files are changed: one document, block mappings with each key on a line, short lists
//! on one. Anything else is refused, so that nothing is changed that was not understood; the changed file is loaded besides.

use crate::file::quoted;

/// The name that a rule's new condition gets.
const SELECTION: &str = "told_apart";

/// A query of a runbook's plan.
pub(crate) struct Planned {
    /// The number of its line, from 0.
    line: usize,
    /// The name under which its answer is known.
    pub(crate) alias: String,
}

/// A rule's text that also demands one of these values of a field, or that nothing is known of it: where the file that answers is not
/// there, the rule finds what it always found.
pub(crate) fn with_condition(text: &str, field: &str, values: &[String]) -> Result<String, String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if text.lines().any(|line| line.trim_end() == "---") {
        return Err("the file holds more than one document".to_owned());
    }
    if text.contains(SELECTION) {
        return Err(format!("there is a {SELECTION} already"));
    }
    let (at, indent) = key_in(&lines, "detection", "condition")?;
    let condition = value_of(&lines[at]).to_owned();
    let is_plain =
        !condition.is_empty() && !condition.starts_with(['[', '|', '>', '"', '\'', '&', '*']);
    if !is_plain || condition.contains('#') || condition.contains(" them") {
        return Err(format!("the condition {condition:?} is not one to add to by itself"));
    }
    let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
    lines[at] = format!("{indent}condition: ({condition}) and {SELECTION}");
    let field = quoted(field);
    let selection = [
        format!("{indent}{SELECTION}:"),
        format!("{indent}    - {field}: [{}]", values.join(", ")),
        format!("{indent}    - {field}: null"),
    ];
    lines.splice(at..at, selection);
    Ok(joined(&lines))
}

/// A rule's text whose findings no longer ask a query.
pub(crate) fn without_query(text: &str, query: &str) -> Result<String, String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let (at, indent) = key_in(&lines, "trailloop", "queries")?;
    let list = value_of(&lines[at]);
    let Some(inner) = list.strip_prefix('[').and_then(|list| list.strip_suffix(']')) else {
        return Err("its queries are not a list on one line".to_owned());
    };
    let all: Vec<&str> = inner.split(',').map(str::trim).collect();
    let left: Vec<&str> = all.iter().copied().filter(|one| unquoted(one) != query).collect();
    if left.len() == all.len() {
        return Err(format!("its findings do not ask {query}"));
    }
    match left.is_empty() {
        true => drop(lines.remove(at)),
        false => lines[at] = format!("{indent}queries: [{}]", left.join(", ")),
    }
    Ok(joined(&lines))
}

/// Where a runbook asks a query.
pub(crate) fn asked(text: &str, query: &str) -> Result<Planned, String> {
    let mut planned = text.lines().enumerate().filter_map(|(line, text)| {
        let inner = text.trim().strip_prefix("- {")?.strip_suffix('}')?;
        let member = |key: &str| {
            let mut members = inner.split(',').filter_map(|one| one.split_once(':'));
            members.find(|(name, _)| name.trim() == key).map(|(_, value)| unquoted(value.trim()))
        };
        (member("query") == Some(query)).then(|| member("as").map(|alias| (line, alias)))?
    });
    match (planned.next(), planned.next()) {
        (Some((line, alias)), None) => Ok(Planned { line, alias: alias.to_owned() }),
        (None, _) => Err(format!("it does not ask {query} on a line")),
        (Some(_), Some(_)) => Err(format!("it asks {query} twice")),
    }
}

/// A runbook's text that is only chosen if this holds as well.
pub(crate) fn with_trigger(text: &str, condition: &str) -> Result<String, String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let (trigger, outer) = key_in(&lines, "trailloop", "trigger")?;
    if !value_of(&lines[trigger]).is_empty() {
        return Err("its trigger is not a block".to_owned());
    }
    let inner = |line: &str| line.len() - line.trim_start().len() > outer.len();
    let block: Vec<usize> =
        (trigger + 1..lines.len()).take_while(|nth| inner(&lines[*nth])).collect();
    let Some(first) = block.first() else { return Err("its trigger is empty".to_owned()) };
    let indent = &lines[*first][..lines[*first].len() - lines[*first].trim_start().len()];
    let indent = indent.to_owned();
    let when = block.into_iter().find(|nth| lines[*nth].starts_with(&format!("{indent}when:")));
    let Some(when) = when else {
        lines.insert(trigger + 1, format!("{indent}when: \"{condition}\""));
        return Ok(joined(&lines));
    };
    let known = value_of(&lines[when]);
    let bare = known.strip_prefix('"').and_then(|known| known.strip_suffix('"')).unwrap_or(known);
    if bare.contains(['"', '\\', '#']) || bare.starts_with(['|', '>', '\'']) || bare.is_empty() {
        return Err(format!("the condition {known} is not one to add to by itself"));
    }
    lines[when] = format!("{indent}when: \"({bare}) and {condition}\"");
    Ok(joined(&lines))
}

/// A runbook's text without a query of its plan, if nothing reads its answer.
pub(crate) fn without_enrichment(text: &str, planned: &Planned) -> Result<String, String> {
    let Planned { line, alias } = planned;
    let read = ["enrich.", alias].concat();
    let is_read = text.match_indices(&read).any(|(at, _)| {
        let after = text[at + read.len()..].chars().next();
        !after.is_some_and(|next| next.is_alphanumeric() || matches!(next, '_' | '-'))
    });
    // The examples of a runbook say what a query answers.
    let is_answered = text.lines().any(|line| {
        let line = line.trim();
        line.starts_with("enrich:") && line.contains(&format!("{alias}:"))
    });
    if is_read || is_answered {
        return Err(format!("something in it reads the answer, as {alias}"));
    }
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.remove(*line);
    let is_item = |line: Option<&String>| line.is_some_and(|line| line.trim().starts_with("- "));
    if let Some(above) = line.checked_sub(1)
        && lines[above].trim() == "enrich:"
        && !is_item(lines.get(*line))
    {
        lines.remove(above);
    }
    Ok(joined(&lines))
}

/// A runbook's text with the next version: each change has its own.
pub(crate) fn next_version(text: &str) -> Result<String, String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let (at, indent) = key_in(&lines, "trailloop", "version")?;
    let version = value_of(&lines[at]).parse::<u32>().ok().and_then(|one| one.checked_add(1));
    let version = version.ok_or("its version is no whole number")?;
    lines[at] = format!("{indent}version: {version}");
    Ok(joined(&lines))
}

/// The line of a key directly in a block of the document, and what it is indented by.
fn key_in(lines: &[String], block: &str, key: &str) -> Result<(usize, String), String> {
    let none = || format!("there is no {key} in a block {block}");
    let start =
        lines.iter().position(|line| line.trim_end() == format!("{block}:")).ok_or_else(none)?;
    let is_inner = |line: &String| line.starts_with([' ', '#']) || line.trim().is_empty();
    let mut inner = lines.iter().enumerate().skip(start + 1).take_while(|(_, line)| is_inner(line));
    let is_text = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let indent = inner
        .clone()
        .find(|(_, line)| is_text(line))
        .map(|(_, line)| line[..line.len() - line.trim_start().len()].to_owned())
        .ok_or_else(none)?;
    let wanted = format!("{indent}{key}:");
    let found = inner.find(|(_, line)| line.starts_with(&wanted));
    found.map(|(nth, _)| (nth, indent)).ok_or_else(none)
}

/// What stands behind the key of a line.
fn value_of(line: &str) -> &str {
    line.split_once(':').map_or("", |(_, value)| value.trim())
}

fn unquoted(text: &str) -> &str {
    let text = text.trim();
    let inner = |quote| text.strip_prefix(quote).and_then(|text: &str| text.strip_suffix(quote));
    inner('"').or_else(|| inner('\'')).unwrap_or(text)
}

fn joined(lines: &[String]) -> String {
    let mut text = lines.join("\n");
    text.push('\n');
    text
}
