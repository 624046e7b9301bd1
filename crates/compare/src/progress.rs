//! How far it is, for whoever waits.

use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;

/// A bar on standard error; nothing where that is no terminal.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
}

/// Steps of one contender in one round: connect, three regimes.
pub(crate) const STEPS: usize = 4;

impl Progress {
    /// A bar where standard error is a terminal.
    pub fn terminal() -> Self {
        Self { bar: ProgressBar::no_length() }
    }

    /// Nothing at all.
    pub fn hidden() -> Self {
        Self { bar: ProgressBar::hidden() }
    }

    pub(crate) fn start(&self, steps: usize) {
        let style = ProgressStyle::with_template("{elapsed:>4} {wide_bar:.cyan/dim} {msg}");
        self.bar.set_style(style.expect("the template is well formed").progress_chars("━╸─"));
        self.bar.set_length(steps as u64);
        self.bar.enable_steady_tick(Duration::from_millis(250));
    }

    pub(crate) fn say(&self, transport: &str, round: usize, rounds: usize, step: &str) {
        self.bar.set_message(format!("{transport} · {step} · round {round} of {rounds}"));
    }

    /// Says something that stays, above the bar.
    pub(crate) fn note(&self, text: &str) {
        self.bar.println(text);
    }

    /// One contender is not measured in this round.
    pub(crate) fn skip(&self) {
        self.bar.inc(STEPS as u64);
    }

    pub(crate) fn step(&self) {
        self.bar.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
