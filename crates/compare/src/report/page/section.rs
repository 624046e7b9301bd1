//! The section of one scenario: the answer, plots, tables, and how it was measured.

use std::fmt::Write as _;

use super::scenario;
use crate::report::cells::{Cell, Table};
use crate::report::markup::text;
use crate::report::plots::{self, Bars, SERIES};
use crate::report::{Missing, QUEUES, Report, is_queue};
use crate::scenario::{Plot, Scenario, Shape};
use crate::units::separated;

/// The heading of all other contenders, if there are message queues as well.
const OTHERS: &str = "Transports";

/// Writes a section. A heading with the question is needed if the page has several.
pub(super) fn write(page: &mut String, report: &Report, has_heading: bool, raw_data: bool) {
    let scenario = scenario(report);
    let id = text(&report.scenario);
    let _ = writeln!(page, "<section id=\"{id}\">");
    if has_heading {
        let question = scenario.map_or(report.scenario.as_str(), |it| it.question);
        let _ = writeln!(page, "<h2>{}</h2>", text(question));
    }
    if let Some(answer) = scenario.and_then(|it| (it.answer)(&report.summary)) {
        let _ = writeln!(page, "<p class=\"lead\">{}</p>", text(&answer));
    }
    if let Some(scenario) = scenario {
        key(page, report);
        page.push_str("<div class=\"grid\">\n");
        for plot in scenario.plots {
            write_plot(page, report, plot);
        }
        page.push_str("</div>\n");
        tables(page, report, scenario);
    }
    let summary = "How it was measured, every figure, and reasons to doubt";
    let _ = writeln!(page, "<details><summary>{summary}</summary>");
    method(page, report, scenario, raw_data);
    // Without the remarks, the figures look as if all contenders had the same guarantees.
    let remarks = report.remarks.iter().map(|it| (it.transport.as_str(), it.text.as_str()));
    facts(page, "What is compared", remarks.collect());
    let missing = |it: &'_ Missing| (it.transport.clone(), it.problem.clone());
    let missing: Vec<_> = report.missing.iter().map(missing).collect();
    let missing = missing.iter().map(|(name, problem)| (name.as_str(), problem.as_str()));
    facts(page, "Not measured", missing.collect());
    if let Some(targets) = report.target_table() {
        let note = "Compared is the figure, or its ratio to the divisor in the same round.";
        let columns: Vec<String> = targets.columns.iter().map(|name| text(name)).collect();
        table(page, ("Targets", note), "", &columns, &targets);
    }
    let head = group_head(report);
    let all = report.figures(|_| true);
    table(page, ("Every figure", &rounds(report)), &head, &names(report), &all);
    doubts(page, report);
    page.push_str("</details>\n</section>\n");
}

fn rounds(report: &Report) -> String {
    match report.plan.rounds {
        1 => "One round: each figure is a single sample.".to_owned(),
        n => format!("Medians over {n} interleaved rounds, with the minimum and maximum below."),
    }
}

fn method(page: &mut String, report: &Report, scenario: Option<&Scenario>, raw_data: bool) {
    if let Some(Scenario { method, limits, .. }) = scenario {
        let [method, limits] = [method, limits].map(|it| text(it));
        let _ =
            writeln!(page, "<p>{method}</p>\n<p><b>What the figures do not show:</b> {limits}</p>");
    }
    let it = &report.environment;
    let circumstances = vec![
        ("Workload", report.subject()),
        ("CPU", it.cpu.clone()),
        ("Cores", it.division()),
        ("Kernel", it.kernel.clone()),
        ("tidings", format!("{}, commit {}", it.version, it.commit)),
        ("Servers", it.versions()),
        ("Date", it.date.clone()),
        ("Duration", format!("{:.0} s", it.seconds)),
        ("Disturbances", report.disturbances()),
        ("Command", it.command.clone()),
    ];
    facts(page, "How it was measured", circumstances);
    if raw_data {
        let name = text(&report.scenario);
        let _ = writeln!(page, "<p>Raw data: <a href=\"{name}.json\">{name}.json</a></p>");
    }
}

fn tables(page: &mut String, report: &Report, scenario: &Scenario) {
    for one in scenario.tables {
        let rows = one.columns.iter().filter_map(|key| report.summary.row(key)).collect::<Vec<_>>();
        if rows.is_empty() {
            continue;
        }
        let table = report.contenders_by_rows(&rows);
        let columns: Vec<String> = table.columns.iter().map(|name| text(name)).collect();
        let _ = writeln!(page, "<h3>{}</h3>", text(&report.title_of(one.title, &rows)));
        let transports = &report.summary.transports;
        write_table(page, (one.title, ""), &columns, &table, transports);
    }
}

fn write_plot(page: &mut String, report: &Report, Plot { title, note, shape }: &Plot) {
    let summary = &report.summary;
    let names = &summary.transports;
    let mut marked = Vec::new();
    let svg = match shape {
        Shape::Bars(rows) => {
            let bars = rows.iter().filter_map(|(key, label)| {
                let row = summary.row(key)?;
                Some(Bars { label, row, cells: report.cells(row) })
            });
            let bars: Vec<Bars<'_>> = bars.collect();
            if bars.is_empty() {
                return;
            }
            plots::bars(&bars, names)
        }
        Shape::Percentiles(stage) => {
            let mut curves = Vec::new();
            for curve in summary.curves.iter().filter(|curve| curve.stage == *stage) {
                let name = &curve.transport;
                curves.extend(names.iter().position(|it| it == name).zip(Some(curve)));
                let mark = report.mark(name, &format!("{stage}.p50"));
                marked.extend((!mark.is_empty()).then(|| format!("{name}{mark}")));
            }
            plots::curves(&curves)
        }
        Shape::Lines(points) => {
            let positions = points.iter().map(|(at, _)| (*at, separated(&at.to_string())));
            let line = |(series, name): (usize, &String)| {
                let known = points
                    .iter()
                    .filter_map(|(at, key)| Some((*at, summary.value(name, key)?.median)));
                (series, known.collect::<Vec<_>>())
            };
            let lines: Vec<_> = names.iter().enumerate().map(line).collect();
            plots::lines(&positions.collect::<Vec<_>>(), &lines, names)
        }
    };
    let doubts = match marked.is_empty() {
        true => String::new(),
        false => format!("in doubt: {}", marked.join(", ")),
    };
    let [title, note, doubts] = [title, note, doubts.as_str()].map(text);
    let svg = svg.replacen("<svg ", &format!("<svg role=\"img\" aria-label=\"{title}\" "), 1);
    let _ = writeln!(
        page,
        "<figure><figcaption>{title}<span>{note}</span></figcaption>{svg}<small>{doubts}</small></figure>"
    );
}

/// Writes a list of labels and values, or nothing if the list is empty.
fn facts(page: &mut String, title: &str, facts: Vec<(&str, impl AsRef<str>)>) {
    if facts.is_empty() {
        return;
    }
    let _ = writeln!(page, "<h3>{title}</h3>\n<dl class=\"facts\">");
    for (label, value) in facts {
        let _ = writeln!(page, "<dt>{}</dt><dd>{}</dd>", text(label), text(value.as_ref()));
    }
    page.push_str("</dl>\n");
}

/// A row of a table's head with the headings of the message queues and of the other contenders. Empty if there are no
/// message queues.
fn group_head(report: &Report) -> String {
    let titles = &report.summary.transports;
    if !titles.iter().any(|title| is_queue(title)) {
        return String::new();
    }
    let groups = titles.chunk_by(|a, b| is_queue(a) == is_queue(b)).map(|group| {
        let heading = if is_queue(&group[0]) { QUEUES } else { OTHERS };
        format!("<th scope=\"colgroup\" colspan=\"{}\">{heading}</th>", group.len())
    });
    format!("<tr class=\"groups\"><td></td>{}</tr>", groups.collect::<String>())
}

/// Writes a table with a title and a note. `head` is a row above the headings of the columns, which are HTML as well.
fn table(
    page: &mut String,
    (title, note): (&str, &str),
    head: &str,
    columns: &[String],
    table: &Table,
) {
    let _ = writeln!(
        page,
        "<h3>{title}</h3>\n<p class=\"quiet-text\">{note} <span class=\"scrolls\">Scroll the table \
         sideways to see all columns.</span></p>"
    );
    write_table(page, (title, head), columns, table, &[]);
}

/// The lines of contenders have the class by which the page can hide them.
fn write_table(
    page: &mut String,
    (title, head): (&str, &str),
    columns: &[String],
    table: &Table,
    transports: &[String],
) {
    let count = columns.len();
    let columns: String = columns.iter().map(|it| format!("<th scope=\"col\">{it}</th>")).collect();
    let _ = writeln!(
        page,
        "<div class=\"wide\" role=\"region\" aria-label=\"{title}\" tabindex=\"0\"><table>\n\
         <thead>{head}<tr><th></th>{columns}</tr></thead>"
    );
    let series = |label: &str| match transports.iter().position(|name| name == label) {
        Some(at) => format!(" class=\"t{at}\""),
        None => String::new(),
    };
    for group in &table.groups {
        page.push_str("<tbody class=\"group\">");
        if !group.heading.is_empty() {
            let _ = writeln!(
                page,
                "<tr class=\"head\"><th scope=\"rowgroup\">{}</th><td colspan=\"{count}\"></td></tr>",
                text(&group.heading)
            );
        }
        for (label, cells) in &group.rows {
            let _ = write!(page, "<tr{}><th scope=\"row\">{}</th>", series(label), text(label));
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
    page.push_str("<h3>Reasons to doubt</h3>\n");
    let marked: Vec<_> = report.marked_warnings().collect();
    let others: Vec<_> = report.other_warnings().collect();
    if !marked.is_empty() {
        page.push_str(
            "<p class=\"quiet-text\">The small numbers at figures refer to this list.</p>\n",
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

/// Writes the colours of the contenders with a box that hides each, with those of message queues in a separate list.
fn key(page: &mut String, report: &Report) {
    for queues in [false, true] {
        let titles = names(report).into_iter().zip(&report.summary.transports).enumerate();
        let names = titles.filter(|(_, (_, title))| is_queue(title) == queues);
        let item = |(at, (name, _)): (usize, (String, &String))| {
            format!(
                "<li><label><input type=\"checkbox\" class=\"f{at}\" checked>{name}</label></li>"
            )
        };
        let names: String = names.map(item).collect();
        if !names.is_empty() {
            let label = if queues { format!("<li>{QUEUES}:</li>") } else { String::new() };
            let _ = writeln!(page, "<ul class=\"key\">{label}{names}</ul>");
        }
    }
}

/// The names of the contenders as HTML, each with a dot in its colour.
fn names(report: &Report) -> Vec<String> {
    let numbered = report.summary.transports.iter().enumerate();
    let name = |(at, name): (usize, &String)| {
        let ring = if at < SERIES { "" } else { " ring" };
        format!("<i class=\"dot b{}{ring}\"></i>{}", at % SERIES, text(name))
    };
    numbered.map(name).collect()
}
