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
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into()),
        )
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
