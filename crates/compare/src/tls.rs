//! The TLS of one connection, without I/O. The load and the baseline use it.
//!
//! rustls opens records in the buffer that they were read into, and seals bytes into the buffer that is sent. Neither
//! side has a buffer for each connection.

use std::fmt;
use std::io;

use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus,
};

/// The protocols that the sides agree on (ALPN).
pub(crate) const HTTP_1: &[u8] = b"http/1.1";
pub(crate) const HTTP_2: &[u8] = b"h2";

/// The most bytes that one record contains.
const MAX_RECORD: usize = 16 << 10;

/// The room that a record needs besides its content.
const OVERHEAD: usize = 64;

/// One side of a connection: the client or the server.
pub(crate) trait Side {
    type Data;

    fn process<'c, 'i>(&'c mut self, records: &'i mut [u8])
    -> UnbufferedStatus<'c, 'i, Self::Data>;
}

impl Side for UnbufferedClientConnection {
    type Data = ClientConnectionData;

    fn process<'c, 'i>(
        &'c mut self,
        records: &'i mut [u8],
    ) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(records)
    }
}

impl Side for UnbufferedServerConnection {
    type Data = ServerConnectionData;

    fn process<'c, 'i>(
        &'c mut self,
        records: &'i mut [u8],
    ) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(records)
    }
}

/// The state of a connection.
pub(crate) struct Session<C> {
    pub(crate) connection: C,
    /// The first part of a record that is not complete.
    partial: Vec<u8>,
}

impl<C> fmt::Debug for Session<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("partial", &self.partial.len()).finish_non_exhaustive()
    }
}

impl<C: Side> Session<C> {
    pub(crate) fn new(connection: C) -> Self {
        Self { connection, partial: Vec::new() }
    }

    /// Opens received records. Appends their content to `opened`, and records that must be sent to `records`.
    ///
    /// # Errors
    /// Fails if the peer violates the protocol or reports an error.
    pub(crate) fn open(
        &mut self,
        received: &mut [u8],
        opened: &mut Vec<u8>,
        records: &mut Vec<u8>,
    ) -> io::Result<()> {
        if self.partial.is_empty() {
            let used = self.process(received, opened, records)?;
            self.partial.extend_from_slice(&received[used..]);
            return Ok(());
        }
        let mut joined = std::mem::take(&mut self.partial);
        joined.extend_from_slice(received);
        let used = self.process(&mut joined, opened, records)?;
        if used < joined.len() {
            joined.drain(..used);
            self.partial = joined;
        }
        Ok(())
    }

    /// Returns the number of used bytes.
    fn process(
        &mut self,
        received: &mut [u8],
        opened: &mut Vec<u8>,
        records: &mut Vec<u8>,
    ) -> io::Result<usize> {
        let mut used = 0;
        loop {
            let status = self.connection.process(&mut received[used..]);
            used += status.discard;
            match status.state.map_err(io::Error::other)? {
                ConnectionState::EncodeTlsData(data) => append(data, records),
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(io::Error::other)?;
                        opened.extend_from_slice(record.payload);
                        used += record.discard;
                    }
                }
                // The end of the stream follows.
                ConnectionState::PeerClosed | ConnectionState::Closed => return Ok(received.len()),
                _ => return Ok(used),
            }
        }
    }

    /// Appends the records of `bytes` to `records`. Before the handshake is complete, appends only records of the
    /// handshake and returns `false`.
    ///
    /// # Errors
    /// Any error of the TLS connection.
    pub(crate) fn seal(&mut self, bytes: &[u8], records: &mut Vec<u8>) -> io::Result<bool> {
        loop {
            match self.connection.process(&mut []).state.map_err(io::Error::other)? {
                ConnectionState::EncodeTlsData(data) => append(data, records),
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::WriteTraffic(_) if bytes.is_empty() => return Ok(true),
                ConnectionState::WriteTraffic(mut traffic) => {
                    let start = records.len();
                    let count = bytes.len().div_ceil(MAX_RECORD);
                    records.resize(start + bytes.len() + count * OVERHEAD, 0);
                    let sealed = match traffic.encrypt(bytes, &mut records[start..]) {
                        Err(EncryptError::InsufficientSize(size)) => {
                            records.resize(start + size.required_size, 0);
                            traffic.encrypt(bytes, &mut records[start..])
                        }
                        sealed => sealed,
                    };
                    let length = sealed.map_err(io::Error::other)?;
                    records.truncate(start + length);
                    return Ok(true);
                }
                _ => return Ok(false),
            }
        }
    }
}

/// Appends a record of a handshake.
fn append<Data>(mut data: EncodeTlsData<'_, Data>, records: &mut Vec<u8>) {
    let start = records.len();
    // The first call returns the size.
    if let Err(EncodeError::InsufficientSize(size)) = data.encode(&mut []) {
        records.resize(start + size.required_size, 0);
        let length = data.encode(&mut records[start..]).unwrap_or(0);
        records.truncate(start + length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::tls::Tls as ServerTls;
    use crate::certificate::Certificate;
    use crate::load::tls::Tls as ClientTls;

    type Pair = (Session<UnbufferedClientConnection>, Session<UnbufferedServerConnection>);

    /// A client and a server after the handshake, in which records arrive in portions of this size.
    fn connected(client: &ClientTls, server: &ServerTls, portion: usize) -> Pair {
        let address = [127, 0, 0, 1].into();
        let (mut client, mut server) =
            (client.session(address, false).unwrap(), server.session().unwrap());
        let (mut to_server, mut to_client, mut opened) = (Vec::new(), Vec::new(), Vec::new());
        assert!(!client.seal(b"", &mut to_server).unwrap(), "it waits for the server");
        while client.connection.is_handshaking() || server.connection.is_handshaking() {
            assert!(!to_server.is_empty() || !to_client.is_empty());
            for portion in std::mem::take(&mut to_server).chunks_mut(portion) {
                server.open(portion, &mut opened, &mut to_client).unwrap();
            }
            for portion in std::mem::take(&mut to_client).chunks_mut(portion) {
                client.open(portion, &mut opened, &mut to_server).unwrap();
            }
        }
        for portion in to_client.chunks_mut(portion) {
            client.open(portion, &mut opened, &mut to_server).unwrap();
        }
        assert!(opened.is_empty() && to_server.is_empty());
        (client, server)
    }

    fn configured(keeps_tickets: bool) -> (ClientTls, ServerTls) {
        let certificate = Certificate::create().unwrap();
        let client = ClientTls::trusting(&certificate.chain, keeps_tickets).unwrap();
        (client, ServerTls::read(&certificate.chain, &certificate.key).unwrap())
    }

    #[test]
    fn bytes_arrive_in_portions_of_every_size() {
        let (client, server) = configured(false);
        for portion in [1, 7, 100, 1 << 20] {
            let (mut client, mut server) = connected(&client, &server, portion);
            let sent: Vec<u8> = (0..40_000_u32).map(|at| at as u8).collect();
            let (mut records, mut opened, mut replies) = (Vec::new(), Vec::new(), Vec::new());
            assert!(server.seal(&sent[..10], &mut records).unwrap());
            assert!(server.seal(&sent[10..], &mut records).unwrap());
            for portion in records.chunks_mut(portion) {
                client.open(portion, &mut opened, &mut replies).unwrap();
            }
            assert!(opened == sent && replies.is_empty());
        }
    }

    #[test]
    fn sessions_are_resumed_if_tickets_may_be_used() {
        let (client, server) = configured(true);
        let kind = |resumes| {
            client.resume(resumes);
            connected(&client, &server, 100).0.connection.handshake_kind()
        };
        let (full, resumed) = (rustls::HandshakeKind::Full, rustls::HandshakeKind::Resumed);
        assert_eq!([false, false, true].map(kind), [full, full, resumed].map(Some));
    }
}
