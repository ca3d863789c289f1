//! The memory of one query: bounded, and its peak told.

use std::fmt;
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::execution::memory_pool::{
    FairSpillPool, MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation, UnboundedMemoryPool,
};

use crate::archive::Meter;

/// What sorts, groups and joins take their memory from.
#[derive(Debug)]
pub(crate) struct Pool {
    of: Arc<dyn MemoryPool>,
    meter: Arc<Meter>,
}

impl Pool {
    /// At most so many bytes, if there is a bound.
    pub(crate) fn new(bytes_max: Option<usize>, meter: Arc<Meter>) -> Self {
        let of: Arc<dyn MemoryPool> = match bytes_max {
            Some(bytes) => Arc::new(FairSpillPool::new(bytes)),
            None => Arc::new(UnboundedMemoryPool::default()),
        };
        Self { of, meter }
    }
}

impl fmt::Display for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.of.fmt(f)
    }
}

impl MemoryPool for Pool {
    fn name(&self) -> &str {
        self.of.name()
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.of.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.of.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.of.grow(reservation, additional);
        self.meter.holds(self.of.reserved());
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.of.shrink(reservation, shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        self.of.try_grow(reservation, additional)?;
        self.meter.holds(self.of.reserved());
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.of.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        self.of.memory_limit()
    }
}
