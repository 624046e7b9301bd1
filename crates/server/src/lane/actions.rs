//! What a lane does for the client of a connection. Each action returns what follows from its outcome.

use tidings_core::{Event, Id, Publishing, Topic};
use tidings_transport::Message;

use super::next::Next;
use super::pending::Outcome;
use super::{Lane, catch_up, subscription};
use crate::subscriber::Subscriber;

impl Lane {
    /// Serves a subscriber on this connection.
    pub(super) fn subscribe(&mut self, key: usize, subscriber: Subscriber) -> Next {
        let connection = &mut self.peers[key].connection;
        let (groups, metrics, is_last) =
            (&mut self.fan_out.groups, &self.metrics, connection.is_last());
        let opened = subscription::open(key, subscriber, is_last, groups, metrics, &self.status);
        connection.on_subscribed(opened, &self.status)
    }

    /// Publishes a client's message.
    pub(super) fn publish(&mut self, key: usize, topic: Topic, message: Message) -> Next {
        let connection = &mut self.peers[key].connection;
        let Some(client) = connection.client() else { return Next::Idle };
        let publishing = message.publish(&self.status.hub, &client.seat, topic);
        match publishing.map(Publishing::now) {
            Ok(Ok(outcome)) => {
                let outcome = outcome.map_err(|error| error.reason());
                connection.on_published(outcome, &self.status)
            }
            Ok(Err(publishing)) => {
                let outcome =
                    async { Outcome::Published(publishing.await.map_err(|error| error.reason())) };
                connection.on_publish_pending(self.pending.add(key, outcome))
            }
            Err(reason) => connection.on_published(Err(reason), &self.status),
        }
    }

    /// Reads what follows a client's own cursor, from the log or from the broker.
    pub(super) fn catch_up(&mut self, key: usize) -> Next {
        let connection = &mut self.peers[key].connection;
        let (Some(client), Some(group)) = (connection.client(), self.fan_out.groups.of(key)) else {
            return Next::Idle;
        };
        if let Some(portion) = catch_up::read(client, group, &self.status) {
            portion.goodbye.into_iter().for_each(|reason| self.metrics.let_go(reason));
            return connection.on_caught_up(portion, &self.status);
        }
        let hub = &self.status.hub;
        if hub.pool().closed().is_some() {
            return connection.on_unavailable(&self.status);
        }
        let (interest, budget) = (group.interest.clone(), client.budget());
        let cursor = client.cursor(self.status.position);
        let fetching = hub.fetch(cursor, interest, client.seat.id(), budget);
        let pending = self.pending.add(key, async { Outcome::Fetched(fetching.await) });
        connection.on_fetching(pending, &self.status)
    }

    /// Encodes one event for one client, or the end of its hold if there is none.
    pub(super) fn encode(&mut self, key: usize, event: &[Event], position: Id) -> Next {
        if let [Event::Goodbye(reason)] = event {
            self.metrics.let_go(*reason);
        }
        let Some(group) = self.fan_out.groups.of(key) else { return Next::Remove };
        let bytes = group.encode(event, position);
        self.peers[key].connection.on_encoded(bytes, &self.status)
    }
}
