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
use futures::{Stream, stream};
use tokio::net::TcpListener;
use tokio::sync::broadcast::{Receiver, Sender, channel, error::RecvError};

use crate::serve::{allow_many_files, print};

/// How many notifications the channel keeps for a slow client. A client that falls further back misses some, and
/// neither side notices.
const CAPACITY: usize = 4096;

/// Prints its address and serves by WebSocket and SSE on a free loopback port until the process is killed. All topic
/// names are the same topic.
///
/// # Errors
/// Fails if no socket can be bound, or the address cannot be printed.
pub(crate) async fn broadcast() -> anyhow::Result<ExitCode> {
    allow_many_files();
    let app = Router::new()
        .route("/topics/{name}", get(subscribe).post(publish))
        .with_state(channel(CAPACITY).0);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    print(&format!("listening on http://{}\n", listener.local_addr()?))?;
    axum::serve(listener, app).await?;
    Ok(ExitCode::SUCCESS)
}

async fn publish(State(sender): State<Sender<Utf8Bytes>>, payload: String) -> &'static str {
    // Fails only if there is no subscriber.
    let _ = sender.send(payload.into());
    "{}\n"
}

async fn subscribe(State(sender): State<Sender<Utf8Bytes>>, request: Request) -> Response {
    let receiver = sender.subscribe();
    let (mut request, _) = request.into_parts();
    match WebSocketUpgrade::from_request_parts(&mut request, &()).await {
        Ok(upgrade) => {
            upgrade.protocols(["tidings.v1"]).on_upgrade(|socket| send(receiver, socket))
        }
        Err(_) => Sse::new(events(receiver)).keep_alive(KeepAlive::default()).into_response(),
    }
}

async fn send(mut receiver: Receiver<Utf8Bytes>, mut socket: WebSocket) {
    loop {
        tokio::select! {
            payload = next(&mut receiver) => {
                let Some(payload) = payload else { return };
                if socket.send(Message::Text(payload)).await.is_err() {
                    return;
                }
            }
            received = socket.recv() => {
                if !matches!(received, Some(Ok(_))) {
                    return;
                }
            }
        }
    }
}

fn events(receiver: Receiver<Utf8Bytes>) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(receiver, |mut receiver| async {
        let payload = next(&mut receiver).await?;
        Some((Ok(Event::default().data(payload.as_str())), receiver))
    })
}

async fn next(receiver: &mut Receiver<Utf8Bytes>) -> Option<Utf8Bytes> {
    loop {
        match receiver.recv().await {
            Ok(payload) => return Some(payload),
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return None,
        }
    }
}
