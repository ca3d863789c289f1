//! Records to rows: the projected columns of the records that are wanted, in batches.
//!
//! A row whose columns are texts of the record itself is made at a glance, without the record being parsed.

use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use trailloop_cloudtrail::{Glance, Keys, LogKey, Reader, Record, Sight, Verdict};
use trailloop_enrichment::Enrichment;
use trailloop_rules::FieldColumns;

use crate::built::Built;
use crate::columns::{COLUMNS, Origin, RECORD, Shape};
use crate::wanted::{Told, Wanted};

/// Rows of one batch.
pub(crate) const BATCH_ROWS: usize = 8192;

/// The texts of a row that is made at a glance.
struct Glanced {
    keys: Keys,
    /// How many they are.
    count: usize,
    /// Whether a column comes with the object's key. If the key does not say it, the record does, and is parsed.
    asks_key: bool,
}

/// What is read of each record.
pub(crate) struct Projection {
    schema: SchemaRef,
    origins: Vec<Origin>,
    /// If every column is a text of the record itself or comes with the object: the keys of these texts.
    glanced: Option<Glanced>,
}

impl Projection {
    /// The columns of these numbers.
    pub(crate) fn new(schema: SchemaRef, columns: &[usize]) -> Self {
        let origins: Vec<Origin> = columns.iter().map(|at| COLUMNS[*at].1).collect();
        let key = |origin: &Origin| match origin {
            Origin::Record(at) => match RECORD[*at] {
                ref column if matches!(column.shape, Shape::Text) => Some(Some(column.key)),
                _ => None,
            },
            // If the object's key does not say it, the record does, and `Rows` parses it.
            Origin::Key(_) | Origin::Object => Some(None),
            Origin::Derived(_) | Origin::Enriched(_) => None,
        };
        let keys: Option<Vec<Option<&str>>> = origins.iter().map(key).collect();
        let glanced = keys.map(|keys| Glanced {
            keys: Keys::new(keys.iter().copied().flatten()),
            count: keys.iter().flatten().count(),
            asks_key: origins.iter().any(|origin| matches!(origin, Origin::Key(_))),
        });
        let glanced = glanced.filter(|glanced| glanced.count <= GLANCES_MAX);
        Self { schema, origins, glanced }
    }

    /// The derived and enriched fields among the columns.
    fn fields(&self, files: &Arc<Enrichment>) -> Option<FieldColumns> {
        let name = |origin: &Origin| match origin {
            Origin::Derived(name) => Some(*name),
            Origin::Enriched(field) => Some(field.as_str()),
            _ => None,
        };
        let names: Vec<&str> = self.origins.iter().filter_map(name).collect();
        (!names.is_empty()).then(|| FieldColumns::new(names, Arc::clone(files)))
    }
}

/// What comes with the object.
#[derive(Default)]
struct Place {
    object: String,
    key: [Option<String>; 3],
}

/// Rows in the making, of one object after another.
pub(crate) struct Rows<'p, S> {
    projection: &'p Projection,
    wanted: &'p Wanted,
    columns: Vec<Built>,
    fields: Option<FieldColumns>,
    rows: usize,
    place: Place,
    buffer: String,
    /// Takes each batch, or why there is none; breaks when no more is wanted.
    sink: S,
    pub(crate) ended: bool,
}

/// More text columns than this are not made at a glance.
const GLANCES_MAX: usize = 32;

impl<'p, S: FnMut(Result<RecordBatch>) -> ControlFlow<()>> Rows<'p, S> {
    pub(crate) fn new(
        projection: &'p Projection,
        wanted: &'p Wanted,
        files: &Arc<Enrichment>,
        sink: S,
    ) -> Self {
        let shape = |origin: &Origin| match origin {
            Origin::Record(at) => RECORD[*at].shape,
            _ => Shape::Text,
        };
        Self {
            projection,
            wanted,
            columns: projection.origins.iter().map(|origin| Built::new(shape(origin))).collect(),
            fields: projection.fields(files),
            rows: 0,
            place: Place::default(),
            buffer: String::new(),
            sink,
            ended: false,
        }
    }

    /// Begins another object.
    pub(crate) fn begin(&mut self, bucket: &str, key: &str) {
        let of = LogKey::parse(key);
        self.place.object = format!("{bucket}/{key}");
        let day = of.date.map(|date| date.strftime("%Y/%m/%d").to_string());
        self.place.key = [of.account.map(str::to_owned), of.region.map(str::to_owned), day];
    }

    /// Hands on what is left.
    pub(crate) fn finish(&mut self) {
        if self.rows > 0 && !self.ended {
            self.emit();
        }
    }

    fn row_done(&mut self) {
        self.rows += 1;
        if self.rows == BATCH_ROWS {
            self.emit();
        }
    }

    fn emit(&mut self) {
        let columns: Vec<ArrayRef> = self.columns.iter_mut().map(Built::finish).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        self.rows = 0;
        let schema = Arc::clone(&self.projection.schema);
        // The columns were made by the schema, so this does not fail; if it did, the query would fail and not end short.
        let batch = RecordBatch::try_new_with_options(schema, columns, &options);
        let is_last = batch.is_err();
        self.ended |= (self.sink)(batch.map_err(Into::into)).is_break() || is_last;
    }

    /// Makes the row of a record by its texts alone. Says whether it could.
    fn row_at_a_glance(&mut self, glance: &Glance<'_>) -> bool {
        let Some(Glanced { keys, asks_key, .. }) = &self.projection.glanced else { return false };
        if *asks_key && self.place.key.iter().any(Option::is_none) {
            return false;
        }
        let mut texts: [Option<&str>; GLANCES_MAX] = [None; GLANCES_MAX];
        let mut found = 0_u64;
        let flow = glance.inside().members(keys, |number, value| {
            let is_second = found & (1 << number) != 0;
            found |= 1 << number;
            match value {
                Sight::Text(text) if !is_second => texts[number] = str::from_utf8(text).ok(),
                Sight::Null if !is_second => {}
                _ => return ControlFlow::Break(()),
            }
            ControlFlow::Continue(())
        });
        if flow.is_break() {
            return false;
        }
        let mut texts = texts.into_iter();
        for (origin, column) in self.projection.origins.iter().zip(&mut self.columns) {
            column.push_text(match origin {
                Origin::Key(at) => self.place.key[*at].as_deref(),
                Origin::Object => Some(&self.place.object),
                _ => texts.next().flatten(),
            });
        }
        self.row_done();
        true
    }

    fn row(&mut self, record: Record<'_>) {
        let mut fields: Vec<Option<String>> = Vec::new();
        if let Some(of) = &mut self.fields {
            of.read(&record, |value| fields.push(value.map(str::to_owned)));
        }
        let mut fields = fields.into_iter();
        for (origin, column) in self.projection.origins.iter().zip(&mut self.columns) {
            match origin {
                Origin::Record(at) => column.push(record.get(&[RECORD[*at].key])),
                Origin::Key(at) => {
                    column.push_text(match &self.place.key[*at] {
                        Some(said) => Some(said),
                        None => said_by(record, *at, &mut self.buffer),
                    });
                }
                Origin::Object => column.push_text(Some(&self.place.object)),
                Origin::Derived(_) | Origin::Enriched(_) => {
                    column.push_text(fields.next().flatten().as_deref());
                }
            }
        }
        self.row_done();
    }
}

/// What a record says where its object's key says nothing.
fn said_by<'b, 'a: 'b>(record: Record<'a>, at: usize, buffer: &'b mut String) -> Option<&'b str> {
    match at {
        0 => record.text(&["recipientAccountId"]),
        1 => record.text(&["awsRegion"]),
        _ => {
            let day = record.text(&["eventTime"])?.get(..10)?;
            *buffer = day.replace('-', "/");
            Some(buffer)
        }
    }
}

impl<S: FnMut(Result<RecordBatch>) -> ControlFlow<()>> Reader for Rows<'_, S> {
    fn verdict(&mut self, glance: &Glance<'_>) -> Verdict {
        if self.ended {
            return Verdict::Leave;
        }
        match self.wanted.at_a_glance(glance) {
            Told::No => Verdict::PassOver,
            Told::Yes if self.row_at_a_glance(glance) => Verdict::PassOver,
            Told::Yes | Told::Unknown => Verdict::Parse,
        }
    }

    fn take(&mut self, record: Record<'_>) -> ControlFlow<()> {
        if self.wanted.holds(record, &mut self.buffer) {
            self.row(record);
        }
        if self.ended { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::{DataType, Field, Schema};
    use trailloop_cloudtrail::{Limits, Scratch, read_wanted};

    use super::*;

    /// Rows are never lost in silence: what can't be a batch is an error of the query.
    #[test]
    fn a_batch_that_can_not_be_made_is_told() {
        let schema = Schema::new(vec![Field::new("eventversion", DataType::Int64, true)]);
        let projection = Projection::new(Arc::new(schema), &[0]);
        let (wanted, mut told) = (Wanted::new(&[]), Vec::new());
        let sink = |batch: Result<RecordBatch>| {
            told.push(batch.map_err(|error| error.to_string()));
            ControlFlow::Continue(())
        };
        let mut rows = Rows::new(&projection, &wanted, &Arc::default(), sink);
        rows.begin("logs", "x.json");
        let object = br#"{"Records":[{"eventVersion":"1.09","eventName":"GetObject"}]}"#;
        let read = read_wanted(object, &Limits::default(), &mut Scratch::new(), &mut rows);
        rows.finish();
        assert!(rows.ended);
        assert_eq!(read.records, 1);
        let [Err(error)] = &told[..] else { panic!("{told:?}") };
        assert!(error.contains("Int64"), "{error}");
    }
}
