//! A child process that reads and writes lines.

use std::ffi::OsStr;
use std::fmt::Display;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, anyhow};
#[cfg(target_os = "linux")]
use rustix::process::kill_process_group;
#[cfg(unix)]
use rustix::process::{Pid, Signal, kill_process};
use tidings_watchdog::Watchdog;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::proc::Process;

/// How many of the last lines of standard error an error contains.
const LAST_LINES: usize = 20;

/// How long a child may take to end after its input or its output has ended.
const END: Duration = Duration::from_secs(10);

/// A child process. Dropping it kills the process and its descendants, if they are in its process group. Its errors
/// contain the last lines of the child's standard error.
#[derive(Debug)]
pub(crate) struct Child {
    name: String,
    /// Kills the child if this process is killed.
    _watchdog: Option<Watchdog>,
    child: tokio::process::Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
    /// The standard error of the child. The child shares the position in the file, so it is read only after the child
    /// has failed.
    errors: File,
}

impl Child {
    /// Starts a program on the cores of the calling thread.
    pub(crate) fn start(program: &Path, args: &[impl AsRef<OsStr>]) -> anyhow::Result<Self> {
        Self::start_in(program, args, None)
    }

    /// Starts a program whose temporary files are in this directory, which is removed if this process is killed.
    pub(crate) fn start_in(
        program: &Path,
        args: &[impl AsRef<OsStr>],
        directory: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let name = program.file_name().unwrap_or(program.as_os_str());
        let name = name.to_string_lossy().into_owned();
        let errors = tempfile::tempfile().context("cannot create a file for standard error")?;
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(errors.try_clone()?).kill_on_drop(true);
        if let Some(directory) = directory {
            command.env("TMPDIR", directory);
        }
        // In its own process group, so that Ctrl-C reaches only this process, which then ends its children.
        #[cfg(unix)]
        command.process_group(0);
        let failed = || format!("cannot start {name}");
        let mut child = command.spawn().with_context(failed)?;
        // Without a watchdog, the child outlives this process only if this process is killed.
        let watchdog = child.id().and_then(|pid| Watchdog::over(pid, directory).ok());
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().with_context(failed)?).lines();
        Ok(Self { name, _watchdog: watchdog, child, input, output, errors })
    }

    /// Its process, or `None` after it has ended.
    pub(crate) fn process(&self) -> Option<Process> {
        self.child.id().map(Process::new)
    }

    /// The next line of its output. Cancel safe.
    ///
    /// # Errors
    /// Fails if the child has ended. `before` completes the sentence "NAME ended before …".
    pub(crate) async fn line(&mut self, before: &str) -> anyhow::Result<String> {
        match self.output.next_line().await {
            Ok(Some(line)) => Ok(line),
            Ok(None) => Err(self.ended(before).await),
            Err(source) => Err(self.broken_pipe(&source)),
        }
    }

    /// Writes a line to its input.
    ///
    /// # Errors
    /// Fails if the child has ended.
    pub(crate) async fn write(&mut self, line: &str) -> anyhow::Result<()> {
        let written = match &mut self.input {
            Some(input) => input.write_all(format!("{line}\n").as_bytes()).await,
            None => Err(ErrorKind::BrokenPipe.into()),
        };
        match written {
            // The child has ended. The error contains its output.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                Err(self.ended("it read a command").await)
            }
            written => written.map_err(|source| self.broken_pipe(&source)),
        }
    }

    /// Closes its input and waits until it exits. Kills it after [`END`].
    ///
    /// # Errors
    /// Fails if the child exits with a failure.
    pub(crate) async fn finish(mut self) -> anyhow::Result<()> {
        self.input = None;
        match timeout(END, self.child.wait()).await {
            Ok(Ok(status)) if !status.success() => Err(self.ended("it was done").await),
            Ok(Err(source)) => Err(self.broken_pipe(&source)),
            // A child that does not end has still done its work. It is killed.
            Ok(Ok(_)) | Err(_) => Ok(()),
        }
    }

    /// Sends SIGTERM and waits until the child exits.
    ///
    /// # Errors
    /// Fails if it exits with a failure, or not within [`END`], after which it is killed.
    pub(crate) async fn terminate(mut self) -> anyhow::Result<()> {
        #[cfg(unix)]
        if let Some(pid) = self.child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())) {
            // Fails if it has ended.
            let _ = kill_process(pid, Signal::TERM);
        }
        match timeout(END, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(self.error(format_args!(" stopped with a failure ({status})"))),
            Ok(Err(source)) => Err(self.broken_pipe(&source)),
            Err(_) => Err(self.error(format_args!(" did not stop within {} s", END.as_secs()))),
        }
    }

    /// An error about the end of the child, or `None` if it is still running after this time.
    pub(crate) async fn has_ended(
        &mut self,
        before: &str,
        within: Duration,
    ) -> Option<anyhow::Error> {
        timeout(within, self.child.wait()).await.ok()?.ok()?;
        Some(self.ended(before).await)
    }

    /// Kills the child and its descendants, and waits until the child has ended.
    pub(crate) async fn stop(mut self) {
        self.kill_group();
        let _ = self.child.kill().await;
    }

    /// Kills the descendants that are in the child's process group, unless the child has been waited for.
    fn kill_group(&self) {
        #[cfg(target_os = "linux")]
        if let Some(pid) = self.child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())) {
            // Fails if all have ended.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }

    /// An error with the name of the child, the problem, which begins with a space or a colon, and its standard error.
    pub(crate) fn error(&self, problem: impl Display) -> anyhow::Error {
        let mut text = Vec::new();
        // An output that cannot be read is left out.
        let _ = (&self.errors).rewind().and_then(|()| (&self.errors).read_to_end(&mut text));
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
        let reported: String = last.iter().map(|line| format!("\n  {line}")).collect();
        anyhow!("{}{problem}{reported}", self.name)
    }

    /// Waits for its end, and kills it if that takes too long.
    async fn ended(&mut self, before: &str) -> anyhow::Error {
        let status = match timeout(END, self.child.wait()).await {
            Ok(status) => status,
            Err(_) => self.child.kill().await.and(self.child.wait().await),
        };
        match status {
            Ok(status) => self.error(format_args!(" ended before {before} ({status})")),
            Err(source) => self.broken_pipe(&source),
        }
    }

    fn broken_pipe(&self, source: &std::io::Error) -> anyhow::Error {
        self.error(format_args!(": a pipe failed: {source}"))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill_group();
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Child {
        Child::start(Path::new("sh"), &["-c", script]).unwrap()
    }

    #[tokio::test]
    async fn lines_go_both_ways() {
        let mut child = shell("echo one; read word; echo $word two; read more || exit 0");
        assert_eq!(child.line("a line").await.unwrap(), "one");
        child.write("go").await.unwrap();
        assert_eq!(child.line("a line").await.unwrap(), "go two");
        child.finish().await.unwrap();
    }

    #[tokio::test]
    async fn a_child_that_ends_too_early_is_reported_with_its_last_lines() {
        let mut child = shell("seq 30 >&2; echo no route >&2; exit 3");
        let error = child.line("it was ready").await.unwrap_err().to_string();
        assert!(error.starts_with("sh ended before it was ready"), "{error}");
        assert!(error.ends_with("\n  29\n  30\n  no route") && error.contains('3'), "{error}");
        assert_eq!(error.lines().count(), 1 + LAST_LINES);
    }

    #[tokio::test]
    async fn a_child_is_told_to_stop_and_must_exit_without_a_failure() {
        let ready = async |script: &str| {
            let mut child = shell(script);
            assert_eq!(child.line("a line").await.unwrap(), "ready");
            child
        };
        let polite = "trap 'exit 0' TERM; echo ready; while :; do read word || exit 1; done";
        ready(polite).await.terminate().await.unwrap();
        let failing = polite.replace("exit 0", "exit 3");
        let error = ready(&failing).await.terminate().await.unwrap_err().to_string();
        assert!(error.contains("stopped with a failure") && error.contains('3'), "{error}");
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn descendants_end_with_the_child() {
        // The output ends when the last process that holds it has ended.
        let mut child = shell("sleep 600 & echo $!; wait");
        let pid: u32 = child.line("a line").await.unwrap().parse().unwrap();
        let descendant = Process::new(pid);
        assert!(descendant.cpu_ns().is_some());
        child.kill_group();
        let error = child.line("the end").await.unwrap_err().to_string();
        assert!(error.contains("ended before the end"), "{error}");
    }

    #[tokio::test]
    async fn a_child_that_fails_at_the_end_is_reported() {
        let mut child = shell("echo ready; read word; echo lost two >&2; exit 1");
        child.line("it was ready").await.unwrap();
        let error = child.finish().await.unwrap_err().to_string();
        assert!(error.contains("lost two"), "{error}");
    }
}
