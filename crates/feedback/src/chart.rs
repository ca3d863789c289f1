//! The charts of a report: SVG that stands in the page, without scripts.

use std::fmt::Write as _;

use crate::metrics::{Day, Row, UNJUDGED};
use crate::shown;

/// The kinds of a stack, from the bottom: the verdict's name, what the legend says, and the class of its colour.
pub(crate) const STACK: [(&str, &str, &str); 7] = [
    ("true_positive", "true positive", "tp"),
    ("test", "test", "te"),
    ("benign_positive", "benign positive", "bp"),
    ("false_positive", "false positive", "fp"),
    ("duplicate", "duplicate", "du"),
    ("inconclusive", "inconclusive", "ic"),
    (UNJUDGED, "not judged", "un"),
];

/// No bar stands for more, so that sums stay numbers.
const COUNT_MAX: u64 = 1_000_000_000_000;

/// The size of the chart of days, and the room of its axes.
const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 48.0;
const BOTTOM: f64 = 28.0;
const TOP: f64 = 10.0;

/// Findings a day, stacked by verdict.
pub(crate) fn days(days: &[Day]) -> String {
    let of = |day: &Day, verdict: &str| {
        day.by_verdict.get(verdict).copied().unwrap_or_default().min(COUNT_MAX)
    };
    let all = |day: &Day| STACK.iter().map(|(verdict, ..)| of(day, verdict)).sum::<u64>();
    let highest = days.iter().map(all).max().unwrap_or(0);
    let step = step_of(highest);
    let top = step * highest.div_ceil(step).max(1);
    let (plot, base) = (HEIGHT - TOP - BOTTOM, HEIGHT - BOTTOM);
    let y = |count: u64| base - plot * (count as f64 / top as f64);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"Findings a day by verdict\">\n"
    );
    for line in 0..=top / step {
        let (at, count) = (y(line * step), line * step);
        push(
            &mut svg,
            format_args!(
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>"
            ),
        );
        push(
            &mut svg,
            format_args!(
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{count}</text>\n",
                LEFT - 6.0,
                at + 4.0
            ),
        );
    }
    let room = (WIDTH - LEFT) / (days.len().max(1) as f64);
    let width = (room * 0.8).min(40.0);
    for (nth, day) in days.iter().enumerate() {
        let x = LEFT + room * nth as f64 + (room - width) / 2.0;
        let mut below = 0;
        for (verdict, caption, class) in STACK {
            let count = of(day, verdict);
            if count == 0 {
                continue;
            }
            let (upper, lower) = (y(below + count), y(below));
            below += count;
            let height = lower - upper;
            push(
                &mut svg,
                format_args!(
                    "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{upper:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"><title>{}: {count} {caption}</title></rect>\n",
                    shown::html(&day.day)
                ),
            );
        }
    }
    for nth in labelled(days.len()) {
        let Some(day) = days.get(nth) else { continue };
        let middle = LEFT + room * (nth as f64 + 0.5);
        push(
            &mut svg,
            format_args!(
                "<text x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n",
                HEIGHT - 8.0,
                shown::html(day.day.get(5..).unwrap_or(&day.day))
            ),
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// Steps of 1, 2 or 5 and zeros, so that at most five lines are drawn.
fn step_of(highest: u64) -> u64 {
    let mut power = 1_u64;
    loop {
        for factor in [1, 2, 5] {
            let step = power.saturating_mul(factor);
            if step.saturating_mul(5) >= highest {
                return step;
            }
        }
        power = power.saturating_mul(10);
    }
}

/// Which days have their names below: at most eight, evenly.
fn labelled(days: usize) -> impl Iterator<Item = usize> {
    let each = days.div_ceil(8).max(1);
    (0..days).step_by(each)
}

/// The legend of [`days`], of the kinds that are there.
pub(crate) fn legend(days: &[Day]) -> String {
    let mut legend = String::from("<p class=\"legend\">");
    for (verdict, caption, class) in STACK {
        if days.iter().any(|day| day.by_verdict.contains_key(verdict)) {
            push(
                &mut legend,
                format_args!(
                    "<span><svg viewBox=\"0 0 10 10\"><rect class=\"{class}\" width=\"10\" height=\"10\"/></svg> {caption}</span> "
                ),
            );
        }
    }
    legend.push_str("</p>\n");
    legend
}

/// What is believed of a rule's precision: a bar from the quantile 0.1 to 0.9, and a mark at the mean.
pub(crate) fn precision(row: &Row) -> String {
    let x = |share: f64| 160.0 * share.clamp(0.0, 1.0);
    let (low, high, mean) = (x(row.q10), x(row.q90), x(row.mean));
    let width = (high - low).max(1.0);
    format!(
        "<svg class=\"bar\" viewBox=\"0 0 160 14\" role=\"img\" aria-label=\"{:.2}, from {:.2} to {:.2}\"><rect class=\"track\" y=\"6\" width=\"160\" height=\"2\"/>\
         <rect class=\"range\" x=\"{low:.1}\" y=\"3\" width=\"{width:.1}\" height=\"8\" rx=\"2\"/><rect class=\"mean\" x=\"{:.1}\" width=\"2\" height=\"14\"/></svg>",
        row.mean,
        row.q10,
        row.q90,
        (mean - 1.0).max(0.0),
    )
}

fn push(svg: &mut String, part: std::fmt::Arguments<'_>) {
    // Writing to a text never fails.
    if svg.write_fmt(part).is_err() {
        svg.push('?');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Judgement;

    #[test]
    fn every_verdict_has_its_colour() {
        for judgement in Judgement::ALL {
            assert!(STACK.iter().any(|(name, ..)| *name == judgement.name()));
        }
        assert_eq!(STACK.len(), Judgement::ALL.len() + 1);
    }

    #[test]
    fn a_chart_of_nothing_and_of_the_most_is_drawn() {
        assert!(days(&[]).ends_with("</svg>\n"));
        assert_eq!((step_of(0), step_of(5), step_of(6), step_of(4_711)), (1, 1, 2, 1_000));
        let day =
            Day { day: "2026-11-26".to_owned(), by_verdict: [(String::new(), u64::MAX)].into() };
        assert!(days(&[day]).len() < 5_000);
    }
}
