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
use crate::wanted::Wanted;

/// Rows of one batch.
pub(crate) const BATCH_ROWS: usize = 8192;

/// What is read of each record.
pub(crate) struct Projection {
    schema: SchemaRef,
    origins: Vec<Origin>,
}

impl Projection {
    /// The columns of these numbers.
    pub(crate) fn new(schema: SchemaRef, columns: &[usize]) -> Self {
        let origins: Vec<Origin> = columns.iter().map(|at| COLUMNS[*at].1).collect();
        Self { schema, origins }
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
    /// Whether the key says all of it.
    is_told: bool,
}

/// Rows in the making, of one object after another.
pub(crate) struct Rows<'p, S> {
    projection: &'p Projection,
    wanted: &'p Wanted,
    looks: Looks,
    columns: Vec<Built>,
    fields: Option<FieldColumns>,
    rows: usize,
    /// So many rows are handed on at an object's end, and ever more: whoever wants a few has them soon.
    due: usize,
    place: Place,
    buffer: String,
    /// Takes each batch, or why there is none; breaks when no more is wanted.
    sink: S,
    pub(crate) ended: bool,
}

/// More keys than this no glance looks for; there are fewer columns.
const LOOKS_MAX: usize = 32;

const _: () = assert!(RECORD.len() <= LOOKS_MAX, "each key of a column has a place");

/// What a glance looks for: each key once, whether a test or a column wants its text.
struct Looks {
    keys: Keys,
    /// For each test of a record's own texts, the number of its key.
    tests: Vec<usize>,
    /// If a row can be made of such texts and of what comes with the object: for each column the number of its key.
    columns: Option<Vec<usize>>,
    /// A bit for each key of a column.
    of_columns: u64,
}

/// What a glance saw.
struct Seen<'t> {
    texts: [Option<&'t str>; LOOKS_MAX],
    /// A bit for each key that is there twice, or with what is no text.
    odd: u64,
}

impl Looks {
    fn new(projection: &Projection, wanted: &Wanted) -> Self {
        let mut keys: Vec<&str> = Vec::new();
        let mut number = |key| {
            keys.iter().position(|known| *known == key).unwrap_or_else(|| {
                keys.push(key);
                keys.len() - 1
            })
        };
        let tests = wanted.own().map(|(key, _)| number(key)).collect();
        let mut of_columns = 0;
        let mut column = |origin: &Origin| match origin {
            Origin::Record(at) => {
                let slot =
                    matches!(RECORD[*at].shape, Shape::Text).then(|| number(RECORD[*at].key))?;
                of_columns |= 1_u64 << slot;
                Some(slot)
            }
            Origin::Key(_) | Origin::Object => Some(0),
            Origin::Derived(_) | Origin::Enriched(_) => None,
        };
        let columns = projection.origins.iter().map(&mut column).collect();
        Self { keys: Keys::new(keys), tests, columns, of_columns }
    }

    /// Looks at a record's own members; `None` where they can't be told.
    fn at<'t>(&self, glance: &Glance<'t>) -> Option<Seen<'t>> {
        let mut seen = Seen { texts: [None; LOOKS_MAX], odd: 0 };
        let mut found = 0_u64;
        let flow = glance.inside().members(&self.keys, |number, value| {
            let bit = 1 << number;
            seen.odd |= found & bit;
            found |= bit;
            match value {
                // A plain record is ASCII.
                Sight::Text(text) => seen.texts[number] = str::from_utf8(text).ok(),
                Sight::Truth(truth) => {
                    seen.texts[number] = Some(if truth { "true" } else { "false" })
                }
                Sight::Null => {}
                Sight::Object(_) | Sight::Array | Sight::Other => seen.odd |= bit,
            }
            ControlFlow::Continue(())
        });
        flow.is_continue().then_some(seen)
    }
}

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
            looks: Looks::new(projection, wanted),
            columns: projection.origins.iter().map(|origin| Built::new(shape(origin))).collect(),
            fields: projection.fields(files),
            rows: 0,
            due: 1,
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
        // If the key does not say it, the record does, and has to be parsed.
        let asks = |origin: &Origin| matches!(origin, Origin::Key(_));
        self.place.is_told =
            self.place.key.iter().all(Option::is_some) || !self.projection.origins.iter().any(asks);
    }

    /// Ends an object.
    pub(crate) fn end(&mut self) {
        if self.rows >= self.due && !self.ended {
            self.due = (4 * self.due).min(BATCH_ROWS);
            self.emit();
        }
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

    /// Makes the row of a record of its own texts.
    fn row_of(&mut self, texts: &[Option<&str>; LOOKS_MAX]) {
        let Some(slots) = &self.looks.columns else { return };
        for (origin, (slot, column)) in
            self.projection.origins.iter().zip(slots.iter().zip(&mut self.columns))
        {
            column.push_text(match origin {
                Origin::Key(at) => self.place.key[*at].as_deref(),
                Origin::Object => Some(&self.place.object),
                _ => texts[*slot],
            });
        }
        self.row_done();
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
        if !glance.is_plain() {
            return Verdict::Parse;
        }
        if self.wanted.lacks_text(glance.raw()) {
            return Verdict::PassOver;
        }
        let makes_row = self.looks.columns.is_some() && self.wanted.is_own() && self.place.is_told;
        if self.looks.tests.is_empty() && !makes_row {
            return Verdict::Parse;
        }
        let Some(Seen { texts, odd }) = self.looks.at(glance) else { return Verdict::Parse };
        let mut unsure = 0;
        for (slot, (_, test)) in self.looks.tests.iter().zip(self.wanted.own()) {
            match odd >> slot & 1 {
                0 if !test.holds(texts[*slot]) => return Verdict::PassOver,
                is_odd => unsure |= is_odd,
            }
        }
        if unsure != 0 || !makes_row || odd & self.looks.of_columns != 0 {
            return Verdict::Parse;
        }
        self.row_of(&texts);
        Verdict::PassOver
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
