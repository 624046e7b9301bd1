//! What happened in one schedule: how often, in which order, and whether a promise was broken.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

/// Shared by everyone in the schedule; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Book(Arc<Mutex<Pages>>);

#[derive(Debug)]
struct Pages {
    begun: Instant,
    outcome: Outcome,
    is_traced: bool,
}

/// What a schedule came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    /// The first promise that was broken.
    pub(crate) failure: Option<String>,
    pub(crate) counts: BTreeMap<&'static str, u64>,
    /// Everything that happened, where that was asked for.
    pub(crate) trace: Vec<String>,
}

impl Book {
    pub(crate) fn new(is_traced: bool) -> Self {
        let (begun, outcome) = (Instant::now(), Outcome::default());
        Self(Arc::new(Mutex::new(Pages { begun, outcome, is_traced })))
    }

    pub(crate) fn count(&self, what: &'static str) {
        *self.pages().outcome.counts.entry(what).or_default() += 1;
    }

    /// The text is made only where somebody will read it.
    pub(crate) fn note(&self, text: impl FnOnce() -> String) {
        let mut pages = self.pages();
        if pages.is_traced {
            let line = format!("{:>6} ms  {}", pages.begun.elapsed().as_millis(), text());
            pages.outcome.trace.push(line);
        }
    }

    pub(crate) fn fail(&self, text: String) {
        self.note(|| format!("BROKEN: {text}"));
        self.pages().outcome.failure.get_or_insert(text);
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.pages().outcome.failure.is_some()
    }

    pub(crate) fn outcome(&self) -> Outcome {
        self.pages().outcome.clone()
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
