//! The stages of a connection.

use tidings_core::Seat;

use super::Connection;
use crate::lane::client::Client;

/// The stage of a connection. The seat is that of a client that is no longer served.
pub(super) enum Stage {
    /// The connection is read for its next request.
    Requests,
    /// This client is served.
    Serving(Client),
    /// The answer to a poll is encoded or written. The seat is freed once the rest of the answer is short.
    Answering(Option<Seat>),
    /// The last bytes are written. Then this side is closed.
    Closing(Option<Seat>),
    /// This side is closed, and the peer has not closed its side yet.
    Lingering(Option<Seat>),
}

impl Connection {
    /// Takes the seat of a poll whose answer is encoded.
    pub(in crate::lane) fn release(&mut self) -> Option<Seat> {
        if let Stage::Answering(seat) = &mut self.stage { seat.take() } else { None }
    }

    /// Enters a stage in which the client is no longer served, and keeps the client's seat there. A handler of the
    /// client's message is dropped. A publish without a handler continues while the connection exists.
    pub(super) fn enter(&mut self, stage: fn(Option<Seat>) -> Stage) {
        if self.is_handling() {
            self.pending = None;
        }
        self.stage = stage(match std::mem::replace(&mut self.stage, Stage::Requests) {
            Stage::Requests => None,
            Stage::Serving(client) => Some(client.seat),
            Stage::Answering(seat) | Stage::Closing(seat) | Stage::Lingering(seat) => seat,
        });
    }

    /// Whether the connection is read for its next request, or has a request without a response.
    pub(in crate::lane) fn has_no_client(&self) -> bool {
        matches!(self.stage, Stage::Requests)
    }

    /// Returns `true` if nothing is read until a response is sent, or until the input of the client is handled.
    pub(in crate::lane) fn is_paused(&self) -> bool {
        match &self.stage {
            Stage::Requests => self.pending.is_some(),
            Stage::Serving(client) => {
                client.is_poll() || self.pending.is_some() || client.has_inbound()
            }
            Stage::Answering(_) => true,
            Stage::Closing(_) | Stage::Lingering(_) => false,
        }
    }

    /// Whether the client is a poll whose answer is not sent completely yet.
    pub(super) fn awaits_answer(&self) -> bool {
        match &self.stage {
            Stage::Serving(client) => client.is_poll(),
            Stage::Answering(_) => true,
            Stage::Requests | Stage::Closing(_) | Stage::Lingering(_) => false,
        }
    }
}
