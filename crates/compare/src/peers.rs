//! Servers of other projects, with the same requests as ours.

use std::ffi::OsString;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::environment::{Version, first_version};
use crate::servers::NotInstalled;

/// A server of another project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// The package `ws` for Node.
    Ws,
    /// Bun's own server.
    Bun,
    /// nginx as a proxy before our server.
    Nginx,
}

/// How to start a peer.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) program: &'static str,
    pub(crate) args: Vec<OsString>,
    /// Its address, if it does not print it.
    pub(crate) address: Option<String>,
    /// Its files, which are removed on drop.
    pub(crate) directory: TempDir,
}

/// Prints the version of the package that `require` of a script in the current directory finds.
const WS_VERSION: &str =
    "require('module').createRequire(process.cwd() + '/compare.js')('ws/package.json').version";

/// The time between two attempts to connect to a peer.
const RETRY: Duration = Duration::from_millis(5);

impl Peer {
    /// Checks that the peer is installed and writes its files. `upstream` is the address of our server for a proxy.
    ///
    /// # Errors
    /// Fails with [`NotInstalled`] if the peer is not installed, and with another error if its files cannot be written.
    pub(crate) fn prepare(
        self,
        compression: bool,
        upstream: Option<&str>,
    ) -> anyhow::Result<Start> {
        if self.version().is_none() {
            return Err(self.not_installed().into());
        }
        let directory = tempfile::tempdir().context("cannot create a directory")?;
        let compression = if compression { "on" } else { "off" };
        let (program, name, text) = match self {
            Self::Ws => ("node", "ws.js", include_str!("peers/ws.js").to_owned()),
            Self::Bun => ("bun", "bun.js", include_str!("peers/bun.js").to_owned()),
            Self::Nginx => ("nginx", "nginx.conf", include_str!("peers/nginx.conf").to_owned()),
        };
        let path = directory.path().join(name);
        let (text, args, address) = if self == Self::Nginx {
            let port = free_port()?.to_string();
            let folder = directory.path().to_string_lossy();
            let text = text.replace("DIRECTORY", &folder).replace("COMPRESSION", compression);
            let text =
                text.replace("UPSTREAM", upstream.unwrap_or_default()).replace("PORT", &port);
            let args: Vec<OsString> =
                vec!["-e".into(), "stderr".into(), "-c".into(), path.clone().into()];
            (text, args, Some(format!("127.0.0.1:{port}")))
        } else {
            (text, vec![path.clone().into(), compression.into()], None)
        };
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Start { program, args, address, directory })
    }

    /// The name of the project and its version, or `None` if it is not installed.
    pub(crate) fn version(self) -> Option<Version> {
        let (name, mut command) = match self {
            Self::Ws => ("ws", program("node", &["-p", WS_VERSION])),
            Self::Bun => ("bun", program("bun", &["--version"])),
            Self::Nginx => ("nginx", program("nginx", &["-v"])),
        };
        let output = command.output().ok().filter(|output| output.status.success())?;
        // nginx prints `nginx version: nginx/1.22.1` to standard error.
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).replace('/', " ");
        Some(Version { server: name.to_owned(), version: first_version(&text) })
    }

    fn not_installed(self) -> NotInstalled {
        match self {
            Self::Ws => NotInstalled {
                what: "package ws for node".to_owned(),
                remedy: "get node from https://nodejs.org, and the package with `npm install ws` in the current \
                         directory, or name its directory in NODE_PATH"
                    .to_owned(),
            },
            Self::Bun => NotInstalled::program("bun", "https://bun.com", None),
            Self::Nginx => NotInstalled::program("nginx", "https://nginx.org", Some("nginx")),
        }
    }
}

/// Waits until a server accepts connections.
pub(crate) async fn accepts(address: &str) {
    while TcpStream::connect(address).await.is_err() {
        sleep(RETRY).await;
    }
}

fn program(name: &str, args: &[&str]) -> Command {
    let mut command = Command::new(Path::new(name));
    command.args(args);
    command
}

/// A port that was free a moment ago, for a server that cannot choose one.
fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("there is no free port")?;
    Ok(listener.local_addr()?.port())
}
