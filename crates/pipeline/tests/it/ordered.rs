//! Replay gives results in order, whatever finishes first.

use std::sync::Arc;

use serde_json::{Value, json};
use trailloop_pipeline::replay::{Body, Fetched, Replayed, replay};

use crate::world::{engine, record};

fn object(nth: usize) -> Vec<u8> {
    // Every seventh object is a thousand times longer, so the others overtake it.
    let records = if nth.is_multiple_of(7) { 1000 } else { 1 };
    let records: Vec<_> =
        (0..records).map(|one| record(&format!("{nth}-{one}"), "StopLogging")).collect();
    json!({ "Records": records }).to_string().into_bytes()
}

#[test]
fn results_come_in_order_for_any_number_of_jobs() {
    let engine = engine();
    let sources: Vec<usize> = (0..100).collect();
    let run = |jobs: usize| {
        let mut uids = Vec::new();
        let mut order = Vec::new();
        let fetch = |_, nth: &usize, buffer: &mut Vec<u8>| match nth {
            50 => Err("gone".to_owned()),
            nth if nth.is_multiple_of(2) => {
                let body = Body::Bytes(object(*nth).into());
                Ok(Fetched { body, version: None })
            }
            nth => {
                buffer.extend_from_slice(&object(*nth));
                Ok(Fetched { body: Body::Buffer, version: None })
            }
        };
        replay(
            &engine,
            &sources,
            jobs,
            |nth| format!("bucket/{nth}"),
            fetch,
            |nth, replayed| {
                match replayed {
                    Replayed::Findings(lines) => {
                        assert_eq!(nth, order.len(), "its findings come before its end");
                        let finding = |line: &str| {
                            let finding: Value = serde_json::from_str(line).unwrap();
                            finding["metadata"]["uid"].as_str().unwrap().to_owned()
                        };
                        let before = uids.len();
                        let text = std::str::from_utf8(lines.text.as_bytes()).unwrap();
                        uids.extend(text.lines().map(finding));
                        assert_eq!(lines.count, (uids.len() - before) as u64);
                        return true;
                    }
                    Replayed::Examined { .. } => {}
                    Replayed::Failed(error) => assert_eq!((nth, error.as_str()), (50, "gone")),
                }
                order.push(nth);
                true
            },
        );
        assert_eq!(order, sources);
        uids
    };
    let one = run(1);
    assert_eq!(one.len(), 15 * 1000 + 84);
    assert_eq!(run(8), one);
}

#[test]
fn a_sink_that_has_enough_ends_the_replay() {
    let engine = Arc::clone(&engine());
    let sources: Vec<usize> = (0..10_000).collect();
    let mut taken = 0;
    let fetch = |_, _: &usize, buffer: &mut Vec<u8>| {
        buffer.extend_from_slice(b"{\"Records\":[]}");
        Ok(Fetched { body: Body::Buffer, version: None })
    };
    replay(&engine, &sources, 4, ToString::to_string, fetch, |_, _| {
        taken += 1;
        taken < 10
    });
    assert_eq!(taken, 10);
}

#[test]
#[should_panic(expected = "as a sink of findings may")]
fn a_panic_of_the_sink_is_none_of_the_object() {
    let fetch = |_, nth: &usize, buffer: &mut Vec<u8>| {
        buffer.extend_from_slice(&object(*nth));
        Ok(Fetched { body: Body::Buffer, version: None })
    };
    // The first object has more findings than a batch takes, so they are handed on while it is examined.
    replay(&engine(), &[0, 1, 2], 2, ToString::to_string, fetch, |nth, replayed| match replayed {
        Replayed::Findings(_) => panic!("as a sink of findings may"),
        Replayed::Examined { .. } => true,
        Replayed::Failed(error) => unreachable!("object {nth}: {error}"),
    });
}
