//! The HTTP server in front of each library: hyper on one thread, with `GET /topics/NAME` to subscribe by WebSocket and
//! `POST /topics/NAME` to publish.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// A library that serves topics.
pub trait Topics: Send + Sync + 'static {
    /// Subscribes a client and returns the response to its handshake, or `None` if the request is not one.
    fn subscribe(&self, request: Request<Incoming>) -> Option<Response<Full<Bytes>>>;

    /// Sends a message to all clients of a topic.
    fn publish(&self, topic: &str, message: Bytes);
}

/// Serves at the port of the command line.
pub fn serve(topics: impl Topics) -> Result<(), Box<dyn std::error::Error>> {
    let port: u16 = std::env::args().nth(1).ok_or("usage: PROGRAM PORT")?.parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(accept(port, Arc::new(topics)))
}

async fn accept(port: u16, topics: Arc<impl Topics>) -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let topics = topics.clone();
        let service = service_fn(move |request| answer(request, topics.clone()));
        tokio::spawn(async move {
            let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), service);
            if let Err(error) = connection.with_upgrades().await {
                eprintln!("{error}");
            }
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    topics: Arc<impl Topics>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.method() != Method::POST {
        let response = topics.subscribe(request);
        return Ok(response.unwrap_or_else(|| status(400)));
    }
    let topic = request.uri().path().to_owned();
    match request.into_body().collect().await {
        Ok(body) => topics.publish(&topic, body.to_bytes()),
        Err(_) => return Ok(status(400)),
    }
    Ok(Response::new(Full::new(Bytes::from_static(b"{}"))))
}

fn status(code: u16) -> Response<Full<Bytes>> {
    let mut response = Response::default();
    *response.status_mut() = code.try_into().expect("a valid status");
    response
}
