//! Parts of a time, in UTC.

/// A part of an ISO 8601 time such as `2026-01-02T03:04:05.678Z` or `2026-01-02T03:04:05+02:00`.
pub(crate) fn part(text: &str, name: &str) -> Option<i64> {
    let (clock, zone) = text.split_at_checked(19)?;
    let [year, month, day, hour, minute, second] = numbers(clock, "0000-00-00T00:00:00")?[..]
    else {
        return None;
    };
    let zone = match zone.strip_prefix('.') {
        None => zone,
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            // A dot stands before digits.
            (zone.len() < fraction.len()).then_some(zone)?
        }
    };
    let (sign, offset) = match zone.split_at_checked(1)? {
        ("Z", "") => (1, vec![0, 0]),
        ("+", offset) => (1, numbers(offset, "00:00")?),
        ("-", offset) => (-1, numbers(offset, "00:00")?),
        _ => return None,
    };
    let is_time = (1..=12).contains(&month)
        && (1..=month_days(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !is_time || offset[0] > 23 || offset[1] > 59 {
        return None;
    }
    let offset = sign * (offset[0] * 60 + offset[1]);
    let minutes = (days_before(year, month, day) * 24 + hour) * 60 + minute - offset;
    let days = minutes.div_euclid(24 * 60);
    let (year, month, day) = date(days);
    Some(match name {
        "minute" => minutes.rem_euclid(60),
        "hour" => minutes.div_euclid(60).rem_euclid(24),
        "day" => day,
        "month" => month,
        "year" => year,
        _ => week(days),
    })
}

/// The numbers of a text that looks like a form, in which a zero stands for any digit.
fn numbers(text: &str, form: &str) -> Option<Vec<i64>> {
    let is_alike = |(a, b): (char, char)| if b == '0' { a.is_ascii_digit() } else { a == b };
    let is_formed = text.len() == form.len() && text.chars().zip(form.chars()).all(is_alike);
    let numbers = text.split(|c: char| !c.is_ascii_digit());
    is_formed.then(|| numbers.map(|number| number.parse().unwrap()).collect())
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn month_days(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn year_days(year: i64) -> i64 {
    365 + i64::from(is_leap(year))
}

/// Days since the first of January of the year 1, a Monday.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let years: i64 = (1..year).map(year_days).sum();
    let months: i64 = (1..month).map(|month| month_days(year, month)).sum();
    years + months + day - 1
}

fn date(mut days: i64) -> (i64, i64, i64) {
    let (mut year, mut month) = (1, 1);
    while days >= year_days(year) {
        days -= year_days(year);
        year += 1;
    }
    while days >= month_days(year, month) {
        days -= month_days(year, month);
        month += 1;
    }
    (year, month, days + 1)
}

/// The ISO week: that of the week's Thursday, counted from the Thursday's first of January.
fn week(days: i64) -> i64 {
    let thursday = days - days.rem_euclid(7) + 3;
    let (year, _, _) = date(thursday);
    (thursday - days_before(year, 1, 1)) / 7 + 1
}

#[test]
fn parts_of_times() {
    for (text, name, expected) in [
        ("2026-01-02T03:04:05Z", "week", Some(1)),
        ("2027-01-01T00:00:00Z", "week", Some(53)),
        ("2024-12-30T00:00:00Z", "week", Some(1)),
        ("2024-02-29T23:30:00-01:00", "day", Some(1)),
        ("2024-02-29T23:30:00-01:00", "hour", Some(0)),
        ("2024-12-31T23:59:59.999-00:01", "year", Some(2025)),
        ("2023-02-29T00:00:00Z", "day", None),
        ("2026-01-02T03:04:05.Z", "hour", None),
        ("2026-01-02T03:04:05", "hour", None),
        ("three", "hour", None),
    ] {
        assert_eq!(part(text, name), expected, "{text} {name}");
    }
}
