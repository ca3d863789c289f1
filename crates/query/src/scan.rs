//! The table `cloudtrail`: what DataFusion asks of it, and the threads that read its objects.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
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
use tokio::runtime::Handle;
use tokio::sync::mpsc::Sender;
use trailloop_cloudtrail::{Scratch, read_wanted};
use trailloop_pipeline::ahead::{Ahead, AheadLimits, Wanted as WantedObject};

use crate::archive::{Archive, Cost, Meter};
use crate::columns::SCHEMA;
use crate::error::QueryError;
use crate::listing::{Item, KeyFilter, Listing, list};
use crate::rows::{Projection, Rows};
use crate::wanted::{Demand, Wanted};

/// The table of one query.
#[derive(Debug)]
pub(crate) struct CloudTrail {
    pub(crate) archive: Arc<Archive>,
    pub(crate) meter: Arc<Meter>,
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
        let of = |filter: &&Expr| match Demand::of(filter) {
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
        let demands: Vec<Demand> = filters.iter().filter_map(Demand::of).collect();
        let filter = KeyFilter::of(&demands, self.archive.delivery_days);
        let listing = list(&self.archive.sources, &filter)
            .await
            .map_err(|error| external(QueryError::Archive(error.to_string())))?;
        self.meter.add(Cost {
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
    work: OnceLock<Arc<Work>>,
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
        Self { of, properties: Arc::new(properties), work: OnceLock::new() }
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
            "CloudTrailScan: objects={}, bytes={}, list_requests={}, keys=[{filter}], pushed=[{}], columns=[{}]",
            listing.items.len(),
            listing.bytes,
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
        let work = self.work.get_or_init(|| Arc::new(Work::new(&self.of)));
        let (work, of) = (Arc::clone(work), Arc::clone(&self.of));
        let mut stream = RecordBatchReceiverStreamBuilder::new(Arc::clone(&self.of.schema), 2);
        let batches = stream.tx();
        stream.spawn_blocking(move || {
            work.read(&of, &batches);
            Ok(())
        });
        Ok(stream.build())
    }
}

type NthOf = Box<dyn Fn(usize) -> Option<WantedObject> + Send + Sync>;

/// The objects of a scan, taken one after another by whoever is free.
struct Work {
    next: AtomicUsize,
    /// Downloads ahead, one set for each source, since each may be another store.
    ahead: Vec<Ahead<NthOf>>,
}

impl Work {
    fn new(of: &Arc<ScanOf>) -> Self {
        let archive = &of.archive;
        let ahead = |(number, source): (usize, &crate::archive::Source)| {
            let of = Arc::clone(of);
            let nth: NthOf = Box::new(move |nth| {
                let item = of.listing.items.get(nth)?;
                Some((item.source == number).then(|| (item.object.clone(), item.bytes)))
            });
            Ahead::new(Handle::current(), Arc::clone(&source.store), AheadLimits::default(), nth)
        };
        let ahead = archive.sources.iter().enumerate().map(ahead).collect();
        Self { next: AtomicUsize::new(0), ahead }
    }

    /// Reads objects until there are none, or nobody wants more. Blocks.
    fn read(&self, of: &ScanOf, batches: &Sender<Result<RecordBatch>>) {
        let meter = &of.meter;
        let sink = |batch: RecordBatch| {
            meter.add(Cost { rows: batch.num_rows() as u64, ..Cost::default() });
            match batches.blocking_send(Ok(batch)) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        };
        let mut scratch = Scratch::new();
        let mut rows = Rows::new(&of.projection, &of.wanted, &of.archive.enrichment, sink);
        while !rows.ended && !batches.is_closed() {
            let nth = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = of.listing.items.get(nth) else { break };
            let Some(body) = self.fetch(nth, item, meter) else { continue };
            rows.begin(&item.object.bucket, &item.object.key);
            let read = read_wanted(&body, &of.archive.limits, &mut scratch, &mut rows);
            let ended = rows.ended;
            meter.add(Cost {
                objects: 1,
                objects_failed: u64::from(!ended && read.failed.is_some()),
                bytes_compressed: body.len() as u64,
                bytes_raw: read.bytes_raw,
                records: read.records,
                records_failed: if ended { 0 } else { read.records_failed },
                ..Cost::default()
            });
            if !ended {
                for report in read.reports.iter().chain(&read.failed) {
                    meter.note(format!(
                        "{} at byte {}: {}",
                        item.object, report.offset, report.failure
                    ));
                }
            }
        }
        rows.finish();
    }

    fn fetch(&self, nth: usize, item: &Item, meter: &Meter) -> Option<bytes::Bytes> {
        let failure = match self.ahead.get(item.source)?.get(nth) {
            Some(Ok(object)) => return Some(object.bytes),
            Some(Err(error)) => error.to_string(),
            None => format!("{}: the download did not end", item.object),
        };
        meter.add(Cost { objects_failed: 1, ..Cost::default() });
        meter.note(failure);
        None
    }
}
