//! Who may subscribe, publish and read pages.

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use http::request::Parts;
use tidings_core::{Filters, Session, Topic};

use crate::Rejection;

/// What a request wants to do. Decide by these values and not by the path: a path can name several filters, and each of
/// them can be percent-encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action<'a> {
    /// Publish to this topic. A WebSocket client that subscribes to a single topic may send messages to it if this is
    /// allowed.
    Publish(&'a Topic),
    /// Subscribe to these filters.
    Subscribe(&'a Filters),
    /// Read the live page of a server, one of its files, the help text, or `/transports`. None of them has a notification
    /// in it.
    Page,
    /// Read `/metrics` of a server.
    Metrics,
}

/// Decides what a request may do, and who sends it.
///
/// The session that is returned for [`Action::Subscribe`] is kept with the client for as long as it is connected. For
/// other actions it is dropped.
///
/// ```
/// use http::request::Parts;
/// use tidings_core::Session;
/// use tidings_transport::{Action, Authorize, Rejection, query};
///
/// struct User(String);
/// impl Session for User {}
///
/// /// Everyone who gives a name may read and write all below `public.`.
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
///             _ => Err(Rejection::forbidden("give a name, and use public.>")),
///         }
///     }
/// }
/// ```
pub trait Authorize: Send + Sync + 'static {
    /// What the application knows of a client, or `()`.
    type Session: Session;

    /// Returns the session of the client that sends this request if it may do this.
    ///
    /// While it waits, the client waits, also one that has left. So it should have a time limit of its own. The future may be
    /// dropped before it is done.
    ///
    /// # Errors
    /// Returns the rejection to send, usually a `401` or a `403`.
    fn authorize(
        &self,
        request: &Parts,
        action: Action<'_>,
    ) -> impl Future<Output = Result<Self::Session, Rejection>> + Send;
}

/// An [`Authorize`] of any type. Cheap to clone.
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
    /// Returns an authorizer that decides as this one does.
    pub fn new(authorize: impl Authorize) -> Self {
        Self(Policy::Custom(Arc::new(authorize)))
    }

    /// Returns an authorizer that calls this function, which must not block.
    pub fn from_fn<S: Session>(
        decide: impl Fn(&Parts, Action<'_>) -> Result<S, Rejection> + Send + Sync + 'static,
    ) -> Self {
        Self(Policy::Function(Arc::new(move |request, action| {
            Ok(Arc::new(decide(request, action)?) as Arc<dyn Session>)
        })))
    }

    /// Returns an authorizer that allows everything.
    pub fn allow_all() -> Self {
        Self(Policy::Everything)
    }

    /// Returns an authorizer that allows everything except publishing.
    pub fn subscribe_only() -> Self {
        Self(Policy::Subscribe)
    }

    /// Returns the session of the client that sends this request, if it has one, or an error if the client may not do
    /// this.
    ///
    /// Cancel safe if the application's own authorizer is.
    ///
    /// # Errors
    /// Returns the rejection to send.
    pub async fn authorize(
        &self,
        request: &Parts,
        action: Action<'_>,
    ) -> Result<Option<Arc<dyn Session>>, Rejection> {
        match (&self.0, action) {
            (Policy::Custom(custom), _) => custom.authorize(request, action).await.map(Some),
            (Policy::Function(decide), _) => decide(request, action).map(Some),
            (Policy::Subscribe, Action::Publish(_)) => {
                Err(Rejection::forbidden("clients may subscribe here, and not publish"))
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
