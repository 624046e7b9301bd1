//! Records what happened in one schedule: counts, a trace, and the first failure.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

/// The record, shared by all parts of the schedule.
#[derive(Clone, Debug)]
pub(crate) struct Record(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    begun: Instant,
    outcome: Outcome,
    is_traced: bool,
}

/// The result of a schedule.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    /// The first check that failed.
    pub(crate) failure: Option<String>,
    pub(crate) counts: BTreeMap<&'static str, u64>,
    /// All that happened, if the schedule is traced.
    pub(crate) trace: Vec<String>,
}

impl Record {
    pub(crate) fn new(is_traced: bool) -> Self {
        let (begun, outcome) = (Instant::now(), Outcome::default());
        Self(Arc::new(Mutex::new(Inner { begun, outcome, is_traced })))
    }

    pub(crate) fn count(&self, what: &'static str) {
        *self.inner().outcome.counts.entry(what).or_default() += 1;
    }

    /// Adds a line to the trace. Calls `text` only if the schedule is traced.
    pub(crate) fn note(&self, text: impl FnOnce() -> String) {
        let mut inner = self.inner();
        if inner.is_traced {
            let line = format!("{:>6} ms  {}", inner.begun.elapsed().as_millis(), text());
            inner.outcome.trace.push(line);
        }
    }

    pub(crate) fn fail(&self, text: String) {
        self.note(|| format!("FAILED: {text}"));
        self.inner().outcome.failure.get_or_insert(text);
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.inner().outcome.failure.is_some()
    }

    pub(crate) fn outcome(&self) -> Outcome {
        self.inner().outcome.clone()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
