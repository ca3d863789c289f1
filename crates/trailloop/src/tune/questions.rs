//! `trailloop tune questions`: what answers were worth, written into the rules and runbooks that ask.

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use trailloop_rules::Rule;
use trailloop_runbook::Runbook;
use trailloop_tuning::{Judged, Revision, Suggestion, Worth, revise_rule, revise_runbook, worth};

use super::{Opened, empty, write_file};
use crate::Exit;
use crate::cli::{Global, TuneQuestionsArgs};
use crate::labels::Labels;
use crate::runbook::load_runbooks;
use crate::show::shown;

/// Runs the command.
pub(super) fn questions(arguments: &TuneQuestionsArgs, global: &Global) -> anyhow::Result<Exit> {
    empty(&arguments.judged.out)?;
    let runbooks = load_runbooks(&arguments.runbooks)?;
    let opened = Opened::of(&arguments.judged.archive, global)?;
    let labels = Labels::read(&arguments.judged.config, opened.rules.set.rules())?;
    let known = opened.known(&labels);
    let mut out = std::io::stdout().lock();
    let mut written = 0;
    for rule in opened.rules.set.rules() {
        let judged = known.evidence(rule, &[]).judged;
        for one in worth(&judged) {
            if one.proposal == Suggestion::Keep {
                continue;
            }
            for revised in revisions(rule, &runbooks, &one, &judged) {
                let (title, question) = (shown(&rule.analytic.name), shown(&one.question));
                match revised {
                    Ok(revision) => {
                        write(&arguments.judged.out, rule, &revision)?;
                        written += 1;
                        let path = shown(&revision.path);
                        writeln!(out, "{title}: {question} is worth a change of {path}")
                    }
                    Err(why) => writeln!(out, "{title}: {question}: nothing: {}", shown(&why)),
                }
                .context("write what was proposed")?;
            }
        }
    }
    writeln!(out, "{written} changed files in {}", arguments.judged.out.display())
        .context("write what was proposed")?;
    Ok(opened.exit())
}

/// The files that a question's worth changes: the rule's own, or those of the runbooks that ask it.
fn revisions(
    rule: &Rule,
    runbooks: &[Runbook],
    worth: &Worth,
    judged: &[Judged],
) -> Vec<Result<Revision, String>> {
    let mut revisions = Vec::new();
    let asks = |one: &&Runbook| one.enrich.iter().any(|of| of.query == worth.question);
    for runbook in runbooks.iter().filter(asks) {
        let shipped = trailloop_content::runbooks::files();
        revisions.push(text_of(&runbook.path, &shipped).and_then(|text| {
            revise_runbook(&runbook.path, &text, worth, &rule.analytic.uid, judged)
        }));
    }
    // What the operator's files say is asked by nobody, so there is nothing to ask less of it.
    let is_field = worth.question.contains('.') && worth.proposal != Suggestion::Remove;
    if is_field || rule.queries.contains(&worth.question) {
        let shipped = trailloop_content::files();
        let text = text_of(&rule.path, &shipped);
        revisions.push(text.and_then(|text| revise_rule(rule, &text, worth, judged)));
    }
    revisions
}

/// A file's text: that of a shipped one, or what lies at the path.
fn text_of(path: &str, shipped: &[(&str, &str)]) -> Result<String, String> {
    match shipped.iter().find(|(name, _)| *name == path) {
        Some((_, text)) => Ok((*text).to_owned()),
        None => std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}")),
    }
}

/// Writes a file under its own name, and the report beside it; what another question changed of the same file stands on its own.
fn write(folder: &Path, rule: &Rule, revision: &Revision) -> anyhow::Result<()> {
    let name = Path::new(&revision.path).file_name().unwrap_or_default().to_string_lossy();
    let plain = |byte: char| if byte.is_ascii_alphanumeric() { byte } else { '-' };
    let question: String = revision.question.chars().map(plain).collect();
    let id: String = rule.analytic.uid.chars().take(8).map(plain).collect();
    write_file(folder, &format!("{question}-{id}-{name}"), &revision.text)?;
    write_file(folder, &format!("{question}-{id}-{name}.md"), &revision.report)
}
