//! A proposal: the filter's file and the report that a reviewer reads beside it.

use std::fmt::Write as _;

use crate::applied::Applied;
use crate::candidate::{Candidate, Compiled, CompiledScratch};
use crate::evidence::Evidence;
use crate::file::{self, quoted};
use crate::gates::{Gate, all_pass, judge_applied};

/// So many hidden findings are shown.
const SAMPLES: usize = 10;

/// So many entities are listed.
const ENTITIES_SHOWN_MAX: usize = 20;

/// What is put before a reviewer.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// The name of the file without its ending: the filter's id.
    pub name: String,
    /// The filter, a Sigma document.
    pub filter: String,
    /// The report, in Markdown.
    pub report: String,
    /// What the gates said; all passed.
    pub gates: Vec<Gate>,
}

/// Judges a candidate and writes the proposal.
///
/// # Errors
///
/// The gates, of which one or more refused; or one that says why the file would not do what was tested.
pub fn propose(candidate: &Candidate, evidence: &Evidence) -> Result<Proposal, Vec<Gate>> {
    let broken = |reason: String| {
        vec![Gate { number: 0, name: "it loads", passed: false, reason, figures: Vec::new() }]
    };
    let compiled = Compiled::of(candidate).map_err(broken)?;
    let applied = Applied::new(&compiled, evidence);
    let gates = judge_applied(candidate, &compiled, &applied, evidence);
    if !all_pass(&gates) {
        return Err(gates);
    }
    let figures = applied.figures(candidate, evidence);
    let filter = file::sealed(candidate, &applied.seen, &figures).map_err(broken)?;
    describes_the_same(candidate, &filter, &applied, evidence).map_err(broken)?;
    let report = report(candidate, &applied, evidence, &gates, &filter);
    Ok(Proposal {
        name: file::id_of(&candidate.rule, &candidate.conditions),
        filter,
        report,
        gates,
    })
}

/// Loads the file that is about to be proposed, and asks it about every finding again.
fn describes_the_same(
    candidate: &Candidate,
    filter: &str,
    applied: &Applied<'_>,
    evidence: &Evidence,
) -> Result<(), String> {
    let written = Compiled::load(&candidate.rule, filter)?;
    let mut scratch = CompiledScratch::default();
    let hidden = evidence
        .archive
        .hits
        .iter()
        .filter(|hit| written.describes(&hit.record, &mut scratch))
        .map(|hit| &hit.uid);
    if hidden.eq(applied.hidden.iter().map(|hit| &hit.uid)) {
        Ok(())
    } else {
        Err("the file describes other findings than were tested".to_owned())
    }
}

fn report(
    candidate: &Candidate,
    applied: &Applied<'_>,
    evidence: &Evidence,
    gates: &[Gate],
    filter: &str,
) -> String {
    let mut out = String::new();
    what(candidate, applied, evidence, &mut out);
    gate_table(gates, &mut out);
    entities(applied, &mut out);
    days(applied, &mut out);
    samples(applied, &mut out);
    let name = file::id_of(&candidate.rule, &candidate.conditions);
    // Writing to a string cannot fail.
    write!(
        out,
        "## How to merge\n\nSomebody other than {} reads this, changes nothing in the file (its seal is on every word), and merges \
         `{name}.yml` into the folder of filters. `trailloop tune check` refuses it once the rule or the file changes.\n\n\
         ```yaml\n{filter}```\n",
        code(&candidate.proposer)
    ).ok();
    out
}

fn what(candidate: &Candidate, applied: &Applied<'_>, evidence: &Evidence, out: &mut String) {
    let rule = &candidate.rule.analytic;
    let archive = &evidence.archive;
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    line(format!("# Quieter: {}\n", code(&rule.name)));
    line(format!("Rule {} of level {}, hash {}.\n", code(&rule.uid), rule.level, code(&rule.hash)));
    line("Findings rank lower, and are still written, counted and searchable, if:\n".to_owned());
    for condition in &candidate.conditions {
        let class = format!("{:?}", condition.class(&evidence.own_networks)).to_lowercase();
        line(format!("- {} ({class})", code(&condition.to_string())));
    }
    line(format!(
        "\n## Why\n\n{} verdicts on {} days by {} people call them harmless: {}. Of {} events from {} to {} the rule found {}; {} of \
         these would rank lower and {} would stay. {} were drawn at random and judged, {} of them attacks: with 95 % confidence at \
         most {:.2} % of what it describes is one.",
        applied.evidence.verdicts,
        applied.evidence.days,
        applied.evidence.reviewers,
        code(&candidate.reason),
        archive.events,
        archive.from,
        archive.to,
        archive.hits.len(),
        applied.hidden.len(),
        applied.kept,
        applied.audited,
        applied.audited_attacks,
        applied.hidden_true_at_most() * 100.0,
    ));
    line(format!(
        "\nIt ends on {}. It is voided at once by any of {}. Owner: {}; proposed by {}.\n",
        candidate.expires,
        candidate.tripwires.join(", "),
        code(&candidate.owner),
        code(&candidate.proposer),
    ));
}

/// The gates as a table; a refusal is what a reader looks for.
pub(crate) fn gate_table(gates: &[Gate], out: &mut String) {
    out.push_str("## Gates\n\n| | Gate | | Why | Figures |\n|---|---|---|---|---|\n");
    for gate in gates {
        let figures: Vec<String> =
            gate.figures.iter().map(|(name, figure)| format!("{name}: {}", code(figure))).collect();
        let verdict = if gate.passed { "passes" } else { "refuses" };
        writeln!(
            out,
            "| {} | {} | {verdict} | {} | {} |",
            gate.number,
            gate.name,
            cell(&gate.reason),
            figures.join(", ")
        )
        .ok();
    }
    out.push('\n');
}

fn entities(applied: &Applied<'_>, out: &mut String) {
    out.push_str("## Whose they are\n\n| Entity | Findings |\n|---|---|\n");
    for (entity, findings) in applied.entities.iter().take(ENTITIES_SHOWN_MAX) {
        writeln!(out, "| {} | {findings} |", code(entity)).ok();
    }
    if applied.entities.len() > ENTITIES_SHOWN_MAX {
        writeln!(out, "| {} more | |", applied.entities.len() - ENTITIES_SHOWN_MAX).ok();
    }
    for (name, seen) in [
        ("Calls", &applied.seen.events),
        ("Networks", &applied.seen.networks),
        ("Regions", &applied.seen.regions),
        ("Kinds of user agent", &applied.seen.agents),
    ] {
        let seen: Vec<String> = seen.iter().map(|one| code(one)).collect();
        write!(out, "\n{name}: {}\n", seen.join(", ")).ok();
    }
    out.push('\n');
}

fn days(applied: &Applied<'_>, out: &mut String) {
    out.push_str("## When\n\n| Day | Findings |\n|---|---|\n");
    for (day, findings) in &applied.by_day {
        writeln!(out, "| {day} | {findings} |").ok();
    }
    write!(out, "\nOn nineteen of twenty days no more than {}.\n\n", applied.daily_p95).ok();
}

/// Findings spread evenly over what is hidden: the same evidence shows the same ones.
fn samples(applied: &Applied<'_>, out: &mut String) {
    out.push_str("## Ten of what it hides\n\n| Finding | Day | Entity |\n|---|---|---|\n");
    let hidden = &applied.hidden;
    let shown = hidden.len().min(SAMPLES);
    for nth in 0..shown {
        let hit = hidden[nth * hidden.len() / shown];
        writeln!(out, "| {} | {} | {} |", code(&hit.uid), hit.day, code(&hit.entity)).ok();
    }
    out.push('\n');
}

/// A text of a stranger in Markdown: code, without what would end it or the cell it stands in.
pub(crate) fn code(text: &str) -> String {
    let quoted = quoted(text);
    let inner = quoted.get(1..quoted.len() - 1).unwrap_or_default();
    format!("`{}`", inner.replace('`', "'").replace('|', "\\|"))
}

fn cell(text: &str) -> String {
    let quoted = quoted(text);
    let inner = quoted.get(1..quoted.len() - 1).unwrap_or_default().replace("\\\"", "\"");
    inner.replace('|', "\\|").replace('<', "&lt;").replace('[', "\\[").replace('`', "'")
}
