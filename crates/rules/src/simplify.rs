//! Simplifying a rule's logic: what can't change the outcome is not evaluated, and what stands twice stands once.
//!
//! Trees are built through these functions, from their leaves up, so that every tree is simple: constants are folded
//! away, groups of one kind are one group, and in a group
//!
//! - a part that stands twice stands once, and a part beside its own negation decides the group;
//! - a part that another makes needless is gone (`a or (a and b)` is `a`);
//! - what all parts of an `or` have in common is asked once (`(a and b) or (a and c)` is `a and (b or c)`), and the
//!   same with `and` and `or` exchanged.
//!
//! The last two look at parts in pairs and are left out for large groups, whose lists of values gain nothing from it.

use std::collections::BTreeSet;

use crate::program::Tree;

/// Larger groups are not looked through in pairs.
const PAIRED_MAX: usize = 48;

impl Tree {
    /// True if every part is.
    pub(crate) fn all(parts: Vec<Self>) -> Self {
        group(parts, Junction::All)
    }

    /// True if some part is.
    pub(crate) fn any(parts: Vec<Self>) -> Self {
        group(parts, Junction::Any)
    }

    /// True if at least `count` parts are.
    pub(crate) fn at_least(count: usize, parts: Vec<Self>) -> Self {
        let mut left = count;
        let mut kept = Vec::new();
        for part in parts {
            match part {
                Self::Constant(true) => left = left.saturating_sub(1),
                Self::Constant(false) => {}
                part => kept.push(part),
            }
        }
        match left {
            0 => Self::Constant(true),
            1 => Self::any(kept),
            left if left == kept.len() => Self::all(kept),
            left if left > kept.len() => Self::Constant(false),
            left => Self::AtLeast(left, kept),
        }
    }
}

/// `and` or `or`; each is the other with true and false exchanged.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Junction {
    All,
    Any,
}

impl Junction {
    /// What a group without parts is, and what a part that changes nothing is.
    fn neutral(self) -> bool {
        self == Self::All
    }

    fn other(self) -> Self {
        match self {
            Self::All => Self::Any,
            Self::Any => Self::All,
        }
    }

    fn parts(self, tree: &Tree) -> Option<&[Tree]> {
        match (self, tree) {
            (Self::All, Tree::All(parts)) | (Self::Any, Tree::Any(parts)) => Some(parts),
            _ => None,
        }
    }

    fn of(self, mut parts: Vec<Tree>) -> Tree {
        match (parts.len(), self) {
            (0, _) => Tree::Constant(self.neutral()),
            (1, _) => parts.remove(0),
            (_, Self::All) => Tree::All(parts),
            (_, Self::Any) => Tree::Any(parts),
        }
    }
}

fn group(parts: Vec<Tree>, junction: Junction) -> Tree {
    let mut seen = BTreeSet::new();
    let mut kept = Vec::new();
    let flat = parts.into_iter().flat_map(|part| match (junction, part) {
        (Junction::All, Tree::All(inner)) | (Junction::Any, Tree::Any(inner)) => inner,
        (_, part) => vec![part],
    });
    for part in flat {
        if let Tree::Constant(value) = part {
            if value == junction.neutral() {
                continue;
            }
            return part;
        }
        if let Tree::Test { predicate, negated } = part
            && seen.contains(&Tree::Test { predicate, negated: !negated })
        {
            return Tree::Constant(!junction.neutral());
        }
        if seen.insert(part.clone()) {
            kept.push(part);
        }
    }
    if kept.len() < 2 || kept.len() > PAIRED_MAX {
        return junction.of(kept);
    }
    absorb(&mut kept, junction);
    factored(kept, junction)
}

/// Leaves out every part that another makes needless: `a` makes `a and b` needless beside an `or`.
fn absorb(parts: &mut Vec<Tree>, junction: Junction) {
    let inner = junction.other();
    let needless = |nth: usize, parts: &[Tree]| {
        let Some(factors) = inner.parts(&parts[nth]).filter(|f| f.len() <= PAIRED_MAX) else {
            return false;
        };
        parts.iter().enumerate().any(|(other, part)| {
            other != nth
                && match inner.parts(part) {
                    // The shorter of two conjunctions is the weaker; equal ones stand once already.
                    Some(few) => {
                        few.len() < factors.len() && few.iter().all(|part| factors.contains(part))
                    }
                    None => factors.contains(part),
                }
        })
    };
    let keep: Vec<bool> = (0..parts.len()).map(|nth| !needless(nth, parts)).collect();
    let mut keep = keep.into_iter();
    parts.retain(|_| keep.next().unwrap_or(true));
}

/// Takes out what all parts have in common.
fn factored(parts: Vec<Tree>, junction: Junction) -> Tree {
    let inner = junction.other();
    let Some((first, rest)) = parts.split_first() else { return junction.of(parts) };
    let Some(factors) = inner.parts(first).filter(|factors| factors.len() <= PAIRED_MAX) else {
        return junction.of(parts);
    };
    let is_common = |factor: &&Tree| {
        rest.iter().all(|part| inner.parts(part).is_some_and(|parts| parts.contains(factor)))
    };
    let common: Vec<Tree> = factors.iter().filter(is_common).cloned().collect();
    if common.is_empty() {
        return junction.of(parts);
    }
    let without = |part: &Tree| {
        let left = inner.parts(part).into_iter().flatten();
        inner.of(left.filter(|factor| !common.contains(factor)).cloned().collect())
    };
    let rest = group(parts.iter().map(without).collect(), junction);
    let mut factors = common.clone();
    factors.push(rest);
    group(factors, inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(predicate: u32) -> Tree {
        Tree::Test { predicate, negated: false }
    }

    fn not(predicate: u32) -> Tree {
        Tree::Test { predicate, negated: true }
    }

    #[test]
    fn groups_are_simple() {
        let (all, any) = (Tree::all, Tree::any);
        assert_eq!(all(vec![]), Tree::Constant(true));
        assert_eq!(any(vec![is(1), Tree::Constant(true)]), Tree::Constant(true));
        assert_eq!(all(vec![is(1), all(vec![is(2), is(1)])]), Tree::All(vec![is(1), is(2)]));
        assert_eq!(all(vec![is(1), is(2), not(1)]), Tree::Constant(false));
        assert_eq!(any(vec![is(1), not(1)]), Tree::Constant(true));
        assert_eq!(any(vec![is(1), all(vec![is(1), is(2)])]), is(1));
        assert_eq!(all(vec![any(vec![is(1), is(2)]), is(2)]), is(2));
        let shared = any(vec![all(vec![is(1), is(2)]), all(vec![is(3), is(1)])]);
        assert_eq!(shared, Tree::All(vec![is(1), Tree::Any(vec![is(2), is(3)])]));
        let whole = any(vec![all(vec![is(1), is(2)]), all(vec![is(1), not(2)])]);
        assert_eq!(whole, is(1));
        assert_eq!(
            Tree::at_least(2, vec![is(1), Tree::Constant(true), is(2)]),
            any(vec![is(1), is(2)])
        );
    }

    /// Any tree over four predicates is the same function after simplification.
    #[test]
    fn simplification_changes_no_outcome() {
        use proptest::prelude::*;
        use proptest::test_runner::TestRunner;

        #[derive(Clone, Debug)]
        enum Plain {
            Test(u32, bool),
            All(Vec<Plain>),
            Any(Vec<Plain>),
            AtLeast(usize, Vec<Plain>),
        }
        fn built(plain: &Plain) -> Tree {
            let trees = |parts: &[Plain]| parts.iter().map(built).collect();
            match plain {
                Plain::Test(predicate, negated) => {
                    Tree::Test { predicate: *predicate, negated: *negated }
                }
                Plain::All(parts) => Tree::all(trees(parts)),
                Plain::Any(parts) => Tree::any(trees(parts)),
                Plain::AtLeast(count, parts) => Tree::at_least(*count, trees(parts)),
            }
        }
        fn plain_holds(plain: &Plain, bits: u32) -> bool {
            match plain {
                Plain::Test(predicate, negated) => (bits >> predicate & 1 == 1) != *negated,
                Plain::All(parts) => parts.iter().all(|part| plain_holds(part, bits)),
                Plain::Any(parts) => parts.iter().any(|part| plain_holds(part, bits)),
                Plain::AtLeast(count, parts) => {
                    parts.iter().filter(|part| plain_holds(part, bits)).count() >= *count
                }
            }
        }
        fn tree_holds(tree: &Tree, bits: u32) -> bool {
            match tree {
                Tree::Constant(value) => *value,
                Tree::Test { predicate, negated } => (bits >> predicate & 1 == 1) != *negated,
                Tree::All(parts) => parts.iter().all(|part| tree_holds(part, bits)),
                Tree::Any(parts) => parts.iter().any(|part| tree_holds(part, bits)),
                Tree::AtLeast(count, parts) => {
                    parts.iter().filter(|part| tree_holds(part, bits)).count() >= *count
                }
            }
        }
        let leaf = (0_u32..4, any::<bool>())
            .prop_map(|(predicate, negated)| Plain::Test(predicate, negated));
        let plain = leaf.prop_recursive(4, 40, 4, |inner| {
            let parts = || proptest::collection::vec(inner.clone(), 0..4);
            prop_oneof![
                parts().prop_map(Plain::All),
                parts().prop_map(Plain::Any),
                (0_usize..4, parts()).prop_map(|(count, parts)| Plain::AtLeast(count, parts)),
            ]
        });
        TestRunner::default()
            .run(&plain, |plain| {
                let tree = built(&plain);
                for bits in 0..16 {
                    prop_assert_eq!(
                        plain_holds(&plain, bits),
                        tree_holds(&tree, bits),
                        "{:?}",
                        tree
                    );
                }
                Ok(())
            })
            .unwrap();
    }
}
