//! Log lines for events that can happen thousands of times a second. Many events are one line with their number.

use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;

/// Counts events of one kind until they are logged. All clones share the count.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    events: Mutex<Events>,
    first: Notify,
}

#[derive(Debug, Default)]
struct Events {
    count: u64,
    last: String,
}

/// How long to collect events after the first one, so that events that happen together are one line.
const COLLECT: Duration = Duration::from_secs(1);

/// The least time between two lines.
const PERIOD: Duration = Duration::from_secs(10);

impl Tally {
    /// Counts an event. Only the latest detail is kept.
    pub(crate) fn add(&self, detail: impl Display) {
        let mut events = self.0.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.count += 1;
        events.last = detail.to_string();
        drop(events);
        self.0.first.notify_one();
    }

    /// Calls `log` with the number of new events and the latest detail, at most once in ten seconds. Never
    /// returns.
    pub(crate) async fn log_each_period(&self, log: impl Fn(u64, &str)) {
        loop {
            self.0.first.notified().await;
            sleep(COLLECT).await;
            self.log(&log);
            sleep(PERIOD - COLLECT).await;
        }
    }

    /// Calls `log` with the events since the last call, if there are any.
    pub(crate) fn log(&self, log: impl Fn(u64, &str)) {
        let mut events = self.0.events.lock().unwrap_or_else(PoisonError::into_inner);
        let Events { count, last } = std::mem::take(&mut *events);
        drop(events);
        if count > 0 {
            log(count, &last);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use tokio::time::timeout;

    #[tokio::test(start_paused = true)]
    async fn many_events_are_one_line_in_each_period_and_all_are_counted() {
        let (tally, lines) = (Tally::default(), RefCell::new(Vec::new()));
        let log = |count: u64, last: &str| lines.borrow_mut().push((count, last.to_owned()));
        let events = async {
            for number in 0..1000 {
                tally.add(number);
                sleep(Duration::from_millis(25)).await;
            }
        };
        tokio::select! {
            () = events => {}
            () = tally.log_each_period(log) => {}
        }
        assert_eq!(lines.borrow().len(), 3, "25 s: {lines:?}");
        tally.log(log);
        assert_eq!(lines.borrow().iter().map(|(count, _)| count).sum::<u64>(), 1000);
        assert_eq!(lines.borrow().last().unwrap().1, "999");
        tally.log(log);
        assert_eq!(lines.borrow().len(), 4, "nothing new is no line");
    }

    #[tokio::test(start_paused = true)]
    async fn a_single_event_is_logged_soon() {
        let (tally, lines) = (Tally::default(), RefCell::new(Vec::new()));
        tally.add("too many open files");
        let logging =
            tally.log_each_period(|count, last| lines.borrow_mut().push((count, last.to_owned())));
        assert!(timeout(Duration::from_secs(2), logging).await.is_err());
        assert_eq!(*lines.borrow(), [(1, "too many open files".to_owned())]);
    }
}
