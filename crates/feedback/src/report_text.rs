//! The report as a table in text, for a terminal or a mail.

use crate::report::{QUEUE_MAX, Report, cost, judged, stages};
use crate::shown::{maybe_percent, maybe_span, percent, plain, short, short_middle, span};

impl Report {
    /// The report as a table in text.
    #[must_use]
    pub fn text(&self) -> String {
        let all = &self.overall;
        let mut lines = vec![format!("{}: {}", plain(self.title()), self.period())];
        lines.push(format!(
            "{} findings in {} entries, {} of them not judged, {} disputed; {} judged within a day",
            all.findings,
            all.folded,
            all.waiting,
            all.disputed,
            maybe_percent(all.judged_in_time),
        ));
        for (name, times) in stages(all) {
            let (half, most) = (maybe_span(times.p50_ms), maybe_span(times.p95_ms));
            lines.push(format!("{name:<40} median {half:>7}, 95 % {most:>7}, of {}", times.known));
        }
        lines.extend(self.alarms().iter().map(|alarm| format!("! {}", plain(alarm))));
        self.queued_lines(&mut lines);
        lines.push(String::new());
        lines.push(format!(
            "{:<36} {:<13} {:>8} {:>7} {:>21} {:>8} {:>8} {:>8} {:>8}",
            "rule or query",
            "level",
            "findings",
            "judged",
            "precision (10–90 %)",
            "detect",
            "contain",
            "silent",
            "ns/event",
        ));
        for row in self.by_volume() {
            let precision = format!("{:.2} ({:.2}–{:.2})", row.mean, row.q10, row.q90);
            lines.push(format!(
                "{:<36} {:<13} {:>8} {:>7} {precision:>21} {:>8} {:>8} {:>8} {:>8}",
                short(&row.title, 36),
                row.level.as_str(),
                row.volume,
                judged(row),
                maybe_span(row.to_detect.p50_ms),
                maybe_span(row.to_contain.p50_ms),
                span(row.silent_ms),
                cost(row),
            ));
        }
        let noisy = self.noisiest();
        if !noisy.is_empty() {
            lines.push(String::new());
            lines.push(format!(
                "{:<36} {:<50} {:>8} {:>6}",
                "rule or query", "noisy entity", "findings", "share"
            ));
        }
        for (row, entity, count, share) in noisy {
            let (title, entity) = (short(&row.title, 36), short_middle(entity, 50));
            lines.push(format!("{title:<36} {entity:<50} {count:>8} {:>6}", percent(share)));
        }
        if let Some(question) = self.questions.first() {
            lines.push(String::new());
            lines.push(format!(
                "The verdict that would teach most: {}, {}",
                plain(&question.uid),
                plain(&question.because)
            ));
        }
        lines.push(String::new());
        lines.join("\n")
    }

    fn queued_lines(&self, lines: &mut Vec<String>) {
        if self.queue.is_empty() {
            return;
        }
        lines.push(String::new());
        lines.push(format!(
            "{:>8} {:<13} {:<36} {:<50} since",
            "priority", "level", "finding", "about"
        ));
        for one in self.queue.iter().take(QUEUE_MAX) {
            let (title, who) = (short(&one.title, 36), one.who.as_deref().unwrap_or("–"));
            lines.push(format!(
                "{:>8.0} {:<13} {title:<36} {:<50} {}",
                one.score,
                one.level.as_str(),
                short_middle(who, 50),
                span(self.to_ms.saturating_sub(one.event_ms)),
            ));
        }
    }
}
