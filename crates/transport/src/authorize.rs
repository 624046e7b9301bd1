//! Decides which requests may subscribe, publish and read pages.

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use http::request::Parts;
use tidings_core::{Filters, Session, Topic};

use crate::Rejection;

/// The action of a request.
///
/// An application should decide by these values and not by the path, because a path can name several filters and can be
/// percent-encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action<'a> {
    /// Publish to this topic. This is also checked for a WebSocket client that subscribes to a single topic, unless
    /// `on_message` is set. If it is allowed, the client may send messages to that topic.
    Publish(&'a Topic),
    /// Subscribe to these filters.
    Subscribe(&'a Filters),
    /// Read the live page of a server, one of its files, the help text, or `/transports`. None of them contains
    /// notifications.
    Page,
    /// Read `/metrics` of a server.
    Metrics,
}

/// Decides whether a request is allowed, and identifies the client that sent it.
///
/// The session that is returned for [`Action::Subscribe`] is kept while the client is connected. The session for any
/// other action is dropped.
///
/// ```
/// use http::request::Parts;
/// use tidings_core::Session;
/// use tidings_transport::{Action, Authorize, Rejection, query};
///
/// struct User(String);
/// impl Session for User {}
///
/// /// Allows clients that send a name to read and write all topics below `public.`.
/// struct ByName;
///
/// impl Authorize for ByName {
///     type Session = User;
///
///     async fn authorize(&self, request: &Parts, action: Action<'_>) -> Result<User, Rejection> {
///         let public: tidings_core::Filters = "public.>".parse()?;
///         let is_allowed = match action {
///             Action::Subscribe(filters) => public.contains(filters),
///             Action::Publish(topic) => public.matches(topic),
///             _ => false,
///         };
///         match query(request, "name") {
///             Some(name) if is_allowed => Ok(User(name.into_owned())),
///             _ => Err(Rejection::forbidden("send a name, and use topics below public.")),
///         }
///     }
/// }
/// ```
pub trait Authorize: Send + Sync + 'static {
    /// The application's data about a client, or `()`.
    type Session: Session;

    /// Returns the session of the client that sent this request, if it may do this.
    ///
    /// The client waits until the future resolves. The future should have a time limit, because it is also polled after
    /// the client has left. It may be dropped before it resolves.
    ///
    /// # Errors
    /// Fails with the rejection to send if the request is not allowed, usually a `401` or a `403`.
    fn authorize(
        &self,
        request: &Parts,
        action: Action<'_>,
    ) -> impl Future<Output = Result<Self::Session, Rejection>> + Send;
}

/// An [`Authorize`] of any type. Cloning it is cheap.
#[derive(Clone)]
pub struct Authorizer(Policy);

#[derive(Clone)]
enum Policy {
    Everything,
    Subscribe,
    Function(Arc<Decide>),
    Custom(Arc<dyn DynAuthorize>),
}

type Decide = dyn Fn(&Parts, Action<'_>) -> Result<Arc<dyn Session>, Rejection> + Send + Sync;

trait DynAuthorize: Send + Sync {
    fn authorize<'a>(
        &'a self,
        request: &'a Parts,
        action: Action<'a>,
    ) -> BoxFuture<'a, Result<Arc<dyn Session>, Rejection>>;
}

impl<A: Authorize> DynAuthorize for A {
    fn authorize<'a>(
        &'a self,
        request: &'a Parts,
        action: Action<'a>,
    ) -> BoxFuture<'a, Result<Arc<dyn Session>, Rejection>> {
        let authorizing = Authorize::authorize(self, request, action);
        Box::pin(async { Ok(Arc::new(authorizing.await?) as Arc<dyn Session>) })
    }
}

impl Authorizer {
    /// Creates an authorizer that calls this [`Authorize`].
    pub fn new(authorize: impl Authorize) -> Self {
        Self(Policy::Custom(Arc::new(authorize)))
    }

    /// Creates an authorizer that calls this function, which must not block.
    pub fn from_fn<S: Session>(
        decide: impl Fn(&Parts, Action<'_>) -> Result<S, Rejection> + Send + Sync + 'static,
    ) -> Self {
        Self(Policy::Function(Arc::new(move |request, action| {
            Ok(Arc::new(decide(request, action)?) as Arc<dyn Session>)
        })))
    }

    /// Creates an authorizer that allows everything.
    pub fn allow_all() -> Self {
        Self(Policy::Everything)
    }

    /// Creates an authorizer that allows everything except publishing.
    pub fn subscribe_only() -> Self {
        Self(Policy::Subscribe)
    }

    /// Returns the session of the client that sent this request, or `None` if the request is allowed and this is not an
    /// authorizer of the application.
    ///
    /// Cancel safe if the application's authorizer is.
    ///
    /// # Errors
    /// Fails with the rejection to send if the request is not allowed.
    pub async fn authorize(
        &self,
        request: &Parts,
        action: Action<'_>,
    ) -> Result<Option<Arc<dyn Session>>, Rejection> {
        match (&self.0, action) {
            (Policy::Custom(custom), _) => custom.authorize(request, action).await.map(Some),
            (Policy::Function(decide), _) => decide(request, action).map(Some),
            (Policy::Subscribe, Action::Publish(_)) => {
                Err(Rejection::forbidden("clients may subscribe here, but not publish"))
            }
            _ => Ok(None),
        }
    }
}

impl fmt::Debug for Authorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Policy::Everything => "Authorizer(allow all)",
            Policy::Subscribe => "Authorizer(subscribe only)",
            Policy::Function(_) | Policy::Custom(_) => "Authorizer(custom)",
        })
    }
}
