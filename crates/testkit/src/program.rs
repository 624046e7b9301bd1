//! A program that a test runs, with a time limit for each wait.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::process::{Child, ChildStdin, Command, ExitStatus, Output};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tidings_watchdog::Watchdog;

/// How long a test waits for a program before it fails: 120 s. It must hold on a machine that is many times slower; an
/// event that arrives sooner is not waited for any longer.
pub const LIMIT: Duration = Duration::from_secs(120);

/// How long a test waits for the end of a comparison of servers: 10 minutes. It takes longer than any other program.
pub const COMPARE_LIMIT: Duration = Duration::from_secs(600);

const BETWEEN_LOOKS: Duration = Duration::from_millis(2);

/// A program that a test runs. Dropping it kills the program.
///
/// Standard output and standard error are read as they come if they are pipes, so the program never waits for the test.
///
/// A line of output and the end of the program are waited for until [`LIMIT`], unless the method takes another limit.
/// After that the program is killed, and the method panics with everything that the program has written.
///
/// ```
/// use std::process::{Command, Stdio};
/// use tidings_testkit::TestProgram;
///
/// let mut command = Command::new("sh");
/// command.args(["-c", "echo ready; exit 3"]).stdout(Stdio::piped());
/// let mut program = TestProgram::start(&mut command);
/// assert_eq!(program.line(), "ready");
/// assert_eq!(program.wait().code(), Some(3));
/// ```
#[derive(Debug)]
pub struct TestProgram {
    /// Kills the program if this process is killed. Otherwise the program would go on, and keep the output of this
    /// process open if it has inherited it.
    watchdog: Option<Watchdog>,
    child: Child,
    input: Option<ChildStdin>,
    output: Arc<Pipe>,
    errors: Arc<Pipe>,
    limit: Duration,
}

/// What a program has written to one of its streams.
#[derive(Debug, Default)]
struct Pipe {
    written: Mutex<Written>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Written {
    bytes: Vec<u8>,
    /// The end of the last line that was returned.
    taken: usize,
    is_closed: bool,
}

impl TestProgram {
    /// Starts a program. Panics if it cannot be started.
    pub fn start(command: &mut Command) -> Self {
        let mut child =
            command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let watchdog = Watchdog::over(child.id(), None).ok();
        let input = child.stdin.take();
        let output = child.stdout.take().map_or_else(Pipe::closed, Pipe::read);
        let errors = child.stderr.take().map_or_else(Pipe::closed, Pipe::read);
        Self { watchdog, child, input, output, errors, limit: LIMIT }
    }

    /// Runs a program to its end with this standard input, which must be a pipe unless it is empty.
    pub fn run(command: &mut Command, input: impl Into<Vec<u8>>) -> Output {
        Self::run_within(LIMIT, command, input)
    }

    /// Runs a program as [`run`](Self::run) does, and waits for its end until `limit`.
    pub fn run_within(limit: Duration, command: &mut Command, input: impl Into<Vec<u8>>) -> Output {
        let mut program = Self::start(command);
        let (pipe, bytes) = (program.input.take(), input.into());
        // A program that does not read would keep the test waiting. One that has ended may have left input unread.
        thread::spawn(move || pipe.map(|mut pipe| pipe.write_all(&bytes)));
        program.finish_within(limit)
    }

    /// Returns the id of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns the next line of its standard output without the end of the line. At the end of the output the line is
    /// empty.
    pub fn line(&mut self) -> String {
        let line = self.output.clone().wait_for(self.limit, Written::next_line);
        line.unwrap_or_else(|| self.fail(self.limit, "a line of its output")).unwrap_or_default()
    }

    /// Returns the next line of its standard error, or `None` at the end.
    pub fn log_line(&mut self) -> Option<String> {
        let line = self.errors.clone().wait_for(self.limit, Written::next_line);
        line.unwrap_or_else(|| self.fail(self.limit, "a line of its standard error"))
    }

    /// Returns everything that it has written to standard output and standard error so far.
    pub fn written(&self) -> String {
        [&self.output, &self.errors]
            .map(|pipe| String::from_utf8_lossy(&pipe.lock().bytes).into_owned())
            .concat()
    }

    /// Writes to its standard input, which must be a pipe. Meant for input that is shorter than the pipe's buffer.
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let input = self.input.as_mut().expect("standard input is an open pipe");
        input.write_all(bytes.as_ref()).expect("the program reads its input");
    }

    /// Sends it a signal. Panics if it has ended.
    #[cfg(unix)]
    pub fn signal(&mut self, signal: rustix::process::Signal) {
        // After a program was waited for, the system may give its id to another one.
        if let Some(status) = self.try_wait() {
            panic!("no signal can be sent after the end ({status}):\n{}", self.written());
        }
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("a child can be sent a signal");
    }

    /// Kills it, and returns how it ended. A program that has ended already is not changed.
    pub fn kill(&mut self) -> ExitStatus {
        // Fails only if it has ended already.
        let _ = self.child.kill();
        self.wait()
    }

    /// Closes its standard input and waits until it has ended and its output is complete.
    pub fn wait(&mut self) -> ExitStatus {
        self.wait_within(self.limit)
    }

    /// Waits as [`wait`](Self::wait) does, for the end until `limit`.
    pub fn wait_within(&mut self, limit: Duration) -> ExitStatus {
        self.input = None;
        let until = Instant::now() + limit;
        let status = loop {
            if let Some(status) = self.try_wait() {
                break status;
            }
            if Instant::now() > until {
                self.fail(limit, "its end");
            }
            thread::sleep(BETWEEN_LOOKS);
        };
        for pipe in [self.output.clone(), self.errors.clone()] {
            let closed = pipe.wait_for(self.limit, |written| written.is_closed.then_some(()));
            closed.unwrap_or_else(|| {
                self.fail(self.limit, "the end of its output, which another process holds")
            });
        }
        status
    }

    /// Returns `true` if it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.try_wait().is_some()
    }

    /// `None` if it still runs.
    fn try_wait(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().expect("the child of a test is waited for");
        if status.is_some() {
            self.watchdog = None;
        }
        status
    }

    /// Waits as [`wait`](Self::wait) does, and returns how it ended and everything that it wrote.
    pub fn finish(self) -> Output {
        let limit = self.limit;
        self.finish_within(limit)
    }

    fn finish_within(mut self, limit: Duration) -> Output {
        let status = self.wait_within(limit);
        let [stdout, stderr] =
            [&self.output, &self.errors].map(|pipe| std::mem::take(&mut pipe.lock().bytes));
        Output { status, stdout, stderr }
    }

    /// Kills it and panics.
    fn fail(&mut self, limit: Duration, awaited: &str) -> ! {
        let _ = self.child.kill();
        panic!("waited {limit:?} for {awaited}; the program has written:\n{}", self.written());
    }
}

impl Drop for TestProgram {
    fn drop(&mut self) {
        // From here on the child is waited for, and then the system may reuse its id.
        self.watchdog = None;
        // Both fail only if it has ended and was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Pipe {
    /// The pipe of a stream that goes elsewhere.
    fn closed() -> Arc<Self> {
        let pipe = Self::default();
        pipe.lock().is_closed = true;
        Arc::new(pipe)
    }

    /// Reads a stream to its end in a thread.
    fn read(mut stream: impl Read + Send + 'static) -> Arc<Self> {
        let pipe = Arc::new(Self::default());
        let filled = pipe.clone();
        thread::spawn(move || {
            let mut buffer = [0; 8192];
            loop {
                let count = match stream.read(&mut buffer) {
                    Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                    // An error is an end as well.
                    read => read.unwrap_or(0),
                };
                let mut written = filled.lock();
                written.bytes.extend_from_slice(&buffer[..count]);
                written.is_closed = count == 0;
                filled.changed.notify_all();
                if count == 0 {
                    return;
                }
            }
        });
        pipe
    }

    /// Waits until `look` returns a value. `None` if that takes longer than `limit`.
    fn wait_for<T>(
        &self,
        limit: Duration,
        mut look: impl FnMut(&mut Written) -> Option<T>,
    ) -> Option<T> {
        let until = Instant::now() + limit;
        let mut written = self.lock();
        loop {
            if let Some(found) = look(&mut written) {
                return Some(found);
            }
            let left = until.checked_duration_since(Instant::now())?;
            let waited = self.changed.wait_timeout(written, left);
            written = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Written {
    /// The next line, or `Some(None)` at the end. `None` if the next line is not complete yet.
    fn next_line(&mut self) -> Option<Option<String>> {
        let rest = &self.bytes[self.taken..];
        let length = match rest.iter().position(|&byte| byte == b'\n') {
            Some(end) => end + 1,
            None if !self.is_closed => return None,
            None if rest.is_empty() => return Some(None),
            None => rest.len(),
        };
        let line = String::from_utf8_lossy(&rest[..length]).trim_end().to_owned();
        self.taken += length;
        Some(Some(line))
    }
}

/// Connects to a server that a test has started. Each read and each write fails after [`LIMIT`]. Panics if it cannot
/// connect.
pub fn connect(address: impl ToSocketAddrs) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the server accepts");
    stream.set_read_timeout(Some(LIMIT)).expect("the limit is not zero");
    stream.set_write_timeout(Some(LIMIT)).expect("the limit is not zero");
    stream
}

#[cfg(all(test, unix))]
mod tests {
    use std::process::Stdio;

    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    #[test]
    fn lines_and_input_go_both_ways() {
        let mut program =
            TestProgram::start(&mut shell("echo one; read word; echo $word >&2; cat; exit 3"));
        assert_eq!(program.line(), "one");
        program.write("two\nthree\n");
        assert_eq!(program.log_line().as_deref(), Some("two"));
        assert_eq!(program.line(), "three");
        assert_eq!(program.wait().code(), Some(3));
        assert_eq!((program.line().as_str(), program.log_line()), ("", None));
        assert_eq!(program.written(), "one\nthree\ntwo\n");
    }

    #[test]
    fn a_program_reads_more_than_a_pipe_holds_and_writes_as_much() {
        let input = "x".repeat(1 << 20);
        assert_eq!(TestProgram::run(&mut shell("cat"), input.as_str()).stdout, input.as_bytes());
    }

    #[test]
    #[should_panic(expected = "a line of its output; the program has written:\nhalf a line")]
    fn a_line_that_does_not_come_is_a_panic_with_the_output_so_far() {
        let mut program = TestProgram::start(&mut shell("printf 'half a line'; read -r word"));
        program.output.wait_for(LIMIT, |written| (written.bytes.len() == 11).then_some(()));
        program.limit = Duration::from_millis(1);
        program.line();
    }

    #[test]
    #[should_panic(expected = "no signal can be sent after the end (exit status: 3)")]
    fn a_signal_to_a_program_that_has_ended_is_a_panic() {
        let mut program = TestProgram::start(&mut shell("exit 3"));
        program.wait();
        program.signal(rustix::process::Signal::INT);
    }

    #[test]
    #[should_panic(expected = "for its end")]
    fn a_program_that_does_not_end_is_killed() {
        let mut program = TestProgram::start(&mut shell("echo; exec sleep 600"));
        program.line();
        program.limit = Duration::from_millis(1);
        program.wait();
    }
}
