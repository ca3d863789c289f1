//! Whether what follows in an attack is armed before it happens: each attack carried out, armed from all the others.
//!
//! Attacks are those carried out by a tool, one technique to a file, and intrusions as their reports tell them
//! (`attacks/reports.txt`), which alone have many steps. Steps are findings of the shipped rules that are about attacks; the one that knows tools by their name is left out, and so are
//! the packs. As an attack goes on, the rules that may follow its steps so far are armed; a later step is a rule's first finding
//! on another record than the first. Beside it stands the base rate: to arm the rules that most often followed anything.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use trailloop_cloudtrail::{Limits, Scratch, read_records};
use trailloop_content::shipped;
use trailloop_feedback::{Armed, Bounds, Follows, Step};
use trailloop_finding::tactic_of;
use trailloop_rules::{MatchScratch, Rule, RuleSet};

/// The rule that knows tools by their name: a run of a tool is full of it, an attacker leaves the name away.
const BY_TOOL: &str = "discovery/attack-tool-user-agent.yml";

/// A heading names a report and ends with the addresses of what was read of it; indented below it stand its steps.
const REPORTS: &str = include_str!("../../attacks/reports.txt");

/// The address of the intruder in `fixtures/logs`.
const INTRUDER: &str = "203.0.113.77";

/// An attack: what each of its records was found by, in the order of their times.
#[derive(Clone, Debug)]
pub(crate) struct Attack {
    pub(crate) name: String,
    /// Whether it is known when its steps happened, and not only in which order.
    is_timed: bool,
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
    /// The id of the rule in each file.
    ids: BTreeMap<String, String>,
}

impl Shipped {
    pub(crate) fn new() -> Self {
        let set = RuleSet::build(shipped().rules, &[], &mut Vec::new());
        let title = |rule: &Rule| (rule.analytic.uid.clone(), rule.analytic.name.clone());
        let id = |rule: &Rule| (rule.path.clone(), rule.analytic.uid.clone());
        let titles = set.rules().iter().map(title).collect();
        Self { titles, ids: set.rules().iter().map(id).collect(), set }
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

    /// What is learnt from all these.
    pub(crate) fn learnt<'a>(&self, attacks: impl IntoIterator<Item = &'a Attack>) -> Follows {
        let mut follows = self.known();
        attacks.into_iter().for_each(|attack| follows.learn(&attack.steps()));
        follows
    }

    /// One attack to a file.
    pub(crate) fn attacks(&self, folder: &Path) -> Vec<Attack> {
        let mut paths: Vec<PathBuf> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths.iter().map(|path| self.attack(stem(path), std::slice::from_ref(path), None)).collect()
    }

    /// The intrusions that are told in reports. When their steps happened is not, but that one came after the other.
    pub(crate) fn reported(&self) -> Vec<Attack> {
        let mut attacks: Vec<Attack> = Vec::new();
        for line in REPORTS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            match (line.strip_prefix("  "), attacks.last_mut()) {
                (Some(paths), Some(Attack { found, .. })) => {
                    let at_ms = i64::try_from(found.len()).unwrap() * 60_000;
                    let rules = paths.split(' ').map(|path| self.ids[path].clone());
                    found.push((at_ms, rules.collect()));
                }
                _ => attacks.push(Attack {
                    name: line.split(" <").next().unwrap_or(line).to_owned(),
                    is_timed: false,
                    found: Vec::new(),
                }),
            }
        }
        attacks
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
        Attack { name, is_timed: true, found }
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
    /// That it was armed, if it was.
    pub(crate) armed: Option<Ahead>,
    pub(crate) by_base_rate: bool,
    /// No other attack has it, so only its kinds can tell of it.
    pub(crate) is_new: bool,
}

/// How a step was armed.
#[derive(Clone, Debug)]
pub(crate) struct Ahead {
    /// For how long.
    pub(crate) ms: Option<i64>,
    pub(crate) probability: f64,
    pub(crate) why: String,
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

/// Each attack with what is learnt from all the others, and these.
pub(crate) fn each_from_the_others<'a>(
    shipped: &Shipped,
    attacks: &'a [Attack],
    these: &[Attack],
) -> Vec<(&'a Attack, Follows, Vec<Step>)> {
    let one = |(nth, attack): (usize, &'a Attack)| {
        let is_other = move |(other, _): &(usize, &'a Attack)| *other != nth;
        let others = || attacks.iter().enumerate().filter(is_other).map(|(_, other)| other);
        let follows = shipped.learnt(others().chain(these));
        (attack, follows, base_rate(others().chain(these)))
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
        let bounds = Bounds { rules_max: self.rules_max, ..Bounds::default() };
        let mut steps: Vec<Step> = Vec::new();
        let mut since = BTreeMap::<String, (i64, Armed)>::new();
        for (at_ms, rules) in &attack.found {
            let known: BTreeSet<String> = steps.iter().map(|step| step.rule.clone()).collect();
            for rule in rules.iter().filter(|rule| !steps.is_empty() && !known.contains(*rule)) {
                let unseen = base_rate.iter().filter(|one| !known.contains(&one.rule));
                let armed = since.get(rule).map(|(since, armed)| Ahead {
                    ms: attack.is_timed.then_some(at_ms - since),
                    probability: armed.probability,
                    why: armed.because.to_string(),
                });
                self.later.push(Later {
                    attack: attack.name.clone(),
                    rule: rule.clone(),
                    armed,
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
                since.insert(one.rule.clone(), (first, one));
            }
        }
    }

    pub(crate) fn armed(&self) -> usize {
        self.later.iter().filter(|one| one.armed.is_some()).count()
    }

    pub(crate) fn by_base_rate(&self) -> usize {
        self.later.iter().filter(|one| one.by_base_rate).count()
    }

    /// Each later step, with what armed it.
    pub(crate) fn told(&self, shipped: &Shipped) -> String {
        let mut out = String::new();
        for one in &self.later {
            let title = shipped.titles.get(&one.rule).map_or(one.rule.as_str(), String::as_str);
            let new = if one.is_new { ", of no other attack" } else { "" };
            let base = if one.by_base_rate { ", also by the base rate" } else { "" };
            let armed = match &one.armed {
                None => "not armed".to_owned(),
                Some(Ahead { ms, probability, why }) => {
                    let ahead = ms.map(|ms| format!(" {} s ahead", ms / 1000)).unwrap_or_default();
                    format!("armed{ahead}, {probability:.2}: {why}")
                }
            };
            writeln!(out, "  {}: {title}{new}: {armed}{base}", one.attack).unwrap();
        }
        out
    }

    /// The median of how long what was armed had been, in milliseconds, where that is known.
    fn lead_ms(&self) -> Option<i64> {
        let ahead = self.later.iter().filter_map(|one| one.armed.as_ref());
        let mut leads: Vec<i64> = ahead.filter_map(|one| one.ms).collect();
        leads.sort_unstable();
        leads.get(leads.len() / 2).copied()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.later.len();
        let [armed, base] = [self.armed(), self.by_base_rate()];
        let new = self.later.iter().filter(|one| one.is_new).count();
        let sizes: usize = self.sizes.iter().sum();
        let lead = self.lead_ms().map(|ms| format!("{} s ahead at the median; ", ms / 1000));
        write!(
            f,
            "{armed} of {all} later steps armed before they happened, {base} by the base rate; {new} are of rules that no other attack has; {}{} armed on average",
            lead.unwrap_or_default(),
            sizes / self.sizes.len().max(1),
        )
    }
}

/// Who relies on a sequence can look up where it was read, and two steps are hardly a sequence.
#[test]
fn every_reported_intrusion_has_an_address_and_three_steps() {
    let headings = REPORTS.lines().filter(|line| !line.is_empty() && !line.starts_with(['#', ' ']));
    let attacks = Shipped::new().reported();
    assert_eq!(headings.clone().count(), attacks.len());
    for (heading, attack) in headings.zip(attacks) {
        let (name, addresses) = heading.split_once(" <https://").unwrap();
        assert_eq!(name, attack.name);
        assert!(addresses.ends_with('>'), "{heading}");
        assert!(attack.found.len() >= 3, "{heading}");
    }
}

#[test]
fn what_follows_is_armed_before_it_happens() {
    let shipped = Shipped::new();
    let reported = shipped.reported();
    let carried_out = attacks_folder().map(|folder| shipped.attacks(&folder)).unwrap_or_default();
    if carried_out.is_empty() {
        // Not by a print macro: what they write is captured.
        let said = "the attacks carried out are not there: learnt from reports alone\n";
        std::io::Write::write_all(&mut std::io::stderr(), said.as_bytes()).unwrap();
    }
    let corpora = match carried_out.as_slice() {
        [] => vec![&[][..]],
        these => vec![&[], these],
    };
    for (rules_max, least) in [(5, [11, 16]), (10, [15, 18]), (20, [19, 22])] {
        for (these, least) in corpora.iter().zip(least) {
            let outcome = measure(each_from_the_others(&shipped, &reported, these), rules_max);
            assert_eq!(outcome.later.len(), 40);
            let told = outcome.told(&shipped);
            assert!(outcome.armed() >= least, "at most {rules_max} rules: {outcome}\n{told}");
            assert!(outcome.sizes.iter().all(|size| *size <= rules_max), "{outcome}");
            // The base rate is about as good. At the bound of the product it must not be better, and be worse than what ships, which
            // is learnt from both.
            if rules_max == Bounds::default().rules_max {
                let least = outcome.by_base_rate() + usize::from(!these.is_empty());
                assert!(outcome.armed() >= least, "{outcome}\n{told}");
            }
        }
    }
}

/// What was learnt of others arms a part of an intrusion that nobody made for it, minutes before.
#[test]
fn the_demonstrations_intrusion_is_armed_for_minutes_before() {
    let shipped = Shipped::new();
    let (intrusion, reported) = (shipped.intrusion(), shipped.reported());
    let learnt = shipped.learnt(&reported);
    let outcome = measure([(&intrusion, learnt, base_rate(reported.iter()))], 20);
    let told = outcome.told(&shipped);
    assert_eq!(outcome.later.len(), 21, "{told}");
    assert!(outcome.armed() >= 6, "{outcome}\n{told}");
    assert!(outcome.lead_ms() >= Some(600_000), "{outcome}\n{told}");
}

#[test]
fn the_shipped_table_is_what_is_learnt() {
    let Some(folder) = attacks_folder() else { return };
    let shipped = Shipped::new();
    let learnt = shipped.learnt(shipped.attacks(&folder).iter().chain(&shipped.reported()));
    let table = repository().join("crates/content/follows.json");
    let text = std::fs::read_to_string(&table).unwrap();
    let expected: Follows = serde_json::from_str(&text).unwrap();
    assert!(
        learnt == expected,
        "{} is out of date: `cargo run -p trailloop-content --example follow -- --table` it",
        table.display()
    );
}
