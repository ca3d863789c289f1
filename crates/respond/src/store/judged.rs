//! What people said of the findings of one rule, together: from it follows how often the rule is right.
//!
//! The history of a finding's verdicts is rows of their own, which nobody overwrites. This row is made from it, so a writer that
//! dies in between is made good by the next one who reads that history.

use serde::{Deserialize, Serialize};
use trailloop_cloud::{CloudError, RowKey, Table};
use trailloop_feedback::{Judgement, Label, Opinion, Posterior, Reason, Standing};
use trailloop_finding::Level;

use super::{Place, TRIES, busy, load, place_of};
use crate::rows::{self, Kept as Row};
use crate::voices::{self, Verdict};

/// So many opinions of one finding are counted.
const OPINIONS_MAX: usize = 200;

/// What was said of a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// Where the finding is kept.
    pub place: Place,
    /// Whom it is about.
    #[serde(default)]
    pub who: Option<String>,
    /// When it first happened.
    pub first_ms: i64,
    /// All opinions, oldest first.
    pub opinions: Vec<Opinion>,
}

impl Judged {
    /// What holds.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        Standing::of(&self.opinions)
    }
}

fn key(rule: &str, uid: &str) -> RowKey {
    RowKey::new(partition(rule), uid)
}

/// Rules are named by whoever wrote them.
fn partition(rule: &str) -> String {
    format!("judged/{}", super::short(rule))
}

/// What is believed of a rule's precision by what was said of its findings, and by how many verdicts.
#[must_use]
pub fn precision<'j>(
    level: Level,
    judged: impl IntoIterator<Item = &'j Judged>,
    now_ms: i64,
) -> (Posterior, usize) {
    let standing = judged.into_iter().filter_map(Judged::standing);
    let labels: Vec<Label> =
        standing.map(|one| Label::new(one.judgement, now_ms.saturating_sub(one.last_ms))).collect();
    let count = labels.len();
    (Posterior::prior(level).with_all(labels), count)
}

/// What was said of the findings of a rule.
pub async fn of_rule(table: &dyn Table, rule: &str) -> Result<Vec<Judged>, CloudError> {
    let rows = rows::all::<Judged>(table, &partition(rule)).await?;
    Ok(rows.into_iter().map(|(_, row)| row.value).collect())
}

/// What was said of one.
pub(super) async fn of(
    table: &dyn Table,
    rule: &str,
    uid: &str,
) -> Result<Option<Judged>, CloudError> {
    Ok(rows::load::<Judged>(table, &key(rule, uid)).await?.map(|row| row.value))
}

/// Counts what was said of a finding, from its history; `false` if it is not kept here, as one that no executor took up.
pub async fn judge(table: &dyn Table, finding: &str) -> Result<bool, CloudError> {
    let Some(place) = place_of(table, finding).await? else { return Ok(false) };
    let Some(kept) = load(table, &place).await? else { return Ok(false) };
    let said = voices::verdicts(table, finding).await?;
    if said.is_empty() {
        return Ok(true);
    }
    let key = key(&kept.entry.rule, &place.uid);
    for _ in 0..TRIES {
        let mut row = rows::load::<Judged>(table, &key).await?.unwrap_or_else(|| Row {
            value: Judged {
                place: place.clone(),
                who: kept.entry.who().map(str::to_owned),
                first_ms: kept.entry.first_ms,
                opinions: Vec::new(),
            },
            version: 0,
        });
        let before = row.value.opinions.clone();
        for opinion in said.iter().filter_map(opinion_of) {
            if !row.value.opinions.contains(&opinion) {
                row.value.opinions.push(opinion);
            }
        }
        row.value
            .opinions
            .sort_by(|one, other| (one.at_ms, &one.by).cmp(&(other.at_ms, &other.by)));
        cut(&mut row.value.opinions);
        if row.value.opinions == before || rows::store(table, &key, &mut row).await? {
            return Ok(true);
        }
    }
    Err(busy(table, finding))
}

/// Leaves out the oldest of what is too much, but of nobody the last word.
fn cut(opinions: &mut Vec<Opinion>) {
    while opinions.len() > OPINIONS_MAX {
        let is_followed =
            |nth: &usize| opinions[nth + 1..].iter().any(|later| later.by == opinions[*nth].by);
        let oldest = (0..opinions.len()).find(is_followed).unwrap_or(0);
        opinions.remove(oldest);
    }
}

fn opinion_of(verdict: &Verdict) -> Option<Opinion> {
    let reason = match verdict.reason.as_str() {
        voices::BY_LINK => Reason::ByLink,
        other => Reason::parse(other).unwrap_or(Reason::Unknown),
    };
    Some(Opinion {
        at_ms: verdict.at_ms,
        by: verdict.by.clone(),
        judgement: Judgement::parse(&verdict.judgement)?,
        reason,
    })
}
