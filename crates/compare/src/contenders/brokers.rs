//! Brokers as the comparison starts them: empty, on a free port, in a temporary directory.

use std::path::PathBuf;

use futures::future::{BoxFuture, LocalBoxFuture};
use tidings_testkit::{LocalConfig, LocalError, LocalNats, LocalRedis};
use url::Url;

use crate::engine::{Engine, EngineError, Running};

/// `nats-server` of the search path, with JetStream.
#[derive(Debug)]
pub(super) struct Nats;

/// `redis-server` of the search path.
#[derive(Debug)]
pub(super) struct Redis;

#[derive(Debug)]
struct RunningNats(LocalNats);

#[derive(Debug)]
struct RunningRedis(LocalRedis);

impl Engine for Nats {
    fn program(&self) -> Option<PathBuf> {
        Some("nats-server".into())
    }

    fn start(&self) -> LocalBoxFuture<'static, Result<Box<dyn Running>, EngineError>> {
        Box::pin(async {
            let started = LocalNats::start(LocalConfig::default()).await;
            let started = started.map_err(|error| how_to_get(error, "https://nats.io/download"))?;
            Ok(Box::new(RunningNats(started)) as Box<dyn Running>)
        })
    }
}

impl Engine for Redis {
    fn program(&self) -> Option<PathBuf> {
        Some("redis-server".into())
    }

    fn start(&self) -> LocalBoxFuture<'static, Result<Box<dyn Running>, EngineError>> {
        // A load comes from several addresses of loopback, which protected mode takes for other machines,
        // and with more clients than the server lets in by itself.
        let settings = ["--protected-mode", "no", "--maxclients", "20000"];
        let config = LocalConfig {
            settings: settings.map(str::to_owned).to_vec(),
            // As JetStream does: an answer means that the system has it, and the disk a little later.
            flush_each_write: false,
            ..LocalConfig::default()
        };
        Box::pin(async {
            let started = LocalRedis::start(config).await;
            let started =
                started.map_err(|error| how_to_get(error, "https://redis.io/downloads"))?;
            Ok(Box::new(RunningRedis(started)) as Box<dyn Running>)
        })
    }
}

impl Running for RunningNats {
    fn url(&self) -> Url {
        self.0.url()
    }

    fn pid(&self) -> Option<u32> {
        self.0.pid()
    }

    fn stop(mut self: Box<Self>) -> BoxFuture<'static, ()> {
        // Killed: its directory goes as well, so there is nothing for it to put in order.
        Box::pin(async move { told("nats-server", self.0.kill().await) })
    }
}

impl Running for RunningRedis {
    fn url(&self) -> Url {
        self.0.url()
    }

    fn pid(&self) -> Option<u32> {
        self.0.pid()
    }

    fn stop(mut self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move { told("redis-server", self.0.kill().await) })
    }
}

/// For whoever runs the program, which has no other place for it than the search path.
fn how_to_get(error: LocalError, from: &str) -> EngineError {
    match error {
        LocalError::Missing { program } => format!(
            "there is no {program} in PATH: get it from {from}, or on Debian and Ubuntu with \
             `apt-get install {program}`"
        )
        .into(),
        other => other.into(),
    }
}

fn told<E: std::error::Error + 'static>(program: &str, ended: Result<(), E>) {
    if let Err(error) = ended {
        tracing::warn!(%error, program, "it may still run");
    }
}
