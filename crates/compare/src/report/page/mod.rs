//! The page: the answers, and then a section for each scenario. It is one file with a style sheet and without references
//! to other sites.

mod section;

use std::fmt::Write as _;

use tidings_live_page::LOOK;

use super::advice::{CLAIMS, DECISIONS, Decision};
use super::markup::text;
use super::{Report, in_order};
use crate::bill::{self, Assumptions};
use crate::scenario::Scenario;

const STYLE: &str = include_str!("../page.css");

/// Returns the page of these reports, in the order of the scenarios. `raw_data` is `true` if the page is in the folder of
/// the reports' JSON, to which it then has links.
///
/// The bill has these assumptions. It is only written if the scenarios that it needs were measured.
pub fn page(reports: &[Report], raw_data: bool, assumptions: Assumptions) -> String {
    let reports = in_order(reports);
    let title = match &reports[..] {
        [one] => scenario(one).map_or("Comparison", |it| it.question),
        _ => "Which realtime transport, and what it costs",
    };
    let lead = match &reports[..] {
        [one] => one.subject(),
        _ => format!(
            "{} questions, each with its figures, its method and its limits.",
            reports.len()
        ),
    };
    let title = text(title);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title} · tidings</title>\n<style>\n{LOOK}{STYLE}{}</style>\n<main>\n\
         <p class=\"brand\">tidings compare</p>\n<h1>{title}</h1>\n<p class=\"lead\">{}</p>\n",
        filters(&reports),
        text(&lead)
    );
    if reports.len() > 1 {
        decisions(&mut page, &reports);
        claims(&mut page, &reports);
        bill(&mut page, &reports, assumptions);
        answers(&mut page, &reports);
    }
    for report in &reports {
        section::write(&mut page, report, reports.len() > 1, raw_data);
    }
    page + "</main>\n</html>\n"
}

/// The style that hides a contender in the tables and plots of a section if its box is not checked. It needs no script.
fn filters(reports: &[&Report]) -> String {
    let most = reports.iter().map(|report| report.summary.transports.len()).max().unwrap_or(0);
    let rule = |at| format!("section:has(.f{at}:not(:checked)) .t{at} {{ display: none; }}\n");
    (0..most).map(rule).collect()
}

fn scenario(report: &Report) -> Option<&'static Scenario> {
    Scenario::named(&report.scenario).ok()
}

/// Writes what to choose under which condition, with links to the scenarios that are the reason.
fn decisions(page: &mut String, reports: &[&Report]) {
    page.push_str(
        "<h2>What to choose</h2>\n<div class=\"wide\"><table class=\"words\">\n<thead><tr><th>you have</th>\
         <th>take</th><th>because</th></tr></thead>\n<tbody>\n",
    );
    for decision in DECISIONS {
        let evidence = decision.evidence(reports);
        if evidence.is_empty() {
            continue;
        }
        let line = |(name, figures): &(&str, String)| {
            format!("<small><a href=\"#{name}\">{name}</a>: {}</small>", text(figures))
        };
        let lines: String = evidence.iter().map(line).collect();
        let Decision { condition, choice, reason, .. } = decision;
        let [condition, choice, reason] = [condition, choice, reason].map(|it| text(it));
        let _ = writeln!(
            page,
            "<tr><td>{condition}</td><td><b>{choice}</b></td><td>{reason}{lines}</td></tr>"
        );
    }
    page.push_str("</tbody></table></div>\n");
}

/// Writes the claims that are often made, and what the figures say about them.
fn claims(page: &mut String, reports: &[&Report]) {
    let verdicts = CLAIMS.iter().filter_map(|claim| Some((claim.text, claim.verdict(reports)?)));
    let verdicts: Vec<_> = verdicts.collect();
    if verdicts.is_empty() {
        return;
    }
    page.push_str("<h2>Claims, tested</h2>\n<dl class=\"claims\">\n");
    for (claim, verdict) in verdicts {
        let _ = writeln!(page, "<dt>“{}”</dt><dd>{}</dd>", text(claim), text(&verdict));
    }
    page.push_str("</dl>\n");
}

/// Writes what clients cost in a month.
fn bill(page: &mut String, reports: &[&Report], assumptions: Assumptions) {
    let lines = bill::bill(reports, assumptions);
    if lines.is_empty() {
        return;
    }
    let headings = bill::HEADINGS.map(|name| format!("<th scope=\"col\">{name}</th>")).concat();
    let _ = writeln!(
        page,
        "<h2>What clients cost in a month</h2>\n<p class=\"quiet-text\">{}</p>\n<div class=\"wide\" \
         role=\"region\" aria-label=\"Monthly cost\" tabindex=\"0\"><table>\n<thead><tr class=\"groups\"><td></td>\
         <th scope=\"colgroup\" colspan=\"4\">needed</th><th scope=\"colgroup\" colspan=\"4\">costs</th></tr>\
         <tr><th></th>{headings}</tr></thead>\n<tbody>",
        text(&bill::sentences(assumptions))
    );
    for line in lines {
        let cells = line.cells().map(|cell| format!("<td>{cell}</td>")).concat();
        let _ = writeln!(page, "<tr><th scope=\"row\">{}</th>{cells}</tr>", text(&line.title));
    }
    page.push_str("</tbody></table></div>\n");
}

/// Writes each question with its answer, as a table of contents.
fn answers(page: &mut String, reports: &[&Report]) {
    page.push_str("<h2>Questions and answers</h2>\n<dl class=\"claims\">\n");
    for report in reports {
        let Some(scenario) = scenario(report) else { continue };
        let answer = (scenario.answer)(&report.summary).unwrap_or_default();
        let (name, question, answer) = (scenario.name, text(scenario.question), text(&answer));
        let _ = writeln!(page, "<dt><a href=\"#{name}\">{question}</a></dt><dd>{answer}</dd>");
    }
    page.push_str("</dl>\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{contenders, sample};

    fn two() -> Vec<Report> {
        let mut other = sample();
        other.scenario = "broker".to_owned();
        vec![other, sample()]
    }

    #[test]
    fn the_page_refers_to_no_other_file() {
        let page = page(&[sample()], false, Assumptions::default());
        for outside in ["src=", "href=", "url(", "@import", "<script"] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert_eq!(page.matches("<svg").count(), 6);
        assert!(page.contains("What is compared") && page.contains("buy some"), "{page}");
    }

    #[test]
    fn a_page_of_several_begins_with_what_to_choose_and_has_the_order_of_the_scenarios() {
        let page = page(&two(), true, Assumptions::default());
        let at = |part: &str| page.find(part).unwrap_or_else(|| panic!("no {part} in {page}"));
        assert!(at("<h2>What to choose") < at("<h2>Claims, tested"));
        assert!(at("<h2>Claims, tested") < at("id=\"fan-out\""));
        assert!(at("id=\"fan-out\"") < at("id=\"broker\""));
        assert!(page.contains("href=\"#fan-out\"") && page.contains("href=\"fan-out.json\""));
    }

    #[test]
    fn links_are_to_sections_that_exist_and_to_raw_data() {
        let page = page(&two(), true, Assumptions::default());
        for link in page.split("href=\"").skip(1) {
            let target = link.split('"').next().unwrap();
            match target.strip_prefix('#') {
                Some(id) => assert!(page.contains(&format!("id=\"{id}\"")), "{target}"),
                None => assert!(["fan-out.json", "broker.json"].contains(&target), "{target}"),
            }
        }
    }

    #[test]
    fn a_figure_in_doubt_is_marked_in_the_plots_and_the_tables() {
        let mut report = sample();
        let is_it = |it: &&mut crate::Sample| it.contender == "SSE" && it.stage == "steady";
        report.samples.iter_mut().filter(is_it).for_each(|sample| sample.stolen = 0.4);
        report.warnings = crate::Warning::of(&report.samples, &report.summary, &contenders());
        let page = page(&[report], false, Assumptions::default());
        assert!(page.contains("in doubt: SSE ¹"), "{page}");
        let table = &page[page.find("Every figure").unwrap()..];
        assert_eq!(table.matches(" ¹<small>").count(), 7, "rate, CPU and five latencies: {table}");
        let before = &page[..page.find("Every figure").unwrap()];
        assert_eq!(before.matches(" ¹<small>").count(), 3, "CPU, p50 and p99: {before}");
    }

    #[test]
    fn a_box_hides_a_contender_in_tables_and_plots() {
        let page = page(&[sample()], false, Assumptions::default());
        assert!(page.contains("section:has(.f2:not(:checked)) .t2 { display: none; }"));
        assert!(
            page.contains("class=\"f2\" checked><i class=\"dot b2\"></i>SSE</label>"),
            "{page}"
        );
        assert!(page.contains("<tr class=\"t2\"><th scope=\"row\">SSE</th>"), "{page}");
        assert!(page.contains("<g class=\"t2\"><title>SSE: 6.6"), "{page}");
    }

    #[test]
    fn message_queues_have_their_own_heading() {
        let mut report = sample();
        report.summary.transports[3] = "NATS".to_owned();
        let page = page(&[report], false, Assumptions::default());
        assert!(page.contains("colspan=\"1\">Message queues, read directly</th>"), "{page}");
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
        let page = page(&[report], false, Assumptions::default());
        assert!(!page.contains("<script"), "{page}");
        assert!(page.contains("&lt;script&gt;"));
    }
}
