//! `trailloop tune tests`: examples for rules out of verdicts.

use std::io::Write as _;

use anyhow::Context as _;
use trailloop_tuning::derived_tests;

use super::{Opened, empty, write_file};
use crate::Exit;
use crate::cli::{Global, JudgedArgs};
use crate::labels::Labels;
use crate::show::shown;

/// Runs the command.
pub(super) fn tests(arguments: &JudgedArgs, global: &Global) -> anyhow::Result<Exit> {
    empty(&arguments.out)?;
    let opened = Opened::of(&arguments.archive, global)?;
    let labels = Labels::read(&arguments.config, opened.rules.set.rules())?;
    let known = opened.known(&labels);
    let mut out = std::io::stdout().lock();
    let mut written = 0;
    for rule in opened.rules.set.rules() {
        let tests = derived_tests(rule, &known.evidence(rule, &[]).judged);
        if tests.is_empty() {
            continue;
        }
        let mut text = "# Under `trailloop: tests:` of the rule.\n".to_owned();
        text.extend(tests.iter().map(|test| test.yaml.as_str()));
        let name = format!("{}.yml", rule.analytic.uid);
        write_file(&arguments.out, &name, &text)?;
        written += tests.len();
        let broken = tests.iter().filter(|test| !test.holds).count();
        let (title, count) = (shown(&rule.analytic.name), tests.len());
        writeln!(out, "{title}: {count} examples, of which the rule breaks {broken}: {name}")
            .context("write what was written")?;
    }
    writeln!(out, "{written} examples in {}", arguments.out.display())
        .context("write what was written")?;
    Ok(opened.exit())
}
