//! All nodes of a record in the order of its text, for who looks at each: no byte has to be looked at to tell where a
//! value ends.

use simd_json::{Node, StaticNode};

use crate::Record;

/// A node of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen<'a> {
    /// An object opens, and is closed before the node of this number.
    Object {
        /// The number of the node after all of its.
        end: u32,
    },
    /// An array opens, and is closed before the node of this number.
    Array {
        /// The number of the node after all of its.
        end: u32,
    },
    /// A key or a string without its escapes.
    Text(&'a str),
    /// A number.
    Number,
    /// null, true or false.
    Word,
}

impl<'a> Record<'a> {
    /// Its node of this number: that of the first, which is the record's object, is 0, and others are those of positions.
    #[inline]
    #[must_use]
    pub fn node(&self, at: u32) -> Option<Seen<'a>> {
        let end = |count: &usize| at + 1 + u32::try_from(*count).unwrap_or(u32::MAX - 1 - at);
        Some(match self.document.nodes.get(at as usize)? {
            Node::String(text) => Seen::Text(text),
            Node::Object { count, .. } => Seen::Object { end: end(count) },
            Node::Array { count, .. } => Seen::Array { end: end(count) },
            Node::Static(StaticNode::Null | StaticNode::Bool(_)) => Seen::Word,
            Node::Static(_) => Seen::Number,
        })
    }

    /// All its texts, whether they are keys or values, in the order of its bytes.
    #[inline]
    pub fn texts(&self) -> impl Iterator<Item = &'a str> {
        self.document.nodes.iter().filter_map(|node| match node {
            Node::String(text) => Some(*text),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, RecordBuffer, Scratch, raw, read_records};

    /// How many texts of a record there are of which it is known where they begin; what stands there has to be the text.
    fn known_begins(record: Record<'_>) -> usize {
        let texts = (0..).map_while(|at| record.node(at)).filter_map(|seen| match seen {
            Seen::Text(text) => Some(text),
            _ => None,
        });
        let known = texts.filter_map(|text| Some((text, record.begin_of(text)?)));
        let mut buffer = String::new();
        known.fold(0, |count, (text, begin)| {
            let end = raw::string_end(record.raw(), begin - 1);
            assert_eq!(raw::unescape(&record.raw()[begin - 1..end], &mut buffer), text);
            count + 1
        })
    }

    #[test]
    fn texts_begin_where_they_stand_in_the_record() {
        let first = r#"{"eventName":"a\n\"\u00e9\ud83d\ude00b=","k\u003d":[" é","","\\\\"],"x":1}"#;
        let second = r#"{ "eventName" : "", "y" : {"z":"last"} }"#;
        let huge = r#"{"eventName":"n","n":1e999,"x":"\t"}"#;
        let known = |records: &str| {
            let (object, mut known) = (format!(r#"{{"Records":[{records}]}}"#), Vec::new());
            read_records(object.as_bytes(), &Limits::default(), &mut Scratch::new(), |record| {
                known.push(known_begins(record));
            });
            known
        };
        // Read together, and one by one. A number that has no place on the tape has the parser read something else than the record.
        assert_eq!(known(&format!("{first}, {second},{first}")), [7, 5, 7]);
        assert_eq!(known(&format!("{first}, {second},{huge}")), [7, 5, 0]);
        for (json, count) in [(first, 7), (second, 5), (huge, 0)] {
            let mut buffer = RecordBuffer::new();
            let record = Record::parse(json.as_bytes(), &mut buffer).unwrap();
            assert_eq!(known_begins(record), count);
            assert_eq!(record.begin_of("elsewhere"), None);
        }
    }

    #[test]
    fn nodes_come_in_the_order_of_the_text() {
        let json = r#"{"a":[1,{"b\n":null}],"c":{},"d":"x"}"#;
        let mut buffer = RecordBuffer::new();
        let record = Record::parse(json.as_bytes(), &mut buffer).unwrap();
        let seen: Vec<Seen<'_>> = (0..).map_while(|at| record.node(at)).collect();
        let expected = [
            Seen::Object { end: 11 },
            Seen::Text("a"),
            Seen::Array { end: 7 },
            Seen::Number,
            Seen::Object { end: 7 },
            Seen::Text("b\n"),
            Seen::Word,
            Seen::Text("c"),
            Seen::Object { end: 9 },
            Seen::Text("d"),
            Seen::Text("x"),
        ];
        assert_eq!(seen, expected);
        let texts: Vec<&str> = record.texts().collect();
        assert_eq!(texts, ["a", "b\n", "c", "d", "x"]);
    }
}
