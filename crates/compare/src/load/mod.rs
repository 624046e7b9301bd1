//! The load: thousands of clients on one thread, so that the server is what is measured.
//!
//! ```text
//! schedule ─► publishers ══ publishes ══► server ══ deliveries ══► crowd ─► score ─► one line of JSON
//!                one notification in flight each        one connection a client
//! ```
//!
//! It is a separate process on its own core. The parent writes one line for the setup and then one for each
//! command. The load answers each command with one line, its outcome. Between two commands it keeps serving its clients,
//! and the parent reads what the kernel counts for the server. At the end of standard input the load exits.
//!
//! It must cost little, because it may share a machine with the server: one epoll, one read into one buffer for each
//! readiness, no allocation for a message, and of each payload only the stamp is read. A notification is delivered
//! when its stamp has been read. The counts of lost, duplicated and reordered notifications are exact.
//!
//! | idea | file |
//! | --- | --- |
//! | what the parent and the load write to each other | `../protocol.rs` |
//! | the commands | `stages.rs` |
//! | the loop | `event_loop.rs` |
//! | clients and publishers | `crowd.rs`, `publisher.rs`, `socket.rs` |
//! | what they send | `requests.rs` |
//! | how they find stamps and responses in what they read | `wire/`, `inbox.rs` |
//! | the stamp, the check, the latencies | `stamp.rs`, `order.rs`, `score.rs` |

mod crowd;
mod event_loop;
mod gone;
mod inbox;
mod order;
mod publisher;
mod requests;
mod score;
mod socket;
mod stages;
mod stamp;
mod wire;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use serde::de::DeserializeOwned;

use self::event_loop::Load;

/// Runs the load that standard input describes. Returns when standard input ends.
pub fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let Some(setup) = read()? else { return Ok(()) };
    let mut load = Load::new(&setup)?;
    // The first command follows the setup at once, so it may have been read together with it.
    while let Some(command) = read()? {
        let outcome = serde_json::to_string(&load.run(command)?)?;
        // It is flushed at the end of each line.
        writeln!(io::stdout(), "{outcome}").context("cannot write to standard output")?;
        load.wait_for_input()?;
    }
    Ok(())
}

/// Reads a line of the parent, which writes each command but the first after an outcome. Returns `None` at the end of
/// standard input.
fn read<T: DeserializeOwned>() -> anyhow::Result<Option<T>> {
    let mut line = String::new();
    match io::stdin().read_line(&mut line).context("cannot read standard input")? {
        0 => Ok(None),
        _ => serde_json::from_str(&line).context("standard input is not a setup or a command"),
    }
}
