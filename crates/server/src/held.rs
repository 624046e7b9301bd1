//! A client that stays, on the general path: it is served by the stream adapters.

use std::io;

use bytes::BytesMut;
use http_body_util::BodyExt;
use tidings_transport::mount::{MountBody, OnMessage, Visit};
use tidings_transport::{Accepted, Shape};
use tokio::io::AsyncWriteExt;

use crate::connection::Next;
use crate::head;
use crate::shared::Context;
use crate::socket::{Peer, Socket};
use crate::visitor::Visitor;

/// Serves a client until it has its answer, its stream has ended, or it is gone.
///
/// A client that closes its side is served on (RFC 9112, section 9.6). Whether it is still there shows when
/// something is sent to it: at once a heartbeat of its stream, or the first part of its answer.
pub(crate) async fn serve(
    mut socket: Socket,
    visitor: Visitor,
    context: &Context,
) -> io::Result<Next> {
    let Visitor { accepted, seat, interest, position, publishes_to, is_last } = visitor;
    let config = &context.shared.config;
    let subscription = config.hub.read(seat, interest, position);
    let subscription = subscription.with_goodbye_within(config.drain);
    let on_message = publishes_to.map_or_else(OnMessage::refused, OnMessage::published_to);
    let (write_deadline, observer) = (config.write_deadline, socket.observer.clone());
    let visit = Visit { subscription, on_message, write_deadline, observer };
    let Accepted { head, encoder, shape } = accepted.clone();
    let mut open = BytesMut::new();
    match shape {
        Shape::Upgrade => {
            head::open(&mut open, &head);
            head::finish_upgrade(&mut open);
            socket.write_all(&open).await?;
            visit.converse(socket, encoder).await?;
            Ok(Next::Nothing)
        }
        Shape::Stream => {
            head::open(&mut open, &head);
            head::finish_stream(&mut open);
            socket.write_all(&open).await?;
            let body = visit.respond(accepted, None).await.into_body();
            stream(socket, body).await
        }
        Shape::Answer { .. } => {
            let keep_alive = head::keep_alive(config.idle_timeout);
            let ending = |is_last| if is_last { head::CLOSE } else { &keep_alive[..] };
            let mut answering = std::pin::pin!(visit.respond(accepted, None));
            let answered = tokio::select! {
                answered = &mut answering => Ok(answered),
                peer = socket.peer() => Err(peer),
            };
            let mut is_last = is_last;
            let answered = match answered {
                Ok(answered) => {
                    is_last |= *context.shared.is_stopping.borrow();
                    open.extend_from_slice(&head::open_answer(&head, ending(is_last)));
                    answered
                }
                Err(Peer::Gone) => return Ok(Next::Nothing),
                Err(Peer::HalfClosed) => {
                    is_last = true;
                    socket.write_all(&head::open_answer(&head, ending(is_last))).await?;
                    tokio::select! {
                        answered = answering => answered,
                        _ = socket.broken() => return Ok(Next::Nothing),
                    }
                }
            };
            let body = match answered.into_body().collect().await {
                Ok(body) => body.to_bytes(),
                Err(never) => match never {},
            };
            head::finish_answer(&mut open, &body);
            socket.write_all(&open).await?;
            Ok(if is_last { Next::Close(socket) } else { Next::Request(socket) })
        }
    }
}

/// Writes events until the stream ends.
async fn stream(mut socket: Socket, mut body: MountBody) -> io::Result<Next> {
    let mut is_half_closed = false;
    loop {
        let peer =
            async { if is_half_closed { socket.broken().await } else { socket.peer().await } };
        let bytes = tokio::select! {
            frame = body.frame() => match frame {
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
                Some(Err(never)) => match never {},
                None => return Ok(Next::Close(socket)),
            },
            peer = peer => match peer {
                Peer::Gone => return Ok(Next::Nothing),
                Peer::HalfClosed => {
                    is_half_closed = true;
                    body.heartbeat()
                }
            },
        };
        socket.write_all(&bytes).await?;
    }
}
