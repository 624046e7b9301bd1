//! The program `tidings`: serve, compare, publish, subscribe.

mod args;
mod bill_args;
#[cfg(feature = "axum")]
mod broadcast;
#[cfg_attr(not(feature = "brokers"), path = "no_broker.rs")]
mod broker;
mod compare;
mod compare_args;
mod compression;
mod failure;
mod headers;
mod listen;
#[cfg(feature = "axum")]
mod mounted;
// A build with brokers tests it too, because only such a build has the flags to compare with.
#[cfg(all(test, feature = "brokers"))]
#[expect(dead_code, reason = "only its flags are tested")]
mod no_broker;
mod output;
mod publish;
mod publish_many;
mod remote;
mod serve;
mod subscribe;
mod tls;
mod usage;
mod values;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;

use crate::args::{Args, Command};
use crate::usage::Usage;

fn main() -> ExitCode {
    let command = Args::parse().command;
    // The instruments of compare do not use tokio.
    #[cfg(target_os = "linux")]
    match &command {
        Command::Baseline(args) => {
            let certificate = args.tls_cert.as_deref().zip(args.tls_key.as_deref());
            return tidings_compare::baseline::main(certificate);
        }
        Command::Load => return tidings_compare::load::main(),
        Command::Browser => return tidings_compare::browser::main(),
        _ => {}
    }
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("tidings: cannot start the runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(run(command));
    // A blocking name lookup cannot be cancelled. The program exits without waiting for it.
    runtime.shutdown_background();
    code
}

async fn run(command: Command) -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_max_level(LevelFilter::TRACE)
        .finish()
        .with(log_filter())
        .init();
    let done = match command {
        Command::Serve(args) => serve::serve(args).await,
        Command::Compare(args) => Box::pin(compare::compare(args)).await,
        Command::Publish(args) => publish::publish(args).await,
        Command::Subscribe(args) => subscribe::subscribe(args).await,
        #[cfg(feature = "axum")]
        Command::Mounted(args) => mounted::mounted(args).await,
        #[cfg(feature = "axum")]
        Command::Broadcast(args) => broadcast::broadcast(args).await,
        Command::Baseline(_) | Command::Load | Command::Browser => {
            Err(anyhow::anyhow!("compare needs Linux: its load and the baseline use epoll"))
        }
    };
    done.unwrap_or_else(|error| {
        eprintln!("tidings: {error:#}");
        if error.is::<Usage>() { ExitCode::from(2) } else { ExitCode::FAILURE }
    })
}

/// The filter of `RUST_LOG`, such as `debug` or `warn,tidings=debug`. The default is warnings of everything and INFO of
/// this project, so that an operator can follow a shutdown.
///
/// The NATS library logs only if `RUST_LOG` names it, because the server logs the events that matter. Its connections
/// log at most at `debug`, because at `trace` they log the password that they send.
fn log_filter() -> Targets {
    const NO_LOGIN: &str = "async_nats::connection=debug";
    let wanted = std::env::var("RUST_LOG").unwrap_or_default();
    let wanted = if wanted.is_empty() { DEFAULT_LOG } else { &wanted };
    let nats = if wanted.contains("async_nats") { NO_LOGIN } else { "async_nats=off" };
    let filter = |wanted| format!("{wanted},{nats}").parse::<Targets>();
    filter(wanted).or_else(|_| filter(DEFAULT_LOG)).unwrap_or_default()
}

// The library of WebTransport warns of each client that breaks the protocol or is gone.
const DEFAULT_LOG: &str = "warn,tidings=info,web_transport_quinn=error";
