//! The state of runs in DynamoDB, as a fleet has it: a whole run and its undo, with two workers.

use std::sync::Arc;
use std::time::Duration;

use trailloop_cloud::{AwsOptions, connect, provision};
use trailloop_respond::voices::Judgement;
use trailloop_respond::{Phase, ledger};

use super::aws::{Emulator, MINISTACK, MOTO};
use super::scenes::{self, Ground, Scene};
use super::{changes, kit, run};

async fn a_run_and_its_undo(variable: &str) {
    let Some(aws) = Emulator::new(MINISTACK) else { return };
    let Some(tables) = Emulator::new(variable) else { return };
    let mut kit = kit(Some(&aws), "high").await;
    let options = AwsOptions {
        region: Some("us-east-1".to_owned()),
        endpoint_url: Some(tables.url.clone()),
        path_style: true,
    };
    let clients = connect(options).await.with_keys(tables.key(), "test");
    let name = format!("state-{}", std::process::id());
    provision::create_table(&clients, &name).await.unwrap();
    kit.table = Arc::new(clients.table(name));
    let ground = Ground::new(&kit, Some(aws), format!("{}-{variable}", std::process::id()));
    let Scene { record, look, .. } = scenes::user_key(&ground);
    let before = look();

    // One worker begins, and another goes on where it finds the run.
    let (first, second) = (kit.responder(), kit.responder());
    let id = Box::pin(run(&kit, &first, "contain-iam-user-key", record)).await;
    assert_eq!(kit.run(&id).await.phase, Phase::Verifying);
    assert_ne!(look(), before);
    assert_eq!(changes(&kit, &id).await.len(), 2);
    kit.pass(&second, Duration::from_secs(33 * 60), Duration::from_secs(60)).await;
    let contained = kit.run(&id).await;
    assert_eq!(contained.phase, Phase::Contained, "{:?}", contained.reasons);

    kit.judge(&contained.finding, Judgement::FalsePositive).await;
    kit.sweep(&second).await;
    let undone = kit.run(&id).await;
    assert_eq!(undone.phase, Phase::Undone, "{:?}", undone.reasons);
    assert_eq!(look(), before);
    let audited = ledger::Ledger::new(kit.table.clone(), "auditor").audit(None).await.unwrap();
    assert!(audited.unwrap().lines > 8);
    assert!(kit.runs().await.is_empty(), "nothing is open any more");
}

#[tokio::test]
async fn ministack_keeps_the_state_of_a_run_and_its_undo() {
    Box::pin(a_run_and_its_undo(MINISTACK)).await;
}

#[tokio::test]
async fn moto_keeps_the_state_of_a_run_and_its_undo() {
    Box::pin(a_run_and_its_undo(MOTO)).await;
}
