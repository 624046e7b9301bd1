//! The process of a local server, with its own directory and port.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tidings_watchdog::Watchdog;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use super::{LocalConfig, LocalError};

/// How many ports are tried. Another program may take a port between the choice and the start of the server.
const PORTS_TRIED: usize = 5;
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
/// How long a server may take to end after SIGTERM.
const STOP_WITHIN: Duration = Duration::from_secs(10);
const LOG_FILE: &str = "server.log";
const LOG_LINES: usize = 12;

#[derive(Debug)]
pub(super) struct Process {
    name: &'static str,
    program: PathBuf,
    arguments: Vec<String>,
    /// Ends the child and removes the directory if this process is killed.
    watchdog: Option<Watchdog>,
    /// Dropped before the directory, so that it no longer writes into it.
    child: Option<Child>,
    directory: TempDir,
}

/// The directory, the log file and the port of a process.
#[derive(Debug)]
pub struct Place<'a> {
    pub(super) directory: &'a Path,
    pub(super) log: PathBuf,
    pub(super) port: u16,
}

impl Process {
    /// Creates a directory and the arguments, without starting the process.
    pub(super) fn prepare(
        name: &'static str,
        config: &LocalConfig,
        port: u16,
        arguments: impl FnOnce(Place<'_>) -> io::Result<Vec<String>>,
    ) -> Result<Self, LocalError> {
        let system = |what| move |source| LocalError::System { program: name.into(), what, source };
        let program = config.program.clone().unwrap_or_else(|| name.into());
        let directory = tempfile::Builder::new()
            .prefix(&format!("tidings-{name}-"))
            .tempdir()
            .map_err(system("cannot create its directory"))?;
        let place =
            Place { directory: directory.path(), log: directory.path().join(LOG_FILE), port };
        let arguments = arguments(place).map_err(system("cannot write its configuration"))?;
        Ok(Self { name, program, arguments, directory, watchdog: None, child: None })
    }

    /// Starts the process. Dropping `self` ends it.
    pub(super) fn spawn(&mut self) -> Result<(), LocalError> {
        let mut command = Command::new(&self.program);
        // Ctrl-C must reach only this process, which then ends its servers.
        #[cfg(unix)]
        command.process_group(0);
        let spawned = command
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        self.child = Some(spawned.map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => {
                LocalError::Missing { program: self.program.display().to_string() }
            }
            _ => self.system("cannot start it", source),
        })?);
        // Without a shell for the watchdog, the server outlives this process only if this process is killed.
        self.watchdog =
            self.pid().and_then(|pid| Watchdog::over(pid, Some(self.directory.path())).ok());
        Ok(())
    }

    /// Waits until `is_ready` returns `true`.
    ///
    /// # Errors
    /// Fails if the process exits or takes longer than `within`.
    pub(super) async fn wait_until(
        &mut self,
        within: Duration,
        mut is_ready: impl AsyncFnMut(u32) -> bool,
    ) -> Result<(), LocalError> {
        let until = Instant::now() + within;
        while Instant::now() < until {
            let Some(pid) = self.pid() else { return Err(self.ended()) };
            let looked = timeout(Duration::from_secs(2), is_ready(pid)).await;
            if looked.unwrap_or(false) {
                return Ok(());
            }
            if self.try_wait() {
                return Err(self.ended());
            }
            sleep(BETWEEN_LOOKS).await;
        }
        Err(LocalError::NotReady { program: self.name.into(), within, log: self.last_words() })
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    pub(super) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Sends SIGTERM and waits for the end. Kills it after [`STOP_WITHIN`].
    pub(super) async fn stop(&mut self) -> Result<(), LocalError> {
        self.end(terminate).await
    }

    /// Kills it and waits for the end.
    pub(super) async fn kill(&mut self) -> Result<(), LocalError> {
        self.end(kill).await
    }

    async fn end(&mut self, signal: impl FnOnce(&mut Child)) -> Result<(), LocalError> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        // The child is waited for below, and then the system may reuse its id.
        self.watchdog = None;
        signal(&mut child);
        let waited: Result<io::Result<ExitStatus>, _> = timeout(STOP_WITHIN, child.wait()).await;
        let ended = match waited {
            Ok(ended) => ended.map(drop),
            Err(_) => child.kill().await,
        };
        ended.map_err(|source| self.system("cannot end it", source))
    }

    fn try_wait(&mut self) -> bool {
        self.child.as_mut().is_none_or(|child| !matches!(child.try_wait(), Ok(None)))
    }

    fn ended(&self) -> LocalError {
        LocalError::Ended { program: self.name.into(), log: self.last_words() }
    }

    fn system(&self, what: &'static str, source: io::Error) -> LocalError {
        LocalError::System { program: self.name.into(), what, source }
    }

    fn last_words(&self) -> String {
        let log = std::fs::read_to_string(self.directory.path().join(LOG_FILE)).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }
}

#[cfg(unix)]
fn terminate(child: &mut Child) {
    use rustix::process::{Pid, Signal, kill_process};
    if let Some(pid) = child.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
        // Fails only if it has ended just now.
        let _ = kill_process(pid, Signal::TERM);
    }
}

#[cfg(not(unix))]
fn terminate(child: &mut Child) {
    kill(child);
}

fn kill(child: &mut Child) {
    // Fails only if it has ended just now.
    let _ = child.start_kill();
}

/// A port that is free at this moment. It is below the range that the system assigns to connections (32768 and above).
/// Otherwise a connection could take it before the server starts, or while it is stopped.
pub(super) fn free_port() -> Result<u16, LocalError> {
    const PORTS: u64 = 16_000;
    const LOOKS: usize = 100;
    let mut bound = Err(std::io::ErrorKind::AddrInUse.into());
    for _ in 0..LOOKS {
        let random = getrandom::u64().unwrap_or_else(|_| u64::from(std::process::id()));
        let port = 16_000 + (random % PORTS) as u16;
        bound = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map(|_| port);
        if bound.is_ok() {
            break;
        }
    }
    let what = "cannot find a free port";
    bound.map_err(|source| LocalError::System { program: "loopback".into(), what, source })
}

/// Calls `start` again, which chooses other ports, if a server exited or was not ready. Most likely its port was taken.
pub(super) async fn with_other_ports<T>(
    mut start: impl AsyncFnMut() -> Result<T, LocalError>,
) -> Result<T, LocalError> {
    let mut tried = 1;
    loop {
        match start().await {
            Err(LocalError::Ended { .. } | LocalError::NotReady { .. }) if tried < PORTS_TRIED => {
                tried += 1;
            }
            other => return other,
        }
    }
}
