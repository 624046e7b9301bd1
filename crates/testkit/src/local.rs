//! A server of one's own, whatever its program.

use std::io;
use std::marker::PhantomData;
use std::path::Path;

use url::Url;

use super::process::{Place, Process, free_port, with_other_ports};
use super::{LocalConfig, LocalError};

/// What differs between the programs that can be started.
pub trait Program {
    /// The program in the search path.
    const NAME: &'static str;
    /// The scheme of its address.
    const SCHEME: &'static str;

    /// Returns its arguments, and writes the files that they name.
    fn arguments(config: &LocalConfig, place: &Place<'_>) -> io::Result<Vec<String>>;

    /// Returns `true` if the process of this id answers at the port, and not another one.
    fn is_ready(port: u16, pid: u32) -> impl Future<Output = bool> + Send;
}

/// A server of one's own. It is ended when this is dropped.
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
    /// If the program is missing, ends, or does not answer in time.
    pub async fn start(config: LocalConfig) -> Result<Self, LocalError> {
        with_other_ports(async || {
            let mut server = Self::prepare(&config)?;
            server.start_again().await?;
            Ok(server)
        })
        .await
    }

    /// Starts it on the same port, with what it has stored. Does nothing if it runs.
    ///
    /// # Errors
    /// As [`start`](Self::start); also if the port has been taken meanwhile.
    pub async fn start_again(&mut self) -> Result<(), LocalError> {
        self.spawn()?;
        let port = self.port;
        self.process
            .wait_until(self.config.ready_within, async |pid| P::is_ready(port, pid).await)
            .await
    }

    /// Asks it to end, and waits until it has. What it stored is kept.
    ///
    /// # Errors
    /// If the system does not allow it.
    pub async fn stop(&mut self) -> Result<(), LocalError> {
        self.process.stop().await
    }

    /// Ends it at once, as a crash would.
    ///
    /// # Errors
    /// If the system does not allow it.
    pub async fn kill(&mut self) -> Result<(), LocalError> {
        self.process.kill().await
    }

    /// Returns its address, such as `nats://127.0.0.1:PORT`.
    pub fn url(&self) -> Url {
        let text = format!("{}://127.0.0.1:{}", P::SCHEME, self.port);
        text.parse().expect("a scheme of ours, an address and a port are a URL")
    }

    /// Returns the directory of its files.
    pub fn directory(&self) -> &Path {
        self.process.directory()
    }

    /// Returns its process while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.pid()
    }

    /// Returns a server that is not started yet.
    pub(super) fn prepare(config: &LocalConfig) -> Result<Self, LocalError> {
        let port = free_port()?;
        let process =
            Process::prepare(P::NAME, config, port, |place| P::arguments(config, &place))?;
        Ok(Self { process, config: config.clone(), port, program: PhantomData })
    }

    /// Starts it and does not wait until it is ready.
    pub(super) fn spawn(&mut self) -> Result<(), LocalError> {
        if self.pid().is_none() { self.process.spawn() } else { Ok(()) }
    }
}
