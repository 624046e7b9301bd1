//! The load: thousands of clients on one thread, so that what is measured is the server.
//!
//! ```text
//! schedule ─► publisher ══ publishes ══► server ══ deliveries ══► crowd ─► score ─► one line of JSON
//!                 one connection                     one connection a client
//! ```
//!
//! It is an instrument, and whoever starts it steers it by lines: it says `ready`, waits for a line, measures, tells
//! the result, and goes on serving its clients until a further line. The server's CPU and memory are for whoever
//! started it to read.
//!
//! It costs little, so that it may share a machine with the server: one epoll, one read for each readiness into one
//! buffer, no allocation for a message, and of each payload only the stamp is read. A delivery counts when its stamp
//! has come; what the score counts as lost, duplicated and reordered is in `report.rs`, and it is exact.

mod answer;
mod client;
mod clock;
mod control;
mod crowd;
mod failure;
mod frames;
mod inbox;
mod load;
mod options;
mod order;
mod polls;
mod publisher;
mod report;
mod requests;
mod scenario;
mod score;
mod socket;
mod stamp;

use std::process::ExitCode;

use clap::Parser;

use self::failure::Failure;
use self::load::Load;
use self::options::{Options, Scenario};

/// Runs the scenario that the arguments name.
pub fn main() -> ExitCode {
    match run(&Options::parse().scenario) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("tidings-load: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(scenario: &Scenario) -> Result<(), Failure> {
    allow_every_descriptor();
    let mut load = Load::new(&scenario.plan())?;
    match scenario {
        Scenario::Steady { pace, burst, .. } => {
            scenario::steady(&mut load, pace.publishes(), *burst, pace.rate)
        }
        Scenario::Topics { pace, .. } => {
            scenario::steady(&mut load, pace.publishes(), 1, pace.rate)
        }
        Scenario::Saturate { publishes, .. } => scenario::saturate(&mut load, publishes.publishes),
        Scenario::Connect { concurrency, .. } => {
            scenario::connect(&mut load, *concurrency as usize)
        }
        Scenario::Idle { seconds, .. } => scenario::idle(&mut load, seconds * 1_000_000_000),
        Scenario::Resume { log, .. } => scenario::resume(&mut load, *log),
        Scenario::Flood { publishes, .. } => scenario::flood(&mut load, publishes.publishes),
    }
}

/// The usual soft limit of 1,024 descriptors would end a run of 10,000 clients. A refusal is told by the first client
/// that has none.
fn allow_every_descriptor() {
    let _ = rlimit::increase_nofile_limit(u64::MAX);
}
