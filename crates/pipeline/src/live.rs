//! The rules in force, and a set on trial beside them.
//!
//! A worker takes what is in force once for each object, so that a change comes between objects: no record is evaluated by
//! half of each. A set on trial is asked about the same records; what it would have found is counted, never sent.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use trailloop_finding::Level;
use trailloop_rules::{Rule, RuleSet};

/// The rules that workers ask, which can be changed while they work.
pub struct LiveRules {
    now: RwLock<Arc<InForce>>,
}

/// What one object is examined with.
pub struct InForce {
    /// The rules whose findings are sent.
    pub rules: Arc<RuleSet>,
    /// A set on trial.
    pub trial: Option<Arc<Trial>>,
}

impl LiveRules {
    /// These rules, with none on trial.
    #[must_use]
    pub fn new(rules: Arc<RuleSet>) -> Self {
        Self { now: RwLock::new(Arc::new(InForce { rules, trial: None })) }
    }

    /// What is in force now.
    #[must_use]
    pub fn now(&self) -> Arc<InForce> {
        Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts rules in force for each object that is begun from now on, and ends a trial.
    pub fn replace(&self, rules: Arc<RuleSet>) {
        self.put(InForce { rules, trial: None });
    }

    /// Puts rules on trial beside those in force, in place of another that may have been.
    #[must_use]
    pub fn try_out(&self, rules: Arc<RuleSet>) -> Arc<Trial> {
        let trial = Arc::new(Trial { rules, tally: Mutex::default() });
        let rules = Arc::clone(&self.now().rules);
        self.put(InForce { rules, trial: Some(Arc::clone(&trial)) });
        trial
    }

    fn put(&self, in_force: InForce) {
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(in_force);
    }
}

/// Rules on trial and what was counted of them.
pub struct Trial {
    /// The rules.
    pub rules: Arc<RuleSet>,
    tally: Mutex<Tally>,
}

impl Trial {
    /// Takes in what was counted of one object.
    pub(crate) fn add(&self, tally: &mut Tally) {
        let tally = std::mem::take(tally);
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).add(tally);
    }

    /// What was counted so far.
    #[must_use]
    pub fn so_far(&self) -> Tally {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// How two sets of rules differ on the same records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Records that both were asked about.
    pub records: u64,
    /// Findings that both have.
    pub kept: u64,
    /// By the id of the rule: findings that only the one or the other has.
    pub differences: BTreeMap<String, Difference>,
    /// The time that the old and the new rules took.
    pub old_took: Duration,
    /// See [`Tally::old_took`].
    pub new_took: Duration,
}

/// How the findings of one rule differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The rule's title.
    pub title: String,
    /// Its level; the new one, if it is in both sets.
    pub level: Level,
    /// Findings that only the new rules have.
    pub gained: u64,
    /// Findings that only the old rules have.
    pub lost: u64,
    /// The ids of the first events of either kind.
    pub events: Vec<String>,
}

/// So many events are named for a rule.
const EVENTS_NAMED_MAX: usize = 3;

impl Tally {
    /// Counts what both sets said of one record: the numbers of their matching rules, in the order of ids.
    pub(crate) fn count(
        &mut self,
        (old, old_hits): (&RuleSet, &[u32]),
        (new, new_hits): (&RuleSet, &[u32]),
        event: impl Fn() -> String,
    ) {
        self.records += 1;
        let (mut olds, mut news) = (old_hits.iter().peekable(), new_hits.iter().peekable());
        loop {
            let (one, other) =
                (olds.peek().map(|n| old.rule(**n)), news.peek().map(|n| new.rule(**n)));
            let order = match (one, other) {
                (None, None) => return,
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (Some(one), Some(other)) => one.analytic.uid.cmp(&other.analytic.uid),
            };
            if order.is_le() {
                olds.next();
            }
            if order.is_ge() {
                news.next();
            }
            match (order, one, other) {
                (std::cmp::Ordering::Less, Some(lost), _) => {
                    self.difference(lost, &event).lost += 1;
                }
                (std::cmp::Ordering::Greater, _, Some(gained)) => {
                    self.difference(gained, &event).gained += 1;
                }
                _ => self.kept += 1,
            }
        }
    }

    fn difference(&mut self, rule: &Rule, event: &dyn Fn() -> String) -> &mut Difference {
        let about = &rule.analytic;
        let difference = self.differences.entry(about.uid.clone()).or_insert_with(|| Difference {
            title: about.name.clone(),
            level: about.level,
            gained: 0,
            lost: 0,
            events: Vec::new(),
        });
        if difference.events.len() < EVENTS_NAMED_MAX {
            difference.events.push(event());
        }
        difference
    }

    /// Takes in what was counted elsewhere.
    pub fn add(&mut self, other: Self) {
        self.records += other.records;
        self.kept += other.kept;
        self.old_took += other.old_took;
        self.new_took += other.new_took;
        for (uid, theirs) in other.differences {
            match self.differences.get_mut(&uid) {
                None => {
                    self.differences.insert(uid, theirs);
                }
                Some(ours) => {
                    ours.gained += theirs.gained;
                    ours.lost += theirs.lost;
                    let room = EVENTS_NAMED_MAX.saturating_sub(ours.events.len());
                    ours.events.extend(theirs.events.into_iter().take(room));
                }
            }
        }
    }

    /// How many findings only the new, and how many only the old rules have.
    #[must_use]
    pub fn gained_and_lost(&self) -> (u64, u64) {
        let sum = |part: fn(&Difference) -> u64| self.differences.values().map(part).sum();
        (sum(|one| one.gained), sum(|one| one.lost))
    }
}

/// One line: the counts, and what matching cost.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (gained, lost) = self.gained_and_lost();
        let each = |took: Duration| took.as_nanos().checked_div(u128::from(self.records));
        write!(
            f,
            "{} records: {} findings kept, {gained} gained, {lost} lost; matching took {} ns a record, before {} ns",
            self.records,
            self.kept,
            each(self.new_took).unwrap_or(0),
            each(self.old_took).unwrap_or(0)
        )
    }
}
