//! What keeps a statement from running on Athena, told before it is sent there: the two engines share most of SQL, and not all.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, Expr, Ident, ObjectNamePart, Query, Select, SelectItem, SetExpr,
    TableAlias, TableFactor, Visitor,
};

use crate::columns::{COLUMNS, Origin};
use crate::error::QueryError;
use crate::own::OWN_TABLES;
use crate::sql::{ForAthena, Parameters, Prepared};

/// Functions of our engine alone, which read JSON.
const JSON_FUNCTIONS: [&str; 12] = [
    "json_as_text",
    "json_contains",
    "json_from_scalar",
    "json_get",
    "json_get_array",
    "json_get_bool",
    "json_get_float",
    "json_get_int",
    "json_get_json",
    "json_get_str",
    "json_length",
    "json_object_keys",
];

/// The statement as Athena takes it, with its parameters.
///
/// # Errors
///
/// If something in it is known to our engine alone: which, and how both engines take it.
pub fn for_athena(prepared: &Prepared, given: &Parameters) -> Result<ForAthena, QueryError> {
    let mut words = Words::default();
    let flow = prepared.visit(&mut words);
    let ours = |column: &str| {
        let is_ours = |origin: &Origin| !matches!(origin, Origin::Record(_) | Origin::Key(_));
        COLUMNS.iter().any(|(name, origin)| name == column && is_ours(origin))
    };
    let said = match flow {
        ControlFlow::Break(said) => Some(said),
        // A name that the statement gives itself is not our column.
        ControlFlow::Continue(()) => words
            .columns
            .difference(&words.given)
            .find(|name| ours(name))
            .map(|name| format!("{name} is a column of our engine alone; leave it out")),
    };
    match said {
        Some(said) => Err(QueryError::Plan(format!(
            "the statement can't run on Athena: {said}, or run it with --engine local"
        ))),
        None => Ok(prepared.for_athena(given)),
    }
}

/// What stands in a statement.
#[derive(Default)]
struct Words {
    /// Names of columns, in lower case.
    columns: BTreeSet<String>,
    /// Names that the statement gives to columns of its own.
    given: BTreeSet<String>,
    /// Names that it gives to queries of its own.
    tables: BTreeSet<String>,
}

impl Words {
    fn give(&mut self, name: &Ident) {
        self.given.insert(name.value.to_lowercase());
    }

    fn alias(&mut self, alias: Option<&TableAlias>) {
        if let Some(alias) = alias {
            alias.columns.iter().for_each(|column| self.give(&column.name));
        }
    }

    fn select(&mut self, select: &Select) -> ControlFlow<String> {
        for item in &select.projection {
            if let SelectItem::ExprWithAlias { alias, .. } = item {
                self.give(alias);
            }
        }
        match &select.qualify {
            Some(_) => ControlFlow::Break(
                "QUALIFY is not Athena's; write WHERE around a query that has the window function"
                    .into(),
            ),
            None => ControlFlow::Continue(()),
        }
    }

    fn body(&mut self, body: &SetExpr) -> ControlFlow<String> {
        match body {
            SetExpr::Select(select) => self.select(select),
            SetExpr::SetOperation { left, right, .. } => {
                self.body(left)?;
                self.body(right)
            }
            // A query in brackets is visited by itself.
            _ => ControlFlow::Continue(()),
        }
    }
}

impl Visitor for Words {
    type Break = String;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<String> {
        for table in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.tables.insert(table.alias.name.value.to_lowercase());
            self.alias(Some(&table.alias));
        }
        self.body(&query.body)
    }

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<String> {
        if let TableFactor::Table { name, .. } = table
            && let Some(ObjectNamePart::Identifier(name)) = name.0.last()
            && !self.tables.contains(&name.value.to_lowercase())
            && OWN_TABLES.iter().any(|shape| name.value.eq_ignore_ascii_case(shape.name))
        {
            return ControlFlow::Break(format!("{} is a table of our engine alone", name.value));
        }
        match table {
            TableFactor::Table { alias, .. }
            | TableFactor::Derived { alias, .. }
            | TableFactor::UNNEST { alias, .. } => self.alias(alias.as_ref()),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<String> {
        let said = match expr {
            Expr::Identifier(name) => {
                self.columns.insert(name.value.to_lowercase());
                return ControlFlow::Continue(());
            }
            Expr::CompoundIdentifier(names) => {
                // `cloudtrail.ip_country` names our column, `useridentity.arn` a member of another.
                self.columns.extend(names.iter().take(2).map(|name| name.value.to_lowercase()));
                return ControlFlow::Continue(());
            }
            Expr::Function(function) => {
                let Some(ObjectNamePart::Identifier(name)) = function.name.0.last() else {
                    return ControlFlow::Continue(());
                };
                let name = name.value.to_lowercase();
                if !JSON_FUNCTIONS.contains(&name.as_str()) {
                    return ControlFlow::Continue(());
                }
                format!("{name} is not Athena's; write json_extract_scalar(column, '$.a.b')")
            }
            Expr::BinaryOp { op, .. } => match op {
                BinaryOperator::Arrow | BinaryOperator::LongArrow => {
                    format!("{op} is not Athena's; write json_extract_scalar(column, '$.a.b')")
                }
                _ => return ControlFlow::Continue(()),
            },
            Expr::Cast { kind: CastKind::DoubleColon, .. } => {
                ":: is not Athena's; write CAST(x AS type)".into()
            }
            Expr::ILike { .. } => "ILIKE is not Athena's; write lower(x) LIKE".into(),
            _ => return ControlFlow::Continue(()),
        };
        ControlFlow::Break(said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::Bound;

    fn sent(sql: &str) -> Result<ForAthena, String> {
        let given = [
            ("name", Bound::Text("\\' OR 1 = 1 --''".into())),
            ("arn", Bound::Null),
            ("least", Bound::Integer(-3)),
        ];
        let given = given.map(|(name, value)| (name.to_owned(), value)).into();
        for_athena(&Prepared::parse(sql).unwrap(), &given).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_ours_alone_is_told_with_a_remedy() {
        for (sql, word) in [
            ("SELECT json_get_str(requestparameters, 'a') FROM cloudtrail", "json_get_str"),
            ("SELECT 1 FROM cloudtrail WHERE requestparameters ->> 'a' = 'b'", "->>"),
            ("SELECT a FROM (SELECT eventtime::date AS a FROM cloudtrail) x", "CAST(x AS type)"),
            ("SELECT 1 FROM cloudtrail WHERE eventname ILIKE 'get%'", "lower(x) LIKE"),
            ("WITH x AS (SELECT ip_country FROM cloudtrail) SELECT 1 FROM x", "ip_country"),
            ("SELECT count(*) FROM cloudtrail AS c WHERE c.ip_country = 'DE'", "ip_country"),
            (
                "SELECT eventname FROM cloudtrail QUALIFY row_number() OVER (ORDER BY eventtime) = 1",
                "QUALIFY",
            ),
        ] {
            let error = sent(sql).unwrap_err();
            assert!(error.starts_with("the statement can't run on Athena: "), "{error}");
            assert!(error.contains(word) && error.contains("--engine local"), "{error}");
        }
    }

    #[test]
    fn what_both_take_is_sent_with_question_marks() {
        let sql = "SELECT json_extract_scalar(requestparameters, '$.a') AS ip_country FROM cloudtrail \
                   WHERE eventname = :name OR useridentity.arn = :arn OR eventname = :name ORDER BY ip_country";
        let sent = sent(sql).unwrap();
        assert_eq!(sent.sql.matches('?').count(), 3);
        assert!(!sent.sql.contains(':'), "{}", sent.sql);
        assert_eq!(sent.parameters, ["name", "arn", "name"]);
    }

    #[test]
    fn outside_of_where_values_are_literals() {
        let sql = "WITH x AS (SELECT :arn AS a, CASE WHEN eventname = :name THEN 1 END AS b FROM cloudtrail \
                   WHERE eventname = :name AND EXISTS (SELECT :least FROM cloudtrail WHERE awsregion = :arn)) \
                   SELECT count(*) FROM x WHERE a = :arn GROUP BY b HAVING count(*) > :least ORDER BY b LIMIT 3";
        let sent = sent(sql).unwrap();
        assert_eq!(
            sent.sql,
            "WITH x AS (SELECT NULL AS a, CASE WHEN eventname = '\\'' OR 1 = 1 --''''' THEN 1 END AS b FROM cloudtrail \
             WHERE eventname = ? AND EXISTS (SELECT ? FROM cloudtrail WHERE awsregion = ?)) \
             SELECT count(*) FROM x WHERE a = ? GROUP BY b HAVING count(*) > -3 ORDER BY b LIMIT 3"
        );
        assert_eq!(sent.parameters, ["name", "least", "arn", "arn"]);
    }

    #[test]
    fn every_shipped_query_runs_there_or_says_that_it_does_not() {
        let mut ours = Vec::new();
        for (path, text) in trailloop_content::queries::files() {
            let query = crate::named::load(path, text).query.unwrap();
            match for_athena(&query.prepared, &Parameters::new()) {
                Ok(sent) => {
                    assert_eq!(sent.sql.matches('?').count(), sent.parameters.len(), "{path}");
                    assert!(!query.description.contains("Our engine only"), "{path}");
                }
                Err(error) => {
                    assert!(query.description.contains("Our engine only"), "{path}: {error}");
                    ours.push(query.id);
                }
            }
        }
        ours.sort();
        assert_eq!(
            ours,
            ["console-login-new-country", "keys-from-several-systems", "open-runs-of-principal"]
        );
    }
}
