//! The servers of one cell: started on their core, found, sampled, stopped.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use thiserror::Error;
use tidings_testkit::{LocalConfig, LocalError, LocalNats, LocalRedis};
use url::Url;

use crate::child::{Child, ChildError, start_on};
use crate::contender::{Broker, Server};
use crate::pin::{Cores, Side};
use crate::plan::Plan;
use crate::proc::Process;

/// How long a server may take to listen.
const START: Duration = Duration::from_secs(10);

/// How long after its sockets a process may end.
const EXIT_DELAY: Duration = Duration::from_millis(200);

/// A server is idle if it used less than this in one [`IDLE_POLL`].
const IDLE_CPU_NS: u64 = 200_000;
/// The time between two looks at its CPU time, and the most looks.
const IDLE_POLL: Duration = Duration::from_millis(20);
const IDLE_POLLS: usize = 100;

/// The servers of one cell. Dropping them ends those that were started.
#[derive(Debug)]
pub(crate) struct Servers {
    /// Where clients connect. Publishers connect to the first.
    pub(crate) urls: Vec<Url>,
    children: Vec<Child>,
    broker: Option<Running>,
    /// The processes whose CPU time and memory are those of the contender.
    serving: Vec<Option<Process>>,
    /// The broker, if our servers are between it and the clients.
    broker_process: Option<Process>,
}

/// A broker that was started.
#[derive(Debug)]
enum Running {
    Nats(LocalNats),
    Redis(LocalRedis),
}

/// Why there are no servers.
#[derive(Debug, Error)]
pub(crate) enum StartError {
    /// The program is not installed.
    #[error(
        "there is no {program} in PATH: get it from {from}, or on Debian and Ubuntu with \
         `apt-get install {program}`"
    )]
    Missing { program: String, from: &'static str },
    #[error("the broker did not start: {0}")]
    Broker(String),
    #[error(transparent)]
    Child(#[from] ChildError),
}

impl Servers {
    /// Starts a server with further arguments, or finds the one of the plan that runs already.
    pub(crate) async fn start(
        server: Server,
        args: &[&str],
        plan: &Plan,
        cores: &Cores,
    ) -> Result<Self, StartError> {
        match (server, &plan.running) {
            (Server::Ours(_), Some(running)) => Ok(Self {
                urls: vec![running.url.clone()],
                serving: vec![running.pid.map(Process::new)],
                ..Self::none()
            }),
            (Server::Ours(more), None) => {
                Self::ours(1, None, &[more, args].concat(), plan, cores).await
            }
            (Server::Nodes(count, broker), _) => {
                let broker = match broker {
                    Some(broker) => Some(Running::start(broker, cores).await?),
                    None => None,
                };
                Self::ours(count, broker, args, plan, cores).await
            }
            (Server::Baseline, _) => {
                let mut servers = Self::none();
                servers.add(&plan.program, &["baseline"], cores).await?;
                Ok(servers)
            }
            (Server::Queue(broker), _) => {
                let broker = Running::start(broker, cores).await?;
                Ok(Self {
                    urls: vec![broker.url()],
                    serving: vec![broker.process()],
                    broker: Some(broker),
                    ..Self::none()
                })
            }
        }
    }

    fn none() -> Self {
        let (urls, children, serving) = (Vec::new(), Vec::new(), Vec::new());
        Self { urls, children, broker: None, serving, broker_process: None }
    }

    async fn ours(
        count: usize,
        broker: Option<Running>,
        more: &[&str],
        plan: &Plan,
        cores: &Cores,
    ) -> Result<Self, StartError> {
        let broker_process = broker.as_ref().and_then(Running::process);
        let url = broker.as_ref().map(|broker| broker.url().to_string());
        let mut args = vec!["serve", "--listen", "127.0.0.1:0"];
        args.extend(plan.serve_args.iter().map(String::as_str));
        args.extend(more);
        args.extend(url.iter().flat_map(|url| ["--broker", url]));
        let mut servers = Self { broker, broker_process, ..Self::none() };
        for _ in 0..count {
            servers.add(&plan.program, &args, cores).await?;
        }
        Ok(servers)
    }

    /// Starts a program that prints where it listens.
    async fn add(
        &mut self,
        program: &Path,
        args: &[&str],
        cores: &Cores,
    ) -> Result<(), ChildError> {
        let mut child = Child::start(program, args, cores, Side::Server).await?;
        let address = loop {
            let line = child.line("it printed where it listens", START).await?;
            if let Some((_, address)) = line.split_once("listening on ") {
                break address.trim().to_owned();
            }
        };
        let url = address.parse().map_err(|_| child.unexpected(&address, "an address"))?;
        child.discard_output();
        self.urls.push(url);
        self.serving.push(child.process());
        self.children.push(child);
        Ok(())
    }

    /// Returns why one of the servers has ended. Call this when clients report a problem, which they may do a moment
    /// before the process is gone.
    pub(crate) async fn ended(&mut self) -> Option<ChildError> {
        for child in &mut self.children {
            if let Some(ended) = child.has_ended("the stage was finished", EXIT_DELAY).await {
                return Some(ended);
            }
        }
        None
    }

    /// Returns the CPU time of the servers that clients are connected to.
    pub(crate) fn cpu_ns(&self) -> Option<u64> {
        self.sum(Process::cpu_ns)
    }

    /// Returns the memory of the servers that clients are connected to.
    pub(crate) fn pss(&self) -> Option<u64> {
        self.sum(Process::pss)
    }

    /// Returns the CPU time of the broker below our servers.
    pub(crate) fn broker_cpu_ns(&self) -> Option<u64> {
        self.broker_process.as_ref()?.cpu_ns()
    }

    /// Returns `true` if the first server has an io_uring.
    pub(crate) fn has_io_uring(&self) -> Option<bool> {
        self.serving.first()?.as_ref()?.has_io_uring()
    }

    fn sum(&self, figure: fn(&Process) -> Option<u64>) -> Option<u64> {
        self.serving.iter().map(|process| figure(process.as_ref()?)).sum()
    }

    /// Waits until the servers have nothing to do. No client can see when a server has finished with its last
    /// request, such as a poll that is now held, but its CPU time shows it.
    pub(crate) async fn wait_until_idle(&self) {
        let cpu_ns = || Some(self.cpu_ns()? + self.broker_cpu_ns().unwrap_or(0));
        let mut before = cpu_ns();
        for _ in 0..IDLE_POLLS {
            tokio::time::sleep(IDLE_POLL).await;
            let now = cpu_ns();
            let spent = now.zip(before).map(|(now, before)| now.saturating_sub(before));
            if spent.is_none_or(|spent| spent < IDLE_CPU_NS) {
                break;
            }
            before = now;
        }
    }

    /// Ends the servers and then the broker.
    pub(crate) async fn stop(self) {
        for child in self.children {
            child.stop().await;
        }
        if let Some(broker) = self.broker {
            broker.stop().await;
        }
    }
}

impl Running {
    /// Starts a broker without data on the servers' core.
    async fn start(broker: Broker, cores: &Cores) -> Result<Self, StartError> {
        let from = match broker {
            Broker::Nats => "https://nats.io/download",
            Broker::Redis => "https://redis.io/downloads",
        };
        let start = async move || match broker {
            Broker::Nats => LocalNats::start(LocalConfig::default()).await.map(Self::Nats),
            Broker::Redis => LocalRedis::start(redis()).await.map(Self::Redis),
        };
        match start_on(start, cores.clone(), Side::Server).await {
            Ok(Ok(running)) => Ok(running),
            Ok(Err(LocalError::Missing { program })) => Err(StartError::Missing { program, from }),
            Ok(Err(error)) => Err(StartError::Broker(in_full(&error))),
            Err(error) => Err(StartError::Broker(error.to_string())),
        }
    }

    fn url(&self) -> Url {
        match self {
            Self::Nats(nats) => nats.url(),
            Self::Redis(redis) => redis.url(),
        }
    }

    fn process(&self) -> Option<Process> {
        let pid = match self {
            Self::Nats(nats) => nats.pid(),
            Self::Redis(redis) => redis.pid(),
        };
        pid.map(Process::new)
    }

    /// Kills it: its directory is removed as well, so it has nothing to put in order.
    async fn stop(self) {
        // A server that cannot be ended ends with this process.
        let _ = match self {
            Self::Nats(mut nats) => nats.kill().await,
            Self::Redis(mut redis) => redis.kill().await,
        };
    }
}

/// The load connects from several loopback addresses, which protected mode takes for other machines, and with more
/// clients than Redis accepts by default.
fn redis() -> LocalConfig {
    let settings = ["--protected-mode", "no", "--maxclients", "20000"];
    LocalConfig {
        settings: settings.map(str::to_owned).to_vec(),
        // As JetStream does: a response means that the system has it, and the disk a little later.
        flush_each_write: false,
        ..LocalConfig::default()
    }
}

/// Returns an error and its causes on one line.
pub(crate) fn in_full(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    async fn start(script: &str) -> Result<Servers, StartError> {
        let plan = Plan::new("sh".into());
        let mut servers = Servers::none();
        servers.add(&plan.program, &["-c", script], &Cores::default()).await?;
        Ok(servers)
    }

    #[tokio::test]
    async fn the_address_is_read_from_the_output_and_the_child_ends_with_us() {
        let script = "echo hello; echo listening on http://127.0.0.1:4242; exec sleep 600";
        let servers = start(script).await.unwrap();
        assert_eq!(servers.urls[0].as_str(), "http://127.0.0.1:4242/");
        let process = servers.serving[0].clone().unwrap();
        assert!(servers.cpu_ns().is_some() && servers.pss().is_some());
        servers.stop().await;
        assert_eq!(process.cpu_ns(), None, "it is gone");
    }

    #[tokio::test]
    async fn a_server_that_ends_at_once_is_reported_with_its_output() {
        let error = start("echo address in use >&2; exit 3").await.unwrap_err().to_string();
        assert!(error.contains("address in use") && error.contains('3'), "{error}");
        let error = start("echo listening on the wire; exec sleep 600").await.unwrap_err();
        assert_eq!(error.to_string(), "sh printed \"the wire\", which is not an address");
    }

    #[tokio::test]
    async fn a_broker_that_is_not_installed_is_named_with_where_to_get_it() {
        let error = StartError::Missing { program: "pigeon".into(), from: "https://pigeon" };
        assert!(error.to_string().contains("apt-get install pigeon"));
    }
}
