//! The report: a page that one would forward. `report_text.rs` has the same as a table in text.
//!
//! The page is one HTML file that asks for nothing else: no scripts, no fonts, no pictures, charts as SVG in the page, and a policy in
//! its head that forbids the rest. What comes from records (names of principals, above all) is escaped and shown as plain text.

use serde::{Deserialize, Serialize};
use trailloop_finding::Level;

use crate::chart;
use crate::drift::{Drift, drift, volumes};
use crate::judgement::{Judgement, Standing};
use crate::level_name;
use crate::metrics::{
    Changes, Day, Measured, Observed, Overall, Row, Times, Window, day_of, days, overall, rows,
};
use crate::runs::{Ending, RunSeen, RunbookRow, runbook_rows};
use crate::safety::{
    Canary, Demotion, Missed, Question, Regularity, Silent, demotions, missed, questions, silent,
};
use crate::shown::{html, maybe_percent, maybe_span, percent, short_middle, span};

/// How many rules, entities and questions are shown.
const LINES_MAX: usize = 50;

/// How many verdicts are asked for.
const QUESTIONS_MAX: usize = 5;

/// How many findings of the queue are shown.
pub(crate) const QUEUE_MAX: usize = 20;

/// A finding that waits for a verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Waiting {
    /// Its id.
    pub uid: String,
    /// Its title.
    pub title: String,
    /// Its level.
    #[serde(with = "level_name")]
    pub level: Level,
    /// Whom it is about.
    #[serde(default)]
    pub who: Option<String>,
    /// Its priority, from 0 to 100.
    pub score: f64,
    /// When it happened.
    pub event_ms: i64,
}

/// What a report says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// What it is about, such as the name of the organization.
    pub about: String,
    /// The first time of its window, in milliseconds of Unix time.
    pub from_ms: i64,
    /// The first time after it.
    pub to_ms: i64,
    /// All findings together.
    pub overall: Overall,
    /// Findings of each day.
    pub days: Vec<Day>,
    /// Rules and queries.
    pub rows: Vec<Row>,
    /// Runbooks.
    pub runbooks: Vec<RunbookRow>,
    /// What waits for a verdict, the first to look at first.
    pub queue: Vec<Waiting>,
    /// Rules whose daily volume has changed: their titles.
    pub drifts: Vec<(String, Drift)>,
    /// Rules that have gone silent.
    pub silent: Vec<Silent>,
    /// Canaries that were not found.
    pub missed: Vec<Missed>,
    /// Runbooks that have to ask again.
    pub demotions: Vec<Demotion>,
    /// The verdicts most worth asking for.
    pub questions: Vec<Question>,
}

/// What a report is made of.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// What it is about, such as the name of the organization.
    pub about: &'a str,
    /// The time it is about.
    pub window: Window,
    /// The findings, with what was said of them.
    pub observed: &'a [Observed<'a>],
    /// How versions of rules differ from those before.
    pub changes: &'a Changes,
    /// What was measured of rules over an archive.
    pub measured: &'a Measured,
    /// The runs of runbooks in the window.
    pub runs: &'a [RunSeen],
    /// The canaries that were sent.
    pub canaries: &'a [Canary],
    /// What waits for a verdict, the first to look at first.
    pub queue: &'a [Waiting],
}

impl Report {
    /// The report of what is given.
    #[must_use]
    pub fn of(given: Given<'_>) -> Self {
        let Given { about, window, observed, changes, measured, runs, canaries, queue } = given;
        let now_ms = window.to_ms;
        let mut rows = rows(observed, window, changes);
        rows.iter_mut().for_each(|row| row.fill(measured));
        let drift = |row: &Row| {
            let drift = drift(&volumes(observed, &row.id, window))?;
            Some((row.title.clone(), drift))
        };
        Self {
            about: about.to_owned(),
            from_ms: window.from_ms,
            to_ms: now_ms,
            overall: overall(observed, window),
            days: days(observed, window),
            runbooks: runbook_rows(runs, now_ms),
            queue: queue.to_vec(),
            drifts: rows.iter().filter_map(drift).collect(),
            silent: silent(&rows_in_earnest(observed, window), &Regularity::default()),
            missed: missed(canaries, now_ms),
            demotions: demotions(runs),
            questions: questions(&rows, observed, QUESTIONS_MAX),
            rows,
        }
    }

    /// The rules and queries in the order in which they are shown: those that cost people most come first.
    pub(crate) fn by_volume(&self) -> Vec<&Row> {
        let mut rows: Vec<&Row> = self.rows.iter().collect();
        rows.sort_by(|one, other| {
            other.volume.cmp(&one.volume).then_with(|| one.id.cmp(&other.id))
        });
        rows.truncate(LINES_MAX);
        rows
    }

    /// Its days, such as `2026-10-27 to 2026-11-25`.
    pub(crate) fn period(&self) -> String {
        format!("{} to {}", day_of(self.from_ms), day_of(self.to_ms.saturating_sub(1)))
    }

    /// What is wrong with detection itself, as sentences.
    pub(crate) fn alarms(&self) -> Vec<String> {
        let mut alarms = Vec::new();
        for missed in &self.missed {
            let (rule, took) = (&missed.canary.rule, span(missed.took_ms));
            let objective = span(missed.canary.objective_ms);
            alarms.push(match missed.canary.found_ms {
                Some(_) => {
                    format!("The canary of {rule} was found after {took}, not within {objective}.")
                }
                None => format!("The canary of {rule} has not been found for {took}."),
            });
        }
        for silent in &self.silent {
            let (for_, longest) = (span(silent.silent_ms), span(silent.longest_gap_ms));
            alarms.push(format!(
                "{} has been silent for {for_}; before, it never was for more than {longest}.",
                silent.title,
            ));
        }
        for (title, drift) in &self.drifts {
            let more = if drift.is_more() { "more" } else { "less" };
            alarms.push(format!(
                "{title} fires {more} than it did: {:.1} a day in the last days, {:.1} before.",
                drift.recent, drift.before,
            ));
        }
        for demotion in &self.demotions {
            alarms.push(format!(
                "Runbook {} asks again before it acts on findings of {}: runs undone by a verdict: {}, the last on {}.",
                demotion.runbook, demotion.rule, demotion.undone, day_of(demotion.undone_ms),
            ));
        }
        alarms
    }

    pub(crate) fn title(&self) -> &str {
        if self.about.is_empty() { "Detection" } else { &self.about }
    }

    /// The entities that make most of a rule's findings, where there are more than a few.
    pub(crate) fn noisiest(&self) -> Vec<(&Row, &str, u64, f64)> {
        /// Fewer findings are no noise.
        const NOISE_MIN: u64 = 5;
        let mut noisy: Vec<(&Row, &str, u64, f64)> = Vec::new();
        for row in &self.rows {
            for one in row.noisy.iter().filter(|one| one.count >= NOISE_MIN) {
                noisy.push((row, &one.entity, one.count, one.share));
            }
        }
        noisy.sort_by(|one, other| {
            other.2.cmp(&one.2).then_with(|| (&one.0.id, one.1).cmp(&(&other.0.id, other.1)))
        });
        noisy.truncate(LINES_MAX);
        noisy
    }

    /// The report as a page.
    #[must_use]
    pub fn html(&self) -> String {
        let title = html(self.title());
        let mut page = format!(
            "{HEAD}<title>{title}: what detection found</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        );
        page.extend(["<h1>", &title, "</h1>\n<p class=\"period\">", &self.period(), "</p>\n"]);
        self.tiles(&mut page);
        let alarms = self.alarms();
        if !alarms.is_empty() {
            page.push_str("<section class=\"alarms\"><h2>Needs attention</h2>\n<ul>\n");
            for alarm in &alarms {
                page.extend(["<li>", &html(alarm), "</li>\n"]);
            }
            page.push_str("</ul></section>\n");
        }
        self.queued(&mut page);
        page.push_str("<section><h2>Findings a day</h2>\n");
        page.push_str(&chart::days(&self.days));
        page.push_str(&chart::legend(&self.days));
        page.push_str("</section>\n");
        self.rules(&mut page);
        self.times(&mut page);
        self.noise(&mut page);
        self.runs(&mut page);
        self.asked(&mut page);
        page.push_str("<footer>Made by Trailloop. Precision is what verdicts let one expect of a rule: the bar holds 80 % of what is likely, the mark is the mean.</footer>\n</body>\n</html>\n");
        page
    }

    fn tiles(&self, page: &mut String) {
        let all = &self.overall;
        let tiles = [
            (all.findings.to_string(), "findings"),
            (all.waiting.to_string(), "wait for a verdict"),
            (maybe_percent(all.judged_in_time), "judged within a day"),
            (maybe_span(all.to_detect.p50_ms), "median time to detect"),
            (maybe_span(all.to_contain.p50_ms), "median time to contain"),
        ];
        page.push_str("<div class=\"tiles\">\n");
        for (figure, caption) in tiles {
            page.extend(["<div><b>", &figure, "</b>", caption, "</div>\n"]);
        }
        page.push_str("</div>\n");
    }

    fn queued(&self, page: &mut String) {
        if self.queue.is_empty() {
            return;
        }
        page.push_str("<section><h2>First in the queue</h2>\n");
        table(page, &["Priority", "Level", "Finding", "About", "Since"]);
        for one in self.queue.iter().take(QUEUE_MAX) {
            let who = short_middle(one.who.as_deref().unwrap_or("–"), 70);
            cells(
                page,
                &[
                    format!("{:.0}", one.score),
                    one.level.to_string(),
                    html(&one.title),
                    format!("<code>{}</code>", html(&who)),
                    span(self.to_ms.saturating_sub(one.event_ms)),
                ],
            );
        }
        page.push_str("</table></section>\n");
    }

    fn rules(&self, page: &mut String) {
        page.push_str("<section><h2>Rules and queries</h2>\n");
        table(
            page,
            &[
                "Rule or query",
                "Level",
                "Findings",
                "Suppressed",
                "Entities",
                "Judged",
                "Precision",
                "",
                "Last seen",
                "ns an event",
            ],
        );
        for row in self.by_volume() {
            cells(
                page,
                &[
                    html(&row.title),
                    row.level.to_string(),
                    row.volume.to_string(),
                    row.suppressed.to_string(),
                    row.entities.to_string(),
                    judged(row).to_string(),
                    chart::precision(row),
                    format!("{:.2}", row.mean),
                    format!("{} ago", span(row.silent_ms)),
                    cost(row),
                ],
            );
        }
        page.push_str("</table>\n");
        if self.rows.len() > LINES_MAX {
            page.extend([
                "<p>",
                &(self.rows.len() - LINES_MAX).to_string(),
                " more made fewer findings.</p>\n",
            ]);
        }
        page.push_str("</section>\n");
    }

    fn times(&self, page: &mut String) {
        page.push_str("<section><h2>How long it takes</h2>\n");
        table(page, &["Stage", "Median", "95 of 100 within", "Measured on"]);
        for (name, times) in stages(&self.overall) {
            cells(
                page,
                &[
                    name.to_owned(),
                    maybe_span(times.p50_ms),
                    maybe_span(times.p95_ms),
                    times.known.to_string(),
                ],
            );
        }
        page.push_str("</table>\n");
        if let Some(accuracy) = self.overall.accuracy {
            let (judged, right) = (self.overall.judged_twice, percent(accuracy));
            page.push_str(&format!("<p>Two people judged {judged} of the findings; as often as they agree, each is right in {right}.</p>\n"));
        }
        page.push_str("</section>\n");
    }

    fn noise(&self, page: &mut String) {
        let noisy = self.noisiest();
        if noisy.is_empty() {
            return;
        }
        page.push_str("<section><h2>Noisy entities</h2>\n");
        table(page, &["Entity", "Rule or query", "Findings", "Share of its findings"]);
        for (row, entity, count, share) in noisy {
            cells(
                page,
                &[
                    format!("<code>{}</code>", html(&short_middle(entity, 90))),
                    html(&row.title),
                    count.to_string(),
                    percent(share),
                ],
            );
        }
        page.push_str("</table></section>\n");
    }

    fn runs(&self, page: &mut String) {
        if self.runbooks.is_empty() {
            return;
        }
        page.push_str("<section><h2>Runbooks</h2>\n");
        table(
            page,
            &["Runbook", "Runs", "Held", "Failed", "Undone", "Wrong", "To approval", "To proof"],
        );
        for row in &self.runbooks {
            let ended = |ending| row.endings.get(&ending).copied().unwrap_or(0).to_string();
            cells(
                page,
                &[
                    html(&row.id),
                    row.runs.to_string(),
                    ended(Ending::Contained),
                    ended(Ending::Failed),
                    ended(Ending::Undone),
                    maybe_percent(row.wrong),
                    maybe_span(row.to_approve.p50_ms),
                    maybe_span(row.to_hold.p50_ms),
                ],
            );
        }
        page.push_str("</table></section>\n");
    }

    fn asked(&self, page: &mut String) {
        if self.questions.is_empty() {
            return;
        }
        page.push_str("<section><h2>Verdicts that would teach most</h2>\n");
        table(page, &["Finding", "Why"]);
        for question in self.questions.iter().take(LINES_MAX) {
            cells(
                page,
                &[format!("<code>{}</code>", html(&question.uid)), html(&question.because)],
            );
        }
        page.push_str("</table></section>\n");
    }
}

/// The rows without what was judged a test: canaries come whatever happens to the trail.
fn rows_in_earnest(observed: &[Observed<'_>], window: Window) -> Vec<Row> {
    let is_test = |one: &&Observed<'_>| {
        Standing::of(one.opinions).is_some_and(|standing| standing.judgement == Judgement::Test)
    };
    let others: Vec<Observed<'_>> = observed.iter().filter(|one| !is_test(one)).copied().collect();
    rows(&others, window, &Changes::new())
}

/// What a rule costs an event, in nanoseconds, if it was measured.
pub(crate) fn cost(row: &Row) -> String {
    row.cost_ns.map_or_else(|| "–".to_owned(), |cost| format!("{cost:.1}"))
}

/// Of how many findings it is known what they were.
pub(crate) fn judged(row: &Row) -> u64 {
    row.verdicts.values().fold(0, |sum, count| sum.saturating_add(*count))
}

pub(crate) fn stages(all: &Overall) -> [(&'static str, Times); 5] {
    [
        ("AWS's delivery, from event to receipt", all.delivery),
        ("Trailloop, from receipt to finding", all.ours),
        ("To detect, from event to finding", all.to_detect),
        ("To contain, from event to proof", all.to_contain),
        ("To decide, from finding to verdict", all.to_decide),
    ]
}

fn table(page: &mut String, columns: &[&str]) {
    page.push_str("<table><tr>");
    for column in columns {
        page.extend(["<th>", column, "</th>"]);
    }
    page.push_str("</tr>\n");
}

/// A row of a table; each cell is HTML already.
fn cells(page: &mut String, cells: &[String]) {
    page.push_str("<tr>");
    for cell in cells {
        page.extend(["<td>", cell, "</td>"]);
    }
    page.push_str("</tr>\n");
}

/// The policy lets the page have its own style and nothing else, even if something were not escaped.
const HEAD: &str = r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
"#;

const STYLE: &str = r"
:root{--ink:#1c2430;--soft:#5c6776;--line:#d9dee5;--paper:#fff;--tile:#f4f6f8;--range:#9db8dd;--mean:#1f4e9c}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ee;--soft:#9aa5b4;--line:#39424e;--paper:#151a21;--tile:#1e252e;--range:#3d5f94;--mean:#a9c7f5}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:960px;margin:2rem auto;padding:0 1rem}
h1{margin:0;font-size:1.7rem}h2{font-size:1.1rem;margin:2rem 0 .5rem}.period,footer{color:var(--soft)}footer{margin:2rem 0;font-size:.85rem}
.tiles{display:flex;flex-wrap:wrap;gap:.75rem;margin:1.25rem 0}.tiles div{background:var(--tile);border-radius:6px;padding:.6rem 1rem;color:var(--soft);font-size:.85rem}
.tiles b{display:block;font-size:1.5rem;color:var(--ink);font-variant-numeric:tabular-nums}
.alarms{border-left:4px solid #c0392b;padding-left:1rem}.alarms h2{margin-top:0}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}th{text-align:left;color:var(--soft);font-weight:500;font-size:.85rem}
th,td{padding:.3rem .6rem .3rem 0;border-bottom:1px solid var(--line);vertical-align:middle}code{font-size:.85em;overflow-wrap:anywhere}
svg{width:100%;height:auto;display:block}svg text{font:11px system-ui,sans-serif;fill:var(--soft)}.grid{stroke:var(--line)}
.bar{width:160px}.track{fill:var(--line)}.range{fill:var(--range)}.mean{fill:var(--mean)}
.legend span{margin-right:1rem;white-space:nowrap;color:var(--soft);font-size:.85rem}.legend svg{display:inline;width:.75rem;height:.75rem}
.tp{fill:#c0392b}.te{fill:#8e5bb5}.bp{fill:#3f7fbf}.fp{fill:#e0a030}.du{fill:#7d8894}.ic{fill:#a9b3be}.un{fill:#cfd6de}
@media print{body{margin:0;max-width:none}}
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Measure;
    use crate::metrics::tests::{HOUR, entry, said};
    use crate::runs::tests::run;
    use crate::{Entry, Judgement, Opinion};

    const CREATED: &str =
        "arn:aws:iam::111122223333:user/<script>alert(1)</script>\u{202e}\u{1b}[31m";

    fn report() -> Report {
        const START: i64 = 490_000;
        let mut entries: Vec<Entry> = (0..60)
            .map(|number| {
                let who =
                    if number % 4 == 0 { CREATED } else { "arn:aws:iam::111122223333:role/ci" };
                let entry = entry(number, "listing-users", who, START + i64::from(number) * 4);
                Entry { rule_hash: Some("c0ffee".to_owned()), ..entry }
            })
            .collect();
        for number in 60..66 {
            let who = "arn:aws:iam::111122223333:user/ana";
            let mut entry =
                entry(number, "logging-stopped", who, START + i64::from(number - 60) * 40);
            entry.clocks.contained_ms = Some(entry.first_ms + 420_000);
            entry.level = Level::High;
            entries.push(entry);
        }
        let opinions = |nth: usize| -> Vec<Opinion> {
            let hour = START + nth as i64 * 4 + 3;
            match nth {
                60..64 => vec![said("ana", Judgement::TruePositive, START + 165)],
                nth if nth % 3 == 0 && nth < 50 => {
                    vec![said("ana", Judgement::BenignPositive, hour)]
                }
                nth if nth % 7 == 0 && nth < 50 => {
                    vec![said("ben", Judgement::FalsePositive, hour)]
                }
                _ => Vec::new(),
            }
        };
        let opinions: Vec<Vec<Opinion>> = (0..entries.len()).map(opinions).collect();
        let observed: Vec<Observed<'_>> = entries
            .iter()
            .zip(&opinions)
            .map(|(entry, opinions)| Observed::new(entry, opinions))
            .collect();
        let window = Window { from_ms: (START - 24) * HOUR, to_ms: (START + 300) * HOUR };
        let runs = [run(1, Ending::Contained, false), run(2, Ending::Undone, true)];
        let canary = Canary {
            rule: "root-used".to_owned(),
            sent_ms: window.to_ms - HOUR,
            found_ms: None,
            objective_ms: 600_000,
        };
        let waiting = |nth: usize, score| Waiting {
            uid: entries[nth].uid.clone(),
            title: entries[nth].title.clone(),
            level: entries[nth].level,
            who: entries[nth].who().map(str::to_owned),
            score,
            event_ms: entries[nth].first_ms,
        };
        let measure = Measure { hash: "c0ffee".to_owned(), per_million: 52.5, cost_ns: 1.25 };
        let mut report = Report::of(Given {
            about: "Example & Sons",
            window,
            observed: &observed,
            changes: &Changes::new(),
            measured: &[("listing-users".to_owned(), measure)].into(),
            runs: &runs,
            canaries: &[canary],
            queue: &[waiting(65, 61.5), waiting(56, 12.25)],
        });
        let drift = Drift { before: 2.0, recent: 6.5 };
        report.drifts.push(("Title of listing-users".to_owned(), drift));
        report
    }

    #[test]
    fn the_page_in_full() {
        let page = report().html();
        assert!(
            !page.contains("<script") && !page.contains("http://") && !page.contains("https://")
        );
        assert!(!page.contains('\u{202e}') && !page.contains('\u{1b}'));
        insta::assert_snapshot!(page);
    }

    #[test]
    fn the_table_in_full() {
        insta::assert_snapshot!(report().text());
    }

    #[test]
    fn a_report_of_nothing_is_one() {
        let report = Report::default();
        assert!(report.html().ends_with("</html>\n"));
        assert!(report.text().contains("0 findings"));
        let kept = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&kept).unwrap(), report);
    }
}
