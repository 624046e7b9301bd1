//! Runs one scenario for callgrind: `cargo xtask counts` compares its instructions with `baseline.txt`.
//!
//! ```text
//! tidings-counts          the names of the scenarios
//! tidings-counts NAME     one of them
//! ```
//!
//! Only instructions between two calls of [`mark`](tidings_counts::mark::mark) are counted, so the start of the program
//! and the preparation are not included.
//!
//! gungraun (iai-callgrind) is not used, because it needs a second program that must be installed in the same version
//! as the library, while only one line of callgrind's output is needed.

mod handshake;
mod lane;
mod served;
mod tls;

use std::process::ExitCode;

use tidings_counts::SCENARIOS;
use tidings_counts::mark::mark;

/// Scenarios of a whole server, which set their own marks.
const SERVED: [(&str, fn()); 3] = [
    ("lane-128", lane::lane_128),
    ("lane-tls-128", lane::lane_tls_128),
    ("accept-websocket", handshake::accept_websocket),
];

fn names() -> impl Iterator<Item = &'static str> {
    let served = SERVED.iter().map(|(name, _)| *name);
    SCENARIOS.iter().map(|scenario| scenario.name).chain(served)
}

fn run(name: &str) {
    for (_, work) in SERVED.iter().filter(|(served, _)| *served == name) {
        work();
    }
    for scenario in SCENARIOS.iter().filter(|scenario| scenario.name == name) {
        let mut work = (scenario.prepare)();
        mark();
        let count = work();
        mark();
        assert_eq!(count, scenario.count, "{name}");
    }
}

fn main() -> ExitCode {
    let Some(name) = std::env::args().nth(1) else {
        names().for_each(|name| println!("{name}"));
        return ExitCode::SUCCESS;
    };
    if !names().any(|known| known == name) {
        eprintln!("unknown scenario {name}");
        return ExitCode::FAILURE;
    }
    run(&name);
    ExitCode::SUCCESS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_baseline_has_exactly_one_line_for_each_scenario() {
        let baseline = include_str!("../baseline.txt");
        let lines = baseline.lines().filter(|line| !line.starts_with('#'));
        let recorded: Vec<_> = lines.filter_map(|line| line.split_whitespace().next()).collect();
        let mut listed: Vec<_> = names().collect();
        listed.sort_unstable();
        assert_eq!(recorded, listed, "update it with: cargo xtask counts-write");
    }

    #[test]
    fn every_scenario_runs_without_callgrind() {
        names().for_each(run);
    }
}
