//! The benchmarks of tidings, in one program:
//!
//! | benchmark | what one iteration does |
//! | --- | --- |
//! | `work` | the scenarios whose instructions are counted: encodes, decodes, publishes, reads a log, matches topics |
//! | `deliver in memory` | publishes and waits until the last subscriber has the notification |
//! | `match a topic` | finds the matching filters of a topic among very many |
//! | `deliver over loopback` | publishes and waits until the last client of a transport has the notification |
//! | `publish to a broker` | publishes to NATS or Redis and waits until a subscriber has the notification |
//!
//! `cargo bench` runs all of them and prints an overview at the end. `cargo bench -- encode` runs those whose name
//! contains the word.

mod brokers;
mod fan_out;
mod filters;
mod overview;
mod tally;
mod transports;

use std::time::{Duration, SystemTime};

use criterion::{BatchSize, Criterion};
use tidings_counts::SCENARIOS;

fn main() {
    let began = SystemTime::now();
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
    transports::bench(&mut criterion);
    brokers::bench(&mut criterion);
    criterion.final_summary();
    overview::print(began);
}
