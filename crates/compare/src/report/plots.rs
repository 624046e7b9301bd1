//! The plots, as SVG that lives inside the page and takes its colours from it.
//!
//! `plotters` writes fixed colours; the page has two palettes. So each colour drawn with is a token,
//! replaced by a class of the page's style sheet afterwards.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::figures::Unit;
use crate::stats::Spread;
use crate::summary::Curve;

/// Drawing units across; the page scales them to what it has.
const WIDTH: i32 = 400;
const CURVES_HEIGHT: i32 = 270;
const TEXT: i32 = 16;

const INK: RGBColor = RGBColor(2, 0, 0);
const QUIET: RGBColor = RGBColor(2, 0, 1);
const GRID: RGBColor = RGBColor(2, 0, 2);

/// Colours of the page's palette for transports.
pub(super) const SERIES: usize = 6;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// Drawing into a string cannot fail, so nobody has to think about how.
type Drawn = Result<(), DrawingAreaErrorKind<<SVGBackend<'static> as DrawingBackend>::ErrorType>>;

/// Bars that belong together, one a transport.
pub(super) struct Bars<'a> {
    pub(super) label: &'a str,
    pub(super) values: &'a [Option<Spread>],
    /// What follows each value: the mark of its doubts.
    pub(super) marks: Vec<String>,
}

/// Latency over percentiles: the tail is stretched, each nine as wide as the one before.
pub(super) fn curves(curves: &[(usize, &Curve)]) -> String {
    draw(CURVES_HEIGHT, |area| {
        let visible = |curve: &Curve| -> Vec<(f64, f64)> {
            // The very least says nothing, and would bend the scale for all that does.
            let telling = curve.points.iter().filter(|(q, _)| (0.1..=0.999_91).contains(q));
            telling.map(|&(q, us)| (nines(q), (us / 1e3).max(0.001))).collect()
        };
        let all: Vec<f64> =
            curves.iter().flat_map(|(_, c)| visible(c)).map(|(_, millis)| millis).collect();
        let low = all.iter().copied().fold(f64::INFINITY, f64::min);
        let high = all.iter().copied().fold(0.0, f64::max);
        if all.is_empty() {
            return Ok(());
        }
        let (low, high) = (step_below(low), step_above(high));
        let (left, right, top, bottom) = (46, WIDTH - 18, 14, CURVES_HEIGHT - 30);
        let x = |nines: f64| left + (nines / 4.0 * f64::from(right - left)) as i32;
        let y = |millis: f64| {
            let part = (millis / low).ln() / (high / low).ln();
            bottom - (part * f64::from(bottom - top)) as i32
        };

        let steps = steps(low, high);
        // Every 1-2-5 step has a line; where they crowd, only powers of ten have a number.
        let crowded = steps.len() > 8;
        for step in steps {
            area.draw(&PathElement::new(vec![(left, y(step)), (right, y(step))], GRID))?;
            if !crowded || is_power_of_ten(step) {
                let label =
                    Unit::Millis.write(step).trim_end_matches('0').trim_end_matches('.').to_owned();
                let label = if step >= 1.0 { format!("{step:.0}") } else { label };
                write(area, &label, (left - 8, y(step)), QUIET, HPos::Right)?;
            }
        }
        for (q, label) in
            [(0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (0.999, "p99.9"), (0.9999, "p99.99")]
        {
            let at = x(nines(q));
            area.draw(&PathElement::new(vec![(at, top), (at, bottom)], GRID))?;
            let anchor = if q > 0.9998 { HPos::Right } else { HPos::Center };
            let nudge = if q > 0.9998 { 14 } else { 0 };
            write(area, label, (at + nudge, bottom + 16), QUIET, anchor)?;
        }
        for (series, curve) in curves {
            let line = visible(curve).into_iter().map(|(at, millis)| (x(at), y(millis)));
            let style = series_colour(*series).stroke_width(2);
            area.draw(&PathElement::new(line.collect::<Vec<_>>(), style))?;
        }
        Ok(())
    })
}

/// Horizontal bars from zero, each with its value and, as a thin line, its spread.
pub(super) fn bars(unit: Unit, groups: &[Bars<'_>]) -> String {
    const BAR: i32 = 16;
    const STEP: i32 = 26;
    const HEAD: i32 = 26;
    let head = |group: &Bars<'_>| if group.label.is_empty() { 4 } else { HEAD };
    let height: i32 = groups.iter().map(|g| head(g) + g.values.len() as i32 * STEP + 8).sum();
    let spreads = groups.iter().flat_map(|group| group.values).flatten();
    let most = spreads.map(|spread| spread.max).fold(0.0, f64::max);
    draw(height, |area| {
        // Room for the value behind the longest bar.
        let full = f64::from(WIDTH - 112);
        let x = |value: f64| if most > 0.0 { (value.max(0.0) / most * full) as i32 } else { 0 };
        let mut top = 0;
        for group in groups {
            if !group.label.is_empty() {
                write(area, group.label, (0, top + 12), QUIET, HPos::Left)?;
            }
            top += head(group);
            for (series, value) in group.values.iter().enumerate() {
                let middle = top + BAR / 2;
                let mut after = 0;
                if let Some(spread) = value {
                    let end = if spread.median > 0.0 { x(spread.median).max(2) } else { 0 };
                    let bar = Rectangle::new(
                        [(0, top), (end, top + BAR)],
                        series_colour(series).filled(),
                    );
                    area.draw(&bar)?;
                    after = end;
                    if spread.n > 1 && x(spread.max) > x(spread.min) + 1 {
                        let whisker = vec![(x(spread.min), middle), (x(spread.max), middle)];
                        area.draw(&PathElement::new(whisker, INK))?;
                        after = after.max(x(spread.max));
                    }
                }
                let value = value.map_or("–".to_owned(), |spread| {
                    let median = unit.digits(&spread).write(spread.median);
                    let median = format!("{median} {}", unit.sign());
                    median.trim_end().to_owned()
                        + group.marks.get(series).map_or("", String::as_str)
                });
                write(area, &value, (after + 8, middle), INK, HPos::Left)?;
                top += STEP;
            }
            top += 8;
        }
        Ok(())
    })
}

fn draw(height: i32, what: impl FnOnce(&Area<'_>) -> Drawn) -> String {
    let mut svg = String::new();
    {
        let size = (WIDTH as u32, height.max(1) as u32);
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        what(&area).and_then(|()| area.present()).expect("a string takes every drawing");
    }
    themed(svg)
}

fn write(area: &Area<'_>, text: &str, at: (i32, i32), colour: RGBColor, anchor: HPos) -> Drawn {
    let font = ("sans-serif", TEXT).into_text_style(area);
    let style = font.color(&colour).pos(Pos::new(anchor, VPos::Center));
    area.draw(&plotters::element::Text::new(text.to_owned(), at, style))
}

fn series_colour(series: usize) -> RGBColor {
    RGBColor(1, 0, (series % SERIES) as u8)
}

/// Tokens become classes, and the fixed size becomes whatever there is.
fn themed(svg: String) -> String {
    let names = [("#020000", "ink"), ("#020001", "quiet"), ("#020002", "grid")];
    let mut svg = names.iter().fold(svg, |svg, (token, name)| {
        svg.replace(&format!("fill=\"{token}\""), &format!("class=\"{name}\""))
            .replace(&format!("stroke=\"{token}\""), &format!("class=\"{name}-line\""))
    });
    for series in 0..SERIES {
        svg = svg
            .replace(&format!("fill=\"#01000{series}\""), &format!("class=\"s{series}\""))
            .replace(&format!("stroke=\"#01000{series}\""), &format!("class=\"s{series}-line\""));
    }
    svg
}

/// How many nines a quantile has: 0.9 has one, 0.99 two.
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

    #[test]
    fn every_colour_is_the_pages() {
        let curve = Curve {
            transport: "sse".into(),
            regime: crate::Regime::Steady,
            points: vec![(0.0, 300.0), (0.5, 900.0), (0.999, 4_000.0), (1.0, 90_000.0)],
        };
        let spread = Spread::of([1.0, 2.0]);
        let svg = curves(&[(0, &curve)])
            + &bars(
                Unit::Micros,
                &[Bars { label: "steady", values: &[spread, None], marks: Vec::new() }],
            );
        assert!(svg.contains("class=\"s0-line\"") && svg.contains("class=\"s0\""), "{svg}");
        assert!(!svg.contains("\"#0"), "{svg}");
    }

    #[test]
    fn nothing_to_draw_is_an_empty_plot() {
        assert!(curves(&[]).starts_with("<svg"));
        assert!(bars(Unit::Bytes, &[]).starts_with("<svg"));
    }

    #[test]
    fn axes_begin_and_end_on_a_round_step() {
        assert_eq!(step_below(0.7), 0.5);
        assert_eq!(step_above(13.0), 20.0);
        let steps: Vec<String> = steps(0.5, 20.0).iter().map(|s| format!("{s}")).collect();
        assert_eq!(steps, ["0.5", "1", "2", "5", "10", "20"]);
    }
}
