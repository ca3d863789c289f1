//! What single messages ask of a queue, gathered into requests that carry ten.
//!
//! SQS takes ten entries in a request and is paid by the request. Work on one message has one entry to delete and mostly
//! few findings to send, so whoever works on a message hands these in here and waits for the answer; one task gathers
//! what was handed in and asks for all of it at once. A batch goes when it is full, and otherwise when its [`Patience`]
//! ends, which is where findings and deletes differ.
//!
//! Nobody's entries are split, and each gets its own answer. Who no longer waits when a batch goes (its lease was lost)
//! is left out. A request that was begun is finished, unless all is going down.

use std::collections::VecDeque;
use std::future::Future;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// SQS takes at most ten entries in one request.
const ENTRIES_MAX: usize = 10;

/// The way in: hands something in and waits for the answer to it.
pub(crate) struct Batcher<T, R> {
    asks: mpsc::Sender<Ask<T, R>>,
}

/// The other side: what was handed in, for the one task that gathers it.
pub(crate) struct Gatherer<T, R> {
    asks: mpsc::Receiver<Ask<T, R>>,
    waiting: VecDeque<Ask<T, R>>,
    requests: JoinSet<()>,
}

struct Ask<T, R> {
    item: T,
    since: Instant,
    answer: oneshot::Sender<R>,
}

/// Something that is handed in, of one entry or more.
pub(crate) trait Entries {
    /// How many entries of a request it is.
    fn entries(&self) -> usize;
}

/// How long a batch that is not full waits for more.
pub(crate) struct Patience<B> {
    /// No longer than this.
    pub(crate) most: Duration,
    /// Whether more may come before long, given how many wait and how many requests are under way.
    pub(crate) may_come: B,
}

/// Both sides. At most `waiting_max` can be handed in at once; who comes then waits to hand in.
pub(crate) fn batcher<T, R>(waiting_max: usize) -> (Batcher<T, R>, Gatherer<T, R>) {
    let (sender, asks) = mpsc::channel(waiting_max.max(1));
    let gatherer = Gatherer { asks, waiting: VecDeque::new(), requests: JoinSet::new() };
    (Batcher { asks: sender }, gatherer)
}

impl<T, R> Batcher<T, R> {
    /// Hands in, and waits for the answer; `None` if nobody gathers any more.
    pub(crate) async fn ask(&self, item: T) -> Option<R> {
        let (answer, answered) = oneshot::channel();
        self.asks.send(Ask { item, since: Instant::now(), answer }).await.ok()?;
        answered.await.ok()
    }
}

impl<T, R> Gatherer<T, R>
where
    T: Entries + Send + 'static,
    R: Send + 'static,
{
    /// Gathers and asks until nobody is left who could hand in. `request` gives one answer for each of its items.
    pub(crate) async fn keep<F, B>(mut self, patience: Patience<B>, request: impl Fn(Vec<T>) -> F)
    where
        F: Future<Output = Vec<R>> + Send + 'static,
        B: Fn(usize, usize) -> bool,
    {
        loop {
            let due =
                self.waiting.front().map_or_else(Instant::now, |ask| ask.since) + patience.most;
            tokio::select! {
                biased;
                ask = self.asks.recv() => match ask {
                    Some(ask) => self.take_in(ask),
                    None => break,
                },
                Some(ended) = self.requests.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!(error = %error, "a request failed; its messages come again");
                    }
                }
                () = sleep_until(due), if !self.waiting.is_empty() => {}
            }
            while let Some(batch) = self.batch(&patience) {
                let (items, answers): (Vec<T>, Vec<_>) =
                    batch.into_iter().map(|ask| (ask.item, ask.answer)).unzip();
                let asked = request(items);
                self.requests.spawn(async move {
                    for (answer, given) in answers.into_iter().zip(asked.await) {
                        // Who has left meanwhile lets the message come again.
                        drop(answer.send(given));
                    }
                });
            }
        }
        while self.requests.join_next().await.is_some() {}
    }

    /// Takes in what is there, so that those who came together go together.
    fn take_in(&mut self, first: Ask<T, R>) {
        self.waiting.push_back(first);
        while let Ok(ask) = self.asks.try_recv() {
            self.waiting.push_back(ask);
        }
    }

    /// The next batch, if it is time for it.
    fn batch<B: Fn(usize, usize) -> bool>(
        &mut self,
        patience: &Patience<B>,
    ) -> Option<Vec<Ask<T, R>>> {
        self.waiting.retain(|ask| !ask.answer.is_closed());
        let oldest = self.waiting.front()?;
        let entries: usize = self.waiting.iter().map(|ask| ask.item.entries()).sum();
        let may_come = || (patience.may_come)(self.waiting.len(), self.requests.len());
        if entries < ENTRIES_MAX && oldest.since.elapsed() < patience.most && may_come() {
            return None;
        }
        let (mut asks, mut entries) = (0, 0);
        for ask in &self.waiting {
            entries += ask.item.entries();
            if asks > 0 && entries > ENTRIES_MAX {
                break;
            }
            asks += 1;
        }
        Some(self.waiting.drain(..asks).collect())
    }
}
