//! Sessions of WebTransport whose request and streams the test chooses itself, as a page does.

use std::sync::Arc;

use http::header::HeaderMap;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Endpoint, TransportConfig};
use tidings_server::Message;
use tidings_transport::client::{Arrival, Frame};
use tokio::io::{Join, Sink, join, sink};
use tokio::time::timeout;
use web_transport_quinn::proto::ConnectRequest;
use web_transport_quinn::{ALPN, RecvStream, Session, SessionError, WebTransportError};

use super::{Got, PATIENCE, Raw, Sessions};

/// Opens a session with this URL, whatever the host of the URL, and with these headers.
pub(crate) async fn open_session(
    sessions: &Sessions,
    url: &str,
    headers: HeaderMap,
    transport: TransportConfig,
) -> Session {
    let tls = sessions.options.tls.client_config(ALPN).unwrap();
    let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
    config.transport_config(Arc::new(transport));
    let endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let request = ConnectRequest::new(url.parse::<url::Url>().unwrap()).with_headers(headers);
    let opening = async {
        let connecting = endpoint.connect_with(config, sessions.address, "localhost").unwrap();
        Session::connect(connecting.await.unwrap(), request).await.unwrap()
    };
    timeout(PATIENCE, opening).await.expect("the server answers")
}

/// Waits for the code and the reason with which the session is closed.
pub(crate) async fn closed(session: &Session) -> (u32, String) {
    match timeout(PATIENCE, session.closed()).await.expect("the session is closed") {
        SessionError::WebTransportError(WebTransportError::Closed(code, reason)) => (code, reason),
        other => panic!("closed without a code: {other:?}"),
    }
}

/// Returns the transport parameters of a client with small receive windows.
pub(super) fn narrow() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport.stream_receive_window((16_u32 << 10).into());
    transport
}

/// A session, and the stream of the server if it has been read.
pub(crate) struct Opened {
    session: Session,
    lines: Option<Raw<Join<RecvStream, Sink>>>,
}

impl Opened {
    pub(super) fn new(session: Session) -> Self {
        Self { session, lines: None }
    }

    /// Returns the stream of the server. Panics if the session is closed without one.
    pub(super) async fn lines(&mut self) -> &mut Raw<Join<RecvStream, Sink>> {
        if self.lines.is_none() {
            let stream = timeout(PATIENCE, self.session.accept_uni()).await.expect("a stream");
            let stream = stream.unwrap_or_else(|error| panic!("no stream: {error}"));
            self.lines = Some(Raw::over(join(stream, sink())));
        }
        self.lines.as_mut().unwrap()
    }

    /// Sends each message as a stream, after the one before has been acknowledged.
    pub(super) async fn send(&self, messages: &[Message]) -> Result<(), SessionError> {
        timeout(PATIENCE, send(&self.session, messages)).await.expect("the server reads")
    }

    /// Sends messages until the session ends.
    pub(super) fn send_meanwhile(&self, messages: Vec<Message>) {
        let session = self.session.clone();
        tokio::spawn(async move { send(&session, &messages).await });
    }

    /// Returns what comes next.
    pub(super) async fn next(&mut self) -> Got {
        let line = self.lines().await.until(b"\n").await;
        match Frame::parse(&line).unwrap().arrival().unwrap() {
            Arrival::Heartbeat(_) => Got::Heartbeat,
            Arrival::Reply(message) => Got::Message(message),
            Arrival::Notification(it) => Got::Message(Message::new(it.kind, it.payload)),
            Arrival::Goodbye(goodbye) => {
                let (code, _) = closed(&self.session).await;
                assert_eq!(goodbye.code.map(u32::from), Some(code), "the goodbye has another code");
                Got::Closed(goodbye.code.unwrap())
            }
            other => panic!("{other:?}"),
        }
    }

    /// Returns everything up to the end of the stream.
    pub(super) async fn rest(mut self) -> Vec<u8> {
        self.lines().await;
        self.lines.take().unwrap().rest().await
    }

    /// Waits for the rejection. Returns its status and its code. Asserts that it has a message.
    pub(super) async fn rejection(&self) -> (u16, String) {
        let (status, reason) = closed(&self.session).await;
        let (code, message) = reason.split_once(": ").expect("a code and a message");
        assert!(message.len() > 8, "{reason}");
        (u16::try_from(status).unwrap(), code.to_owned())
    }
}

async fn send(session: &Session, messages: &[Message]) -> Result<(), SessionError> {
    for message in messages {
        let mut stream = session.open_uni().await?;
        // If this fails, so does the next stream.
        if stream.write_all(&message.payload).await.is_ok() && stream.finish().is_ok() {
            stream.stopped().await?;
        }
    }
    Ok(())
}

impl Drop for Opened {
    /// Closes the session. A task of the library holds the connection too, so it would stay open.
    fn drop(&mut self) {
        self.session.close(0, b"");
    }
}
