//! The load: thousands of clients on one thread, so that the server and not the load is the bottleneck.
//!
//! ```text
//! schedule ─► publishers ══ publishes ══► server ══ deliveries ══► crowd ─► score ─► one line of JSON
//!                one notification in flight each       one connection per client
//! ```
//!
//! It is a separate process on its own core. The parent writes one line for the setup and then one for each
//! command. The load answers each command with one line, its outcome. Between two commands it keeps serving its
//! clients, while the parent reads the CPU time and memory of the server. The load exits at the end of standard input.
//!
//! It must use little CPU time, because it may share a machine with the server. It has one epoll, reads once per
//! readiness into the same buffer, allocates nothing per message, and reads only the stamp of each payload. The
//! exception is WebTransport, whose sessions are tasks of a library. A
//! notification counts as delivered when its stamp has been read. The counts of lost, duplicated and reordered
//! notifications are exact.
//!
//! With compression, clients inflate what they receive. Clients whose streams are the same share the work, so a
//! delivery costs the load about the same CPU time as without. A client whose stream differs from all others takes
//! about 80 KB and several microseconds for each delivery. Examples are a client of a server with a context for each
//! connection, and a WebSocket client that was slow. The load keeps what it has inflated until it ends. Bytes are
//! counted at the sockets, so they are the compressed ones.
//!
//! A delivery arrives at the time at which its bytes were read from the socket, with or without compression. So its own
//! decryption and inflating are not in its latency, but those of the deliveries that the load has read before it are.
//!
//! | idea | file |
//! | --- | --- |
//! | the setup, the commands and the outcomes | `../protocol.rs` |
//! | running a command | `stages.rs` |
//! | the event loop | `event_loop.rs` |
//! | clients and publishers | `crowd.rs`, `publisher.rs`, `socket.rs` |
//! | their requests, those to other servers, and TLS | `requests.rs`, `requests/subscribe.rs`, `peer.rs`, `tls.rs`, `../tls.rs` |
//! | clients by WebTransport | `quic.rs`, `session_event.rs` |
//! | parsing and inflating what they read | `wire/`, `inbox.rs` |
//! | payloads and their stamps, the check, the latencies | `payload.rs`, `stamp.rs`, `order.rs`, `score.rs`, `handshakes.rs` |

mod crowd;
mod event_loop;
mod gone;
mod handshakes;
mod inbox;
pub(crate) mod order;
mod payload;
mod peer;
mod publisher;
mod pusher;
#[cfg_attr(not(feature = "webtransport"), path = "no_quic.rs")]
mod quic;
pub(crate) mod requests;
pub(crate) mod score;
mod session_event;
mod socket;
mod stages;
pub(crate) mod stamp;
pub(crate) mod tls;
mod wire;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use serde::de::DeserializeOwned;

use self::event_loop::Load;
use crate::protocol::Outcome;

/// Runs the load with the setup and the commands of standard input, until its end.
pub fn main() -> ExitCode {
    exit(run())
}

fn run() -> anyhow::Result<()> {
    let Some(setup) = read()? else { return Ok(()) };
    let mut load = Load::new(&setup)?;
    // The first command may have been read together with the setup.
    while let Some(command) = read()? {
        write(&load.run(command)?)?;
        load.wait_for_input()?;
    }
    Ok(())
}

/// The exit code of a load. An error is printed.
pub(crate) fn exit(done: anyhow::Result<()>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Writes a line to the parent.
///
/// # Errors
/// Fails if standard output is closed.
pub(crate) fn write(outcome: &Outcome) -> anyhow::Result<()> {
    let outcome = serde_json::to_string(outcome)?;
    // Standard output is flushed at the end of each line.
    writeln!(io::stdout(), "{outcome}").context("cannot write to standard output")
}

/// Reads a line of the parent, which waits for an outcome before it writes the next command. `None` is the end of
/// standard input.
///
/// # Errors
/// Fails if standard input cannot be read, or the line is not a setup or a command.
pub(crate) fn read<T: DeserializeOwned>() -> anyhow::Result<Option<T>> {
    let mut line = String::new();
    match io::stdin().read_line(&mut line).context("cannot read standard input")? {
        0 => Ok(None),
        _ => serde_json::from_str(&line).context("standard input is not a setup or a command"),
    }
}
