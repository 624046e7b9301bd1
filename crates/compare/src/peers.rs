//! Servers of other projects. Each has a folder in `benches/peers` with a script that starts it.

mod adapter;
mod table;

use std::ffi::OsString;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

pub(crate) use self::adapter::{Adapter, Creation, Opening};
pub(crate) use self::table::*;
use crate::environment::Version;
use crate::protocol::Transport;
use crate::servers::NotInstalled;

/// A server of another project.
#[derive(Debug, PartialEq)]
pub(crate) struct Peer {
    /// Its folder in `benches/peers`.
    pub(crate) name: &'static str,
    /// Its transports.
    pub(crate) adapters: &'static [Adapter],
    /// Its settings, for the report.
    pub(crate) settings: &'static str,
    /// What it does better than our server, for the report.
    pub(crate) better: &'static str,
    /// `true` if it is a proxy before our server.
    pub(crate) is_proxy: bool,
}

/// How to start a peer.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<OsString>,
    pub(crate) address: String,
}

/// The script that starts a peer, in its folder.
const SCRIPT: &str = "start.sh";

/// The exit code of the script if something is not installed (`EX_UNAVAILABLE` of sysexits.h).
const NOT_INSTALLED: i32 = 69;

/// The longest time for the version. The script may build the server before it.
const BUILD: Duration = Duration::from_secs(300);

/// The time between two attempts to connect to a peer.
const RETRY: Duration = Duration::from_millis(5);

impl Peer {
    /// The peer with this name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        PEERS.iter().copied().find(|peer| peer.name == name)
    }

    /// The requests of a transport, or `None` if the peer does not have it.
    pub(crate) fn adapter(&self, transport: Transport) -> Option<&Adapter> {
        self.adapters.iter().find(|adapter| adapter.transport == transport)
    }

    /// Checks that the peer is installed. `upstream` is the address of our server for a proxy.
    ///
    /// # Errors
    /// Fails with [`NotInstalled`] if the folder or the peer does not exist, and with another error if its script fails.
    pub(crate) async fn prepare(
        &self,
        folder: &Path,
        compression: bool,
        upstream: Option<&str>,
    ) -> anyhow::Result<Start> {
        self.version(folder).await?;
        let port = free_port()?.to_string();
        let compression = if compression { "on" } else { "off" };
        let args = [&port, compression].into_iter().chain(upstream);
        let args = args.map(OsString::from).collect();
        Ok(Start { program: self.script(folder), args, address: format!("127.0.0.1:{port}") })
    }

    /// The name and the version that its script prints. The script may build the server before.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare).
    pub(crate) async fn version(&self, folder: &Path) -> anyhow::Result<Version> {
        let script = self.script(folder);
        let shown = script.display();
        let mut command = Command::new(&script);
        command.arg("--version").kill_on_drop(true);
        let output = match timeout(BUILD, command.output()).await {
            Ok(Err(error)) if error.kind() == ErrorKind::NotFound => {
                let text = format!(
                    "there is no {shown}: run it in a clone of the repository of tidings, or give \
                     its folder benches/peers with --peers"
                );
                return Err(NotInstalled(text).into());
            }
            Ok(output) => output.with_context(|| format!("cannot run {shown}"))?,
            Err(_) => bail!("{shown} printed no version within {BUILD:?}"),
        };
        let [printed, errors] =
            [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        match (output.status.code(), printed.trim().split_once(' ')) {
            (Some(NOT_INSTALLED), _) => Err(NotInstalled(errors.trim().to_owned()).into()),
            (Some(0), Some((server, version))) => {
                Ok(Version { server: server.to_owned(), version: Some(version.to_owned()) })
            }
            _ => bail!("{shown} --version printed {printed:?} and failed: {errors}"),
        }
    }

    fn script(&self, folder: &Path) -> PathBuf {
        folder.join(self.name).join(SCRIPT)
    }
}

/// Waits until a server accepts connections.
pub(crate) async fn accepts(address: &str) {
    while TcpStream::connect(address).await.is_err() {
        sleep(RETRY).await;
    }
}

/// A port that was free a moment ago at every address, for a server that cannot choose one. Some servers listen at every
/// address, and a client of an earlier measurement may still have the port at one of them.
fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind("0.0.0.0:0").context("there is no free port")?;
    Ok(listener.local_addr()?.port())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::contender::CONTENDERS;

    fn folder() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../benches/peers")
    }

    /// The version of a peer whose script is this.
    async fn version(script: &str) -> anyhow::Result<Version> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ws").join(SCRIPT);
        fs::create_dir(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        WS.version(folder.path()).await
    }

    #[test]
    fn each_peer_has_a_name_of_its_own_and_a_valid_script() {
        for (index, peer) in PEERS.iter().enumerate() {
            assert!(PEERS[..index].iter().all(|other| other.name != peer.name), "{}", peer.name);
            let script = peer.script(&folder());
            let mode = fs::metadata(&script).expect(peer.name).permissions().mode();
            assert_eq!(mode & 0o111, 0o111, "{} is executable", script.display());
            let status = std::process::Command::new("bash").arg("-n").arg(&script).status();
            assert!(status.unwrap().success(), "{}", script.display());
        }
    }

    #[test]
    fn each_peer_is_measured_by_each_of_its_transports_and_no_other() {
        for peer in PEERS {
            let of_peer = CONTENDERS.iter().filter(|one| one.peer() == Some(peer));
            let mut count = 0;
            for contender in of_peer.filter(|one| !one.compression) {
                assert!(peer.adapter(contender.transport).is_some(), "{}", contender.name);
                count += 1;
            }
            assert_eq!(count, peer.adapters.len(), "{}", peer.name);
        }
    }

    #[test]
    fn the_table_names_each_folder_with_a_script() {
        let folders = fs::read_dir(folder()).unwrap().flatten();
        for folder in folders.filter(|folder| folder.path().join(SCRIPT).exists()) {
            let name = folder.file_name().into_string().unwrap();
            assert!(Peer::named(&name).is_some(), "{name}");
        }
    }

    #[tokio::test]
    async fn the_version_is_what_the_script_prints_after_the_name() {
        let found = version("echo pigeon 1.2 on roof 3").await.unwrap();
        let expected = Version { server: "pigeon".into(), version: Some("1.2 on roof 3".into()) };
        assert_eq!(found, expected);
    }

    #[tokio::test]
    async fn a_peer_is_missing_if_its_script_ends_with_69_and_fails_otherwise() {
        let error = version("echo there is no pigeon >&2; exit 69").await.unwrap_err();
        assert!(error.is::<NotInstalled>());
        assert_eq!(error.to_string(), "there is no pigeon");
        for script in ["echo wrong >&2; exit 1", "echo wrong"] {
            let error = version(script).await.unwrap_err();
            assert!(!error.is::<NotInstalled>() && error.to_string().contains("wrong"), "{error}");
        }
    }
}
