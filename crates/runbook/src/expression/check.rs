//! What can be told of an expression before it ever runs: that its paths exist, and that its types fit.

use serde_json::Value;
use trailloop_rules::source::{nearest, quoted};

use super::{ExpressionError, Kind, Operator, Term};

/// What an expression is for, which says what it may speak of and what it has to come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A condition on `finding`, `run` and `enrich`.
    Condition,
    /// The value of a parameter, from the same.
    Binding,
    /// A condition on `answer` too.
    Answer,
    /// A condition on `event` too.
    Event,
}

/// What a term comes to, as far as that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Text,
    Number,
    Truth,
    List,
    Object,
    Null,
    Unknown,
}

/// Paths that are always the same, and their types; below an unknown one everything may stand.
const PATHS: &[(&str, Type)] = &[
    ("finding.account", Type::Text),
    ("finding.event", Type::Unknown),
    ("finding.priority", Type::Number),
    ("finding.region", Type::Text),
    ("finding.resource.access_key_id", Type::Text),
    ("finding.resource.account", Type::Text),
    ("finding.resource.added_groups", Type::List),
    ("finding.resource.added_user_ids", Type::List),
    ("finding.resource.arn", Type::Text),
    ("finding.resource.created", Type::Unknown),
    ("finding.resource.credential_id", Type::Text),
    ("finding.resource.direction", Type::Text),
    ("finding.resource.group_name", Type::Text),
    ("finding.resource.instance_ids", Type::List),
    ("finding.resource.is_boundary", Type::Truth),
    ("finding.resource.is_trust", Type::Truth),
    ("finding.resource.name", Type::Text),
    ("finding.resource.permissions_boundary", Type::Text),
    ("finding.resource.policy_arn", Type::Text),
    ("finding.resource.policy_name", Type::Text),
    ("finding.resource.qualifier", Type::Text),
    ("finding.resource.region", Type::Text),
    ("finding.resource.role_name", Type::Text),
    ("finding.resource.rule_ids", Type::List),
    ("finding.resource.statement_id", Type::Text),
    ("finding.resource.type", Type::Text),
    ("finding.resource.user_name", Type::Text),
    ("finding.resource.version_id", Type::Text),
    ("finding.rule", Type::Text),
    ("finding.severity", Type::Text),
    ("finding.severity_id", Type::Number),
    ("finding.tags", Type::List),
    ("finding.target.access_key_id", Type::Text),
    ("finding.target.account", Type::Text),
    ("finding.target.class", Type::Text),
    ("finding.target.from_console", Type::Truth),
    ("finding.target.identity_center_user", Type::Text),
    ("finding.target.identity_store", Type::Text),
    ("finding.target.instance_id", Type::Text),
    ("finding.target.invoked_by", Type::Text),
    ("finding.target.partition", Type::Text),
    ("finding.target.permission_set", Type::Text),
    ("finding.target.principal_arn", Type::Text),
    ("finding.target.principal_id", Type::Text),
    ("finding.target.reason", Type::Text),
    ("finding.target.recipient_account", Type::Text),
    ("finding.target.role_name", Type::Text),
    ("finding.target.session_name", Type::Text),
    ("finding.target.user_name", Type::Text),
    ("finding.time", Type::Text),
    ("finding.title", Type::Text),
    ("finding.uid", Type::Text),
    ("finding.uid8", Type::Text),
    ("finding.verdict", Type::Text),
    ("run.account", Type::Text),
    ("run.id", Type::Text),
    ("run.partition", Type::Text),
    ("run.region", Type::Text),
    ("run.started_at", Type::Text),
];

pub(super) fn check(
    root: &Term,
    purpose: Purpose,
    aliases: &[String],
) -> Result<(), ExpressionError> {
    let checker = Checker { purpose, aliases };
    let kind = checker.kind(root)?;
    match purpose {
        Purpose::Binding if matches!(kind, Type::Object | Type::Null) => Err(refused(
            root,
            format!("this is {}, which no parameter can be", kind.name()),
            "bind a text, a number, a truth or a list",
        )),
        Purpose::Binding => Ok(()),
        _ => demand(root, kind, Type::Truth, "a condition"),
    }
}

struct Checker<'a> {
    purpose: Purpose,
    aliases: &'a [String],
}

impl Checker<'_> {
    fn kind(&self, term: &Term) -> Result<Type, ExpressionError> {
        Ok(match &term.kind {
            Kind::Literal(Value::String(_)) => Type::Text,
            Kind::Literal(Value::Number(_)) => Type::Number,
            Kind::Literal(Value::Bool(_)) => Type::Truth,
            Kind::Literal(_) => Type::Null,
            Kind::Path(names) => self.path(term, names)?,
            Kind::List(terms) => {
                terms.iter().try_for_each(|term| self.kind(term).map(|_| ()))?;
                Type::List
            }
            Kind::Any(names, _) => {
                let kind = self.path(term, names)?;
                if !matches!(kind, Type::List | Type::Object | Type::Unknown) {
                    let message = format!("`any` looks into a list, and this is {}", kind.name());
                    return Err(refused(term, message, "compare with `==`"));
                }
                Type::Truth
            }
            Kind::Not(inner) => {
                demand(inner, self.kind(inner)?, Type::Truth, "`not`")?;
                Type::Truth
            }
            Kind::And(terms) | Kind::Or(terms) => {
                for inner in terms {
                    demand(inner, self.kind(inner)?, Type::Truth, "`and` and `or`")?;
                }
                Type::Truth
            }
            Kind::Compare(operator, left, right) => {
                self.comparison(term, *operator, left, right)?;
                Type::Truth
            }
            Kind::In(member, list) => {
                self.kind(member)?;
                demand(list, self.kind(list)?, Type::List, "`in`")?;
                Type::Truth
            }
            Kind::Join(terms) => {
                for inner in terms {
                    demand(inner, self.kind(inner)?, Type::Text, "`+`")?;
                }
                Type::Text
            }
            Kind::Choose(condition, then, otherwise) => {
                demand(condition, self.kind(condition)?, Type::Truth, "`?`")?;
                let (then, otherwise) = (self.kind(then)?, self.kind(otherwise)?);
                if then == otherwise { then } else { Type::Unknown }
            }
        })
    }

    fn comparison(
        &self,
        term: &Term,
        operator: Operator,
        left: &Term,
        right: &Term,
    ) -> Result<(), ExpressionError> {
        let (left, right) = (self.kind(left)?, self.kind(right)?);
        let is_order = !matches!(operator, Operator::Equal | Operator::Differs);
        let unordered = |kind| matches!(kind, Type::Truth | Type::List | Type::Object | Type::Null);
        if is_order && (unordered(left) || unordered(right)) {
            let odd = if unordered(left) { left } else { right };
            let message = format!("{} is neither more nor less than anything", odd.name());
            return Err(refused(term, message, "compare texts with texts, numbers with numbers"));
        }
        let any = |kind| matches!(kind, Type::Unknown | Type::Null);
        if left != right && !any(left) && !any(right) {
            let message = format!("{} is compared with {}", left.name(), right.name());
            return Err(refused(term, message, "texts stand in single quotes, numbers do not"));
        }
        Ok(())
    }

    fn path(&self, term: &Term, names: &[String]) -> Result<Type, ExpressionError> {
        let root = names[0].as_str();
        let is_allowed = match root {
            "finding" | "run" => return known(term, names),
            "enrich" => return self.answer(term, names),
            "answer" => self.purpose == Purpose::Answer,
            "event" => self.purpose == Purpose::Event,
            _ => false,
        };
        if is_allowed {
            return Ok(Type::Unknown);
        }
        let roots = match self.purpose {
            Purpose::Condition | Purpose::Binding => "`finding.`, `run.` or `enrich.`",
            Purpose::Answer => "`answer.`, `finding.`, `run.` or `enrich.`",
            Purpose::Event => "`event.`, `finding.`, `run.` or `enrich.`",
        };
        let help = format!("begin the path with {roots}, or quote it if it is a text");
        Err(refused(term, format!("there is no {} here", quoted(root)), help))
    }

    /// A path below `enrich`.
    fn answer(&self, term: &Term, names: &[String]) -> Result<Type, ExpressionError> {
        let Some(alias) = names.get(1).filter(|alias| self.aliases.contains(alias)) else {
            let message = format!("no query of `enrich` has the name {}", quoted(&names.join(".")));
            return Err(refused(term, message, "write `enrich.NAME`, with a name under `as:`"));
        };
        match names.get(2).map(String::as_str) {
            None => Ok(Type::Object),
            Some("rows") if names.len() == 3 => Ok(Type::Number),
            Some("events") if names.len() == 3 => Ok(Type::List),
            Some(_) => {
                let message = format!("an answer has no {}", quoted(&names[2..].join(".")));
                let help = format!(
                    "write `enrich.{alias}.rows`, `enrich.{alias}.events` or `enrich.{alias}.any('…')`"
                );
                Err(refused(term, message, help))
            }
        }
    }
}

/// The type of a path below `finding` or `run`.
fn known(term: &Term, names: &[String]) -> Result<Type, ExpressionError> {
    let path = names.join(".");
    let below = |known: &str| path.strip_prefix(known).is_some_and(|rest| rest.starts_with('.'));
    if let Some((_, kind)) = PATHS.iter().find(|(known, _)| *known == path) {
        return Ok(*kind);
    }
    if PATHS.iter().any(|(known, kind)| *kind == Type::Unknown && below(known)) {
        return Ok(Type::Unknown);
    }
    if PATHS.iter().any(|(known, _)| known.strip_prefix(&path).is_some_and(|r| r.starts_with('.')))
    {
        return Ok(Type::Object);
    }
    let candidates: Vec<&str> = PATHS.iter().map(|(known, _)| *known).collect();
    let help = match nearest(&path, &candidates) {
        Some(near) => format!("write `{near}` if that is meant"),
        None => "see the list of paths in docs/runbooks.md; the record stands in `finding.event`"
            .to_owned(),
    };
    Err(refused(term, format!("no finding has the path {}", quoted(&path)), help))
}

fn demand(term: &Term, kind: Type, wanted: Type, by: &str) -> Result<(), ExpressionError> {
    if kind == wanted || kind == Type::Unknown {
        return Ok(());
    }
    let message = format!("{by} needs {}, and this is {}", wanted.name(), kind.name());
    Err(refused(term, message, "compare it with something, or write another path"))
}

fn refused(term: &Term, message: String, help: impl Into<String>) -> ExpressionError {
    ExpressionError { offset: term.offset, message, help: help.into() }
}

impl Type {
    fn name(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Number => "a number",
            Self::Truth => "true or false",
            Self::List => "a list",
            Self::Object => "an object",
            Self::Null => "null",
            Self::Unknown => "anything",
        }
    }
}
