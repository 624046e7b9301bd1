//! The end of a conversation that a client has brought about: it closed, it broke a rule, or a message of it was
//! not taken. Its own messages from before that are echoed before the last frame.

use bytes::Bytes;
use tidings_core::{Cursor, Reason};

use super::State;
use super::client::{Client, Progress, Stage};

/// The last frame to a client.
pub(super) enum Last {
    /// The answer to the client's own close frame.
    Reply(Bytes),
    Goodbye(Reason),
}

impl State {
    /// Ends a client once it has been sent what the log has up to its own last message. Nothing more that it sends
    /// is handled.
    pub(super) fn end(&mut self, key: usize, last: Last) {
        let Some(client) = &mut self.connections[key].client else { return };
        client.ending = Some(last);
        if self.is_short_of_its_end(key) {
            self.pass();
        }
        // A broker has stored its last message, and the log does not have that yet.
        if self.is_short_of_its_end(key) {
            self.ahead.insert(key);
        }
        self.write(key);
    }

    /// Returns `true` if the last message of a client that is about to end is further on than the lane.
    pub(super) fn is_short_of_its_end(&self, key: usize) -> bool {
        let client = self.connections.get(key).and_then(|connection| connection.client.as_ref());
        client.is_some_and(|client| {
            client.ending.is_some() && client.is_echo_ahead_of(Cursor::at(self.position()))
        })
    }

    /// Sends the last frame if the client has been sent all that comes before it. Returns `true` if it was sent.
    pub(super) fn end_if_due(&mut self, key: usize) -> bool {
        let Some(connection) = self.connections.get(key) else { return false };
        let Some(client) = &connection.client else { return false };
        if client.ending.is_none() || connection.stage != Stage::Open {
            return false;
        }
        let stands = match client.progress {
            Progress::Current => self.seen,
            Progress::Behind(cursor) => cursor,
        };
        let is_due = !client.is_echo_ahead_of(stands);
        if is_due {
            self.end_now(key);
        }
        is_due
    }

    /// Sends the last frame of a client that is about to end.
    pub(super) fn end_now(&mut self, key: usize) {
        let connection = &mut self.connections[key];
        let Some(client) = &mut connection.client else { return };
        match client.ending.take() {
            None => {}
            Some(Last::Goodbye(reason)) => self.goodbye(key, reason),
            Some(Last::Reply(bytes)) => {
                client.fetching = None;
                connection.stage = Stage::Leaving;
                self.append(key, bytes);
            }
        }
    }
}

impl Client {
    /// Returns `true` if its own last message is further on than this.
    fn is_echo_ahead_of(&self, cursor: Cursor) -> bool {
        self.published.is_some_and(|id| Cursor::at(id).is_ahead_of(cursor.position()))
    }
}
