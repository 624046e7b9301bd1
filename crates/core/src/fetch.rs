//! What the log has evicted and the broker still has, for one reader.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_core::future::BoxFuture;
use tokio::sync::SemaphorePermit;
use tokio::time::{Instant, timeout_at};

use crate::arrivals::Pauses;
use crate::broker_link::BrokerLink;
use crate::{
    Budget, Cursor, Entry, Event, Hub, Id, Interest, Kept, Reason, Replay, SeatId, Stored,
};

/// How often a reader whose deadline is over looks whether replays fail by now.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// What the broker had for a reader.
#[derive(Debug)]
pub struct Fetched {
    /// What it must be told next. Nothing where nothing matched, or the log has it by now.
    pub events: Vec<Event>,
    /// Where it stands behind that.
    pub cursor: Cursor,
}

impl Hub {
    /// What the broker has for a cursor that was told [`Kept::Broker`]. Ends at once if the log has it by now.
    ///
    /// While the broker does not deliver it, this waits, for at most
    /// [`HubConfig::replay_deadline`](crate::HubConfig::replay_deadline). Then the event is an
    /// [`Event::Goodbye`] with [`Reason::Unavailable`], and the client comes back later with its position.
    ///
    /// Cancel safe: the cursor stays where it was.
    pub fn fetch(
        &self,
        mut cursor: Cursor,
        interest: Interest,
        seat: SeatId,
        budget: Budget,
    ) -> BoxFuture<'static, Fetched> {
        let hub = self.clone();
        Box::pin(async move {
            let Some(broker) = hub.broker() else { return Fetched { events: Vec::new(), cursor } };
            let mut pauses = Pauses::default();
            let give_up = Instant::now() + broker.replay_deadline;
            // Of this reader, whatever becomes of those of others.
            let mut has_failed = false;
            loop {
                // A reader does not keep its turn while it pauses.
                let Some(turn) = broker.turn(give_up, has_failed).await else {
                    let events = vec![Event::Goodbye(Reason::Unavailable)];
                    return Fetched { events, cursor };
                };
                if hub.pool().closed().is_some() || !hub.must_fetch(cursor, &interest, seat) {
                    return Fetched { events: Vec::new(), cursor };
                }
                let after = cursor.position();
                let up_to = hub.log().own_tail().seq.max(after.seq);
                let replay = broker.broker.replay(interest.filters(), after, up_to, budget).await;
                drop(turn);
                has_failed = replay.is_err();
                broker.is_replay_failing.store(has_failed, Ordering::Relaxed);
                let history = match &replay {
                    Ok(Replay::Read { .. }) => after.epoch,
                    Ok(Replay::Gone { resume, .. }) => resume.epoch,
                    Err(_) => hub.epoch(),
                };
                // The hub is still to learn of this history, or has learnt of a newer one: from here the log
                // would send the reader back.
                if history != hub.epoch() {
                    has_failed = true;
                    broker.is_replay_failing.store(true, Ordering::Relaxed);
                    pauses.pause().await;
                    continue;
                }
                match replay {
                    Ok(Replay::Read { found, reached }) => {
                        let mut found = entries(found, after);
                        cursor.remove_superseded(hub.log(), &mut found);
                        found.retain(|entry| interest.wants(entry, seat));
                        let events = found.into_iter().map(Event::Deliver).collect();
                        // One that stands ahead of the log has learnt that its place is a real one.
                        let is_ahead = cursor.is_ahead_of(hub.log().head());
                        cursor.move_to(after.epoch.id(reached), is_ahead);
                        return Fetched { events, cursor };
                    }
                    Ok(Replay::Gone { resume, reason }) => {
                        let told = cursor.skip_to(&interest, resume, reason);
                        return Fetched { events: vec![told], cursor };
                    }
                    Err(error) => {
                        if let Some(left_out) = broker.replay_log.admit() {
                            tracing::warn!(
                                %error, left_out,
                                "broker replay failed, retrying"
                            );
                        }
                        pauses.pause().await;
                    }
                }
            }
        })
    }

    fn must_fetch(&self, mut cursor: Cursor, interest: &Interest, seat: SeatId) -> bool {
        let (head, one) = (self.log().head(), Budget { entries: 1, bytes: 1 });
        let kept = cursor.read(self.log(), interest, seat, head, one, &mut Vec::new());
        kept == Kept::Broker
    }
}

impl BrokerLink {
    /// A turn to read from the broker. After `give_up` it is `None` if replays fail, or if the last one of this
    /// reader `has_failed`; otherwise many readers wait, and each has its turn.
    async fn turn(&self, give_up: Instant, has_failed: bool) -> Option<SemaphorePermit<'_>> {
        let is_failing = || has_failed || self.is_replay_failing.load(Ordering::Relaxed);
        loop {
            let is_late = Instant::now() >= give_up;
            if is_late && is_failing() {
                return None;
            }
            // Looks again now and then, for it may begin to fail while many wait.
            let until = if is_late { Instant::now() + CHECK_EVERY } else { give_up };
            if let Ok(turn) = timeout_at(until, self.replays.acquire()).await {
                // Fails if it was closed, which it never is.
                return turn.ok();
            }
        }
    }
}

fn entries(found: Vec<Stored>, after: Id) -> Vec<Arc<Entry>> {
    let entry = |Stored { seq, notification }: Stored| {
        Some(Arc::new(Entry::new(after.epoch.id(seq), notification?)))
    };
    found.into_iter().filter_map(entry).collect()
}
