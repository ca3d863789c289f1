//! What a rule set was compiled into, in numbers: one line for the log.

use std::collections::BTreeSet;
use std::fmt;

use crate::index::Stand;
use crate::keys::Key;
use crate::test::Predicate;

/// What was compiled into which strategy; displays as one line for the log.
#[derive(Clone, Copy, Debug, Default)]
pub struct Strategy {
    /// The rules in the set.
    pub rules: usize,
    /// The filters joined to them.
    pub filters: usize,
    /// Rules found by the record's eventSource and eventName.
    pub by_source_and_name: usize,
    /// Rules found by eventName alone.
    pub by_name: usize,
    /// Rules found by how eventName begins.
    pub by_name_start: usize,
    /// Rules found by eventSource alone.
    pub by_source: usize,
    /// Rules found by a text in another field.
    pub by_witness: usize,
    /// Rules tried on every record.
    pub residual: usize,
    /// Rules that no record can match.
    pub never: usize,
    /// The predicates of all rules.
    pub predicates: usize,
    /// Those that differ; each is evaluated at most once a record.
    pub predicates_distinct: usize,
    /// The fields they look at.
    pub fields: usize,
}

impl Strategy {
    pub(crate) fn new(
        stands: &[Stand],
        asked: usize,
        distinct: usize,
        filters: usize,
        predicates: &[Predicate],
    ) -> Self {
        let fields: BTreeSet<String> =
            predicates.iter().map(|predicate| predicate.field.to_string()).collect();
        let mut strategy = Self {
            rules: stands.len(),
            filters,
            predicates: asked,
            predicates_distinct: distinct,
            fields: fields.len(),
            ..Self::default()
        };
        for stand in stands {
            *match stand {
                Stand::Names { names, .. }
                    if names.iter().any(|key| matches!(key, Key::Prefix(_))) =>
                {
                    &mut strategy.by_name_start
                }
                Stand::Names { sources: Some(_), .. } => &mut strategy.by_source_and_name,
                Stand::Names { sources: None, .. } => &mut strategy.by_name,
                Stand::Sources(_) => &mut strategy.by_source,
                Stand::Witness { .. } => &mut strategy.by_witness,
                Stand::Residue => &mut strategy.residual,
                Stand::Nowhere => &mut strategy.never,
            } += 1;
        }
        strategy
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "compiled {} rules", self.rules)?;
        if self.filters > 0 {
            write!(f, " and {} filters", self.filters)?;
        }
        f.write_str(": ")?;
        let strategies = [
            (self.by_source_and_name, "by source and name"),
            (self.by_name, "by name"),
            (self.by_name_start, "by start of name"),
            (self.by_source, "by source"),
            (self.by_witness, "by another field"),
            (self.residual, "on every record"),
            (self.never, "never"),
        ];
        for (count, what) in strategies.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, "{count} {what}, ")?;
        }
        write!(
            f,
            "{} predicates ({} distinct) on {} fields",
            self.predicates, self.predicates_distinct, self.fields
        )
    }
}
