//! The parent process: commands on standard input, outcomes on standard output.

use std::io::{self, Write};

use rustix::io::Errno;
use serde::Serialize;

use super::failure::Failure;

/// What has been read from standard input.
#[derive(Debug, Default)]
pub(crate) struct Control {
    input: Vec<u8>,
    has_ended: bool,
}

impl Control {
    /// Reads once. Call this when standard input is readable.
    pub(crate) fn read(&mut self) -> Result<(), Failure> {
        let mut buffer = [0; 4096];
        match rustix::io::read(rustix::stdio::stdin(), &mut buffer) {
            Ok(0) => self.has_ended = true,
            Ok(length) => self.input.extend_from_slice(&buffer[..length]),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(error) => return Err(Failure::to("read standard input")(error)),
        }
        Ok(())
    }

    /// Takes the next line if it is complete.
    pub(crate) fn take_line(&mut self) -> Option<Vec<u8>> {
        let end = self.input.iter().position(|&byte| byte == b'\n')?;
        let rest = self.input.split_off(end + 1);
        Some(std::mem::replace(&mut self.input, rest))
    }

    /// Returns `true` if the parent has closed standard input.
    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended
    }
}

/// Writes one line of JSON for the parent.
pub(crate) fn write(outcome: &impl Serialize) -> Result<(), Failure> {
    let line = serde_json::to_string(outcome).map_err(Failure::to("write the outcome"))?;
    let mut stdout = io::stdout();
    writeln!(stdout, "{line}")
        .and_then(|()| stdout.flush())
        .map_err(Failure::to("write to standard output"))
}
