//! What is known of an archive, its findings and what people said of them: the evidence that proposals are judged by.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use trailloop_feedback::Opinion;
use trailloop_rules::{Rule, RuleSet};
use trailloop_tuning as tuning;
use trailloop_tuning::{Evidence, Gate, Mine, Proposal, propose};

use crate::found::{Archive, Found, Gathered, Wanted};
use crate::labels::{Labels, label_of};

/// What a further condition has to be worth, in tenths of a finding.
const LAMBDA_TENTHS: u64 = 10;

/// So many days around a judged attack, what its caller did belongs to it.
const ATTACK_DAYS: i64 = 1;

/// All that is known, of which each rule's evidence is a part.
pub(crate) struct Known<'k> {
    pub(crate) gathered: &'k Gathered,
    pub(crate) labels: &'k Labels,
    /// The attack corpora, file by file.
    pub(crate) corpora: Vec<(String, Vec<Vec<u8>>)>,
    /// Networks of the operator's own.
    pub(crate) own_networks: &'k [String],
    /// Whether the archive is all there is.
    pub(crate) is_whole: bool,
    pub(crate) today: Date,
}

/// Who stands for proposals.
pub(crate) struct Names<'n> {
    /// Who will answer for the filters.
    pub(crate) owner: &'n str,
    /// Who proposes; somebody else has to review.
    pub(crate) proposer: &'n str,
}

impl Known<'_> {
    /// Tries what verdicts speak for, rule by rule, and tells what came of each candidate.
    pub(crate) fn propose(
        &self,
        rules: &RuleSet,
        archive: &Archive,
        names: &Names<'_>,
        mut told: impl FnMut(&Rule, Result<Proposal, Vec<Gate>>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let attacks = self.attacks(archive)?;
        for rule in rules.rules() {
            let evidence = self.evidence(rule, &attacks);
            let mine = Mine {
                own_networks: self.own_networks,
                today: self.today,
                owner: names.owner,
                proposer: names.proposer,
                lambda_tenths: LAMBDA_TENTHS,
            };
            for candidate in tuning::mine(rule, &evidence.judged, &mine) {
                let proposed = propose(&candidate, &evidence);
                let is_proposed = proposed.is_ok();
                told(rule, proposed)?;
                // The others would hide what this one does, or less.
                if is_proposed {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Every labelled attack with what its caller did on the days around it.
    pub(super) fn attacks(&self, archive: &Archive) -> anyhow::Result<Vec<tuning::Attack>> {
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

    /// What was known beside the record when the finding was judged.
    fn answers(&self, found: &Found, uid: &str) -> BTreeMap<String, String> {
        let mut answers = found.enriched.clone();
        let rows = self.labels.answers.get(uid).into_iter().flatten();
        answers.extend(rows.map(|(query, rows)| (query.clone(), rows.to_string())));
        answers
    }

    fn judged_on(&self, uid: &str) -> Option<Date> {
        let (judged, _) =
            self.labels.judged.iter().find(|(_, kept)| kept.entry.folded.contains(uid))?;
        Some(day_of(judged.opinions.last()?.at_ms))
    }

    pub(super) fn evidence(&self, rule: &Rule, attacks: &[tuning::Attack]) -> Evidence {
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
                    answers: self.answers(found, &said.place.uid),
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
                from: days().min().unwrap_or(self.today),
                to: days().max().unwrap_or(self.today),
                is_all: self.is_whole,
                events: self.gathered.records,
                hits: hits.iter().map(hit).collect(),
            },
            audited,
            own_networks: self.own_networks.to_vec(),
            today: self.today,
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
