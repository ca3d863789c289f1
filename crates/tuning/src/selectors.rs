//! What the trail itself leaves out: event selectors that would let rules see calls they wait for, and what each would cost.
//!
//! Data events are recorded only where a trail selects their resource types, so a rule over them can be silent because nothing
//! happens or because nothing is recorded. Proposed is one selector for each resource type for which some rule waits. Prices are
//! those that AWS publishes, in thousandths of a cent so that no money is a float; they are the operator's to correct.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Value, json};
use trailloop_rules::catalogue::{Category, Selectors, event, recorded};
use trailloop_rules::{CallName, Rule};

use crate::proposal::code;

/// What events cost, in thousandths of a cent for 100,000 of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prices {
    /// Data events.
    pub data: u64,
}

/// As published on aws.amazon.com/cloudtrail/pricing for trails: 0.10 dollars for 100,000 data events.
pub const PUBLISHED: Prices = Prices { data: 10_000 };

/// A selector that would let rules see more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selected {
    /// The resource type, such as `AWS::S3::Object`.
    pub resource_type: String,
    /// The rules that wait for its calls, by id, and which calls.
    pub rules: BTreeMap<String, BTreeSet<String>>,
    /// Whether all of these calls only write, so that reads need not be paid for.
    pub only_writes: bool,
    /// How many of its events a day are expected, if somebody knows.
    pub events_a_day: Option<u64>,
    /// What they cost in thirty days, in thousandths of a cent.
    pub cost_a_month: Option<u64>,
}

/// Selectors for what the rules wait for and no trail records, in the order of resource types. `events_a_day` is what is known
/// of volumes, by resource type.
#[must_use]
pub fn propose_selectors(
    rules: &[Rule],
    trails: &Selectors,
    events_a_day: &BTreeMap<String, u64>,
    prices: Prices,
) -> Vec<Selected> {
    let mut by_type: BTreeMap<&'static str, Selected> = BTreeMap::new();
    for rule in rules {
        for call in rule.calls() {
            let (Some(source), Some(CallName::Exact(name))) = (&call.source, &call.name) else {
                continue;
            };
            let Some(kind) = event(source, name) else { continue };
            let Category::Data(types) = kind.category else { continue };
            if recorded(&call, trails) {
                continue;
            }
            for resource_type in types {
                let selected = by_type.entry(resource_type).or_insert_with(|| Selected {
                    resource_type: (*resource_type).to_owned(),
                    rules: BTreeMap::new(),
                    only_writes: true,
                    events_a_day: events_a_day.get(*resource_type).copied(),
                    cost_a_month: None,
                });
                let calls = selected.rules.entry(rule.analytic.uid.clone()).or_default();
                calls.insert(name.clone());
                selected.only_writes &= kind.read_only == Some(false);
            }
        }
    }
    let priced = |mut selected: Selected| {
        selected.cost_a_month =
            selected.events_a_day.map(|events| cost(events.saturating_mul(30), prices.data));
        selected
    };
    by_type.into_values().map(priced).collect()
}

/// What so many events cost at a price for 100,000, in the price's unit, rounded up.
#[must_use]
pub fn cost(events: u64, for_100_000: u64) -> u64 {
    let cost = (u128::from(events) * u128::from(for_100_000)).div_ceil(100_000);
    u64::try_from(cost).unwrap_or(u64::MAX)
}

impl Selected {
    /// The advanced event selector, as `put-event-selectors` takes it.
    #[must_use]
    pub fn selector(&self) -> Value {
        let mut fields = vec![
            json!({"Field": "eventCategory", "Equals": ["Data"]}),
            json!({"Field": "resources.type", "Equals": [self.resource_type]}),
        ];
        if self.only_writes {
            fields.push(json!({"Field": "readOnly", "Equals": ["false"]}));
        }
        let name = format!("{} for {} rules", self.resource_type, self.rules.len());
        json!({"Name": name, "FieldSelectors": fields})
    }
}

/// The proposals in Markdown: what each lets which rules see, and its cost.
#[must_use]
pub fn selectors_report(selected: &[Selected]) -> String {
    let mut out = String::from(
        "| Resource type | Rules | Calls | Events a day | Cost of 30 days |\n|---|---|---|---|---|\n",
    );
    for one in selected {
        let calls: BTreeSet<&str> = one.rules.values().flatten().map(String::as_str).collect();
        let calls: Vec<String> = calls.into_iter().map(code).collect();
        let events = one.events_a_day.map_or("unknown".to_owned(), |events| events.to_string());
        let cost = one.cost_a_month.map_or("10 cents for 100,000".to_owned(), dollars);
        writeln!(
            out,
            "| {} | {} | {} | {events} | {cost} |",
            code(&one.resource_type),
            one.rules.len(),
            calls.join(", ")
        )
        .ok();
    }
    out
}

/// Thousandths of a cent as dollars and cents, rounded up.
fn dollars(thousandths: u64) -> String {
    let cents = thousandths.div_ceil(1_000);
    format!("{}.{:02} dollars", cents / 100, cents % 100)
}

#[cfg(test)]
mod tests {
    use trailloop_rules::load;

    use super::*;

    const RULES: &str = "title: Objects are read\nid: 9a8d3f1c-0f0e-4b57-8f5e-0d7a5c1c8a01\nlevel: low\nlogsource: {product: aws, service: cloudtrail}\ndetection:\n  s: {eventSource: s3.amazonaws.com, eventName: [GetObject, DeleteObject]}\n  condition: s\n---\ntitle: Objects go\nid: 9a8d3f1c-0f0e-4b57-8f5e-0d7a5c1c8a02\nlevel: low\nlogsource: {product: aws, service: cloudtrail}\ndetection:\n  s: {eventSource: s3.amazonaws.com, eventName: DeleteObject}\n  condition: s\n---\ntitle: Users come\nid: 9a8d3f1c-0f0e-4b57-8f5e-0d7a5c1c8a03\nlevel: low\nlogsource: {product: aws, service: cloudtrail}\ndetection:\n  s: {eventSource: iam.amazonaws.com, eventName: CreateUser}\n  condition: s\n";

    #[test]
    fn what_no_trail_records_is_proposed_with_its_cost() {
        let trails = r#"{"AdvancedEventSelectors":[{"FieldSelectors":[{"Field":"eventCategory","Equals":["Management"]}]}]}"#;
        let trails = Selectors::parse(trails).unwrap();
        let rules = load("rules.yml", RULES).rules;
        let known = BTreeMap::from([("AWS::S3::Object".to_owned(), 1_234_567)]);
        let all = propose_selectors(&rules, &trails, &known, PUBLISHED);
        let objects = all.iter().find(|one| one.resource_type == "AWS::S3::Object").unwrap();
        assert_eq!(objects.rules.len(), 2, "management events are recorded");
        assert!(!objects.only_writes);
        // 37,037,010 events at 10 cents for 100,000.
        assert_eq!(objects.cost_a_month, Some(3_703_701));
        assert!(selectors_report(&all).contains("37.04 dollars"), "{}", selectors_report(&all));
        let writes = propose_selectors(&rules[1..], &trails, &known, PUBLISHED);
        let objects = writes.iter().find(|one| one.resource_type == "AWS::S3::Object").unwrap();
        assert!(
            objects.only_writes
                && objects.selector()["FieldSelectors"].as_array().unwrap().len() == 3
        );
        // Once the proposal is followed, nothing is left to propose.
        let followed = json!({"AdvancedEventSelectors": all.iter().map(Selected::selector).collect::<Vec<_>>()});
        let followed = Selectors::parse(&followed.to_string()).unwrap();
        assert!(propose_selectors(&rules, &followed, &known, PUBLISHED).is_empty());
    }

    #[test]
    fn costs_round_up_and_do_not_overflow() {
        assert_eq!(cost(1, 10_000), 1);
        assert_eq!(cost(0, 10_000), 0);
        assert_eq!(cost(u64::MAX, u64::MAX), u64::MAX);
        assert_eq!(dollars(1), "0.01 dollars");
        assert_eq!(dollars(123_456_000), "1234.56 dollars");
    }
}
