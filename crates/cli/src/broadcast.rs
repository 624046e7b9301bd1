//! `tidings broadcast`: one topic in axum over a broadcast channel of tokio, as the documentation of tokio shows it.
//! `compare` measures it as an example of a service that does not use this project.

use std::convert::Infallible;
use std::process::ExitCode;

use axum::Router;
use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts, Request, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::ListenerExt;
use futures::{SinkExt, Stream, StreamExt, stream};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::broadcast::{Receiver, Sender, channel, error::RecvError};

use crate::args::{BroadcastArgs, Envelope};
use crate::serve::{allow_many_files, print};

/// How many notifications the channel keeps for a slow client. A client that falls further back misses some, and
/// neither side notices.
const CAPACITY: usize = 4096;

/// Prints its address and serves by WebSocket and SSE on a free loopback port until the process is killed. All topic
/// names are the same topic.
///
/// # Errors
/// Fails if no socket can be bound, or the address cannot be printed.
pub(crate) async fn broadcast(args: BroadcastArgs) -> anyhow::Result<ExitCode> {
    allow_many_files();
    let app = Router::new()
        .route("/topics/{name}", get(subscribe).post(publish))
        .with_state(App { sender: channel(CAPACITY).0, envelope: args.envelope });
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    print(&format!("listening on http://{}\n", listener.local_addr()?))?;
    // Without a delay for small writes, as our server.
    let listener = listener.tap_io(|socket| {
        let _ = socket.set_nodelay(true);
    });
    axum::serve(listener, app).await?;
    Ok(ExitCode::SUCCESS)
}

/// The channel, and what is sent.
#[derive(Clone)]
struct App {
    sender: Sender<Utf8Bytes>,
    envelope: Option<Envelope>,
}

/// The notifications of one client.
struct Inbox {
    receiver: Receiver<Utf8Bytes>,
    envelope: Option<Envelope>,
}

async fn publish(State(app): State<App>, payload: String) -> &'static str {
    let payload: Utf8Bytes = payload.into();
    let message = if app.envelope == Some(Envelope::Once) { enveloped(&payload) } else { payload };
    // Fails only if there is no subscriber.
    let _ = app.sender.send(message);
    "{}\n"
}

/// JSON with the topic and the payload, whose quotes are escaped.
fn enveloped(payload: &Utf8Bytes) -> Utf8Bytes {
    #[derive(Serialize)]
    struct Notification<'a> {
        topic: &'a str,
        data: &'a str,
    }
    let notification = Notification { topic: "compare", data: payload };
    serde_json::to_string(&notification).expect("the keys are strings").into()
}

async fn subscribe(State(app): State<App>, request: Request) -> Response {
    let inbox = Inbox { receiver: app.sender.subscribe(), envelope: app.envelope };
    let (mut request, _) = request.into_parts();
    match WebSocketUpgrade::from_request_parts(&mut request, &()).await {
        Ok(upgrade) => upgrade.protocols(["tidings.v1"]).on_upgrade(|socket| send(inbox, socket)),
        Err(_) => Sse::new(events(inbox)).keep_alive(KeepAlive::default()).into_response(),
    }
}

/// Sends and receives in a task each, as axum's example of a chat does.
async fn send(mut inbox: Inbox, socket: WebSocket) {
    let (mut sink, mut stream) = socket.split();
    let mut sending = tokio::spawn(async move {
        while let Some(payload) = inbox.next().await {
            if sink.send(Message::Text(payload)).await.is_err() {
                break;
            }
        }
    });
    let mut receiving = tokio::spawn(async move { while let Some(Ok(_)) = stream.next().await {} });
    tokio::select! {
        _ = &mut sending => receiving.abort(),
        _ = &mut receiving => sending.abort(),
    }
}

fn events(inbox: Inbox) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(inbox, |mut inbox| async {
        let payload = inbox.next().await?;
        Some((Ok(Event::default().data(payload.as_str())), inbox))
    })
}

impl Inbox {
    async fn next(&mut self) -> Option<Utf8Bytes> {
        loop {
            match self.receiver.recv().await {
                Ok(payload) if self.envelope == Some(Envelope::Each) => {
                    return Some(enveloped(&payload));
                }
                Ok(payload) => return Some(payload),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }
}
