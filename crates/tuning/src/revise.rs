//! What follows from the worth of a question, as a file: a rule or a runbook with a condition more, or with a question less.
//!
//! A condition on what the operator's files say goes into the rule; one on what a query found goes into the runbook, since a rule
//! can't see answers of queries. A question that never told anything leaves the rule's hints or the runbook's plan, unless something in the
//! runbook reads it. The file is changed by lines, so that comments, order and everything else stay, and a changed rule is loaded
//! and its examples are run before anybody sees it.
//!
//! Nothing is changed here: a revision is a text and a report, for people to review and merge. A rule that asks for more finds less, so
//! it has to stand on as many people and days as a filter, and a critical rule is left alone.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use jiff::tz::TimeZone;
use trailloop_finding::Level;
use trailloop_rules::{Rule, load, run_tests};

use crate::answers::{Suggestion, Worth};
use crate::evidence::Judged;
use crate::gates::{DAYS_MIN, REVIEWERS_MIN};
use crate::lines;
use crate::proposal::code;

/// A changed file, for people to review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// The file's path, as it was handed in.
    pub path: String,
    /// The question that it is about.
    pub question: String,
    /// The file as it would be.
    pub text: String,
    /// Why, and which lines change, in Markdown.
    pub report: String,
}

/// A rule's file with what its question is worth: with a condition on an enriched field, or without a query that its findings ask.
///
/// # Errors
///
/// Why nothing is proposed.
pub fn revise_rule(
    rule: &Rule,
    text: &str,
    worth: &Worth,
    judged: &[Judged],
) -> Result<Revision, String> {
    let stands_on = StandsOn::of(&rule.analytic.uid, worth, judged)?;
    let revised = match &worth.proposal {
        Suggestion::Keep => return Err("what it tells asks for no change".to_owned()),
        Suggestion::Condition { values, .. } => {
            if rule.analytic.level == Level::Critical {
                return Err("a critical rule is left alone".to_owned());
            }
            lines::with_condition(text, &worth.question, values)?
        }
        Suggestion::Remove => lines::without_query(text, &worth.question)?,
    };
    let loaded = load(&rule.path, &revised);
    let [changed] = loaded.rules.as_slice() else {
        let said: Vec<String> = loaded.diagnostics.iter().map(ToString::to_string).collect();
        return Err(format!("the changed rule does not load: {}", said.join("; ")));
    };
    let no_files = |path: &str| Err(format!("{path} is not read here"));
    let outcomes = run_tests(changed, &no_files);
    if let Some(failed) = outcomes.iter().find(|one| one.matched.is_ok() && !one.is_passed()) {
        return Err(format!("the changed rule fails its example {:?}", failed.name));
    }
    Ok(stands_on.revision(&rule.path, worth, text, revised))
}

/// A runbook's file with what a question of its plan is worth: chosen only where the query found what it found in attacks, or without
/// the query. Whoever asks loads the text, as it would load any runbook.
///
/// # Errors
///
/// Why nothing is proposed.
pub fn revise_runbook(
    path: &str,
    text: &str,
    worth: &Worth,
    rule: &str,
    judged: &[Judged],
) -> Result<Revision, String> {
    let stands_on = StandsOn::of(rule, worth, judged)?;
    let plan = lines::asked(text, &worth.question)?;
    let revised = match &worth.proposal {
        Suggestion::Keep => return Err("what it tells asks for no change".to_owned()),
        Suggestion::Condition { values, .. } => {
            let condition = rows_condition(&plan.alias, values, &worth.harmless)?;
            lines::with_trigger(text, &condition)?
        }
        Suggestion::Remove => lines::without_enrichment(text, &plan)?,
    };
    Ok(stands_on.revision(path, worth, text, lines::next_version(&revised)?))
}

/// What a runbook asks of a query's rows, so that every number that attacks had holds: a bound if one divides them from all that
/// harmless findings alone had, so that a number never seen before falls on the side of attacks.
fn rows_condition(alias: &str, values: &[String], harmless: &[String]) -> Result<String, String> {
    let rows = |texts: &[String]| texts.iter().map(|text| text.parse::<u64>().ok()).collect();
    let (attacks, others): (Option<Vec<u64>>, Option<Vec<u64>>) = (rows(values), rows(harmless));
    let (Some(attacks), Some(others)) = (attacks, others) else {
        return Err("a runbook can compare numbers of rows alone".to_owned());
    };
    let ends = |of: &[u64]| Some((*of.iter().min()?, *of.iter().max()?));
    match (ends(&attacks), ends(&others)) {
        (Some((least, _)), Some((_, most))) if most < least => {
            Ok(format!("enrich.{alias}.rows > {most}"))
        }
        (Some((_, most)), Some((least, _))) if most < least => {
            Ok(format!("enrich.{alias}.rows < {least}"))
        }
        _ => Err("no number of rows divides attacks from the others".to_owned()),
    }
}

/// Who stands behind a revision.
struct StandsOn {
    verdicts: usize,
    reviewers: usize,
    days: usize,
}

impl StandsOn {
    fn of(rule: &str, worth: &Worth, judged: &[Judged]) -> Result<Self, String> {
        let mut of_rule: Vec<&Judged> = judged.iter().filter(|one| one.rule == rule).collect();
        of_rule.retain(|one| one.answers.contains_key(&worth.question));
        let reviewers: BTreeSet<&str> = of_rule.iter().map(|one| one.reviewer.as_str()).collect();
        let days: BTreeSet<_> =
            of_rule.iter().map(|one| TimeZone::UTC.to_datetime(one.at).date()).collect();
        let this = Self { verdicts: of_rule.len(), reviewers: reviewers.len(), days: days.len() };
        let is_enough = this.reviewers as u64 >= REVIEWERS_MIN && this.days as u64 >= DAYS_MIN;
        match is_enough {
            true => Ok(this),
            false => Err(format!(
                "it stands on verdicts of {} people on {} days; {REVIEWERS_MIN} and {DAYS_MIN} are asked for",
                this.reviewers, this.days
            )),
        }
    }

    fn revision(&self, path: &str, worth: &Worth, before: &str, text: String) -> Revision {
        let mut report = format!("# {}\n\n", code(path));
        let why = match &worth.proposal {
            Suggestion::Condition { attacks, removed, kept, .. } => format!(
                "Its answer becomes a condition: all {attacks} attacks would have met it, {removed} harmless findings would not have and {kept} \
                 would. An answer that whoever calls can choose, such as the country of an address, can be brought about: say no if \
                 this is one."
            ),
            _ => "It is asked no more: it told nothing of whether a finding was an attack."
                .to_owned(),
        };
        // Writing to a string cannot fail.
        write!(
            report,
            "{} told {:.3} of {:.3} bits in {} verdicts by {} people on {} days. {why}\n\n```diff\n{}```\n",
            code(&worth.question),
            worth.gain_bits,
            worth.entropy_bits,
            self.verdicts,
            self.reviewers,
            self.days,
            changed_lines(before, &text),
        )
        .ok();
        Revision { path: path.to_owned(), question: worth.question.clone(), text, report }
    }
}

/// So far ahead a line is looked for in the changed file: more lines than a change adds in one place.
const AHEAD: usize = 8;

/// The lines that went and came.
fn changed_lines(before: &str, after: &str) -> String {
    let mut out = String::new();
    let mut new = after.lines().collect::<Vec<_>>().into_iter();
    for old in before.lines() {
        let ahead = new.as_slice().iter().take(AHEAD).position(|line| *line == old);
        match ahead {
            // Writing to a string cannot fail.
            None => writeln!(out, "-{old}").unwrap_or_default(),
            Some(ahead) => {
                new.by_ref()
                    .take(ahead)
                    .for_each(|line| writeln!(out, "+{line}").unwrap_or_default());
                new.next();
            }
        }
    }
    new.for_each(|line| writeln!(out, "+{line}").unwrap_or_default());
    out
}
