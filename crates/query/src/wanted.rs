//! What a query demands of every record, as far as it can be told before Arrow sees a row.
//!
//! A demand never decides alone that a row is in the answer: DataFusion asks the whole condition again. It only decides that a record
//! is not, at a glance at its text if that can tell, and else on the tape.

use std::fmt;

use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{BinaryExpr, Case, Expr, Like, Operator};
use trailloop_cloudtrail::Record;

use crate::built::text_of;
use crate::columns::path_of;

/// A test of one text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Test {
    /// It is one of these.
    OneOf(Vec<String>),
    /// It is this or greater, in byte order.
    AtLeast(String),
    /// It is greater.
    Above(String),
    /// It is this or less.
    AtMost(String),
    /// It is less.
    Below(String),
    /// It begins so.
    Begins(String),
    /// It is there.
    Present,
    /// It is not there.
    Absent,
    /// One of these columns is this text, as `coalesce(one, other) = 'text'` demands; the demand names no column of its own.
    Among { columns: Vec<Vec<String>>, text: String },
}

impl Test {
    pub(crate) fn holds(&self, text: Option<&str>) -> bool {
        let Some(text) = text else { return *self == Self::Absent };
        match self {
            Self::OneOf(texts) => texts.iter().any(|one| one == text),
            Self::AtLeast(bound) => text >= bound.as_str(),
            Self::Above(bound) => text > bound.as_str(),
            Self::AtMost(bound) => text <= bound.as_str(),
            Self::Below(bound) => text < bound.as_str(),
            Self::Begins(head) => text.starts_with(head.as_str()),
            Self::Present => true,
            Self::Absent => false,
            Self::Among { text: wanted, .. } => text == wanted,
        }
    }

    /// The texts of which a record that passes must hold one; none if there are no such.
    fn texts(&self) -> &[String] {
        match self {
            Self::OneOf(texts) => texts,
            Self::Begins(text) | Self::Among { text, .. } => std::slice::from_ref(text),
            _ => &[],
        }
    }
}

/// A test of a column, or of a member of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Demand {
    /// The column and the members below it.
    pub(crate) names: Vec<String>,
    /// The test.
    pub(crate) test: Test,
}

impl Demand {
    /// Reads a condition of the query; `None` if it is of another kind, and then only DataFusion decides it.
    pub(crate) fn of(condition: &Expr) -> Option<Self> {
        match condition {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                if *op == Operator::Eq
                    && let Some(demand) =
                        Self::among(left, right).or_else(|| Self::among(right, left))
                {
                    return Some(demand);
                }
                let (names, value, op) = match (names_of(left), text_of_literal(right)) {
                    (Some(names), Some(value)) => (names, value, *op),
                    _ => (names_of(right)?, text_of_literal(left)?, op.swap()?),
                };
                let test = match op {
                    Operator::Eq => Test::OneOf(vec![value]),
                    Operator::GtEq => Test::AtLeast(value),
                    Operator::Gt => Test::Above(value),
                    Operator::LtEq => Test::AtMost(value),
                    Operator::Lt => Test::Below(value),
                    _ => return None,
                };
                Some(Self { names, test })
            }
            Expr::InList(InList { expr, list, negated: false }) => {
                let texts = list.iter().map(text_of_literal).collect::<Option<Vec<_>>>()?;
                Some(Self { names: names_of(expr)?, test: Test::OneOf(texts) })
            }
            Expr::Like(Like {
                negated: false,
                expr,
                pattern,
                escape_char: None,
                case_insensitive: false,
            }) => {
                let pattern = text_of_literal(pattern)?;
                let head = pattern.strip_suffix('%')?;
                let plain = !head.is_empty() && !head.contains(['%', '_', '\\']);
                plain
                    .then_some(Self { names: names_of(expr)?, test: Test::Begins(head.to_owned()) })
            }
            Expr::IsNotNull(of) => Some(Self { names: names_of(of)?, test: Test::Present }),
            Expr::IsNull(of) => Some(Self { names: names_of(of)?, test: Test::Absent }),
            _ => None,
        }
    }

    /// Reads `coalesce(one, other) = 'text'`, which comes as a `CASE` whose every outcome is a column: whichever it is, that column is
    /// the text.
    fn among(outcome: &Expr, text: &Expr) -> Option<Self> {
        let Expr::Case(Case { when_then_expr, else_expr, .. }) = outcome else { return None };
        let thens = when_then_expr.iter().map(|(_, then)| then);
        let columns = thens.chain(else_expr).map(|of| names_of(of)).collect::<Option<Vec<_>>>()?;
        let test = Test::Among { columns, text: text_of_literal(text)? };
        let demand = Self { names: Vec::new(), test };
        demand.paths().is_some().then_some(demand)
    }

    /// The paths of the columns of which one is the text, if all of them are the record's own.
    fn paths(&self) -> Option<Vec<Vec<&'static str>>> {
        let Test::Among { columns, .. } = &self.test else { return None };
        let path =
            |names: &Vec<String>| path_of(&names.iter().map(String::as_str).collect::<Vec<_>>());
        columns.iter().map(path).collect()
    }

    /// Whether it can be decided on a record.
    pub(crate) fn is_of_record(&self) -> bool {
        self.path().or_else(|| self.paths()?.into_iter().next()).is_some()
    }

    /// The path of the record it looks at.
    fn path(&self) -> Option<Vec<&'static str>> {
        path_of(&self.names.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

impl fmt::Display for Demand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.names.join(".");
        match &self.test {
            Test::OneOf(texts) if texts.len() == 1 => write!(f, "{name} = {:?}", texts[0]),
            Test::OneOf(texts) => write!(f, "{name} in {texts:?}"),
            Test::AtLeast(bound) => write!(f, "{name} >= {bound:?}"),
            Test::Above(bound) => write!(f, "{name} > {bound:?}"),
            Test::AtMost(bound) => write!(f, "{name} <= {bound:?}"),
            Test::Below(bound) => write!(f, "{name} < {bound:?}"),
            Test::Begins(head) => write!(f, "{name} begins with {head:?}"),
            Test::Present => write!(f, "{name} is there"),
            Test::Absent => write!(f, "{name} is not there"),
            Test::Among { columns, text } => {
                let names: Vec<String> = columns.iter().map(|names| names.join(".")).collect();
                write!(f, "{} = {text:?}", names.join(" or "))
            }
        }
    }
}

/// A column, or a member of one: `useridentity['arn']`.
fn names_of(expr: &Expr) -> Option<Vec<String>> {
    match expr {
        Expr::Column(column) => Some(vec![column.name.clone()]),
        Expr::ScalarFunction(call) if call.name() == "get_field" => {
            let (object, members) = call.args.split_first()?;
            let mut names = names_of(object)?;
            for member in members {
                names.push(text_of_literal(member)?);
            }
            Some(names)
        }
        Expr::Cast(cast) if cast.field.data_type().is_string() => names_of(&cast.expr),
        _ => None,
    }
}

fn text_of_literal(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Literal(
            ScalarValue::Utf8(text) | ScalarValue::LargeUtf8(text) | ScalarValue::Utf8View(text),
            _,
        ) => text.clone(),
        _ => None,
    }
}

/// All demands on a record.
pub(crate) struct Wanted {
    /// Of a record's own texts.
    own: Vec<(&'static str, Test)>,
    /// Of what lies deeper.
    deep: Vec<(Vec<&'static str>, Test)>,
    /// Texts that one of several members has to be.
    among: Vec<(Vec<Vec<&'static str>>, Test)>,
    /// Of what lies deeper, the texts of which the record must hold one.
    texts: Vec<Vec<memchr::memmem::Finder<'static>>>,
}

impl Wanted {
    /// Those demands that look at the record itself.
    pub(crate) fn new(demands: &[Demand]) -> Self {
        let mut tests: Vec<(Vec<&'static str>, Test)> = demands
            .iter()
            .filter_map(|demand| Some((demand.path()?, demand.test.clone())))
            .collect();
        let deep: Vec<_> = tests.extract_if(.., |(path, _)| path.len() > 1).collect();
        let finder = |text: &String| memchr::memmem::Finder::new(text.as_bytes()).into_owned();
        let plain = |text: &String| {
            // A glance looks for them only in records without a backslash, in which nothing is escaped.
            text.bytes().all(|b| (0x20..0x7f).contains(&b) && !matches!(b, b'"' | b'\\'))
        };
        let among = demands.iter().filter_map(|one| Some((one.paths()?, one.test.clone())));
        let among: Vec<_> = among.collect();
        let texts = deep.iter().map(|(_, test)| test);
        let texts = texts.chain(among.iter().map(|(_, test)| test)).map(Test::texts);
        let texts =
            texts.filter(|texts| !texts.is_empty() && texts.len() <= 4 && texts.iter().all(plain));
        let texts = texts.map(|texts| texts.iter().map(finder).collect()).collect();
        let own = tests.into_iter().map(|(path, test)| (path[0], test)).collect();
        Self { own, deep, among, texts }
    }

    /// Whether the text of a plain record alone tells that it is not wanted.
    pub(crate) fn lacks_text(&self, raw: &[u8]) -> bool {
        self.texts.iter().any(|texts| texts.iter().all(|text| text.find(raw).is_none()))
    }

    /// The tests of a record's own texts, each with its key. One key may be tested twice, by a lower and an upper bound.
    pub(crate) fn own(&self) -> impl Iterator<Item = (&'static str, &Test)> {
        self.own.iter().map(|(key, test)| (*key, test))
    }

    /// Whether a record's own texts are all that is demanded.
    pub(crate) fn is_own(&self) -> bool {
        self.deep.is_empty() && self.among.is_empty()
    }

    /// Whether a parsed record meets every demand.
    pub(crate) fn holds(&self, record: Record<'_>, buffer: &mut String) -> bool {
        let mut is = |path: &[&str], test: &Test| test.holds(text_of(record.get(path), buffer));
        self.own.iter().all(|(key, test)| is(&[*key], test))
            && self.deep.iter().all(|(path, test)| is(path, test))
            && self.among.iter().all(|(paths, test)| paths.iter().any(|path| is(path, test)))
    }
}
