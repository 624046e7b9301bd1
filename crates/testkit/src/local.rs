//! A local server of any program.

use std::io;
use std::marker::PhantomData;
use std::path::Path;

use url::Url;

use super::process::{Place, Process, free_port, with_other_ports};
use super::{LocalConfig, LocalError};

/// A program that can be started as a local server.
pub trait Program {
    /// Its name in the search path.
    const NAME: &'static str;
    /// The scheme of its address.
    const SCHEME: &'static str;

    /// Writes its configuration files, and returns its arguments.
    fn arguments(config: &LocalConfig, place: &Place<'_>) -> io::Result<Vec<String>>;

    /// Returns `true` if the server at this port is ready and is the process with this id.
    fn is_ready(port: u16, pid: u32) -> impl Future<Output = bool> + Send;
}

/// A local server. Dropping it ends the server.
#[derive(Debug)]
pub struct Local<P> {
    process: Process,
    config: LocalConfig,
    port: u16,
    program: PhantomData<P>,
}

impl<P: Program> Local<P> {
    /// Starts a server and waits until it is ready.
    ///
    /// # Errors
    /// Fails if the program is not installed, exits, or is not ready in time.
    pub async fn start(config: LocalConfig) -> Result<Self, LocalError> {
        with_other_ports(async || {
            let mut server = Self::prepare(&config)?;
            server.start_again().await?;
            Ok(server)
        })
        .await
    }

    /// Starts it again on the same port, with what it has stored, and waits until it is ready. Does not start a
    /// server that runs.
    ///
    /// # Errors
    /// Any error of [`start`](Self::start), also if another program uses the port now.
    pub async fn start_again(&mut self) -> Result<(), LocalError> {
        self.spawn()?;
        let port = self.port;
        self.process
            .wait_until(self.config.ready_within, async |pid| P::is_ready(port, pid).await)
            .await
    }

    /// Stops it by SIGTERM, and waits until it has ended. Kills it after 10 s. What it has stored is kept.
    ///
    /// # Errors
    /// Fails if the system does not allow it.
    pub async fn stop(&mut self) -> Result<(), LocalError> {
        self.process.stop().await
    }

    /// Kills it, and waits until it has ended. What it has stored is kept.
    ///
    /// # Errors
    /// Fails if the system does not allow it.
    pub async fn kill(&mut self) -> Result<(), LocalError> {
        self.process.kill().await
    }

    /// Returns its address, such as `nats://127.0.0.1:PORT`.
    pub fn url(&self) -> Url {
        let text = format!("{}://127.0.0.1:{}", P::SCHEME, self.port);
        text.parse().expect("a scheme, an address and a port are a URL")
    }

    /// Returns the directory of its files.
    pub fn directory(&self) -> &Path {
        self.process.directory()
    }

    /// Returns its process id, or `None` if it does not run.
    pub fn pid(&self) -> Option<u32> {
        self.process.pid()
    }

    /// The server is not started yet.
    pub(super) fn prepare(config: &LocalConfig) -> Result<Self, LocalError> {
        let port = free_port()?;
        let process =
            Process::prepare(P::NAME, config, port, |place| P::arguments(config, &place))?;
        Ok(Self { process, config: config.clone(), port, program: PhantomData })
    }

    /// Starts it without waiting until it is ready.
    pub(super) fn spawn(&mut self) -> Result<(), LocalError> {
        if self.pid().is_none() { self.process.spawn() } else { Ok(()) }
    }
}
