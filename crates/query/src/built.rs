//! Arrow arrays made of values of records.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, ListArray, MapArray, NullBufferBuilder, StringViewBuilder, StructArray,
};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::DataType;
use trailloop_cloudtrail::{Kind, Value};
pub(crate) use trailloop_pipeline::needle::text_of;

use crate::columns::{Column, Shape, entries, fields, item};

/// An array in the making. Whatever is pushed, it grows by one.
pub(crate) enum Built {
    /// Text, or JSON text; the buffer is for what has to be written first.
    Text { texts: StringViewBuilder, buffer: String },
    /// An object's members.
    Struct { columns: &'static [Column], members: Vec<Built>, there: NullBufferBuilder },
    /// An array's objects.
    List { columns: &'static [Column], items: Box<Built>, offsets: Offsets },
    /// An object's members as entries.
    Map { keys: StringViewBuilder, values: Box<Built>, offsets: Offsets },
}

/// Where the items of each row end, and which rows have any.
pub(crate) struct Offsets {
    ends: Vec<i32>,
    there: NullBufferBuilder,
}

impl Offsets {
    fn new() -> Self {
        Self { ends: vec![0], there: NullBufferBuilder::new(0) }
    }

    fn push(&mut self, items: i32, is_there: bool) {
        self.ends.push(self.ends.last().copied().unwrap_or(0) + items);
        self.there.append(is_there);
    }

    fn finish(&mut self) -> (OffsetBuffer<i32>, NullBufferBuilder) {
        let ends = std::mem::replace(&mut self.ends, vec![0]);
        (
            OffsetBuffer::new(ends.into()),
            std::mem::replace(&mut self.there, NullBufferBuilder::new(0)),
        )
    }
}

impl Built {
    pub(crate) fn new(shape: Shape) -> Self {
        match shape {
            Shape::Text | Shape::Json => {
                Self::Text { texts: StringViewBuilder::new(), buffer: String::new() }
            }
            Shape::Struct(columns) => Self::Struct {
                columns,
                members: columns.iter().map(|column| Self::new(column.shape)).collect(),
                there: NullBufferBuilder::new(0),
            },
            Shape::List(columns) => Self::List {
                columns,
                items: Box::new(Self::new(Shape::Struct(columns))),
                offsets: Offsets::new(),
            },
            Shape::Map => Self::Map {
                keys: StringViewBuilder::new(),
                values: Box::new(Self::new(Shape::Text)),
                offsets: Offsets::new(),
            },
        }
    }

    /// Adds what stands at a record's place; what is absent, null or not of this shape is null.
    pub(crate) fn push(&mut self, value: Option<Value<'_>>) {
        match self {
            Self::Text { texts, buffer } => {
                texts.append_option(text_of(value, buffer));
            }
            Self::Struct { columns, members, there } => {
                let object = value.filter(|value| matches!(value.kind(), Kind::Object(_)));
                for (column, member) in columns.iter().zip(members) {
                    member.push(object.and_then(|object| object.get(column.key)));
                }
                there.append(object.is_some());
            }
            Self::List { items, offsets, .. } => match value.map(|value| value.kind()) {
                Some(Kind::Array(elements)) => {
                    let mut count = 0;
                    for element in elements {
                        items.push(Some(element));
                        count += 1;
                    }
                    offsets.push(count, true);
                }
                _ => offsets.push(0, false),
            },
            Self::Map { keys, values, offsets } => match value.map(|value| value.kind()) {
                Some(Kind::Object(members)) => {
                    let mut count = 0;
                    for (key, value) in members {
                        keys.append_value(key);
                        values.push(Some(value));
                        count += 1;
                    }
                    offsets.push(count, true);
                }
                _ => offsets.push(0, false),
            },
        }
    }

    /// Adds a text that is already at hand.
    pub(crate) fn push_text(&mut self, text: Option<&str>) {
        match self {
            Self::Text { texts, .. } => texts.append_option(text),
            _ => self.push(None),
        }
    }

    /// The array, after which the next one begins.
    pub(crate) fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text { texts, .. } => Arc::new(texts.finish()),
            Self::Struct { columns, members, there } => {
                let arrays: Vec<ArrayRef> = members.iter_mut().map(Self::finish).collect();
                Arc::new(StructArray::new(fields(columns), arrays, there.finish()))
            }
            Self::List { columns, items, offsets } => {
                let (ends, mut there) = offsets.finish();
                Arc::new(ListArray::new(item(columns), ends, items.finish(), there.finish()))
            }
            Self::Map { keys, values, offsets } => {
                let (ends, mut there) = offsets.finish();
                let DataType::Struct(of) = entries().data_type().clone() else {
                    unreachable!("entries are a struct")
                };
                let arrays: Vec<ArrayRef> = vec![Arc::new(keys.finish()), values.finish()];
                let of = StructArray::new(of, arrays, None);
                Arc::new(MapArray::new(entries(), ends, of, there.finish(), false))
            }
        }
    }
}
