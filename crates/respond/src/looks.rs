//! What is looked at now and then, beside the runs: nothing that contains waits for it, and nothing of it waits for another.

use std::sync::atomic::{AtomicI64, Ordering};

use futures::future::{BoxFuture, join_all};

use crate::responder::{Halt, Responder};

/// The time of the next look.
#[derive(Debug, Default)]
pub(crate) struct NextLook(AtomicI64);

impl NextLook {
    /// Whether it is time; if so, the next one comes `every_ms` later.
    pub(crate) fn is_due(&self, now_ms: i64, every_ms: i64) -> bool {
        let is_due = now_ms >= self.0.load(Ordering::Relaxed);
        if is_due {
            self.0.store(now_ms + every_ms, Ordering::Relaxed);
        }
        is_due
    }
}

/// The next looks of a worker. All begin at once.
#[derive(Debug, Default)]
pub struct NextLooks {
    /// At what people said in Security Hub.
    pub(crate) hub: NextLook,
    /// At canaries that are due or late.
    pub(crate) canaries: NextLook,
    /// At rules that may have gone silent.
    pub(crate) rules: NextLook,
}

impl Responder {
    /// Looks at what is due: questions that are asked again, canaries, rules that may have gone silent, and how rare findings are. What
    /// fails is told, and tried again at its next look.
    pub async fn look_around(&self) {
        let looks: [(&str, BoxFuture<'_, Result<(), Halt>>); 5] = [
            ("questions are asked again", Box::pin(self.ask_again())),
            ("what is likely next is asked about", Box::pin(self.ask_armed())),
            ("canaries are looked after", Box::pin(self.look_after_canaries())),
            ("how rare findings are is counted", Box::pin(self.look_after_rarity())),
            ("silent rules are looked for", Box::pin(self.look_after_rules())),
        ];
        join_all(looks.map(async |(what, look)| {
            if let Err(error) = look.await {
                tracing::warn!(%error, "{what} later");
            }
        }))
        .await;
    }
}
