//! Which questions are worth asking: what an answer tells of a verdict, in bits.
//!
//! A finding asks queries and enrichments, and people judge it with the answers before them. An answer that tells attacks from
//! all else belongs in the rule; one that never told anything costs and can leave the plan. Both are proposals.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::applied::count;
use crate::evidence::Judged;
use crate::file::quoted;

/// Fewer verdicts tell nothing of a question.
const JUDGED_MIN: u64 = 20;

/// A condition is proposed if it leaves every attack and takes away at least this share of the harmless findings, in percent.
const TAKES_MIN_PERCENT: u64 = 50;

/// A question that tells less, in thousandths of the bits that there were to tell, never mattered.
const NEEDLESS_MAX_PERMILLE: f64 = 10.0;

/// A condition of more values is a list that somebody has to keep.
const VALUES_MAX: usize = 8;

/// So many answers of harmless findings are named.
const HARMLESS_MAX: usize = 64;

/// What a question was worth.
#[derive(Clone, Debug, PartialEq)]
pub struct Worth {
    /// Its name: an enriched field or a query.
    pub question: String,
    /// How many verdicts had an answer to it; a missing answer counts as an empty one.
    pub judged: u64,
    /// How many bits it tells of attack or not.
    pub gain_bits: f64,
    /// How many bits there were to tell.
    pub entropy_bits: f64,
    /// The answers that harmless findings alone had, if they are no more than a person can read.
    pub harmless: Vec<String>,
    /// What follows.
    pub proposal: Suggestion,
}

/// What follows from what a question is worth.
#[derive(Clone, Debug, PartialEq)]
pub enum Suggestion {
    /// Make it a condition of the rule: these answers had all attacks and few others.
    Condition {
        /// The answers of attacks.
        values: Vec<String>,
        /// Attacks that the condition keeps, which are all.
        attacks: u64,
        /// Harmless findings that it takes away.
        removed: u64,
        /// Harmless findings that it leaves.
        kept: u64,
    },
    /// Leave it out of the plan: it never told anything.
    Remove,
    /// Leave all as it is.
    Keep,
}

impl Worth {
    /// The lines of the condition for the rule's detection, if one is proposed.
    #[must_use]
    pub fn condition(&self) -> Option<String> {
        let Suggestion::Condition { values, .. } = &self.proposal else { return None };
        let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
        Some(format!("{}: [{}]\n", quoted(&self.question), values.join(", ")))
    }
}

/// What each question was worth for one rule's verdicts, the best first.
#[must_use]
pub fn worth(judged: &[Judged]) -> Vec<Worth> {
    let questions: BTreeSet<&str> =
        judged.iter().flat_map(|one| one.answers.keys().map(String::as_str)).collect();
    let mut worth: Vec<Worth> =
        questions.into_iter().map(|question| of_question(question, judged)).collect();
    worth.sort_by(|a, b| {
        b.gain_bits.total_cmp(&a.gain_bits).then_with(|| a.question.cmp(&b.question))
    });
    worth
}

fn of_question(question: &str, judged: &[Judged]) -> Worth {
    // Of each answer how many attacks had it, and how many others.
    let mut answers: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for one in judged {
        let answer = one.answers.get(question).map_or("", String::as_str);
        let (attacks, others) = answers.entry(answer).or_default();
        *(if one.label.is_attack() { attacks } else { others }) += 1;
    }
    let attacks: u64 = answers.values().map(|(attacks, _)| attacks).sum();
    let others: u64 = answers.values().map(|(_, others)| others).sum();
    let all = attacks + others;
    let entropy_bits = entropy(attacks, others);
    let left: f64 = answers
        .values()
        .map(|(attacks, others)| share(attacks + others, all) * entropy(*attacks, *others))
        .sum();
    let gain_bits = (entropy_bits - left).max(0.0);
    let values: Vec<String> = answers
        .iter()
        .filter(|(_, (attacks, _))| *attacks > 0)
        .map(|(answer, _)| (*answer).to_owned())
        .collect();
    let kept: u64 =
        answers.values().filter(|(attacks, _)| *attacks > 0).map(|(_, others)| others).sum();
    // What has no answer stays, whatever is demanded of answers.
    let unanswered = answers.get("").map_or(0, |(_, others)| *others);
    let kept = if values.iter().any(String::is_empty) { kept } else { kept + unanswered };
    let removed = others - kept;
    let harmless: Vec<String> = answers
        .iter()
        .filter(|(answer, (attacks, _))| *attacks == 0 && !answer.is_empty())
        .map(|(answer, _)| (*answer).to_owned())
        .take(HARMLESS_MAX + 1)
        .collect();
    let harmless = if harmless.len() > HARMLESS_MAX { Vec::new() } else { harmless };
    // Seen once, an answer may be chance: attacks have to share theirs.
    let is_condition = all >= JUDGED_MIN
        && attacks > count(values.len())
        && values.len() <= VALUES_MAX
        && values.iter().all(|value| !value.is_empty())
        && removed * 100 >= others * TAKES_MIN_PERCENT
        && removed > 0;
    let is_needless = all >= JUDGED_MIN
        && attacks > 0
        && others > 0
        && gain_bits * 1000.0 <= entropy_bits * NEEDLESS_MAX_PERMILLE;
    let proposal = match (is_condition, is_needless) {
        (true, _) => Suggestion::Condition { values, attacks, removed, kept },
        (false, true) => Suggestion::Remove,
        (false, false) => Suggestion::Keep,
    };
    let question = question.to_owned();
    Worth { question, judged: all, gain_bits, entropy_bits, harmless, proposal }
}

fn entropy(attacks: u64, others: u64) -> f64 {
    let all = attacks + others;
    let of = |part: u64| {
        let share = share(part, all);
        if share > 0.0 { -share * share.log2() } else { 0.0 }
    };
    of(attacks) + of(others)
}

fn share(part: u64, all: u64) -> f64 {
    let number = |count: u64| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    if all == 0 { 0.0 } else { number(part) / number(all) }
}

/// What the questions were worth, in Markdown.
#[must_use]
pub fn worth_report(worth: &[Worth]) -> String {
    let mut out = String::from(
        "| Question | Verdicts | Bits of those to tell | Proposal |\n|---|---|---|---|\n",
    );
    for one in worth {
        let proposal = match &one.proposal {
            Suggestion::Condition { attacks, removed, kept, .. } => format!(
                "make it a condition: keeps all {attacks} attacks, takes away {removed} harmless findings and leaves {kept}"
            ),
            Suggestion::Remove => "leave it out: it never told anything".to_owned(),
            Suggestion::Keep => "keep it".to_owned(),
        };
        writeln!(
            out,
            "| {} | {} | {:.3} of {:.3} | {proposal} |",
            crate::proposal::code(&one.question),
            one.judged,
            one.gain_bits,
            one.entropy_bits
        )
        .ok();
    }
    out
}
