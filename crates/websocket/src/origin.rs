//! From which web pages a browser may connect.

use std::fmt;
use std::sync::Arc;

use http::header;
use http::request::Parts;

/// Which origins may connect (RFC 6455, section 10.2). A browser lets any page open a WebSocket to any
/// host and sends cookies along; only the server's check of `Origin` keeps foreign pages out. A request
/// without `Origin` does not come from a page and is let in.
///
/// ```
/// use tidings_websocket::Origins;
/// let request = http::Request::get("/topics/t")
///     .header("host", "hub.example")
///     .header("origin", "https://evil.example")
///     .body(())?
///     .into_parts()
///     .0;
/// assert!(!Origins::Same.allow(&request));
/// assert!(Origins::Listed(vec!["https://evil.example".into()]).allow(&request));
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone, Default)]
pub enum Origins {
    /// Only pages of the host that the request names. The default.
    #[default]
    Same,
    /// Pages of these origins, written as a browser does: `https://example.org`, with the port where it
    /// is not the scheme's own.
    Listed(Vec<String>),
    /// Every page. For public streams that use no cookies.
    Any,
    /// Whatever this function, given the origin and the request, says.
    Custom(Arc<OriginCheck>),
}

/// Decides about an origin and the request it came with.
pub type OriginCheck = dyn Fn(&str, &Parts) -> bool + Send + Sync;

impl Origins {
    /// Whether the request may go on.
    pub fn allow(&self, request: &Parts) -> bool {
        let Some(origin) = request.headers.get(header::ORIGIN) else { return true };
        let Ok(origin) = origin.to_str() else { return false };
        match self {
            Self::Same => is_same(origin, request),
            Self::Listed(origins) => origins.iter().any(|one| one.eq_ignore_ascii_case(origin)),
            Self::Any => true,
            Self::Custom(allow) => allow(origin, request),
        }
    }
}

fn is_same(origin: &str, request: &Parts) -> bool {
    let host = request.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let (Some(host), Some((scheme, authority))) = (host, origin.split_once("://")) else {
        return false;
    };
    // Behind a proxy that ends TLS the scheme is unknown here, so either default port may be left out.
    let default_port = if scheme.eq_ignore_ascii_case("https") { ":443" } else { ":80" };
    let bare = |text: &str| text.strip_suffix(default_port).unwrap_or(text).to_ascii_lowercase();
    bare(authority) == bare(host)
}

impl fmt::Debug for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same => f.write_str("Same"),
            Self::Listed(origins) => f.debug_tuple("Listed").field(origins).finish(),
            Self::Any => f.write_str("Any"),
            Self::Custom(_) => f.write_str("Custom"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(origin: Option<&str>, host: &str) -> bool {
        let mut request = http::Request::get("/").header("host", host);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        Origins::Same.allow(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn same_origin_compares_host_and_port_and_nothing_else_gets_by() {
        assert!(same(None, "a.example"));
        assert!(same(Some("http://a.example"), "a.example"));
        assert!(same(Some("http://A.example:80"), "a.example"));
        assert!(same(Some("https://a.example"), "a.example:443"));
        assert!(same(Some("http://127.0.0.1:8080"), "127.0.0.1:8080"));
        assert!(!same(Some("http://a.example:8080"), "a.example"));
        assert!(!same(Some("http://a.example.evil.org"), "a.example"));
        assert!(!same(Some("http://evil.org/a.example"), "a.example"));
        assert!(!same(Some("null"), "a.example"));
    }
}
