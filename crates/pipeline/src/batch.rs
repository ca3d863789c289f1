//! What single messages ask of a queue, gathered into requests that carry ten.
//!
//! SQS takes ten entries in a request and is paid by the request. Work on one message has one entry to delete and mostly
//! few findings to send, so whoever works on a message hands these in here and waits for the answer; one task gathers
//! what was handed in and asks for all of it at once. A batch goes when it is full, and otherwise when it is *due*, which is
//! where findings and deletes differ.
//!
//! Nobody's entries are split, and each gets its own answer. Who no longer waits when a batch goes (its lease was lost)
//! is left out. A request that was begun is finished, unless all is going down.

use std::collections::VecDeque;
use std::future::Future;

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
    last_went: Option<Instant>,
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

/// A batch that is not full.
#[derive(Clone, Copy)]
pub(crate) struct Waiting {
    /// Since when the first of it waits.
    pub(crate) since: Instant,
    /// How many have handed in.
    pub(crate) asks: usize,
    /// When the last batch went.
    pub(crate) last_went: Option<Instant>,
}

/// Both sides. At most `waiting_max` can be handed in at once; who comes then waits to hand in.
pub(crate) fn batcher<T, R>(waiting_max: usize) -> (Batcher<T, R>, Gatherer<T, R>) {
    let (sender, asks) = mpsc::channel(waiting_max.max(1));
    let (waiting, requests) = (VecDeque::new(), JoinSet::new());
    (Batcher { asks: sender }, Gatherer { asks, waiting, requests, last_went: None })
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
    /// Gathers and asks until nobody is left who could hand in. `due` says when a batch goes that is not full, and is
    /// asked again whenever something is handed in or answered; `request` gives one answer for each of its items.
    pub(crate) async fn keep<F>(
        mut self,
        due: impl Fn(Waiting) -> Instant,
        request: impl Fn(Vec<T>) -> F,
    ) where
        F: Future<Output = Vec<R>> + Send + 'static,
    {
        let mut next_due = None;
        loop {
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
                () = sleep_until(next_due.unwrap_or_else(Instant::now)), if next_due.is_some() => {}
            }
            next_due = loop {
                let Some(at) = self.goes_at(&due) else { break None };
                if at > Instant::now() {
                    break Some(at);
                }
                let (items, answers): (Vec<T>, Vec<_>) = self.batch().unzip();
                let asked = request(items);
                self.requests.spawn(async move {
                    for (answer, given) in answers.into_iter().zip(asked.await) {
                        // Who has left meanwhile lets the message come again.
                        drop(answer.send(given));
                    }
                });
            };
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

    /// When the next batch goes, if anybody waits.
    fn goes_at(&mut self, due: impl Fn(Waiting) -> Instant) -> Option<Instant> {
        self.waiting.retain(|ask| !ask.answer.is_closed());
        let since = self.waiting.front()?.since;
        let entries: usize = self.waiting.iter().map(|ask| ask.item.entries()).sum();
        if entries >= ENTRIES_MAX {
            return Some(since);
        }
        Some(due(Waiting { since, asks: self.waiting.len(), last_went: self.last_went }))
    }

    /// The next batch: those who have waited longest, as many as a request carries.
    fn batch(&mut self) -> impl Iterator<Item = (T, oneshot::Sender<R>)> {
        self.last_went = Some(Instant::now());
        let (mut asks, mut entries) = (0, 0);
        for ask in &self.waiting {
            entries += ask.item.entries();
            if asks > 0 && entries > ENTRIES_MAX {
                break;
            }
            asks += 1;
        }
        self.waiting.drain(..asks).map(|ask| (ask.item, ask.answer))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use super::*;

    /// So many entries.
    struct Parcel(usize);

    impl Entries for Parcel {
        fn entries(&self) -> usize {
            self.0
        }
    }

    /// A second after the first of them came.
    fn due(waiting: Waiting) -> Instant {
        waiting.since + Duration::from_secs(1)
    }

    /// Hands these in, in this order, and gives the batches in which they went and the answer to each. A request answers
    /// to each item how many entries it had, but for what is told not to wait, which leaves.
    async fn gather(
        items: &[usize],
        leaves: Option<usize>,
    ) -> (Vec<Vec<usize>>, Vec<Option<usize>>) {
        let (batcher, gatherer) = batcher(items.len());
        let batches = Arc::new(Mutex::new(Vec::new()));
        let request = |items: Vec<Parcel>| {
            let lengths: Vec<usize> = items.iter().map(|item| item.0).collect();
            batches.lock().unwrap().push(lengths.clone());
            async move { lengths }
        };
        let asking = async move {
            let mut asking = JoinSet::new();
            let batcher = Arc::new(batcher);
            let mut leaver = None;
            for (nth, item) in items.iter().copied().enumerate() {
                let batcher = Arc::clone(&batcher);
                let task = asking.spawn(async move { (nth, batcher.ask(Parcel(item)).await) });
                leaver = leaver.or((leaves == Some(nth)).then_some(task));
            }
            drop(batcher);
            if let Some(leaver) = leaver {
                sleep_until(Instant::now() + Duration::from_millis(500)).await;
                leaver.abort();
            }
            let mut answers = vec![None; items.len()];
            while let Some(ended) = asking.join_next().await {
                if let Ok((nth, answer)) = ended {
                    answers[nth] = answer;
                }
            }
            answers
        };
        let (answers, ()) = tokio::join!(asking, gatherer.keep(due, request));
        let batches = batches.lock().unwrap().clone();
        (batches, answers)
    }

    #[tokio::test(start_paused = true)]
    async fn full_batches_go_at_once_and_the_rest_when_it_is_due() {
        let began = Instant::now();
        let (batches, answers) = gather(&[1; 20], None).await;
        assert_eq!((batches, answers), (vec![vec![1; 10]; 2], vec![Some(1); 20]));
        assert_eq!(began.elapsed(), Duration::ZERO);
        let (batches, _) = gather(&[1; 23], None).await;
        assert_eq!(batches, [vec![1; 10], vec![1; 10], vec![1; 3]]);
        assert_eq!(began.elapsed(), Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_split_and_everyone_gets_an_answer_of_their_own() {
        let (batches, answers) = gather(&[3, 4, 5, 25, 10, 2], None).await;
        assert_eq!(batches, [vec![3, 4], vec![5], vec![25], vec![10], vec![2]]);
        assert_eq!(answers, [3, 4, 5, 25, 10, 2].map(Some));
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_before_a_batch_goes_is_not_in_it() {
        let (batches, answers) = gather(&[1, 2, 3], Some(1)).await;
        assert_eq!((batches, answers), (vec![vec![1, 3]], vec![Some(1), None, Some(3)]));
    }
}
