//! Verdicts of the state table beside findings of an archive: for backtests and for proposals.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context as _;
use trailloop_feedback::Judgement;
use trailloop_respond::answers_of;
use trailloop_respond::store::{self, Judged, Kept};
use trailloop_rules::Rule;
use trailloop_tuning::Label;

use crate::findings::state;
use crate::respond;

/// What was said of the findings of some rules.
pub(crate) struct Labels {
    /// Each with what is kept of the finding, where that is known.
    pub(crate) judged: Vec<(Judged, Kept)>,
    /// Those of them that were drawn, not chosen, by the ids under which they are kept.
    pub(crate) drawn: BTreeSet<String>,
    /// What queries answered about them: how many rows, by the ids of the findings and of the queries.
    pub(crate) answers: BTreeMap<String, BTreeMap<String, usize>>,
}

impl Labels {
    /// Reads what was said of the findings of these rules.
    pub(crate) fn read<'r>(
        config: &Path,
        rules: impl IntoIterator<Item = &'r Rule>,
    ) -> anyhow::Result<Self> {
        let rules: BTreeSet<&str> =
            rules.into_iter().map(|rule| rule.analytic.uid.as_str()).collect();
        respond::block_on(async {
            let table = state(config).await?;
            let (mut judged, mut drawn, mut answers) =
                (Vec::new(), BTreeSet::new(), BTreeMap::new());
            for rule in rules {
                for one in store::of_rule(&*table, rule).await.context("read verdicts")? {
                    let kept = store::load(&*table, &one.place).await.context("read findings")?;
                    let draw = store::drawn(&*table, &one.place.uid).await.context("read draws")?;
                    drawn.extend(draw.map(|_| one.place.uid.clone()));
                    let said = answers_of(&*table, &one.place.uid).await.context("read answers")?;
                    answers.insert(one.place.uid.clone(), said);
                    judged.extend(kept.map(|kept| (one, kept)));
                }
            }
            Ok(Self { judged, drawn, answers })
        })
    }

    /// The label of each finding that has one, and of what folded into it.
    pub(crate) fn by_uid(&self) -> BTreeMap<String, Label> {
        let mut labels = BTreeMap::new();
        for (judged, kept) in &self.judged {
            let label = judged.standing().and_then(|standing| label_of(standing.judgement));
            if let Some(label) = label {
                labels.extend(kept.entry.folded.iter().map(|uid| (uid.to_owned(), label)));
            }
        }
        labels
    }
}

/// What a judgement says of whether the finding has to stay visible; `None` if it says nothing of that.
pub(crate) fn label_of(judgement: Judgement) -> Option<Label> {
    match judgement {
        Judgement::TruePositive => Some(Label::True),
        Judgement::Test => Some(Label::Test),
        Judgement::BenignPositive => Some(Label::Benign),
        Judgement::FalsePositive => Some(Label::False),
        Judgement::Duplicate | Judgement::Inconclusive => None,
    }
}
