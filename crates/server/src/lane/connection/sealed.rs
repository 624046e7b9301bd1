//! A connection with TLS: its unsent bytes are sealed before they are written.

use std::io;

use bytes::Bytes;

use super::{Connection, Stage};
use crate::lane::next::Next;
use crate::lane::status::Status;
use crate::lane::timeout::Timeout;
use crate::tls::Session;

impl Connection {
    /// Seals the unsent bytes that are not sealed yet.
    pub(in crate::lane) fn seal(&mut self, session: &mut Session) -> io::Result<()> {
        self.output.seal(|bytes, records| session.seal(bytes, records))
    }

    /// Appends records of the session, such as those of the handshake, to the unsent bytes, which are sealed already.
    pub(in crate::lane) fn append_records(&mut self, records: &[u8]) {
        if !records.is_empty() {
            self.output.append_sealed(Bytes::copy_from_slice(records));
        }
    }

    /// Handles the end of the handshake. The first request is awaited from now on.
    pub(in crate::lane) fn on_handshake(&mut self) {
        self.timeout = Some(Timeout::Request);
    }

    /// Handles records that violate the protocol. If the connection has no request, the peer is sent the alert, which
    /// is among the unsent bytes: it may name the certificate or the version that does not fit. Otherwise the
    /// connection is removed, unless it is waiting for the close of the peer's side.
    pub(in crate::lane) fn on_failed_session(&mut self, status: &Status) -> Next {
        match self.stage {
            Stage::Requests if self.pending.is_none() => {
                self.stage = Stage::Closing(None);
                self.advance(status)
            }
            Stage::Lingering(_) => Next::Idle,
            _ => Next::Remove,
        }
    }

    /// Handles the result of sending the records of a pass. Keeps the records that were not sent. No records mean that
    /// the session could not seal.
    pub(in crate::lane) fn on_records_sent(
        &mut self,
        records: &[u8],
        sent: io::Result<usize>,
        status: &Status,
    ) -> Next {
        if records.is_empty() {
            return Next::Remove;
        }
        self.after_send(records.len(), sent, status, |output, sent| {
            output.append_sealed(Bytes::copy_from_slice(&records[sent..]));
        })
    }
}
