//! A client of TLS that speaks HTTP/1.1 or HTTP/2.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::ext::Protocol;
use hyper::upgrade::Upgraded;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::program::NAME;
use crate::support::{Inflate, PATIENCE};

type Body = BoxBody<Bytes, Infallible>;
pub(crate) type Socket = WebSocketStream<TokioIo<Upgraded>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    Http1,
    Http2,
}

/// Sends each request of HTTP/1.1 on a new connection, and those of HTTP/2 on the same one.
pub(crate) struct Client {
    address: SocketAddr,
    prefix: &'static str,
    tls: Arc<ClientConfig>,
    http2: Option<http2::SendRequest<Body>>,
}

impl Client {
    /// Connects to a proxy that serves the server below `prefix`.
    pub(crate) async fn connect(
        address: SocketAddr,
        certificate: &CertificateDer<'static>,
        prefix: &'static str,
        version: Version,
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).unwrap();
        let mut tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let protocol = if version == Version::Http1 { "http/1.1" } else { "h2" };
        tls.alpn_protocols = vec![protocol.into()];
        let mut client = Self { address, prefix, tls: Arc::new(tls), http2: None };
        if version == Version::Http2 {
            let io = client.io(b"h2").await;
            let (sender, connection) =
                http2::Builder::new(TokioExecutor::new()).handshake(io).await.unwrap();
            tokio::spawn(connection);
            client.http2 = Some(sender);
        }
        client
    }

    async fn io(&self, protocol: &[u8]) -> TokioIo<tokio_rustls::client::TlsStream<TcpStream>> {
        let socket = TcpStream::connect(self.address).await.unwrap();
        let connector = TlsConnector::from(self.tls.clone());
        let stream = connector.connect(NAME.try_into().unwrap(), socket).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol));
        TokioIo::new(stream)
    }

    pub(crate) fn origin(&self) -> String {
        format!("https://{NAME}:{}", self.address.port())
    }

    /// Sends a request and waits for the head of its response.
    async fn send(&self, mut request: Request<Body>) -> hyper::Result<Response<Incoming>> {
        let path = request.uri().to_string();
        let host = format!("{NAME}:{}", self.address.port());
        let sending = async {
            if let Some(http2) = &self.http2 {
                *request.uri_mut() =
                    format!("https://{host}{}{path}", self.prefix).parse().unwrap();
                return http2.clone().send_request(request).await;
            }
            *request.uri_mut() = format!("{}{path}", self.prefix).parse().unwrap();
            request.headers_mut().insert("host", host.parse().unwrap());
            let io = self.io(b"http/1.1").await;
            let (mut sender, connection) = http1::handshake(io).await?;
            tokio::spawn(connection.with_upgrades());
            sender.send_request(request).await
        };
        timeout(PATIENCE, sending).await.expect("a response")
    }

    /// Sends a request with these headers.
    pub(crate) async fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &'static str,
    ) -> Response<Incoming> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Full::from(body).boxed()).unwrap()).await.unwrap()
    }

    /// Opens a WebSocket. `None` if the proxy does not support that.
    pub(crate) async fn websocket(&self, path: &str) -> Option<Socket> {
        let mut request = Request::builder()
            .uri(path)
            .header("origin", self.origin())
            .header("sec-websocket-version", "13");
        request = if self.http2.is_some() {
            request.method(Method::CONNECT).extension(Protocol::from_static("websocket"))
        } else {
            request
                .header("connection", "upgrade")
                .header("upgrade", "websocket")
                .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        };
        let response = self.send(request.body(Full::default().boxed()).unwrap()).await;
        let response = match response {
            Ok(response) if matches!(response.status().as_u16(), 101 | 200) => response,
            failed => {
                eprintln!("no WebSocket: {failed:?}");
                return None;
            }
        };
        let upgraded = timeout(PATIENCE, hyper::upgrade::on(response)).await.unwrap().unwrap();
        Some(WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, None).await)
    }
}

/// A response whose body is read piece by piece.
pub(crate) struct Reading {
    response: Response<Incoming>,
    /// For a body of gzip.
    inflate: Option<Inflate>,
}

impl Reading {
    pub(crate) fn new(response: Response<Incoming>) -> Self {
        let is_gzip = response.headers().get("content-encoding").is_some_and(|it| it == "gzip");
        Self { response, inflate: is_gzip.then(Inflate::gzip) }
    }

    pub(crate) fn is_gzip(&self) -> bool {
        self.inflate.is_some()
    }

    /// Reads the body up to this text. Panics if it ends before.
    pub(crate) async fn until(&mut self, text: &str) -> String {
        let mut body = Vec::new();
        let reading = async {
            while !String::from_utf8_lossy(&body).contains(text) {
                let frame = self.response.body_mut().frame().await.expect("the body goes on");
                let data = frame.unwrap().into_data().unwrap_or_default();
                match &mut self.inflate {
                    Some(inflate) => body.extend_from_slice(&inflate.decode(&data)),
                    None => body.extend_from_slice(&data),
                }
            }
        };
        timeout(PATIENCE, reading).await.expect("the text arrives");
        String::from_utf8(body).unwrap()
    }
}
