//! `trailloop tune`: filters that make rules quieter, proposed from verdicts with their evidence, and checked once they are merged.
//!
//! Nothing here changes what runs. A proposal is a file and a report in a folder; somebody else than who proposes reviews both and
//! puts the file beside the rules.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use trailloop_cloud::Clock;
use trailloop_feedback::Opinion;
use trailloop_rules::{Loaded, Rule};
use trailloop_tuning as tuning;
use trailloop_tuning::{Evidence, Mine, Proposal, propose};

use crate::cli::{Global, TuneArgs, TuneCheckArgs, TuneCommand, TuneProposeArgs};
use crate::found::{Archive, Found, Gathered, Wanted};
use crate::labels::{Labels, label_of};
use crate::ruleset::{self, RuleFiles};
use crate::show::shown;
use crate::{Exit, UsageError, enrichment};

/// What a further condition has to be worth, in tenths of a finding.
const LAMBDA_TENTHS: u64 = 10;

/// So many days around a judged attack, what its caller did belongs to it.
const ATTACK_DAYS: i64 = 1;

/// Runs the command.
pub(crate) fn tune(arguments: &TuneArgs, global: &Global) -> anyhow::Result<Exit> {
    match &arguments.command {
        TuneCommand::Propose(arguments) => propose_all(arguments, global),
        TuneCommand::Check(arguments) => check(arguments),
    }
}

fn today() -> Date {
    let now = Timestamp::from_millisecond(Clock::System.now_ms()).unwrap_or_default();
    TimeZone::UTC.to_datetime(now).date()
}

fn propose_all(arguments: &TuneProposeArgs, global: &Global) -> anyhow::Result<Exit> {
    empty(&arguments.out)?;
    let facts = enrichment::load(arguments.enrichment.folder.as_deref())?;
    let rules = RuleFiles::load(&arguments.rules, &facts)?.some()?;
    rules.report(global);
    let archive = Archive::list(&arguments.source, &arguments.aws)?;
    let jobs = arguments.jobs.map(usize::from);
    let gathered = archive.gather(rules.set.clone(), (jobs, global))?;
    let shipped = trailloop_content::shipped().rules;
    let labels = Labels::read(&arguments.config, rules.set.rules().iter().chain(&shipped))?;
    complete(&gathered, &labels)?;
    let corpora = Archive::list(&arguments.attacks, &arguments.aws)?.records()?;
    let known = Known { arguments, gathered: &gathered, labels: &labels, corpora };
    let attacks = known.attacks(&archive)?;
    let mut out = std::io::stdout().lock();
    let mut written = 0;
    for rule in rules.set.rules() {
        let evidence = known.evidence(rule, &attacks);
        let mine = Mine {
            own_networks: &arguments.own_network,
            today: today(),
            owner: &arguments.owner,
            proposer: &arguments.by,
            lambda_tenths: LAMBDA_TENTHS,
        };
        for candidate in tuning::mine(rule, &evidence.judged, &mine) {
            match propose(&candidate, &evidence) {
                Ok(proposal) => {
                    write(&arguments.out, &proposal)?;
                    written += 1;
                    writeln!(
                        out,
                        "{}: proposed, {}.yml",
                        shown(&rule.analytic.name),
                        proposal.name
                    )
                    .context("write what was proposed")?;
                    // The others would hide what this one does, or less.
                    break;
                }
                Err(gates) => {
                    for gate in gates.iter().filter(|gate| !gate.passed) {
                        let (rule, name) = (shown(&rule.analytic.name), gate.name);
                        let reason = shown(&gate.reason);
                        writeln!(out, "{rule}: refused by gate {} ({name}): {reason}", gate.number)
                            .context("write what was refused")?;
                    }
                }
            }
        }
    }
    writeln!(out, "{written} proposals in {}", arguments.out.display())
        .context("write what was proposed")?;
    Ok(if gathered.failed > 0 { Exit::Failed } else { Exit::Done })
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
fn empty(folder: &Path) -> anyhow::Result<()> {
    if folder.read_dir().is_ok_and(|mut files| files.next().is_some()) {
        let text = format!("{} is not empty; name a new folder", folder.display());
        return Err(UsageError(text).into());
    }
    std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))
}

fn write(folder: &Path, proposal: &Proposal) -> anyhow::Result<()> {
    for (ending, text) in [("yml", &proposal.filter), ("md", &proposal.report)] {
        let path = folder.join(format!("{}.{ending}", proposal.name));
        std::fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

/// All that is known, of which each rule's evidence is a part.
struct Known<'k> {
    arguments: &'k TuneProposeArgs,
    gathered: &'k Gathered,
    labels: &'k Labels,
    /// The attack corpora, file by file.
    corpora: Vec<(String, Vec<Vec<u8>>)>,
}

impl Known<'_> {
    /// Every labelled attack with what its caller did on the days around it.
    fn attacks(&self, archive: &Archive) -> anyhow::Result<Vec<tuning::Attack>> {
        let labels = self.labels.by_uid();
        let is_attack =
            |found: &&Found| labels.get(&found.uid).is_some_and(|label| label.is_attack());
        let attacks: Vec<&Found> = self.gathered.found.iter().filter(is_attack).collect();
        let mut wanted = Wanted::new();
        for attack in &attacks {
            let days = wanted.entry(attack.entity.clone()).or_default();
            for back in -ATTACK_DAYS..=ATTACK_DAYS {
                days.extend(attack.day.checked_add(back.days()).ok());
            }
        }
        let events = archive.events_of(&wanted)?;
        let of = |attack: &Found| tuning::Attack {
            name: attack.uid.clone(),
            entity: attack.entity.clone(),
            judged: Some(self.judged_on(&attack.uid).unwrap_or(attack.day)),
            records: [
                events.get(&attack.entity).cloned().unwrap_or_default(),
                vec![attack.record.clone()],
            ]
            .concat(),
        };
        Ok(attacks.into_iter().map(of).collect())
    }

    fn judged_on(&self, uid: &str) -> Option<Date> {
        let (judged, _) =
            self.labels.judged.iter().find(|(_, kept)| kept.entry.folded.contains(uid))?;
        Some(day_of(judged.opinions.last()?.at_ms))
    }

    fn evidence(&self, rule: &Rule, attacks: &[tuning::Attack]) -> Evidence {
        let id = rule.analytic.uid.as_str();
        let hits: Vec<&Found> =
            self.gathered.found.iter().filter(|found| found.rule == id).collect();
        let by_uid: BTreeMap<&str, &Found> =
            hits.iter().map(|found| (found.uid.as_str(), *found)).collect();
        let (mut judged, mut audited, mut reviewed) = (Vec::new(), Vec::new(), BTreeSet::new());
        for (said, kept) in self.labels.judged.iter().filter(|(_, kept)| kept.entry.rule == id) {
            // Of what folded together one record stands for all.
            let found = kept.entry.folded.iter().find_map(|uid| by_uid.get(uid));
            let Some(found) = found else { continue };
            reviewed.insert(found.entity.as_str());
            for opinion in last_words(&said.opinions) {
                let Some(label) = label_of(opinion.judgement) else { continue };
                judged.push(tuning::Judged {
                    uid: found.uid.clone(),
                    rule: id.to_owned(),
                    label,
                    reason: opinion.reason.name().to_owned(),
                    reviewer: opinion.by.clone(),
                    at: Timestamp::from_millisecond(opinion.at_ms).unwrap_or_default(),
                    seen: Timestamp::from_millisecond(kept.entry.first_ms).unwrap_or_default(),
                    entity: found.entity.clone(),
                    record: found.record.clone(),
                    answers: BTreeMap::new(),
                });
                if self.labels.drawn.contains(&said.place.uid) {
                    audited.push(tuning::Audited {
                        uid: found.uid.clone(),
                        day: day_of(opinion.at_ms),
                        is_attack: label.is_attack(),
                        record: found.record.clone(),
                    });
                }
            }
        }
        let hit = |found: &&Found| tuning::Hit {
            uid: found.uid.clone(),
            day: found.day,
            entity: found.entity.clone(),
            is_reviewed: reviewed.contains(found.entity.as_str()),
            record: found.record.clone(),
        };
        let days = || self.gathered.found.iter().map(|found| found.day);
        Evidence {
            judged,
            attacks: attacks.to_vec(),
            corpora: self.corpora(),
            archive: tuning::Archive {
                from: days().min().unwrap_or_else(today),
                to: days().max().unwrap_or_else(today),
                is_all: self.arguments.whole,
                events: self.gathered.records,
                hits: hits.iter().map(hit).collect(),
            },
            audited,
            own_networks: self.arguments.own_network.clone(),
            today: today(),
        }
    }

    fn corpora(&self) -> Vec<tuning::Attack> {
        let of = |(name, records): &(String, Vec<Vec<u8>>)| tuning::Attack {
            name: name.clone(),
            entity: String::new(),
            judged: None,
            records: records.clone(),
        };
        self.corpora.iter().map(of).collect()
    }
}

/// Of each author the last word.
fn last_words(opinions: &[Opinion]) -> impl Iterator<Item = &Opinion> {
    let by_author: BTreeMap<&str, &Opinion> =
        opinions.iter().map(|opinion| (opinion.by.as_str(), opinion)).collect();
    by_author.into_values()
}

fn day_of(ms: i64) -> Date {
    TimeZone::UTC.to_datetime(Timestamp::from_millisecond(ms).unwrap_or_default()).date()
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
