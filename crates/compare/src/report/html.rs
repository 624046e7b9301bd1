//! The page: the costs at a glance, plots, targets, the whole table, doubts, circumstances.

use std::fmt::Write as _;

use tidings_live_page::LOOK;

use super::cells::{Cell, Table};
use super::markup::text;
use super::plots::{self, Bars, SERIES};
use super::{Missing, Remark, Report};
use crate::summary::{Row, Summary};

const STYLE: &str = include_str!("page.css");

/// Returns the whole page.
pub(super) fn page(report: &Report) -> String {
    let summary = &report.summary;
    let count = match summary.transports.len() {
        1 => "One way".to_owned(),
        more => format!("{more} ways"),
    };
    let mut page = String::with_capacity(96 * 1024);
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{count}, one stream · tidings</title>\n<style>\n{LOOK}{STYLE}</style>\n<main>\n\
         <p class=\"brand\">tidings compare</p>\n<h1>{count}, one stream</h1>\n\
         <p class=\"lead\">{}</p>\n",
        text(report.subject())
    );
    cards(&mut page, report);
    remarks(&mut page, report);
    latency(&mut page, report);
    costs(&mut page, report);
    targets(&mut page, report);
    figures(&mut page, report);
    doubts(&mut page, report);
    circumstances(&mut page, report);
    page.push_str("</main>\n</html>\n");
    page
}

fn cards(page: &mut String, report: &Report) {
    let summary = &report.summary;
    page.push_str("<section class=\"cards\">\n");
    for (at, transport) in summary.transports.iter().enumerate() {
        let (Cell { median: cpu, mark, .. }, unit) = written(report, "steady.cpu", at);
        let _ = write!(
            page,
            "<article class=\"card\"><h3>{}{}</h3>\
             <p class=\"big\">{cpu} <small>{unit}{mark}</small></p>\
             <small>of the server’s CPU for one delivery</small><dl>",
            dot(at),
            text(transport)
        );
        for (label, key) in [
            ("latency, median", "steady.p50"),
            ("latency, p99", "steady.p99"),
            ("received a delivery", "steady.received"),
            ("memory a client", "connect.memory"),
            ("deliveries, flat out", "saturation.rate"),
        ] {
            let (Cell { median, mark, .. }, unit) = written(report, key, at);
            let _ = write!(page, "<dt>{label}</dt><dd>{median} {unit}{mark}</dd>");
        }
        page.push_str("</dl></article>\n");
    }
    for Missing { transport, problem, .. } in &report.missing {
        let _ = writeln!(
            page,
            "<article class=\"card\"><h3>{}</h3><p>Not measured.</p><small>{}</small></article>",
            text(transport.as_str()),
            text(problem.as_str())
        );
    }
    page.push_str("</section>\n");
}

/// Writes what is different between contenders. Figures side by side look as if each did the same.
fn remarks(page: &mut String, report: &Report) {
    if report.remarks.is_empty() {
        return;
    }
    page.push_str("<h2>What is compared</h2>\n<dl class=\"facts\">\n");
    for Remark { transport, text: remark } in &report.remarks {
        let (transport, remark) = (text(transport.as_str()), text(remark.as_str()));
        let _ = writeln!(page, "<dt>{transport}</dt><dd>{remark}</dd>");
    }
    page.push_str("</dl>\n");
}

fn latency(page: &mut String, report: &Report) {
    let summary = &report.summary;
    page.push_str(
        "<h2>Latency</h2>\n<p class=\"quiet-text\">Milliseconds from the instant at which a \
         notification was to be published to each client that received it. Lower is sooner; \
         further right is rarer.</p>\n",
    );
    key(page, summary);
    page.push_str("<div class=\"grid\">\n");
    for (stage, caption) in [("steady", "one at a time"), ("burst", "ten at a time")] {
        let curves: Vec<_> = summary
            .curves
            .iter()
            .filter(|curve| curve.stage == stage)
            .filter_map(|curve| {
                let at = summary.transports.iter().position(|name| *name == curve.transport)?;
                Some((at, curve))
            })
            .collect();
        let title = format!("Latency, {caption}");
        let doubts = curves.iter().map(|(_, curve)| {
            let median = format!("{stage}.p50");
            (curve.transport.as_str(), report.mark(&curve.transport, &median))
        });
        let marked: Vec<String> = doubts
            .filter(|(_, mark)| !mark.is_empty())
            .map(|(transport, mark)| format!("{transport}{mark}"))
            .collect();
        let mut note = "milliseconds at each percentile, both axes logarithmic".to_owned();
        if !marked.is_empty() {
            let _ = write!(note, "; in doubt: {}", marked.join(", "));
        }
        figure(page, &title, &note, &plots::curves(&curves));
    }
    page.push_str("</div>\n");
}

fn costs(page: &mut String, report: &Report) {
    let summary = &report.summary;
    page.push_str("<h2>Costs</h2>\n");
    key(page, summary);
    page.push_str("<div class=\"grid\">\n");
    for (title, note, keys) in [
        (
            "CPU a delivery",
            "microseconds in the server, publishing included",
            &[("steady.cpu", "steady"), ("burst.cpu", "burst"), ("saturation.cpu", "saturation")][..],
        ),
        (
            "Bytes a delivery",
            "counted at the client’s socket, steady",
            &[("steady.received", "received"), ("steady.sent", "sent")][..],
        ),
        ("Deliveries a second", "as fast as every client receives", &[("saturation.rate", "")][..]),
        (
            "Memory a client",
            "bytes in the server, connected and idle; the kernel’s buffers not counted",
            &[("connect.memory", "")][..],
        ),
    ] {
        let groups: Vec<(&Row, &str)> =
            keys.iter().filter_map(|(key, label)| Some((summary.row(key)?, *label))).collect();
        let Some((first, _)) = groups.first() else { continue };
        let bars: Vec<Bars<'_>> = groups
            .iter()
            .map(|(row, label)| Bars { label, values: &row.values, cells: report.cells(row) })
            .collect();
        figure(page, title, note, &plots::bars(first.unit, &bars));
    }
    page.push_str("</div>\n");
}

fn figure(page: &mut String, title: &str, note: &str, svg: &str) {
    let (title, note) = (text(title), text(note));
    let svg = svg.replacen("<svg ", &format!("<svg role=\"img\" aria-label=\"{title}\" "), 1);
    let _ =
        writeln!(page, "<figure><figcaption>{title}<span>{note}</span></figcaption>{svg}</figure>");
}

fn figures(page: &mut String, report: &Report) {
    let spread = match report.plan.rounds {
        1 => "One round: each figure is a single sample.".to_owned(),
        n => format!("Medians over {n} interleaved rounds; below them the least and the greatest."),
    };
    let figures = report.figures();
    let columns = figures.columns.iter().enumerate();
    let columns = columns.map(|(at, name)| format!("{}{}", dot(at), text(name.as_str())));
    table(page, "Every figure", &spread, columns, &figures);
}

fn targets(page: &mut String, report: &Report) {
    let Some(targets) = report.target_table() else { return };
    let note = "Compared is the figure, or its ratio of the same round to what stands beside it.";
    table(page, "Targets", note, targets.columns.iter().cloned(), &targets);
}

/// Writes a table. The headings of its columns are HTML.
fn table(
    page: &mut String,
    title: &str,
    note: &str,
    columns: impl ExactSizeIterator<Item = String>,
    table: &Table,
) {
    let count = columns.len();
    let columns: String = columns.map(|it| format!("<th scope=\"col\">{it}</th>")).collect();
    let _ = writeln!(
        page,
        "<h2>{title}</h2>\n<p class=\"quiet-text\">{note}</p>\n<div class=\"wide\" role=\"region\" \
         aria-label=\"{title}\" tabindex=\"0\"><table>\n<thead><tr><th></th>{columns}</tr></thead>"
    );
    for group in &table.groups {
        let _ = writeln!(
            page,
            "<tbody class=\"group\"><tr class=\"head\"><th scope=\"rowgroup\">{}</th>\
             <td colspan=\"{count}\"></td></tr>",
            text(group.heading.as_str())
        );
        for (label, cells) in &group.rows {
            let _ = write!(page, "<tr><th scope=\"row\">{}</th>", text(label.as_str()));
            for Cell { median, range, mark } in cells {
                let (median, range) = (text(median.as_str()), text(range.as_str()));
                let _ = write!(page, "<td>{median}{mark}<small>{range}</small></td>");
            }
            page.push_str("</tr>\n");
        }
        page.push_str("</tbody>\n");
    }
    page.push_str("</table></div>\n");
}

fn doubts(page: &mut String, report: &Report) {
    if report.warnings.is_empty() {
        return;
    }
    page.push_str(
        "<h2>Reasons to doubt</h2>\n<p class=\"quiet-text\">A small number at a figure is the \
         number of a reason to doubt it.</p>\n<ol class=\"doubts\">\n",
    );
    for warning in &report.warnings {
        let _ = writeln!(page, "<li>{}</li>", text(warning.to_string()));
    }
    page.push_str("</ol>\n");
}

fn circumstances(page: &mut String, report: &Report) {
    let environment = &report.environment;
    page.push_str("<h2>How it was measured</h2>\n<dl class=\"facts\">\n");
    for (label, value) in [
        ("CPU", environment.cpu.clone()),
        ("Cores", environment.division()),
        ("Kernel", environment.kernel.clone()),
        ("tidings", format!("{}, commit {}", environment.version, environment.commit)),
        ("Servers", environment.versions()),
        ("Date", environment.date.clone()),
        ("Took", format!("{:.0} s", environment.seconds)),
    ] {
        let _ = writeln!(page, "<dt>{label}</dt><dd>{}</dd>", text(value));
    }
    let command = text(environment.command.as_str());
    let _ = write!(page, "<dt>Command</dt><dd><code>{command}</code></dd>\n</dl>\n");
}

fn key(page: &mut String, summary: &Summary) {
    page.push_str("<ul class=\"key\">");
    for (at, name) in summary.transports.iter().enumerate() {
        let _ = write!(page, "<li>{}{}</li>", dot(at), text(name));
    }
    page.push_str("</ul>\n");
}

fn dot(transport: usize) -> String {
    format!("<i class=\"dot b{}\"></i>", transport % SERIES)
}

/// Returns one figure of one contender, and its unit.
fn written(report: &Report, key: &str, transport: usize) -> (Cell, &'static str) {
    let row = report.summary.row(key).filter(|row| row.values[transport].is_some());
    row.map_or((Cell::new(crate::Unit::Number, None), ""), |row| {
        (report.cells(row).swap_remove(transport), row.unit.sign())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{contenders, sample};

    #[test]
    fn the_page_needs_nothing_from_anywhere() {
        let page = page(&sample());
        for outside in ["src=", "href=", "url(", "@import", "<script"] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert_eq!(page.matches("<svg").count(), 6);
        assert!(page.contains("What is compared") && page.contains("buy some"), "{page}");
    }

    #[test]
    fn a_figure_in_doubt_is_marked_in_its_card_in_the_plots_and_in_the_table() {
        let mut report = sample();
        let is_it = |it: &&mut crate::Sample| it.contender == "sse" && it.stage == "steady";
        report.samples.iter_mut().find(is_it).unwrap().stolen = 0.4;
        report.warnings = crate::Warning::of(&report.samples, &report.summary, &contenders());
        let page = page(&report);
        let cards = &page[..page.find("What is compared").unwrap()];
        assert_eq!(cards.matches(" ¹").count(), 3, "CPU, median and p99 of sse: {cards}");
        assert!(page.contains("in doubt: sse ¹"), "{page}");
        let plots = &page[page.find("<h2>Costs").unwrap()..page.find("Targets").unwrap()];
        assert_eq!(plots.matches(" ¹").count(), 1, "the bar of sse, steady: {plots}");
        let table = &page[page.find("Every figure").unwrap()..];
        assert_eq!(table.matches(" ¹<small>").count(), 7, "rate, CPU and five latencies: {table}");
    }

    #[test]
    fn text_from_elsewhere_is_shown_and_not_interpreted() {
        let mut report = sample();
        let evil = "<script>alert(\"1\")</script>";
        report.environment.command = evil.into();
        report.environment.cpu = evil.into();
        report.summary.transports[0] = evil.into();
        report.summary.rows[0].label = evil.into();
        report.remarks[0].text = evil.into();
        report.missing[0].problem = evil.into();
        report.warnings = vec![crate::Warning::new(crate::Doubt::SlowClock, evil)];
        let page = page(&report);
        assert!(!page.contains("<script"), "{page}");
        assert!(page.contains("&lt;script&gt;"));
    }
}
