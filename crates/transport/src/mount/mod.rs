//! The stream way of moving bytes: a transport inside somebody's own hyper or axum server.
//!
//! ```text
//! Subscription (a Stream of events) ─► encoder ─► http_body::Body, or an upgraded connection
//! ```
//!
//! The server decides how connections end. Serve with hyper's `half_close(true)` if clients that close their side
//! after a request are to be served (RFC 9112, section 9.6); a poll of one that is gone is then held to its end.
//! hyper reads or drops the body of a request, so that it is never the next one.
//!
//! A [`Mount`] answers requests for one transport. Its body implements [`http_body::Body`], so hyper takes
//! it as it is and axum through `axum::body::Body::new`.
//!
//! Whether a client may follow the filters is the application's decision. It parses them once, for example
//! from [`path_segment`](crate::path_segment), compares them with
//! [`Filters::contains`](tidings_core::Filters::contains), and hands over what it has checked. A mount does
//! not know its listener: an application that listens on a loopback address also calls
//! [`Hosts::check`](crate::Hosts::check).
//!
//! ```no_run
//! use std::sync::Arc;
//! use tidings_core::Hub;
//! use tidings_transport::{Transport, mount::Mount};
//!
//! async fn orders(sse: Arc<dyn Transport>, hub: Hub, request: http::Request<()>) {
//!     let orders = "orders.*".parse().expect("a filter");
//!     let response = Mount::new(hub, sse).respond(request, &orders).await;
//!     # drop(response);
//! }
//! ```

mod body;
mod conversation;
mod deadline;
mod farewell;
mod message;
mod observer;

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, Response, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use tidings_core::{Event, Filters, Hub, Id, Interest, SlowPolicy, Subscription};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout};

pub use body::MountBody;
pub use deadline::WriteDeadline;
pub use farewell::farewell;
pub use message::OnMessage;
pub use observer::Observer;

use self::observer::observe;
use crate::{Accepted, Encoder, Origins, Rejection, Shape, SubscribeRequest, Transport};

/// The most payload bytes in one answer of [`Shape::Answer`]: 1 MiB, or one notification.
pub const MAX_ANSWER: usize = 1 << 20;

/// The most notifications in one answer of [`Shape::Answer`], because empty ones have no payload bytes.
pub const MAX_ANSWER_ENTRIES: usize = 4096;

/// How often to look whether a poll whose time is over has come to what is there.
const LOOK: Duration = Duration::from_millis(20);

/// For how long at the most.
const PATIENCE: Duration = Duration::from_secs(5);

/// One transport, mounted. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Mount {
    /// The stream that clients follow.
    pub hub: Hub,
    /// How they follow it.
    pub transport: Arc<dyn Transport>,
    /// Which web pages may follow it. Default: those of the same host.
    pub origins: Origins,
    /// What becomes of those who are too slow. Default: they are told the gap.
    pub slow: SlowPolicy,
    /// Whether clients get back what they sent themselves. Default true.
    pub echo: bool,
    /// What becomes of clients' messages. Default: they are not allowed any.
    pub on_message: OnMessage,
    /// How long one write to an upgraded connection may take. Default 30 s. For bodies the server's own
    /// connection decides: see [`WriteDeadline`].
    pub write_deadline: Duration,
}

/// One client that has been accepted and has a seat.
#[derive(Debug)]
pub struct Visit {
    /// What it reads, and its seat.
    pub subscription: Subscription,
    /// What becomes of its messages.
    pub on_message: OnMessage,
    /// How long one write to an upgraded connection may take.
    pub write_deadline: Duration,
    /// Is told what becomes of the client.
    pub observer: Arc<dyn Observer>,
}

impl Mount {
    /// A transport on a hub, with the defaults.
    pub fn new(hub: Hub, transport: Arc<dyn Transport>) -> Self {
        Self {
            hub,
            transport,
            origins: Origins::default(),
            slow: SlowPolicy::default(),
            echo: true,
            on_message: OnMessage::refused(),
            write_deadline: Duration::from_secs(30),
        }
    }

    /// Answers one request for these filters. With [`Shape::Answer`] this takes as long as the poll is
    /// held.
    ///
    /// Cancel safe: dropping the future gives the seat back.
    pub async fn respond<B>(&self, request: Request<B>, filters: &Filters) -> Response<MountBody> {
        let (mut request, _) = request.into_parts();
        let upgrade = request.extensions.remove::<OnUpgrade>();
        let accepted = SubscribeRequest::new(filters.clone(), &request).and_then(|subscribe| {
            self.origins.check(&request)?;
            let accepted = self.transport.accept(&request, &subscribe)?;
            // A HEAD is answered like a GET without its body. It takes no seat and is never held.
            if request.method == Method::HEAD {
                return Ok(Err(accepted));
            }
            let seat = self.hub.join_with(self.transport.name(), &subscribe.filters)?;
            let mut interest = Interest::new(subscribe.filters).slow(self.slow);
            if !self.echo {
                interest = interest.without_own();
            }
            Ok(Ok((accepted, self.hub.read(seat, interest, subscribe.position))))
        });
        match accepted {
            Ok(Err(accepted)) => accepted.response(MountBody::empty()),
            Ok(Ok((accepted, subscription))) => {
                let visit = Visit {
                    subscription,
                    on_message: self.on_message.clone(),
                    write_deadline: self.write_deadline,
                    observer: Arc::new(()),
                };
                visit.respond(accepted, upgrade).await
            }
            Err(rejection) => rejection.into_response_by(&*self.transport).map(MountBody::whole),
        }
    }
}

impl Visit {
    /// Answers the request with which the client came. A [`Shape::Upgrade`] goes on in a task of its own.
    pub async fn respond(
        self,
        accepted: Accepted,
        upgrade: Option<OnUpgrade>,
    ) -> Response<MountBody> {
        let encoder = accepted.encoder.clone();
        let body = match accepted.shape {
            Shape::Stream => MountBody::events(self.subscription, encoder, self.observer),
            Shape::Answer { hold } => self.answer(&*encoder, hold).await,
            Shape::Upgrade => {
                let Some(upgrade) = upgrade else {
                    return cannot_upgrade().into_response().map(MountBody::whole);
                };
                tokio::spawn(conversation::converse(upgrade, self, encoder));
                MountBody::empty()
            }
        };
        accepted.response(body)
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

    async fn answer(mut self, encoder: &dyn Encoder, hold: Duration) -> MountBody {
        let mut events = Vec::new();
        let mut size = 0;
        let mut next = self.first_within(hold).await;
        while let Some(event) = next {
            if let Event::Deliver(entry) = &event {
                size += entry.notification().payload().len();
            }
            events.push(event);
            let room = events.len() < MAX_ANSWER_ENTRIES
                && size + self.subscription.next_size().unwrap_or_default() <= MAX_ANSWER;
            next = room.then(|| self.subscription.try_next()).flatten();
        }
        observe(&*self.observer, &self.subscription, &events);
        let position = self.subscription.position();
        MountBody::whole(encoder.encode(&events, position))
    }

    /// The first event that is there when the hold is over.
    async fn first_within(&mut self, hold: Duration) -> Option<Event> {
        if let Ok(first) = timeout(hold, self.first()).await {
            return first;
        }
        // What lies behind its position has not all been looked at: it may be what it waits for.
        let (head, until) = (self.subscription.hub().log().head(), Instant::now() + PATIENCE);
        while self.is_short_of(head) && Instant::now() < until {
            if let Ok(first) = timeout(LOOK, self.first()).await {
                return first;
            }
        }
        self.subscription.try_next()
    }

    /// Whether it has not come so far, and is not kept from it by a broker that is away.
    fn is_short_of(&self, head: Id) -> bool {
        let at = self.subscription.position();
        let is_there = at.epoch == head.epoch && at.seq >= head.seq;
        !is_there && self.subscription.hub().is_connected() != Some(false)
    }

    /// The first event that is worth an answer: a held poll has no heartbeat but its end.
    async fn first(&mut self) -> Option<Event> {
        loop {
            match self.subscription.next().await {
                Some(Event::Heartbeat(_)) => {}
                event => return event,
            }
        }
    }
}

fn cannot_upgrade() -> Rejection {
    Rejection::new(
        StatusCode::NOT_IMPLEMENTED,
        "cannot_upgrade",
        "this server's connections cannot leave HTTP: serve it with upgrades enabled",
    )
    .with(header::CONNECTION, http::HeaderValue::from_static("close"))
}
