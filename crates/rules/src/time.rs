//! Parts of a time, for the modifiers `minute` to `year`: read from an ISO 8601 text, in UTC.

/// The part of a time that a rule compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TimePart {
    Minute,
    Hour,
    Day,
    /// The week of the ISO calendar: it begins on Monday, and week 1 holds the year's first Thursday.
    Week,
    Month,
    Year,
}

impl TimePart {
    /// The part's name, as the modifier is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    /// This part of a time such as `2026-01-02T03:04:05Z`; `None` if the text is no such time.
    pub(crate) fn of(self, text: &str) -> Option<i64> {
        let minutes = utc_minutes(text)?;
        let days = minutes.div_euclid(MINUTES_A_DAY);
        let (year, month, day) = civil_from_days(days);
        Some(match self {
            Self::Minute => minutes.rem_euclid(60),
            Self::Hour => minutes.rem_euclid(MINUTES_A_DAY) / 60,
            Self::Day => day,
            Self::Week => iso_week(days),
            Self::Month => month,
            Self::Year => year,
        })
    }
}

const MINUTES_A_DAY: i64 = 24 * 60;

/// Minutes since 1970 in UTC; seconds are read over.
fn utc_minutes(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let digits = |from: usize, to: usize| -> Option<i64> {
        let digits = bytes.get(from..to)?;
        digits.iter().try_fold(0, |value: i64, byte| {
            byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0'))
        })
    };
    let is = |at: usize, expected: &[u8]| bytes.get(at).is_some_and(|byte| expected.contains(byte));
    let (year, month, day) = (digits(0, 4)?, digits(5, 7)?, digits(8, 10)?);
    let (hour, minute) = (digits(11, 13)?, digits(14, 16)?);
    let shape_is_good = is(4, b"-") && is(7, b"-") && is(10, b"Tt ") && is(13, b":");
    let days_in_month = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 => 29,
        2 => 28,
        _ => return None,
    };
    if !shape_is_good || !(1..=days_in_month).contains(&day) || hour > 23 || minute > 59 {
        return None;
    }
    let mut at = 16;
    if is(at, b":") {
        digits(at + 1, at + 3)?;
        at += 3;
        if is(at, b".") {
            at += 1;
            at += bytes.get(at..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
        }
    }
    let offset = match bytes.get(at..)? {
        [] | b"Z" | b"z" => 0,
        [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
            let minutes = digits(at + 1, at + 3)? * 60 + digits(at + 4, at + 6)?;
            if *sign == b'-' { -minutes } else { minutes }
        }
        _ => return None,
    };
    Some(days_from_civil(year, month, day) * MINUTES_A_DAY + hour * 60 + minute - offset)
}

/// Days since 1970-01-01. The year is taken to begin in March, so that the leap day is its last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month and day of a day since 1970-01-01.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

fn iso_week(days: i64) -> i64 {
    // 1970-01-01 was a Thursday, the day that decides to which year a week belongs.
    let thursday = days - (days + 3).rem_euclid(7) + 3;
    let (year, _, _) = civil_from_days(thursday);
    (thursday - days_from_civil(year, 1, 1)) / 7 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_taken_in_utc() {
        let text = "2026-01-02T03:04:05Z";
        let parts = [
            (TimePart::Minute, 4),
            (TimePart::Hour, 3),
            (TimePart::Day, 2),
            (TimePart::Week, 1),
            (TimePart::Month, 1),
            (TimePart::Year, 2026),
        ];
        for (part, expected) in parts {
            assert_eq!(part.of(text), Some(expected), "{part:?}");
        }
        assert_eq!(TimePart::Hour.of("2026-01-01T00:30:00.123+02:00"), Some(22));
        assert_eq!(TimePart::Year.of("2026-01-01T00:30:00+02:00"), Some(2025));
        assert_eq!(TimePart::Day.of("2024-02-29T12:00:00Z"), Some(29));
    }

    #[test]
    fn weeks_follow_the_iso_calendar() {
        for (date, week) in [
            ("2021-01-03", 53),
            ("2021-01-04", 1),
            ("2024-12-30", 1),
            ("2026-12-31", 53),
            ("2027-01-03", 53),
            ("1970-01-01", 1),
        ] {
            assert_eq!(TimePart::Week.of(&format!("{date}T00:00:00Z")), Some(week), "{date}");
        }
    }

    #[test]
    fn every_day_survives_the_round_trip() {
        for days in (-800_000..2_900_000).step_by(7) {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month, day), days);
        }
    }

    #[test]
    fn other_texts_have_no_parts() {
        for text in [
            "",
            "2026",
            "2026-13-01T00:00:00Z",
            "2026-02-30T00:00:00Z",
            "2026-01-02T03:04:05X",
            "é026-01-02T03:04",
        ] {
            assert_eq!(TimePart::Year.of(text), None, "{text}");
        }
    }
}
