//! WebSocket by fastwebsockets, and a broadcast channel of tokio for each topic. Each client is a task with both halves
//! of its connection, as in the library's example `echo_server_split`.

use std::collections::HashMap;
use std::sync::Mutex;

use bytes::Bytes;
use fastwebsockets::upgrade::{UpgradeFut, upgrade};
use fastwebsockets::{FragmentCollectorRead, Frame, OpCode, Payload, WebSocketError};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response};
use peers::Topics;
use tokio::sync::broadcast::{self, Receiver, Sender, error::RecvError};
use tokio::sync::mpsc;
use tokio::task::unconstrained;

/// The number of messages that a slow client may be late.
const CAPACITY: usize = 1024;

/// The number of pongs that may wait for a client.
const PONGS: usize = 16;

#[derive(Default)]
struct Broadcast(Mutex<HashMap<String, Sender<Bytes>>>);

impl Topics for Broadcast {
    fn subscribe(&self, mut request: Request<Incoming>) -> Option<Response<Full<Bytes>>> {
        let topic = request.uri().path().to_owned();
        let (response, websocket) = upgrade(&mut request).ok()?;
        let mut topics = self.0.lock().expect("no panic");
        let messages = topics.entry(topic).or_insert_with(|| broadcast::channel(CAPACITY).0);
        tokio::spawn(unconstrained(client(websocket, messages.subscribe())));
        Some(response.map(|_| Full::default()))
    }

    fn publish(&self, topic: &str, message: Bytes) {
        if let Some(messages) = self.0.lock().expect("no panic").get(topic) {
            // Fails if there is no client.
            let _ = messages.send(message);
        }
    }
}

async fn client(
    websocket: UpgradeFut,
    mut messages: Receiver<Bytes>,
) -> Result<(), WebSocketError> {
    let (reader, mut writer) = websocket.await?.split(tokio::io::split);
    let mut reader = FragmentCollectorRead::new(reader);
    let (pongs, mut due) = mpsc::channel(PONGS);
    let reads = async move {
        let mut answer = |frame: Frame<'_>| {
            // A pong that does not fit is left out.
            let _ = pongs.try_send(frame.payload.to_vec());
            std::future::ready(Ok::<_, WebSocketError>(()))
        };
        while reader.read_frame(&mut answer).await?.opcode != OpCode::Close {}
        Ok::<_, WebSocketError>(())
    };
    tokio::pin!(reads);
    loop {
        tokio::select! {
            message = messages.recv() => match message {
                Ok(message) => writer.write_frame(Frame::text(Payload::Borrowed(&message))).await?,
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Ok(()),
            },
            Some(pong) = due.recv() => writer.write_frame(Frame::pong(Payload::Owned(pong))).await?,
            end = &mut reads => return end,
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    peers::serve(Broadcast::default())
}
