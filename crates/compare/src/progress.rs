//! The progress of a run, on the terminal.

use std::fmt;
use std::io::{IsTerminal, Write};
use std::time::Instant;

/// A line on standard error that each step overwrites. Nothing is written if standard error is not a terminal.
#[derive(Debug)]
pub struct Progress {
    is_shown: bool,
    began: Instant,
}

impl Progress {
    /// Shows the progress if standard error is a terminal.
    pub fn terminal() -> Self {
        Self { is_shown: std::io::stderr().is_terminal(), began: Instant::now() }
    }

    /// Shows the number of finished steps, the number of all steps, and the current step.
    pub(crate) fn show(&self, done: usize, all: usize, step: fmt::Arguments<'_>) {
        let seconds = self.began.elapsed().as_secs();
        self.write(format_args!("{seconds:>3} s  {done} of {all}  {step}"));
    }

    /// Replaces the line. Errors are ignored, because a closed terminal needs no progress.
    fn write(&self, line: fmt::Arguments<'_>) {
        if self.is_shown {
            let mut stderr = std::io::stderr();
            let _ = write!(stderr, "\r\x1b[2K{line}").and_then(|()| stderr.flush());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.write(format_args!(""));
    }
}
