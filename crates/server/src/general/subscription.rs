//! Serves a subscriber on the general path, by the stream adapters of the mount.

use std::io;
use std::sync::Arc;

use bytes::BytesMut;
use http::header;
use http_body_util::BodyExt;
use tidings_transport::mount::{Client, MountBody, Observer, Subscriber};
use tidings_transport::{Accepted, Shape};

use super::context::Context;
use super::socket::{AfterResponse, PeerState, Socket};
use crate::config::Config;
use crate::response;

/// Serves a client until it has its answer, its stream has ended, or it is gone.
///
/// A client that closes its side is still served (RFC 9112, section 9.6). If it is gone, only a write shows that. So a
/// stream is sent a heartbeat at once, and a poll the head of its answer. `is_last` is `true` if the connection ends
/// with the answer to a poll.
pub(crate) async fn serve(
    mut socket: Socket,
    subscriber: Subscriber,
    is_last: bool,
    context: &Context,
) -> io::Result<AfterResponse> {
    let config = &context.shared.config;
    let (accepted, client) = begin(subscriber, socket.observer.clone(), config);
    let head = accepted.head.clone();
    let mut open = BytesMut::new();
    match accepted.shape {
        Shape::Upgrade => {
            response::upgrade_head(&mut open, &accepted);
            socket.send(&open).await?;
            // The write deadline of the conversation may end before that of the socket.
            let ended = client.converse(&mut socket, accepted.encoder).await;
            socket.drop_unsent_if_stalled(&ended);
            ended.map(|()| AfterResponse::Done)
        }
        Shape::Stream => {
            response::stream_head(&mut open, &accepted);
            socket.send(&open).await?;
            stream(socket, client.stream(accepted.encoder)).await
        }
        Shape::Answer { hold } => {
            let keep_alive = response::keep_alive(config.idle_timeout);
            let ending = |is_last| if is_last { response::CLOSE } else { &keep_alive[..] };
            let mut answering = std::pin::pin!(client.answer(&*accepted.encoder, hold));
            let answered = tokio::select! {
                answered = &mut answering => Ok(answered),
                peer = socket.peer() => Err(peer),
            };
            let mut is_last = is_last;
            let answered = match answered {
                Ok(mut answered) => {
                    is_last |= *context.shared.is_stopping.borrow();
                    open.extend_from_slice(&response::poll_head(&head, ending(is_last)));
                    if let Some(encoding) = answered.compress() {
                        response::put_header(&mut open, &header::CONTENT_ENCODING, &encoding);
                    }
                    answered
                }
                Err(PeerState::Gone) => return Ok(AfterResponse::Done),
                Err(PeerState::HalfClosed) => {
                    is_last = true;
                    socket.send(&response::poll_head(&head, ending(is_last))).await?;
                    tokio::select! {
                        answered = answering => answered,
                        _ = socket.broken() => return Ok(AfterResponse::Done),
                    }
                }
            };
            let body = match answered.collect().await {
                Ok(body) => body.to_bytes(),
                Err(never) => match never {},
            };
            response::end_with_body(&mut open, &body);
            socket.send(&open).await?;
            Ok(if is_last {
                AfterResponse::Close(socket)
            } else {
                AfterResponse::NextRequest(socket)
            })
        }
    }
}

pub(crate) fn begin(
    subscriber: Subscriber,
    observer: Arc<dyn Observer>,
    config: &Config,
) -> (Accepted, Client) {
    let Subscriber { accepted, seat, interest, position, on_message, compressor, .. } = subscriber;
    let subscription = config.hub.read(seat, interest, position);
    let subscription = subscription.with_goodbye_within(config.drain);
    let client = Client::new(subscription, on_message, config.write_deadline, observer);
    let client = client.compressed_by(compressor);
    (accepted, client)
}

/// Writes events until the stream ends.
async fn stream(mut socket: Socket, mut body: MountBody) -> io::Result<AfterResponse> {
    loop {
        let bytes = tokio::select! {
            frame = body.frame() => match frame {
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
                Some(Err(never)) => match never {},
                None => return Ok(AfterResponse::Close(socket)),
            },
            peer = socket.peer() => match peer {
                PeerState::Gone => return Ok(AfterResponse::Done),
                PeerState::HalfClosed => body.heartbeat(),
            },
        };
        socket.send(&bytes).await?;
    }
}
