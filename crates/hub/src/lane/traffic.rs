//! A socket that can be read or written again, and the ways out.

use std::net::Shutdown;

use tidings_transport::{Said, Shape};

use super::State;
use super::client::{Client, Progress, Stage, Written};

/// How many reads or renderings one client has in one turn.
const PORTIONS: usize = 8;

/// Half written bytes that a protocol's own answers may not add to: a client that pings without reading
/// gets no further pongs.
const MAX_REPLIES: usize = 4096;

impl State {
    /// Hears what a client has sent.
    pub(super) fn read(&mut self, key: usize) {
        let mut said = Vec::new();
        for _ in 0..PORTIONS {
            let Some(client) = self.clients.get_mut(key) else { return };
            let count = match client.receive(&mut self.read_buffer) {
                Ok(None) => return,
                Ok(Some(0)) | Err(_) => return self.remove(key),
                Ok(Some(count)) => count,
            };
            if matches!(client.shape, Shape::Answer { .. }) {
                return;
            }
            client.pulse.heard();
            if client.stage == Stage::Open
                && let Some(ear) = &mut client.ear
            {
                ear.hear(&mut self.read_buffer[..count], &mut said);
            }
            said.drain(..).for_each(|said| self.heard(key, said));
        }
        self.keep_busy(key);
    }

    pub(super) fn heard(&mut self, key: usize, said: Said) {
        let Some(client) = self.clients.get_mut(key) else { return };
        if client.stage != Stage::Open {
            return;
        }
        match said {
            Said::Message(message) => {
                if let Err(reason) = client.on_message.handle(&self.hub, &client.seat, message) {
                    self.goodbye(key, reason);
                }
            }
            Said::Reply(bytes) if client.rest.len() < MAX_REPLIES => self.append(key, bytes),
            Said::Reply(_) => {}
            Said::Closed(bytes) => {
                client.stage = Stage::Leaving;
                self.append(key, bytes);
            }
            Said::Fault(reason) => self.goodbye(key, reason),
        }
    }

    /// Sends what is left over, and then what the client has not had yet.
    pub(super) fn write(&mut self, key: usize) {
        for _ in 0..PORTIONS {
            let Some(client) = self.clients.get_mut(key) else { return };
            if !client.rest.is_empty() {
                match client.send_rest() {
                    Written::All => self.room(key),
                    // The deadline begins with the first byte that waits, and every bit of progress
                    // earns the client the whole of it anew.
                    Written::Some(sent) if sent > 0 || !client.is_waiting => {
                        return self.await_room(key);
                    }
                    Written::Some(_) => return,
                    Written::Broken => return self.remove(key),
                }
            }
            let client = &mut self.clients[key];
            match (client.stage, client.progress) {
                (Stage::Answered, _) => return self.give_back(key),
                (Stage::Leaving, _) => return self.close_our_side(key),
                (Stage::Left, _) | (Stage::Open, Progress::Current) => return,
                (Stage::Open, Progress::Behind(_)) => {
                    if !self.serve_from_log(key) {
                        return;
                    }
                }
            }
        }
        self.keep_busy(key);
    }

    /// A client that was told goodbye has a moment to close its own side: what it sent meanwhile is read,
    /// or the system would answer it with a reset that can overtake the goodbye (RFC 6455, section 7.1.1).
    fn close_our_side(&mut self, key: usize) {
        let client = &mut self.clients[key];
        client.stage = Stage::Left;
        if client.socket.shutdown(Shutdown::Write).is_err() {
            return self.remove(key);
        }
        self.linger(key);
    }

    /// Lets a client go without a word.
    pub(super) fn remove(&mut self, key: usize) {
        self.take_out(key);
    }

    /// Hands the connection of a client that has its answer back, for its next request if there may be one.
    pub(super) fn give_back(&mut self, key: usize) {
        if self.clients[key].is_last {
            return self.close_our_side(key);
        }
        if let Some(client) = self.take_out(key) {
            (self.give_back)(client.socket.into(), client.connected);
        }
    }

    fn take_out(&mut self, key: usize) -> Option<Client> {
        let mut client = self.clients.try_remove(key)?;
        self.epoll.forget(&mut client.socket);
        self.timers.try_remove(&client.timer);
        if let Some(moved) = self.groups.leave(client.group, client.place) {
            self.clients[moved].place = client.place;
        }
        Some(client)
    }
}
