//! Filters: a set of rules and filters against the naive interpreter.

use proptest::collection::vec;
use proptest::prelude::*;
use trailloop_rules::{Loaded, RuleSet, load};

use crate::naive::matching;
use crate::property::{detection_of, drawn, json, map, record_of};
use crate::sketch::{
    Condition, Detection, Filter, detection_yaml, has_selector, rule_id, rule_yaml,
};
use crate::support::matches;

/// The number of a rule that is not there.
const ABSENT: usize = 77;

fn filter() -> impl Strategy<Value = Filter> {
    let number = prop_oneof![8 => 0_usize..5, 1 => Just(ABSENT)];
    let rules = prop_oneof![1 => Just(Vec::new()), 2 => vec(number, 1..4)];
    (rules, detection_of(map()), 0..5).prop_map(|(rules, mut detection, shape)| {
        // Most filters take events away, as filters do.
        if shape > 0 {
            let not = |condition: Condition| Condition::Not(Box::new(condition));
            detection.conditions = detection.conditions.into_iter().map(not).collect();
        }
        Filter { rules, detection }
    })
}

/// A filter, which names half of its rules by id and half by name.
fn filter_yaml(filter: &Filter, number: usize) -> String {
    let rules: Vec<String> = filter
        .rules
        .iter()
        .map(|rule| if rule.is_multiple_of(2) { rule_id(*rule) } else { format!("sketch-{rule}") })
        .collect();
    let rules = match (rules.is_empty(), number % 3) {
        (true, 0) => String::new(),
        (true, 1) => "  rules: any\n".to_owned(),
        _ => format!("  rules: [{}]\n", rules.join(", ")),
    };
    let version = if has_selector(&filter.detection) { "sigma-version: 3\n" } else { "" };
    format!(
        "title: Filter {number}\nid: 10000000-0000-4000-8000-{number:012}\n\
         logsource: {{product: aws, service: cloudtrail}}\n{version}filter:\n{rules}{}",
        detection_yaml(&filter.detection, "\n")
    )
}

/// Rules and filters as one file, in which filters stand before and after the rules they are for.
fn file_of(rules: &[Detection], filters: &[Filter]) -> String {
    let rules = rules.iter().enumerate().map(|(number, rule)| rule_yaml(rule, number));
    let filters = filters.iter().enumerate().map(|(number, filter)| filter_yaml(filter, number));
    let (before, after): (Vec<_>, Vec<_>) =
        filters.enumerate().partition(|(number, _)| number.is_multiple_of(2));
    let text = |(_, text): (usize, String)| text;
    let texts: Vec<String> =
        before.into_iter().map(text).chain(rules).chain(after.into_iter().map(text)).collect();
    texts.join("---\n")
}

proptest! {
    #![proptest_config(crate::property::cases(300))]

    #[test]
    fn filters_take_away_what_the_interpreter_says(
        rules in vec(detection_of(map()), 1..5),
        filters in vec(filter(), 1..4),
        records in vec(record_of(json()), 1..5),
    ) {
        let text = file_of(&rules, &filters);
        let loaded = load("filters.yml", &text);
        prop_assert_eq!(loaded.rules.len(), rules.len(), "{:#?}\n{}", loaded.diagnostics, text);
        prop_assert_eq!(loaded.filters.len(), filters.len(), "{:#?}\n{}", loaded.diagnostics, text);
        let Loaded { rules: own, filters: theirs, .. } = loaded;
        let set = RuleSet::build(own, &theirs, &mut Vec::new());
        for record in &records {
            let json = record.render();
            let (found, expected) = (matches(&set, &json), matching(&rules, &filters, record));
            prop_assert_eq!(&found, &expected, "engine, interpreter on {}\n{}", json, text);
        }
    }
}

#[test]
fn filters_often_take_something_away() {
    let drawn =
        drawn(&(vec(detection_of(map()), 1..5), vec(filter(), 1..4), record_of(json())), 300);
    let (mut hits, mut left) = (0, 0);
    for (rules, filters, record) in &drawn {
        hits += matching(rules, &[], record).len();
        left += matching(rules, filters, record).len();
    }
    assert!(left * 5 > hits && left * 5 < hits * 4, "{left} of {hits}");
}
