//! The order in which analysts see findings: what the product's own ranking makes of verdicts, counts and risk.

use std::collections::{BTreeMap, BTreeSet};

use trailloop_feedback::{
    Benign, Contribution, Criticality, Features, Judgement, Label, Posterior, Priority, Ranked,
    Seen, Weights, risk, score_of,
};
use trailloop_finding::Level;
use trailloop_rules::Rule;

use super::people::{Standing, noon_of};
use super::service::Finding;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Legitimate context is forgotten after so many days, and has to come from so many people.
const BENIGN_DAYS: u16 = 30;
const PEOPLE_MIN: usize = 2;

/// Findings older than this add next to nothing to a risk that halves every day.
const RISK_DAYS: u16 = 3;

/// What is known of rules, entities and places so far.
#[derive(Debug)]
pub(crate) struct Ranking {
    rules: Vec<(String, Level)>,
    /// The verdicts on each rule, with their days.
    verdicts: Vec<Vec<(u16, Judgement)>>,
    /// What is believed of each rule's precision today.
    precisions: Vec<Posterior>,
    counts: BTreeMap<String, u64>,
    all: u64,
    /// The findings of each entity of late: day, rule, whether a filter quieted it.
    recent: BTreeMap<String, Vec<(u16, usize, bool)>>,
    /// Who found a rule's findings on an entity harmless, and when last.
    harmless: BTreeMap<(usize, String), BTreeMap<String, u16>>,
    attackers: BTreeSet<String>,
}

/// A finding as it is ranked.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) finding: usize,
    pub(crate) ranked: Ranked,
    /// How likely it is true.
    pub(crate) probability: f64,
}

impl Ranking {
    pub(crate) fn new(rules: &[Rule]) -> Self {
        let rules: Vec<(String, Level)> =
            rules.iter().map(|rule| (rule.analytic.uid.clone(), rule.analytic.level)).collect();
        Self {
            verdicts: vec![Vec::new(); rules.len()],
            precisions: rules.iter().map(|(_, level)| Posterior::prior(*level)).collect(),
            rules,
            counts: BTreeMap::new(),
            all: 0,
            recent: BTreeMap::new(),
            harmless: BTreeMap::new(),
            attackers: BTreeSet::new(),
        }
    }

    /// What a level says of a finding before anybody looked.
    pub(crate) fn of_level(&self, rule: usize) -> f64 {
        Posterior::prior(self.rules[rule].1).mean()
    }

    /// A new day: verdicts are a day older.
    pub(crate) fn begin(&mut self, day: u16) {
        for (nth, verdicts) in self.verdicts.iter().enumerate() {
            let labels = verdicts.iter().map(|(on, judgement)| {
                Label::new(*judgement, i64::from(day.saturating_sub(*on)) * DAY_MS)
            });
            self.precisions[nth] = Posterior::prior(self.rules[nth].1).with_all(labels);
        }
    }

    /// Ranks a finding by what was known before it, and takes it in.
    pub(crate) fn see(&mut self, nth: usize, finding: &Finding) -> Place {
        let profile = &finding.profile;
        let entity = &finding.entity;
        let level = self.rules[finding.rule].1;
        let keys = [
            format!("{} by {entity}", profile.event),
            format!("{entity} from {}", profile.network),
            format!("{entity} with {}", profile.agent),
        ];
        let kinds = u64::try_from(self.counts.len()).unwrap_or(u64::MAX);
        let all = self.all;
        self.all += 1;
        let seen = keys.map(|what| {
            let known = self.counts.entry(what.clone()).or_default();
            let count = *known;
            *known += 1;
            Seen { what, count, all, kinds }
        });
        let recent = self.recent.entry(entity.clone()).or_default();
        recent.retain(|(day, ..)| day + RISK_DAYS >= finding.day);
        let others: BTreeSet<usize> = recent
            .iter()
            .filter(|(day, rule, _)| *day == finding.day && *rule != finding.rule)
            .map(|(_, rule, _)| *rule)
            .collect();
        let contribution = |(day, rule, is_suppressed): &(u16, usize, bool)| Contribution {
            rule: self.rules[*rule].0.clone(),
            score: score_of(self.rules[*rule].1),
            at_ms: noon_of(*day).as_millisecond(),
            judgement: None,
            is_suppressed: *is_suppressed,
        };
        let contributions: Vec<Contribution> = recent.iter().map(contribution).collect();
        let event_ms = noon_of(finding.day).as_millisecond();
        recent.push((finding.day, finding.rule, finding.is_quieted));
        let features = Features {
            level,
            precision: self.precisions[finding.rule],
            seen: seen.to_vec(),
            entity_risk: risk(&contributions, Criticality::Normal, event_ms),
            corroboration: others.iter().map(|rule| self.rules[*rule].0.clone()).collect(),
            armed: None,
            benign: self.benign(finding),
            criticality: Criticality::Normal,
            tactics: Vec::new(),
        };
        let priority = Priority::of(&features, &Weights::default());
        let ranked = Ranked {
            uid: format!("{nth:08}"),
            level,
            score: priority.score,
            is_suppressed: finding.is_quieted,
            event_ms,
        };
        Place { finding: nth, ranked, probability: priority.probability }
    }

    fn benign(&self, finding: &Finding) -> Vec<Benign> {
        let key = (finding.rule, finding.entity.clone());
        let people = self.harmless.get(&key).map_or(0, |people| {
            people.values().filter(|day| **day + BENIGN_DAYS > finding.day).count()
        });
        let is_known = people >= PEOPLE_MIN && !self.attackers.contains(&finding.entity);
        let what = format!("automation, said by {people} people");
        is_known.then_some(Benign { what, weight: 1.0 }).into_iter().collect()
    }

    /// Takes a verdict in.
    pub(crate) fn judged(&mut self, finding: &Finding, standing: Standing, day: u16) {
        let judgement = match standing {
            Standing::True => Judgement::TruePositive,
            Standing::Harmless => Judgement::BenignPositive,
            Standing::Open | Standing::Unjudged => return,
        };
        self.verdicts[finding.rule].push((day, judgement));
        if standing == Standing::True {
            self.attackers.insert(finding.entity.clone());
        } else {
            let key = (finding.rule, finding.entity.clone());
            self.harmless.entry(key).or_default().insert(finding.votes.reviewer(), day);
        }
    }
}
