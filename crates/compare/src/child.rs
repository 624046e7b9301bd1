//! The hub under test: a child process with a core for itself, or one that runs already.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader, Lines};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use url::Url;

use crate::pin::Cores;
use crate::plan::HubUnderTest;
use crate::proc::Process;

/// How long a hub may take to listen.
const START: Duration = Duration::from_secs(10);

/// How many of its last lines are kept for the error.
const LAST_LINES: usize = 20;

/// A hub to drive. Dropping it ends the child, if it is one.
#[derive(Debug)]
pub(crate) struct Hub {
    /// Where it listens.
    pub(crate) url: Url,
    /// Its process, where it is known.
    pub(crate) process: Option<Process>,
    child: Option<Child>,
    readers: Vec<JoinHandle<()>>,
}

/// The hub did not come up.
#[derive(Debug, Error)]
pub enum HubError {
    /// It could not be started.
    #[error("{} could not be started", .program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// It ended before it listened.
    #[error("the hub ended before it listened ({status}){said}")]
    Ended {
        /// How.
        status: ExitStatus,
        /// Its last words on standard error.
        said: String,
    },
    /// It said nothing in time.
    #[error("the hub did not say where it listens within {} s{said}", .after.as_secs())]
    Silent {
        /// How long it had.
        after: Duration,
        /// Its last words on standard error.
        said: String,
    },
    /// It said something that is no address.
    #[error("the hub listens on {address:?}, which is no address")]
    Address {
        /// What it said.
        address: String,
    },
    /// Its output could not be read.
    #[error("the hub's output could not be read")]
    Output(#[source] std::io::Error),
}

impl Hub {
    pub(crate) async fn start(hub: &HubUnderTest, cores: &Cores) -> Result<Self, HubError> {
        match hub {
            HubUnderTest::Child { program, args } => Self::spawn(program, args, cores).await,
            HubUnderTest::Url { url, pid } => Ok(Self {
                url: url.clone(),
                process: pid.map(Process::new),
                child: None,
                readers: Vec::new(),
            }),
        }
    }

    async fn spawn(program: &Path, args: &[String], cores: &Cores) -> Result<Self, HubError> {
        let broken = |source| HubError::Start { program: program.to_owned(), source };
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.kill_on_drop(true);
        let mut child = spawn_on(command, cores.clone()).await.map_err(broken)?;

        let pipes = (child.stdout.take(), child.stderr.take());
        let (Some(out), Some(err)) = pipes else {
            return Err(broken(std::io::Error::other("it has no standard output")));
        };
        let said = LastLines::default();
        let mut out = BufReader::new(out).lines();
        let readers = vec![tokio::spawn(said.clone().read(BufReader::new(err).lines()))];

        let address = match tokio::time::timeout(START, address_in(&mut out)).await {
            Err(_) => return Err(HubError::Silent { after: START, said: said.text() }),
            Ok(Err(error)) => return Err(HubError::Output(error)),
            Ok(Ok(Some(address))) => address,
            Ok(Ok(None)) => {
                let status = child.wait().await.map_err(HubError::Output)?;
                for reader in readers {
                    let _ = reader.await;
                }
                return Err(HubError::Ended { status, said: said.text() });
            }
        };
        let mut hub = Self {
            url: address.parse().map_err(|_| HubError::Address { address })?,
            process: child.id().map(Process::new),
            child: Some(child),
            readers,
        };
        // Read on, or a hub that writes much would stand still at a full pipe.
        hub.readers.push(tokio::spawn(LastLines::default().read(out)));
        Ok(hub)
    }

    /// Ends the child, and waits until it is gone.
    pub(crate) async fn stop(mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill().await;
        }
        for reader in &self.readers {
            reader.abort();
        }
    }
}

/// Starts the command on the hub's core: a child inherits the cores of the thread that starts it, so
/// that not one of its own threads is ever elsewhere.
async fn spawn_on(mut command: Command, cores: Cores) -> std::io::Result<Child> {
    let runtime = tokio::runtime::Handle::current();
    let (done, child) = tokio::sync::oneshot::channel();
    std::thread::Builder::new().name("hub-start".into()).spawn(move || {
        let _entered = runtime.enter();
        cores.enter_hub_core();
        let _ = done.send(command.spawn());
    })?;
    child.await.map_err(std::io::Error::other)?
}

async fn address_in<R: AsyncRead + Unpin>(
    lines: &mut Lines<BufReader<R>>,
) -> std::io::Result<Option<String>> {
    while let Some(line) = lines.next_line().await? {
        if let Some((_, address)) = line.split_once("listening on ") {
            return Ok(Some(address.trim().to_owned()));
        }
    }
    Ok(None)
}

#[derive(Clone, Debug, Default)]
struct LastLines(Arc<Mutex<VecDeque<String>>>);

impl LastLines {
    async fn read<R: AsyncRead + Unpin>(self, mut lines: Lines<BufReader<R>>) {
        while let Ok(Some(line)) = lines.next_line().await {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() == LAST_LINES {
                kept.pop_front();
            }
            kept.push_back(line);
        }
    }

    fn text(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().fold(String::new(), |text, line| text + "\n  " + line)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> HubUnderTest {
        HubUnderTest::Child { program: "sh".into(), args: vec!["-c".into(), script.into()] }
    }

    #[tokio::test]
    async fn the_address_is_read_from_its_output_and_the_child_ends_with_us() {
        let script = "echo hello; echo listening on http://127.0.0.1:4242; exec sleep 600";
        let hub = Hub::start(&shell(script), &Cores::default()).await.unwrap();
        assert_eq!(hub.url.as_str(), "http://127.0.0.1:4242/");
        assert!(hub.process.is_some());
        let pid = hub.child.as_ref().unwrap().id().unwrap();
        hub.stop().await;
        assert_eq!(Process::new(pid).cpu_ns(), None, "it is gone");
    }

    #[tokio::test]
    async fn a_hub_that_ends_at_once_is_told_with_its_own_words() {
        let script = "echo address in use >&2; exit 3";
        let error = Hub::start(&shell(script), &Cores::default()).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("address in use") && text.contains('3'), "{text}");
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let hub = HubUnderTest::Child { program: "no-such-hub".into(), args: Vec::new() };
        let error = Hub::start(&hub, &Cores::default()).await.unwrap_err();
        assert!(error.to_string().contains("no-such-hub"), "{error}");
    }
}
