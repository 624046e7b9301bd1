//! The plots, as SVG inside the page. Their colours are classes of the page's style sheet, which has a light and a dark
//! palette.

use std::fmt::{Display, Write as _};

use super::cells::Cell;
use super::markup::text;
use crate::summary::{Curve, Row};
use crate::units::separated;

/// The width in drawing units. The page scales a plot to the available width.
const WIDTH: f64 = 400.0;
const CURVES_HEIGHT: f64 = 270.0;

/// The number of colours for contenders in the palette of the page.
pub(super) const SERIES: usize = 6;

/// A group of bars, one for each contender.
pub(super) struct Bars<'a> {
    pub(super) label: &'a str,
    pub(super) row: &'a Row,
    /// The text of the figures of the row.
    pub(super) cells: Vec<Cell>,
}

/// An SVG image under construction.
struct Drawing(String);

/// A plot of latency over percentiles. The axis of percentiles is logarithmic towards 100 %, so p90, p99 and p99.9 have
/// equal distances.
pub(super) fn curves(curves: &[(usize, &Curve)]) -> String {
    let mut drawing = Drawing::new(CURVES_HEIGHT);
    let visible = |curve: &Curve| -> Vec<(f64, f64)> {
        // The minimum is left out, because it would stretch the scale for all other points.
        let drawn = curve.points.iter().filter(|(q, _)| (0.1..=0.999_91).contains(q));
        drawn.map(|&(q, us)| (nines(q), (us / 1e3).max(0.001))).collect()
    };
    let all: Vec<f64> =
        curves.iter().flat_map(|(_, c)| visible(c)).map(|(_, millis)| millis).collect();
    if all.is_empty() {
        return drawing.finish();
    }
    let low = step_below(all.iter().copied().fold(f64::INFINITY, f64::min));
    let high = step_above(all.iter().copied().fold(0.0, f64::max));
    let (left, right, top, bottom) = (46.0, WIDTH - 18.0, 14.0, CURVES_HEIGHT - 30.0);
    let x = |nines: f64| left + nines / 4.0 * (right - left);
    let y = |millis: f64| bottom - (millis / low).ln() / (high / low).ln() * (bottom - top);

    drawing.steps(low, high, (left, right), y);
    for (q, label) in
        [(0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (0.999, "p99.9"), (0.9999, "p99.99")]
    {
        let at = x(nines(q));
        drawing.line("grid-line", &[(at, top), (at, bottom)]);
        let is_last = q > 0.9998;
        let (anchor, shift) = if is_last { ("end", 14.0) } else { ("middle", 0.0) };
        drawing.text("quiet", anchor, (at + shift, bottom + 16.0), label);
    }
    for (series, curve) in curves {
        let points = visible(curve).into_iter().map(|(at, millis)| (x(at), y(millis)));
        drawing.begin_series(*series, &curve.transport);
        drawing.line(&line_class(*series), &points.collect::<Vec<_>>());
        drawing.end_series();
    }
    drawing.finish()
}

/// A plot of lines over positions, each with its label. Both axes are logarithmic. A line has the number of its series.
pub(super) fn lines(
    positions: &[(f64, String)],
    lines: &[(usize, Vec<(f64, f64)>)],
    names: &[String],
) -> String {
    let mut drawing = Drawing::new(CURVES_HEIGHT);
    let values = || lines.iter().flat_map(|(_, points)| points).map(|point| point.1);
    let (Some(first), Some(last)) = (positions.first(), positions.last()) else {
        return drawing.finish();
    };
    if values().next().is_none() {
        return drawing.finish();
    }
    let low = step_below(values().fold(f64::INFINITY, f64::min).max(1e-3));
    let high = step_above(values().fold(0.0, f64::max).max(low));
    let (left, right, top, bottom) = (50.0, WIDTH - 18.0, 14.0, CURVES_HEIGHT - 30.0);
    let x = |at: f64| left + (at / first.0).ln() / (last.0 / first.0).ln() * (right - left);
    let y = |value: f64| bottom - (value.max(low) / low).ln() / (high / low).ln() * (bottom - top);
    drawing.steps(low, high, (left, right), y);
    let mut free = f64::NEG_INFINITY;
    for (at, label) in positions {
        drawing.line("grid-line", &[(x(*at), top), (x(*at), bottom)]);
        // A label that would cover the one before is left out.
        if x(*at) >= free {
            drawing.text("quiet", "middle", (x(*at), bottom + 16.0), label);
            free = x(*at) + 44.0;
        }
    }
    for (series, points) in lines {
        let points: Vec<_> = points.iter().map(|(at, value)| (x(*at), y(*value))).collect();
        drawing.begin_series(*series, &names[*series]);
        drawing.line(&line_class(*series), &points);
        drawing.end_series();
    }
    drawing.finish()
}

/// A plot of horizontal bars from zero. Each bar has its value, and a thin line for its spread. If there are more
/// contenders than colours, each bar has its contender's name.
pub(super) fn bars(groups: &[Bars<'_>], names: &[String]) -> String {
    const BAR: f64 = 16.0;
    const STEP: f64 = 26.0;
    const AFTER: f64 = 8.0;
    let head = |group: &Bars<'_>| if group.label.is_empty() { 4.0 } else { 26.0 };
    let bars = |group: &Bars<'_>| group.row.values.iter().flatten().count() as f64;
    let height = groups.iter().map(|g| head(g) + bars(g) * STEP + AFTER).sum();
    let spreads = groups.iter().flat_map(|group| &group.row.values).flatten();
    let most = spreads.map(|spread| spread.max).fold(0.0, f64::max);
    let is_named = names.len() > SERIES;
    // The longest bar leaves space for its value.
    let space = if is_named { WIDTH - 250.0 } else { WIDTH - 112.0 };
    let x = |value: f64| if most > 0.0 { value.max(0.0) / most * space } else { 0.0 };
    let mut drawing = Drawing::new(height);
    let mut top = 0.0;
    for group in groups {
        if !group.label.is_empty() {
            drawing.text("quiet", "start", (0.0, top + 12.0), group.label);
        }
        top += head(group);
        for (series, (value, cell)) in group.row.values.iter().zip(&group.cells).enumerate() {
            if value.is_none() {
                continue;
            }
            let middle = top + BAR / 2.0;
            let range =
                if cell.range.is_empty() { String::new() } else { format!(" ({})", cell.range) };
            let hint =
                format!("{}: {}{range} {}", names[series], cell.median, group.row.unit.sign());
            drawing.begin_series(series, hint.trim_end());
            let mut end = 0.0;
            if let Some(spread) = value {
                end = if spread.median > 0.0 { x(spread.median).max(2.0) } else { 0.0 };
                drawing.bar(series, top, end, BAR);
                if spread.n > 1 && x(spread.max) > x(spread.min) + 1.0 {
                    drawing.line("ink-line", &[(x(spread.min), middle), (x(spread.max), middle)]);
                    end = end.max(x(spread.max));
                }
            }
            let label = format!("{} {}", cell.median, group.row.unit.sign());
            let name = if is_named { format!(" · {}", names[series]) } else { String::new() };
            let label = format!("{}{}{name}", label.trim_end(), cell.mark);
            drawing.text("ink", "start", (end + 8.0, middle), label);
            drawing.end_series();
            top += STEP;
        }
        top += AFTER;
    }
    drawing.finish()
}

impl Drawing {
    fn new(height: f64) -> Self {
        let height = height.max(1.0);
        Self(format!(
            "<svg viewBox=\"0 0 {WIDTH} {height}\" xmlns=\"http://www.w3.org/2000/svg\">\n"
        ))
    }

    /// Draws a horizontal line at each step of 1, 2 and 5. If there are many steps, only powers of ten have a number.
    fn steps(&mut self, low: f64, high: f64, (left, right): (f64, f64), y: impl Fn(f64) -> f64) {
        let steps = steps(low, high);
        let is_crowded = steps.len() > 8;
        for step in steps {
            self.line("grid-line", &[(left, y(step)), (right, y(step))]);
            if !is_crowded || is_power_of_ten(step) {
                self.text("quiet", "end", (left - 8.0, y(step)), separated(&step.to_string()));
            }
        }
    }

    fn line(&mut self, class: &str, points: &[(f64, f64)]) {
        let points = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect::<Vec<_>>();
        let points = points.join(" ");
        self.add(format_args!("<polyline fill=\"none\" class=\"{class}\" points=\"{points}\"/>"));
    }

    /// Begins the elements of a contender, which the page can hide. Browsers show the hint below the pointer.
    fn begin_series(&mut self, series: usize, hint: &str) {
        self.add(format_args!("<g class=\"t{series}\"><title>{}</title>", text(hint)));
    }

    fn end_series(&mut self) {
        self.add("</g>");
    }

    fn bar(&mut self, series: usize, top: f64, width: f64, height: f64) {
        let series = series % SERIES;
        self.add(format_args!(
            "<rect class=\"s{series}\" x=\"0\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height}\"/>"
        ));
    }

    fn text(&mut self, class: &str, anchor: &str, (x, y): (f64, f64), label: impl Display) {
        let label = text(&label.to_string());
        self.add(format_args!(
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" dy=\"0.35em\" text-anchor=\"{anchor}\" \
             font-family=\"sans-serif\" font-size=\"13\">{label}</text>"
        ));
    }

    fn add(&mut self, element: impl Display) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{element}");
    }

    fn finish(self) -> String {
        self.0 + "</svg>"
    }
}

/// The class of a line. The colours are used a second time with dashes.
fn line_class(series: usize) -> String {
    let dashes = if series < SERIES { "" } else { " dashes" };
    format!("s{}-line{dashes}", series % SERIES)
}

/// The number of nines of a quantile: 1 for 0.9, 2 for 0.99.
fn nines(quantile: f64) -> f64 {
    if quantile >= 1.0 { f64::INFINITY } else { -(1.0 - quantile).log10() }
}

/// The steps 1, 2, 5, 10, … from `low` to `high`.
fn steps(low: f64, high: f64) -> Vec<f64> {
    let decades = low.log10().floor() as i32..=high.log10().ceil() as i32;
    let all = decades.flat_map(|power| [1.0, 2.0, 5.0].map(|step| step * 10_f64.powi(power)));
    all.filter(|step| *step >= low * 0.999 && *step <= high * 1.001).collect()
}

fn step_below(value: f64) -> f64 {
    steps(value / 10.0, value).pop().unwrap_or(value)
}

fn step_above(value: f64) -> f64 {
    steps(value * 1.002, value * 10.0).first().copied().unwrap_or(value)
}

fn is_power_of_ten(value: f64) -> bool {
    (value.log10() - value.log10().round()).abs() < 1e-9
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::sample;

    #[test]
    fn every_colour_is_a_class_of_the_page() {
        let curve = Curve {
            transport: "SSE".into(),
            stage: "steady".into(),
            points: vec![(0.0, 300.0), (0.5, 900.0), (0.999, 4_000.0), (1.0, 90_000.0)],
        };
        let report = sample();
        let row = report.summary.row("steady.cpu").unwrap();
        let steady = Bars { label: "steady", row, cells: report.cells(row) };
        let svg = curves(&[(0, &curve)]) + &bars(&[steady], &report.summary.transports);
        assert!(svg.contains("class=\"s0-line\"") && svg.contains("class=\"s0\""), "{svg}");
        assert!(!svg.contains("\"#"), "{svg}");
    }

    #[test]
    fn a_plot_without_data_is_empty() {
        assert!(curves(&[]).starts_with("<svg"));
        assert!(bars(&[], &[]).starts_with("<svg"));
        assert!(lines(&[(1.0, "1".to_owned())], &[], &[]).starts_with("<svg"));
    }

    #[test]
    fn a_bar_has_a_name_if_there_are_more_contenders_than_colours() {
        let report = sample();
        let row = report.summary.row("steady.cpu").unwrap();
        let bars = |names: &[String]| {
            let steady = Bars { label: "steady", row, cells: report.cells(row) };
            super::bars(&[steady], names)
        };
        let names = &report.summary.transports;
        assert!(!bars(names).contains("· SSE"));
        let many: Vec<String> = names.iter().chain(names).cloned().collect();
        assert!(bars(&many).contains("µs · SSE<"), "{}", bars(&many));
    }

    #[test]
    fn a_line_goes_through_its_points_and_is_dashed_if_its_colour_is_used_before() {
        let positions = [1.0, 10.0, 100.0].map(|at: f64| (at, at.to_string()));
        let names: Vec<String> = (0..8).map(|number| format!("n{number}")).collect();
        let svg = lines(&positions, &[(7, vec![(1.0, 1.0), (100.0, 10.0)])], &names);
        assert!(svg.contains("<g class=\"t7\"><title>n7</title>"), "{svg}");
        assert!(svg.contains("class=\"s1-line dashes\" points=\"50.0,240.0 382.0,"), "{svg}");
    }

    #[test]
    fn axes_begin_and_end_on_a_round_step() {
        assert_eq!(step_below(0.7), 0.5);
        assert_eq!(step_above(13.0), 20.0);
        let steps: Vec<String> = steps(0.5, 20.0).iter().map(|s| format!("{s}")).collect();
        assert_eq!(steps, ["0.5", "1", "2", "5", "10", "20"]);
    }
}
