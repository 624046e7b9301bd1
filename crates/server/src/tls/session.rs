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
    pub(crate) fn new(config: Arc<ServerConfig>) -> Result<Self, rustls::Error> {
        let connection = UnbufferedServerConnection::new(config)?;
        Ok(Self(Box::new(Inner { connection, partial: Vec::new(), is_ended: false })))
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        self.0.connection.is_handshaking()
    }

    /// Whether the peer has sent `close_notify`. An end of the stream before that is a truncation (RFC 8446, section
    /// 6.1).
    pub(crate) fn is_ended(&self) -> bool {
        self.0.is_ended
    }

    /// Opens records that were read from the peer, and replaces the content of `opened`. Keeps the part of a record
    /// that is incomplete.
    ///
    /// # Errors
    /// Fails if the peer violates the protocol or rejects the certificate. `opened` has the alert that must be sent to
    /// it then.
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
    /// Fails if the handshake is not complete, or the session has failed.
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
                    // Taken even if it is not sent. Otherwise `close` would send it after the response.
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

/// Whether a client has sent a plain HTTP request. `incoming` begins with the bytes that `error` is about.
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

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use rustls::crypto::ring;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use rustls::{ClientConfig, ClientConnection, RootCertStore};

    use super::*;
    use crate::tls::Tls;

    /// A session and its client, which are connected by two buffers.
    struct Pair {
        session: Session,
        client: ClientConnection,
        opened: Opened,
        /// How many bytes of the client the session reads at once.
        step: usize,
    }

    impl Pair {
        fn new(step: usize) -> Self {
            let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            let key = PrivateKeyDer::try_from(signed.signing_key.serialize_der()).unwrap();
            let certificate: CertificateDer<'static> = signed.cert.der().clone();
            let mut roots = RootCertStore::empty();
            roots.add(certificate.clone()).unwrap();
            let tls = Tls::from_der(vec![certificate], key).unwrap();
            let provider = Arc::new(ring::default_provider());
            let config = ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
            let name = "localhost".try_into().unwrap();
            let client = ClientConnection::new(Arc::new(config), name).unwrap();
            let session = tls.session().unwrap();
            Self { session, client, opened: Opened::default(), step }
        }

        /// Sends what the client has to send, and returns what the session opens.
        fn send_to_session(&mut self) -> Result<Vec<u8>, rustls::Error> {
            let (mut records, mut input) = (Vec::new(), Vec::new());
            while self.client.wants_write() {
                self.client.write_tls(&mut records).unwrap();
            }
            for part in records.chunks_mut(self.step) {
                self.session.open(part, &mut self.opened)?;
                input.extend_from_slice(&self.opened.input);
                let records = self.opened.records.clone();
                self.send_to_client(&records);
            }
            Ok(input)
        }

        /// Sends these records to the client, and returns what it opens.
        fn send_to_client(&mut self, mut records: &[u8]) -> Vec<u8> {
            let mut input = Vec::new();
            while !records.is_empty() {
                self.client.read_tls(&mut records).unwrap();
                self.client.process_new_packets().unwrap();
                let _ = self.client.reader().read_to_end(&mut input);
            }
            input
        }

        fn handshake(&mut self) {
            while self.client.is_handshaking() || self.session.is_handshaking() {
                self.send_to_session().unwrap();
            }
        }
    }

    #[test]
    fn wherever_records_are_cut_both_sides_read_what_the_other_has_written() {
        for step in [1, 7, 1000, usize::MAX] {
            let mut pair = Pair::new(step);
            pair.handshake();
            // More than one record.
            let sent = b"0123456789".repeat(4000);
            pair.client.writer().write_all(&sent).unwrap();
            assert_eq!(pair.send_to_session().unwrap(), sent);
            let mut records = Vec::new();
            pair.session.seal(&sent, &mut records).unwrap();
            assert_eq!(pair.send_to_client(&records), sent);
            assert_eq!(pair.session.0.partial.capacity(), 0, "a quiet session has no buffer");
        }
    }

    #[test]
    fn close_notify_ends_the_input_and_not_the_output() {
        let mut pair = Pair::new(usize::MAX);
        pair.handshake();
        pair.client.writer().write_all(b"last").unwrap();
        pair.client.send_close_notify();
        assert!(!pair.session.is_ended());
        assert_eq!(pair.send_to_session().unwrap(), b"last");
        assert!(pair.session.is_ended());
        let mut records = Vec::new();
        pair.session.seal(b"response", &mut records).unwrap();
        pair.session.close(&mut records);
        assert_eq!(pair.send_to_client(&records), b"response");
    }

    #[test]
    fn nothing_is_sealed_before_the_handshake() {
        let mut pair = Pair::new(usize::MAX);
        let mut records = Vec::new();
        assert!(pair.session.seal(b"early", &mut records).is_err());
        pair.session.close(&mut records);
        assert_eq!(records, b"");
    }

    #[test]
    fn a_peer_that_violates_the_protocol_is_sent_the_reason() {
        let mut pair = Pair::new(usize::MAX);
        let open = |pair: &mut Pair, bytes: &[u8]| {
            pair.session.open(&mut bytes.to_vec(), &mut pair.opened).unwrap_err();
            pair.opened.records.clone()
        };
        let response = String::from_utf8(open(&mut pair, b"GET / HTTP/1.1\r\n\r\n")).unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head}");
        let mut records = Vec::new();
        pair.session.close(&mut records);
        assert_eq!(records, b"", "no alert follows the response");
        let mut pair = Pair::new(usize::MAX);
        // A fatal alert (RFC 8446, section 6).
        assert_eq!(open(&mut pair, b"\x16\x03\x01\x00\x04\x01\0\0\0")[..1], [21]);
    }
}
