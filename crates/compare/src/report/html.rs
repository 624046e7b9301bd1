//! The page: advice, plots, the main figures of each contender, targets, the whole table, warnings and the environment.

mod cards;

use std::fmt::Write as _;

use tidings_live_page::LOOK;

use super::cells::{Cell, Table};
use super::markup::text;
use super::plots::{self, Bars, SERIES};
use super::{Report, is_queue};

const STYLE: &str = include_str!("page.css");

/// The key of a row and its label.
type Labelled = (&'static str, &'static str);

/// The heading of the message queues.
pub(super) const QUEUES: &str = "Message queues, read directly";

/// The heading of all other contenders, if there are message queues as well.
const OTHERS: &str = "Transports";

/// The purpose of each transport, by its title. That of message queues has the title [`QUEUES`].
const ADVICE: [(&str, &str); 4] = [
    ("SSE", "for browsers that only listen. They reconnect and resume by themselves."),
    ("WebSocket", "for clients that also send, and for many streams in one page."),
    ("long-polling", "for networks that break streams, and for scripts."),
    (QUEUES, "for services that share work. Browsers cannot read them."),
];

/// The plots of bars: a title, a note, and rows.
const COSTS: [(&str, &str, &[Labelled]); 4] = [
    (
        "CPU per delivery",
        "microseconds in the server, including the publish",
        &[("steady.cpu", "steady"), ("burst.cpu", "burst"), ("saturation.cpu", "saturation")],
    ),
    (
        "Bytes per delivery",
        "counted at the client’s socket, steady",
        &[("steady.received", "received"), ("steady.sent", "sent")],
    ),
    ("Deliveries per second", "as fast as all clients receive", &[("saturation.rate", "")]),
    (
        "Memory per client",
        "bytes in the server, connected and idle, without buffers of the kernel",
        &[("connect.memory", "")],
    ),
];

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
    advice(&mut page, report);
    latency(&mut page, report);
    costs(&mut page, report);
    cards::write(&mut page, report);
    // Without the remarks, the figures look as if all contenders had the same guarantees.
    let remarks = report.remarks.iter().map(|it| (it.transport.as_str(), it.text.as_str()));
    facts(&mut page, "What is compared", remarks.collect());
    if let Some(targets) = report.target_table() {
        let note = "Compared is the figure, or its ratio to the divisor in the same round.";
        let columns: Vec<String> = targets.columns.iter().map(|name| text(name)).collect();
        table(&mut page, ("Targets", note), "", &columns, &targets);
    }
    let note = match report.plan.rounds {
        1 => "One round: each figure is a single sample.".to_owned(),
        n => format!("Medians over {n} interleaved rounds, with the minimum and maximum below."),
    };
    let head = group_head(report);
    table(&mut page, ("Every figure", &note), &head, &names(report), &report.figures(|_| true));
    doubts(&mut page, report);
    let it = &report.environment;
    let circumstances = vec![
        ("CPU", it.cpu.clone()),
        ("Cores", it.division()),
        ("Kernel", it.kernel.clone()),
        ("tidings", format!("{}, commit {}", it.version, it.commit)),
        ("Servers", it.versions()),
        ("Date", it.date.clone()),
        ("Duration", format!("{:.0} s", it.seconds)),
        ("Command", it.command.clone()),
    ];
    facts(&mut page, "How it was measured", circumstances);
    page + "</main>\n</html>\n"
}

/// Writes what each measured transport is for.
fn advice(page: &mut String, report: &Report) {
    let titles = &report.summary.transports;
    let is_measured =
        |name: &str| titles.iter().any(|it| it == name || (name == QUEUES && is_queue(it)));
    let advice: Vec<_> = ADVICE.iter().filter(|(name, _)| is_measured(name)).collect();
    if advice.len() < 2 {
        return;
    }
    page.push_str("<h2>Which one to choose</h2>\n<ul class=\"advice\">\n");
    for (name, purpose) in advice {
        let _ = writeln!(page, "<li><b>{name}</b> {purpose}</li>");
    }
    page.push_str("</ul>\n");
}

/// Writes a list of labels and values, or nothing if the list is empty.
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
    page.push_str("<h2>Latency</h2>\n");
    key(page, report);
    page.push_str("<div class=\"grid\">\n");
    for (stage, title) in
        [("steady", "One notification at a time"), ("burst", "Bursts of ten notifications")]
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
        let note = "milliseconds at each percentile, logarithmic";
        let doubts = match marked.is_empty() {
            true => String::new(),
            false => format!("in doubt: {}", marked.join(", ")),
        };
        plot(page, title, note, &doubts, &plots::curves(&curves));
    }
    page.push_str(
        "</div>\n<p class=\"quiet-text after\">The time from the scheduled publish until a client \
         has the notification. p99 means that 99 of 100 deliveries are at least as fast.</p>\n",
    );
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
            plot(page, title, note, "", &plots::bars(&bars));
        }
    }
    page.push_str("</div>\n");
}

/// Writes a plot with its title, a note above it and the doubts below it.
fn plot(page: &mut String, title: &str, note: &str, doubts: &str, svg: &str) {
    let [note, doubts] = [note, doubts].map(text);
    let svg = svg.replacen("<svg ", &format!("<svg role=\"img\" aria-label=\"{title}\" "), 1);
    let _ = writeln!(
        page,
        "<figure><figcaption>{title}<span>{note}</span></figcaption>{svg}<small>{doubts}</small></figure>"
    );
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
    let count = columns.len();
    let columns: String = columns.iter().map(|it| format!("<th scope=\"col\">{it}</th>")).collect();
    let _ = writeln!(
        page,
        "<h2>{title}</h2>\n<p class=\"quiet-text\">{note} <span class=\"scrolls\">Scroll the table \
         sideways to see all columns.</span></p>\n<div class=\"wide\" role=\"region\" \
         aria-label=\"{title}\" tabindex=\"0\"><table>\n<thead>{head}<tr><th></th>{columns}</tr></thead>"
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

/// Writes the colours of the contenders, with those of message queues in a separate list.
fn key(page: &mut String, report: &Report) {
    for queues in [false, true] {
        let titles = names(report).into_iter().zip(&report.summary.transports);
        let names = titles.filter(|(_, title)| is_queue(title) == queues);
        let names: String = names.map(|(name, _)| format!("<li>{name}</li>")).collect();
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
        format!("<i class=\"dot b{}\"></i>{}", at % SERIES, text(name))
    };
    numbered.map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{contenders, sample};

    #[test]
    fn the_page_refers_to_no_other_file() {
        let page = page(&sample());
        for outside in ["src=", "href=", "url(", "@import", "<script"] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert_eq!(page.matches("<svg").count(), 6);
        assert!(page.contains("What is compared") && page.contains("buy some"), "{page}");
    }

    #[test]
    fn advice_comes_before_all_figures() {
        let page = page(&sample());
        let page = page.split_once("</style>").unwrap().1;
        let [advice, plot, card] =
            ["<b>SSE</b>", "<svg", "class=\"card\""].map(|part| page.find(part).unwrap());
        assert!(advice < plot && plot < card, "{page}");
        assert!(!page.contains(QUEUES) && !page.contains('`'), "{page}");
    }

    #[test]
    fn message_queues_have_their_own_heading() {
        let mut report = sample();
        report.summary.transports[3] = "NATS".to_owned();
        report.missing[0].transport = "Redis".to_owned();
        let page = page(&report);
        let (ours, queues) = page.split_once(&format!("<h2>{QUEUES}</h2>")).unwrap();
        assert_eq!(ours.matches("class=\"card\"").count(), 3, "{ours}");
        assert_eq!(queues.matches("class=\"card\"").count(), 2, "{queues}");
        assert!(page.contains(&format!("colspan=\"1\">{QUEUES}</th>")), "{page}");
    }

    #[test]
    fn a_figure_in_doubt_is_marked_in_its_card_the_plots_and_the_table() {
        let mut report = sample();
        let is_it = |it: &&mut crate::Sample| it.contender == "SSE" && it.stage == "steady";
        report.samples.iter_mut().find(is_it).unwrap().stolen = 0.4;
        report.warnings = crate::Warning::of(&report.samples, &report.summary, &contenders());
        let page = page(&report);
        let cards =
            &page[page.find("At a glance").unwrap()..page.find("What is compared").unwrap()];
        assert_eq!(cards.matches(" ¹").count(), 3, "CPU, median and p99 of SSE: {cards}");
        assert!(page.contains("in doubt: SSE ¹"), "{page}");
        let plots = &page[page.find("<h2>Costs").unwrap()..page.find("At a glance").unwrap()];
        assert_eq!(plots.matches(" ¹").count(), 1, "the bar of SSE, steady: {plots}");
        let table = &page[page.find("Every figure").unwrap()..];
        assert_eq!(table.matches(" ¹<small>").count(), 7, "rate, CPU and five latencies: {table}");
    }

    #[test]
    fn text_of_the_report_is_escaped() {
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
