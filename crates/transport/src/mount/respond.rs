//! Responds to requests.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body;
use hyper::upgrade::OnUpgrade;
use tidings_core::{Filters, Reason, Subscription, Topic};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{BoxError, Mount, MountBody, Observer, Subscriber, answer, conversation};
use crate::compression::{Compressor, Writer};
use crate::connect::protocol_of;
use crate::{
    Encoder, Inbound, ListenerKind, OnMessage, PublishMany, PublishRequest, Rejection, Shape,
    SubscribeRequest, choose, last_segment, published, read_payload,
};

/// A client that has been accepted and has a seat.
#[derive(Debug)]
#[non_exhaustive]
pub struct Client {
    /// The subscription that the client is served from. It has the seat of the client.
    pub subscription: Subscription,
    /// What happens to its messages.
    pub on_message: OnMessage,
    /// For how long the client may read nothing while bytes wait for it.
    pub write_deadline: Duration,
    /// Counts the deliveries to the client and its end.
    pub observer: Arc<dyn Observer>,
    /// Compresses what the client is sent, if its encoder [compresses](Encoder::compression).
    pub compressor: Option<Compressor>,
}

/// What follows when a request to subscribe is accepted.
enum Accepting {
    /// The response to a `HEAD` is sent.
    Head(Response<()>),
    /// The subscriber is served.
    Subscriber(Box<Subscriber>),
}

impl Mount {
    /// Responds to a request by its method, for the filters or the topic in the last segment of its path. The response
    /// to a poll takes as long as the poll is held.
    ///
    /// Cancel safe for a client that subscribes: dropping the future frees the seat. Not cancel safe for a client that
    /// publishes: the notification may be published or not.
    ///
    /// # Panics
    /// Panics outside of a tokio runtime.
    pub async fn respond<B>(&self, request: Request<B>) -> Response<MountBody>
    where
        B: Body<Error: Into<BoxError>>,
    {
        self.try_respond(request).await.unwrap_or_else(rejected)
    }

    async fn try_respond<B>(&self, request: Request<B>) -> Result<Response<MountBody>, Rejection>
    where
        B: Body<Error: Into<BoxError>>,
    {
        let name = last_segment(request.uri())?.into_owned();
        match *request.method() {
            Method::GET | Method::HEAD => {
                let filters = name.parse()?;
                Ok(self.subscribe(request, filters).await)
            }
            Method::CONNECT if protocol_of(request.extensions()).is_some() => {
                let filters = name.parse()?;
                Ok(self.subscribe(request, filters).await)
            }
            Method::POST => {
                let topic = name.parse()?;
                Ok(self.publish(request, topic).await)
            }
            _ => Err(Rejection::method_not_allowed(request.method(), "GET, HEAD, POST")),
        }
    }

    /// Responds to a request to subscribe to these filters. The path of the request is not read. The response to a poll
    /// takes as long as the poll is held.
    ///
    /// Cancel safe: dropping the future frees the seat.
    ///
    /// # Panics
    /// Panics outside of a tokio runtime.
    pub async fn subscribe<B>(&self, request: Request<B>, filters: Filters) -> Response<MountBody> {
        let (request, _) = request.into_parts();
        match self.accept_or_head(&request, filters).await {
            Ok(Accepting::Head(head)) => head.map(|()| MountBody::head()),
            Ok(Accepting::Subscriber(subscriber)) => self.serve(subscriber, request).await,
            Err(rejection) => match choose(&self.0.transports, &request) {
                Ok(transport) if request.method == Method::GET => {
                    rejection.into_response_by(&**transport).map(MountBody::whole)
                }
                _ => rejected(rejection),
            },
        }
    }

    async fn accept_or_head(
        &self,
        request: &Parts,
        filters: Filters,
    ) -> Result<Accepting, Rejection> {
        let subscribe = SubscribeRequest::new(filters, request)?;
        let listener = ListenerKind::of(request);
        Ok(match request.method {
            Method::HEAD => Accepting::Head(self.head(request, &subscribe, listener).await?),
            _ => Accepting::Subscriber(self.accept(request, subscribe, listener).await?),
        })
    }

    /// Serves a subscriber that was [accepted](Self::accept) with this request, and returns the response. For a poll
    /// this takes as long as the poll is held. An upgraded connection is served in a separate task, or by the
    /// [adopter](Self::adopter).
    ///
    /// Cancel safe: dropping the future frees the seat.
    ///
    /// # Panics
    /// Panics outside of a tokio runtime.
    pub async fn serve(
        &self,
        subscriber: Box<Subscriber>,
        mut request: Parts,
    ) -> Response<MountBody> {
        let upgrade = request.extensions.remove::<OnUpgrade>();
        // Otherwise its URI and headers would keep a buffer of the server alive while a poll is held.
        drop(request);
        match subscriber.accepted.shape {
            Shape::Upgrade => match upgrade {
                Some(upgrade) => self.upgrade(subscriber, upgrade),
                None => rejected(cannot_upgrade()),
            },
            Shape::Stream => {
                let (accepted, client) = self.client(subscriber);
                let encoder = accepted.encoder.clone();
                accepted.response(MountBody::watched(client, encoder, &self.0.stalls))
            }
            Shape::Answer { hold } => {
                let (accepted, client) = self.client(subscriber);
                let mut body = client.answer(&*accepted.encoder, hold).await;
                let encoding = body.compress();
                let mut response = accepted.response(body);
                let encoding = encoding.map(|encoding| (header::CONTENT_ENCODING, encoding));
                response.headers_mut().extend(encoding);
                response
            }
        }
    }

    fn upgrade(&self, subscriber: Box<Subscriber>, upgrade: OnUpgrade) -> Response<MountBody> {
        let response = subscriber.accepted.response(MountBody::empty());
        match self.reserve() {
            Some(place) => drop(tokio::spawn(self.clone().hand_over(upgrade, subscriber, place))),
            None => {
                let (accepted, client) = self.client(subscriber);
                tokio::spawn(conversation::upgrade(upgrade, client, accepted.encoder));
            }
        }
        response
    }

    /// Publishes the body of a request to this topic. The path of the request is not read.
    ///
    /// Not cancel safe: if the future is dropped, the body may be published or not.
    pub async fn publish<B>(&self, request: Request<B>, topic: Topic) -> Response<MountBody>
    where
        B: Body<Error: Into<BoxError>>,
    {
        let (request, body) = request.into_parts();
        match self.try_publish(&request, body, topic).await {
            Ok(response) => response.map(MountBody::whole),
            Err(rejection) => rejected(rejection),
        }
    }

    /// Publishes the notifications in the body of a `POST`, one JSON object on each line, each with its topic. Route a
    /// separate path to it, such as `/topics` next to `/topics/NAME`. The path itself is not read.
    ///
    /// If a line is malformed or its topic is not allowed, nothing is published. See [`PublishMany`].
    ///
    /// Not cancel safe: if the future is dropped, some notifications may be published and others not.
    pub async fn publish_many<B>(&self, request: Request<B>) -> Response<MountBody>
    where
        B: Body<Error: Into<BoxError>>,
    {
        let (request, body) = request.into_parts();
        match self.try_publish_many(&request, body).await {
            Ok(response) => response.map(MountBody::whole),
            Err(rejection) => rejected(rejection),
        }
    }

    async fn try_publish_many<B>(
        &self,
        request: &Parts,
        body: B,
    ) -> Result<Response<Bytes>, Rejection>
    where
        B: Body<Error: Into<BoxError>>,
    {
        if request.method != Method::POST {
            return Err(Rejection::method_not_allowed(&request.method, "POST"));
        }
        PublishMany::check_head(request)?;
        self.check_origin(request, ListenerKind::of(request))?;
        let (hub, deadline) = (&self.0.hub, self.0.body_deadline);
        let body = read_payload(&mut Box::pin(body), hub.max_payload(), deadline).await?;
        let many = PublishMany::parse(&body, hub.max_payload())?;
        self.check_publisher_of_many(request, &many).await?;
        Ok(many.publish(hub).await.into_response())
    }

    async fn try_publish<B>(
        &self,
        request: &Parts,
        body: B,
        topic: Topic,
    ) -> Result<Response<Bytes>, Rejection>
    where
        B: Body<Error: Into<BoxError>>,
    {
        let publish = PublishRequest::new(topic, request)?;
        self.check_publisher(request, &publish.topic, ListenerKind::of(request)).await?;
        let (hub, deadline) = (&self.0.hub, self.0.body_deadline);
        let payload = read_payload(&mut Box::pin(body), hub.max_payload(), deadline).await?;
        Ok(published(publish.publish(payload, hub)?.await?))
    }
}

impl Client {
    /// Creates a client that is served from this subscription.
    pub fn new(
        subscription: Subscription,
        on_message: OnMessage,
        write_deadline: Duration,
        observer: Arc<dyn Observer>,
    ) -> Self {
        Self { subscription, on_message, write_deadline, observer, compressor: None }
    }

    /// Sets what compresses the bytes that the client is sent. `None`, the default, sends them plain.
    pub fn compressed_by(self, compressor: Option<Compressor>) -> Self {
        Self { compressor, ..self }
    }

    /// The writer of this client.
    pub(super) fn writer(&self, encoder: Arc<dyn Encoder>) -> Writer {
        let interest = self.subscription.interest();
        let stream = |compressor: &Compressor| compressor.stream(&encoder, interest);
        let stream = self.compressor.as_ref().and_then(stream);
        Writer::new(encoder, stream)
    }

    /// Returns the events of the client as a body without end. The body itself does not detect a client that has
    /// stopped reading.
    pub fn stream(self, encoder: Arc<dyn Encoder>) -> MountBody {
        MountBody::unwatched(self, encoder)
    }

    /// Returns the answer to a poll: the notifications that wait for the client, otherwise the first one within `hold`.
    /// Call [`MountBody::compress`] before its head is sent.
    ///
    /// Cancel safe: dropping the future frees the seat.
    pub async fn answer(self, encoder: &dyn Encoder, hold: Duration) -> MountBody {
        let Self { subscription, observer, compressor, .. } = self;
        let (events, plain) = answer::answer(subscription, encoder, hold, &*observer).await;
        let compressor = compressor.filter(|_| encoder.compression().is_some());
        let gzip = compressor.and_then(|compressor| compressor.answer(&events, &plain));
        MountBody::answer(plain, gzip)
    }

    /// Serves the client on an upgraded connection until the conversation is over. The head of the `101` response must
    /// already have been written.
    ///
    /// Not cancel safe: dropping the future ends the conversation without a goodbye.
    ///
    /// # Errors
    /// Fails if the connection breaks, or the client reads nothing for the write deadline.
    pub async fn converse<T>(self, io: T, encoder: Arc<dyn Encoder>) -> std::io::Result<()>
    where
        T: AsyncRead + AsyncWrite,
    {
        conversation::run_observed(io, self, encoder).await
    }

    /// Serves the client over a transport that keeps its messages apart, such as WebTransport. `output` is one stream
    /// to the client. `messages` are what the client sends, decoded. The result is the reason of the last event, a
    /// goodbye, once it is written to `output`.
    ///
    /// The client gets no strikes for heartbeats, so the transport must detect a client that is gone. Then drop the
    /// future. The client is served on after `messages` has ended.
    ///
    /// Not cancel safe: dropping the future ends the conversation without a goodbye.
    ///
    /// # Errors
    /// Fails if `output` breaks, or the client reads nothing for the write deadline. That is
    /// [`TimedOut`](std::io::ErrorKind::TimedOut), and is reported to the observer.
    pub async fn converse_in_messages<W, M>(
        self,
        output: W,
        messages: M,
        encoder: Arc<dyn Encoder>,
    ) -> std::io::Result<Reason>
    where
        W: AsyncWrite + Unpin,
        M: Stream<Item = Inbound>,
    {
        let observer = self.observer.clone();
        let ended = conversation::run_in_messages(output, messages, self, encoder).await;
        conversation::observe_cut_off(&ended, &*observer);
        ended
    }
}

fn rejected(rejection: Rejection) -> Response<MountBody> {
    rejection.into_response().map(MountBody::whole)
}

fn cannot_upgrade() -> Rejection {
    Rejection::new(
        StatusCode::NOT_IMPLEMENTED,
        "cannot_upgrade",
        "this server cannot upgrade connections: serve it with upgrades enabled",
    )
    .with(header::CONNECTION, HeaderValue::from_static("close"))
}
