//! Opens a session.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Deref;
use std::sync::Arc;

use http::StatusCode;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, ConnectionError, Endpoint, TransportConfig, TransportErrorCode};
use tidings_transport::client::{
    ClientError, Goodbye, Silence, Target, first_that_answers, handshake_error, shown, url_after,
};
use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use url::Url;
use web_transport_quinn::proto::{self, ConnectRequest};
use web_transport_quinn::{ALPN, ConnectError, Session, SessionError, WebTransportError};

use super::protocol;

/// A session. Dropping it closes it.
pub(super) struct Connected {
    session: Session,
    /// Has a task for each session that is being closed.
    closing: TaskTracker,
}

impl Deref for Connected {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        // A task of the library holds the connection too, so it would stay open. Outside of a runtime this closes it at
        // once.
        self.session.close(0, b"");
        if Handle::try_current().is_ok() {
            let session = self.session.clone();
            // The server closes the connection when it has received the end of the session.
            self.closing.spawn(async move { session.closed().await });
        }
    }
}

/// Opens a session with the server of `target.url`.
///
/// # Errors
/// - [`ClientError::BadUrl`] if the scheme is not `https`.
/// - [`ClientError::Connect`] if the name cannot be resolved, or no address answers by QUIC.
/// - [`ClientError::Certificate`] if the certificate of the server is not accepted.
/// - [`ClientError::Tls`] if the TLS handshake fails for any other reason.
/// - [`ClientError::TimedOut`] if the answer to the request of the session does not arrive within the limit for heads.
/// - [`ClientError::Rejected`] if the answer is not a `200`.
pub(super) async fn connect(
    target: &Target,
    closing: TaskTracker,
) -> Result<Connected, ClientError> {
    let request = request(target)?;
    let connection = quic(target).await?;
    let limit = Silence::exactly(target.options.limits.head);
    let session = limit.bound(Session::connect(connection, request)).await?.map_err(failed)?;
    Ok(Connected { session, closing })
}

fn request(target: &Target) -> Result<ConnectRequest, ClientError> {
    let bad = |problem| ClientError::BadUrl { url: shown(&target.url), problem };
    let mut url = url_after(&target.url, target.position);
    let has_secure_scheme = matches!(url.scheme(), "https" | "wss");
    if !has_secure_scheme || url.set_scheme("https").is_err() {
        return Err(bad("WebTransport needs https"));
    }
    // The credentials are sent as a header. An authority must not contain them.
    url.set_username("")
        .and_then(|()| url.set_password(None))
        .map_err(|()| bad("it has no host"))?;
    url.set_fragment(None);
    let headers = target.options.headers_for(&target.url);
    Ok(ConnectRequest::new(url).with_headers(headers))
}

/// Opens a QUIC connection.
async fn quic(target: &Target) -> Result<quinn::Connection, ClientError> {
    let name = server_name(&target.url);
    let deadline = Instant::now() + target.options.limits.connect;
    let attempt = |address| attempt(target, address, name.clone());
    let (address, connected) = first_that_answers(target, deadline, attempt).await?;
    connected.map_err(|error| handshake_error(&target.url, address, error))
}

fn server_name(url: &Url) -> String {
    match url.host() {
        // Without the brackets.
        Some(url::Host::Ipv6(ip)) => ip.to_string(),
        _ => url.host_str().unwrap_or_default().to_owned(),
    }
}

fn config<T>(tls: T) -> io::Result<ClientConfig>
where
    T: TryInto<QuicClientConfig, Error: std::error::Error + Send + Sync + 'static>,
{
    let crypto: QuicClientConfig = tls.try_into().map_err(io::Error::other)?;
    let mut transport = TransportConfig::default();
    // A silent server is detected by its heartbeats.
    transport.max_idle_timeout(None);
    let mut config = ClientConfig::new(Arc::new(crypto));
    config.transport_config(Arc::new(transport));
    Ok(config)
}

/// Connects to one address. The inner error is a failed TLS handshake, after which no other address is tried.
async fn attempt(
    target: &Target,
    address: SocketAddr,
    name: String,
) -> io::Result<io::Result<quinn::Connection>> {
    let tls = &target.options.tls;
    let config = match tls.client_config(ALPN) {
        Ok(tls) => config(tls)?,
        Err(error) => return Ok(Err(error)),
    };
    let connected = handshake(address, &name, config).await?;
    if connected.is_ok() {
        return Ok(connected);
    }
    // quinn returns the error of rustls only as text. So the handshake is repeated with a verifier that keeps the error.
    let (again, check) = tls.checked_client_config(ALPN)?;
    let connected = handshake(address, &name, self::config(again)?).await?;
    Ok(connected.map_err(|error| check.problem().map_or(error, io::Error::other)))
}

/// Connects to one address with this configuration. The inner error is a failed TLS handshake.
async fn handshake(
    address: SocketAddr,
    name: &str,
    config: ClientConfig,
) -> io::Result<io::Result<quinn::Connection>> {
    let any: IpAddr =
        if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let endpoint = Endpoint::client(SocketAddr::new(any, 0))?;
    let connecting = endpoint.connect_with(config, address, name).map_err(io::Error::other)?;
    match connecting.await {
        Ok(connection) => Ok(Ok(connection)),
        Err(ConnectionError::TransportError(error)) if is_of_tls(error.code) => {
            Ok(Err(io::Error::other(error.to_string())))
        }
        Err(ConnectionError::ConnectionClosed(close)) if is_of_tls(close.error_code) => {
            Ok(Err(io::Error::other(close.to_string())))
        }
        Err(error) => Err(io::Error::other(error)),
    }
}

/// The codes of TLS alerts (RFC 9001, section 4.8).
fn is_of_tls(code: TransportErrorCode) -> bool {
    (0x100..0x200).contains(&u64::from(code))
}

/// Converts an error of the request for a session.
fn failed(error: web_transport_quinn::ClientError) -> ClientError {
    use web_transport_quinn::ClientError as Error;
    match error {
        Error::HttpError(ConnectError::ErrorStatus(status)) => rejected(status, "no reason given"),
        Error::HttpError(ConnectError::ProtoError(proto::ConnectError::WrongStatus(Some(
            status,
        )))) => rejected(status, "no reason given"),
        Error::HttpError(ConnectError::ProtoError(error)) => protocol(error.to_string()),
        error => ClientError::Broken(error.to_string()),
    }
}

/// The goodbye that the code of a closed session means. Fails with [`ClientError::Rejected`] if the code is an HTTP
/// status, and with [`ClientError::Broken`] if there is no code.
pub(super) fn closed(error: SessionError) -> Result<Goodbye, ClientError> {
    match error {
        SessionError::WebTransportError(WebTransportError::Closed(code, reason)) => match code {
            300..=599 => {
                Err(rejected(StatusCode::try_from(code as u16).unwrap_or_default(), &reason))
            }
            0 => Err(ClientError::Broken("the server closed the session".to_owned())),
            _ => Ok(Goodbye { code: u16::try_from(code).ok(), reason }),
        },
        error => Err(ClientError::Broken(error.to_string())),
    }
}

/// The error for a session that is rejected with this reason, `CODE: MESSAGE`.
fn rejected(status: StatusCode, reason: &str) -> ClientError {
    let is_code = |code: &str| code.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase());
    let (code, message) = match reason.split_once(": ") {
        Some((code, message)) if is_code(code) => (Some(code.to_owned()), message),
        _ => (None, reason),
    };
    let message = message.to_owned();
    ClientError::Rejected { status, code, message, retry_after: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Target {
        Target::new(url.parse().unwrap())
    }

    #[test]
    fn credentials_are_a_header_and_the_position_is_in_the_query() {
        let position = tidings_core::Position::Earliest;
        let target = target("wss://ann:s3cret@h:444/topics/a?wait=2#x").position(position);
        let request = request(&target).unwrap();
        assert_eq!(request.url.as_str(), "https://h:444/topics/a?wait=2&after=earliest");
        assert_eq!(request.headers["authorization"], "Basic YW5uOnMzY3JldA==");
    }

    #[tokio::test]
    async fn a_url_without_tls_is_a_final_error() {
        let error = connect(&target("http://127.0.0.1:1/topics/a"), TaskTracker::new()).await;
        let error = error.err().unwrap();
        assert!(error.is_final() && error.to_string().contains("needs https"), "{error}");
    }

    #[test]
    fn the_code_of_a_closed_session_is_a_goodbye_or_a_rejection() {
        let closed =
            |code, reason: &str| closed(WebTransportError::Closed(code, reason.to_owned()).into());
        let goodbye = closed(1001, "the server is going away").unwrap();
        assert_eq!((goodbye.code, goodbye.is_worth_reconnecting()), (Some(1001), true));
        for (code, reason, expected, message) in [
            (403, "origin_not_allowed: pages of: x", Some("origin_not_allowed"), "pages of: x"),
            (503, "no room: later", None, "no room: later"),
        ] {
            match closed(code, reason).unwrap_err() {
                ClientError::Rejected { status, code, message: found, .. } => {
                    assert_eq!((code.as_deref(), &*found), (expected, message));
                    assert!(status == 403 || status == 503);
                }
                other => panic!("{other}"),
            }
        }
        assert!(matches!(closed(0, ""), Err(ClientError::Broken(_))));
    }
}
