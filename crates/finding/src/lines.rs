//! Findings as lines of JSON, each written right where it is sent from.
//!
//! A record that many rules match costs what its findings cost, and that is mostly bytes that are copied: so a finding is
//! not put together in a buffer of its own first.

use crate::json::Json;

/// Lines of JSON. One that was broken off while it was written, by a panic, is not among them.
#[derive(Debug, Default)]
pub struct JsonLines {
    json: Json,
    /// Where the last whole line ends.
    whole_bytes: usize,
}

impl JsonLines {
    /// The lines, each with its end.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.json.0[..self.whole_bytes]
    }

    /// How many bytes they are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.whole_bytes
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.whole_bytes == 0
    }

    /// Whether there is no memory for any yet.
    #[must_use]
    pub fn is_unallocated(&self) -> bool {
        self.json.0.capacity() == 0
    }

    /// Makes room for others.
    pub fn clear(&mut self) {
        self.json.0.clear();
        self.whole_bytes = 0;
    }

    /// Has one line written, and ends it.
    pub(crate) fn add<T>(&mut self, write: impl FnOnce(&mut Json) -> T) -> T {
        self.json.0.truncate(self.whole_bytes);
        let written = write(&mut self.json);
        self.json.0.push(b'\n');
        self.whole_bytes = self.json.0.len();
        written
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn a_line_that_was_broken_off_is_not_there() {
        let mut lines = JsonLines::default();
        let line = |json: &mut Json| json.0.extend_from_slice(b"{}");
        lines.add(line);
        let broken = catch_unwind(AssertUnwindSafe(|| {
            lines.add(|json| {
                json.0.extend_from_slice(b"{\"half\":");
                panic!("as a bug would");
            })
        }));
        assert!(broken.is_err());
        assert_eq!(lines.as_bytes(), b"{}\n");
        lines.add(line);
        assert_eq!((lines.as_bytes(), lines.len()), (&b"{}\n{}\n"[..], 6));
        lines.clear();
        assert!(lines.is_empty() && !lines.is_unallocated());
    }
}
