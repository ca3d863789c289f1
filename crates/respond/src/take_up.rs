//! What is kept of a finding for people: written down when it was borne out, and folded in after what contains.

use trailloop_cloud::Message;
use trailloop_feedback::Entry;
use trailloop_tuning::entity_of;

use crate::context::Case;
use crate::quiet::hash_of;
use crate::responder::{Halt, Responder};
use crate::store;

/// A finding on its way to what is kept for people.
pub(crate) struct ToKeep {
    entry: Entry,
    /// Who did it, as filters name it.
    entity: String,
    /// The hash of the filter that moves it down.
    filter: Option<String>,
    day: String,
}

impl ToKeep {
    pub(crate) fn uid(&self) -> &str {
        &self.entry.uid
    }
}

impl Responder {
    /// What is kept of a finding for people; `None` of one that we can't read, though we have just made it ourselves.
    pub(crate) fn as_kept(
        &self,
        case: &Case,
        message: &Message,
        day: String,
    ) -> Option<Box<ToKeep>> {
        match Entry::of(&case.confirmed.finding) {
            Ok(mut entry) => {
                let now_ms = self.clock.now_ms();
                entry.clocks.finding_ms = Some(message.sent_at_ms.unwrap_or(now_ms));
                let entity = entity_of(case.confirmed.record.to_string().as_bytes());
                let filter = hash_of(&case.confirmed.finding).map(str::to_owned);
                Some(Box::new(ToKeep { entry, entity, filter, day }))
            }
            Err(error) => {
                tracing::error!(finding = case.text("uid"), %error, "it is not kept");
                None
            }
        }
    }

    /// Folds a finding into what is kept for people, and says whether it is the first of its kind.
    pub(crate) async fn keep_for_people(&self, kept: Option<Box<ToKeep>>) -> Result<bool, Halt> {
        let Some(kept) = kept else { return Ok(false) };
        let ToKeep { entry, entity, filter, day } = *kept;
        let place = Box::pin(store::take(&*self.table, &entry, &day)).await?;
        store::name(&*self.table, &place, &entity).await?;
        if let Some((hash, title)) = filter.as_deref().zip(entry.suppressed_by.as_deref()) {
            self.raise_if_void((hash, title), &place.day).await?;
        }
        Ok(place.uid == entry.uid)
    }
}
