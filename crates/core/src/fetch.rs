//! What the log has evicted and the engine still has, for one reader.

use std::sync::Arc;

use futures_core::future::BoxFuture;

use crate::arrivals::Pauses;
use crate::{Budget, Cursor, Entry, Event, Hub, Id, Interest, Kept, Replay, SeatId, Stored};

/// What the engine had for a reader.
#[derive(Debug)]
pub struct Fetched {
    /// What it must be told next. Nothing where nothing matched, or the log has it by now.
    pub events: Vec<Event>,
    /// Where it stands behind that.
    pub cursor: Cursor,
}

impl Hub {
    /// What the engine has for a cursor that was told [`Kept::Engine`]. Waits while the engine is away, and
    /// ends at once where the log has it by now.
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
            let Some(engine) = hub.engine() else { return Fetched { events: Vec::new(), cursor } };
            let mut pauses = Pauses::default();
            loop {
                // Never closed, so a permit is always to be had in the end. Nobody holds it while he pauses.
                let turn = engine.replays.acquire().await.ok();
                if hub.pool().closed().is_some() || !hub.asks_engine(cursor, &interest, seat) {
                    return Fetched { events: Vec::new(), cursor };
                }
                let (after, upto) = (cursor.position(), hub.log().own_tail());
                let upto = upto.seq.max(after.seq);
                let replay = engine.broker.replay(interest.filters(), after, upto, budget).await;
                drop(turn);
                let history = match &replay {
                    Ok(Replay::Read { .. }) => after.epoch,
                    Ok(Replay::Gone { resume, .. }) => resume.epoch,
                    Err(_) => hub.epoch(),
                };
                // The hub is still to learn of this history, or has learnt of a newer one: from here the log
                // would send the reader back.
                if history != hub.epoch() {
                    pauses.pause().await;
                    continue;
                }
                match replay {
                    Ok(Replay::Read { found, reached }) => {
                        let events = delivered(found, after, &interest, seat);
                        // One that stands ahead of the log has learnt that its place is a real one.
                        let is_ahead = cursor.is_ahead_of(hub.log().head());
                        cursor.has_fetched(after.epoch.id(reached), is_ahead);
                        return Fetched { events, cursor };
                    }
                    Ok(Replay::Gone { resume, reason }) => {
                        let told = cursor.is_gone(&interest, resume, reason);
                        return Fetched { events: vec![told], cursor };
                    }
                    Err(error) => {
                        tracing::debug!(%error, "what a client is to get is not to be had yet");
                        pauses.pause().await;
                    }
                }
            }
        })
    }

    fn asks_engine(&self, mut cursor: Cursor, interest: &Interest, seat: SeatId) -> bool {
        let (head, one) = (self.log().head(), Budget { entries: 1, bytes: 1 });
        let kept = cursor.read(self.log(), interest, seat, head, one, &mut Vec::new());
        kept == Kept::Engine
    }
}

fn delivered(found: Vec<Stored>, after: Id, interest: &Interest, seat: SeatId) -> Vec<Event> {
    let entry = |Stored { seq, notification }: Stored| {
        Some(Arc::new(Entry::new(after.epoch.id(seq), notification?)))
    };
    let entries = found.into_iter().filter_map(entry);
    entries.filter(|entry| interest.wants(entry, seat)).map(Event::Deliver).collect()
}
