//! The parts of the comparison document that are made from all reports, in Markdown.

use std::fmt::Write as _;

use super::advice::{CLAIMS, DECISIONS, Decision};
use super::markdown::{head, line};
use super::{Report, in_order};
use crate::bill::{self, Assumptions};
use crate::scenario::Scenario;

/// Returns a part of the document by its name: `decisions`, `claims`, `bill`, or `scenarios` with a section for each.
/// `None` if there is no such part, or if its figures were not measured. `raw_data` is the folder of the reports' JSON,
/// relative to the document.
pub(crate) fn part(
    reports: &[Report],
    name: &str,
    raw_data: &str,
    assumptions: Assumptions,
) -> Option<String> {
    let reports = in_order(reports);
    let text = match name {
        "decisions" => decisions(&reports),
        "claims" => claims(&reports),
        "bill" => bill(&reports, assumptions),
        "scenarios" => reports.iter().map(|report| section(report, raw_data)).collect(),
        _ => String::new(),
    };
    (!text.is_empty()).then_some(text)
}

fn decisions(reports: &[&Report]) -> String {
    let mut text = String::new();
    for decision in DECISIONS {
        let Decision { condition, choice, reason, .. } = decision;
        let evidence = decision.evidence(reports);
        let evidence = evidence.iter().map(|(name, figures)| {
            let anchor = Scenario::named(name).map_or(String::new(), |it| anchor(it.question));
            format!("<br>[{name}](#{anchor}): {figures}")
        });
        let evidence: String = evidence.collect();
        if !evidence.is_empty() {
            let cells =
                [(*condition).to_owned(), format!("**{choice}**"), format!("{reason}{evidence}")];
            text += &line(cells.into_iter());
        }
    }
    match text.is_empty() {
        true => text,
        false => head(["you have", "take", "because"].map(str::to_owned).into_iter()) + &text,
    }
}

fn claims(reports: &[&Report]) -> String {
    let verdicts = CLAIMS.iter().filter_map(|claim| Some((claim.text, claim.verdict(reports)?)));
    verdicts.map(|(claim, verdict)| format!("- *“{claim}”* {verdict}\n")).collect()
}

fn bill(reports: &[&Report], assumptions: Assumptions) -> String {
    let lines = bill::bill(reports, assumptions);
    if lines.is_empty() {
        return String::new();
    }
    let titles = bill::HEADINGS.map(str::to_owned).into_iter();
    let mut text = head([String::new()].into_iter().chain(titles));
    for one in &lines {
        text += &line([one.title.clone()].into_iter().chain(one.cells()));
    }
    format!("{text}\n{}\n", bill::sentences(assumptions))
}

/// The question of a scenario, its answer, its tables, and how it was measured.
fn section(report: &Report, raw_data: &str) -> String {
    let Ok(scenario) = Scenario::named(&report.scenario) else { return String::new() };
    let Scenario { name, question, .. } = scenario;
    let mut text = format!("### {question}\n\n");
    for part in [report.answer().map(|answer| answer + "\n"), report.tables()].into_iter().flatten()
    {
        let _ = writeln!(text, "{part}");
    }
    let summary = "How it was measured, and reasons to doubt";
    let _ = writeln!(text, "<details>\n<summary>{summary}</summary>\n");
    let _ = writeln!(text, "{}\n{}", report.method(scenario), report.run());
    for (title, facts) in [
        (
            "What is compared",
            report.remarks.iter().map(|it| (&it.transport, &it.text)).collect::<Vec<_>>(),
        ),
        ("Not measured", report.missing.iter().map(|it| (&it.transport, &it.problem)).collect()),
    ] {
        if !facts.is_empty() {
            let _ = writeln!(text, "{title}:\n");
            for (contender, fact) in facts {
                let _ = writeln!(text, "- {contender}: {}", fact.replace('\n', " "));
            }
            text.push('\n');
        }
    }
    let _ = writeln!(
        text,
        "Raw data: [{name}.json]({raw_data}/{name}.json). Every figure, with plots: \
         [report]({raw_data}/report.html#{name}).\n\n</details>\n"
    );
    text
}

/// The anchor of a heading, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let is_kept = |letter: &char| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_');
    heading.to_lowercase().chars().filter(is_kept).collect::<String>().replace(' ', "-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::sample;

    fn part_of(name: &str) -> Option<String> {
        part(&[sample()], name, "raw", Assumptions::default())
    }

    #[test]
    fn a_decision_has_its_figures_and_a_link_to_the_section_of_the_scenario() {
        let decisions = part_of("decisions").unwrap();
        let link =
            "[fan-out](#what-does-it-cost-to-send-each-notification-to-all-clients): steady, ";
        assert!(decisions.contains(link), "{decisions}");
        assert!(!decisions.contains("[broker]"), "it was not measured: {decisions}");
        let sections = part_of("scenarios").unwrap();
        assert!(sections.starts_with("### What does it cost to send each"), "{sections}");
    }

    #[test]
    fn a_section_has_the_raw_data_the_remarks_and_what_is_missing() {
        let sections = part_of("scenarios").unwrap();
        for part in [
            "(raw/fan-out.json)",
            "(raw/report.html#fan-out)",
            "- long-polling: requests again and again\n",
            "- pigeon: there are no pigeons: buy some\n",
        ] {
            assert!(sections.contains(part), "{part} in {sections}");
        }
    }

    #[test]
    fn a_part_without_figures_or_of_another_name_is_missing() {
        assert_eq!(part_of("bill"), None);
        assert_eq!(part_of("pigeons"), None);
        // The other claim needs the scenario idle as well.
        assert!(part_of("claims").unwrap().starts_with("- *“Long-polling is inefficient"));
    }
}
