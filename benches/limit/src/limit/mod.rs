//! The limit: what one thread of this machine can deliver when nothing but delivery is asked of it.
//!
//! ```text
//! epoll_wait ─► read every readable socket ─► publishes join the log ─► encode once a format
//!                                                                              │
//!                                  one write of the same bytes to each client ◄┘
//! ```
//!
//! The hub is measured against this program, so what it leaves out is the point: no TLS, no filters, no
//! heartbeat, no resume for streams, no patience with a full socket. Whatever the hub costs above it is the price
//! of a feature. It speaks the hub's wire, as far as it goes, so that the same clients measure both.

mod call;
mod connection;
mod encode;
mod fan_out;
mod fault;
mod http;
mod log;
mod ring;
mod server;
mod wave;
mod websocket;

use std::convert::Infallible;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;

use clap::Parser;

use self::fan_out::FanOut;
use self::ring::Ring;
use self::server::Server;

/// The bare epoll loop that tidings is measured against: one topic, whatever its name, by WebSocket, SSE and
/// long-polling, on one thread, until it is killed.
#[derive(Debug, Parser)]
#[command(name = "tidings-limit", version)]
struct Options {
    /// Where to listen; port 0 lets the system choose, and the one line on stdout tells which.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,

    /// Send all that one pass of reads brought as one write a client, in place of one write a publish.
    #[arg(long)]
    batch: bool,

    /// Send what one walk over the clients writes as one system call for up to 256 of them.
    #[arg(long)]
    io_uring: bool,
}

/// Serves until it is killed. Returns only if it cannot.
pub fn main() -> ExitCode {
    let Err(error) = run(&Options::parse());
    eprintln!("tidings-limit: {error}");
    ExitCode::FAILURE
}

fn run(options: &Options) -> io::Result<Infallible> {
    allow_every_descriptor();
    let ring = match options.io_uring {
        true => Some(Ring::new()?),
        false => None,
    };
    let fan_out = FanOut::new(options.batch, ring);
    let listener = TcpListener::bind(options.listen)?;
    let address = listener.local_addr()?;
    let server = Server::new(listener, fan_out)?;

    let mut stdout = io::stdout();
    writeln!(stdout, "listening on http://{address}")?;
    stdout.flush()?;

    server.run()
}

/// The usual soft limit of 1,024 descriptors would end a measurement of 10,000 clients; a refusal is not worth
/// stopping for, because smaller runs still work.
fn allow_every_descriptor() {
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        eprintln!("tidings-limit: the limit of open files stays as it was: {error}");
    }
}
