//! One timer for each connection.
//!
//! A timer is restarted with each request and response, and nearly always before it expires. So a restart that ends
//! later than before does not move the timer: it fires too early and is then set to the new time. Timers also need not
//! be exact. Those that are due at about the same time share one moment, so a timer is an entry of a list, and ten
//! thousand heartbeats are a hundred wake-ups.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::short::{self, Short};

/// The timers of a lane, by the keys of its connections.
pub(super) struct Timers {
    timers: Vec<Option<Timer>>,
    /// The keys of the connections whose timers fire at each moment.
    moments: BTreeMap<Moment, Vec<u32>>,
    /// The connections of the last moment that were not returned yet.
    fired: Vec<u32>,
    fired_at: Moment,
    /// The longest time of a first timer, because the timer is soon restarted, often with a shorter time.
    usual: Duration,
    alarm: Pin<Box<Sleep>>,
    start: Instant,
    /// The time at which this turn began.
    now: Instant,
}

/// Milliseconds since the lane began.
type Moment = u64;

/// The timer of one connection.
#[derive(Clone, Copy, Debug)]
struct Timer {
    /// When the wait is over.
    due: Moment,
    /// How many milliseconds earlier the timer fires.
    early: u32,
    /// Its index in the list of the moment when it fires.
    place: Short,
}

/// A timer may be late by its time divided by this.
const SLACK: u32 = 100;

impl Timers {
    /// `usual` is how long connections wait most of the time.
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
        if self.timers.len() <= key {
            self.timers.resize(key + 1, None);
        }
        let fires = due.min(self.due(self.usual));
        self.enter(key, due, fires);
    }

    /// Restarts the timer of a connection with this time.
    pub(super) fn restart(&mut self, key: usize, patience: Duration) {
        let due = self.due(patience);
        let Some(timer) = self.timers.get_mut(key).and_then(Option::as_mut) else { return };
        if due >= timer.fires() {
            timer.set_due(due);
        } else {
            let timer = *timer;
            self.leave(timer);
            self.enter(key, due, due);
        }
    }

    /// Stops the timer of a connection that ends.
    pub(super) fn stop(&mut self, key: usize) {
        if let Some(timer) = self.timers.get_mut(key).and_then(Option::take) {
            self.leave(timer);
        }
    }

    /// The next connection whose timer has expired. The timer starts again with `again` unless it is restarted.
    pub(super) fn poll_due(&mut self, context: &mut Context<'_>, again: Duration) -> Poll<usize> {
        loop {
            let key = std::task::ready!(self.poll_fired(context));
            let Some(timer) = self.timers.get(key).copied().flatten() else { continue };
            // The key may belong to a later connection than the one whose timer fired.
            if timer.fires() != self.fired_at {
                continue;
            }
            let is_due = timer.due <= self.fired_at;
            let due = if is_due { self.due(again) } else { timer.due };
            self.enter(key, due, due);
            if is_due {
                return Poll::Ready(key);
            }
        }
    }

    fn poll_fired(&mut self, context: &mut Context<'_>) -> Poll<usize> {
        loop {
            if let Some(key) = self.fired.pop() {
                return Poll::Ready(key as usize);
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

    /// Sets the timer of a connection, which is in no list.
    fn enter(&mut self, key: usize, due: Moment, fires: Moment) {
        let keys = self.moments.entry(fires).or_default();
        let place = Short::index(keys.len());
        keys.push(short::key(key));
        let mut timer = Timer { due: fires, early: 0, place };
        timer.set_due(due);
        self.timers[key] = Some(timer);
    }

    /// Removes a timer from the list of its moment. The last one in the list gets its place.
    fn leave(&mut self, timer: Timer) {
        // A timer that has fired is in no list.
        let Some(keys) = self.moments.get_mut(&timer.fires()) else { return };
        let place = timer.place.to_index();
        keys.swap_remove(place);
        if let Some(&moved) = keys.get(place)
            && let Some(moved) = &mut self.timers[moved as usize]
        {
            moved.place = timer.place;
        }
        if keys.is_empty() {
            self.moments.remove(&timer.fires());
        }
    }

    /// The moment after `patience`. It is after the last moment, because the timers of that one have fired.
    fn due(&self, patience: Duration) -> Moment {
        let step = millis(patience / SLACK).max(1);
        let exact = millis(self.now - self.start).saturating_add(millis(patience));
        exact.div_ceil(step).saturating_mul(step).max(self.fired_at + 1)
    }

    fn at(&self, moment: Moment) -> Instant {
        // If the clock cannot represent the moment, a later check is soon enough.
        self.start.checked_add(Duration::from_millis(moment)).unwrap_or(self.now + self.usual)
    }
}

impl Timer {
    /// When the timer fires.
    fn fires(&self) -> Moment {
        self.due - Moment::from(self.early)
    }

    /// Changes when the wait is over, which is not before the timer fires. It is at most 49 days after that, so a
    /// longer wait ends early.
    fn set_due(&mut self, due: Moment) {
        let fires = self.fires();
        self.early = u32::try_from(due - fires).unwrap_or(u32::MAX);
        self.due = fires + Moment::from(self.early);
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

    #[test]
    fn a_timer_is_small() {
        assert_eq!(size_of::<Option<Timer>>(), 16, "each connection has one");
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_is_too_long_ends_after_49_days() {
        let mut timers = timers();
        let begun = Instant::now();
        timers.start(7, Duration::MAX);
        assert_eq!(due(&mut timers, SECOND).await, 7);
        assert_eq!(begun.elapsed().as_secs() / 86_400, 49);
    }

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
    async fn a_timer_that_is_restarted_for_longer_expires_only_at_the_later_time() {
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
    async fn a_timer_that_is_restarted_for_shorter_expires_at_the_earlier_time() {
        let mut timers = timers();
        let begun = Instant::now();
        timers.start(7, 60 * SECOND);
        timers.restart(7, SECOND);
        assert_eq!(due(&mut timers, SECOND).await, 7);
        assert!(begun.elapsed() < 2 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stopped_timer_does_not_expire_and_the_others_do() {
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
    async fn a_timer_of_an_earlier_connection_with_the_same_key_does_not_count() {
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
    async fn timers_that_are_due_at_about_the_same_time_fire_together() {
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
