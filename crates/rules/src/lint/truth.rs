//! Branches that no record can satisfy, or every record does, or that another branch covers.
//!
//! Two things are used: the simplified logic, in which a test beside its own negation is false; and that some fields hold
//! one text, so that two texts are demanded of them in vain. That a record may repeat a key, and a key then stands for
//! all its values, is left out of account: CloudTrail writes no such record.

use super::condition::{number, shape};
use super::{Part, mappings};
use crate::coverage::numbered;
use crate::derived::{self, Derived};
use crate::diagnostic::{Reporter, code, quoted};
use crate::keys::weakness;
use crate::program::Tree;
use crate::test::{Expr, Field, Predicate, Test, any_holds};
use crate::yaml::{Data, Mark, Node};

/// Fields that hold one text, number or boolean in any record that CloudTrail writes.
const SINGLE: &[&str] = &[
    "eventSource",
    "eventName",
    "userIdentity.type",
    "errorCode",
    "awsRegion",
    "eventType",
    "eventCategory",
    "managementEvent",
    "readOnly",
    "recipientAccountId",
    "sourceIPAddress",
    "userAgent",
    "userIdentity.accountId",
    "userIdentity.arn",
    "userIdentity.invokedBy",
    "userIdentity.principalId",
    "userIdentity.userName",
    "userIdentity.sessionContext.attributes.mfaAuthenticated",
];

/// More texts of a field are not tried one by one.
const TEXTS_MAX: usize = 64;

/// So many steps are taken for one detection; then nothing more is claimed.
const STEPS_MAX: usize = 20_000;

/// More branches are not compared with one another.
const BRANCHES_MAX: usize = 16;

/// Larger expressions are not compared with one another.
const TESTS_MAX: usize = 60;

/// Nothing is claimed of a detection of more values: its lists would be gone through again and again.
const VALUES_MAX: usize = 2_000;

/// A way to satisfy a detection or a part of it.
struct Branch {
    mark: Mark,
    name: String,
    expr: Expr,
}

pub(super) fn check(parts: &[Part<'_>], sentence: &Node, reporter: &mut Reporter<'_>) {
    let weight: usize = parts.iter().map(|part| part.identifier.expr.weight()).sum();
    if weight > VALUES_MAX {
        return;
    }
    let mut steps = STEPS_MAX;
    let mut is_bad = vec![false; parts.len()];
    for (part, is_bad) in parts.iter().zip(&mut is_bad) {
        let branches = branches_of(part);
        let never = never_true(&branches, &mut steps, reporter);
        *is_bad = never.iter().all(|is_never| *is_never) && !never.is_empty();
        if branches.len() > 1 {
            needless(&branches, &never, &mut steps, reporter);
        }
    }
    let Some(shape) = shape(parts, sentence) else { return };
    if shape.weight().saturating_mul(weight) > VALUES_MAX * BRANCHES_MAX {
        return;
    }
    let of_condition = match &shape {
        Expr::Any(parts) => parts.as_slice(),
        whole => std::slice::from_ref(whole),
    };
    let mut branches = Vec::new();
    for one in of_condition {
        let mut named = Vec::new();
        let Some(expr) = filled(one, parts, &mut named) else { return };
        // Why a branch of an identifier that is never true is false has been said there.
        if named.iter().any(|nth| is_bad.get(*nth) == Some(&true)) {
            continue;
        }
        named.sort_unstable();
        named.dedup();
        let names: Vec<String> = named
            .iter()
            .filter_map(|nth| parts.get(*nth))
            .take(4)
            .map(|part| quoted(&part.identifier.name))
            .collect();
        let name = match of_condition.len() {
            1 => "the condition".to_owned(),
            _ => format!("the branch of {}", names.join(", ")),
        };
        branches.push(Branch { mark: sentence.mark, name, expr });
    }
    let never = never_true(&branches, &mut steps, reporter);
    if branches.len() > 1 {
        needless(&branches, &never, &mut steps, reporter);
    }
    always_true(&branches, sentence, reporter);
}

/// A search identifier's mappings with what each was read into; lists of keywords have none.
fn branches_of(part: &Part<'_>) -> Vec<Branch> {
    let of_list = match &part.value.data {
        Data::Sequence(elements) => elements.as_slice(),
        Data::Mapping(_) => {
            let name = quoted(&part.identifier.name);
            let expr = part.identifier.expr.clone();
            return vec![Branch { mark: part.key.mark, name, expr }];
        }
        Data::Scalar(_) => return Vec::new(),
    };
    match &part.identifier.expr {
        Expr::Any(exprs)
            if mappings(part.value).len() == of_list.len() && exprs.len() == of_list.len() =>
        {
            let name =
                |nth: usize| format!("element {} of {}", nth + 1, quoted(&part.identifier.name));
            let branch = |(nth, (node, expr)): (usize, (&Node, &Expr))| Branch {
                mark: node.mark,
                name: name(nth),
                expr: expr.clone(),
            };
            of_list.iter().zip(exprs).enumerate().map(branch).collect()
        }
        _ => Vec::new(),
    }
}

/// The condition with what its identifiers were read into; `named` tells which they are.
fn filled(shape: &Expr, parts: &[Part<'_>], named: &mut Vec<usize>) -> Option<Expr> {
    let all = |exprs: &[Expr], named: &mut Vec<usize>| -> Option<Vec<Expr>> {
        exprs.iter().map(|one| filled(one, parts, named)).collect()
    };
    Some(match shape {
        Expr::All(exprs) => Expr::All(all(exprs, named)?),
        Expr::Any(exprs) => Expr::Any(all(exprs, named)?),
        Expr::AtLeast(count, exprs) => Expr::AtLeast(*count, all(exprs, named)?),
        Expr::Not(expr) => Expr::Not(Box::new(filled(expr, parts, named)?)),
        Expr::Test(predicate) => {
            let nth = number(predicate)?;
            named.push(nth);
            parts.get(nth)?.identifier.expr.clone()
        }
    })
}

/// Reports each branch that can't be true, and says which these are.
fn never_true(branches: &[Branch], steps: &mut usize, reporter: &mut Reporter<'_>) -> Vec<bool> {
    let mut never = Vec::new();
    for branch in branches {
        let reason = impossible(std::iter::once(&branch.expr), steps);
        never.push(reason.is_some());
        let Some(reason) = reason else { continue };
        let because = match reason {
            Reason::Logic => "the same test is demanded and excluded".to_owned(),
            Reason::Field(field) => {
                format!("no text of `{field}` satisfies all that is asked of it")
            }
        };
        reporter.warning(
            branch.mark,
            code::NEVER_TRUE,
            format!("{} can never be true: {because}", branch.name),
            "remove the test that is too much, or write alternatives as a list or with `or`",
        );
    }
    never
}

/// Reports each branch that is true only where another is as well.
fn needless(branches: &[Branch], never: &[bool], steps: &mut usize, reporter: &mut Reporter<'_>) {
    let is_large = |branch: &Branch| branch.expr.weight() > TESTS_MAX;
    if branches.len() > BRANCHES_MAX || branches.iter().any(is_large) {
        return;
    }
    let mut is_gone = vec![false; branches.len()];
    for (nth, branch) in branches.iter().enumerate() {
        let covering = branches.iter().enumerate().find(|(other, wider)| {
            let is_open = *other != nth && !is_gone[*other] && !never[*other] && !never[nth];
            let outside = Expr::Not(Box::new(wider.expr.clone()));
            is_open && impossible([&branch.expr, &outside].into_iter(), steps).is_some()
        });
        let Some((_, wider)) = covering else { continue };
        is_gone[nth] = true;
        reporter.note(
            branch.mark,
            code::NEEDLESS_BRANCH,
            format!("{} finds nothing that {} does not find", branch.name, wider.name),
            "remove it, or add what was left out of one of them",
        );
    }
}

fn always_true(branches: &[Branch], sentence: &Node, reporter: &mut Reporter<'_>) {
    let any = Expr::Any(branches.iter().map(|branch| branch.expr.clone()).collect());
    if numbered(std::iter::once(&any)).0 == Tree::Constant(true) {
        reporter.warning(
            sentence.mark,
            code::ALWAYS_TRUE,
            "every record satisfies the condition",
            "write `and` where alternatives were not meant, or remove the negated part",
        );
    }
}

/// Why something can't be true.
enum Reason {
    /// By its form.
    Logic,
    /// Because of what this field would have to hold.
    Field(&'static str),
}

/// Whether expressions can't be true together.
fn impossible<'e>(exprs: impl Iterator<Item = &'e Expr>, steps: &mut usize) -> Option<Reason> {
    if *steps == 0 {
        return None;
    }
    let (tree, predicates) = numbered(exprs);
    if tree == Tree::Constant(false) {
        return Some(Reason::Logic);
    }
    refuted(&tree, &predicates, SINGLE, steps)
}

/// Tries every text that each field may have for the tree to hold.
fn refuted(
    tree: &Tree,
    predicates: &[Predicate],
    fields: &[&'static str],
    steps: &mut usize,
) -> Option<Reason> {
    *steps = steps.checked_sub(1)?;
    match tree {
        Tree::Constant(value) => return (!value).then_some(Reason::Logic),
        Tree::Any(parts) => {
            let mut reason = None;
            for part in parts {
                reason = Some(refuted(part, predicates, fields, steps)?);
            }
            return reason;
        }
        _ => {}
    }
    let (name, rest) = fields.split_first()?;
    let field = Field::of_keys(name);
    let keys = tree.keys(&field, predicates);
    let Some(keys) = keys.filter(|keys| weakness(keys) == 0 && keys.len() <= TEXTS_MAX) else {
        return refuted(tree, predicates, rest, steps);
    };
    let mut reason = Reason::Field(name);
    for key in &keys {
        let left = with_text(tree, &field, key.text(), predicates);
        if let Reason::Field(field) = refuted(&left, predicates, rest, steps)? {
            reason = Reason::Field(field);
        }
    }
    Some(reason)
}

/// The tree for records that hold this folded text in a field.
fn with_text(tree: &Tree, field: &Field, text: &str, predicates: &[Predicate]) -> Tree {
    let all = |parts: &[Tree]| -> Vec<Tree> {
        parts.iter().map(|part| with_text(part, field, text, predicates)).collect()
    };
    match tree {
        Tree::Constant(value) => Tree::Constant(*value),
        Tree::Test { predicate, negated } => {
            match predicates.get(*predicate as usize).and_then(|one| decided(one, field, text)) {
                Some(value) => Tree::Constant(value != *negated),
                None => tree.clone(),
            }
        }
        Tree::All(parts) => Tree::all(all(parts)),
        Tree::Any(parts) => Tree::any(all(parts)),
        Tree::AtLeast(count, parts) => Tree::at_least(*count, all(parts)),
    }
}

/// What a predicate is for records that hold this folded text in the field.
fn decided(predicate: &Predicate, field: &Field, text: &str) -> Option<bool> {
    let is_api =
        predicate.field == Field::Derived(Derived::Api) && field.keys() == Some("eventName");
    let text = match is_api {
        true if text.is_empty() => return None,
        true => derived::api(text),
        false if predicate.field == *field => text,
        false => return None,
    };
    match &predicate.test {
        // Folding keeps the number of characters, so the folded text stands for every spelling.
        Test::Text(pattern) if !pattern.cased => Some(pattern.matches(text)),
        Test::OneOf(whole) if !whole.cased => Some(whole.matches(text)),
        Test::AnyEdge(edge) if !edge.cased => Some(edge.matches(text)),
        Test::AnyPiece(pieces) => Some(pieces.matches(text)),
        Test::Network(network) => Some(network.contains(text)),
        Test::AnyNetwork(networks) => Some(any_holds(networks, text)),
        Test::Exists => Some(true),
        Test::Null => Some(false),
        _ => None,
    }
}
