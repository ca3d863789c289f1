//! The table `cloudtrail`: what DataFusion asks of it, and the threads that read its objects.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::TableType;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
};
use tokio::sync::mpsc::Sender;
use trailloop_cloudtrail::{Scratch, read_wanted};

use crate::archive::{Archive, Cost, Meter};
use crate::columns::SCHEMA;
use crate::error::QueryError;
use crate::listing::{KeyFilter, Listing, list};
use crate::objects::Objects;
use crate::rows::{Projection, Rows};
use crate::wanted::{Demand, Wanted};

/// The table of one query.
#[derive(Debug)]
pub(crate) struct CloudTrail {
    pub(crate) archive: Arc<Archive>,
    pub(crate) meter: Arc<Meter>,
}

impl CloudTrail {
    /// What a condition demands of records or of keys; `None` if nothing here looks at it.
    fn demand(&self, condition: &Expr) -> Option<Demand> {
        let prunes = |demand: &Demand| {
            let of = std::slice::from_ref(demand);
            KeyFilter::of(of, self.archive.delivery_days) != KeyFilter::default()
        };
        Demand::of(condition).filter(|demand| demand.is_of_record() || prunes(demand))
    }
}

#[async_trait]
impl TableProvider for CloudTrail {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&SCHEMA)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        let of = |filter: &&Expr| match self.demand(filter) {
            Some(_) => TableProviderFilterPushDown::Inexact,
            None => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(of).collect())
    }

    /// Lists what has to be opened; so what a query will read is known before it reads.
    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let all: Vec<usize> = (0..SCHEMA.fields().len()).collect();
        let columns = projection.unwrap_or(&all);
        let demands: Vec<Demand> =
            filters.iter().filter_map(|filter| self.demand(filter)).collect();
        let filter = KeyFilter::of(&demands, self.archive.delivery_days);
        let mut listing = list(&self.archive.sources, &filter)
            .await
            .map_err(|error| external(QueryError::unlisted(&error)))?;
        if let Some(index) = &self.archive.index {
            let items = index.narrow(Arc::clone(&listing.items), &demands, &self.meter).await;
            listing.skipped = (listing.items.len() - items.len()) as u64;
            listing.bytes = items.iter().map(|item| item.bytes).sum();
            listing.items = items;
        }
        self.meter.add(Cost {
            objects_skipped: listing.skipped,
            objects_wanted: listing.items.len() as u64,
            bytes_wanted: listing.bytes,
            list_requests: listing.requests,
            ..Cost::default()
        });
        let wanted = self.meter.cost().bytes_wanted;
        if let Some(max) = self.archive.bytes_max.filter(|max| wanted > *max) {
            return Err(external(QueryError::TooManyBytes { wanted, max }));
        }
        let schema = Arc::new(SCHEMA.project(columns)?);
        Ok(Arc::new(Scan::new(ScanOf {
            archive: Arc::clone(&self.archive),
            meter: Arc::clone(&self.meter),
            projection: Projection::new(Arc::clone(&schema), columns),
            wanted: Wanted::new(&demands),
            schema,
            demands,
            filter,
            listing,
        })))
    }
}

/// An error of ours on its way through DataFusion.
pub(crate) fn external(error: QueryError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// What is read, and of what.
struct ScanOf {
    archive: Arc<Archive>,
    meter: Arc<Meter>,
    schema: SchemaRef,
    projection: Projection,
    wanted: Wanted,
    demands: Vec<Demand>,
    filter: KeyFilter,
    listing: Listing,
}

/// The plan's leaf: its partitions share the objects, each taking the next one.
struct Scan {
    of: Arc<ScanOf>,
    properties: Arc<PlanProperties>,
    /// Begun by the first partition that is executed.
    objects: OnceLock<Arc<Objects>>,
}

impl Scan {
    fn new(of: ScanOf) -> Self {
        Self::of(Arc::new(of))
    }

    fn of(of: Arc<ScanOf>) -> Self {
        let partitions = of.archive.jobs.min(of.listing.items.len()).max(1);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&of.schema)),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self { of, properties: Arc::new(properties), objects: OnceLock::new() }
    }
}

impl fmt::Debug for Scan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloudTrailScan").finish_non_exhaustive()
    }
}

impl DisplayAs for Scan {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ScanOf { listing, filter, demands, schema, .. } = &*self.of;
        let demands: Vec<String> = demands.iter().map(ToString::to_string).collect();
        let columns: Vec<&str> =
            schema.fields().iter().map(|field| field.name().as_str()).collect();
        write!(
            f,
            "CloudTrailScan: objects={}, bytes={}, skipped_by_index={}, list_requests={}, keys=[{filter}], pushed=[{}], columns=[{}]",
            listing.items.len(),
            listing.bytes,
            listing.skipped,
            listing.requests,
            demands.join("; "),
            columns.join(", ")
        )
    }
}

impl ExecutionPlan for Scan {
    fn name(&self) -> &'static str {
        "CloudTrailScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    /// The same objects once more, as the recursive part of a query asks for them.
    fn reset_state(self: Arc<Self>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self::of(Arc::clone(&self.of))))
    }

    fn execute(&self, _: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let objects = self.objects.get_or_init(|| {
            let ScanOf { archive, listing, .. } = &*self.of;
            Arc::new(Objects::within(archive.ahead_bytes_max, &archive.sources, &listing.items))
        });
        let (objects, of) = (Arc::clone(objects), Arc::clone(&self.of));
        let mut stream = RecordBatchReceiverStreamBuilder::new(Arc::clone(&self.of.schema), 2);
        let batches = stream.tx();
        stream.spawn_blocking(move || {
            read(&of, &objects, &batches);
            Ok(())
        });
        Ok(stream.build())
    }
}

/// Reads objects until there are none, or nobody wants more. Blocks.
fn read(of: &ScanOf, objects: &Objects, batches: &Sender<Result<RecordBatch>>) {
    let meter = &of.meter;
    let sink = |batch: Result<RecordBatch>| {
        let rows = batch.as_ref().map_or(0, RecordBatch::num_rows);
        meter.add(Cost { rows: rows as u64, ..Cost::default() });
        match batches.blocking_send(batch) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    };
    let mut scratch = Scratch::new();
    let mut rows = Rows::new(&of.projection, &of.wanted, &of.archive.enrichment, sink);
    while !rows.ended
        && !batches.is_closed()
        && let Some((item, body)) = objects.next(meter)
    {
        rows.begin(&item.object.bucket, &item.object.key);
        let read = read_wanted(&body, &of.archive.limits, &mut scratch, &mut rows);
        meter.read(item, &body, &read, rows.ended);
        rows.end();
    }
    rows.finish();
}
