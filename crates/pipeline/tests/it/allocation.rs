//! Steady state allocates nothing until a rule matches.

use std::ops::ControlFlow;

use serde_json::json;
use trailloop_finding::Place;
use trailloop_pipeline::examine::{Engine, Examined, Worker};

use crate::world::{engine, gzip, record};

fn examine(worker: &mut Worker, engine: &Engine, object: &[u8]) -> Examined {
    let place = Place { source: "trail/key", version: None };
    worker.examine(engine, object, place, |_| ControlFlow::Continue(()))
}

/// Examines the same object twice, and counts what the second time allocates.
fn second_time(id: &str) -> (Examined, u64) {
    let engine = engine();
    let records: Vec<_> =
        (0..500).map(|nth| record(&format!("{id}{nth}"), "DescribeTrails")).collect();
    let object = gzip(json!({ "Records": records }).to_string().as_bytes());
    let mut worker = Worker::default();
    examine(&mut worker, &engine, &object);
    let mut examined = Examined::default();
    let counted = allocation_counter::measure(|| {
        examined = examine(&mut worker, &engine, &object);
    });
    (examined, counted.count_total)
}

#[test]
fn a_second_object_of_the_same_shape_allocates_nothing() {
    let (examined, allocations) = second_time("");
    assert_eq!((examined.records_evaluated, examined.read.passed_over), (500, 500));
    assert_eq!(allocations, 0);
}

#[test]
fn nor_does_one_whose_records_are_parsed() {
    // What is beyond ASCII can't be told by a glance.
    let (examined, allocations) = second_time("\u{e9}");
    assert_eq!((examined.records_evaluated, examined.read.passed_over), (500, 0));
    assert_eq!(allocations, 0);
}

#[test]
fn a_match_is_what_allocates() {
    let engine = engine();
    let object = gzip(json!({"Records": [record("e", "StopLogging")]}).to_string().as_bytes());
    let mut worker = Worker::default();
    examine(&mut worker, &engine, &object);
    let counted = allocation_counter::measure(|| {
        examine(&mut worker, &engine, &object);
    });
    assert!(counted.count_total > 0, "the counter counts");
}
