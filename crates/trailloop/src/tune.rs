//! `trailloop tune`: filters that make rules quieter, proposed from verdicts with their evidence, and checked once they are merged.
//!
//! Nothing here changes what runs. A proposal is a file and a report in a folder; somebody else than who proposes reviews both and
//! puts the file beside the rules.

mod branch;
mod derived;
mod known;
mod prevention;
mod questions;
mod selectors;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use trailloop_cloud::Clock;
use trailloop_rules::{Loaded, Rule};
use trailloop_tuning as tuning;
use trailloop_tuning::Proposal;

use crate::cli::{ArchiveArgs, Global, TuneArgs, TuneCheckArgs, TuneCommand, TuneProposeArgs};
use crate::found::{Archive, Gathered};
use crate::labels::Labels;
use crate::ruleset::{self, RuleFiles};
use crate::show::shown;
use crate::{Exit, UsageError, enrichment};

use self::branch::Branch;
pub(crate) use self::known::{Known, Names};

/// Runs the command.
pub(crate) fn tune(arguments: &TuneArgs, global: &Global) -> anyhow::Result<Exit> {
    match &arguments.command {
        TuneCommand::Propose(arguments) => propose_all(arguments, global),
        TuneCommand::Check(arguments) => check(arguments),
        TuneCommand::Questions(arguments) => questions::questions(arguments, global),
        TuneCommand::Tests(arguments) => derived::tests(arguments, global),
        TuneCommand::Prevent(arguments) => prevention::prevent(arguments, global),
        TuneCommand::Selectors(arguments) => selectors::selectors(arguments),
    }
}

fn today() -> Date {
    let now = Timestamp::from_millisecond(Clock::System.now_ms()).unwrap_or_default();
    TimeZone::UTC.to_datetime(now).date()
}

fn propose_all(arguments: &TuneProposeArgs, global: &Global) -> anyhow::Result<Exit> {
    let Some(name) = &arguments.branch else {
        let place = arguments.out.display().to_string();
        return propose_to((&arguments.out, &place), arguments, global).map(|(exit, _)| exit);
    };
    let branch = Branch::begin(name, &arguments.out)?;
    let place = format!("branch {name}");
    match propose_to((&branch.folder(), &place), arguments, global) {
        Ok((exit, count)) => {
            let message = format!("Quieter rules: {count} proposals with their evidence");
            branch.end(Some(&message)).map(|()| exit)
        }
        // Half of the proposals would pass for all of them.
        Err(error) => branch.end(None).and(Err(error)),
    }
}

/// Proposes into a folder, which people know as this place. Gives how many proposals there are.
fn propose_to(
    (folder, place): (&Path, &str),
    arguments: &TuneProposeArgs,
    global: &Global,
) -> anyhow::Result<(Exit, usize)> {
    empty(folder)?;
    let Opened { rules, archive, gathered } = Opened::of(&arguments.archive, global)?;
    let shipped = trailloop_content::shipped().rules;
    let labels = Labels::read(&arguments.config, rules.set.rules().iter().chain(&shipped))?;
    complete(&gathered, &labels)?;
    let corpora = Archive::list(&arguments.attacks, &arguments.archive.reading.aws)?.records()?;
    let known = Known {
        gathered: &gathered,
        labels: &labels,
        corpora,
        own_networks: &arguments.own_network,
        is_whole: arguments.whole,
        today: today(),
    };
    let names = Names { owner: &arguments.owner, proposer: &arguments.by };
    let mut out = std::io::stdout().lock();
    let mut written = 0;
    known.propose(&rules.set, &archive, &names, |rule, proposed| {
        let rule = shown(&rule.analytic.name);
        match proposed {
            Ok(proposal) => {
                write(folder, &proposal)?;
                written += 1;
                writeln!(out, "{rule}: proposed, {}.yml", proposal.name)
                    .context("write what was proposed")
            }
            Err(gates) => {
                for gate in gates.iter().filter(|gate| !gate.passed) {
                    let (name, reason) = (gate.name, shown(&gate.reason));
                    writeln!(out, "{rule}: refused by gate {} ({name}): {reason}", gate.number)
                        .context("write what was refused")?;
                }
                Ok(())
            }
        }
    })?;
    writeln!(out, "{written} proposals in {}", shown(place)).context("write what was proposed")?;
    Ok((if gathered.failed > 0 { Exit::Failed } else { Exit::Done }, written))
}

/// An archive that a command named, and what the rules find in it.
pub(crate) struct Opened {
    pub(crate) rules: RuleFiles,
    archive: Archive,
    gathered: Gathered,
}

impl Opened {
    fn of(arguments: &ArchiveArgs, global: &Global) -> anyhow::Result<Self> {
        Self::each(arguments, global, |_| ())
    }

    /// The same, and shows each finding whole.
    pub(crate) fn each(
        arguments: &ArchiveArgs,
        global: &Global,
        each: impl FnMut(&serde_json::Value) + Send,
    ) -> anyhow::Result<Self> {
        let facts = enrichment::load(arguments.reading.enrichment.folder.as_deref())?;
        let rules = RuleFiles::load(&arguments.rules, &facts)?;
        rules.report(global);
        let archive = Archive::list(&arguments.source, &arguments.reading.aws)?;
        let jobs = arguments.reading.jobs.map(usize::from);
        let gathered = archive.gather_each(rules.set.clone(), (jobs, global), each)?;
        Ok(Self { rules, archive, gathered })
    }

    /// What is known where no filter is proposed: nothing of corpora or of networks of one's own.
    fn known<'k>(&'k self, labels: &'k Labels) -> Known<'k> {
        Known {
            gathered: &self.gathered,
            labels,
            corpora: Vec::new(),
            own_networks: &[],
            is_whole: false,
            today: today(),
        }
    }

    /// How a command ends that read it.
    pub(crate) fn exit(&self) -> Exit {
        if self.gathered.failed > 0 { Exit::Failed } else { Exit::Done }
    }
}

/// Refuses an archive that lacks something: what can't be seen can't be held against a filter.
fn complete(gathered: &Gathered, labels: &Labels) -> anyhow::Result<()> {
    let (failed, long) = (gathered.failed, gathered.without_record);
    if failed > 0 || long > 0 {
        let text = format!(
            "nothing is proposed: {failed} objects could not be read whole, and {long} findings have records too long to be looked at; leave these out of SOURCE"
        );
        return Err(UsageError(text).into());
    }
    let there: BTreeSet<&str> = gathered.found.iter().map(|found| found.uid.as_str()).collect();
    for (judged, kept) in &labels.judged {
        let is_attack = judged.standing().is_some_and(|standing| standing.judgement.is_attack());
        if is_attack && !kept.entry.folded.iter().any(|uid| there.contains(uid)) {
            let (uid, title) = (&judged.place.uid, shown(&kept.entry.title));
            let text = format!(
                "nothing is proposed: {uid} ({title}) was judged an attack, and the rules do not find it in SOURCE; name an archive and rules that hold it"
            );
            return Err(UsageError(text).into());
        }
    }
    Ok(())
}

/// Refuses a folder that holds something: what is not to be reviewed does not lie beside what is.
pub(crate) fn empty(folder: &Path) -> anyhow::Result<()> {
    if folder.read_dir().is_ok_and(|mut files| files.next().is_some()) {
        let text = format!("{} is not empty; name a new folder", folder.display());
        return Err(UsageError(text).into());
    }
    std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))
}

pub(crate) fn write(folder: &Path, proposal: &Proposal) -> anyhow::Result<()> {
    write_file(folder, &format!("{}.yml", proposal.name), &proposal.filter)?;
    write_file(folder, &format!("{}.md", proposal.name), &proposal.report)
}

pub(crate) fn write_file(folder: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    let path = folder.join(name);
    std::fs::write(&path, text).with_context(|| format!("write {}", path.display()))
}

fn check(arguments: &TuneCheckArgs) -> anyhow::Result<Exit> {
    let mut loaded = ruleset::read(&arguments.rules)?;
    if loaded.rules.is_empty() {
        let Loaded { rules, .. } = trailloop_content::shipped();
        loaded.rules = rules;
    }
    let mut out = std::io::stdout().lock();
    let mut bad = loaded.rejected;
    for one in &loaded.diagnostics {
        writeln!(out, "{one}").context("write diagnostics")?;
    }
    let quiet: Vec<_> = loaded.filters.iter().filter(|filter| filter.quiet().is_some()).collect();
    for filter in &quiet {
        let spoken_of: Vec<&Rule> =
            loaded.rules.iter().filter(|rule| filter.speaks_of(rule)).collect();
        let problem = match spoken_of.as_slice() {
            [] => Some("the rule that it speaks of is not there".to_owned()),
            rules => rules.iter().find_map(|rule| tuning::check(filter, rule, today()).err()),
        };
        if let Some(problem) = problem {
            bad += 1;
            let (path, title) = (shown(&filter.path), shown(&filter.title));
            writeln!(out, "{path}:{}: {title}: {problem}; propose it again", filter.line)
                .context("write what is wrong")?;
        }
    }
    writeln!(out, "{} filters that move findings down; {bad} refused", quiet.len())
        .context("write the outcome")?;
    Ok(if bad > 0 { Exit::Failed } else { Exit::Done })
}
