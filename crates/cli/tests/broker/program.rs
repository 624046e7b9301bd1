//! The program as a child process, with requests over plain sockets and everything that it logs.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tidings_testkit::{TestProgram, connect};

/// Far longer than anything takes, because the machine that runs the tests may be busy.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// `tidings serve` with a broker. Dropping it kills the process.
pub(crate) struct Program {
    program: TestProgram,
    pub(crate) address: SocketAddr,
}

/// The status code, and the whole response.
pub(crate) type Answer = (u16, String);

/// `log` is its `RUST_LOG`.
pub(crate) fn serve(broker: &str, flags: &[&str], log: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--broker", broker]).args(flags);
    command.env("RUST_LOG", log).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

impl Program {
    /// Starts the program and reads the address that it prints.
    pub(crate) fn start(broker: &str, flags: &[&str], log: &str) -> Self {
        let mut program = TestProgram::start(&mut serve(broker, flags, log));
        let line = program.line();
        let Some(address) = line.strip_prefix("listening on http://") else {
            program.kill();
            panic!("the program does not listen: {}", program.written());
        };
        let address = address.parse().unwrap();
        Self { program, address }
    }

    /// Waits for a line of the log that contains this text.
    pub(crate) fn logs(&mut self, wanted: &str) -> String {
        let until = Instant::now() + SOON;
        loop {
            match self.program.log_line() {
                Some(line) if line.contains(wanted) => return line,
                Some(_) if Instant::now() < until => {}
                _ => panic!("no line contains {wanted:?}: {}", self.program.written()),
            }
        }
    }

    /// Kills the process and returns everything that it wrote.
    pub(crate) fn end(mut self) -> String {
        self.program.kill();
        self.program.written()
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.request(&format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"))
    }

    pub(crate) fn publish(&self, topic: &str, payload: &str) -> Answer {
        self.request(&format!(
            "POST /topics/{topic} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{payload}",
            payload.len()
        ))
    }

    /// Publishes until an attempt succeeds, and returns the time that it took.
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

    fn request(&self, request: &str) -> Answer {
        let mut stream = connect(self.address);
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.unwrap_or_else(|| panic!("no status: {text:?}")), text)
    }
}
