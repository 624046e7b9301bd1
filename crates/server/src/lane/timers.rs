//! One timer a connection, for whatever it waits for.
//!
//! What a connection waits for changes with each request and answer, and is nearly always over before its
//! time. So a timer is not moved where what is waited for now ends later than what was waited for before:
//! it fires too early then, and is set anew. And it need not be exact: those that are due at about the same
//! time share one moment, so that a timer is a place in a list, and ten thousand heartbeats are a hundred
//! wake-ups.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// The timers of a lane.
pub(super) struct Timers {
    /// Whose timer fires when.
    moments: BTreeMap<Moment, Vec<usize>>,
    /// Who is to be told that its timer has fired.
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
#[derive(Debug)]
pub(super) struct Timer {
    /// When what is waited for is over.
    due: Moment,
    /// When it fires, and its place among those that fire then.
    fires: Moment,
    pub(super) place: usize,
}

/// How late a timer may be, as a part of its time.
const SLACK: u32 = 100;

impl Timers {
    /// For connections most of which wait for `usual` most of the time.
    pub(super) fn new(usual: Duration) -> Self {
        let now = Instant::now();
        Self {
            moments: BTreeMap::new(),
            fired: Vec::new(),
            fired_at: 0,
            usual,
            alarm: Box::pin(sleep_until(now)),
            start: now,
            now,
        }
    }

    /// A new turn begins.
    pub(super) fn look_at_the_clock(&mut self) {
        self.now = Instant::now();
    }

    /// A timer for this connection.
    pub(super) fn start(&mut self, connection: usize, patience: Duration) -> Timer {
        let due = self.due(patience);
        let fires = due.min(self.due(self.usual));
        Timer { due, fires, place: self.enter(connection, fires) }
    }

    /// From now on the connection waits for something else. Says whose timer has another place by that.
    pub(super) fn restart(
        &mut self,
        connection: usize,
        timer: &mut Timer,
        patience: Duration,
    ) -> Option<usize> {
        timer.due = self.due(patience);
        if timer.due >= timer.fires {
            return None;
        }
        let moved = self.stop(timer);
        timer.fires = timer.due;
        timer.place = self.enter(connection, timer.fires);
        moved
    }

    /// Says whose timer has the place of this one by that.
    pub(super) fn stop(&mut self, timer: &Timer) -> Option<usize> {
        // It may have fired: then it has no place any more.
        let connections = self.moments.get_mut(&timer.fires)?;
        connections.swap_remove(timer.place);
        let moved = connections.get(timer.place).copied();
        if connections.is_empty() {
            self.moments.remove(&timer.fires);
        }
        moved
    }

    /// The next connection whose timer has fired, where that is still its timer: see
    /// [`has_fired`](Self::has_fired).
    pub(super) fn poll_fired(&mut self, context: &mut Context<'_>) -> Poll<usize> {
        loop {
            if let Some(connection) = self.fired.pop() {
                return Poll::Ready(connection);
            }
            let Some((&moment, _)) = self.moments.first_key_value() else { return Poll::Pending };
            let deadline = self.at(moment);
            if self.alarm.deadline() != deadline {
                self.alarm.as_mut().reset(deadline);
            }
            std::task::ready!(self.alarm.as_mut().poll(context));
            if let Some((moment, connections)) = self.moments.pop_first() {
                (self.fired_at, self.fired) = (moment, connections);
            }
        }
    }

    /// Whether it is this timer that has fired, and not that of one who had the same key before.
    pub(super) fn has_fired(&self, timer: &Timer) -> bool {
        timer.fires == self.fired_at
    }

    /// Sets a timer that has fired anew, and tells whether what was waited for is over: then it waits for
    /// this long again, or for what the connection is told to wait for next.
    pub(super) fn is_due(&mut self, connection: usize, timer: &mut Timer, again: Duration) -> bool {
        let is_due = timer.due <= self.fired_at;
        if is_due {
            timer.due = self.due(again);
        }
        timer.fires = timer.due;
        timer.place = self.enter(connection, timer.fires);
        is_due
    }

    fn enter(&mut self, connection: usize, fires: Moment) -> usize {
        let connections = self.moments.entry(fires).or_default();
        connections.push(connection);
        connections.len() - 1
    }

    /// Never the moment that has fired last: who is in that has been told.
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

    async fn fired(timers: &mut Timers) -> usize {
        let fired = poll_fn(|context| timers.poll_fired(context)).await;
        timers.look_at_the_clock();
        fired
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_is_prolonged_ends_when_the_last_one_ends_and_not_before() {
        let mut timers = timers();
        let begun = Instant::now();
        let mut timer = timers.start(7, SECOND);
        assert_eq!(timers.restart(7, &mut timer, 3 * SECOND), None);
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
        let mut timers = timers();
        let begun = Instant::now();
        let mut timer = timers.start(7, 60 * SECOND);
        timers.restart(7, &mut timer, SECOND);
        fired(&mut timers).await;
        assert!(timers.is_due(7, &mut timer, SECOND) && begun.elapsed() < 2 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_stopped_is_not_told_and_the_others_are() {
        let mut timers = timers();
        let started: Vec<_> = (0..4).map(|index| timers.start(index, SECOND)).collect();
        assert_eq!(timers.stop(&started[1]), Some(3), "the last one has its place now");
        let mut told: Vec<_> = [fired(&mut timers).await, fired(&mut timers).await].into();
        told.push(fired(&mut timers).await);
        told.sort_unstable();
        assert_eq!(told, [0, 2, 3]);
        assert!(timers.has_fired(&started[0]));
        let newcomer = timers.start(1, Duration::ZERO);
        assert!(!timers.has_fired(&newcomer), "who has a key after another is not taken for it");
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_are_due_at_about_the_same_time_fire_together() {
        let mut timers = timers();
        let mut started = Vec::new();
        for index in 0..100 {
            tokio::time::advance(Duration::from_millis(2)).await;
            timers.look_at_the_clock();
            started.push(timers.start(index, 25 * SECOND));
        }
        fired(&mut timers).await;
        assert!(timers.fired.len() > 50);
    }
}
