//! A local Redis server.

use std::io;
use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::LocalConfig;
use super::local::{Local, Program};
use super::process::Place;

/// A local Redis server with an append-only file.
pub type LocalRedis = Local<Redis>;

/// `redis-server`.
#[derive(Debug)]
pub struct Redis;

impl Program for Redis {
    const NAME: &'static str = "redis-server";
    const SCHEME: &'static str = "redis";

    fn arguments(config: &LocalConfig, place: &Place<'_>) -> io::Result<Vec<String>> {
        let arguments = [
            ["--port", &place.port.to_string()],
            ["--bind", "127.0.0.1"],
            ["--dir", &place.directory.display().to_string()],
            ["--logfile", &place.log.display().to_string()],
            ["--save", ""],
            ["--appendonly", "yes"],
            ["--appendfsync", if config.flush_each_write { "always" } else { "everysec" }],
        ];
        let arguments = arguments.into_iter().flatten().map(str::to_owned);
        Ok(arguments.chain(config.settings.iter().cloned()).collect())
    }

    async fn is_ready(port: u16, pid: u32) -> bool {
        let process = format!("process_id:{pid}\r\n");
        let information = information(port).await;
        information.is_ok_and(|text| text.contains(&process) && text.contains("loading:0\r\n"))
    }
}

/// The sections `server` and `persistence` of `INFO`. They contain the process id, and whether the server is still
/// loading its file.
async fn information(port: u16) -> io::Result<String> {
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    socket.write_all(b"INFO server\r\nINFO persistence\r\nQUIT\r\n").await?;
    let mut answer = String::new();
    // The server closes the connection after QUIT.
    socket.read_to_string(&mut answer).await?;
    Ok(answer)
}
