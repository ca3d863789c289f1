//! Numbers by value, exactly, from their spelling.

use std::cmp::Ordering;

/// Whether a text is a number as JSON spells them.
pub(crate) fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|text| digits(text.strip_prefix(['+', '-']).unwrap_or(text)))
}

/// Two numbers are one by value. One beyond 64 bits is compared as text, and so is equal to nothing by value.
pub(crate) fn equal(a: &str, b: &str) -> bool {
    fits_64_bits(a) && fits_64_bits(b) && compare(a, b) == Ordering::Equal
}

/// The order of two numbers of any size.
pub(crate) fn compare(a: &str, b: &str) -> Ordering {
    let ((sign_a, size_a), (sign_b, size_b)) = (decimal(a), decimal(b));
    match sign_a.cmp(&sign_b) {
        Ordering::Equal if sign_a < 0 => size_b.cmp(&size_a),
        Ordering::Equal => size_a.cmp(&size_b),
        other => other,
    }
}

fn fits_64_bits(text: &str) -> bool {
    if text.contains(['.', 'e', 'E']) {
        text.parse::<f64>().is_ok_and(f64::is_finite)
    } else {
        text.parse::<i64>().is_ok() || text.parse::<u64>().is_ok()
    }
}

/// The sign, and the size as the exponent and the digits of `0.digits × 10^exponent`, which order as the sizes do.
fn decimal(text: &str) -> (i8, (i64, String)) {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let digits = all.trim_start_matches('0');
    if digits.is_empty() {
        return (0, (0, String::new()));
    }
    let zeros = (all.len() - digits.len()) as i64;
    let exponent = exponent.parse::<i64>().unwrap() + whole.len() as i64 - zeros;
    let sign = if text.starts_with('-') { -1 } else { 1 };
    (sign, (exponent, digits.trim_end_matches('0').to_owned()))
}

#[test]
fn numbers_are_ordered_by_value() {
    let ascending =
        ["-1e400", "-5", "-0.5", "0", "0.05", "0.5", "1", "1.5", "22", "220", "1e3", "1e400"];
    for pair in ascending.windows(2) {
        assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
    }
    assert!(equal("22", "2.2e1") && equal("-0", "0.0") && equal("1.50", "15e-1"));
    assert!(!equal("18446744073709551616", "18446744073709551616"));
    assert!(!equal("9007199254740993", "9007199254740992"));
    assert!(!is_number("022") && !is_number("+2") && !is_number(".5") && is_number("-0.5E+10"));
}
