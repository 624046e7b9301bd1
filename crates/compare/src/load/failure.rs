//! Why the load ends without an outcome.

use std::fmt;

/// One line: what failed, on what, and what to do.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(line: impl fmt::Display) -> Self {
        Self(line.to_string())
    }

    /// Returns a function that turns the error of an operation into a failure.
    pub(crate) fn to<E: fmt::Display>(operation: &'static str) -> impl Fn(E) -> Self {
        move |error| Self(format!("cannot {operation}: {error}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
