//! Derived and enriched fields for whoever is no rule: queries show them as columns.

use std::sync::Arc;

use trailloop_cloudtrail::Record;
use trailloop_enrichment::{Enriched, Enrichment};

use crate::derived::Derived;
use crate::enriched::Facts;
use crate::set::{MatchScratch, RuleSet};

/// Fields to read of one record after another.
pub struct FieldColumns {
    /// A set without rules: what reads a record is the set's view of it.
    set: RuleSet,
    fields: Vec<Option<Either>>,
    scratch: MatchScratch,
}

enum Either {
    Derived(Derived),
    Enriched(Enriched),
}

impl FieldColumns {
    /// Fields by their names, and the operator's files that enriched ones are answered from. A name that is no field has no
    /// value.
    #[must_use]
    pub fn new<'n>(names: impl IntoIterator<Item = &'n str>, files: Arc<Enrichment>) -> Self {
        let field = |name: &str| {
            let derived = Derived::of_name(name).map(Either::Derived);
            derived.or_else(|| Enriched::parse(name).map(Either::Enriched))
        };
        Self {
            set: RuleSet::compiled(Vec::new(), &[], Facts::Files(files), &mut Vec::new()),
            fields: names.into_iter().map(field).collect(),
            scratch: MatchScratch::new(),
        }
    }

    /// Calls `visit` once with each field, in the order of their names: its value, of several those one a line.
    pub fn read(&mut self, record: &Record<'_>, mut visit: impl FnMut(Option<&str>)) {
        let Self { set, fields, scratch } = self;
        let mut text = String::new();
        set.with_view(record, scratch, |view, _| {
            for field in fields {
                text.clear();
                let mut found = false;
                let mut take = |value: &str| {
                    if found {
                        text.push('\n');
                    }
                    found = true;
                    text.push_str(value);
                    false
                };
                match field {
                    Some(Either::Derived(field)) => view.derived(*field, &mut take),
                    Some(Either::Enriched(field)) => view.enriched(*field, &mut take),
                    None => false,
                };
                visit(found.then_some(text.as_str()));
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use trailloop_cloudtrail::RecordBuffer;

    use super::*;

    #[test]
    fn fields_are_read_in_their_order() {
        let record = br#"{"eventName":"GetObject20150331","sourceIPAddress":"10.0.0.1","userAgent":"aws-cli/2","errorCode":"AccessDenied"}"#;
        let mut buffer = RecordBuffer::new();
        let record = Record::parse(record, &mut buffer).unwrap();
        let mut columns = FieldColumns::new(
            ["outcome", "nothing", "api", "ip.kind", "ip.country"],
            Arc::default(),
        );
        for _ in 0..2 {
            let mut seen = Vec::new();
            columns.read(&record, |value| seen.push(value.map(str::to_owned)));
            let seen: Vec<_> = seen.iter().map(Option::as_deref).collect();
            assert_eq!(seen, [Some("failure"), None, Some("GetObject"), Some("private"), None]);
        }
    }
}
