//! The baseline: what one thread of this machine can deliver if it does nothing but deliver.
//!
//! ```text
//! epoll_wait ─► read every readable socket ─► publishes join the log ─► encode once a format
//!                                                                              │
//!                                  one write of the same bytes to each client ◄┘
//! ```
//!
//! The server is compared with this program, so what the program leaves out is the point: no TLS, no filters, no
//! heartbeat, no resume for streams, no patience with a full socket. What the server costs more is the price of a
//! feature. The baseline speaks the server's wire as far as it goes, so the same clients measure both.

mod call;
mod connection;
mod encode;
mod fan_out;
mod http;
mod log;
mod response;
mod server;
mod websocket;

use std::convert::Infallible;
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::process::ExitCode;

use self::fan_out::FanOut;
use self::server::Server;

/// Serves on a free port of the loopback address until the process is killed: one topic, whatever its name, by
/// WebSocket, SSE and long-polling, on one thread. Prints the address.
///
/// Returns only if it cannot serve.
pub fn main() -> ExitCode {
    let Err(error) = run();
    eprintln!("{error}");
    ExitCode::FAILURE
}

fn run() -> io::Result<Infallible> {
    // Without it, 1,024 descriptors would be the usual limit. A smaller measurement still works.
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        eprintln!("the limit of open files is unchanged: {error}");
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let server = Server::new(listener, FanOut::default())?;

    // It is flushed at the end of each line.
    writeln!(io::stdout(), "listening on http://{address}")?;
    server.run()
}
