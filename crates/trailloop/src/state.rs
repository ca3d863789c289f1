//! The state table of a place: a table of DynamoDB, or a file of SQLite.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use trailloop_cloud::{Aws, AwsOptions, Clock, LocalTable, Table, connect};
use trailloop_query::Engine;
use trailloop_respond::own_tables;

use crate::UsageError;
use crate::config::StatePlace;

/// The table of a service, made if it is a file that is not there.
pub(crate) fn table(place: &StatePlace, aws: &Aws) -> anyhow::Result<Arc<dyn Table>> {
    match place {
        StatePlace::Dynamo(name) => Ok(Arc::new(aws.table(name))),
        StatePlace::File(path) => file(path),
    }
}

/// A file. It needs no word with AWS.
pub(crate) fn file(path: &Path) -> anyhow::Result<Arc<dyn Table>> {
    let table =
        LocalTable::open(path).with_context(|| format!("open the state {}", path.display()))?;
    Ok(Arc::new(table))
}

/// The table of somebody who only reads it.
pub(crate) async fn there(
    place: &StatePlace,
    options: AwsOptions,
) -> anyhow::Result<Arc<dyn Table>> {
    match place {
        StatePlace::File(path) if !path.is_file() => {
            let said = format!(
                "there is no state in {}; name the file of respond.state, or dynamodb:TABLE",
                path.display()
            );
            Err(UsageError(said).into())
        }
        StatePlace::File(path) => file(path),
        StatePlace::Dynamo(name) => Ok(Arc::new(connect(options).await.table(name))),
    }
}

/// The engine with what is kept there as tables.
pub(crate) fn with_own(mut engine: Engine, table: &Arc<dyn Table>) -> Engine {
    for (shape, rows) in own_tables(table, &Clock::System) {
        engine = engine.with_own(shape, rows);
    }
    engine
}
