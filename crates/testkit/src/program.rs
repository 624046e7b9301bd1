//! A program that a test runs, with a time limit for each wait.

use std::fmt::Display;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::process::{Child, ChildStdin, Command, ExitStatus, Output};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long a test waits for a program before it fails: 120 s. It must hold on a machine that is many times slower; an
/// event that arrives sooner is not waited for any longer.
pub const LIMIT: Duration = Duration::from_secs(120);

const BETWEEN_LOOKS: Duration = Duration::from_millis(2);

/// A program that a test runs. Dropping it kills the program.
///
/// Standard output and standard error are read as they come if they are pipes, so the program never waits for the test.
///
/// Every method that waits has the time [`LIMIT`]. After that it kills the program and panics with everything that the
/// program has written.
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
    child: Child,
    input: Option<ChildStdin>,
    output: Arc<Pipe>,
    errors: Arc<Pipe>,
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
        let input = child.stdin.take();
        let output = child.stdout.take().map_or_else(Pipe::closed, Pipe::read);
        let errors = child.stderr.take().map_or_else(Pipe::closed, Pipe::read);
        Self { child, input, output, errors }
    }

    /// Runs a program to its end with this standard input, which must be a pipe unless it is empty.
    pub fn run(command: &mut Command, input: impl Into<Vec<u8>>) -> Output {
        let mut program = Self::start(command);
        let (pipe, bytes) = (program.input.take(), input.into());
        // A program that does not read would keep the test waiting. One that has ended may have left input unread.
        thread::spawn(move || pipe.map(|mut pipe| pipe.write_all(&bytes)));
        program.finish()
    }

    /// Returns the id of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns the next line of its standard output without the end of the line. At the end of the output the line is
    /// empty.
    pub fn line(&mut self) -> String {
        let line = self.output.clone().wait_for(Written::next_line);
        line.unwrap_or_else(|| self.fail("a line of its output")).unwrap_or_default()
    }

    /// Returns the next line of its standard error, or `None` at the end.
    pub fn log_line(&mut self) -> Option<String> {
        let line = self.errors.clone().wait_for(Written::next_line);
        line.unwrap_or_else(|| self.fail("a line of its standard error"))
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

    /// Sends it a signal. Panics if it has ended and was waited for.
    #[cfg(unix)]
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("it has not been waited for");
    }

    /// Kills it, and returns how it ended. A program that has ended already is not changed.
    pub fn kill(&mut self) -> ExitStatus {
        // Fails only if it has ended already.
        let _ = self.child.kill();
        self.wait()
    }

    /// Closes its standard input and waits until it has ended and its output is complete.
    pub fn wait(&mut self) -> ExitStatus {
        self.input = None;
        let until = Instant::now() + LIMIT;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("the child of a test is waited for")
            {
                break status;
            }
            if Instant::now() > until {
                self.fail("its end");
            }
            thread::sleep(BETWEEN_LOOKS);
        };
        for pipe in [self.output.clone(), self.errors.clone()] {
            let closed = pipe.wait_for(|written| written.is_closed.then_some(()));
            closed
                .unwrap_or_else(|| self.fail("the end of its output, which another process holds"));
        }
        status
    }

    /// Waits as [`wait`](Self::wait) does, and returns how it ended and everything that it wrote.
    pub fn finish(mut self) -> Output {
        let status = self.wait();
        let [stdout, stderr] =
            [&self.output, &self.errors].map(|pipe| std::mem::take(&mut pipe.lock().bytes));
        Output { status, stdout, stderr }
    }

    /// Kills it and panics.
    fn fail(&mut self, awaited: impl Display) -> ! {
        let _ = self.child.kill();
        panic!("no {awaited} within {LIMIT:?}; it has written:\n{}", self.written());
    }
}

impl Drop for TestProgram {
    fn drop(&mut self) {
        // Both fail only if it has ended and was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Pipe {
    /// Returns the pipe of a stream that goes elsewhere.
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

    /// Waits until `look` returns a value. Returns `None` if that takes longer than [`LIMIT`].
    fn wait_for<T>(&self, mut look: impl FnMut(&mut Written) -> Option<T>) -> Option<T> {
        let until = Instant::now() + LIMIT;
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
    /// Returns the next line, or `Some(None)` at the end. Returns `None` if the next line is not complete yet.
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
