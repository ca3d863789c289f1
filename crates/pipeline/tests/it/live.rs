//! Rules that change while objects are examined, and rules on trial.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use trailloop_finding::Place;
use trailloop_pipeline::examine::{Engine, Worker};
use trailloop_rules::{RuleSet, load};

use crate::world::{engine, gzip, record};

/// A set of one rule for each id and API.
fn rules(wanted: &[(&str, &str)]) -> Arc<RuleSet> {
    let documents: Vec<String> = wanted
        .iter()
        .map(|(id, name)| {
            format!(
                "title: {name}\nid: {id}\nlevel: high\nlogsource: {{product: aws, service: cloudtrail}}\n\
                 detection: {{a: {{eventName: {name}}}, condition: a}}\n"
            )
        })
        .collect();
    let loaded = load("rules.yml", &documents.join("---\n"));
    let set = RuleSet::build(loaded.rules, &[], &mut Vec::new());
    assert_eq!(set.len(), wanted.len());
    Arc::new(set)
}

const ONE: &str = "00000000-0000-4000-8000-000000000001";
const TWO: &str = "00000000-0000-4000-8000-000000000002";
const THREE: &str = "00000000-0000-4000-8000-000000000003";

/// A log object of records, by turns of these names.
fn object(records: usize, names: &[&str]) -> Vec<u8> {
    let records: Vec<Value> = (0..records)
        .map(|nth| record(&format!("event-{nth:04}"), names[nth % names.len()]))
        .collect();
    gzip(json!({ "Records": records }).to_string().as_bytes())
}

/// The rule set and the rule of each finding of one object.
fn examine(worker: &mut Worker, engine: &Engine, object: &[u8]) -> Vec<(String, String)> {
    let place = Place { source: "bucket/key", version: None };
    let mut found = Vec::new();
    let examined = worker.examine(engine, object, place, |finding| {
        let body: Value = serde_json::from_str(&finding.json).unwrap();
        let text = |pointer: &str| body.pointer(pointer).unwrap().as_str().unwrap().to_owned();
        found.push((text("/unmapped/trailloop/rule_set"), text("/finding_info/analytic/uid")));
        ControlFlow::Continue(())
    });
    assert!(examined.read.is_whole());
    found
}

#[test]
fn no_object_is_examined_by_half_of_each_set() {
    const RECORDS: usize = 200;
    const OBJECTS_MIN: usize = 60;
    let engine = engine();
    let sets = [rules(&[(ONE, "StopLogging")]), rules(&[(TWO, "StopLogging")])];
    engine.rules.replace(Arc::clone(&sets[0]));
    let object = object(RECORDS, &["StopLogging"]);
    let (examined, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let seen: Mutex<BTreeSet<String>> = Mutex::default();
    std::thread::scope(|scope| {
        let work = || {
            let mut worker = Worker::default();
            while !stop.load(Ordering::Relaxed) {
                let found = examine(&mut worker, &engine, &object);
                assert_eq!(found.len(), RECORDS, "every record was evaluated once");
                let sets: BTreeSet<&str> = found.iter().map(|(set, _)| set.as_str()).collect();
                assert_eq!(sets.len(), 1, "an object was examined by two sets");
                seen.lock().unwrap().extend(sets.into_iter().map(str::to_owned));
                examined.fetch_add(1, Ordering::Relaxed);
            }
        };
        let workers: Vec<_> = (0..3).map(|_| scope.spawn(work)).collect();
        for nth in 0_usize.. {
            engine.rules.replace(Arc::clone(&sets[nth % 2]));
            std::thread::yield_now();
            // Until both sets have had their turn, or a worker has found a mixture and ended.
            let is_enough = examined.load(Ordering::Relaxed) >= OBJECTS_MIN;
            let had_both = seen.lock().is_ok_and(|seen| seen.len() == sets.len());
            if is_enough && had_both || workers.iter().any(|worker| worker.is_finished()) {
                break;
            }
        }
        stop.store(true, Ordering::Relaxed);
        workers.into_iter().for_each(|worker| worker.join().unwrap());
    });
    let both: BTreeSet<String> = sets.iter().map(|set| set.hash().to_owned()).collect();
    assert_eq!(seen.into_inner().unwrap(), both, "both sets had their turn");
}

#[test]
fn rules_on_trial_are_counted_and_not_sent() {
    let engine = engine();
    let old = rules(&[(ONE, "StopLogging"), (TWO, "DeleteTrail")]);
    let new = rules(&[(ONE, "StopLogging"), (THREE, "UpdateTrail")]);
    engine.rules.replace(Arc::clone(&old));
    let trial = engine.rules.try_out(Arc::clone(&new));
    let object = object(40, &["StopLogging", "DeleteTrail", "UpdateTrail", "DescribeTrails"]);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut worker = Worker::default();
                for _ in 0..5 {
                    let found = examine(&mut worker, &engine, &object);
                    assert!(found.iter().all(|(set, rule)| set == old.hash() && rule != THREE));
                    assert_eq!(found.len(), 20);
                }
            });
        }
    });
    let tally = trial.so_far();
    assert_eq!((tally.records, tally.kept, tally.gained_and_lost()), (400, 100, (100, 100)));
    let of = |uid: &str| tally.differences.get(uid).map(|one| (one.gained, one.lost));
    assert_eq!((of(ONE), of(TWO), of(THREE)), (None, Some((0, 100)), Some((100, 0))));
    assert_eq!(tally.differences[TWO].events, ["event-0001", "event-0005", "event-0009"]);
    assert!(!tally.old_took.is_zero() && !tally.new_took.is_zero());
    engine.rules.replace(new);
    let found = examine(&mut Worker::default(), &engine, &object);
    assert!(found.iter().all(|(_, rule)| rule != TWO) && engine.rules.now().trial.is_none());
    assert_eq!(trial.so_far().records, 400, "the trial is over");
}
