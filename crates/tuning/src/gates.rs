//! The ten gates between a candidate and a proposal. Each passes or refuses with its reason and its figures, all are asked,
//! and one refusal is enough.
//!
//! The gates ask the engine: a filter is compiled with its rule as it would run, and applied to records. Nothing here looks
//! at what a filter seems to say, but for one question, who decides what stands in its fields.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use trailloop_finding::Level;
use trailloop_rules::{Filter, Rule, TRIPWIRES, TestEvent, run_tests};

use crate::applied::{Applied, SEEN_MAX, count};
use crate::candidate::{Candidate, Compiled, CompiledScratch, Condition, Test};
use crate::evidence::Evidence;
use crate::forge::Class;
use crate::satisfy;

/// So many fields at most, so that a person can read what a filter says.
pub const CONDITIONS_MAX: usize = 4;

/// A candidate stands on at least so many verdicts, on so many days, by so many people.
pub const VERDICTS_MIN: u64 = 5;
/// See [`VERDICTS_MIN`].
pub const DAYS_MIN: u64 = 3;
/// See [`VERDICTS_MIN`].
pub const REVIEWERS_MIN: u64 = 2;

/// So many days lie between the first sight of what a filter describes and its proposal: who floods us with noise to have it
/// taken for harmless has to keep it up, and be seen.
pub const FIRST_SIGHT_DAYS_MIN: i32 = 7;

/// So many days of the archive are read, unless there are no more.
pub const ARCHIVE_DAYS_MIN: i32 = 90;

/// A backtest that ends earlier is not fresh.
const ARCHIVE_AGE_DAYS_MAX: i32 = 2;

/// An identity of which something was judged true is not trusted again for so long. The events of the attack are never
/// described, however old it is.
pub const TRUSTED_AFTER_DAYS: i32 = 30;

/// What came of a gate.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    /// Its number, from 1; 0 is the loader.
    pub number: u8,
    /// What it asks.
    pub name: &'static str,
    /// Whether it lets the candidate pass.
    pub passed: bool,
    /// Why.
    pub reason: String,
    /// What was counted.
    pub figures: Vec<(&'static str, String)>,
}

impl Gate {
    fn new(number: u8, name: &'static str, refusal: Option<String>, pass: &str) -> Self {
        let passed = refusal.is_none();
        let reason = refusal.unwrap_or_else(|| pass.to_owned());
        Self { number, name, passed, reason, figures: Vec::new() }
    }

    fn with(mut self, name: &'static str, figure: impl ToString) -> Self {
        self.figures.push((name, figure.to_string()));
        self
    }
}

/// Whether every gate lets a candidate pass.
#[must_use]
pub fn all_pass(gates: &[Gate]) -> bool {
    !gates.is_empty() && gates.iter().all(|gate| gate.passed)
}

/// Asks every gate. A candidate that does not load gets no further than the loader.
#[must_use]
pub fn judge(candidate: &Candidate, evidence: &Evidence) -> Vec<Gate> {
    match Compiled::of(candidate) {
        Err(said) => vec![Gate::new(0, "it loads", Some(said), "")],
        Ok(compiled) => {
            judge_applied(candidate, &compiled, &Applied::new(&compiled, evidence), evidence)
        }
    }
}

/// The same for a candidate that was compiled and applied already.
#[must_use]
pub fn judge_applied(
    candidate: &Candidate,
    compiled: &Compiled,
    applied: &Applied<'_>,
    evidence: &Evidence,
) -> Vec<Gate> {
    vec![
        no_labelled_attack_hidden(compiled, applied, evidence),
        no_known_attack_hidden(applied, evidence),
        rule_still_fires(candidate, compiled, applied),
        cannot_be_forged(candidate, applied, evidence),
        backtest(applied, evidence),
        statistics(candidate, applied),
        expiry(candidate, applied, evidence),
        tripwires(candidate, applied, evidence),
        only_downranks(compiled, applied),
        review(candidate, compiled, applied, evidence),
    ]
}

/// Gate 1: no event of a labelled attack is described, nor a finding that somebody called true.
fn no_labelled_attack_hidden(
    compiled: &Compiled,
    applied: &Applied<'_>,
    evidence: &Evidence,
) -> Gate {
    let mut scratch = CompiledScratch::default();
    let true_findings = evidence
        .judged
        .iter()
        .filter(|judged| judged.label.is_attack())
        .filter(|judged| compiled.describes(&judged.record, &mut scratch))
        .count();
    let refusal = match applied.attacks.first() {
        Some((name, events)) => Some(format!("it describes {events} events of the attack {name}")),
        None if true_findings > 0 => {
            Some(format!("it describes {true_findings} findings that were judged true"))
        }
        None => None,
    };
    Gate::new(1, "no labelled attack is hidden", refusal, "it describes no event of any of them")
        .with("attacks", evidence.attacks.len())
        .with("hidden", applied.attacks.len())
        .with("true findings hidden", true_findings)
}

/// Gate 2: no event of the attack corpora or of a canary is described.
fn no_known_attack_hidden(applied: &Applied<'_>, evidence: &Evidence) -> Gate {
    let refusal = match applied.corpora.first() {
        _ if evidence.corpora.iter().all(|corpus| corpus.records.is_empty()) => {
            Some("there is no attack corpus to try it on".to_owned())
        }
        Some((name, events)) => Some(format!("it describes {events} events of {name}")),
        None => None,
    };
    let events: usize = evidence.corpora.iter().map(|corpus| corpus.records.len()).sum();
    Gate::new(2, "no attack of the corpora is hidden", refusal, "it describes none of their events")
        .with("attacks", evidence.corpora.len())
        .with("events", events)
}

/// Gate 3: the rule's examples that have to fire do, are not described, and something is left that the rule finds visibly.
fn rule_still_fires(candidate: &Candidate, compiled: &Compiled, applied: &Applied<'_>) -> Gate {
    let mut scratch = CompiledScratch::default();
    let no_files = |path: &str| Err(format!("{path} is not read here"));
    // Examples in files are run where the files are.
    let mut alone = candidate.rule.clone();
    alone.tests.retain(|test| matches!(test.event, TestEvent::Json(_)));
    let outcomes = run_tests(&alone, &no_files);
    let failed = outcomes.iter().find(|outcome| !outcome.is_passed());
    let hidden = outcomes.iter().find(|outcome| {
        outcome.expected && compiled.describes(outcome.event.as_bytes(), &mut scratch)
    });
    let refusal = match (failed, hidden) {
        (Some(test), _) => Some(format!("the rule fails its own example {:?}", test.name)),
        (None, Some(test)) => {
            Some(format!("it describes the rule's own example {:?}, which must fire", test.name))
        }
        (None, None) if !satisfy::leaves_something(candidate, compiled, applied) => {
            Some("nothing is known that the rule would still find beside it".to_owned())
        }
        (None, None) => None,
    };
    let positive = outcomes.iter().filter(|outcome| outcome.expected).count();
    Gate::new(3, "the rule still fires", refusal, "its examples fire, and it can be satisfied")
        .with("examples that must fire", positive)
        .with("findings kept", applied.kept)
}

/// Gate 4: the filter names who acted and something else that the caller did not choose. What whoever calls has in common,
/// such as the call's name, counts as something else only if the rule leaves it open.
fn cannot_be_forged(candidate: &Candidate, applied: &Applied<'_>, evidence: &Evidence) -> Gate {
    let conditions = &candidate.conditions;
    let classes: Vec<Class> =
        conditions.iter().map(|condition| condition.class(&evidence.own_networks)).collect();
    let has = |class: Class| classes.contains(&class);
    let narrows = conditions.iter().zip(&classes).any(|(condition, class)| match class {
        Class::Where => true,
        Class::What => !is_of_account(&condition.field) && varies(condition, evidence),
        Class::Who | Class::Chosen => false,
    });
    let refusal = if conditions.is_empty() || conditions.len() > CONDITIONS_MAX {
        Some(format!("it has {} conditions; 1 to {CONDITIONS_MAX} are read", conditions.len()))
    } else if candidate.level() == Level::Critical {
        Some("a critical rule is never made quieter".to_owned())
    } else if let Some(field) = repeated(conditions) {
        Some(format!("it has two conditions on {field}"))
    } else if let Some(condition) = conditions.iter().find(|one| is_bare(one)) {
        Some(format!("the condition {condition} excludes nothing"))
    } else if !has(Class::Who) {
        Some("no condition names who acted by a field that AWS decides".to_owned())
    } else if !narrows {
        Some("beside who acted it names nothing that a thief of the credential could not bring along".to_owned())
    } else if applied.names_root || names_root(conditions) {
        Some("it describes the root user".to_owned())
    } else {
        None
    };
    let of_class = |class: Class| classes.iter().filter(|one| **one == class).count();
    Gate::new(4, "it cannot be forged", refusal, "it names who acted, and from where or what else")
        .with("say who", of_class(Class::Who))
        .with("say from where", of_class(Class::Where))
        .with("say what", of_class(Class::What))
        .with("chosen by the caller", of_class(Class::Chosen))
}

/// Whether a field names an account or a kind of identity, which who acted says already.
fn is_of_account(field: &str) -> bool {
    field == "recipientAccountId" || field.starts_with("userIdentity.")
}

/// Whether the rule finds more than one value in a condition's field, so that the condition says more than the rule.
fn varies(condition: &Condition, evidence: &Evidence) -> bool {
    let mut first: Option<String> = None;
    evidence.archive.hits.iter().any(|hit| {
        let value = crate::flatten(&hit.record).remove(&condition.field).unwrap_or_default();
        first.get_or_insert_with(|| value.clone()) != &value
    })
}

fn repeated(conditions: &[Condition]) -> Option<&str> {
    conditions.iter().enumerate().find_map(|(nth, condition)| {
        let again = conditions[..nth].iter().any(|earlier| earlier.field == condition.field);
        again.then_some(condition.field.as_str())
    })
}

/// Whether a condition holds of nearly anything, or a name begins with what is no whole verb.
fn is_bare(condition: &Condition) -> bool {
    const VERBS: &[&str] = &["BatchGet", "Describe", "Get", "Head", "List"];
    match &condition.test {
        Test::Equals(value) => value.trim().is_empty(),
        Test::Inside(network) => {
            let least = if network.contains(':') { 32 } else { 16 };
            let bits = network.split_once('/').and_then(|(_, bits)| bits.parse::<u8>().ok());
            bits.is_some_and(|bits| bits < least)
        }
        Test::Begins(starts) => {
            starts.is_empty() || starts.iter().any(|start| !VERBS.contains(&start.as_str()))
        }
    }
}

fn names_root(conditions: &[Condition]) -> bool {
    conditions.iter().any(|condition| match &condition.test {
        Test::Equals(value) => value.ends_with(":root") || value == "Root",
        Test::Inside(_) | Test::Begins(_) => false,
    })
}

/// Gate 5: over the archive it makes something quieter, of nobody whom no person ever judged.
fn backtest(applied: &Applied<'_>, evidence: &Evidence) -> Gate {
    let archive = &evidence.archive;
    let days = days_between(archive.from, archive.to) + 1;
    let age = days_between(archive.to, evidence.today);
    let refusal = if days < ARCHIVE_DAYS_MIN && !archive.is_all {
        Some(format!(
            "{days} days of the archive were read; {ARCHIVE_DAYS_MIN} or all are asked for"
        ))
    } else if age > ARCHIVE_AGE_DAYS_MAX {
        Some(format!("the archive was read to {}, {age} days ago", archive.to))
    } else if applied.hidden.is_empty() {
        Some("it describes no finding of the archive".to_owned())
    } else if let Some(entity) = applied.unreviewed.first() {
        Some(format!("it describes findings on {entity}, whom nobody ever judged"))
    } else if [&applied.seen.networks, &applied.seen.regions, &applied.seen.agents]
        .iter()
        .any(|seen| seen.len() > SEEN_MAX)
    {
        Some(format!(
            "it describes findings of more than {SEEN_MAX} networks, regions or kinds of user agent"
        ))
    } else {
        None
    };
    Gate::new(5, "the archive agrees", refusal, "it describes judged entities alone")
        .with("days", days)
        .with("events", archive.events)
        .with("made quieter", applied.hidden.len())
        .with("kept", applied.kept)
        .with("entities", applied.entities.len())
        .with("never judged", applied.unreviewed.len())
        .with("a day at most, on 95 of 100", applied.daily_p95)
}

/// Gate 6: enough of what it describes was drawn at random and judged, and none was an attack.
fn statistics(candidate: &Candidate, applied: &Applied<'_>) -> Gate {
    let bound = applied.hidden_true_at_most();
    let allowed = allowed(candidate.level());
    let refusal = if allowed <= 0.0 {
        Some("a critical rule is never made quieter".to_owned())
    } else if applied.audited_attacks > 0 {
        Some(format!("{} of those drawn at random were attacks", applied.audited_attacks))
    } else if bound > allowed {
        Some(format!(
            "up to {:.1} % of what it describes may be attacks; {:.1} % is allowed for the level {}",
            bound * 100.0,
            allowed * 100.0,
            candidate.level()
        ))
    } else {
        None
    };
    Gate::new(
        6,
        "chance does not explain it",
        refusal,
        "enough were drawn at random, and none was an attack",
    )
    .with("drawn at random", applied.audited)
    .with("attacks among them", applied.audited_attacks)
    .with("hidden attacks at most", format!("{:.2} %", bound * 100.0))
}

/// The share of attacks that may hide in what a filter describes, with 95 % confidence.
#[must_use]
pub fn allowed(level: Level) -> f64 {
    match level {
        Level::Critical => 0.0,
        Level::High => 0.015,
        Level::Medium | Level::Low | Level::Informational => 0.05,
    }
}

/// So many days a filter may be in force.
#[must_use]
pub fn days_allowed(level: Level) -> i32 {
    match level {
        Level::Critical => 0,
        Level::High => 30,
        Level::Medium | Level::Low | Level::Informational => 90,
    }
}

/// Gate 7: it ends, and if it is renewed, then with an audit from after it was written.
fn expiry(candidate: &Candidate, applied: &Applied<'_>, evidence: &Evidence) -> Gate {
    let days = days_between(candidate.created, candidate.expires);
    let allowed = days_allowed(candidate.level());
    let audited_since = |written: Date| applied.audited_on.is_some_and(|last| last > written);
    let refusal = if days < 1 || days > allowed {
        Some(format!("it is in force for {days} days; 1 to {allowed} are allowed"))
    } else if days_between(candidate.created, evidence.today) != 0 {
        Some(format!("it is dated {} and judged on {}", candidate.created, evidence.today))
    } else if candidate.renews.is_some_and(|written| !audited_since(written)) {
        Some("it renews a filter, and nothing that this one described was audited since".to_owned())
    } else {
        None
    };
    let renews = candidate.renews.map_or("nothing".to_owned(), |written| written.to_string());
    Gate::new(7, "it ends", refusal, "it ends in time")
        .with("days", days)
        .with("expires", candidate.expires)
        .with("renews", renews)
}

/// Gate 8: everything that can void it does, and nothing on its entities was judged true of late.
fn tripwires(candidate: &Candidate, applied: &Applied<'_>, evidence: &Evidence) -> Gate {
    let missing = TRIPWIRES.iter().find(|name| !candidate.tripwires.iter().any(|one| one == *name));
    let is_recent = |day: Date| days_between(day, evidence.today) < TRUSTED_AFTER_DAYS;
    let attacked = evidence.attacks.iter().find(|attack| {
        attack.judged.is_some_and(is_recent)
            && applied.entities.contains_key(attack.entity.as_str())
    });
    let judged_true = evidence.judged.iter().find(|judged| {
        judged.label.is_attack()
            && is_recent(TimeZone::UTC.to_datetime(judged.at).date())
            && applied.entities.contains_key(judged.entity.as_str())
    });
    let refusal = match (missing, attacked, judged_true) {
        (Some(name), _, _) => Some(format!("it lacks the tripwire {name}")),
        (None, Some(attack), _) => {
            Some(format!("its entity {} took part in the attack {}", attack.entity, attack.name))
        }
        (None, None, Some(judged)) => {
            Some(format!("a finding on its entity {} was judged true", judged.entity))
        }
        (None, None, None) => None,
    };
    Gate::new(8, "it can be voided", refusal, "every tripwire is set, and none has been touched")
        .with("tripwires", candidate.tripwires.len())
}

/// Gate 9: beside the filter the rule matches what it matched alone.
fn only_downranks(compiled: &Compiled, applied: &Applied<'_>) -> Gate {
    let refusal = if compiled.filter.quiet().is_none() {
        Some("its action is not `downrank`".to_owned())
    } else if applied.lost > 0 {
        Some(format!("the rule no longer matches {} findings beside it", applied.lost))
    } else {
        None
    };
    Gate::new(
        9,
        "it only ranks lower",
        refusal,
        "every finding is still made, counted and searchable",
    )
    .with("findings lost", applied.lost)
}

/// Gate 10: what a reviewer gets is sealed, and more than one person stands behind it. That somebody else than the proposer
/// approves is for [`may_merge`].
fn review(
    candidate: &Candidate,
    compiled: &Compiled,
    applied: &Applied<'_>,
    evidence: &Evidence,
) -> Gate {
    let mut scratch = CompiledScratch::default();
    let said = applied.evidence;
    let first_seen = evidence
        .judged
        .iter()
        .filter(|judged| compiled.describes(&judged.record, &mut scratch))
        .map(|judged| judged.seen)
        .min();
    let watched = first_seen
        .map_or(0, |seen| days_between(TimeZone::UTC.to_datetime(seen).date(), evidence.today));
    let refusal = if candidate.owner.trim().is_empty() || candidate.proposer.trim().is_empty() {
        Some("nobody answers for it".to_owned())
    } else if compiled.filter.is_stale(&candidate.rule) {
        Some("its seal is not that of the rule and its own text".to_owned())
    } else if said.verdicts < VERDICTS_MIN || said.days < DAYS_MIN || said.reviewers < REVIEWERS_MIN
    {
        Some(format!(
            "it stands on {} verdicts on {} days by {} people; {VERDICTS_MIN}, {DAYS_MIN} and {REVIEWERS_MIN} are asked for",
            said.verdicts, said.days, said.reviewers
        ))
    } else if watched < FIRST_SIGHT_DAYS_MIN {
        Some(format!("it was first seen {watched} days ago; {FIRST_SIGHT_DAYS_MIN} are asked for"))
    } else {
        None
    };
    Gate::new(10, "people decide", refusal, "it is a file to review, sealed with its evidence")
        .with("verdicts", said.verdicts)
        .with("days", said.days)
        .with("reviewers", said.reviewers)
        .with("days since first sight", watched)
        .with("records that are judged", count(evidence.judged.len()))
}

/// Whether a person may approve what another proposed.
///
/// # Errors
///
/// If it is the same person, or nobody.
pub fn may_merge(candidate: &Candidate, approver: &str) -> Result<(), String> {
    let same = |a: &str, b: &str| a.trim().eq_ignore_ascii_case(b.trim());
    if approver.trim().is_empty() {
        return Err("nobody approves it; a second person has to".to_owned());
    }
    if same(&candidate.proposer, approver) {
        return Err(format!("{approver} proposed it; a second person has to approve"));
    }
    Ok(())
}

/// Whether a filter that lies in the folder may be in force: what `tune check` asks of each.
///
/// # Errors
///
/// If it is of another rule or another text than was tested, if it has ended, if it lasts longer than its rule's level
/// allows, or if it makes nothing quieter but takes events away.
pub fn check(filter: &Filter, rule: &Rule, today: Date) -> Result<(), String> {
    let Some(quiet) = filter.quiet() else {
        return Err("it takes events away and carries no backtest".to_owned());
    };
    if filter.is_stale(rule) {
        return Err("its backtest is of another rule or another text of it".to_owned());
    }
    let day =
        |text: &str| text.parse::<Date>().map_err(|error| format!("{text} is no day: {error}"));
    let (created, expires) = (day(&quiet.created)?, day(&quiet.expires)?);
    if today >= expires {
        return Err(format!("it ended on {expires}"));
    }
    let allowed = days_allowed(rule.analytic.level);
    if days_between(created, expires) > allowed {
        return Err(format!("it lasts longer than {allowed} days"));
    }
    Ok(())
}

pub(crate) fn days_between(from: Date, to: Date) -> i32 {
    from.until(to).map_or(0, |span| span.get_days())
}
