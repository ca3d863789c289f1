//! Schedules: at which times a kept query is asked, and about which windows of event time.
//!
//! Nothing here reads a clock or keeps a state: given what was finished last and the time, a schedule says what is next. Windows are
//! half open, `[from, to)`, in whole seconds, because CloudTrail writes event times in whole seconds. A window ends at a tick, and
//! the next one begins where the last one ended, whatever the schedule was then: so there is no gap and no overlap, also after
//! it was changed. Ticks are the same for everyone, since they are counted from the beginning of 1970 and not from a start.

mod cron;

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

pub use self::cron::Cron;

/// When a query is asked, and about what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// At which times its windows end.
    pub ticks: Ticks,
    /// How long a window is, if it does not begin where the one before ended.
    pub window: Option<Duration>,
    /// How long after its end a window is asked about, because records are delivered late.
    pub lag: Duration,
    /// So many windows are made up for that were missed; at least one.
    pub catch_up: u32,
}

/// Times that come again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ticks {
    /// Each so many whole seconds, counted from the beginning of 1970.
    Every(Duration),
    /// At these minutes.
    Cron(Cron),
}

/// A window of event time, `[from, to)`, in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Window {
    /// The first time that is in it.
    pub from: Timestamp,
    /// The first time after it.
    pub to: Timestamp,
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", rfc3339(self.from), rfc3339(self.to))
    }
}

/// A time as CloudTrail writes it.
pub(crate) fn rfc3339(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// What a schedule wants next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// To be asked about this window now.
    Ask(Window),
    /// To leave out so many windows, which take all of this time, because more were missed than are made up for.
    GiveUp(Window, u64),
    /// To wait until this time.
    Wait(Timestamp),
    /// Nothing, ever: the calendar ends.
    Never,
}

impl Schedule {
    /// What counts as done if nothing ever was: all but the last window that is closed, so that one sees soon what comes of a query.
    /// `None` at the end of the calendar.
    #[must_use]
    pub fn begin(&self, now: Timestamp) -> Option<Timestamp> {
        let last = self.last_closed(now.as_second())?;
        Timestamp::from_second(self.ticks.before(last)?).ok()
    }

    /// What is next at the time `now`, when all before `done` was asked about.
    #[must_use]
    pub fn next(&self, done: Timestamp, now: Timestamp) -> Next {
        self.next_second(done.as_second(), now.as_second()).unwrap_or(Next::Never)
    }

    /// Whether it could ask about this window: one that ends at a tick and is no longer than its windows are. What claims to come of a
    /// schedule is held to that.
    #[must_use]
    pub fn may_ask(&self, window: Window) -> bool {
        let (from, to) = (window.from.as_second(), window.to.as_second());
        let longest = self.window.map_or(0, seconds).max(self.longest());
        let is_tick = to.checked_add(1).and_then(|after| self.ticks.before(after)) == Some(to);
        is_tick && from < to && to.saturating_sub(from) <= longest
    }

    /// The last tick whose window is closed.
    fn last_closed(&self, now: i64) -> Option<i64> {
        self.ticks.before(now.checked_sub(seconds(self.lag))?.checked_add(1)?)
    }

    /// The same in seconds; none at the end of the calendar.
    fn next_second(&self, done: i64, now: i64) -> Option<Next> {
        let last = self.last_closed(now)?;
        if last <= done {
            let tick = self.ticks.after(done)?;
            let due = tick.checked_add(seconds(self.lag))?;
            return Some(Next::Wait(Timestamp::from_second(due).ok()?));
        }
        let missed = self.ticks.between(done, last);
        let catch_up = u64::from(self.catch_up.max(1));
        if missed > catch_up {
            let mut begin = last;
            for _ in 0..catch_up {
                begin = self.ticks.before(begin)?;
            }
            return Some(Next::GiveUp(window(done, begin)?, missed - catch_up));
        }
        let to = self.ticks.after(done)?;
        let from = match self.window {
            Some(window) => to.checked_sub(seconds(window))?,
            None => done,
        };
        Some(Next::Ask(window(from, to)?))
    }

    /// The longest time between two ticks of four years, or of the first ten thousand, in seconds.
    pub(crate) fn longest(&self) -> i64 {
        match &self.ticks {
            Ticks::Every(every) => seconds(*every),
            Ticks::Cron(cron) => {
                const FOUR_YEARS: i64 = 4 * 366 * 86_400;
                const TICKS_MAX: usize = 10_000;
                let begin = cron.after(0);
                let ticks = std::iter::successors(begin, |tick| cron.after(*tick));
                let ticks = ticks.take_while(|tick| *tick < FOUR_YEARS).take(TICKS_MAX);
                let gap = |tick| cron.after(tick).map_or(0, |next| next - tick);
                ticks.map(gap).max().unwrap_or(0)
            }
        }
    }
}

fn window(from: i64, to: i64) -> Option<Window> {
    Some(Window { from: Timestamp::from_second(from).ok()?, to: Timestamp::from_second(to).ok()? })
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

/// The most ticks of cron that are counted one by one.
const COUNTED_MAX: u64 = 1_000_000;

impl Ticks {
    /// The first tick after this time.
    fn after(&self, time: i64) -> Option<i64> {
        match self {
            Self::Every(every) => {
                let every = seconds(*every).max(1);
                time.div_euclid(every).checked_add(1)?.checked_mul(every)
            }
            Self::Cron(cron) => cron.after(time),
        }
    }

    /// The last tick before this time.
    fn before(&self, time: i64) -> Option<i64> {
        match self {
            Self::Every(every) => {
                let every = seconds(*every).max(1);
                time.checked_sub(1)?.div_euclid(every).checked_mul(every)
            }
            Self::Cron(cron) => cron.before(time),
        }
    }

    /// How many ticks there are after `from` and up to `to`, which is one.
    fn between(&self, from: i64, to: i64) -> u64 {
        match self {
            Self::Every(every) => {
                let every = seconds(*every).max(1);
                let ticks = to.div_euclid(every).saturating_sub(from.div_euclid(every));
                u64::try_from(ticks).unwrap_or(0)
            }
            Self::Cron(cron) => {
                let (mut tick, mut count) = (cron.after(from), 0);
                while let Some(at) = tick.filter(|at| *at <= to)
                    && count < COUNTED_MAX
                {
                    count += 1;
                    tick = cron.after(at);
                }
                count
            }
        }
    }
}

impl fmt::Display for Ticks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every(every) => write!(f, "every {}", short(*every)),
            Self::Cron(cron) => write!(f, "cron {cron}"),
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.ticks)?;
        if let Some(window) = self.window {
            write!(f, ", the {} before", short(window))?;
        }
        write!(f, ", {} later", short(self.lag))
    }
}

/// A duration as it is written, in the largest unit that fits.
fn short(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [(86_400, "d"), (3600, "h"), (60, "m")];
    let unit = units.into_iter().find(|(unit, _)| seconds > 0 && seconds.is_multiple_of(*unit));
    let (unit, name) = unit.unwrap_or((1, "s"));
    format!("{}{name}", seconds / unit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn minutes(minutes: u64) -> Duration {
        Duration::from_secs(60 * minutes)
    }

    fn every(length: u64, lag: u64, catch_up: u32) -> Schedule {
        let ticks = Ticks::Every(minutes(length));
        Schedule { ticks, window: None, lag: minutes(lag), catch_up }
    }

    fn cron(text: &str) -> Schedule {
        let ticks = Ticks::Cron(Cron::parse(text).unwrap());
        Schedule { ticks, window: None, lag: minutes(20), catch_up: 3 }
    }

    /// What is next, as text.
    fn next(schedule: &Schedule, done: Option<&str>, now: &str) -> String {
        let now = time(now);
        let done = done.map_or_else(|| schedule.begin(now).unwrap(), time);
        match schedule.next(done, now) {
            Next::Ask(window) => format!("ask {window}"),
            Next::GiveUp(window, windows) => format!("give up {windows} in {window}"),
            Next::Wait(until) => format!("wait until {}", rfc3339(until)),
            Next::Never => "never".to_owned(),
        }
    }

    #[test]
    fn a_window_is_asked_about_when_what_is_late_has_come() {
        let schedule = every(15, 20, 24);
        let at = |done, now: &str| next(&schedule, done, &format!("2026-01-31T{now}Z"));
        assert_eq!(at(None, "10:19:59"), "ask 2026-01-31T09:30:00Z/2026-01-31T09:45:00Z");
        assert_eq!(at(None, "10:20:00"), "ask 2026-01-31T09:45:00Z/2026-01-31T10:00:00Z");
        let done = Some("2026-01-31T10:00:00Z");
        assert_eq!(at(done, "10:20:01"), "wait until 2026-01-31T10:35:00Z");
        assert_eq!(at(done, "10:35:00"), "ask 2026-01-31T10:00:00Z/2026-01-31T10:15:00Z");
        // The clock went back.
        assert_eq!(at(done, "08:00:00"), "wait until 2026-01-31T10:35:00Z");
    }

    #[test]
    fn windows_that_were_missed_are_made_up_for_and_no_more_than_so_many() {
        let schedule = every(15, 20, 3);
        let at = |done: &str| {
            next(&schedule, Some(&format!("2026-01-31T{done}Z")), "2026-01-31T12:20:00Z")
        };
        assert_eq!(at("11:15:00"), "ask 2026-01-31T11:15:00Z/2026-01-31T11:30:00Z");
        assert_eq!(at("11:00:00"), "give up 1 in 2026-01-31T11:00:00Z/2026-01-31T11:15:00Z");
        assert_eq!(at("00:00:00"), "give up 45 in 2026-01-31T00:00:00Z/2026-01-31T11:15:00Z");
    }

    #[test]
    fn cron_makes_windows_from_one_time_to_the_next() {
        let weekdays = cron("0 3 * * mon-fri");
        let friday = Some("2026-01-30T03:00:00Z");
        assert_eq!(
            next(&weekdays, friday, "2026-02-02T03:19:59Z"),
            "wait until 2026-02-02T03:20:00Z"
        );
        assert_eq!(
            next(&weekdays, friday, "2026-02-02T03:20:00Z"),
            "ask 2026-01-30T03:00:00Z/2026-02-02T03:00:00Z"
        );
        assert_eq!(
            next(&weekdays, friday, "2026-02-06T03:20:00Z"),
            "give up 2 in 2026-01-30T03:00:00Z/2026-02-03T03:00:00Z"
        );
        assert_eq!(weekdays.longest(), 3 * 86_400);
        assert_eq!(cron("0 3 1 1 *").longest(), 366 * 86_400);
    }

    #[test]
    fn a_window_of_its_own_length_ends_at_the_tick() {
        let schedule = Schedule { window: Some(minutes(60 * 24)), ..every(60, 20, 24) };
        assert_eq!(
            next(&schedule, Some("2026-01-31T10:00:00Z"), "2026-01-31T11:20:00Z"),
            "ask 2026-01-30T11:00:00Z/2026-01-31T11:00:00Z"
        );
    }

    #[test]
    fn schedules_are_shown_as_they_are_written() {
        assert_eq!(every(15, 20, 1).to_string(), "every 15m, 20m later");
        let daily = Schedule { window: Some(minutes(60 * 48)), ..cron("0  3 * * *") };
        assert_eq!(daily.to_string(), "cron 0 3 * * *, the 2d before, 20m later");
    }

    fn schedules() -> impl Strategy<Value = Schedule> {
        let crons = ["*/5 * * * *", "0 3 * * *", "7,19 */2 * * *", "0 0 1 * *", "0 12 * * mon-fri"];
        let ticks = prop_oneof![
            (1..100_000_u64).prop_map(|seconds| Ticks::Every(Duration::from_secs(seconds))),
            proptest::sample::select(crons.to_vec())
                .prop_map(|text| Ticks::Cron(Cron::parse(text).unwrap())),
        ];
        (ticks, 0..10_000_u64, 1..30_u32).prop_map(|(ticks, lag, catch_up)| Schedule {
            ticks,
            window: None,
            lag: Duration::from_secs(lag),
            catch_up,
        })
    }

    proptest! {
        /// A runner that is killed and started again at any time, before it has noted that a window is finished or after, under a
        /// clock that steps forward and back, and whose schedule is changed on the way.
        #[test]
        fn windows_have_no_gap_and_no_overlap(
            schedules in prop::collection::vec(schedules(), 1..3),
            begin in 1_500_000_000..1_900_000_000_i64,
            steps in prop::collection::vec((-50_000..200_000_i64, any::<bool>(), 0..6_usize), 1..60),
        ) {
            let mut done = schedules[0].begin(Timestamp::from_second(begin).unwrap()).unwrap();
            let (mut now, mut finished) = (begin, Vec::new());
            for (nth, (step, is_killed, asks)) in steps.iter().enumerate() {
                now += step;
                let schedule = &schedules[nth % schedules.len()];
                let clock = Timestamp::from_second(now).unwrap();
                for ask in 0..*asks {
                    let next = schedule.next(done, clock);
                    let (window, count) = match next {
                        Next::Ask(window) => (window, 1),
                        Next::GiveUp(window, count) => (window, count),
                        Next::Wait(until) => {
                            prop_assert!(until > clock, "who waits waits for a time to come");
                            break;
                        }
                        Next::Never => panic!("the calendar does not end here"),
                    };
                    prop_assert!(window.from < window.to && count > 0);
                    prop_assert!(seconds(schedule.lag) <= now - window.to.as_second(), "it waits for what is late");
                    prop_assert_eq!(window.from, done, "neither a gap nor an overlap");
                    // Killed before it is noted: the same window comes again, at the same time and later.
                    if *is_killed && ask + 1 == *asks {
                        prop_assert_eq!(schedule.next(done, clock), next);
                        break;
                    }
                    if let Next::GiveUp(..) = next {
                        // What is left is no more than is made up for.
                        let mut left = 0;
                        let mut then = window.to;
                        while let Next::Ask(window) = schedule.next(then, clock) {
                            then = window.to;
                            left += 1;
                        }
                        prop_assert_eq!(left, schedule.catch_up);
                    }
                    done = window.to;
                    finished.push(window);
                }
            }
            for pair in finished.windows(2) {
                prop_assert_eq!(pair[0].to, pair[1].from);
            }
        }

        #[test]
        fn no_time_panics(schedule in schedules(), done: i64, now: i64) {
            if let Some(Next::Ask(window)) = schedule.next_second(done, now) {
                prop_assert!(window.from < window.to);
            }
        }
    }
}
