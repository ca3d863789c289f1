//! The order in which analysts see findings: what verdicts say of the rule, how rare the thing is, how grave it would be.

use std::collections::{BTreeMap, BTreeSet};

use trailloop_finding::Level;
use trailloop_rules::Rule;
use trailloop_tuning::profile;

use super::people::Standing;
use super::service::Finding;

/// What is known of rules, entities and places so far.
#[derive(Debug)]
pub(crate) struct Ranking {
    levels: Vec<Level>,
    /// True and harmless verdicts of each rule.
    verdicts: Vec<(f64, f64)>,
    /// The same of each entity for a rule.
    of_entities: BTreeMap<(usize, String), (f64, f64)>,
    counts: BTreeMap<(String, String), u32>,
    /// The rules that each entity touched on a day.
    touched: BTreeMap<(u16, String), BTreeSet<usize>>,
}

/// A finding as it is ranked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) finding: usize,
    pub(crate) priority: f64,
    /// How likely it is true.
    pub(crate) probability: f64,
}

impl Ranking {
    pub(crate) fn new(rules: &[Rule]) -> Self {
        Self {
            levels: rules.iter().map(|rule| rule.analytic.level).collect(),
            verdicts: vec![(0.0, 0.0); rules.len()],
            of_entities: BTreeMap::new(),
            counts: BTreeMap::new(),
            touched: BTreeMap::new(),
        }
    }

    /// What a level says of a finding before anybody looked: the mean of the prior.
    pub(crate) fn of_level(&self, rule: usize) -> f64 {
        let (alpha, beta) = prior(self.levels[rule]);
        alpha / (alpha + beta)
    }

    /// The mean of a finding's posterior and its priority, and takes it into the counts.
    pub(crate) fn see(&mut self, nth: usize, finding: &Finding) -> Seen {
        let profile = profile(&finding.record);
        let mut rarity = 0.0_f64;
        for feature in [&profile.event, &profile.network, &profile.agent] {
            let key = (finding.entity.clone(), feature.clone());
            let seen = self.counts.entry(key).or_default();
            rarity = rarity
                .max(((self.verdicts.len() as f64 * 1_000.0) / (f64::from(*seen) + 1.0)).log10());
            *seen += 1;
        }
        let touched = self.touched.entry((finding.day, finding.entity.clone())).or_default();
        touched.insert(finding.rule);
        let others = u32::try_from(touched.len() - 1).unwrap_or(0).min(3);
        let (alpha, beta) = prior(self.levels[finding.rule]);
        let (hits, misses) = self.verdicts[finding.rule];
        let own = self.of_entities.get(&(finding.rule, finding.entity.clone())).copied();
        let (own_hits, own_misses) = own.unwrap_or_default();
        // The rule's verdicts are the prior of the entity's, worth at most ten.
        let scale = (10.0 / (alpha + beta + hits + misses)).min(1.0);
        let alpha = (alpha + hits) * scale + own_hits;
        let beta = (beta + misses) * scale + own_misses;
        let mean = alpha / (alpha + beta);
        let logit =
            (mean / (1.0 - mean)).ln() + 0.6 * (rarity.min(4.0) - 2.0) + 0.5 * f64::from(others);
        let probability = 1.0 / (1.0 + (-logit).exp());
        let impact = impact(self.levels[finding.rule]);
        let priority = 100.0 * (1.0 - (-probability * impact * 1.5).exp());
        Seen { finding: nth, priority, probability }
    }

    /// Takes a verdict in, once.
    pub(crate) fn judged(&mut self, finding: &Finding, standing: Standing) {
        let of = self.of_entities.entry((finding.rule, finding.entity.clone())).or_default();
        let rule = &mut self.verdicts[finding.rule];
        match standing {
            Standing::True => {
                of.0 += 1.0;
                rule.0 += 1.0;
            }
            Standing::Harmless => {
                of.1 += 1.0;
                rule.1 += 1.0;
            }
            Standing::Open | Standing::Unjudged => {}
        }
    }
}

fn prior(level: Level) -> (f64, f64) {
    match level {
        Level::Critical => (2.0, 2.0),
        Level::High => (1.5, 2.5),
        Level::Medium => (1.0, 3.0),
        Level::Low | Level::Informational => (0.25, 4.75),
    }
}

pub(crate) fn impact(level: Level) -> f64 {
    match level {
        Level::Critical => 1.0,
        Level::High => 0.7,
        Level::Medium => 0.35,
        Level::Low => 0.15,
        Level::Informational => 0.05,
    }
}
