//! The servers of one cell: starting them on their core, sampling and stopping them.

mod broker;
mod restart;

use std::ffi::{OsStr, OsString};
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tempfile::TempDir;
use thiserror::Error;
use tokio::time::{sleep, timeout};
use url::{Position, Url};

use self::broker::Running;
use self::restart::Command;
use crate::certificate::Certificate;
use crate::cgroup::Cgroup;
use crate::child::Child;
use crate::contender::{Contender, Server};
use crate::network::{Network, SERVER};
use crate::peers::{Peer, Start, accepts};
use crate::pin::Cores;
use crate::plan::Plan;
use crate::proc::Process;

/// The arguments of our server, and those with which it compresses.
const SERVE: &[&str] = &["serve", "--listen"];
const COMPRESS: &[&str] = &["--compression", "on"];

/// The longest time until a server listens.
const START: Duration = Duration::from_secs(10);

/// The longest time between the end of a server's sockets and the end of its process.
const EXIT_DELAY: Duration = Duration::from_millis(200);

/// A server is idle if it used less than this in one [`IDLE_POLL`].
const IDLE_CPU_NS: u64 = 100_000;
/// The time between two readings of its CPU time, and the most readings.
const IDLE_POLL: Duration = Duration::from_millis(10);
const IDLE_POLLS: usize = 200;

/// The servers of one cell. Dropping them ends those that were started.
#[derive(Debug, Default)]
pub(crate) struct Servers {
    /// The URLs for clients. Publishers connect to the first.
    pub(crate) urls: Vec<Url>,
    children: Vec<Child>,
    /// How our servers were started, if they can be restarted.
    command: Option<Command>,
    broker: Option<Running>,
    /// The processes whose CPU time and memory are those of the contender.
    serving: Vec<Option<Process>>,
    /// The broker of our servers, if they have one.
    broker_process: Option<Process>,
    /// The control group of the servers that clients are connected to. `None` if there can be none.
    cgroup: Option<Cgroup>,
    /// The simulated network on whose side of the servers they are started.
    network: Option<Arc<Network>>,
    /// The files of a peer, which are removed after it has ended.
    directory: Option<TempDir>,
}

/// The program of a broker or a peer is not installed. The text says how to install it.
#[derive(Debug, Error)]
#[error("{0}")]
pub(crate) struct NotInstalled(pub(crate) String);

impl NotInstalled {
    /// A missing program, the URL to get it from, and its package in Debian and Ubuntu.
    pub(crate) fn program(name: &str, from: &str, package: &str) -> Self {
        Self(format!(
            "there is no {name} in PATH: get it from {from}, or on Debian and Ubuntu with `apt-get \
             install {package}`"
        ))
    }
}

impl Servers {
    /// Starts the servers of a contender with additional arguments, or uses the running server of the plan. With a
    /// certificate, they serve https. With a network, they listen on its side of the servers.
    ///
    /// # Errors
    /// Fails with [`NotInstalled`] if the program is not installed, and with another error if it cannot be started or
    /// does not listen in time.
    pub(crate) async fn start(
        contender: &Contender,
        args: &[&str],
        plan: &Plan,
        certificate: Option<&Certificate>,
        network: Option<Arc<Network>>,
        cores: &Cores,
    ) -> anyhow::Result<Self> {
        let Contender { server, compression, .. } = *contender;
        let cgroup = Cgroup::create();
        let listen = format!("{}:0", network.as_ref().map_or(Ipv4Addr::LOCALHOST, |_| SERVER));
        let mut servers = Self { cgroup, network, ..Self::default() };
        let tls = certificate.map(Certificate::args).transpose()?;
        let tls = tls.as_ref().map_or(&[][..], |args| args);
        let mut broker_args = Vec::new();
        if let Some(broker) = server.broker() {
            let (running, url, process) = Running::start(broker, cores).await?;
            servers.broker = Some(running);
            if server == Server::Queue(broker) {
                servers.add_started(url, process);
            } else {
                broker_args = vec!["--broker".to_owned(), url.to_string()];
                servers.broker_process = process;
            }
        }
        match (server, &plan.running) {
            (Server::Ours { .. }, Some(running)) => {
                servers.add(running.url.clone(), running.pid.map(Process::new));
            }
            (Server::Ours { servers: count, args: own, .. }, None) => {
                let further = plan.serve_args.iter().chain(&broker_args).map(String::as_str);
                let compress: &[&str] = if compression { COMPRESS } else { &[] };
                let own = own.iter().chain(compress).chain(args).chain(tls).copied();
                let all = SERVE.iter().copied().chain([listen.as_str()]).chain(own);
                let all: Vec<&str> = all.chain(further).collect();
                for _ in 0..count {
                    servers.spawn(&plan.program, &all, cores).await?;
                }
                servers.command = Some(Command::new(&plan.program, &all));
            }
            (Server::Mounted, _) => {
                let all: Vec<&str> = ["mounted"].iter().chain(args).copied().collect();
                servers.spawn(&plan.program, &all, cores).await?;
            }
            (Server::Broadcast { args }, _) => {
                let all: Vec<&str> = ["broadcast"].iter().chain(args).copied().collect();
                servers.spawn(&plan.program, &all, cores).await?;
            }
            (Server::Baseline, _) => {
                let all: Vec<&str> = ["baseline"].iter().chain(tls).copied().collect();
                servers.spawn(&plan.program, &all, cores).await?;
            }
            (Server::Peer(peer), _) => {
                if peer.is_proxy {
                    let all = SERVE.iter().copied().chain([listen.as_str()]);
                    let all: Vec<&str> = all.chain(args.iter().copied()).collect();
                    servers.spawn(&plan.program, &all, cores).await?;
                }
                servers.start_peer(peer, &plan.peers, compression, cores).await?;
            }
            (Server::Queue(_), _) => {}
        }
        Ok(servers)
    }

    /// Starts a peer, to which clients connect instead of the server that was started before it.
    async fn start_peer(
        &mut self,
        peer: &Peer,
        folder: &Path,
        compression: bool,
        cores: &Cores,
    ) -> anyhow::Result<()> {
        let upstream = self.urls.pop();
        let upstream = upstream.as_ref().map(|url| &url[Position::BeforeHost..Position::AfterPort]);
        let Start { program, args, address } = peer.prepare(folder, compression, upstream).await?;
        let directory = tempfile::tempdir().context("cannot create a directory")?;
        let path = directory.path().to_owned();
        let start = async move || Child::start_in(&program, &args, Some(&path));
        let mut child = cores.start_server(None, start).await?;
        self.directory = Some(directory);
        let before = "it accepted connections";
        tokio::select! {
            () = accepts(&address) => {}
            line = child.line(before) => {
                let line = line?;
                return Err(child.error(format_args!(" printed {line:?} before {before}")));
            }
            () = sleep(START) => {
                return Err(child.error(format_args!(": {} s passed before {before}", START.as_secs())));
            }
        }
        let process = child.process().map(Process::with_descendants);
        self.add_started(format!("http://{address}").parse()?, process);
        self.children.push(child);
        Ok(())
    }

    async fn child(
        &self,
        program: &Path,
        args: &[impl AsRef<OsStr>],
        cores: &Cores,
    ) -> anyhow::Result<Child> {
        let program = program.to_owned();
        let args: Vec<OsString> = args.iter().map(|arg| arg.as_ref().to_owned()).collect();
        let network = self.network.clone();
        cores.start_server(network, async move || Child::start(&program, &args)).await
    }

    /// Adds a server that was started for this cell.
    fn add_started(&mut self, url: Url, process: Option<Process>) {
        if let (Some(cgroup), Some(process)) = (&self.cgroup, &process)
            && let Err(_) = cgroup.add_all(process)
        {
            // Without all processes, the memory of the kernel is not known.
            self.cgroup = None;
        }
        self.add(url, process);
    }

    fn add(&mut self, url: Url, process: Option<Process>) {
        self.urls.push(url);
        self.serving.push(process);
    }

    /// Starts a program that prints its address and nothing else, as a server of the contender.
    ///
    /// # Errors
    /// Fails if it ends, prints something else, or does not listen in time.
    async fn spawn(
        &mut self,
        program: &Path,
        args: &[impl AsRef<OsStr>],
        cores: &Cores,
    ) -> anyhow::Result<()> {
        let (child, url) = self.listening(program, args, cores).await?;
        self.add_started(url, child.process());
        self.children.push(child);
        Ok(())
    }

    /// Starts a program that prints its address and nothing else, and returns it once it listens.
    ///
    /// # Errors
    /// Fails if it ends, prints something else, or does not listen in time.
    async fn listening(
        &self,
        program: &Path,
        args: &[impl AsRef<OsStr>],
        cores: &Cores,
    ) -> anyhow::Result<(Child, Url)> {
        let mut child = self.child(program, args, cores).await?;
        let before = "it printed its address";
        let address = async {
            loop {
                let line = child.line(before).await?;
                if let Some((_, address)) = line.split_once("listening on ") {
                    return anyhow::Ok(address.trim().to_owned());
                }
            }
        };
        let address = match timeout(START, address).await {
            Ok(address) => address?,
            Err(_) => {
                let seconds = START.as_secs();
                return Err(child.error(format_args!(": {seconds} s passed before {before}")));
            }
        };
        let url = address.parse().map_err(|_| {
            child.error(format_args!(" printed {address:?}, which is not an address"))
        })?;
        Ok((child, url))
    }

    /// An error about a server that has ended, otherwise `None`. Called after clients have reported a problem, which
    /// can happen shortly before the process ends.
    pub(crate) async fn ended(&mut self) -> Option<anyhow::Error> {
        for child in &mut self.children {
            if let Some(ended) = child.has_ended("the stage was finished", EXIT_DELAY).await {
                return Some(ended);
            }
        }
        None
    }

    /// The CPU time of the servers that clients are connected to.
    pub(crate) fn cpu_ns(&self) -> Option<u64> {
        self.sum(Process::cpu_ns)
    }

    /// The memory of the servers that clients are connected to.
    pub(crate) fn pss(&self) -> Option<u64> {
        self.sum(Process::pss)
    }

    /// The memory that the kernel keeps for them.
    pub(crate) fn kernel_memory(&self) -> Option<u64> {
        self.cgroup.as_ref()?.kernel_memory()
    }

    /// The TCP sockets of the network namespace of each server, as text like `/proc/net/tcp`.
    pub(crate) fn sockets(&self) -> impl Iterator<Item = String> {
        self.serving.iter().filter_map(|process| process.as_ref()?.sockets())
    }

    pub(crate) fn broker_cpu_ns(&self) -> Option<u64> {
        self.broker_process.as_ref()?.cpu_ns()
    }

    /// `true` if the first server has an io_uring.
    pub(crate) fn has_io_uring(&self) -> Option<bool> {
        self.serving.first()?.as_ref()?.has_io_uring()
    }

    fn sum(&self, figure: fn(&Process) -> Option<u64>) -> Option<u64> {
        self.serving.iter().map(|process| figure(process.as_ref()?)).sum()
    }

    /// Waits until the servers are idle, which their CPU time shows. A client cannot see when a server has finished its
    /// last work, such as holding a poll.
    pub(crate) async fn wait_until_idle(&self) {
        let cpu_ns = || Some(self.cpu_ns()? + self.broker_cpu_ns().unwrap_or(0));
        let mut before = cpu_ns();
        for _ in 0..IDLE_POLLS {
            sleep(IDLE_POLL).await;
            let now = cpu_ns();
            let spent = now.zip(before).map(|(now, before)| now.saturating_sub(before));
            if spent.is_none_or(|spent| spent < IDLE_CPU_NS) {
                break;
            }
            before = now;
        }
    }

    /// Ends the servers and then the broker. A broker is killed, because its directory is removed as well.
    pub(crate) async fn stop(self) {
        for child in self.children {
            child.stop().await;
        }
        if let Some(broker) = self.broker {
            broker.kill().await;
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    async fn start(script: &str) -> anyhow::Result<Servers> {
        let mut servers = Servers::default();
        servers.spawn(Path::new("sh"), &["-c", script], &Cores::default()).await?;
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
        assert_eq!(process.cpu_ns(), None, "the process has ended");
    }

    #[tokio::test]
    async fn a_server_that_ends_at_once_is_reported_with_its_output() {
        let error = start("echo address in use >&2; exit 3").await.unwrap_err().to_string();
        assert!(error.contains("address in use") && error.contains('3'), "{error}");
        let error = start("echo listening on the wire; exec sleep 600").await.unwrap_err();
        assert_eq!(error.to_string(), "sh printed \"the wire\", which is not an address");
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_server_is_an_error_after_a_time_limit() {
        let error = start("exec sleep 600").await.unwrap_err();
        assert_eq!(error.to_string(), "sh: 10 s passed before it printed its address");
    }

    #[test]
    fn the_error_for_a_missing_broker_contains_where_to_get_it() {
        let error = NotInstalled::program("pigeon", "https://pigeon", "pigeon");
        assert!(error.to_string().contains("apt-get install pigeon"));
    }
}
