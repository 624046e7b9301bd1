//! A local NATS server.

use std::fmt::Write as _;
use std::io;
use std::net::Ipv4Addr;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;

use super::LocalConfig;
use super::local::{Local, Program};
use super::process::Place;

/// A local NATS server with JetStream.
pub type LocalNats = Local<Nats>;

/// `nats-server`.
#[derive(Debug)]
pub struct Nats;

impl Program for Nats {
    const NAME: &'static str = "nats-server";
    const SCHEME: &'static str = "nats";

    fn arguments(config: &LocalConfig, place: &Place<'_>) -> io::Result<Vec<String>> {
        let Place { directory, log, port } = place;
        let (name, store) = (name(*port), directory.join("store"));
        let mut text = format!(
            "server_name: \"{name}\"\nlisten: \"127.0.0.1:{port}\"\nmax_payload: 8MB\n\
             log_file: {log:?}\njetstream {{ store_dir: {store:?} }}\n"
        );
        for line in &config.settings {
            let _ = writeln!(text, "{line}");
        }
        let file = directory.join("nats.conf");
        std::fs::write(&file, text)?;
        Ok(vec!["-c".into(), file.display().to_string()])
    }

    async fn is_ready(port: u16, _: u32) -> bool {
        let expected = format!("\"server_name\":\"{}\"", name(port));
        greeting(port).await.is_ok_and(|line| line.contains(&expected))
    }
}

/// Unique, so that the server that responds is known to be this one.
fn name(port: u16) -> String {
    format!("tidings-{}-{port}", std::process::id())
}

async fn greeting(port: u16) -> io::Result<String> {
    let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    let mut line = String::new();
    BufReader::new(socket).read_line(&mut line).await?;
    Ok(line)
}
