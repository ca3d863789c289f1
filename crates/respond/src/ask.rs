//! The questions of a finding: kept queries, bound to its principal, key, address and time.
//!
//! They are asked before a runbook is chosen, since conditions may need the answers: those that the rule names, and those of the
//! runbooks that may be chosen. All of them together get a few seconds; what is not answered by then is no answer, and conditions
//! that need it do not hold. Records come late, so the same is asked again after ten minutes and after thirty, and whoever was told of
//! the finding hears if an answer is another. Answers never ask by themselves: nothing that a query answers here makes a finding.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use trailloop_cloud::{CloudError, RowKey, Table};
use trailloop_finding::redact_row;
use trailloop_query::named::NamedQuery;
use trailloop_query::{Engine, Parameters};

use crate::context::Case;
use crate::holds;
use crate::responder::{Finding, Halt, Responder};
use crate::rows::{self, Kept};
use crate::run::{Run, partition};
use crate::tables::finding_partition;
use crate::time::{ms, rfc3339};
use crate::verdicts::runs_of;

/// Kept queries, and what answers them.
pub struct Queries {
    /// Answers them, over the archive and our own tables.
    pub engine: Engine,
    /// The queries.
    pub kept: Vec<NamedQuery>,
    /// All questions of a finding take no longer together.
    pub budget: Duration,
}

/// The answer to a question of a finding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Answered {
    /// The name it has in expressions.
    alias: String,
    /// The query's id.
    query: String,
    /// What it tells.
    title: String,
    /// How many rows there are; none if there is no answer.
    rows: Option<usize>,
    /// Whether that is all of them.
    is_all: bool,
    /// The distinct values of the column `eventname`.
    events: Vec<String>,
    /// The first rows, redacted.
    first: Vec<Value>,
    /// Why there is no answer.
    error: Option<String>,
}

/// What queries answered about a finding: by their ids, how many rows.
pub async fn answers_of(
    table: &dyn Table,
    finding: &str,
) -> Result<BTreeMap<String, usize>, CloudError> {
    let key = RowKey::new(finding_partition(finding), "answers");
    let kept = rows::load::<Vec<Answered>>(table, &key).await?;
    let of = |one: Answered| Some((one.query, one.rows?));
    Ok(kept.into_iter().flat_map(|row| row.value).filter_map(of).collect())
}

/// A question of a finding.
struct Question<'q> {
    alias: String,
    query: &'q NamedQuery,
    window: Option<Duration>,
    rows_max: usize,
    time_max: Duration,
}

/// So many rows of a question that a rule names.
const ROWS_MAX: usize = 200;

/// So many rows are kept with the finding, and so many bytes of them.
const FIRST_ROWS: usize = 10;
const FIRST_BYTES: usize = 8_192;

/// So many names of events are kept.
const EVENTS_MAX: usize = 100;

/// A finding's questions are asked again after this long: most objects are there after five minutes, and nearly all after fifteen.
const AGAIN: [Duration; 2] = [Duration::from_secs(600), Duration::from_secs(1800)];

/// The partition of the findings whose questions are asked again, by the time at which.
const ASK_AGAIN: &str = "ask-again";

/// Whoever asks again holds the finding for so long.
const HOLD_MS: i64 = 60_000;

/// The `type` of an enrichment that a query gave.
const OF_QUERY: &str = "query";

impl Queries {
    fn find(&self, id: &str) -> Option<&NamedQuery> {
        let found = self.kept.iter().find(|query| query.id == id);
        if found.is_none() {
            tracing::warn!(query = id, "no such query is kept; it is not asked");
        }
        found
    }

    /// A query as its own question, with no word of a runbook.
    fn by_itself(&self, id: &str) -> Option<Question<'_>> {
        Some(Question {
            alias: id.replace('-', "_"),
            query: self.find(id)?,
            window: None,
            rows_max: ROWS_MAX,
            time_max: self.budget,
        })
    }
}

impl Responder {
    /// Asks a finding's questions once, and gives the case with the answers.
    pub(crate) async fn ask_for(&self, mut case: Case) -> Result<Case, Halt> {
        let Some(queries) = &self.queries else { return Ok(case) };
        let finding = case.text("uid").to_owned();
        let key = RowKey::new(finding_partition(&finding), "answers");
        let kept = rows::load::<Vec<Answered>>(&*self.table, &key).await?;
        let answers = match kept {
            Some(kept) => kept.value,
            None => {
                let questions = self.questions(queries, &case);
                if questions.is_empty() {
                    return Ok(case);
                }
                let answers = self.answers(queries, &questions, &case).await;
                for after in AGAIN {
                    let due = format!("{:020}-{finding}", self.clock.now_ms() + ms(after));
                    rows::create(&*self.table, &RowKey::new(ASK_AGAIN, due), &finding).await?;
                }
                rows::create(&*self.table, &key, &answers).await?;
                answers
            }
        };
        attach(&mut case.confirmed.finding, &answers, self.clock.now_ms());
        Ok(case)
    }

    /// Asks the questions again that are due.
    pub(crate) async fn ask_again(&self) -> Result<(), Halt> {
        let Some(queries) = &self.queries else { return Ok(()) };
        let now = format!("{:020}", self.clock.now_ms());
        for (sort, row) in rows::all::<String>(&*self.table, ASK_AGAIN).await? {
            if sort > now {
                break;
            }
            let (finding, now_ms) = (&row.value, self.clock.now_ms());
            let name = format!("ask/{finding}");
            let times = (now_ms, now_ms + HOLD_MS);
            if holds::take(&*self.table, &name, &self.worker, times).await? != self.worker {
                continue;
            }
            match self.ask_of(queries, finding, &[]).await {
                Ok(()) => {
                    self.table.delete(&RowKey::new(ASK_AGAIN, sort), row.version).await?;
                }
                Err(error) => {
                    tracing::warn!(finding, %error, "its questions are asked again later")
                }
            }
            holds::give_back(&*self.table, &name, &self.worker).await?;
        }
        Ok(())
    }

    /// Asks the questions of a finding that has runs again, and these as well, and says what is another answer.
    pub(crate) async fn ask_of(
        &self,
        queries: &Queries,
        finding: &str,
        also: &[String],
    ) -> Result<(), Halt> {
        let runs = rows::all::<String>(&*self.table, &runs_of(finding)).await?;
        let Some((first, _)) = runs.first() else { return Ok(()) };
        let Some(case) = self.case(first).await? else { return Ok(()) };
        let key = RowKey::new(finding_partition(finding), "answers");
        let kept = rows::load::<Vec<Answered>>(&*self.table, &key).await?;
        let mut kept = kept.unwrap_or(Kept { value: Vec::new(), version: 0 });
        let mut questions = self.questions(queries, &case);
        let is_asked = |id: &&String| questions.iter().any(|one| one.query.id == **id);
        let more: Vec<&String> = also.iter().filter(|id| !is_asked(id)).collect();
        questions.extend(more.into_iter().filter_map(|id| queries.by_itself(id)));
        let answers = self.answers(queries, &questions, &case).await;
        let changed = take_over(&mut kept.value, answers);
        if changed.is_empty() {
            return Ok(());
        }
        for (id, _) in &runs {
            self.renew(id, &kept.value, &changed).await?;
        }
        // The last of it: whoever is killed before asks once more, and finds the same change.
        if !rows::store(&*self.table, &key, &mut kept).await? {
            return Err(Halt::Taken);
        }
        Ok(())
    }

    /// Keeps other answers with a run, and tells of them.
    async fn renew(&self, id: &str, answers: &[Answered], changed: &[String]) -> Result<(), Halt> {
        let key = RowKey::new(partition(id), "finding");
        let Some(mut row) = rows::load::<Finding>(&*self.table, &key).await? else {
            return Ok(());
        };
        attach(&mut row.value.finding, answers, self.clock.now_ms());
        if !rows::store(&*self.table, &key, &mut row).await? {
            return Err(Halt::Taken);
        }
        let run = rows::load::<Run>(&*self.table, &Run::key(id)).await?;
        let (Some(Kept { value: run, .. }), Some(case)) = (run, self.case(id).await?) else {
            return Ok(());
        };
        self.note(&run, "queries", &format!("other answers: {}", changed.join("; "))).await?;
        self.tell_of_answers(&run, &case, changed).await
    }

    /// What the rule names, and what the runbooks ask that may be chosen; each name once.
    fn questions<'q>(&self, queries: &'q Queries, case: &Case) -> Vec<Question<'q>> {
        let mut questions: BTreeMap<String, Question<'q>> = BTreeMap::new();
        let context = case.context(None, self.clock.now_ms());
        let runbooks = self.runbooks.iter().filter(|one| one.trigger.may_choose(&context));
        for one in runbooks.flat_map(|runbook| &runbook.enrich) {
            let Some(query) = queries.find(&one.query) else { continue };
            questions.entry(one.alias.clone()).or_insert(Question {
                alias: one.alias.clone(),
                query,
                window: Some(one.window),
                rows_max: one.max_rows as usize,
                time_max: Duration::from_millis(one.max_ms.into()),
            });
        }
        let rules = self.archive.engine.rules.now();
        let rule = rules.rules.rules().iter().find(|rule| rule.analytic.uid == case.text("rule"));
        for id in rule.into_iter().flat_map(|rule| &rule.queries) {
            let Some(question) = queries.by_itself(id) else { continue };
            questions.entry(question.alias.clone()).or_insert(question);
        }
        questions.into_values().collect()
    }

    async fn answers(
        &self,
        queries: &Queries,
        questions: &[Question<'_>],
        case: &Case,
    ) -> Vec<Answered> {
        let asked = questions.iter().map(|question| async move {
            let limit = question.time_max.min(queries.budget);
            let answering = rows_of(&queries.engine, question, case, self.clock.now_ms());
            // What a query takes is time of this machine, whatever clock the runs go by.
            let late = |_| Err(format!("no answer within {} ms", limit.as_millis()));
            let answer = tokio::time::timeout(limit, answering).await.unwrap_or_else(late);
            Answered::of(question, answer)
        });
        join_all(asked).await
    }
}

/// The rows of one question, one more than wanted if there are more.
async fn rows_of(
    engine: &Engine,
    question: &Question<'_>,
    case: &Case,
    now_ms: i64,
) -> Result<Vec<Value>, String> {
    let parameters = bound(question, case, now_ms)?;
    let answer = engine.ask(&question.query.prepared, &parameters).await;
    let answer = answer.map_err(|error| error.to_string())?.all(question.rows_max + 1).await;
    let (batches, cost) = answer.map_err(|error| error.to_string())?;
    tracing::debug!(
        query = question.query.id,
        objects = cost.objects,
        bytes = cost.bytes_raw,
        "asked"
    );
    trailloop_query::rows(&batches).map_err(|error| error.to_string())
}

/// The values of a query's parameters: what is known of the finding by their names, and defaults counted from the event's time.
fn bound(question: &Question<'_>, case: &Case, now_ms: i64) -> Result<Parameters, String> {
    let event: Timestamp = case.text("time").parse().unwrap_or_default();
    let record = |name: &str| case.confirmed.record.get(name).and_then(Value::as_str);
    let key = case.confirmed.record.pointer("/userIdentity/accessKeyId").and_then(Value::as_str);
    let from = question.window.map(|window| rfc3339(event.as_millisecond() - ms(window)));
    let known: [(&str, Option<String>); 12] = [
        ("principal", case.target.principal_arn.clone()),
        ("key", key.map(str::to_owned)),
        ("address", record("sourceIPAddress").map(str::to_owned)),
        ("account", Some(case.text("account").to_owned())),
        ("region", Some(case.text("region").to_owned())),
        ("source", record("eventSource").map(str::to_owned)),
        ("name", record("eventName").map(str::to_owned)),
        ("event", record("eventID").map(str::to_owned)),
        ("resource", case.resource.as_ref().map(|resource| resource.name.clone())),
        ("finding", Some(case.text("uid").to_owned())),
        ("from", from),
        ("to", Some(rfc3339(now_ms))),
    ];
    let is_declared = |name: &str| question.query.parameters.iter().any(|one| one.name == name);
    let given = known.into_iter().filter(|(name, _)| is_declared(name));
    let given = given.filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    question.query.bind(&given, event).map_err(|error| error.to_string())
}

impl Answered {
    fn of(question: &Question<'_>, answer: Result<Vec<Value>, String>) -> Self {
        let empty = Self {
            alias: question.alias.clone(),
            query: question.query.id.clone(),
            title: question.query.title.clone(),
            rows: None,
            is_all: false,
            events: Vec::new(),
            first: Vec::new(),
            error: None,
        };
        let mut rows = match answer {
            Ok(rows) => rows,
            Err(error) => return Self { error: Some(error), ..empty },
        };
        let is_all = rows.len() <= question.rows_max;
        rows.truncate(question.rows_max);
        let names = rows.iter().filter_map(|row| row.get("eventname")?.as_str());
        let events: BTreeSet<&str> = names.collect();
        let events = events.into_iter().take(EVENTS_MAX).map(str::to_owned).collect();
        Self { rows: Some(rows.len()), is_all, events, first: first(&rows), ..empty }
    }

    /// For people, without anything of a record.
    fn line(&self) -> String {
        let more = if self.is_all { "" } else { " and more" };
        match (&self.error, self.rows) {
            (None, Some(rows)) => format!("{}: {rows} rows{more}", self.query),
            (error, _) => format!("{}: no answer: {}", self.query, error.as_deref().unwrap_or("")),
        }
    }
}

/// The first rows, as many as fit, without secrets.
fn first(rows: &[Value]) -> Vec<Value> {
    let mut left = FIRST_BYTES;
    let mut first = Vec::new();
    for row in rows.iter().take(FIRST_ROWS) {
        let Ok(shown) = redact_row(row.to_string().as_bytes()) else { continue };
        let Some(rest) = left.checked_sub(shown.len()) else { break };
        left = rest;
        first.extend(serde_json::from_slice::<Value>(&shown));
    }
    first
}

/// Takes over what is another answer, and says of each what it is now. No answer takes nothing from one that was there.
fn take_over(kept: &mut Vec<Answered>, new: Vec<Answered>) -> Vec<String> {
    let mut changed = Vec::new();
    for answer in new {
        let old = kept.iter_mut().find(|one| one.alias == answer.alias);
        // A question that was not asked before is news if something comes of it.
        let is_other = match &old {
            Some(old) => **old != answer,
            None => answer.rows != Some(0),
        };
        if !is_other || answer.error.is_some() {
            continue;
        }
        changed.push(answer.line());
        match old {
            Some(old) => *old = answer,
            None => kept.push(answer),
        }
    }
    changed
}

/// Puts answers into a finding as OCSF enrichments, in the place of those that were there.
fn attach(finding: &mut Value, answers: &[Answered], now_ms: i64) {
    let uid = finding.pointer("/finding_info/uid").cloned().unwrap_or_default();
    let Some(finding) = finding.as_object_mut() else { return };
    let enrichments = finding.entry("enrichments").or_insert_with(|| json!([]));
    let Some(list) = enrichments.as_array_mut() else { return };
    list.retain(|one| !is_answer(one));
    list.extend(answers.iter().map(|answer| {
        json!({
            "name": "finding_info.uid",
            "value": uid,
            "type": OF_QUERY,
            "provider": "trailloop",
            "short_desc": answer.title,
            "created_time": now_ms,
            "data": answer,
        })
    }));
}

fn is_answer(enrichment: &Value) -> bool {
    enrichment.get("type").and_then(Value::as_str) == Some(OF_QUERY)
}

fn answers_in(finding: &Value) -> impl Iterator<Item = Answered> {
    let list = finding.get("enrichments").and_then(Value::as_array).into_iter().flatten();
    list.filter(|one| is_answer(one))
        .filter_map(|one| serde_json::from_value(one.get("data")?.clone()).ok())
}

/// `enrich` as expressions see it: of each question that was answered how many rows there are, and which events.
pub(crate) fn in_context(finding: &Value) -> Value {
    let answered = answers_in(finding).filter_map(|answer| {
        let rows = answer.rows?;
        Some((answer.alias, json!({ "rows": rows, "events": answer.events })))
    });
    Value::Object(answered.collect::<Map<String, Value>>())
}

/// What was answered, a line a question.
pub(crate) fn lines(finding: &Value) -> Vec<String> {
    answers_in(finding).map(|answer| format!("query {}", answer.line())).collect()
}
