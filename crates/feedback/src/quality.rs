//! How good an order and its probabilities are, once the truth is known.

use crate::posterior::{count, within};

/// The mean squared distance of probabilities from what came true (Brier, 1950): 0 is best, .25 is what a coin gets. None without
/// any.
#[must_use]
pub fn brier(said: &[(f64, bool)]) -> Option<f64> {
    let square = |(probability, is_true): &(f64, bool)| {
        let distance = within(*probability, 0.0, 1.0) - f64::from(u8::from(*is_true));
        distance * distance
    };
    (!said.is_empty()).then(|| said.iter().map(square).sum::<f64>() / count(said.len() as u64))
}

/// How many of the first so many in a queue are attacks.
#[must_use]
pub fn hits_in_top(queue: &[bool], top: usize) -> usize {
    queue.iter().take(top).filter(|is_attack| **is_attack).count()
}

/// How near a queue's first so many come to the best order (Järvelin and Kekäläinen, 2002), with gain 1 for an attack: 1 is best. None
/// if there is no attack to be found.
#[must_use]
pub fn ndcg(queue: &[bool], top: usize) -> Option<f64> {
    let attacks = queue.iter().filter(|is_attack| **is_attack).count();
    let gain = |place: usize| 1.0 / count(place as u64 + 2).log2();
    let best: f64 = (0..attacks.min(top)).map(gain).sum();
    let places = queue.iter().take(top).enumerate().filter(|(_, is_attack)| **is_attack);
    let got: f64 = places.map(|(place, _)| gain(place)).sum();
    (best > 0.0).then(|| got / best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        assert_eq!(brier(&[]), None);
        let near = |one: Option<f64>, other: f64| assert!((one.unwrap() - other).abs() < 1e-9);
        near(brier(&[(0.5, true), (0.5, false)]), 0.25);
        near(brier(&[(1.0, true), (0.2, false)]), 0.02);
        let queue = [false, true, true, false];
        assert_eq!(hits_in_top(&queue, 2), 1);
        near(ndcg(&[true, true, false], 20), 1.0);
        // 1/log2(3) and 1/log2(4), of 1 and 1/log2(3).
        let best = 1.0 + 1.0 / f64::log2(3.0);
        near(ndcg(&queue, 20), (1.0 / f64::log2(3.0) + 0.5) / best);
        assert_eq!(ndcg(&[false], 20), None);
        assert_eq!(ndcg(&queue, 0), None);
    }
}
