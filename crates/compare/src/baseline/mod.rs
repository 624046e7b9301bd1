//! The baseline: a server on one thread that does nothing but deliver.
//!
//! ```text
//! epoll_wait ─► read every readable socket ─► append publishes to the log ─► encode once per format
//!                                                                                  │
//!                                      one write of the same bytes to each client ◄┘
//! ```
//!
//! With TLS, the bytes are sealed for each client into one buffer, from which they are written.
//!
//! It has no filters, heartbeats or resume for streams, and it closes a client whose socket is full. The
//! difference between the server and the baseline is therefore the price of the server's features. The baseline
//! implements enough of the server's protocol that the same load measures both.

mod call;
mod connection;
mod encode;
mod fan_out;
mod http;
mod log;
mod response;
mod server;
pub(crate) mod tls;
mod websocket;

use std::convert::Infallible;
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::ExitCode;

use self::server::Server;
use self::tls::Tls;

/// Prints its address and serves by WebSocket, SSE and long-polling on a free loopback port until the process is
/// killed. All topic names are the same topic. Uses one thread. Serves https with the certificate and the key of these
/// PEM files if there are any.
///
/// Returns only if it cannot serve.
pub fn main(certificate: Option<(&Path, &Path)>) -> ExitCode {
    let Err(error) = run(certificate);
    eprintln!("{error}");
    ExitCode::FAILURE
}

fn run(certificate: Option<(&Path, &Path)>) -> io::Result<Infallible> {
    let tls = certificate.map(|(chain, key)| Tls::read(chain, key)).transpose()?;
    // The usual limit is 1,024 file descriptors. Smaller measurements work even if it cannot be raised.
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        eprintln!("cannot raise the limit on open files: {error}");
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let server = Server::new(listener, tls)?;

    // Standard output is flushed at the end of each line.
    writeln!(io::stdout(), "listening on {scheme}://{address}")?;
    server.run()
}
