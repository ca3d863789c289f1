//! `trailloop tune prevent`: what would have prevented an attack, and what else it would have denied.

use std::io::Write as _;

use anyhow::Context as _;
use trailloop_tuning::{Others, Shape, prevent as policies};

use super::{Opened, empty, write_file};
use crate::cli::{Global, TunePreventArgs};
use crate::labels::Labels;
use crate::show::{shown, thousands};
use crate::{Exit, UsageError};

/// Runs the command.
pub(super) fn prevent(arguments: &TunePreventArgs, global: &Global) -> anyhow::Result<Exit> {
    empty(&arguments.judged.out)?;
    let opened = Opened::of(&arguments.judged.archive, global)?;
    let labels = Labels::read(&arguments.judged.config, opened.rules.set.rules())?;
    let known = opened.known(&labels);
    let attacks = known.attacks(&opened.archive)?;
    let Some(attack) = attacks.iter().find(|attack| attack.name == arguments.finding) else {
        let text = format!(
            "{} is no finding of these rules in SOURCE that was judged an attack; `trailloop findings list --verdict true_positive` tells which were",
            shown(&arguments.finding)
        );
        return Err(UsageError(text).into());
    };
    let mut others = Others::beside(attack);
    opened.archive.each_record(|record| others.add(record))?;
    let mut out = std::io::stdout().lock();
    let made = policies(attack, &others);
    for one in &made {
        let name = match one.shape {
            Shape::Callers => "scp-callers",
            Shape::Regions => "scp-regions",
            Shape::Boundary => "boundary",
        };
        let policy = serde_json::to_string_pretty(&one.policy).context("write a policy")?;
        write_file(&arguments.judged.out, &format!("{name}.json"), &policy)?;
        write_file(&arguments.judged.out, &format!("{name}.md"), &one.report())?;
        let denied: u64 = one.others_denied.values().sum();
        writeln!(
            out,
            "{name}: denies {} of {} calls of the attack, and {} of {} others",
            one.attack_denied,
            one.attack_calls,
            thousands(denied),
            thousands(one.other_calls)
        )
        .context("write what was written")?;
    }
    writeln!(
        out,
        "{} policies in {}; nothing was applied",
        made.len(),
        arguments.judged.out.display()
    )
    .context("write what was written")?;
    Ok(opened.exit())
}
