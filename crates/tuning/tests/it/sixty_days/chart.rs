//! Charts of many runs: false positives and findings of attacks a day, as the mean over all seeds.

use std::fmt::Write as _;

use super::DAYS;
use super::outcome::{Outcome, Summary};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 300.0;
const MARGIN: f64 = 48.0;

fn mean_of_day(outcomes: &[Outcome], series: impl Fn(&Outcome) -> &[u32], day: u16) -> f64 {
    let day = usize::from(day);
    let sum: f64 = outcomes.iter().map(|outcome| f64::from(series(outcome)[day])).sum();
    sum / f64::from(u32::try_from(outcomes.len()).unwrap_or(u32::MAX)).max(1.0)
}

/// A line chart.
#[must_use]
pub(crate) fn svg(outcomes: &[Outcome]) -> String {
    let false_positives = |outcome: &Outcome| outcome.false_positives.clone();
    let most = outcomes.iter().flat_map(false_positives).max().map_or(1.0, f64::from).max(1.0);
    let x = |day: u16| MARGIN + f64::from(day) * (WIDTH - 2.0 * MARGIN) / f64::from(DAYS - 1);
    let y = |value: f64| HEIGHT - MARGIN - value * (HEIGHT - 2.0 * MARGIN) / most;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
    );
    let bottom = HEIGHT - MARGIN;
    let right = WIDTH - MARGIN;
    writeln!(
        out,
        "<path d=\"M{MARGIN} {MARGIN}V{bottom}H{right}\" fill=\"none\" stroke=\"#888\"/>"
    )
    .ok();
    for (label, at) in
        [("0", 0.0), (&*format!("{:.0}", most / 2.0), most / 2.0), (&*format!("{most:.0}"), most)]
    {
        writeln!(out, "<text x=\"8\" y=\"{:.1}\">{label}</text>", y(at) + 4.0).ok();
    }
    for day in (0..DAYS).step_by(10) {
        writeln!(out, "<text x=\"{:.1}\" y=\"{:.1}\">{day}</text>", x(day) - 6.0, bottom + 18.0)
            .ok();
    }
    type Series = fn(&Outcome) -> &[u32];
    let series: [(&str, &str, Series); 2] = [
        ("#c0392b", "false positives a day", |one| &one.false_positives),
        ("#1f618d", "findings of attacks a day, all visible ones", |one| &one.true_positives),
    ];
    for (nth, (colour, name, series)) in (1_u8..).zip(series) {
        let points: Vec<String> = (0..DAYS)
            .map(|day| format!("{:.1},{:.1}", x(day), y(mean_of_day(outcomes, series, day))))
            .collect();
        writeln!(
            out,
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"{}\"/>",
            points.join(" ")
        )
        .ok();
        writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{}\" fill=\"{colour}\">{name}, mean of {} seeds</text>",
            WIDTH / 2.0 - 60.0,
            nth * 18,
            outcomes.len()
        )
        .ok();
    }
    out.push_str("</svg>\n");
    out
}

/// A table by weeks, under the figures of all.
#[must_use]
pub(crate) fn markdown(outcomes: &[Outcome], summary: &Summary) -> String {
    let mut out =
        format!("# Sixty days\n\n{summary}\n\n| Days | False positives a day | |\n|---|---|---|\n");
    for first in (0..DAYS).step_by(5) {
        let days = first..(first + 5).min(DAYS);
        let count = f64::from(u16::try_from(days.len()).unwrap_or(1));
        let sum: f64 = days.map(|day| mean_of_day(outcomes, |one| &one.false_positives, day)).sum();
        let mean = sum / count;
        let mut bar = String::new();
        while f64::from(u16::try_from(bar.len()).unwrap_or(u16::MAX)) < mean / 2.0 {
            bar.push('#');
        }
        writeln!(out, "| {first} to {} | {mean:.1} | `{bar}` |", first + 4).ok();
    }
    out
}
