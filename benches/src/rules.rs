//! Rules to measure with, any number of them, in the proportions of the public Sigma rules for CloudTrail.
//!
//! What those proportions are was counted over 797 public rules: 778 name an event by source and name, 13 by name
//! alone, one a source alone; five or six can't be found by the event's name. 702 are pairs that tell an API's success
//! from an attempt by whether the record has an error. The rest are what people write by hand: lists of names,
//! parameters, user agents, `1 of`, null. All rules here are made for measuring and mean nothing.
//!
//! A set that fires all day would be run by nobody, and measures findings. So what fires at an API by itself names APIs
//! that the synthetic organization seldom calls, and what names a frequent call asks for something else besides that
//! hardly ever holds. Of the organization's records about 8 in a hundred are calls that the first 57 and 200 rules name,
//! 20 that 800 do; fewer than one in a thousand match.

mod by_hand;
mod share;

use std::fmt::Write as _;
use std::sync::Arc;

use trailloop_rules::{Rule, RuleSet, load};

use crate::apis;
pub use share::Share;

/// From this many rules on, every twentieth is one that many organizations add: by user agent, principal or address.
const SCALED_FROM: usize = 800;

/// The text of each of `count` rules; a smaller number is a beginning of a larger one.
#[must_use]
pub fn rule_texts(count: usize) -> Vec<String> {
    let apis = apis::pairs();
    let mut pair = 0;
    let mut detection = |nth: usize| {
        let Some(after) = nth.checked_sub(by_hand::COUNT) else {
            return by_hand::detection(nth, &apis);
        };
        if nth >= SCALED_FROM && nth % 20 == 9 {
            return residual(nth);
        }
        if after % 20 == 19 {
            return other(after / 20, &apis);
        }
        let detection = of_pair(&apis[pair / 2 % apis.len()], pair % 2 == 0);
        pair += 1;
        detection
    };
    (0..count).map(|nth| rule(nth, &detection(nth))).collect()
}

/// Compiles rules from their texts. Every one must load.
#[must_use]
pub fn rule_set(texts: &[String]) -> Arc<RuleSet> {
    let mut rules = Vec::new();
    for text in texts {
        let loaded = load("synthetic.yml", text);
        assert_eq!(loaded.rules.len(), 1, "{text}{:#?}", loaded.diagnostics);
        rules.extend(loaded.rules);
    }
    Arc::new(compile(rules))
}

/// Compiles loaded rules.
#[must_use]
pub fn compile(rules: Vec<Rule>) -> RuleSet {
    RuleSet::build(rules, &[], &mut Vec::new())
}

/// `count` rules, compiled.
#[must_use]
pub fn synthetic_rules(count: usize) -> Arc<RuleSet> {
    rule_set(&rule_texts(count))
}

/// A whole rule around a detection that is given without indentation.
fn rule(nth: usize, detection: &str) -> String {
    let mut text = format!(
        "title: Synthetic {nth}\nid: 00000000-0000-4000-8000-{nth:012}\nstatus: test\nlevel: low\n\
         logsource:\n  product: aws\n  service: cloudtrail\ndetection:\n"
    );
    for line in detection.lines() {
        writeln!(text, "  {line}").expect("a String takes everything");
    }
    text
}

type Api = (String, String);

/// One of a pair: the API succeeded, or was tried.
fn of_pair((source, name): &Api, succeeded: bool) -> String {
    let not = if succeeded { "not " } else { "" };
    format!(
        "selection:\n  eventSource: {source}\n  eventName: {name}\n\
         error_code:\n  errorCode|exists: true\n\
         error_message:\n  errorMessage|exists: true\n\
         condition: selection and {not}(error_code or error_message)\n"
    )
}

/// Frequent calls, in the order in which rules name them.
const FREQUENT: [(&str, &str); 12] = [
    ("ec2", "DescribeSnapshots"),
    ("sts", "GetCallerIdentity"),
    ("sts", "AssumeRole"),
    ("kms", "ListKeys"),
    ("ec2", "DescribeVolumes"),
    ("ssm", "GetParametersByPath"),
    ("ec2", "DescribeSecurityGroups"),
    ("cloudtrail", "DescribeTrails"),
    ("iam", "ListRoles"),
    ("s3", "GetBucketPolicy"),
    ("ecr", "BatchGetImage"),
    ("lambda", "ListFunctions20150331"),
];

/// What stands between the pairs: one in twenty rules.
fn other(nth: usize, apis: &[Api]) -> String {
    let (source, name) = &apis[nth * 11 % apis.len()];
    let selection = format!("selection:\n  eventSource: {source}\n  eventName: {name}\n");
    let (_, second) = &apis[(nth * 11 + 5) % apis.len()];
    // Of each twelve four name a frequent call.
    let frequent = |of_twelve: usize| {
        let (service, name) = FREQUENT[(nth / 12 * 4 + of_twelve) % FREQUENT.len()];
        format!("selection:\n  eventSource: {service}.amazonaws.com\n  eventName: {name}\n")
    };
    match nth % 12 {
        0 | 4 | 8 => format!(
            "selection:\n  eventName:\n    - {name}\n    - {second}\n\
             error:\n  errorCode: '*'\ncondition: selection and not error\n"
        ),
        1 | 7 => {
            let names = by_hand::names_of(source, 5, apis);
            format!(
                "selection:\n  eventSource: {source}\n  eventName:\n{names}condition: selection\n"
            )
        }
        2 => nameless(nth / 12),
        3 => format!(
            "{}  requestParameters.maxResults: '{}'\ncondition: selection\n",
            frequent(0),
            100 + nth
        ),
        5 => format!(
            "{}key:\n  userIdentity.accessKeyId|startswith: AKIA\ncondition: all of them\n",
            frequent(1)
        ),
        6 => format!(
            "{selection}known:\n  userIdentity.arn|contains: ':role/deployer-{nth}'\n\
             condition: selection and not known\n"
        ),
        9 => format!(
            "{selection}inside:\n  sourceIPAddress|cidr:\n    - 10.0.0.0/8\n    - 192.168.0.0/16\n\
             condition: selection and not inside\n"
        ),
        10 => format!(
            "{}wide:\n  requestParameters|contains:\n    - 'example-{nth}'\n    - '0.0.0.0/0'\n\
             condition: selection and wide\n",
            frequent(2)
        ),
        _ => format!(
            "{}region:\n  awsRegion: us-gov-west-1\ncondition: selection and region\n",
            frequent(3)
        ),
    }
}

/// A rule that is found by no name: one of three in turn.
fn nameless(nth: usize) -> String {
    let detection = match nth % 3 {
        0 => {
            "selection:\n  userIdentity.type: AssumeRole\n\
             trouble:\n  errorCode: Client.UnauthorizedOperation\ncondition: selection and trouble\n"
        }
        1 => {
            "selection:\n  userAgent|contains:\n    - kali\n    - parrot\n    - pentoo\n    - blackarch\n\
             condition: selection\n"
        }
        _ => {
            "selection:\n  errorCode:\n    - AccessDenied\n    - AccessDeniedException\n    \
             - UnauthorizedOperation\n    - Client.UnauthorizedOperation\n\
             person:\n  userIdentity.type: IAMUser\ncondition: selection and person\n"
        }
    };
    detection.to_owned()
}

/// A rule that names no event: by user agent, principal or address.
fn residual(nth: usize) -> String {
    match nth / 20 % 4 {
        0 => format!("selection:\n  userAgent|contains: 'scanner-{nth}/'\ncondition: selection\n"),
        1 => format!(
            "selection:\n  userIdentity.arn|endswith: ':user/departed-{nth}'\ncondition: selection\n"
        ),
        2 => format!(
            "selection:\n  sourceIPAddress|cidr: 198.18.{}.0/24\ncondition: selection\n",
            nth / 20 % 256
        ),
        _ => format!(
            "selection:\n  userIdentity.sessionContext.sessionIssuer.userName: BreakGlass{nth}\n\
             filter:\n  sourceIPAddress: 'AWS Internal'\ncondition: selection and not filter\n"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::{Share, rule_texts, synthetic_rules};

    #[test]
    fn the_proportions_are_those_of_the_public_rules() {
        let strategy = synthetic_rules(800).strategy();
        assert_eq!(strategy.rules, 800);
        assert!(strategy.by_source_and_name >= 776, "{strategy}");
        assert!((10..=16).contains(&strategy.by_name), "{strategy}");
        let named = strategy.by_source_and_name + strategy.by_name + strategy.by_name_start;
        let nameless = strategy.rules - named - strategy.by_source;
        assert!((5..=8).contains(&nameless), "{strategy}");
        assert!((2_900..3_500).contains(&strategy.predicates), "{strategy}");
        assert!((450..650).contains(&strategy.predicates_distinct), "{strategy}");
    }

    /// What the module says of the organization's records.
    #[test]
    fn a_small_part_of_the_records_are_candidates_and_hardly_any_match() {
        let measures = [57, 200, 800].map(|count| (count, Share::of(&synthetic_rules(count))));
        for (count, share) in measures {
            let of_thousand = if count < 800 { 60..=100 } else { 170..=230 };
            let candidates = share.candidates * 1000 / share.records;
            assert!(of_thousand.contains(&candidates), "{count} rules: {share:?}");
            assert!(share.matches * 1000 < share.records, "{count} rules: {share:?}");
        }
    }

    #[test]
    fn fewer_rules_are_a_beginning_of_more() {
        assert_eq!(rule_texts(200), rule_texts(3000)[..200]);
    }
}
