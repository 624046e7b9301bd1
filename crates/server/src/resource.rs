//! Finds the resource of a path.

use http::request::Parts;

/// A resource of the server.
pub(crate) enum Resource<'a> {
    /// `/`: the live page, or a help text.
    Front,
    /// A file of the live page.
    Page,
    /// The icon that a browser requests for every site.
    Icon,
    /// The JavaScript client, which is served even if the live page is not.
    Client,
    /// The part of the JavaScript client for WebTransport.
    WebTransport,
    /// The list of transports.
    Transports,
    /// The liveness probe.
    Health,
    /// The readiness probe.
    Ready,
    /// The metrics.
    Metrics,
    /// A topic or filters, percent-encoded as in the path.
    Topics(&'a str),
    /// `/topics`, to publish many notifications, each with its topic.
    AllTopics,
    /// Any other path.
    Unknown,
}

impl<'a> Resource<'a> {
    pub(crate) fn of(request: &'a Parts) -> Self {
        match request.uri.path() {
            "/" => Self::Front,
            "/client.js" => Self::Client,
            "/webtransport.js" => Self::WebTransport,
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

/// Returns `true` for a health check and for a read of the metrics. They are served on connections over the limit as
/// well. Otherwise a full server would fail its liveness probe and be restarted.
pub(crate) fn is_probe(request: &Parts) -> bool {
    matches!(Resource::of(request), Resource::Health | Resource::Ready | Resource::Metrics)
}
