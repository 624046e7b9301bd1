//! The program as a child, asked over plain sockets, with everything that it writes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// Generous: a machine that runs the tests may be busy.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// `tidings serve` with a broker. It is ended when this is dropped.
pub(crate) struct Program {
    child: Child,
    pub(crate) address: SocketAddr,
    errors: Receiver<String>,
    /// All that was written so far.
    pub(crate) written: String,
}

/// The status, and everything after it.
pub(crate) type Answer = (u16, String);

/// The command, with `RUST_LOG` as it is set here.
pub(crate) fn serve(broker: &str, flags: &[&str], log: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--broker", broker]).args(flags);
    command.env("RUST_LOG", log).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

impl Program {
    /// Starts it, and reads the address that it prints.
    pub(crate) fn start(broker: &str, flags: &[&str], log: &str) -> Self {
        let mut child = serve(broker, flags, log).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let mut err = BufReader::new(child.stderr.take().unwrap());
        let Some(address) = line.trim().strip_prefix("listening on http://") else {
            let mut rest = String::new();
            err.read_to_string(&mut rest).unwrap();
            panic!("it does not listen: {line} {rest}");
        };
        let address = address.parse().unwrap();
        let (sender, errors) = sync_channel(1_024);
        thread::spawn(move || {
            for line in err.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, address, errors, written: line }
    }

    /// Waits for a line of the log that contains this.
    pub(crate) fn logs(&mut self, wanted: &str) -> String {
        let until = Instant::now() + SOON;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.errors.recv_timeout(left) {
                Ok(line) => {
                    self.written += &format!("{line}\n");
                    if line.contains(wanted) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("no line has {wanted:?}: {}", self.written)
                }
            }
        }
    }

    /// Waits for its end; everything that it wrote is then in `written`.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let status = self.child.wait().unwrap();
        self.written.extend(self.errors.iter().flat_map(|line| [line, "\n".to_owned()]));
        status
    }

    /// Ends it, and returns everything that it wrote.
    pub(crate) fn end(mut self) -> String {
        self.child.kill().unwrap();
        self.ended();
        std::mem::take(&mut self.written)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"))
    }

    pub(crate) fn publish(&self, topic: &str, payload: &str) -> Answer {
        self.ask(&format!(
            "POST /topics/{topic} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{payload}",
            payload.len()
        ))
    }

    /// Asks again until the answer has this status.
    pub(crate) fn publishes(&self, topic: &str) -> Duration {
        let began = Instant::now();
        loop {
            let answer = self.publish(topic, "hello");
            if answer.0 == 200 {
                return began.elapsed();
            }
            assert!(began.elapsed() < SOON, "not published: {answer:?}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn ask(&self, request: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.unwrap_or_else(|| panic!("no status: {text:?}")), text)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
