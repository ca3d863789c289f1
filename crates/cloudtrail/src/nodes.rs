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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RecordBuffer;

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
    }
}
