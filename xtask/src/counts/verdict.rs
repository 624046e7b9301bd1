//! Whether counts are still what the baseline says.

use super::baseline::Counts;

/// How far a count may be from the baseline, in per cent of it.
const TOLERANCE: u64 = 3;

/// One row for each scenario that either side knows, in the order of their names.
pub(super) struct Verdict(Vec<Row>);

struct Row {
    name: String,
    now: Option<u64>,
    baseline: Option<u64>,
}

impl Verdict {
    pub(super) fn of(now: &Counts, baseline: &Counts) -> Self {
        let mut names: Vec<&String> = now.keys().chain(baseline.keys()).collect();
        names.sort_unstable();
        names.dedup();
        let row = |name: &String| Row {
            name: name.clone(),
            now: now.get(name).copied(),
            baseline: baseline.get(name).copied(),
        };
        Self(names.into_iter().map(row).collect())
    }

    pub(super) fn table(&self) -> String {
        let mut table =
            format!("    {:<24} {:>12} {:>12} {:>10}", "scenario", "now", "baseline", "difference");
        for row in &self.0 {
            let count = |count: Option<u64>| count.map_or("-".to_owned(), |it| it.to_string());
            table.push_str(&format!(
                "\n    {:<24} {:>12} {:>12} {:>10}",
                row.name,
                count(row.now),
                count(row.baseline),
                row.difference().unwrap_or_default()
            ));
        }
        table
    }

    /// What is wrong, each a line; empty where all is well.
    pub(super) fn complaints(&self) -> Vec<String> {
        self.0.iter().filter_map(Row::complaint).collect()
    }
}

impl Row {
    fn difference(&self) -> Option<String> {
        let (now, baseline) = (self.now? as f64, self.baseline? as f64);
        Some(format!("{:+.2} %", (now - baseline) / baseline * 100.0))
    }

    fn complaint(&self) -> Option<String> {
        let what = match (self.now, self.baseline) {
            (Some(now), Some(baseline)) if now * 100 > baseline * (100 + TOLERANCE) => {
                "needs more instructions than the baseline allows. Where they are worth it"
            }
            (Some(now), Some(baseline)) if now * 100 < baseline * (100 - TOLERANCE) => {
                "needs fewer instructions than the baseline says. To keep the gain"
            }
            (Some(_), None) => "is not in the baseline. To add it",
            (None, Some(_)) => "is in the baseline only. To take it out",
            _ => return None,
        };
        Some(format!("{} {what}: cargo xtask counts-write", self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts<const N: usize>(counts: [(&str, u64); N]) -> Counts {
        counts.map(|(name, count)| (name.to_owned(), count)).into()
    }

    #[test]
    fn three_per_cent_are_allowed_in_either_direction_and_not_one_instruction_more() {
        let baseline = counts([("a", 10_000)]);
        let complaint = |now| Verdict::of(&counts([("a", now)]), &baseline).complaints().pop();
        for fine in [9_700, 10_000, 10_300] {
            assert_eq!(complaint(fine), None, "{fine}");
        }
        assert!(complaint(10_301).unwrap().contains("more instructions"));
        assert!(complaint(9_699).unwrap().contains("fewer instructions"));
    }

    #[test]
    fn a_scenario_that_only_one_side_knows_is_told() {
        let verdict = Verdict::of(&counts([("new", 1)]), &counts([("gone", 1)]));
        let complaints = verdict.complaints().join("\n");
        assert!(complaints.contains("new is not in the baseline"), "{complaints}");
        assert!(complaints.contains("gone is in the baseline only"), "{complaints}");
    }

    #[test]
    fn the_table_shows_both_counts_and_the_difference() {
        let verdict = Verdict::of(&counts([("a", 1015)]), &counts([("a", 1000), ("b", 7)]));
        let table = verdict.table();
        let rows: Vec<Vec<_>> =
            table.lines().skip(1).map(|row| row.split_whitespace().collect()).collect();
        assert_eq!(rows, [vec!["a", "1015", "1000", "+1.50", "%"], vec!["b", "-", "7"]]);
    }
}
