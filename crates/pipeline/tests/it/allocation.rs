//! Steady state allocates nothing until a rule matches.

use serde_json::json;
use trailloop_finding::Place;
use trailloop_pipeline::examine::Worker;

use crate::world::{engine, gzip, record};

#[test]
fn a_second_object_of_the_same_shape_allocates_nothing() {
    let engine = engine();
    let records: Vec<_> = (0..500).map(|nth| record(&nth.to_string(), "DescribeTrails")).collect();
    let object = gzip(json!({ "Records": records }).to_string().as_bytes());
    let place = Place { source: "trail/key", version: None };
    let mut worker = Worker::default();
    let first = worker.examine(&engine, &object, place);
    assert_eq!(first.records_evaluated, 500);
    let mut evaluated = 0;
    let counted = allocation_counter::measure(|| {
        evaluated = worker.examine(&engine, &object, place).records_evaluated;
    });
    assert_eq!(evaluated, 500);
    assert_eq!(counted.count_total, 0);
}

#[test]
fn a_match_is_what_allocates() {
    let engine = engine();
    let object = gzip(json!({"Records": [record("e", "StopLogging")]}).to_string().as_bytes());
    let place = Place { source: "trail/key", version: None };
    let mut worker = Worker::default();
    worker.examine(&engine, &object, place);
    let counted = allocation_counter::measure(|| {
        worker.examine(&engine, &object, place);
    });
    assert!(counted.count_total > 0, "the counter counts");
}
