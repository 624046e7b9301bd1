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

/// One reader of the hub: a [`Cursor`], a [`Seat`], and the wait for news. A [`Stream`] that ends after
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
    /// What only the broker has, on its way.
    fetching: Option<Fetching>,
    /// What one read brought, bounded by [`BATCH`] or [`FETCH`]: the log may evict it while the reader is slow.
    ready: VecDeque<Event>,
    waiter: Waiter,
    heartbeat: Interval,
    /// Over how long the goodbyes of a hub that closes are spread.
    goodbye_spread: Duration,
    /// The wait for this one, once the hub is closed.
    goodbye_timer: Option<Pin<Box<Sleep>>>,
    /// The end of its session, if that has one.
    expiry: Option<Pin<Box<Sleep>>>,
    has_ended: bool,
}

/// What is read from the log at a time.
const BATCH: Budget = Budget { entries: 64, bytes: 256 << 10 };

/// What is read from the broker at a time: those entries are this reader's alone.
const FETCH: Budget = Budget { entries: 64, bytes: 256 << 10 };

/// A task of its own: a reader that is busy with something else must not keep its turn at the broker.
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
            goodbye_timer: None,
            expiry,
            has_ended: false,
        }
    }

    /// Spreads the goodbyes of a hub that closes: this one comes after a random time of up to `spread`, so
    /// that not all readers come back somewhere else at the same moment. By default it comes at once.
    pub fn with_goodbye_within(self, spread: Duration) -> Self {
        Self { goodbye_spread: spread, ..self }
    }

    /// The next event, when there is one; `None` once the subscription has ended.
    ///
    /// Cancel safe: an event is taken only by the poll that returns it.
    pub async fn next(&mut self) -> Option<Event> {
        poll_fn(|context| self.poll(context)).await
    }

    /// The next event if it is there now: drain with this before one flush. A reader that wants few of
    /// many may get `None` while there is one further on; [`next`](Self::next) finds it.
    pub fn try_next(&mut self) -> Option<Event> {
        if self.has_ended {
            return None;
        }
        if self.ready.is_empty() {
            self.read();
        }
        // After the read: who was disconnected before a publish is not told of it.
        if self.seat.is_expired() {
            self.end(Reason::NotAllowed);
        }
        let event = self.ready.pop_front()?;
        self.has_ended = matches!(event, Event::Goodbye(_));
        Some(event)
    }

    /// The position up to which everything has been handed out.
    pub fn position(&self) -> Id {
        let first_ready = self.ready.iter().find_map(|event| match event {
            Event::Deliver(entry) => Some(entry.id().epoch.id(entry.id().seq - 1)),
            // Until the gap is told the reader stands before it, be it in another history.
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

    /// A heartbeat for where the reader stands, outside of its interval.
    pub fn heartbeat(&self) -> Event {
        let interval = self.hub.heartbeat().interval;
        Event::Heartbeat { position: self.position(), interval }
    }

    /// The payload bytes of the notification that [`try_next`](Self::try_next) would return; `None` where
    /// the next event is no notification, or there is none now.
    pub fn next_size(&mut self) -> Option<usize> {
        if self.ready.is_empty() && !self.has_ended {
            self.read();
        }
        match self.ready.front()? {
            Event::Deliver(entry) => Some(entry.notification().size()),
            Event::Gap(_) | Event::Heartbeat { .. } | Event::Goodbye(_) => None,
        }
    }

    /// Ends the subscription for a reason of the reader's own: the next event is a goodbye, whatever is
    /// left.
    pub fn end(&mut self, reason: Reason) {
        // What was read and is not told stays ahead of the position, for a client that comes back.
        self.cursor = Cursor::at(self.position());
        self.ready.clear();
        self.ready.push_back(Event::Goodbye(reason));
    }

    /// The seat that this reader holds.
    pub fn seat(&self) -> &Seat {
        &self.seat
    }

    /// Returns the filters of the subscription.
    pub fn filters(&self) -> &Filters {
        self.interest.filters()
    }

    /// The hub that it reads.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    fn read(&mut self) {
        let closed = self.hub.pool().closed();
        if closed.is_some() {
            // Who waits for the broker is told goodbye where it stands.
            self.fetching = None;
        }
        if self.fetching.is_some() {
            return;
        }
        let head = self.hub.log().head();
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
        // The log was sealed before the pool was closed, so nothing can follow what was found. What only the
        // broker has is not waited for by a hub that is closed.
        if events.is_empty()
            && (kept == Kept::Broker || !self.has_unread(head))
            && let Some(reason) = closed
            && self.goodbye_is_due()
        {
            events.push(Event::Goodbye(reason));
        }
        self.ready.extend(events);
    }

    /// Adds a heartbeat if the reader has left its snapshot and nothing else tells its position. So one that is cut goes on
    /// from there, and does not begin with the newest of each topic again.
    fn note_end_of_snapshot(&mut self, was_in_snapshot: bool, events: &mut Vec<Event>) {
        if was_in_snapshot && !self.is_in_snapshot() && events.is_empty() {
            // Not `self.heartbeat()`: what was read before is told by now, or stands in `ready`.
            let (position, interval) = (self.cursor.position(), self.hub.heartbeat().interval);
            events.push(Event::Heartbeat { position, interval });
            self.heartbeat.reset();
        }
    }

    /// Returns `true` once the goodbye of a hub that is closed is due.
    fn goodbye_is_due(&mut self) -> bool {
        if self.goodbye_spread.is_zero() {
            return true;
        }
        let timer = self.goodbye_timer.get_or_insert_with(|| {
            let part = f64::from(random() as u32) / f64::from(u32::MAX);
            Box::pin(sleep(self.goodbye_spread.mul_f64(part)))
        });
        timer.deadline() <= Instant::now()
    }

    /// Whether there is more than the cursor has seen.
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
                    // The runtime ends, and nobody will read on.
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
            // One who looks for few among many looks at a portion, and lets others have their turn.
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
