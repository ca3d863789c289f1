//! Filters that only make a rule quieter: it goes on matching, and the set says which filter describes the record.

use trailloop_cloudtrail::{Record, RecordBuffer};
use trailloop_rules::{Filter, Loaded, MatchScratch, Rule, RuleSet};

use crate::support::{load, matches};

const RULES: &str = "title: First\nid: 9a8d3f1c-0f0e-4b57-8f5e-0d7a5c1c8a01\nname: first_rule\nlevel: medium\nlogsource: {product: aws, service: cloudtrail}\ndetection:\n  selection:\n    eventName: ListUsers\n  condition: selection\n---\ntitle: Second\nid: 9a8d3f1c-0f0e-4b57-8f5e-0d7a5c1c8a02\nlevel: low\nlogsource: {product: aws, service: cloudtrail}\ndetection:\n  selection:\n    eventSource: iam.amazonaws.com\n  condition: selection\n";

const BARE: &str = "0000000000000000000000000000000000000000000000000000000000000000";

fn filter(region: &str, expires: &str, rule: &str, sha256: &str) -> String {
    format!(
        "title: A filter\nlogsource: {{product: aws, service: cloudtrail}}\nfilter:\n  rules: [first_rule]\n  s:\n    awsRegion: {region}\n  condition: not s\ntrailloop:\n  action: downrank\n  owner: team-platform\n  reason: automation\n  created: 2026-08-22\n  expires: {expires}\n  tripwires: [trust_changed, new_network]\n  seen: {{regions: [{region}]}}\n  evidence: {{verdicts: 5, reviewers: 2, days: 11}}\n  backtest: {{rule: {rule}, from: 2026-05-24, to: 2026-08-22, events: 412339120, removed: 1840, kept: 37, entities: 1, unreviewed_entities: 0, tp_hidden: 0, corpora_hidden: 0, audited: 60, hidden_tp_ub95: 0.049, daily_p95: 30, sha256: {sha256}}}\n"
    )
}

fn rules() -> Vec<Rule> {
    load("rules.yml", RULES).rules
}

fn loaded(text: &str) -> Filter {
    let Loaded { mut filters, diagnostics, .. } = load("filter.yml", text);
    assert!(diagnostics.is_empty(), "{diagnostics:#?}");
    filters.remove(0)
}

/// A filter on a region with a seal that fits the first rule.
fn sealed(region: &str, expires: &str) -> Filter {
    let rule = &rules()[0];
    let seal = loaded(&filter(region, expires, BARE, BARE)).seal(rule);
    loaded(&filter(region, expires, &rule.analytic.hash, &seal))
}

fn quieted(set: &RuleSet, number: u32, json: &str, on: &str) -> Option<String> {
    let mut buffer = RecordBuffer::new();
    let record = Record::parse(json.as_bytes(), &mut buffer).unwrap();
    let mut scratch = MatchScratch::new();
    let in_force = |filter: &Filter| filter.expires().is_some_and(|expires| on < expires);
    let filter = set.quieted_by_any(number, &record, &mut scratch, in_force)?;
    Some(filter.quiet().unwrap().seen.regions.join(","))
}

const EU: &str =
    r#"{"eventSource":"iam.amazonaws.com","eventName":"ListUsers","awsRegion":"eu-west-1"}"#;
const US: &str =
    r#"{"eventSource":"iam.amazonaws.com","eventName":"ListUsers","awsRegion":"us-east-1"}"#;

#[test]
fn the_rule_matches_on_and_the_set_names_the_filter() {
    let filters = [sealed("eu-west-1", "2026-11-20"), sealed("us-east-1", "2026-10-20")];
    let mut diagnostics = Vec::new();
    let set = RuleSet::build(rules(), &filters, &mut diagnostics);
    assert!(diagnostics.is_empty(), "{diagnostics:#?}");
    assert_eq!(set.quieting().len(), 2);
    for json in [EU, US] {
        assert_eq!(matches(&set, json), [0, 1]);
        assert_eq!(quieted(&set, 1, json, "2026-09-01"), None, "the filter names the other rule");
    }
    assert_eq!(quieted(&set, 0, EU, "2026-09-01").as_deref(), Some("eu-west-1"));
    assert_eq!(quieted(&set, 0, US, "2026-09-01").as_deref(), Some("us-east-1"));
    assert_eq!(quieted(&set, 0, &US.replace("us-", "ap-"), "2026-09-01"), None);
    // The first day on which a filter counts no longer is the one it names.
    assert_eq!(quieted(&set, 0, US, "2026-10-19").as_deref(), Some("us-east-1"));
    assert_eq!(quieted(&set, 0, US, "2026-10-20"), None);
    assert_ne!(set.hash(), RuleSet::build(rules(), &[], &mut Vec::new()).hash());
}

#[test]
fn a_changed_rule_or_filter_breaks_the_seal() {
    let filter = sealed("eu-west-1", "2026-11-20");
    assert!(!filter.is_stale(&rules()[0]));
    let changed = RULES.replace("title: First", "title: The first");
    let said = |rules: Vec<Rule>, filter: &Filter| {
        let mut diagnostics = Vec::new();
        let set = RuleSet::build(rules, std::slice::from_ref(filter), &mut diagnostics);
        diagnostics.retain(|one| !one.is_lint());
        let codes: Vec<_> = diagnostics.iter().map(|one| one.code).collect();
        (set.quieting().len(), codes)
    };
    assert_eq!(said(rules(), &filter), (1, vec![]));
    let others = load("rules.yml", &changed).rules;
    assert!(filter.is_stale(&others[0]));
    assert_eq!(said(others, &filter), (0, vec!["stale-backtest"]));
    // The figures may be written anew; a word of the filter or its expiry may not.
    let rule = &rules()[0];
    let seal = filter.seal(rule);
    let text = self::filter("eu-west-1", "2026-11-20", &rule.analytic.hash, &seal);
    assert!(!loaded(&text.replace("removed: 1840", "removed: 1841")).is_stale(rule));
    for (from, to) in [
        ("2026-11-20", "2027-11-20"),
        ("awsRegion: eu-west-1", "awsRegion: eu*"),
        ("team-platform", "nobody"),
        ("[trust_changed, new_network]", "[trust_changed]"),
        ("[eu-west-1]", "[eu-west-1, us-east-1]"),
    ] {
        let changed = loaded(&text.replace(from, to));
        assert_eq!(said(rules(), &changed), (0, vec!["stale-backtest"]), "{from}");
    }
}

#[test]
fn a_critical_rule_is_never_quieter() {
    let critical = RULES.replace("level: medium", "level: critical");
    let rules = load("rules.yml", &critical).rules;
    let seal = loaded(&filter("eu-west-1", "2026-11-20", BARE, BARE)).seal(&rules[0]);
    let filter = loaded(&filter("eu-west-1", "2026-11-20", &rules[0].analytic.hash, &seal));
    let mut diagnostics = Vec::new();
    let set = RuleSet::build(rules, &[filter], &mut diagnostics);
    assert_eq!(diagnostics.iter().map(|one| one.code).collect::<Vec<_>>(), ["quiets-critical"]);
    assert!(set.quieting().is_empty());
}

#[test]
fn asking_for_the_filter_allocates_nothing() {
    let filters = [sealed("eu-west-1", "2026-11-20"), sealed("us-east-1", "2026-10-20")];
    let set = RuleSet::build(rules(), &filters, &mut Vec::new());
    let mut scratch = MatchScratch::new();
    for json in [EU, US] {
        let mut buffer = RecordBuffer::new();
        let record = Record::parse(json.as_bytes(), &mut buffer).unwrap();
        assert!(set.quieted_by(0, &record, &mut scratch).is_some());
        let info = allocation_counter::measure(|| {
            assert!(set.quieted_by(0, &record, &mut scratch).is_some());
            assert!(set.quieted_by(1, &record, &mut scratch).is_none());
        });
        assert_eq!(info.count_total, 0, "{json}");
    }
}
