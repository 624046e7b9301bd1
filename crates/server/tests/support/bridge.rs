//! A bridge, as a proxy would be: clients connect by HTTP/1.1, and it requests everything from our server as streams of
//! one HTTP/2 connection over TLS. So every scenario and every client is played over HTTP/2.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, Uri};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper::ext::Protocol;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, watch};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

type Body = BoxBody<Bytes, hyper::Error>;
pub(crate) type Sender = http2::SendRequest<Body>;

/// How many bytes of one stream, and of all streams, the bridge reads ahead of its clients.
const WINDOWS: (u32, u32) = (1 << 16, 1 << 22);

/// Connects by HTTP/2 with prior knowledge, and waits until the settings of the server have arrived.
pub(crate) async fn connect(address: SocketAddr) -> Sender {
    let stream = TcpStream::connect(address).await.unwrap();
    begin(stream, &format!("http://{address}")).await.unwrap()
}

/// Connects by TLS, where ALPN chooses HTTP/2.
async fn connect_h2(address: SocketAddr, mut config: ClientConfig) -> io::Result<Sender> {
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(address).await?;
    let name = "localhost".try_into().unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    begin(stream, &format!("https://{address}")).await
}

async fn begin<S>(stream: S, origin: &str) -> io::Result<Sender>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(WINDOWS.0).initial_connection_window_size(WINDOWS.1);
    let (mut sender, connection) =
        builder.handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    tokio::spawn(connection);
    // An extended CONNECT is allowed only after the settings.
    let request = Request::get(format!("{origin}/healthz")).body(empty()).unwrap();
    sender.send_request(request).await.map_err(io::Error::other)?;
    Ok(sender)
}

pub(crate) fn empty() -> Body {
    Empty::new().map_err(|never: Infallible| match never {}).boxed()
}

/// A connection to the server, which is renewed if it has ended.
struct Bridge {
    server: SocketAddr,
    config: ClientConfig,
    sender: Mutex<Option<Sender>>,
}

/// Serves connections of HTTP/1.1 on this listener, by the server at this address.
pub(super) async fn serve(
    listener: TcpListener,
    server: SocketAddr,
    config: ClientConfig,
) -> io::Result<()> {
    let bridge = Arc::new(Bridge { server, config, sender: Mutex::new(None) });
    let (_serving, ended) = watch::channel(());
    loop {
        let (socket, _) = listener.accept().await?;
        let bridge = bridge.clone();
        let service = service_fn(move |request| {
            let bridge = bridge.clone();
            async move { bridge.forward(request).await }
        });
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).half_close(true);
        let connection = http.serve_connection(TokioIo::new(socket), service).with_upgrades();
        let mut ended = ended.clone();
        tokio::spawn(async move {
            let mut connection = pin!(connection);
            tokio::select! {
                _ = connection.as_mut() => return,
                _ = ended.changed() => {}
            }
            // An idle connection ends. Others forward the last bytes of the server first.
            connection.as_mut().graceful_shutdown();
            drop(connection.await);
        });
    }
}

impl Bridge {
    async fn sender(&self) -> io::Result<Sender> {
        let mut sender = self.sender.lock().await;
        match &*sender {
            Some(sender) if !sender.is_closed() => Ok(sender.clone()),
            _ => {
                let connected = connect_h2(self.server, self.config.clone()).await?;
                Ok(sender.insert(connected).clone())
            }
        }
    }

    /// Forwards a request. Fails, which ends the connection of the client, if the server has no answer.
    async fn forward(&self, request: Request<Incoming>) -> io::Result<Response<Body>> {
        let mut sender = self.sender().await?;
        let (mut request, body) = request.into_parts();
        let key = request.headers.remove("sec-websocket-key");
        request.uri = target(&request).map_err(io::Error::other)?;
        let upgrade = request.extensions.remove::<hyper::upgrade::OnUpgrade>();
        match upgrade.filter(|_| is_websocket(&request)) {
            None => {
                strip(&mut request.headers);
                let request = Request::from_parts(request, body.boxed());
                let response = sender.send_request(request).await.map_err(io::Error::other)?;
                Ok(response.map(BodyExt::boxed))
            }
            Some(upgrade) => {
                strip(&mut request.headers);
                request.method = Method::CONNECT;
                request.extensions.insert(Protocol::from_static("websocket"));
                let connect = Request::from_parts(request, empty());
                let mut response = sender.send_request(connect).await.map_err(io::Error::other)?;
                if response.status() != StatusCode::OK {
                    return Ok(response.map(BodyExt::boxed));
                }
                let to_server = hyper::upgrade::on(&mut response);
                tokio::spawn(async move {
                    let (Ok(client), Ok(server)) = (upgrade.await, to_server.await) else { return };
                    let (mut client, mut server) = (TokioIo::new(client), TokioIo::new(server));
                    drop(copy_bidirectional(&mut client, &mut server).await);
                });
                Ok(switched(response.into_parts().0.headers, key))
            }
        }
    }
}

fn switched(mut headers: HeaderMap, key: Option<HeaderValue>) -> Response<Body> {
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    let accept = derive_accept_key(key.expect("a key").as_bytes());
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept.parse().unwrap());
    let mut response = Response::new(empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *response.headers_mut() = headers;
    response
}

fn target(request: &Parts) -> Result<Uri, http::Error> {
    let host = request.headers.get(header::HOST).map(HeaderValue::as_bytes).unwrap_or_default();
    let path = request.uri.path_and_query().map_or("/", |path| path.as_str());
    Uri::builder().scheme("https").authority(host).path_and_query(path).build()
}

/// A request of the suite may have the headers of every transport. Then its query names the transport.
fn is_websocket(request: &Parts) -> bool {
    let names_another = request.uri.query().is_some_and(|query| {
        query.split('&').any(|pair| pair.starts_with("transport=") && pair != "transport=websocket")
    });
    let upgrades = request.headers.get(header::UPGRADE);
    upgrades.is_some_and(|it| it.as_bytes().eq_ignore_ascii_case(b"websocket")) && !names_another
}

fn strip(headers: &mut HeaderMap) {
    let own = [header::HOST, header::CONNECTION, header::UPGRADE, header::TRANSFER_ENCODING];
    own.into_iter()
        .chain([header::TE, HeaderName::from_static("keep-alive")])
        .for_each(|name| drop(headers.remove(name)));
}
