//! The answer to a poll.

use std::time::Duration;

use bytes::Bytes;
use tidings_core::{Event, Id, Subscription};
use tokio::time::{Instant, timeout};

use super::Observer;
use super::observer::observe;
use crate::Encoder;

/// The most payload bytes in one answer of [`Shape::Answer`](crate::Shape::Answer): 1 MiB, or one notification.
pub const MAX_ANSWER: usize = 1 << 20;

/// The most notifications in one answer of [`Shape::Answer`](crate::Shape::Answer), because empty ones have no payload
/// bytes.
pub const MAX_ANSWER_ENTRIES: usize = 4096;

/// How often to look whether a poll whose time is over has come to what is there.
const LOOK: Duration = Duration::from_millis(20);

/// For how long at the most.
const PATIENCE: Duration = Duration::from_secs(5);

/// Returns what waits for a client, or what comes first within `hold`, as one body.
pub(super) async fn answer(
    mut subscription: Subscription,
    encoder: &dyn Encoder,
    hold: Duration,
    observer: &dyn Observer,
) -> Bytes {
    let mut events = Vec::new();
    let mut size = 0;
    let mut next = first_within(&mut subscription, hold).await;
    while let Some(event) = next {
        if let Event::Deliver(entry) = &event {
            size += entry.notification().size();
        }
        events.push(event);
        let room = events.len() < MAX_ANSWER_ENTRIES
            && size + subscription.next_size().unwrap_or_default() <= MAX_ANSWER;
        next = room.then(|| subscription.try_next()).flatten();
    }
    observe(observer, &subscription, &events);
    encoder.encode(&events, subscription.position())
}

/// Returns the first event that is there when the hold is over.
async fn first_within(subscription: &mut Subscription, hold: Duration) -> Option<Event> {
    if let Ok(first) = timeout(hold, first(subscription)).await {
        return first;
    }
    // What lies behind its position has not all been looked at: it may be what it waits for.
    let (head, until) = (subscription.hub().log().head(), Instant::now() + PATIENCE);
    while is_short_of(head, subscription) && Instant::now() < until {
        if let Ok(first) = timeout(LOOK, first(subscription)).await {
            return first;
        }
    }
    subscription.try_next()
}

/// Returns `true` if the reader has not come so far, and is not kept from it by a broker that is away.
fn is_short_of(head: Id, subscription: &Subscription) -> bool {
    let at = subscription.position();
    let is_there = at.epoch == head.epoch && at.seq >= head.seq;
    !is_there && subscription.hub().is_connected() != Some(false)
}

/// Returns the first event that is worth an answer: a held poll has no heartbeat but its end.
async fn first(subscription: &mut Subscription) -> Option<Event> {
    loop {
        match subscription.next().await {
            Some(Event::Heartbeat { .. }) => {}
            event => return event,
        }
    }
}
