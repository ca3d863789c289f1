//! The times of a record, which are written in one way.

use jiff::Timestamp;

/// A timestamp in Unix milliseconds; none if it can't be read.
pub(crate) fn milliseconds(text: &str) -> Option<i64> {
    usual_milliseconds(text).or_else(|| Some(text.parse::<Timestamp>().ok()?.as_millisecond()))
}

/// The same of a text such as `2026-11-02T09:14:03Z`, as CloudTrail writes nearly all; none of others. A general reader of dates
/// takes longer than the rest of a finding's small members together.
fn usual_milliseconds(text: &str) -> Option<i64> {
    let text: &[u8; 20] = text.as_bytes().try_into().ok()?;
    let &[
        y0,
        y1,
        y2,
        y3,
        b'-',
        mo0,
        mo1,
        b'-',
        d0,
        d1,
        b'T',
        h0,
        h1,
        b':',
        mi0,
        mi1,
        b':',
        s0,
        s1,
        b'Z',
    ] = text
    else {
        return None;
    };
    let digit = |byte: u8| Some(byte.wrapping_sub(b'0')).filter(|digit| *digit < 10).map(i64::from);
    let two = |tens, ones| Some(digit(tens)? * 10 + digit(ones)?);
    let year = two(y0, y1)? * 100 + two(y2, y3)?;
    let (month, day) = (two(mo0, mo1)?, two(d0, d1)?);
    let (hour, minute, second) = (two(h0, h1)?, two(mi0, mi1)?, two(s0, s1)?);
    // Leap seconds and leap days are for the general reader.
    const MONTHS: [i64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let days_of_month = *MONTHS.get(usize::try_from(month - 1).ok()?)?;
    let is_usual = (1970..9999).contains(&year)
        && (1..=days_of_month).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    is_usual.then(|| ((days(year, month, day) * 24 + hour) * 60 + minute) * 60_000 + second * 1000)
}

/// Days since 1970, where years begin in March: then the days before a month are those of months of 30 and 31 days by turns.
fn days(year: i64, month: i64, day: i64) -> i64 {
    const BEFORE_1970: i64 = 719_468;
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - BEFORE_1970
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slowly(text: &str) -> Option<i64> {
        text.parse::<Timestamp>().ok().map(|time| time.as_millisecond())
    }

    #[test]
    fn every_day_is_told() {
        for nth in 0..30_000 {
            let day = i64::from(nth) * 86_400 + 3723;
            let text = Timestamp::from_second(day).unwrap().to_string();
            assert_eq!(milliseconds(&text), Some(day * 1000), "{text}");
            assert_eq!(usual_milliseconds(&text).is_some(), &text[5..10] != "02-29", "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_time_is_told_as_by_the_general_reader(
            text in "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9]Z",
        ) {
            proptest::prop_assert_eq!(milliseconds(&text), slowly(&text), "{}", text);
        }

        #[test]
        fn what_is_nearly_a_time_is_told_as_by_the_general_reader(
            text in "[0-9]{4}[-/][01][0-9][-0][0-3][0-9][T ][0-2x][0-9]:[0-6][0-9]:[0-6][0-9][Z+a0-9.:]{0,7}",
        ) {
            proptest::prop_assert_eq!(milliseconds(&text), slowly(&text), "{}", text);
        }
    }
}
