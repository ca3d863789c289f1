//! Numbers as rules compare them: integers exactly, fractions as IEEE doubles, and both with each other.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use trailloop_cloudtrail::{Number, NumberValue};

/// A number of a rule or a record. Integers stay integers, so that ids beyond 2^53 are told apart.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Num {
    Int(i128),
    Float(f64),
}

impl Num {
    /// Reads a decimal number as JSON writes it; also `+5`, `.5` and `5.` if `lenient`, as plain YAML writes it, with
    /// its `0x` and `0o`. Not a number, or an infinity: `None`.
    pub(crate) fn parse(text: &str, lenient: bool) -> Option<Self> {
        if lenient {
            let radix = |prefix: &str, radix: u32| {
                text.strip_prefix(prefix)
                    .and_then(|digits| i128::from_str_radix(digits, radix).ok())
            };
            if let Some(value) = radix("0x", 16).or_else(|| radix("0o", 8)) {
                return Some(Self::Int(value));
            }
        } else if !is_json_number(text) {
            return None;
        }
        if !text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte)) {
            return None;
        }
        if let Ok(value) = text.parse() {
            return Some(Self::Int(value));
        }
        let value: f64 = text.parse().ok()?;
        // An integer too long for i128 would be rounded here; it compares as text instead.
        (value.is_finite() && text.contains(['.', 'e', 'E'])).then_some(Self::Float(value))
    }

    /// The number that a text is by value. One beyond what a record's numbers hold by value is compared as text.
    pub(crate) fn of_text(text: &str) -> Option<Self> {
        Self::parse(text, false).filter(|number| number.has_value())
    }

    /// Whether a record could hold the number by value: an integer of 64 bits, or a fraction.
    pub(crate) fn has_value(self) -> bool {
        match self {
            Self::Int(value) => (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&value),
            Self::Float(_) => true,
        }
    }

    /// The value of a record's number; one beyond u64 or f64 has none and compares as text.
    pub(crate) fn of(number: Number<'_>) -> Option<Self> {
        match number.value() {
            NumberValue::I64(value) => Some(Self::Int(value.into())),
            NumberValue::U64(value) => Some(Self::Int(value.into())),
            NumberValue::F64(value) => Some(Self::Float(value)),
            NumberValue::Text => None,
        }
    }

    /// The size of a text that JSON would take for a number, for ordering.
    pub(crate) fn size_of_text(text: &str) -> Option<Self> {
        Self::parse(text, false)
            .or_else(|| is_json_number(text).then(|| text.parse().ok().map(Self::Float))?)
    }

    /// Like [`Num::of`], for ordering: a number that keeps only its text still has a size.
    pub(crate) fn size_of(number: Number<'_>) -> Option<Self> {
        Self::of(number).or_else(|| {
            let text = number.text();
            let integer = text.parse().ok().map(Self::Int);
            integer.or_else(|| text.parse().ok().map(Self::Float))
        })
    }

    /// A text that two numbers share exactly if they are equal by value.
    pub(crate) fn by_value(self) -> String {
        match self {
            Self::Int(value) => value.to_string(),
            // Digits that a float is printed with stand for it, they are not always those of the integer that it is.
            #[expect(clippy::cast_possible_truncation, reason = "the bounds are checked")]
            Self::Float(value) if value.fract() == 0.0 && value.abs() < 1e38 => {
                (value as i128).to_string()
            }
            Self::Float(value) => value.to_string(),
        }
    }

    /// The order of two numbers by value; `None` only for not-a-number.
    pub(crate) fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(&b)),
            (Self::Float(a), Self::Float(b)) => a.partial_cmp(&b),
            (Self::Int(a), Self::Float(b)) => compare_int_float(a, b),
            (Self::Float(a), Self::Int(b)) => compare_int_float(b, a).map(Ordering::reverse),
        }
    }
}

impl std::fmt::Display for Num {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Int(value) => value.fmt(f),
            Self::Float(value) => value.fmt(f),
        }
    }
}

impl PartialEq for Num {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits(),
            _ => false,
        }
    }
}

impl Eq for Num {}

impl Hash for Num {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Int(value) => value.hash(state),
            Self::Float(value) => value.to_bits().hash(state),
        }
    }
}

/// Calls `check` with a number's text, without allocating for the integers that CloudTrail is made of.
pub(crate) fn with_text<T>(number: Number<'_>, check: impl FnOnce(&str) -> T) -> T {
    let (magnitude, negative) = match number.value() {
        NumberValue::I64(value) if value != 0 => (value.unsigned_abs(), value < 0),
        NumberValue::U64(value) if value != 0 => (value, false),
        // Zero may be written as -0; the record's bytes decide, and they are borrowed.
        _ => return check(&number.text()),
    };
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    let mut left = magnitude;
    while left > 0 {
        at -= 1;
        digits[at] = b'0' + u8::try_from(left % 10).unwrap_or_default();
        left /= 10;
    }
    if negative {
        at -= 1;
        digits[at] = b'-';
    }
    check(std::str::from_utf8(&digits[at..]).unwrap_or_default())
}

fn compare_int_float(int: i128, float: f64) -> Option<Ordering> {
    // Beyond this every double is outside i128, and the cast below would saturate.
    const INT_END: f64 = 170_141_183_460_469_231_731_687_303_715_884_105_728.0;
    if float.is_nan() {
        return None;
    }
    if float >= INT_END {
        return Some(Ordering::Less);
    }
    if float < -INT_END {
        return Some(Ordering::Greater);
    }
    #[expect(clippy::cast_possible_truncation, reason = "the bounds are checked above")]
    let whole = float.trunc() as i128;
    Some(
        int.cmp(&whole).then_with(|| {
            float.fract().partial_cmp(&0.0).map_or(Ordering::Equal, Ordering::reverse)
        }),
    )
}

fn is_json_number(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text).as_bytes();
    match unsigned {
        [] => false,
        [b'0', b'0'..=b'9', ..] => false,
        [first, ..] => {
            first.is_ascii_digit()
                && unsigned.last().is_some_and(u8::is_ascii_digit)
                && !text.contains("+.")
                && !text.contains(".e")
                && !text.contains(".E")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_and_floats_compare_exactly() {
        let int = Num::Int;
        let float = Num::Float;
        for (a, b, order) in [
            (int(22), float(22.0), Ordering::Equal),
            (int(22), float(22.5), Ordering::Less),
            (int(-22), float(-22.5), Ordering::Greater),
            (int((1 << 53) + 1), float(9_007_199_254_740_992.0), Ordering::Greater),
            (int(i128::MAX), float(1e300), Ordering::Less),
            (int(i128::MIN), float(-1e300), Ordering::Greater),
            (int(0), float(-0.0), Ordering::Equal),
        ] {
            assert_eq!(a.compare(b), Some(order), "{a:?} {b:?}");
            assert_eq!(b.compare(a), Some(order.reverse()), "{b:?} {a:?}");
        }
        assert_eq!(int(1).compare(float(f64::NAN)), None);
    }

    #[test]
    fn parses_what_json_and_yaml_call_numbers() {
        for (text, lenient, expected) in [
            ("22", false, Some(Num::Int(22))),
            ("22.0", false, Some(Num::Float(22.0))),
            ("1e3", false, Some(Num::Float(1000.0))),
            ("007", false, None),
            ("007", true, Some(Num::Int(7))),
            ("+5", false, None),
            ("+5", true, Some(Num::Int(5))),
            (".5", true, Some(Num::Float(0.5))),
            ("0x1F", true, Some(Num::Int(31))),
            ("inf", true, None),
            ("nan", false, None),
            ("1e400", false, None),
            ("", false, None),
            ("-", false, None),
            ("1.e5", false, None),
            ("abc", false, None),
        ] {
            assert_eq!(Num::parse(text, lenient), expected, "{text}");
        }
    }
}
