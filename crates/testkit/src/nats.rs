//! A NATS server with JetStream.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::Path;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use url::Url;

use super::process::{Process, free_port, with_other_ports};
use super::{LocalConfig, LocalError};

/// A NATS server of one's own, with JetStream. It is ended when this is dropped.
#[derive(Debug)]
pub struct LocalNats {
    process: Process,
    config: LocalConfig,
    name: String,
    port: u16,
}

impl LocalNats {
    /// Starts one and waits until it is ready.
    ///
    /// # Errors
    /// Where the program is missing, ends, or does not answer in time.
    pub async fn start(config: LocalConfig) -> Result<Self, LocalError> {
        with_other_ports(async || {
            let port = free_port()?;
            let mut server = Self::prepare(&config, port, "")?;
            server.start_again().await?;
            Ok(server)
        })
        .await
    }

    /// Starts it on the same port, with what it has stored. Nothing happens where it runs.
    ///
    /// # Errors
    /// As [`start`](Self::start); also where the port has been taken meanwhile.
    pub async fn start_again(&mut self) -> Result<(), LocalError> {
        if self.pid().is_none() {
            self.process.spawn()?;
        }
        let expected = format!("\"server_name\":\"{}\"", self.name);
        let port = self.port;
        let answers =
            async |_pid| greeting(port).await.is_some_and(|line| line.contains(&expected));
        self.process.wait_until(self.config.ready_within, answers).await
    }

    /// Asks it to end, and waits until it has. What it stored is kept.
    ///
    /// # Errors
    /// Where the system does not let it be ended.
    pub async fn stop(&mut self) -> Result<(), LocalError> {
        self.process.stop().await
    }

    /// Ends it at once, as a crash would.
    ///
    /// # Errors
    /// Where the system does not let it be ended.
    pub async fn kill(&mut self) -> Result<(), LocalError> {
        self.process.kill().await
    }

    /// Where it is: `nats://127.0.0.1:PORT`.
    pub fn url(&self) -> Url {
        super::config::loopback("nats", self.port)
    }

    /// Where it keeps its files.
    pub fn directory(&self) -> &Path {
        self.process.directory()
    }

    /// Its process, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.pid()
    }

    /// One that is about to be started, with further lines of configuration.
    pub(super) fn prepare(
        config: &LocalConfig,
        port: u16,
        further: &str,
    ) -> Result<Self, LocalError> {
        // By its name we know that it is ours which answers.
        let name = format!("tidings-{}-{port}", std::process::id());
        let process = Process::prepare("nats-server", config, |place| {
            let store = place.directory.join("store");
            let mut text = format!(
                "server_name: \"{name}\"\nlisten: \"127.0.0.1:{port}\"\nmax_payload: 8MB\n\
                 log_file: {:?}\njetstream {{ store_dir: {store:?} }}\n{further}",
                place.log
            );
            for line in &config.settings {
                let _ = writeln!(text, "{line}");
            }
            let file = place.directory.join("nats.conf");
            std::fs::write(&file, text)?;
            Ok(vec!["-c".into(), file.display().to_string()])
        })?;
        Ok(Self { process, config: config.clone(), name, port })
    }

    pub(super) fn spawn(&mut self) -> Result<(), LocalError> {
        self.process.spawn()
    }
}

/// What a server says to whoever connects.
async fn greeting(port: u16) -> Option<String> {
    let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.ok()?;
    let mut line = String::new();
    BufReader::new(socket).read_line(&mut line).await.ok()?;
    Some(line)
}
