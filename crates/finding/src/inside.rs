//! Secrets in text inside of text: JSON in a string, whole or broken, plain or URL-encoded, and the parameters of URLs.
//!
//! Such text need not be JSON, so its own bytes are walked over, and hidden is what a reader may take for a secret.

use std::borrow::Cow;
use std::ops::Range;

use memchr::{memchr, memchr3, memmem};
use trailloop_cloudtrail::Record;
use trailloop_cloudtrail::raw::{self, Token, Visitor};

use crate::redact::{
    HIDDEN_BY_AWS, Hidden, Level, Mark, PairValue, Place, REDACTED, TEXTS_DEEP_MAX,
    is_access_key_id,
};
use crate::secret::{Name, is_of_caller};
use crate::text::string_of;
use crate::url::{percent_decoded, redact_parameters};

/// A text that still changes after so many more passes is hidden as a whole.
const PASSES_MAX: u32 = 4;

/// Whether a text without escapes may hold a secret: in JSON one stands after a name in quotes, URL-encoded JSON has its
/// quotes as `%22`, and the parameters of a URL have names as well.
#[inline(never)]
pub(crate) fn may_hold_text(text: &[u8]) -> bool {
    raw::holds_any(text, *b"\"=%")
}

/// The same of a string with its escapes, by which a quote comes into it as `\"` or by its code, and other bytes by
/// theirs alone. One that has none of these is read as it is or, if it is broken, as one string again.
fn may_hold_text_within(quoted: &[u8], is_escaped: bool) -> bool {
    if raw::holds_any(quoted, *b"=%") {
        return true;
    }
    let content = || quoted.get(1..quoted.len() - 1).unwrap_or_default();
    is_escaped && (memchr(b'"', content()).is_some() || memmem::find(content(), b"\\u").is_some())
}

/// Which texts of a record may, by the record's bytes: a quote inside of a string needs a backslash, and so does whatever else
/// is not there as it is. Most records have few of such bytes or none, and most of their texts are of no interest by that.
pub(crate) struct Hints<'r> {
    record: &'r [u8],
    /// The next of these bytes, or the end of the record.
    next: usize,
}

impl<'r> Hints<'r> {
    pub(crate) fn of(record: &'r [u8]) -> Self {
        Self { record, next: next_hint(record, 0) }
    }

    /// Whether there is none from here on.
    #[inline]
    pub(crate) fn are_none(&self) -> bool {
        self.next == self.record.len()
    }

    /// Whether there may be one in a text of this record, which is the one whose bytes these are.
    #[inline]
    pub(crate) fn may_be_in(&mut self, record: Record<'_>, text: &str) -> bool {
        if self.are_none() {
            return false;
        }
        // Where it is not known where a text lies, the text itself is looked at.
        record.begin_of(text).is_none_or(|begin| self.is_in(begin, text))
    }

    /// Whether there is one in a text that begins here, and after all that were asked about before. The first of a text stands
    /// no further behind its begin than in the text without escapes, because there are none before it.
    #[inline]
    fn is_in(&mut self, begin: usize, text: &str) -> bool {
        if self.next < begin {
            self.next = next_hint(self.record, begin);
        }
        self.next < begin + text.len()
    }
}

fn next_hint(record: &[u8], from: usize) -> usize {
    let rest = record.get(from..).unwrap_or_default();
    memchr3(b'\\', b'=', b'%', rest).map_or(record.len(), |at| from + at)
}

/// How text inside of a text is looked into.
pub(crate) struct Inside<'w> {
    pub(crate) sign_in_failed: bool,
    /// What reading it needs, and what reading text inside of it needs.
    pub(crate) deeper: &'w mut [Level],
}

impl Inside<'_> {
    /// A text without its secrets, if it holds any.
    pub(crate) fn redact_text(&mut self, text: &str) -> Option<String> {
        let mut redacted = self.redact_once(text)?;
        // What is put into text that only looks like JSON moves its quotes, and so may show more secrets. Texts further
        // inside are done with the outermost one.
        if self.deeper.len() < TEXTS_DEEP_MAX {
            return Some(redacted);
        }
        for _ in 0..PASSES_MAX {
            match self.redact_once(&redacted) {
                Some(again) if again != redacted => redacted = again,
                _ => return Some(redacted),
            }
        }
        Some(REDACTED.to_owned())
    }

    /// One pass over a text; none if it held no secret.
    fn redact_once(&mut self, text: &str) -> Option<String> {
        let redacted = redact_parameters(text);
        let text = redacted.as_deref().unwrap_or(text);
        let sign_in_failed = self.sign_in_failed;
        let [level, deeper @ ..] = &mut *self.deeper else { return redacted };
        if memchr(b'"', text.as_bytes()).is_some() {
            level.read(text.as_bytes(), Inside { sign_in_failed, deeper });
            if !level.hidden.is_empty() {
                let mut written = Vec::with_capacity(text.len());
                level.write(text.as_bytes(), &mut written);
                return Some(string_of(written));
            }
        }
        if let Some(decoded) = percent_decoded(text.as_bytes()) {
            level.read(&decoded, Inside { sign_in_failed, deeper });
            if !level.hidden.is_empty() {
                return Some(REDACTED.to_owned());
            }
        }
        redacted
    }
}

impl Level {
    fn read(&mut self, text: &[u8], inside: Inside<'_>) {
        self.clear();
        let mut stack = std::mem::take(&mut self.stack);
        let mut redactor = Redactor { text, containers: 0, nodes: 0, level: self, inside };
        raw::walk(text, Mark::root(Place::Other), &mut stack, &mut redactor);
        self.stack = stack;
        self.hide_values();
    }
}

/// A walk over one text.
struct Redactor<'w, 't> {
    text: &'t [u8],
    containers: u32,
    /// How many nodes the walk came by.
    nodes: u32,
    level: &'w mut Level,
    inside: Inside<'w>,
}

impl Visitor for Redactor<'_, '_> {
    type Mark = Mark;

    #[inline]
    fn open(&mut self, above: Mark) -> Mark {
        self.nodes += 1;
        self.containers += 1;
        above.opened(self.containers)
    }

    #[inline]
    fn key(&mut self, above: Mark, key: Token) -> Mark {
        self.nodes += 1;
        let name = self.name(&key);
        above.member(name, self.inside.sign_in_failed && is_of_caller(self.plain(&key)))
    }

    #[inline]
    fn scalar(&mut self, mark: Mark, scalar: Token) {
        let node = self.nodes;
        self.nodes += 1;
        let value = &self.text[scalar.range.clone()];
        let may_hold_text = value.first() == Some(&b'"')
            && may_hold_text_within(value, scalar.is_escaped)
            && !self.inside.deeper.is_empty();
        // Most scalars are of no interest.
        if mark.is_of_interest() || may_hold_text {
            self.look_at(mark, node, scalar, may_hold_text);
        }
    }
}

impl Redactor<'_, '_> {
    fn look_at(&mut self, mark: Mark, node: u32, scalar: Token, may_hold_text: bool) {
        let value = &self.text[scalar.range.clone()];
        if matches!(value, b"null" | b"true" | b"false") || value == HIDDEN_BY_AWS {
            return;
        }
        if mark.secret || (mark.place == Place::KeyId && !is_access_key_id(value)) {
            return self.hide(node, scalar.range, Cow::Borrowed(REDACTED));
        }
        match mark.place {
            Place::Name if self.name(&scalar) == Name::Secret => {
                self.level.secret_containers.push(mark.container);
            }
            Place::Value => {
                let range = scalar.range.clone();
                self.level.values.push(PairValue { container: mark.container, node, range });
            }
            _ => {}
        }
        if may_hold_text && let Some(shown) = self.redact_inside(&scalar) {
            self.hide(node, scalar.range, Cow::Owned(shown));
        }
    }

    fn hide(&mut self, node: u32, range: Range<usize>, shown: Cow<'static, str>) {
        self.level.hidden.push(Hidden { node, range, shown, may_be_key_id: false });
    }

    /// What a key or scalar says as a name.
    #[inline]
    fn name(&mut self, token: &Token) -> Name {
        if token.is_escaped {
            return Name::of(self.plain(token));
        }
        let Range { mut start, mut end } = token.range;
        let quote_at = |at: usize| usize::from(self.text.get(at) == Some(&b'"'));
        start += quote_at(start);
        end -= quote_at(end - 1);
        Name::in_text(self.text, start.min(end)..end)
    }

    /// A key or scalar without escapes; quotes may stay.
    fn plain(&mut self, token: &Token) -> &[u8] {
        let text = &self.text[token.range.clone()];
        match token.is_escaped {
            false => text,
            true => raw::unescape(text, &mut self.level.unescaped).as_bytes(),
        }
    }

    /// What a string holds without its secrets, if it holds any.
    fn redact_inside(&mut self, scalar: &Token) -> Option<String> {
        let mut buffer = std::mem::take(&mut self.level.unescaped);
        let text = raw::unescape(&self.text[scalar.range.clone()], &mut buffer);
        let shown = self.inside.redact_text(text);
        self.level.unescaped = buffer;
        shown
    }
}
