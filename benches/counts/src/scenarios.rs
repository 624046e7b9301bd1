//! THE list of scenarios; a further one is a line here and `cargo xtask counts-write`.

use crate::{decode, encode, filters, handshake, lane, log};

/// Each with the name that its line of the baseline has.
pub(crate) const SCENARIOS: &[(&str, fn())] = &[
    ("encode-websocket", encode::websocket),
    ("encode-websocket-v1", encode::websocket_v1),
    ("encode-sse", encode::sse),
    ("encode-sse-lines", encode::sse_lines),
    ("encode-long-polling-10", encode::long_polling_10),
    ("pass-sse-64", encode::sse_64),
    ("pass-websocket-64", encode::websocket_64),
    ("publish-evicting", log::publish_evicting),
    ("read-1000", log::read_1000),
    ("decode-text", decode::text),
    ("decode-ping", decode::ping),
    ("match-wildcards", filters::wildcards),
    ("lane-128", lane::lane_128),
    ("accept-websocket", handshake::accept_websocket),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_scenario_has_a_line_of_the_baseline_and_no_line_is_left_over() {
        let baseline = include_str!("../baseline.txt");
        let lines = baseline.lines().filter(|line| !line.starts_with('#'));
        let recorded: Vec<_> = lines.filter_map(|line| line.split_whitespace().next()).collect();
        let listed: BTreeSet<_> = SCENARIOS.iter().map(|(name, _)| *name).collect();
        assert_eq!(listed.len(), SCENARIOS.len(), "a name twice");
        assert_eq!(recorded, Vec::from_iter(listed), "mend it with: cargo xtask counts-write");
    }

    #[test]
    fn every_scenario_runs_without_callgrind_too() {
        SCENARIOS.iter().for_each(|(_, work)| work());
    }
}
