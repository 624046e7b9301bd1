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
//! | what the parent and the load write to each other | `../protocol.rs`, `control.rs` |
//! | the commands | `stages.rs` |
//! | the loop | `event_loop.rs` |
//! | clients and publishers | `crowd.rs`, `publisher.rs`, `socket.rs` |
//! | what they send | `requests.rs` |
//! | how they find stamps and responses in what they read | `wire/`, `inbox.rs` |
//! | the stamp, the check, the latencies | `stamp.rs`, `order.rs`, `score.rs` |

mod clock;
mod control;
mod crowd;
mod event_loop;
mod failure;
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

use std::process::ExitCode;

use self::control::Control;
use self::event_loop::Load;
use self::failure::Failure;
use crate::protocol::Setup;

/// Runs the load that standard input describes. Returns when standard input ends.
pub fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let mut control = Control::default();
    let setup = loop {
        if let Some(line) = control.take_line() {
            break line;
        }
        if control.has_ended() {
            return Ok(());
        }
        control.read()?;
    };
    let setup: Setup = serde_json::from_slice(&setup).map_err(Failure::to("read the setup"))?;
    let mut load = Load::new(&setup, control)?;
    while let Some(line) = load.wait_for_line()? {
        let command = serde_json::from_slice(&line).map_err(Failure::to("read a command"))?;
        control::write(&load.run(command)?)?;
    }
    Ok(())
}
