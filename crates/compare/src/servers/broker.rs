//! The broker of one cell.

use anyhow::Context;
use tidings_testkit::{LocalConfig, LocalError, LocalNats, LocalRedis};
use url::Url;

use super::NotInstalled;
use crate::contender::Broker;
use crate::pin::Cores;
use crate::proc::Process;

/// A broker that was started.
#[derive(Debug)]
pub(super) enum Running {
    Nats(LocalNats),
    Redis(LocalRedis),
}

impl Running {
    /// Starts a broker without data on the servers' core.
    pub(super) async fn start(
        broker: Broker,
        cores: &Cores,
    ) -> anyhow::Result<(Self, Url, Option<Process>)> {
        let start = async move || {
            let started = match broker {
                Broker::Nats => LocalNats::start(LocalConfig::default()).await.map(Self::Nats),
                Broker::Redis => LocalRedis::start(redis()).await.map(Self::Redis),
            };
            started.or_else(|error| match (error, broker.program()) {
                (LocalError::Missing { .. }, (program, from)) => {
                    Err(NotInstalled::program(program, from, program).into())
                }
                (error, _) => Err(error).context("the broker did not start"),
            })
        };
        let running = cores.start_server(None, start).await?;
        let (url, pid) = match &running {
            Self::Nats(nats) => (nats.url(), nats.pid()),
            Self::Redis(redis) => (redis.url(), redis.pid()),
        };
        Ok((running, url, pid.map(Process::new)))
    }

    /// Kills it. If it cannot be killed now, it is killed with this process.
    pub(super) async fn kill(self) {
        let _ = match self {
            Self::Nats(mut nats) => nats.kill().await,
            Self::Redis(mut redis) => redis.kill().await,
        };
    }
}

/// The load connects from several loopback addresses, which protected mode treats as other machines, and with more
/// clients than Redis accepts by default. The log file is never rewritten, so that no second process uses CPU time.
fn redis() -> LocalConfig {
    let settings =
        ["--protected-mode", "no", "--maxclients", "20000", "--auto-aof-rewrite-percentage", "0"];
    LocalConfig {
        settings: settings.map(str::to_owned).to_vec(),
        // The same guarantee as JetStream: after a response, the kernel has the entry, and the disk has it a little
        // later.
        flush_each_write: false,
        ..LocalConfig::default()
    }
}
