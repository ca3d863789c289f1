//! Scheduled queries: windows that follow each other whatever happens to those who ask, and findings that come once.

mod world;

use std::time::Duration;

use serde_json::json;
use trailloop_cloud::{
    CloudErrorKind, Expected, Fault, FaultPlan, FaultRate, Operation, Table, Written,
};
use trailloop_query::Tallied;

use self::world::*;
use crate::kit::{key, runtime};

#[test]
fn windows_follow_one_another_and_are_committed() {
    let world =
        World::new("2026-01-31T10:20:00Z", ("2026-01-31T09:00:00Z", "2026-01-31T12:00:00Z"));
    let runner = world.runner("one", vec![query("events", "every: 15m, lag: 20m")], None);
    runtime().block_on(async {
        let mut running = Running::default();
        running.start(&runner);
        world.done("events", "2026-01-31T10:00:00Z").await;
        world.assert_found("2026-01-31T09:45:00Z", "2026-01-31T10:00:00Z");
        world.advance(14);
        world.advance(1);
        world.done("events", "2026-01-31T10:15:00Z").await;
        // Three at once, after a pause.
        world.advance(45);
        world.done("events", "2026-01-31T11:00:00Z").await;
        running.stop().await;
        world.assert_found("2026-01-31T09:45:00Z", "2026-01-31T11:00:00Z");
        let (_, row) = world.row("events").await.unwrap();
        assert_eq!(row["holder"], "", "the lease is given back");
        let Tallied { windows, findings, rows, failures, objects, records, bytes_raw, .. } =
            tally(&runner, "events");
        assert_eq!((windows, findings, rows, failures), (5, 75, 75, 0));
        assert!(objects >= 5 && records >= 75 && bytes_raw > 0);
    });
}

#[test]
fn what_was_missed_for_too_long_is_given_up_and_counted() {
    let world =
        World::new("2026-01-31T10:20:00Z", ("2026-01-31T09:00:00Z", "2026-01-31T23:00:00Z"));
    let every = query("events", "every: 15m, lag: 20m, catch_up: 3");
    let runner = world.runner("one", vec![every], None);
    runtime().block_on(async {
        let mut running = Running::default();
        running.start(&runner);
        world.done("events", "2026-01-31T10:00:00Z").await;
        world.advance(120);
        world.done("events", "2026-01-31T12:00:00Z").await;
        running.stop().await;
    });
    let Tallied { windows, windows_given_up, .. } = tally(&runner, "events");
    assert_eq!((windows, windows_given_up), (1 + 3, 5));
    let found = world.found();
    assert!(
        found.contains_key("2026-01-31T09:45:00Z") && found.contains_key("2026-01-31T11:15:00Z")
    );
    assert!(!found.keys().any(|time| {
        (second("2026-01-31T10:00:00Z")..second("2026-01-31T11:15:00Z")).contains(&second(time))
    }));
}

#[test]
fn cron_and_a_restart_leave_no_gap() {
    let world =
        World::new("2026-01-30T03:21:00Z", ("2026-01-29T00:00:00Z", "2026-02-02T06:00:00Z"));
    let nightly = || vec![query("events", "cron: 0 3 * * mon-fri, lag: 20m")];
    runtime().block_on(async {
        let mut running = Running::default();
        running.start(&world.runner("one", nightly(), None));
        world.done("events", "2026-01-30T03:00:00Z").await;
        running.stop().await;
        world.advance(3 * 24 * 60);
        // The one that is started anew finds the weekend in one window.
        let mut running = Running::default();
        running.start(&world.runner("two", nightly(), None));
        world.done("events", "2026-02-02T03:00:00Z").await;
        running.stop().await;
    });
    world.assert_found("2026-01-29T03:00:00Z", "2026-02-02T03:00:00Z");
}

#[test]
fn a_lease_is_waited_for_and_taken_over_when_it_ends() {
    let world =
        World::new("2026-01-31T10:20:00Z", ("2026-01-31T09:00:00Z", "2026-01-31T12:00:00Z"));
    let runner = world.runner("one", vec![query("events", "every: 15m, lag: 20m")], None);
    runtime().block_on(async {
        // Killed while it held the lease.
        let until_ms = 1000 * second("2026-01-31T10:21:00Z");
        let row = json!({"done": second("2026-01-31T09:45:00Z"), "holder": "killed", "until_ms": until_ms, "failures": 0, "not_before_ms": 0});
        world.table.put(&World::row_key("events"), &row.to_string(), Expected::Absent).await.unwrap();
        let mut running = Running::default();
        running.start(&runner);
        world.clock.advance(Duration::from_secs(59));
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        assert_eq!(world.row("events").await.unwrap().1, row, "the lease is respected");
        world.clock.advance(Duration::from_secs(1));
        world.done("events", "2026-01-31T10:00:00Z").await;
        running.stop().await;
    });
    world.assert_found("2026-01-31T09:45:00Z", "2026-01-31T10:00:00Z");
}

#[test]
fn a_lease_is_renewed_while_a_query_runs_and_who_lost_it_commits_nothing() {
    let world =
        World::new("2026-01-31T10:20:00Z", ("2026-01-31T09:00:00Z", "2026-01-31T12:00:00Z"));
    let runner = world.runner("one", vec![query("events", "every: 15m, lag: 20m")], None);
    runtime().block_on(async {
        world.gate.forget_permits(64);
        let mut running = Running::default();
        running.start(&runner);
        let held_until = async || match world.row("events").await {
            Some((_, row)) if row["holder"] == "one" => row["until_ms"].as_i64().unwrap(),
            _ => 0,
        };
        until(async || held_until().await > 0).await;
        let first = held_until().await;
        // Three leases long.
        for _ in 0..9 {
            let before = held_until().await;
            world.clock.advance(LEASE / 3);
            until(async || held_until().await > before).await;
        }
        assert!(held_until().await >= first + 3 * 60_000);
        // Somebody else has it now, as if we had been frozen.
        let (version, mut row) = world.row("events").await.unwrap();
        row["holder"] = "two".into();
        row["until_ms"] = (held_until().await + 600_000).into();
        let taken = world
            .table
            .put(&World::row_key("events"), &row.to_string(), Expected::Version(version))
            .await
            .unwrap();
        assert!(matches!(taken, Written::Done(_)));
        world.clock.advance(LEASE / 3);
        until(async || tally(&runner, "events").leases_lost == 1).await;
        world.gate.add_permits(64);
        running.stop().await;
        assert_eq!(world.row("events").await.unwrap().1, row, "nothing is committed");
    });
    assert!(world.queue.is_empty());
}

#[test]
fn a_stop_leaves_the_window_to_the_next_and_gives_the_lease_back() {
    let world =
        World::new("2026-01-31T10:20:00Z", ("2026-01-31T09:00:00Z", "2026-01-31T12:00:00Z"));
    let events = || vec![query("events", "every: 15m, lag: 20m")];
    runtime().block_on(async {
        world.gate.forget_permits(64);
        let mut running = Running::default();
        running.start(&world.runner("one", events(), None));
        until(async || world.row("events").await.is_some_and(|(_, row)| row["holder"] == "one"))
            .await;
        running.stop().await;
        let (_, row) = world.row("events").await.unwrap();
        assert_eq!(
            (&row["holder"], &row["done"]),
            (&json!(""), &json!(second("2026-01-31T09:45:00Z")))
        );
        assert!(world.queue.is_empty());
        world.gate.add_permits(64);
        // The window is asked about although it is no longer the last one that is closed.
        world.advance(15);
        let mut running = Running::default();
        running.start(&world.runner("two", events(), None));
        world.done("events", "2026-01-31T10:15:00Z").await;
        running.stop().await;
    });
    world.assert_found("2026-01-31T09:45:00Z", "2026-01-31T10:15:00Z");
}

#[test]
fn a_query_that_fails_waits_and_holds_up_no_other() {
    let world =
        World::new("2026-01-31T10:20:00Z", ("2026-01-31T09:00:00Z", "2026-01-31T12:00:00Z"));
    let mut dear = query("dear", "every: 15m, lag: 20m");
    let sql = dear.sql.replace("eventtime >= :from", "coalesce(eventtime, '') >= :from");
    dear.prepared = trailloop_query::Prepared::parse(
        &sql.replace("eventtime < :to", "coalesce(eventtime, '') < :to"),
    )
    .unwrap();
    let small = query("events", "every: 15m, lag: 20m");
    // Enough for the objects of two days, and not for all of them.
    let bytes: Vec<u64> = runtime().block_on(async {
        let store = &world.small.archive.sources[0].store;
        let page = store.list("logs", "", None).await.unwrap();
        page.objects.iter().map(|one| one.bytes).collect()
    });
    world.small.put(&key("111122223333", "eu-west-1", "2025/06/01", "x"), &[]);
    let runner = world.runner("one", vec![dear, small], Some(bytes.iter().sum()));
    runtime().block_on(async {
        let mut running = Running::default();
        running.start(&runner);
        world.done("events", "2026-01-31T10:00:00Z").await;
        until(async || tally(&runner, "dear").failures == 1).await;
        until(async || world.row("dear").await.is_some_and(|(_, row)| row["holder"] == "")).await;
        let (_, row) = world.row("dear").await.unwrap();
        assert_eq!(
            (&row["failures"], &row["done"]),
            (&json!(1), &json!(second("2026-01-31T09:45:00Z")))
        );
        let begun = 1000 * second("2026-01-31T10:20:00Z");
        assert_eq!(row["not_before_ms"], begun + 30_000);
        world.clock.advance(Duration::from_secs(30));
        until(async || tally(&runner, "dear").failures == 2).await;
        until(async || {
            world.row("dear").await.is_some_and(|(_, row)| row["not_before_ms"] == begun + 90_000)
        })
        .await;
        running.stop().await;
    });
    world.assert_found("2026-01-31T09:45:00Z", "2026-01-31T10:00:00Z");
}

#[test]
fn a_window_is_committed_when_every_finding_is_accepted() {
    let mut world =
        World::new("2026-01-31T10:20:00Z", ("2026-01-31T09:00:00Z", "2026-01-31T12:00:00Z"));
    let fails = Fault::Fails(CloudErrorKind::Transient);
    let fault =
        |call| trailloop_cloud::ScriptedFault { operation: Operation::Send, call, fault: fails };
    world.faults = FaultPlan::script([fault(3)]);
    let runner = world.runner("one", vec![query("events", "every: 15m, lag: 20m")], None);
    runtime().block_on(async {
        let mut running = Running::default();
        running.start(&runner);
        until(async || tally(&runner, "events").failures == 1).await;
        until(async || world.row("events").await.is_some_and(|(_, row)| row["holder"] == "")).await;
        assert_eq!(world.row("events").await.unwrap().1["done"], second("2026-01-31T09:45:00Z"));
        assert_eq!(world.queue.len(), 14);
        world.clock.advance(Duration::from_secs(30));
        world.done("events", "2026-01-31T10:00:00Z").await;
        running.stop().await;
    });
    assert_eq!(world.queue.len(), 15);
    world.assert_found("2026-01-31T09:45:00Z", "2026-01-31T10:00:00Z");
}

#[test]
fn no_more_rows_are_taken_than_may_be_and_the_window_is_finished() {
    let mut world =
        World::new("2026-01-31T10:20:00Z", ("2026-01-31T09:00:00Z", "2026-01-31T12:00:00Z"));
    world.rows_max = 10;
    let runner = world.runner("one", vec![query("events", "every: 15m, lag: 20m")], None);
    runtime().block_on(async {
        let mut running = Running::default();
        running.start(&runner);
        world.done("events", "2026-01-31T10:00:00Z").await;
        running.stop().await;
    });
    world.assert_found("2026-01-31T09:45:00Z", "2026-01-31T09:55:00Z");
}

#[test]
fn an_object_that_can_t_be_read_is_tried_again_and_then_told() {
    let world =
        World::new("2026-01-31T10:20:00Z", ("2026-01-31T09:00:00Z", "2026-01-31T12:00:00Z"));
    let damaged = key("111122223333", "eu-west-1", "2026/01/31", "damaged");
    world.small.put_bytes(&damaged, b"\x1f\x8b\x08 no gzip".to_vec());
    let runner = world.runner("one", vec![query("events", "every: 15m, lag: 20m")], None);
    runtime().block_on(async {
        let mut running = Running::default();
        running.start(&runner);
        for failures in 1..=3 {
            until(async || tally(&runner, "events").failures == failures).await;
            until(async || {
                world.row("events").await.is_some_and(|(_, row)| row["failures"] == failures)
            })
            .await;
            assert!(world.queue.is_empty());
            world.advance(2);
        }
        world.done("events", "2026-01-31T10:00:00Z").await;
        running.stop().await;
    });
    world.assert_found("2026-01-31T09:45:00Z", "2026-01-31T10:00:00Z");
}

/// Three runners on one table, under faults of table and queue, killed and started again at any point.
#[test]
fn a_fleet_under_faults_and_kills_finds_each_event_once() {
    let (mut fired, mut kills) = (0, 0);
    for seed in 0..6 {
        let mut world =
            World::new("2026-01-31T10:20:00Z", ("2026-01-31T09:00:00Z", "2026-01-31T15:00:00Z"));
        let rates = [
            (Operation::GetRow, Fault::Fails(CloudErrorKind::Transient), 30),
            (Operation::PutRow, Fault::Fails(CloudErrorKind::Transient), 50),
            (Operation::PutRow, Fault::DoneButFails, 100),
            (Operation::Send, Fault::DoneButFails, 10),
            (Operation::Send, Fault::Fails(CloudErrorKind::Transient), 10),
        ];
        let rate = |(operation, fault, per_mille)| FaultRate { operation, fault, per_mille };
        world.faults = FaultPlan::seeded(seed, rates.map(rate));
        let every = || vec![query("events", "every: 15m, lag: 20m, catch_up: 1000")];
        let mut random = fastrand::Rng::with_seed(seed);
        runtime().block_on(async {
            let mut running = Running::default();
            let mut handles = Vec::new();
            for nth in 0..3 {
                handles.push(running.start(&world.runner(&format!("{seed}-{nth}"), every(), None)));
            }
            for round in 0..40 {
                world.advance(random.i64(1..12));
                tokio::time::sleep(Duration::from_micros(random.u64(0..6000))).await;
                let victim = random.usize(0..3);
                handles[victim].abort();
                kills += 1;
                let holder = format!("{seed}-{round}-{victim}");
                handles[victim] = running.start(&world.runner(&holder, every(), None));
            }
            world.faults.heal();
            // Until the leases of the killed have ended, and what failed is tried again.
            let end = second("2026-01-31T14:00:00Z");
            until(async || {
                let done =
                    world.row("events").await.map_or(0, |(_, row)| row["done"].as_i64().unwrap());
                let now = world.clock_second();
                if now < end + 20 * MINUTE {
                    world.advance(1);
                } else if done < end {
                    world.clock.advance(Duration::from_secs(10));
                }
                done >= end && done + 35 * MINUTE > world.clock_second()
            })
            .await;
            running.stop().await;
        });
        fired += world.faults.fired_total();
        let done = world.small.block_on(world.row("events")).unwrap().1["done"].as_i64().unwrap();
        world.assert_found("2026-01-31T09:45:00Z", &shown(done));
    }
    assert!(fired > 20 && kills == 240, "{fired} faults, {kills} kills");
}
