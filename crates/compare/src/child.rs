//! A child process that is talked with line by line, on the cores that are meant for it.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use thiserror::Error;
use tidings_watchdog::Watchdog;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader, Lines};
use tokio::process::{ChildStdin, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::pin::{Cores, Place};
use crate::proc::Process;

/// How many of its last lines are kept for the error.
const LAST_LINES: usize = 20;

/// How long a child may take to end once its input has.
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
    said: LastLines,
    errors: JoinHandle<()>,
}

/// A child did not do its part.
#[derive(Debug, Error)]
pub enum ChildError {
    /// It could not be started.
    #[error("{} could not be started", .program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// It ended too early.
    #[error("{} ended before {before} ({status}){said}", name(.program))]
    Ended {
        /// The program.
        program: PathBuf,
        /// What should have come first.
        before: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// Its last words on standard error.
        said: String,
    },
    /// It said nothing in time.
    #[error("{}: {} s passed before {before}{said}", name(.program), .after.as_secs())]
    Silent {
        /// The program.
        program: PathBuf,
        /// What should have come.
        before: &'static str,
        /// How long it had.
        after: Duration,
        /// Its last words on standard error.
        said: String,
    },
    /// It said something else than it should.
    #[error("{} said {line:?}, which is no {expected}", name(.program))]
    Said {
        /// The program.
        program: PathBuf,
        /// What it said.
        line: String,
        /// What it should have been.
        expected: &'static str,
    },
    /// It could not be talked with.
    #[error("{} could not be talked with", name(.program))]
    Talk {
        /// The program.
        program: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}

fn name(program: &Path) -> String {
    program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned()
}

impl Child {
    /// Starts a program on the cores of that place.
    pub(crate) async fn start(
        program: &Path,
        args: &[String],
        cores: &Cores,
        place: Place,
    ) -> Result<Self, ChildError> {
        let broken = |source| ChildError::Start { program: program.to_owned(), source };
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.kill_on_drop(true);
        // Ctrl-C is for this process alone, which then ends its children.
        #[cfg(unix)]
        command.process_group(0);
        let spawned = start_on(async move || command.spawn(), cores.clone(), place).await;
        let mut child = spawned.and_then(|spawned| spawned).map_err(broken)?;
        // Without a shell to watch, only a parent that is killed leaves its child alone.
        let watchdog = child.id().and_then(|pid| Watchdog::over(pid, None).ok());

        let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(broken(std::io::Error::other("it has no standard output")));
        };
        let said = LastLines::default();
        let errors = tokio::spawn(said.clone().read(BufReader::new(err).lines()));
        let input = child.stdin.take();
        let (tell, output) = mpsc::channel(LAST_LINES);
        tokio::spawn(pass_on(BufReader::new(out).lines(), tell));
        Ok(Self {
            program: program.to_owned(),
            _watchdog: watchdog,
            child,
            input,
            output,
            said,
            errors,
        })
    }

    /// Its process, until it has ended.
    pub(crate) fn process(&self) -> Option<Process> {
        self.child.id().map(Process::new)
    }

    /// The next line it says. `before` is what the line is waited for, and ends a sentence that begins
    /// with "it ended before". Cancel safe: a line is taken whole or not at all.
    pub(crate) async fn line(
        &mut self,
        before: &'static str,
        patience: Duration,
    ) -> Result<String, ChildError> {
        match tokio::time::timeout(patience, self.output.recv()).await {
            Ok(Some(line)) => Ok(line),
            Ok(None) => Err(self.ended(before).await),
            Err(_) => Err(ChildError::Silent {
                program: self.program.clone(),
                before,
                after: patience,
                said: self.said.text(),
            }),
        }
    }

    /// Tells it a line.
    pub(crate) async fn tell(&mut self, word: &'static str) -> Result<(), ChildError> {
        let told = match &mut self.input {
            Some(input) => input.write_all(format!("{word}\n").as_bytes()).await,
            None => Err(std::io::ErrorKind::BrokenPipe.into()),
        };
        match told {
            Ok(()) => Ok(()),
            // It has ended, and why is in its own words.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                Err(self.ended("it could be told to go on").await)
            }
            Err(source) => Err(self.talk(source)),
        }
    }

    /// Says that a line is none of those that were expected.
    pub(crate) fn misunderstood(&self, line: String, expected: &'static str) -> ChildError {
        ChildError::Said { program: self.program.clone(), line, expected }
    }

    /// Ends its input and waits until it has ended too. It must not have ended by itself before, and
    /// has to end well.
    pub(crate) async fn dismiss(mut self) -> Result<(), ChildError> {
        if let Some(ended) = self.has_ended("it was dismissed", Duration::ZERO).await {
            return Err(ended);
        }
        self.input = None;
        match tokio::time::timeout(END, self.child.wait()).await {
            Ok(Ok(status)) if !status.success() => Err(self.ended("it was done").await),
            Ok(Err(source)) => Err(self.talk(source)),
            Ok(Ok(_)) => Ok(()),
            Err(_) => {
                self.stop().await;
                Ok(())
            }
        }
    }

    /// How it has ended by itself, where it has or does within that time.
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

    /// Forgets what it says from now on, and reads it still: a child that says much would stand still
    /// at a full pipe.
    pub(crate) fn listen_no_more(&mut self) {
        self.output.close();
    }

    async fn ended(&mut self, before: &'static str) -> ChildError {
        // It may have closed its output and live on; then it is of no use either.
        let status = match tokio::time::timeout(END, self.child.wait()).await {
            Ok(status) => status,
            Err(_) => self.child.kill().await.and(self.child.wait().await),
        };
        match status {
            Ok(status) => {
                // One that it started itself may hold the pipe open for long.
                let _ = tokio::time::timeout(END, &mut self.errors).await;
                let (program, said) = (self.program.clone(), self.said.text());
                ChildError::Ended { program, before, status, said }
            }
            Err(source) => self.talk(source),
        }
    }

    fn talk(&self, source: std::io::Error) -> ChildError {
        ChildError::Talk { program: self.program.clone(), source }
    }
}

/// Starts a child on its cores: it inherits those of the thread that starts it, so that not one of its own
/// threads is ever elsewhere. So `start` runs on a thread of its own.
pub(crate) async fn start_on<T: Send + 'static>(
    start: impl AsyncFnOnce() -> T + Send + 'static,
    cores: Cores,
    place: Place,
) -> std::io::Result<T> {
    let runtime = tokio::runtime::Handle::current();
    let (done, started) = tokio::sync::oneshot::channel();
    std::thread::Builder::new().name("child-start".into()).spawn(move || {
        cores.enter(place);
        let _ = done.send(runtime.block_on(start()));
    })?;
    started.await.map_err(std::io::Error::other)
}

/// Passes its lines on for as long as they are wanted, and reads on behind that.
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
        let args = ["-c".to_owned(), script.to_owned()];
        Child::start(Path::new("sh"), &args, &Cores::default(), Place::Load).await.unwrap()
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn what_is_started_is_on_its_core_from_the_beginning() {
        let cores = Cores::part(true);
        let Some(core) = cores.hub else { return };
        let allowed = async || std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let status = start_on(allowed, cores, Place::Hub).await.unwrap();
        assert!(status.contains(&format!("Cpus_allowed_list:\t{core}\n")), "{status}");
    }

    #[tokio::test]
    async fn it_hears_and_is_heard_line_by_line() {
        let mut child = shell("echo one; read word; echo $word two; read more || exit 0").await;
        assert_eq!(child.line("a line", PATIENCE).await.unwrap(), "one");
        child.tell("go").await.unwrap();
        assert_eq!(child.line("a line", PATIENCE).await.unwrap(), "go two");
        child.dismiss().await.unwrap();
    }

    #[tokio::test]
    async fn one_that_ends_too_early_is_told_with_its_own_words() {
        let mut child = shell("echo no route >&2; exit 3").await;
        let error = child.line("it was ready", PATIENCE).await.unwrap_err().to_string();
        assert!(error.starts_with("sh ended before it was ready"), "{error}");
        assert!(error.contains("no route") && error.contains('3'), "{error}");
    }

    #[tokio::test]
    async fn one_that_ends_badly_when_it_is_dismissed_is_told() {
        let mut child = shell("echo ready; read word; echo lost two >&2; exit 1").await;
        child.line("it was ready", PATIENCE).await.unwrap();
        let error = child.dismiss().await.unwrap_err().to_string();
        assert!(error.contains("lost two"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_says_nothing_is_not_waited_for_for_ever() {
        let mut child = shell("exec sleep 600").await;
        let error = child.line("it was ready", PATIENCE).await.unwrap_err();
        assert_eq!(error.to_string(), "sh: 10 s passed before it was ready");
    }

    #[tokio::test]
    async fn one_that_says_much_to_nobody_does_not_stand_still() {
        let mut child = shell("i=0; while [ $i -lt 9999 ]; do echo much; i=$((i+1)); done").await;
        child.listen_no_more();
        assert!(child.child.wait().await.unwrap().success());
    }
}
