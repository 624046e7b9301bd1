//! A socket that can be read or written again.

use std::collections::VecDeque;

use bytes::Bytes;
use tidings_core::{Publishing, Reason};
use tidings_transport::Inbound;

use super::State;
use super::client::{Stage, Written};
use super::ending::Last;

/// How many reads or renderings one client has in one turn.
const PORTIONS: usize = 8;

/// Half written bytes that a protocol's own answers may not add to: a client that pings without reading
/// gets no further pongs.
const MAX_REPLIES: usize = 4096;

/// An answer of so many bytes is taken by every socket at once.
const SHORT_ANSWER: usize = 1024;

/// What one read came to.
enum Read {
    /// As much as there was room for: there may be more.
    Full,
    /// Less than that.
    Some,
    /// Nothing, or nothing that may be read now.
    Nothing,
}

impl State {
    /// Hears what has come on a connection. A socket that does not fill the buffer is empty, and epoll tells
    /// when more has come; but of one that its peer has closed it tells no more, and that is read to its end.
    pub(super) fn read(&mut self, key: usize, to_the_end: bool) {
        let mut buffer = std::mem::take(&mut self.read_buffer);
        let has_more = (0..PORTIONS).all(|_| match self.read_once(key, &mut buffer) {
            Read::Full => true,
            Read::Some => to_the_end,
            Read::Nothing => false,
        });
        self.read_buffer = buffer;
        if has_more {
            self.keep_busy(key);
        }
    }

    fn read_once(&mut self, key: usize, buffer: &mut [u8]) -> Read {
        let Some(connection) = self.connections.get_mut(key) else { return Read::Nothing };
        if connection.stage == Stage::Asking && connection.publishing.is_none() {
            // Who does not take its answers is not read for further requests.
            if !connection.rest.is_empty() {
                connection.is_ahead = true;
                return Read::Nothing;
            }
            if let Some(early) = connection.early.take() {
                self.requests(key, &early);
                return Read::Full;
            }
        }
        let count = match connection.receive(buffer) {
            Ok(None) => return Read::Nothing,
            // It sends nothing more, and what it is being told it may still hear.
            Ok(Some(0)) if connection.is_being_told() || connection.publishing.is_some() => {
                // What it has asked before is still answered.
                (connection.is_last, connection.is_ahead) =
                    (connection.is_last || connection.early.is_none(), true);
                return Read::Nothing;
            }
            Ok(Some(0)) if connection.stage == Stage::Open => {
                self.half_closed(key);
                return Read::Nothing;
            }
            Ok(Some(0)) => {
                self.remove(key);
                return Read::Nothing;
            }
            Err(error) => {
                self.broke(key, &error.into());
                return Read::Nothing;
            }
            Ok(Some(count)) => count,
        };
        if connection.is_held() || connection.publishing.is_some() {
            connection.is_ahead = true;
            return Read::Nothing;
        } else if connection.stage == Stage::Asking {
            self.requests(key, &buffer[..count]);
        } else {
            self.decode(key, &mut buffer[..count]);
        }
        if count == buffer.len() { Read::Full } else { Read::Some }
    }

    /// What a client has said.
    pub(super) fn decode(&mut self, key: usize, bytes: &mut [u8]) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let Some(client) = &mut connection.client else { return };
        client.pulse.heard();
        if connection.stage != Stage::Open || client.is_ending() {
            return;
        }
        let group = self.groups.get(client.group);
        let Some(mut decoder) = client.decoder.take().or_else(|| group.lend_decoder()) else {
            return;
        };
        let mut inbound = Vec::new();
        decoder.decode(bytes, &mut inbound);
        if decoder.is_at_rest() {
            group.take_back(decoder);
        } else {
            client.decoder = Some(decoder);
        }
        self.heard_all(key, inbound.into());
    }

    /// What a client has said, in its order: what follows a message waits for the message.
    pub(super) fn heard_all(&mut self, key: usize, mut inbound: VecDeque<Inbound>) {
        while let Some(next) = inbound.pop_front() {
            self.heard(key, next);
            let Some(connection) = self.connections.get_mut(key) else { return };
            if connection.publishing.is_some() {
                if let Some(client) = &mut connection.client {
                    client.speech().unheard = inbound;
                }
                return;
            }
        }
    }

    fn heard(&mut self, key: usize, inbound: Inbound) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let Some(client) = &mut connection.client else { return };
        if connection.stage != Stage::Open || client.is_ending() {
            return;
        }
        match inbound {
            Inbound::Message(message) => {
                let handled = match &client.publishes_to {
                    Some(topic) => message.publish(&self.hub, &client.seat, topic.clone()),
                    None => Err(Reason::NotAllowed),
                };
                match handled.map(Publishing::now) {
                    Ok(Ok(Ok(id))) => client.speech().published = Some(id),
                    Ok(Ok(Err(error))) => self.end(key, Last::Goodbye(error.reason())),
                    Ok(Err(on_its_way)) => self.publish_on_its_way(key, on_its_way),
                    Err(reason) => self.end(key, Last::Goodbye(reason)),
                }
            }
            Inbound::Reply(bytes) if connection.rest.len() < MAX_REPLIES => self.append(key, bytes),
            Inbound::Reply(_) => {}
            Inbound::Closed(bytes) => self.end(key, Last::Reply(bytes)),
            Inbound::Fault(reason) => self.end(key, Last::Goodbye(reason)),
        }
    }

    /// Sends bytes behind whatever is half written.
    pub(super) fn append(&mut self, key: usize, bytes: Bytes) {
        let rest = &mut self.connections[key].rest;
        *rest = if rest.is_empty() { bytes } else { [&rest[..], &bytes[..]].concat().into() };
        self.write(key);
    }

    /// Sends what is left over, and then what the client has not had yet.
    pub(super) fn write(&mut self, key: usize) {
        for _ in 0..PORTIONS {
            let Some(connection) = self.connections.get(key) else { return };
            // A client that has read such an answer can count on its seat being free. One that does not read a long
            // answer keeps its seat, so that seats bound what waits to be read.
            if connection.stage == Stage::Answered && connection.rest.len() <= SHORT_ANSWER {
                self.give_seat_back(key);
            }
            let connection = &mut self.connections[key];
            if !connection.rest.is_empty() {
                match connection.send_rest() {
                    Written::All => self.room(key),
                    // The deadline begins with the first byte that waits, and every bit of progress
                    // earns the client the whole of it anew.
                    Written::Some(sent) if sent > 0 || !connection.is_waiting => {
                        return self.await_room(key);
                    }
                    Written::Some(_) => return,
                    Written::Broken(error) => return self.broke(key, &error.into()),
                }
            }
            match self.connections[key].stage {
                Stage::Answered => return self.next_request(key),
                Stage::Leaving => return self.close_our_side(key),
                Stage::Asking => return self.ask_on(key),
                Stage::Left => return,
                Stage::Open => {
                    let has_more = self.serve_from_log(key);
                    if self.end_if_due(key) || !has_more {
                        return;
                    }
                }
            }
        }
        self.keep_busy(key);
    }
}
