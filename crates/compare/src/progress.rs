//! How far a run is, on the terminal.

use std::cell::Cell;
use std::io::{IsTerminal, Write};
use std::time::Instant;

/// A line on standard error that is written anew with each step. It is empty if standard error is not a terminal.
#[derive(Debug)]
pub struct Progress {
    is_shown: bool,
    began: Instant,
    done: Cell<usize>,
    all: Cell<usize>,
}

impl Progress {
    /// Shows the progress if standard error is a terminal.
    pub fn terminal() -> Self {
        let is_shown = std::io::stderr().is_terminal();
        Self { is_shown, began: Instant::now(), done: Cell::new(0), all: Cell::new(0) }
    }

    pub(crate) fn start(&self, steps: usize) {
        self.all.set(steps);
    }

    pub(crate) fn show(&self, contender: &str, stage: &str, round: usize, rounds: usize) {
        let (done, all, time) = (self.done.get(), self.all.get(), self.began.elapsed().as_secs());
        self.write(&format!(
            "{time:>3} s  {done} of {all}  {contender} · from {stage} on · round {round} of {rounds}"
        ));
    }

    pub(crate) fn step(&self) {
        self.done.set(self.done.get() + 1);
    }

    /// Replaces the line. A terminal that is gone has nobody to show it to.
    fn write(&self, line: &str) {
        if self.is_shown {
            let mut stderr = std::io::stderr();
            let _ = write!(stderr, "\r\x1b[2K{line}").and_then(|()| stderr.flush());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.write("");
    }
}
