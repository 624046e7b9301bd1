//! Programs that subscribe and decompress.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::process::Stdio;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tidings_core::{Id, Kind, Notification};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::support::PATIENCE;

/// A way in which a program subscribes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decoder {
    Curl,
    /// Python's zlib and gzip, by SSE.
    PythonGzip,
    /// Python's zlib, by WebSocket, with this offer.
    PythonDeflate(&'static str),
}

impl Decoder {
    pub(crate) const ALL: [Self; 4] = [
        Self::Curl,
        Self::PythonGzip,
        Self::PythonDeflate("permessage-deflate; client_max_window_bits"),
        // The default of Python's websockets.
        Self::PythonDeflate(
            "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12",
        ),
    ];

    fn program(self) -> &'static str {
        if self == Self::Curl { "curl" } else { "python3" }
    }

    pub(crate) fn is_installed(&self) -> bool {
        let mut command = std::process::Command::new(self.program());
        let command = command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        let is_installed = command.status().is_ok_and(|status| status.success());
        if !is_installed {
            eprintln!("skipped: {} is not installed", self.program());
        }
        is_installed
    }

    fn command(self, server: SocketAddr, path: &str) -> Command {
        let mut command = Command::new(self.program());
        if self == Self::Curl {
            command.args(["--silent", "--show-error", "--no-buffer", "--compressed"]);
            command.args(["--header", "Accept: text/event-stream"]);
            command.arg(format!("http://{server}{path}"));
            return command;
        }
        command.args(["-c", include_str!("client.py"), &server.ip().to_string()]);
        command.args([&server.port().to_string(), path]);
        if let Self::PythonDeflate(offer) = self {
            command.arg(offer);
        }
        command
    }
}

/// A program that runs, and what it writes.
pub(crate) struct Follower {
    decoder: Decoder,
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    at: Option<Id>,
}

impl Follower {
    /// Starts the program with the position `after`.
    pub(crate) fn start(decoder: Decoder, server: SocketAddr, after: Option<Id>) -> Self {
        let query = after.map(|id| format!("?after={id}")).unwrap_or_default();
        let mut command = decoder.command(server, &format!("/topics/t{query}"));
        command.kill_on_drop(true).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { decoder, child, lines, at: after }
    }

    /// Waits for the opening of the server. From then on the program is sent what is published. It has a seat before,
    /// but no position yet.
    pub(crate) async fn opened(&mut self) {
        self.line().await.expect("the server sends an opening");
    }

    async fn line(&mut self) -> Option<String> {
        let line = timeout(PATIENCE, self.lines.next_line()).await;
        let no_line = |_| panic!("{:?} writes nothing after {:?}", self.decoder, self.at);
        line.unwrap_or_else(no_line).unwrap()
    }

    /// Asserts that this notification is the next one.
    pub(crate) async fn expect(&mut self, id: Id, notification: &Notification) {
        let (read, kind, payload) = match self.decoder {
            Decoder::Curl | Decoder::PythonGzip => self.event().await,
            Decoder::PythonDeflate(_) => self.message().await,
        };
        assert_eq!(read, id.to_string(), "{:?}", self.decoder);
        assert_eq!(kind, notification.kind(), "{:?} at {id}", self.decoder);
        assert_eq!(payload, *notification.payload(), "{:?} at {id}", self.decoder);
        self.at = Some(id);
    }

    /// The id, the kind and the payload of the next event of the stream.
    async fn event(&mut self) -> (String, Kind, Vec<u8>) {
        loop {
            let mut fields: HashMap<String, Vec<String>> = HashMap::new();
            loop {
                let line = self.line().await.expect("the stream goes on");
                if line.is_empty() {
                    break;
                }
                let (name, value) = line.split_once(':').unwrap();
                let value = value.strip_prefix(' ').unwrap_or(value);
                fields.entry(name.to_owned()).or_default().push(value.to_owned());
            }
            let Some(data) = fields.get("data") else { continue };
            let (id, data) = (fields["id"].concat(), data.join("\n"));
            return match fields.get("event").map(|names| names.concat()).as_deref() {
                None => (id, Kind::Text, data.into_bytes()),
                Some("binary") => (id, Kind::Binary, STANDARD.decode(data).unwrap()),
                Some(other) => panic!("{other}: {data}"),
            };
        }
    }

    /// The id, the kind and the payload of the next message.
    async fn message(&mut self) -> (String, Kind, Vec<u8>) {
        loop {
            let line = self.line().await.expect("the connection stays open");
            let message: Value = serde_json::from_str(&line).unwrap();
            if message.get("ping").is_some() {
                continue;
            }
            let id = message["id"].as_str().expect(&line).to_owned();
            return match message["data"].as_str() {
                Some(text) => (id, Kind::Text, text.into()),
                None => {
                    let base64 = message["data_base64"].as_str().expect(&line);
                    (id, Kind::Binary, STANDARD.decode(base64).unwrap())
                }
            };
        }
    }

    /// Kills the program. Returns the id of the last notification that it has written.
    pub(crate) async fn kill(mut self) -> (Decoder, Id) {
        self.child.kill().await.unwrap();
        (self.decoder, self.at.expect("it has read a notification"))
    }

    /// Waits for the end of the program after that of the server, and asserts that it has succeeded.
    pub(crate) async fn ended(mut self) {
        while self.line().await.is_some() {}
        let status = timeout(PATIENCE, self.child.wait()).await.expect("it ends").unwrap();
        assert!(status.success(), "{:?}: {status}", self.decoder);
    }
}
