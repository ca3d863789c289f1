//! The loop: records become findings, findings are ranked and judged, verdicts become filters, and filters end.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use jiff::civil::Date;
use trailloop_cloudtrail::{Record, RecordBuffer};
use trailloop_rules::{Filter, MatchScratch, Rule, RuleSet, load};
use trailloop_tuning::{
    Archive, Attack, Audited, Candidate, Compiled, CompiledScratch, Evidence, Hit, Judged, Label,
    Mine, Profile, Proposal, Tripwires, Voided, may_merge, mine, profile, propose,
};

use super::Setup;
use super::outcome::{Outcome, Tally};
use super::people::{Standing, Votes, date_of, noon_of};
use super::rank::{Place, Ranking};
use super::world::{Made, OFFICE, World, corpus, rules};

/// Analysts give so many verdicts a day, all together.
const CAPACITY: f64 = 120.0;

/// The share of it that goes to findings drawn at random from everything.
const AUDIT_SHARE: f64 = 0.05;

/// The share of it that may go to findings drawn at random from what a candidate describes.
const CANDIDATES_SHARE: f64 = 0.6;

/// So many findings are drawn at random for a candidate of a rule that is not high: one more than gate 6 needs.
const DRAWN: usize = 60;

/// Candidates are looked for every so many days.
const MINED_EVERY: u16 = 4;

/// A finding.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) rule: usize,
    pub(crate) day: u16,
    pub(crate) entity: String,
    pub(crate) profile: Profile,
    pub(crate) record: Vec<u8>,
    pub(crate) attack: Option<usize>,
    pub(crate) is_quieted: bool,
    pub(crate) votes: Votes,
    /// Drawn at random, and not because it ranked high.
    pub(crate) is_audit: bool,
}

pub(crate) struct Service {
    setup: Setup,
    random: Rng,
    world: World,
    rules: Vec<Rule>,
    set: RuleSet,
    scratch: MatchScratch,
    filters: Vec<Filter>,
    tripwires: Tripwires,
    voided: Vec<Voided>,
    /// Proposals that wait for a second person, with the day on which that one looks.
    waiting: Vec<(u16, Candidate, Proposal)>,
    findings: Vec<Finding>,
    events: u64,
    /// The findings that were drawn for candidates, to be judged.
    to_audit: BTreeSet<usize>,
    /// The records of each attack so far.
    attacks: BTreeMap<usize, Vec<Vec<u8>>>,
    /// Attacks that somebody found, and mistakes that were taken for one, by the finding.
    incidents: BTreeMap<usize, (String, u16)>,
    corpus: Vec<Attack>,
    ranking: Ranking,
    tally: Tally,
}

impl Service {
    pub(crate) fn new(setup: Setup) -> Self {
        let rules = rules();
        let stratus = Attack {
            name: "corpus".to_owned(),
            entity: String::new(),
            judged: None,
            records: corpus(),
        };
        Self {
            random: Rng::with_seed(setup.seed ^ 0x5151),
            world: World::new(setup.seed),
            set: RuleSet::build(rules.clone(), &[], &mut Vec::new()),
            ranking: Ranking::new(&rules),
            rules,
            setup,
            scratch: MatchScratch::new(),
            filters: Vec::new(),
            tripwires: Tripwires::new(&[]),
            voided: Vec::new(),
            waiting: Vec::new(),
            findings: Vec::new(),
            events: 0,
            to_audit: BTreeSet::new(),
            attacks: BTreeMap::new(),
            incidents: BTreeMap::new(),
            corpus: vec![stratus],
            tally: Tally::default(),
        }
    }

    pub(crate) fn day(&mut self, day: u16) {
        self.merge(day);
        self.ranking.begin(day);
        let first = self.findings.len();
        for made in self.world.day(day) {
            self.record(day, made);
        }
        let queue = self.queue(first);
        self.tally.day(&self.findings, &queue, &self.ranking);
        self.judge(day, &queue.iter().map(|seen| seen.finding).collect::<Vec<_>>());
        if day.is_multiple_of(MINED_EVERY) {
            self.propose(day);
        }
    }

    /// One record through the rules that run, its tripwires first.
    fn record(&mut self, day: u16, made: Made) {
        self.events += 1;
        self.voided.extend(self.tripwires.record(&made.json));
        if let Some(attack) = made.attack {
            self.attacks.entry(attack).or_default().push(made.json.clone());
        }
        let mut buffer = RecordBuffer::new();
        let Ok(record) = Record::parse(&made.json, &mut buffer) else { return };
        let mut found = Vec::new();
        self.set.matches_into(&record, &mut self.scratch, &mut found);
        if found.is_empty() {
            return;
        }
        let profile = profile(&made.json);
        let today = date_of(day).to_string();
        for number in found {
            let rule = self.set.rule(number);
            self.voided.extend(self.tripwires.finding(rule, &made.json));
            let tripwires = &self.tripwires;
            let is_in_force = |filter: &Filter| {
                tripwires.holds(filter) && filter.expires().is_some_and(|end| today.as_str() < end)
            };
            let filter = self.set.quieted_by_any(number, &record, &mut self.scratch, is_in_force);
            let is_quieted = filter.cloned().is_some_and(|filter| {
                let voided = self.tripwires.quieted(&filter, date_of(day));
                let holds = voided.is_empty();
                self.voided.extend(voided);
                holds
            });
            self.findings.push(Finding {
                rule: number as usize,
                day,
                entity: profile.entity.clone(),
                profile: profile.clone(),
                record: made.json.clone(),
                attack: made.attack,
                is_quieted,
                votes: Votes::default(),
                is_audit: false,
            });
        }
    }

    /// The visible findings of the day, highest first.
    fn queue(&mut self, first: usize) -> Vec<Place> {
        let mut queue: Vec<Place> = Vec::new();
        for (nth, finding) in self.findings.iter().enumerate().skip(first) {
            let seen = self.ranking.see(nth, finding);
            if !finding.is_quieted {
                queue.push(seen);
            }
        }
        queue.sort_by(|a, b| a.ranked.order(&b.ranked));
        queue
    }

    /// Spends the day's verdicts: on what is open, on what was drawn at random, on candidates, and on the top of the queue.
    fn judge(&mut self, day: u16, queue: &[usize]) {
        let capacity = CAPACITY * self.setup.labels;
        let mut left = whole(capacity, &mut self.random);
        let open = |one: &Finding| one.votes.standing() == Standing::Open;
        let of_open: Vec<usize> =
            (0..self.findings.len()).filter(|nth| open(&self.findings[*nth])).collect();
        for nth in of_open {
            self.look(nth, day, &mut left);
        }
        for _ in 0..whole(capacity * AUDIT_SHARE, &mut self.random) {
            let nth = self.random.usize(0..self.findings.len());
            if self.findings[nth].votes.standing() == Standing::Unjudged {
                self.findings[nth].is_audit = true;
                self.look(nth, day, &mut left);
            }
        }
        let mut of_candidates = whole(capacity * CANDIDATES_SHARE, &mut self.random).min(left);
        left -= of_candidates;
        while of_candidates > 0
            && let Some(nth) = self.to_audit.pop_first()
        {
            self.look(nth, day, &mut of_candidates);
        }
        left += of_candidates;
        for nth in queue {
            if self.findings[*nth].votes.standing() == Standing::Unjudged {
                self.look(*nth, day, &mut left);
            }
        }
    }

    /// Analysts look at a finding until it is settled or the day is over.
    fn look(&mut self, nth: usize, day: u16, left: &mut usize) {
        let finding = &mut self.findings[nth];
        if matches!(finding.votes.standing(), Standing::True | Standing::Harmless) {
            return;
        }
        while *left > 0 && matches!(finding.votes.standing(), Standing::Unjudged | Standing::Open) {
            finding.votes.cast(finding.attack.is_some(), &mut self.random);
            *left -= 1;
        }
        let standing = finding.votes.standing();
        self.ranking.judged(finding, standing, day);
        if standing == Standing::True {
            let entity = finding.entity.clone();
            self.voided.extend(self.tripwires.judged(Label::True, &entity, &[]));
            self.incidents.insert(nth, (entity, day));
        }
    }

    /// What an incident is found to consist of: an attack with all its events, or what was taken for one.
    fn attacks_known(&self) -> Vec<Attack> {
        let attack = |(nth, (entity, day)): (&usize, &(String, u16))| {
            let finding = &self.findings[*nth];
            let records = match finding.attack {
                Some(attack) => self.attacks.get(&attack).cloned().unwrap_or_default(),
                None => vec![finding.record.clone()],
            };
            let name = format!("incident-{nth}");
            Attack { name, entity: entity.clone(), judged: Some(date_of(*day)), records }
        };
        self.incidents.iter().map(attack).collect()
    }

    fn evidence(&self, rule: usize, today: u16) -> Evidence {
        let of_rule = || self.findings.iter().enumerate().filter(move |(_, one)| one.rule == rule);
        let is_judged =
            |one: &Finding| matches!(one.votes.standing(), Standing::True | Standing::Harmless);
        let reviewed: BTreeSet<&str> = of_rule()
            .filter(|(_, one)| is_judged(one))
            .map(|(_, one)| one.entity.as_str())
            .collect();
        let hit = |(nth, one): (usize, &Finding)| Hit {
            uid: format!("finding-{nth}"),
            day: date_of(one.day),
            entity: one.entity.clone(),
            is_reviewed: reviewed.contains(one.entity.as_str()),
            record: one.record.clone(),
        };
        let audited =
            of_rule().filter(|(_, one)| one.is_audit && is_judged(one)).map(|(nth, one)| Audited {
                uid: format!("finding-{nth}"),
                day: date_of(one.day),
                is_attack: one.votes.standing() == Standing::True,
                record: one.record.clone(),
            });
        Evidence {
            judged: self.judged(rule),
            attacks: self.attacks_known(),
            corpora: self.corpus.clone(),
            archive: Archive {
                from: date_of(0),
                to: date_of(today),
                is_all: true,
                events: self.events,
                hits: of_rule().map(hit).collect(),
            },
            audited: audited.collect(),
            own_networks: vec![OFFICE.to_owned()],
            today: date_of(today),
        }
    }

    fn judged(&self, rule: usize) -> Vec<Judged> {
        let label = |one: &Finding| match one.votes.standing() {
            Standing::True => Some(Label::True),
            Standing::Harmless => Some(Label::Benign),
            Standing::Open | Standing::Unjudged => None,
        };
        let of_rule = self.findings.iter().enumerate().filter(|(_, one)| one.rule == rule);
        let judged = |(nth, one): (usize, &Finding)| {
            Some(Judged {
                uid: format!("finding-{nth}"),
                rule: self.rules[rule].analytic.uid.clone(),
                label: label(one)?,
                reason: "automation".to_owned(),
                reviewer: one.votes.reviewer(),
                at: noon_of(one.day),
                seen: noon_of(one.day),
                entity: one.entity.clone(),
                record: one.record.clone(),
                answers: BTreeMap::new(),
            })
        };
        of_rule.filter_map(judged).collect()
    }

    /// Looks for candidates, has drawn what each still needs, and puts before a second person what passes the gates.
    fn propose(&mut self, day: u16) {
        for rule in 0..self.rules.len() {
            // What a filter in force is about needs no other.
            let covered: BTreeSet<&str> = self
                .filters
                .iter()
                .filter(|one| one.speaks_of(&self.rules[rule]) && self.tripwires.holds(one))
                .flat_map(|one| one.quiet().into_iter().flat_map(|quiet| &quiet.seen.entities))
                .map(String::as_str)
                .collect();
            let mut judged = self.judged(rule);
            judged.retain(|one| !covered.contains(one.entity.as_str()));
            let own = [OFFICE.to_owned()];
            let settings = Mine {
                own_networks: &own,
                today: date_of(day),
                owner: "team-platform",
                proposer: "tuner",
                lambda_tenths: 5,
            };
            let candidates = mine(&self.rules[rule], &judged, &settings);
            if candidates.is_empty() {
                continue;
            }
            let evidence = self.evidence(rule, day);
            for candidate in candidates {
                self.consider(candidate, &evidence, rule, day);
            }
        }
    }

    fn consider(&mut self, candidate: Candidate, evidence: &Evidence, rule: usize, day: u16) {
        let waits =
            self.waiting.iter().any(|(_, other, _)| other.conditions == candidate.conditions);
        if waits {
            return;
        }
        let Ok(compiled) = Compiled::of(&candidate) else { return };
        if self.draw(&candidate, &compiled, rule) {
            return;
        }
        match propose(&candidate, evidence) {
            Ok(proposal) => {
                let delay = self.random.u16(1..4);
                self.waiting.push((day + delay, candidate, proposal));
            }
            Err(gates) => {
                for gate in gates.iter().filter(|gate| !gate.passed) {
                    *self.tally.refused.entry(gate.number).or_default() += 1;
                }
            }
        }
    }

    /// Draws at random from what a candidate describes until enough are drawn. Says whether verdicts are still awaited.
    fn draw(&mut self, candidate: &Candidate, compiled: &Compiled, rule: usize) -> bool {
        let who = who(candidate);
        let mut scratch = CompiledScratch::default();
        let needed = if self.rules[rule].analytic.level.severity_id() >= 4 { 200 } else { DRAWN };
        let mut described: Vec<usize> = (0..self.findings.len())
            .filter(|nth| {
                self.findings[*nth].rule == rule && Some(&*self.findings[*nth].entity) == who
            })
            .filter(|nth| compiled.describes(&self.findings[*nth].record, &mut scratch))
            .collect();
        let drawn = described.iter().filter(|nth| self.findings[**nth].is_audit).count();
        let awaited = described.iter().any(|nth| {
            self.findings[*nth].is_audit
                && matches!(
                    self.findings[*nth].votes.standing(),
                    Standing::Unjudged | Standing::Open
                )
        });
        if drawn >= needed {
            return awaited;
        }
        if described.len() < needed {
            return true;
        }
        // Whoever draws does not look at what was judged before: those count as drawn if the draw falls on them.
        self.random.shuffle(&mut described);
        described.retain(|nth| !self.findings[*nth].is_audit);
        for nth in described.into_iter().take(needed - drawn) {
            self.findings[nth].is_audit = true;
            self.to_audit.insert(nth);
        }
        true
    }

    /// A second person reads what waits, and merges; filters that have ended are taken out.
    fn merge(&mut self, day: u16) {
        let today: Date = date_of(day);
        let (due, waiting): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.waiting).into_iter().partition(|(when, ..)| *when <= day);
        self.waiting = waiting;
        let mut changed = false;
        for (_, candidate, proposal) in due {
            // One of ten is turned down.
            if may_merge(&candidate, "reviewer").is_err() || self.random.u8(0..10) == 0 {
                continue;
            }
            let loaded = load("filters/proposal.yml", &proposal.filter);
            assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
            self.filters.extend(loaded.filters);
            self.tally.merged += 1;
            changed = true;
        }
        let before = self.filters.len();
        let today = today.to_string();
        self.filters.retain(|one| one.expires().is_some_and(|end| today.as_str() < end));
        if changed || self.filters.len() < before {
            let mut diagnostics = Vec::new();
            self.set = RuleSet::build(self.rules.clone(), &self.filters, &mut diagnostics);
            assert!(diagnostics.is_empty(), "{diagnostics:#?}");
            assert_eq!(self.set.quieting().len(), self.filters.len());
            let voided = self.voided.iter().map(|one| one.filter.clone());
            self.tripwires = Tripwires::restored(&self.filters, voided);
        }
    }

    pub(crate) fn outcome(self) -> Outcome {
        let Self { world, voided, tally, findings, .. } = self;
        tally.outcome(&world, &findings, &voided)
    }
}

/// A capacity as a number of verdicts; a part of one is one sometimes.
fn whole(capacity: f64, random: &mut Rng) -> usize {
    let mut whole = 0;
    while f64::from(whole) + 1.0 <= capacity {
        whole += 1;
    }
    let more = random.f64() < capacity - f64::from(whole);
    usize::try_from(whole).unwrap_or(0) + usize::from(more)
}

/// Whom a candidate binds; those that are mined bind somebody.
fn who(candidate: &Candidate) -> Option<&str> {
    candidate
        .binds("userIdentity.sessionContext.sessionIssuer.arn")
        .or_else(|| candidate.binds("userIdentity.arn"))
}
