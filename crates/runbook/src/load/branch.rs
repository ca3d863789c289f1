//! The choices of a branch.

use trailloop_rules::source::{Node, nearest, quoted};

use super::read::Reading;
use crate::diagnostic::code;
use crate::document::{Action, Choice, ChoiceTest};
use crate::fill::OPERATORS;

/// Conditions in conditions go no deeper.
const DEPTH_MAX: usize = 8;

pub(super) fn read(inputs: &Node, reading: &mut Reading<'_, '_>) -> Option<Action> {
    reading.entries(inputs, "a branch", &["Choices", "Default"])?;
    let nodes = reading.demand(inputs, "a branch", "Choices")?;
    let mut choices = Vec::new();
    for node in reading.list(nodes, "`Choices`")? {
        let next = reading.demand_text(node, "a choice", "NextStep")?;
        choices.push(Choice { test: test(node, 0, reading)?, next });
    }
    let default = match inputs.get("Default") {
        Some(node) => Some(reading.text(node, "`Default`")?),
        None => None,
    };
    Some(Action::Branch { choices, default })
}

/// The condition of a mapping, which may also have a `NextStep`.
fn test(node: &Node, depth: usize, reading: &mut Reading<'_, '_>) -> Option<ChoiceTest> {
    if depth > DEPTH_MAX {
        let message = "the conditions of a branch are nested too deep";
        reading.error(node.mark, code::BAD_BRANCH, message, "write them flatter");
        return None;
    }
    let entries: Vec<&(Node, Node)> = reading
        .mapping(node, "a choice")?
        .iter()
        .filter(|(key, _)| key.text() != "NextStep")
        .collect();
    if let [(key, value)] = entries.as_slice() {
        let many = |reading: &mut Reading<'_, '_>| -> Option<Vec<ChoiceTest>> {
            let nodes = reading.list(value, "conditions")?;
            nodes.iter().map(|node| test(node, depth + 1, reading)).collect()
        };
        match key.text() {
            "And" => return many(reading).map(ChoiceTest::And),
            "Or" => return many(reading).map(ChoiceTest::Or),
            "Not" => {
                return test(value, depth + 1, reading).map(|one| ChoiceTest::Not(Box::new(one)));
            }
            _ => {}
        }
    }
    compare(node, &entries, reading)
}

fn compare(
    node: &Node,
    entries: &[&(Node, Node)],
    reading: &mut Reading<'_, '_>,
) -> Option<ChoiceTest> {
    let variable = entries.iter().find(|(key, _)| key.text() == "Variable");
    let others: Vec<_> = entries.iter().filter(|(key, _)| key.text() != "Variable").collect();
    let (Some((_, variable)), [(operator, value)]) = (variable, others.as_slice()) else {
        let message = "a choice is not one comparison";
        let help = "write `Variable`, one operator such as `StringEquals`, and `NextStep`";
        reading.error(node.mark, code::BAD_BRANCH, message, help);
        return None;
    };
    if !OPERATORS.contains(&operator.text()) {
        let help = match nearest(operator.text(), &OPERATORS) {
            Some(near) => format!("write `{near}` if that is meant"),
            None => format!("write one of {}", OPERATORS.join(", ")),
        };
        let message = format!("there is no operator {}", quoted(operator.text()));
        reading.error(operator.mark, code::BAD_BRANCH, message, help);
        return None;
    }
    Some(ChoiceTest::Compare {
        variable: reading.text(variable, "`Variable`")?,
        operator: operator.text().to_owned(),
        value: reading.json(value)?,
    })
}
