//! What sixty simulated days have to show, over many seeds: quieter, no attack hidden, attacks on top, better calibrated.

use crate::sixty_days::outcome::{Outcome, Summary};
use crate::sixty_days::{Setup, chart, run};

/// The outcomes of seeds, on two threads.
fn outcomes(labels: f64, seeds: std::ops::Range<u64>) -> Vec<Outcome> {
    let half = seeds.start + (seeds.end - seeds.start) / 2;
    let of = |seeds: std::ops::Range<u64>| -> Vec<Outcome> {
        seeds.map(|seed| run(Setup { seed, labels })).collect()
    };
    std::thread::scope(|scope| {
        let second = scope.spawn(move || of(half..seeds.end));
        let mut outcomes = of(seeds.start..half);
        outcomes.extend(second.join().unwrap());
        outcomes
    })
}

#[test]
fn fifty_seeds_are_quieter_and_hide_no_attack() {
    let outcomes = outcomes(1.0, 0..50);
    let summary = Summary::of(&outcomes);
    assert_eq!((summary.seeds, summary.hidden), (50, 0), "{summary}");
    assert!(summary.attacks > 500 && summary.merged > 500, "{summary}");
    // Some seeds have attackers on the hosts of many automations, which then stay visible, as they should.
    assert!(summary.reduction_mean >= 70.0 && summary.reduction_least > 55.0, "{summary}");
    assert!(summary.top_last > summary.top_first, "{summary}");
    assert!(summary.top > summary.top_by_level_all, "{summary}");
    assert!(summary.brier < summary.brier_by_level, "{summary}");
}

#[test]
fn few_labels_hide_no_attack_either() {
    let summary = Summary::of(&outcomes(0.1, 0..8));
    assert!(summary.attacks > 80 && summary.hidden == 0, "{summary}");
    // Too little is known for filters, and still the order is better than that of levels.
    assert!(summary.top_last > summary.top_by_level, "{summary}");
    assert!(summary.brier < summary.brier_by_level, "{summary}");
}

#[test]
fn a_seed_gives_the_same_days_twice() {
    let once = outcomes(1.0, 7..8);
    assert_eq!(once, outcomes(1.0, 7..8));
    let summary = Summary::of(&once);
    assert!(chart::svg(&once).ends_with("</svg>\n"));
    assert!(chart::markdown(&once, &summary).contains("| 55 to 59 |"));
}
