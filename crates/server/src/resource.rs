//! The resources of the server, by their paths.

use http::request::Parts;

/// A resource of the server.
pub(crate) enum Resource<'a> {
    Front,
    /// A file of the live page.
    Page,
    /// The icon that a browser requests by itself.
    Icon,
    /// The JavaScript client, which is served without the page as well.
    Client,
    Transports,
    Health,
    Ready,
    Metrics,
    /// A topic or filters, still percent-encoded.
    Topics(&'a str),
    /// `/topics`, to publish many notifications, each with its topic.
    AllTopics,
    Unknown,
}

impl<'a> Resource<'a> {
    /// Returns the resource that this request names.
    pub(crate) fn of(request: &'a Parts) -> Self {
        match request.uri.path() {
            "/" => Self::Front,
            "/client.js" => Self::Client,
            "/transports" => Self::Transports,
            "/favicon.ico" => Self::Icon,
            "/healthz" => Self::Health,
            "/readyz" => Self::Ready,
            "/metrics" => Self::Metrics,
            "/topics" => Self::AllTopics,
            path if path.starts_with("/page/") => Self::Page,
            path => match path.strip_prefix("/topics/") {
                Some(name) if !name.is_empty() && !name.contains('/') => Self::Topics(name),
                _ => Self::Unknown,
            },
        }
    }
}

/// Returns `true` for a health check or a read of the metrics. It is answered on a connection over the limit too: if
/// a liveness probe failed because the server is full, the server would be restarted.
pub(crate) fn is_probe(request: &Parts) -> bool {
    matches!(Resource::of(request), Resource::Health | Resource::Ready | Resource::Metrics)
}
