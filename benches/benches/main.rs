//! The benchmarks of tidings, in one program:
//!
//! | benchmark | what one iteration does |
//! | --- | --- |
//! | `work` | the scenarios whose instructions are counted: encodes, decodes, publishes, reads a log, matches topics |
//! | `deliver in memory` | publishes to subscribers, until the last one has it |
//! | `match a topic` | finds the filters that a topic matches among very many |
//!
//! `cargo bench` runs all of them, `cargo bench -- encode` those whose name contains the word. They have no sockets:
//! `tidings compare` measures servers and brokers, with a process for each.

mod fan_out;
mod filters;

use std::time::Duration;

use criterion::{BatchSize, Criterion};
use tidings_counts::SCENARIOS;

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(30)
        .configure_from_args();
    for scenario in SCENARIOS {
        criterion.bench_function(&format!("work/{}", scenario.name), |bencher| {
            bencher.iter_batched_ref(scenario.prepare, |work| work(), BatchSize::LargeInput);
        });
    }
    fan_out::bench(&mut criterion);
    filters::bench(&mut criterion);
    criterion.final_summary();
}
