//! Objects of a store, downloaded before a worker asks for them.
//!
//! A worker that waits for a download is idle for tens of milliseconds, in which it could examine megabytes. So
//! downloads run ahead of the workers, in the order in which objects will be asked for. How many at once follows from
//! how long they take: whenever a worker had to wait, one more in eight runs from then on, up to a limit. Slow stores get
//! many connections so, and fast ones few. Bytes bound what is held. Objects are downloaded whole: there are enough of
//! them to keep every connection busy, and parts of them were no faster and took more memory (`benches/benches/archive.rs`).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use trailloop_cloud::{CloudError, Object, ObjectRef, Store};

/// What downloads may hold.
#[derive(Clone, Copy, Debug)]
pub struct AheadLimits {
    /// Downloads at once, to begin with and at most.
    pub downloads: (usize, usize),
    /// Bytes of objects that are being downloaded or wait for a worker. One object may be larger.
    pub bytes_max: u64,
    /// The largest object.
    pub object_bytes_max: u64,
}

impl Default for AheadLimits {
    fn default() -> Self {
        Self { downloads: (8, 512), bytes_max: 128 << 20, object_bytes_max: 1 << 30 }
    }
}

/// An object to download, and its size; `None` in its place is one that is not in the store.
pub type Wanted = Option<(ObjectRef, u64)>;

/// Downloads on their way, by the number of the object.
pub struct Ahead<W> {
    runtime: Handle,
    store: Arc<dyn Store>,
    limits: AheadLimits,
    /// The object of a number; numbers from here on are asked for in nearly ascending order.
    wanted: W,
    state: Mutex<State>,
}

struct State {
    /// The next object to begin, and how many downloads may be ahead of the workers.
    next: usize,
    width: usize,
    bytes: u64,
    coming: BTreeMap<usize, Coming>,
    /// Dropping it ends what is under way.
    tasks: JoinSet<()>,
}

struct Coming {
    bytes: u64,
    object: oneshot::Receiver<Result<Object, CloudError>>,
}

impl<W: Fn(usize) -> Option<Wanted>> Ahead<W> {
    /// Nothing is downloaded before the first object is asked for. `wanted` gives `None` beyond the last one.
    pub fn new(runtime: Handle, store: Arc<dyn Store>, limits: AheadLimits, wanted: W) -> Self {
        let state = State {
            next: 0,
            width: limits.downloads.0.max(1),
            bytes: 0,
            coming: BTreeMap::new(),
            tasks: JoinSet::new(),
        };
        Self { runtime, store, limits, wanted, state: Mutex::new(state) }
    }

    /// Waits for the object of a number, which is asked for once. `None` if it is not in the store. Blocks: it is for a
    /// worker's thread.
    pub fn get(&self, number: usize) -> Option<Result<Object, CloudError>> {
        let mut coming = {
            let mut state = self.state();
            self.begin(&mut state, number);
            state.coming.remove(&number)?
        };
        let object = match coming.object.try_recv() {
            Ok(object) => Ok(object),
            Err(_) => {
                let mut state = self.state();
                state.width = (state.width + state.width / 8 + 1).min(self.limits.downloads.1);
                drop(state);
                self.runtime.block_on(coming.object)
            }
        };
        let mut state = self.state();
        state.bytes -= coming.bytes;
        self.begin(&mut state, number);
        drop(state);
        // A download that panicked is the only one that does not answer, and the runtime has said why.
        object.ok()
    }

    /// Begins what there is room for, and `number` in any case.
    fn begin(&self, state: &mut State, number: usize) {
        while state.tasks.try_join_next().is_some() {}
        while state.next <= number
            || (state.coming.len() < state.width && state.bytes < self.limits.bytes_max)
        {
            let Some(wanted) = (self.wanted)(state.next) else { return };
            if let Some((object, bytes)) = wanted {
                state.bytes += bytes;
                let coming = self.download(&mut state.tasks, object);
                state.coming.insert(state.next, Coming { bytes, object: coming });
            }
            state.next += 1;
        }
    }

    fn download(
        &self,
        tasks: &mut JoinSet<()>,
        object: ObjectRef,
    ) -> oneshot::Receiver<Result<Object, CloudError>> {
        let (answer, coming) = oneshot::channel();
        let (store, bytes_max) = (Arc::clone(&self.store), self.limits.object_bytes_max);
        let download = async move {
            // Whoever wanted it may have left.
            drop(answer.send(store.get(&object, bytes_max).await));
        };
        tasks.spawn_on(download, &self.runtime);
        coming
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use tokio::sync::Semaphore;
    use trailloop_cloud::Page;

    use super::*;

    /// Each download waits until it is let through; its object holds its key.
    struct Held {
        begun: Mutex<Vec<String>>,
        through: Semaphore,
    }

    #[async_trait]
    impl Store for Held {
        async fn list(&self, _: &str, _: &str, _: Option<&str>) -> Result<Page, CloudError> {
            Ok(Page::default())
        }

        async fn get(&self, object: &ObjectRef, _: u64) -> Result<Object, CloudError> {
            self.begun.lock().unwrap().push(object.key.clone());
            self.through.acquire().await.unwrap().forget();
            Ok(Object { bytes: object.key.clone().into(), version: None, etag: None })
        }
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap()
    }

    #[test]
    fn downloads_run_ahead_in_order_and_within_bounds() {
        let runtime = runtime();
        let store = Arc::new(Held { begun: Mutex::default(), through: Semaphore::new(100) });
        let wanted = |number: usize| {
            let object = ObjectRef::new("b", number.to_string());
            // Every fifth one is a file.
            (number < 40).then(|| (number % 5 != 4).then_some((object, 10)))
        };
        let limits = AheadLimits { downloads: (2, 4), bytes_max: 35, object_bytes_max: 100 };
        let ahead = Ahead::new(runtime.handle().clone(), Arc::clone(&store) as _, limits, wanted);
        for number in 0..40 {
            let object = ahead.get(number);
            let state = ahead.state();
            assert!(state.coming.len() <= 4 && state.bytes <= 40, "{}", state.bytes);
            assert_eq!(state.bytes, 10 * state.coming.len() as u64);
            match object {
                Some(object) => assert_eq!(object.unwrap().bytes, number.to_string()),
                None => assert_eq!(number % 5, 4),
            }
        }
        assert!(ahead.get(40).is_none());
        let begun = store.begun.lock().unwrap();
        assert_eq!(begun.len(), 32);
        assert!(begun.iter().map(|key| key.parse::<u32>().unwrap()).is_sorted());
    }

    #[test]
    fn waiting_makes_more_downloads_run() {
        let runtime = runtime();
        let store = Arc::new(Held { begun: Mutex::default(), through: Semaphore::new(0) });
        let wanted = |number: usize| Some(Some((ObjectRef::new("b", number.to_string()), 1)));
        let limits = AheadLimits { downloads: (2, 3), ..AheadLimits::default() };
        let ahead = Ahead::new(runtime.handle().clone(), Arc::clone(&store) as _, limits, wanted);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| ahead.get(0).is_some());
            while ahead.state().width == 2 {
                std::thread::yield_now();
            }
            store.through.add_permits(100);
            assert!(waiting.join().unwrap());
        });
        assert_eq!(ahead.state().width, 3);
        assert_eq!(ahead.state().coming.len(), 3);
        (1..20).for_each(|number| assert!(ahead.get(number).is_some()));
        assert_eq!(ahead.state().width, 3, "the limit");
    }
}
