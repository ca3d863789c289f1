//! What the benchmarks share: a corpus from a seed, and synthetic rules.
//!
//! Results are ratios from one run on one machine; `benches/runs/` keeps them with the command that repeats them.

use std::sync::Arc;

use trailloop::synth::{Organization, SynthArgs, SynthObject};
use trailloop_rules::{RuleSet, load};

/// Log objects of a quiet organization.
#[must_use]
pub fn corpus(objects: u32, records: u32) -> Vec<SynthObject> {
    let organization = Organization::new(&SynthArgs {
        out: "unused".into(),
        seed: 1,
        objects,
        records,
        accounts: 12,
        start: jiff::civil::date(2026, 11, 2),
    });
    (0..objects).map(|nth| organization.object(nth)).collect()
}

/// Event names that the corpus holds often, so that synthetic rules have candidates.
const BUSY: [(&str, &str); 6] = [
    ("sts.amazonaws.com", "AssumeRole"),
    ("kms.amazonaws.com", "Decrypt"),
    ("s3.amazonaws.com", "GetObject"),
    ("ec2.amazonaws.com", "DescribeInstances"),
    ("secretsmanager.amazonaws.com", "GetSecretValue"),
    ("lambda.amazonaws.com", "Invoke"),
];

/// The shape of public CloudTrail rules: most are one API with an error test or a parameter test, one in sixteen names
/// an API that is busy in the corpus, and one in a hundred has no event name to be found by.
#[must_use]
pub fn synthetic_rules(count: usize) -> Arc<RuleSet> {
    let mut rules = Vec::new();
    for nth in 0..count {
        let (source, name) = match nth % 16 {
            3 => BUSY[nth / 16 % BUSY.len()],
            _ => ("iam.amazonaws.com", "RareCall"),
        };
        let suffix = if name == "RareCall" { nth.to_string() } else { String::new() };
        let mut text = format!(
            "title: Synthetic {nth}\nid: 00000000-0000-4000-8000-{nth:012}\nlevel: low\nlogsource:\n  product: aws\n  service: cloudtrail\ndetection:\n  selection:\n"
        );
        let selection = if nth % 100 == 99 {
            format!("    userAgent|contains: 'scanner-{nth}'\n")
        } else {
            format!("    eventSource: {source}\n    eventName: {name}{suffix}\n")
        };
        text.push_str(&selection);
        let tests = match nth % 4 {
            0 => "  failed:\n    errorCode: AccessDenied\n  condition: selection and failed\n",
            1 => {
                "  failed:\n    errorCode|contains: '*'\n  condition: selection and not failed and 1 of wor*\n  word:\n    userIdentity.arn|contains: nobody\n"
            }
            2 => {
                "  parameters:\n    requestParameters|contains: 'no-such-text'\n  condition: selection and parameters\n"
            }
            _ => {
                "  filter:\n    userIdentity.type:\n      - AssumedRole\n      - AWSService\n      - IAMUser\n  condition: selection and not filter\n"
            }
        };
        text.push_str(tests);
        rules.extend(load("synthetic.yml", &text).rules);
    }
    assert_eq!(rules.len(), count, "every synthetic rule loads");
    Arc::new(RuleSet::build(rules, &[], &mut Vec::new()))
}
