//! Which canaries a service sends: of each grave rule its own example, in the account of canaries.

use std::fs;

use anyhow::Context as _;
use serde_json::Value;
use trailloop_cloud::Aws;
use trailloop_cloudtrail::{Record, RecordBuffer};
use trailloop_finding::Level;
use trailloop_respond::canary::Canaries;
use trailloop_respond::token::Secret;
use trailloop_rules::{MatchScratch, Rule, RuleSet, run_tests};

use crate::UsageError;
use crate::config::RespondConfig;

/// Rules of this level and above have one.
const LEVEL: Level = Level::High;

/// The canaries, if the configuration asks for them.
pub(crate) fn of(
    config: &RespondConfig,
    aws: &Aws,
    rules: &RuleSet,
) -> anyhow::Result<Option<Canaries>> {
    let (Some(canaries), Some(file)) = (&config.canaries, &config.link_secret_file) else {
        return Ok(None);
    };
    let secret = fs::read(file).with_context(|| format!("read {}", file.display()))?;
    let secret = Secret::new(secret.trim_ascii().to_vec())
        .map_err(|error| UsageError(format!("{}: {error}", file.display())))?;
    let grave: Vec<&Rule> =
        rules.rules().iter().filter(|rule| rule.analytic.level >= LEVEL).collect();
    let events: Vec<(String, Value)> = grave
        .iter()
        .filter_map(|rule| {
            Some((rule.analytic.uid.clone(), event_of(rule, rules, &canaries.account)?))
        })
        .collect();
    tracing::info!(
        canaries = events.len(),
        rules = grave.len(),
        "canaries are sent for the rules of level high and above whose example sets them off as it stands"
    );
    Ok(Some(Canaries {
        vault: canaries.place.vault(aws),
        account: canaries.account.clone(),
        secret,
        every: canaries.every,
        objective: canaries.objective,
        events,
    }))
}

/// An example of a rule in another account, if the rules in force find it there as well.
fn event_of(rule: &Rule, rules: &RuleSet, account: &str) -> Option<Value> {
    let unread = |_: &str| Err("files beside rules are not read here".to_owned());
    let hits = run_tests(rule, &unread).into_iter().filter(|one| one.expected && one.is_passed());
    hits.into_iter().find_map(|hit| {
        let event: Value = serde_json::from_str(&hit.event).ok()?;
        let own =
            event["recipientAccountId"].as_str().or(event["userIdentity"]["accountId"].as_str());
        let mut text = hit.event.clone();
        if let Some(own) = own.filter(|own| own.len() == 12) {
            text = text.replace(own, account);
        }
        let mut moved: Value = serde_json::from_str(&text).ok()?;
        moved["recipientAccountId"] = account.into();
        is_found(rule, rules, &moved.to_string()).then_some(moved)
    })
}

fn is_found(rule: &Rule, rules: &RuleSet, event: &str) -> bool {
    let (mut buffer, mut found) = (RecordBuffer::new(), Vec::new());
    let Ok(record) = Record::parse(event.as_bytes(), &mut buffer) else { return false };
    rules.matches_into(&record, &mut MatchScratch::new(), &mut found);
    found.iter().any(|one| rules.rule(*one).analytic.uid == rule.analytic.uid)
}
