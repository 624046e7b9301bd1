//! The end of a conversation that a client has brought about: it closed, it broke a rule, or a message of it was
//! not taken. Its own messages from before that are echoed before the last frame.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tidings_core::{Cursor, Id, Reason};
use tidings_transport::Inbound;

use super::State;
use super::client::{Client, Progress, Stage};

/// How long the last frame may wait for the echo: a broker may not deliver it, and a client may read slowly.
const ECHO: Duration = Duration::from_secs(5);

/// What a client has sent that is not handled yet, or not echoed.
#[derive(Default)]
pub(super) struct Speech {
    /// What came after a message whose publish is on its way. One read brought all of it.
    pub(super) unheard: VecDeque<Inbound>,
    /// The last of its messages that was published.
    pub(super) published: Option<Id>,
    /// Set once it is to be let go, at that time at the latest: nothing more that it sends is handled.
    ending: Option<(Last, Instant)>,
}

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
        client.speech().ending = Some((last, Instant::now() + ECHO));
        if !self.connections[key].is_waiting {
            self.wait(key, ECHO);
        }
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
            client.is_ending() && client.is_echo_ahead_of(Cursor::at(self.position()))
        })
    }

    /// Sends the last frame if the client has been sent all that comes before it. Returns `true` if it was sent.
    pub(super) fn end_if_due(&mut self, key: usize) -> bool {
        let Some(connection) = self.connections.get(key) else { return false };
        let Some(client) = &connection.client else { return false };
        let Some(until) = client.ends_by().filter(|_| connection.stage == Stage::Open) else {
            return false;
        };
        let stands = match client.progress {
            Progress::Current => self.seen,
            Progress::Behind(cursor) => cursor,
        };
        let is_due = !client.is_echo_ahead_of(stands) || Instant::now() >= until;
        if is_due {
            self.end_now(key);
        }
        is_due
    }

    /// Sends the last frame of a client that is about to end.
    pub(super) fn end_now(&mut self, key: usize) {
        let connection = &mut self.connections[key];
        let Some(client) = &mut connection.client else { return };
        match client.speech().ending.take() {
            None => {}
            Some((Last::Goodbye(reason), _)) => self.goodbye(key, reason),
            Some((Last::Reply(bytes), _)) => {
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
        let published = self.speech.as_ref().and_then(|speech| speech.published);
        published.is_some_and(|id| Cursor::at(id).is_ahead_of(cursor.position()))
    }

    /// Returns `true` if it is let go once its own messages have been echoed.
    pub(super) fn is_ending(&self) -> bool {
        self.ends_by().is_some()
    }

    fn ends_by(&self) -> Option<Instant> {
        self.speech.as_ref()?.ending.as_ref().map(|&(_, until)| until)
    }

    pub(super) fn speech(&mut self) -> &mut Speech {
        self.speech.get_or_insert_default()
    }
}
