//! The Beta distribution: how sure one can be of a share after having seen so many.
//!
//! The incomplete beta function is a continued fraction (DLMF 8.17.22, <https://dlmf.nist.gov/8.17>), the gamma function
//! Lanczos's approximation with g = 7 and nine terms; quantiles are found by halving, which cannot go astray.

/// Parameters are kept inside these, so that no history makes the sums below lose their digits.
const PARAMETER_MIN: f64 = 1e-6;
const PARAMETER_MAX: f64 = 1e9;

/// The most terms of the continued fraction: it takes about as many as the root of the greater parameter.
const TERMS_MAX: u32 = 100_000;

/// Halving an interval of length one so often leaves less than a double can tell.
const HALVINGS: u32 = 60;

/// A parameter within what is computed with.
pub(crate) fn bounded(parameter: f64) -> f64 {
    match parameter.is_finite() {
        true => parameter.clamp(PARAMETER_MIN, PARAMETER_MAX),
        false => PARAMETER_MIN,
    }
}

/// The probability that a Beta(a, b) variable is at most `x`.
pub(crate) fn cumulative(x: f64, a: f64, b: f64) -> f64 {
    if x.is_nan() || x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    let front = ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (-x).ln_1p();
    // The fraction converges quickly on this side of the mean alone.
    let below = x < (a + 1.0) / (a + b + 2.0);
    let value = match below {
        true => front.exp() * fraction(x, a, b) / a,
        false => 1.0 - front.exp() * fraction(1.0 - x, b, a) / b,
    };
    value.clamp(0.0, 1.0)
}

/// The value that a Beta(a, b) variable stays below with this probability.
pub(crate) fn quantile(probability: f64, a: f64, b: f64) -> f64 {
    let (mut low, mut high) = (0.0_f64, 1.0_f64);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        match cumulative(middle, a, b) < probability {
            true => low = middle,
            false => high = middle,
        }
    }
    f64::midpoint(low, high)
}

/// The continued fraction by Lentz's method.
fn fraction(x: f64, a: f64, b: f64) -> f64 {
    /// What stands for zero in a denominator.
    const TINY: f64 = 1e-300;
    let away_from_zero = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut value = d;
    for term in 1..=TERMS_MAX {
        let m = f64::from(term);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut step = 1.0;
        for numerator in [even, odd] {
            d = 1.0 / away_from_zero(1.0 + numerator * d);
            c = away_from_zero(1.0 + numerator / c);
            step = c * d;
            value *= step;
        }
        if (step - 1.0).abs() < 1e-15 {
            break;
        }
    }
    value
}

/// The logarithm of the gamma function, of a positive number.
fn ln_gamma(x: f64) -> f64 {
    const G: f64 = 7.0;
    const TERMS: [f64; 9] = [
        0.999_999_999_999_809_9,
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    if x < 0.5 {
        // The reflection, which keeps the digits near zero.
        return (std::f64::consts::PI / (std::f64::consts::PI * x).sin()).ln() - ln_gamma(1.0 - x);
    }
    let x = x - 1.0;
    let mut sum = TERMS[0];
    let mut at = x;
    for term in &TERMS[1..] {
        at += 1.0;
        sum += term / at;
    }
    let t = x + G + 0.5;
    0.5 * (2.0 * std::f64::consts::PI).ln() + (x + 0.5) * t.ln() - t + sum.ln()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_gamma_function_at_known_points() {
        let known = [
            (1.0, 1.0),
            (5.0, 24.0),
            (0.5, std::f64::consts::PI.sqrt()),
            (0.25, 3.625_609_908_221_908),
        ];
        for (x, gamma) in known {
            assert!((ln_gamma(x) - f64::ln(gamma)).abs() < 1e-12, "{x}");
        }
    }

    #[test]
    fn distributions_that_have_a_closed_form() {
        for tenth in 0..=10 {
            let x = f64::from(tenth) / 10.0;
            assert!((cumulative(x, 1.0, 1.0) - x).abs() < 1e-13);
            assert!((cumulative(x, 3.0, 1.0) - x.powi(3)).abs() < 1e-13);
            assert!((cumulative(x, 1.0, 4.0) - (1.0 - (1.0 - x).powi(4))).abs() < 1e-13);
        }
        // By the binomial: at least 2 of 3 heads.
        assert!((cumulative(0.5, 2.0, 2.0) - 0.5).abs() < 1e-13);
    }

    proptest! {
        #[test]
        fn a_quantile_is_where_the_distribution_says(
            a in 0.1..5_000.0_f64, b in 0.1..5_000.0_f64, p in 0.01..0.99_f64,
        ) {
            let x = quantile(p, a, b);
            prop_assert!((0.0..=1.0).contains(&x));
            prop_assert!((cumulative(x, a, b) - p).abs() < 1e-6, "{} {}", x, cumulative(x, a, b));
        }

        #[test]
        fn no_number_is_refused(x: f64, a: f64, b: f64) {
            let value = cumulative(x, bounded(a), bounded(b));
            prop_assert!((0.0..=1.0).contains(&value));
        }
    }
}
