//! Whether what follows in an attack is armed before it happens: each attack carried out, armed from all the others.
//!
//! Steps are findings of the shipped rules that are about attacks; the one that knows tools by their name is left out, and so are
//! the packs. As an attack goes on, the rules that may follow its steps so far are armed; a later step is a rule's first finding
//! on another record than the first. Beside it stands the base rate: to arm the rules that most often followed anything.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use trailloop_cloudtrail::{Limits, Scratch, read_records};
use trailloop_content::shipped;
use trailloop_feedback::{Bounds, Follows, Step};
use trailloop_finding::tactic_of;
use trailloop_rules::{MatchScratch, Rule, RuleSet};

/// The rule that knows tools by their name: a run of a tool is full of it, an attacker leaves the name away.
const BY_TOOL: &str = "discovery/attack-tool-user-agent.yml";

/// The address of the intruder in `fixtures/logs`.
const INTRUDER: &str = "203.0.113.77";

/// An attack: what each of its records was found by, in the order of their times.
#[derive(Clone, Debug)]
pub(crate) struct Attack {
    pub(crate) name: String,
    found: Vec<(i64, BTreeSet<String>)>,
}

impl Attack {
    pub(crate) fn steps(&self) -> Vec<Step> {
        let steps = |(at_ms, rules): &(i64, BTreeSet<String>)| -> Vec<Step> {
            rules.iter().map(|rule| Step { at_ms: *at_ms, rule: rule.clone() }).collect()
        };
        self.found.iter().flat_map(steps).collect()
    }
}

/// The folder of the attacks carried out, if it is there. It lies beside the repository, or beside what that lies in.
pub(crate) fn attacks_folder() -> Option<PathBuf> {
    let repository = repository();
    let mut beside = repository.ancestors().skip(1).map(|one| one.join("shared/data/stratus"));
    beside.find(|folder| folder.exists())
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The shipped rules, and what is made known of them.
pub(crate) struct Shipped {
    set: RuleSet,
    titles: BTreeMap<String, String>,
}

impl Shipped {
    pub(crate) fn new() -> Self {
        let set = RuleSet::build(shipped().rules, &[], &mut Vec::new());
        let title = |rule: &Rule| (rule.analytic.uid.clone(), rule.analytic.name.clone());
        Self { titles: set.rules().iter().map(title).collect(), set }
    }

    /// A table that knows the rules and has learnt nothing.
    pub(crate) fn known(&self) -> Follows {
        let mut follows = Follows::default();
        for rule in self.set.rules().iter().filter(|rule| is_step(rule)) {
            let tactics = rule.analytic.tags.iter().filter_map(|tag| tactic_of(tag));
            let mut kinds: BTreeSet<String> = tactics.map(|(uid, _)| uid.to_owned()).collect();
            kinds.extend(rule.calls().into_iter().filter_map(|call| call.source));
            follows.know(&rule.analytic.uid, kinds.iter().map(String::as_str));
        }
        follows
    }

    pub(crate) fn title<'t>(&'t self, rule: &'t str) -> &'t str {
        self.titles.get(rule).map_or(rule, String::as_str)
    }

    /// One attack to a file.
    pub(crate) fn attacks(&self, folder: &Path) -> Vec<Attack> {
        let mut paths: Vec<PathBuf> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths.iter().map(|path| self.attack(stem(path), std::slice::from_ref(path), None)).collect()
    }

    /// The invented intrusion of the demonstration.
    pub(crate) fn intrusion(&self) -> Attack {
        let mut paths = Vec::new();
        files(&repository().join("fixtures/logs"), &mut paths);
        paths.retain(|path| path.to_string_lossy().contains("/CloudTrail/"));
        self.attack("fixtures/logs".to_owned(), &paths, Some(INTRUDER))
    }

    fn attack(&self, name: String, paths: &[PathBuf], address: Option<&str>) -> Attack {
        let (mut scratch, mut hits, mut found) = (MatchScratch::new(), Vec::new(), Vec::new());
        for path in paths {
            let bytes = std::fs::read(path).unwrap();
            let read = read_records(&bytes, &Limits::default(), &mut Scratch::new(), |record| {
                self.set.matches_into(&record, &mut scratch, &mut hits);
                let rules = hits.iter().map(|hit| self.set.rule(*hit));
                let rules: BTreeSet<String> = rules
                    .filter(|rule| is_step(rule))
                    .map(|rule| rule.analytic.uid.clone())
                    .collect();
                let is_theirs =
                    address.is_none_or(|one| record.text(&["sourceIPAddress"]) == Some(one));
                let time = record.text(&["eventTime"]).and_then(|text| text.parse().ok());
                if let (false, true, Some(time)) = (rules.is_empty(), is_theirs, time) {
                    let time: Timestamp = time;
                    found.push((time.as_millisecond(), rules));
                }
            });
            assert!(read.is_whole(), "{}", path.display());
        }
        found.sort_by_key(|(at_ms, _)| *at_ms);
        Attack { name, found }
    }
}

fn is_step(rule: &Rule) -> bool {
    rule.path != BY_TOOL && rule.pack.is_none()
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn files(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files(&path, paths),
            false => paths.push(path),
        }
    }
    paths.sort();
}

/// A later step of an attack.
#[derive(Clone, Debug)]
pub(crate) struct Later {
    pub(crate) attack: String,
    pub(crate) rule: String,
    /// For how long it had been armed, and why, if it was.
    pub(crate) armed: Option<(i64, String)>,
    pub(crate) by_base_rate: bool,
    /// No other attack has it, so only its kinds can tell of it.
    pub(crate) is_new: bool,
}

/// What came of arming at most so many rules.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) rules_max: usize,
    pub(crate) later: Vec<Later>,
    /// How many rules were armed, each time that a record was found.
    sizes: Vec<usize>,
}

/// Goes through attacks, each armed by what the table of it says.
pub(crate) fn measure<'a>(
    attacks: impl IntoIterator<Item = (&'a Attack, Follows, Vec<Step>)>,
    rules_max: usize,
) -> Outcome {
    let mut outcome = Outcome { rules_max, later: Vec::new(), sizes: Vec::new() };
    for (attack, follows, others) in attacks {
        outcome.take(attack, &follows, &others);
    }
    outcome
}

/// Each attack with what is learnt from all the others.
pub(crate) fn each_from_the_others<'a>(
    shipped: &Shipped,
    attacks: &'a [Attack],
) -> Vec<(&'a Attack, Follows, Vec<Step>)> {
    let one = |(nth, attack): (usize, &'a Attack)| {
        let others = || attacks.iter().enumerate().filter(move |(other, _)| *other != nth);
        let mut follows = shipped.known();
        others().for_each(|(_, other)| follows.learn(&other.steps()));
        (attack, follows, base_rate(others().map(|(_, other)| other)))
    };
    attacks.iter().enumerate().map(one).collect()
}

/// The rules that most often came later in an attack, then those most often found at all, the commonest first.
pub(crate) fn base_rate<'a>(attacks: impl Iterator<Item = &'a Attack>) -> Vec<Step> {
    let mut counts = BTreeMap::<String, (u32, u32)>::new();
    for attack in attacks {
        let first = attack.found.first().map(|(_, rules)| rules.clone()).unwrap_or_default();
        let all: BTreeSet<&String> = attack.found.iter().flat_map(|(_, rules)| rules).collect();
        for rule in all {
            let (later, found) = counts.entry(rule.clone()).or_default();
            *later += u32::from(!first.contains(rule));
            *found += 1;
        }
    }
    let mut rules: Vec<(String, (u32, u32))> = counts.into_iter().collect();
    rules.sort_by(|(_, one), (_, other)| other.cmp(one));
    rules.into_iter().map(|(rule, _)| Step { at_ms: 0, rule }).collect()
}

impl Outcome {
    fn take(&mut self, attack: &Attack, follows: &Follows, base_rate: &[Step]) {
        let bounds = Bounds { rules_max: self.rules_max, floor: 0.0 };
        let mut steps: Vec<Step> = Vec::new();
        let mut since = BTreeMap::<String, (i64, String)>::new();
        for (at_ms, rules) in &attack.found {
            let known: BTreeSet<String> = steps.iter().map(|step| step.rule.clone()).collect();
            for rule in rules.iter().filter(|rule| !steps.is_empty() && !known.contains(*rule)) {
                let unseen = base_rate.iter().filter(|one| !known.contains(&one.rule));
                let armed = since.get(rule);
                self.later.push(Later {
                    attack: attack.name.clone(),
                    rule: rule.clone(),
                    armed: armed.map(|(since, why)| (at_ms - since, why.clone())),
                    by_base_rate: unseen.take(self.rules_max).any(|one| one.rule == *rule),
                    is_new: base_rate.iter().all(|one| one.rule != *rule),
                });
            }
            steps.extend(rules.iter().map(|rule| Step { at_ms: *at_ms, rule: rule.clone() }));
            let armed = follows.armed(&steps, *at_ms, bounds);
            self.sizes.push(armed.len());
            let was = std::mem::take(&mut since);
            for one in armed {
                let first = was.get(&one.rule).map_or(*at_ms, |(since, _)| *since);
                since.insert(one.rule, (first, one.because.to_string()));
            }
        }
    }

    pub(crate) fn armed(&self) -> usize {
        self.later.iter().filter(|one| one.armed.is_some()).count()
    }

    pub(crate) fn by_base_rate(&self) -> usize {
        self.later.iter().filter(|one| one.by_base_rate).count()
    }

    /// The median of how long what was armed had been, in milliseconds.
    pub(crate) fn lead_ms(&self) -> i64 {
        let mut leads: Vec<i64> =
            self.later.iter().filter_map(|one| Some(one.armed.as_ref()?.0)).collect();
        leads.sort_unstable();
        leads.get(leads.len() / 2).copied().unwrap_or_default()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.later.len();
        let [armed, base] = [self.armed(), self.by_base_rate()];
        let new = self.later.iter().filter(|one| one.is_new).count();
        let sizes: usize = self.sizes.iter().sum();
        write!(
            f,
            "at most {} rules: {armed} of {all} later steps armed before they happened, {base} by the base rate; {new} are of rules that no other attack has; {} s ahead at the median; {} armed on average",
            self.rules_max,
            self.lead_ms() / 1000,
            sizes / self.sizes.len().max(1),
        )
    }
}

#[test]
fn what_follows_is_armed_before_it_happens() {
    let Some(folder) = attacks_folder() else {
        // Not by a print macro: what they write is captured.
        let said = "skipped: the attacks carried out are not there\n";
        std::io::Write::write_all(&mut std::io::stderr(), said.as_bytes()).unwrap();
        return;
    };
    let shipped = Shipped::new();
    let attacks = shipped.attacks(&folder);
    for rules_max in [5, 10, 20] {
        let outcome = measure(each_from_the_others(&shipped, &attacks), rules_max);
        println!("{outcome}");
    }
}
