//! JSON written straight into bytes.
//!
//! A finding has a hundred members, most of which most records lack. What is not there is left out as it is written:
//! a member without a value, and an object or list in which nothing came to stand.
//!
//! Every member and element is written with a comma before it, so that nothing has to be known of what stands there. When the object
//! or list is closed, the bracket that opens it takes the place of the first comma.

use std::fmt::Display;
use std::io::Write as _;

use trailloop_cloudtrail::raw;

use crate::text::{CUT, clip_at};

/// JSON text that is being written. Keys are those of the schema, which need no escape.
#[derive(Debug, Default)]
pub(crate) struct Json(pub(crate) Vec<u8>);

/// The longest key of the schema may have so many bytes.
const KEY_BYTES_MAX: usize = 36;

/// Buffers that outgrew this are given back after the record: one long record must not set what a worker holds.
pub(crate) const KEPT_BYTES_MAX: usize = 64 << 10;

impl Json {
    /// Makes room for the next.
    pub(crate) fn forget(&mut self) {
        self.0.clear();
        self.0.shrink_to(KEPT_BYTES_MAX);
    }

    /// A member of an object, unless it is empty: what `write` writes are its members.
    #[inline(always)]
    pub(crate) fn object(&mut self, key: &str, write: impl FnOnce(&mut Self)) {
        self.container(key, *b"{}", write);
    }

    /// A member that is a list, unless it is empty: what `write` writes are its elements.
    #[inline(always)]
    pub(crate) fn list(&mut self, key: &str, write: impl FnOnce(&mut Self)) {
        self.container(key, *b"[]", write);
    }

    /// An element of a list that is an object, unless it is empty. Says whether it stands there.
    pub(crate) fn element(&mut self, write: impl FnOnce(&mut Self)) -> bool {
        let before = self.0.len();
        self.0.push(b',');
        self.enclose(before, *b"{}", write);
        self.0.len() > before
    }

    /// An element of a list that is a text, clipped.
    pub(crate) fn text_element(&mut self, text: &str) {
        self.0.push(b',');
        self.clipped(text);
    }

    /// A text, clipped.
    #[inline(always)]
    pub(crate) fn text(&mut self, key: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.key(key);
            self.clipped(text);
        }
    }

    /// A text of ours, whole.
    #[inline(always)]
    pub(crate) fn whole(&mut self, key: &str, text: &str) {
        self.bytes(key, text.as_bytes());
    }

    /// A text of pieces that need no escape.
    #[inline(always)]
    pub(crate) fn pieces(&mut self, key: &str, pieces: &[&str]) {
        self.key(key);
        self.0.push(b'"');
        pieces.iter().for_each(|piece| self.0.extend_from_slice(piece.as_bytes()));
        self.0.push(b'"');
    }

    /// The bytes of a text, whole.
    #[inline(always)]
    pub(crate) fn bytes(&mut self, key: &str, bytes: &[u8]) {
        self.key(key);
        raw::write_bytes(bytes, &mut self.0);
    }

    /// A whole number.
    #[inline(always)]
    pub(crate) fn number(&mut self, key: &str, number: impl TryInto<u64> + Display + Copy) {
        self.key(key);
        match number.try_into() {
            Ok(number) => self.digits(number),
            // Writing to a Vec does not fail.
            Err(_) => write!(self.0, "{number}").ok().unwrap_or_default(),
        }
    }

    /// A number without the machinery of formatting, which takes longer than a text does.
    fn digits(&mut self, mut number: u64) {
        let mut digits = [b'0'; 20];
        let mut start = digits.len();
        loop {
            start -= 1;
            digits[start] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.0.extend_from_slice(&digits[start..]);
    }

    /// A text under a name that is not ours; both are clipped.
    pub(crate) fn named(&mut self, name: &str, text: &str) {
        self.name(name);
        self.clipped(text);
    }

    /// What is JSON already, under a name that is not ours.
    pub(crate) fn named_json(&mut self, name: &str, json: &[u8]) {
        self.name(name);
        self.0.extend_from_slice(json);
    }

    fn name(&mut self, name: &str) {
        self.0.push(b',');
        self.clipped(name);
        self.0.push(b':');
    }

    /// True or false.
    pub(crate) fn flag(&mut self, key: &str, flag: bool) {
        self.json(key, if flag { b"true" } else { b"false" });
    }

    /// What is JSON already.
    #[inline(always)]
    pub(crate) fn json(&mut self, key: &str, json: &[u8]) {
        self.key(key);
        self.0.extend_from_slice(json);
    }

    /// Members that are JSON already, each with its comma.
    pub(crate) fn members(&mut self, members: &[u8]) {
        self.0.extend_from_slice(members);
    }

    /// Closes the object or list whose members or elements were written from `start` on, at least one.
    pub(crate) fn close(&mut self, start: usize, [open, close]: [u8; 2]) {
        debug_assert_eq!(self.0.get(start), Some(&b','), "every member has its comma");
        self.0[start] = open;
        self.0.push(close);
    }

    #[inline(always)]
    fn container(&mut self, key: &str, brackets: [u8; 2], write: impl FnOnce(&mut Self)) {
        let before = self.0.len();
        self.key(key);
        self.enclose(before, brackets, write);
    }

    /// Takes back what was written since `before` if `write` writes nothing.
    fn enclose(&mut self, before: usize, brackets: [u8; 2], write: impl FnOnce(&mut Self)) {
        let start = self.0.len();
        write(self);
        if self.0.len() == start {
            self.0.truncate(before);
        } else {
            self.close(start, brackets);
        }
    }

    /// Inlined with each key, of which then nothing is left but its text with all that stands around it, and one look at
    /// whether there is room.
    #[inline(always)]
    fn key(&mut self, key: &str) {
        // Keys are constants of ours, and of nearly all the compiler asks this before anything runs.
        assert!(key.len() <= KEY_BYTES_MAX, "{key} is longer than any key of the schema");
        let mut text = [0; KEY_BYTES_MAX + 4];
        let end = 2 + key.len();
        text[..2].copy_from_slice(b",\"");
        text[2..end].copy_from_slice(key.as_bytes());
        text[end..end + 2].copy_from_slice(b"\":");
        self.0.extend_from_slice(&text[..end + 2]);
    }

    fn clipped(&mut self, text: &str) {
        match clip_at(text) {
            None => raw::write_bytes(text.as_bytes(), &mut self.0),
            Some(at) => {
                raw::write_bytes(&text.as_bytes()[..at], &mut self.0);
                self.0.pop();
                self.0.extend_from_slice(CUT.as_bytes());
                self.0.push(b'"');
            }
        }
    }
}
