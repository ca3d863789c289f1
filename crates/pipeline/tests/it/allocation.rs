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

#[test]
fn a_second_object_of_the_same_shape_allocates_nothing() {
    let engine = engine();
    let records: Vec<_> = (0..500).map(|nth| record(&nth.to_string(), "DescribeTrails")).collect();
    let object = gzip(json!({ "Records": records }).to_string().as_bytes());
    let mut worker = Worker::default();
    let first = examine(&mut worker, &engine, &object);
    assert_eq!(first.records_evaluated, 500);
    let mut evaluated = 0;
    let counted = allocation_counter::measure(|| {
        evaluated = examine(&mut worker, &engine, &object).records_evaluated;
    });
    assert_eq!(evaluated, 500);
    assert_eq!(counted.count_total, 0);
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
