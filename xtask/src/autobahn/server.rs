//! The example `echo`, for as long as the cases run.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

/// A running server. Dropping it ends the server.
pub(super) struct Server {
    child: Child,
    address: String,
}

impl Server {
    /// Starts the example on a port that is free, and waits until it listens.
    pub(super) fn start(args: &[&str]) -> Result<Self> {
        let program = format!("examples/echo{}", std::env::consts::EXE_SUFFIX);
        let program = std::env::current_exe()?.with_file_name(program);
        let mut child = Command::new(&program)
            .arg("127.0.0.1:0")
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} does not start", program.display()))?;
        let stdout = child.stdout.take();
        let mut server = Self { child, address: String::new() };
        let mut line = String::new();
        BufReader::new(stdout.context("stdout is piped")?).read_line(&mut line)?;
        line.trim_end()
            .strip_prefix("listening on http://")
            .with_context(|| format!("expected an address, and the example wrote {line:?}"))?
            .clone_into(&mut server.address);
        Ok(server)
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
