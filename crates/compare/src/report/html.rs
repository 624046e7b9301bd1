//! The page: the costs at a glance, plots, targets, the whole table, doubts, circumstances.

use std::fmt::Write as _;

use tidings_live_page::LOOK;

use super::cells::{Cell, Table};
use super::markup::text;
use super::plots::{self, Bars, SERIES};
use super::{Missing, Report};

const STYLE: &str = include_str!("page.css");

/// The key of a row, and its label.
type Labelled = (&'static str, &'static str);

/// The rows of each card below its first.
const CARD: [Labelled; 5] = [
    ("steady.p50", "latency, median"),
    ("steady.p99", "latency, p99"),
    ("steady.received", "received a delivery"),
    ("connect.memory", "memory a client"),
    ("saturation.rate", "deliveries, flat out"),
];

/// The plots of bars: a title, a note, and rows.
const COSTS: [(&str, &str, &[Labelled]); 4] = [
    (
        "CPU a delivery",
        "microseconds in the server, publishing included",
        &[("steady.cpu", "steady"), ("burst.cpu", "burst"), ("saturation.cpu", "saturation")],
    ),
    (
        "Bytes a delivery",
        "counted at the client’s socket, steady",
        &[("steady.received", "received"), ("steady.sent", "sent")],
    ),
    ("Deliveries a second", "as fast as every client receives", &[("saturation.rate", "")]),
    (
        "Memory a client",
        "bytes in the server, connected and idle; the kernel’s buffers not counted",
        &[("connect.memory", "")],
    ),
];

/// Returns the whole page.
pub(super) fn page(report: &Report) -> String {
    let count = match report.summary.transports.len() {
        1 => "One way".to_owned(),
        more => format!("{more} ways"),
    };
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{count}, one stream · tidings</title>\n<style>\n{LOOK}{STYLE}</style>\n<main>\n\
         <p class=\"brand\">tidings compare</p>\n<h1>{count}, one stream</h1>\n\
         <p class=\"lead\">{}</p>\n",
        text(&report.subject())
    );
    cards(&mut page, report);
    // Figures side by side look as if each contender did the same.
    let remarks = report.remarks.iter().map(|it| (it.transport.as_str(), it.text.as_str()));
    facts(&mut page, "What is compared", remarks.collect());
    latency(&mut page, report);
    costs(&mut page, report);
    if let Some(targets) = report.target_table() {
        let note =
            "Compared is the figure, or its ratio of the same round to what stands beside it.";
        let columns: Vec<String> = targets.columns.iter().map(|name| text(name)).collect();
        table(&mut page, "Targets", note, &columns, &targets);
    }
    let note = match report.plan.rounds {
        1 => "One round: each figure is a single sample.".to_owned(),
        n => format!("Medians over {n} interleaved rounds; below them the least and the greatest."),
    };
    table(&mut page, "Every figure", &note, &names(report), &report.figures());
    doubts(&mut page, report);
    let it = &report.environment;
    let circumstances = vec![
        ("CPU", it.cpu.clone()),
        ("Cores", it.division()),
        ("Kernel", it.kernel.clone()),
        ("tidings", format!("{}, commit {}", it.version, it.commit)),
        ("Servers", it.versions()),
        ("Date", it.date.clone()),
        ("Took", format!("{:.0} s", it.seconds)),
        ("Command", it.command.clone()),
    ];
    facts(&mut page, "How it was measured", circumstances);
    page + "</main>\n</html>\n"
}

fn cards(page: &mut String, report: &Report) {
    page.push_str("<section class=\"cards\">\n");
    for (at, name) in names(report).iter().enumerate() {
        let cpu = figure(report, "steady.cpu", at);
        let _ = write!(
            page,
            "<article class=\"card\"><h3>{name}</h3><p class=\"big\">{cpu}</p>\
             <small>of the server’s CPU for one delivery</small><dl>"
        );
        for (key, label) in CARD {
            let _ = write!(page, "<dt>{label}</dt><dd>{}</dd>", figure(report, key, at));
        }
        page.push_str("</dl></article>\n");
    }
    for Missing { transport, problem, .. } in &report.missing {
        let (transport, problem) = (text(transport), text(problem));
        let _ = writeln!(
            page,
            "<article class=\"card\"><h3>{transport}</h3><p>Not measured.</p>\
             <small>{problem}</small></article>"
        );
    }
    page.push_str("</section>\n");
}

/// Returns a figure of one contender with its unit and its doubts.
fn figure(report: &Report, key: &str, contender: usize) -> String {
    let row = report.summary.row(key).filter(|row| row.values[contender].is_some());
    let Some(row) = row else { return "–".to_owned() };
    let Cell { median, mark, .. } = report.cells(row).swap_remove(contender);
    format!("{median} <small>{}{mark}</small>", row.unit.sign())
}

/// Writes a list of labels and values, if there are any.
fn facts(page: &mut String, title: &str, facts: Vec<(&str, impl AsRef<str>)>) {
    if facts.is_empty() {
        return;
    }
    let _ = writeln!(page, "<h2>{title}</h2>\n<dl class=\"facts\">");
    for (label, value) in facts {
        let _ = writeln!(page, "<dt>{}</dt><dd>{}</dd>", text(label), text(value.as_ref()));
    }
    page.push_str("</dl>\n");
}

fn latency(page: &mut String, report: &Report) {
    page.push_str(
        "<h2>Latency</h2>\n<p class=\"quiet-text\">Milliseconds from the instant at which a \
         notification was to be published to each client that received it. Lower is sooner; \
         further right is rarer.</p>\n",
    );
    key(page, report);
    page.push_str("<div class=\"grid\">\n");
    for (stage, title) in
        [("steady", "Latency, one at a time"), ("burst", "Latency, ten at a time")]
    {
        let median = format!("{stage}.p50");
        let (mut curves, mut marked) = (Vec::new(), Vec::new());
        for curve in report.summary.curves.iter().filter(|curve| curve.stage == stage) {
            let name = &curve.transport;
            curves.extend(
                report.summary.transports.iter().position(|it| it == name).zip(Some(curve)),
            );
            let mark = report.mark(name, &median);
            marked.extend((!mark.is_empty()).then(|| format!("{name}{mark}")));
        }
        let mut note = "milliseconds at each percentile, both axes logarithmic".to_owned();
        if !marked.is_empty() {
            let _ = write!(note, "; in doubt: {}", marked.join(", "));
        }
        plot(page, title, &note, &plots::curves(&curves));
    }
    page.push_str("</div>\n");
}

fn costs(page: &mut String, report: &Report) {
    page.push_str("<h2>Costs</h2>\n");
    key(page, report);
    page.push_str("<div class=\"grid\">\n");
    for (title, note, rows) in COSTS {
        let bars = rows.iter().filter_map(|(key, label)| {
            let row = report.summary.row(key)?;
            Some(Bars { label, row, cells: report.cells(row) })
        });
        let bars: Vec<Bars<'_>> = bars.collect();
        if !bars.is_empty() {
            plot(page, title, note, &plots::bars(&bars));
        }
    }
    page.push_str("</div>\n");
}

fn plot(page: &mut String, title: &str, note: &str, svg: &str) {
    let note = text(note);
    let svg = svg.replacen("<svg ", &format!("<svg role=\"img\" aria-label=\"{title}\" "), 1);
    let _ =
        writeln!(page, "<figure><figcaption>{title}<span>{note}</span></figcaption>{svg}</figure>");
}

/// Writes a table. The headings of its columns are HTML.
fn table(page: &mut String, title: &str, note: &str, columns: &[String], table: &Table) {
    let count = columns.len();
    let columns: String = columns.iter().map(|it| format!("<th scope=\"col\">{it}</th>")).collect();
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
            text(&group.heading)
        );
        for (label, cells) in &group.rows {
            let _ = write!(page, "<tr><th scope=\"row\">{}</th>", text(label));
            for Cell { median, range, mark } in cells {
                let _ = write!(page, "<td>{}{mark}<small>{range}</small></td>", text(median));
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
    page.push_str("<h2>Reasons to doubt</h2>\n");
    let marked: Vec<_> = report.marked_warnings().collect();
    let others: Vec<_> = report.other_warnings().collect();
    if !marked.is_empty() {
        page.push_str(
            "<p class=\"quiet-text\">A small number at a figure is the number of a reason to doubt it.</p>\n",
        );
    }
    for (tag, warnings) in [("ol", marked), ("ul", others)] {
        if warnings.is_empty() {
            continue;
        }
        let _ = writeln!(page, "<{tag} class=\"doubts\">");
        for warning in warnings {
            let _ = writeln!(page, "<li>{}</li>", text(&warning.text));
        }
        let _ = writeln!(page, "</{tag}>");
    }
}

fn key(page: &mut String, report: &Report) {
    let names = names(report).into_iter().map(|name| format!("<li>{name}</li>"));
    let _ = writeln!(page, "<ul class=\"key\">{}</ul>", names.collect::<String>());
}

/// Returns the contenders, each with a dot in its colour, as HTML.
fn names(report: &Report) -> Vec<String> {
    let numbered = report.summary.transports.iter().enumerate();
    let name = |(at, name): (usize, &String)| {
        format!("<i class=\"dot b{}\"></i>{}", at % SERIES, text(name))
    };
    numbered.map(name).collect()
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
        report.warnings = vec![crate::Warning::new(crate::Doubt::OneRound, evil)];
        let page = page(&report);
        assert!(!page.contains("<script"), "{page}");
        assert!(page.contains("&lt;script&gt;"));
    }
}
