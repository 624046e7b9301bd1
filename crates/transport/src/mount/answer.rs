//! The answer to a poll.

use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
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

/// How often to check whether a poll whose hold is over has read up to the head of the log.
const LOOK: Duration = Duration::from_millis(20);

/// For how long a poll whose hold is over may still read up to the head of the log.
const PATIENCE: Duration = Duration::from_secs(5);

/// Encodes the notifications that wait for a client as one body. If there are none, waits for the first one within
/// `hold`. Returns the events and the body.
pub(super) async fn answer(
    mut subscription: Subscription,
    encoder: &dyn Encoder,
    hold: Duration,
    observer: &dyn Observer,
) -> (Vec<Event>, Bytes) {
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
    let body = encoder.encode(&events, subscription.position());
    (events, body)
}

/// The first event before the end of the hold. A notification that was published before that end counts, even if the
/// subscription has not read up to it then.
async fn first_within(subscription: &mut Subscription, hold: Duration) -> Option<Event> {
    // A timer has a resolution of a millisecond, and a poll without a hold should not wait for it.
    let found = match hold.is_zero() {
        true => first(subscription).now_or_never(),
        false => timeout(hold, first(subscription)).await.ok(),
    };
    if let Some(first) = found {
        return first;
    }
    // The subscription may not have read all entries after its position yet, and one of them may match.
    let (head, until) = (subscription.hub().log().head(), Instant::now() + PATIENCE);
    while is_short_of(head, subscription) && Instant::now() < until {
        if let Ok(first) = timeout(LOOK, first(subscription)).await {
            return first;
        }
    }
    subscription.try_next()
}

/// Whether the subscription has not read up to `head`, and its hub is not disconnected from its broker.
fn is_short_of(head: Id, subscription: &Subscription) -> bool {
    let at = subscription.position();
    let is_there = at.epoch == head.epoch && at.seq >= head.seq;
    !is_there && subscription.hub().is_connected() != Some(false)
}

/// Waits for the first event that is not a heartbeat. The end of the hold is the heartbeat of a poll.
async fn first(subscription: &mut Subscription) -> Option<Event> {
    loop {
        match subscription.next().await {
            Some(Event::Heartbeat { .. }) => {}
            event => return event,
        }
    }
}

#[cfg(test)]
mod tests {
    use tidings_core::{Hub, Interest};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_poll_without_a_hold_does_not_wait() {
        let hub = Hub::default();
        let mut subscription = hub.subscribe("plain", Interest::new(">".parse().unwrap())).unwrap();
        let begun = Instant::now();
        assert!(first_within(&mut subscription, Duration::ZERO).await.is_none());
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }
}
