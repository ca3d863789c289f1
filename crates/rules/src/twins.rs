//! Rules that stand twice: two with one id, of which the first is kept, and two that find the same records.

use std::collections::{BTreeMap, HashMap};

use crate::diagnostic::{Diagnostic, Severity, code, quoted};
use crate::lint;
use crate::program::Tree;
use crate::rule::Rule;

/// The first rule of each id, in the order of ids; the others are reported.
pub(crate) fn distinct(rules: Vec<Rule>, diagnostics: &mut Vec<Diagnostic>) -> Vec<Rule> {
    let mut by_id: BTreeMap<String, Rule> = BTreeMap::new();
    for rule in rules {
        match by_id.get(&rule.analytic.uid) {
            Some(first) => diagnostics.push(duplicate(&rule, first)),
            None => {
                by_id.insert(rule.analytic.uid.clone(), rule);
            }
        }
    }
    by_id.into_values().collect()
}

/// Reports each rule that another one makes needless.
pub(crate) fn report_twins(rules: &[Rule], trees: &[Tree], diagnostics: &mut Vec<Diagnostic>) {
    let mut first_of: HashMap<Tree, &Rule> = HashMap::new();
    // In the order of their places: ids say nothing to a reader.
    let mut placed: Vec<(&Rule, &Tree)> = rules.iter().zip(trees).collect();
    placed.sort_by_key(|(rule, _)| (&rule.path, rule.line));
    for (rule, tree) in placed {
        if matches!(tree, Tree::Constant(_)) || rule.twin_is_meant {
            continue;
        }
        let tree = tree.sorted();
        match first_of.get(&tree) {
            None => drop(first_of.insert(tree, rule)),
            Some(first) => diagnostics.push(lint::duplicate_detection(
                (&rule.path, rule.line),
                (&first.analytic.name, &first.path, first.line),
            )),
        }
    }
}

fn duplicate(rule: &Rule, first: &Rule) -> Diagnostic {
    let is_of_template = rule.path == first.path && rule.id_mark == first.id_mark;
    let (line, column, help) = match is_of_template {
        true => (rule.line, 1, "move `id` out of the template: each rule needs one of its own"),
        false => (rule.id_mark.line, rule.id_mark.column, "give one of them a new UUID"),
    };
    Diagnostic {
        path: rule.path.clone(),
        line,
        column,
        severity: Severity::Error,
        code: code::DUPLICATE_ID,
        message: format!(
            "the rule {} has the id of {} at {}:{}",
            quoted(&rule.analytic.name),
            quoted(&first.analytic.name),
            first.path,
            first.id_mark.line
        ),
        help: help.to_owned(),
    }
}
