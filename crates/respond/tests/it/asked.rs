//! The questions of a finding: asked over the same trail, kept in it, asked again, and heard by conditions.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use trailloop_cloud::{Clock, CloudError, Object, ObjectRef, Page, Store};
use trailloop_query::named::{NamedQuery, load};
use trailloop_query::{Archive, Engine, Source, Window, findings_of_rows};
use trailloop_respond::{Handled, Phase, Queries, Responder, day_of, own_tables, rows, store};

use crate::kit::{ACCOUNT, BUCKET, Kit, message};

const RULES: &str = r"
title: All of IAM is read
id: 1f2e3d4c-0000-4000-8000-000000000005
status: experimental
level: high
logsource: {product: aws, service: cloudtrail}
detection:
  selection: {eventSource: iam.amazonaws.com, eventName: GetAccountAuthorizationDetails}
  condition: selection
trailloop:
  queries: [q01-what-did-it-do, q10-neighbours, q02-tokens-minted, not-kept]
---
title: A key is made
id: 1f2e3d4c-0000-4000-8000-000000000006
status: experimental
level: medium
logsource: {product: aws, service: cloudtrail}
detection:
  selection: {eventSource: iam.amazonaws.com, eventName: CreateAccessKey}
  condition: selection
";

/// Long enough on any machine.
const PATIENT: Duration = Duration::from_secs(600);

fn kept() -> Vec<NamedQuery> {
    let files = trailloop_content::queries::files();
    files.into_iter().filter_map(|(path, text)| load(path, text).query).collect()
}

#[test]
fn what_shipped_rules_and_runbooks_ask_is_kept() {
    let ids: Vec<String> = kept().into_iter().map(|query| query.id).collect();
    let runbooks = trailloop_content::runbooks::shipped().0;
    let of_runbooks = runbooks.iter().flat_map(|one| &one.enrich).map(|one| &one.query);
    let rules = trailloop_content::shipped().rules;
    let of_rules = rules.iter().flat_map(|rule| &rule.queries);
    let missing: Vec<&String> =
        of_runbooks.chain(of_rules).filter(|id| !ids.contains(id)).collect();
    assert_eq!(missing, Vec::<&String>::new());
    assert!(rules.iter().any(|rule| !rule.queries.is_empty()));
}

/// A responder that can ask: the trail, and its own tables.
fn asking(kit: &Kit, store: Arc<dyn Store>, budget: Duration) -> Responder {
    let source = Source { store, bucket: BUCKET.to_owned(), prefix: "AWSLogs/".to_owned() };
    let mut engine = Engine::new(Archive { jobs: 1, ..Archive::new(vec![source]) });
    for (shape, rows) in own_tables(&kit.table, &Clock::Manual(kit.manual.clone())) {
        engine = engine.with_own(shape, rows);
    }
    let queries = Queries { engine, kept: kept(), budget };
    let (mut runbooks, _) = trailloop_content::runbooks::shipped();
    // A busy machine makes no answer late.
    runbooks.iter_mut().flat_map(|one| &mut one.enrich).for_each(|one| one.max_ms = u32::MAX);
    Responder { queries: Some(queries), ..kit.responder_with(runbooks) }
}

/// What the queries answered, as it stands in the finding of a run.
async fn answers(kit: &Kit, run: &str) -> Vec<Value> {
    let key = trailloop_cloud::RowKey::new(trailloop_respond::run::partition(run), "finding");
    let kept = rows::load::<Value>(&*kit.table, &key).await.unwrap().unwrap().value;
    let list = kept["finding"]["enrichments"].as_array().cloned().unwrap_or_default();
    list.into_iter()
        .filter(|one| one["type"] == "query")
        .map(|mut one| one["data"].take())
        .collect()
}

fn rows_of(answers: &[Value], query: &str) -> Value {
    answers.iter().find(|one| one["query"] == query).unwrap()["rows"].clone()
}

#[tokio::test]
async fn a_finding_carries_what_queries_answer_and_late_records_are_told() {
    let kit = Kit::with_rules(RULES);
    let responder = asking(&kit, kit.store.clone(), PATIENT);
    let mut before = kit.record("s3.amazonaws.com", "GetObject", json!({"password": "CANARY"}));
    before["eventTime"] = json!(crate::kit::time(kit.now_ms() - 600_000));
    kit.deliver(&[before.clone()]);
    let record = kit.record("iam.amazonaws.com", "GetAccountAuthorizationDetails", json!(null));
    let message = kit.finding_of(record);
    let runs = kit.respond(&responder, &message).await.unwrap();
    let first = answers(&kit, &runs[0]).await;
    // The runbook's own question, and three of the rule's; the fourth is not kept.
    assert_eq!(first.len(), 4, "{first:?}");
    assert_eq!(rows_of(&first, "q01-what-did-it-do"), 2);
    assert_eq!(rows_of(&first, "q10-neighbours"), 0);
    let events = &first.iter().find(|one| one["query"] == "q01-what-did-it-do").unwrap()["events"];
    assert_eq!(*events, json!(["GetAccountAuthorizationDetails", "GetObject"]));
    let told = kit.notifier.posts().iter().map(|post| post.body.clone()).collect::<String>();
    assert!(told.contains("query q01-what-did-it-do: 2 rows"), "{told}");
    assert!(!told.contains("CANARY"));

    // A record of the same principal comes late; a second delivery of the finding does not ask again, and the next minute does.
    before["eventName"] = json!("ListBuckets");
    kit.deliver(&[before]);
    kit.respond(&responder, &message).await.unwrap();
    kit.sweep(&responder).await;
    assert_eq!(answers(&kit, &runs[0]).await, first);
    kit.manual.advance(Duration::from_secs(61));
    kit.sweep(&responder).await;
    let second = answers(&kit, &runs[0]).await;
    assert_eq!(rows_of(&second, "q01-what-did-it-do"), 3);
    let enriched = || {
        let posts = kit.notifier.posts();
        posts.iter().filter(|post| post.body.contains("enriched")).count()
    };
    assert_eq!(enriched(), 1);
    // After half an hour nothing is another answer. It is asked on while its incident arms what may follow, and a day later no more.
    kit.manual.advance(Duration::from_secs(1801));
    kit.sweep(&responder).await;
    assert_eq!((answers(&kit, &runs[0]).await, enriched()), (second, 1));
    let is_asked = async |partition| !kit.table.list(partition, None, 10).await.unwrap().is_empty();
    assert!(is_asked("ask-armed").await && !is_asked("ask-again").await);
    kit.manual.advance(Duration::from_secs(24 * 3600));
    kit.sweep(&responder).await;
    assert!(!is_asked("ask-armed").await);
}

/// A shipped rule, and the one that most likely follows it.
fn step_and_next() -> (String, String) {
    let follows = trailloop_content::follows();
    let rules = trailloop_content::shipped().rules;
    let next = |rule: &trailloop_rules::Rule| {
        let uid = rule.analytic.uid.clone();
        let steps = [trailloop_feedback::Step { at_ms: crate::kit::BEGIN_MS, rule: uid.clone() }];
        let bounds = trailloop_feedback::Bounds::default();
        let armed = follows.armed(&steps, crate::kit::BEGIN_MS + 1, bounds);
        Some((uid, armed.first()?.rule.clone()))
    };
    rules.iter().find_map(next).unwrap()
}

#[tokio::test]
async fn the_questions_of_what_is_likely_next_are_asked_before_it_comes() {
    let (step, next) = step_and_next();
    let rules = RULES
        .replace("1f2e3d4c-0000-4000-8000-000000000005", &step)
        .replace("1f2e3d4c-0000-4000-8000-000000000006", &next)
        .replace(
            "queries: [q01-what-did-it-do, q10-neighbours, q02-tokens-minted, not-kept]",
            "queries: [q10-neighbours]",
        )
        + "trailloop:\n  queries: [q02-tokens-minted]\n";
    let kit = Kit::with_rules(&rules);
    let responder = asking(&kit, kit.store.clone(), PATIENT);
    let record = kit.record("iam.amazonaws.com", "GetAccountAuthorizationDetails", json!(null));
    let message = kit.finding_of(record);
    let runs = kit.respond(&responder, &message).await.unwrap();
    let asked = async || -> Vec<(String, Value)> {
        let all = answers(&kit, &runs[0]).await;
        let of = |one: &Value| (one["query"].as_str().unwrap().to_owned(), one["rows"].clone());
        all.iter().map(of).collect()
    };
    let tokens = |rows: u64| ("q02-tokens-minted".to_owned(), json!(rows));
    let first = asked().await;
    assert!(first.iter().all(|(query, _)| query != "q02-tokens-minted"), "{first:?}");

    // Nothing comes of it for now, so nobody hears of it.
    kit.manual.advance(Duration::from_secs(61));
    kit.sweep(&responder).await;
    assert_eq!(asked().await, first);
    // A finding on the lineage that leads to nothing ends nothing.
    let mut decoy: Value = serde_json::from_str(&message.body).unwrap();
    decoy["finding_info"]["uid"] = json!("d".repeat(32));
    decoy["finding_info"]["analytic"]["uid"] = json!("decoy");
    decoy["time"] = json!(kit.now_ms());
    let decoy = trailloop_feedback::Entry::of(&decoy).unwrap();
    store::take(&*kit.table, &decoy, &day_of(kit.now_ms())).await.unwrap();
    let mut token = kit.record("sts.amazonaws.com", "GetSessionToken", json!(null));
    token["responseElements"] = json!({"credentials": {"accessKeyId": "ASIAIOSFODNN7EXAMPLE"}});
    kit.deliver(&[token]);
    kit.manual.advance(Duration::from_secs(61));
    kit.sweep(&responder).await;
    assert!(asked().await.contains(&tokens(1)), "{:?}", asked().await);
    let told = kit.notifier.posts().iter().map(|post| post.body.clone()).collect::<String>();
    assert!(told.contains("query q02-tokens-minted: 1 rows"), "{told}");
}

#[tokio::test]
async fn what_became_part_of_another_incident_is_asked_on_as_that() {
    let (step, _) = step_and_next();
    let kit = Kit::with_rules(&RULES.replace("1f2e3d4c-0000-4000-8000-000000000005", &step));
    let responder = asking(&kit, kit.store.clone(), PATIENT);
    let asked_on = async || -> Vec<String> {
        let rows = kit.table.list("ask-armed", None, 10).await.unwrap();
        rows.into_iter().map(|row| row.key.sort).collect()
    };
    let record = kit.record("iam.amazonaws.com", "GetAccountAuthorizationDetails", json!(null));
    let message = kit.finding_of(record);
    kit.respond(&responder, &message).await.unwrap();
    let before = asked_on().await;
    assert_eq!(before.len(), 1);

    // Findings that no runbook is for: an older one of another principal, and one of the same principal that is about the other.
    let day = day_of(kit.now_ms());
    let take = async |uid: &str, ago_ms: i64, change: &dyn Fn(&mut trailloop_feedback::Entry)| {
        let mut finding: Value = serde_json::from_str(&message.body).unwrap();
        finding["finding_info"]["uid"] = json!(uid.repeat(32));
        finding["finding_info"]["analytic"]["uid"] = json!("of no runbook");
        finding["time"] = json!(kit.now_ms() - ago_ms);
        let mut entry = trailloop_feedback::Entry::of(&finding).unwrap();
        change(&mut entry);
        let place = store::take(&*kit.table, &entry, &day).await.unwrap();
        store::load(&*kit.table, &place).await.unwrap().unwrap().incident.unwrap()
    };
    let carol = format!("arn:aws:iam::{ACCOUNT}:user/carol");
    let of_carol = |entry: &mut trailloop_feedback::Entry| {
        entry.principal = Some(carol.clone());
        entry.lineage_root = None;
    };
    let older = take("a", 60_000, &of_carol).await;
    let about_carol = |entry: &mut trailloop_feedback::Entry| entry.target = Some(carol.clone());
    let joined = take("b", 0, &about_carol).await;
    assert!(joined == older && !before.contains(&older), "{joined} {older} {before:?}");
    for _ in 0..2 {
        kit.manual.advance(Duration::from_secs(61));
        kit.sweep(&responder).await;
        assert_eq!(asked_on().await, std::slice::from_ref(&older));
    }
    kit.manual.advance(Duration::from_secs(25 * 3600));
    kit.sweep(&responder).await;
    assert_eq!(asked_on().await, Vec::<String>::new());
}

#[tokio::test]
async fn what_is_rare_for_its_principal_and_account_ranks_higher() {
    let kit = Kit::with_rules(RULES);
    let responder = asking(&kit, kit.store.clone(), PATIENT);
    let mut usual = kit.record("s3.amazonaws.com", "ListBuckets", json!(null));
    usual["eventTime"] = json!(crate::kit::time(kit.now_ms() - 10 * 86_400_000));
    kit.deliver(&vec![usual.clone(); 99]);
    let reads = || {
        let record = kit.record("iam.amazonaws.com", "GetAccountAuthorizationDetails", json!(null));
        kit.finding_of(record)
    };
    kit.respond(&responder, &reads()).await.unwrap();
    kit.sweep(&responder).await;
    let queue = async || {
        let days = [day_of(kit.now_ms())];
        store::queue(&*kit.table, &days, kit.now_ms()).await.unwrap()
    };
    let shown = queue().await.remove(0);
    let call = "iam.amazonaws.com/GetAccountAuthorizationDetails";
    let bob = format!("arn:aws:iam::{ACCOUNT}:user/bob");
    let seen: Vec<_> = shown
        .kept
        .seen
        .iter()
        .map(|seen| (seen.what.clone(), seen.count, seen.all, seen.kinds))
        .collect();
    let expected = [
        (format!("{call} by {bob}"), 0, 99, 1),
        (format!("203.0.113.0/24 used by {bob}"), 99, 99, 1),
        (format!("{call} in account {ACCOUNT}"), 0, 99, 1),
    ];
    assert_eq!(seen, expected, "the finding's own day does not count");
    let rarity = shown.priority.terms.iter().find(|term| term.name == "rarity").unwrap();
    // 0.6 times the power of ten of 99 calls and one kind, among which it never was.
    assert!((rarity.value - 1.2).abs() < 1e-9, "{rarity:?}");
    assert!(rarity.because.ends_with("seen 0 times in 99"), "{rarity:?}");

    // What is counted of a principal on a day is counted once, and what was usual is not rare.
    kit.deliver(&vec![usual; 900]);
    let record = kit.record("iam.amazonaws.com", "CreateAccessKey", json!({"userName": "bob"}));
    kit.drive(responder.respond(&kit.finding_of(record))).await.unwrap();
    kit.sweep(&responder).await;
    let all: Vec<u64> =
        queue().await.iter().flat_map(|one| &one.kept.seen).map(|seen| seen.all).collect();
    assert_eq!(all, [99; 6]);
}

/// Approval for a key that anybody makes; none for one that the principal of an incident makes.
#[tokio::test]
async fn a_condition_hears_that_the_principal_is_one_of_an_incident() {
    let kit = Kit::with_rules(RULES);
    let responder = asking(&kit, kit.store.clone(), PATIENT);
    let makes = |id: &str| {
        kit.accounts.add_access_key(ACCOUNT, "eve", id);
        let parameters = json!({"userName": "eve"});
        let mut record = kit.record("iam.amazonaws.com", "CreateAccessKey", parameters);
        record["responseElements"] =
            json!({"accessKey": {"accessKeyId": id, "userName": "eve", "status": "Active"}});
        kit.finding_of(record)
    };
    let runs = kit.respond(&responder, &makes("AKIAI44QH8DHBEXAMPLE")).await.unwrap();
    let run = kit.run(&runs[0]).await;
    assert_eq!(run.runbook, "deactivate-created-key");
    assert_eq!(run.phase, Phase::AwaitingApproval, "{:?}", run.reasons);

    let record = kit.record("iam.amazonaws.com", "GetAccountAuthorizationDetails", json!(null));
    let contain = kit.respond(&responder, &kit.finding_of(record)).await.unwrap();
    kit.approve(&contain[0], "ana").await;
    kit.sweep(&responder).await;
    assert_eq!(kit.run(&contain[0]).await.phase, Phase::Verifying);

    let runs = kit.respond(&responder, &makes("AKIAIEXAMPLEOFANOTHER")).await.unwrap();
    let run = kit.run(&runs[0]).await;
    assert_eq!(run.runbook, "deactivate-incident-key", "{:?}", answers(&kit, &runs[0]).await);
    assert_eq!(run.phase, Phase::Verifying, "{:?}", run.reasons);
    assert_eq!(run.parameters["AccessKeyId"], "AKIAIEXAMPLEOFANOTHER");
}

#[tokio::test]
async fn hostile_text_is_only_a_value() {
    let kit = Kit::with_rules(RULES);
    let responder = asking(&kit, kit.store.clone(), PATIENT);
    let mut record = kit.record("iam.amazonaws.com", "GetAccountAuthorizationDetails", json!(null));
    for name in ["sourceIPAddress", "userAgent", "awsRegion", "eventID"] {
        record[name] = json!("x' OR '1'='1'; DROP TABLE cloudtrail --");
    }
    let runs = kit.respond(&responder, &kit.finding_of(record)).await.unwrap();
    let answers = answers(&kit, &runs[0]).await;
    assert_eq!(rows_of(&answers, "q01-what-did-it-do"), 1, "{answers:?}");
    assert_eq!(rows_of(&answers, "other-keys-of-user"), 0);
    assert!(answers.iter().all(|one| one["error"].is_null()), "{answers:?}");
}

/// A store that answers everything but lists, and to those nothing ever.
struct Silent(Arc<dyn Store>);

#[async_trait]
impl Store for Silent {
    async fn get(&self, object: &ObjectRef, bytes_max: u64) -> Result<Object, CloudError> {
        self.0.get(object, bytes_max).await
    }

    async fn list(
        &self,
        _bucket: &str,
        _prefix: &str,
        _after: Option<&str>,
    ) -> Result<Page, CloudError> {
        std::future::pending().await
    }
}

/// What is not answered in time holds nothing up, and is no answer.
#[tokio::test]
async fn a_question_that_takes_too_long_is_left() {
    let kit = Kit::with_rules(RULES);
    let responder = asking(&kit, Arc::new(Silent(kit.store.clone())), Duration::from_millis(20));
    let record = kit.record("iam.amazonaws.com", "GetAccountAuthorizationDetails", json!(null));
    let runs = kit.respond(&responder, &kit.finding_of(record)).await.unwrap();
    assert_eq!(kit.run(&runs[0]).await.phase, Phase::AwaitingApproval);
    let answers = answers(&kit, &runs[0]).await;
    assert!(answers.iter().all(|one| one["error"] == "no answer within 20 ms"), "{answers:?}");
    let told = kit.notifier.posts().iter().map(|post| post.body.clone()).collect::<String>();
    assert!(told.contains("no answer within 20 ms"), "{told}");
}

/// What the stream sends of a scheduled query, and what somebody else could write.
#[tokio::test]
async fn a_finding_of_a_query_is_confirmed_by_asking_again() {
    let kit = Kit::with_rules(RULES);
    let responder = asking(&kit, kit.store.clone(), PATIENT);
    let mut record = kit.record("signin.amazonaws.com", "ConsoleLogin", json!(null));
    record["userIdentity"] = json!({"type": "Root", "arn": format!("arn:aws:iam::{ACCOUNT}:root"), "accountId": ACCOUNT, "principalId": ACCOUNT});
    kit.deliver(&[record]);
    let query = kept().into_iter().find(|query| query.id == "root-use").unwrap();
    let quarter = 900_000;
    let to = (kit.now_ms() / quarter + 1) * quarter;
    let at = |ms: i64| jiff::Timestamp::from_millisecond(ms).unwrap();
    let window = Window { from: at(to - quarter), to: at(to) };
    let engine = &responder.queries.as_ref().unwrap().engine;
    let parameters = query.bind_window(window).unwrap();
    let answer = engine.ask(&query.prepared, &parameters).await.unwrap();
    let (batches, _) = answer.all(100).await.unwrap();
    let findings = findings_of_rows(&query, window, &batches).unwrap();
    assert_eq!(findings.len(), 1);

    let runs = kit.respond(&responder, &message(&findings[0].json)).await.unwrap();
    let run = kit.run(&runs[0]).await;
    assert_eq!((run.rule.as_str(), run.level.as_str()), ("root-use", "high"));
    assert_eq!(run.runbook, "evidence-only");
    assert_eq!(kit.changes(), Vec::<String>::new());

    let said = |json: Value| {
        let message = message(&json.to_string());
        let responder = &responder;
        async move {
            match responder.respond(&message).await.unwrap() {
                Handled::Doubted(why) => why,
                other => panic!("not doubted: {other:?}"),
            }
        }
    };
    let finding: Value = serde_json::from_str(&findings[0].json).unwrap();
    let mut other = finding.clone();
    other["finding_info"]["uid"] = json!("0123456789abcdef0123456789abcdef");
    assert!(said(other).await.ends_with("the query does not answer so"));
    let mut wide = finding.clone();
    wide["unmapped"]["trailloop"]["query"]["from"] = json!("1970-01-01T00:00:00Z");
    assert!(said(wide).await.ends_with("the query's schedule has no such window"));
    let mut unknown = finding;
    unknown["unmapped"]["trailloop"]["query"]["id"] = json!("q01-what-did-it-do");
    assert!(said(unknown).await.ends_with("there is no scheduled query of its id"));
}
