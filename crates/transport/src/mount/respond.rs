//! From a request to its response.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body;
use hyper::upgrade::OnUpgrade;
use tidings_core::{Filters, Subscription, Topic};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Mount, MountBody, Observer, Stalls, answer, conversation};
use crate::{
    Accepted, Encoder, OnMessage, PublishRequest, Rejection, Shape, SubscribeRequest, choose,
    last_segment, published, read_payload,
};

/// One client that has been accepted and has a seat.
#[derive(Debug)]
pub struct Client {
    /// What it reads, and its seat.
    pub subscription: Subscription,
    /// What happens to its messages.
    pub on_message: OnMessage,
    /// How long the client may take nothing while there is something for it.
    pub write_deadline: Duration,
    /// Counts what happens to the client.
    pub observer: Arc<dyn Observer>,
}

impl Mount {
    /// Responds to a request by its method, for the filters or the topic in the last segment of its path. The response to
    /// a poll takes as long as the poll is held.
    ///
    /// Cancel safe for a client that subscribes: dropping the future gives the seat back. Not cancel safe for one that
    /// publishes: the notification may be published or not.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn respond<B>(&self, request: Request<B>) -> Response<MountBody>
    where
        B: Body,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        self.try_respond(request).await.unwrap_or_else(rejected)
    }

    async fn try_respond<B>(&self, request: Request<B>) -> Result<Response<MountBody>, Rejection>
    where
        B: Body,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let name = last_segment(request.uri())?.into_owned();
        match *request.method() {
            Method::GET | Method::HEAD => {
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

    /// Responds to a request to subscribe to these filters, whatever its path. The response to a poll takes as long as the
    /// poll is held.
    ///
    /// Cancel safe: dropping the future gives the seat back.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn subscribe<B>(&self, request: Request<B>, filters: Filters) -> Response<MountBody> {
        let (mut request, _) = request.into_parts();
        let upgrade = request.extensions.remove::<OnUpgrade>();
        match self.try_subscribe(&request, filters, upgrade).await {
            Ok(response) => response,
            Err(rejection) => match choose(&self.0.transports, &request) {
                Ok(transport) if request.method == Method::GET => {
                    rejection.into_response_by(&**transport).map(MountBody::whole)
                }
                _ => rejected(rejection),
            },
        }
    }

    async fn try_subscribe(
        &self,
        request: &Parts,
        filters: Filters,
        upgrade: Option<OnUpgrade>,
    ) -> Result<Response<MountBody>, Rejection> {
        let subscribe = SubscribeRequest::new(filters, request)?;
        if request.method == Method::HEAD {
            return Ok(self.head(request, &subscribe).await?.map(|()| MountBody::head()));
        }
        let subscriber = self.accept(request, subscribe).await?;
        let (accepted, client) = self.client(subscriber);
        Ok(client.respond(accepted, upgrade, &self.0.stalls).await)
    }

    /// Publishes the body of a request to this topic, whatever its path.
    ///
    /// Not cancel safe: if the future is dropped, the body may be published or not.
    pub async fn publish<B>(&self, request: Request<B>, topic: Topic) -> Response<MountBody>
    where
        B: Body,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let (request, body) = request.into_parts();
        match self.try_publish(&request, body, topic).await {
            Ok(response) => response.map(MountBody::whole),
            Err(rejection) => rejected(rejection),
        }
    }

    async fn try_publish<B>(
        &self,
        request: &Parts,
        body: B,
        topic: Topic,
    ) -> Result<Response<Bytes>, Rejection>
    where
        B: Body,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let publish = PublishRequest::new(topic, request)?;
        self.check_publisher(request, &publish.topic).await?;
        let (hub, deadline) = (&self.0.hub, self.0.body_deadline);
        let payload = read_payload(&mut Box::pin(body), hub.max_payload(), deadline).await?;
        Ok(published(publish.publish(payload, hub)?.await?))
    }
}

impl Client {
    /// Answers the request with which the client came. A [`Shape::Upgrade`] goes on in a task of its own.
    pub(super) async fn respond(
        self,
        accepted: Accepted,
        upgrade: Option<OnUpgrade>,
        stalls: &Stalls,
    ) -> Response<MountBody> {
        let body = match accepted.shape {
            Shape::Stream => MountBody::watched(self, accepted.encoder.clone(), stalls),
            Shape::Answer { hold } => self.answer(&*accepted.encoder, hold).await,
            Shape::Upgrade => {
                let Some(upgrade) = upgrade else { return rejected(cannot_upgrade()) };
                tokio::spawn(conversation::converse(upgrade, self, accepted.encoder.clone()));
                MountBody::empty()
            }
        };
        accepted.response(body)
    }

    /// Returns the events of the client as a body without end. It notices a client that takes nothing only if it is asked
    /// for its next frame.
    pub fn stream(self, encoder: Arc<dyn Encoder>) -> MountBody {
        MountBody::unwatched(self, encoder)
    }

    /// Returns the answer to a poll: what waits for it, or what comes first within `hold`.
    ///
    /// Cancel safe: dropping the future gives the seat back.
    pub async fn answer(self, encoder: &dyn Encoder, hold: Duration) -> MountBody {
        let Self { subscription, observer, .. } = self;
        MountBody::whole(answer::answer(subscription, encoder, hold, &*observer).await)
    }

    /// Serves the client on a connection that has left HTTP: the head that switches protocols has been written.
    /// Returns when the conversation is over.
    ///
    /// Not cancel safe: dropping the future ends the conversation without a goodbye.
    ///
    /// # Errors
    /// If the connection breaks, or the client takes nothing for as long as the write deadline.
    pub async fn converse<T>(self, io: T, encoder: Arc<dyn Encoder>) -> std::io::Result<()>
    where
        T: AsyncRead + AsyncWrite,
    {
        conversation::run_observed(io, self, encoder).await
    }
}

fn rejected(rejection: Rejection) -> Response<MountBody> {
    rejection.into_response().map(MountBody::whole)
}

fn cannot_upgrade() -> Rejection {
    Rejection::new(
        StatusCode::NOT_IMPLEMENTED,
        "cannot_upgrade",
        "this server's connections cannot leave HTTP: serve it with upgrades enabled",
    )
    .with(header::CONNECTION, HeaderValue::from_static("close"))
}
