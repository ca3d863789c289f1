//! The objects of one reading, taken one after another by whoever is free, downloaded ahead.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use tokio::runtime::Handle;
use trailloop_pipeline::ahead::{Ahead, AheadLimits, Wanted};

use crate::archive::{Cost, Meter, Source};
use crate::listing::Item;

type NthOf = Box<dyn Fn(usize) -> Option<Wanted> + Send + Sync>;

/// Objects that are left.
pub(crate) struct Objects {
    items: Arc<[Item]>,
    next: AtomicUsize,
    /// Downloads ahead, one set for each source, since each may be another store.
    ahead: Vec<Ahead<NthOf>>,
}

impl Objects {
    /// These objects of these sources. It is called where there is a runtime, which downloads run on.
    pub(crate) fn new(sources: &[Source], items: Arc<[Item]>) -> Self {
        Self::within(AheadLimits::default().bytes_max, sources, &items)
    }

    /// The same, with at most so many bytes downloaded ahead.
    pub(crate) fn within(bytes_max: u64, sources: &[Source], items: &Arc<[Item]>) -> Self {
        let ahead = |(number, source): (usize, &Source)| {
            let items = Arc::clone(items);
            let nth: NthOf = Box::new(move |nth| {
                let item = items.get(nth)?;
                Some((item.source == number).then(|| (item.object.clone(), item.bytes)))
            });
            let limits = AheadLimits { bytes_max, ..AheadLimits::default() };
            Ahead::new(Handle::current(), Arc::clone(&source.store), limits, nth)
        };
        let ahead = sources.iter().enumerate().map(ahead).collect();
        Self { items: Arc::clone(items), next: AtomicUsize::new(0), ahead }
    }

    /// The next object that can be read; what can't be is noted. Blocks.
    pub(crate) fn next(&self, meter: &Meter) -> Option<(&Item, Bytes)> {
        loop {
            let nth = self.next.fetch_add(1, Ordering::Relaxed);
            let item = self.items.get(nth)?;
            let failure = match self.ahead.get(item.source)?.get(nth) {
                Some(Ok(object)) => return Some((item, object.bytes)),
                Some(Err(error)) => error.to_string(),
                None => format!("{}: the download did not end", item.object),
            };
            meter.add(Cost { objects_failed: 1, ..Cost::default() });
            meter.note(failure);
        }
    }
}
