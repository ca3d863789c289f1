//! Cron: five fields that say at which minutes something happens, in UTC.
//!
//! Ours and not a crate's, because those that are kept up bring a second calendar library with them (`cronexpr` 1.7 and `croner` 4.0
//! need jiff 0.2), know time zones and read their files, and say neither which field is wrong nor what it may hold.

use std::fmt;

use jiff::Span;
use jiff::civil::{self, Date};

/// The day after which nothing more is searched for: a 29 February may be eight years away, around 2100.
const DAYS_MAX: i64 = 366 * 9;

const MINUTES_A_DAY: i64 = 24 * 60;

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// When something happens. Each field is a set of numbers, as bits.
#[derive(Clone, PartialEq, Eq)]
pub struct Cron {
    written: String,
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Days of the month and of the week are both limited, and either is enough, as cron has always had it.
    either_day: bool,
}

impl fmt::Debug for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cron").field(&self.written).finish()
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

/// A field: what it is called, its least and most number, and names for its numbers.
struct Field {
    name: &'static str,
    least: u64,
    most: u64,
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field { name: "minute", least: 0, most: 59, names: &[] },
    Field { name: "hour", least: 0, most: 23, names: &[] },
    Field { name: "day of the month", least: 1, most: 31, names: &[] },
    Field { name: "month", least: 1, most: 12, names: &MONTHS },
    // Seven is Sunday too.
    Field { name: "day of the week", least: 0, most: 7, names: &WEEKDAYS },
];

impl Cron {
    /// Reads `minute hour day-of-month month day-of-week`.
    ///
    /// # Errors
    ///
    /// If a field is missing, is none, or if the day never comes, with what may be written.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        if fields.len() != FIELDS.len() {
            return Err(format!("cron has five fields and not {}", fields.len()));
        }
        let mut sets = [0; 5];
        for ((set, known), field) in sets.iter_mut().zip(&FIELDS).zip(&fields) {
            *set = known.set(field)?;
        }
        let [minutes, hours, days, months, weekdays] = sets;
        let cron = Self {
            written: fields.join(" "),
            minutes,
            hours,
            days,
            months,
            weekdays: weekdays | weekdays >> 7 & 1,
            either_day: !fields[2].starts_with('*') && !fields[4].starts_with('*'),
        };
        match cron.after(0) {
            Some(_) => Ok(cron),
            None => Err("no month has that day".to_owned()),
        }
    }

    /// The first time after this one, both in seconds of Unix time.
    pub(crate) fn after(&self, time: i64) -> Option<i64> {
        let first = time.div_euclid(60).checked_add(1)?;
        let (day, minute) = (first.div_euclid(MINUTES_A_DAY), first.rem_euclid(MINUTES_A_DAY));
        let at = |day: i64, mut minutes: std::ops::Range<i64>| {
            date(day).filter(|date| self.is_day(*date))?;
            let minute = minutes.find(|minute| self.is_minute(*minute))?;
            Some((day * MINUTES_A_DAY + minute) * 60)
        };
        at(day, minute..MINUTES_A_DAY)
            .or_else(|| (1..DAYS_MAX).find_map(|more| at(day + more, 0..MINUTES_A_DAY)))
    }

    /// The last time before this one, both in seconds of Unix time.
    pub(crate) fn before(&self, time: i64) -> Option<i64> {
        let last = time.checked_sub(1)?.div_euclid(60);
        let (day, minute) = (last.div_euclid(MINUTES_A_DAY), last.rem_euclid(MINUTES_A_DAY));
        let at = |day: i64, minutes: std::ops::RangeInclusive<i64>| {
            date(day).filter(|date| self.is_day(*date))?;
            let minute = minutes.rev().find(|minute| self.is_minute(*minute))?;
            Some((day * MINUTES_A_DAY + minute) * 60)
        };
        at(day, 0..=minute)
            .or_else(|| (1..DAYS_MAX).find_map(|less| at(day - less, 0..=MINUTES_A_DAY - 1)))
    }

    fn is_day(&self, date: Date) -> bool {
        let has = |set: u64, number: i8| set >> number & 1 == 1;
        let of_month = has(self.days, date.day());
        let of_week = has(self.weekdays, date.weekday().to_sunday_zero_offset());
        let is_day = if self.either_day { of_month || of_week } else { of_month && of_week };
        is_day && has(self.months, date.month())
    }

    fn is_minute(&self, of_day: i64) -> bool {
        self.hours >> (of_day / 60) & 1 == 1 && self.minutes >> (of_day % 60) & 1 == 1
    }
}

/// The day that is so many days after the first of 1970; none beyond the calendar.
fn date(days: i64) -> Option<Date> {
    civil::date(1970, 1, 1).checked_add(Span::new().try_days(days).ok()?).ok()
}

impl Field {
    /// The numbers of a field: `*`, a number or name, `a-b`, each with `/step`, separated by commas.
    fn set(&self, text: &str) -> Result<u64, String> {
        let mut set = 0;
        for part in text.split(',') {
            let (range, step) = match part.split_once('/') {
                Some((range, step)) => {
                    let number = step.parse().ok().filter(|step| (1..=self.most).contains(step));
                    (range, Some(number.ok_or_else(|| self.wrong(part))?))
                }
                None => (part, None),
            };
            let (from, to) = match (range, range.split_once('-')) {
                ("*", _) => (self.least, self.most),
                (_, Some((from, to))) => (self.number(from, part)?, self.number(to, part)?),
                (_, None) if step.is_some() => return Err(self.wrong(part)),
                (one, None) => (self.number(one, part)?, self.number(one, part)?),
            };
            if from > to {
                return Err(self.wrong(part));
            }
            let step = usize::try_from(step.unwrap_or(1)).unwrap_or(usize::MAX);
            (from..=to).step_by(step).for_each(|number| set |= 1 << number);
        }
        Ok(set)
    }

    fn number(&self, text: &str, part: &str) -> Result<u64, String> {
        let lower = text.to_ascii_lowercase();
        if let Some(at) = self.names.iter().position(|name| *name == lower) {
            return Ok(self.least + at as u64);
        }
        let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|_| is_digits);
        number
            .filter(|number| (self.least..=self.most).contains(number))
            .ok_or_else(|| self.wrong(part))
    }

    fn wrong(&self, part: &str) -> String {
        let part = trailloop_rules::source::quoted(part);
        format!("{part} is no {}: it has numbers from {} to {}", self.name, self.least, self.most)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn seconds(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_second()
    }

    fn shown(second: Option<i64>) -> String {
        Timestamp::from_second(second.unwrap()).unwrap().to_string()
    }

    #[test]
    fn times_are_those_that_cron_has_always_had() {
        for (text, from, after, before) in [
            ("0 3 * * *", "2026-01-31T03:00:00Z", "2026-02-01T03:00:00Z", "2026-01-30T03:00:00Z"),
            (
                "*/15 * * * *",
                "2026-01-31T23:46:01Z",
                "2026-02-01T00:00:00Z",
                "2026-01-31T23:45:00Z",
            ),
            (
                "30 8 * * mon-FRI",
                "2026-01-30T08:30:00Z",
                "2026-02-02T08:30:00Z",
                "2026-01-29T08:30:00Z",
            ),
            (
                "0 0 29 feb *",
                "2026-01-01T00:00:00Z",
                "2028-02-29T00:00:00Z",
                "2024-02-29T00:00:00Z",
            ),
            ("0 0 29 2 *", "2099-01-01T00:00:00Z", "2104-02-29T00:00:00Z", "2096-02-29T00:00:00Z"),
            // The thirteenth or a Friday, and every second day that is a Friday.
            ("0 0 13 * 5", "2026-01-10T00:00:00Z", "2026-01-13T00:00:00Z", "2026-01-09T00:00:00Z"),
            ("0 0 */2 * 5", "2026-01-10T00:00:00Z", "2026-01-23T00:00:00Z", "2026-01-09T00:00:00Z"),
            (
                "5,7-9/2 1 * * 7",
                "2026-01-31T00:00:00Z",
                "2026-02-01T01:05:00Z",
                "2026-01-25T01:09:00Z",
            ),
        ] {
            let cron = Cron::parse(text).unwrap();
            assert_eq!(shown(cron.after(seconds(from))), after, "{text}");
            assert_eq!(shown(cron.before(seconds(from))), before, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_by_its_field() {
        let texts = [
            "0 3 * *",
            "60 3 * * *",
            "0 24 * * *",
            "0 0 0 * *",
            "0 0 1 13 *",
            "0 0 * * 8",
            "a 0 * * *",
            "5-2 * * * *",
            "*/0 * * * *",
            "3/5 * * * *",
            "1,,2 * * * *",
            "+5 * * * *",
            "0 0 31 2 *",
            "0 0 * * * UTC",
        ];
        let said: Vec<String> = texts.iter().map(|text| Cron::parse(text).unwrap_err()).collect();
        insta::assert_snapshot!(said.join("\n"));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[-*/, 0-9a-z]{0,24}|.{0,40}", time: i64) {
            for text in [text.clone(), format!("{text} * * * *"), format!("0 0 {text} * *")] {
                if let Ok(cron) = Cron::parse(&text) {
                    let (after, before) = (cron.after(time), cron.before(time));
                    prop_assert!(before.is_none_or(|before| before < time));
                    prop_assert!(after.is_none_or(|after| after > time));
                }
            }
        }

        #[test]
        fn the_next_and_the_last_time_have_none_between(
            fields in ("(\\*|\\*/7|1?[0-9]|5,3[0-9])", "(\\*|\\*/5|1?[0-9])", "(\\*|[1-9]|1[0-9])", "(\\*|[1-9])", "(\\*|[0-7]|1-5)"),
            time in 0..4_000_000_000_i64,
        ) {
            let (minute, hour, day, month, weekday) = fields;
            let cron = Cron::parse(&format!("{minute} {hour} {day} {month} {weekday}")).unwrap();
            let (next, last) = (cron.after(time).unwrap(), cron.before(time).unwrap());
            prop_assert!(last < time && time < next && next % 60 == 0 && last % 60 == 0);
            prop_assert_eq!(cron.before(next + 1), Some(next));
            prop_assert_eq!(cron.after(last - 1), Some(last));
            let around = cron.before(next).unwrap();
            prop_assert!(around == last || around == time);
        }
    }
}
