//! The program `tidings`: serve, compare, publish, subscribe.

mod args;
mod compare;
mod contenders;
mod engines;
mod limit;
mod publish;
mod serve;
mod subscribe;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Command};

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_env_filter(log_filter())
        .init();
    let done = match Args::parse().command {
        Command::Serve(args) => serve::serve(args).await,
        Command::Compare(args) => Box::pin(compare::compare(args)).await,
        Command::Publish(args) => publish::publish(args).await,
        Command::Subscribe(args) => subscribe::subscribe(args).await,
    };
    done.unwrap_or_else(|error| {
        eprintln!("tidings: {error:#}");
        ExitCode::FAILURE
    })
}

/// What `RUST_LOG` says, else warnings. The NATS library is heard only where it is named: it writes the
/// password of its server when it connects, and what matters of it a hub says in its own words.
fn log_filter() -> tracing_subscriber::EnvFilter {
    let wanted = std::env::var("RUST_LOG").unwrap_or_default();
    let wanted = if wanted.is_empty() { "warn" } else { &wanted };
    let quiet = if wanted.contains("async_nats") { "" } else { ",async_nats=off" };
    tracing_subscriber::EnvFilter::try_new(format!("{wanted}{quiet}"))
        .unwrap_or_else(|_| "warn,async_nats=off".into())
}
