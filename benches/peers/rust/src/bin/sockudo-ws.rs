//! WebSocket by sockudo-ws, the library of the server Sockudo, with its own topics, as in its example `pubsub_echo`.
//! Messages that wait for a client are flushed together, as its README recommends.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use peers::Topics;
use sockudo_ws::handshake::generate_accept_key;
use sockudo_ws::pubsub::{PubSub, SubscriberId};
use sockudo_ws::{Config, Error, Message, WebSocketStream};
use tokio::sync::mpsc::{self, UnboundedReceiver};

/// The most messages that are flushed together.
const BATCH: usize = 64;

#[derive(Default)]
struct Sockudo(Arc<PubSub>);

impl Topics for Sockudo {
    fn subscribe(&self, request: Request<Incoming>) -> Option<Response<Full<Bytes>>> {
        let key = request.headers().get(SEC_WEBSOCKET_KEY)?.to_str().ok()?;
        let accept = generate_accept_key(key);
        let topic = request.uri().path().to_owned();
        #[expect(
            clippy::disallowed_methods,
            reason = "the library takes only channels without a bound"
        )]
        let (sender, messages) = mpsc::unbounded_channel();
        let id = self.0.create_subscriber(sender);
        self.0.subscribe(id, &topic);
        tokio::spawn(client(hyper::upgrade::on(request), messages, id, self.0.clone()));
        Response::builder()
            .status(StatusCode::SWITCHING_PROTOCOLS)
            .header(UPGRADE, "websocket")
            .header(CONNECTION, "Upgrade")
            .header(SEC_WEBSOCKET_ACCEPT, accept)
            .body(Full::default())
            .ok()
    }

    fn publish(&self, topic: &str, message: Bytes) {
        self.0.publish(topic, Message::Text(message));
    }
}

async fn client(
    upgrade: OnUpgrade,
    mut messages: UnboundedReceiver<Message>,
    id: SubscriberId,
    topics: Arc<PubSub>,
) {
    if let Ok(socket) = upgrade.await {
        let stream = WebSocketStream::server(TokioIo::new(socket), Config::default());
        // An error ends the connection.
        let _ = exchange(stream, &mut messages).await;
    }
    topics.remove_subscriber(id);
}

async fn exchange(
    stream: WebSocketStream<TokioIo<Upgraded>>,
    messages: &mut UnboundedReceiver<Message>,
) -> Result<(), Error> {
    let (mut writer, mut reader) = StreamExt::split(stream);
    let mut batch = Vec::new();
    loop {
        tokio::select! {
            _ = messages.recv_many(&mut batch, BATCH) => {
                for message in batch.drain(..) {
                    writer.feed(message).await?;
                }
                writer.flush().await?;
            }
            message = reader.next() => match message.transpose()? {
                Some(Message::Close(_)) | None => return Ok(()),
                Some(_) => {}
            },
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    peers::serve(Sockudo::default())
}
