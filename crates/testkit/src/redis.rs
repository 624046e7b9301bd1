//! A Redis server with an append-only file.

use std::net::Ipv4Addr;
use std::path::Path;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::Url;

use super::process::{Process, free_port, with_other_ports};
use super::{LocalConfig, LocalError};

/// A Redis server of one's own. It is ended when this is dropped.
#[derive(Debug)]
pub struct LocalRedis {
    process: Process,
    config: LocalConfig,
    port: u16,
}

impl LocalRedis {
    /// Starts one and waits until it is ready.
    ///
    /// # Errors
    /// Where the program is missing, ends, or does not answer in time.
    pub async fn start(config: LocalConfig) -> Result<Self, LocalError> {
        with_other_ports(async || {
            let port = free_port()?;
            let mut server = Self::prepare(&config, port)?;
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
        let port = self.port;
        let answers = async |pid| is_ready(port, pid).await.unwrap_or(false);
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

    /// Where it is: `redis://127.0.0.1:PORT`.
    pub fn url(&self) -> Url {
        super::config::loopback("redis", self.port)
    }

    /// Where it keeps its files.
    pub fn directory(&self) -> &Path {
        self.process.directory()
    }

    /// Its process, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.pid()
    }

    fn prepare(config: &LocalConfig, port: u16) -> Result<Self, LocalError> {
        let process = Process::prepare("redis-server", config, |place| {
            let (directory, log) =
                (place.directory.display().to_string(), place.log.display().to_string());
            let port = port.to_string();
            let flush = if config.flush_each_write { "always" } else { "everysec" };
            let arguments = [
                ["--port", &port],
                ["--bind", "127.0.0.1"],
                ["--dir", &directory],
                ["--logfile", &log],
                ["--save", ""],
                ["--appendonly", "yes"],
                ["--appendfsync", flush],
            ];
            let arguments = arguments.into_iter().flatten().map(str::to_owned);
            Ok(arguments.chain(config.settings.iter().cloned()).collect())
        })?;
        Ok(Self { process, config: config.clone(), port })
    }
}

/// Whether it is ours which answers, and has read its file.
async fn is_ready(port: u16, pid: u32) -> std::io::Result<bool> {
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    // A connection that is closed from their side ends the read, so it is read to its end.
    socket.write_all(b"INFO server\r\nINFO persistence\r\nQUIT\r\n").await?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await?;
    Ok(answer.contains(&format!("process_id:{pid}\r\n")) && answer.contains("loading:0\r\n"))
}
