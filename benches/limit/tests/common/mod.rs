//! A `tidings-limit` to talk to.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// The program on a port of its own, ended when the test is.
pub(crate) struct Limit {
    child: Child,
    pub(crate) address: String,
}

impl Limit {
    /// Starts it, and waits until it listens.
    pub(crate) fn start(options: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tidings-limit"))
            .args(["--listen", "127.0.0.1:0"])
            .args(options)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stdout = child.stdout.take().expect("stdout is piped");
        let mut limit = Self { child, address: String::new() };
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).expect("it says where it listens");
        limit.address = line
            .strip_prefix("listening on http://")
            .and_then(|rest| rest.strip_suffix('\n'))
            .expect("the line is as promised")
            .to_owned();
        limit
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
