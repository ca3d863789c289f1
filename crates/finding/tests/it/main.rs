//! Findings against the shipped logs, and what they allocate.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod allocation;
mod shared;

use trailloop_finding::{Analytic, Level, Origin, Place, Rendered};

const ORIGIN: Origin<'static> = Origin {
    place: Place { source: "trail/AWSLogs/x.json.gz", version: None },
    rule_set: "5e7",
    enrichment: &[],
};

fn analytic(name: &str) -> Analytic {
    Analytic {
        uid: format!("id of {name}"),
        name: name.to_owned(),
        level: Level::High,
        description: Some("Someone did \"something\".".to_owned()),
        author: Some("Trailloop".to_owned()),
        tags: vec!["attack.persistence".to_owned(), "attack.t1098.001".to_owned()],
        references: vec!["https://docs.aws.amazon.com/".to_owned()],
        falsepositives: Vec::new(),
        status: Some("test".to_owned()),
        license: None,
        runbook: Some("Undo it.".to_owned()),
        hash: "0b".repeat(32),
        rendered: Rendered::default(),
    }
}
