//! The publisher: one connection with one notification in flight.

use std::fmt;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use httparse::{EMPTY_HEADER, Response, Status};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use crate::load::requests::Requests;
use crate::load::tls::Tls;
use crate::tls::HTTP_1;

/// How long the server may take to answer.
const LIMIT: Duration = Duration::from_secs(10);

/// The most headers of a response.
const HEADERS: usize = 32;

trait Connection: Read + Write {}
impl<T: Read + Write> Connection for T {}

/// A connection over HTTP/1.1.
pub(super) struct Publisher {
    connection: Box<dyn Connection>,
    request: Vec<u8>,
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").finish_non_exhaustive()
    }
}

impl Publisher {
    /// Connects to the server, over TLS if there is a certificate to trust.
    ///
    /// # Errors
    /// Fails if nothing listens at the address, or the certificate cannot be read.
    pub(super) fn connect(requests: &Requests, certificate: Option<&Path>) -> anyhow::Result<Self> {
        let address = requests.address(0);
        let socket = TcpStream::connect_timeout(&address, LIMIT)
            .with_context(|| format!("no server at {address}"))?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(LIMIT))?;
        socket.set_write_timeout(Some(LIMIT))?;
        let connection: Box<dyn Connection> = match certificate {
            None => Box::new(socket),
            Some(certificate) => {
                let config = Arc::new(Tls::trusting(certificate, false)?.config(HTTP_1));
                let name = ServerName::IpAddress(address.ip().into());
                Box::new(StreamOwned::new(ClientConnection::new(config, name)?, socket))
            }
        };
        Ok(Self { connection, request: Vec::new() })
    }

    /// Publishes the notification with this number and waits until the server has answered.
    ///
    /// # Errors
    /// Fails if the server rejects it, closes the connection, or does not answer in time.
    pub(super) fn publish(&mut self, requests: &Requests, sequence: u64) -> anyhow::Result<()> {
        self.request.clear();
        requests.publish(&mut self.request, 0, 0, sequence);
        self.connection.write_all(&self.request).context("cannot publish")?;
        self.connection.flush().context("cannot publish")?;
        let mut response = Vec::new();
        while !is_complete(&response)? {
            let mut part = [0; 4096];
            match self.connection.read(&mut part).context("a publish was not answered")? {
                0 => bail!("the server closed the connection of the publisher"),
                length => response.extend_from_slice(&part[..length]),
            }
        }
        Ok(())
    }
}

/// Returns `true` once a response has its whole body.
///
/// # Errors
/// Fails if it is not a response with a length, or its status is not 200.
fn is_complete(response: &[u8]) -> anyhow::Result<bool> {
    let mut headers = [EMPTY_HEADER; HEADERS];
    let mut head = Response::new(&mut headers);
    let Status::Complete(end) = head.parse(response).context("the server does not speak HTTP")?
    else {
        return Ok(false);
    };
    let body = &response[end..];
    if head.code != Some(200) {
        let (code, body) = (head.code.unwrap_or(0), String::from_utf8_lossy(body));
        bail!("the server answered a publish with {code}: {body}");
    }
    let is_length = |name: &str| name.eq_ignore_ascii_case("content-length");
    let length = head.headers.iter().find(|header| is_length(header.name));
    let length = length.and_then(|header| str::from_utf8(header.value).ok()?.parse::<usize>().ok());
    Ok(body.len() >= length.context("the response to a publish has no length")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_complete_with_its_last_byte() {
        let response = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        for end in 0..response.len() {
            assert!(!is_complete(&response[..end]).unwrap(), "{end}");
        }
        assert!(is_complete(response).unwrap());
    }

    #[test]
    fn a_rejection_is_an_error_with_its_body() {
        let response = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno";
        let error = is_complete(response).unwrap_err().to_string();
        assert_eq!(error, "the server answered a publish with 403: no");
    }
}
