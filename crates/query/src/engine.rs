//! SQL in, rows out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::StreamExt as _;

use crate::archive::{Archive, Cost, Meter};
use crate::error::QueryError;
use crate::json;
use crate::memory::Pool;
use crate::named::NamedQuery;
use crate::own::{Nobody, OWN_TABLES, OwnRows, OwnShape, OwnTable};
use crate::scan::CloudTrail;
use crate::sql::{Parameters, Prepared};

/// Answers queries over one archive.
#[derive(Clone, Debug)]
pub struct Engine {
    archive: Arc<Archive>,
    memory_bytes_max: Option<usize>,
    /// Who keeps our own tables, by name.
    own: BTreeMap<&'static str, Arc<dyn OwnRows>>,
}

/// Rows on their way.
pub struct Answer {
    /// What is read for them.
    pub meter: Arc<Meter>,
    rows: SendableRecordBatchStream,
}

impl Engine {
    /// An engine over these objects.
    #[must_use]
    pub fn new(archive: Archive) -> Self {
        Self { archive: Arc::new(archive), memory_bytes_max: None, own: BTreeMap::new() }
    }

    /// Bounds what sorts, groups and joins may hold; what can be is put on disk beyond it. What is downloaded before it is read is
    /// at most a quarter of it, beyond the bound that there is anyway.
    #[must_use]
    pub fn with_memory(self, bytes_max: usize) -> Self {
        let mut archive = Archive::clone(&self.archive);
        archive.ahead_bytes_max = archive.ahead_bytes_max.min(bytes_max as u64 / 4);
        Self { archive: Arc::new(archive), memory_bytes_max: Some(bytes_max), ..self }
    }

    /// Says who keeps a table of ours.
    #[must_use]
    pub fn with_own(mut self, shape: OwnShape, rows: Arc<dyn OwnRows>) -> Self {
        self.own.insert(shape.name, rows);
        self
    }

    /// Plans a query, lists the objects that it has to open, and begins to read.
    ///
    /// # Errors
    ///
    /// If the query can't be answered: [`QueryError`] says why and what to do.
    pub async fn ask(&self, query: &Prepared, given: &Parameters) -> Result<Answer, QueryError> {
        let meter = Arc::new(Meter::default());
        let values = query.bind(given)?;
        let context = self.context(&meter)?;
        let of = |error| QueryError::of(&error);
        let plan = context.state().statement_to_plan(query.statement.clone()).await.map_err(of)?;
        let plan = plan.with_param_values(values).map_err(of)?;
        names_differ(&plan)?;
        let plan = context.execute_logical_plan(plan).await.map_err(of)?;
        let (tasks, plan) = (plan.task_ctx(), plan.create_physical_plan().await.map_err(of)?);
        let rows = execute_stream(plan, Arc::new(tasks)).map_err(of)?;
        Ok(Answer { meter, rows })
    }

    /// Plans a query as far as it can be without its objects and the values of its parameters, and gives the names of its columns.
    ///
    /// # Errors
    ///
    /// If it asks for what is not there, or for what does not fit.
    pub async fn plan(&self, query: &Prepared) -> Result<Vec<String>, QueryError> {
        let context = self.context(&Arc::default())?;
        let of = |error| QueryError::of(&error);
        let plan = context.state().statement_to_plan(query.statement.clone()).await.map_err(of)?;
        names_differ(&plan)?;
        let plan = context.state().optimize(&plan).map_err(of)?;
        Ok(plan.schema().fields().iter().map(|field| field.name().clone()).collect())
    }

    /// Plans a kept query, and finds that its answer has the columns by which its rows are told apart.
    ///
    /// # Errors
    ///
    /// If it can't be planned, or lacks such a column.
    pub async fn check(&self, query: &NamedQuery) -> Result<(), QueryError> {
        let columns = self.plan(&query.prepared).await?;
        let key = query.scheduled.iter().flat_map(|scheduled| &scheduled.finding.key);
        match key.into_iter().find(|column| !columns.contains(column)) {
            None => Ok(()),
            Some(missing) => Err(QueryError::Plan(format!(
                "the answer has no column {missing}, by which `finding.key` tells rows apart; it has {}",
                columns.join(", ")
            ))),
        }
    }

    fn context(&self, meter: &Arc<Meter>) -> Result<SessionContext, QueryError> {
        let of = |error| QueryError::of(&error);
        let pool = Pool::new(self.memory_bytes_max, Arc::clone(meter));
        let runtime = RuntimeEnvBuilder::new().with_memory_pool(Arc::new(pool));
        let runtime = runtime.build_arc().map_err(of)?;
        let config = SessionConfig::new().with_target_partitions(self.archive.jobs.max(1));
        let mut context = SessionContext::new_with_config_rt(config, runtime);
        datafusion_functions_json::register_all(&mut context).map_err(of)?;
        json::functions().into_iter().for_each(|function| context.register_udf(function));
        let archive = Arc::clone(&self.archive);
        let table = CloudTrail { archive, meter: Arc::clone(meter) };
        context.register_table("cloudtrail", Arc::new(table)).map_err(of)?;
        for shape in OWN_TABLES {
            let rows = self.own.get(shape.name).cloned().unwrap_or_else(|| Arc::new(Nobody));
            context.register_table(shape.name, Arc::new(OwnTable::new(shape, rows))).map_err(of)?;
        }
        Ok(context)
    }
}

/// Refuses two columns of one name, of which formats that name what they write would lose one.
fn names_differ(plan: &LogicalPlan) -> Result<(), QueryError> {
    let mut names = BTreeSet::new();
    match plan.schema().fields().iter().find(|field| !names.insert(field.name())) {
        Some(twice) => Err(QueryError::Plan(format!(
            "two columns of the answer are named {0}; name one of them otherwise, as in a.{0} AS other",
            twice.name()
        ))),
        None => Ok(()),
    }
}

impl Answer {
    /// The columns of the rows.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        self.rows.schema()
    }

    /// The next rows; `None` after the last.
    ///
    /// # Errors
    ///
    /// If the query fails while it runs.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>, QueryError> {
        self.rows.next().await.transpose().map_err(|error| QueryError::of(&error))
    }

    /// All rows, but no more than so many, and what they cost.
    ///
    /// # Errors
    ///
    /// If the query fails while it runs.
    pub async fn all(mut self, rows_max: usize) -> Result<(Vec<RecordBatch>, Cost), QueryError> {
        let (mut batches, mut left) = (Vec::new(), rows_max);
        while left > 0
            && let Some(batch) = self.next().await?
        {
            let batch = batch.slice(0, batch.num_rows().min(left));
            left -= batch.num_rows();
            batches.push(batch);
        }
        Ok((batches, self.meter.cost()))
    }
}
