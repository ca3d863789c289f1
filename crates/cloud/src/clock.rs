//! The clock of the durable local queue: the system's in production, a hand-moved one in tests.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

/// Where a [`crate::LocalQueue`] reads the time. It is handed in, so that no test sleeps.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The wall clock. A queue that outlives its process needs one that does too.
    #[default]
    System,
    /// A clock that stands still until a test moves it.
    Manual(ManualClock),
}

impl Clock {
    /// Now, in milliseconds of Unix time.
    pub fn now_ms(&self) -> i64 {
        match self {
            Self::System => {
                #[expect(
                    clippy::disallowed_methods,
                    reason = "leases outlive the process, so they end by wall-clock time; this is \
                              where the system's clock is handed in"
                )]
                let now = SystemTime::now();
                now.duration_since(UNIX_EPOCH).map_or(0, milliseconds)
            }
            Self::Manual(clock) => *clock.now_ms.borrow(),
        }
    }

    /// Waits until `duration` has passed on this clock.
    pub async fn sleep(&self, duration: Duration) {
        match self {
            Self::System => tokio::time::sleep(duration).await,
            Self::Manual(clock) => {
                let mut now_ms = clock.now_ms.subscribe();
                let until_ms = now_ms.borrow().saturating_add(milliseconds(duration));
                // The sender lives in `self`, so the wait cannot fail.
                let _closed = now_ms.wait_for(|now_ms| *now_ms >= until_ms).await.is_err();
            }
        }
    }
}

/// A clock for tests. Its clones show the same time.
#[derive(Clone, Debug)]
pub struct ManualClock {
    now_ms: Arc<watch::Sender<i64>>,
}

impl ManualClock {
    /// A clock that shows `now_ms`, in milliseconds of Unix time.
    pub fn new(now_ms: i64) -> Self {
        Self { now_ms: Arc::new(watch::Sender::new(now_ms)) }
    }

    /// Moves the clock forward and wakes whoever waited for that.
    pub fn advance(&self, duration: Duration) {
        self.now_ms.send_modify(|now_ms| *now_ms += milliseconds(duration));
    }
}

/// Whole milliseconds, rounded up, so that nothing ends before its time.
pub(crate) fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_round_up_to_milliseconds() {
        assert_eq!(milliseconds(Duration::ZERO), 0);
        assert_eq!(milliseconds(Duration::from_nanos(1)), 1);
        assert_eq!(milliseconds(Duration::from_millis(30)), 30);
        assert_eq!(milliseconds(Duration::MAX), i64::MAX);
    }

    #[tokio::test]
    async fn a_manual_clock_wakes_a_sleeper_when_it_is_moved() {
        let manual = ManualClock::new(1000);
        let clock = Clock::Manual(manual.clone());
        let sleep = clock.sleep(Duration::from_secs(5));
        tokio::pin!(sleep);
        tokio::select! {
            biased;
            () = &mut sleep => panic!("the clock has not moved"),
            () = std::future::ready(()) => {}
        }
        manual.advance(Duration::from_secs(5));
        sleep.await;
        assert_eq!(clock.now_ms(), 6000);
    }
}
