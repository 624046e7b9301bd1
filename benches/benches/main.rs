//! The benchmarks of tidings, in one program:
//!
//! | benchmark | what one iteration does |
//! | --- | --- |
//! | `encode` | encodes one notification for each transport |
//! | `publish in memory` | publishes, with and without subscribers, into a log that has room or is full |
//! | `deliver in memory` | publishes to subscribers, until the last one has it |
//! | `match a topic` | finds the filters that a topic matches |
//! | `resume from the start` | reads a full log from its beginning |
//! | `deliver over loopback` | publishes to clients of each transport, until the last one has it |
//! | `publish to a broker` | publishes to NATS or Redis, until a subscriber has it |
//!
//! `cargo bench` runs all of them and ends with an overview, `cargo bench -- encode` those whose name contains the word.

mod brokers;
mod encode;
mod fan_out;
mod filters;
mod overview;
mod publish;
mod resume;
mod tally;
mod transports;

use std::time::SystemTime;

use criterion::Criterion;

fn main() {
    let began = SystemTime::now();
    let mut criterion = Criterion::default().configure_from_args();
    encode::bench(&mut criterion);
    publish::bench(&mut criterion);
    fan_out::bench(&mut criterion);
    filters::bench(&mut criterion);
    resume::bench(&mut criterion);
    transports::bench(&mut criterion);
    brokers::bench(&mut criterion);
    criterion.final_summary();
    overview::print(began);
}
