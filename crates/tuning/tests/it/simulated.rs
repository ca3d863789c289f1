//! What sixty simulated days have to show.

use crate::sixty_days::outcome::{Outcome, Summary};
use crate::sixty_days::{Setup, chart, run};

fn outcomes(labels: f64, seeds: std::ops::Range<u64>) -> Vec<Outcome> {
    seeds.map(|seed| run(Setup { seed, labels })).collect()
}

#[test]
fn a_seed_gives_the_same_days_twice_and_hides_no_attack() {
    let outcomes = outcomes(1.0, 0..1);
    assert_eq!(outcomes[0], run(Setup { seed: 0, labels: 1.0 }));
    let summary = Summary::of(&outcomes);
    assert_eq!(summary.hidden, 0, "{summary}");
    assert!(chart::svg(&outcomes).ends_with("</svg>\n"));
    assert!(chart::markdown(&outcomes, &summary).contains("| 55 to 59 |"));
}
