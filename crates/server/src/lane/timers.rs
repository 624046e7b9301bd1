//! One timer for each connection.
//!
//! What a connection waits for changes with each request and answer, and is nearly always over before its time. So a
//! timer is not moved if the new wait ends later than the last one: it fires too early then, and is set anew. And it
//! need not be exact. Timers that are due at about the same time share one moment, so that a timer is a place in a
//! list, and ten thousand heartbeats are a hundred wake-ups.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// The timers of a lane, by the keys of its connections.
pub(super) struct Timers {
    timers: Vec<Option<Timer>>,
    /// Whose timer fires when.
    moments: BTreeMap<Moment, Vec<usize>>,
    /// The connections of the moment that has come last, less those that were returned.
    fired: Vec<usize>,
    fired_at: Moment,
    /// No first timer is set for later than this, because what follows soon often ends sooner.
    usual: Duration,
    alarm: Pin<Box<Sleep>>,
    start: Instant,
    /// Taken once a turn.
    now: Instant,
}

/// In milliseconds since the lane began.
type Moment = u64;

/// The timer of one connection.
#[derive(Clone, Copy, Debug)]
struct Timer {
    /// When the wait is over.
    due: Moment,
    /// When it fires, and its place among those that fire then.
    fires: Moment,
    place: usize,
}

/// How late a timer may be, as a part of its time.
const SLACK: u32 = 100;

impl Timers {
    /// For connections most of which wait for `usual` most of the time.
    pub(super) fn new(usual: Duration) -> Self {
        let now = Instant::now();
        Self {
            timers: Vec::new(),
            moments: BTreeMap::new(),
            fired: Vec::new(),
            fired_at: 0,
            usual,
            alarm: Box::pin(sleep_until(now)),
            start: now,
            now,
        }
    }

    /// Starts a turn at this time.
    pub(super) fn set_now(&mut self, now: Instant) {
        self.now = now;
    }

    /// Starts the timer of a new connection.
    pub(super) fn start(&mut self, key: usize, patience: Duration) {
        let due = self.due(patience);
        let fires = due.min(self.due(self.usual));
        let place = self.enter(key, fires);
        if self.timers.len() <= key {
            self.timers.resize(key + 1, None);
        }
        self.timers[key] = Some(Timer { due, fires, place });
    }

    /// From now on the connection waits for something else.
    pub(super) fn restart(&mut self, key: usize, patience: Duration) {
        let due = self.due(patience);
        let Some(timer) = self.timers.get_mut(key).and_then(Option::as_mut) else { return };
        timer.due = due;
        if due < timer.fires {
            let timer = *timer;
            self.leave(timer);
            let place = self.enter(key, due);
            self.timers[key] = Some(Timer { due, fires: due, place });
        }
    }

    /// Stops the timer of a connection that ends.
    pub(super) fn stop(&mut self, key: usize) {
        if let Some(timer) = self.timers.get_mut(key).and_then(Option::take) {
            self.leave(timer);
        }
    }

    /// Returns the next connection whose wait is over. It waits for `again` from now on, unless its timer is restarted.
    pub(super) fn poll_due(&mut self, context: &mut Context<'_>, again: Duration) -> Poll<usize> {
        loop {
            let key = std::task::ready!(self.poll_fired(context));
            let Some(timer) = self.timers.get(key).copied().flatten() else { continue };
            // The connection may be one that has the key after another whose timer was to fire.
            if timer.fires != self.fired_at {
                continue;
            }
            let is_due = timer.due <= self.fired_at;
            let due = if is_due { self.due(again) } else { timer.due };
            let place = self.enter(key, due);
            self.timers[key] = Some(Timer { due, fires: due, place });
            if is_due {
                return Poll::Ready(key);
            }
        }
    }

    fn poll_fired(&mut self, context: &mut Context<'_>) -> Poll<usize> {
        loop {
            if let Some(key) = self.fired.pop() {
                return Poll::Ready(key);
            }
            let Some((&moment, _)) = self.moments.first_key_value() else { return Poll::Pending };
            let deadline = self.at(moment);
            if self.alarm.deadline() != deadline {
                self.alarm.as_mut().reset(deadline);
            }
            std::task::ready!(self.alarm.as_mut().poll(context));
            if let Some((moment, keys)) = self.moments.pop_first() {
                (self.fired_at, self.fired) = (moment, keys);
            }
        }
    }

    fn enter(&mut self, key: usize, fires: Moment) -> usize {
        let keys = self.moments.entry(fires).or_default();
        keys.push(key);
        keys.len() - 1
    }

    /// Takes a timer out of its moment. The last one there gets its place.
    fn leave(&mut self, timer: Timer) {
        // If it has fired, it has no place any more.
        let Some(keys) = self.moments.get_mut(&timer.fires) else { return };
        keys.swap_remove(timer.place);
        if let Some(&moved) = keys.get(timer.place)
            && let Some(moved) = &mut self.timers[moved]
        {
            moved.place = timer.place;
        }
        if keys.is_empty() {
            self.moments.remove(&timer.fires);
        }
    }

    /// Never the moment that has come last: its timers have fired.
    fn due(&self, patience: Duration) -> Moment {
        let step = millis(patience / SLACK).max(1);
        let exact = millis(self.now - self.start).saturating_add(millis(patience));
        exact.div_ceil(step).saturating_mul(step).max(self.fired_at + 1)
    }

    fn at(&self, moment: Moment) -> Instant {
        // A moment that the clock does not reach is as good as far away.
        self.start.checked_add(Duration::from_millis(moment)).unwrap_or(self.now + self.usual)
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

    fn timers() -> Timers {
        Timers::new(60 * SECOND)
    }

    async fn due(timers: &mut Timers, again: Duration) -> usize {
        poll_fn(|context| {
            timers.set_now(Instant::now());
            timers.poll_due(context, again)
        })
        .await
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_is_prolonged_ends_when_the_last_one_ends_and_not_before() {
        let mut timers = timers();
        let begun = Instant::now();
        timers.start(7, SECOND);
        timers.restart(7, 3 * SECOND);
        assert_eq!(due(&mut timers, 9 * SECOND).await, 7);
        assert_eq!(begun.elapsed().as_secs(), 3);
        assert_eq!(due(&mut timers, SECOND).await, 7);
        assert!(begun.elapsed() >= 12 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_is_cut_short_ends_at_once() {
        let mut timers = timers();
        let begun = Instant::now();
        timers.start(7, 60 * SECOND);
        timers.restart(7, SECOND);
        assert_eq!(due(&mut timers, SECOND).await, 7);
        assert!(begun.elapsed() < 2 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stopped_timer_is_not_due_and_the_others_are() {
        let mut timers = timers();
        (0..4).for_each(|key| timers.start(key, SECOND));
        timers.stop(1);
        timers.restart(3, SECOND / 2);
        let mut keys = Vec::new();
        for _ in 0..3 {
            keys.push(due(&mut timers, 60 * SECOND).await);
        }
        keys.sort_unstable();
        assert_eq!(keys, [0, 2, 3]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_has_the_key_of_another_is_not_taken_for_it() {
        let mut timers = timers();
        (0..2).for_each(|key| timers.start(key, SECOND));
        let first = due(&mut timers, 60 * SECOND).await;
        let begun = Instant::now();
        timers.stop(1 - first);
        timers.start(1 - first, 5 * SECOND);
        assert_eq!(due(&mut timers, 60 * SECOND).await, 1 - first);
        assert!(begun.elapsed() >= 5 * SECOND);
        let places: usize = timers.moments.values().map(Vec::len).sum();
        assert_eq!(places, 2, "each timer has one place");
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_are_due_at_about_the_same_time_fire_together() {
        let mut timers = timers();
        for key in 0..100 {
            tokio::time::advance(Duration::from_millis(2)).await;
            timers.set_now(Instant::now());
            timers.start(key, 25 * SECOND);
        }
        due(&mut timers, 60 * SECOND).await;
        assert!(timers.fired.len() > 50);
    }
}
