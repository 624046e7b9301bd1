//! One reader of the hub, as a stream of events.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, Interval, MissedTickBehavior, Sleep, interval_at, sleep, sleep_until};

use crate::id::random;
use crate::{
    Budget, Cursor, Event, Fetched, Filters, Gap, Hub, Id, Interest, Kept, Reason, Seat, Waiter,
};

/// One reader of the hub: a [`Cursor`], a [`Seat`] and a timer for heartbeats. A [`Stream`] that ends after
/// [`Event::Goodbye`].
///
/// ```
/// use tidings_core::{Event, Hub, Interest, Reason};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let hub = Hub::default();
/// let mut all = hub.subscribe("example", Interest::new(">".parse()?))?;
/// assert!(all.try_next().is_none(), "nothing was published");
/// hub.close(Reason::GoingAway);
/// assert!(matches!(all.next().await, Some(Event::Goodbye(Reason::GoingAway))));
/// assert!(all.next().await.is_none());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Subscription {
    hub: Hub,
    seat: Seat,
    interest: Interest,
    cursor: Cursor,
    /// The pending replay of notifications that only the broker has.
    fetching: Option<Fetching>,
    /// The events of one read, at most [`BATCH`] or [`FETCH`]. They are kept even if the log evicts them while the
    /// reader is slow.
    ready: VecDeque<Event>,
    waiter: Waiter,
    heartbeat: Interval,
    /// The longest delay of the goodbye after the hub was closed.
    goodbye_spread: Duration,
    /// The head of the log when the reader has noticed that the hub is closed. Its goodbye comes after everything up to it.
    goodbye_after: Option<Id>,
    /// Fires when the goodbye is due. Set once the hub is closed and everything up to `goodbye_after` was read.
    goodbye_timer: Option<Pin<Box<Sleep>>>,
    /// Fires when the session expires. `None` if it does not.
    expiry: Option<Pin<Box<Sleep>>>,
    has_ended: bool,
}

/// The limit of one read from the log.
const BATCH: Budget = Budget { entries: 64, bytes: 256 << 10 };

/// The limit of one read from the broker. Those entries are not shared with other readers.
const FETCH: Budget = Budget { entries: 64, bytes: 256 << 10 };

/// A replay. It is a separate task, so that a reader that is busy does not occupy one of the concurrent replays.
#[derive(Debug)]
struct Fetching(JoinHandle<Fetched>);

impl Drop for Fetching {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Subscription {
    pub(crate) fn new(
        hub: Hub,
        seat: Seat,
        interest: Interest,
        cursor: Cursor,
        gap: Option<Gap>,
    ) -> Self {
        let interval = hub.heartbeat().interval;
        let mut heartbeat = interval_at(Instant::now() + interval, interval);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let waiter = hub.waiter();
        let ready = gap.map(Event::Gap).into_iter().collect();
        let expiry = seat.expires_at().map(|expiry| Box::pin(sleep_until(expiry)));
        Self {
            hub,
            seat,
            interest,
            cursor,
            fetching: None,
            ready,
            waiter,
            heartbeat,
            goodbye_spread: Duration::ZERO,
            goodbye_after: None,
            goodbye_timer: None,
            expiry,
            has_ended: false,
        }
    }

    /// Delays the goodbye of a hub that is closed by a random time of up to `spread`, so that not all readers reconnect
    /// elsewhere at the same time. Default: no delay.
    pub fn with_goodbye_within(self, spread: Duration) -> Self {
        Self { goodbye_spread: spread, ..self }
    }

    /// Waits for the next event. The result is `None` once the subscription has ended.
    ///
    /// Cancel safe: dropping the future loses no event.
    pub async fn next(&mut self) -> Option<Event> {
        poll_fn(|context| self.poll(context)).await
    }

    /// Returns the next event if it is available without waiting. Use it to send several events with one flush.
    ///
    /// If few notifications match the filters, it may return `None` although [`next`](Self::next) would find one,
    /// because one call looks at a limited number of them.
    pub fn try_next(&mut self) -> Option<Event> {
        if self.has_ended {
            return None;
        }
        if self.ready.is_empty() {
            self.read();
        }
        // Checked after the read, so that a client whose session was ended before a publish does not get it.
        if self.seat.is_expired() {
            self.end(Reason::NotAllowed);
        }
        let event = self.ready.pop_front()?;
        self.has_ended = matches!(event, Event::Goodbye(_));
        Some(event)
    }

    /// Returns the position up to which all events were returned.
    pub fn position(&self) -> Id {
        let first_ready = self.ready.iter().find_map(|event| match event {
            Event::Deliver(entry) => Some(entry.id().epoch.id(entry.id().seq - 1)),
            // Before the gap is returned, the reader is at the gap's beginning, even if that is of another epoch.
            Event::Gap(gap) => Some(gap.after),
            Event::Heartbeat { .. } | Event::Goodbye(_) => None,
        });
        first_ready.unwrap_or(self.cursor.position())
    }

    /// Returns `true` while only the newest notification of each topic is delivered, because the reader began with
    /// [`Position::Latest`](crate::Position::Latest).
    pub fn is_in_snapshot(&self) -> bool {
        self.cursor.is_in_snapshot()
    }

    /// Returns a heartbeat with the current position, independent of the interval.
    pub fn heartbeat(&self) -> Event {
        let interval = self.hub.heartbeat().interval;
        Event::Heartbeat { position: self.position(), interval }
    }

    /// Returns the bytes of the payload and headers of the notification that [`try_next`](Self::try_next) would return,
    /// or `None` if that is not a notification.
    pub fn next_size(&mut self) -> Option<usize> {
        if self.ready.is_empty() && !self.has_ended {
            self.read();
        }
        match self.ready.front()? {
            Event::Deliver(entry) => Some(entry.notification().size()),
            Event::Gap(_) | Event::Heartbeat { .. } | Event::Goodbye(_) => None,
        }
    }

    /// Ends the subscription: the next event is a goodbye with this reason, even if notifications are left.
    pub fn end(&mut self, reason: Reason) {
        // Events that were read but not returned stay after the position, for a client that resumes.
        self.cursor = Cursor::at(self.position());
        self.ready.clear();
        self.ready.push_back(Event::Goodbye(reason));
    }

    /// Returns the seat of the reader.
    pub fn seat(&self) -> &Seat {
        &self.seat
    }

    /// Returns which notifications the reader gets.
    pub fn interest(&self) -> &Interest {
        &self.interest
    }

    /// Returns the filters.
    pub fn filters(&self) -> &Filters {
        self.interest.filters()
    }

    /// Returns the hub.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    fn read(&mut self) {
        let closed = self.hub.pool().closed();
        let head = self.hub.log().head();
        if let Some(reason) = closed {
            // A reader that waits for the broker gets its goodbye without the rest.
            self.fetching = None;
            let after = *self.goodbye_after.get_or_insert(head);
            // Notifications that other hubs publish meanwhile do not delay it, nor does a new epoch.
            let is_past = after.epoch != head.epoch || !self.has_unread(after);
            if is_past && self.goodbye_time() <= Instant::now() {
                self.ready.push_back(Event::Goodbye(reason));
                return;
            }
        }
        if self.fetching.is_some() {
            return;
        }
        let (mut kept, mut events) = (Kept::Log, Vec::new());
        let was_in_snapshot = self.is_in_snapshot();
        if self.cursor.position() != head {
            let (log, seat) = (self.hub.log(), self.seat.id());
            kept = self.cursor.read(log, &self.interest, seat, head, BATCH, &mut events);
            if kept == Kept::Broker && closed.is_none() {
                let fetched = self.hub.fetch(self.cursor, self.interest.clone(), seat, FETCH);
                self.fetching = Some(Fetching(tokio::spawn(fetched)));
                return;
            }
        }
        self.note_end_of_snapshot(was_in_snapshot, &mut events);
        // A closed hub does not wait for notifications that only the broker has.
        if events.is_empty()
            && let Some(reason) = closed
            && (kept == Kept::Broker
                || (!self.has_unread(head) && self.goodbye_time() <= Instant::now()))
        {
            events.push(Event::Goodbye(reason));
        }
        self.ready.extend(events);
    }

    /// Adds a heartbeat if the reader has left its snapshot and no other event has its position. So a client that
    /// reconnects resumes from there, and does not get the snapshot again.
    fn note_end_of_snapshot(&mut self, was_in_snapshot: bool, events: &mut Vec<Event>) {
        if was_in_snapshot && !self.is_in_snapshot() && events.is_empty() {
            // `self.heartbeat()` would return the position before the events in `ready`.
            let (position, interval) = (self.cursor.position(), self.hub.heartbeat().interval);
            events.push(Event::Heartbeat { position, interval });
            self.heartbeat.reset();
        }
    }

    /// Returns the time of the goodbye of a closed hub. The first call chooses it and starts its timer.
    fn goodbye_time(&mut self) -> Instant {
        if self.goodbye_spread.is_zero() {
            return Instant::now();
        }
        let timer = self.goodbye_timer.get_or_insert_with(|| {
            let part = f64::from(random() as u32) / f64::from(u32::MAX);
            Box::pin(sleep(self.goodbye_spread.mul_f64(part)))
        });
        timer.deadline()
    }

    fn has_unread(&self, head: Id) -> bool {
        let at = self.cursor.position();
        at.epoch != head.epoch || at.seq < head.seq
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        if let Some(event) = self.try_next() {
            return Poll::Ready(Some(event));
        }
        self.waiter.register(context);
        if let Some(event) = self.try_next() {
            return Poll::Ready(Some(event));
        }
        if let Some(Fetching(fetching)) = &mut self.fetching {
            if let Poll::Ready(fetched) = Pin::new(fetching).poll(context) {
                self.fetching = None;
                let Ok(Fetched { mut events, cursor }) = fetched else {
                    // The task was aborted because the runtime shuts down.
                    self.has_ended = true;
                    return Poll::Ready(None);
                };
                let was_in_snapshot = self.is_in_snapshot();
                self.cursor = cursor;
                self.note_end_of_snapshot(was_in_snapshot, &mut events);
                self.ready.extend(events);
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
        } else if self.has_unread(self.hub.log().head()) {
            // One read looks at a limited number of entries, and then other tasks run.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Some(timer) = &mut self.goodbye_timer
            && timer.as_mut().poll(context).is_ready()
            && let Some(event) = self.try_next()
        {
            return Poll::Ready(Some(event));
        }
        if let Some(expiry) = &mut self.expiry
            && expiry.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(self.try_next());
        }
        self.heartbeat.poll_tick(context).map(|_| Some(self.heartbeat()))
    }
}

impl Stream for Subscription {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        self.get_mut().poll(context)
    }
}

#[cfg(test)]
mod tests;
