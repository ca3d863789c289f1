//! Any number of rules, of the shapes that the public ones for CloudTrail have.
//!
//! Most name an event that the records do not hold; one in a hundred names one that they do, with something besides. The
//! proportions that are measured for speed are another matter (`benches/src/rules.rs`); here the set stays as it is.

use trailloop_rules::{Rule, RuleSet, load};

/// Events that are frequent among the records.
const FREQUENT: [&str; 5] =
    ["AssumeRole", "GetObject", "DescribeInstances", "ListBuckets", "GetCallerIdentity"];

/// The text of each of `count` rules.
#[must_use]
pub fn texts(count: usize) -> Vec<String> {
    (0..count).map(text).collect()
}

/// Loads rules from their texts.
///
/// # Panics
///
/// If one does not load.
#[must_use]
pub fn loaded(texts: &[String]) -> Vec<Rule> {
    let mut rules = Vec::new();
    for text in texts {
        let loaded = load("counted.yml", text);
        assert_eq!(loaded.rules.len(), 1, "{text}{:#?}", loaded.diagnostics);
        rules.extend(loaded.rules);
    }
    rules
}

/// Compiles loaded rules.
#[must_use]
pub fn compiled(rules: Vec<Rule>) -> RuleSet {
    RuleSet::build(rules, &[], &mut Vec::new())
}

/// One that matches every record of the fixtures.
///
/// # Panics
///
/// If it does not load.
#[must_use]
pub fn of_every_record() -> RuleSet {
    compiled(loaded(&[rule(0, "selection:\n  eventVersion: '*'\ncondition: selection\n")]))
}

fn text(nth: usize) -> String {
    let call = format!(
        "selection:\n  eventSource: service{}.amazonaws.com\n  eventName: Call{}\n",
        nth % 40,
        nth / 2
    );
    let frequent = format!("selection:\n  eventName: {}\n", FREQUENT[nth / 100 % FREQUENT.len()]);
    let detection = match nth % 20 {
        9 if nth % 100 == 9 => {
            format!("selection:\n  userAgent|contains: 'scanner-{nth}/'\ncondition: selection\n")
        }
        3 if nth % 100 == 3 => format!(
            "{frequent}wide:\n  requestParameters|contains:\n    - 'example-{nth}'\n    - '0.0.0.0/0'\ncondition: selection and wide\n"
        ),
        6 => format!(
            "selection:\n  eventName:\n    - Call{nth}\n    - Other{nth}\nerror:\n  errorCode: '*'\ncondition: selection and not error\n"
        ),
        13 => format!(
            "{call}inside:\n  sourceIPAddress|cidr:\n    - 10.0.0.0/8\n    - 192.168.0.0/16\ncondition: selection and not inside\n"
        ),
        16 => format!(
            "{call}known:\n  userIdentity.arn|contains: ':role/deployer-{nth}'\ncondition: selection and not known\n"
        ),
        _ => {
            let not = if nth.is_multiple_of(2) { "not " } else { "" };
            format!(
                "{call}error_code:\n  errorCode|exists: true\nerror_message:\n  errorMessage|exists: true\ncondition: selection and {not}1 of error_*\n"
            )
        }
    };
    rule(nth, &detection)
}

/// A whole rule around a detection that is given without indentation.
fn rule(nth: usize, detection: &str) -> String {
    let indented: String = detection.lines().map(|line| format!("  {line}\n")).collect();
    format!(
        "title: Counted {nth}\nid: 00000000-0000-4000-8000-{nth:012}\nstatus: test\nlevel: low\n\
         logsource:\n  product: aws\n  service: cloudtrail\ndetection:\n{indented}"
    )
}
