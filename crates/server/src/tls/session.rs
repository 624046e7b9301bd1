//! The TLS of one connection, without I/O.
//!
//! rustls keeps the keys and the state, and no buffer: it opens records in the buffer that a lane reads into, and seals
//! bytes into the buffer that the lane sends from. So a quiet client costs the state alone.

use std::io;
use std::sync::Arc;

use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, EncryptError, WriteTraffic};
use rustls::{InvalidMessage, ServerConfig};

/// The TLS session of one connection.
pub(crate) struct Session(Box<Inner>);

struct Inner {
    connection: UnbufferedServerConnection,
    /// The first part of a record that was not read completely. A record has at most 16 KiB and a few bytes
    /// (RFC 8446, section 5.2).
    partial: Vec<u8>,
    /// Whether the peer has sent `close_notify`.
    is_ended: bool,
}

/// The bytes that a session has opened, and the records that it wants to send. Kept between connections so that their
/// memory is used again.
#[derive(Debug, Default)]
pub(crate) struct Opened {
    /// What the peer has sent.
    pub(crate) input: Vec<u8>,
    /// Handshake messages and alerts. They must be sent before anything that is sealed later.
    pub(crate) records: Vec<u8>,
}

/// The room that a record needs besides its content: header, nonce, content type and tag.
const RECORD_OVERHEAD: usize = 64;

/// The most bytes that one record holds.
const MAX_RECORD: usize = 16 << 10;

/// The response to a plain HTTP request on a listener for TLS.
const PLAIN_HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 61\r\n\
    Connection: close\r\n\r\n\
    this listener uses TLS, send the request to an https:// URL\r\n";

impl Session {
    /// Returns a session that waits for the handshake of a client.
    ///
    /// # Errors
    /// Returns an error if rustls rejects the configuration.
    pub(crate) fn new(config: Arc<ServerConfig>) -> Result<Self, rustls::Error> {
        let connection = UnbufferedServerConnection::new(config)?;
        Ok(Self(Box::new(Inner { connection, partial: Vec::new(), is_ended: false })))
    }

    /// Returns `true` until the handshake is complete.
    pub(crate) fn is_handshaking(&self) -> bool {
        self.0.connection.is_handshaking()
    }

    /// Returns `true` if the peer has sent `close_notify`. An end of the stream before that is a truncation (RFC 8446,
    /// section 6.1).
    pub(crate) fn is_ended(&self) -> bool {
        self.0.is_ended
    }

    /// Opens records that were read from the peer, and replaces the content of `opened`. Keeps the part of a record
    /// that is incomplete.
    ///
    /// # Errors
    /// Returns an error if the peer violates the protocol or rejects the certificate. `opened` has the alert that must
    /// be sent to it then.
    pub(crate) fn open(
        &mut self,
        incoming: &mut [u8],
        opened: &mut Opened,
    ) -> Result<(), rustls::Error> {
        opened.input.clear();
        opened.records.clear();
        if self.0.is_ended {
            return Ok(());
        }
        if self.0.partial.is_empty() {
            let used = self.0.process(incoming, opened)?;
            self.0.partial.extend_from_slice(&incoming[used..]);
            return Ok(());
        }
        let mut joined = std::mem::take(&mut self.0.partial);
        joined.extend_from_slice(incoming);
        let used = self.0.process(&mut joined, opened)?;
        if used < joined.len() {
            joined.drain(..used);
            self.0.partial = joined;
        }
        Ok(())
    }

    /// Appends the records of these bytes to `records`.
    ///
    /// # Errors
    /// Returns an error if the handshake is not complete, or if the session has failed.
    pub(crate) fn seal(&mut self, bytes: &[u8], records: &mut Vec<u8>) -> io::Result<()> {
        let count = bytes.len().div_ceil(MAX_RECORD);
        let room = bytes.len() + count * RECORD_OVERHEAD;
        self.0.write(records, room, |traffic, room| traffic.encrypt(bytes, room))
    }

    /// Appends the alert `close_notify` to `records`. Appends nothing if the handshake is not complete.
    pub(crate) fn close(&mut self, records: &mut Vec<u8>) {
        // A connection without keys has nothing to end.
        let _ = self
            .0
            .write(records, RECORD_OVERHEAD, |traffic, room| traffic.queue_close_notify(room));
    }
}

impl Inner {
    /// Processes records. Returns the number of bytes that are used.
    fn process(
        &mut self,
        incoming: &mut [u8],
        opened: &mut Opened,
    ) -> Result<usize, rustls::Error> {
        let mut used = 0;
        loop {
            let status = self.connection.process_tls_records(&mut incoming[used..]);
            used += status.discard;
            match status.state {
                Ok(ConnectionState::EncodeTlsData(data)) => encode(data, &mut opened.records),
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record?;
                        opened.input.extend_from_slice(record.payload);
                        used += record.discard;
                    }
                }
                Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => {
                    self.is_ended = true;
                    return Ok(incoming.len());
                }
                // Early data is off, so there is nothing else.
                Ok(_) => return Ok(used),
                Err(error) => {
                    let alert = self.connection.process_tls_records(&mut []).state;
                    if is_http(&error, incoming) {
                        opened.records.extend_from_slice(PLAIN_HTTP);
                    } else if let Ok(ConnectionState::EncodeTlsData(alert)) = alert {
                        encode(alert, &mut opened.records);
                    }
                    return Err(error);
                }
            }
        }
    }

    /// Lets `write` append one or more records, which need about `room` bytes.
    fn write(
        &mut self,
        records: &mut Vec<u8>,
        mut room: usize,
        mut write: impl FnMut(
            &mut WriteTraffic<'_, ServerConnectionData>,
            &mut [u8],
        ) -> Result<usize, EncryptError>,
    ) -> io::Result<()> {
        loop {
            match self.connection.process_tls_records(&mut []).state {
                Ok(ConnectionState::EncodeTlsData(data)) => encode(data, records),
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    let start = records.len();
                    records.resize(start + room, 0);
                    match write(&mut traffic, &mut records[start..]) {
                        Ok(written) => {
                            records.truncate(start + written);
                            return Ok(());
                        }
                        Err(EncryptError::InsufficientSize(needed)) => {
                            records.truncate(start);
                            room = needed.required_size;
                        }
                        Err(error @ EncryptError::EncryptExhausted) => {
                            records.truncate(start);
                            return Err(io::Error::other(error));
                        }
                    }
                }
                Ok(_) => return Err(io::ErrorKind::NotConnected.into()),
                Err(error) => return Err(io::Error::other(error)),
            }
        }
    }
}

/// Returns `true` if a client has sent a plain HTTP request. `incoming` begins with the bytes that `error` is about.
fn is_http(error: &rustls::Error, incoming: &[u8]) -> bool {
    let is_plain =
        matches!(error, rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType));
    is_plain && incoming.iter().take(3).all(u8::is_ascii_uppercase)
}

/// Appends a record that rustls has made.
fn encode(mut data: EncodeTlsData<'_, ServerConnectionData>, records: &mut Vec<u8>) {
    let start = records.len();
    // The first call returns the size.
    if let Err(EncodeError::InsufficientSize(needed)) = data.encode(&mut []) {
        records.resize(start + needed.required_size, 0);
        let written = data.encode(&mut records[start..]).unwrap_or(0);
        records.truncate(start + written);
    }
}
