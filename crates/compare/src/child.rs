//! A child process that reads and writes lines, on its own cores.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use thiserror::Error;
use tidings_watchdog::Watchdog;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader, Lines};
use tokio::process::{ChildStdin, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::pin::{Cores, Side};
use crate::proc::Process;

/// How many of its last lines are kept for an error.
const LAST_LINES: usize = 20;

/// How long a child may take to end after its input has ended.
const END: Duration = Duration::from_secs(10);

/// A child. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Child {
    program: PathBuf,
    /// Ends the child if this process is killed.
    _watchdog: Option<Watchdog>,
    child: tokio::process::Child,
    input: Option<ChildStdin>,
    output: mpsc::Receiver<String>,
    last_lines: LastLines,
    errors: JoinHandle<()>,
}

/// A child failed.
#[derive(Debug, Error)]
#[error("{program}{problem}{output}")]
pub(crate) struct ChildError {
    program: String,
    /// What happened, with the space or the colon before it.
    problem: String,
    /// The last lines of its standard error, each on a line of its own.
    output: String,
}

fn name(program: &Path) -> String {
    program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned()
}

impl Child {
    /// Starts a program on the cores of that side.
    pub(crate) async fn start(
        program: &Path,
        args: &[&str],
        cores: &Cores,
        side: Side,
    ) -> Result<Self, ChildError> {
        let broken = |source: std::io::Error| ChildError {
            program: program.display().to_string(),
            problem: format!(" could not be started: {source}"),
            output: String::new(),
        };
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.kill_on_drop(true);
        // Ctrl-C is for this process alone, which then ends its children.
        #[cfg(unix)]
        command.process_group(0);
        let spawned = start_on(async move || command.spawn(), cores.clone(), side).await;
        let mut child = spawned.and_then(|spawned| spawned).map_err(broken)?;
        // Without a shell to watch, only a parent that is killed leaves its child alone.
        let watchdog = child.id().and_then(|pid| Watchdog::over(pid, None).ok());

        let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(broken(std::io::Error::other("it has no standard output")));
        };
        let last_lines = LastLines::default();
        let errors = tokio::spawn(last_lines.clone().read(BufReader::new(err).lines()));
        let input = child.stdin.take();
        let (sender, output) = mpsc::channel(LAST_LINES);
        tokio::spawn(pass_on(BufReader::new(out).lines(), sender));
        Ok(Self {
            program: program.to_owned(),
            _watchdog: watchdog,
            child,
            input,
            output,
            last_lines,
            errors,
        })
    }

    /// Its process, until it has ended.
    pub(crate) fn process(&self) -> Option<Process> {
        self.child.id().map(Process::new)
    }

    /// Returns the next line of its output. `before` ends a sentence of an error that begins with "it ended before".
    /// Cancel safe: a line is taken completely or not at all.
    pub(crate) async fn line(
        &mut self,
        before: &'static str,
        patience: Duration,
    ) -> Result<String, ChildError> {
        match tokio::time::timeout(patience, self.output.recv()).await {
            Ok(Some(line)) => Ok(line),
            Ok(None) => Err(self.ended(before).await),
            Err(_) => Err(self.error(format!(": {} s passed before {before}", patience.as_secs()))),
        }
    }

    /// Writes a line to its input.
    pub(crate) async fn write(&mut self, line: &str) -> Result<(), ChildError> {
        let written = match &mut self.input {
            Some(input) => input.write_all(format!("{line}\n").as_bytes()).await,
            None => Err(std::io::ErrorKind::BrokenPipe.into()),
        };
        match written {
            Ok(()) => Ok(()),
            // It has ended, and its output says why.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                Err(self.ended("it read a command").await)
            }
            Err(source) => Err(self.broken_pipe(&source)),
        }
    }

    /// Returns the error for an unexpected line.
    pub(crate) fn unexpected(&self, line: &str, expected: &'static str) -> ChildError {
        self.error(format!(" printed {line:?}, which is not {expected}"))
    }

    /// Ends its input and waits until it exits. Returns an error if it has exited before or fails.
    pub(crate) async fn finish(mut self) -> Result<(), ChildError> {
        if let Some(ended) = self.has_ended("its input ended", Duration::ZERO).await {
            return Err(ended);
        }
        self.input = None;
        match tokio::time::timeout(END, self.child.wait()).await {
            Ok(Ok(status)) if !status.success() => Err(self.ended("it was done").await),
            Ok(Err(source)) => Err(self.broken_pipe(&source)),
            Ok(Ok(_)) => Ok(()),
            Err(_) => {
                self.stop().await;
                Ok(())
            }
        }
    }

    /// Returns how it has ended if it has, or does so within that time.
    pub(crate) async fn has_ended(
        &mut self,
        before: &'static str,
        within: Duration,
    ) -> Option<ChildError> {
        match tokio::time::timeout(within, self.child.wait()).await {
            Err(_) => None,
            Ok(_) => Some(self.ended(before).await),
        }
    }

    /// Kills it, and waits until it is gone.
    pub(crate) async fn stop(mut self) {
        let _ = self.child.kill().await;
        self.errors.abort();
    }

    /// Discards its output from now on. It is still read, because a full pipe would block the child.
    pub(crate) fn discard_output(&mut self) {
        self.output.close();
    }

    async fn ended(&mut self, before: &'static str) -> ChildError {
        // It may have closed its output and not exited.
        let status = match tokio::time::timeout(END, self.child.wait()).await {
            Ok(status) => status,
            Err(_) => self.child.kill().await.and(self.child.wait().await),
        };
        match status {
            Ok(status) => {
                // A child of its own may hold the pipe open for long.
                let _ = tokio::time::timeout(END, &mut self.errors).await;
                self.error(format!(" ended before {before} ({status})"))
            }
            Err(source) => self.broken_pipe(&source),
        }
    }

    fn error(&self, problem: String) -> ChildError {
        ChildError { program: name(&self.program), problem, output: self.last_lines.text() }
    }

    fn broken_pipe(&self, source: &std::io::Error) -> ChildError {
        self.error(format!(": a pipe failed: {source}"))
    }
}

/// Starts a child on its cores. It inherits those of the thread that starts it, so `start` runs on a thread of its own
/// and no thread of the child is ever on another core.
pub(crate) async fn start_on<T: Send + 'static>(
    start: impl AsyncFnOnce() -> T + Send + 'static,
    cores: Cores,
    side: Side,
) -> std::io::Result<T> {
    let runtime = tokio::runtime::Handle::current();
    let (done, started) = tokio::sync::oneshot::channel();
    std::thread::Builder::new().name("child-start".into()).spawn(move || {
        cores.enter(side);
        let _ = done.send(runtime.block_on(start()));
    })?;
    started.await.map_err(std::io::Error::other)
}

/// Passes lines on as long as they are received, and reads the rest without passing it on.
async fn pass_on<R: AsyncRead + Unpin>(mut lines: Lines<BufReader<R>>, to: mpsc::Sender<String>) {
    while let Ok(Some(line)) = lines.next_line().await {
        let _ = to.send(line).await;
    }
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

    const PATIENCE: Duration = Duration::from_secs(10);

    async fn shell(script: &str) -> Child {
        Child::start(Path::new("sh"), &["-c", script], &Cores::default(), Side::Load).await.unwrap()
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_child_is_on_its_core_from_the_beginning() {
        let cores = Cores::divide(true);
        let Some(core) = cores.server else { return };
        let allowed = async || std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let status = start_on(allowed, cores, Side::Server).await.unwrap();
        assert!(status.contains(&format!("Cpus_allowed_list:\t{core}\n")), "{status}");
    }

    #[tokio::test]
    async fn lines_go_both_ways() {
        let mut child = shell("echo one; read word; echo $word two; read more || exit 0").await;
        assert_eq!(child.line("a line", PATIENCE).await.unwrap(), "one");
        child.write("go").await.unwrap();
        assert_eq!(child.line("a line", PATIENCE).await.unwrap(), "go two");
        child.finish().await.unwrap();
    }

    #[tokio::test]
    async fn a_child_that_ends_too_early_is_reported_with_its_output() {
        let mut child = shell("echo no route >&2; exit 3").await;
        let error = child.line("it was ready", PATIENCE).await.unwrap_err().to_string();
        assert!(error.starts_with("sh ended before it was ready"), "{error}");
        assert!(error.contains("no route") && error.contains('3'), "{error}");
    }

    #[tokio::test]
    async fn a_child_that_fails_at_the_end_is_reported() {
        let mut child = shell("echo ready; read word; echo lost two >&2; exit 1").await;
        child.line("it was ready", PATIENCE).await.unwrap();
        let error = child.finish().await.unwrap_err().to_string();
        assert!(error.contains("lost two"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_child_is_not_waited_for_for_ever() {
        let mut child = shell("exec sleep 600").await;
        let error = child.line("it was ready", PATIENCE).await.unwrap_err();
        assert_eq!(error.to_string(), "sh: 10 s passed before it was ready");
    }

    #[tokio::test]
    async fn a_child_whose_output_is_discarded_is_not_blocked() {
        let mut child = shell("i=0; while [ $i -lt 9999 ]; do echo much; i=$((i+1)); done").await;
        child.discard_output();
        assert!(child.child.wait().await.unwrap().success());
    }
}
