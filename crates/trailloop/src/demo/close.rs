//! The loop closes: what people say of a noisy rule becomes a filter, which is merged, and the same logs are replayed.
//!
//! To the demo's logs come eleven weeks of a posture scanner, which asks every night for the organization's accounts, with the key of a
//! user of its own, and is refused. The rule that finds it also finds the intruder. Two people judge what is drawn for them by chance; proposing, the gates, their
//! backtest and the replay are those of `trailloop tune` and `trailloop replay`.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use trailloop_cloud::LocalTable;
use trailloop_enrichment::Enrichment;
use trailloop_feedback::Entry;
use trailloop_respond::store::{self, Shown};
use trailloop_respond::voices::{self, Verdict};
use trailloop_rules::Loaded;

use super::{BUCKET, LOGS, collect, write};
use crate::cli::{AwsArgs, Global};
use crate::found::{Archive, Gathered};
use crate::labels::Labels;
use crate::ruleset::RuleFiles;
use crate::story::Closing;
use crate::tune::{self, Known, Names};

/// The rule that both set off: an IAM user is refused at a guarded door.
const RULE: &str = "c882bb95-3bb0-4c91-b838-51294771ba9d";

const ACCOUNT: &str = "111122223333";
const SCANNER: &str = "arn:aws:iam::111122223333:user/posture-scanner";

/// Whose key the intruder has.
const INTRUDER: &str = "arn:aws:iam::111122223333:user/ci-deployer";

/// The day after the intrusion, on which the filter is proposed.
const TODAY: Date = date(2026, 11, 21);

/// So many nights the scanner has asked.
const NIGHTS: i64 = 80;

const DAY_MS: i64 = 86_400_000;

/// So often one of a day's findings is drawn.
const DRAWS_A_DAY: usize = 6;

/// Who judges, in turn: this program, where else people do.
const ANALYSTS: [&str; 2] = ["analyst-1", "analyst-2"];

/// Closes the loop in a folder of the demo.
pub(super) fn close(
    dir: &Path,
    facts: &Arc<Enrichment>,
    global: &Global,
) -> anyhow::Result<Closing> {
    let loop_dir = dir.join("loop");
    let archive = archive(dir, &loop_dir)?;
    let attacks = loop_dir.join("attacks");
    let mut files = Vec::new();
    collect(&LOGS, &mut files);
    for (path, bytes) in files {
        write(&attacks.join(path), bytes)?;
    }
    let rules = RuleFiles::compile(trailloop_content::shipped(), facts);
    let (before, findings) = gather(&archive, &rules, global)?;

    let state = loop_dir.join("state.sqlite");
    let config = loop_dir.join("respond.toml");
    write(&config, format!("[respond]\nstate = {:?}\n", state.display().to_string()).as_bytes())?;
    let queue = Queue {
        table: LocalTable::open(&state).context("open the state")?,
        runtime: crate::runtime()?,
    };
    queue.fill(&findings)?;
    let first_before = queue.first()?;
    let verdicts = queue.judge(&before)?;

    let labels = Labels::read(&config, rules.set.rules())?;
    let filter = propose(&loop_dir, (&archive, &before), &rules, &labels)?;

    // Merged: the file lies beside the rules.
    let mut loaded: Loaded = trailloop_content::shipped();
    loaded.extend(crate::ruleset::read(std::slice::from_ref(&filter))?);
    let merged = RuleFiles::compile(loaded, facts);
    ensure!(merged.set.quieting().len() == 1, "the filter is not in force");
    let (after, findings) = gather(&archive, &merged, global)?;
    let table = LocalTable::open(loop_dir.join("after.sqlite")).context("open the state")?;
    let queue = Queue { table, runtime: queue.runtime };
    queue.fill(&findings)?;
    let labelled = labels.by_uid();
    let is_attack = |uid: &str| labelled.get(uid).is_some_and(|label| label.is_attack());
    let attacks_seen = |gathered: &Gathered| {
        gathered.found.iter().filter(|one| is_attack(&one.uid) && !one.is_quieted).count()
    };
    let rule = rules.set.rules().iter().find(|rule| rule.analytic.uid == RULE);
    Ok(Closing {
        rule: rule.map(|rule| rule.analytic.name.clone()).unwrap_or_default(),
        nights: NIGHTS,
        records: before.records,
        verdicts,
        found: visible(&before),
        left: visible(&after),
        found_by_all: before.found.iter().filter(|one| !one.is_quieted).count(),
        left_by_all: after.found.iter().filter(|one| !one.is_quieted).count(),
        attacks: (attacks_seen(&before), attacks_seen(&after)),
        first: (first_before, queue.first()?),
        report: filter.with_extension("md"),
        filter,
    })
}

/// Proposes what verdicts speak for, which is one filter.
fn propose(
    loop_dir: &Path,
    (archive, gathered): (&Archive, &Gathered),
    rules: &RuleFiles,
    labels: &Labels,
) -> anyhow::Result<PathBuf> {
    let attacks = text(&loop_dir.join("attacks"));
    let known = Known {
        gathered,
        labels,
        corpora: Archive::list(&[attacks], &AwsArgs::default())?.records()?,
        own_networks: &[],
        is_whole: true,
        today: TODAY,
    };
    let proposed = loop_dir.join("proposed");
    fs::create_dir_all(&proposed).with_context(|| format!("make {}", proposed.display()))?;
    let names = Names { owner: "platform", proposer: "demo" };
    let (mut filters, mut refused) = (Vec::new(), Vec::new());
    known.propose(&rules.set, archive, &names, |rule, of| {
        match of {
            Ok(proposal) => {
                tune::write(&proposed, &proposal)?;
                filters.push(proposed.join(format!("{}.yml", proposal.name)));
            }
            Err(gates) => {
                let why = gates.into_iter().filter(|gate| !gate.passed);
                refused.extend(why.map(|gate| format!("{}: {}", rule.analytic.name, gate.reason)));
            }
        }
        Ok(())
    })?;
    match filters.as_slice() {
        [filter] => Ok(filter.clone()),
        _ => bail!("{} filters were proposed: {}", filters.len(), refused.join("; ")),
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// How many findings of the rule people see.
fn visible(gathered: &Gathered) -> usize {
    gathered.found.iter().filter(|one| one.rule == RULE && !one.is_quieted).count()
}

/// The demo's logs, and what the scanner did.
fn archive(dir: &Path, loop_dir: &Path) -> anyhow::Result<Archive> {
    let scanner = loop_dir.join("scanner");
    for back in 0..NIGHTS {
        let day = TODAY.yesterday()? - back.days();
        let (folder, stamp) = (day.strftime("%Y/%m/%d"), day.strftime("%Y%m%dT0315Z"));
        let name = format!("{ACCOUNT}_CloudTrail_us-east-1_{stamp}_{back:016}.json.gz");
        let records = json!({ "Records": [scan(day, back)] }).to_string();
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(records.as_bytes()).context("compress a record")?;
        let key = format!("AWSLogs/{ACCOUNT}/CloudTrail/us-east-1/{folder}/{name}");
        write(&scanner.join(key), &gzip.finish().context("compress a record")?)?;
    }
    Archive::list(&[text(&dir.join("buckets").join(BUCKET)), text(&scanner)], &AwsArgs::default())
}

/// The scanner's call of a night, through its VPC endpoint. Each comes a little more than a day after the one before, so that it is
/// a finding of its own.
fn scan(day: Date, number: i64) -> Value {
    let at = 190 + 5 * (NIGHTS - number);
    json!({
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "IAMUser", "principalId": "AIDAEXAMPLESCANNER", "arn": SCANNER,
            "accountId": ACCOUNT, "accessKeyId": "AKIAEXAMPLESCANNER00", "userName": "posture-scanner",
        },
        "eventTime": format!("{day}T{:02}:{:02}:00Z", at / 60, at % 60),
        "eventSource": "organizations.amazonaws.com", "eventName": "ListAccounts",
        "errorCode": "AccessDenied", "errorMessage": "You don't have permissions to access this resource.",
        "awsRegion": "us-east-1", "sourceIPAddress": "10.0.12.34", "vpcEndpointId": "vpce-0a1b2c3d4e5f67890",
        "userAgent": "posture-scanner/4.2", "requestParameters": null, "responseElements": null,
        "requestID": format!("5c0e9a52-43b1-4f0e-9d1a-{number:012x}"),
        "eventID": format!("0b1f6c1e-8d8e-4c58-a0a6-{number:012x}"),
        "readOnly": true, "eventType": "AwsApiCall", "managementEvent": true,
        "recipientAccountId": ACCOUNT, "eventCategory": "Management",
    })
}

/// What the rules find, also as findings whole.
fn gather(
    archive: &Archive,
    rules: &RuleFiles,
    global: &Global,
) -> anyhow::Result<(Gathered, Vec<Value>)> {
    let mut findings = Vec::new();
    let each = |finding: &Value| findings.push(finding.clone());
    let gathered = archive.gather_each(Arc::clone(&rules.set), (None, global), each)?;
    ensure!(gathered.failed == 0, "{} of the demo's own logs can't be read", gathered.failed);
    Ok((gathered, findings))
}

/// Findings as an executor keeps them.
struct Queue {
    table: LocalTable,
    runtime: Runtime,
}

impl Queue {
    /// Takes up each, and brings those together that repeat each other.
    fn fill(&self, findings: &[Value]) -> anyhow::Result<()> {
        self.runtime.block_on(async {
            for finding in findings {
                let entry = Entry::of(finding).context("read a finding of ours")?;
                let day = trailloop_respond::day_of(entry.first_ms);
                store::take(&self.table, &entry, &day).await.context("keep a finding")?;
            }
            Ok(())
        })
    }

    /// The days of the archive, the last first.
    fn days() -> Vec<String> {
        (0..=NIGHTS).map(|back| trailloop_respond::day_of(now_ms() - back * DAY_MS)).collect()
    }

    /// What stands first for whoever looks at what was found, by its title and its principal.
    fn first(&self) -> anyhow::Result<String> {
        let days = Self::days();
        let queue = store::queue(&self.table, &days, now_ms());
        let queue = self.runtime.block_on(queue).context("rank the findings")?;
        let first = queue.first().context("nothing was found")?;
        let entry = &first.kept.entry;
        let who = entry.principal.as_deref().unwrap_or("nobody who is known");
        Ok(format!("{}, by {who}", entry.title))
    }

    /// Of each day's findings some are drawn by chance for somebody to judge, and what the intruder set the rule off by is judged as
    /// well. Gives how many verdicts that makes.
    fn judge(&self, gathered: &Gathered) -> anyhow::Result<usize> {
        let mut count = 0;
        self.runtime.block_on(async {
            let draws = (0..DRAWS_A_DAY)
                .flat_map(|draw| Self::days().into_iter().map(move |day| (draw, day)));
            for (nth, (draw, day)) in draws.enumerate() {
                let asked = [format!("draw-{draw}-{day}"), day];
                // Nobody looks at anything but what is drawn.
                let drawn = store::audit(&self.table, (&asked, now_ms()), 0, "demo").await;
                for one in drawn.context("draw what is judged")? {
                    if is_of(&one, SCANNER) {
                        let said = ("benign_positive", "automation", ANALYSTS[nth % 2]);
                        let at_ms = one.kept.entry.first_ms + DAY_MS;
                        self.say(&one.place.uid, said, at_ms).await?;
                        count += 1;
                    }
                }
            }
            let of_rule = gathered.found.iter().filter(|one| one.rule == RULE);
            for one in of_rule.filter(|one| one.entity.contains(INTRUDER)) {
                let said = ("true_positive", "stolen_credential", ANALYSTS[0]);
                self.say(&one.uid, said, now_ms()).await?;
                count += 1;
            }
            Ok(count)
        })
    }

    async fn say(
        &self,
        uid: &str,
        (judgement, reason, by): (&str, &str, &str),
        at_ms: i64,
    ) -> anyhow::Result<()> {
        let verdict = Verdict {
            finding: uid.to_owned(),
            judgement: judgement.to_owned(),
            reason: reason.to_owned(),
            by: by.to_owned(),
            at_ms,
        };
        voices::judge(&self.table, &verdict).await.context("keep a verdict")?;
        ensure!(
            store::judge(&self.table, uid).await.context("count a verdict")?,
            "{uid} is not kept"
        );
        Ok(())
    }
}

fn is_of(shown: &Shown, principal: &str) -> bool {
    shown.kept.entry.rule == RULE && shown.kept.entry.principal.as_deref() == Some(principal)
}

/// The morning of the day on which the filter is proposed.
fn now_ms() -> i64 {
    TimeZone::UTC.to_timestamp(TODAY.at(9, 0, 0, 0)).map_or(0, Timestamp::as_millisecond)
}
