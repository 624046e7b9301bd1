//! One timer a connection, for whatever it waits for.
//!
//! What a connection waits for changes with each request and answer, and is nearly always over before its
//! time. So a timer is not moved where what is waited for now ends later than what was waited for before:
//! it fires too early then, and is set anew. Many that are due at about the same time fire together.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::time::DelayQueue;
use tokio_util::time::delay_queue::Key;

/// The timers of a lane.
pub(super) struct Timers {
    queue: DelayQueue<usize>,
    start: Instant,
    /// Taken once a turn.
    now: Instant,
}

/// The timer of one connection.
#[derive(Debug)]
pub(super) struct Timer {
    key: Key,
    /// When what is waited for is over, and when the timer fires: in milliseconds since the lane began.
    due: u64,
    fires: u64,
}

/// How late a timer may be, as a part of its time.
const SLACK: u32 = 100;

impl Timers {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self { queue: DelayQueue::new(), start: now, now }
    }

    /// A new turn begins.
    pub(super) fn look_at_the_clock(&mut self) {
        self.now = Instant::now();
    }

    /// A timer for this connection.
    pub(super) fn start(&mut self, connection: usize, patience: Duration) -> Timer {
        let due = self.due(patience);
        Timer { key: self.queue.insert_at(connection, self.at(due)), due, fires: due }
    }

    /// From now on the connection waits for something else.
    pub(super) fn restart(&mut self, timer: &mut Timer, patience: Duration) {
        timer.due = self.due(patience);
        if timer.due < timer.fires {
            timer.fires = timer.due;
            self.queue.reset_at(&timer.key, self.at(timer.due));
        }
    }

    pub(super) fn stop(&mut self, timer: &Timer) {
        self.queue.try_remove(&timer.key);
    }

    /// The next connection whose timer has fired. What becomes of it is for [`is_due`](Self::is_due).
    pub(super) fn poll_fired(&mut self, context: &mut Context<'_>) -> Poll<usize> {
        match ready!(self.queue.poll_expired(context)) {
            Some(fired) => Poll::Ready(fired.into_inner()),
            None => Poll::Pending,
        }
    }

    /// Sets a timer that has fired anew, and tells whether what was waited for is over: then it waits for
    /// this long again, or for what the connection is told to wait for next.
    pub(super) fn is_due(&mut self, connection: usize, timer: &mut Timer, again: Duration) -> bool {
        let is_due = self.at(timer.due) <= Instant::now();
        if is_due {
            timer.due = self.due(again);
        }
        timer.fires = timer.due;
        timer.key = self.queue.insert_at(connection, self.at(timer.due));
        is_due
    }

    fn due(&self, patience: Duration) -> u64 {
        let step = millis(patience / SLACK).max(1);
        let exact = millis(self.now - self.start).saturating_add(millis(patience));
        exact.div_ceil(step).saturating_mul(step)
    }

    fn at(&self, due: u64) -> Instant {
        self.start + Duration::from_millis(due)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    async fn fired(timers: &mut Timers) -> usize {
        let fired = poll_fn(|context| timers.poll_fired(context)).await;
        timers.look_at_the_clock();
        fired
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_is_prolonged_ends_when_the_last_one_ends_and_not_before() {
        let mut timers = Timers::new();
        let begun = Instant::now();
        let mut timer = timers.start(7, SECOND);
        timers.restart(&mut timer, 3 * SECOND);
        let mut early = 0;
        while fired(&mut timers).await == 7 && !timers.is_due(7, &mut timer, 9 * SECOND) {
            early += 1;
        }
        assert_eq!((early, begun.elapsed().as_secs()), (1, 3));
        assert_eq!(fired(&mut timers).await, 7);
        assert!(timers.is_due(7, &mut timer, SECOND) && begun.elapsed() >= 12 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_is_cut_short_ends_at_once() {
        let mut timers = Timers::new();
        let begun = Instant::now();
        let mut timer = timers.start(7, 60 * SECOND);
        timers.restart(&mut timer, SECOND);
        fired(&mut timers).await;
        assert!(timers.is_due(7, &mut timer, SECOND) && begun.elapsed() < 2 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_are_due_at_about_the_same_time_fire_together() {
        let mut timers = Timers::new();
        let mut started = Vec::new();
        for index in 0..100 {
            tokio::time::advance(Duration::from_millis(2)).await;
            timers.look_at_the_clock();
            started.push(timers.start(index, 25 * SECOND));
        }
        fired(&mut timers).await;
        let at_once = poll_fn(|context| {
            let more = std::iter::from_fn(|| match timers.poll_fired(context) {
                Poll::Ready(fired) => Some(fired),
                Poll::Pending => None,
            });
            Poll::Ready(more.count())
        });
        assert!(at_once.await > 50);
    }
}
