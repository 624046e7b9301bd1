//! Checks requests to subscribe and to publish, and gives subscribers their seats.

use std::sync::Arc;

use http::request::Parts;
use http::{Method, Response, StatusCode};
use tidings_core::{Interest, Position, Seat, Session, Topic};

use super::{Client, Mount};
use crate::compression::Compressor;
use crate::{
    Accepted, Action, ListenerKind, OnMessage, PublishMany, Rejection, Shape, SubscribeRequest,
    choose,
};

/// A subscriber that was accepted and is not served yet.
#[derive(Debug)]
#[non_exhaustive]
pub struct Subscriber {
    /// How its request is answered.
    pub accepted: Accepted,
    /// Its seat, which keeps the session of the client.
    pub seat: Seat,
    /// Which notifications it is sent.
    pub interest: Interest,
    /// The position from which it reads.
    pub position: Position,
    /// What happens to the messages of the client.
    pub on_message: OnMessage,
    /// Compresses what the client is sent, if its encoder [compresses](crate::Encoder::compression).
    pub compressor: Option<Compressor>,
}

impl Mount {
    /// Accepts a request to subscribe that arrived at a listener of this kind, and takes a seat.
    ///
    /// Cancel safe: dropping the future frees the seat.
    ///
    /// # Errors
    /// Fails with the rejection to send if the page or the client may not subscribe, no transport serves the request,
    /// or the hub has no free seat.
    pub async fn accept(
        &self,
        request: &Parts,
        mut subscribe: SubscribeRequest,
        listener: ListenerKind,
    ) -> Result<Box<Subscriber>, Rejection> {
        let settings = &*self.0;
        subscribe.may_compress &= settings.compressor.is_some();
        if subscribe.position == Position::Latest {
            // The answer to a poll may hold only a part of the snapshot. Then the cursor in the answer names the rest.
            subscribe.position = Position::Snapshot(settings.hub.log().snapshot());
        }
        let (session, name, accepted) =
            self.check_subscriber(request, &subscribe, listener).await?;
        // Set at once, so that `ClientPool::disconnect` finds the session from now on.
        let mut seat = settings.hub.join_with(name, &subscribe.filters)?;
        if let Some(session) = session {
            seat.set_session(session);
        }
        let on_message = match (accepted.shape, &settings.on_message) {
            (Shape::Upgrade, Some(on_message)) => on_message.clone(),
            (Shape::Upgrade, None) => match self.may_publish_back(request, &subscribe).await? {
                true => OnMessage::published_back(),
                false => OnMessage::rejected(),
            },
            // The client of a stream or a poll cannot send messages.
            (Shape::Stream | Shape::Answer { .. }, _) => OnMessage::rejected(),
        };
        let SubscribeRequest { filters, position, .. } = subscribe;
        let mut interest = Interest::new(filters).slow(settings.slow);
        if !settings.echo {
            interest = interest.without_own();
        }
        let compressor = settings.compressor.clone();
        Ok(Box::new(Subscriber { accepted, seat, interest, position, on_message, compressor }))
    }

    /// Returns the head of the response to a `GET`, for a `HEAD`. It takes no seat and is not held.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// Fails with the rejection to send if the page or the client may not subscribe, or no transport serves the
    /// request.
    pub async fn head(
        &self,
        request: &Parts,
        subscribe: &SubscribeRequest,
        listener: ListenerKind,
    ) -> Result<Response<()>, Rejection> {
        let mut subscribe = subscribe.clone();
        subscribe.may_compress &= self.0.compressor.is_some();
        let (_, _, accepted) = self.check_subscriber(request, &subscribe, listener).await?;
        Ok(accepted.response(()))
    }

    /// Checks that the page and the client that send this request may subscribe. The result is the client's session,
    /// the name of its transport, and how the request is answered. Fails with the rejection to send if they may not
    /// subscribe, or no transport serves the request.
    async fn check_subscriber(
        &self,
        request: &Parts,
        subscribe: &SubscribeRequest,
        listener: ListenerKind,
    ) -> Result<(Option<Arc<dyn Session>>, &'static str, Accepted), Rejection> {
        let settings = &*self.0;
        // A foreign page cannot read the response, but it would take a seat.
        settings.origins.check(request, listener)?;
        let may = Action::Subscribe(&subscribe.filters);
        let session = settings.authorizer.authorize(request, may).await?;
        let transport = choose(&settings.transports, request)?;
        let accepted = transport.accept(request, subscribe)?;
        if request.method == Method::CONNECT && accepted.shape != Shape::Upgrade {
            return Err(unknown_protocol());
        }
        Ok((session, transport.name(), accepted))
    }

    /// Checks that the page and the client that send this request may publish to this topic.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// Fails with the rejection to send if they may not.
    pub async fn check_publisher(
        &self,
        request: &Parts,
        topic: &Topic,
        listener: ListenerKind,
    ) -> Result<(), Rejection> {
        // A browser lets any page send a POST to any host without a preflight. Only this check keeps foreign pages out.
        self.0.origins.check(request, listener)?;
        self.0.authorizer.authorize(request, Action::Publish(topic)).await?;
        Ok(())
    }

    /// Checks that the page that sends this request may publish. This check needs no topic. Call it before the body is
    /// read if the topics are in the body.
    ///
    /// # Errors
    /// Fails with the rejection to send if the page may not publish.
    pub fn check_origin(&self, request: &Parts, listener: ListenerKind) -> Result<(), Rejection> {
        self.0.origins.check(request, listener)
    }

    /// Checks that the client that sends this request may publish to each of these topics.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// Fails with the rejection to send if the client may not publish to a topic. It names the first line with that
    /// topic. It is a `503` once 30 s have passed since the lines were [parsed](PublishMany::parse).
    pub async fn check_publisher_of_many(
        &self,
        request: &Parts,
        many: &PublishMany,
    ) -> Result<(), Rejection> {
        for (line, topic) in many.topics() {
            let may = self.0.authorizer.authorize(request, Action::Publish(topic));
            many.in_time(line, may).await?;
        }
        Ok(())
    }

    /// Begins to serve a subscriber.
    ///
    /// # Panics
    /// Panics outside of a tokio runtime.
    pub(super) fn client(&self, subscriber: Box<Subscriber>) -> (Accepted, Client) {
        let Subscriber { accepted, seat, interest, position, on_message, compressor } = *subscriber;
        let settings = &*self.0;
        let client = Client {
            subscription: settings.hub.read(seat, interest, position),
            on_message,
            write_deadline: settings.write_deadline,
            observer: settings.observer.clone(),
            compressor,
        };
        (accepted, client)
    }

    /// Whether the client's messages are published. `false` if its filters do not name a single topic, or it may not
    /// publish to that topic. Fails with the rejection to send if the authorizer fails with a server error.
    async fn may_publish_back(
        &self,
        request: &Parts,
        subscribe: &SubscribeRequest,
    ) -> Result<bool, Rejection> {
        let Some(topic) = subscribe.filters.as_topic() else { return Ok(false) };
        match self.0.authorizer.authorize(request, Action::Publish(&topic)).await {
            Ok(_) => Ok(true),
            // The authorizer failed, so it is unknown whether the client may publish.
            Err(rejection) if rejection.status.is_server_error() => Err(rejection),
            Err(_) => Ok(false),
        }
    }
}

/// The rejection of an extended `CONNECT` to a protocol that no transport upgrades to (RFC 9220, section 3).
fn unknown_protocol() -> Rejection {
    let message = "no transport serves this :protocol: send :protocol websocket, or a GET";
    Rejection::new(StatusCode::NOT_IMPLEMENTED, "unknown_protocol", message)
}
