//! The loop from the command line: verdicts on a noisy rule become a proposed filter, which is merged, checked and replayed; what would
//! hide a judged attack is refused.

use std::fs;
use std::path::PathBuf;

use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use trailloop_cloud::{Clock, LocalTable, Table};
use trailloop_feedback::Entry;
use trailloop_respond::voices::{self, Verdict};
use trailloop_respond::{day_of, store};

use crate::support::{lines, root, run, status, stderr, text};

const RULE: &str = "title: A role lists all users
id: 1f2e3d4c-0000-4000-8000-0000000000aa
status: experimental
level: medium
logsource: {product: aws, service: cloudtrail}
detection:
  selection: {eventSource: iam.amazonaws.com, eventName: ListUsers}
  condition: selection
";

/// The role of a pipeline, and who is no pipeline.
const PIPELINE: &str = "arn:aws:iam::111122223333:role/ci-plan";
const ATTACKER: &str = "arn:aws:iam::111122223333:role/web";

/// So many days the pipeline has done it; what happens on each is a finding of its own.
const DAYS: i64 = 80;

struct World {
    folder: TempDir,
    table: LocalTable,
    runtime: Runtime,
}

fn now_ms() -> i64 {
    Clock::System.now_ms()
}

fn record(role: &str, number: i64, days_ago: i64) -> Value {
    let at = Timestamp::from_millisecond(now_ms()).unwrap() - (24 * days_ago).hours();
    let name = role.rsplit('/').next().unwrap();
    json!({
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "AssumedRole", "principalId": "AROAEXAMPLE:run", "accountId": "111122223333",
            "arn": format!("arn:aws:sts::111122223333:assumed-role/{name}/run"),
            "sessionContext": {"sessionIssuer": {"type": "Role", "arn": role, "accountId": "111122223333"}},
        },
        "eventTime": at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "eventSource": "iam.amazonaws.com", "eventName": "ListUsers", "awsRegion": "us-east-1",
        "sourceIPAddress": "203.0.113.9", "vpcEndpointId": "vpce-0abc", "userAgent": "terraform/1.9",
        "requestParameters": null, "responseElements": null,
        "eventID": format!("baa2919c-0ded-47bb-bec0-{number:012x}"), "readOnly": true,
        "eventType": "AwsApiCall", "managementEvent": true, "recipientAccountId": "111122223333",
        "eventCategory": "Management",
    })
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["logs", "attacks", "rules"] {
            fs::create_dir(at(name)).unwrap();
        }
        let mut records: Vec<Value> = (0..DAYS).map(|nth| record(PIPELINE, nth, nth)).collect();
        records.push(record(ATTACKER, 1000, 2));
        fs::write(at("logs/a.json"), json!({ "Records": records }).to_string()).unwrap();
        let attack = record("arn:aws:iam::444455556666:role/other", 2000, 9);
        fs::write(at("attacks/one.json"), json!({ "Records": [attack] }).to_string()).unwrap();
        fs::write(at("rules/rule.yml"), RULE).unwrap();
        let state = at("state.sqlite");
        let config = format!("[respond]\nstate = '{}'\n", text(&state));
        fs::write(at("trailloop.toml"), config).unwrap();
        let table = LocalTable::open(&state).unwrap();
        Self { table, folder, runtime: Runtime::new().unwrap() }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The findings of a replay.
    fn replayed(&self) -> Vec<Value> {
        let (logs, rules) = (self.at("logs"), self.at("rules"));
        let output = run(&["replay", text(&logs), "--rules", text(&rules), "--quiet"]);
        assert_eq!(status(&output), 0, "{}", stderr(&output));
        lines(&output.stdout)
    }

    /// What an executor would keep of them, and what two people say: of the pipeline's that it is automation, over and over drawn by
    /// chance; of the other that it is an attack.
    fn judged(&self) {
        let findings = self.replayed();
        assert_eq!(findings.len(), usize::try_from(DAYS).unwrap() + 1);
        let table: &dyn Table = &self.table;
        let days: Vec<String> =
            (0..=DAYS).map(|back| day_of(now_ms() - back * 86_400_000)).collect();
        self.runtime.block_on(async {
            for finding in &findings {
                let entry = Entry::of(finding).unwrap();
                store::take(table, &entry, &day_of(entry.first_ms)).await.unwrap();
            }
            for nth in 0..70_i64 {
                let mut asked = vec![format!("draw-{nth}")];
                asked.extend(days.iter().cloned());
                let drawn = store::audit(table, (&asked, now_ms()), 1, "seed").await.unwrap();
                for one in drawn.iter().filter(|one| one.kept.entry.lineage() == Some(PIPELINE)) {
                    let by = if nth % 2 == 0 { "ana" } else { "ben" };
                    self.say(&one.place.uid, "benign_positive", ("automation", by), nth % 9).await;
                }
            }
            let attack = findings.iter().map(|one| Entry::of(one).unwrap());
            let attack = attack.into_iter().find(|one| one.lineage() == Some(ATTACKER)).unwrap();
            self.say(&attack.uid, "true_positive", ("stolen_credential", "ana"), 1).await;
        });
    }

    async fn say(&self, uid: &str, judgement: &str, (reason, by): (&str, &str), days_ago: i64) {
        let verdict = Verdict {
            finding: uid.to_owned(),
            judgement: judgement.to_owned(),
            reason: reason.to_owned(),
            by: by.to_owned(),
            at_ms: now_ms() - days_ago * 86_400_000,
        };
        voices::judge(&self.table, &verdict).await.unwrap();
        assert!(store::judge(&self.table, uid).await.unwrap());
    }

    fn propose(&self, out: &str) -> (i32, String) {
        self.propose_with(out, &[])
    }

    fn propose_with(&self, out: &str, more: &[&str]) -> (i32, String) {
        let (logs, attacks, rules) =
            (self.at("logs"), self.at("attacks"), self.at("rules/rule.yml"));
        let (out, config) = (self.at(out), self.at("trailloop.toml"));
        let fixed = [
            "tune",
            "propose",
            text(&logs),
            "--rules",
            text(&rules),
            "--attacks",
            text(&attacks),
            "--out",
            text(&out),
            "--owner",
            "platform",
            "--by",
            "ana",
            "--whole",
            "--config",
            text(&config),
        ];
        let output = run(&[&fixed[..], more].concat());
        let said = String::from_utf8(output.stdout.clone()).unwrap();
        (status(&output), format!("{said}{}", stderr(&output)))
    }

    fn backtest(&self, new: &str) -> (i32, Value) {
        let (logs, config) = (self.at("logs"), self.at("trailloop.toml"));
        let (old, new) = (self.at("rules/rule.yml"), self.at(new));
        let output = run(&[
            "rules",
            "backtest",
            text(&old),
            text(&new),
            "--against",
            text(&old),
            "--source",
            text(&logs),
            "--config",
            text(&config),
            "--format",
            "json",
            "--quiet",
        ]);
        let json = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", stderr(&output)));
        (status(&output), json)
    }
}

#[test]
fn what_a_rule_costs_is_measured_on_an_archive_and_kept_for_the_report() {
    let world = World::new();
    world.judged();
    let (logs, rules, config) = (world.at("logs"), world.at("rules"), world.at("trailloop.toml"));
    let options = ["--rules", text(&rules), "--config", text(&config), "--quiet"];
    let cost = |more: &[&str]| {
        let output = run(&[&["rules", "cost", text(&logs)], &options[..], more].concat());
        assert_eq!(status(&output), 0, "{}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let told: Value = serde_json::from_str(&cost(&["--format", "json"])).unwrap();
    assert_eq!(told["records"], DAYS + 1);
    let rule = &told["rules"][0];
    assert_eq!((&rule["tried"], &rule["matched"]), (&json!(DAYS + 1), &json!(DAYS + 1)));
    assert_eq!(rule["findings_per_million_records"], 1e6);
    assert!(rule["cost_ns"].as_f64().unwrap() >= 0.0, "{rule}");
    assert!(cost(&["--records", "7"]).contains("all 1 rules, on 7 records"));

    let output = run(&["report", "--config", text(&config), "--days", "90"]);
    let report = String::from_utf8(output.stdout).unwrap();
    let line = report.lines().find(|line| line.starts_with("A role lists all users")).unwrap();
    let cost = line.split_whitespace().last().unwrap();
    assert!(cost.parse::<f64>().is_ok(), "{report}");

    let empty = world.at("attacks");
    fs::write(empty.join("one.json"), "{\"Records\":[]}").unwrap();
    let output = run(&["rules", "cost", text(&empty), "--quiet"]);
    assert_eq!(status(&output), 2, "{}", stderr(&output));
    assert!(stderr(&output).contains("no record found in"), "{}", stderr(&output));
}

#[test]
fn verdicts_become_a_filter_that_is_merged_and_hides_no_attack() {
    let world = World::new();
    let (code, said) = world.propose("none");
    assert_eq!((code, said.contains("0 proposals")), (0, true), "nobody has judged: {said}");
    world.judged();
    let (code, said) = world.propose("proposed");
    assert_eq!((code, said.contains("1 proposals")), (0, true), "{said}");
    let (code, said) = world.propose("proposed");
    assert_eq!((code, said.contains("is not empty")), (2, true), "{said}");
    let file = fs::read_dir(world.at("proposed")).unwrap().map(|file| file.unwrap().path());
    let file =
        file.into_iter().find(|path| path.extension().is_some_and(|of| of == "yml")).unwrap();
    let filter = fs::read_to_string(&file).unwrap();
    assert!(filter.contains(PIPELINE), "{filter}");
    let report = fs::read_to_string(file.with_extension("md")).unwrap();
    assert!(report.contains("| 10 |"), "{report}");

    // Merged, the same replay finds as much, and the pipeline's is moved down.
    fs::copy(&file, world.at("rules/filter.yml")).unwrap();
    let rules = world.at("rules");
    let checked = run(&["tune", "check", text(&rules)]);
    assert_eq!(status(&checked), 0, "{}", String::from_utf8_lossy(&checked.stdout));
    let replayed = world.replayed();
    let visible: Vec<&Value> = replayed.iter().filter(|one| one["status_id"] == 1).collect();
    assert_eq!((replayed.len(), visible.len()), (usize::try_from(DAYS).unwrap() + 1, 1));
    assert!(visible[0]["raw_data"].as_str().unwrap().contains(ATTACKER), "{visible:?}");
    let (code, backtest) = world.backtest("rules/filter.yml");
    assert_eq!((code, &backtest["attacks_lost"]), (0, &json!(0)), "{backtest}");
    assert_eq!(backtest["total"]["lost"], DAYS);
    assert_eq!(backtest, world.backtest("rules/filter.yml").1, "the same each time");

    // A word changed, and it counts no more.
    fs::write(world.at("rules/rule.yml"), RULE.replace("all users", "users")).unwrap();
    let checked = run(&["tune", "check", text(&rules)]);
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert_eq!(status(&checked), 1, "{said}");
    assert_eq!(world.replayed().iter().filter(|one| one["status_id"] == 3).count(), 0);
}

#[test]
fn proposals_may_be_a_branch_for_review() {
    let world = World::new();
    world.judged();
    let git = |arguments: &[&str]| {
        let output = std::process::Command::new("git")
            .arg("-C")
            .arg(world.folder.path())
            .args(["-c", "user.name=ana", "-c", "user.email=ana@example.com"])
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    git(&["init", "--quiet", "-b", "main"]);
    git(&["config", "user.name", "ana"]);
    git(&["config", "user.email", "ana@example.com"]);
    git(&["add", "rules"]);
    git(&["commit", "--quiet", "-m", "Rules"]);
    let before = git(&["status", "--porcelain"]);
    let (code, said) = world.propose_with("proposed", &["--branch", "quieter"]);
    assert_eq!((code, said.contains("1 proposals")), (0, true), "{said}");
    assert!(!world.at("proposed").exists());
    assert_eq!(git(&["status", "--porcelain"]), before, "the working copy is as it was");
    let files = git(&["ls-tree", "-r", "--name-only", "quieter", "proposed/"]);
    assert_eq!(files.lines().count(), 2, "{files}");
    let (code, said) = world.propose_with("proposed", &["--branch", "quieter"]);
    assert_eq!((code, said.contains("quieter")), (1, true), "there is such a branch: {said}");
}

#[test]
fn a_backtest_fails_if_a_judged_attack_would_be_lost() {
    let world = World::new();
    world.judged();
    let hides = "title: Hides too much\nlogsource: {product: aws, service: cloudtrail}\nfilter:\n  rules: [1f2e3d4c-0000-4000-8000-0000000000aa]\n  s: {awsRegion: us-east-1}\n  condition: not s\n";
    fs::write(world.at("hides.yml"), hides).unwrap();
    let (code, backtest) = world.backtest("hides.yml");
    assert_eq!((code, &backtest["attacks_lost"]), (3, &json!(1)), "{backtest}");
    assert_eq!(
        backtest["lost"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|one| one["label"] == "true_positive")
            .count(),
        1
    );
}

impl World {
    /// Runs a command that reads the archive by the rules and the verdicts, and writes to a folder.
    fn tune(&self, command: &str, more: &[&str], out: &str) -> (i32, String) {
        let (logs, rules) = (self.at("logs"), self.at("rules/rule.yml"));
        let (out, config) = (self.at(out), self.at("trailloop.toml"));
        let fixed =
            ["--rules", text(&rules), "--out", text(&out), "--config", text(&config), "--quiet"];
        let output = run(&[&["tune", command, text(&logs)], &fixed[..], more].concat());
        let said = String::from_utf8(output.stdout.clone()).unwrap();
        (status(&output), format!("{said}{}", stderr(&output)))
    }

    /// The id of the finding of the attacker.
    fn attack(&self) -> String {
        let findings = self.replayed();
        let of = findings.iter().map(|one| Entry::of(one).unwrap());
        of.into_iter().find(|one| one.lineage() == Some(ATTACKER)).unwrap().uid
    }
}

#[test]
fn an_attack_becomes_an_example_and_policies_that_would_have_prevented_it() {
    let world = World::new();
    let attack = world.attack();
    let (code, said) = world.tune("prevent", &["--finding", &attack], "none");
    assert_eq!((code, said.contains("was judged an attack")), (2, true), "{said}");
    world.judged();
    let (code, said) = world.tune("prevent", &["--finding", &attack], "policies");
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("scp-callers: denies 1 of 1 calls of the attack, and 0 of 80 others"),
        "{said}"
    );
    let policy = fs::read_to_string(world.at("policies/scp-callers.json")).unwrap();
    let policy: Value = serde_json::from_str(&policy).unwrap();
    assert_eq!(policy["Statement"][0]["Action"], json!(["iam:ListUsers"]));
    assert!(policy.to_string().contains(PIPELINE), "{policy}");
    assert!(
        fs::read_to_string(world.at("policies/scp-callers.md"))
            .unwrap()
            .contains("Nothing was applied")
    );

    let (code, said) = world.tune("tests", &[], "examples");
    assert_eq!(
        (code, said.contains("1 examples, of which the rule breaks 0")),
        (0, true),
        "{said}"
    );
    let name = "examples/1f2e3d4c-0000-4000-8000-0000000000aa.yml";
    let examples = fs::read_to_string(world.at(name)).unwrap();
    assert!(examples.contains(&attack) && examples.contains("expect: true"), "{examples}");
}

#[test]
fn an_answer_that_tells_attacks_apart_becomes_a_condition() {
    let world = World::new();
    let facts = world.at("facts");
    fs::create_dir(&facts).unwrap();
    let mut records: Vec<Value> = (0..DAYS).map(|nth| record(PIPELINE, nth, nth)).collect();
    for nth in 0..30 {
        let mut attack = record(ATTACKER, 1000 + nth, nth);
        attack["recipientAccountId"] = json!("444455556666");
        attack["userIdentity"]["accountId"] = json!("444455556666");
        records.push(attack);
    }
    fs::write(world.at("logs/a.json"), json!({ "Records": records }).to_string()).unwrap();
    fs::write(
        facts.join("accounts.csv"),
        "account,name,ou,environment\n111122223333,Build,root/build,development\n444455556666,Shop,root/live,production\n",
    )
    .unwrap();
    let findings = {
        let (logs, rules) = (world.at("logs"), world.at("rules"));
        let output = run(&[
            "replay",
            text(&logs),
            "--rules",
            text(&rules),
            "--enrichment",
            text(&facts),
            "--quiet",
        ]);
        lines(&output.stdout)
    };
    world.runtime.block_on(async {
        for (nth, finding) in (0_i64..).zip(&findings) {
            let entry = Entry::of(finding).unwrap();
            store::take(&world.table, &entry, &day_of(entry.first_ms)).await.unwrap();
            let is_attack = entry.lineage() == Some(ATTACKER);
            let (judgement, reason) = match is_attack {
                true => ("true_positive", "stolen_credential"),
                false => ("benign_positive", "automation"),
            };
            let by = if nth % 2 == 0 { "ana" } else { "ben" };
            world.say(&entry.uid, judgement, (reason, by), nth % 9).await;
        }
    });
    let (code, said) = world.tune("questions", &["--enrichment", text(&facts)], "changed");
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("account.environment is worth a change"), "{said}");
    let file = world.at("changed/account-environment-1f2e3d4c-rule.yml");
    let changed = fs::read_to_string(&file).unwrap();
    assert!(changed.contains("account.environment") && changed.contains("production"), "{changed}");

    // Merged, it finds the attacks and nothing else.
    fs::copy(&file, world.at("rules/rule.yml")).unwrap();
    let (logs, rules) = (world.at("logs"), world.at("rules"));
    let output = run(&[
        "replay",
        text(&logs),
        "--rules",
        text(&rules),
        "--enrichment",
        text(&facts),
        "--quiet",
    ]);
    let found = lines(&output.stdout);
    assert_eq!(found.len(), 30);
    assert!(found.iter().all(|one| one["raw_data"].as_str().unwrap().contains(ATTACKER)));
}

#[test]
fn selectors_are_proposed_for_what_no_trail_records() {
    let world = World::new();
    let trails = world.at("trails.json");
    let management = json!({"AdvancedEventSelectors": [{"FieldSelectors": [
        {"Field": "eventCategory", "Equals": ["Management"]}]}]});
    fs::write(&trails, management.to_string()).unwrap();
    let asked = |more: &[&str]| {
        let output = run(&[&["tune", "selectors", "--trails", text(&trails)], more].concat());
        assert_eq!(status(&output), 0, "{}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let said = asked(&["--volume", "AWS::S3::Object=1000000"]);
    let line = said.lines().find(|line| line.contains("AWS::S3::Object")).unwrap();
    assert!(line.contains("1000000") && line.contains("30.00 dollars"), "{line}");
    let selectors: Value = serde_json::from_str(&asked(&["--format", "json"])).unwrap();
    // Once they are followed nothing is left to propose.
    let mut followed = management;
    let all = followed["AdvancedEventSelectors"].as_array_mut().unwrap();
    all.extend(selectors["AdvancedEventSelectors"].as_array().unwrap().iter().cloned());
    fs::write(&trails, followed.to_string()).unwrap();
    let left: Value = serde_json::from_str(&asked(&["--format", "json"])).unwrap();
    assert_eq!(left, json!({"AdvancedEventSelectors": []}));
}

#[test]
fn runbooks_are_simulated_and_nothing_is_promoted_without_a_history() {
    let world = World::new();
    let (logs, config, out) =
        (root().join("fixtures/logs"), world.at("trailloop.toml"), world.at("promoted"));
    let output = run(&["runbook", "simulate", text(&logs), "--format", "json", "--quiet"]);
    assert_eq!(status(&output), 0, "{}", stderr(&output));
    let simulated: Value = serde_json::from_slice(&output.stdout).unwrap();
    let all = simulated.as_array().unwrap();
    let key = all.iter().find(|one| one["runbook"] == "contain-iam-user-key").unwrap();
    let user = "arn:aws:iam::111122223333:user/ci-deployer";
    assert!(key["targets"][user].as_u64() > Some(0) && key["mode"] == "approve", "{key}");
    let output = run(&["runbook", "promote", "--config", text(&config), "--out", text(&out)]);
    assert_eq!(status(&output), 0, "{}", stderr(&output));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("0 proposals in "), "{said}");
}

#[test]
fn the_report_tells_of_rules_and_verdicts() {
    let world = World::new();
    world.judged();
    let (config, page) = (world.at("trailloop.toml"), world.at("report.html"));
    let output = run(&["report", "--days", "90", "--html", text(&page), "--config", text(&config)]);
    assert_eq!(status(&output), 0, "{}", stderr(&output));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("A role lists all users"), "{said}");
    let page = fs::read_to_string(page).unwrap();
    assert!(page.contains("<svg") && !page.contains("<script"), "{page}");
}
