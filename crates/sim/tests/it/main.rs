//! Three hundred seeds, and the proof that a seed is a run.

use trailloop_sim::{engine, simulate};

const SEEDS: u64 = 300;

#[test]
fn nothing_is_lost_under_any_of_the_seeds() {
    let engine = engine();
    let (mut faults, mut kills, mut drains, mut parked, mut findings) = (0, 0, 0, 0, 0);
    for seed in 0..SEEDS {
        let outcome = simulate(seed, &engine);
        faults += outcome.faults;
        kills += outcome.kills;
        drains += outcome.drains;
        parked += outcome.parked;
        findings += outcome.findings.len();
    }
    println!(
        "{SEEDS} seeds: {faults} faults, {kills} kills, {drains} drains, {parked} parked, {findings} findings"
    );
    // A simulation in which nothing happens proves nothing.
    assert!(faults > 1000 && kills > 100 && drains > 100 && parked > 100 && findings > 3000);
}

#[test]
fn a_seed_is_a_run() {
    let engine = engine();
    for seed in [3, 77, 4711] {
        assert_eq!(simulate(seed, &engine), simulate(seed, &engine));
    }
}
